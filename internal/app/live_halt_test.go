package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// vanish deletes people of the left side, as a user there does.
func (l *live) vanish(names ...string) {
	l.t.Helper()
	for _, who := range names {
		if err := l.hub.Core().DeleteRecord("contacts", l.twin(crm.Left, who)); err != nil {
			l.t.Fatal(err)
		}
	}
	l.move(3 * time.Minute)
}

// standing is what the status says of the one sync.
func (l *live) standing() (crm.Status, engine.SyncStatus) {
	l.t.Helper()
	var st struct {
		Status crm.Status          `json:"status"`
		Syncs  []engine.SyncStatus `json:"syncs"`
	}
	l.want(200, "GET", l.con+"/status", nil).into(&st)
	return st.Status, st.Syncs[0]
}

// deleted counts the pairs that ended because one of their records was deleted.
func (l *live) deleted() int {
	l.t.Helper()
	return len(each[engine.RecordView](l, l.sync+"/records?state=deleted"))
}

// TestLive_MassDeletionHalts: more than the guard lets through halts the
// connection, in one piece, in portions within the hour and after a discard.
// Nothing is applied until an admin confirms, and then that much only.
func TestLive_MassDeletionHalts(t *testing.T) {
	t.Parallel()
	const floor = 3
	onLive(t, engine.Tuning{DeleteFloor: floor, DeleteShare: 0.01}, func(t *testing.T, l *live) {
		for i := range 20 {
			l.person(crm.Left, fmt.Sprintf("p%d", i))
		}
		l.connect()
		l.start()
		l.refused(409, "not_halted", "POST", l.sync+"/deletions/confirm", nil)
		l.refused(409, "not_halted", "POST", l.sync+"/deletions/discard", nil)
		l.refused(404, "not_found", "POST", l.con+"/syncs/none/deletions/confirm", nil)
		look := func() {
			t.Helper()
			l.begin("POST", l.sync+"/resync", nil)
			l.drain()
		}
		expect := func(what string, status crm.Status, deleted int) {
			t.Helper()
			got, _ := l.standing()
			if n := l.deleted(); got != status || n != deleted {
				t.Fatalf("%s: %s with %d pairs ended, want %s with %d", what, got, n, status, deleted)
			}
			if n := l.living(crm.Right); n != 20 {
				t.Fatalf("%s: %d people are left on the other side", what, n)
			}
		}
		l.vanish("p0", "p1")
		look()
		expect("two at once", crm.StatusActive, 2)

		l.vanish("p2", "p3") // a second portion within the hour
		look()
		expect("in portions", crm.StatusHalted, 2)
		_, st := l.standing()
		if st.Halted == nil || st.Halted.Deletions != 2 || st.Halted.Side != crm.Left || st.Halted.Since.IsZero() {
			t.Errorf("halted: %+v", st.Halted)
		}
		l.refused(409, "connection_halted", "POST", l.con+"/start", nil)
		l.refused(409, "connection_halted", "POST", l.sync+"/pull", nil)
		l.drain()
		expect("while it is halted", crm.StatusHalted, 2)

		if got := l.must(200, "POST", l.sync+"/deletions/discard", nil); len(got) == 0 {
			t.Error("discard answers nothing")
		}
		l.drain()
		expect("after the discard", crm.StatusActive, 2)
		l.refused(409, "not_halted", "POST", l.sync+"/deletions/confirm", nil)
		look() // everything is looked at again: they are still gone, and too many
		expect("a resync after the discard", crm.StatusHalted, 2)
		l.want(202, "POST", l.sync+"/deletions/confirm", nil)
		l.drain()
		expect("after the confirmation", crm.StatusActive, 4)

		l.vanish("p4", "p5", "p6", "p7", "p8") // the confirmation was not for these
		look()
		expect("after a confirmation", crm.StatusHalted, 4)
		l.want(200, "POST", l.sync+"/deletions/discard", nil)
		l.drain()
		expect("discarded again", crm.StatusActive, 4)

		l.move(2 * time.Hour) // another hour, the same crowd
		look()
		expect("in another hour", crm.StatusHalted, 4)
		l.want(202, "POST", l.sync+"/deletions/confirm", nil)
		l.drain()
		expect("confirmed", crm.StatusActive, 9)
		for _, who := range []string{"p0", "p4", "p8"} {
			l.edit(crm.Right, l.twin(crm.Right, who), "Title", "Still here")
		}
		l.pull()
		look()
		expect("nobody is made again", crm.StatusActive, 9)
		if n := l.living(crm.Left); n != 11 {
			t.Errorf("%d people on the left, want 11", n)
		}
	})
}
