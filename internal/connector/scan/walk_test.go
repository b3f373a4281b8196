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

// offsets is an app in memory that pages by offsets and whose filter knows a grain of
// time: nothing keeps a page from moving while the listing goes on.
type offsets struct {
	*shelf
	grain time.Duration
}

func (o offsets) Since(_ context.Context, q Query) (Result, error) {
	w, err := ParseWalk("offsets", q.After, q.From, o.grain)
	if err != nil {
		return Result{}, err
	}
	ids := o.visible(w.From)
	at, _ := strconv.Atoi(w.After)
	ids = ids[min(at, len(ids)):]
	n := min(o.page, len(ids))
	res := o.fill(Result{Total: -1, Now: o.now}, ids[:n])
	res.Next, err = w.Next("offsets", res.Records, n < len(ids), strconv.Itoa(at+n), o.grain)
	return res, err
}

// TestWalk edits at random between the pages of a listing by offsets, in seconds and in
// days: once everything has settled, everything is known. No page is of one second alone,
// which is where the app's own offsets count.
func TestWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		grain := rapid.SampledFrom([]time.Duration{time.Second, 24 * time.Hour}).Draw(t, "grain")
		s := offsets{
			&shelf{
				now: time.Date(2026, 1, 1, 22, 0, 0, 0, time.UTC), page: rapid.IntRange(2, 5).Draw(t, "page"),
				records: map[string]shelved{},
			}, grain,
		}
		edit := func(most int) {
			for range rapid.IntRange(0, most).Draw(t, "edits") {
				s.now = s.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute)
				s.put(strconv.Itoa(rapid.IntRange(10, 19).Draw(t, "id")), strconv.Itoa(rapid.IntRange(1, 9).Draw(t, "value")), 0)
			}
		}
		known, cursor := map[string]string{}, ""
		scan := func(between func()) {
			req := connector.ChangesRequest{Fields: []string{"v"}, Cursor: cursor}
			for cursor = ""; cursor == ""; {
				page, err := Next(t.Context(), s, req, Options{Overlap: overlap, Uncounted: true}, s.now)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Records {
					known[string(r.ID)] = r.Fields["v"].Text()
				}
				if req.Position, cursor = page.Next, page.Cursor; cursor == "" {
					between()
				}
			}
		}
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			edit(8)
			scan(func() {
				if grain == time.Second { // in days, a record that moves within the day moves others
					edit(1)
				}
			})
		}
		s.now = s.now.Add(time.Hour)
		scan(func() {})
		for id, r := range s.records {
			if known[id] != r.value {
				t.Fatalf("record %s is known as %q, want %q", id, known[id], r.value)
			}
		}
	})
}

// numbered is an app in memory whose pages have numbers and nothing else.
type numbered struct{ *shelf }

func (n numbered) Since(_ context.Context, q Query) (Result, error) {
	n.calls++
	ids := slices.Sorted(slices.Values(n.visible(q.From))) // not by times
	at, _ := strconv.Atoi(q.After)
	ids = ids[min(at*n.page, len(ids)):]
	res := Result{Total: -1, Now: n.now}
	if len(ids) > n.page {
		ids, res.Next = ids[:n.page], strconv.Itoa(at+1)
	}
	return n.fill(res, ids), nil
}

// TestMovingPages: a record that is deleted while pages are read moves another one out of
// sight; the next scan finds it, and the one after that is short.
func TestMovingPages(t *testing.T) {
	t.Parallel()
	s := numbered{&shelf{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), page: 2, records: map[string]shelved{}}}
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		s.put(id, "a", 0)
	}
	s.now = s.now.Add(time.Hour)
	scan := func(cursor string, between func()) (known map[string]bool, next string, calls int) {
		known, calls = map[string]bool{}, s.calls
		req := connector.ChangesRequest{Fields: []string{"v"}, Cursor: cursor}
		for next == "" {
			page, err := Next(t.Context(), s, req, Options{Overlap: overlap, Uncounted: true, Unordered: true, Moving: true},
				s.now)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				known[string(r.ID)] = true
			}
			if req.Position, next = page.Next, page.Cursor; next == "" {
				between()
			}
		}
		return known, next, s.calls - calls
	}
	first, cursor, _ := scan("", func() { delete(s.records, "1") })
	second, cursor, _ := scan(cursor, func() {})
	for id := range s.records {
		if !first[id] && !second[id] {
			t.Errorf("record %s was never listed: %v, %v", id, first, second)
		}
	}
	if first["3"] {
		t.Error("nothing was moved out of sight: the test shows nothing")
	}
	if third, _, calls := scan(cursor, func() {}); len(third) != 0 || calls != 1 {
		t.Errorf("once nothing changes, %d calls list %v", calls, third)
	}
}

// TestWalkHostile: what an app may not list, and positions of nobody's.
func TestWalkHostile(t *testing.T) {
	t.Parallel()
	at := func(s ...int) (out []crm.Record) {
		for i, n := range s {
			out = append(out, crm.Record{ID: crm.RecordID(fmt.Sprint(i)), ModifiedAt: time.Unix(int64(n), 0)})
		}
		return out
	}
	w := Walk{From: time.Unix(100, 0).UTC(), After: "7"}
	for name, c := range map[string]struct {
		records []crm.Record
		more    bool
		after   string
		want    string
	}{
		"the end":         {at(100, 101), false, "", ""},
		"a later time":    {at(100, 101), true, "8", "101000"},
		"within one time": {at(100, 100), true, "8", "100000/8"},
		"an odd cursor":   {at(100), true, "a/b", "100000/a/b"},
		"too old":         {at(99), false, "", "malformed"},
		"out of order":    {at(102, 101), false, "", "malformed"},
		"empty":           {nil, true, "8", "malformed"},
		"repeated":        {at(100), true, "7", "malformed"},
		"no place":        {at(100), true, "", "malformed"},
	} {
		got, err := w.Next("test", c.records, c.more, c.after, time.Second)
		if fault.CodeOf(err) == connector.CodeMalformed {
			got = "malformed"
		}
		if got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
		if back, err := ParseWalk("test", got, time.Time{}, time.Second); !slices.Contains([]string{"", "malformed"}, got) &&
			(err != nil || back.String() != got) {
			t.Errorf("%s: %q comes back as %q, %v", name, got, back, err)
		}
	}
	for _, s := range []string{"x", "/", "1.5", strings.Repeat("9", 30)} {
		if _, err := ParseWalk("test", s, time.Time{}, time.Second); fault.CodeOf(err) != connector.CodePosition {
			t.Errorf("%q: %v", s, err)
		}
	}
	if w, err := ParseWalk("test", "", time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), 24*time.Hour); err != nil ||
		w.From.Format(time.DateTime) != "2026-05-04 00:00:00" {
		t.Errorf("a day begins at %v, %v", w.From, err)
	}
}
