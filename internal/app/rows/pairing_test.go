package rows

import (
	"encoding/json"
	"strings"
	"testing"
)

// leads is a second sync of contacts, with leads.
var leads = raw(`{"id":"leads","left":{"object":"contacts"},"right":{"object":"Lead"},"direction":"to_right","schedule":"manual",
	"match":[{"by":"any_key","pairs":[["email","Email"]]}],"mappings":[
	{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}},
	{"id":"last","left":["lastname"],"right":["LastName"]},{"id":"company","left":["company"],"right":["Company"]},
	{"id":"city","left":["city"],"right":["City"]}]}`)

// TestRow51_ARecordPairsOnce: where two syncs have an object in common, each
// record is synced by the first that takes it, and by no other; a second sync
// that writes the same field of another pair is refused.
func TestRow51_ARecordPairsOnce(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent", "company", "Acme")
		bob := w.left.add("bob", "city", "Lund", "company", "Acme")
		w.connect("direction", "to_right", "rules",
			raw(`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}}]`), "/syncs.+",
			leads)
		w.start()
		w.rest()
		w.right.has("ann", "MailingCity", "Ghent")
		w.right.lacks("bob")
		who := map[string]int{}
		for _, r := range w.right.of("Lead") {
			who[r.Fields["Email"]]++
		}
		equal(w, "leads of the one that contacts take", who["ann@example.com"], 0)
		equal(w, "leads of the other one", who["bob@example.com"], 1)
		w.sync = w.con + "/syncs/leads"
		w.stands(w.left, ann, "excluded", "taken_by_other_sync")
		w.stands(w.left, bob, "in_sync", "")
		w.invalid("field_written_by_other_sync", "/syncs/1/mappings", "/syncs.1.direction", "both", "/syncs.0.direction",
			"both")
	})
}

// TestRow51_TheFirstThatTakesIt: contacts may be paired with contacts by one sync and
// with leads by the next: a record is with the first whose direction, rules and keys
// take it. When that takes it no more it goes to the next, and its twin stays as it is;
// when it comes back it finds that twin, and the other one rests. It never moves both.
func TestRow51_TheFirstThatTakesIt(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent", "company", "Acme", "phone", "")
		nomail := w.left.make("contacts", map[string]string{
			"lastname": "Nomail", "city": "Ghent", "company": "Acme", "phone": "+12125550123",
		})
		second := map[string]any{}
		if err := json.Unmarshal(leads, &second); err != nil {
			t.Fatal(err)
		}
		second["match"] = by(byEmail + `,{"by":"any_key","pairs":[["phone","Phone"]]}`)
		w.connect("direction", "to_right", "mappings.phone", nil, "rules",
			raw(`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}}]`), "/syncs.+", second,
			"/syncs.1.mappings.+", raw(`{"id":"phone","left":["phone"],"right":["Phone"],"transform":{"type":"phone"}}`))
		first, next := w.con+"/syncs/people", w.con+"/syncs/leads"
		look := func() {
			w.Helper()
			w.begin(first + "/pull")
			w.begin(next + "/pull")
		}
		in := func(sync, id, want string) {
			w.Helper()
			var v view
			w.get(sync+"/records/left/"+id, &v)
			equal(w, sync+" has "+id, strings.TrimSpace(v.State+" "+v.Code), want)
		}
		lead := func(email string) (city string) {
			w.Helper()
			for _, r := range w.right.of("Lead") {
				if r.Fields["Email"] == email {
					city += r.Fields["City"] + " "
				}
			}
			return city
		}
		w.start()
		w.rest()
		in(first, ann, "in_sync")
		in(next, ann, "excluded taken_by_other_sync")
		in(first, nomail, "excluded no_identity_key") // its keys do not take it
		in(next, nomail, "in_sync")
		w.right.has("ann", "MailingCity", "Ghent")
		equal(w, "leads of ann", lead("ann@example.com"), "")

		w.left.edit(ann, "city", "Lund")
		look()
		in(first, ann, "excluded filtered_out")
		in(next, ann, "in_sync")
		w.right.has("ann", "MailingCity", "Ghent")
		equal(w, "leads of ann once contacts take her no more", lead("ann@example.com"), "Lund ")
		contact := w.view(w.left, ann).Partner

		w.left.edit(ann, "city", "Ghent", "jobtitle", "Judge")
		look()
		in(first, ann, "in_sync")
		in(next, ann, "excluded taken_by_other_sync")
		w.right.has("ann", "MailingCity", "Ghent", "Title", "Judge")
		equal(w, "the contact that she is paired with", w.view(w.left, ann).Partner, contact)
		equal(w, "leads of ann after that", lead("ann@example.com"), "Lund ")
		w.right.count(1)

		// What is off takes nobody.
		w.change("direction", "off")
		w.rest()
		w.left.edit(ann, "city", "Oslo")
		w.begin(next + "/pull")
		in(next, ann, "in_sync")
		equal(w, "leads of ann while contacts are off", lead("ann@example.com"), "Oslo ")
		w.right.has("ann", "MailingCity", "Ghent")

		// One field has one writer, unless two syncs join the same two objects.
		w.invalid("field_written_by_other_sync", "/syncs/1/mappings", "direction", "both", "/syncs.1.direction", "both")
		twin := w.document("id", "others", "direction", "to_right")["syncs"].([]any)[0]
		w.valid("direction", "to_right", "/syncs.+", twin)
	})
}

// TestRow51_ATargetPairsOnce: a record that one sync has paired is no twin for the
// records of another object, whichever way they would find it.
func TestRow51_ATargetPairsOnce(t *testing.T) {
	row(t, func(w *world) {
		w.left.make("companies", map[string]string{"name": "Acme", "domain": "acme.example"})
		deal := w.left.make("deals", map[string]string{
			"dealname": "Acme", "dealstage": "appointmentscheduled", "description": "A deal",
		})
		w.right.make("Account", map[string]string{"Name": "Acme", "Website": "acme.example"})
		doc := w.document("direction", "off", "/syncs.+", companies, "/syncs.+", raw(`{"id":"deals","left":{"object":"deals"},
			"right":{"object":"Account"},"direction":"to_right","schedule":"manual","behavior":{"to_right":"update_only"},
			"match":[{"by":"any_key","pairs":[["dealname","Name"]]}],
			"mappings":[{"id":"text","left":["description"],"right":["Description"]}]}`))
		w.con = w.save(doc)
		w.sync = w.con + "/syncs/companies"
		w.start()
		w.sync = w.con + "/syncs/deals"
		for range 2 {
			var v view
			w.get(w.sync+"/records/left/"+deal, &v)
			equal(w, "the deal", v.State+" "+v.Code, "excluded taken_by_other_sync")
			all := w.right.of("Account")
			if len(all) != 1 || all[0].Fields["Description"] != "" {
				w.Errorf("accounts: %+v, want the company's alone, without a word of the deal", all)
			}
			w.resync()
		}
	})
}
