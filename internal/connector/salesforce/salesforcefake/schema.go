package salesforcefake

import (
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// column is a field as describe tells it.
type column struct {
	// kind: string, email, phone, url, textarea, double, currency, percent, int, boolean, date, datetime, picklist,
	// multipicklist, reference, id, address
	name, label, kind string
	length            int
	required          bool // not nillable and without default
	defaulted         bool // not nillable, and filled by Salesforce
	readOnly          bool
	unique, external  bool
	lookup            bool // idLookup
	restricted        bool
	options           []string
	references        string
	or                []string                       // further objects that a reference may name
	compound          string                         // the field that it is a part of
	formula           func(r *fakekit.Record) string // computed, never stored
}

// object is a record type.
type object struct {
	name, label, prefix string
	columns             []column
	gone                []column // deleted, or hidden from the API's user by field-level security
	merges              bool
	readOnly            bool // User, Organization: queries only
}

// column finds a column by name; Salesforce does not mind case.
func (o *object) column(name string) (*column, bool) {
	i := slices.IndexFunc(o.columns, func(c column) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return nil, false
	}
	return &o.columns[i], true
}

func text(name, label string, length int) column {
	return column{name: name, label: label, kind: "string", length: length}
}

func typed(name, label, kind string) column {
	lengths := map[string]int{
		"email": 80, "phone": 40, "url": 255, "textarea": 32000, "picklist": 255, "multipicklist": 4099, "reference": 18,
	}
	return column{name: name, label: label, kind: kind, length: lengths[kind]}
}

func pick(name, label string, restricted bool, options ...string) column {
	c := typed(name, label, "picklist")
	c.restricted, c.options = restricted, options
	return c
}

func needed(c column) column {
	c.required = true
	return c
}

func fixed(c column) column {
	c.readOnly = true
	return c
}

func reference(name, label, to string) column {
	c := typed(name, label, "reference")
	c.references = to
	return c
}

var sources = []string{"Web", "Phone Inquiry", "Partner Referral", "Purchased List", "HubSpot", "Other"}

// standard are the columns that every object has around its own.
func standard(merges bool, own ...column) []column {
	id := fixed(column{name: "Id", label: "Record ID", kind: "id", length: 18, defaulted: true, lookup: true})
	deleted := fixed(column{name: "IsDeleted", label: "Deleted", kind: "boolean", defaulted: true})
	cols := []column{id, deleted}
	if merges {
		cols = append(cols, fixed(reference("MasterRecordId", "Master Record ID", "")))
	}
	owner := reference("OwnerId", "Owner ID", "User")
	owner.defaulted = true
	cols = append(cols, own...)
	cols = append(cols, owner)
	modifier := fixed(reference("LastModifiedById", "Last Modified By ID", "User"))
	modifier.defaulted = true
	cols = append(cols, modifier)
	for _, n := range []string{"CreatedDate", "LastModifiedDate", "SystemModstamp"} {
		c := fixed(typed(n, n, "datetime"))
		c.defaulted = true
		cols = append(cols, c)
	}
	key := text("Lockstep_Id__c", "Lockstep ID", 64)
	key.unique, key.external, key.lookup = true, true, true
	other := text("HubSpot_Id__c", "HubSpot ID", 32)
	other.external, other.lookup = true, true
	tags := typed("Tags__c", "Tags", "multipicklist")
	tags.options = []string{"Customer", "Newsletter", "Partner", "Lockstep"}
	return append(cols, key, other, tags,
		pick("Level__c", "Level", true, "Primary", "Secondary", "Tertiary"),
		typed("Score__c", "Score", "double"),
		typed("Last_Seen__c", "Last seen", "datetime"))
}

func personal(own ...column) []column {
	mail := typed("Email", "Email", "email")
	mail.lookup = true
	return append([]column{
		needed(text("LastName", "Last Name", 80)), text("FirstName", "First Name", 40),
		pick("Salutation", "Salutation", false, "Mr.", "Ms.", "Mx.", "Dr.", "Prof."),
		fixed(column{name: "Name", label: "Full Name", kind: "string", length: 121, defaulted: true}),
		mail, typed("Phone", "Business Phone", "phone"), typed("MobilePhone", "Mobile Phone", "phone"),
		typed("Fax", "Fax", "phone"), text("Title", "Title", 128),
		pick("LeadSource", "Lead Source", false, sources...), typed("Description", "Description", "textarea"),
		{name: "HasOptedOutOfEmail", label: "Email Opt Out", kind: "boolean", defaulted: true},
		{name: "DoNotCall", label: "Do Not Call", kind: "boolean", defaulted: true},
	}, own...)
}

func address(prefix string) []column {
	street := typed(prefix+"Street", "Street", "textarea")
	street.length = 255
	var compound column
	if prefix == "" {
		compound = column{name: "Address", label: "Address", kind: "address", readOnly: true}
	} else {
		compound = column{name: prefix + "Address", label: prefix + " Address", kind: "address", readOnly: true}
	}
	parts := []column{
		street, text(prefix+"City", "City", 40), text(prefix+"State", "State/Province", 80),
		text(prefix+"PostalCode", "Zip/Postal Code", 20), text(prefix+"Country", "Country", 80), compound,
	}
	for i := range parts[:len(parts)-1] {
		parts[i].compound = compound.name
	}
	return parts
}

// salutationLine is a formula field: readable, and never writable.
func salutationLine() column {
	c := fixed(text("Salutation_Line__c", "Salutation line", 255))
	c.formula = func(r *fakekit.Record) string {
		return strings.TrimSpace("Dear " + strings.TrimSpace(r.Fields["Salutation"]+" "+r.Fields["LastName"]))
	}
	return c
}

// activity are the columns that tasks and events share. WhoId names a person, WhatId
// what else the activity is about:
// atlas.en-us.260.0.object_reference.meta/object_reference/sforce_api_objects_task.htm
// and sforce_api_objects_event.htm.
func activity(own ...column) []column {
	who, what := reference("WhoId", "Name ID", "Contact"), reference("WhatId", "Related To ID", "Account")
	who.or, what.or = []string{"Lead"}, []string{"Opportunity"}
	return append([]column{
		{name: "Subject", label: "Subject", kind: "combobox", length: 255, options: []string{"Call", "Email", "Send Letter"}},
		typed("Description", "Comments", "textarea"), who, what,
	}, own...)
}

// assumed is a picklist that is never blank: Salesforce fills it with its first option.
func assumed(name, label string, options ...string) column {
	c := pick(name, label, false, options...)
	c.defaulted = true
	return c
}

var industries = []string{"Agriculture", "Banking", "Construction", "Education", "Retail", "Technology"}

// objects is the org's schema. Required fields, lengths and types as in
// atlas.en-us.202.0.object_reference.meta/object_reference/sforce_api_objects_lead.htm
// and its siblings; the fields ending in __c are this org's own.
var objects = []*object{
	{name: "Account", label: "Account", prefix: "001", merges: true, columns: standard(true, append(address("Billing"),
		needed(text("Name", "Account Name", 255)), typed("Phone", "Account Phone", "phone"),
		typed("Fax", "Account Fax", "phone"),
		typed("Website", "Website", "url"), pick("Industry", "Industry", false, industries...),
		pick("Type", "Account Type", false, "Prospect", "Customer", "Partner"),
		typed("NumberOfEmployees", "Employees", "int"), typed("AnnualRevenue", "Annual Revenue", "currency"),
		typed("Description", "Account Description", "textarea"), reference("ParentId", "Parent Account ID", "Account"))...)},
	{
		name: "Contact", label: "Contact", prefix: "003", merges: true,
		columns: standard(true, personal(append(address("Mailing"),
			reference("AccountId", "Account ID", "Account"), text("Department", "Department", 80),
			typed("Birthdate", "Birthdate", "date"),
			text("Company__c", "Company", 255), salutationLine())...)...),
	},
	{name: "Lead", label: "Lead", prefix: "00Q", merges: true, columns: standard(true, personal(append(address(""),
		needed(text("Company", "Company", 255)), typed("Website", "Website", "url"),
		column{
			name: "Status", label: "Lead Status", kind: "picklist", length: 255, defaulted: true, options: []string{
				"Open - Not Contacted", "Working - Contacted", "Closed - Converted",
			},
		},
		pick("Rating", "Rating", false, "Hot", "Warm", "Cold"), pick("Industry", "Industry", false, industries...),
		typed("AnnualRevenue", "Annual Revenue", "currency"), typed("NumberOfEmployees", "No. of Employees", "int"),
		fixed(column{name: "IsConverted", label: "Converted", kind: "boolean", defaulted: true}),
		fixed(reference("ConvertedContactId", "Converted Contact ID", "Contact")),
		fixed(reference("ConvertedAccountId", "Converted Account ID", "Account")),
		fixed(reference("ConvertedOpportunityId", "Converted Opportunity ID", "Opportunity")))...)...)},
	{name: "Opportunity", label: "Opportunity", prefix: "006", columns: standard(false,
		needed(text("Name", "Name", 120)), needed(pick("StageName", "Stage", false, "Prospecting", "Qualification",
			"Negotiation/Review", "Closed Won", "Closed Lost")),
		needed(typed("CloseDate", "Close Date", "date")), typed("Amount", "Amount", "currency"),
		typed("Probability", "Probability (%)", "percent"),
		reference("AccountId", "Account ID", "Account"), pick("Type", "Opportunity Type", false, "New Business",
			"Existing Business"),
		pick("LeadSource", "Lead Source", false, sources...), typed("Description", "Description", "textarea"),
		text("NextStep", "Next Step", 255))},
	{name: "Task", label: "Task", prefix: "00T", columns: standard(false, activity(
		typed("ActivityDate", "Due Date Only", "date"),
		assumed("Status", "Status", "Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"),
		assumed("Priority", "Priority", "Normal", "High", "Low"),
		pick("CallType", "Call Type", true, "Internal", "Inbound", "Outbound"),
		typed("CallDurationInSeconds", "Call Duration", "int"), text("CallDisposition", "Call Result", 255),
		fixed(column{name: "IsClosed", label: "Closed", kind: "boolean", defaulted: true}),
		typed("ReminderDateTime", "Reminder Date/Time", "datetime"),
		column{name: "IsReminderSet", label: "Reminder Set", kind: "boolean", defaulted: true})...)},
	{name: "Event", label: "Event", prefix: "00U", columns: standard(false, activity(
		typed("StartDateTime", "Start Date Time", "datetime"), typed("EndDateTime", "End Date Time", "datetime"),
		typed("DurationInMinutes", "Duration", "int"), text("Location", "Location", 255),
		column{name: "IsAllDayEvent", label: "All-Day Event", kind: "boolean", defaulted: true},
		pick("ShowAs", "Show Time As", true, "Busy", "OutOfOffice", "Free"),
		typed("ReminderDateTime", "Reminder Date/Time", "datetime"),
		column{name: "IsReminderSet", label: "Reminder Set", kind: "boolean", defaulted: true})...)},
	{name: "User", label: "User", prefix: "005", readOnly: true, columns: []column{
		fixed(column{name: "Id", label: "User ID", kind: "id", length: 18}), fixed(text("Name", "Full Name", 121)),
		fixed(typed("Email", "Email", "email")),
		fixed(text("Username", "Username", 80)), fixed(column{name: "IsActive", label: "Active", kind: "boolean"}),
		fixed(pick("UserType", "User Type", true, "Standard")), fixed(typed("SystemModstamp", "System Modstamp", "datetime")),
	}},
	{name: "Organization", label: "Organization", prefix: "00D", readOnly: true, columns: []column{
		fixed(column{name: "Id", label: "Organization ID", kind: "id", length: 18}), fixed(text("Name", "Name", 80)),
		fixed(pick("OrganizationType", "Edition", true, "Enterprise Edition", "Developer Edition")),
		fixed(column{name: "IsSandbox", label: "Is Sandbox", kind: "boolean"}),
		fixed(text("InstanceName", "Instance Name", 5)),
	}},
}

// own returns a copy of the schema for one org.
func own() []*object {
	out := make([]*object, len(objects))
	for i, o := range objects {
		c := *o
		c.columns = slices.Clone(o.columns)
		out[i] = &c
	}
	return out
}

func find(objects []*object, name string) (*object, bool) {
	i := slices.IndexFunc(objects, func(o *object) bool { return strings.EqualFold(o.name, name) })
	if i < 0 {
		return nil, false
	}
	return objects[i], true
}

// summary is an object in the global list: guide/resources-describeglobal.
func (o *object) summary() map[string]any {
	base := dataURL + "/sobjects/" + o.name
	return map[string]any{
		"name": o.name, "label": o.label, "labelPlural": o.label + "s", "keyPrefix": o.prefix, "custom": false,
		"customSetting": false,
		"createable":    !o.readOnly, "updateable": !o.readOnly, "deletable": !o.readOnly, "undeletable": !o.readOnly,
		"mergeable": o.merges,
		"queryable": true, "retrieveable": true, "searchable": !o.readOnly, "replicateable": !o.readOnly,
		"deprecatedAndHidden": false,
		"urls": map[string]string{
			"sobject": base, "describe": base + "/describe", "rowTemplate": base + "/{ID}",
		},
	}
}

// describe is an object's whole description: guide/resources-sobject-describe.
func (o *object) describe() map[string]any {
	out := o.summary()
	fields := make([]map[string]any, len(o.columns))
	for i, c := range o.columns {
		fields[i] = c.describe()
	}
	out["fields"], out["childRelationships"], out["recordTypeInfos"] = fields, []any{}, []any{}
	return out
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (c *column) describe() map[string]any {
	values := make([]map[string]any, len(c.options))
	for i, v := range c.options {
		values[i] = map[string]any{"value": v, "label": v, "active": true, "defaultValue": false, "validFor": nil}
	}
	refs := []string{}
	if c.references != "" {
		refs = append(append(refs, c.references), c.or...)
	}
	return map[string]any{
		"name": c.name, "label": c.label, "type": c.kind, "length": c.length, "byteLength": c.length * 3,
		"nillable": !c.required && !c.defaulted, "createable": !c.readOnly, "updateable": !c.readOnly,
		"defaultedOnCreate": c.defaulted,
		"calculated":        c.formula != nil, "autoNumber": false, "unique": c.unique, "externalId": c.external,
		"idLookup": c.lookup, "caseSensitive": false,
		"restrictedPicklist": c.restricted, "dependentPicklist": false, "controllerName": nil, "referenceTo": refs,
		"compoundFieldName": null(c.compound),
		"picklistValues":    values, "custom": strings.HasSuffix(c.name, "__c"), "filterable": c.kind != "textarea" &&
			c.kind != "address",
		"sortable": c.kind != "textarea" && c.kind != "address" && c.kind != "multipicklist", "nameField": c.name == "Name",
	}
}
