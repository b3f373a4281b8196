package rows

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
)

// TestRow24_StepsAreRevisited: every step is a part of the document with an
// address and a version of its own, and changing one loses none of the others.
func TestRow24_StepsAreRevisited(t *testing.T) {
	row(t, func(w *world) {
		w.connect("rules", raw(`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}}]`))
		tag := func(path string) string {
			w.Helper()
			return w.want(200, "GET", w.sync+path, nil).header.Get("ETag")
		}
		before := map[string]string{}
		for _, path := range []string{"", "/rules", "/rules/r", "/mappings", "/mappings/city", "/match"} {
			if before[path] = tag(path); before[path] == "" {
				w.Errorf("%s has no version", path)
			}
		}
		changed := w.want(200, "PATCH", w.sync+"/rules/r", raw(`{"filter":{"field":"city","op":"equals","value":"Lund"}}`),
			"If-Match", before["/rules/r"])
		changed.says(`"Lund"`)
		equal(w, "version of the rule", tag("/rules/r"), changed.header.Get("ETag"))
		for _, path := range []string{"/mappings", "/mappings/city", "/match"} {
			equal(w, "version of "+path, tag(path), before[path])
		}
		w.refused(w.call("PATCH", w.sync+"/rules/r", raw(`{"enabled":false}`), "If-Match", before["/rules/r"]), 412,
			"stale_version")
		w.refused(w.call("PUT", w.sync+"/match", raw(`[]`)), 428, "precondition_required")
		w.want(200, "PATCH", w.sync+"/mappings/city", raw(`{"enabled":false}`), "If-Match", before["/mappings/city"])
		w.want(200, "PUT", w.sync+"/match", by(byEmail+`,{"by":"any_key","pairs":[["phone","Phone"]]}`), "If-Match",
			before["/match"])
		w.want(200, "PATCH", w.sync, raw(`{"schedule":"10m"}`), "If-Match", tag(""))
		w.want(200, "PATCH", w.con, raw(`{"name":"Steps"}`), "If-Match", "*")
		w.forget(w.con, "Steps")
		other := w.app("hubspot").account
		w.want(200, "PATCH", w.con, raw(fmt.Sprintf(`{"left":{"account":%q}}`, other)), "If-Match", "*")
		w.want(200, "PATCH", w.sync, raw(`{"right":{"object":"Lead"}}`), "If-Match", "*")
		w.want(200, "GET", w.con, nil).says(other, `"Lead"`, `"10m"`, `"Lund"`, `["phone","Phone"]`, `"MailingCity"`,
			w.right.account)
		w.want(200, "PATCH", w.con, raw(fmt.Sprintf(`{"left":{"account":%q}}`, w.left.account)), "If-Match", "*")
		w.want(200, "PATCH", w.sync, raw(`{"right":{"object":"Contact"}}`), "If-Match", "*")
		w.want(200, "GET", w.con, nil).says(`"Steps"`, `"10m"`, `"Lund"`, `["phone","Phone"]`, `"MailingCity"`)
		w.want(200, "GET", w.sync+"/mappings/city", nil).says(`"enabled":false`)
		w.refused(w.call("PATCH", w.sync+"/mappings/city", raw(`{"nosuch":1}`), "If-Match", "*"), 400, "unknown_key")
		w.refused(w.call("GET", w.sync+"/rules/none", nil), 404, "not_found")
		w.refused(w.call("GET", w.con+"/syncs/none/rules", nil), 404, "not_found")
		w.start()
		w.refused(w.call("PUT", w.sync+"/rules/r", raw(`{"id":"r","filter":{"field":"city","op":"resembles","value":"x"}}`),
			"If-Match", "*"), 400, "unknown_value")
		w.want(200, "GET", w.sync+"/rules/r", nil).says(`"Lund"`)
	})
}

// TestRow24_LinesComeAndGo: a sync, a rule and a mapping are added and taken away
// alone, in a draft that lacks nearly everything and in a connection that runs;
// there what does not fit is refused as it is in the whole document.
func TestRow24_LinesComeAndGo(t *testing.T) {
	row(t, func(w *world) {
		w.con = w.save(raw(fmt.Sprintf(`{"name":%q,"left":{"account":%q},"right":{"account":%q}}`, w.Name(), w.left.account,
			w.right.account)))
		add := func(at, body string) (where, tag string) {
			w.Helper()
			a := w.want(201, "POST", at, raw(body))
			where = a.header.Get("Location")
			b := w.want(200, "GET", where, nil)
			equal(w, "what "+where+" says", string(b.body), string(a.body))
			equal(w, "the version of "+where, b.header.Get("ETag"), a.header.Get("ETag"))
			return where, a.header.Get("ETag")
		}
		w.sync, _ = add(w.con+"/syncs", `{"id":"people","left":{"object":"contacts"},"right":{"object":"Contact"},
			"schedule":"manual"}`)
		equal(w, "the address of the sync", w.sync, w.con+"/syncs/people")
		w.lacks("/syncs/0/mappings required_field_unmapped", "/syncs/0/mappings step_missing",
			"/syncs/0/match missing_match_step")
		w.want(200, "PATCH", w.sync+"/match", raw(`{"to_right":[{"by":"any_key","pairs":[["email","Email"]]}]}`), "If-Match", "*")
		w.want(200, "PATCH", w.sync+"/match", raw(`{"to_left":[{"by":"any_key","pairs":[["phone","Phone"]]}]}`), "If-Match", "*")
		w.want(200, "GET", w.sync+"/match", nil).says(`"to_right":[{"by":"any_key","pairs":[["email"`,
			`"to_left":[{"by":"any_key","pairs":[["phone"`)
		w.want(200, "PUT", w.sync+"/match", by(byEmail), "If-Match", "*")
		for _, m := range []string{
			`{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}}`,
			`{"id":"last","left":["lastname"],"right":["LastName"]}`,
			`{"id":"city","left":["city"],"right":["MailingCity"]}`,
		} {
			add(w.sync+"/mappings", m)
		}
		half, tag := add(w.sync+"/mappings", `{"left":["jobtitle"]}`) // half-finished, and without a name
		w.lacks("/syncs/0/mappings/3/right missing_field")
		w.refused(w.call("DELETE", half, nil), 428, "precondition_required")
		w.refused(w.call("DELETE", half, nil, "If-Match", `"0"`), 412, "stale_version")
		w.want(204, "DELETE", half, nil, "If-Match", tag)
		w.lacks()
		w.refused(w.call("GET", half, nil), 404, "not_found")
		w.refused(w.call("POST", w.sync+"/mappings", raw(`{"id":"city","left":["zip"]}`)), 400, "duplicate_id", "/id")
		for _, step := range []string{".", ".."} { // of a path: nobody could ask for it alone
			w.refused(w.call("POST", w.sync+"/mappings", raw(`{"id":"`+step+`","left":["zip"]}`)), 400, "missing_id", "/id")
			w.refused(w.call("POST", w.sync+"/rules", raw(`{"id":"`+step+`"}`)), 400, "missing_id", "/id")
		}
		odd, tag := add(w.sync+"/rules", `{"id":"a/b ü","direction":"to_right"}`)
		w.want(204, "DELETE", odd, nil, "If-Match", tag)
		w.refused(w.call("PUT", w.sync+"/mappings/city", raw(`{"id":"last","left":["city"],"right":["MailingCity"]}`),
			"If-Match", "*"), 400, "duplicate_id", "/id")
		w.want(200, "PUT", w.sync+"/mappings/city", raw(`{"left":["city"],"right":["MailingCity"]}`), "If-Match",
			"*").says(`"id":"city"`)
		for _, list := range []string{w.con + "/syncs", w.sync + "/rules", w.sync + "/mappings"} {
			w.refused(w.call("PATCH", list, raw(`{}`), "If-Match", "*"), 405, "method_not_allowed").says("PUT the whole list")
		}

		w.left.add("ann", "city", "Ghent", "jobtitle", "Judge")
		w.left.add("bob", "city", "Lund")
		w.start()
		w.right.has("ann", "MailingCity", "Ghent", "Title", "")
		w.refused(w.call("POST", w.sync+"/mappings", raw(`{"left":["jobtitle"],"right":["Titel"]}`)), 400, "unknown_field",
			"/syncs/0/mappings/3/right/0")
		w.refused(w.call("POST", w.sync+"/rules", raw(`{"filter":{"field":"city","op":"resembles","value":"x"}}`)), 400,
			"unknown_value")
		w.refused(w.call("DELETE", w.sync+"/mappings/last", nil, "If-Match", "*"), 400, "required_field_unmapped",
			"/syncs/0/mappings")
		var one struct{ ID string }
		key := []string{"Idempotency-Key", w.Name()}
		w.want(201, "POST", w.sync+"/mappings", raw(`{"left":["jobtitle"],"right":["Title"]}`), key...).into(&one)
		again := w.want(201, "POST", w.sync+"/mappings", raw(`{"left":["jobtitle"],"right":["Title"]}`), key...)
		equal(w, "the same request once more", again.header.Get("Idempotent-Replayed"), "true")
		rule, tag := add(w.sync+"/rules", `{"direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}}`)
		w.left.edit(w.left.id("ann"), "jobtitle", "Sheriff")
		w.left.edit(w.left.id("bob"), "city", "Oslo")
		w.pull()
		w.right.has("ann", "Title", "Sheriff")
		w.right.has("bob", "MailingCity", "Lund")
		w.want(204, "DELETE", rule, nil, "If-Match", tag)
		w.want(204, "DELETE", w.sync+"/mappings/"+one.ID, nil, "If-Match", "*")
		w.left.edit(w.left.id("ann"), "jobtitle", "Mayor")
		w.left.edit(w.left.id("bob"), "city", "Bergen")
		w.pull()
		w.right.has("ann", "Title", "Sheriff")
		w.right.has("bob", "MailingCity", "Bergen")
		add(w.con+"/syncs", string(companies))
		w.want(204, "DELETE", w.con+"/syncs/companies", nil, "If-Match", "*")
		w.want(200, "GET", w.con+"/syncs", nil).says(`"people"`)
	})
}

// TestRow35_Row158_WhenAChangeApplies: before it is saved, a change of a connection
// that runs says what it is and what it means for how many records, and what the
// app would refuse. Saved, it is applied to all by the run that was announced.
func TestRow35_Row158_WhenAChangeApplies(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent", "jobtitle", "Judge")
		w.left.add("bob", "city", "Lund", "jobtitle", "Clerk")
		w.connect("mappings.title", nil)
		w.start()
		w.right.has("ann", "Title", "")
		var doc map[string]any
		stored := w.want(200, "GET", w.con, nil)
		stored.into(&doc)
		type said struct {
			Valid   bool
			Changes []struct{ Pointer, Change string }
			Touches []struct {
				Sync, What, Detail, Follows string
				Records                     struct{ Left, Right int }
			}
		}
		look := func(settings ...any) (s said) {
			w.Helper()
			var doc map[string]any
			w.get(w.con, &doc)
			w.put(doc, settings...)
			w.want(200, "POST", w.con+"/validate", doc).into(&s)
			return s
		}
		touch := func(s said, what string) {
			w.Helper()
			if len(s.Touches) != 1 || s.Touches[0].What != what || s.Touches[0].Sync != "people" ||
				s.Touches[0].Records.Left != 2 || s.Touches[0].Records.Right != 2 || s.Touches[0].Detail == "" ||
				s.Touches[0].Follows != "resync" {
				w.Errorf("it touches %+v, want %s of two records on either side", s.Touches, what)
			}
		}
		none := look()
		equal(w, "what nothing changes", len(none.Changes)+len(none.Touches), 0)
		title := raw(`{"id":"title","left":["jobtitle"],"right":["Title"]}`)
		s := look("mappings.+", title)
		touch(s, "mappings")
		if len(s.Changes) != 1 || s.Changes[0].Pointer != "/syncs/0/mappings/5" || s.Changes[0].Change != "added" ||
			!s.Valid {
			w.Errorf("a mapping added is told as %+v", s)
		}
		touch(look("rules.+", raw(`{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}}`)),
			"rules")
		touch(look("match", by(`{"by":"any_key","pairs":[["phone","Phone"]]}`)), "match")
		moved := look("/left.account", w.app("hubspot").account)
		equal(w, "what another account touches", moved.Touches[0].What, "objects")
		equal(w, "how many records another account touches", moved.Touches[0].Records.Left, 2)
		equal(w, "a mapping that cannot be saved is valid", look("mappings.+", raw(`{"id":"x","left":["x"],"right":["Title"]}`)).Valid,
			false)
		w.want(200, "GET", w.con, nil).says(string(stored.body)) // nothing of it was stored
		w.rest()
		w.right.has("ann", "Title", "")

		w.saved(w.call("POST", w.sync+"/mappings", title))
		w.right.has("ann", "Title", "Judge")
		w.right.has("bob", "Title", "Clerk")
	})
}

// TestRow32_StartWithAConfirmation: before a start the warnings and a plan are
// shown; who does not start after all has lost no edit.
func TestRow32_StartWithAConfirmation(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.connect()
		w.change("mappings.title.enabled", false)
		w.warns("both_apps_written", "", "both apps", "plan")
		equal(w, "creations planned", w.plan().Totals["created"], 1)
		status, _ := w.status()
		equal(w, "status after looking", status, "draft")
		equal(w, "writes", w.right.written(), 0)
		w.want(200, "GET", w.sync+"/mappings/title", nil).says(`"enabled":false`)
		w.start()
		w.right.has("ann", "MailingCity", "Ghent", "Title", "")
	})
}

// TestRow34_Pause: reading and writing stop, links and settings stay; what
// changed meanwhile is caught up at once, also where nobody pulls or calls.
func TestRow34_Pause(t *testing.T) {
	rowAlone(t, func(w *world) {
		ann := w.left.add("ann", "city", "A")
		bob := w.left.add("bob", "city", "A")
		gone := w.left.add("gone", "city", "A")
		w.connect()
		w.start()
		twin, alone := w.view(w.left, ann).Partner, w.view(w.left, gone).Partner
		before := string(w.want(200, "GET", w.sync, nil).body)
		w.want(200, "POST", w.con+"/pause", nil)
		w.left.knob("POST", "requests/reset", nil)
		w.right.knob("POST", "requests/reset", nil)
		w.left.edit(ann, "city", "B")
		w.right.edit(w.right.id("bob"), "Title", "Judge")
		w.left.add("cyd")
		w.left.remove(gone)
		w.pass(3 * time.Hour)
		w.refused(w.call("POST", w.sync+"/pull", nil), 409, "connection_paused")
		equal(w, "calls while it is paused", len(w.left.calls())+len(w.right.calls()), 0)
		w.want(202, "POST", w.con+"/start", nil)
		w.until("what changed meanwhile", func() bool {
			_, there := w.right.find("cyd")
			return there && w.right.get(twin).Fields["MailingCity"] == "B" && w.left.get(bob).Fields["jobtitle"] == "Judge"
		})
		w.rest()
		equal(w, "the link", w.view(w.left, ann).Partner, twin)
		equal(w, "the settings", string(w.want(200, "GET", w.sync, nil).body), before)
		w.until("what was deleted meanwhile", func() bool { return w.view(w.right, alone).State == "deleted" })
		w.right.count(4)
		status, _ := w.status()
		equal(w, "status", status, "active")
	})
}

// TestRow12_Authorise: the app's consent comes by the browser; refusing it, or a
// state that was used, leaves no account behind, and an app's key works as well.
func TestRow12_Authorise(t *testing.T) {
	row(t, func(w *world) {
		w.want(204, "PUT", "/v1/apps/hubspot/client", map[string]string{
			"client_id": hubspotfake.ClientID, "client_secret": hubspotfake.ClientSecret, "redirect_uri": w.p.url + "/v1/oauth/callback",
		})
		name := "By consent of " + w.Name()
		var begun struct{ URL string }
		w.want(201, "POST", "/v1/oauth/hubspot/authorizations", map[string]string{"name": name}).into(&begun)
		if !strings.HasPrefix(begun.URL, w.p.url+"/v1/oauth/begin?") {
			w.Errorf("the address handed out is not ours: %s", begun.URL)
		}
		first := w.send(begun.URL, "", "GET", "", nil)
		at := first.header.Get("Location")
		if first.status != 302 || !strings.Contains(at, "scope=") || !strings.Contains(at, "code_challenge=") {
			w.Errorf("it leads to %d %s, want the app's consent with what is granted", first.status, at)
		}
		equal(w, "the address used again", w.send(begun.URL, "", "GET", "", nil).status/100, 4)
		consent, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		cookie, _, _ := strings.Cut(first.header.Get("Set-Cookie"), ";")
		back := "/v1/oauth/callback?error=access_denied&state=" + url.QueryEscape(consent.Query().Get("state"))
		for range 2 { // a state counts once
			if refused := w.send(w.p.url, "", "GET", back, nil, "Cookie", cookie); refused.status/100 != 4 {
				w.Errorf("a refusal: %d %s", refused.status, refused.body)
			}
		}
		for _, granted := range []string{"crm.objects.contacts.read", "crm.objects.contacts.write"} {
			if !strings.Contains(consent.Query().Get("scope"), granted) {
				w.Errorf("the consent is not asked for %s: %s", granted, at)
			}
		}
		stolen := w.send(w.p.url, "", "GET", "/v1/oauth/callback?code=x&state=nobody", nil)
		equal(w, "a state that nobody was given", stolen.status/100, 4)
		for _, a := range list[struct{ ID, Name string }](w, "/v1/accounts") {
			if a.Name == name {
				w.Errorf("a refusal leaves the account %s", a.ID)
			}
		}
		allowed := w.consents(w.left)
		w.get(allowed, &struct{}{})
		w.want(200, "POST", allowed+"/test", nil).says(`"ok":true`)
		w.want(204, "DELETE", allowed, nil, "If-Match", "*")
	})
}
