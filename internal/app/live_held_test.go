package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// pairedField is a mapped field of one type, and the value that everybody has.
type pairedField struct {
	id     string
	fields [2]string
	value  [2]string
	more   string // of the mapping
}

// everyType are fields of every type that may be mapped across the two apps: the
// ID that a reference holds means nothing in the other.
var everyType = []pairedField{
	{"town", [2]string{"city", "MailingCity"}, [2]string{"Ghent", "Ghent"}, ""},
	{"call", [2]string{"newsletter", "DoNotCall"}, [2]string{"true", "true"}, ""},
	{"points", [2]string{"score", "Score__c"}, [2]string{"7", "7"}, ""},
	{"born", [2]string{"birthday", "Birthdate"}, [2]string{"1980-02-29", "1980-02-29"}, ""},
	{
		"grade",
		[2]string{"hs_lead_status", "Level__c"},
		[2]string{"NEW", "Primary"},
		`,"transform":{"type":"options","options":{"NEW":"Primary","OPEN":"Secondary"}}`,
	},
	{
		"likes",
		[2]string{"interests", "Tags__c"},
		[2]string{"chess;tea", "Customer;Partner"},
		`,"transform":{"type":"options","options":{"chess":"Customer","tea":"Partner"}}`,
	},
}

// vanishing takes fields away as an admin of the app does, or brings them back.
type vanishing struct {
	side int
	do   func(l *live, name string, gone bool) error
}

var vanishings = map[string]vanishing{
	"HubSpot archived": {0, func(l *live, name string, gone bool) error {
		return l.hub.ChangeProperty("contacts", name, hubspotfake.PropertyChange{Archived: &gone})
	}},
	"Salesforce deleted": {1, func(l *live, name string, gone bool) error {
		return l.force.ChangeField("Contact", name, salesforcefake.FieldChange{Deleted: &gone})
	}},
	"Salesforce hidden": {1, func(l *live, name string, gone bool) error {
		return l.force.ChangeField("Contact", name, salesforcefake.FieldChange{Hidden: &gone})
	}},
	"Salesforce renamed": {1, func(l *live, name string, gone bool) error {
		fresh := strings.TrimSuffix(name, "__c") + "_Old__c"
		if !gone {
			name, fresh = fresh, name
		}
		return l.force.ChangeField("Contact", name, salesforcefake.FieldChange{Rename: fresh})
	}},
}

// mapEach adds a mapping of each field to the document; how is its policy.
func mapEach(of []pairedField, how string) [2]string {
	var b strings.Builder
	for _, f := range of {
		fmt.Fprintf(&b, `,{"id":%q,"left":[%q],"right":[%q]%s%s}`, f.id, f.fields[0], f.fields[1], how, f.more)
	}
	return [2]string{`,
			{"id":"city","left":["city"],"right":["MailingCity"]}`, b.String()}
}

// column is what everybody has in a field of a side.
func (l *live) column(side int, field string) map[string]string {
	core, object := l.core(crm.Sides[side])
	out := map[string]string{}
	for _, r := range core.Records(object) {
		if !r.Deleted {
			out[r.ID] = r.Fields[field]
		}
	}
	return out
}

// touchAll edits the surname of everybody on a side, so that each is read again.
func (l *live) touchAll(side int, to string) {
	l.t.Helper()
	name := [2]string{"lastname", "LastName"}[side]
	for id := range l.column(side, name) {
		l.edit(crm.Sides[side], id, name, to+" "+id)
	}
}

// arrived counts whose surname begins with to on a side.
func (l *live) arrived(side int, to string) (n int) {
	for _, v := range l.column(side, [2]string{"lastname", "LastName"}[side]) {
		if strings.HasPrefix(v, to+" ") {
			n++
		}
	}
	return n
}

// heldSaid holds status, validate and account to the fields that are gone.
func (l *live) heldSaid(side int, names []string) {
	l.t.Helper()
	_, st := l.standing()
	var report struct {
		Valid    bool              `json:"valid"`
		Problems []json.RawMessage `json:"problems"`
		Held     []engine.HeldPart `json:"held"`
	}
	l.want(200, "POST", l.con+"/validate", nil).into(&report)
	for what, parts := range map[string][]engine.HeldPart{"status": st.Held, "validate": report.Held} {
		var got []string
		for _, p := range parts {
			if !slices.Contains(got, p.Field) {
				got = append(got, p.Field)
			}
			if p.Side != crm.Sides[side] || p.Since.IsZero() || p.Remedy == "" || p.Pointer == "" {
				l.t.Errorf("%s: %+v", what, p)
			}
		}
		slices.Sort(got)
		if d := cmp.Diff(names, got); d != "" {
			l.t.Errorf("%s lists held fields (-want +got):\n%s", what, d)
		}
	}
	if !report.Valid || len(report.Problems) > 0 {
		l.t.Errorf("validate: %v %s", report.Valid, report.Problems)
	}
	waits := slices.IndexFunc(st.Waiting, func(w engine.Waiting) bool {
		return w.Code == "field_missing" && w.Side == crm.Sides[side]
	})
	if (waits >= 0) != (len(names) > 0) || slices.Contains(st.Warnings, "field_missing") != (len(names) > 0) {
		l.t.Errorf("with %v gone the status warns of %v and waits for %+v", names, st.Warnings, st.Waiting)
		return
	}
	if waits < 0 {
		return
	}
	if w := st.Waiting[waits]; w.Account == "" || w.Since.IsZero() || w.Remedy == "" ||
		!strings.Contains(w.Detail, names[0]) {
		l.t.Errorf("waiting says %+v", w)
	}
	var acc struct {
		Problems []engine.Waiting `json:"problems"`
	}
	l.want(200, "GET", "/v1/accounts/"+string([]crm.AccountID{l.left, l.right}[side]), nil).into(&acc)
	if !slices.ContainsFunc(acc.Problems, func(w engine.Waiting) bool {
		return w.Code == "field_missing" && w.Sync == "contacts"
	}) {
		l.t.Errorf("the account says %+v", acc.Problems)
	}
}

// refreshed reads the fields of a side anew, as the console's button does.
func (l *live) refreshed(side int) {
	l.t.Helper()
	at := "/v1/accounts/" + string([]crm.AccountID{l.left, l.right}[side]) + "/objects/" + [2]string{
		"contacts", "Contact",
	}[side]
	l.want(200, "GET", at+"/fields?refresh=true", nil)
}

// TestS31_FieldsVanishOverTheAPI: fields of every type vanish at once, in each
// way that an app has, with mappings that clear and with mappings that follow
// the side that lacks them. No value of the other side changes, whatever looks:
// a pull, a plan, a resync. All of it is said, other settings can be saved, and
// what is edited meanwhile travels when the fields are back.
func TestS31_FieldsVanishOverTheAPI(t *testing.T) {
	t.Parallel()
	for name, v := range vanishings {
		policy := [2]string{`,"policy":"always_left"`, `,"policy":"always_right"`}[v.side]
		for how, setting := range map[string]string{"clear": `,"clear":{"to_right":true,"to_left":true}`, "always": policy} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				onLive(t, engine.Tuning{}, func(t *testing.T, l *live) { vanishLive(l, name, v, setting) })
			})
		}
	}
}

func vanishLive(l *live, name string, v vanishing, setting string) {
	t := l.t
	const people = 60
	clears := strings.Contains(setting, "clear")
	var of []pairedField
	for _, f := range everyType {
		if name == "Salesforce renamed" && !strings.HasSuffix(f.fields[1], "__c") {
			continue // a standard field keeps its name
		}
		of = append(of, f)
	}
	for i := range people {
		for side, s := range crm.Sides {
			var more []string
			for _, f := range of {
				more = append(more, f.fields[side], f.value[side])
			}
			l.person(s, fmt.Sprintf("p%d", i), more...)
		}
	}
	l.connect(mapEach(of, setting))
	l.start()
	l.pull()
	other := 1 - v.side
	before := map[string]map[string]string{}
	var gone []string
	for _, f := range of {
		before[f.fields[other]] = l.column(other, f.fields[other])
		gone = append(gone, f.fields[v.side])
		for id, got := range before[f.fields[other]] {
			if got != f.value[other] {
				t.Fatalf("%s of %s is %q before anything vanished, want %q", f.fields[other], id, got, f.value[other])
			}
		}
	}
	slices.Sort(gone)
	l.heldSaid(v.side, nil)
	for _, f := range gone {
		if err := v.do(l, f, true); err != nil {
			t.Fatal(err)
		}
	}
	untouched := func(when string) {
		t.Helper()
		for field, want := range before {
			if d := cmp.Diff(want, l.column(other, field)); d != "" {
				t.Fatalf("%s: %s of the other side (-want +got):\n%s", when, field, d)
			}
		}
	}
	l.touchAll(v.side, "Pulled")
	run := l.pull()
	untouched("after a pull")
	if n := l.arrived(other, "Pulled"); n != people {
		t.Errorf("the surnames of %d people came across, want all %d", n, people)
	}
	if len(run.Held) < len(gone) {
		t.Errorf("the run says %+v, want all of %v", run.Held, gone)
	}
	l.heldSaid(v.side, gone)
	l.touchAll(v.side, "Planned")
	var plan engine.PlanView
	a := l.want(202, "POST", l.sync+"/plans", `{}`)
	l.drain()
	l.want(200, "GET", a.header.Get("Location"), nil).into(&plan)
	if len(plan.Held) < len(gone) {
		t.Errorf("the plan says %+v", plan.Held)
	}
	for _, c := range each[engine.Change](l, a.header.Get("Location")+"/changes") {
		for _, f := range of {
			if text := fmt.Sprintf("%+v", c.Diffs); strings.Contains(text, f.fields[other]) && c.Side != crm.Sides[v.side] {
				t.Fatalf("the plan changes %s: %s", f.fields[other], text)
			}
		}
	}
	l.run("POST", l.sync+"/resync", nil)
	untouched("after a resync")
	l.savedMeanwhile(v.side, gone)
	who := l.twin(crm.Sides[other], "p1")
	edits := map[string][2]string{"town": {"Bruges", "Bruges"}, "points": {"9", "9"}}
	for _, f := range of {
		if e, ok := edits[f.id]; ok && clears {
			l.edit(crm.Sides[other], who, f.fields[other], e[other])
			before[f.fields[other]][who] = e[other]
		}
	}
	l.pull()
	untouched("after an edit of the other side")
	for _, f := range gone {
		if err := v.do(l, f, false); err != nil {
			t.Fatal(err)
		}
	}
	if clears { // by itself …
		l.move(6 * time.Minute)
	} else { // … or because somebody asks
		l.refreshed(v.side)
	}
	l.round() // the tick looks once a minute
	l.drain()
	untouched("when the fields are back")
	l.heldSaid(v.side, nil)
	for _, f := range of {
		if e, ok := edits[f.id]; ok && clears {
			if got := l.held(crm.Sides[v.side], l.twin(crm.Sides[v.side], "p1"))[f.fields[v.side]]; got != e[v.side] {
				t.Errorf("what was edited meanwhile arrived in %s as %q, want %q", f.fields[v.side], got, e[v.side])
			}
		}
	}
}

// savedMeanwhile changes something else of the settings while parts are held,
// and tries to change a part that is.
func (l *live) savedMeanwhile(side int, gone []string) {
	l.t.Helper()
	a := l.want(200, "GET", l.con, nil)
	var doc struct {
		Syncs []map[string]any `json:"syncs"`
	}
	a.into(&doc)
	tag := []string{"If-Match", a.header.Get("ETag"), "Content-Type", "application/merge-patch+json"}
	syncs := func() string {
		b, err := json.Marshal(map[string]any{"syncs": doc.Syncs})
		if err != nil {
			l.t.Fatal(err)
		}
		return string(b)
	}
	mappings := doc.Syncs[0]["mappings"].([]any)
	at := slices.IndexFunc(mappings, func(m any) bool {
		return m.(map[string]any)[string(crm.Sides[side])].([]any)[0] == gone[0]
	})
	held := mappings[at].(map[string]any)
	changed := maps.Clone(held)
	changed["write_once"] = true
	mappings[at] = changed
	l.refused(400, "invalid_document", "PATCH", l.con, syncs(), tag...)
	mappings[at] = held
	doc.Syncs[0]["mappings"] = append([]any{
		map[string]any{"id": "extra", "left": []string{"state"}, "right": []string{"MailingState"}},
	}, mappings...)
	doc.Syncs[0]["conflict"] = "newest"
	l.want(200, "PATCH", l.con, syncs(), tag...)
	l.heldSaid(side, gone)
}
