package rows

import (
	"slices"
	"testing"
)

// warned is what is to be known of a document.
type warned struct{ Pointer, Code, Detail string }

// warns demands a warning in all places that tell of the stored document.
func (w *world) warns(code, at string, parts ...string) {
	w.Helper()
	for place, a := range map[string]answer{
		"validate": w.want(200, "POST", w.con+"/validate", nil), "status": w.want(200, "GET", w.con+"/status", nil),
	} {
		var said struct{ Warnings []warned }
		a.into(&said)
		i := slices.IndexFunc(said.Warnings, func(one warned) bool { return one.Code == code && one.Pointer == at })
		if i < 0 || said.Warnings[i].Detail == "" {
			w.Errorf("%s has no warning %s at %q: %v", place, code, at, said.Warnings)
			continue
		}
		for _, part := range parts {
			answer{w: w, call: place, body: []byte(said.Warnings[i].Detail)}.says(part)
		}
	}
}

// quiet demands that there is no such warning.
func (w *world) quiet(code string) {
	w.Helper()
	var said struct{ Warnings []warned }
	w.want(200, "POST", w.con+"/validate", nil).into(&said)
	for _, one := range said.Warnings {
		if one.Code == code {
			w.Errorf("it is warned of %s at %s without need", code, one.Pointer)
		}
	}
}

// TestRow200_DeletingIsFinal: mappings are lost, and it is no way to pause, which is
// said of a draft, of what runs and of what is paused; who deletes is told once more.
func TestRow200_DeletingIsFinal(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		said := func() {
			w.Helper()
			w.warns("deleting_is_final", "", "final", "mappings", "links and log are lost", "switch it off or pause it")
		}
		said()
		w.start()
		said()
		w.want(200, "POST", w.con+"/pause", nil)
		said()
		w.refused(w.call("DELETE", w.con, nil, "If-Match", "*"), 400, "confirmation_required").says("cannot be undone")
		w.want(200, "GET", w.con, nil)
	})
}

// TestRow201_ExactOptions: the exact name and case is what the app wants, of each side
// whose options are written, and of none that is read alone.
func TestRow201_ExactOptions(t *testing.T) {
	row(t, func(w *world) {
		w.connect("mappings.+", raw(`{"id":"level","left":["company"],"right":["Level__c"],"direction":"to_right","transform":{"type":"options"}}`))
		w.warns("exact_option", "/syncs/0/mappings/6", "exact name and case", "Level__c")
		w.change("mappings.level.direction", "to_left") // into a text
		w.quiet("exact_option")
		w.change("mappings.level.direction", "to_right", "mappings.level.enabled", false)
		w.quiet("exact_option")
		w.change("mappings.level", raw(`{"id":"level","left":["hs_lead_status"],"right":["Level__c"],"transform":{"type":"options",
			"options":{"NEW":"Primary","OPEN":"Secondary","IN_PROGRESS":"Tertiary"}}}`))
		w.warns("exact_option", "/syncs/0/mappings/6", "the right app", "Level__c")
		w.change("mappings.level.direction", "to_left")
		w.warns("exact_option", "/syncs/0/mappings/6", "the left app", "hs_lead_status")
		w.start()
		w.warns("exact_option", "/syncs/0/mappings/6", "exact name and case")
	})
}

// TestRow202_BeforeStarting: both apps are about to be written, and how to go
// about it; a start says it, too, and afterwards it is no news.
func TestRow202_BeforeStarting(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		w.warns("both_apps_written", "", "both apps", "plan", "keep a copy", "quiet hour", "few records")
		var begun struct{ Warnings []warned }
		w.want(202, "POST", w.con+"/start", nil).into(&begun)
		if !slices.ContainsFunc(begun.Warnings, func(one warned) bool { return one.Code == "both_apps_written" }) {
			w.Errorf("a start says %v", begun.Warnings)
		}
		w.rest()
		w.quiet("both_apps_written")
	})
}

// TestRow203_PresetMappings: leave them as they are unless needed, in the preset and
// in what is made of it or of suggestions; one's own mappings are nobody else's advice.
func TestRow203_PresetMappings(t *testing.T) {
	row(t, func(w *world) {
		type preset struct {
			ID       string
			Warnings []warned
		}
		for _, p := range list[preset](w, "/v1/presets") {
			if !slices.ContainsFunc(p.Warnings, func(one warned) bool { return one.Code == "preset_mappings" }) {
				w.Errorf("the preset %s warns of %v", p.ID, p.Warnings)
			}
		}
		w.connect()
		w.quiet("preset_mappings")
		var suggested struct{ Items []struct{ Mappings raw } }
		w.get(w.con+"/suggestions", &suggested)
		w.change("mappings", suggested.Items[0].Mappings)
		w.warns("preset_mappings", "/syncs/0/mappings", "leave them as they are unless you need to change them")
		w.con = w.saveAs("?preset=hubspot-salesforce-contacts", map[string]any{
			"name": w.Name() + " of a preset", "left": map[string]any{"account": w.left.account},
			"right": map[string]any{"account": w.right.account},
		})
		w.warns("preset_mappings", "/syncs/0/mappings", "leave them as they are unless you need to change them")
	})
}

// TestRow204_PasswordField: it is the person's own login password, on whichever side
// it is, by its name or by what the app calls it.
func TestRow204_PasswordField(t *testing.T) {
	row(t, func(w *world) {
		for _, field := range []string{`"name":"site_password","label":"Login"`, `"name":"login_word","label":"Pass-Word"`} {
			w.want(201, "POST", "/v1/accounts/"+w.left.account+"/objects/contacts/fields", raw(`{`+field+`,"type":"text"}`))
		}
		w.connect("mappings.+", raw(`{"id":"secret","left":["site_password"],"right":["Company__c"],"direction":"to_right","write_once":true}`))
		w.warns("password_field", "/syncs/0/mappings/6", `"site_password"`, "the person's own login password", "never overwritten")
		w.change("mappings.secret.left", []string{"login_word"}, "mappings.secret.direction", "to_left")
		w.warns("password_field", "/syncs/0/mappings/6", `"login_word"`, "the person's own login password")
		w.change("mappings.secret.enabled", false)
		w.quiet("password_field")
		w.change("mappings.secret", raw(`{"id":"secret","left":["company"],"right":["Company__c"]}`))
		w.quiet("password_field")
	})
}

// TestRow135_Row205_SystemNotes: the setting is stored and shown, and says that
// it has no effect while notes do not sync; nor has it any, and while they do it
// says why it changes nothing either.
func TestRow135_Row205_SystemNotes(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann")
		w.note(ann, "before")
		w.connect()
		w.quiet("system_notes_inert")
		w.change("activities.system_notes", true)
		w.want(200, "GET", w.con, nil).says(`"system_notes":true`)
		w.warns("system_notes_inert", "/syncs/0/activities/system_notes", "no effect", "notes do not sync")
		w.start()
		w.tasks(0)
		wrote := w.right.written()
		w.note(ann, "meanwhile")
		w.resync()
		w.tasks(0)
		w.change("activities.system_notes", false)
		w.quiet("system_notes_inert")
		w.resync()
		equal(w, "writes because of it", w.right.written(), wrote)
		w.change("activities", raw(noted))
		w.change("activities.system_notes", true)
		w.warns("system_notes_inert", "/syncs/0/activities/system_notes", "no effect",
			"neither app has notes that the system")
	})
}

// TestRow206_RequiredFields are listed beside the mapping.
func TestRow206_RequiredFields(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		w.warns("required_fields", "/syncs/0/mappings", "LastName")
		type field struct{ Name string }
		type suggestion struct {
			Required struct{ Left, Right []field }
			Missing  struct{ Left, Right []string }
		}
		s := list[suggestion](w, w.con+"/suggestions")[0]
		if !slices.ContainsFunc(s.Required.Right, func(f field) bool { return f.Name == "LastName" }) ||
			len(s.Missing.Right) != 0 {
			w.Errorf("required: %+v", s)
		}
		w.want(200, "PATCH", w.sync+"/mappings/last", raw(`{"right":["Description"]}`), "If-Match", "*") // a draft may
		w.warns("required_fields", "/syncs/0/mappings", "the right app", "LastName", "fails by that name")
		w.change("behavior.to_right", "update_only")
		w.quiet("required_fields")
		w.change("behavior.to_right", "create_and_update", "direction", "to_left")
		w.quiet("required_fields")
		w.change("direction", "both", "activities", raw(noted))
		w.warns("required_fields", "/syncs/0/activities/mappings", "the left app", "hs_timestamp")
	})
}

// TestRow207_NoUniqueKey: without a unique search field duplicates may arise.
func TestRow207_NoUniqueKey(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		w.warns("key_not_unique", "/syncs/0/match/0/pairs/0", "the right app", `"Email"`, "duplicates", "match by a unique field")
		w.change("match", by(`{"by":"any_key","pairs":[["lockstep_key","Lockstep_Id__c"]]}`))
		w.quiet("key_not_unique")
	})
}

// TestRow208_FitOfMappings: types that do not fit end as failures, which the log has;
// types that do fit are not warned of.
func TestRow208_FitOfMappings(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "company", "seven", "city", "Ghent")
		w.connect("mappings.+", raw(`{"id":"number","left":["company"],"right":["Score__c"],"direction":"to_right","transform":{"type":"number"}}`))
		w.warns("values_may_not_fit", "/syncs/0/mappings/6", "Score__c", "fails its field")
		w.start()
		w.right.has("ann", "MailingCity", "Ghent", "Score__c", "")
		w.stands(w.left, w.left.id("ann"), "failing", "field_failed")
		if failed := w.log("event=failed"); len(failed) != 1 || failed[0].Record != w.left.id("ann") ||
			failed[0].Message == "" {
			w.Errorf("the failures in the log: %+v", failed)
		}
		w.left.edit(w.left.id("ann"), "company", "7")
		w.pull()
		w.right.has("ann", "Score__c", "7")
		w.stands(w.left, w.left.id("ann"), "in_sync", "")
		w.change("mappings.number.left", []string{"score"})
		w.quiet("values_may_not_fit")
	})
}
