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
