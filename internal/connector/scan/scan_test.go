package scan

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// shelf is a source in memory: an app whose records show in its listing only
// some time after they changed, and whose times are whole seconds.
type shelf struct {
	now     time.Time
	page    int
	records map[string]shelved
	calls   int
	counts  bool // tells totals
	repeat  bool // answers the same position again and again
}

type shelved struct {
	value    string
	modified time.Time
	shows    time.Time
}

func (s *shelf) put(id, value string, lag time.Duration) {
	s.records[id] = shelved{value, s.now.Truncate(time.Second), s.now.Add(lag)}
}

// visible lists what shows, by (modified, id).
func (s *shelf) visible(from time.Time) []string {
	var ids []string
	for id, r := range s.records {
		if !r.modified.Before(from) && !r.shows.After(s.now) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		if c := s.records[a].modified.Compare(s.records[b].modified); c != 0 {
			return c
		}
		return slices.Compare([]string{a}, []string{b})
	})
	return ids
}

func (s *shelf) Since(_ context.Context, q Query) (Result, error) {
	s.calls++
	ids := s.visible(q.From)
	res := Result{Total: len(ids), Now: s.now}
	if !s.counts {
		res.Total = -1
	}
	if q.Newest {
		slices.Reverse(ids)
		return s.fill(res, ids[:min(s.page, len(ids))]), nil
	}
	if q.After != "" {
		// A key set position: what came after (time, id), whatever moved meanwhile.
		ids = slices.DeleteFunc(ids, func(id string) bool { return s.key(id) <= q.After })
	}
	n := min(s.page, len(ids))
	if n < len(ids) {
		res.Next = s.key(ids[n-1])
	}
	if s.repeat {
		res.Next = "again"
	}
	return s.fill(res, ids[:n]), nil
}

func (s *shelf) key(id string) string {
	return fmt.Sprintf("%020d %s", s.records[id].modified.UnixNano(), id)
}

func (s *shelf) All(_ context.Context, after string) (Result, error) {
	s.calls++
	var ids []string
	for id := range s.records {
		if id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	n := min(s.page, len(ids))
	res := Result{Now: s.now, Total: len(s.records)}
	if n < len(ids) {
		res.Next = ids[n-1]
	}
	return s.fill(res, ids[:n]), nil
}

func (s *shelf) fill(res Result, ids []string) Result {
	for _, id := range ids {
		r := s.records[id]
		res.Records = append(res.Records, crm.Record{
			ID: crm.RecordID(id), ModifiedAt: r.modified, Fields: crm.Fields{"v": crm.TextValue(r.value)},
		})
	}
	return res
}

const overlap = time.Minute

// scanAll runs one scan to its end and returns what it showed.
func scanAll(t interface{ Fatal(...any) }, s *shelf, cursor string, full bool) (seen map[string]string, next string) {
	seen = map[string]string{}
	req := connector.ChangesRequest{Object: "o", Fields: []string{"v"}, Cursor: cursor, Full: full}
	for range 10_000 {
		page, err := Next(context.Background(), s, req, Options{Overlap: overlap, Remember: 50}, s.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			seen[string(r.ID)] = r.Fields["v"].Text()
		}
		if page.Next == "" {
			return seen, page.Cursor
		}
		req.Position = page.Next
	}
	t.Fatal("the scan does not end")
	return nil, ""
}

func newShelf(page int) *shelf {
	return &shelf{
		now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), page: page, records: map[string]shelved{},
		counts: true,
	}
}

// TestS11_EveryChangeIsListed edits at random, with lag below the overlap and
// times rounded to seconds, and demands that every value is shown by a scan
// after the lag has passed.
func TestS11_EveryChangeIsListed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(rapid.IntRange(1, 7).Draw(t, "page"))
		s.counts = rapid.Bool().Draw(t, "counts")
		shown := map[string]string{}
		_, cursor := scanAll(t, s, "", true)
		steps := rapid.IntRange(1, 40).Draw(t, "steps")
		for i := range steps {
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0, 1:
				id := strconv.Itoa(rapid.IntRange(1, 12).Draw(t, "id"))
				lag := time.Duration(rapid.IntRange(0, 55).Draw(t, "lag")) * time.Second
				s.put(id, strconv.Itoa(i), lag)
			case 2:
				s.now = s.now.Add(time.Duration(rapid.IntRange(0, 90_000).Draw(t, "ms")) * time.Millisecond)
			case 3:
				var seen map[string]string
				seen, cursor = scanAll(t, s, cursor, false)
				for id, v := range seen {
					shown[id] = v
				}
			}
		}
		s.now = s.now.Add(2 * overlap)
		seen, _ := scanAll(t, s, cursor, false)
		for id, v := range seen {
			shown[id] = v
		}
		for id, r := range s.records {
			if shown[id] != r.value {
				t.Fatalf("record %s: the scans showed %q last, it holds %q", id, shown[id], r.value)
			}
		}
	})
}

func TestS11_QuietScanIsOneCallWhateverTheNumber(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 10, 45, 500} {
		s := newShelf(10)
		for i := range n {
			s.put(fmt.Sprintf("%04d", i), "x", 0)
		}
		_, cursor := scanAll(t, s, "", true)
		s.now = s.now.Add(2 * overlap)
		_, cursor = scanAll(t, s, cursor, false)
		for range 3 {
			s.now = s.now.Add(2 * overlap)
			s.calls = 0
			var seen map[string]string
			seen, cursor = scanAll(t, s, cursor, false)
			if s.calls != 1 || len(seen) != 0 {
				t.Errorf("%d records: a scan with nothing changed made %d calls and showed %d records, want 1 and 0", n, s.calls,
					len(seen))
			}
		}
	}
}

func TestS11_InsideTheOverlapOneCallProvesThatNothingIsNew(t *testing.T) {
	t.Parallel()
	s := newShelf(10)
	_, cursor := scanAll(t, s, "", true)
	for i := range 40 {
		s.put(fmt.Sprintf("%04d", i), "x", 0)
	}
	s.now = s.now.Add(time.Second)
	seen, cursor := scanAll(t, s, cursor, false)
	if len(seen) != 40 {
		t.Fatalf("showed %d records, want 40", len(seen))
	}
	s.now = s.now.Add(time.Second)
	s.calls = 0
	seen, cursor = scanAll(t, s, cursor, false)
	if s.calls != 1 || len(seen) != 0 {
		t.Errorf("made %d calls and showed %d records, want 1 and 0", s.calls, len(seen))
	}
	s.put("0007", "y", 0)
	s.now = s.now.Add(time.Second)
	s.calls = 0
	seen, _ = scanAll(t, s, cursor, false)
	if s.calls != 1 || seen["0007"] != "y" || len(seen) != 1 {
		t.Errorf("after one edit: made %d calls and showed %v, want 1 call and the edit", s.calls, seen)
	}
}

// TestS11_TheMarksBoundWhatWasModifiedInBetween edits at random, with an index
// that may lag for longer than any overlap, takes the mark of every scan, and
// lists what lies between each two of them once everything shows: every record
// comes in exactly the one window that it was last modified in.
func TestS11_TheMarksBoundWhatWasModifiedInBetween(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(rapid.IntRange(1, 7).Draw(t, "page"))
		s.counts = rapid.Bool().Draw(t, "counts")
		_, cursor := scanAll(t, s, "", true)
		var marks []string
		steps := rapid.IntRange(1, 40).Draw(t, "steps")
		for i := range steps {
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0, 1:
				lag := time.Duration(rapid.IntRange(0, 3000).Draw(t, "lag")) * time.Second
				s.put(strconv.Itoa(rapid.IntRange(1, 12).Draw(t, "id")), strconv.Itoa(i), lag)
			case 2:
				s.now = s.now.Add(time.Duration(rapid.IntRange(0, 900_000).Draw(t, "ms")) * time.Millisecond)
			case 3:
				page, err := Next(context.Background(), s, connector.ChangesRequest{
					Object: "o", Fields: []string{"v"}, Cursor: cursor,
				}, Options{Overlap: overlap}, s.now)
				if err != nil {
					t.Fatal(err)
				}
				if page.Next == "" {
					cursor, marks = page.Cursor, append(marks, page.Mark)
				}
			}
		}
		s.now = s.now.Add(time.Hour)
		page, err := Next(context.Background(), s, connector.ChangesRequest{Object: "o", Fields: []string{"v"}, Full: true},
			Options{Overlap: overlap}, s.now)
		for err == nil && page.Next != "" {
			page, err = Next(context.Background(), s, connector.ChangesRequest{
				Object: "o", Fields: []string{"v"}, Position: page.Next,
			}, Options{Overlap: overlap}, s.now)
		}
		if err != nil || page.Mark == "" {
			t.Fatalf("a full scan ends with the mark %q, %v", page.Mark, err)
		}
		marks = append(marks, page.Mark)
		shown := map[string]int{}
		for i := 1; i < len(marks); i++ {
			s.calls = 0
			seen := between(t, s, marks[i-1], marks[i])
			for id := range seen {
				shown[id]++
			}
			if most := len(seen)/s.page + 2 + len(seen); s.calls > most {
				t.Fatalf("%d records took %d calls", len(seen), s.calls)
			}
		}
		first, err := parseMark(marks[0])
		if err != nil {
			t.Fatal(err)
		}
		for id, r := range s.records {
			if want := btoi(!r.modified.Before(first)); shown[id] != want {
				t.Fatalf("record %s, modified at %s, was shown in %d windows, want %d", id, r.modified, shown[id], want)
			}
		}
	})
}

// TestS11_OneRecordOutOfOrderEndsNoWindow puts a record that was edited while
// the app answered among those of a window: the others are listed all the same.
func TestS11_OneRecordOutOfOrderEndsNoWindow(t *testing.T) {
	t.Parallel()
	s := newShelf(4)
	for i := range 10 {
		s.put(strconv.Itoa(i), "x", 0)
		s.now = s.now.Add(time.Second)
	}
	from, until := mark(s.now.Add(-time.Minute)), mark(s.now)
	src := &edited{shelf: s, id: "3", at: s.now.Add(time.Hour)}
	got := map[crm.RecordID]bool{}
	req := connector.ChangesRequest{Object: "o", Fields: []string{"v"}, Cursor: from, Until: until}
	for {
		page, err := Next(context.Background(), src, req, Options{Overlap: overlap}, s.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			got[r.ID] = true
		}
		if page.Next == "" {
			break
		}
		req.Position = page.Next
	}
	if len(got) != 9 || got["3"] {
		t.Errorf("%v were listed, want all but the one that was edited since", got)
	}
}

// edited shows one record with a later time than the one that it is sorted by.
type edited struct {
	*shelf
	id crm.RecordID
	at time.Time
}

func (e *edited) Since(ctx context.Context, q Query) (Result, error) {
	res, err := e.shelf.Since(ctx, q)
	for i := range res.Records {
		if res.Records[i].ID == e.id {
			res.Records[i].ModifiedAt = e.at
		}
	}
	return res, err
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// between lists a window to its end, page by page.
func between(t *rapid.T, s *shelf, from, until string) map[string]string {
	seen := map[string]string{}
	req := connector.ChangesRequest{Object: "o", Fields: []string{"v"}, Cursor: from, Until: until}
	for {
		page, err := Next(context.Background(), s, req, Options{Overlap: overlap}, s.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if _, twice := seen[string(r.ID)]; twice {
				t.Fatalf("record %s came twice", r.ID)
			}
			seen[string(r.ID)] = r.Fields["v"].Text()
		}
		if page.Next == "" {
			if page.Cursor != until {
				t.Fatalf("the scan ends at %q, want %q", page.Cursor, until)
			}
			return seen
		}
		req.Position = page.Next
	}
}

func TestX13_RepeatingPositionIsRefused(t *testing.T) {
	t.Parallel()
	s := newShelf(2)
	s.repeat = true
	for i := range 9 {
		s.put(strconv.Itoa(i), "x", 0)
	}
	req := connector.ChangesRequest{Object: "o", Fields: []string{"v"}}
	for range 5 {
		page, err := Next(context.Background(), s, req, Options{Overlap: overlap}, s.now)
		if err != nil {
			if fault.KindOf(err) != fault.Unavailable || fault.CodeOf(err) != "malformed_answer" {
				t.Errorf("got %v, want unavailable with code malformed_answer", err)
			}
			return
		}
		req.Position = page.Next
	}
	t.Error("a position that repeats was followed for ever")
}

func TestCursorsAreCheckedBeforeUse(t *testing.T) {
	t.Parallel()
	s := newShelf(3)
	s.put("1", "x", 0)
	_, good := scanAll(t, s, "", true)
	for name, bad := range map[string]string{
		"garbage": "!!", "cut": good[:len(good)-3], "flipped": "A" + good[1:], "empty object": "e30",
	} {
		for _, req := range []connector.ChangesRequest{{Cursor: bad}, {Position: bad}} {
			if _, err := Next(context.Background(), s, req, Options{Overlap: overlap},
				s.now); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s: got %v, want invalid", name, err)
			}
		}
	}
}

func FuzzCursor(f *testing.F) {
	s := newShelf(3)
	s.put("1", "x", 0)
	_, good := scanAll(f, s, "", true)
	f.Add(good)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		for _, req := range []connector.ChangesRequest{{Cursor: text, Object: "o"}, {Position: text, Object: "o"}} {
			page, err := Next(context.Background(), s, req, Options{Overlap: overlap}, s.now)
			if err == nil && page.Next == "" && page.Cursor == "" {
				t.Error("a scan ended without a cursor")
			}
		}
	})
}
