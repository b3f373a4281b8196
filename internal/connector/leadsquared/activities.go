package leadsquared

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Each custom type of activities is an object of its own, named by its code: it has
// fields of its own, and is listed by itself. An activity is posted on a lead, where it
// stays. Activities that LeadSquared makes are none: nobody writes them.

const (
	family     = "activities"
	activities = "/v2/ProspectActivity.svc/"

	about  = "RelatedProspectId"  // of an activity: its lead
	note   = "ActivityEvent_Note" // its text
	made   = "CreatedOn"          // when it took place
	custom = "2"                  // the EventType of custom types
)

// parents is what activities are about.
var parents = &crm.ActivityObject{Parents: []crm.ActivityParent{{Object: object, Field: about}}, Fixed: true}

// code is the code of an activity object's type.
func code(object string) (string, bool) {
	digits, ok := strings.CutPrefix(object, family+".")
	n, err := strconv.Atoi(digits)
	return digits, ok && err == nil && n > 0 && strconv.Itoa(n) == digits
}

// activityTypes lists the custom types. Source: apidocs.leadsquared.com/get-activity-types,
// and what of a type is a custom one github.com/LeadSquared/php-library.
func (a *account) activityTypes(ctx context.Context, op string) ([]crm.Object, error) {
	var list []struct {
		Code  text   `json:"ActivityEvent"`
		Name  string `json:"ActivityEventName"`
		Label string `json:"DisplayName"`
		Kind  text   `json:"EventType"`
	}
	if _, err := a.client.Call(ctx, rest.Request{Op: op, Path: activities + "ActivityTypes.Get"}, &list); err != nil {
		return nil, err
	}
	var out []crm.Object
	for _, t := range list {
		id := family + "." + string(t.Code)
		if _, ok := code(id); ok && t.Kind == custom {
			out = append(out, crm.Object{
				ID: id, Label: rest.Clip(cmp.Or(t.Label, t.Name, "Activity "+string(t.Code)), 100), Activity: parents,
			})
		}
	}
	return out, nil
}

// activityField is a field of a type, and in an activity its value.
type activityField struct {
	Name      string          `json:"SchemaName"`
	Label     string          `json:"DisplayName"`
	Type      string          `json:"DataType"`
	Mandatory bool            `json:"IsMandatory"`
	ReadOnly  bool            `json:"IsReadOnly"`
	Length    text            `json:"MaxFieldLength"`
	Options   string          `json:"OptionSet"` // a list, in JSON of its own
	Value     json.RawMessage `json:"Value"`
}

// activityFields describes a type. Source: apidocs.leadsquared.com/get-details-of-activity-type.
func (a *account) activityFields(ctx context.Context, op, of string) ([]crm.Field, error) {
	var setting struct {
		Fields []activityField `json:"Fields"`
	}
	r := rest.Request{Op: op, Path: activities + "CustomActivity/GetActivitySetting", Query: url.Values{"code": {of}}}
	if _, err := a.client.Call(ctx, r, &setting); err != nil {
		if fault.Is(err, fault.NotFound) {
			return nil, noObject(op)
		}
		return nil, err
	}
	out := []crm.Field{
		{Name: about, Label: "Lead", Type: crm.TypeReference, ReferenceTo: object, Required: true, Find: crm.FindNone},
		{Name: made, Label: "Date of the activity", Type: crm.TypeDateTime, NeverBlank: true, Find: crm.FindNone},
		{Name: note, Label: "Notes", Type: crm.TypeText, Find: crm.FindNone},
	}
	for _, d := range setting.Fields {
		if d.Name == "" || d.Name == note || d.Type == "CustomObject" || d.Type == "File" {
			continue
		}
		f := crm.Field{
			Name: d.Name, Label: cmp.Or(d.Label, d.Name), Type: types.Of(crm.TypeText, d.Type), Required: d.Mandatory,
			ReadOnly: d.ReadOnly, Find: crm.FindNone,
		}
		f.MaxLength, _ = strconv.Atoi(string(d.Length)) // what is no number is no limit
		var options []option
		_ = json.Unmarshal([]byte(d.Options), &options) // it is blank where there are none
		wire.Choice(&f, options, func(o option) (crm.Option, bool) {
			return crm.Option{Value: o.Value, Label: o.Value}, o.Value != ""
		})
		out = append(out, f)
	}
	return out, nil
}

// activity turns an activity into a record with the wanted fields. Which name its ID has
// depends on who tells of it.
func (l lead) activity(r rest.Request, fields []string) (crm.Record, error) {
	rec := crm.Record{Fields: make(crm.Fields, len(fields)), ModifiedBy: l.text("ModifiedBy")}
	var ok bool
	if rec.ID, ok = id(cmp.Or(l.text("ProspectActivityId"), l.text("ID"), l.text("Id"))); !ok {
		return crm.Record{}, rest.Malformed(r, "an activity has no valid ID")
	}
	if of, ok := id(l.text(about)); !ok {
		return crm.Record{}, rest.Malformed(r, "an activity names no lead")
	} else if raw, err := json.Marshal(of); err == nil {
		l[about] = raw // in its one form
	}
	if rec.CreatedAt, ok = moment(l.text(made)); !ok {
		return crm.Record{}, rest.Malformed(r, "an activity has no valid "+made)
	}
	rec.ModifiedAt, _ = moment(l.text("ModifiedOn")) // listings demand it
	return rec, l.values(r, &rec, fields)
}

// details are an activity whose fields stand in a list.
type details struct{ lead }

// UnmarshalJSON implements json.Unmarshaler.
func (d *details) UnmarshalJSON(b []byte) error {
	var list struct{ Fields []activityField }
	if err := json.Unmarshal(b, &d.lead); err != nil {
		return err
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	for _, f := range list.Fields {
		if d.lead[f.Name] = f.Value; f.Value == nil {
			d.lead[f.Name] = json.RawMessage("null")
		}
	}
	return nil
}

// readActivity reads one. Source: apidocs.leadsquared.com/get-activity-details.
func (a *account) readActivity(
	ctx context.Context, op string, one crm.RecordID, fields []string,
) (connector.Read, error) {
	r := rest.Request{Op: op, Path: activities + "GetActivityDetails", Query: url.Values{"activityId": {string(one)}}}
	var d details
	if _, err := a.client.Call(ctx, r, &d); err != nil {
		return connector.Read{}, err
	}
	rec, err := d.activity(r, fields)
	if err == nil && rec.ID != one {
		err = rest.Malformed(r, "the answer is another activity than was asked for")
	}
	if err != nil {
		return connector.Read{Err: err}, nil
	}
	return connector.Read{Record: &rec}, nil
}

// activityRequest makes the call of a write.
// Source: apidocs.leadsquared.com/post-an-activity-to-lead, apidocs.leadsquared.com/update-activity.
func activityRequest(op, of string, w connector.Write) (r rest.Request, one crm.RecordID, err error) {
	body := map[string]any{"ActivityEvent": json.Number(of)}
	r = rest.Request{Op: op, Method: http.MethodPost, Path: activities + "Create", Write: true, Body: body}
	refuse := func(field, why string) error {
		return &fault.Error{Op: op, Kind: fault.Invalid, Code: connector.CodeValue, Field: field, Message: why}
	}
	switch w.Op {
	case connector.Create:
		of, ok := id(w.Fields[about].Text())
		if !ok {
			return r, "", refuse(about, "an activity is posted on a lead, and this is no ID of one")
		}
		body[about] = of
	case connector.Update:
		var ok bool
		if one, ok = id(string(w.ID)); !ok {
			return r, "", gone(op)
		}
		r.Path = activities + "CustomActivity/Update"
		body["ProspectActivityId"] = one
		for _, name := range []string{about, made} {
			if w.Fields[name].Kind() != crm.Absent {
				return r, one, refuse(name, "LeadSquared lets nobody change this of an activity that is posted")
			}
		}
	case connector.Upsert, connector.Archive:
		return r, "", fault.New(op, fault.Unsupported, connector.CodeUnsupported,
			"LeadSquared has no such write, or none that can be taken back")
	}
	list := []map[string]any{}
	for _, p := range attributes(w.Fields) {
		switch p.Attribute {
		case about:
		case made:
			body["ActivityDateTime"] = p.Value
		case note:
			body["ActivityNote"] = p.Value
		default:
			list = append(list, map[string]any{"SchemaName": p.Attribute, "Value": p.Value})
		}
	}
	body["Fields"] = list
	return r, one, nil
}

// activityList lists activities of a type.
// Source: apidocs.leadsquared.com/bulk-retrieve-activities-by-activity-event.
func activityList(of string) listing {
	return listing{
		path: activities + "CustomActivity/RetrieveByActivityEvent", within: made,
		ask: func(_, parameter map[string]any, _ []string) {
			parameter["ActivityEvent"], parameter["RemoveEmptyValue"] = json.Number(of), false
		},
		record: func(l lead, r rest.Request, fields []string) (crm.Record, error) {
			rec, err := l.activity(r, fields)
			if err == nil && rec.ModifiedAt.IsZero() {
				err = rest.Malformed(r, "an activity has no valid ModifiedOn")
			}
			return rec, err
		},
	}
}
