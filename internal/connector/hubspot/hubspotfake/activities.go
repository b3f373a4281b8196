package hubspotfake

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// Activities are objects like all others, with the scopes of contacts, a time that
// each of them must have, and the records that they are about as associations
// (N1 to N4). No webhook tells of them (W1).

// The longest body of a note, in characters (N1).
const maxBody = 65_536

// activityTypes are the kinds of association from an activity, and from the record
// that it is about (G4).
var activityTypes = []struct {
	activity string
	to       string
	id, back int
}{
	{"notes", "contacts", 202, 201},
	{"notes", "companies", 190, 189},
	{"notes", "deals", 214, 213},
	{"tasks", "contacts", 204, 203},
	{"tasks", "companies", 192, 191},
	{"tasks", "deals", 216, 215},
	{"calls", "contacts", 194, 193},
	{"calls", "companies", 182, 181},
	{"calls", "deals", 206, 205},
	{"meetings", "contacts", 200, 199},
	{"meetings", "companies", 188, 187},
	{"meetings", "deals", 212, 211},
}

var singulars = map[string]string{
	"contacts": "contact", "companies": "company", "deals": "deal",
	"notes": "note", "tasks": "task", "calls": "call", "meetings": "meeting",
}

// activityKinds are these kinds as seen from either end.
func activityKinds() (out []kind) {
	for _, t := range activityTypes {
		activity, to := singulars[t.activity], singulars[t.to]
		out = append(out,
			kind{t.activity, t.to, t.id, t.back, "", activity + "_to_" + to},
			kind{t.to, t.activity, t.back, t.id, "", to + "_to_" + activity})
	}
	return out
}

func body(name, label string) *property {
	p := typed(name, label, "string", "html")
	p.max = maxBody
	return p
}

func (f *account) activities() []*object {
	make := func(name, typeID string, own ...*property) *object {
		return &object{
			name: name, singular: singulars[name], typeID: typeID, modified: "hs_lastmodifieddate", scope: "contacts",
			silent: true, defaults: []string{"hs_createdate", "hs_lastmodifieddate", "hs_object_id"},
			needed: [][]string{{"hs_timestamp"}},
			props: group(singulars[name], append(slices.DeleteFunc(common("hs_lastmodifieddate"), func(p *property) bool {
				return p.Name == "createdate"
			}), append([]*property{
				readOnly("hs_createdate", "Object create date/time", "datetime", "date"),
				typed("hs_timestamp", "Activity date", "datetime", "date"),
				text("hs_attachment_ids", "Attached file IDs"),
			}, own...)...)),
		}
	}
	return []*object{
		make("notes", "0-46", body("hs_note_body", "Note body")),
		make("tasks", "0-27", text("hs_task_subject", "Task Title"), body("hs_task_body", "Task Notes"),
			choice("hs_task_status", "Task Status", "select", "NOT_STARTED=Not Started", "IN_PROGRESS=In Progress",
				"WAITING=Waiting", "COMPLETED=Completed", "DEFERRED=Deferred"),
			choice("hs_task_priority", "Priority", "select", "LOW=Low", "MEDIUM=Medium", "HIGH=High"),
			choice("hs_task_type", "Task Type", "select", "EMAIL=Email", "CALL=Call", "TODO=To-do"),
			text("hs_task_reminders", "Task reminders")),
		make("calls", "0-48", text("hs_call_title", "Call Title"), body("hs_call_body", "Call notes"),
			choice("hs_call_direction", "Call direction", "select", "INBOUND=Inbound", "OUTBOUND=Outbound"),
			typed("hs_call_duration", "Call duration", "number", "number"),
			choice("hs_call_status", "Call status", "select", "BUSY=Busy", "CALLING_CRM_USER=Calling CRM user",
				"CANCELED=Canceled", "COMPLETED=Completed", "CONNECTING=Connecting", "FAILED=Failed",
				"IN_PROGRESS=In progress", "NO_ANSWER=No answer", "QUEUED=Queued", "RINGING=Ringing"),
			text("hs_call_to_number", "To number"), text("hs_call_from_number", "From number")),
		make("meetings", "0-47", text("hs_meeting_title", "Meeting name"), body("hs_meeting_body", "Meeting description"),
			typed("hs_meeting_start_time", "Meeting start time", "datetime", "date"),
			typed("hs_meeting_end_time", "Meeting end time", "datetime", "date"),
			text("hs_meeting_location", "Meeting location"),
			choice("hs_meeting_outcome", "Meeting outcome", "select", "SCHEDULED=Scheduled", "COMPLETED=Completed",
				"RESCHEDULED=Rescheduled", "NO_SHOW=No show", "CANCELED=Canceled")),
	}
}

// tooLong refuses a text that is longer than its property.
func (p *property) tooLong(v string) bool { return p.max > 0 && utf8.RuneCountInString(v) > p.max }

// abouts begins the names by which the knobs say, among the fields of a record, with
// which others a user associates it: "associations.companies", and with a label
// "associations.companies.user_1". Several IDs stand between semicolons.
const abouts = "associations."

// about takes what a user's edit associates out of its fields. What is named takes the
// place of all associations with that object, or of all with that label.
func (f *account) about(o *object, fields map[string]string) (
	rest map[string]string, relate func(id string), bad *apiError,
) {
	rest = maps.Clone(fields)
	var todo []func(id string)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		word, is := strings.CutPrefix(name, abouts)
		if !is {
			continue
		}
		delete(rest, name)
		object, label, _ := strings.Cut(word, ".")
		to, ok := f.object(object)
		if !ok || len(f.between(o, to)) == 0 {
			return nil, nil, invalid("there is no association from %s to %s", o.name, object)
		}
		k := plain(o, to)
		if label != "" {
			category, id, _ := strings.Cut(label, "_")
			n, _ := strconv.Atoi(id)
			if k, ok = f.kindOf(spec{strings.ToUpper(category) + "_DEFINED", n}); !ok || k.from != o.name || k.to != to.name {
				return nil, nil, invalid("there is no label %s from %s to %s", label, o.name, object)
			}
		}
		var far []end
		for id := range strings.SplitSeq(fields[name], ";") {
			if id == "" {
				continue
			}
			b, e := f.live(to, id)
			if e != nil {
				return nil, nil, e
			}
			far = append(far, b)
		}
		todo = append(todo, func(id string) { f.reassociate(end{o.name, id}, to, k, far) })
	}
	return rest, func(id string) {
		for _, do := range todo {
			do(id)
		}
	}, nil
}

// reassociate leaves a record with exactly these associations of a kind.
func (f *account) reassociate(a end, to *object, k kind, far []end) {
	for _, e := range slices.Clone(f.edges[a]) {
		if e.to.object == to.name && slices.Contains(e.kinds, k.id) && !slices.Contains(far, e.to) {
			f.unlabel(a, e.to, k, sourceUser)
		}
	}
	for _, b := range far {
		if !slices.Contains(f.kindsOf(a, b), k.id) {
			f.associate(a, b, k, sourceUser)
		}
	}
}

// edit is a user's create or update, with what it associates.
func (f *account) edit(
	name string, fields map[string]string, do func(o *object, rest map[string]string) (*fakekit.Record, *apiError),
) (*fakekit.Record, error) {
	o, ok := f.object(name)
	if !ok {
		return nil, fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	rest, relate, bad := f.about(o, fields)
	if bad != nil {
		return userEdit(nil, bad)
	}
	r, e := do(o, rest)
	if e == nil {
		relate(r.ID)
	}
	return userEdit(r, e)
}
