package rows

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The fields by which HubSpot shows the companies of a contact.
const (
	theirCompanies = "associations.companies"
	mainCompany    = "associations.companies.hubspot_1"
)

// hubspot makes a call of HubSpot's API on a portal.
func (f *fake) hubspot(method, path string, body, out any) {
	f.w.Helper()
	a := f.w.send(f.url, "pat-fake-private-app", method, path, body)
	if a.status/100 != 2 {
		f.w.Fatalf("%s: %d: %s", a.call, a.status, a.body)
	}
	if out != nil {
		a.into(out)
	}
}

// label is the field of a new label between contacts and companies.
func (f *fake) label(word string) string {
	f.w.Helper()
	var made struct {
		Results []struct {
			Type int `json:"typeId"`
		}
	}
	f.hubspot(http.MethodPost, "/crm/v4/associations/contacts/companies/labels", map[string]string{
		"label": word, "name": strings.ToLower(strings.ReplaceAll(word, " ", "_")),
	}, &made)
	return fmt.Sprintf("%s.user_%d", theirCompanies, made.Results[0].Type)
}

// named are the names of the companies that a contact's field lists, in order.
func (f *fake) named(who, field string) string {
	f.w.Helper()
	var found struct {
		Results []struct {
			ID    string `json:"toObjectId"`
			Types []struct {
				Category string
				Type     int `json:"typeId"`
			} `json:"associationTypes"`
		}
	}
	f.hubspot(http.MethodGet, "/crm/v4/objects/contacts/"+f.id(who)+"/associations/companies", nil, &found)
	names := map[string]string{}
	for _, r := range f.of("companies") {
		names[r.ID] = r.Fields["name"]
	}
	var out []string
	for _, r := range found.Results {
		for _, t := range r.Types {
			label := strings.ToLower(strings.TrimSuffix(t.Category, "_DEFINED")) + "_" + fmt.Sprint(t.Type)
			if field == theirCompanies && label == "hubspot_279" || field == theirCompanies+"."+label {
				out = append(out, names[r.ID])
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// lists demands the companies of a contact, by pairs of a field and names.
func (f *fake) lists(who string, pairs ...string) {
	f.w.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := f.named(who, pairs[i]); got != pairs[i+1] {
			f.w.Errorf("%s of %s in %s are %q, want %q", pairs[i], who, f.url, got, pairs[i+1])
		}
	}
}

// firms are the IDs of companies by their names, for the knobs.
func (f *fake) firms(names ...string) string {
	f.w.Helper()
	var out []string
	for _, name := range names {
		all := f.of("companies")
		i := slices.IndexFunc(all, func(r record) bool { return r.Fields["name"] == name })
		if i < 0 {
			out = append(out, f.make("companies", map[string]string{"name": name}))
		} else {
			out = append(out, all[i].ID)
		}
	}
	return strings.Join(out, ";")
}

// associate changes the companies of a contact, and something else with it, without
// which HubSpot does not count the contact as modified.
func (f *fake) associate(who string, fields ...string) {
	f.w.Helper()
	f.edit(f.id(who), append(fields, "jobtitle", fmt.Sprint("Title ", time.Now().UnixNano()))...)
}

// portals makes a connection of two HubSpot portals, with the companies of contacts by
// a label of their own in each, and returns the label's fields.
func (w *world) portals(settings ...any) (left, right string) {
	w.Helper()
	w.right = w.app("hubspot")
	w.right.label("Of this portal alone") // so that the same label has another number here
	left, right = w.left.label("Decision maker"), w.right.label("Entscheider")
	line := func(l, r string) string { return fmt.Sprintf(`{"left":%q,"right":%q,"sync":"companies"}`, l, r) }
	w.connect(append([]any{
		"match", raw(`[{"by":"any_key","pairs":[["email","email"]]}]`), "conflict", "left",
		"mappings", raw(`[{"id":"email","left":["email"],"right":["email"],"transform":{"type":"email"}},
			{"id":"name","left":["lastname"],"right":["lastname"]}]`),
		"/syncs.+", raw(`{"id":"companies","left":{"object":"companies"},"right":{"object":"companies"},"schedule":"manual",
			"conflict":"left","match":[{"by":"any_key","pairs":[["name","name"]]}],
			"mappings":[{"id":"name","left":["name"],"right":["name"]}]}`),
		"associations", raw("[" + line(theirCompanies, theirCompanies) + "," + line(left, right) + "," +
			line(mainCompany, mainCompany) + "]"),
	}, settings...)...)
	return left, right
}

// TestRow52_SeveralCompanies: the companies of a contact, those with a label and the
// main one are the same in both portals, whoever adds or takes away, the last one too.
func TestRow52_SeveralCompanies(t *testing.T) {
	row(t, func(w *world) {
		l, r := w.portals()
		w.left.add("ann", theirCompanies, w.left.firms("Acme", "Globex"), l, w.left.firms("Acme"), mainCompany,
			w.left.firms("Globex"))
		w.right.add("ann", theirCompanies, w.right.firms("Acme", "Initech"), r, w.right.firms("Initech"))
		w.left.add("bob", theirCompanies, w.left.firms("Hooli", "Acme"), l, w.left.firms("Hooli"))
		w.start()
		w.settles(w.left.id("ann"), w.left.id("bob"))
		both := func(who, all, label, main string) {
			w.Helper()
			w.left.lists(who, theirCompanies, all, l, label, mainCompany, main)
			w.right.lists(who, theirCompanies, all, r, label, mainCompany, main)
		}
		both("ann", "Acme Globex Initech", "Acme Initech", "Globex")
		both("bob", "Acme Hooli", "Hooli", "")
		w.still()

		w.left.associate("ann", l, w.left.firms("Acme")) // Initech's label goes
		w.right.associate("ann", mainCompany, w.right.firms("Initech"), r, w.right.firms("Acme", "Globex", "Initech"))
		w.pull()
		w.rest()
		both("ann", "Acme Globex Initech", "Acme Globex", "Initech")
		w.left.associate("ann", theirCompanies, w.left.firms("Acme", "Globex"))
		w.right.associate("bob", theirCompanies, "")
		w.pull()
		w.rest()
		both("ann", "Acme Globex", "Acme Globex", "")
		both("bob", "", "", "")
		w.still()
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow52_SomeCompaniesComeLater: of several companies those without a twin wait: the
// others travel, nothing fails, and each is added when it has one, beside what was
// added there meanwhile.
func TestRow52_SomeCompaniesComeLater(t *testing.T) {
	row(t, func(w *world) {
		l, r := w.portals("/syncs.1.rules", raw(`[{"id":"known","direction":"to_right",
			"filter":{"not":{"field":"name","op":"contains","value":"Late"}}},{"id":"all","direction":"to_left",
			"filter":{"not":{"field":"name","op":"contains","value":"Late"}}}]`))
		w.left.add("ann", theirCompanies, w.left.firms("Acme", "Late1", "Late2"), l, w.left.firms("Late1"))
		w.left.add("bob", theirCompanies, w.left.firms("Late1"))
		w.start()
		w.right.lists("ann", theirCompanies, "Acme", r, "")
		w.right.lists("bob", theirCompanies, "")
		v := w.stands(w.left, w.left.id("ann"), "in_sync", "partner_not_linked")
		if len(v.Settled) != 2 || v.Settled[0].Reason != "partner_not_linked" {
			w.Errorf("what is settled of ann: %+v", v.Settled)
		}
		w.want(200, "GET", w.record(w.left, w.left.id("ann"))+"/explain", nil).says("no linked twin")
		w.still()

		w.right.associate("ann", theirCompanies, w.right.firms("Late3", "Globex")) // and Acme is taken away
		w.pull()
		w.rest()
		w.pullCompanies()
		w.rest()
		w.until("Globex, which had no twin yet", func() bool { // who awaits one is looked at after the companies
			return w.left.named("ann", theirCompanies) == "Globex Late1 Late2"
		})
		w.left.lists("ann", theirCompanies, "Globex Late1 Late2", l, "Late1")
		w.right.lists("ann", theirCompanies, "Globex Late3")
		w.left.rename("companies", w.left.firms("Late1"), "Soon")
		w.right.rename("companies", w.right.firms("Late3"), "Then")
		w.pullCompanies() // of people nobody asks
		w.until("the companies of ann", func() bool {
			return w.right.named("ann", theirCompanies) == "Globex Late3 Soon Then" ||
				w.left.named("ann", theirCompanies) == "Globex Late2 Soon Then"
		})
		w.until("the company of bob", func() bool { return w.right.named("bob", theirCompanies) == "Soon" })
		w.settles(w.left.id("bob"))
		w.right.lists("ann", theirCompanies, "Globex Soon Then", r, "Soon")
		w.left.lists("ann", theirCompanies, "Globex Late2 Soon Then", l, "Soon")
		w.stands(w.left, w.left.id("ann"), "in_sync", "partner_not_linked")
		w.still()
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow52_CompaniesAreHeardOf: HubSpot tells at once that somebody has another
// company, though it does not count the contact as modified.
func TestRow52_CompaniesAreHeardOf(t *testing.T) {
	row(t, func(w *world) {
		l, r := w.portals()
		w.left.add("ann", theirCompanies, w.left.firms("Acme", "Globex"), l, w.left.firms("Acme"))
		w.start()
		w.settles(w.left.id("ann"))
		w.hear(w.left)
		w.hear(w.right)
		w.left.edit(w.left.id("ann"), theirCompanies, w.left.firms("Globex"))
		w.heard(w.left)
		w.until("the company that went", func() bool { return w.right.named("ann", theirCompanies) == "Globex" })
		w.right.lists("ann", r, "")
		w.right.edit(w.right.id("ann"), r, w.right.firms("Acme"), mainCompany, w.right.firms("Globex"))
		w.heard(w.right)
		w.until("the company that came", func() bool {
			return w.left.named("ann", theirCompanies) == "Acme Globex" && w.left.named("ann", l) == "Acme" &&
				w.left.named("ann", mainCompany) == "Globex"
		})
		w.rest()
		w.still()
	})
}

// lookedUp connects a portal with an org, where a field of a contact's companies is one
// account.
func (w *world) lookedUp(field string) {
	w.Helper()
	w.connect("match", raw(`[{"by":"any_key","pairs":[["email","Email"]]}]`), "conflict", "left",
		"mappings", raw(`[{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}},
			{"id":"name","left":["lastname"],"right":["LastName"]}]`),
		"/syncs.+", raw(`{"id":"companies","left":{"object":"companies"},"right":{"object":"Account"},"schedule":"manual",
			"conflict":"left","match":[{"by":"any_key","pairs":[["name","Name"]]}],
			"mappings":[{"id":"name","left":["name"],"right":["Name"]}]}`),
		"associations", raw(`[{"left":"`+field+`","right":"AccountId","sync":"companies",
			"clear":{"to_left":true,"to_right":true}}]`))
}

// TestRow52_LabelToALookup: of several companies the one counts that both sides agreed
// on, where the other app has room for one; what stands beside it stays.
func TestRow52_LabelToALookup(t *testing.T) {
	row(t, func(w *world) {
		label := w.left.label("Decision maker")
		w.lookedUp(label)
		ann := w.left.add("ann", label, w.left.firms("Acme"), theirCompanies, w.left.firms("Acme", "Globex"))
		w.start()
		w.settles(ann)
		w.right.has("ann", "AccountId", w.right.company("Acme"))
		w.left.associate("ann", label, w.left.firms("Acme", "Globex"))
		w.pull()
		w.right.has("ann", "AccountId", w.right.company("Acme"))
		w.right.edit(w.right.id("ann"), "AccountId", w.right.company("Globex"))
		w.pull()
		w.left.lists("ann", label, "Globex", theirCompanies, "Acme Globex")
		w.still()
		w.left.associate("ann", label, "")
		w.pull()
		w.right.has("ann", "AccountId", "")
		w.still()
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow52_OneOfSeveralGoes: where one app names one company and the other lists several,
// the one that both knew is replaced in the list, or goes from it. The others stay, and
// nobody says that the app had changed what was written; an edit of theirs travels.
func TestRow52_OneOfSeveralGoes(t *testing.T) {
	row(t, func(w *world) {
		w.lookedUp(theirCompanies)
		w.left.add("ann", theirCompanies, w.left.firms("Acme"))
		w.start()
		w.settles(w.left.id("ann"))
		w.right.has("ann", "AccountId", w.right.company("Acme"))
		w.left.associate("ann", theirCompanies, w.left.firms("Acme", "Globex"))
		w.pullCompanies()
		w.pull()
		w.right.has("ann", "AccountId", w.right.company("Acme"))

		late := w.right.make("Account", map[string]string{"Name": "Late"}) // its ID over there is the highest
		w.pullCompanies()
		w.right.edit(w.right.id("ann"), "AccountId", late)
		w.pull()
		w.left.lists("ann", theirCompanies, "Globex Late")
		w.stands(w.left, w.left.id("ann"), "in_sync", "")
		if v := w.view(w.left, w.left.id("ann")); len(v.Settled) > 0 {
			w.Errorf("ann is with another one, settled %+v", v.Settled)
		}

		w.right.edit(w.right.id("ann"), "AccountId", "")
		w.pull()
		w.left.lists("ann", theirCompanies, "Globex")
		w.right.has("ann", "AccountId", "")
		v := w.view(w.left, w.left.id("ann"))
		if v.State != "in_sync" || v.Code != "" || len(v.Settled) != 1 || v.Settled[0].Reason != "cleared" {
			w.Errorf("ann stands %s %q, settled %+v", v.State, v.Code, v.Settled)
		}
		w.still()

		w.right.edit(w.right.id("ann"), "AccountId", w.right.company("Acme")) // and nobody took Globex away
		w.pull()
		w.left.lists("ann", theirCompanies, "Acme Globex")
		w.right.has("ann", "AccountId", w.right.company("Acme"))
		w.stands(w.left, w.left.id("ann"), "in_sync", "")
		w.still()

		w.left.associate("ann", theirCompanies, w.left.firms("Initech"))
		w.pullCompanies()
		w.pull()
		w.settles(w.left.id("ann"))
		w.right.has("ann", "AccountId", w.right.company("Initech"))
		w.still()
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow52_FieldsOfCompanies: each label of a portal is a field of its own, and a list
// of records is mapped as an association or not at all.
func TestRow52_FieldsOfCompanies(t *testing.T) {
	row(t, func(w *world) {
		l, _ := w.portals()
		found := map[string]string{}
		var all struct{ Items []json.RawMessage }
		w.get("/v1/accounts/"+w.left.account+"/objects/contacts/fields?limit=200", &all)
		for _, one := range all.Items {
			var f struct {
				Name, Label, Type, Reason string
				Multiple                  bool
			}
			if err := json.Unmarshal(one, &f); err != nil {
				w.Fatal(err)
			}
			if f.Type == "reference" && f.Reason != "" {
				found[f.Name] = fmt.Sprintf("%s %t", f.Label, f.Multiple)
			}
		}
		want := map[string]string{
			theirCompanies: "Company true", l: "Company: Decision maker true", mainCompany: "Company: Primary false",
		}
		if !maps.Equal(found, want) {
			w.Errorf("fields of companies: %v, want %v", found, want)
		}
		w.invalid("incompatible_types", "/syncs/0/mappings/2/transform/type", "mappings.+",
			raw(`{"id":"city","left":["`+theirCompanies+`"],"right":["city"]}`))
	})
}
