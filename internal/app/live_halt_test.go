package app

import (
	"fmt"
	"strings"
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

// titled gives people of the left side a title each, or all of them one and the
// same, and pulls.
func (l *live) titled(names []string, prefix string) {
	l.t.Helper()
	for _, who := range names {
		title := "The same"
		if prefix != "" {
			title = prefix + who
		}
		l.edit(crm.Left, l.twin(crm.Left, who), "jobtitle", title)
	}
	l.move(3 * time.Minute)
	l.pull()
}

// TestLive_S37_MassChangeHalts: one title for everybody stops the title's mapping
// alone; the status, the record and the log say so; what an admin discards stays
// apart, and what is confirmed gets across.
func TestLive_S37_MassChangeHalts(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{ChangeFloor: 5, ChangeShare: 0.3}, func(t *testing.T, l *live) {
		var names []string
		for i := range 12 {
			names = append(names, fmt.Sprintf("p%d", i))
			l.person(crm.Left, names[i])
		}
		l.connect()
		l.start()
		changes := l.sync + "/mappings/title/changes/"
		l.refused(409, "not_halted", "POST", changes+"confirm", nil)
		l.refused(404, "not_found", "POST", l.sync+"/mappings/none/changes/confirm", nil)
		l.refused(404, "not_found", "POST", l.con+"/syncs/none/mappings/title/changes/discard", nil)
		expect := func(what string, same, halts int) engine.SyncStatus {
			t.Helper()
			n := 0
			for _, who := range names {
				if l.held(crm.Right, l.twin(crm.Right, who))["Title"] == "The same" {
					n++
				}
			}
			status, st := l.standing()
			if n != same || len(st.Changes) != halts || status != crm.StatusActive {
				t.Fatalf("%s: %d titles replaced, halts %+v, %s; want %d and %d", what, n, st.Changes, status, same, halts)
			}
			return st
		}
		l.titled(names, "Title of ")
		expect("titles of their own", 0, 0)
		l.edit(crm.Left, l.twin(crm.Left, "p3"), "city", "Ghent")
		l.titled(names, "")
		st := expect("one title for all", 0, 1)
		h := st.Changes[0]
		if h.Mapping != "title" || h.Kind != "one_value" || h.Side != crm.Right || h.Field != "Title" || h.Waiting != 12 ||
			h.Count != 12 || h.Links != 12 || h.Since.IsZero() || h.Remedy == "" {
			t.Errorf("the halt says %+v", h)
		}
		if got := l.held(crm.Right, l.twin(crm.Right, "p3"))["MailingCity"]; got != "Ghent" {
			t.Errorf("the city stands, too: %q", got)
		}
		if v := l.view(crm.Left, l.twin(crm.Left, "p3")); v.State != crm.StateWaiting || v.Code != "mass_change" {
			t.Errorf("a record of it: %s, %s", v.State, v.Code)
		}
		if got := fmt.Sprint(l.must(200, "GET", l.record(crm.Left, l.twin(crm.Left, "p3"))+"/explain",
			nil)); !strings.Contains(got, "mass_change") {
			t.Errorf("explain does not name it: %s", got)
		}
		l.want(200, "POST", changes+"discard", nil)
		l.drain()
		l.begin("POST", l.sync+"/resync", nil)
		l.drain()
		if st := expect("discarded", 0, 0); st.Settled.Reasons[crm.ReasonUndone] != 12 {
			t.Errorf("settled: %+v", st.Settled)
		}
		l.titled(names, "Again ")
		l.titled(names, "")
		expect("once more", 0, 1)
		l.want(202, "POST", changes+"confirm", nil)
		l.drain()
		expect("confirmed", 12, 0)
		audit := 0
		for _, e := range each[engine.Entry](l, "/v1/log?mapping=title&event=updated") {
			for _, d := range e.Diffs {
				if d.Mapping == "title" && d.After.Text() == "The same" && d.Before.Text() != "" {
					audit++
				}
			}
		}
		if audit != 12 {
			t.Errorf("the log has %d of the 12 titles with what was before", audit)
		}
	})
}

// TestLive_GuardsCountLinks: what may change or be gone is a share of the linked pairs.
// People who are known and linked with nobody allow for no more.
func TestLive_GuardsCountLinks(t *testing.T) {
	t.Parallel()
	const linked, alone, some = 12, 60, 5
	tuning := engine.Tuning{ChangeFloor: 2, ChangeShare: 0.3, DeleteFloor: 2, DeleteShare: 0.3}
	onLive(t, tuning, func(t *testing.T, l *live) {
		var names []string
		for i := range linked {
			names = append(names, fmt.Sprintf("p%d", i))
			l.person(crm.Left, names[i])
		}
		for i := range alone {
			l.person(crm.Left, fmt.Sprintf("alone%d", i), "email", "")
		}
		l.connect()
		l.start()
		_, st := l.standing()
		if st.States.Left[crm.StateInSync] != linked || st.States.Left[crm.StateExcluded] != alone {
			t.Fatalf("known on the left: %+v", st.States.Left)
		}
		l.titled(names[:3], "Title of ") // of their own: these are fills
		for _, who := range names[3:some] {
			l.titled([]string{who}, "Title of ")
		}
		l.titled(names[:some], "")
		if _, st = l.standing(); len(st.Changes) != 1 || st.Changes[0].Count != some || st.Changes[0].Links != linked {
			t.Errorf("with %d titles of %d pairs replaced by one, it stands for %+v", some, linked, st.Changes)
		}
		l.vanish(names[:some]...)
		l.begin("POST", l.sync+"/resync", nil)
		l.drain()
		status, st := l.standing()
		if status != crm.StatusHalted || st.Halted.Deletions != some || st.Halted.Links != linked {
			t.Errorf("with %d of %d pairs gone it is %s: %+v", some, linked, status, st.Halted)
		}
	})
}
