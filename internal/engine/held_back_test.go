package engine_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestS31_AFieldThatIsBackWasNotAskedFor: one field is back when another is
// missed, so that the same look at the schema finds both out. Records that were
// read before were asked for neither: the first one is not blank there.
func TestS31_AFieldThatIsBackWasNotAskedFor(t *testing.T) {
	t.Parallel()
	b := newBed(t, 40, func(c *crm.Connection) {
		for i := range c.Syncs[0].Mappings {
			c.Syncs[0].Mappings[i].Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true}
		}
	})
	b.start()
	b.settle(12 * time.Minute)
	people, before := b.values(0, "jobtitle"), b.values(1, "Title")
	gone := func(field string, away bool) {
		b.must(b.Hub.ChangeProperty("contacts", field, hubspotfake.PropertyChange{Archived: &away}))
	}
	first, hub, force := "", "", ""
	for id, title := range people {
		if x := b.record(crm.Left, id); title != "" && x.State == crm.StateInSync && before[string(x.Partner)] == title {
			first, hub, force = hub, id, string(x.Partner)
		}
	}
	gone("jobtitle", true)
	b.edit(0, first, map[string]string{"lastname": "One"})
	b.Move(time.Second)
	b.hear(first)
	if st := b.status(); len(st.Held) != 1 {
		t.Fatalf("the status says %+v is held", st.Held)
	}
	gone("jobtitle", false)
	gone("city", true)
	b.Move(time.Minute)
	b.edit(0, hub, map[string]string{"lastname": "Two"})
	b.hear(hub)
	if got := b.get("Contact", force); got["LastName"] != "Two" || got["Title"] != people[hub] {
		t.Errorf("the other side is called %q, %q, want Two, %q", got["LastName"], got["Title"], people[hub])
	}
	b.settle(2 * time.Minute)
	if d := cmp.Diff(before, b.values(1, "Title")); d != "" {
		t.Errorf("titles of the other side (-want +got):\n%s", d)
	}
	gone("city", false)
	b.settle(90 * time.Minute)
	if st := b.status(); len(st.Held) > 0 {
		t.Errorf("the status says %+v is held still", st.Held)
	}
}
