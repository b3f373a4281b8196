package rows

import (
	"slices"
	"strings"
	"testing"
)

// presetWith makes a connection of a preset with one sync, and switches on activities of
// two objects with what is suggested for them.
func (w *world) presetWith(preset, sync, left, right string) {
	w.Helper()
	w.con = w.saveAs("?preset="+preset, map[string]any{
		"name": w.Name(), "left": map[string]any{"account": w.left.account}, "right": map[string]any{"account": w.right.account},
	})
	w.sync = w.con + "/syncs/" + sync
	w.change("schedule", "manual", "activities", map[string]any{
		"enabled": false, "left": map[string]any{"object": left}, "right": map[string]any{"object": right},
	})
	for _, s := range list[struct {
		Sync     string
		Mappings []any
	}](w, w.con+"/suggestions") {
		if strings.HasSuffix(s.Sync, ".activities") {
			w.change("activities.mappings", s.Mappings, "activities.enabled", true)
			return
		}
	}
	w.Fatal("nothing is suggested for the activities")
}

// only demands one record of an object, and returns it.
func (f *fake) only(object string) record {
	f.w.Helper()
	all := f.of(object)
	if len(all) != 1 {
		f.w.Fatalf("%d %s in %s, want one: %v", len(all), object, f.kind, all)
	}
	return all[0]
}

// TestRow54_ActivitiesOfPipedrive: tasks of HubSpot and activities of Pipedrive, by the
// mappings that are suggested. They follow the link of their person, who is one of
// several that take part there; edits travel both ways, and nothing comes twice.
func TestRow54_ActivitiesOfPipedrive(t *testing.T) {
	row(t, func(w *world) {
		w.right = w.app("pipedrive")
		w.presetWith("hubspot-pipedrive-contacts", "contacts", "tasks", "activities")
		ann := w.left.make("contacts", map[string]string{
			"email": "ann@example.com", "firstname": "Ann", "lastname": "Doe",
		})
		w.start()
		twin, bob := w.right.id("ann"), w.right.make("persons", map[string]string{"name": "Bob"})

		task := w.left.make("tasks", map[string]string{
			"hs_timestamp": "2026-03-01T10:00:00Z", "hs_task_subject": "Call her", "hs_task_body": "about the roof",
			"associations.contacts": ann,
		})
		w.begin(w.sync + ".activities/pull")
		there := w.right.only("activities")
		for name, want := range map[string]string{
			"subject": "Call her", "note": "about the roof", "due_date": "2026-03-01", "person_id": twin,
		} {
			equal(w, name+" there", there.Fields[name], want)
		}

		w.right.rewrite("activities", there.ID, "note", "about the cellar", "participants", twin+";"+bob)
		w.left.rewrite("tasks", task, "hs_task_subject", "Write to her")
		w.begin(w.sync + ".activities/pull")
		equal(w, "the text here", w.left.only("tasks").Fields["hs_task_body"], "about the cellar")
		there = w.right.only("activities")
		equal(w, "the subject there", there.Fields["subject"], "Write to her")
		equal(w, "who takes part", there.Fields["participants"], twin+";"+bob)

		made := w.right.make("activities", map[string]string{"subject": "Meet", "type": "meeting", "participants": twin})
		w.begin(w.sync + ".activities/pull")
		partner := w.activity("right", made).Partner
		tasks := w.left.of("tasks")
		at := slices.IndexFunc(tasks, func(r record) bool { return r.ID == partner })
		if len(tasks) != 2 || at < 0 || tasks[at].Fields["hs_task_subject"] != "Meet" {
			w.Errorf("the tasks after one was made there: %v", tasks)
		}
		before := w.left.written() + w.right.written()
		w.begin(w.sync + ".activities/resync")
		equal(w, "writes of a resync", w.left.written()+w.right.written(), before)
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow54_ActivitiesOfLeadSquared: leads of two accounts, and the calls about them, each
// account with a type of its own. A call is made about the twin of its lead, with its time
// and its fields, and stays there; edits travel both ways, and nothing comes twice.
func TestRow54_ActivitiesOfLeadSquared(t *testing.T) {
	row(t, func(w *world) {
		const calls = "activities.201"
		w.left, w.right = w.app("leadsquared"), w.app("leadsquared")
		w.presetWith("leadsquared-leadsquared-leads", "leads", calls, calls)
		w.change("activities.mappings.+", raw(`{"id":"outcome","left":["mx_Custom_1"],"right":["mx_Custom_1"]}`))
		ann := w.left.make("leads", map[string]string{"EmailAddress": "ann@example.com", "LastName": "Doe"})
		w.right.make("leads", map[string]string{"EmailAddress": "bob@example.com", "LastName": "Roe"})
		w.start()
		twin, bob := w.right.id("ann"), w.left.id("bob")

		call := w.left.make(calls, map[string]string{
			"RelatedProspectId": ann, "ActivityEvent_Note": "about the roof", "mx_Custom_1": "No answer", "mx_Custom_2": "3",
		})
		pull := func() { w.Helper(); w.begin(w.sync + ".activities/pull") }
		pull()
		there := w.right.only(calls)
		for name, want := range map[string]string{
			"RelatedProspectId": twin, "ActivityEvent_Note": "about the roof", "mx_Custom_1": "No answer", "mx_Custom_2": "3",
		} {
			equal(w, name+" there", there.Fields[name], want)
		}
		equal(w, "the calls' partners", w.activity("left", call).Partner, there.ID)

		w.left.rewrite(calls, call, "ActivityEvent_Note", "about the cellar")
		w.right.rewrite(calls, there.ID, "mx_Custom_1", "Reached")
		pull()
		equal(w, "the text there", w.right.only(calls).Fields["ActivityEvent_Note"], "about the cellar")
		equal(w, "the outcome here", w.left.only(calls).Fields["mx_Custom_1"], "Reached")

		w.right.make(calls, map[string]string{"RelatedProspectId": w.right.id("bob"), "ActivityEvent_Note": "from there"})
		pull()
		all := w.left.of(calls)
		at := slices.IndexFunc(all, func(r record) bool { return r.Fields["ActivityEvent_Note"] == "from there" })
		if len(all) != 2 || at < 0 || all[at].Fields["RelatedProspectId"] != bob {
			w.Errorf("the calls here after one was made there: %v", all)
		}
		w.left.make("activities.202", map[string]string{"RelatedProspectId": ann, "mx_Custom_1": "Ghent"})
		before := w.left.written() + w.right.written()
		pull()
		w.begin(w.sync + ".activities/resync")
		equal(w, "writes of a resync", w.left.written()+w.right.written(), before)
		equal(w, "calls there", len(w.right.of(calls)), 2)
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow54_ActivitiesThatStay: a note that is moved to another contact is said to be
// refused where the app leaves it with whom it was made for; the rest of it goes on.
func TestRow54_ActivitiesThatStay(t *testing.T) {
	row(t, func(w *world) {
		const calls = "activities.201"
		w.right = w.app("leadsquared")
		w.presetWith("hubspot-leadsquared-contacts", "contacts", "notes", calls)
		ann, bob := w.left.add("ann"), w.left.add("bob")
		w.start()
		note := w.note(ann, "first")
		pull := func() { w.Helper(); w.begin(w.sync + ".activities/pull") }
		pull()
		equal(w, "whose it is", w.right.only(calls).Fields["RelatedProspectId"], w.right.id("ann"))

		w.left.rewrite("notes", note, "associations.contacts", bob, "hs_note_body", "second")
		pull()
		there := w.right.only(calls)
		equal(w, "its text", there.Fields["ActivityEvent_Note"], "second")
		equal(w, "whose it is after it was moved", there.Fields["RelatedProspectId"], w.right.id("ann"))
		if !slices.ContainsFunc(w.log("record="+note), func(e entry) bool {
			return e.Outcome == "failed" && strings.Contains(e.Message, "the app refused RelatedProspectId")
		}) {
			w.Errorf("nothing is said of what was refused: %+v", w.log("record="+note))
		}
		equal(w, "the note's contact", w.about(note), bob)
		before := w.left.written() + w.right.written()
		pull()
		w.begin(w.sync + ".activities/resync")
		equal(w, "writes afterwards", w.left.written()+w.right.written(), before)
	})
}
