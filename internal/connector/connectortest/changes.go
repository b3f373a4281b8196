package connectortest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// scanned is what one whole scan said.
type scanned struct {
	records []crm.Record
	cursor  string
	pages   int
	total   int
}

// scan runs a scan to its end, each page by a fresh instance that knows nothing
// but the position. between is called after each page but the last.
func (s *suite) scan(t *testing.T, cursor string, full bool, between func(page int)) scanned {
	t.Helper()
	req := connector.ChangesRequest{Object: s.Object, Fields: s.fields(), Cursor: cursor, Full: full}
	var out scanned
	most := 3*len(s.Fake.Live(s.Object))/s.app.Limits.PageSize + 12
	for {
		page, err := s.open(t).Changes(t.Context(), req)
		if err != nil {
			t.Fatalf("page %d: %v", out.pages, err)
		}
		out.pages++
		out.records = append(out.records, page.Records...)
		out.total = max(out.total, page.Total)
		if page.Next == "" {
			if page.Cursor == "" {
				t.Fatal("a finished scan gave no cursor")
			}
			out.cursor = page.Cursor
			return out
		}
		if out.pages > most {
			t.Fatalf("the scan has not ended after %d pages", out.pages)
		}
		if between != nil {
			between(out.pages)
		}
		req.Position = page.Next
	}
}

// view is what somebody knows who has seen all scans.
type view map[crm.RecordID]crm.Record

func (v view) take(records []crm.Record) {
	for _, r := range records {
		v[r.ID] = r
	}
}

// compare checks the view against the app. Records that are gone must be known
// as such where the app tells of deletions.
func (s *suite) compare(t *testing.T, v view) {
	t.Helper()
	live := s.Fake.Live(s.Object)
	missed := 0
	for id, want := range live {
		got, ok := v[id]
		if !ok || got.Deleted {
			missed++
			continue
		}
		if diff := cmp.Diff(only(want, s.fields()), texts(got.Fields, s.fields())); diff != "" {
			t.Errorf("record %s is known in an old version (-want +got):\n%s", id, diff)
		}
		if s.app.Can(crm.AbilityRecordTimes) && got.ModifiedAt.IsZero() {
			t.Errorf("record %s has no time of modification", id)
		}
	}
	if missed > 0 {
		t.Errorf("%d of %d live records were never listed as such", missed, len(live))
	}
	for id, r := range v {
		if _, ok := live[id]; !ok && !r.Deleted && s.app.Can(crm.AbilityDeletedFeed) {
			t.Errorf("record %s is gone, and no scan said so", id)
		}
	}
}

// testChangesRounds edits at random, scans after each round, and expects that
// nothing was missed once everything has settled.
func testChangesRounds(t *testing.T, s *suite) {
	rng := rand.New(rand.NewPCG(7, 11))
	ids := s.must(t, 0, 20)
	known := view{}
	cursor := ""
	for round := range 25 {
		for range rng.IntN(5) {
			s.edit(t, rng, &ids)
			if rng.IntN(2) == 0 {
				s.clock.Advance(time.Duration(rng.IntN(40_000)) * time.Millisecond)
			}
		}
		got := s.scan(t, cursor, false, nil)
		known.take(got.records)
		cursor = got.cursor
		if round%5 == 4 {
			s.settle()
		}
	}
	s.settle()
	last := s.scan(t, cursor, false, nil)
	known.take(last.records)
	s.compare(t, known)

	s.settle()
	quiet := s.scan(t, last.cursor, false, nil)
	s.clock.Advance(time.Second)
	before := s.Fake.Calls()
	quiet = s.scan(t, quiet.cursor, false, nil)
	if n := s.Fake.Calls() - before; n != 1 || len(quiet.records) != 0 {
		t.Errorf("a scan with nothing changed made %d calls and listed %d records, want 1 and none", n, len(quiet.records))
	}
}

// edit makes one user edit.
func (s *suite) edit(t *testing.T, rng *rand.Rand, ids *[]crm.RecordID) {
	t.Helper()
	n := 1000 + rng.IntN(1_000_000)
	switch rng.IntN(6) {
	case 0, 1:
		*ids = append(*ids, s.must(t, n, 1)...)
	case 2:
		if len(*ids) > 5 {
			i := rng.IntN(len(*ids))
			if err := s.Fake.Delete(s.Object, (*ids)[i]); err != nil {
				t.Fatal(err)
			}
			*ids = slices.Delete(*ids, i, i+1)
		}
	default:
		if err := s.Fake.Update(s.Object, (*ids)[rng.IntN(len(*ids))], map[string]string{
			s.First: "Edit" + text(n),
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func testChangesFull(t *testing.T, s *suite) {
	n := s.app.Limits.PageSize + s.app.Limits.PageSize/2 + 1
	var ids []crm.RecordID
	for i := range n {
		ids = append(ids, s.must(t, i, 1)...)
		if i%100 == 99 {
			s.clock.Advance(time.Second)
		}
	}
	for _, id := range ids[:3] {
		if err := s.Fake.Delete(s.Object, id); err != nil {
			t.Fatal(err)
		}
	}
	s.settle()
	got := s.scan(t, "", true, nil)
	if got.pages < 2 && !s.OnePage {
		t.Fatalf("%d records came on %d page", n, got.pages)
	}
	if got.total != 0 && (got.total < n-3 || got.total > n) {
		t.Errorf("the scan says it has %d records, want %d or 0 for unknown", got.total, n-3)
	}
	known := view{}
	known.take(got.records)
	s.compare(t, known)
	for _, id := range ids[:3] {
		if r, ok := known[id]; ok && !r.Deleted {
			t.Errorf("the deleted record %s is listed as live", id)
		}
	}
	if err := s.Fake.Update(s.Object, ids[5], map[string]string{s.First: "After"}); err != nil {
		t.Fatal(err)
	}
	s.settle()
	known.take(s.scan(t, got.cursor, false, nil).records)
	s.compare(t, known)
}

// testChangesEdited changes records while a scan is under way; the scan and the
// next one together must know everything.
func testChangesEdited(t *testing.T, s *suite) {
	if s.OnePage {
		t.Skip("the app lists everything in one answer: there is no meanwhile")
	}
	for name, full := range map[string]bool{"incremental": false, "full": true} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t, s.Harness)
			n := 2*s.app.Limits.PageSize + 1
			var ids []crm.RecordID
			for i := range n {
				ids = append(ids, s.must(t, i, 1)...)
				if i%50 == 49 {
					s.clock.Advance(time.Second)
				}
			}
			s.settle()
			edits := 0
			known := view{}
			got := s.scan(t, "", full, func(page int) {
				edits++
				s.clock.Advance(time.Second)
				for _, id := range []crm.RecordID{ids[page], ids[n-1-page]} {
					if err := s.Fake.Update(s.Object, id, map[string]string{s.First: "Meanwhile" + text(page)}); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.Fake.Delete(s.Object, ids[n/2+page]); err != nil {
					t.Fatal(err)
				}
				s.must(t, n+page, 1)
			})
			if edits == 0 {
				t.Fatal("the scan had one page only")
			}
			known.take(got.records)
			s.settle()
			known.take(s.scan(t, got.cursor, false, nil).records)
			s.compare(t, known)
		})
	}
}

// testChangesTies lists more records of one instant than a page holds.
func testChangesTies(t *testing.T, s *suite) {
	n := s.Ties
	if n == 0 {
		n = 2*s.app.Limits.PageSize + 1
	}
	s.must(t, 0, n) // the clock stands still
	s.settle()
	got := s.scan(t, "", false, nil)
	known := view{}
	known.take(got.records)
	s.compare(t, known)
	if most := 3*n/s.app.Limits.PageSize + 10; got.pages > most {
		t.Errorf("%d records took %d pages, want at most %d", n, got.pages, most)
	}
}

// repeat answers every request after the first as it did the first.
type repeat struct {
	next http.RoundTripper
	mu   sync.Mutex
	head *http.Response
	body []byte
}

// RoundTrip implements http.RoundTripper.
func (r *repeat) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head == nil {
		resp, err := r.next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		if r.body, err = io.ReadAll(resp.Body); err != nil {
			return nil, err
		}
		r.head = resp
	}
	again := *r.head
	again.Body = io.NopCloser(bytes.NewReader(r.body))
	again.Request = req
	return &again, nil
}

// testChangesRepeated has the app answer with the same page for ever.
func testChangesRepeated(t *testing.T, s *suite) {
	if s.OnePage {
		t.Skip("the app lists everything in one answer: there is no page to repeat")
	}
	for i := range 2*s.app.Limits.PageSize + 1 {
		s.must(t, i, 1)
		if i%50 == 49 {
			s.clock.Advance(time.Second)
		}
	}
	s.settle()
	for name, full := range map[string]bool{"incremental": false, "full": true} {
		t.Run(name, func(t *testing.T) {
			circle := &repeat{}
			conn := s.Open(t, Tools{Tokens: s.tokens, Wrap: func(rt http.RoundTripper) http.RoundTripper {
				circle.next = rt
				return circle
			}})
			req := connector.ChangesRequest{Object: s.Object, Fields: s.fields(), Full: full}
			for range 20 {
				page, err := conn.Changes(t.Context(), req)
				if err != nil {
					if !fault.Is(err, fault.Unavailable) || fault.CodeOf(err) != "malformed_answer" {
						t.Errorf("the repeated page: %v, want unavailable, malformed_answer", err)
					}
					return
				}
				if page.Next == "" {
					t.Fatal("the scan ended as if it had listed everything")
				}
				req.Position = page.Next
			}
			t.Error("20 equal pages were taken for new ones")
		})
	}
}

func testChangesPosition(t *testing.T, s *suite) {
	for name, req := range map[string]connector.ChangesRequest{
		"position":      {Position: "not a position"},
		"cursor":        {Cursor: "not a cursor"},
		"long position": {Position: string(bytes.Repeat([]byte("A"), 10_000))},
		"full position": {Position: "' OR Id != '", Full: true},
	} {
		req.Object, req.Fields = s.Object, s.fields()
		if _, err := s.conn.Changes(t.Context(), req); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if n := s.Fake.Calls(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

// testChangesMerge expects the loser of a merge with its survivor in the feed.
func testChangesMerge(t *testing.T, s *suite) {
	if !s.app.Can(crm.AbilityMerges) || !s.app.Can(crm.AbilityDeletedFeed) {
		t.Skip("the app does not tell of merges in its changes")
	}
	ids := s.must(t, 0, 3)
	first := s.scan(t, "", false, nil)
	s.clock.Advance(time.Second)
	survivor, err := s.Fake.Merge(s.Object, ids[0], ids[1])
	if err != nil {
		t.Fatal(err)
	}
	s.settle()
	known := view{}
	known.take(s.scan(t, first.cursor, false, nil).records)
	if r := known[ids[0]]; !r.Deleted || r.MergedInto != survivor {
		t.Errorf("the loser: deleted %v, merged into %q, want true and %q", r.Deleted, r.MergedInto, survivor)
	}
}

func testDeletions(t *testing.T, s *suite) {
	if !s.app.Can(crm.AbilityArchiveSweep) {
		t.Skip("the app has no listing of deletions; that the extra is not implemented is checked under Abilities")
	}
	ids := s.must(t, 0, 4)
	s.clock.Advance(10 * time.Minute)
	sweep := func(cursor string) (map[crm.RecordID]bool, string) {
		got, position := map[crm.RecordID]bool{}, ""
		for range 100 {
			page, err := s.open(t).Extras().Deleted(t.Context(), s.Object, cursor, position)
			if err != nil {
				t.Fatalf("Deleted: %v", err)
			}
			for _, r := range page.Records {
				if !r.Deleted || r.ID == "" {
					t.Errorf("entry %+v is no deletion", r.ID)
				}
				got[r.ID] = true
			}
			if page.Next == "" {
				return got, page.Cursor
			}
			position = page.Next
		}
		t.Fatal("the listing does not end")
		return nil, ""
	}
	for i, id := range ids[:2] {
		if err := s.Fake.Delete(s.Object, id); err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(time.Duration(3+i) * time.Minute)
	}
	got, cursor := sweep("")
	if !got[ids[0]] || !got[ids[1]] || got[ids[2]] || got[ids[3]] {
		t.Errorf("the listing has %v, want exactly the two deleted", got)
	}
	s.clock.Advance(time.Hour)
	if err := s.Fake.Delete(s.Object, ids[2]); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(5 * time.Minute)
	if got, _ = sweep(cursor); !got[ids[2]] || got[ids[3]] {
		t.Errorf("the listing from the cursor has %v, want the one deleted since", got)
	}
}
