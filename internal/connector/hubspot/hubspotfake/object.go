package hubspotfake

import (
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// object is one object type.
type object struct {
	name, singular, typeID string // "contacts", "contact", "0-1"
	modified               string // name of the property with the modification time (G3)
	props                  []*property
	defaults               []string   // properties of an answer when none are asked for
	needed                 [][]string // a create must give one of each (G2)
	groups                 []*propertyGroup
	pipelines              []*pipeline
	table                  *fakekit.Table
	scope                  string // whose scopes let callers in; "" = its own
	silent                 bool   // no webhook tells of it
	// history holds what changed since creation, by record, oldest first; a
	// property that never changed has none. makers says who created a record,
	// where it was no user.
	history map[string][]change
	makers  map[string]source
}

// property is one field (S: properties.json).
type property struct {
	Name       string   `json:"name"`
	Label      string   `json:"label"`
	Type       string   `json:"type"`
	FieldType  string   `json:"fieldType"`
	Group      string   `json:"groupName"`
	Desc       string   `json:"description"`
	Options    []option `json:"options"`
	External   bool     `json:"externalOptions"`
	Reference  string   `json:"referencedObjectType,omitempty"`
	Unique     bool     `json:"hasUniqueValue"`
	Calculated bool     `json:"calculated"`
	Hidden     bool     `json:"hidden"`
	Defined    bool     `json:"hubspotDefined"`
	FormField  bool     `json:"formField"`
	Order      int      `json:"displayOrder"`
	Archived   bool     `json:"archived"`
	Metadata   metadata `json:"modificationMetadata"`

	unique bool // indexed: Unique, at the time the object was made
	max    int  // characters; 0 = no limit
}

type metadata struct {
	ReadOnlyValue      bool `json:"readOnlyValue"`
	ReadOnlyDefinition bool `json:"readOnlyDefinition"`
	ReadOnlyOptions    bool `json:"readOnlyOptions"`
	Archivable         bool `json:"archivable"`
}

type option struct {
	Label  string `json:"label"`
	Value  string `json:"value"`
	Order  int    `json:"displayOrder"`
	Hidden bool   `json:"hidden"`
}

// change is one value a property had.
type change struct {
	property string
	value    string
	at       time.Time
	source   source
}

// source says who wrote a value.
type source struct{ kind, id string }

var (
	sourceUser = source{"CRM_UI", "userId:7001"}
	sourceAPI  = source{"INTEGRATION", "998877"}
)

// maker says who created a record.
func (o *object) maker(id string) source {
	if by, ok := o.makers[id]; ok {
		return by
	}
	return sourceUser
}

func (o *object) prop(name string) (*property, bool) {
	i := slices.IndexFunc(o.props, func(p *property) bool { return p.Name == name && !p.Archived })
	if i < 0 {
		return nil, false
	}
	return o.props[i], true
}

func text(name, label string) *property {
	return &property{Name: name, Label: label, Type: "string", FieldType: "text", Defined: true, FormField: true}
}

func typed(name, label, typ, field string) *property {
	return &property{Name: name, Label: label, Type: typ, FieldType: field, Defined: true}
}

func readOnly(name, label, typ, field string) *property {
	p := typed(name, label, typ, field)
	p.Metadata.ReadOnlyValue = true
	return p
}

func calculated(name, label string) *property {
	p := readOnly(name, label, "string", "calculation_equation")
	p.Calculated = true
	return p
}

func choice(name, label, field string, options ...string) *property {
	p := typed(name, label, "enumeration", field)
	for i, o := range options {
		value, lbl, ok := strings.Cut(o, "=")
		if !ok {
			lbl = value
		}
		p.Options = append(p.Options, option{Label: lbl, Value: value, Order: i})
	}
	return p
}

// custom marks a property that an admin of the account made.
func custom(p *property) *property {
	p.Defined, p.FormField, p.Metadata.Archivable = false, true, true
	return p
}

func uniqueKey() *property {
	p := custom(text(UniqueProperty, "Lockstep key"))
	p.Unique, p.unique = true, true
	return p
}

// common are the properties every object has.
func common(modified string) []*property {
	owner := choice("hubspot_owner_id", "Owner", "select")
	owner.External, owner.Reference = true, "OWNER"
	return []*property{
		readOnly("hs_object_id", "Record ID", "number", "number"),
		readOnly("createdate", "Create Date", "datetime", "date"),
		readOnly(modified, "Last Modified Date", "datetime", "date"),
		owner, uniqueKey(), readOnly(mergedIDs, "Merged Record IDs", "enumeration", "checkbox"),
	}
}

func group(name string, props []*property) []*property {
	for i, p := range props {
		p.Group, p.Order = name, i
		p.Metadata.ReadOnlyDefinition = p.Defined
		if p.Options == nil {
			p.Options = []option{}
		}
	}
	return props
}

var stages = []string{
	"subscriber=Subscriber", "lead=Lead", "marketingqualifiedlead=Marketing Qualified Lead",
	"salesqualifiedlead=Sales Qualified Lead", "opportunity=Opportunity", "customer=Customer",
	"evangelist=Evangelist", "other=Other",
}

func (f *account) contacts() *object {
	return &object{
		name: "contacts", singular: "contact", typeID: "0-1", modified: "lastmodifieddate",
		defaults: []string{"createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"},
		needed:   [][]string{{"email", "firstname", "lastname"}},
		props: group("contactinformation", append(common("lastmodifieddate"),
			text("email", "Email"), text("firstname", "First Name"), text("lastname", "Last Name"),
			typed("phone", "Phone Number", "string", "phonenumber"), typed("mobilephone", "Mobile Phone Number", "string",
				"phonenumber"),
			text("jobtitle", "Job Title"), text("company", "Company Name"), text("address", "Street Address"),
			text("city", "City"),
			text("state", "State/Region"), text("zip", "Postal Code"), text("country", "Country/Region"),
			text("website", "Website URL"),
			text("date_of_birth", "Date of birth"), text("hs_additional_emails", "Additional email addresses"),
			calculated("hs_searchable_calculated_phone_number", "Calculated Phone Number without country code"),
			calculated("hs_searchable_calculated_mobile_number", "Calculated Mobile Number without country code"),
			choice("lifecyclestage", "Lifecycle Stage", "radio", stages...),
			choice("hs_lead_status", "Lead Status", "radio", "NEW=New", "OPEN=Open", "IN_PROGRESS=In Progress",
				"UNQUALIFIED=Unqualified"),
			readOnly("hs_email_optout", "Unsubscribed from all email", "bool", "booleancheckbox"),
			custom(typed("birthday", "Birthday", "date", "date")), custom(typed("last_visit", "Last visit", "datetime", "date")),
			custom(typed("newsletter", "Newsletter", "bool", "booleancheckbox")),
			custom(typed("score", "Score", "number", "number")),
			custom(typed("notes_text", "Notes", "string", "textarea")),
			custom(choice("interests", "Interests", "checkbox", "sailing=Sailing", "chess=Chess", "music=Music", "tea=Tea")),
		)),
	}
}

func (f *account) companies() *object {
	return &object{
		name: "companies", singular: "company", typeID: "0-2", modified: "hs_lastmodifieddate",
		defaults: []string{"createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"},
		needed:   [][]string{{"name", "domain"}},
		props: group("companyinformation", append(common("hs_lastmodifieddate"),
			text("name", "Company name"), text("domain", "Company Domain Name"),
			typed("phone", "Phone Number", "string", "phonenumber"),
			calculated("hs_searchable_calculated_phone_number", "Calculated Phone Number without country code"),
			text("address", "Street Address"), text("city", "City"), text("state", "State/Region"), text("zip", "Postal Code"),
			text("country", "Country/Region"), text("website", "Website URL"), typed("description", "Description", "string",
				"textarea"),
			choice("industry", "Industry", "select", "ACCOUNTING=Accounting", "COMPUTER_SOFTWARE=Computer Software",
				"REAL_ESTATE=Real Estate"),
			typed("numberofemployees", "Number of Employees", "number", "number"),
			typed("annualrevenue", "Annual Revenue", "number", "number"),
			choice("lifecyclestage", "Lifecycle Stage", "radio", stages...),
		)),
	}
}

func (f *account) deals() *object {
	return &object{
		name: "deals", singular: "deal", typeID: "0-3", modified: "hs_lastmodifieddate",
		defaults: []string{
			"amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id", "pipeline",
		},
		needed: [][]string{{"dealname"}, {"dealstage"}},
		props: group("dealinformation", append(common("hs_lastmodifieddate"),
			text("dealname", "Deal Name"), typed("amount", "Amount", "number", "number"),
			typed("closedate", "Close Date", "datetime", "date"),
			choice("pipeline", "Pipeline", "select", "default=Sales Pipeline"),
			choice("dealstage", "Deal Stage", "radio", "appointmentscheduled=Appointment Scheduled",
				"qualifiedtobuy=Qualified To Buy",
				"contractsent=Contract Sent", "closedwon=Closed Won", "closedlost=Closed Lost"),
			choice("dealtype", "Deal Type", "radio", "newbusiness=New Business", "existingbusiness=Existing Business"),
			typed("description", "Deal Description", "string", "textarea"),
		)),
	}
}
