package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// told is a source that answers what it is told to, and notes what it was asked.
type told struct {
	since  func(Query) (Result, error)
	all    func(after string) (Result, error)
	asked  []Query
	listed []string
}

func (s *told) Since(_ context.Context, q Query) (Result, error) {
	s.asked = append(s.asked, q)
	return s.since(q)
}

func (s *told) All(_ context.Context, after string) (Result, error) {
	s.listed = append(s.listed, after)
	return s.all(after)
}

var morning = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func cursorOf(t *testing.T, c cursor) string {
	t.Helper()
	text, err := encode(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func rec(id string, at time.Time) crm.Record {
	return crm.Record{ID: crm.RecordID(id), ModifiedAt: at, Fields: crm.Fields{"v": crm.TextValue("x")}}
}

// look is one page of a scan that goes on from a cursor.
func look(t *testing.T, s Source, from cursor, opts Options) (page connector.ChangesPage, end cursor) {
	t.Helper()
	page, err := Next(t.Context(), s, connector.ChangesRequest{
		Object: "o", Fields: []string{"v"}, Cursor: cursorOf(t, from),
	}, opts, morning)
	if err != nil {
		t.Fatal(err)
	}
	if page.Next == "" {
		if err := decode(page.Cursor, &end); err != nil {
			t.Fatal(err)
		}
	}
	return page, end
}

// TestTroubleOfTheSourceShows: what goes wrong with a listing is told, and no page
// or cursor beside it.
func TestTroubleOfTheSourceShows(t *testing.T) {
	t.Parallel()
	away := fault.New("test: list", fault.Unavailable, "", "not now")
	s := &told{
		since: func(Query) (Result, error) { return Result{}, away },
		all:   func(string) (Result, error) { return Result{}, away },
	}
	soon := cursorOf(t, cursor{From: morning, Passed: morning})
	for name, next := range map[string]func() (connector.ChangesPage, error){
		"full": func() (connector.ChangesPage, error) {
			return Next(t.Context(), s, connector.ChangesRequest{Full: true}, Options{}, morning)
		},
		"incremental": func() (connector.ChangesPage, error) {
			return Next(t.Context(), s, connector.ChangesRequest{}, Options{}, morning)
		},
		"the newest page": func() (connector.ChangesPage, error) {
			return Next(t.Context(), s, connector.ChangesRequest{Cursor: soon}, Options{Overlap: overlap}, morning)
		},
		"by listing": func() (connector.ChangesPage, error) {
			return ByListing(t.Context(), s, connector.ChangesRequest{}, 0)
		},
	} {
		if page, err := next(); !errors.Is(err, away) || page.Cursor != "" || page.Next != "" || page.Records != nil {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
	}
	if len(s.asked) != 2 {
		t.Errorf("a page that failed was asked for again: %+v", s.asked)
	}
}

// TestS11_TheNewestPageIsAskedForInTimeOnly: one page can stand for a pass while the
// last one is younger than the overlap, by a clock that went on, and all that is in
// the window can be remembered.
func TestS11_TheNewestPageIsAskedForInTimeOnly(t *testing.T) {
	t.Parallel()
	two := []crm.Record{rec("2", morning), rec("1", morning)}
	known := seen{}
	known.add(two, []string{"v"}, nil)
	for name, c := range map[string]struct {
		last     cursor
		remember int
		total    int
		asked    int // pages
		newest   bool
		records  int
	}{
		"just now":                       {last: cursor{Passed: morning}, total: 2, asked: 1, newest: true, records: 2},
		"just in time":                   {last: cursor{Passed: morning.Add(1 - overlap)}, total: 2, asked: 1, newest: true, records: 2},
		"nothing is new":                 {last: cursor{Passed: morning, Seen: known}, total: 2, asked: 1, newest: true},
		"too late":                       {last: cursor{Passed: morning.Add(-overlap)}, total: 2, asked: 1, records: 2},
		"a clock that went back":         {last: cursor{Passed: morning.Add(1)}, total: 2, asked: 1, records: 2},
		"never":                          {total: 2, asked: 1, records: 2},
		"more than could be remembered":  {last: cursor{Passed: morning, Overflow: true}, total: 2, asked: 1, records: 2},
		"as many as can be remembered":   {last: cursor{Passed: morning}, remember: 2, total: 2, asked: 1, newest: true, records: 2},
		"more than can be remembered":    {last: cursor{Passed: morning}, remember: 1, total: 2, asked: 2, newest: true, records: 2},
		"one that the page did not show": {last: cursor{Passed: morning}, total: 3, asked: 2, newest: true, records: 2},
		"one that was known is gone":     {last: cursor{Passed: morning, Seen: known}, total: 1, asked: 2, newest: true},
	} {
		s := &told{since: func(Query) (Result, error) {
			return Result{Records: slices.Clone(two), Total: c.total, Now: morning}, nil
		}}
		c.last.From = morning.Add(-overlap)
		page, end := look(t, s, c.last, Options{Overlap: overlap, Remember: c.remember})
		if len(s.asked) != c.asked || s.asked[0].Newest != c.newest || len(page.Records) != c.records {
			t.Errorf("%s: asked %+v, showed %d records", name, s.asked, len(page.Records))
		}
		if c.asked == 1 && c.newest && (page.Total != c.records || len(end.Seen) != 2 || !end.Passed.Equal(c.last.Passed) ||
			!end.From.Equal(c.last.From) || page.Mark != mark(end.From)) {
			t.Errorf("%s: total %d, mark %s, then %+v", name, page.Total, page.Mark, end)
		}
		for _, q := range s.asked {
			if !q.From.Equal(c.last.From) || q.After != "" {
				t.Errorf("%s: asked from %s after %q", name, q.From, q.After)
			}
		}
	}
}

// TestS11_WhereTheNextScanBegins: a scan goes on from the app's own time when it
// began, less the overlap; never from earlier than the last one did, and from where
// that one did if the app tells no time.
func TestS11_WhereTheNextScanBegins(t *testing.T) {
	t.Parallel()
	last := cursor{From: morning.Add(-10 * time.Minute), Passed: morning.Add(-time.Hour)}
	for name, c := range map[string]struct {
		now  time.Time // the app's
		want cursor
	}{
		"later":              {now: morning, want: cursor{From: morning.Add(-overlap), Passed: morning}},
		"the app went back":  {now: morning.Add(-time.Hour), want: cursor{From: last.From, Passed: morning}},
		"the app tells none": {want: last},
	} {
		s := &told{since: func(Query) (Result, error) { return Result{Total: -1, Now: c.now}, nil }}
		page, end := look(t, s, last, Options{Overlap: overlap})
		if !end.From.Equal(c.want.From) || !end.Passed.Equal(c.want.Passed) || end.Overflow || page.Total != 0 {
			t.Errorf("%s: %+v of %d records", name, end, page.Total)
		}
		if page.Mark != "@"+strconv.FormatInt(c.want.From.UnixMilli(), 10) {
			t.Errorf("%s: mark %q", name, page.Mark)
		}
	}
	s := &told{all: func(string) (Result, error) { return Result{Total: 7, Now: morning}, nil }}
	page, err := Next(t.Context(), s, connector.ChangesRequest{Full: true}, Options{Overlap: overlap}, morning)
	var end cursor
	if err := errors.Join(err, decode(page.Cursor, &end)); err != nil {
		t.Fatal(err)
	}
	if !end.Passed.IsZero() || !end.From.Equal(morning.Add(-overlap)) || page.Total != 7 {
		t.Errorf("after a full scan of %d: %+v", page.Total, end)
	}
}

// TestS11_TheWindowIsRememberedAsFarAsThereIsRoom: what was modified within the
// overlap is listed once as long as it is remembered, and again when it is too much.
func TestS11_TheWindowIsRememberedAsFarAsThereIsRoom(t *testing.T) {
	t.Parallel()
	edge := morning.Add(-overlap)
	pages := map[string]Result{
		"": {
			Records: []crm.Record{rec("old", edge.Add(-1)), rec("edge", edge), rec("a", morning)}, Next: "2", Now: morning,
		},
		"2": {Records: []crm.Record{rec("b", morning)}, Next: "3", Now: morning.Add(time.Minute)},
		"3": {Records: []crm.Record{rec("c", morning)}, Now: morning.Add(2 * time.Minute)},
	}
	for _, remember := range []int{1, 2, 3, 4} {
		s := &told{since: func(q Query) (Result, error) {
			res := pages[q.After]
			res.Records = slices.Clone(res.Records)
			return res, nil
		}}
		req := connector.ChangesRequest{Object: "o", Fields: []string{"v"}}
		shown := 0
		var end cursor
		for range pages {
			page, err := Next(t.Context(), s, req, Options{Overlap: overlap, Remember: remember}, morning)
			if err != nil {
				t.Fatal(err)
			}
			shown += len(page.Records)
			if req.Position = page.Next; page.Next == "" {
				if err := decode(page.Cursor, &end); err != nil {
					t.Fatal(err)
				}
			}
		}
		over := remember < 4
		if shown != 5 || end.Overflow != over || len(end.Seen) != map[bool]int{false: 4}[over] || !end.From.Equal(edge) {
			t.Errorf("with room for %d: showed %d records, remembers %d, too many is %t, from %s", remember, shown,
				len(end.Seen), end.Overflow, end.From)
		}
	}
}

// TestS11_WhatMakesARecordLookNew: another time, other values of the fields asked
// for, a deletion, and a merge.
func TestS11_WhatMakesARecordLookNew(t *testing.T) {
	t.Parallel()
	was := rec("1", morning)
	known := seen{}
	known.add([]crm.Record{was}, []string{"v"}, nil)
	for name, c := range map[string]struct {
		change func(*crm.Record)
		fresh  int
	}{
		"nothing":         {change: func(*crm.Record) {}},
		"the same time":   {change: func(r *crm.Record) { r.ModifiedAt = morning.In(time.FixedZone("", 3600)) }},
		"a field unasked": {change: func(r *crm.Record) { r.Fields["w"] = crm.TextValue("y") }},
		"a field asked":   {change: func(r *crm.Record) { r.Fields["v"] = crm.TextValue("y") }, fresh: 1},
		"another time":    {change: func(r *crm.Record) { r.ModifiedAt = morning.Add(1) }, fresh: 1},
		"deleted":         {change: func(r *crm.Record) { r.Deleted = true }, fresh: 1},
		"another record":  {change: func(r *crm.Record) { r.ID = "2" }, fresh: 1},
	} {
		r := was
		r.Fields = was.Fields.Clone()
		c.change(&r)
		if got := (seen{}).add([]crm.Record{r}, []string{"v"}, known); len(got) != c.fresh {
			t.Errorf("%s: %d records look new", name, len(got))
		}
	}
	gone, merged := was, was
	gone.Deleted, merged.Deleted, merged.MergedInto = true, true, "2"
	if content(gone, nil) == content(merged, nil) {
		t.Error("a merge looks like a deletion")
	}
}

// TestS11_MemoryOfAnApp: a cursor is good as long as the app tells of deletions, to
// the instant; a full scan needs none, nor does a first one.
func TestS11_MemoryOfAnApp(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	s := &told{
		since: func(Query) (Result, error) { return Result{Now: morning}, nil },
		all:   func(string) (Result, error) { return Result{Now: morning}, nil },
	}
	for name, c := range map[string]struct {
		from    time.Time
		memory  time.Duration
		full    bool
		expired bool
	}{
		"young":             {from: morning.Add(-day + 1), memory: day},
		"to the instant":    {from: morning.Add(-day), memory: day},
		"old":               {from: morning.Add(-day - 1), memory: day, expired: true},
		"old, for a full":   {from: morning.Add(-day - 1), memory: day, full: true},
		"a first one":       {memory: day},
		"an app for ever":   {from: morning.Add(-1000 * day)},
		"of a nanosecond":   {from: morning.Add(-day), memory: 1, expired: true},
		"from the very now": {from: morning, memory: 1},
	} {
		req := connector.ChangesRequest{Full: c.full, Cursor: cursorOf(t, cursor{From: c.from})}
		_, err := Next(t.Context(), s, req, Options{Overlap: overlap, Memory: c.memory}, morning)
		expired := fault.CodeOf(err) == connector.CodeExpired && fault.Is(err, fault.Invalid)
		if (err != nil) != c.expired || expired != c.expired {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestX13_CirclesOfPages: a scan notices when the app leads it back to one of the
// last eight places, and no app that has many pages is suspected.
func TestX13_CirclesOfPages(t *testing.T) {
	t.Parallel()
	for size := 1; size <= ringSize+1; size++ {
		var r ring
		var err error
		steps := 0
		for ; err == nil && steps < 5*ringSize; steps++ {
			err = r.pass(fmt.Sprint(steps % size))
		}
		if size <= ringSize && (err == nil || steps != size+1 || !fault.Is(err, fault.Unavailable)) ||
			size > ringSize && err != nil {
			t.Errorf("a circle of %d places: %v after %d steps", size, err, steps)
		}
		if len(r) > ringSize {
			t.Errorf("%d places are remembered", len(r))
		}
	}
}

// TestDamagedWindowIsRefused: what is remembered of a window is pairs of numbers.
func TestDamagedWindowIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"AAAA", "!", "AAAAAAAAAAAAAAAAAAAAAAA"} {
		var s seen
		if err := s.UnmarshalText([]byte(text)); !fault.Is(err, fault.Invalid) ||
			fault.CodeOf(err) != connector.CodePosition || s != nil {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	text, err := seen{1: 2, 3: 1 << 63}.MarshalText()
	var back seen
	err = errors.Join(err, back.UnmarshalText(text))
	if err != nil || len(back) != 2 || back[1] != 2 || back[3] != 1<<63 {
		t.Errorf("%s became %v, %v", text, back, err)
	}
}

// TestFillTakesWhatCanBeRead: who is gone by now, or cannot be read, has no values
// left of the listing.
func TestFillTakesWhatCanBeRead(t *testing.T) {
	t.Parallel()
	records := []crm.Record{rec("1", morning), rec("2", morning), rec("3", morning), rec("4", morning)}
	records[1].Deleted = true
	var asked [][]crm.RecordID
	err := Fill(records, 2, func(ids []crm.RecordID) ([]connector.Read, error) {
		asked = append(asked, ids)
		if len(asked) == 2 {
			return []connector.Read{{Err: errors.New("not this one"), Record: &crm.Record{Fields: crm.Fields{}}}}, nil
		}
		return []connector.Read{{Record: &crm.Record{
			Fields: crm.Fields{"v": crm.TextValue("y")}, ModifiedAt: morning.Add(time.Hour),
		}}, {}, {}}, nil
	})
	if err != nil || fmt.Sprint(asked) != "[[1 3] [4]]" {
		t.Fatalf("asked %v, %v", asked, err)
	}
	for i, want := range []crm.Fields{{"v": crm.TextValue("y")}, {"v": crm.TextValue("x")}, nil, nil} {
		if got := records[i]; got.Fields.Digest([]string{"v"}) != want.Digest([]string{"v"}) ||
			(got.Fields == nil) != (want == nil) || !got.ModifiedAt.Equal(morning) {
			t.Errorf("record %d: %+v", i+1, got)
		}
	}
}

// TestAPlaceThatCannotBeWrittenIsNone: a mark after the year 9999, which no text of a
// time can tell, ends in an error, at the end of a scan and between two pages.
func TestAPlaceThatCannotBeWrittenIsNone(t *testing.T) {
	t.Parallel()
	late := mark(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC))
	for name, next := range map[string]string{"at the end": "", "between two pages": "2"} {
		s := &told{since: func(Query) (Result, error) { return Result{Next: next, Now: morning}, nil }}
		req := connector.ChangesRequest{Object: "o", Cursor: late}
		if page, err := Next(t.Context(), s, req, Options{Overlap: overlap}, morning); err == nil {
			t.Errorf("%s: %+v", name, page)
		}
	}
}
