package rows

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// behaving has somebody on both sides and somebody new, under a behaviour.
func behaving(w *world, behavior string) (known, fresh string) {
	w.Helper()
	known = w.left.add("known", "city", "New")
	w.right.add("known", "LastName", "Of known", "MailingCity", "Old")
	fresh = w.left.add("fresh", "city", "New")
	w.connect("direction", "to_right", "behavior.to_right", behavior)
	w.start()
	return known, fresh
}

// TestRow112_CreateAndUpdate: unknown is created, known is updated.
func TestRow112_CreateAndUpdate(t *testing.T) {
	row(t, func(w *world) {
		behaving(w, "create_and_update")
		w.right.has("known", "MailingCity", "New")
		w.right.has("fresh", "MailingCity", "New")
	})
}

// TestRow113_CreateOnly: known is left unchanged and logged as skipped, which is
// no error.
func TestRow113_CreateOnly(t *testing.T) {
	row(t, func(w *world) {
		known, _ := behaving(w, "create_only")
		w.right.has("known", "MailingCity", "Old")
		w.right.has("fresh", "MailingCity", "New")
		w.left.edit(known, "city", "Newer")
		w.left.edit(w.left.id("fresh"), "city", "Newer")
		w.pull()
		w.right.has("known", "MailingCity", "Old")
		w.right.has("fresh", "MailingCity", "New")
		skipped := w.log("record=" + known)
		if len(skipped) == 0 || skipped[0].Outcome != "skipped" || skipped[0].Code != "behavior_create_only" {
			w.Errorf("the log of a known one: %+v", skipped)
		}
		equal(w, "errors", len(w.log("event=failed")), 0)
	})
}

// TestRow114_UpdateOnly: unknown is not created.
func TestRow114_UpdateOnly(t *testing.T) {
	row(t, func(w *world) {
		_, fresh := behaving(w, "update_only")
		w.right.has("known", "MailingCity", "New")
		w.right.lacks("fresh")
		equal(w, "code", w.view(w.left, fresh).Code, "behavior_update_only")
	})
}

// TestRow115_DoNothing: received, logged, nothing written; not for activities.
func TestRow115_DoNothing(t *testing.T) {
	row(t, func(w *world) {
		known, _ := behaving(w, "nothing")
		w.left.edit(known, "city", "Newer")
		w.pull()
		equal(w, "writes", w.right.written(), 0)
		w.right.lacks("fresh")
		if len(w.log()) == 0 {
			w.Error("nothing is logged")
		}
		a := w.tryChange("activities", raw(`{"enabled":false,"behavior":{"to_right":"nothing","to_left":"create_only"}}`))
		w.refused(a, 400, "unknown_value")
	})
}

// TestRow117_FillBlanksOnly: on an update only blank fields of the target, what
// becomes blank is filled again, a list is one value; a create writes all.
func TestRow117_FillBlanksOnly(t *testing.T) {
	row(t, func(w *world) {
		w.left.knob("PATCH", "properties/contacts/interests",
			raw(`{"options":["Customer","Newsletter","Partner","Lockstep"]}`))
		ann := w.left.add("ann", "city", "Ghent", "jobtitle", "Judge", "firstname", "Ann", "interests", "Customer;Partner")
		w.right.add("ann", "LastName", "Of ann", "MailingCity", "Lund", "Title", "   ", "Tags__c", "Lockstep")
		w.left.add("bob", "city", "Ghent", "interests", "Customer")
		w.connect("direction", "to_right", "fill_blanks_only.to_right", true, "mappings.+", tagMapping)
		w.start()
		w.right.has("ann", "MailingCity", "Lund", "Title", "Judge", "FirstName", "Ann", "Tags__c", "Lockstep")
		w.right.has("bob", "MailingCity", "Ghent", "Tags__c", "Customer")
		twin := w.right.id("ann")
		w.left.edit(ann, "city", "Oslo", "jobtitle", "Chief")
		w.pull()
		w.right.has("ann", "MailingCity", "Lund", "Title", "Judge")
		w.right.edit(twin, "Title", "", "Tags__c", "")
		w.pull()
		w.right.has("ann", "Title", "Chief", "Tags__c", "Customer;Partner")
	})
}

// TestRow117_BothWays: the setting is one of each way. Where it is on, what is cleared is
// filled again from the other side, empty, null and blanks alike; where it is off, what a
// person clears stays cleared.
func TestRow117_BothWays(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent", "jobtitle", "  ", "firstname", "")
		w.right.add("ann", "LastName", "Of ann", "MailingCity", "Lund", "Title", "Judge", "FirstName", "Ann")
		w.connect("fill_blanks_only", raw(`{"to_right":true,"to_left":true}`))
		w.start()
		twin := w.right.id("ann")
		both := func(left, right string) {
			w.Helper()
			w.left.holds(w.left.get(ann), "city", left, "jobtitle", "Judge", "firstname", "Ann", "lastname", "Of ann")
			w.right.holds(w.right.get(twin), "MailingCity", right, "Title", "Judge", "FirstName", "Ann", "LastName", "Of ann")
		}
		both("Ghent", "Lund")
		w.right.edit(twin, "MailingCity", "Oslo", "Title", "   ")
		w.pull()
		both("Ghent", "Oslo")
		w.left.edit(ann, "city", "", "jobtitle", "", "firstname", "   ")
		w.pull()
		both("Oslo", "Oslo")

		w.change("fill_blanks_only", raw(`{"to_right":true,"to_left":false}`))
		w.left.edit(ann, "city", "")
		w.right.edit(twin, "Title", "")
		w.pull()
		w.resync()
		both("", "Oslo")
	})
}

// TestRow117_IDsAreOutside: the ID of a pair is written over another one, and kept in a
// field that was emptied.
func TestRow117_IDsAreOutside(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent")
		twin := w.right.add("ann", "LastName", "Of ann", "MailingCity", "Lund", "HubSpot_Id__c", "4711")
		w.connect("fill_blanks_only", raw(`{"to_right":true,"to_left":true}`), "match",
			by(`{"by":"id","left":"$id","right":"HubSpot_Id__c","on_missing":"next","write_back":true},`+byEmail))
		w.start()
		w.right.holds(w.right.get(twin), "HubSpot_Id__c", ann, "MailingCity", "Lund")
		w.right.edit(twin, "HubSpot_Id__c", "")
		w.pull()
		w.right.holds(w.right.get(twin), "HubSpot_Id__c", ann, "MailingCity", "Lund")
	})
}

var tagMapping = raw(`{"id":"tags","left":["interests"],"right":["Tags__c"],"transform":{"type":"list"}}`)

// TestRow118_WriteModes: per field: only blanks, once, one way, or not at all.
func TestRow118_WriteModes(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "A", "jobtitle", "A", "firstname", "A")
		w.connect("mappings.city.write_once", true, "mappings.title.direction", "to_right", "mappings.first.direction",
			"to_left")
		w.start()
		w.right.has("ann", "MailingCity", "A", "Title", "A", "FirstName", "")
		w.left.edit(ann, "city", "B", "jobtitle", "B", "firstname", "B")
		w.pull()
		w.right.has("ann", "MailingCity", "A", "Title", "B", "FirstName", "")
		w.change("mappings.title.enabled", false)
		w.left.edit(ann, "jobtitle", "C")
		w.pull()
		w.right.has("ann", "Title", "B")
	})
}

// TestRow119_Conflict: different fields merge; the same field goes to the
// mapping's policy, else the sync's; a blank that wins does not erase.
func TestRow119_Conflict(t *testing.T) {
	row(t, func(w *world) {
		for _, who := range []string{"ann", "bob", "cyd"} {
			w.left.add(who, "city", "Base", "jobtitle", "Base", "firstname", "Base")
		}
		w.connect("conflict", "left", "mappings.title.conflict", "right", "mappings.first.conflict", "review")
		w.start()
		ann, bob, cyd := w.left.id("ann"), w.left.id("bob"), w.left.id("cyd")
		w.left.edit(ann, "city", "L")
		w.right.edit(w.right.id("ann"), "Title", "R")
		w.left.edit(bob, "city", "L", "jobtitle", "L", "firstname", "L")
		w.right.edit(w.right.id("bob"), "MailingCity", "R", "Title", "R", "FirstName", "R")
		w.left.edit(cyd, "city", "")
		w.right.edit(w.right.id("cyd"), "MailingCity", "R")
		w.pull()
		w.right.has("ann", "MailingCity", "L", "Title", "R")
		w.left.has("ann", "city", "L", "jobtitle", "R")
		w.right.has("bob", "MailingCity", "L", "Title", "R", "FirstName", "R")
		w.left.has("bob", "city", "L", "jobtitle", "R", "firstname", "L")
		w.stands(w.left, bob, "conflict", "conflict")
		w.left.has("cyd", "city", "")
		w.right.has("cyd", "MailingCity", "R")
		w.finished(w.run("POST", w.record(w.left, bob)+"/resolve", raw(`{"fields":{"first":"left"}}`)))
		w.rest()
		w.right.has("bob", "FirstName", "L")
		w.stands(w.left, bob, "in_sync", "")
	})
}

// TestRow119_Newest takes the later record, unless the mapping says otherwise, and is
// called a guess wherever it is set.
func TestRow119_Newest(t *testing.T) {
	rowAlone(t, func(w *world) {
		ann := w.left.add("ann", "city", "Base", "jobtitle", "Base")
		w.connect("conflict", "newest", "mappings.title.conflict", "left")
		w.start()
		for _, last := range []string{"left", "right"} {
			first := func() { w.right.edit(w.right.id("ann"), "MailingCity", "R "+last, "Title", "R "+last) }
			second := func() { w.left.edit(ann, "city", "L "+last, "jobtitle", "L "+last) }
			want := "L " + last
			if last == "right" {
				first, second, want = second, first, "R "+last
			}
			first()
			w.pass(3 * 60e9)
			second()
			w.pull()
			w.left.has("ann", "city", want, "jobtitle", "L "+last)
			w.right.has("ann", "MailingCity", want, "Title", "L "+last)
		}
		w.valid().says(`"newest_is_a_guess"`, `"/syncs/0/conflict"`)
		w.valid("conflict", "left", "mappings.city.conflict", "newest").says(`"newest_is_a_guess"`,
			`"/syncs/0/mappings/3/conflict"`)
	})
}

// TestRow119_NewestNeedsTimes: where an app does not say when a record was changed,
// newest is refused, and no side is chosen in silence.
func TestRow119_NewestNeedsTimes(t *testing.T) {
	row(t, func(w *world) {
		w.right = w.app("homestack")
		w.connect("match", raw(`[{"by":"any_key","pairs":[["email","email"]]}]`), "mappings", raw(users), "conflict", "left")
		w.valid()
		w.invalid("no_record_times", "/syncs/0/conflict", "conflict", "newest").says("Homestack", "left, right or review")
		w.invalid("no_record_times", "/syncs/0/mappings/1/conflict", "mappings.name.conflict", "newest")
		w.start()
		w.refused(w.tryChange("conflict", "newest"), 400, "no_record_times", "/syncs/0/conflict")
	})
}

// TestRow119_Clearing is an edit: with clear it travels, without it both sides stay as
// their users left them, until either is changed. A clearing that wins over an edit
// erases it where the mapping clears, and nowhere else.
func TestRow119_Clearing(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "A", "jobtitle", "A", "firstname", "A")
		bob := w.left.add("bob", "city", "B", "jobtitle", "B")
		w.connect("mappings.city.clear", raw(`{"to_right":true,"to_left":true}`), "conflict", "left")
		w.start()
		w.left.edit(ann, "city", "", "jobtitle", "", "firstname", "")
		w.left.edit(bob, "city", "", "jobtitle", "")
		w.right.edit(w.right.id("bob"), "MailingCity", "Edited", "Title", "Edited")
		w.pull()
		w.right.has("ann", "MailingCity", "", "Title", "A", "FirstName", "A")
		w.right.has("bob", "MailingCity", "", "Title", "Edited")
		w.resync()
		w.left.has("ann", "city", "", "jobtitle", "", "firstname", "")
		w.left.has("bob", "city", "", "jobtitle", "")
		w.right.edit(w.right.id("ann"), "Title", "B")
		w.left.edit(ann, "firstname", "C")
		w.pull()
		w.left.has("ann", "jobtitle", "B", "firstname", "C")
		w.right.has("ann", "Title", "B", "FirstName", "C")
		w.right.edit(w.right.id("ann"), "Title", "")
		w.pull()
		w.left.has("ann", "jobtitle", "B")
		w.right.has("ann", "Title", "")
	})
}

// users are mappings of people to users of Homestack, which demands all of them.
const users = `[{"id":"email","left":["email"],"right":["email"],"transform":{"type":"email"}},
	{"id":"name","left":["firstname","lastname"],"right":["name"],"transform":{"type":"full_name"}},
	{"id":"phone","left":["phone"],"right":["phone"],"transform":{"type":"phone"}}]`

// merge merges a record of an app into another one, as a user does, and returns who is left.
func (f *fake) merge(loser, into string) string {
	f.w.Helper()
	var r record
	f.knob("POST", "records/"+f.object+"/"+loser+"/merge", map[string]string{"into": into}).into(&r)
	return r.ID
}

// TestRow123_OneLinked: the only link follows the survivor with its base, whichever of
// the two had it: what the merge brought travels as an edit, and asks nobody.
func TestRow123_OneLinked(t *testing.T) {
	eachMerging(t, func(w *world, app, other *fake, city, title, their, theirs string) {
		ann, bob := app.add("ann", city, "Ghent"), app.add("bob", city, "Lund")
		w.connect() // under which every conflict waits for a person
		w.start()
		annTwin, bobTwin := other.id("ann"), other.id("bob")
		fresh, master := app.add("ann.two", title, "Judge"), app.add("bob.two", title, "Chief", city, "Oslo")
		first, second := app.merge(fresh, ann), app.merge(bob, master)
		w.pull()
		w.pull()
		app.count(2)
		other.count(2)
		equal(w, "who ann's twin is with", w.stands(other, annTwin, "in_sync", "").Partner, first)
		equal(w, "who bob's twin is with", w.stands(other, bobTwin, "in_sync", "").Partner, second)
		other.holds(other.get(annTwin), their, "Ghent", theirs, app.get(first).Fields[title])
		other.holds(other.get(bobTwin), their, "Oslo", theirs, "Chief")
		other.edit(bobTwin, their, "Rome")
		w.pull()
		app.holds(app.get(second), city, "Rome")
	})
}

// TestRow123_SeveralLinked: the primary's link stays with its base; the others' partners
// are left as they are and listed, whatever is typed, and nobody is made.
func TestRow123_SeveralLinked(t *testing.T) {
	eachMerging(t, func(w *world, app, other *fake, city, title, their, theirs string) {
		primary, loser := app.add("ann", city, "Ghent"), app.add("ann.two", city, "Lund", title, "Judge")
		w.connect()
		w.start()
		twin, lost := other.id("ann"), other.id("ann.two")
		before := other.get(lost)
		survivor := app.merge(loser, primary)
		w.pull()
		w.pull()
		equal(w, "whose partner the survivor is", w.stands(app, survivor, "in_sync", "").Partner, twin)
		v := w.stands(other, lost, "duplicate", "merged_twin")
		equal(w, "of whom it is a duplicate", strings.Join(v.Others, " "), twin)
		equal(w, "the lost partner's values", fmt.Sprint(other.get(lost).Fields), fmt.Sprint(before.Fields))
		app.edit(survivor, city, "Oslo")
		other.edit(lost, their, "Rome", theirs, "Clerk")
		w.pull()
		w.resync()
		other.holds(other.get(twin), their, "Oslo")
		other.holds(other.get(lost), their, "Rome", theirs, "Clerk")
		app.holds(app.get(survivor), city, "Oslo")
		w.stands(other, lost, "duplicate", "merged_twin")
		app.count(1)
		other.count(2)
	})
}

// eachMerging runs a test with either app as the one that merges: its fields of city
// and title come first, those of the other app after them.
func eachMerging(t *testing.T, test func(w *world, app, other *fake, city, title, their, theirs string)) {
	t.Helper()
	t.Run("hubspot", func(t *testing.T) {
		row(t, func(w *world) { test(w, w.left, w.right, "city", "jobtitle", "MailingCity", "Title") })
	})
	t.Run("salesforce", func(t *testing.T) {
		row(t, func(w *world) { test(w, w.right, w.left, "MailingCity", "Title", "city", "jobtitle") })
	})
}

// TestRow124_RequiredToCreate: what is missing fails the create by name, and
// blocks no update.
func TestRow124_RequiredToCreate(t *testing.T) {
	row(t, func(w *world) {
		bare := w.left.make("contacts", map[string]string{"email": "bare@example.com"})
		w.right.add("known", "LastName", "Known")
		w.left.make("contacts", map[string]string{"email": "known@example.com", "city": "Ghent"})
		w.connect("direction", "to_right")
		w.start()
		v := w.stands(w.left, bare, "failing", "required_field_missing")
		if !strings.Contains(v.Detail, "LastName") {
			w.Errorf("the detail does not name the field: %q", v.Detail)
		}
		w.right.lacks("bare")
		w.right.has("known", "MailingCity", "Ghent", "LastName", "Known")
		equal(w, "writes, that of the known one alone", w.right.written(), 1)
		w.left.edit(bare, "lastname", "Bare")
		w.pull()
		w.right.has("bare", "LastName", "Bare")
	})
}

// TestRow124_User: a user of Homestack needs a name, whole or of its parts, an e-mail and a
// phone. Who lacks one is not made and says which, until it is there; who is known is
// updated all the same.
func TestRow124_User(t *testing.T) {
	for name, mapping := range map[string]string{
		"whole": `{"id":"name","left":["company"],"right":["name"]}`,
		"parts": `{"id":"name","left":["firstname","lastname"],"right":["name"],"transform":{"type":"full_name"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			row(t, func(w *world) {
				w.right = w.app("homestack")
				person := func(lacks ...string) string {
					all := map[string]string{
						"firstname": "Ann", "lastname": "Doe", "company": "Ann Doe", "email": strings.Join(lacks, "") + "ann@example.com",
						"phone": "+1 212 555 0100", "jobtitle": "New",
					}
					for _, field := range lacks {
						delete(all, field)
					}
					return w.left.make("contacts", all)
				}
				person()
				lacking := map[string]string{"phone": person("phone"), "email": person("email")}
				lacking["name"] = person("company", "firstname", "lastname")
				known := w.right.make("users", map[string]string{
					"name": "Bob", "email": "phonebobann@example.com", "phone": "1", "agent_guid": "Old",
				})
				w.left.make("contacts", map[string]string{"email": "phonebobann@example.com", "jobtitle": "New"})
				w.connect("direction", "to_right", "avoid_duplicates", false,
					"match", raw(`[{"by":"any_key","pairs":[["email","email"]]}]`), "mappings", raw(`[
					{"id":"email","left":["email"],"right":["email"],"transform":{"type":"email"}},`+mapping+`,
					{"id":"phone","left":["phone"],"right":["phone"],"transform":{"type":"phone"}},
					{"id":"agent","left":["jobtitle"],"right":["agent_guid"]}]`))
				w.start()
				w.right.has("ann", "name", "Ann Doe", "phone", "+12125550100")
				w.right.holds(w.right.get(known), "name", "Bob", "phone", "1", "agent_guid", "New")
				for field, id := range lacking {
					if v := w.stands(w.left, id, "failing", "required_field_missing"); !strings.Contains(v.Detail, field) {
						w.Errorf("who lacks %s: %q", field, v.Detail)
					}
				}
				w.right.count(2)
				w.left.edit(lacking["phone"], "phone", "+1 212 555 0101")
				w.left.edit(lacking["email"], "email", "late@example.com")
				w.left.edit(lacking["name"], "firstname", "Cyd", "lastname", "Roe", "company", "Cyd Roe")
				w.pull()
				w.right.has("phoneann", "name", "Ann Doe", "phone", "+12125550101")
				w.right.has("late", "name", "Ann Doe")
				w.right.has("companyfirstnamelastnameann", "name", "Cyd Roe")
				w.right.count(5)
			})
		})
	}
}

// TestRow125_WrittenOnce: such a field is written at the create and never again, and
// what is written is told nowhere.
func TestRow125_WrittenOnce(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "company", "first secret")
		w.connect("mappings.+", raw(`{"id":"secret","left":["company"],"right":["Company__c"],"direction":"to_right","write_once":true}`))
		w.start()
		w.right.has("ann", "Company__c", "first secret")
		w.left.edit(ann, "company", "second secret", "city", "Ghent")
		w.pull()
		w.right.has("ann", "Company__c", "first secret", "MailingCity", "Ghent")
		w.right.edit(w.right.id("ann"), "Company__c", "their secret")
		w.resync()
		w.right.has("ann", "Company__c", "their secret")
		w.left.has("ann", "company", "second secret")
		w.tellsNowhere(w.left, ann, "first secret", "second secret", "their secret")
	})
}

// TestRow125_NeverLogged: a password is told nowhere: not of one who is made, and not
// of one whom the app refuses with the password in its very words.
func TestRow125_NeverLogged(t *testing.T) {
	row(t, func(w *world) {
		w.want(201, "POST", "/v1/accounts/"+w.left.account+"/objects/contacts/fields",
			raw(`{"name":"login","label":"Password","type":"text"}`))
		made := w.left.add("made", "login", "sesame 1")
		refused := w.left.add("refused", "login", `open "sesame" 2`)
		w.right.knob("PUT", "validations", raw(`{"rules":[{"object":"Contact","field":"Company__c","contains":"open"}]}`))
		w.connect("mappings.+", raw(`{"id":"secret","left":["login"],"right":["Company__c"],"direction":"to_right"}`))
		p := w.plan()
		a := w.want(200, "GET", "/v1/plans/"+p.ID+"/changes", nil)
		a.says("(not shown)")
		w.silent(a, "sesame")
		w.start()
		w.right.has("made", "Company__c", "sesame 1")
		w.right.lacks("refused")
		failed := w.of(w.tells("event=failed"), refused)
		w.want(200, "GET", "/v1/log/"+url.PathEscape(failed.ID), nil).says("FIELD_CUSTOM_VALIDATION_EXCEPTION", "(not shown)")
		w.tellsNowhere(w.left, made, "sesame")
		w.tellsNowhere(w.left, refused, "sesame")
	})
}

// TestRow125_LeadWithPassword: a lead is made with an e-mail and a password that nobody
// knows, and without a mail about it; one without an e-mail fails by name. Later changes
// leave the password alone: the app would refuse them.
func TestRow125_LeadWithPassword(t *testing.T) {
	row(t, func(w *world) {
		w.right = w.app("sierra")
		ann := w.left.add("ann", "city", "Ghent")
		bare := w.left.make("contacts", map[string]string{"lastname": "Bare"})
		refused := w.left.add("refused", "city", "Nowhere")
		w.right.knob("PUT", "validations", raw(`{"rules":[{"object":"leads","field":"city","contains":"Nowhere"}]}`))
		w.connect("direction", "to_right", "avoid_duplicates", false, "match",
			by(`{"by":"any_key","pairs":[["email","email"]]}`), "mappings", raw(`[
			{"id":"email","left":["email"],"right":["email"],"transform":{"type":"email"}},
			{"id":"last","left":["lastname"],"right":["lastName"]},{"id":"city","left":["city"],"right":["city"]}]`))
		w.start()
		w.right.has("ann", "lastName", "Of ann", "city", "Ghent")
		v := w.stands(w.left, bare, "failing", "required_field_missing")
		if !strings.Contains(v.Detail, "email") {
			w.Errorf("the detail does not name the field: %q", v.Detail)
		}
		var one told
		w.get("/v1/log/"+url.PathEscape(w.of(w.tells("event=failed"), refused).ID), &one)
		if !strings.Contains(one.Request, `"password":"(not shown)"`) ||
			!strings.Contains(one.Request, `"sendRegistrationEmail":false`) {
			w.Errorf("the app was asked %s", one.Request)
		}
		w.left.edit(ann, "city", "Lund")
		w.left.edit(bare, "email", "bare@example.com")
		w.pull()
		w.right.has("ann", "city", "Lund")
		w.right.has("bare", "lastName", "Bare")
		w.right.count(2)
	})
}

// silent demands that an answer does not tell something.
func (w *world) silent(a answer, secrets ...string) {
	w.Helper()
	for _, secret := range secrets {
		if strings.Contains(string(a.body), secret) {
			w.Errorf("%s tells %q: %s", a.call, secret, a.body)
		}
	}
}

// tellsNowhere demands that nothing that is shown of a record tells something.
func (w *world) tellsNowhere(f *fake, id string, secrets ...string) {
	w.Helper()
	at := "connection=" + strings.TrimPrefix(w.con, "/v1/connections/")
	for _, path := range []string{
		w.record(f, id), w.record(f, id) + "/explain", w.con + "/status", "/v1/log?" + at, "/v1/log.csv?" + at,
		"/v1/audit?limit=50",
	} {
		w.silent(w.want(200, "GET", path, nil), secrets...)
	}
	for _, e := range w.log() {
		w.silent(w.want(200, "GET", "/v1/log/"+url.PathEscape(e.ID), nil), secrets...)
	}
	w.silent(w.want(200, "POST", w.sync+"/mappings/preview", nil), secrets...)
}

// TestRow126_Row128_RequiredMappings: a mapping that leaves a required field open is
// saved, and neither started nor made of one that was; an empty value fails its
// record by name.
func TestRow126_Row128_RequiredMappings(t *testing.T) {
	row(t, func(w *world) {
		w.connect("mappings.last", nil)
		w.invalid("required_field_unmapped", "/syncs/0/mappings").says("LastName")
		w.refused(w.call("POST", w.con+"/start", nil), 409, "required_field_unmapped", "/syncs/0/mappings").says("LastName")
		w.valid("stamp", raw(`{"to_right":{"LastName":"Unknown"}}`))
		w.valid("behavior.to_right", "update_only")
		w.valid("direction", "to_left")
		last := raw(`{"id":"last","left":["lastname"],"right":["LastName"]}`)
		w.invalid("required_field_unmapped", "/syncs/0/mappings", "mappings.+", last, "mappings.last.direction", "to_left")
		w.invalid("required_field_unmapped", "/syncs/0/mappings", "mappings.+", last, "mappings.last.enabled", false)
		w.change("mappings.+", last)
		empty := w.left.make("contacts", map[string]string{"email": "empty@example.com", "lastname": "  "})
		status, _ := w.status()
		equal(w, "status of what was not started", status, "draft")
		equal(w, "writes of it", w.left.written()+w.right.written(), 0)
		w.start()
		w.invalid("required_field_unmapped", "/syncs/0/mappings", "right.object", "Lead", "mappings.last", nil,
			"mappings.city", nil).says("LastName", "Company")
		v := w.stands(w.left, empty, "failing", "required_field_missing")
		if !strings.Contains(v.Detail, "LastName") {
			w.Errorf("the detail does not name the field: %q", v.Detail)
		}
		w.refused(w.tryChange("mappings.last", nil), 400, "required_field_unmapped", "/syncs/0/mappings")
	})
}

// TestRow126_Mainstay: first name, last name and phone are mapped, each of them, and
// each is named where it is empty; nothing is sent without it.
func TestRow126_Mainstay(t *testing.T) {
	row(t, func(w *world) {
		w.right = w.app("mainstay")
		required := map[string]string{
			"first_name": `{"id":"first","left":["firstname"],"right":["first_name"]}`,
			"last_name":  `{"id":"last","left":["lastname"],"right":["last_name"]}`,
			"phone":      `{"id":"phone","left":["phone"],"right":["phone"],"transform":{"type":"phone"}}`,
		}
		but := func(one string) raw {
			all := []string{`{"id":"email","left":["email"],"right":["email"],"transform":{"type":"email"}}`}
			for name, m := range required {
				if name != one {
					all = append(all, m)
				}
			}
			return raw("[" + strings.Join(all, ",") + "]")
		}
		w.connect("direction", "to_right", "mappings", raw("[]"), "conflict", "left",
			"match", raw(`[{"by":"any_key","pairs":[["phone","phone"]]}]`), "avoid_duplicates", false)
		empty := map[string]string{}
		for name := range required {
			w.invalid("required_field_unmapped", "/syncs/0/mappings", "mappings", but(name)).says(`\"` + name + `\"`)
			fields := map[string]string{
				"firstname": "Ann", "lastname": "Doe", "phone": fmt.Sprint("212555010", len(empty)), "email": name + "@example.com",
			}
			fields[strings.ReplaceAll(name, "_", "")] = " "
			empty[name] = w.left.make("contacts", fields)
		}
		w.change("mappings", but(""))
		w.start()
		for name, id := range empty {
			if v := w.stands(w.left, id, "failing", "required_field_missing"); !strings.Contains(v.Detail, name) {
				w.Errorf("who has no %s: %q", name, v.Detail)
			}
		}
		equal(w, "writes", w.right.written(), 0)
	})
}

// TestRow127_EmailField: one is written from another one alone, built-in or custom;
// into a text an address may go.
func TestRow127_EmailField(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		moved := []any{
			"mappings.email.left",
			[]string{"jobtitle"},
			"mappings.title.left",
			[]string{"email"},
			"mappings.title.direction",
			"to_right",
		}
		w.invalid("incompatible_types", "/syncs/0/mappings/0/transform/type", moved...).says("e-mail field")
		w.valid(append(moved, "mappings.email.direction", "to_left")...)
		w.start()
		w.refused(w.tryChange(moved...), 400, "incompatible_types", "/syncs/0/mappings/0/transform/type")
		w.want(200, "GET", w.sync+"/mappings/email", nil).says(`"left":["email"]`)
	})
}

// TestRow127_CustomEmailField: one that the admins made is an e-mail field like the
// built-in one, where the app has such; another app refuses to make what would be a text.
func TestRow127_CustomEmailField(t *testing.T) {
	row(t, func(w *world) {
		field := raw(`{"name":"second_email","label":"Second email","type":"email"}`)
		w.refused(w.call("POST", "/v1/accounts/"+w.left.account+"/objects/contacts/fields", field), 422, "unsupported")
		w.right = w.app("leadsquared")
		var made struct{ Name, Type string }
		w.want(201, "POST", "/v1/accounts/"+w.right.account+"/objects/leads/fields", field).into(&made)
		equal(w, "its type", made.Type, "email")
		custom := func(left string) raw {
			return raw(`{"id":"second","left":["` + left + `"],"right":["` + made.Name + `"],"direction":"to_right","transform":{"type":"email"}}`)
		}
		w.left.add("ann")
		w.connect("match", by(`{"by":"any_key","pairs":[["email","EmailAddress"]]}`), "mappings",
			raw(`[{"id":"email","left":["email"],"right":["EmailAddress"],"transform":{"type":"email"}},{"id":"last","left":["lastname"],"right":["LastName"]}]`))
		w.invalid("incompatible_types", "/syncs/0/mappings/2/transform/type", "mappings.+",
			custom("jobtitle")).says("built-in or custom")
		w.change("mappings.+", custom("email"))
		w.start()
		w.right.has("ann", made.Name, "ann@example.com")
	})
}

// TestRow129_Default: used when the source sends nothing or a blank, and the
// target is blank; written once, and it does not travel back.
func TestRow129_Default(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann")
		w.left.add("bob", "jobtitle", "   ")
		w.left.add("cyd", "jobtitle", "Judge")
		w.left.add("dan")
		w.right.add("dan", "LastName", "Of dan", "Title", "Chief")
		w.left.add("eva")
		w.right.add("eva", "LastName", "Of eva")
		w.connect("mappings.title.default", raw(`{"to_right":"Nobody","to_left":null}`))
		w.start()
		for who, want := range map[string]string{
			"ann": "Nobody", "bob": "Nobody", "cyd": "Judge", "dan": "Chief", "eva": "Nobody",
		} {
			w.right.has(who, "Title", want)
		}
		w.left.has("ann", "jobtitle", "")
		w.right.edit(w.right.id("ann"), "Title", "")
		w.pull()
		w.resync()
		w.right.has("ann", "Title", "")
		w.left.edit(ann, "jobtitle", "Smith")
		w.pull()
		w.right.has("ann", "Title", "Smith")
	})
}

// TestRow130_DefaultCountry: only a number without a country gets it.
func TestRow130_DefaultCountry(t *testing.T) {
	row(t, func(w *world) {
		numbers := map[string][2]string{
			"plus": {"+44 20 7946 0018", "+442079460018"}, "zeros": {"0044 20 7946 0018", "+442079460018"},
			"local": {"030 901820", "+4930901820"},
			"ready": {"+4930901820", "+4930901820"}, "empty": {"", ""}, "landline": {"(089) 2180-0", "+498921800"},
			"words": {"ask for Ann", "ask for Ann"},
		}
		for who, n := range numbers {
			w.left.add(who, "phone", n[0])
		}
		w.connect("/default_country", "DE", "direction", "to_right")
		w.start()
		for who, n := range numbers {
			r, _ := w.right.find(who)
			got := r.Fields["Phone"]
			if strings.HasPrefix(n[1], "+") {
				got = "+" + strings.Map(func(r rune) rune {
					if r < '0' || r > '9' {
						return -1
					}
					return r
				}, got)
			}
			equal(w, who, got, n[1])
		}
	})
}

// TestRow131_TimeZone: date-times without a zone are read in that of their side,
// daylight saving included; dates do not move.
func TestRow131_TimeZone(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("winter", "state", "2026-01-15 10:00:00", "birthday", "2001-02-03")
		w.left.add("summer", "state", "2026-07-15 10:00:00")
		w.left.add("zoned", "state", "2026-07-15T10:00:00Z")
		w.connect("/time_zone", raw(`{"left":"Europe/Berlin","right":"UTC"}`), "mappings.+",
			raw(`{"id":"seen","left":["state"],"right":["Last_Seen__c"],"direction":"to_right","transform":{"type":"datetime"}}`),
			"mappings.+", raw(`{"id":"birth","left":["birthday"],"right":["Birthdate"],"transform":{"type":"date"}}`))
		w.start()
		for who, want := range map[string]string{
			"winter": "2026-01-15T09:00:00", "summer": "2026-07-15T08:00:00", "zoned": "2026-07-15T10:00:00",
		} {
			r, _ := w.right.find(who)
			if got := r.Fields["Last_Seen__c"]; !strings.HasPrefix(got, want) {
				w.Errorf("%s: %q, want %s in UTC", who, got, want)
			}
		}
		w.right.has("winter", "Birthdate", "2001-02-03")
	})
}

// TestRow132_Stamp: a fixed text on records that are made, and never again.
func TestRow132_Stamp(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann")
		w.left.add("bob")
		w.right.add("bob", "LastName", "Of bob")
		w.connect("stamp", raw(`{"to_right":{"LeadSource":"HubSpot"}}`))
		w.start()
		w.right.has("ann", "LeadSource", "HubSpot")
		w.right.has("bob", "LeadSource", "")
		w.right.edit(w.right.id("ann"), "LeadSource", "Web")
		w.left.edit(ann, "city", "Ghent")
		w.pull()
		w.resync()
		w.right.has("ann", "LeadSource", "Web", "MailingCity", "Ghent")
	})
}

// TestRow134_Tags: adds and removes of both sides survive, the last one too; no
// doubles by case.
func TestRow134_Tags(t *testing.T) {
	row(t, func(w *world) {
		w.left.knob("PATCH", "properties/contacts/interests",
			raw(`{"options":["Customer","Newsletter","Partner","Lockstep"]}`))
		ann := w.left.add("ann", "interests", "Customer;Partner")
		w.right.add("ann", "LastName", "Of ann", "Tags__c", "Partner;Newsletter")
		w.connect("mappings.+", tagMapping)
		w.start()
		tags := func(want string) {
			w.Helper()
			l, r := w.left.get(ann).Fields["interests"], w.right.get(w.right.id("ann")).Fields["Tags__c"]
			if sorted(l) != want || sorted(r) != want {
				w.Errorf("tags: %q and %q, want %q", l, r, want)
			}
		}
		tags("Customer;Newsletter;Partner")
		w.left.edit(ann, "interests", "Customer;Newsletter;Lockstep;Partner")
		w.right.edit(w.right.id("ann"), "Tags__c", "Newsletter;Partner")
		w.pull()
		tags("Lockstep;Newsletter;Partner")
		w.left.edit(ann, "interests", "Partner")
		w.pull()
		tags("Partner")
		w.right.edit(w.right.id("ann"), "Tags__c", "")
		w.pull()
		tags("")
	})
}

// TestRow134_Spellings: a tag that differs in case alone is the same one, on each side as
// it is spelled there, with nothing written because of it; commas are part of a tag.
func TestRow134_Spellings(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "notes_text", "VIP;Paris, France;lead")
		twin := w.right.add("ann", "LastName", "Of ann", "Description", "vip;Lead;LEAD;paris, france")
		bob := w.left.add("bob", "notes_text", "Gold, Silver;gold")
		w.connect("mappings.+", raw(`{"id":"free","left":["notes_text"],"right":["Description"],"transform":{"type":"list"}}`))
		w.start()
		tags := func(left, right string) {
			w.Helper()
			equal(w, "tags on the left", sorted(w.left.get(ann).Fields["notes_text"]), left)
			equal(w, "tags on the right", sorted(w.right.get(twin).Fields["Description"]), right)
		}
		tags("Paris, France;VIP;lead", "LEAD;Lead;paris, france;vip")
		w.right.has("bob", "Description", "Gold, Silver;gold")
		before := w.left.written() + w.right.written()
		w.left.edit(ann, "notes_text", "vip;Paris, France;LEAD")
		w.pull()
		w.resync()
		equal(w, "writes of another spelling", w.left.written()+w.right.written(), before)

		w.left.edit(ann, "notes_text", "Vip;Paris, France;LEAD;New, too")
		w.pull()
		tags("LEAD;New, too;Paris, France;Vip", "Lead;New, too;paris, france;vip")
		w.right.edit(twin, "Description", "vip;New, Too")
		w.pull()
		tags("New, too;Vip", "New, Too;vip")
		w.left.edit(ann, "notes_text", "new, TOO")
		w.pull()
		tags("new, TOO", "New, Too")
		w.left.edit(ann, "notes_text", "")
		w.pull()
		tags("", "")
		w.resync()
		tags("", "")
		equal(w, "tags of bob", w.left.get(bob).Fields["notes_text"], "Gold, Silver;gold")
	})
}

// sorted puts the items of a list in order.
func sorted(list string) string {
	if list == "" {
		return ""
	}
	items := strings.Split(list, ";")
	slices.Sort(items)
	return strings.Join(items, ";")
}

// TestRow137_ExactOption: a value that differs in case becomes the exact option;
// an unknown one fails its field and lists the valid ones.
func TestRow137_ExactOption(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "company", "primary", "city", "Ghent")
		bob := w.left.add("bob", "company", "Best", "city", "Ghent")
		w.connect("mappings.+", raw(`{"id":"level","left":["company"],"right":["Level__c"],"direction":"to_right","transform":{"type":"options"}}`))
		w.start()
		w.right.has("ann", "Level__c", "Primary")
		w.right.has("bob", "Level__c", "", "MailingCity", "Ghent")
		w.stands(w.left, bob, "failing", "field_failed")
		w.want(200, "GET", w.record(w.left, bob)+"/explain", nil).says("Primary", "Secondary", "Tertiary")
	})
}

// TestRow138_MoreComplete: a first link fills the blanks of each side.
func TestRow138_MoreComplete(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent", "firstname", "Ann")
		w.right.add("ann", "LastName", "Of ann", "Title", "Judge", "Phone", "+1 212 555 0101")
		w.connect()
		w.start()
		w.left.has("ann", "city", "Ghent", "firstname", "Ann", "jobtitle", "Judge", "phone", "+12125550101")
		w.right.has("ann", "MailingCity", "Ghent", "FirstName", "Ann", "Title", "Judge", "Phone", "+1 212 555 0101")
	})
}
