package leadsquaredfake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// activities is the service of activities, and of their types.
const activities = "/v2/ProspectActivity.svc/"

// The custom types of activities, as objects of the knobs.
const (
	PhoneCalls = "activities.201"
	Visits     = "activities.202"
)

// activityType is a type of activities. Only custom ones can be posted.
type activityType struct {
	code   int
	name   string
	kind   int // 2 is a custom one
	fields []activityField
	table  *fakekit.Table
}

// activityField is described as [L31] has it; in an activity it has its value.
type activityField struct {
	Name      string `json:"SchemaName"`
	Label     string `json:"DisplayName"`
	Value     any    `json:"Value"`
	Type      string `json:"DataType"`
	Mandatory bool   `json:"IsMandatory"`
	Shown     bool   `json:"ShowInForm"`
	Options   string `json:"OptionSet"`
}

func activityTypes() []*activityType {
	return []*activityType{
		{code: 1, name: "Email Opened", kind: 0},
		{code: 201, name: "Phone Call", kind: 2, fields: []activityField{
			{
				Name: "mx_Custom_1", Label: "Outcome", Type: "Dropdown", Shown: true,
				Options: `[{"Value":"Reached"},{"Value":"No answer"}]`,
			},
			{Name: "mx_Custom_2", Label: "Minutes", Type: "Number", Shown: true},
			{Name: "mx_Custom_3", Label: "Call again", Type: "DateTime", Shown: true},
		}},
		{code: 202, name: "Visit", kind: 2, fields: []activityField{
			{Name: "mx_Custom_1", Label: "Place", Type: "String", Mandatory: true, Shown: true},
		}},
	}
}

func (t *activityType) object() string { return "activities." + strconv.Itoa(t.code) }

// typeOf is the custom type with a code, in whichever way it is told.
func (f *account) typeOf(code string) *activityType {
	code = strings.TrimPrefix(code, "activities.")
	i := slices.IndexFunc(f.acts, func(t *activityType) bool { return strconv.Itoa(t.code) == code && t.kind == 2 })
	if i < 0 {
		return nil
	}
	return f.acts[i]
}

func (t *activityType) field(name string) (activityField, bool) {
	i := slices.IndexFunc(t.fields, func(d activityField) bool { return d.Name == name })
	if i < 0 {
		return activityField{}, false
	}
	return t.fields[i], true
}

// takes reports whether a field can hold a value.
func (d activityField) takes(v string) bool {
	if v == "" {
		return true
	}
	switch d.Type {
	case "Number":
		_, err := strconv.ParseFloat(v, 64)
		return err == nil
	case "DateTime":
		_, err := time.Parse(layout, v)
		return err == nil
	case "Dropdown":
		return strings.Contains(d.Options, `"`+v+`"`)
	}
	return true
}

// post makes an activity, or changes the one with the ID. Which lead it is posted on, and
// when it took place, is said once [L32][L33].
func (f *account) post(t *activityType, id string, fields map[string]string, byUser bool) (*fakekit.Record, error) {
	r := &fakekit.Record{Fields: map[string]string{}, Created: f.Tick().Truncate(time.Second)}
	if id != "" {
		old, ok := t.table.Get(id)
		if !ok || old.Deleted {
			return nil, exception("MXInvalidEntityException", "Activity with the given Id does not exist")
		}
		r = old.Clone()
	}
	for name, v := range fields {
		d, ok := t.field(name)
		switch {
		case name == "ActivityEvent_Note":
		case name == "RelatedProspectId" && id == "":
			if _, err := f.live(v); err != nil {
				return nil, exception("MXInvalidEntityException", "Lead with the given Id does not exist")
			}
		case name == "CreatedOn" && id == "":
			at, err := time.Parse(layout, v)
			if err != nil {
				return nil, exception("MXInvalidAttributeValueException", "Invalid value for attribute ActivityDateTime")
			}
			r.Created = at
			continue
		case !ok:
			return nil, exception("MXInvalidAttributeException", "Attribute "+name+" does not exist")
		case !d.takes(v):
			return nil, exception("MXInvalidAttributeValueException", "Invalid value for attribute "+name)
		}
		r.Set(name, v)
	}
	if r.Fields["RelatedProspectId"] == "" {
		return nil, exception("MXMandatoryAttributeMissingException", "attribute RelatedProspectId is missing")
	}
	for _, d := range t.fields {
		if d.Mandatory && r.Fields[d.Name] == "" {
			return nil, exception("MXMandatoryAttributeMissingException", "attribute "+d.Name+" is missing")
		}
	}
	if r.ID == "" {
		f.lastID++
		r.ID = fmt.Sprintf("%08d-ac71-11e2-9e64-%012d", f.lastID, f.lastID)
	}
	r.Fields["ModifiedBy"] = KeysUser
	if byUser {
		r.Fields["ModifiedBy"] = Person
	}
	r.Modified = f.Tick()
	t.table.Put(r)
	return r, nil
}

func (f *account) deleteActivity(t *activityType, id string) error {
	old, ok := t.table.Get(id)
	if !ok || old.Deleted {
		return fmt.Errorf("activity: %w", fakekit.ErrNotFound)
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt, r.Modified = true, f.Tick(), f.Tick()
	t.table.Put(r)
	return nil
}

// follow gives the activities of a merged lead to the survivor.
func (f *account) follow(lead, into string) {
	for _, t := range f.acts {
		if t.table == nil {
			continue
		}
		var moved []*fakekit.Record
		t.table.Live.Ascend(time.Time{}, "", func(r *fakekit.Record) bool {
			if r.Fields["RelatedProspectId"] == lead {
				moved = append(moved, r)
			}
			return true
		})
		for _, old := range moved {
			r := old.Clone()
			r.Fields["RelatedProspectId"], r.Modified = into, f.Tick()
			t.table.Put(r)
		}
	}
}

func (f *account) types(w http.ResponseWriter, _ *http.Request) error {
	out := []map[string]any{}
	for _, t := range f.acts {
		out = append(out, map[string]any{"ActivityEvent": t.code, "ActivityEventName": t.name, "EventType": t.kind})
	}
	fakekit.WriteJSON(w, 200, out)
	return nil
}

func noType() error { return exception("MXInvalidEntityException", "Activity type does not exist") }

func (f *account) setting(w http.ResponseWriter, r *http.Request) error {
	t := f.typeOf(r.URL.Query().Get("code"))
	if t == nil {
		return noType()
	}
	fakekit.WriteJSON(w, 200, map[string]any{"ID": t.object(), "Name": t.name, "DisplayName": t.name, "Fields": t.fields})
	return nil
}

// activity is what every answer has of an activity. One that the knob has broken has no times.
func (f *account) activity(t *activityType, r *fakekit.Record) map[string]any {
	out := map[string]any{
		"RelatedProspectId": r.Fields["RelatedProspectId"], "ActivityEvent": strconv.Itoa(t.code),
		"ModifiedBy": r.Fields["ModifiedBy"], "ActivityEvent_Note": nil,
		"CreatedOn": r.Created.UTC().Format(layout), "ModifiedOn": r.Modified.UTC().Format(layout),
	}
	if v := r.Fields["ActivityEvent_Note"]; v != "" {
		out["ActivityEvent_Note"] = v
	}
	if f.BrokenRow(r.ID) {
		out["CreatedOn"], out["ModifiedOn"] = nil, nil
	}
	return out
}

// byEvent lists activities of a type that were modified within a closed range [L34].
func (f *account) byEvent(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Parameter struct {
			FromDate, ToDate string
			ActivityEvent    int
			RemoveEmptyValue bool
		}
		Paging  struct{ PageIndex, PageSize int }
		Sorting struct{ ColumnName, Direction string }
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Paging.PageIndex < 1 || in.Paging.PageSize < 1 {
		return bad("The message body is not as per API specification")
	}
	if in.Paging.PageSize > 1000 {
		return exception("MXException", "There was an error processing the request")
	}
	t := f.typeOf(strconv.Itoa(in.Parameter.ActivityEvent))
	if t == nil {
		return noType()
	}
	from, errFrom := time.Parse(layout, in.Parameter.FromDate)
	to, errTo := time.Parse(layout, in.Parameter.ToDate)
	if errFrom != nil || errTo != nil {
		return bad("FromDate and ToDate are required as YYYY-MM-DD HH:MM:SS")
	}
	var found []*fakekit.Record
	t.table.Indexed().Ascend(from, "", func(rec *fakekit.Record) bool {
		if rec.Modified.Truncate(time.Second).After(to) {
			return false
		}
		found = append(found, rec)
		return true
	})
	sign := 1
	if in.Sorting.Direction == "1" {
		sign = -1
	}
	slices.SortFunc(found, func(a, b *fakekit.Record) int {
		by := a.Modified.Truncate(time.Second).Compare(b.Modified.Truncate(time.Second))
		if in.Sorting.ColumnName == "CreatedOn" {
			by = a.Created.Compare(b.Created)
		}
		return sign * cmp.Or(by, strings.Compare(a.ID, b.ID))
	})
	first := min((in.Paging.PageIndex-1)*in.Paging.PageSize, len(found))
	list := []map[string]any{}
	for _, rec := range found[first:min(first+in.Paging.PageSize, len(found))] {
		one := f.activity(t, rec)
		one["ProspectActivityId"] = rec.ID
		for _, d := range t.fields {
			if v := rec.Fields[d.Name]; v != "" {
				one[d.Name] = v
			} else if !in.Parameter.RemoveEmptyValue {
				one[d.Name] = ""
			}
		}
		list = append(list, one)
	}
	fakekit.WriteJSON(w, 200, map[string]any{"RecordCount": len(found), "List": list})
	return nil
}

// details is one activity, its fields in a list with what describes them [L35].
func (f *account) details(w http.ResponseWriter, r *http.Request) error {
	for _, t := range f.acts {
		if t.table == nil {
			continue
		}
		rec, ok := t.table.Get(r.URL.Query().Get("activityId"))
		if !ok || rec.Deleted {
			continue
		}
		out, fields := f.activity(t, rec), slices.Clone(t.fields)
		for i := range fields {
			fields[i].Value = rec.Fields[fields[i].Name]
		}
		out["ID"], out["Name"], out["DisplayName"], out["Fields"] = rec.ID, t.name, t.name, fields
		fakekit.WriteJSON(w, 200, out)
		return nil
	}
	return exception("MXInvalidEntityException", "Activity with the given Id does not exist")
}

// posted is the body of both writes. A lead's e-mail in the place of its ID makes a lead
// where there is none [L19]; nobody here sends one.
type posted struct {
	ID     string  `json:"ProspectActivityId"`
	Lead   *string `json:"RelatedProspectId"`
	Event  int     `json:"ActivityEvent"`
	Note   *string `json:"ActivityNote"`
	At     *string `json:"ActivityDateTime"`
	Fields []struct {
		Name  string  `json:"SchemaName"`
		Value *string `json:"Value"`
	} `json:"Fields"`
}

// writeActivity reads the body of a write and makes it.
func (f *account) writeActivity(w http.ResponseWriter, r *http.Request, update bool) error {
	var in posted
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		return bad("The message body is not as per API specification")
	}
	t := f.typeOf(strconv.Itoa(in.Event))
	if t == nil {
		return noType()
	}
	if update == (in.ID == "") {
		return &wrong{http.StatusBadRequest, "MXMandatoryAttributeMissingException", "ProspectActivityId is required"}
	}
	fields := map[string]string{}
	said := map[string]*string{"ActivityEvent_Note": in.Note, "RelatedProspectId": in.Lead, "CreatedOn": in.At}
	for name, v := range said {
		if v != nil {
			fields[name] = *v
		}
	}
	for _, p := range in.Fields {
		if fields[p.Name] = ""; p.Value != nil {
			fields[p.Name] = *p.Value
		}
	}
	if update { // which changes neither
		delete(fields, "RelatedProspectId")
		delete(fields, "CreatedOn")
	}
	rec, err := f.post(t, in.ID, fields, false)
	if err == nil {
		fakekit.WriteJSON(w, 200, map[string]any{"Status": "Success", "Message": map[string]string{
			"Id": rec.ID, "RelatedId": rec.Fields["RelatedProspectId"],
		}})
	}
	return err
}

func (f *account) postActivity(w http.ResponseWriter, r *http.Request) error {
	return f.writeActivity(w, r, false)
}

func (f *account) updateActivity(w http.ResponseWriter, r *http.Request) error {
	return f.writeActivity(w, r, true)
}
