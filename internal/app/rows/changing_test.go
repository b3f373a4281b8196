package rows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// said is what the answer of a save says of whom it applies to.
type said struct {
	To      string
	Runs    []struct{ Sync, Run, Kind string }
	Touches []touch
}

type touch struct {
	Sync, What, Follows string
	Mappings            []string
	Records             struct{ Left, Right int }
}

// saved demands that a save of the connection was taken, waits for what follows
// from it, and answers what it said.
func (w *world) saved(a answer) said {
	w.Helper()
	if a.status != 200 && a.status != 201 {
		w.Fatalf("%s: %d: %s", a.call, a.status, a.body)
	}
	var out said
	if text := a.header.Get("Lockstep-Applied"); text != "" {
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			w.Fatalf("%s: %v: %s", a.call, err, text)
		}
	} else {
		var c struct {
			Applied *said
			Touches []touch
		}
		a.into(&c)
		if c.Applied == nil {
			w.Fatalf("%s: the answer does not say to whom it applies: %s", a.call, a.body)
		}
		out = *c.Applied
		out.Touches = c.Touches
	}
	for _, touch := range out.Touches {
		if out.To == "from_now_on" && touch.Follows == "resync" {
			w.Errorf("%s: from now on, and a run follows that applies %s to all", a.call, touch.What)
		}
	}
	for _, r := range out.Runs {
		var one run
		w.get("/v1/runs/"+r.Run, &one)
		w.finished(one)
	}
	w.rest()
	return out
}

// patch changes a part of the connection for whom apply says.
func (w *world) patch(at, apply string, body any) said {
	w.Helper()
	if apply != "" {
		at += "?apply=" + apply
	}
	return w.saved(w.call("PATCH", at, body, "If-Match", "*"))
}

// add adds a mapping for whom apply says.
func (w *world) add(apply, mapping string) said {
	w.Helper()
	at := w.sync + "/mappings"
	if apply != "" {
		at += "?apply=" + apply
	}
	return w.saved(w.call("POST", at, raw(mapping)))
}

// leftApart is how many pairs the status counts as left apart from now on.
func (w *world) leftApart() (n int) {
	w.Helper()
	var st struct {
		Syncs []struct {
			Settled struct{ Reasons map[string]int }
		}
	}
	w.get(w.con+"/status", &st)
	for _, s := range st.Syncs {
		n += s.Settled.Reasons["from_now_on"]
	}
	return n
}

const companyLine = `{"id":"company","left":["company"],"right":["Company__c"],"conflict":"left"}`

// TestRow158_ANewMappingFillsBack: unless told otherwise, everybody who is linked
// gets it, by a run that the save begins and names.
func TestRow158_ANewMappingFillsBack(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "company", "Acme")
		w.left.add("bob", "company", "Bcme")
		w.connect()
		w.start()
		got := w.add("", companyLine)
		equal(w, "to whom", got.To, "all")
		if len(got.Runs) != 1 || got.Runs[0].Kind != "resync" {
			w.Errorf("the save began %+v", got.Runs)
		}
		if len(got.Touches) != 1 || got.Touches[0].What != "mappings" || got.Touches[0].Follows != "resync" ||
			got.Touches[0].Records.Left != 2 || len(got.Touches[0].Mappings) != 1 {
			w.Errorf("the save touches %+v", got.Touches)
		}
		w.right.has("ann", "Company__c", "Acme")
		w.right.has("bob", "Company__c", "Bcme")
	})
}

// TestRow158_FromNowOn: what differs on the day of the change stays as it is, is
// counted, and is put in step only when it is applied to all; edits travel.
func TestRow158_FromNowOn(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "company", "Acme")
		w.left.add("bob", "company", "Bcme")
		w.left.add("cid")
		w.connect()
		w.start()
		w.right.edit(w.right.id("ann"), "Company__c", "Other")
		w.pull()
		got := w.add("from_now_on", companyLine)
		equal(w, "to whom", got.To, "from_now_on")
		if len(got.Runs) != 1 || got.Runs[0].Kind != "change" {
			w.Errorf("the save began %+v", got.Runs)
		}
		equal(w, "pairs left apart", w.leftApart(), 2)
		w.left.edit(ann, "firstname", "Anna")
		w.pull()
		w.resync()
		w.right.has("ann", "FirstName", "Anna", "Company__c", "Other")
		w.right.has("bob", "Company__c", "")
		equal(w, "pairs left apart after a resync", w.leftApart(), 2)
		w.left.add("dan", "company", "Dcme") // who is linked later is synced whole
		w.left.edit(ann, "company", "Newer")
		w.pull()
		w.right.has("ann", "Company__c", "Newer")
		w.right.has("dan", "Company__c", "Dcme")
		equal(w, "pairs left apart after an edit", w.leftApart(), 1)
		w.patch(w.sync+"/mappings/company", "all", raw(`{}`))
		w.right.has("bob", "Company__c", "Bcme")
		equal(w, "pairs left apart once it applies to all", w.leftApart(), 0)
	})
}

// TestRow158_SeveralSavesInARow: what differs is left apart once, whatever is saved
// after it, as long as nobody applies it to all; a record may be resolved by itself.
func TestRow158_SeveralSavesInARow(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "company", "Acme")
		w.left.add("bob", "company", "Bcme")
		w.connect()
		w.start()
		w.add("from_now_on", companyLine)
		equal(w, "pairs left apart", w.leftApart(), 2)
		at := w.sync + "/mappings/company"
		w.patch(at, "from_now_on", raw(`{"conflict":"right"}`))
		w.patch(at, "from_now_on", raw(`{"conflict":"left"}`))
		w.patch(w.sync+"/mappings/city", "", raw(`{"conflict":"left"}`)) // another one, for all
		equal(w, "pairs left apart after more saves", w.leftApart(), 2)
		w.right.has("ann", "Company__c", "")
		var r run
		w.want(202, "POST", w.record(w.left, ann)+"/resolve", raw(`{"fields":{"company":"left"}}`)).into(&r)
		w.finished(r)
		w.right.has("ann", "Company__c", "Acme")
		equal(w, "pairs left apart after one was resolved", w.leftApart(), 1)
		w.patch(at, "", raw(`{"conflict":"right"}`)) // changed for all: so is the rest
		w.right.has("bob", "Company__c", "Bcme")
		equal(w, "pairs left apart after a save for all", w.leftApart(), 0)
	})
}

// TestRow158_WhilePaused: what a change asks for begins when the connection goes on.
func TestRow158_WhilePaused(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "company", "Acme", "city", "Ghent")
		w.connect("mappings.city", nil)
		w.start()
		w.want(200, "POST", w.con+"/pause", nil)
		got := w.add("from_now_on", companyLine)
		equal(w, "runs begun while paused", len(got.Runs), 0)
		w.add("all", `{"id":"city","left":["city"],"right":["MailingCity"]}`)
		w.right.has("ann", "Company__c", "", "MailingCity", "")
		w.want(202, "POST", w.con+"/start", nil)
		w.until("both changes are followed up", func() bool {
			r, _ := w.right.find("ann")
			done := map[string]bool{}
			for _, one := range list[run](w, "/v1/runs?connection="+strings.TrimPrefix(w.con, "/v1/connections/")) {
				done[one.Kind] = done[one.Kind] || one.State == "done"
			}
			return w.leftApart() == 1 && r.Fields["MailingCity"] == "Ghent" && done["change"] && done["resync"]
		})
		w.right.has("ann", "Company__c", "")
		w.rest()
		w.left.edit(ann, "company", "Newer")
		w.pull()
		w.right.has("ann", "Company__c", "Newer")
	})
}

// TestRow35_RulesAndMatchSteps: a filter that is changed judges everybody anew, or
// each record when it changes next; so do match steps.
func TestRow35_RulesAndMatchSteps(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		bob := w.left.add("bob", "city", "Lund")
		w.connect("rules.+", raw(`{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}}`))
		w.start()
		w.right.lacks("bob")
		got := w.patch(w.sync+"/rules/r", "from_now_on", raw(`{"filter":null}`))
		equal(w, "runs begun by a filter from now on", len(got.Runs), 0)
		w.right.lacks("bob")
		w.left.edit(bob, "jobtitle", "Clerk")
		w.pull()
		w.right.has("bob", "Title", "Clerk")
		w.left.add("cid", "city", "Oslo", "phone", "+1 212 555 0101")
		w.patch(w.sync+"/rules/r", "", raw(`{"filter":{"field":"city","op":"equals","value":"Ghent"}}`))
		w.rest()
		got = w.patch(w.sync+"/rules/r", "", raw(`{"filter":null}`))
		if len(got.Runs) != 1 || got.Touches[0].What != "rules" || got.Touches[0].Follows != "resync" {
			w.Errorf("a filter for all says %+v", got)
		}
		w.rest()
		w.stands(w.left, bob, "in_sync", "")
		w.right.has("cid", "MailingCity", "Oslo")
		got = w.patch(w.sync+"/match", "", raw(`{"to_right":[{"by":"any_key","pairs":[["email","Email"],["phone","Phone"]]}]}`))
		if len(got.Runs) != 1 || got.Touches[0].What != "match" {
			w.Errorf("match steps for all say %+v", got)
		}
		got = w.patch(w.sync+"/match", "from_now_on", raw(`{"to_right":[{"by":"any_key","pairs":[["email","Email"]]}]}`))
		equal(w, "what match steps from now on begin", fmt.Sprint(got.To, " ", len(got.Runs)), "from_now_on 0")
		w.refused(w.call("PATCH", w.sync+"?apply=some", raw(`{}`), "If-Match", "*"), 400, "invalid_parameter")
	})
}

// TestRow35_APlanIsOfItsSettings: a plan that was made before the settings changed
// cannot be applied; a name is no setting of that kind. Of a draft nobody can say to
// whom a change applies.
func TestRow35_APlanIsOfItsSettings(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "company", "Acme")
		w.connect()
		w.refused(w.call("PATCH", w.con+"?apply=all", raw(`{"description":"x"}`), "If-Match", "*"), 409, "not_started")
		w.start()
		w.add("from_now_on", companyLine)
		w.left.add("bob")
		p := w.plan()
		w.patch(w.sync+"/mappings/title", "from_now_on", raw(`{"conflict":"left"}`))
		w.refused(w.call("POST", "/v1/plans/"+p.ID+"/apply", nil), 409, "plan_outdated")
		w.right.lacks("bob")
		p = w.plan()
		w.want(200, "PATCH", w.con, raw(`{"description":"another one"}`), "If-Match", "*")
		w.begin("/v1/plans/" + p.ID + "/apply")
		w.right.has("bob", "Company__c", "")
	})
}

// TestRow35_TheAuditSaysToWhom: the trail says of a save to whom it was to apply,
// where that was said, of one that changes nothing in the document as well.
func TestRow35_TheAuditSaysToWhom(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		w.start()
		w.add("from_now_on", companyLine)
		w.patch(w.sync+"/mappings/company", "all", raw(`{}`))
		w.want(200, "PATCH", w.con, raw(`{"description":"unsaid"}`), "If-Match", "*")
		var trail struct {
			Items []struct{ Action, Target, Comment string }
		}
		w.get("/v1/audit?limit=200", &trail)
		var said []string
		for _, e := range trail.Items { // the newest first
			if e.Action == "connection.update" && strings.HasSuffix(w.con, "/"+e.Target) {
				said = append(said, e.Comment)
			}
		}
		equal(w, "what the trail says of the last saves", fmt.Sprintf("%q", said[:min(len(said), 3)]),
			`["" "apply=all" "apply=from_now_on"]`)
	})
}

// TestRow35_MappingsOfActivities: activities are a sync of their own here as well: a
// mapping of theirs can be changed from now on, and be applied to all with its parent.
func TestRow35_MappingsOfActivities(t *testing.T) {
	row(t, func(w *world) {
		ann, _ := w.noting()
		one := w.note(ann, "one")
		w.note(ann, "two")
		w.pullNotes()
		w.task("one")
		subject := func(body string) string { w.Helper(); return w.task(body).Fields["Subject"] }
		with := raw(`{"activities":` + strings.Replace(noted, `"mappings":[`,
			`"mappings":[{"id":"subject","left":["hs_note_body"],"right":["Subject"],"direction":"to_right"},`, 1) + `}`)
		got := w.patch(w.sync, "from_now_on", with)
		equal(w, "what a mapping of activities touches", fmt.Sprint(got.Touches[0].Sync, " ", got.Touches[0].What, " ",
			got.Touches[0].Mappings, " ", got.Touches[0].Follows, " ", len(got.Touches)),
			"people.activities mappings [subject] change 1")
		equal(w, "runs that it begins", fmt.Sprint(got.Runs[0].Sync, " ", got.Runs[0].Kind, " ", len(got.Runs)),
			"people.activities change 1")
		equal(w, "pairs left apart", w.leftApart(), 2)
		equal(w, "subject of who was there", subject("one"), "")

		w.left.rewrite("notes", one, "hs_note_body", "one edited")
		w.pullNotes()
		equal(w, "subject of who was edited since", subject("one edited"), "one edited")
		equal(w, "subject of who was not", subject("two"), "")
		got = w.patch(w.sync, "all", raw(`{}`))
		if !slices.ContainsFunc(got.Runs, func(r struct{ Sync, Run, Kind string }) bool {
			return r.Sync == "people.activities" && r.Kind == "change"
		}) {
			w.Errorf("the settings of a sync for all begin none of its activities: %+v", got)
		}
		equal(w, "subject of all", subject("two"), "two")
		equal(w, "pairs left apart still", w.leftApart(), 0)
	})
}
