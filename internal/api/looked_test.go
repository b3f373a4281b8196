package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// placed is a change of a document: at a JSON Pointer, "-" = behind the last of a
// list; a value of nothing takes the place away.
type placed struct{ at, value string }

// edited is a document with changes.
func (f *fixture) edited(text string, edits ...placed) string {
	f.t.Helper()
	var doc any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber() // 1.10 stays what it is
	if err := dec.Decode(&doc); err != nil {
		f.t.Fatal(err)
	}
	for _, e := range edits {
		var value any
		if e.value != "" {
			if err := json.Unmarshal([]byte(e.value), &value); err != nil {
				f.t.Fatalf("%s: %v", e.value, err)
			}
		}
		doc = changed(doc, strings.Split(strings.TrimPrefix(e.at, "/"), "/"), value, e.value == "")
	}
	out, err := json.Marshal(doc)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(out)
}

func changed(doc any, path []string, value any, gone bool) any {
	if len(path) == 0 {
		return value
	}
	last := len(path) == 1
	switch at := doc.(type) {
	case map[string]any:
		if last && gone {
			delete(at, path[0])
		} else {
			at[path[0]] = changed(at[path[0]], path[1:], value, gone)
		}
	case []any:
		if path[0] == "-" {
			return append(at, value)
		}
		i, err := strconv.Atoi(path[0])
		if err != nil {
			panic(err)
		}
		if last && gone {
			return slices.Delete(at, i, i+1)
		}
		at[i] = changed(at[i], path[1:], value, gone)
	case nil:
		return map[string]any{path[0]: changed(nil, path[1:], value, gone)}
	default:
		panic(fmt.Sprintf("there is nothing in %v at %v", doc, path))
	}
	return doc
}

// states are records of a sync in these numbers.
func states(left, right int64) (out crm.PerSide[map[crm.State]int64]) {
	out.Left = map[crm.State]int64{crm.StateInSync: left, crm.StateFailing: 1, crm.StateDeleted: 1000}
	out.Right = map[crm.State]int64{crm.StateInSync: right, crm.StateDeleted: 2000}
	return out
}

// edits are documents that differ from everything() in one thing each.
func (f *fixture) edits() map[string][]placed {
	const sync = "/syncs/0"
	mapping := func(rest string) string {
		return `{"id":"more","left":["firstname"],"right":["FirstName"]` + rest + `}`
	}
	second := `{"id":"second","left":{"object":"companies"},"right":{"object":"Account"},"match":[],"mappings":[]}`
	return map[string][]placed{
		"nothing":           nil,
		"name":              {{"/name", `"Other"`}},
		"description":       {{"/description", `"other"`}},
		"off":               {{"/enabled", `false`}},
		"country":           {{"/default_country", `"DE"`}},
		"zone":              {{"/time_zone/left", `"UTC"`}},
		"zone unknown":      {{"/time_zone/right", `"Mars/Base"`}},
		"access":            {{"/access/roles/-", `"team-b"`}},
		"notify":            {{"/notify", `{"enabled":true,"user":"a@example.com"}`}},
		"shared":            {{"/shared", `false`}},
		"no sync":           {{"/syncs", `[]`}},
		"sync more":         {{"/syncs/-", second}},
		"sync other":        {{sync + "/id", `"people"`}},
		"objects":           {{sync + "/left/object", `"companies"`}},
		"object unknown":    {{sync + "/right/object", `"Nothing"`}},
		"direction":         {{sync + "/direction", `"to_right"`}},
		"direction off":     {{sync + "/direction", `"off"`}},
		"match":             {{sync + "/match/1", ""}},
		"no match":          {{sync + "/match", `[]`}},
		"match split":       {{sync + "/match", `{"to_right":[{"by":"any_key","pairs":[["email","Email"]]}],"to_left":[]}`}},
		"match by ID":       {{sync + "/match/-", `{"by":"id","left":"phone","right":"Id"}`}},
		"match by nobody":   {{sync + "/match/-", `{"by":"any_key","pairs":[["nobody","Email"]]}`}},
		"doubles allowed":   {{sync + "/avoid_duplicates", `false`}},
		"rules":             {{sync + "/rules/0/enabled", `false`}},
		"no rules":          {{sync + "/rules", `[]`}},
		"rule more":         {{sync + "/rules/-", `{"id":"all","direction":"both","enabled":true}`}},
		"mapping more":      {{sync + "/mappings/-", mapping("")}},
		"mapping gone":      {{sync + "/mappings/5", ""}},
		"mapping first":     {{sync + "/mappings/0", ""}, {sync + "/mappings/-", `{"id":"email","left":["email"],"right":["Email"]}`}},
		"mapping double ID": {{sync + "/mappings/-", `{"id":"email","left":["phone"],"right":["Phone"]}`}},
		"mapping unknown":   {{sync + "/mappings/-", `{"id":"x","left":["nobody"],"right":["Nowhere"]}`}},
		"mappings off":      {{sync + "/mappings", "[" + mapping(`,"enabled":false`) + "]"}},
		"mappings no way":   {{sync + "/mappings", "[" + mapping(`,"direction":"off"`) + "]"}},
		"no mappings":       {{sync + "/mappings", `[]`}},
		"behavior":          {{sync + "/behavior/to_left", `"nothing"`}},
		"fill blanks":       {{sync + "/fill_blanks_only/to_right", `true`}},
		"conflict":          {{sync + "/conflict", `"left"`}},
		"deletes":           {{sync + "/deletes/to_right", `"archive"`}},
		"deletes tag":       {{sync + "/deletes", `{"to_right":"tag","to_left":"ignore","tag":"gone"}`}},
		"unsubscribes":      {{sync + "/unsubscribes", `{"to_right":"tag","to_left":"ignore","tag":"out","when":{"left":"vip"}}`}},
		"stamp":             {{sync + "/stamp/to_right", `{"Score__c":7,"Nobody":1}`}},
		"stamp no option":   {{sync + "/stamp/to_left", `{"tier":"wood","a/b~c":"x"}`}},
		"stamp option":      {{sync + "/stamp/to_left", `{"tier":"gold"}`}},
		"activities":        {{sync + "/activities", `{"enabled":true,"behavior":{"to_right":"nothing"}}`}},
		"schedule":          {{sync + "/schedule", `"1h"`}},
		"initial":           {{sync + "/initial", `"newer"`}},
		"second look":       {{sync + "/second_look", `5`}},
		"audit":             {{sync + "/audit_hours", `6`}},
		"account gone":      {{"/left/account", `"acc_nobody"`}},
	}
}

// TestDocumentsAreLookedAtAsWritten: what an import of a document would change
// and touch, what is wrong with it and what is warned of, and, once it is
// stored, what the connection still needs.
func TestDocumentsAreLookedAtAsWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	left := hubspotLike
	left.objects = maps.Clone(left.objects)
	left.objects["contacts"] = append(slices.Clone(left.objects["contacts"]),
		crm.Field{Name: "tier", Label: "Tier", Type: crm.TypeOption, Options: []crm.Option{{Value: "gold"}, {Value: "tin"}}},
		crm.Field{Name: "a/b~c", Label: "Odd", Type: crm.TypeOption, Options: []crm.Option{{Value: "y"}}})
	f.drivers["hubspot"] = f.driver(left)
	f.clock.Advance(time.Hour)
	f.engine.status = []engine.SyncStatus{
		{Sync: "contacts", States: states(70, 40)}, {Sync: "gone", States: states(5, 6)},
	}
	whole := f.everything()
	id := f.must(201, "POST", "/v1/connections", whole).json(t)["id"].(string)
	path := "/v1/connections/" + id
	for _, con := range []string{id, f.connection} { // a draft writes no field that the other one has
		if err := f.engine.setStatus(t.Context(), DefaultWorkspace, crm.ConnectionID(con), crm.StatusPaused); err != nil {
			t.Fatal(err)
		}
	}
	var out []string
	known := map[string][]string{} // what is said of the document as it is, by route
	say := func(what string, r reply) {
		is := parted(r)
		if known[what] == nil {
			known[what] = is
			out = append(out, what+":\n  "+strings.Join(is, "\n  "))
			return
		}
		out = append(out, what+":")
		for _, line := range known[what] {
			if !slices.Contains(is, line) {
				out = append(out, "- "+line)
			}
		}
		for _, line := range is {
			if !slices.Contains(known[what], line) {
				out = append(out, "+ "+line)
			}
		}
	}
	all := f.edits()
	for _, name := range append([]string{"nothing"}, slices.Sorted(maps.Keys(all))...) {
		doc := f.edited(whole, all[name]...)
		out = append(out, "", "# "+name)
		say("import", f.do(http.MethodPost, "/v1/connections/import/plan", doc))
		say("validate", f.do(http.MethodPost, path+"/validate", doc))
		saved := f.do(http.MethodPut, path, doc, ifMatch("*"))
		if out = append(out, "saved: "+told(saved, false)); saved.status == http.StatusOK {
			say("needs", f.do(http.MethodGet, path+"/readiness", ""))
			f.must(200, "PUT", path, whole, ifMatch("*"))
		}
	}
	// The same with fields that the app has no longer: what was saved is held.
	left.objects = maps.Clone(hubspotLike.objects)
	left.objects["contacts"] = slices.DeleteFunc(slices.Clone(left.objects["contacts"]), func(x crm.Field) bool {
		return x.Name == "vip" || x.Name == "phone" || x.Name == "lastname"
	})
	f.drivers["hubspot"] = f.driver(left)
	f.clock.Advance(24 * time.Hour)
	f.engine.held = map[crm.SyncID][]engine.HeldPart{"contacts": {
		{Side: crm.Left, Field: "phone", Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)},
		{Side: crm.Right, Field: "vip", Since: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)},
	}}
	for _, c := range []struct {
		name  string
		edits []placed
	}{
		{"as saved", nil},
		{"mapping", []placed{{"/syncs/0/mappings/3/direction", `"to_right"`}}},
		{"rule", []placed{{"/syncs/0/rules/0/direction", `"both"`}}},
		{"match", []placed{{"/syncs/0/match/0/on_disagreement", `"left"`}}},
		{"match more", []placed{{"/syncs/0/match/-", `{"by":"all_keys","pairs":[["phone","Phone"]]}`}}},
		{"elsewhere", []placed{{"/syncs/0/schedule", `"1h"`}}},
		{"another place", []placed{{"/syncs/0/mappings/0", ""}}},
		{"another object", []placed{{"/syncs/0/right/object", `"Account"`}}},
		{"another ID", []placed{{"/syncs/0/id", `"people"`}}},
	} {
		out = append(out, "", "# fields gone, "+c.name)
		say("validate, fields gone", f.do(http.MethodPost, path+"/validate", f.edited(whole, c.edits...)))
	}
	written.Check(t, "decided/documents.txt", withoutChance(strings.Join(out, "\n")))
}

// parted is an answer by its parts, one element of a list a line, so that two of
// them can be compared.
func parted(r reply) (out []string) {
	var doc map[string]json.RawMessage
	if r.status != http.StatusOK || json.Unmarshal(r.body, &doc) != nil {
		return []string{told(r, true)}
	}
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		var list []json.RawMessage
		switch {
		case key == "etag": // counts what was saved before
		case json.Unmarshal(doc[key], &list) == nil:
			for _, one := range list {
				out = append(out, key+" "+string(one))
			}
		default:
			out = append(out, key+" "+string(doc[key]))
		}
	}
	return out
}

// TestReadinessCountsPlans has the latest finished dry run of each sync counted,
// over all pages of its changes, up to the bound.
func TestReadinessCountsPlans(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ready := func() []any {
		t.Helper()
		f.engine.asked = nil
		return f.must(200, "GET", "/v1/connections/"+f.connection+"/readiness", "").json(t)["records"].([]any)
	}
	f.engine.runs = map[crm.RunID]engine.Run{}
	run := func(id crm.RunID, kind engine.RunKind, state engine.RunState, plan crm.PlanID) {
		f.engine.runs[id] = engine.Run{
			ID: id, Kind: kind, State: state, Plan: plan, Sync: "contacts", Connection: crm.ConnectionID(f.connection),
		}
	}
	run("run_1", engine.RunPlan, engine.RunDone, "pln_old")
	run("run_3", engine.RunPlan, engine.RunRunning, "pln_unfinished")
	run("run_4", engine.RunApply, engine.RunDone, "pln_applied")
	run("run_5", engine.RunPlan, engine.RunDone, "")
	run("run_6", engine.RunPlan, engine.RunDone, "pln_expired")
	for _, id := range []crm.PlanID{"pln_old", "pln_new", "pln_unfinished", "pln_applied"} {
		state := engine.RunDone
		if id == "pln_unfinished" {
			state = engine.RunRunning
		}
		f.engine.plans[id] = engine.PlanView{ID: id, State: state, Totals: map[crm.Outcome]int64{crm.Created: 7}}
	}
	pages := func(n, each int, code string) (out [][]engine.Change) {
		for range n {
			page := make([]engine.Change, each)
			for i := range each / 2 {
				page[i].Code = code
			}
			out = append(out, page)
		}
		return out
	}
	for name, tt := range map[string]struct {
		add   bool // a newer plan
		pages [][]engine.Change
		plan  string
		count float64
		whole bool
		asked int
	}{
		"one page":     {false, pages(1, 4, "no_identity_key"), "pln_old", 2, true, 1},
		"three pages":  {false, pages(3, 4, "no_identity_key"), "pln_old", 6, true, 3},
		"the newer":    {true, pages(1, 2, "no_identity_key"), "pln_new", 1, true, 1},
		"to the bound": {true, pages(25, 200, "no_identity_key"), "pln_new", 2500, true, 25},
		"beyond it":    {true, pages(26, 200, "no_identity_key"), "pln_new", 2500, false, 25},
	} {
		delete(f.engine.runs, "run_2")
		if tt.add {
			run("run_2", engine.RunPlan, engine.RunDone, "pln_new")
		}
		f.engine.changes = tt.pages
		got := ready()
		if len(got) != 1 {
			t.Fatalf("%s: %d plans, want one", name, len(got))
		}
		one := got[0].(map[string]any)
		codes := one["codes"].(map[string]any)
		if one["plan"] != tt.plan || codes["no_identity_key"] != tt.count || len(codes) != 1 ||
			one["complete"] != tt.whole || len(f.engine.asked) != tt.asked {
			t.Errorf("%s: %v, %d pages asked for; want %+v", name, one, len(f.engine.asked), tt)
		}
	}
}

// TestAppsThatTellOnly are told of in the status: since when they tell, and that
// nothing is known while they told nothing.
func TestAppsThatTellOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	push := func(app crm.AppID) {
		d := w.drivers[app]
		d.App.Abilities = append(slices.Clone(d.App.Abilities), crm.AbilityPush)
		w.drivers[app] = d
	}
	since := time.Date(2026, 3, 30, 0, 0, 0, 0, time.UTC)
	var out []string
	say := func(name string) {
		out = append(out, name+": "+told(w.do("GET", "/v1/connections/"+id+"/status", ""), true))
	}
	say("none")
	push("salesforce")
	say("one, told nothing")
	w.engine.toldSince = since
	say("one, told")
	push("hubspot")
	say("both, told")
	w.engine.toldSince = time.Time{}
	say("both, told nothing")
	w.engine.status = []engine.SyncStatus{{Sync: "unknown"}}
	say("a sync that is gone")
	written.Check(t, "decided/told.txt", withoutChance(strings.Join(out, "\n")))
}

// TestPreviewsOfUnsavedLists take the list from the body, look at it alone, and
// hand the records on.
func TestPreviewsOfUnsavedLists(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	path := "/v1/connections/" + f.must(201, "POST", "/v1/connections", f.everything()).json(t)["id"].(string) +
		"/syncs/contacts/"
	var out []string
	for _, c := range []struct{ what, body string }{
		{"rules", ``},
		{"rules", `{}`},
		{"rules", `{"rules":[]}`},
		{"rules", `{"rules":[{"id":"a","direction":"both","filter":{"field":"score","op":"greater_than","value":3}}]}`},
		{"rules", `{"rules":[{"id":"a","direction":"to_right","filter":{"field":"score","op":"greater_than","value":3}}]}`},
		{"rules", `{"rules":[{"id":"a","filter":{"field":"nobody","op":"is_empty"}}]}`},
		{"rules", `{"rules":[{"id":"a"},{"id":"a"}]}`},
		{"rules", `{"rules":7}`},
		{"mappings", `{"records":[{"side":"left","id":"1"},{"side":"right","id":"2"}]}`},
		{"mappings", `{"mappings":[{"id":"a","left":["email"],"right":["Email"]}],"records":[{"side":"left","id":"1"}]}`},
		{"mappings", `{"mappings":[{"id":"a","left":["nobody"],"right":["Email"]}]}`},
		{"mappings", `{"mappings":[{"id":"a","left":["email"],"right":["Id"]}]}`},
		{"mappings", `{"records":[{"side":"up","id":"1"}]}`},
		{"mappings", `[`},
	} {
		asked := len(f.engine.called())
		got := f.do(http.MethodPost, path+c.what+"/preview", c.body)
		out = append(out, fmt.Sprintf("%s %s: %s %v", c.what, c.body, told(got, true), f.engine.called()[asked:]))
	}
	written.Check(t, "decided/previews.txt", withoutChance(strings.Join(out, "\n")))
}

// TestWhatIsGoingIsLeftAlone: a connection that is being deleted is neither
// started nor looked into, by whichever route.
func TestWhatIsGoingIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	type request struct{ id, method, target, body string }
	var all []request
	for _, r := range routes {
		if strings.Contains(r.path, "/connections/{id}") {
			all = append(all, request{r.id, r.method, f.target(r), f.whole(r)})
		}
	}
	if err := f.engine.setStatus(t.Context(), DefaultWorkspace, crm.ConnectionID(f.connection),
		crm.StatusDeleting); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range all {
		asked := len(f.engine.called())
		got := f.do(r.method, r.target, r.body, ifMatch("*"))
		out = append(out, fmt.Sprintf("%s: %s %v", r.id, told(got, false), f.engine.called()[asked:]))
	}
	written.Check(t, "decided/deleting.txt", withoutChance(strings.Join(out, "\n")))
}
