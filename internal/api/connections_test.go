package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// edit replaces old by fresh in a valid document; it fails when there is nothing to replace.
func edit(t testing.TB, document, old, fresh string) string {
	t.Helper()
	if !strings.Contains(document, old) {
		t.Fatalf("the document has no %s", old)
	}
	return strings.Replace(document, old, fresh, 1)
}

// TestDocumentsRefused saves every kind of bad document, on creation and as a
// change, and looks at what is stored.
func TestDocumentsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.started("Good")
	sync := `"id":"contacts",`
	for name, c := range map[string]struct {
		old, fresh string
		status     int
		code       string
		pointer    string
	}{
		"no name":         {`"name":"Good"`, `"name":"  "`, 400, CodeWrongLength, "/name"},
		"control in name": {`"name":"Good"`, `"name":"a\u0007"`, 400, CodeUnknownValue, "/name"},
		"unknown account": {string(w.left), "acc_none", 400, CodeUnknownAccount, "/left/account"},
		"unknown object": {
			`"object":"Contact"`, `"object":"Contract"`, 400, CodeUnknownObject, "/syncs/0/right/object",
		},
		"unknown country": {`"US"`, `"XX"`, 400, "unknown_country", "/default_country"},
		"unknown zone": {
			`{"name"`, `{"time_zone":{"left":"Mars/Base","right":"UTC"},"name"`, 400, "unknown_time_zone", "/time_zone/left",
		},
		"bad sync ID":       {`"id":"contacts"`, `"id":"Con tacts"`, 400, CodeUnknownValue, "/syncs/0/id"},
		"unknown schedule":  {sync, sync + `"schedule":"7m",`, 400, CodeUnknownValue, "/syncs/0/schedule"},
		"unknown direction": {sync, sync + `"direction":"sideways",`, 400, CodeUnknownValue, "/syncs/0/direction"},
		"unknown field": {
			`"left":["lastname"]`, `"left":["last_name"]`, 400, "unknown_field", "/syncs/0/mappings/1/left/0",
		},
		"read-only field": {`"left":["lastname"]`, `"left":["createdate"]`, 400, "", "/syncs/0/mappings/1"},
		"incompatible types": {
			`"left":["score"],"right":["Score__c"],"transform":{"type":"number"},"default":{"to_right":1.10,"to_left":null}`,
			`"left":["vip"],"right":["Score__c"],"transform":{"type":"date"}`, 400, "incompatible_types", "/syncs/0/mappings/2",
		},
		"default that does not fit": {`1.10`, `"many"`, 400, "default_does_not_fit", "/syncs/0/mappings/2"},
		"mapping twice":             {`"id":"score"`, `"id":"last"`, 400, "duplicate_id", "/syncs/0/mappings/2/id"},
		"mapping without fields":    {`"left":["lastname"],`, ``, 400, "", "/syncs/0/mappings/1"},
		"required not mapped": {
			`{"id":"last","left":["lastname"],"right":["LastName"]},`, ``, 400, CodeRequiredUnmapped, "/syncs/0/mappings",
		},
		"unknown match field": {
			`["email","Email"]`, `["mail","Email"]`, 400, "unknown_field", "/syncs/0/match/0/pairs/0",
		},
		"unknown match step": {`"by":"any_key"`, `"by":"magic"`, 400, CodeUnknownValue, "/syncs/0/match/0/by"},
		"unknown operator": {
			sync, sync + `"rules":[{"id":"r","filter":{"field":"email","op":"resembles","value":"x"}}],`, 400, CodeUnknownValue,
			"/syncs/0/rules/0/filter/op",
		},
		"unknown filter field": {
			sync, sync + `"rules":[{"id":"r","direction":"to_right","filter":{"field":"colour","op":"is_empty"}}],`, 400,
			"unknown_field", "/syncs/0/rules/0/filter",
		},
		"empty filter": {
			sync, sync + `"rules":[{"id":"r","direction":"to_right","filter":{}}],`, 400, "ambiguous_filter",
			"/syncs/0/rules/0/filter",
		},
		"unknown stamp field": {
			sync, sync + `"stamp":{"to_right":{"Colour":"red"}},`, 400, "unknown_field", "/syncs/0/stamp/to_right/Colour",
		},
		"associations": {
			sync, sync + `"associations":[{"left":"company","right":"AccountId","sync":"companies"}],`, 400,
			"unknown_field", "/syncs/0/associations/0/left",
		},
		"activities": {
			sync, sync + `"activities":{"enabled":true},`, 400, CodeMissingKey, "/syncs/0/activities/left/object",
		},
		"delete policy": {
			sync, sync + `"deletes":{"to_right":"tag"},`, 400, "missing_tag", "/syncs/0/deletes/tag",
		},
		"unsubscribes": {
			sync, sync + `"unsubscribes":{"to_left":"archive"},`, 400, CodeUnknownValue, "/syncs/0/unsubscribes/to_left",
		},
		"rule undo": {
			sync, sync + `"rules":[{"id":"r","direction":"to_right","filter":{"field":"email","op":"is_not_empty"},"undo":true}],`, 400, "rule_incomplete", "/syncs/0/rules/0/undo",
		},
		"rule action": {
			sync, sync + `"rules":[{"id":"r","direction":"to_right","actions":[{"type":"dance","field":"Title","value":"x"}]}],`,
			400, CodeUnknownValue, "/syncs/0/rules/0/actions/0/type",
		},
		"two syncs, one field": {`]}]}`, `]},{"id":"again","left":{"object":"contacts"},"right":{"object":"Account"},"match":[{"by":"any_key","pairs":[["lastname","Name"]]}],
			"mappings":[{"id":"n","left":["lastname"],"right":["Name"]}]}]}`, 400, CodeFieldTwice, "/syncs/1/mappings"},
		"sync ID twice": {
			`]}]}`, `]},{"id":"contacts","direction":"off","left":{"object":"companies"},"right":{"object":"Account"}}]}`, 400,
			"duplicate_id", "/syncs/1/id",
		},
		"same object": {
			string(w.right) + `"},"default_country":"US","syncs":[{` + "\n\t\t" + sync +
				`"left":{"object":"contacts"},"right":{"object":"Contact"}`, string(w.left) + `"},"syncs":[{` + sync +
				`"left":{"object":"contacts"},"right":{"object":"contacts"}`, 400, CodeSameObject, "/syncs/0/right/object",
		},
		"too many syncs": {
			`]}]}`, `]}` + strings.Repeat(`,{"id":"x","left":{"object":"companies"},"right":{"object":"Account"}}`, 20) + `]}`,
			400, CodeWrongLength, "/syncs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			document := edit(t, w.document("Good"), c.old, c.fresh)
			before := w.stored()
			p := w.must(c.status, "PUT", "/v1/connections/"+id, document, ifMatch("*")).problem(t)
			if after := w.stored(); after != before {
				t.Errorf("something was stored (-before +after):\n%s", cmp.Diff(before, after))
			}
			found := func(what string, items []ProblemItem) {
				if !slices.ContainsFunc(items, func(e ProblemItem) bool {
					return strings.HasPrefix(e.Pointer, c.pointer) && (c.code == "" || e.Code == c.code) && e.Detail != ""
				}) {
					t.Errorf("%s: no %s at %s: %+v", what, c.code, c.pointer, items)
				}
				for _, e := range items {
					if _, known := meanings[e.Code]; !known {
						t.Errorf("the code %q is not in the dictionary", e.Code)
					}
				}
			}
			found("PUT", p.Errors)
			if name == "control in name" || name == "too many syncs" { // no draft holds it either
				found("POST", w.must(400, "POST", "/v1/connections", document).problem(t).Errors)
			} else {
				found("POST", problemsIn(w.must(201, "POST", "/v1/connections", document)))
			}
			report := w.must(200, "POST", "/v1/connections/"+id+"/validate", document).json(t)
			if report["valid"] != false || len(report["problems"].([]any)) == 0 {
				t.Errorf("validate finds nothing: %v", report)
			}
		})
	}
}

// problemsIn are what an answer says that a draft lacks.
func problemsIn(r reply) []ProblemItem {
	var said struct{ Problems []ProblemItem }
	_ = json.Unmarshal(r.body, &said)
	return said.Problems
}

// lacking are places and codes of what a draft lacks.
func lacking(r reply) (out []string) {
	for _, p := range problemsIn(r) {
		out = append(out, p.Pointer+" "+p.Code)
	}
	return out
}

// TestX4_HostileBaseURLsAreRefused tries addresses that are not the app's own.
func TestX4_HostileBaseURLsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.stored()
	for _, base := range []string{
		"http://169.254.169.254/latest", "https://127.0.0.1", "https://localhost", "https://[::1]", "file:///etc/passwd",
		"https://api.hubspot.example.com.evil.net",
		"https://api.hubspot.example.com:8443", "https://user@api.hubspot.example.com",
		"https://evil.net#api.hubspot.example.com", "gopher://x", "//x", "https://2130706433", "https://0x7f.1",
	} {
		p := w.must(400, "POST", "/v1/accounts",
			fmt.Sprintf(`{"app":"hubspot","name":"x","base_url":%q,"credentials":{"kind":"token","token":"t"}}`,
				base)).problem(t)
		if len(p.Errors) != 1 || p.Errors[0].Pointer != "/base_url" {
			t.Errorf("%s: %+v", base, p)
		}
	}
	for body, pointer := range map[string]string{
		`{"app":"pipedrive","name":"x","credentials":{"kind":"token","token":"t"}}`:                  "/app",
		`{"app":"hubspot","name":" ","credentials":{"kind":"token","token":"t"}}`:                    "/name",
		`{"app":"hubspot","name":"x","credentials":{"kind":"basic","token":"t"}}`:                    "/credentials/kind",
		`{"app":"hubspot","name":"x","credentials":{"kind":"token"}}`:                                "/credentials/token",
		`{"app":"hubspot","name":"x","credentials":{"kind":"token","token":7}}`:                      "/credentials/token",
		`{"app":"hubspot","name":"x","credentials":{"kind":"magic","token":"t"}}`:                    "/credentials/kind",
		`{"app":"hubspot","name":"x","credentials":{"token":"t"}}`:                                   "/credentials",
		`{"app":"hubspot","name":"x","status":"ok","credentials":{"kind":"token","token":"t"}}`:      "/status",
		`{"app":"hubspot","name":"x","credentials":{"kind":"token","token":"t","extra":"surprise"}}`: "/credentials",
	} {
		p := w.must(400, "POST", "/v1/accounts", body).problem(t)
		if len(p.Errors) == 0 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v", body, p)
		}
	}
	if after := w.stored(); after != before {
		t.Errorf("something was stored:\n%s", after)
	}
}

// TestVersions walks through the preconditions of every change.
func TestVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, tag := w.connect("One")
	target := "/v1/connections/" + id
	document := w.document("One")
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		body := map[string]string{"PUT": document, "PATCH": `{"description":"x"}`}[method]
		w.must(428, method, target+confirmed(method), body).problem(t)
		w.must(412, method, target+confirmed(method), body, ifMatch(`"99"`)).problem(t)
		w.must(412, method, target+confirmed(method), body, ifMatch("W/"+tag)).problem(t)
	}
	same := w.must(200, "PUT", target, document, ifMatch(tag))
	if got := same.header.Get("ETag"); got != tag {
		t.Errorf("saving the same gave a new version %s", got)
	}
	w.must(202, "POST", target+"/start", "")
	changed := w.must(200, "PATCH", target, `{"description":"new","time_zone":null}`, ifMatch(`"7", `+tag))
	w.must(400, "PATCH", target, `{"syncs":null}`, ifMatch("*"))
	if changed.header.Get("ETag") == tag {
		t.Error("the version did not move")
	}
	w.must(412, "PATCH", target, `{"description":"newer"}`, ifMatch(tag))
	w.must(400, "DELETE", target, "", ifMatch("*"))
	w.must(400, "DELETE", target+"?confirm=Two", "", ifMatch("*"))
	w.must(202, "DELETE", target+"?confirm=One", "", ifMatch("*"))
	w.must(409, "PATCH", target, `{"description":"late"}`, ifMatch("*"))
	if got := w.engine.called(); !slices.Equal(got, []string{"start " + id, "delete " + id}) {
		t.Errorf("calls: %v", got)
	}

	account := "/v1/accounts/" + string(w.left)
	w.must(428, "PATCH", account, `{"name":"x"}`)
	w.must(412, "PATCH", account, `{"name":"x"}`, ifMatch(`"99"`))
	w.must(200, "PATCH", account, `{"name":"Renamed"}`, ifMatch(w.must(200, "GET", account, "").header.Get("ETag")))
	w.must(428, "PATCH", "/v1/workspace", `{"name":"x"}`)
	first := w.must(200, "GET", "/v1/workspace", "").header.Get("ETag")
	w.must(200, "PATCH", "/v1/workspace", `{"name":"x","time_zone":"Europe/Berlin","log_days":62}`, ifMatch(first))
	w.must(412, "PATCH", "/v1/workspace", `{"name":"y"}`, ifMatch(first))
	for _, bad := range []string{
		`{"time_zone":"Mars"}`, `{"time_zone":"Local"}`, `{"log_days":61}`, `{"id":"x"}`,
		`{"name":""}`, `{"name":null}`,
	} {
		w.must(400, "PATCH", "/v1/workspace", bad, ifMatch("*"))
	}
}

func confirmed(method string) string {
	if method == "DELETE" {
		return "?confirm=One"
	}
	return ""
}

// TestEngineMayWriteBetween changes the status between reading and saving, as
// the engine does, which must cost neither change.
func TestEngineMayWriteBetween(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, tag := w.connect("One")
	w.must(202, "POST", "/v1/connections/"+id+"/start", "")
	got := w.must(200, "PATCH", "/v1/connections/"+id, `{"description":"x"}`, ifMatch(tag)).json(t)
	if got["status"] != "active" || got["description"] != "x" {
		t.Errorf("got %v", got)
	}
	paused := w.must(200, "POST", "/v1/connections/"+id+"/pause", "").json(t)
	if paused["status"] != "paused" || paused["description"] != "x" {
		t.Errorf("got %v", paused)
	}
}

// TestGeneration grows when records become those of another account or object.
func TestGenerationFollowsAccountsAndObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	generation := func() int64 {
		c, _, err := store.LoadConnection(t.Context(), w.store, DefaultWorkspace, crm.ConnectionID(id))
		if err != nil {
			t.Fatal(err)
		}
		return c.Generation
	}
	first := generation()
	w.must(200, "PATCH", "/v1/connections/"+id, `{"description":"x"}`, ifMatch("*"))
	if generation() != first {
		t.Error("a description raised the generation")
	}
	other := w.must(201, "POST", "/v1/accounts",
		`{"app":"hubspot","name":"Second","credentials":{"kind":"token","token":"p"}}`).json(t)["id"].(string)
	w.must(200, "PATCH", "/v1/connections/"+id, `{"left":{"account":"`+other+`"}}`, ifMatch("*"))
	if generation() != first+1 {
		t.Error("another account did not raise the generation")
	}
	w.must(200, "PATCH", "/v1/connections/"+id, `{"syncs":[]}`, ifMatch("*"))
	if generation() != first+2 {
		t.Error("removing a sync did not raise the generation")
	}
}

// TestOneWriterPerField saves a second connection that writes what the first
// one writes (design 3.16).
func TestOneWriterPerField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.started("One")
	draft := w.must(201, "POST", "/v1/connections", w.document("Two"))
	if got := lacking(draft); len(got) == 0 || got[0] != "/syncs/0/mappings "+CodeFieldInUse {
		t.Errorf("as a draft it lacks %v", got)
	}
	w.must(409, "POST", "/v1/connections/"+draft.json(t)["id"].(string)+"/start", "")
	off := edit(t, w.document("Two"), `"id":"contacts",`, `"id":"contacts","direction":"off",`)
	second := w.must(201, "POST", "/v1/connections", off).json(t)["id"].(string)
	w.must(202, "POST", "/v1/connections/"+second+"/start", "")
	p := w.must(409, "PUT", "/v1/connections/"+second, w.document("Two"), ifMatch("*")).problem(t)
	if p.Code != CodeFieldInUse || len(p.Errors) == 0 || !strings.Contains(p.Errors[0].Detail, `"One"`) {
		t.Errorf("%+v", p)
	}
	for _, text := range append([]string{p.Detail, p.Remedy}, texts(p.Errors)...) {
		if !strings.Contains(text, `"shared": true`) || !strings.Contains(text, "later") {
			t.Errorf("no word of the remedy: %s", text)
		}
	}
	w.must(202, "DELETE", "/v1/connections/"+id+"?confirm=One", "", ifMatch("*"))
	w.must(200, "PUT", "/v1/connections/"+second, w.document("Two"), ifMatch("*"))
}

// TestTwoSyncsOfTheSameObjects: they are saved, with the same fields, because each
// record goes to the first that takes it; validation warns of one that takes all.
func TestTwoSyncsOfTheSameObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	document := w.document("Two")
	at := strings.Index(document, `"syncs":[`) + len(`"syncs":[`)
	one := strings.TrimSuffix(strings.TrimSpace(document[at:]), "]}")
	both := func(rules string) string {
		return document[:at] + edit(t, one, `"id":"contacts",`, `"id":"first",`+rules) + "," + one + "]}"
	}
	filter := `"rules":[{"id":"r","direction":"to_right","filter":{"field":"email","op":"contains","value":"@acme."}},{"id":"b","direction":"to_left","filter":{"field":"Email","op":"contains","value":"@acme."}}],`
	id := w.must(201, "POST", "/v1/connections", both(filter)).json(t)["id"].(string)
	warned := func(document string) (out []string) {
		for _, x := range w.must(200, "POST", "/v1/connections/"+id+"/validate", document).json(t)["warnings"].([]any) {
			if x := x.(map[string]any); x["code"] == "taken_by_other_sync" {
				out = append(out, x["pointer"].(string))
			}
		}
		return out
	}
	if got := warned(both(filter)); len(got) > 0 {
		t.Errorf("with a filter both ways validation warns at %v", got)
	}
	if got := warned(both("")); !slices.Equal(got, []string{"/syncs/1/left/object", "/syncs/1/right/object"}) {
		t.Errorf("of a sync that takes all validation warns at %v", got)
	}
	if got := warned(both(`"direction":"off",`)); len(got) > 0 {
		t.Errorf("of a sync that is off validation warns at %v", got)
	}
}

// texts are what each place says, and what to do about it.
func texts(items []ProblemItem) (out []string) {
	for _, x := range items {
		out = append(out, x.Detail, x.Remedy)
	}
	return out
}

// TestSharedFields: the later of two connections that write the same field has to
// say that it may. Validation names the other one; the older one can be saved
// as before, and one that comes after them has to say so itself.
func TestSharedFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.started("One")
	w.clock.Advance(time.Minute)
	shared := edit(t, w.document("Two"), `"default_country"`, `"shared":true,"default_country"`)
	second := w.must(201, "POST", "/v1/connections", shared).json(t)["id"].(string)
	w.must(202, "POST", "/v1/connections/"+second+"/start", "")
	for name, c := range map[string]struct{ id, document, other string }{
		"the later": {second, shared, `"One"`}, "the older": {first, w.document("One"), `"Two"`},
	} {
		w.must(200, "PUT", "/v1/connections/"+c.id, c.document, ifMatch("*"))
		got := w.must(200, "POST", "/v1/connections/"+c.id+"/validate", c.document).json(t)
		found := false
		for _, x := range got["warnings"].([]any) {
			x := x.(map[string]any)
			found = found || x["code"] == CodeFieldShared && x["pointer"] == "/syncs/0/mappings" &&
				strings.Contains(x["detail"].(string), c.other)
		}
		if got["valid"] != true || !found {
			t.Errorf("%s: %v", name, got)
		}
	}
	if p := w.must(409, "PATCH", "/v1/connections/"+second, `{"shared":false}`,
		ifMatch("*")).problem(t); p.Code != CodeFieldInUse {
		t.Errorf("refused with %s", p.Code)
	}
	off := edit(t, w.document("One"), `"id":"contacts",`, `"id":"contacts","direction":"off",`)
	w.must(200, "PUT", "/v1/connections/"+first, off, ifMatch("*"))
	w.must(200, "PATCH", "/v1/connections/"+second, `{"shared":false}`, ifMatch("*"))
	if p := w.must(409, "PUT", "/v1/connections/"+first, w.document("One"),
		ifMatch("*")).problem(t); !strings.Contains(p.Errors[0].Detail, `the later of the two, "Two"`) {
		t.Errorf("which of the two is the later one is not said: %s", p.Errors[0].Detail)
	}
	w.must(200, "PATCH", "/v1/connections/"+second, `{"shared":true}`, ifMatch("*"))
	w.must(200, "PUT", "/v1/connections/"+first, w.document("One"), ifMatch("*"))
	w.clock.Advance(time.Minute)
	if got := lacking(w.must(201, "POST", "/v1/connections", w.document("Three"))); len(got) == 0 {
		t.Error("the third may write without a word")
	}
	if got := lacking(w.must(201, "POST", "/v1/connections", edit(t, w.document("Three"), `"default_country"`,
		`"shared":true,"default_country"`))); len(got) > 0 {
		t.Errorf("the third lacks %v", got)
	}
}

// TestAppsAway saves what needs no app while the apps do not answer, and
// refuses the rest as our trouble, not the client's.
func TestAppsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.started("One")
	w.down.Store(true)
	w.clock.Advance(2 * fieldsFresh)
	w.must(200, "PATCH", "/v1/connections/"+id, `{"enabled":false,"description":"off"}`, ifMatch("*"))
	w.must(200, "PATCH", "/v1/connections/"+id, `{"default_country":"DE"}`, ifMatch("*")) // by the schema last seen
	w.server.schemas.forget(DefaultWorkspace, w.left, "")
	r := w.must(503, "PATCH", "/v1/connections/"+id, `{"default_country":"FR"}`, ifMatch("*"))
	if p := r.problem(t); p.Code != "unavailable" {
		t.Errorf("%+v", p)
	}
	w.must(503, "GET", "/v1/accounts/"+string(w.left)+"/objects/contacts/fields?refresh=true", "")
	if got := w.must(200, "POST", "/v1/accounts/"+string(w.left)+"/test", "").json(t); got["ok"] != false {
		t.Errorf("test: %v", got)
	}
}

// TestPresets stores the ready-made connection for the two apps.
func TestPresets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	list := w.must(200, "GET", "/v1/presets", "").json(t)["items"].([]any)
	if len(list) == 0 {
		t.Fatal("no presets")
	}
	empty := fmt.Sprintf(`{"name":"P","left":{"account":%q},"right":{"account":%q},"syncs":[]}`, w.left, w.right)
	w.must(400, "POST", "/v1/connections?preset=none", empty)
	without := strings.Replace(empty, `"syncs":[]`, `"description":""`, 1)
	got := lacking(w.must(201, "POST", "/v1/connections", without))
	if !slices.Equal(got, []string{"/syncs step_missing"}) {
		t.Errorf("a document with neither syncs nor preset lacks %v", got)
	}
	for _, document := range []string{without, empty} {
		got = lacking(w.must(201, "POST", "/v1/connections?preset=hubspot-salesforce-contacts", document))
		// The test's apps have fewer fields than the real ones.
		if len(got) == 0 || !strings.HasSuffix(got[0], " unknown_field") {
			t.Errorf("with a preset it lacks %v", got)
		}
	}
	for _, x := range presetsOf(w.drivers) {
		for i := range x.Syncs {
			if _, problems := compiled(&x.Syncs[i]); len(problems) > 0 {
				t.Errorf("preset %s: %+v", x.ID, problems)
			}
		}
	}
}

// TestSuggestions stores what is suggested, in both orders of the apps.
func TestSuggestions(t *testing.T) {
	t.Parallel()
	for name, swap := range map[string]bool{"as in the table": false, "the other way round": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.accounts()
			left, right, lo, ro := w.left, w.right, "contacts", "Contact"
			if swap {
				left, right, lo, ro = right, left, ro, lo
			}
			id := w.must(201, "POST", "/v1/connections", fmt.Sprintf(`{"name":"S","left":{"account":%q},"right":{"account":%q},"syncs":[
				{"id":"contacts","direction":"off","left":{"object":%q},"right":{"object":%q}}]}`, left, right, lo, ro)).json(t)["id"].(string)
			got := w.must(200, "GET", "/v1/connections/"+id+"/suggestions", "").json(t)["items"].([]any)[0].(map[string]any)
			if n := len(got["mappings"].([]any)); n < 5 {
				t.Errorf("only %d mappings: %v", n, got)
			}
			mappings, _ := json.Marshal(got["mappings"])
			match, _ := json.Marshal(got["match"])
			w.must(200, "PATCH", "/v1/connections/"+id,
				fmt.Sprintf(`{"syncs":[{"id":"contacts","left":{"object":%q},"right":{"object":%q},"match":%s,"mappings":%s}]}`, lo,
					ro, match, mappings), ifMatch("*"))
		})
	}
}

// TestYAMLRoundTrip exports, imports and exports again: the same bytes.
func TestYAMLRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	odd := `"Ünïcode: \"quoted\" #no: - yes\n\ttab \\ 'x' 😀"`
	document := edit(t, w.document("One"), `{"name"`, `{"description":`+odd+`,"name"`)
	id := w.must(201, "POST", "/v1/connections", document).json(t)["id"].(string)
	first := w.must(200, "GET", "/v1/connections/"+id+"/export", "").body
	yaml := header("Content-Type", "application/yaml")

	again := w.must(200, "POST", "/v1/connections/import", string(first), yaml)
	if again.json(t)["id"] != id {
		t.Error("importing what is there made another connection")
	}
	other := strings.Replace(string(first), "conflict: newest", "conflict: left", 1)
	w.must(428, "POST", "/v1/connections/import", other, yaml)
	w.must(200, "POST", "/v1/connections/import", other, yaml, ifMatch("*"))
	w.must(202, "DELETE", "/v1/connections/"+id+"?confirm=One", "", ifMatch("*"))
	fresh := w.must(201, "POST", "/v1/connections/import", string(first), yaml).json(t)["id"].(string)
	second := w.must(200, "GET", "/v1/connections/"+fresh+"/export", "").body
	if diff := cmp.Diff(string(first), string(second)); diff != "" {
		t.Errorf("the export changed (-first +second):\n%s", diff)
	}
	before := w.stored()
	for name, body := range map[string]string{
		"alias":       "a: &x [1]\nb: *x\n",
		"tag":         "name: !!binary aGVsbG8=\n",
		"two docs":    "a: 1\n---\nb: 2\n",
		"nothing":     "# nothing\n",
		"merge":       "a: &x {b: 1}\nc:\n  <<: *x\n",
		"broken":      "a: [1, 2\n",
		"tab":         "a:\n\t- 1\n",
		"duplicate":   "name: a\nname: b\n",
		"octal":       "name: 0o17\n",
		"infinity":    "name: .inf\n",
		"deep":        strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"very deep":   strings.Repeat("[", 100_000),
		"dashes":      strings.Repeat("- ", 5000) + "a",
		"not text":    "name: \xff\n",
		"unknown key": strings.Replace(string(second), "description:", "colour:", 1),
	} {
		if r := w.do("POST", "/v1/connections/import", body, yaml); r.status != 400 {
			t.Errorf("%s: got %d: %s", name, r.status, r.body)
		} else {
			r.problem(t)
		}
	}
	if after := w.stored(); after != before {
		t.Error("something was stored")
	}
}

// TestYAMLHoldsAnyJSON writes documents of any content and reads them back.
func TestYAMLHoldsAnyJSON(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", "yes", "null", "~", "1e3", "0x1", "- a", "a: b", "# x", "'", `"`, "\n", " x ", "\u2028", "\u0085", "2026-01-01",
		"a\r\nb", "\x00", "\ufeff", "|", ">", "%", "@", "`", "<<", "...",
	}))
	rapid.Check(t, func(rt *rapid.T) {
		var value func(depth int) any
		value = func(depth int) any {
			switch n := rapid.IntRange(0, 7).Draw(rt, "kind"); {
			case n == 0:
				return nil
			case n == 1:
				return rapid.Bool().Draw(rt, "bool")
			case n == 2:
				return json.Number(rapid.SampledFrom([]string{"0", "-1", "1.10", "12345678901234567890.5", "1e5", "-0.25"}).Draw(rt,
					"number"))
			case n <= 4 || depth == 0:
				return text.Draw(rt, "text")
			case n == 5:
				list := make([]any, rapid.IntRange(0, 3).Draw(rt, "len"))
				for i := range list {
					list[i] = value(depth - 1)
				}
				return list
			}
			m := map[string]any{}
			for range rapid.IntRange(0, 3).Draw(rt, "keys") {
				m[text.Draw(rt, "key")] = value(depth - 1)
			}
			return m
		}
		doc := map[string]any{"x": value(4)}
		want, err := json.Marshal(doc)
		if err != nil {
			rt.Fatal(err)
		}
		y, err := jsonToYAML(want)
		if err != nil {
			rt.Fatal(err)
		}
		got, p := yamlToJSON(y)
		if p != nil {
			rt.Fatalf("%v\n%s", p.Errors, y)
		}
		a, pa := strictJSON(want)
		b, pb := strictJSON(got)
		if pa != nil || pb != nil || !cmp.Equal(a, b) {
			rt.Fatalf("want %s, got %s, through\n%s", want, got, y)
		}
	})
}

// FuzzConnectionDocument saves anything. Whatever is accepted is answered and
// exported in a form that is accepted again; nothing is our own fault.
func FuzzConnectionDocument(f *testing.F) {
	w := newWorld(f)
	w.accounts()
	f.Add([]byte(w.document("x")))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"name":"x","left":{"account":"` + string(w.left) + `"},"right":{"account":"` + string(w.right) +
		`"},"syncs":[]}`))
	f.Add([]byte(edit(f, w.document("x"), `"id":"contacts",`,
		`"id":"contacts","match":{"to_right":[],"to_left":[]},"rules":[{"id":"r","filter":{"not":{"field":"email","op":"in","value":["a","b"]}}}],`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		w.t = t
		r := w.do("POST", "/v1/connections", string(body))
		if r.status >= 500 {
			t.Fatalf("got %d: %s", r.status, r.body)
		}
		if r.status != 201 {
			r.problem(t)
			return
		}
		id := r.json(t)["id"].(string)
		gone := func(id string) {
			key := store.ConnectionKey(DefaultWorkspace, crm.ConnectionID(id))
			if _, err := w.store.Write(t.Context(), store.Write{Op: store.Delete, Item: store.Item{Key: key}}); err != nil {
				t.Fatal(err)
			}
		}
		defer gone(id)
		again := w.do("PUT", "/v1/connections/"+id, string(r.body), ifMatch("*"))
		if again.status != http.StatusOK || again.header.Get("ETag") != r.header.Get("ETag") {
			t.Fatalf("the answer is not accepted as it is: %d %s", again.status, again.body)
		}
		yaml := w.must(200, "GET", "/v1/connections/"+id+"/export", "").body
		imported, want := w.do("POST", "/v1/connections/import", string(yaml), header("Content-Type", yamlMedia)), 200
		if r.json(t)["name"] == "" {
			want = 201 // nothing says which draft without a name is meant
		}
		if imported.status != want {
			t.Fatalf("the export is not accepted: %d %s\n%s", imported.status, imported.body, yaml)
		}
		if want == 201 {
			gone(imported.json(t)["id"].(string))
		}
	})
}

// FuzzMergePatch holds merge patches against the laws of RFC 7396.
func FuzzMergePatch(f *testing.F) {
	for _, s := range [][2]string{
		{`{"a":"b"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"a":null}`},
		{`{"a":[1]}`, `{"a":{"b":null}}`},
		{`[1]`, `{"a":1}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`},
		{`{"e":null}`, `{"a":1}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, doc, patch []byte) {
		d, p1 := strictJSON(doc)
		p, p2 := strictJSON(patch)
		if p1 != nil || p2 != nil {
			return
		}
		before, _ := json.Marshal(d)
		once := mergePatched(d, p)
		if after, _ := json.Marshal(d); string(after) != string(before) {
			t.Fatal("the document itself was changed")
		}
		if twice := mergePatched(once, p); !cmp.Equal(once, twice) {
			t.Fatalf("patching twice differs: %v, %v", once, twice)
		}
		if m, ok := p.(map[string]any); ok {
			out := once.(map[string]any)
			for key, v := range m {
				if _, there := out[key]; v == nil && there {
					t.Fatalf("%q was not removed", key)
				}
			}
		}
	})
}

func compiled(s *crm.Sync) (any, []string) {
	c := &crm.Connection{Country: "US"}
	settings, problems := reconcile.Compile(c, s, nil, nil)
	var out []string
	for _, p := range problems {
		out = append(out, p.Pointer+" "+p.Code+" "+p.Detail)
	}
	return settings, out
}
