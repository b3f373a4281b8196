package rows

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// as answers like w for the user of a new key.
func (w *world) as(role string, user string) *world {
	w.Helper()
	var made struct{ Key string }
	w.want(201, "POST", "/v1/keys", raw(fmt.Sprintf(`{"name":"somebody","role":%q,"user":%s}`, role, user))).into(&made)
	other := *w
	other.token = made.Key
	return &other
}

// sees reports whether a connection is in the list of somebody.
func (w *world) sees(con string) bool {
	w.Helper()
	return slices.ContainsFunc(list[struct{ ID string }](w, "/v1/connections"), func(c struct{ ID string }) bool {
		return strings.HasSuffix(con, c.ID)
	})
}

// TestRow7_OnlyAdminsConfigure: who is no admin changes no setting.
func TestRow7_OnlyAdminsConfigure(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		before := w.want(200, "GET", w.con, nil)
		for _, role := range []string{"member", "viewer"} {
			user := w.as(role, `{"email":"m@example.com","roles":["member"]}`)
			for _, c := range []struct {
				method, path string
				body         any
			}{
				{"PATCH", w.con, raw(`{"enabled":false}`)},
				{"PUT", w.con, w.document()},
				{"DELETE", w.con + "?confirm=x", nil},
				{"POST", "/v1/connections", w.document()},
				{"POST", w.con + "/start", nil},
				{"POST", w.con + "/pause", nil},
				{"POST", "/v1/accounts", raw(`{"app":"hubspot","name":"x","credentials":{"kind":"token","token":"x"}}`)},
				{"DELETE", "/v1/accounts/" + w.left.account, nil},
				{"POST", "/v1/keys", raw(`{"name":"x","role":"admin"}`)},
				{"POST", w.con + "/webhooks/rotate", nil},
				{"GET", w.con + "/webhooks", nil},
				{"POST", w.con + "/notify/test", nil},
				{"POST", "/v1/connections/import", raw(`{"name":"x"}`)},
				{"PUT", w.con + "/syncs", raw(`[]`)},
				{"POST", w.con + "/syncs", raw(`{"id":"x"}`)},
				{"PUT", w.sync, raw(`{}`)},
				{"PATCH", w.sync, raw(`{"direction":"off"}`)},
				{"DELETE", w.sync, nil},
				{"PUT", w.sync + "/rules", raw(`[]`)},
				{"POST", w.sync + "/rules", raw(`{"direction":"to_right"}`)},
				{"PUT", w.sync + "/mappings", raw(`[]`)},
				{"POST", w.sync + "/mappings", raw(`{"left":["zip"],"right":["MailingPostalCode"]}`)},
				{"PUT", w.sync + "/mappings/city", raw(`{}`)},
				{"PATCH", w.sync + "/mappings/city", raw(`{"enabled":false}`)},
				{"DELETE", w.sync + "/mappings/city", nil},
				{"PUT", w.sync + "/match", raw(`[]`)},
				{"PATCH", w.sync + "/match", raw(`{"to_right":[]}`)},
				{"PUT", "/v1/apps/hubspot/client", raw(`{"client_id":"x","client_secret":"x","redirect_uri":"http://127.0.0.1/"}`)},
				{"POST", "/v1/oauth/hubspot/authorizations", raw(`{"name":"x"}`)},
				{"PATCH", "/v1/accounts/" + w.left.account, raw(`{"name":"x"}`)},
				{"POST", "/v1/accounts/" + w.left.account + "/objects/contacts/fields", raw(`{"name":"x","label":"X","type":"text"}`)},
				{"PATCH", "/v1/workspace", raw(`{"name":"x"}`)},
				{"GET", "/v1/keys", nil},
				{"GET", "/v1/users", nil},
				{"GET", "/v1/audit", nil},
			} {
				if a := user.call(c.method, c.path, c.body, "If-Match", "*"); a.status != 403 {
					w.Errorf("%s as %s: %d, want 403", a.call, role, a.status)
				}
			}
		}
		after := w.want(200, "GET", w.con, nil)
		equal(w, "the document", string(after.body), string(before.body))
	})
}

// TestRow8_AccessByRole: only the roles that are named see the connection, and
// who loses the role has lost it with the next call.
func TestRow8_AccessByRole(t *testing.T) {
	row(t, func(w *world) {
		w.connect("/access", raw(`{"mode":"roles","roles":["team","sales"],"attribute":""}`))
		inside := w.as("member", `{"email":"in@example.com","roles":["sales"]}`)
		outside := w.as("member", `{"email":"out@example.com","roles":["others"]}`)
		inside.want(200, "GET", w.con, nil)
		equal(w, "somebody of the role sees it in the list", inside.sees(w.con), true)
		w.refused(outside.call("GET", w.con, nil), 403, "access_denied")
		w.refused(outside.call("GET", w.con+"/status", nil), 403, "access_denied")
		w.refused(outside.call("GET", w.sync+"/records", nil), 403, "access_denied")
		equal(w, "somebody else sees it in the list", outside.sees(w.con), false)
		w.change("/access.roles", []string{"team"})
		w.refused(inside.call("GET", w.con, nil), 403, "access_denied")
		equal(w, "who lost the role sees it in the list", inside.sees(w.con), false)

		var made struct{ ID, Key string } // somebody who loses the role themselves, with a page open
		w.want(201, "POST", "/v1/keys",
			raw(`{"name":"leaver","role":"member","user":{"email":"leaver@example.com","roles":["team"]}}`)).into(&made)
		leaver := *w
		leaver.token = made.Key
		opened := leaver.call("POST", "/v1/session", nil)
		cookie, _, _ := strings.Cut(opened.header.Get("Set-Cookie"), ";")
		equal(w, "who has the role gets in", leaver.call("GET", w.con, nil).status, 200)
		equal(w, "and by the page", w.send(w.p.url, "", "GET", w.con, nil, "Cookie", cookie).status, 200)
		w.want(204, "DELETE", "/v1/keys/"+made.ID, nil)
		equal(w, "the key with the role", leaver.call("GET", w.con, nil).status, 401)
		equal(w, "the page of that key", w.send(w.p.url, "", "GET", w.con, nil, "Cookie", cookie).status, 401)
		now := w.as("member", `{"email":"leaver@example.com","roles":["others"]}`)
		w.refused(now.call("GET", w.con, nil), 403, "access_denied")
		equal(w, "who has another role sees it in the list", now.sees(w.con), false)
	})
}

// TestRow9_AccessByAttribute: only the value true lets in, and roles do not.
func TestRow9_AccessByAttribute(t *testing.T) {
	row(t, func(w *world) {
		w.connect("/access", raw(`{"mode":"user_attribute","roles":["team"],"attribute":"is_employee"}`))
		for user, in := range map[string]bool{
			`{"email":"a@example.com","attributes":{"is_employee":true}}`:                    true,
			`{"email":"b@example.com","attributes":{"is_employee":false}}`:                   false,
			`{"email":"c@example.com"}`:                                                      false,
			`{"email":"f@example.com","attributes":{"is_employee":null}}`:                    false,
			`{"email":"g@example.com","attributes":{"is_employee":""}}`:                      false,
			`{"email":"h@example.com","attributes":{"is_employee":"true"}}`:                  false,
			`{"email":"d@example.com","roles":["team"],"attributes":{"is_guest":true}}`:      false,
			`{"email":"e@example.com","roles":["others"],"attributes":{"is_employee":true}}`: true,
		} {
			if a := w.as("member", user).call("GET", w.con, nil); a.status == 200 != in {
				w.Errorf("%s: %d, want that they get in: %v", user, a.status, in)
			}
		}
		w.change("/access.mode", "roles")
		w.as("member", `{"email":"d@example.com","roles":["team"]}`).want(200, "GET", w.con, nil)
		w.refused(w.as("member", `{"email":"a@example.com","attributes":{"is_employee":true}}`).call("GET", w.con, nil), 403,
			"access_denied")
		w.invalid("missing_key", "/access/attribute", "/access", raw(`{"mode":"user_attribute","roles":[],"attribute":""}`))
	})
}

// TestRow10_AppsWithSearch: all apps by name, found by a part of it, each with
// objects, ways to authorise, abilities, warnings and limits.
func TestRow10_AppsWithSearch(t *testing.T) {
	row(t, func(w *world) {
		type app struct {
			ID, Name  string
			Objects   []struct{ ID, Label string }
			Auth      []struct{ Kind string }
			Abilities []string
			Warnings  []string
			Limits    map[string]float64
		}
		all := list[app](w, "/v1/apps")
		if !slices.IsSortedFunc(all, func(a, b app) int {
			return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		}) {
			w.Errorf("not by name: %v", all)
		}
		for _, a := range all {
			if len(a.Objects) == 0 || len(a.Auth) == 0 || a.Abilities == nil || a.Warnings == nil || len(a.Limits) == 0 {
				w.Errorf("%s is told of incompletely: %+v", a.ID, a)
			}
		}
		for search, want := range map[string]string{
			"sales": "salesforce", "HUBS": "hubspot", "%20pipedrive%20": "pipedrive",
		} {
			if found := list[app](w, "/v1/apps?q="+search); len(found) != 1 || found[0].ID != want {
				w.Errorf("%s finds %v, want %s", search, found, want)
			}
		}
		equal(w, "found by nonsense", len(list[app](w, "/v1/apps?q=nosuchapp")), 0)
		equal(w, "found by nothing", len(list[app](w, "/v1/apps?q=")), len(all))
	})
}

// TestRow11_SecondListDependsOnTheFirst: only what goes with the first app, and
// the ready-made connections of the two.
func TestRow11_SecondListDependsOnTheFirst(t *testing.T) {
	row(t, func(w *world) {
		type partner struct {
			App, Name string
			Presets   []string
		}
		of := map[string]partner{}
		for _, p := range list[partner](w, "/v1/apps/hubspot/partners") {
			of[p.App] = p
		}
		if !slices.Contains(of["salesforce"].Presets, "hubspot-salesforce-contacts") {
			w.Errorf("partners of HubSpot: %v", of)
		}
		if p, ok := of["hubspot"]; !ok || p.Name == "" {
			w.Errorf("HubSpot goes with another account of its own: %v", of)
		}
		for _, p := range list[partner](w, "/v1/apps/pipedrive/partners") {
			for _, preset := range p.Presets {
				if !strings.Contains(preset, "pipedrive") {
					w.Errorf("%s is no preset of Pipedrive", preset)
				}
			}
		}
		for _, a := range list[struct {
			ID      string
			Objects []struct{}
		}](w, "/v1/apps") {
			if _, there := of[a.ID]; there != (len(a.Objects) > 0) {
				w.Errorf("%s with %d record types is offered: %v", a.ID, len(a.Objects), there)
			}
			delete(of, a.ID)
		}
		equal(w, "partners that are no apps", len(of), 0)
		w.refused(w.call("GET", "/v1/apps/nosuch/partners", nil), 404, "unknown_app")
	})
}

// TestRow13_AccountsAreReusedAndStayApart: one account serves two connections,
// and two accounts of one app do not meet.
func TestRow13_AccountsAreReusedAndStayApart(t *testing.T) {
	row(t, func(w *world) {
		other := w.app("hubspot")
		of := map[string]string{}
		for _, a := range list[struct{ ID, App string }](w, "/v1/accounts") {
			of[a.ID] = a.App
		}
		equal(w, "the app of either account", of[w.left.account]+" "+of[other.account], "hubspot hubspot")
		w.left.add("ann", "city", "Ghent")
		other.add("bob", "city", "Lund")
		w.connect("direction", "to_right")
		w.start()
		second := *w
		second.left = other
		second.connect("/name", "Second", "/shared", true, "direction", "to_right")
		second.start()
		w.right.has("ann", "MailingCity", "Ghent")
		w.right.has("bob", "MailingCity", "Lund")
		w.left.lacks("bob")
		other.lacks("ann")
		other.edit(other.id("bob"), "city", "Oslo")
		w.pull()
		w.right.has("bob", "MailingCity", "Lund")
		second.pull()
		w.right.has("bob", "MailingCity", "Oslo")
		equal(w, "writes to the first account", w.left.written(), 0)
		w.refused(w.call("DELETE", "/v1/accounts/"+w.right.account, nil, "If-Match", "*"), 409, "account_in_use")
	})
}

// TestRow17_OptionalKeysStayEmpty: saving works with leftovers of an app's
// credentials left out, and left empty.
func TestRow17_OptionalKeysStayEmpty(t *testing.T) {
	row(t, func(w *world) {
		token := kinds["hubspot"].credentials["token"]
		var app struct {
			Auth []struct {
				Kind   string
				Fields []struct {
					Name     string
					Required bool
				}
			}
		}
		w.get("/v1/apps/hubspot", &app)
		all := map[string]string{"kind": "token", "token": token}
		for _, way := range app.Auth {
			for _, f := range way.Fields {
				if way.Kind == "token" && !f.Required {
					all[f.Name] = ""
				}
			}
		}
		if len(all) < 3 {
			w.Errorf("nothing is optional: %+v", app)
		}
		for _, c := range []map[string]string{
			{"kind": "token", "token": token}, {"kind": "token", "token": token, "webhook_secret": ""}, all,
		} {
			at := "/v1/accounts/" + w.accountAt(w.left, c)
			var test struct{ OK bool }
			w.want(200, "POST", at+"/test", nil).into(&test)
			equal(w, "the account works", test.OK, true)
		}
		a := w.call("POST", "/v1/accounts", map[string]any{
			"app": "hubspot", "name": "x", "base_url": w.left.url, "credentials": map[string]string{
				"kind": "token", "token": "",
			},
		})
		if a.status != 422 && a.status != 400 {
			w.Errorf("an empty token: %d, want it refused: %s", a.status, a.body)
		}
		a.says("token")
	})
}

// TestRow19_SeveralConnectionsOfOneKind are edited and listed for themselves.
func TestRow19_SeveralConnectionsOfOneKind(t *testing.T) {
	row(t, func(w *world) {
		w.connect("/name", "First")
		second := *w
		second.left, second.right = w.app("hubspot"), w.app("salesforce")
		second.connect("/name", "Second")
		equal(w, "both are listed", w.sees(w.con) && w.sees(second.con), true)
		before := w.want(200, "GET", w.con, nil)
		second.change("direction", "to_left", "/name", "Changed")
		after := w.want(200, "GET", w.con, nil)
		equal(w, "the first document", string(after.body), string(before.body))
		equal(w, "its version", after.header.Get("ETag"), before.header.Get("ETag"))
		second.want(200, "GET", second.con, nil).says(`"Changed"`, `"to_left"`)
	})
}

// TestRow20_NameAndDescription mean nothing to syncing: no run, no call, no change.
func TestRow20_NameAndDescription(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.connect()
		w.start()
		runs := func() int {
			return len(list[run](w, "/v1/runs?connection="+strings.TrimPrefix(w.con, "/v1/connections/")))
		}
		before, wrote := runs(), w.right.written()
		w.change("/name", "Another name", "/description", "for people only")
		w.forget(w.con, "Another name")
		w.rest()
		equal(w, "runs", runs(), before)
		equal(w, "writes", w.right.written(), wrote)
		w.want(200, "GET", w.con, nil).says("Another name", "for people only")
		w.left.edit(w.left.id("ann"), "city", "Lund")
		w.pull()
		w.right.has("ann", "MailingCity", "Lund")
	})
}

// TestRow22_EachPageSaysWhatItBelongsTo: resources name their connection, and
// nothing of one shows in another.
func TestRow22_EachPageSaysWhatItBelongsTo(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		w.connect("/name", "First")
		second := *w
		second.left, second.right = w.app("hubspot"), w.app("salesforce")
		second.connect("/name", "Second")
		w.start()
		second.start()
		id := strings.TrimPrefix(w.con, "/v1/connections/")
		w.want(200, "GET", w.con+"/status", nil).says(`"connection":"` + id + `"`)
		for _, path := range []string{"/v1/log", "/v1/runs"} {
			type of struct{ Connection string }
			mine := list[of](w, path+"?connection="+id)
			if len(mine) == 0 || slices.ContainsFunc(mine, func(o of) bool { return o.Connection != id }) {
				w.Errorf("%s of the connection: %v", path, mine)
			}
			theirs := list[of](w, path+"?connection="+strings.TrimPrefix(second.con, "/v1/connections/"))
			if slices.ContainsFunc(theirs, func(o of) bool { return o.Connection == id }) {
				w.Errorf("%s of the other connection shows the first one's: %v", path, theirs)
			}
		}
		p := w.plan()
		w.want(200, "GET", "/v1/plans/"+p.ID, nil).says(`"connection":"` + id + `"`)
		w.want(200, "GET", "/v1/runs/"+p.Run, nil).says(`"connection":"` + id + `"`)
		equal(w, "records of the other connection", len(list[view](w, second.sync+"/records")), 0)
	})
}

// TestRow23_LoginHostIsShown: an account tells the host it logged in to and the
// app's own ID, so that two orgs can be told apart.
func TestRow23_LoginHostIsShown(t *testing.T) {
	row(t, func(w *world) {
		for _, f := range []*fake{w.left, w.right} {
			var a struct {
				BaseURL    string `json:"base_url"`
				ExternalID string `json:"external_id"`
			}
			w.get("/v1/accounts/"+f.account, &a)
			equal(w, "host of "+f.kind, a.BaseURL, f.url)
			if a.ExternalID == "" {
				w.Errorf("%s does not tell its own account ID", f.kind)
			}
		}
		other := w.app("salesforce")
		var a struct {
			BaseURL string `json:"base_url"`
		}
		w.get("/v1/accounts/"+other.account, &a)
		equal(w, "host of another org", a.BaseURL, other.url)
	})
}
