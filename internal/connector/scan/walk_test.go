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
		s := offsets{&shelf{now: time.Date(2026, 1, 1, 22, 0, 0, 0, time.UTC), page: rapid.IntRange(2, 5).Draw(t, "page"), records: map[string]shelved{}}, grain}
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
		if back, err := ParseWalk("test", got, time.Time{}, time.Second); !slices.Contains([]string{"", "malformed"}, got) && (err != nil || back.String() != got) {
			t.Errorf("%s: %q comes back as %q, %v", name, got, back, err)
		}
	}
	for _, s := range []string{"x", "/", "1.5", strings.Repeat("9", 30)} {
		if _, err := ParseWalk("test", s, time.Time{}, time.Second); fault.CodeOf(err) != connector.CodePosition {
			t.Errorf("%q: %v", s, err)
		}
	}
	if w, err := ParseWalk("test", "", time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), 24*time.Hour); err != nil || w.From.Format(time.DateTime) != "2026-05-04 00:00:00" {
		t.Errorf("a day begins at %v, %v", w.From, err)
	}
}
