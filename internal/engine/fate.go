package engine

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// fate is what came in the way of a unit's work. Steps note what they meet; what
// the work comes to is told by ending alone.
type fate struct {
	wait      time.Duration     // put off: look again after this
	why       string            // it is put off
	blameless bool              // waiting does not count as a try
	err       error             // of its work as a whole, for good
	unknown   bool              // its write may have landed
	untried   bool              // its write was not tried, or surely did not land
	weighed   bool              // its change may be part of a larger one: it waits
	barred    crm.PerSide[bool] // its write to this side waits for a right
}

// ending is what a unit's work comes to.
type ending uint8

// The endings, each graver than the one before: of several it is the gravest.
const (
	endsDone    ending = iota // what was decided is done, and remembered
	endsBarred                // waits for a right, in the store
	endsWeighed               // waits for what else comes, in the store
	endsFailed                // for good
	endsLater                 // is looked at again after a while
	endsOpen                  // nobody can tell yet: its chunk comes again
)

func (f *fate) ending() ending {
	switch {
	case f.unknown || f.untried:
		return endsOpen
	case f.wait > 0:
		return endsLater
	case f.err != nil:
		return endsFailed
	case f.weighed:
		return endsWeighed
	case f.barred.Left || f.barred.Right:
		return endsBarred
	}
	return endsDone
}

// stopped reports whether nothing more is tried of the unit now.
func (f *fate) stopped() bool { return f.wait > 0 || f.err != nil }

// putOff lets the unit be looked at again after a while.
func (f *fate) putOff(d time.Duration, why string) { f.wait, f.why = d, why }

// fail ends what was put off again and again, for good.
func (f *fate) fail(err error) { f.wait, f.err = 0, err }

// restsNoMore is for what comes again anyway, or failed: it does not wait in the store.
func (f *fate) restsNoMore() { f.barred, f.weighed = crm.PerSide[bool]{}, false }
