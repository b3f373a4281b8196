package rows

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRow16_RecordTypes: where an app has several, the admin chooses, and what
// the app does not have is refused with where to look.
func TestRow16_RecordTypes(t *testing.T) {
	row(t, func(w *world) {
		for f, want := range map[*fake]string{
			w.left:  "[companies contacts deals], about them [calls meetings notes tasks]",
			w.right: "[Account Contact Lead Opportunity], about them [Event Task]",
		} {
			var ids, activities []string
			for _, o := range list[struct {
				ID, Label string
				Activity  *struct{}
			}](w, "/v1/accounts/"+f.account+"/objects") {
				if o.Activity == nil {
					ids = append(ids, o.ID)
				} else {
					activities = append(activities, o.ID)
				}
				if o.Label == "" {
					w.Errorf("%s has no label", o.ID)
				}
			}
			slices.Sort(ids)
			slices.Sort(activities)
			equal(w, "record types of "+f.kind, fmt.Sprintf("%v, about them %v", ids, activities), want)
		}
		w.right.object = "Lead"
		w.left.add("ann", "company", "Acme")
		w.connect("mappings.city.right", []string{
			"City",
		}, "mappings.+", raw(`{"id":"company","left":["company"],"right":["Company"]}`))
		w.invalid("unknown_object", "/syncs/0/left/object", "left.object", "tickets").says("/objects")
		w.start()
		w.right.has("ann", "Company", "Acme")
	})
}

// TestRow16_OneTypeNeedsNoChoice: where an app has one record type that can be synced,
// whoever leaves it open gets it, however the document comes, and sees it with the next
// look. Where there are several it stays open, and they are named.
func TestRow16_OneTypeNeedsNoChoice(t *testing.T) {
	row(t, func(w *world) {
		w.right = w.app("mautic")
		people := []any{
			"match", raw(`[{"by":"any_key","pairs":[["email","email"]]}]`),
			"mappings", raw(`[{"id":"email","left":["email"],"right":["email"],"transform":{"type":"email"}},
				{"id":"last","left":["lastname"],"right":["lastname"]}]`),
		}
		with := func(more ...any) map[string]any { w.Helper(); return w.document(slices.Concat(people, more)...) }
		types := func(at string) string {
			w.Helper()
			var doc struct {
				Syncs []struct{ Left, Right struct{ Object string } }
			}
			w.get(at, &doc)
			if len(doc.Syncs) != 1 {
				w.Fatalf("%s has %d syncs", at, len(doc.Syncs))
			}
			return doc.Syncs[0].Left.Object + " and " + doc.Syncs[0].Right.Object
		}
		const both = "contacts and contacts"
		for _, open := range []any{nil, raw(`{}`), raw(`{"object":""}`)} {
			w.con = w.save(with("right", open))
			equal(w, fmt.Sprintf("record types where the right one is %s", open), types(w.con), both)
			w.lacks()
		}

		// A file: what it leaves open is no difference, and what is exported says it.
		const yaml = "application/yaml"
		file := fmt.Sprintf("name: %s by file\nleft: {account: %s}\nright: {account: %s}\nsyncs:\n- id: people\n"+
			"  left: {object: contacts}\n  match:\n  - {by: any_key, pairs: [[email, email]]}\n", w.Name(), w.left.account,
			w.right.account)
		var made struct{ ID, Name string }
		w.want(201, "POST", "/v1/connections/import", file, "Content-Type", yaml).into(&made)
		at := "/v1/connections/" + made.ID
		w.forget(at, made.Name)
		equal(w, "record types of a file", types(at), both)
		w.want(200, "POST", "/v1/connections/import/plan", file, "Content-Type", yaml).says(`"action":"none"`)
		out := string(w.want(200, "GET", at+"/export", nil).body)
		w.want(200, "POST", "/v1/connections/import", file, "Content-Type", yaml)
		w.want(200, "POST", "/v1/connections/import", out, "Content-Type", yaml)
		equal(w, "the file that is exported", string(w.want(200, "GET", at+"/export", nil).body), out)

		// A preset, and a sync that is added alone.
		preset := w.saveAs("?preset=hubspot-mautic-contacts", map[string]any{
			"name": w.Name() + " by preset", "left": map[string]any{"account": w.left.account},
			"right": map[string]any{"account": w.right.account},
		})
		equal(w, "record types of a preset", types(preset), both)
		w.con = w.save(with("/syncs", []any{}))
		w.want(201, "POST", w.con+"/syncs", raw(`{"id":"people","left":{"object":"contacts"}}`)).says(`"right":{"object":"contacts"}`)
		equal(w, "record types of a sync that is added", types(w.con), both)

		// Without an account nothing is known; with it the type is there.
		w.con = w.save(with("/right.account", "", "right", nil))
		w.lacks("/right/account unknown_account", "/syncs/0/right/object unknown_object")
		w.want(200, "PATCH", w.con, raw(fmt.Sprintf(`{"right":{"account":%q}}`, w.right.account)), "If-Match", "*")
		equal(w, "record types once the account is chosen", types(w.con), both)
		w.lacks()

		// Where there are several, somebody has to choose.
		w.con = w.save(with("left", nil))
		w.lacks("/syncs/0/left/object unknown_object")
		w.want(200, "GET", w.con, nil).says("contacts, companies, deals", "/v1/accounts/"+w.left.account+"/objects")
		w.refused(w.call("POST", w.con+"/start", nil), 409, "unknown_object", "/syncs/0/left/object").says(
			"contacts, companies, deals")
		w.sync = w.con + "/syncs/people"
		w.want(200, "PATCH", w.sync, raw(`{"left":{"object":"contacts"}}`), "If-Match", "*")

		// A connection that runs takes it alike, and nothing changes by that.
		w.left.add("ann")
		w.start()
		w.right.has("ann")
		var doc map[string]any
		w.get(w.con, &doc)
		w.put(doc, "right", raw(`{}`))
		w.want(200, "POST", w.con+"/validate", doc).says(`"valid":true`, `"changes":[]`)
		w.want(200, "PUT", w.con, doc, "If-Match", "*")
		equal(w, "record types of one that runs", types(w.con), both)
		w.want(200, "PATCH", w.sync, raw(`{"right":{"object":""}}`), "If-Match", "*").says(`"right":{"object":"contacts"}`)
		a := w.refused(w.call("PATCH", w.sync, raw(`{"left":null}`), "If-Match", "*"), 400, "unknown_object",
			"/syncs/0/left/object").says("contacts, companies, deals")
		if strings.Contains(string(a.body), "notes") {
			w.Errorf("activities are offered as records: %s", a.body)
		}
		w.left.add("bob")
		w.pull()
		w.right.has("bob")
		w.right.count(2)
	})
}
