package pipedrive_test

import (
	"slices"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestTheOtherParticipantsAreKept: the person of an activity is the primary one of those
// who take part; who else does stays, whoever that is.
func TestTheOtherParticipantsAreKept(t *testing.T) {
	t.Parallel()
	c, core := open(t)
	var who []string
	for _, name := range []string{"Ann", "Bob", "Cyd"} {
		who = append(who, string(connectortest.Made(t, core, "persons", map[string]string{"name": name})))
	}
	ann, bob, cyd := who[0], who[1], who[2]
	call := connectortest.Made(t, core, "activities", map[string]string{"participants": ann + ";" + bob})
	for _, step := range []struct{ person, want string }{
		{cyd, cyd + ";" + bob}, {bob, bob}, {ann, ann}, {"", ""}, {cyd, cyd},
	} {
		shown := connectortest.Save(t, c, "activities", call, crm.Fields{"person_id": crm.TextValue(step.person)}).Record
		if got := core.Records("activities")[0].Fields["participants"]; got != step.want {
			t.Errorf("with %q as its person %q take part, want %q", step.person, got, step.want)
		}
		if got := shown.Fields["person_id"].Text(); got != step.person {
			t.Errorf("the answer says it is about %q, want %q", got, step.person)
		}
	}
	out, err := c.BatchWrite(t.Context(), "activities", []connector.Write{{
		Op: connector.Update, ID: call, Fields: crm.Fields{"person_id": crm.TextValue("nobody")},
	}})
	if err != nil || !fault.Is(out[0].Err, fault.Invalid) {
		t.Errorf("about no ID: %+v, %v, want it refused", out, err)
	}
}

// TestActivitiesHaveValuesOfTheirTypes: words of options, days and what is done go and
// come as the app has them.
func TestActivitiesHaveValuesOfTheirTypes(t *testing.T) {
	t.Parallel()
	c, core := open(t)
	deal := string(connectortest.Made(t, core, "deals", map[string]string{"title": "Roof"}))
	want := crm.Fields{
		"subject": crm.TextValue("Look at it"), "type": crm.TextValue("meeting"), "note": crm.TextValue("<p>bring 2</p>"),
		"due_date": crm.TextValue("2026-03-02"), "due_time": crm.TextValue("10:30"), "done": crm.BoolValue(true),
		"deal_id": crm.TextValue(deal), "owner_id": crm.TextValue("4"),
	}
	shown := connectortest.Save(t, c, "activities", "", want).Record.Fields
	for name, v := range want {
		if !shown[name].Equal(v) {
			t.Errorf("%s is %v, want %v", name, shown[name], v)
		}
	}
	fields, err := c.Fields(t.Context(), "activities")
	if err != nil {
		t.Fatal(err)
	}
	is := map[string]crm.Field{}
	for _, f := range fields {
		is[f.Name] = f
	}
	types := is["type"].Options
	if !slices.Contains(types, crm.Option{Value: "meeting", Label: "Meeting"}) || is["type"].Required ||
		!is["type"].NeverBlank || is["due_time"].ReadOnly || !is["add_time"].ReadOnly {
		t.Errorf("described as %+v", fields)
	}
	for name, to := range map[string]string{"person_id": "persons", "org_id": "organizations", "deal_id": "deals"} {
		if f := is[name]; f.ReferenceTo != to || f.ReadOnly {
			t.Errorf("%s is %+v, want a reference to %s that can be written", name, f, to)
		}
	}
	if _, ok := is["participants"]; ok {
		t.Error("participants are offered beside the person")
	}
	_, err = c.BatchFind(t.Context(), "activities", is["subject"], []string{"Look at it"}, nil)
	if fault.CodeOf(err) != connector.CodeKey {
		t.Errorf("looked up by its subject: %v, want it refused", err)
	}
}

// TestActivitiesNeedAnAdmin: their fields are shown to admins only.
func TestActivitiesNeedAnAdmin(t *testing.T) {
	t.Parallel()
	admin := []string{"admin"}
	for write, want := range map[bool][]string{false: {"activities:read", "activities:full"}, true: {"activities:full"}} {
		got := pipedrive.Driver().Needs("activities", write)
		if len(got) != 2 || !slices.Equal(got[0], want) || !slices.Equal(got[1], admin) {
			t.Errorf("needs %v, want %v and %v", got, want, admin)
		}
	}
	if got := pipedrive.Driver().Needs("deals", true); len(got) != 1 {
		t.Errorf("deals need %v", got)
	}
}
