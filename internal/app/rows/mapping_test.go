package rows

import (
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
)

// line is a mapping as the API shows it.
type line struct {
	ID, Direction, Origin string
	Left, Right           []string
	Enabled               bool
}

// suggested are the mappings that fit the first sync.
func (w *world) suggested() []line {
	w.Helper()
	all := list[struct{ Mappings []line }](w, w.con+"/suggestions")
	return all[0].Mappings
}

// TestRow139_DefaultMappings: made of fields known to be equal, edited and
// switched off like others.
func TestRow139_DefaultMappings(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "firstname", "Ann", "jobtitle", "Judge", "mobilephone", "+1 212 555 0101")
		w.connect()
		all := list[struct{ Mappings raw }](w, w.con+"/suggestions")
		mappings := w.suggested()
		for _, want := range [][2]string{
			{"email", "Email"},
			{"firstname", "FirstName"},
			{"lastname", "LastName"},
			{"phone", "Phone"},
			{"mobilephone", "MobilePhone"},
			{"jobtitle", "Title"},
			{"city", "MailingCity"},
		} {
			if !slices.ContainsFunc(mappings, func(m line) bool {
				return slices.Equal(m.Left, want[:1]) && slices.Equal(m.Right, want[1:]) && m.Enabled && m.Origin != "custom"
			}) {
				w.Errorf("%v is not suggested: %+v", want, mappings)
			}
		}
		w.change("mappings", all[0].Mappings)
		w.change("mappings.title.enabled", false, "mappings.mobile.direction", "to_left")
		w.start()
		w.right.has("ann", "FirstName", "Ann", "Title", "", "MobilePhone", "")
	})
}

// TestRow140_DefaultMappingOff: the field is not used, what is there stays, and
// it is free for a mapping of one's own.
func TestRow140_DefaultMappingOff(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "jobtitle", "A", "company", "Acme")
		w.connect()
		w.start()
		w.invalid("field_mapped_twice", "/syncs/0/mappings/6/right/0", "mappings.+",
			raw(`{"id":"own","left":["company"],"right":["Title"],"direction":"to_right"}`))
		w.change("mappings.title.enabled", false)
		w.left.edit(ann, "jobtitle", "B")
		w.pull()
		w.resync()
		w.right.has("ann", "Title", "A")
		w.change("mappings.+", raw(`{"id":"own","left":["company"],"right":["Title"],"direction":"to_right"}`), "conflict",
			"left")
		w.resync()
		w.right.has("ann", "Title", "Acme")
		w.left.has("ann", "jobtitle", "B")
	})
}

// TestRow141_CustomMappings: any two compatible fields, custom ones too.
func TestRow141_CustomMappings(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "company", "Acme", "score", "7.5", "notes_text", "A note")
		w.connect("mappings.+", raw(`{"id":"company","left":["company"],"right":["Company__c"]}`),
			"mappings.+", raw(`{"id":"score","left":["score"],"right":["Score__c"],"transform":{"type":"number"}}`),
			"mappings.+", raw(`{"id":"note","left":["notes_text"],"right":["Description"]}`))
		w.start()
		w.right.has("ann", "Company__c", "Acme", "Description", "A note")
		r, _ := w.right.find("ann")
		if got := r.Fields["Score__c"]; got != "7.5" {
			w.Errorf("the number is %q", got)
		}
	})
}

// TestRow142_CustomMappingSettings: fields, direction, on and off, delete; a
// switch keeps the mapping, deleting does not.
func TestRow142_CustomMappingSettings(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "company", "A")
		w.connect("mappings.+", raw(`{"id":"own","left":["company"],"right":["Company__c"],"direction":"to_right"}`))
		w.start()
		w.right.has("ann", "Company__c", "A")
		w.change("mappings.own.enabled", false)
		w.want(200, "GET", w.con, nil).says(`"Company__c"`)
		w.left.edit(ann, "company", "B")
		w.pull()
		w.right.has("ann", "Company__c", "A")
		w.change("mappings.own.enabled", true, "mappings.own.right", []string{"Department"})
		w.resync()
		w.right.has("ann", "Company__c", "A", "Department", "B")
		w.change("mappings.own.direction", "to_left", "conflict", "right")
		w.right.edit(w.right.id("ann"), "Department", "C")
		w.pull()
		w.left.has("ann", "company", "C")
		w.change("mappings.own", nil)
		w.left.edit(ann, "company", "D")
		w.right.edit(w.right.id("ann"), "Department", "E")
		w.resync()
		w.right.has("ann", "Department", "E")
		w.left.has("ann", "company", "D")
	})
}

// TestRow143_FullName: one name on the one side, two on the other.
func TestRow143_FullName(t *testing.T) {
	row(t, func(w *world) {
		people := map[string][3]string{ // first, last, together
			"plain": {"Ann", "Roe", "Ann Roe"}, "three": {"Ann Lee", "Roe", "Ann Lee Roe"}, "prefix": {
				"Dr. Ann", "Roe", "Dr. Ann Roe",
			}, "last": {"", "Roe", "Roe"},
		}
		for who, n := range people {
			w.left.add(who, "firstname", n[0], "lastname", n[1])
		}
		w.right.add("single", "Company__c", "Cher", "LastName", "x")
		w.right.add("split", "Company__c", "Ann Lee Roe", "LastName", "x")
		w.connect("mappings.first", nil, "mappings.last",
			raw(`{"id":"last","left":["firstname","lastname"],"right":["Company__c"],"transform":{"type":"full_name"}}`),
			"stamp", raw(`{"to_right":{"LastName":"x"}}`))
		w.start()
		for who, n := range people {
			w.right.has(who, "Company__c", n[2])
			w.left.has(who, "firstname", n[0], "lastname", n[1])
		}
		w.left.has("single", "firstname", "Cher", "lastname", "")
		w.left.has("split", "firstname", "Ann Lee", "lastname", "Roe")
		wrote := w.left.written() + w.right.written()
		for range 2 {
			w.resync()
		}
		equal(w, "drift", w.left.written()+w.right.written(), wrote)
		w.right.edit(w.right.id("three"), "MailingCity", "Ghent", "Company__c", "Ann Lee Roe")
		w.pull()
		w.left.has("three", "firstname", "Ann Lee", "lastname", "Roe", "city", "Ghent")
	})
}

// TestRow146_DefaultInTheMapping stands beside the mapping, see 129.
func TestRow146_DefaultInTheMapping(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		w.connect()
		w.change("mappings.city.default", raw(`{"to_right":"Ghent","to_left":null}`))
		w.want(200, "GET", w.con, nil).says(`"default":{"to_right":"Ghent","to_left":null}`)
		w.start()
		w.right.has("ann", "MailingCity", "Ghent")
		w.left.has("ann", "city", "")
		w.change("mappings.city.default", raw(`{"to_right":null,"to_left":null}`))
		w.left.add("bob")
		w.pull()
		w.right.has("bob", "MailingCity", "")
	})
}

// TestRow148_FieldsMadeFromHere: a field is made in an app that lets us, and is
// synced once it is mapped, not before; another app says that it does not let us.
func TestRow148_FieldsMadeFromHere(t *testing.T) {
	row(t, func(w *world) {
		at := "/v1/accounts/" + w.left.account + "/objects/contacts/fields"
		names := func() (out []string) {
			w.Helper()
			for _, f := range list[struct{ Name string }](w, at) {
				out = append(out, f.Name)
			}
			return out
		}
		w.connect()
		equal(w, "the field is there before", slices.Contains(names(), "shoe_size"), false)
		w.invalid("unknown_field", "/syncs/0/mappings/6/left/0", "mappings.+",
			raw(`{"id":"shoes","left":["shoe_size"],"right":["Description"]}`))
		w.want(201, "POST", at, raw(`{"name":"shoe_size","label":"Shoe size","type":"text"}`)).says(`"shoe_size"`)
		equal(w, "the field is offered at once", slices.Contains(names(), "shoe_size"), true)
		if again := w.call("POST", at, raw(`{"name":"shoe_size","label":"Shoe size","type":"text"}`)); again.status/100 != 4 {
			w.Errorf("the same field once more: %d: %s", again.status, again.body)
		}
		w.refused(w.call("POST", at, raw(`{"name":"x","label":"X","type":"magic"}`)), 400, "unknown_value", "/type")
		w.refused(w.call("POST", "/v1/accounts/"+w.right.account+"/objects/Contact/fields",
			raw(`{"name":"x","label":"X","type":"text"}`)), 422, "unsupported").says("create it in the app")

		w.left.add("ann", "shoe_size", "42")
		w.start()
		w.right.has("ann", "Description", "")
		w.want(201, "POST", w.sync+"/mappings", raw(`{"id":"shoes","left":["shoe_size"],"right":["Description"]}`))
		w.resync()
		w.right.has("ann", "Description", "42")
		w.right.edit(w.right.id("ann"), "Description", "43")
		w.pull()
		w.left.has("ann", "shoe_size", "43")

		// Nothing that is mapped is deleted, nothing without its name, nothing of the app's own.
		gone := at + "/shoe_size?confirm=shoe_size"
		w.refused(w.call("DELETE", gone, nil), 409, "field_mapped").says("/syncs/0/mappings/")
		w.change("mappings.shoes.enabled", raw("false"))
		w.refused(w.call("DELETE", gone, nil), 409, "field_mapped").says("/syncs/0/mappings/")
		w.change("mappings.shoes", nil)
		var other struct{ ID string }
		w.want(201, "POST", "/v1/connections", raw(`{"name":"Later","left":{"account":"`+w.left.account+
			`"},"syncs":[{"id":"s","left":{"object":"contacts"},"rules":[{"id":"r","filter":{"field":"shoe_size"}}]}]}`)).into(&other)
		w.refused(w.call("DELETE", gone, nil), 409, "field_mapped").says(other.ID, "/syncs/0/rules/0/filter/field")
		w.want(202, "DELETE", "/v1/connections/"+other.ID+"?confirm=Later", nil, "If-Match", "*")
		w.refused(w.call("DELETE", at+"/shoe_size", nil), 400, "confirmation_required")
		w.refused(w.call("DELETE", at+"/none_such?confirm=none_such", nil), 404, "not_found")
		w.refused(w.call("DELETE", at+"/firstname?confirm=firstname", nil), 409, "field_mapped")
		w.refused(w.call("DELETE", at+"/website?confirm=website", nil), 400, "rejected").says("one of its own")
		w.refused(w.call("DELETE", "/v1/accounts/"+w.right.account+"/objects/Contact/fields/Level__c?confirm=Level__c", nil),
			422, "unsupported").says("delete it in the app")
		w.want(204, "DELETE", gone, nil)
		equal(w, "the field is offered still", slices.Contains(names(), "shoe_size"), false)
		w.refused(w.call("DELETE", gone, nil), 404, "not_found")
		w.right.edit(w.right.id("ann"), "MailingCity", "Ghent")
		w.pull() // the rest goes on
		w.left.has("ann", "city", "Ghent")
	})
}

// TestRow150_AllFieldsOnOffer: every field of the app, custom ones too, read
// from the app: as many as it itself lists, and one that is made there later.
func TestRow150_AllFieldsOnOffer(t *testing.T) {
	row(t, func(w *world) {
		type field struct{ Name, Label, Type string }
		for f, want := range map[*fake][]string{
			w.left:  {"email", "firstname", "interests", "last_visit", "hs_object_id"},
			w.right: {"Email", "LastName", "Tags__c", "Level__c"},
		} {
			all := list[field](w, "/v1/accounts/"+f.account+"/objects/"+f.object+"/fields")
			for _, name := range want {
				if i := slices.IndexFunc(all, func(x field) bool { return x.Name == name }); i < 0 || all[i].Label == "" ||
					all[i].Type == "" {
					w.Errorf("%s offers no %s", f.kind, name)
				}
			}
		}
		var theirs struct{ Results []struct{ Name string } }
		w.send(w.left.url, hubspotfake.PrivateToken, "GET", "/crm/v3/properties/contacts", nil).into(&theirs)
		at := "/v1/accounts/" + w.left.account + "/objects/contacts/fields"
		names := func(query string) (out []string) {
			w.Helper()
			for _, f := range list[field](w, at+query) {
				out = append(out, f.Name)
			}
			return out
		}
		offered := names("")
		for _, p := range theirs.Results {
			if !slices.Contains(offered, p.Name) {
				w.Errorf("%s is not on offer", p.Name)
			}
		}
		if len(theirs.Results) < 20 {
			w.Errorf("the app lists %v", theirs.Results)
		}
		w.left.knob("PATCH", "properties/contacts/company", raw(`{"label":"Employer"}`))
		equal(w, "status of a field that is made in the app", w.send(w.left.url, hubspotfake.PrivateToken, "POST",
			"/crm/v3/properties/contacts", raw(`{"name":"made_there","label":"Made there","groupName":"contactinformation",
				"type":"string","fieldType":"text"}`)).status, 201)
		w.want(200, "GET", at+"?refresh=true", nil).says("Employer", "made_there")
	})
}

// TestRow151_RemoveAMapping: any but the required ones and those of the IDs by which
// records are matched; values that are there stay.
func TestRow151_RemoveAMapping(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "A")
		w.connect()
		w.start()
		w.change("mappings.city", nil)
		w.left.edit(ann, "city", "B")
		w.pull()
		w.right.has("ann", "MailingCity", "A")
		w.refused(w.tryChange("mappings.last", nil), 400, "required_field_unmapped", "/syncs/0/mappings")
		w.refused(w.call("DELETE", w.sync+"/mappings/last", nil, "If-Match", "*"), 400, "required_field_unmapped",
			"/syncs/0/mappings")
		w.want(200, "GET", w.con, nil).says(`"id":"last"`)
		w.want(204, "DELETE", w.sync+"/mappings/title", nil, "If-Match", "*")
		w.refused(w.call("GET", w.sync+"/mappings/title", nil), 404, "not_found")
		w.change("mappings.+", raw(`{"id":"key","left":["lockstep_key"],"right":["Lockstep_Id__c"]}`),
			"match", by(`{"by":"id","left":"lockstep_key","right":"Lockstep_Id__c"},`+byEmail))
		w.refused(w.call("DELETE", w.sync+"/mappings/key", nil, "If-Match", "*"), 400, "id_not_mapped", "/syncs/0/match/0")
		w.refused(w.tryChange("mappings.key", nil), 400, "id_not_mapped", "/syncs/0/match/0")
		w.want(200, "GET", w.sync+"/mappings/key", nil)
	})
}

// TestRow153_FieldsOfAnObject are read live, with a refresh; those that cannot be
// used are listed with the reason.
func TestRow153_FieldsOfAnObject(t *testing.T) {
	row(t, func(w *world) {
		type field struct{ Name, Type, Reason string }
		at := "/v1/accounts/" + w.right.account + "/objects/Contact/fields"
		reasons := map[string]string{}
		for _, f := range list[field](w, at) {
			reasons[f.Name] = f.Reason
		}
		for name, want := range map[string]bool{
			"LastName": false, "Name": true, "AccountId": true, "OwnerId": true, "CreatedDate": true, "Level__c": false,
		} {
			if got, known := reasons[name]; !known || got != "" != want {
				w.Errorf("%s: it is there: %v, with the reason %q; want one: %v", name, known, got, want)
			}
		}
		w.want(200, "GET", "/v1/accounts/"+w.left.account+"/objects/contacts/fields", nil)
		w.left.knob("PATCH", "properties/contacts/company", raw(`{"label":"Employer","read_only":true}`))
		w.want(200, "GET", "/v1/accounts/"+w.left.account+"/objects/contacts/fields?refresh=true", nil).says("Employer",
			"can be read and not be written")
	})
}

// TestRow154_CompatibleTypes: what does not fit is refused with the reason; a
// value that does not fit at run time fails its field, and the record only if
// the field is required.
func TestRow154_CompatibleTypes(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "company", "seven", "city", "Ghent")
		w.connect()
		for _, mapping := range []string{
			`{"id":"x","left":["newsletter"],"right":["Score__c"]}`,
			`{"id":"x","left":["birthday"],"right":["HasOptedOutOfEmail"]}`,
			`{"id":"x","left":["company"],"right":["OwnerId"],"direction":"to_right"}`,
			`{"id":"x","left":["company"],"right":["AccountId"],"direction":"to_right"}`,
			`{"id":"x","left":["hubspot_owner_id"],"right":["AccountId"],"direction":"to_right"}`,
			`{"id":"x","left":["birthday"],"right":["Score__c"],"transform":{"type":"number"}}`,
		} {
			w.invalid("incompatible_types", "/syncs/0/mappings/6/transform/type", "mappings.+", raw(mapping))
		}
		w.invalid("read_only_field", "/syncs/0/mappings/6/right/0", "mappings.+",
			raw(`{"id":"x","left":["company"],"right":["Name"],"direction":"to_right"}`))
		w.invalid("unknown_option", "/syncs/0/stamp/to_right/Level__c", "stamp", raw(`{"to_right":{"Level__c":"Best"}}`))
		w.valid("stamp", raw(`{"to_right":{"Level__c":"Primary"}}`))
		w.change("mappings.+", raw(`{"id":"number","left":["company"],"right":["Score__c"],"direction":"to_right","transform":{"type":"number"}}`))
		w.start()
		w.right.has("ann", "MailingCity", "Ghent", "Score__c", "")
		w.stands(w.left, ann, "failing", "field_failed")
		w.left.edit(ann, "company", "7.5")
		w.pull()
		w.right.has("ann", "Score__c", "7.5")
		w.stands(w.left, ann, "in_sync", "")

		// A required field takes its record with it.
		long := w.left.add("bob", "lastname", strings.Repeat("x", 200), "city", "Lund")
		w.pull()
		equal(w, "whose required field does not fit", w.view(w.left, long).State, "failing")
		w.right.lacks("bob")
	})
}

// TestRow155_EachFieldOnce: a target field is written by one mapping only.
func TestRow155_EachFieldOnce(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.connect()
		second := raw(`{"id":"twice","left":["company"],"right":["MailingCity"],"direction":"to_right"}`)
		w.invalid("field_mapped_twice", "/syncs/0/mappings/6/right/0", "mappings.+", second)
		w.valid("mappings.city.direction", "to_left", "mappings.+", second)
		w.valid("mappings.city.enabled", false, "mappings.+", second)
		w.valid("mappings.+", raw(`{"id":"copy","left":["city"],"right":["Department"],"direction":"to_right"}`))
	})
}

// TestRow156_SeveralIntoOne: joined in their order; a fixed text to every record.
func TestRow156_SeveralIntoOne(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "company", "Acme", "city", "Ghent")
		w.left.add("bob", "city", "Lund")
		w.right.add("bob", "LastName", "Of bob", "Company__c", "Old")
		w.connect("mappings.city.direction", "to_left", "conflict", "left",
			"mappings.+", raw(`{"id":"line","left":["company","city"],"right":["Department"],"direction":"to_right"}`),
			"mappings.+", raw(`{"id":"fixed","left":[],"right":["Company__c"],"direction":"to_right","transform":{"type":"static","options":{"value":"From HubSpot"}}}`))
		w.start()
		w.right.has("ann", "Department", "Acme Ghent", "Company__c", "From HubSpot")
		w.right.has("bob", "Department", "Lund", "Company__c", "From HubSpot")
		w.change("mappings.line.left", []string{"city", "company"})
		w.resync()
		w.right.has("ann", "Department", "Ghent Acme")
	})
}

// TestRow157_FirstOfSeveral: a list into a single value.
func TestRow157_FirstOfSeveral(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "interests", "tea;chess")
		w.left.add("bob", "interests", "music")
		w.left.add("cyd")
		w.connect("mappings.+", raw(`{"id":"one","left":["interests"],"right":["Department"],"direction":"to_right"}`))
		w.start()
		for who, want := range map[string]string{"ann": "tea", "bob": "music", "cyd": ""} {
			w.right.has(who, "Department", want)
		}
	})
}

// TestRow159_TagsByAMapping: a list field maps like any other, with set merge.
func TestRow159_TagsByAMapping(t *testing.T) {
	row(t, func(w *world) {
		w.left.knob("PATCH", "properties/contacts/interests",
			raw(`{"options":["Customer","Newsletter","Partner","Lockstep"]}`))
		ann := w.left.add("ann", "interests", "Customer")
		w.connect()
		w.start()
		w.right.has("ann", "Tags__c", "")
		w.change("mappings.+", tagMapping)
		w.resync()
		w.right.has("ann", "Tags__c", "Customer")
		w.right.edit(w.right.id("ann"), "Tags__c", "Customer;Partner")
		w.left.edit(ann, "interests", "Customer;Newsletter")
		w.pull()
		equal(w, "left", sorted(w.left.get(ann).Fields["interests"]), "Customer;Newsletter;Partner")
		equal(w, "right", sorted(w.right.get(w.right.id("ann")).Fields["Tags__c"]), "Customer;Newsletter;Partner")
	})
}
