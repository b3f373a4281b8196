package pipedrivefake

import (
	"encoding/json"
	"strconv"
	"strings"
)

// activityFields are those of activities, which have no custom ones [S2].
var activityFields = []field{
	{Name: "ID", Code: "id", Type: "int", fixed: true},
	{Name: "Add time", Code: "add_time", Type: "date", fixed: true},
	{Name: "Update time", Code: "update_time", Type: "date", fixed: true},
	text("Subject", "subject"),
	{Name: "Type", Code: "type", Type: "enum", words: true, Options: []option{
		{"call", "Call"}, {"meeting", "Meeting"}, {"task", "Task"}, {"deadline", "Deadline"}, {"email", "Email"},
	}},
	{Name: "Note", Code: "note", Type: "text"},
	{Name: "Due date", Code: "due_date", Type: "date"},
	{Name: "Due time", Code: "due_time", Type: "time"},
	{Name: "Duration", Code: "duration", Type: "time"},
	{Name: "Done", Code: "done", Type: "boolean"},
	{Name: "Assigned to user", Code: "owner_id", Type: "user"},
	{Name: "Participants", Code: "participants", Type: "json"},
	{Name: "Person", Code: "person_id", Type: "people", fixed: true}, // the primary participant
	{Name: "Organization", Code: "org_id", Type: "org"},
	{Name: "Deal", Code: "deal_id", Type: "deal"},
}

// participant is one of the persons who take part [S2] addActivity. In the fake's text
// form they stand between semicolons, the primary one first, and nobody first where none
// is.
type participant struct {
	Person  int64 `json:"person_id"`
	Primary bool  `json:"primary"`
}

func participants(v string) []participant {
	out := []participant{}
	for i, part := range strings.Split(v, ";") {
		if n, err := strconv.ParseInt(part, 10, 64); err == nil {
			out = append(out, participant{n, i == 0})
		}
	}
	return out
}

// participantsIn is participants the other way round.
func participantsIn(raw json.RawMessage, wrong error) (string, error) {
	var list []participant
	if json.Unmarshal(raw, &list) != nil {
		return "", wrong
	}
	primary, others := "", ""
	for _, p := range list {
		switch n := strconv.FormatInt(p.Person, 10); {
		case p.Primary && primary != "":
			return "", wrong
		case p.Primary:
			primary = n
		default:
			others += ";" + n
		}
	}
	return primary + others, nil
}

// there reports whether the records that a field names are live ones.
func (f *company) there(d field, v string) bool {
	name, names := map[string]string{"json": "persons", "org": "organizations", "deal": "deals"}[d.Type]
	o, err := f.object(name)
	if !names || err != nil {
		return true
	}
	for part := range strings.SplitSeq(v, ";") {
		if _, err := o.live(part); part != "" && err != nil {
			return false
		}
	}
	return true
}
