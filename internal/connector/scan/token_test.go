package scan

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// ledger is an app in memory whose listings end with a token: the number of the last
// change when the listing began.
type ledger struct {
	changes []crm.Record // in order; the last one of a record counts
	page    int
	known   int // tokens below it have expired
	calls   int
	tokens  bool // the last page has its token
	still   bool // every page names the same next one
}

func (l *ledger) put(id, value string, deleted bool) {
	l.changes = append(l.changes, crm.Record{
		ID: crm.RecordID(id), Deleted: deleted, Fields: crm.Fields{"v": crm.TextValue(value)},
	})
}

func (l *ledger) From(_ context.Context, token, after string) (TokenPage, error) {
	l.calls++
	from, _ := strconv.Atoi(token)
	if token != "" && from < l.known {
		return TokenPage{}, fault.New("ledger", fault.Invalid, connector.CodeExpired, "forgotten")
	}
	end, at := len(l.changes), from
	if after != "" {
		_, _ = fmt.Sscanf(after, "%d/%d", &end, &at)
	}
	var p TokenPage
	for ; at < end && len(p.Records) < l.page; at++ {
		r := l.changes[at]
		if token != "" || !r.Deleted {
			p.Records = append(p.Records, r)
		}
	}
	switch {
	case at < end && l.still:
		p.Next = "still"
	case at < end:
		p.Next = fmt.Sprintf("%d/%d", end, at)
	case l.tokens:
		p.Token = strconv.Itoa(end)
	}
	return p, nil
}

// TestByToken edits at random between listings, and during them: what is known after
// each listing is what there was when it began.
func TestByToken(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := &ledger{page: rapid.IntRange(1, 4).Draw(t, "page"), tokens: true}
		now, cursor, known := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "", map[crm.RecordID]string{}
		edit := func() {
			for range rapid.IntRange(0, 5).Draw(t, "edits") {
				id := strconv.Itoa(rapid.IntRange(1, 6).Draw(t, "id"))
				l.put(id, strconv.Itoa(len(l.changes)), rapid.IntRange(0, 4).Draw(t, "deleted") == 0)
			}
		}
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			edit()
			want := map[crm.RecordID]string{}
			for _, r := range l.changes {
				want[r.ID] = r.Fields["v"].Text()
				if r.Deleted {
					delete(want, r.ID)
				}
			}
			full := rapid.IntRange(0, 5).Draw(t, "full") == 0
			if full {
				clear(known)
			}
			req := connector.ChangesRequest{Cursor: cursor, Full: full}
			for cursor = ""; cursor == ""; {
				page, err := ByToken(t.Context(), l, req, TokenOptions{}, now)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Records {
					if known[r.ID] = r.Fields["v"].Text(); r.Deleted {
						delete(known, r.ID)
					}
				}
				req.Position, cursor = page.Next, page.Cursor
				if (page.Next == "") == (cursor == "") {
					t.Fatal("a page has a position and a cursor, or neither")
				}
				if page.Next != "" {
					edit()
				}
			}
			for id, v := range want {
				if known[id] != v {
					t.Fatalf("record %s is known as %q, want %q", id, known[id], v)
				}
			}
		}
		l.page = len(l.changes) + 1
		last, err := ByToken(t.Context(), l, connector.ChangesRequest{Cursor: cursor}, TokenOptions{}, now)
		if err != nil {
			t.Fatal(err)
		}
		calls := l.calls
		if quiet, err := ByToken(t.Context(), l, connector.ChangesRequest{Cursor: last.Cursor}, TokenOptions{},
			now); err != nil || len(quiet.Records) != 0 || l.calls != calls+1 {
			t.Fatalf("nothing changed: %d records in %d calls, %v", len(quiet.Records), l.calls-calls, err)
		}
	})
}

// TestByTokenExpires: a token that has outlived its life, that the app has forgotten,
// or that was given for other fields is no place to go on from; a damaged one and a
// mark are refused. Nothing that expires is asked for in vain.
func TestByTokenExpires(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := &ledger{page: 2, tokens: true}
	l.put("1", "a", false)
	opts := TokenOptions{Life: 7 * day, Bound: "names"}
	list := func(req connector.ChangesRequest, bound string, at time.Time) (connector.ChangesPage, error) {
		o := opts
		o.Bound = bound
		return ByToken(t.Context(), l, req, o, at)
	}
	first, err := list(connector.ChangesRequest{}, "names", now)
	if err != nil || len(first.Records) != 1 || first.Mark != "" {
		t.Fatalf("the first listing: %+v, %v", first, err)
	}
	since := connector.ChangesRequest{Cursor: first.Cursor}
	if page, err := list(since, "names", now.Add(7*day-1)); err != nil || len(page.Records) != 0 {
		t.Errorf("a token in its life: %v, %v", page.Records, err)
	}
	calls := l.calls
	for name, c := range map[string]struct {
		req   connector.ChangesRequest
		bound string
		at    time.Time
		code  string
	}{
		"too old":      {since, "names", now.Add(7 * day), connector.CodeExpired},
		"other fields": {since, "names,phones", now, connector.CodeExpired},
		"damaged":      {connector.ChangesRequest{Cursor: first.Cursor[1:]}, "names", now, connector.CodePosition},
		"a mark":       {connector.ChangesRequest{Cursor: "@1700000000000"}, "names", now, connector.CodePosition},
		"until a mark": {connector.ChangesRequest{Until: "@1700000000000"}, "names", now, connector.CodePosition},
		"odd position": {connector.ChangesRequest{Position: "x"}, "names", now, connector.CodePosition},
	} {
		if _, err := list(c.req, c.bound, c.at); fault.CodeOf(err) != c.code || l.calls != calls {
			t.Errorf("%s: %v after %d calls, want %s and none", name, err, l.calls-calls, c.code)
		}
	}
	l.known = 9
	if _, err := list(since, "names", now); fault.CodeOf(err) != connector.CodeExpired {
		t.Errorf("a forgotten token: %v", err)
	}
	since.Full = true
	if page, err := list(since, "other", now.Add(30*day)); err != nil || len(page.Records) != 1 {
		t.Errorf("a full scan: %v, %v", page.Records, err)
	}
}

// TestByTokenHostile: a listing that repeats itself, or that ends without a token.
func TestByTokenHostile(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]*ledger{"repeats": {page: 1, tokens: true, still: true}, "no token": {page: 1}} {
		for i := range 5 {
			l.put(strconv.Itoa(i), "a", false)
		}
		var req connector.ChangesRequest
		for range 20 {
			page, err := ByToken(t.Context(), l, req, TokenOptions{}, time.Time{})
			if req.Position = page.Next; err != nil {
				if fault.CodeOf(err) != connector.CodeMalformed {
					t.Errorf("%s: %v", name, err)
				}
				break
			}
			if page.Next == "" {
				t.Fatalf("%s: the listing ended", name)
			}
		}
	}
}

// TestByListing edits at random between listings: each listing brings what changed
// since the one before and nothing else, as long as there is room to remember it.
func TestByListing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &shelf{
			now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), page: rapid.IntRange(1, 5).Draw(t, "page"),
			records: map[string]shelved{},
		}
		room := rapid.SampledFrom([]int{0, 3}).Draw(t, "room")
		cursor, known := "", map[string]string{}
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			changed := map[string]bool{}
			for range rapid.IntRange(0, 6).Draw(t, "edits") {
				id, value := strconv.Itoa(rapid.IntRange(10, 19).Draw(t, "id")), strconv.Itoa(rapid.IntRange(1, 3).Draw(t, "value"))
				s.put(id, value, 0)
				changed[id] = true
			}
			s.now = s.now.Add(time.Second)
			req := connector.ChangesRequest{Fields: []string{"v"}, Cursor: cursor}
			for cursor = ""; cursor == ""; {
				page, err := ByListing(t.Context(), s, req, room)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Records {
					id := string(r.ID)
					if known[id] = r.Fields["v"].Text(); !changed[id] && room == 0 {
						t.Fatalf("record %s did not change", id)
					}
				}
				req.Position, cursor = page.Next, page.Cursor
			}
			for id, r := range s.records {
				if known[id] != r.value {
					t.Fatalf("record %s is known as %q, want %q", id, known[id], r.value)
				}
			}
		}
	})
}

// TestByListingCursors: a full scan lists what is known, other fields are news, and a
// position or cursor of nobody's is refused; a repeated page ends the listing.
func TestByListingCursors(t *testing.T) {
	t.Parallel()
	s := &shelf{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), page: 5, records: map[string]shelved{}}
	for _, id := range []string{"1", "2", "3"} {
		s.put(id, "a", 0)
	}
	list := func(req connector.ChangesRequest) (connector.ChangesPage, error) {
		return ByListing(t.Context(), s, req, 0)
	}
	first, err := list(connector.ChangesRequest{Fields: []string{"v"}})
	if err != nil || len(first.Records) != 3 || first.Mark != "" {
		t.Fatalf("the first listing: %+v, %v", first, err)
	}
	for name, c := range map[string]struct {
		req  connector.ChangesRequest
		want int
	}{
		"nothing changed": {connector.ChangesRequest{Fields: []string{"v"}, Cursor: first.Cursor}, 0},
		"full":            {connector.ChangesRequest{Fields: []string{"v"}, Cursor: first.Cursor, Full: true}, 3},
		"other fields":    {connector.ChangesRequest{Fields: []string{"v", "w"}, Cursor: first.Cursor}, 3},
	} {
		if page, err := list(c.req); err != nil || len(page.Records) != c.want || page.Cursor == "" {
			t.Errorf("%s: %d records, %v, want %d", name, len(page.Records), err, c.want)
		}
	}
	odd, _ := encode(map[string]string{"h": "AAA"})
	calls := s.calls
	for _, req := range []connector.ChangesRequest{
		{Cursor: "@1"}, {Until: "@1"}, {Cursor: "x"}, {Cursor: odd}, {Position: strings.Repeat("A", 99)},
	} {
		if _, err := list(req); fault.CodeOf(err) != connector.CodePosition || s.calls != calls {
			t.Errorf("%+v: %v", req, err)
		}
	}
	circle := lister(func(string) Result { return Result{Next: "again"} })
	page, err := ByListing(t.Context(), circle, connector.ChangesRequest{}, 0)
	if err == nil {
		_, err = ByListing(t.Context(), circle, connector.ChangesRequest{Position: page.Next}, 0)
	}
	if fault.CodeOf(err) != connector.CodeMalformed {
		t.Errorf("a repeated page: %v", err)
	}
}

type lister func(after string) Result

func (l lister) All(_ context.Context, after string) (Result, error) { return l(after), nil }

// TestPrints: fingerprints survive their text form, in order.
func TestPrints(t *testing.T) {
	t.Parallel()
	in := prints{1, 1 << 40, 1 << 63}
	b, _ := in.MarshalText()
	var out prints
	if err := out.UnmarshalText(b); err != nil || !slices.Equal(in, out) {
		t.Errorf("%v, %v, want %v", out, err, in)
	}
}
