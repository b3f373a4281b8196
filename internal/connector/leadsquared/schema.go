package leadsquared

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// field is a field as LeadSquared describes it.
// Source: apidocs.leadsquared.com/get-lead-field-properties.
type field struct {
	Name      string   `json:"SchemaName"`
	Label     string   `json:"DisplayName"`
	Type      string   `json:"DataType"`
	Mandatory bool     `json:"IsMandatory"`
	Unique    bool     `json:"IsUnique"`
	ReadOnly  bool     `json:"IsReadOnly"`
	Length    text     `json:"MaxLength"`
	Options   []option `json:"Options"`
}

type option struct {
	Value string `json:"Value"`
}

// text is a text, or a number.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = text(strings.Trim(string(b), `"`))
	return nil
}

// types are LeadSquared's, by the field's name first; all others are texts.
var types = wire.Types{
	"CreatedOn": crm.TypeDateTime, "ModifiedOn": crm.TypeDateTime,
	"Email": crm.TypeEmail, "Phone": crm.TypePhone, "Number": crm.TypeNumber, "Boolean": crm.TypeBoolean,
	"Date": crm.TypeDateTime, "DateTime": crm.TypeDateTime,
	"Website": crm.TypeURL, "Select": crm.TypeOption, "Dropdown": crm.TypeOption, "SearchableDropdown": crm.TypeOption,
	"MultiSelect": crm.TypeOptions,
}

// names are the types of new fields, and how they are shown.
// Source: apidocs.leadsquared.com/create-custom-lead-field.
var names = map[crm.FieldType][2]string{
	crm.TypeText: {"Text", "Textbox"}, crm.TypeNumber: {"Number", "Textbox"}, crm.TypeEmail: {"Email", "Email"},
	crm.TypePhone: {"Phone", "Textbox"},
	crm.TypeURL:   {"Website", "URL"}, crm.TypeDate: {"Date", "Date"}, crm.TypeDateTime: {"Date", "DateTime"},
	crm.TypeBoolean: {"Boolean", "CheckBox"},
}

// given are the fields that LeadSquared works out; not all are marked.
func given(name string) bool {
	return strings.HasPrefix(name, "Prospect") && name != "ProspectStage" || name == "CreatedOn" || name == "ModifiedOn" ||
		name == "CreatedBy" ||
		name == "ModifiedBy" || strings.HasSuffix(name, "Name") && strings.HasPrefix(name, "OwnerId")
}

// Fields implements connector.Connector.
func (a *account) Fields(ctx context.Context, name string) ([]crm.Field, error) {
	const op = "leadsquared: fields"
	of, err := check(op, name, 0, 0)
	if err != nil {
		return nil, err
	}
	if of != "" {
		return a.activityFields(ctx, op, of)
	}
	var described []field
	r := rest.Request{Op: op, Path: leads + "LeadsMetaData.Get"}
	if _, err := a.client.Call(ctx, r, &described); err != nil {
		return nil, err
	}
	var out []crm.Field
	for _, d := range described {
		if d.Name == "" {
			continue
		}
		f := crm.Field{
			Name: d.Name, Label: d.Label, Type: types.Of(crm.TypeText, d.Name, d.Type), Required: d.Mandatory,
			ReadOnly: d.ReadOnly || given(d.Name),
			Unique:   d.Unique || d.Name == "EmailAddress" || d.Name == "Phone",
		}
		if f.Label == "" {
			f.Label = f.Name
		}
		if f.Type == crm.TypePhone {
			f.Find = crm.FindWithin
		}
		f.MaxLength, _ = strconv.Atoi(string(d.Length)) // what is no number is no limit
		wire.Choice(&f, d.Options, func(o option) (crm.Option, bool) {
			return crm.Option{Value: o.Value, Label: o.Value}, o.Value != ""
		})
		out = append(out, f)
	}
	if len(out) == 0 {
		return nil, rest.Malformed(r, "LeadSquared lists no fields")
	}
	return out, nil
}

var labelPattern = regexp.MustCompile(`^[A-Za-z0-9 _]{1,60}$`)

// CreateField is one of connector.Extras. The name comes from the label.
func (a *account) CreateField(ctx context.Context, name string, f crm.Field) (crm.Field, error) {
	const op = "leadsquared: create field"
	of, err := check(op, name, 0, 0)
	if err != nil {
		return crm.Field{}, err
	}
	kind, ok := names[f.Type]
	switch {
	case of != "":
		return crm.Field{}, fault.New(op, fault.Unsupported, connector.CodeUnsupported,
			"fields of activities are made with their type, in LeadSquared")
	case !ok:
		return crm.Field{}, fault.New(op, fault.Unsupported, connector.CodeUnsupported,
			"LeadSquared makes no fields of this type through its API")
	case !labelPattern.MatchString(f.Label):
		return crm.Field{}, &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeName, Field: f.Name,
			Message: "a label is made of letters, digits and blanks, 60 at most",
		}
	}
	r := rest.Request{Op: op, Method: http.MethodPost, Path: leads + "CreateLeadField", Write: true, Body: map[string]any{
		"DisplayName": f.Label, "DataType": kind[0], "RenderTypeTextValue": kind[1], "IsMandatory": false,
		"ShowInImport": true, "ShowInMailMerge": true,
		"LockAfterCreate": 0, "UseInLeadClone": false, "MaxLength": "200", "OptionsJson": "",
	}}
	if _, err := a.client.Call(ctx, r, nil); err != nil {
		return crm.Field{}, err
	}
	f.Name = "mx_" + strings.ReplaceAll(f.Label, " ", "_")
	return f, nil
}
