package rows

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// noted is the setting of notes and tasks, as most tests have it.
const noted = `{"enabled":true,"left":{"object":"notes"},"right":{"object":"Task"},"mappings":[
	{"id":"body","left":["hs_note_body"],"right":["Description"]},
	{"id":"time","left":["hs_timestamp"],"right":["CreatedDate"],"direction":"to_left","write_once":true,
	"transform":{"type":"datetime"}}]}`

// noting starts a connection of people and their notes, with ann on both sides.
func (w *world) noting(settings ...any) (ann, twin string) {
	w.Helper()
	ann = w.left.add("ann")
	w.connect(append([]any{"activities", raw(noted)}, settings...)...)
	w.start()
	return ann, w.right.id("ann")
}

// note makes a note about a contact.
func (w *world) note(about, body string) string {
	w.Helper()
	return w.left.make("notes", map[string]string{
		"hs_timestamp": "2026-03-01T10:00:00Z", "hs_note_body": body, "associations.contacts": about,
	})
}

// pullNotes looks for new notes and tasks.
func (w *world) pullNotes() { w.Helper(); w.begin(w.sync + ".activities/pull") }

// rewrite changes a record of another object than the usual one.
func (f *fake) rewrite(object, id string, fields ...string) {
	f.w.Helper()
	f.knob("PATCH", "records/"+object+"/"+id, map[string]any{"fields": pairs(fields)})
}

// task demands the one task with a text, and returns it.
func (w *world) task(body string) record {
	w.Helper()
	var found []record
	for _, r := range w.right.of("Task") {
		if r.Fields["Description"] == body {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		w.Fatalf("%d tasks %q, want one: %v", len(found), body, w.right.of("Task"))
	}
	return found[0]
}

// tasks demands how many tasks there are.
func (w *world) tasks(want int) {
	w.Helper()
	if all := w.right.of("Task"); len(all) != want {
		w.Errorf("%d tasks, want %d: %v", len(all), want, all)
	}
}

// about is the one contact that a note is associated with.
func (w *world) about(note string) string {
	w.Helper()
	switch all := w.abouts(note); len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	default:
		w.Errorf("note %s is about several contacts: %v", note, all)
		return all[0]
	}
}

// abouts are the contacts that a note is associated with, in order.
func (w *world) abouts(note string) []string {
	w.Helper()
	var found struct {
		Results []struct {
			ID string `json:"toObjectId"`
		}
	}
	path := "/crm/v4/objects/notes/" + note + "/associations/contacts"
	w.send(w.left.url, "pat-fake-private-app", http.MethodGet, path, nil).into(&found)
	var out []string
	for _, r := range found.Results {
		out = append(out, r.ID)
	}
	slices.Sort(out)
	return out
}

// beside associates a note with a further contact, as a person in HubSpot does, or ends that.
func (w *world) beside(note, contact string, is bool) {
	w.Helper()
	method, path := http.MethodPut, "/crm/v4/objects/notes/"+note+"/associations/default/contacts/"+contact
	if !is {
		method, path = http.MethodDelete, "/crm/v4/objects/notes/"+note+"/associations/contacts/"+contact
	}
	if a := w.send(w.left.url, "pat-fake-private-app", method, path, nil); a.status/100 != 2 {
		w.Fatalf("%s: %d: %s", a.call, a.status, a.body)
	}
}

// activity reads a note or task as the API shows it.
func (w *world) activity(side, id string) view {
	w.Helper()
	var v view
	w.get(w.sync+".activities/records/"+side+"/"+id, &v)
	return v
}

// TestRow54_ActivitiesHaveASwitch: people are synced in any case, notes while the
// switch is on; off, nothing of them moves, and on again nothing comes twice.
func TestRow54_ActivitiesHaveASwitch(t *testing.T) {
	row(t, func(w *world) {
		ann, twin := w.noting("activities.enabled", nil) // which is off
		w.note(ann, "while off")
		w.refused(w.call("POST", w.sync+".activities/pull", nil), 409, "switched_off")
		w.right.has("ann", "LastName", "Of ann")
		w.tasks(0)

		w.change("activities.enabled", true)
		w.rest() // what it begins by itself is over
		first := w.note(ann, "hello")
		w.pullNotes()
		task := w.task("hello")
		equal(w, "the contact of the task", task.Fields["WhoId"], twin)
		made := w.right.make("Task", map[string]string{"Description": "from there", "WhoId": twin})
		w.pullNotes()
		partner := w.activity("right", made).Partner
		if equal(w, "the contact of the note", w.about(partner), ann); partner == "" {
			w.Fatal("the task has no note")
		}

		w.change("activities.enabled", false)
		w.left.rewrite("notes", first, "hs_note_body", "edited")
		w.refused(w.call("POST", w.sync+".activities/pull", nil), 409, "switched_off")
		w.task("hello")
		w.change("activities.enabled", true)
		w.rest() // what it begins by itself is over
		w.pullNotes()
		w.task("edited")
		if n := len(w.right.of("Task")); n > 3 { // what was made while it was off in that very second is new
			w.Errorf("%d tasks: something came twice", n)
		}
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow54_RunsOfActivitiesAreUndone: what a run of activities wrote is put back
// and what it made is archived, by a plan that belongs to the same activities; the
// people stay as they are.
func TestRow54_RunsOfActivitiesAreUndone(t *testing.T) {
	row(t, func(w *world) {
		ann, twin := w.noting()
		first := w.note(ann, "first")
		w.pullNotes()
		task := w.task("first")
		w.left.edit(ann, "city", "Ghent")
		w.pull()

		w.left.rewrite("notes", first, "hs_note_body", "second")
		made := w.note(ann, "made")
		from := w.right.make("Task", map[string]string{"Description": "from there", "WhoId": twin})
		ran := w.begin(w.sync + ".activities/pull")
		w.task("second")
		note := w.activity("right", from).Partner
		texts := func(id string) (all []string) {
			for _, r := range w.left.of("notes") {
				if r.ID == id {
					all = append(all, r.Fields["hs_note_body"])
				}
			}
			return all
		}
		equal(w, "the note of the task", fmt.Sprint(texts(note)), "[from there]")

		var p plan
		w.want(202, "POST", "/v1/runs/"+ran.ID+"/undo", nil).into(&p)
		w.until("the plan", func() bool { w.get("/v1/plans/"+p.ID, &p); return p.State == "done" })
		equal(w, "its totals", fmt.Sprint(p.Totals), "map[deleted:2 updated:1]")
		undo := w.begin("/v1/plans/" + p.ID + "/apply")
		equal(w, "the sync of its run", undo.Sync, "people.activities")
		equal(w, "the text of the task", w.task("first").ID, task.ID)
		w.tasks(2) // that one and the one that was made there
		equal(w, "the note that was made of the task", len(texts(note)), 0)
		equal(w, "the text of the note", fmt.Sprint(texts(first)), "[second]")
		equal(w, "why the other note stands alone", w.activity("left", made).Code, "create_undone")
		w.right.has("ann", "MailingCity", "Ghent")

		w.pullNotes()
		w.begin(w.sync + ".activities/resync")
		w.task("first")
		w.tasks(2)
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow54_ActivitiesFollowTheirParent: a note waits for the link of its contact,
// visibly and without failing, and is made by itself when that is there; moved to
// another contact on either side, it is moved on the other, too.
func TestRow54_ActivitiesFollowTheirParent(t *testing.T) {
	row(t, func(w *world) {
		ann, _ := w.noting("rules", raw(`[{"id":"known","direction":"to_right",
			"filter":{"not":{"field":"city","op":"equals","value":"Later"}}},{"id":"all","direction":"to_left"}]`))
		nobody := w.left.make("notes", map[string]string{"hs_timestamp": "2026-03-01T10:00:00Z", "hs_note_body": "of nobody"})
		bob := w.left.add("bob")
		waiting := w.note(bob, "waiting")
		w.pullNotes()
		w.tasks(0)
		v := w.activity("left", waiting)
		equal(w, "state of a note whose contact is not linked", v.State+" "+v.Code, "waiting partner_not_linked")
		v = w.activity("left", nobody)
		equal(w, "state of a note of nobody", v.State+" "+v.Code, "excluded activity_without_parent")

		w.pull()
		w.until("the task of the contact that is linked now", func() bool { return len(w.right.of("Task")) == 1 })
		w.rest()
		equal(w, "its contact", w.task("waiting").Fields["WhoId"], w.right.id("bob"))

		w.left.rewrite("notes", waiting, "associations.contacts", ann, "hs_note_body", "moved here")
		w.pullNotes()
		equal(w, "the contact of the task", w.task("moved here").Fields["WhoId"], w.right.id("ann"))
		w.right.rewrite("Task", w.task("moved here").ID, "WhoId", w.right.id("bob"))
		w.pullNotes()
		equal(w, "the contact of the note", w.about(waiting), bob)

		out := w.left.add("out", "city", "Later")
		w.pull()
		excluded := w.note(out, "of somebody left out")
		w.pullNotes()
		v = w.activity("left", excluded)
		equal(w, "state of a note of somebody left out", v.State+" "+v.Code, "excluded parent_excluded")
		w.left.edit(out, "city", "Now")
		w.pull()
		w.until("the task of who is let in", func() bool { return len(w.right.of("Task")) == 2 })
		w.rest()
		equal(w, "failed entries", len(w.log("event=failed")), 0)
		before := w.left.written() + w.right.written()
		w.begin(w.sync + ".activities/resync")
		equal(w, "writes of a resync", w.left.written()+w.right.written(), before)
	})
}

// TestRow54_NotesAboutSeveral: a task is about one contact, a note about any number. The
// one that both agreed on counts; who is added beside it, with a lower ID or a higher
// one, moves nothing and stays when it is moved.
func TestRow54_NotesAboutSeveral(t *testing.T) {
	row(t, func(w *world) {
		ann, _ := w.noting()
		bob, cyd := w.left.add("bob"), w.left.add("cyd")
		w.pull()
		note := w.note(bob, "first")
		w.pullNotes()
		w.beside(note, cyd, true)
		w.left.rewrite("notes", note, "hs_note_body", "second")
		w.pullNotes()
		equal(w, "the task's contact, one with a higher ID beside it", w.task("second").Fields["WhoId"], w.right.id("bob"))
		w.beside(note, ann, true)
		w.left.rewrite("notes", note, "hs_note_body", "third")
		w.pullNotes()
		equal(w, "the task's contact, one with a lower ID beside it", w.task("third").Fields["WhoId"], w.right.id("bob"))
		w.beside(note, ann, false)

		dan := w.left.add("dan")
		w.pull()
		w.right.rewrite("Task", w.task("third").ID, "WhoId", w.right.id("dan"))
		w.pullNotes()
		want := []string{cyd, dan}
		slices.Sort(want)
		equal(w, "the note's contacts", strings.Join(w.abouts(note), " "), strings.Join(want, " "))
		w.left.rewrite("notes", note, "hs_note_body", "fourth")
		w.pullNotes()
		equal(w, "the task's contact after a further pull", w.task("fourth").Fields["WhoId"], w.right.id("dan"))
		before := w.left.written() + w.right.written()
		w.begin(w.sync + ".activities/resync")
		equal(w, "writes of a resync", w.left.written()+w.right.written(), before)

		w.beside(note, dan, false)
		w.left.rewrite("notes", note, "hs_note_body", "fifth")
		w.pullNotes()
		equal(w, "the task's contact when its own is taken out", w.task("fifth").Fields["WhoId"], w.right.id("cyd"))
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow100_NewOrExistingByTheLink: nothing but the link tells a new activity from
// one that is known. Notes with one text are two; the text of one may change. Whose
// it is says the link of its contact, and not who has their address by now.
func TestRow100_NewOrExistingByTheLink(t *testing.T) {
	rowAlone(t, func(w *world) { // an address that is given up is free after a while
		ann, twin := w.noting()
		w.right.make("Task", map[string]string{"Description": "same", "WhoId": twin})
		first := w.note(ann, "same")
		w.note(ann, "same")
		w.pullNotes()
		w.tasks(3)
		equal(w, "notes", len(w.left.of("notes")), 3)
		for _, task := range w.right.of("Task") {
			equal(w, "whose task it is", task.Fields["WhoId"], twin)
		}
		for _, note := range w.left.of("notes") {
			equal(w, "whose note it is", w.about(note.ID), ann)
		}
		task := w.activity("left", first).Partner
		w.left.rewrite("notes", first, "hs_note_body", "other")
		w.pullNotes()
		w.tasks(3)
		equal(w, "the task of the edited note", w.task("other").ID, task)

		w.left.edit(ann, "email", "ann.new@example.com")
		w.pull()
		next := w.left.add("ann", "lastname", "Somebody else")
		w.pull()
		w.note(ann, "of the first")
		w.note(next, "of the next")
		w.pullNotes()
		equal(w, "whose the first one's is", w.task("of the first").Fields["WhoId"], twin)
		equal(w, "whose the next one's is", w.task("of the next").Fields["WhoId"], w.right.id("ann"))
		w.begin(w.sync + ".activities/resync")
		w.tasks(5)
		equal(w, "notes after a resync", len(w.left.of("notes")), 5)
	})
}

// TestRow116_BehavioursOfActivities: capture, create only, update only, each with
// its outcome and the behaviour in force; the switch needs a mapping.
func TestRow116_BehavioursOfActivities(t *testing.T) {
	row(t, func(w *world) {
		ann, _ := w.noting("direction", "to_right", "activities.behavior", raw(`{"to_right":"create_only"}`))
		known := w.note(ann, "one")
		w.pullNotes()
		w.left.rewrite("notes", known, "hs_note_body", "one edited")
		w.pullNotes()
		w.task("one")
		skipped := func(record, behavior, code string) {
			w.Helper()
			all := w.log("sync=people.activities", "record="+record)
			if !slices.ContainsFunc(all, func(e entry) bool {
				return e.Outcome == "skipped" && e.Behavior == behavior && e.Code == code
			}) {
				w.Errorf("nothing is logged as skipped under %s with %s: %+v", behavior, code, all)
			}
		}
		skipped(known, "create_only", "behavior_create_only")

		w.change("activities.behavior.to_right", "update_only")
		fresh := w.note(ann, "two")
		w.left.rewrite("notes", known, "hs_note_body", "one again")
		w.pullNotes()
		w.task("one again")
		w.tasks(1)
		skipped(fresh, "update_only", "behavior_update_only")

		w.change("activities.behavior.to_right", "create_and_update")
		w.left.rewrite("notes", fresh, "hs_note_body", "two again")
		w.pullNotes()
		w.task("two again")
		w.tasks(2)

		w.change("activities.enabled", false)
		w.left.rewrite("notes", fresh, "hs_note_body", "two while off")
		w.refused(w.call("POST", w.sync+".activities/pull", nil), 409, "switched_off")
		w.task("two again")
		w.change("activities.enabled", true)
		w.rest() // what it begins by itself is over
		w.refused(w.tryChange("activities.mappings", []any{}), 400, "does_nothing", "/syncs/0/activities/mappings")
		w.refused(w.tryChange("activities.behavior.to_right", "nothing"), 400, "unknown_value")
	})
}

// TestRow116_EachWay: a behaviour is one of a way.
func TestRow116_EachWay(t *testing.T) {
	row(t, func(w *world) {
		ann, twin := w.noting("activities.behavior", raw(`{"to_right":"update_only","to_left":"create_only"}`))
		w.note(ann, "from here")
		made := w.right.make("Task", map[string]string{"Description": "from there", "WhoId": twin})
		w.pullNotes()
		w.tasks(1)
		note := w.activity("right", made).Partner
		w.left.rewrite("notes", note, "hs_note_body", "edited here")
		w.pullNotes()
		w.task("edited here")
		w.right.rewrite("Task", made, "Description", "edited there")
		w.pullNotes()
		for _, r := range w.left.of("notes") {
			if r.ID == note {
				equal(w, "the note after an edit of the task", r.Fields["hs_note_body"], "edited here")
			}
		}
		w.tasks(1)
	})
}

// TestRow136_OldTasks: the tasks of before are left alone like the notes, and come when
// they are asked for, once.
func TestRow136_OldTasks(t *testing.T) {
	rowAlone(t, func(w *world) {
		ann := w.left.add("ann")
		twin := w.right.add("ann", "LastName", "Of ann")
		old := w.right.make("Task", map[string]string{"Description": "old", "WhoId": twin})
		w.pass(time.Minute)
		w.connect("activities", raw(noted))
		w.start()
		w.pass(time.Minute)
		fresh := w.right.make("Task", map[string]string{"Description": "fresh", "WhoId": twin})
		w.pullNotes()
		w.begin(w.sync + ".activities/resync")
		notes := func(want string) {
			w.Helper()
			var all []string
			for _, r := range w.left.of("notes") {
				equal(w, "whose note it is", w.about(r.ID), ann)
				all = append(all, r.Fields["hs_note_body"])
			}
			slices.Sort(all)
			equal(w, "notes", strings.Join(all, " "), want)
		}
		notes("fresh")
		v := w.activity("right", old)
		equal(w, "state of the old task", v.State+" "+v.Code, "excluded activity_made_before")
		w.change("activities.existing", true)
		w.begin(w.sync + ".activities/resync")
		notes("fresh old")
		w.right.rewrite("Task", fresh, "Description", "fresher")
		w.pullNotes()
		w.begin(w.sync + ".activities/resync")
		notes("fresher old")
		w.tasks(2)
	})
}

// TestRow136_OnlyNewNotes: what was there when the switch went on is left alone, and
// said so; with existing it comes as well, once.
func TestRow136_OnlyNewNotes(t *testing.T) {
	rowAlone(t, func(w *world) {
		ann := w.left.add("ann")
		old := w.note(ann, "old")
		w.pass(time.Minute)
		w.connect("activities", raw(noted))
		w.start()
		w.pass(time.Minute)
		fresh := w.note(ann, "fresh")
		w.pullNotes()
		w.task("fresh")
		w.tasks(1)
		w.begin(w.sync + ".activities/resync")
		w.tasks(1)
		v := w.activity("left", old)
		equal(w, "state of the old note", v.State+" "+v.Code, "excluded activity_made_before")

		w.pass(time.Minute)
		w.change("activities.enabled", false)
		w.note(ann, "while off")
		w.pass(time.Minute)
		w.change("activities.enabled", true)
		w.rest() // what it begins by itself is over
		w.left.rewrite("notes", fresh, "hs_note_body", "fresh edited")
		w.pullNotes()
		w.task("fresh edited")
		w.tasks(1)

		w.change("activities.existing", true)
		w.begin(w.sync + ".activities/resync")
		w.task("old")
		w.task("while off")
		w.tasks(3)
		w.begin(w.sync + ".activities/resync")
		w.tasks(3)
		equal(w, "notes", len(w.left.of("notes")), 3)
	})
}

// TestRow149_MappingsOfActivities: the rules of all mappings hold for those of
// activities while the switch is on: each problem by its place.
func TestRow149_MappingsOfActivities(t *testing.T) {
	row(t, func(w *world) {
		ann, _ := w.noting()
		wrong := raw(`[{"id":"body","left":["hs_note_text"],"right":["Description"]}]`)
		w.invalid("unknown_field", "/syncs/0/activities/mappings/0/left/0", "activities.mappings", wrong)
		w.invalid("required_field_unmapped", "/syncs/0/activities/mappings", "activities.mappings.time", nil)
		w.invalid("read_only_field", "/syncs/0/activities/mappings/1/right/0", "activities.mappings.time.direction", "both")
		w.invalid("activity_on_its_own", "/syncs/0/right/object", "right.object", "Task")
		w.invalid("not_an_activity", "/syncs/0/activities/right/object", "activities.right", raw(`{"object":"Lead"}`))
		w.invalid("activity_about_other", "/syncs/0/activities/right/parent", "activities.right.parent", "WhatId")
		w.invalid("missing_key", "/syncs/0/activities/left/object", "activities.left", nil)
		w.refused(w.tryChange("activities.mappings", wrong), 400, "unknown_field", "/syncs/0/activities/mappings/0/left/0")
		w.valid("activities.enabled", false, "activities.mappings", wrong)
		w.want(200, "GET", w.con+"/suggestions", nil).says(`"people.activities"`, `"hs_note_body"`)

		w.change("activities.mappings.body.default", raw(`{"to_right":"no words"}`))
		w.note(ann, "")
		w.pullNotes()
		w.task("no words")
	})
}

// TestRow149_SuggestionsOfActivities: what is suggested for activities can be saved and
// started as it is, whichever app stands on the left.
func TestRow149_SuggestionsOfActivities(t *testing.T) {
	row(t, func(w *world) {
		for _, pair := range [][2]string{{"notes", "Task"}, {"tasks", "Task"}, {"calls", "Task"}, {"meetings", "Event"}} {
			for _, ends := range [][2]int{{0, 1}, {1, 0}} {
				objects, accounts := [2]string{"contacts", "Contact"}, [2]string{w.left.account, w.right.account}
				keys := [2]string{"email", "Email"}
				l, r := ends[0], ends[1]
				doc := func(mappings raw) map[string]any {
					return map[string]any{
						"name": pair[l] + " and " + pair[r], "left": map[string]any{"account": accounts[l]},
						"right": map[string]any{"account": accounts[r]}, "shared": true, "syncs": []any{map[string]any{
							"id": "people", "left": map[string]any{"object": objects[l]}, "right": map[string]any{"object": objects[r]},
							"schedule": "manual", "match": []any{map[string]any{"by": "any_key", "pairs": [][2]string{{keys[l], keys[r]}}}},
							"mappings": []any{map[string]any{
								"id": "email", "left": []string{keys[l]}, "right": []string{keys[r]}, "transform": map[string]string{"type": "email"},
							}},
							"behavior": map[string]string{"to_right": "update_only", "to_left": "update_only"},
							"activities": map[string]any{
								"enabled": true, "left": map[string]any{"object": pair[l]}, "right": map[string]any{"object": pair[r]},
								"mappings": mappings,
							},
						}},
					}
				}
				var made struct{ ID string }
				w.want(201, "POST", "/v1/connections", doc(raw(`[]`))).into(&made)
				var s struct {
					Items []struct {
						Sync     string
						Mappings raw
					}
				}
				w.get("/v1/connections/"+made.ID+"/suggestions", &s)
				if len(s.Items) != 2 || s.Items[1].Sync != "people.activities" {
					w.Fatalf("suggested: %+v", s.Items)
				}
				if strings.Contains(string(s.Items[1].Mappings), "CallDurationInSeconds") {
					w.Errorf("seconds are suggested for milliseconds: %s", s.Items[1].Mappings)
				}
				w.want(200, "PUT", "/v1/connections/"+made.ID, doc(s.Items[1].Mappings), "If-Match", "*").says(`"problems":[]`)
				w.want(202, "POST", "/v1/connections/"+made.ID+"/start", nil)
				confirm := url.QueryEscape(pair[l] + " and " + pair[r])
				w.want(202, "DELETE", "/v1/connections/"+made.ID+"?confirm="+confirm, nil, "If-Match", "*")
			}
		}
	})
}
