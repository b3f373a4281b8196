package engine

import (
	"errors"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestEnding: of all that came in the way of a unit's work the gravest counts.
func TestEnding(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	left := crm.PerSide[bool]{Left: true}
	for name, c := range map[string]struct {
		fate    fate
		want    ending
		stopped bool
	}{
		"nothing":                          {fate{}, endsDone, false},
		"a reason without a wait":          {fate{why: "twin_vanished", blameless: true}, endsDone, false},
		"a right":                          {fate{barred: left}, endsBarred, false},
		"a right on the other side":        {fate{barred: crm.PerSide[bool]{Right: true}}, endsBarred, false},
		"a larger change, and a right":     {fate{weighed: true, barred: left}, endsWeighed, false},
		"failed, and a right":              {fate{err: refused, barred: left, weighed: true}, endsFailed, true},
		"put off":                          {fate{wait: 1}, endsLater, true},
		"put off after a failure":          {fate{wait: 1, err: refused}, endsLater, true},
		"not tried":                        {fate{untried: true, wait: 1}, endsOpen, true},
		"may have landed, and is put off":  {fate{unknown: true, wait: 1, err: refused}, endsOpen, true},
		"may have landed on one side only": {fate{unknown: true, barred: left}, endsOpen, false},
	} {
		if got := c.fate.ending(); got != c.want {
			t.Errorf("%s: ends as %d, want %d", name, got, c.want)
		}
		if got := c.fate.stopped(); got != c.stopped {
			t.Errorf("%s: stopped %t, want %t", name, got, c.stopped)
		}
	}
	f := fate{wait: 1, why: "busy", weighed: true, barred: left}
	f.fail(refused)
	if f.ending() != endsFailed {
		t.Errorf("what is given up ends as %d", f.ending())
	}
	f.restsNoMore()
	if f.weighed || f.barred.Left {
		t.Error("what failed still waits in the store")
	}
}
