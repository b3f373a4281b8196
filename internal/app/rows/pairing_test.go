package rows

import "testing"

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
