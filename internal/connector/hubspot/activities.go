package hubspot

import "github.com/lockstep-crm/lockstep/internal/crm"

// Notes, tasks, calls and meetings are objects like others, but that what they are
// about stands in no property: it is an association. Each object that they may be
// about is a field of theirs, which stands for one record: see associations.go.
//
// Sources: docs/api-reference/crm-notes-v3/guide and its siblings of tasks, calls and
// meetings.

// aboutObjects are the objects that activities may be about, in the order shown to admins.
var aboutObjects = []crm.Object{
	{ID: contacts, Label: "Contact"}, {ID: "companies", Label: "Company"}, {ID: "deals", Label: "Deal"},
}

var activityLabels = map[string]string{"notes": "Notes", "tasks": "Tasks", "calls": "Calls", "meetings": "Meetings"}

// activities are the activity objects, in the order shown to admins.
func activities() []crm.Object {
	of := &crm.ActivityObject{}
	for _, to := range aboutObjects {
		of.Parents = append(of.Parents, crm.ActivityParent{Object: to.ID, Field: associationField + to.ID})
	}
	var out []crm.Object
	for _, id := range []string{"notes", "tasks", "calls", "meetings"} {
		out = append(out, crm.Object{ID: id, Label: activityLabels[id], Activity: of})
	}
	return out
}

// reminding are properties that make HubSpot remind people, which no sync does.
var reminding = []string{"hs_task_reminders"}
