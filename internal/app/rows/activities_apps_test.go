package rows

import (
	"slices"
	"strings"
	"testing"
)

// suggestedActivities are the mappings that are suggested for the activities of the
// first sync.
func (w *world) suggestedActivities() []any {
	w.Helper()
	for _, s := range list[struct {
		Sync     string
		Mappings []any
	}](w, w.con+"/suggestions") {
		if strings.HasSuffix(s.Sync, ".activities") {
			return s.Mappings
		}
	}
	w.Fatal("nothing is suggested for the activities")
	return nil
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
		w.con = w.saveAs("?preset=hubspot-pipedrive-contacts", map[string]any{
			"name": w.Name(), "left": map[string]any{"account": w.left.account},
			"right": map[string]any{"account": w.right.account},
		})
		w.sync = w.con + "/syncs/contacts"
		w.change("schedule", "manual", "activities", map[string]any{
			"enabled": false, "left": map[string]any{"object": "tasks"}, "right": map[string]any{"object": "activities"},
		})
		w.change("activities.mappings", w.suggestedActivities(), "activities.enabled", true)
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
