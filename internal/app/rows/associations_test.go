package rows

import (
	"slices"
	"testing"
)

// employers is the sync that joins what people's references name.
var employers = raw(`{"id":"companies","left":{"object":"organizations"},"right":{"object":"Account"},"schedule":"manual",
	"conflict":"left","match":[{"by":"any_key","pairs":[["name","Name"]]}],
	"mappings":[{"id":"name","left":["name"],"right":["Name"]}]}`)

// employed is the association of people with their companies.
const employed = "$association.org_id.AccountId"

// companies makes a connection of Pipedrive and Salesforce, in which people name
// their companies.
func (w *world) employed(settings ...any) {
	w.Helper()
	w.left = w.app("pipedrive")
	w.connect(append([]any{
		"match", raw(`[{"by":"any_key","pairs":[["emails","Email"]]}]`), "conflict", "left",
		"mappings", raw(`[{"id":"email","left":["emails"],"right":["Email"],"transform":{"type":"email"}},
			{"id":"name","left":["name"],"right":["LastName"]}]`),
		"/syncs.+", employers,
		"associations", raw(`[{"left":"org_id","right":"AccountId","sync":"companies","clear":{"to_right":true,"to_left":true}}]`),
	}, settings...)...)
}

// pullCompanies looks for changes of companies.
func (w *world) pullCompanies() { w.Helper(); w.begin(w.con + "/syncs/companies/pull") }

// company is the record of a company by its name.
func (f *fake) company(name string) string {
	f.w.Helper()
	object, field := "organizations", "name"
	if f.kind == "salesforce" {
		object, field = "Account", "Name"
	}
	all := f.of(object)
	i := slices.IndexFunc(all, func(r record) bool { return r.Fields[field] == name })
	if i < 0 {
		f.w.Fatalf("%s has no company %s", f.kind, name)
	}
	return all[i].ID
}

// settles waits until people of the left wait for no company any more: a person may
// be looked at before the company is linked, and is looked at again then.
func (w *world) settles(ids ...string) {
	w.Helper()
	for _, id := range ids {
		w.until("the company of "+id, func() bool { v := w.view(w.left, id); return v.State == "in_sync" && v.Code == "" })
	}
	w.rest()
}

// still demands that two resyncs of people write nothing.
func (w *world) still() {
	w.Helper()
	before := w.left.written() + w.right.written()
	w.resync()
	w.resync()
	equal(w, "writes of two resyncs", w.left.written()+w.right.written(), before)
}

// TestRow52_CompanyOfAPerson: what a reference names on one side is its twin on
// the other, on creation and later, both ways, and nothing comes back.
func TestRow52_CompanyOfAPerson(t *testing.T) {
	row(t, func(w *world) {
		w.employed()
		acme := w.left.make("organizations", map[string]string{"name": "Acme"})
		globex := w.right.make("Account", map[string]string{"Name": "Globex"})
		ann := w.left.add("ann", "org_id", acme)
		w.right.add("bob", "AccountId", globex)
		w.left.add("eve")
		p := w.plan()
		w.want(200, "GET", "/v1/plans/"+p.ID+"/changes", nil).says(employed, "partner_not_linked")
		w.start()
		w.settles(w.left.id("ann"), w.left.id("bob"))
		w.right.has("ann", "AccountId", w.right.company("Acme"))
		w.left.has("bob", "org_id", w.left.company("Globex"))
		w.right.has("eve", "AccountId", "")
		w.stands(w.left, ann, "in_sync", "")
		w.still()

		w.left.edit(ann, "org_id", w.left.company("Globex"))
		w.right.edit(w.right.id("bob"), "AccountId", w.right.company("Acme"))
		w.pull()
		w.right.has("ann", "AccountId", globex)
		w.left.has("bob", "org_id", acme)
		w.still()
		w.want(200, "GET", w.record(w.left, ann)+"/explain", nil).says(employed)

		w.left.edit(ann, "org_id", "")
		w.right.edit(w.right.id("bob"), "AccountId", "")
		w.pull()
		w.right.has("ann", "AccountId", "")
		w.left.has("bob", "org_id", "")
		w.still()
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow52_CompanyComesLater: a company without a twin leaves the field out and
// fails nobody; when it has one, the field is written by itself.
func TestRow52_CompanyComesLater(t *testing.T) {
	row(t, func(w *world) {
		w.employed("/syncs.1.rules", raw(`[{"id":"known","direction":"to_right",
			"filter":{"not":{"field":"name","op":"contains","value":"Late"}}},{"id":"all","direction":"to_left"}]`))
		acme := w.left.make("organizations", map[string]string{"name": "Acme"})
		late := w.left.make("organizations", map[string]string{"name": "Late"})
		ann := w.left.add("ann", "org_id", late)
		w.start()
		w.right.has("ann", "AccountId", "", "LastName", "Of ann")
		v := w.stands(w.left, ann, "in_sync", "partner_not_linked")
		if len(v.Settled) != 1 || v.Settled[0].Mapping != employed || v.Settled[0].Reason != "partner_not_linked" {
			w.Errorf("what is settled of ann: %+v", v.Settled)
		}
		w.want(200, "GET", w.record(w.left, ann)+"/explain", nil).says("partner_not_linked", "no linked twin")
		w.still()

		w.left.edit(ann, "name", "Ann Roe")
		w.pull()
		w.right.has("ann", "AccountId", "", "LastName", "Ann Roe")
		w.left.rename("organizations", late, "Soon")
		w.pullCompanies() // of people nobody asks
		w.until("the company of ann", func() bool {
			return w.right.get(w.right.id("ann")).Fields["AccountId"] == w.right.company("Soon")
		})
		w.settles(ann)
		w.stands(w.left, ann, "in_sync", "")
		w.still()

		bob := w.right.add("bob", "AccountId", w.right.company("Soon"))
		w.pull()
		w.left.has("bob", "org_id", late)
		w.left.edit(w.left.id("bob"), "org_id", acme)
		w.pull()
		equal(w, "the company of bob", w.right.get(bob).Fields["AccountId"], w.right.company("Acme"))
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// rename changes the name of a company.
func (f *fake) rename(object, id, name string) {
	f.w.Helper()
	f.knob("PATCH", "records/"+object+"/"+id, map[string]any{"fields": map[string]string{"name": name}})
}

// TestRow52_CompanyMergedAndDeleted: a reference follows the survivor of a merge,
// and a company that is deleted takes nothing away on the other side.
func TestRow52_CompanyMergedAndDeleted(t *testing.T) {
	row(t, func(w *world) {
		w.employed()
		acme := w.left.make("organizations", map[string]string{"name": "Acme"})
		globex := w.left.make("organizations", map[string]string{"name": "Globex"})
		ann := w.left.add("ann", "org_id", acme)
		w.start()
		w.settles(ann)
		w.right.has("ann", "AccountId", w.right.company("Acme"))
		w.left.knob("POST", "records/organizations/"+acme+"/merge", map[string]string{"into": globex})
		w.pullCompanies()
		w.left.edit(ann, "org_id", globex) // the app moves what named the loser
		w.pull()
		w.right.has("ann", "AccountId", w.right.company("Globex"))
		w.stands(w.left, ann, "in_sync", "")
		w.still()

		there := w.right.company("Globex")
		w.right.knob("DELETE", "records/Account/"+there, nil)
		w.pullCompanies()
		w.until("the end of the company", func() bool {
			var v view
			w.get(w.con+"/syncs/companies/records/left/"+globex, &v)
			return v.State == "deleted"
		})
		w.left.edit(ann, "name", "Ann Roe")
		bob := w.left.add("bob", "org_id", globex)
		w.pull()
		w.left.has("ann", "org_id", globex)
		w.right.has("ann", "LastName", "Ann Roe")
		w.right.has("bob", "AccountId", "")
		w.stands(w.left, bob, "in_sync", "partner_not_linked")
		w.still()
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow52_CompanyUnlinked: a company that a person unlinks leaves what names it as
// it is on both sides, and says that, whoever wrote there last; linked again, all is
// as before.
func TestRow52_CompanyUnlinked(t *testing.T) {
	row(t, func(w *world) {
		w.employed()
		acme := w.left.make("organizations", map[string]string{"name": "Acme"})
		ann := w.left.add("ann", "org_id", acme)
		w.start()
		w.settles(ann)
		there := w.right.company("Acme")
		company := w.con + "/syncs/companies/records/left/" + acme
		w.begin(company + "/unlink")
		w.left.edit(ann, "name", "Ann Roe")
		w.pull()
		w.right.has("ann", "AccountId", there, "LastName", "Ann Roe")
		w.left.has("ann", "org_id", acme)
		v := w.stands(w.left, ann, "in_sync", "partner_not_linked")
		if len(v.Settled) != 1 || v.Settled[0].Reason != "partner_not_linked" {
			w.Errorf("what is settled of ann: %+v", v.Settled)
		}
		w.want(200, "GET", w.record(w.left, ann)+"/explain", nil).says("no linked twin")
		w.still()

		w.run("POST", company+"/link", raw(`{"partner":"`+there+`"}`))
		w.settles(ann)
		w.right.has("ann", "AccountId", there)
		w.left.has("ann", "org_id", acme)
		w.still()
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow52_AssociationsAreChecked: what cannot be carried out is refused, with
// the place and what to do.
func TestRow52_AssociationsAreChecked(t *testing.T) {
	row(t, func(w *world) {
		w.employed()
		one := func(left, right, sync string) raw {
			return raw(`[{"left":"` + left + `","right":"` + right + `","sync":"` + sync + `"}]`)
		}
		const at = "/syncs/0/associations/0"
		w.invalid("unknown_sync", at+"/sync", "associations", one("org_id", "AccountId", "nowhere"))
		w.invalid("unknown_field", at+"/left", "associations", one("firm", "AccountId", "companies"))
		w.invalid("unknown_field", at+"/right", "associations", one("org_id", "FirmId", "companies"))
		w.invalid("not_a_reference", at+"/left", "associations", one("name", "AccountId", "companies"))
		w.invalid("not_a_reference", at+"/right", "associations", one("org_id", "LastName", "companies"))
		w.invalid("reference_to_other_object", at+"/left", "associations", one("org_id", "AccountId", "people"))
		w.invalid("missing_field", at+"/left", "associations", one("", "AccountId", "companies"))
		twice := raw(`[{"left":"org_id","right":"AccountId","sync":"companies"},
			{"left":"org_id","right":"AccountId","sync":"companies"}]`)
		w.invalid("duplicate_id", "/syncs/0/associations/1", "associations", twice)
		w.invalid("field_mapped_twice", "/syncs/0/associations/1/left", "associations", twice)
		w.valid("associations", one("org_id", "AccountId", "companies"))
		w.start()
		w.refused(w.tryChange("associations", one("org_id", "AccountId", "nowhere")), 400, "unknown_sync", at+"/sync")
	})
}
