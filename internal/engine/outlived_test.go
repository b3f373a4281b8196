package engine

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestS36_DecisionsAreAboutTheirOwnPair: what a person decided about a pair is
// not carried out on another one, which the record is in after a merge. The
// workload "hands" of the simulation gets there.
func TestS36_DecisionsAreAboutTheirOwnPair(t *testing.T) {
	t.Parallel()
	pair := &link{Left: "l1", Right: "r1"}
	for name, c := range map[string]struct {
		link *link
		hint hint
		want bool
	}{
		"the pair that was decided about": {pair, hint{Op: opResolve, Partner: "r1"}, false},
		"the record got another partner":  {pair, hint{Op: opResolve, Partner: "r2"}, true},
		"and was to be taken apart":       {pair, hint{Op: opUnlink, Partner: "r2"}, true},
		"it names the partner to come":    {pair, hint{Op: opLink, Partner: "r2"}, false},
		"sent by an older version":        {pair, hint{Op: opUnlink}, false},
		"it has no partner any more":      {&link{Left: "l1"}, hint{Op: opUnlink, Partner: "r1"}, false},
		"nothing is known of it":          {nil, hint{Op: opResolve, Partner: "r1"}, false},
	} {
		u := &unit{side: crm.Left, id: "l1", link: c.link, hint: c.hint}
		if got := u.outlived(); got != c.want {
			t.Errorf("%s: outlived is %v, want %v", name, got, c.want)
		}
	}
}
