package app

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// drift is a field that an app makes another one of.
type drift struct {
	mapping string
	side    int
	field   string
	turn    func(l *live, back bool) error
	// what becomes of the mapping: the repair that is proposed, as JSON; "" = none
	repair string
	was    engine.FieldShape
	is     engine.FieldShape
	edits  [2]string // made while it is held, of either side's field; "" = none
	after  [2]string // what both hold once the app has turned it back
	heard  bool      // of by a write that the app refuses, and not by a look at its fields
	mended [2]string // and once the repair was made
}

var drifts = map[string]drift{
	"read-only": {
		mapping: "title", side: 0, field: "jobtitle", repair: `{"direction":"to_right"}`,
		turn: func(l *live, back bool) error {
			only := !back
			return l.hub.ChangeProperty("contacts", "jobtitle", hubspotfake.PropertyChange{ReadOnly: &only})
		},
		was: engine.FieldShape{Type: crm.TypeText}, is: engine.FieldShape{Type: crm.TypeText, ReadOnly: true},
		edits: [2]string{"", "Pilot"}, after: [2]string{"Pilot", "Pilot"}, mended: [2]string{"Cook", "Cook"},
	},
	"read-only, and found so by a write": {
		mapping: "title", side: 0, field: "jobtitle", repair: `{"direction":"to_right"}`, heard: true,
		turn: func(l *live, back bool) error {
			only := !back
			return l.hub.ChangeProperty("contacts", "jobtitle", hubspotfake.PropertyChange{ReadOnly: &only})
		},
		was: engine.FieldShape{Type: crm.TypeText}, is: engine.FieldShape{Type: crm.TypeText, ReadOnly: true},
		edits: [2]string{"", "Pilot"}, after: [2]string{"Pilot", "Pilot"}, mended: [2]string{"Cook", "Pilot"},
	},
	"an option renamed": {
		mapping: "grade", side: 0, field: "hs_lead_status",
		repair: `{"transform":{"options":{"FRESH":"Primary","NEW":null}}}`,
		turn: func(l *live, back bool) error {
			options := []string{"FRESH", "OPEN", "IN_PROGRESS", "UNQUALIFIED"}
			if back {
				options[0] = "NEW"
			}
			return l.hub.ChangeProperty("contacts", "hs_lead_status", hubspotfake.PropertyChange{Options: options})
		},
		was:   engine.FieldShape{Type: crm.TypeOption, Options: []crm.Option{{Value: "NEW", Label: "New"}}},
		is:    engine.FieldShape{Type: crm.TypeOption, Options: []crm.Option{{Value: "FRESH", Label: "FRESH"}}},
		edits: [2]string{"OPEN", ""}, after: [2]string{"OPEN", "Secondary"}, mended: [2]string{"OPEN", "Secondary"},
	},
}

// TestS20_AFieldThatChangedIsHeldAlone: an app makes another kind of field of one that is
// mapped. That mapping rests in both directions and says what the field was and is; nothing
// else stops, and no record is in error. Released by hand while it is so, it is refused;
// once the app has turned it back, or the mapping was mended as proposed, what waited
// travels.
func TestS20_AFieldThatChangedIsHeldAlone(t *testing.T) {
	t.Parallel()
	for name, d := range drifts {
		for _, end := range []string{"turned back", "mended"} {
			t.Run(name+"/"+end, func(t *testing.T) {
				t.Parallel()
				onLive(t, engine.Tuning{}, func(t *testing.T, l *live) { l.drifts(&d, end == "mended") })
			})
		}
	}
}

func (l *live) drifts(d *drift, mends bool) {
	l.t.Helper()
	fields := [2]string{"jobtitle", "Title"}
	start := [2]string{"Cook", "Cook"}
	if d.mapping == "grade" {
		fields, start = [2]string{"hs_lead_status", "Level__c"}, [2]string{"NEW", "Primary"}
	}
	ann := l.person(crm.Left, "ann", fields[0], start[0])
	bob := l.person(crm.Left, "bob", fields[0], start[0])
	left := [2]string{`"conflict":"review"`, `"conflict":"left"`}
	if d.mapping == "grade" {
		l.connect(left, mapEach(everyType[4:5], ""))
	} else {
		l.connect(left)
	}
	l.start()
	partner := l.twin(crm.Right, "ann")
	if got := l.held(crm.Right, partner)[fields[1]]; got != start[1] {
		l.t.Fatalf("at first: %q", got)
	}
	l.refused(409, "not_held", "POST", l.sync+"/held/"+d.mapping+"/release", nil)

	if err := d.turn(l, false); err != nil {
		l.t.Fatal(err)
	}
	l.move(6 * time.Minute)
	if !d.heard {
		l.refreshed(d.side)
	}
	for side, value := range d.edits {
		if value != "" {
			l.edit(crm.Sides[side], [2]string{ann, partner}[side], fields[side], value)
		}
	}
	l.edit(crm.Left, ann, "city", "Oslo")
	l.edit(crm.Left, bob, "city", "Oslo")
	l.pull()
	l.run("POST", l.sync+"/resync", nil)
	if got := l.held(crm.Right, partner)["MailingCity"]; d.mapping != "grade" && got != "Oslo" {
		l.t.Errorf("the city: %q", got)
	}
	want := start
	for side, value := range d.edits {
		if value != "" {
			want[side] = value
		}
	}
	if got := [2]string{l.held(crm.Left, ann)[fields[0]], l.held(crm.Right, partner)[fields[1]]}; got != want {
		l.t.Errorf("while it is held: %v, want %v", got, want)
	}
	if v := l.view(crm.Left, bob); v.State != crm.StateInSync {
		l.t.Errorf("bob is %s %s", v.State, v.Code)
	}
	if failed := each[engine.Entry](l, "/v1/log?event=failed"); len(failed) != 0 && !d.heard {
		l.t.Errorf("failed: %+v", failed)
	}
	items := each[engine.HeldItem](l, l.sync+"/held")
	if len(items) != 1 {
		l.t.Fatalf("held: %+v", items)
	}
	h := items[0]
	repair, err := json.Marshal(h.Repair)
	if err != nil {
		l.t.Fatal(err)
	}
	same := func(a *engine.FieldShape, b engine.FieldShape) bool {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return string(x) == string(y)
	}
	if h.ID != d.mapping || h.Code != "field_changed" || h.Side != crm.Sides[d.side] || h.Field != d.field ||
		h.Since.IsZero() || h.Detail == "" || h.Remedy == "" || string(repair) != d.repair ||
		!same(h.Was, d.was) || !same(h.Is, d.is) {
		l.t.Errorf("held: %+v, was %+v, is %+v, repair %s", h, h.Was, h.Is, repair)
	}
	_, st := l.standing()
	if len(st.Held) != 1 || st.Held[0].Code != "field_changed" {
		l.t.Errorf("the status: %+v", st.Held)
	}
	l.tell()
	if open := each[alert.Alert](l, "/v1/alerts?state=open"); len(open) != 1 || open[0].Kind != alert.SchemaDrift ||
		!strings.Contains(open[0].Detail, d.field+" was ") || !strings.HasSuffix(open[0].Detail, d.repair) {
		l.t.Errorf("alerts: %+v", open)
	}
	l.want(200, "POST", l.con+"/validate", nil)
	l.patch(l.con, `{"description":"something else of it can be saved"}`)
	l.refused(409, "field_changed", "POST", l.sync+"/held/"+d.mapping+"/release", nil)

	want = d.after
	if mends {
		want = d.mended
		l.patch(l.sync+"/mappings/"+d.mapping, string(repair))
	} else {
		if err := d.turn(l, true); err != nil {
			l.t.Fatal(err)
		}
		l.run("POST", l.sync+"/held/"+d.mapping+"/release", nil)
	}
	l.drain()
	if items := each[engine.HeldItem](l, l.sync+"/held"); len(items) != 0 {
		l.t.Errorf("held still: %+v", items)
	}
	if got := [2]string{l.held(crm.Left, ann)[fields[0]], l.held(crm.Right, partner)[fields[1]]}; got != want {
		l.t.Errorf("in the end: %v, want %v", got, want)
	}
}
