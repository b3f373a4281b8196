package rows

import (
	"strings"
	"testing"
)

// TestRow74_RulesPreviewed: before it is saved, a filter is tried on records
// that are there: how many pass each way, with examples and the clauses that
// decided, and what was looked at. Nothing is written, and no secret shown.
func TestRow74_RulesPreviewed(t *testing.T) {
	row(t, func(w *world) {
		for _, who := range []string{"ann", "bob", "cyd", "dee", "eve"} {
			w.left.add(who, "city", map[bool]string{true: "Ghent", false: "Lund"}[who < "e"])
		}
		w.right.add("fay", "MailingCity", "Lund")
		w.connect("mappings.title.write_once", true)
		w.left.knob("POST", "requests/reset", nil)
		type way struct {
			Open             bool
			Passes, Excluded int
			Passing, Failing []struct {
				ID, Side string
				Fields   map[string]string
				Clauses  []struct {
					Rule, Field, Value string
					Holds              bool
				}
			}
		}
		var seen struct {
			Sample struct {
				From          string
				Looked, Calls struct{ Left, Right int }
				Complete      struct{ Left, Right bool }
			}
			ToRight way `json:"to_right"`
			ToLeft  way `json:"to_left"`
		}
		rules := raw(`{"rules":[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"ghent"}}]}`)
		w.want(200, "POST", w.sync+"/rules/preview", rules).into(&seen)
		equal(w, "from", seen.Sample.From, "sample")
		equal(w, "looked at left", seen.Sample.Looked.Left, 5)
		equal(w, "looked at right", seen.Sample.Looked.Right, 1)
		equal(w, "all of the left side", seen.Sample.Complete.Left, true)
		equal(w, "pass to the right", seen.ToRight.Passes, 4)
		equal(w, "excluded to the right", seen.ToRight.Excluded, 1)
		equal(w, "examples that pass", len(seen.ToRight.Passing), 3)
		equal(w, "examples that do not", len(seen.ToRight.Failing), 1)
		equal(w, "pass to the left, without a rule", seen.ToLeft.Passes, 1)
		if len(seen.ToRight.Failing) == 1 {
			one := seen.ToRight.Failing[0]
			equal(w, "the example's address", one.Fields["email"], "eve@example.com")
			if len(one.Clauses) != 1 || one.Clauses[0].Value != "Lund" || one.Clauses[0].Holds {
				w.Errorf("the example does not say what decided: %+v", one)
			}
		}
		if seen.Sample.Calls.Left < 1 || seen.Sample.Calls.Left > 2 {
			w.Errorf("it took %d calls of the left app", seen.Sample.Calls.Left)
		}
		w.refused(w.call("POST", w.sync+"/rules/preview",
			raw(`{"rules":[{"id":"r","filter":{"field":"nosuch","op":"is_empty"}}]}`)), 400, "unknown_field",
			"/rules/0/filter/field")
		secret := w.want(200, "POST", w.sync+"/rules/preview",
			raw(`{"rules":[{"id":"r","direction":"to_right","filter":{"field":"jobtitle","op":"is_empty"}}]}`))
		secret.says(`"jobtitle"`)
		w.left.edit(w.left.id("ann"), "jobtitle", "Hush")
		hidden := w.want(200, "POST", w.sync+"/rules/preview",
			raw(`{"rules":[{"id":"r","direction":"to_right","filter":{"field":"jobtitle","op":"is_not_empty"}}]}`))
		if hidden.says(`(not shown)`); strings.Contains(string(hidden.body), "Hush") {
			w.Errorf("a value that is written once is shown: %s", hidden.body)
		}
		w.want(200, "POST", w.sync+"/rules/preview", nil).says(`"excluded":0`) // what is stored
		equal(w, "writes", w.left.written()+w.right.written(), 0)
		w.want(200, "GET", w.sync+"/rules", nil).says(`[]`)
	})
}

// TestRow59_MappingsPreviewed: what a few records would become, in both
// directions, with each field's reason; nothing is written and nothing stored.
func TestRow59_MappingsPreviewed(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent", "jobtitle", "Hush")
		w.left.add("bob", "city", "Lund")
		w.right.add("bob", "MailingCity", "")
		w.right.add("cyd", "Title", "Judge")
		w.connect()
		type field struct{ Mapping, Rule, Left, Right, After string }
		type preview struct {
			Sample  struct{ From string }
			Records []struct {
				Side, ID, Partner, Outcome string
				Fields                     []field
				Writes                     []struct{ Mapping, Side, Field, Before, After string }
			}
		}
		var seen preview
		w.want(200, "POST", w.sync+"/mappings/preview", raw(`{"mappings":[
			{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}},
			{"id":"last","left":["lastname"],"right":["LastName"]},
			{"id":"city","left":["city"],"right":["MailingCity"]},
			{"id":"title","left":["jobtitle"],"right":["Title"],"write_once":true}]}`)).into(&seen)
		equal(w, "from", seen.Sample.From, "sample")
		equal(w, "records, of either side", len(seen.Records), 4)
		outcomes, written := map[string]int{}, 0
		for _, r := range seen.Records {
			outcomes[r.Side+" "+r.Outcome]++
			for _, x := range r.Writes {
				if r.ID == ann && x.Field == "Title" {
					equal(w, "a value that is written once", x.After, "(not shown)")
				}
				if r.ID == ann && x.Field == "MailingCity" {
					written++
					equal(w, "what would be written", x.After, "Ghent")
					if x.Mapping != "city" {
						w.Errorf("no mapping is named: %+v", x)
					}
				}
			}
			for _, f := range r.Fields {
				if f.Rule == "" {
					w.Errorf("%s of %s has no reason", f.Mapping, r.ID)
				}
			}
		}
		equal(w, "writes of the field shown", written, 1)
		for what, want := range map[string]int{"left created": 1, "right created": 1} {
			equal(w, what, outcomes[what], want)
		}
		var named preview
		a := w.want(200, "POST", w.sync+"/mappings/preview", map[string]any{
			"records": []map[string]string{{"side": "left", "id": ann}},
		})
		a.into(&named)
		equal(w, "from", named.Sample.From, "records")
		if len(named.Records) != 1 || named.Records[0].ID != ann {
			w.Errorf("want just the record that was named: %s", a.body)
		}
		w.refused(w.call("POST", w.sync+"/mappings/preview",
			raw(`{"mappings":[{"id":"x","left":["city"],"right":["Nowhere"]}]}`)), 400, "unknown_field", "/mappings/0/right/0")
		w.refused(w.call("POST", w.sync+"/mappings/preview", raw(`{"settings":{}}`)), 400, "unknown_key", "/settings")
		equal(w, "writes", w.left.written()+w.right.written(), 0)
		w.want(200, "GET", w.sync+"/mappings", nil).says(`"phone"`)
	})
}
