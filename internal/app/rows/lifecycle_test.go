package rows

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRow27_GlobalToggle: off stops every object, whatever directions say, and
// no other connection; on again restores the directions exactly.
func TestRow27_GlobalToggle(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent")
		w.connect("direction", "to_right", "mappings.title.direction", "to_right", "mappings.first.enabled", false,
			"/syncs.+", companies, "/syncs.1.direction", "to_left")
		w.start()
		w.hear(w.left)
		other := *w
		other.left, other.right = w.app("hubspot"), w.app("salesforce")
		other.connect("/name", "Other")
		other.start()
		document := func() string {
			var d struct{ Syncs raw }
			w.get(w.con, &d)
			return string(d.Syncs)
		}
		before, wrote := document(), w.left.written()+w.right.written()
		w.change("/enabled", false)
		w.left.edit(ann, "city", "Lund")
		w.right.make("Account", map[string]string{"Name": "Umbrella", "Website": "umbrella.example"})
		w.refused(w.call("POST", w.sync+"/pull", nil), 409, "switched_off")
		w.refused(w.call("POST", w.con+"/syncs/companies/pull", nil), 409, "switched_off")
		w.refused(w.call("POST", w.con+"/syncs/companies/resync", nil), 409, "switched_off")
		w.heard(w.left)
		w.calm(w.right, "while it is off")
		other.left.add("bob")
		other.pull()
		other.right.has("bob", "LastName", "Of bob")
		equal(w, "writes while it is off", w.left.written()+w.right.written(), wrote)
		w.change("/enabled", true)
		equal(w, "the directions afterwards", document(), before)
		w.pull()
		w.right.has("ann", "MailingCity", "Lund")
		w.begin(w.con + "/syncs/companies/pull")
		equal(w, "the other object's record", len(w.left.of("companies")), 1)
		w.left.edit(ann, "firstname", "Ann")
		w.right.edit(w.right.id("ann"), "MailingCity", "Oslo")
		w.pull()
		w.right.has("ann", "FirstName", "")
		w.left.has("ann", "city", "Lund")
	})
}

// TestRow27_OffInTheMiddle: a pull under way stops before it writes more.
func TestRow27_OffInTheMiddle(t *testing.T) {
	row(t, func(w *world) {
		const people = 240
		w.left.knob("POST", "seed", raw(`{"people":240,"slot":0}`))
		w.right.knob("POST", "delay", raw(`{"endpoint":"POST /services/data","delay":"700ms","times":1}`))
		w.connect("direction", "to_right")
		w.want(202, "POST", w.con+"/start", nil)
		w.until("the first write", func() bool { return w.right.written() > 0 })
		w.change("/enabled", false)
		w.want(200, "GET", w.con, nil).says(`"enabled":false`)
		w.calm(w.right, "after it was off")
		if held := len(w.right.dump()); held >= people {
			w.Errorf("%d people are over there: it was off too late to show anything", held)
		}
		w.change("/enabled", true)
		w.until("everybody", func() bool {
			_, now := w.status()
			left := now[0].States.Left
			return left["in_sync"]+left["excluded"] == people && left["in_sync"] == len(w.right.dump())
		})
	})
}

// TestRow28_Hierarchy: toggle over object over mapping, with the switches of rules and
// of mappings, all combinations, an edit on either side each; what is written is
// counted in the apps.
func TestRow28_Hierarchy(t *testing.T) {
	row(t, func(w *world) {
		type field struct {
			id, direction string
			enabled       bool
			names         [2]string // left and right
		}
		fields := []field{
			{"city", "both", true, [2]string{"city", "MailingCity"}},
			{"title", "to_right", true, [2]string{"jobtitle", "Title"}},
			{"first", "to_left", true, [2]string{"firstname", "FirstName"}},
			{"street", "both", false, [2]string{"address", "MailingStreet"}},
			{"state", "to_right", false, [2]string{"state", "MailingState"}},
			{"zip", "to_left", false, [2]string{"zip", "MailingPostalCode"}},
		}
		ways := []string{"to_right", "to_left"}
		with := func(side int, value string) (out []string) {
			for _, f := range fields {
				out = append(out, f.names[side], value)
			}
			return out
		}
		who := func(on bool, object string, ruled bool, way string) string {
			return strings.ToLower(fmt.Sprintf("p-%v-%s-%v-%s", on, object, ruled, way))
		}
		type setting struct {
			on     bool
			object string
			ruled  bool
		}
		var all []setting
		for _, on := range []bool{true, false} {
			for _, object := range []string{"both", "to_right", "to_left", "off"} {
				for _, ruled := range []bool{true, false} {
					all = append(all, setting{on, object, ruled})
					for _, way := range ways {
						w.left.add(who(on, object, ruled, way), with(0, "Old")...)
					}
				}
			}
		}
		var more []any
		for _, f := range fields[3:] {
			more = append(more, "mappings.+", map[string]any{"id": f.id, "left": f.names[:1], "right": f.names[1:]})
		}
		w.connect(append(more, "rules", raw(`[
			{"id":"out","direction":"to_right","filter":{"field":"email","op":"is_not_empty"}},
			{"id":"in","direction":"to_left","filter":{"field":"Email","op":"is_not_empty"}}]`))...)
		w.start()
		for _, x := range all {
			change := []any{"/enabled", x.on, "direction", x.object, "rules.out.enabled", x.ruled, "rules.in.enabled", x.ruled}
			for _, f := range fields {
				change = append(change, "mappings."+f.id+".direction", f.direction, "mappings."+f.id+".enabled", f.enabled)
			}
			w.change(change...)
			w.left.edit(w.left.id(who(x.on, x.object, x.ruled, "to_right")), with(0, "New")...)
			w.right.edit(w.right.id(who(x.on, x.object, x.ruled, "to_left")), with(1, "New")...)
			before := map[string]int{"to_left": w.left.written(), "to_right": w.right.written()}
			w.call("POST", w.sync+"/pull", nil)
			w.rest()
			for _, way := range ways {
				target, side := w.right, 1
				if way == "to_left" {
					target, side = w.left, 0
				}
				open := x.on && x.ruled && (x.object == "both" || x.object == way)
				got := target.get(target.id(who(x.on, x.object, x.ruled, way)))
				for _, f := range fields {
					may := open && f.enabled && (f.direction == "both" || f.direction == way)
					if arrived := got.Fields[f.names[side]] == "New"; arrived != may {
						w.Errorf("%+v, mapping %s switched on %v, edit %s: it arrived: %v", x, f.direction, f.enabled, way, arrived)
					}
				}
				if !open && target.written() != before[way] {
					w.Errorf("%+v: %d writes %s", x, target.written()-before[way], way)
				}
			}
		}
	})
}

// TestRow30_EnabledSeparately: a configured connection does nothing until it is
// started; webhooks that come before are accepted, and nothing is written.
func TestRow30_EnabledSeparately(t *testing.T) {
	rowAlone(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent")
		w.connect("direction", "to_right")
		w.hear(w.left)
		w.left.edit(ann, "city", "Lund")
		w.heard(w.left)
		status, _ := w.status()
		equal(w, "status", status, "draft")
		w.calm(w.right, "before the start")
		w.right.lacks("ann")
		w.start()
		w.right.has("ann", "MailingCity", "Lund")
		w.want(200, "POST", w.con+"/pause", nil)
		w.left.edit(ann, "city", "Oslo")
		w.heard(w.left)
		w.calm(w.right, "while it is paused")
		w.right.has("ann", "MailingCity", "Lund")
		w.want(202, "POST", w.con+"/start", nil)
		w.until("what came while it was paused", func() bool {
			return w.right.get(w.right.id("ann")).Fields["MailingCity"] == "Oslo"
		})
		w.rest()
		w.change("/enabled", false)
		w.left.edit(ann, "city", "Bergen")
		w.heard(w.left)
		w.calm(w.right, "while it is off")
		w.right.has("ann", "MailingCity", "Oslo")
		parked := func() int { w.Helper(); _, now := w.status(); return now[0].Inbox }
		w.until("the delivery that waits", func() bool { return parked() > 0 })
		w.pass(13 * 24 * time.Hour)
		w.scheduled()
		if parked() == 0 {
			w.Error("a delivery was not kept for 14 days")
		}
		w.change("/enabled", true)
		w.until("what came while it was off", func() bool {
			return w.right.get(w.right.id("ann")).Fields["MailingCity"] == "Bergen"
		})
	})
}

// hear lets an app send its webhooks here.
func (w *world) hear(f *fake) {
	w.Helper()
	i := map[*fake]int{w.left: 0, w.right: 1}[f]
	hooks := list[struct{ URL string }](w, w.con+"/webhooks")
	body := map[string]any{"url": hooks[i].URL}
	if secret := kinds[f.kind].credentials["webhook_secret"]; secret != "" {
		body["secret"] = secret
	}
	f.knob("PUT", "webhooks", body)
}

// deliveries are the webhooks that an app has sent, and what it was answered.
type deliveries struct {
	Deliveries []struct {
		Status     string
		HTTPStatus int `json:"http_status"`
	}
}

// heard waits until all that an app had to tell was accepted.
func (w *world) heard(f *fake) {
	w.Helper()
	w.until("the webhooks of "+f.kind, func() bool {
		var d deliveries
		f.knob("GET", "deliveries", nil).into(&d)
		for _, one := range d.Deliveries {
			if one.HTTPStatus/100 != 2 {
				return false
			}
		}
		return len(d.Deliveries) > 0
	})
}

// TestRow31_SaveForLater: a saved draft reads and writes no record, however long
// it lies there, and is found as it was left.
func TestRow31_SaveForLater(t *testing.T) {
	rowAlone(t, func(w *world) {
		w.left.add("ann")
		w.left.knob("POST", "requests/reset", nil)
		w.right.knob("POST", "requests/reset", nil)
		w.connect("schedule", "1m", "mappings.title.enabled", false)
		w.change("mappings.city.right", []string{"MailingTown"}) // nor with a mistake in it
		w.change("mappings.city.right", []string{"MailingCity"})
		for _, f := range []*fake{w.left, w.right} { // fields are looked up, and no record
			for name := range f.calls() {
				described := []string{"/properties/", "/describe", "/labels", "/definitions/configurations/"}
				if !slices.ContainsFunc(described, func(part string) bool { return strings.Contains(name, part) }) {
					w.Errorf("saving reads more than fields: %s", name)
				}
			}
			equal(w, "writes of saving to "+f.kind, f.written(), 0)
		}
		w.left.knob("POST", "requests/reset", nil)
		w.right.knob("POST", "requests/reset", nil)
		w.pass(10 * time.Minute)
		w.scheduled()
		equal(w, "calls to both apps", len(w.left.calls())+len(w.right.calls()), 0)
		status, _ := w.status()
		equal(w, "status", status, "draft")
		equal(w, "runs", len(list[run](w, "/v1/runs?connection="+strings.TrimPrefix(w.con, "/v1/connections/"))), 0)
		w.want(200, "GET", w.con, nil).says(`"schedule":"1m"`)
		w.right.count(0)
	})
}

// scheduled waits until schedules were looked at: by a pull of another
// connection, which is made for that.
func (w *world) scheduled() {
	w.Helper()
	other := *w
	other.left, other.right = w.app("hubspot"), w.app("salesforce")
	other.connect("/name", "Beside", "schedule", "1m")
	other.want(202, "POST", other.con+"/start", nil)
	var first time.Time
	w.until("a pull by schedule", func() bool {
		_, now := other.status()
		if first.IsZero() && now[0].OpenRun == "" {
			first = now[0].LatestPull
			w.pass(2 * time.Minute)
		}
		return !first.IsZero() && now[0].LatestPull.After(first)
	})
}

// TestRow36_RuleSwitch: a rule that is off is kept and does not match; with all
// of a direction off everything is excluded.
func TestRow36_RuleSwitch(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.left.add("bob", "city", "Lund")
		w.connect("direction", "to_right", "rules", raw(`[
			{"id":"a","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}},
			{"id":"b","direction":"to_right","enabled":false,"filter":{"field":"city","op":"equals","value":"Lund"}}]`))
		w.start()
		w.right.has("ann", "MailingCity", "Ghent")
		w.right.lacks("bob")
		w.want(200, "GET", w.con, nil).says(`"id":"b"`)
		w.change("rules.a.enabled", false)
		w.left.edit(w.left.id("ann"), "jobtitle", "Judge")
		w.resync()
		w.stands(w.left, w.left.id("ann"), "excluded", "filtered_out")
		w.stands(w.left, w.left.id("bob"), "excluded", "filtered_out")
		w.right.has("ann", "Title", "")
		w.change("rules.b.enabled", true)
		w.resync()
		w.right.has("bob", "MailingCity", "Lund")
	})
}

// TestRow36_AllOff: with every rule of both directions off nothing matches.
func TestRow36_AllOff(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		w.right.add("bob")
		w.connect("rules", raw(`[{"id":"out","direction":"to_right","enabled":false},
			{"id":"in","direction":"to_left","enabled":false}]`))
		w.start()
		w.stands(w.left, w.left.id("ann"), "excluded", "filtered_out")
		w.stands(w.right, w.right.id("bob"), "excluded", "filtered_out")
		equal(w, "writes", w.left.written()+w.right.written(), 0)
		w.change("rules.in.enabled", true)
		w.rest()
		w.left.has("bob", "lastname", "Of bob")
		w.right.lacks("ann")
	})
}

// TestRow37_RuleDeleted: for good, and what it linked stays.
func TestRow37_RuleDeleted(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent")
		w.connect("direction", "to_right", "rules", raw(`[
			{"id":"a","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}},
			{"id":"b","direction":"to_right","filter":{"field":"city","op":"equals","value":"Lund"}}]`))
		w.start()
		partner := w.view(w.left, ann).Partner
		w.change("rules", raw(`[{"id":"b","direction":"to_right","filter":{"field":"city","op":"equals","value":"Lund"}}]`))
		w.resync()
		w.right.count(1)
		w.left.count(1)
		v := w.stands(w.left, ann, "excluded", "filtered_out")
		equal(w, "the link", v.Partner, partner)
		w.left.edit(ann, "city", "Lund")
		w.pull()
		equal(w, "the link once another rule matches", w.stands(w.left, ann, "in_sync", "").Partner, partner)
		w.right.has("ann", "MailingCity", "Lund")
	})
}

// TestRow38_Row39_Row212_Deleting: needs the name typed back; everything of the
// connection goes, the records in both apps stay, and nothing more is done.
func TestRow38_Row39_Row212_Deleting(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent")
		w.connect("/name", "To go")
		w.start()
		w.hear(w.left)
		hook := list[struct{ URL string }](w, w.con+"/webhooks")[0].URL
		tag := w.want(200, "GET", w.con, nil).header.Get("ETag")
		for _, wrong := range []string{"", "?confirm=", "?confirm=to%20go", "?confirm=Another"} {
			if a := w.call("DELETE", w.con+wrong, nil, "If-Match", tag); a.status != 400 && a.status != 422 && a.status != 409 {
				w.Errorf("DELETE %q: %d, want it refused", wrong, a.status)
			}
		}
		w.refused(w.call("DELETE", w.con, nil, "If-Match", tag), 400, "confirmation_required").says("cannot be undone")
		w.refused(w.call("DELETE", w.con+"?confirm=To%20go&accounts=all", nil, "If-Match", tag), 400, "invalid_parameter")
		run := w.resync().ID
		planned := w.plan().ID
		w.want(202, "DELETE", w.con+"?confirm=To%20go&accounts=unused", nil, "If-Match", tag)
		w.until("the end of the connection", func() bool { return w.call("GET", w.con, nil).status == 404 })
		w.refused(w.call("GET", w.con+"/status", nil), 404, "not_found")
		w.refused(w.call("GET", w.con+"/webhooks", nil), 404, "not_found")
		for _, again := range []string{"/v1/runs/" + run + "/undo", "/v1/plans/" + planned + "/apply", w.con + "/start"} {
			w.refused(w.call("POST", again, nil), 404, "not_found")
		}
		wrote := w.right.written()
		w.left.edit(ann, "city", "Lund")
		w.right.edit(w.right.id("ann"), "Title", "Judge")
		w.refused(w.call("POST", w.sync+"/pull", nil), 404, "not_found")
		w.refused(w.call("GET", w.record(w.left, ann), nil), 404, "not_found")
		w.refused(w.call("GET", w.sync+"/mappings", nil), 404, "not_found")
		w.calm(w.right, "after it was deleted")
		equal(w, "writes after it was deleted", w.right.written()+w.left.written(), wrote)
		w.left.count(1)
		w.right.count(1)
		w.right.has("ann", "MailingCity", "Ghent")
		id := strings.TrimPrefix(w.con, "/v1/connections/")
		w.refused(w.call("GET", "/v1/log?connection="+id, nil), 404, "not_found")
		equal(w, "log entries", len(slices.DeleteFunc(list[struct{ Connection string }](w, "/v1/log"),
			func(e struct{ Connection string }) bool { return e.Connection != id })), 0)
		for _, f := range []*fake{w.left, w.right} { // with their credentials: nobody else names them
			w.refused(w.call("GET", "/v1/accounts/"+f.account, nil), 404, "not_found")
		}
		equal(w, "its webhook address answers", w.send(hook, "", "HEAD", "", nil).status, 404)
	})
}

// TestRow39_AnyConnectionOfTheList: a draft that has nothing yet, one that runs and one
// that is paused go alike, by the name that the list shows; the others stay in it.
func TestRow39_AnyConnectionOfTheList(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		w.connect("/name", "Stays")
		w.start()
		stays := w.con
		names := func() (out []string) {
			w.Helper()
			for _, c := range list[struct{ ID, Name string }](w, "/v1/connections") {
				if strings.Contains(c.Name, "of the list") {
					out = append(out, c.Name)
				}
			}
			slices.Sort(out)
			return out
		}
		bare := w.save(map[string]any{"name": "Bare of the list"})
		draft := w.save(map[string]any{"name": "Draft of the list", "left": map[string]any{"account": w.left.account}})
		other := w.app("hubspot")
		w.connect("/name", "Paused of the list", "/left.account", other.account, "/shared", true)
		w.start()
		w.want(200, "POST", w.con+"/pause", nil)
		equal(w, "the list", strings.Join(names(), ", "), "Bare of the list, Draft of the list, Paused of the list")
		for at, name := range map[string]string{bare: "Bare", draft: "Draft", w.con: "Paused"} {
			w.refused(w.call("DELETE", at+"?confirm=Stays", nil, "If-Match", "*"), 400, "confirmation_required")
			w.want(202, "DELETE", at+"?confirm="+name+"%20of%20the%20list", nil, "If-Match", "*")
			w.until("its end", func() bool { return w.call("GET", at, nil).status == 404 })
		}
		equal(w, "the list", len(names()), 0)
		w.con, w.sync = stays, stays+"/syncs/people"
		w.left.edit(w.left.id("ann"), "city", "Ghent")
		w.pull()
		w.right.has("ann", "MailingCity", "Ghent")
		w.right.count(1)
	})
}

// TestRow212_WhatIsQueued: what a first sync still has to do when its connection is
// deleted is done by nobody; the program's log says why.
func TestRow212_WhatIsQueued(t *testing.T) {
	row(t, func(w *world) {
		w.left.knob("POST", "seed", map[string]any{"people": 400})
		w.right.knob("PUT", "latency", map[string]any{"latency": "300ms"})
		w.connect("/name", "Queued")
		w.want(202, "POST", w.con+"/start", nil)
		w.until("the first write", func() bool { return w.right.written() > 0 })
		w.want(202, "DELETE", w.con+"?confirm=Queued", nil, "If-Match", "*")
		w.until("the end of the connection", func() bool { return w.call("GET", w.con, nil).status == 404 })
		w.until("what was queued", func() bool {
			why, _ := w.p.dropped.why.Load(strings.TrimPrefix(w.con, "/v1/connections/"))
			return why == "connection_deleted"
		})
		w.right.knob("PUT", "latency", map[string]any{"latency": "0s"})
		w.calm(w.right, "after it was deleted")
		if made := len(w.right.dump()); made == 0 || made >= 400 {
			w.Errorf("%d of 400 were made", made)
		}
		w.left.count(400)
	})
}

// TestRow38_AccountsOfOthersStay: what another connection works with stays, be that a
// draft; and all of them, unless it is said that they go.
func TestRow38_AccountsOfOthersStay(t *testing.T) {
	row(t, func(w *world) {
		w.connect("/name", "First")
		first := w.con
		w.want(201, "POST", "/v1/connections", map[string]any{
			"name": "Second", "left": map[string]any{"account": w.left.account},
		})
		w.want(202, "DELETE", first+"?confirm=First", nil, "If-Match", "*")
		w.until("the end of the connection", func() bool { return w.call("GET", first, nil).status == 404 })
		w.want(200, "GET", "/v1/accounts/"+w.left.account, nil)
		w.want(200, "GET", "/v1/accounts/"+w.right.account, nil)
		w.connect("/name", "Third") // with both of them again
		w.want(202, "DELETE", w.con+"?confirm=Third&accounts=unused", nil, "If-Match", "*")
		w.want(200, "GET", "/v1/accounts/"+w.left.account, nil)
		w.refused(w.call("GET", "/v1/accounts/"+w.right.account, nil), 404, "not_found")
	})
}

// TestRow40_ThreeActions: disabling keeps settings, editing changes them,
// removing erases them.
func TestRow40_ThreeActions(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.connect()
		w.start()
		var syncs struct{ Syncs raw }
		w.get(w.con, &syncs)
		before := string(syncs.Syncs)
		w.change("/enabled", false)
		w.get(w.con, &syncs)
		equal(w, "settings after disabling", string(syncs.Syncs), before)
		w.change("mappings.city.enabled", false)
		w.get(w.con, &syncs)
		if string(syncs.Syncs) == before {
			w.Error("editing changes nothing")
		}
		equal(w, "links after both", w.view(w.left, w.left.id("ann")).Partner, w.right.id("ann"))
		w.want(202, "DELETE", w.con+"?confirm="+strings.ReplaceAll(w.Name(), "/", "%2F"), nil, "If-Match", "*")
		w.until("its removal", func() bool { return w.call("GET", w.con, nil).status == 404 })
		w.right.has("ann", "MailingCity", "Ghent")
	})
}

// TestRow41_Independent: what is done to one connection changes no other, on the
// same accounts either.
func TestRow41_Independent(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent", "jobtitle", "Judge")
		w.connect("/name", "First", "mappings.title", nil)
		second := *w
		second.connect("/name", "Second", "match", raw(`[{"by":"any_key","pairs":[["email","Email"]]}]`), "direction",
			"to_right",
			"behavior.to_right", "update_only", "mappings",
			raw(`[{"id":"title","left":["jobtitle"],"right":["Title"],"direction":"to_right"}]`))
		w.start()
		second.start()
		w.right.has("ann", "MailingCity", "Ghent", "Title", "Judge")
		before := w.want(200, "GET", w.con, nil)
		second.change("/enabled", false)
		w.left.edit(ann, "city", "Lund", "jobtitle", "Chief")
		w.pull()
		w.right.has("ann", "MailingCity", "Lund", "Title", "Judge")
		second.want(202, "DELETE", second.con+"?confirm=Second", nil, "If-Match", "*")
		w.until("the end of the second", func() bool { return w.call("GET", second.con, nil).status == 404 })
		after := w.want(200, "GET", w.con, nil)
		equal(w, "the first document", string(after.body), string(before.body))
		w.left.edit(ann, "city", "Oslo")
		w.pull()
		w.right.has("ann", "MailingCity", "Oslo")
	})
}
