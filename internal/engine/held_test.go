package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// away takes a field of one app away as its admin would, or brings it back.
type away struct {
	name  string
	field [2]string // the mapped fields of both sides
	side  int       // whose goes
	do    func(b bed, gone bool) error
}

var aways = []away{
	{"HubSpot property archived", [2]string{"city", "MailingCity"}, 0, func(b bed, gone bool) error {
		return b.Hub.ChangeProperty("contacts", "city", hubspotfake.PropertyChange{Archived: &gone})
	}},
	{"Salesforce field deleted", [2]string{"jobtitle", "Title"}, 1, func(b bed, gone bool) error {
		return b.Force.ChangeField("Contact", "Title", salesforcefake.FieldChange{Deleted: &gone})
	}},
	{"Salesforce field hidden", [2]string{"phone", "Phone"}, 1, func(b bed, gone bool) error {
		return b.Force.ChangeField("Contact", "Phone", salesforcefake.FieldChange{Hidden: &gone})
	}},
}

// held returns a field's values on a side, by record.
func (b bed) values(side int, field string) map[string]string {
	out := map[string]string{}
	records := b.Hub.Core().Records("contacts")
	if side == 1 {
		records = b.Force.Core().Records("Contact")
	}
	for _, r := range records {
		out[r.ID] = r.Fields[field]
	}
	return out
}

func (b bed) edit(side int, id string, fields map[string]string) {
	b.t.Helper()
	if side == 0 {
		_, err := b.Hub.Core().UpdateRecord("contacts", id, fields)
		b.must(err)
		return
	}
	_, err := b.Force.Core().UpdateRecord("Contact", id, fields)
	b.must(err)
}

// settle lets the schedule fire and the tick look until all is quiet.
func (b bed) settle(d time.Duration) {
	b.t.Helper()
	for range 4 {
		b.Move(d / 4)
		b.pull()
		b.drain()
	}
}

// TestS31_AFieldThatVanishesErasesNothing: with mappings that clear, a field that
// an app no longer shows leaves every value of the other side as it is; what
// uses it is held and said to be; an edit made meanwhile travels when it is back.
func TestS31_AFieldThatVanishesErasesNothing(t *testing.T) {
	t.Parallel()
	for _, a := range aways {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 60, func(c *crm.Connection) {
				for i := range c.Syncs[0].Mappings {
					c.Syncs[0].Mappings[i].Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true}
				}
			})
			b.start()
			b.settle(12 * time.Minute)
			before := b.values(1-a.side, a.field[1-a.side])
			b.must(a.do(b, true))
			// Everybody is touched on the side of the field: each is read again.
			name := [2]string{"lastname", "LastName"}[a.side]
			for id := range b.values(a.side, name) {
				b.edit(a.side, id, map[string]string{name: "Touched " + id})
			}
			b.settle(12 * time.Minute)
			if d := cmp.Diff(before, b.values(1-a.side, a.field[1-a.side])); d != "" {
				t.Fatalf("values of the other side (-want +got):\n%s", d)
			}
			other := [2]string{"lastname", "LastName"}[1-a.side]
			touched := 0
			for _, v := range b.values(1-a.side, other) {
				if len(v) > 8 && v[:8] == "Touched " {
					touched++
				}
			}
			if touched < 30 {
				t.Errorf("%d people's other fields came across, want most of 60", touched)
			}
			st := b.status()
			if !slices.Contains(st.Warnings, "field_missing") || len(st.Held) != 1 || st.Held[0].Field != a.field[a.side] ||
				st.Held[0].Since.IsZero() || st.Held[0].Remedy == "" {
				t.Errorf("the status says %v %+v", st.Warnings, st.Held)
			}
			// A user edits the other side meanwhile.
			var who string
			for id, v := range before {
				l, err := b.Engine.GetRecord(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
					crm.Sides[1-a.side], crm.RecordID(id))
				if err == nil && v != "" && l.Partner != "" {
					who = id
					break
				}
			}
			want := "+14155550123"
			b.edit(1-a.side, who, map[string]string{a.field[1-a.side]: want})
			b.settle(12 * time.Minute)
			x, err := b.Engine.Explain(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Sides[1-a.side],
				crm.RecordID(who))
			b.must(err)
			i := slices.IndexFunc(x.Fields, func(f engine.FieldVerdict) bool {
				return f.Rule == "held" && f.Code == "field_missing"
			})
			if i < 0 || len(x.Held) != 1 {
				t.Errorf("explain says %+v %+v", x.Fields, x.Held)
			}
			b.must(a.do(b, false))
			b.settle(40 * time.Minute)
			if st := b.status(); slices.Contains(st.Warnings, "field_missing") || len(st.Held) > 0 ||
				st.States.Left[crm.StateFailing] > 0 {
				t.Errorf("when it is back the status says %v %+v %v", st.Warnings, st.Held, st.States.Left)
			}
			partner := x.Partner
			if got := b.values(a.side, a.field[a.side])[string(partner)]; got != want {
				t.Errorf("the edit made meanwhile arrived as %q, want %q", got, want)
			}
			b.edit(1-a.side, who, map[string]string{a.field[1-a.side]: ""})
			b.settle(12 * time.Minute)
			if got := b.values(a.side, a.field[a.side])[string(partner)]; got != "" {
				t.Errorf("a clearing by a user does not travel any more: %q", got)
			}
		})
	}
}
