package wire_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/wire"
)

// TestLabelCache: labels are listed once a minute, at once when one is missing or
// was made, and never when the listing failed.
func TestLabelCache(t *testing.T) {
	t.Parallel()
	var c wire.LabelCache
	now, listed, fails := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), 0, error(nil)
	get := func(wanted ...string) *wire.Labels {
		t.Helper()
		l, err := c.Get(now, wanted, func(add func(id, name string)) error {
			listed++
			add("1", "VIP")
			add("own", "")
			return fails
		})
		if !errors.Is(err, fails) {
			t.Fatalf("%v, want %v", err, fails)
		}
		return l
	}
	for _, step := range []struct {
		after  time.Duration
		wanted []string
		forget bool
		listed int
	}{
		{0, nil, false, 1},
		{0, []string{"2"}, false, 1}, // just listed: it is gone
		{time.Second, []string{"1", "own"}, false, 1},
		{time.Second, []string{"2"}, false, 2},
		{time.Second, nil, true, 3},
		{time.Minute - time.Nanosecond, nil, false, 3},
		{time.Nanosecond, nil, false, 4},
		{-time.Second, nil, false, 5}, // a clock that was wrong
	} {
		if step.forget {
			c.Forget()
		}
		now = now.Add(step.after)
		l := get(step.wanted...)
		if listed != step.listed {
			t.Errorf("%+v: listed %d times, want %d", step, listed, step.listed)
		}
		if l.ID("vip") != "1" || l.ID("own") != "" || !slices.Equal(l.Names("own", "1", "2"), []string{"VIP"}) {
			t.Errorf("%+v: %+v", step, l)
		}
	}
	before := get()
	if more := before.With("2", "Fresh"); more.Name("2") != "Fresh" || before.Name("2") != "" || more.ID("fresh") != "2" {
		t.Errorf("with one more: %+v, before: %+v", more, before)
	}
	now, fails = now.Add(time.Hour), errors.New("away")
	if get() != nil {
		t.Error("labels of a listing that failed")
	}
}

// TestFieldTypes: each object is asked for once, until it has answered.
func TestFieldTypes(t *testing.T) {
	t.Parallel()
	var c wire.FieldTypes
	asked, fails := 0, errors.New("away")
	for i, want := range []int{1, 2, 2} {
		types, err := c.Of("contacts", func() (map[string]string, error) {
			asked++
			return map[string]string{"born": "date"}, fails
		})
		if asked != want || !errors.Is(err, fails) || (err == nil) != (types["born"] == "date") {
			t.Errorf("%d: asked %d times, %v, %v", i, asked, types, err)
		}
		fails = nil
	}
}
