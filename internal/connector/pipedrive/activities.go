package pipedrive

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Calls, meetings, tasks and what else a company plans are one object, told apart by
// their type. What one is about stands in fields of its own.
// Source: openapi v2, getActivities, addActivity.

const (
	activities = "activities"
	person     = "person_id" // of an activity: the primary participant
)

// parents is what activities may be about.
var parents = &crm.ActivityObject{Parents: []crm.ActivityParent{
	{Object: "persons", Field: person}, {Object: "organizations", Field: "org_id"}, {Object: "deals", Field: "deal_id"},
}}

// fills reports whether Pipedrive fills a field of a new record: it is its maker's, and
// an activity is a call where nothing else is said. Source: openapi v1, addActivity.
func (o object) fills(code string) bool {
	return code == "owner_id" || o.about != nil && (code == "subject" || code == "type")
}

// names reports whether a field is one that names what an activity is about.
func (o object) names(code string) bool {
	of := func(p crm.ActivityParent) bool { return p.Field == code }
	return o.about != nil && slices.ContainsFunc(o.about.Parents, of)
}

// parents describes those fields: nothing says whether Pipedrive lists them all.
func (o object) parents() []crm.Field {
	if o.about == nil {
		return nil
	}
	labels := map[string]string{person: "Person", "org_id": "Organization", "deal_id": "Deal"}
	var out []crm.Field
	for _, p := range o.about.Parents {
		out = append(out, crm.Field{
			Name: p.Field, Label: labels[p.Field], Type: crm.TypeReference, ReferenceTo: p.Object, Find: crm.FindNone,
		})
	}
	return out
}

// participant is a person who takes part in an activity.
type participant struct {
	Person  int64 `json:"person_id"`
	Primary bool  `json:"primary"`
}

// participants makes a person the primary participant in the place of who was; the
// others stay. Without a person there is none.
func participants(op string, was json.RawMessage, v crm.Value) ([]participant, error) {
	var list []participant
	_ = json.Unmarshal(was, &list) // what is no list is replaced
	one, ok := id(v.Text())
	if !ok && !v.Blank() {
		return nil, &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeValue, Field: person, Message: "this is no ID of a person",
		}
	}
	n, _ := strconv.ParseInt(string(one), 10, 64) // 0 = nobody
	out := slices.DeleteFunc(slices.Clone(list), func(p participant) bool { return p.Primary || p.Person == n })
	if n > 0 {
		out = append([]participant{{n, true}}, out...)
	}
	return append([]participant{}, out...), nil
}
