package sim

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestS2_AWriteSentOnToASurvivor: a write to a record that was merged away lands
// in the survivor, and is held against what the survivor held. A merge after our
// read is the race that no app without conditional writes can tell; one that we
// could have read of excuses nothing, and what was not written is not lost.
func TestS2_AWriteSentOnToASurvivor(t *testing.T) {
	for name, late := range map[string]bool{"merged after it was read": true, "merged before": false} {
		w := newWorld(396, &Options{}) // of the real connectors: HubSpot sends writes on
		w.connect()
		app := w.apps[0]
		var rs [2]ref
		for i, email := range []string{"one@example.com", "two@example.org"} {
			f := crm.Fields{app.field("email"): crm.TextValue(email), app.field("last"): crm.TextValue("last " + email)}
			id, err := app.create(f)
			if err != nil {
				t.Fatal(err)
			}
			rs[i] = ref{crm.Left, id}
			w.typed(rs[i], nil, f)
		}
		loser, survivor := rs[0], rs[1]
		job := &task{seen: map[ref]moment{}}
		read := func() { job.seen[loser], job.seen[survivor] = w.moment(), w.moment() }
		if late {
			read()
		}
		w.userMerges(crm.Left, loser.id, survivor.id)
		if !late {
			read()
		}
		ws := []connector.Write{
			{Op: connector.Update, ID: loser.id, Fields: crm.Fields{app.field("last"): crm.TextValue("ours")}},
		}
		out, err := w.land(t.Context(), job, appIO{app.open(), w, crm.Left}, app.object(), ws)
		if err != nil || out[0].Err != nil || out[0].ID != survivor.id {
			t.Fatalf("%s: %+v, %v; want it sent on to %s", name, out, err, survivor.id)
		}
		lost := len(w.losers)
		if late && (lost != 0 || w.races != 1) || !late && (lost != 1 || w.losers[0].mapping != "last" || w.races != 0) {
			t.Errorf("%s: lost %+v, %d races", name, w.losers, w.races)
		}
	}
}
