package rows

import (
	"strings"
	"testing"
)

// TestRow52_CompaniesBeforePeople: each pair of objects has its own direction,
// and a start begins with companies, wherever they stand in the document.
func TestRow52_CompaniesBeforePeople(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		w.right.add("bob")
		w.left.make("companies", map[string]string{"name": "Acme", "domain": "acme.example"})
		w.right.make("Account", map[string]string{"Name": "Umbrella", "Website": "umbrella.example"})
		w.connect("direction", "to_left", "/syncs.+", companies, "/syncs.1.direction", "to_right")
		var begun struct{ Runs []run }
		w.want(202, "POST", w.con+"/start", nil).into(&begun)
		if len(begun.Runs) != 2 || begun.Runs[0].Sync != "companies" || begun.Runs[1].Sync != "people" {
			w.Errorf("runs begin as %+v, want companies before people", begun.Runs)
		}
		w.rest()
		w.left.has("bob", "lastname", "Of bob")
		w.right.lacks("ann")
		names := map[string]int{}
		for _, r := range w.right.of("Account") {
			names[r.Fields["Name"]]++
		}
		equal(w, "the company to the right", names["Acme"], 1)
		for _, r := range w.left.of("companies") {
			if r.Fields["name"] == "Umbrella" {
				w.Error("a company travels against the direction of its sync")
			}
		}
	})
}

// TestRow52_DealsLast: whatever the order of the document, companies come before
// people, and people before deals.
func TestRow52_DealsLast(t *testing.T) {
	row(t, func(w *world) {
		doc := w.document("/syncs.+", raw(`{"id":"deals","left":{"object":"deals"},"right":{"object":"Opportunity"},
			"schedule":"manual","conflict":"left","behavior":{"to_right":"update_only","to_left":"update_only"},
			"match":[{"by":"any_key","pairs":[["dealname","Name"]]}],"mappings":[{"id":"name","left":["dealname"],"right":["Name"]}]}`),
			"/syncs.+", companies)
		all, _ := doc["syncs"].([]any)
		doc["syncs"] = []any{all[1], all[0], all[2]}
		w.con = w.save(doc)
		w.sync = w.con + "/syncs/people"
		var begun struct{ Runs []run }
		w.want(202, "POST", w.con+"/start", nil).into(&begun)
		var order []string
		for _, r := range begun.Runs {
			order = append(order, r.Sync)
		}
		equal(w, "order of the first syncs", strings.Join(order, " "), "companies people deals")
		w.rest()
	})
}
