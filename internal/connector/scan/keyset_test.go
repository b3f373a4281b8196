package scan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// byInstant lists a shelf as an app does that sorts by time alone, in an order among
// equal times that nobody knows, and lists one instant by itself in the order of IDs.
type byInstant struct {
	*shelf
	grain time.Duration
}

func (b byInstant) Since(_ context.Context, q Query) (Result, error) {
	b.calls++
	at, err := ParseInstant("shelf: list", q.After, q.From, func(string) bool { return true })
	if err != nil {
		return Result{}, err
	}
	ids := b.visible(at.From)
	res := Result{Total: len(ids), Now: b.now}
	if q.Newest {
		slices.Reverse(ids)
		return b.fill(res, ids[:min(b.page, len(ids))]), nil
	}
	if at.Tie {
		ids = slices.DeleteFunc(ids, func(id string) bool {
			return !b.records[id].modified.Equal(at.From) || id <= at.After
		})
	} else {
		slices.SortStableFunc(ids, func(x, y string) int { // equal times the other way round
			if c := b.records[x].modified.Compare(b.records[y].modified); c != 0 {
				return c
			}
			return strings.Compare(y, x)
		})
	}
	n := min(b.page, len(ids))
	res = b.fill(res, ids[:n])
	last := ""
	if n > 0 {
		last = ids[n-1]
	}
	res.Next, err = at.Next("shelf: list", res.Records, n < len(ids), last, b.grain)
	return res, err
}

// TestS11_AnyNumberOfEqualTimesIsPassed lists records of which many have one time, by
// both kinds of places: each comes at least once.
func TestS11_AnyNumberOfEqualTimesIsPassed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(rapid.IntRange(1, 5).Draw(t, "page"))
		for i := range rapid.IntRange(0, 40).Draw(t, "records") {
			s.put(fmt.Sprintf("%03d", i), "x", 0)
			s.now = s.now.Add(rapid.SampledFrom([]time.Duration{0, 0, 0, time.Second, time.Minute}).Draw(t, "step"))
		}
		req := connector.ChangesRequest{Object: "o", Fields: []string{"v"}}
		seen := map[crm.RecordID]bool{}
		for range 1000 {
			page, err := Next(context.Background(), byInstant{s, time.Second}, req, Options{Overlap: overlap}, s.now)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				seen[r.ID] = true
			}
			if page.Next == "" {
				break
			}
			req.Position = page.Next
		}
		if len(seen) != len(s.records) {
			t.Fatalf("%d of %d records were listed", len(seen), len(s.records))
		}
	})
}

func TestPlacesAreTextsThatCanBeReadAgain(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 30, 0, 123_000_000, time.UTC)
	id := func(s string) (crm.RecordID, bool) { return crm.RecordID(s), s != "" }
	if k, err := ParseKey("acme", Key{at, "7 a"}.String(), id); err != nil || k != (Key{at, "7 a"}) {
		t.Errorf("%+v, %v", k, err)
	}
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	for _, i := range []Instant{{From: at}, {From: at, Tie: true}, {From: at, Tie: true, After: "17"}} {
		if got, err := ParseInstant("acme", i.String(), time.Time{}, digits); err != nil || got != i {
			t.Errorf("%s: %+v, %v", i, got, err)
		}
	}
	if i, err := ParseInstant("acme", "", time.Time{}, digits); err != nil || !i.From.Equal(time.UnixMilli(0)) {
		t.Errorf("the beginning of time is %+v, %v", i, err)
	}
	for _, bad := range []string{"x", "17/x", "17 3"} {
		if _, err := ParseInstant("acme", bad, at, digits); !fault.Is(err, fault.Invalid) ||
			fault.CodeOf(err) != connector.CodePosition {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{"x", "2026-03-02T09:30:00Z", "2026-03-02 7"} {
		if _, err := ParseKey("acme", bad, id); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPagesThatLeadAstrayAreRefused(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	rec := func(d time.Duration, id crm.RecordID) crm.Record { return crm.Record{ID: id, ModifiedAt: at.Add(d)} }
	one := []crm.Record{rec(0, "1")}
	for name, c := range map[string]struct {
		at      Instant
		records []crm.Record
		more    bool
		after   string
	}{
		"empty, and not the last":     {Instant{From: at}, nil, true, ""},
		"the same place within a tie": {Instant{From: at, Tie: true, After: "1"}, one, true, "1"},
		"older than asked for":        {Instant{From: at.Add(time.Minute)}, one, true, "1"},
	} {
		if next, err := c.at.Next("acme", c.records, c.more, c.after, time.Millisecond); !fault.Is(err, fault.Unavailable) ||
			fault.CodeOf(err) != connector.CodeMalformed {
			t.Errorf("%s: %q, %v", name, next, err)
		}
	}
	k := Key{at, "5"}
	for name, records := range map[string][]crm.Record{
		"not behind the place": {rec(0, "5")}, "before it": {rec(-1, "9")}, "not in order": {rec(1, "7"), rec(1, "6")},
	} {
		if _, err := k.Behind("acme", records); fault.CodeOf(err) != connector.CodeMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if last, err := k.Behind("acme", []crm.Record{rec(0, "6"), rec(1, "1")}); err != nil || last != (Key{at.Add(1), "1"}) {
		t.Errorf("%+v, %v", last, err)
	}
	if last, err := (Key{}).Behind("acme", one); err != nil || last != (Key{at, "1"}) {
		t.Errorf("from the beginning: %+v, %v", last, err)
	}
}
