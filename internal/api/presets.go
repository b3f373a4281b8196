package api

import (
	"context"
	"slices"
	"sync"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// preset is a ready-made set of syncs for two apps.
type preset struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Left        crm.AppID  `json:"left"`
	Right       crm.AppID  `json:"right"`
	Syncs       []crm.Sync `json:"syncs" nullable:"false"`
	Derived     bool       `json:"derived" doc:"Nobody has made it for these two apps: it joins what both are known to have"`

	Warnings []ProblemItem `json:"warnings" nullable:"false" doc:"What to know of the syncs; pointers are into the preset"`

	pair objectPair
}

// syncs are the syncs of the preset for accounts of two apps, in either order.
func (p *preset) syncs(left, right crm.AppID) []crm.Sync {
	if p.Left == p.Right || left != p.Right || right != p.Left {
		return p.Syncs
	}
	return []crm.Sync{p.pair.document(true)}
}

// pairOf is one well-known pair of fields of two objects.
type pairOf struct {
	id          string
	left, right []string
	transform   crm.TransformType
	origin      string
}

// objectPair is what is known of two objects that mean the same thing.
type objectPair struct {
	preset      string
	name        string
	left, right crm.AppID
	leftObject  string
	rightObject string
	sync        crm.SyncID
	derived     bool
	pairs       []pairOf
	match       []crm.MatchStep
	once        string                   // ID of the pair whose field is written when it is made, and never again
	ways        map[string]crm.Direction // of pairs that go one way, by ID
}

// ends are the two objects, which may stand for families.
func (p objectPair) ends() (left, right crm.Object) {
	return crm.Object{ID: p.leftObject, Family: true}, crm.Object{ID: p.rightObject, Family: true}
}

// objectPairs are the pairs that presets and suggestions are made from. Field
// names are the apps' own: docs/apps has the sources.
var objectPairs = []objectPair{
	{
		preset: "hubspot-salesforce-contacts", name: "HubSpot contacts and Salesforce contacts", sync: "contacts",
		left: "hubspot", right: "salesforce", leftObject: "contacts", rightObject: "Contact",
		pairs: []pairOf{
			{"email", []string{"email"}, []string{"Email"}, crm.TransformEmail, "default"},
			{"first_name", []string{"firstname"}, []string{"FirstName"}, crm.TransformNone, "default"},
			{"last_name", []string{"lastname"}, []string{"LastName"}, crm.TransformNone, "required"},
			{"phone", []string{"phone"}, []string{"Phone"}, crm.TransformPhone, "default"},
			{"mobile", []string{"mobilephone"}, []string{"MobilePhone"}, crm.TransformPhone, "default"},
			{"title", []string{"jobtitle"}, []string{"Title"}, crm.TransformNone, "default"},
			{"street", []string{"address"}, []string{"MailingStreet"}, crm.TransformNone, "default"},
			{"city", []string{"city"}, []string{"MailingCity"}, crm.TransformNone, "default"},
			{"state", []string{"state"}, []string{"MailingState"}, crm.TransformNone, "default"},
			{"postal_code", []string{"zip"}, []string{"MailingPostalCode"}, crm.TransformNone, "default"},
			{"country", []string{"country"}, []string{"MailingCountry"}, crm.TransformNone, "default"},
		},
		match: byEmail("email", "Email"),
	},
	{
		preset: "hubspot-salesforce-leads", name: "HubSpot contacts and Salesforce leads", sync: "leads",
		left: "hubspot", right: "salesforce", leftObject: "contacts", rightObject: "Lead",
		pairs: []pairOf{
			{"email", []string{"email"}, []string{"Email"}, crm.TransformEmail, "default"},
			{"first_name", []string{"firstname"}, []string{"FirstName"}, crm.TransformNone, "default"},
			{"last_name", []string{"lastname"}, []string{"LastName"}, crm.TransformNone, "required"},
			{"company", []string{"company"}, []string{"Company"}, crm.TransformNone, "required"},
			{"phone", []string{"phone"}, []string{"Phone"}, crm.TransformPhone, "default"},
			{"title", []string{"jobtitle"}, []string{"Title"}, crm.TransformNone, "default"},
		},
		match: byEmail("email", "Email"),
	},
	{
		preset: "hubspot-salesforce-companies", name: "HubSpot companies and Salesforce accounts", sync: "companies",
		left: "hubspot", right: "salesforce", leftObject: "companies", rightObject: "Account",
		pairs: []pairOf{
			{"name", []string{"name"}, []string{"Name"}, crm.TransformNone, "required"},
			{"website", []string{"domain"}, []string{"Website"}, crm.TransformDomain, "default"},
			{"phone", []string{"phone"}, []string{"Phone"}, crm.TransformPhone, "default"},
			{"city", []string{"city"}, []string{"BillingCity"}, crm.TransformNone, "default"},
			{"description", []string{"description"}, []string{"Description"}, crm.TransformNone, "default"},
		},
		// The domain decides, however the names are spelled. By name only a
		// company without a domain is found, or one of several on a domain.
		match: []crm.MatchStep{
			{By: crm.MatchByAnyKey, Pairs: [][2]string{{"domain", "Website"}}},
			{By: crm.MatchByAnyKey, Pairs: [][2]string{{"domain", "Website"}, {"name", "Name"}}, OnDisagreement: "error"},
		},
	},
	{
		preset: "hubspot-pipedrive-contacts", name: "HubSpot contacts and Pipedrive persons", sync: "contacts",
		left: "hubspot", right: "pipedrive", leftObject: "contacts", rightObject: "persons",
		pairs: []pairOf{
			{"email", []string{"email"}, []string{"emails"}, crm.TransformEmail, "default"},
			{"name", []string{"firstname", "lastname"}, []string{"name"}, crm.TransformFullName, "required"},
			{"phone", []string{"phone"}, []string{"phones"}, crm.TransformPhone, "default"},
		},
		match: byEmail("email", "emails"),
	},
	{
		preset: "salesforce-pipedrive-contacts", name: "Salesforce contacts and Pipedrive persons", sync: "contacts",
		left: "salesforce", right: "pipedrive", leftObject: "Contact", rightObject: "persons",
		pairs: []pairOf{
			{"email", []string{"Email"}, []string{"emails"}, crm.TransformEmail, "default"},
			{"name", []string{"FirstName", "LastName"}, []string{"name"}, crm.TransformFullName, "required"},
			{"phone", []string{"Phone"}, []string{"phones"}, crm.TransformPhone, "default"},
		},
		match: byEmail("Email", "emails"),
	},
	{
		preset: "hubspot-googlecontacts-contacts", name: "HubSpot contacts and Google contacts", sync: "contacts",
		left: "hubspot", right: "googlecontacts", leftObject: "contacts", rightObject: "contacts",
		pairs: []pairOf{
			{"email", []string{"email"}, []string{"emailAddresses"}, crm.TransformEmail, "default"},
			{"first_name", []string{"firstname"}, []string{"names/givenName"}, crm.TransformNone, "default"},
			{"last_name", []string{"lastname"}, []string{"names/familyName"}, crm.TransformNone, "default"},
			{"phone", []string{"phone"}, []string{"phoneNumbers"}, crm.TransformPhone, "default"},
			{"company", []string{"company"}, []string{"organizations/name"}, crm.TransformNone, "default"},
			{"title", []string{"jobtitle"}, []string{"organizations/title"}, crm.TransformNone, "default"},
			{"street", []string{"address"}, []string{"addresses/streetAddress"}, crm.TransformNone, "default"},
			{"city", []string{"city"}, []string{"addresses/city"}, crm.TransformNone, "default"},
			{"state", []string{"state"}, []string{"addresses/region"}, crm.TransformNone, "default"},
			{"postal_code", []string{"zip"}, []string{"addresses/postalCode"}, crm.TransformNone, "default"},
			{"country", []string{"country"}, []string{"addresses/country"}, crm.TransformNone, "default"},
		},
		match: byEmail("email", "emailAddresses"),
	},
	{
		preset: "hubspot-carddav-contacts", name: "HubSpot contacts and an address book", sync: "contacts",
		left: "hubspot", right: "carddav", leftObject: "contacts", rightObject: "contacts",
		pairs: []pairOf{
			{"email", []string{"email"}, []string{"EMAIL"}, crm.TransformEmail, "default"},
			{"first_name", []string{"firstname"}, []string{"N/given"}, crm.TransformNone, "default"},
			{"last_name", []string{"lastname"}, []string{"N/family"}, crm.TransformNone, "default"},
			{"phone", []string{"phone"}, []string{"TEL"}, crm.TransformPhone, "default"},
			{"company", []string{"company"}, []string{"ORG/name"}, crm.TransformNone, "default"},
			{"title", []string{"jobtitle"}, []string{"TITLE"}, crm.TransformNone, "default"},
			{"street", []string{"address"}, []string{"ADR/street"}, crm.TransformNone, "default"},
			{"city", []string{"city"}, []string{"ADR/locality"}, crm.TransformNone, "default"},
			{"state", []string{"state"}, []string{"ADR/region"}, crm.TransformNone, "default"},
			{"postal_code", []string{"zip"}, []string{"ADR/code"}, crm.TransformNone, "default"},
			{"country", []string{"country"}, []string{"ADR/country"}, crm.TransformNone, "default"},
		},
		match: byEmail("email", "EMAIL"),
	},
	{
		preset: "hubspot-intercom-contacts", name: "HubSpot contacts and Intercom contacts", sync: "contacts",
		left: "hubspot", right: "intercom", leftObject: "contacts", rightObject: "contacts",
		pairs: []pairOf{
			{"email", []string{"email"}, []string{"email"}, crm.TransformEmail, "default"},
			{"name", []string{"firstname", "lastname"}, []string{"name"}, crm.TransformFullName, "default"},
			{"phone", []string{"phone"}, []string{"phone"}, crm.TransformPhone, "default"},
		},
		match: byEmail("email", "email"),
	},
	{
		preset: "hubspot-leadsquared-contacts", name: "HubSpot contacts and LeadSquared leads", sync: "contacts",
		left: "hubspot", right: "leadsquared", leftObject: "contacts", rightObject: "leads",
		pairs: []pairOf{
			{"email", []string{"email"}, []string{"EmailAddress"}, crm.TransformEmail, "default"},
			{"first_name", []string{"firstname"}, []string{"FirstName"}, crm.TransformNone, "default"},
			{"last_name", []string{"lastname"}, []string{"LastName"}, crm.TransformNone, "default"},
			{"phone", []string{"phone"}, []string{"Phone"}, crm.TransformPhone, "default"},
			{"company", []string{"company"}, []string{"Company"}, crm.TransformNone, "default"},
			{"title", []string{"jobtitle"}, []string{"JobTitle"}, crm.TransformNone, "default"},
		},
		match: byEmail("email", "EmailAddress"),
	},
	{
		preset: "hubspot-realgeeks-contacts", name: "HubSpot contacts and Real Geeks leads", sync: "contacts",
		left: "hubspot", right: "realgeeks", leftObject: "contacts", rightObject: "leads",
		pairs: []pairOf{
			{"email", []string{"email"}, []string{"email"}, crm.TransformEmail, "default"},
			{"first_name", []string{"firstname"}, []string{"first_name"}, crm.TransformNone, "default"},
			{"last_name", []string{"lastname"}, []string{"last_name"}, crm.TransformNone, "default"},
			{"phone", []string{"phone"}, []string{"phone"}, crm.TransformPhone, "default"},
			{"street", []string{"address"}, []string{"street_address"}, crm.TransformNone, "default"},
			{"city", []string{"city"}, []string{"city"}, crm.TransformNone, "default"},
			{"state", []string{"state"}, []string{"state"}, crm.TransformNone, "default"},
			{"postal_code", []string{"zip"}, []string{"zip"}, crm.TransformNone, "default"},
		},
		match: byEmail("email", "email"),
	},
	{
		preset: "realgeeks-googlecontacts-contacts", name: "Real Geeks leads and Google contacts", sync: "contacts",
		left: "realgeeks", right: "googlecontacts", leftObject: "leads", rightObject: "contacts",
		pairs: []pairOf{
			{"email", []string{"email"}, []string{"emailAddresses"}, crm.TransformEmail, "default"},
			{"first_name", []string{"first_name"}, []string{"names/givenName"}, crm.TransformNone, "default"},
			{"last_name", []string{"last_name"}, []string{"names/familyName"}, crm.TransformNone, "default"},
			{"phone", []string{"phone"}, []string{"phoneNumbers"}, crm.TransformPhone, "default"},
			{"street", []string{"street_address"}, []string{"addresses/streetAddress"}, crm.TransformNone, "default"},
			{"city", []string{"city"}, []string{"addresses/city"}, crm.TransformNone, "default"},
			{"state", []string{"state"}, []string{"addresses/region"}, crm.TransformNone, "default"},
			{"postal_code", []string{"zip"}, []string{"addresses/postalCode"}, crm.TransformNone, "default"},
		},
		match: byEmail("email", "emailAddresses"),
	},
	{
		preset: "realgeeks-intercom-contacts", name: "Real Geeks leads and Intercom contacts", sync: "contacts",
		left: "realgeeks", right: "intercom", leftObject: "leads", rightObject: "contacts",
		pairs: []pairOf{
			{"email", []string{"email"}, []string{"email"}, crm.TransformEmail, "default"},
			{"name", []string{"first_name", "last_name"}, []string{"name"}, crm.TransformFullName, "default"},
			{"phone", []string{"phone"}, []string{"phone"}, crm.TransformPhone, "default"},
		},
		match: byEmail("email", "email"),
	},
	{
		preset: "leadsquared-leadsquared-leads", name: "Leads of two LeadSquared accounts", sync: "leads",
		left: "leadsquared", right: "leadsquared", leftObject: "leads", rightObject: "leads",
		pairs: []pairOf{
			{"email", []string{"EmailAddress"}, []string{"EmailAddress"}, crm.TransformEmail, "default"},
			{"first_name", []string{"FirstName"}, []string{"FirstName"}, crm.TransformNone, "default"},
			{"last_name", []string{"LastName"}, []string{"LastName"}, crm.TransformNone, "default"},
			{"phone", []string{"Phone"}, []string{"Phone"}, crm.TransformPhone, "default"},
			{"company", []string{"Company"}, []string{"Company"}, crm.TransformNone, "default"},
			{"title", []string{"JobTitle"}, []string{"JobTitle"}, crm.TransformNone, "default"},
			{"source", []string{"Source"}, []string{"Source"}, crm.TransformNone, "default"},
		},
		// The phone is asked for only where nobody is found by the e-mail.
		match: []crm.MatchStep{
			{By: crm.MatchByAnyKey, Pairs: [][2]string{{"EmailAddress", "EmailAddress"}}},
			{By: crm.MatchByAnyKey, Pairs: [][2]string{{"Phone", "Phone"}}},
		},
	},
}

// dayOfTime is the way of a time in HubSpot to a day elsewhere: there is no way back
// from a day to its time.
var dayOfTime = map[string]crm.Direction{"due": crm.DirectionToRight}

// activityPairs are pairs of activity objects, which no preset has and which nothing
// matches but a link. HubSpot demands to know when an activity takes place: of one that
// comes from elsewhere that is when it was made there, which every one has.
var activityPairs = []objectPair{
	{
		left: "hubspot", right: "salesforce", leftObject: "notes", rightObject: "Task",
		pairs: []pairOf{
			{"body", []string{"hs_note_body"}, []string{"Description"}, crm.TransformNone, "default"},
			{"time", []string{"hs_timestamp"}, []string{"CreatedDate"}, crm.TransformDateTime, "required"},
			{"owner", []string{"hubspot_owner_id"}, []string{"OwnerId"}, crm.TransformNone, "default"},
		},
		once: "time",
	},
	{
		left: "hubspot", right: "salesforce", leftObject: "tasks", rightObject: "Task",
		pairs: []pairOf{
			{"subject", []string{"hs_task_subject"}, []string{"Subject"}, crm.TransformNone, "default"},
			{"body", []string{"hs_task_body"}, []string{"Description"}, crm.TransformNone, "default"},
			{"time", []string{"hs_timestamp"}, []string{"CreatedDate"}, crm.TransformDateTime, "required"},
			{"due", []string{"hs_timestamp"}, []string{"ActivityDate"}, crm.TransformDate, "default"},
			{"status", []string{"hs_task_status"}, []string{"Status"}, crm.TransformOptions, "default"},
			{"owner", []string{"hubspot_owner_id"}, []string{"OwnerId"}, crm.TransformNone, "default"},
		},
		once: "time", ways: dayOfTime,
	},
	{
		left: "hubspot", right: "salesforce", leftObject: "calls", rightObject: "Task",
		pairs: []pairOf{
			{"subject", []string{"hs_call_title"}, []string{"Subject"}, crm.TransformNone, "default"},
			{"body", []string{"hs_call_body"}, []string{"Description"}, crm.TransformNone, "default"},
			{"time", []string{"hs_timestamp"}, []string{"CreatedDate"}, crm.TransformDateTime, "required"},
			{"due", []string{"hs_timestamp"}, []string{"ActivityDate"}, crm.TransformDate, "default"},
			{"owner", []string{"hubspot_owner_id"}, []string{"OwnerId"}, crm.TransformNone, "default"},
		},
		once: "time", ways: dayOfTime,
	},
	{
		left: "hubspot", right: "salesforce", leftObject: "meetings", rightObject: "Event",
		pairs: []pairOf{
			{"subject", []string{"hs_meeting_title"}, []string{"Subject"}, crm.TransformNone, "default"},
			{"body", []string{"hs_meeting_body"}, []string{"Description"}, crm.TransformNone, "default"},
			{"start", []string{"hs_meeting_start_time"}, []string{"StartDateTime"}, crm.TransformDateTime, "required"},
			{"end", []string{"hs_meeting_end_time"}, []string{"EndDateTime"}, crm.TransformDateTime, "required"},
			{"time", []string{"hs_timestamp"}, []string{"CreatedDate"}, crm.TransformDateTime, "required"},
			{"place", []string{"hs_meeting_location"}, []string{"Location"}, crm.TransformNone, "default"},
			{"owner", []string{"hubspot_owner_id"}, []string{"OwnerId"}, crm.TransformNone, "default"},
		},
		once: "time",
	},
	withPipedrive("notes", "", "hs_note_body"),
	withPipedrive("tasks", "hs_task_subject", "hs_task_body"),
	withPipedrive("calls", "hs_call_title", "hs_call_body"),
	withPipedrive("meetings", "hs_meeting_title", "hs_meeting_body"),
	{
		left: "leadsquared", right: "leadsquared", leftObject: "activities", rightObject: "activities",
		pairs: []pairOf{
			{"note", []string{"ActivityEvent_Note"}, []string{"ActivityEvent_Note"}, crm.TransformNone, "default"},
			{"time", []string{"CreatedOn"}, []string{"CreatedOn"}, crm.TransformDateTime, "default"},
		},
		once: "time",
	},
	withLeadSquared("notes", "hs_note_body"), withLeadSquared("tasks", "hs_task_body"),
	withLeadSquared("calls", "hs_call_body"), withLeadSquared("meetings", "hs_meeting_body"),
}

// withLeadSquared pairs an activity object of HubSpot with activities of any one type.
func withLeadSquared(object, body string) objectPair {
	return objectPair{
		left: "hubspot", right: "leadsquared", leftObject: object, rightObject: "activities",
		pairs: []pairOf{
			{"body", []string{body}, []string{"ActivityEvent_Note"}, crm.TransformNone, "default"},
			{"time", []string{"hs_timestamp"}, []string{"CreatedOn"}, crm.TransformDateTime, "required"},
		},
		once: "time",
	}
}

// withPipedrive pairs an activity object of HubSpot with Pipedrive's one object, which a
// type in it tells apart.
func withPipedrive(object, subject, body string) objectPair {
	out := objectPair{
		left: "hubspot", right: "pipedrive", leftObject: object, rightObject: "activities",
		pairs: []pairOf{
			{"body", []string{body}, []string{"note"}, crm.TransformNone, "default"},
			{"time", []string{"hs_timestamp"}, []string{"add_time"}, crm.TransformDateTime, "required"},
			{"due", []string{"hs_timestamp"}, []string{"due_date"}, crm.TransformDate, "default"},
			{"owner", []string{"hubspot_owner_id"}, []string{"owner_id"}, crm.TransformNone, "default"},
		},
		once: "time", ways: dayOfTime,
	}
	if subject != "" {
		out.pairs = append(out.pairs, pairOf{
			"subject", []string{subject}, []string{"subject"}, crm.TransformNone, "default",
		})
	}
	return out
}

func byEmail(left, right string) []crm.MatchStep {
	return []crm.MatchStep{{By: crm.MatchByAnyKey, Pairs: [][2]string{{left, right}}, OnDisagreement: "error"}}
}

// steps turns the pair's match steps round when the caller's sides are.
func (p objectPair) steps(swapped bool) []crm.MatchStep {
	out := slices.Clone(p.match)
	if !swapped {
		return out
	}
	for i := range out {
		pairs := make([][2]string, len(out[i].Pairs))
		for n, pair := range out[i].Pairs {
			pairs[n] = [2]string{pair[1], pair[0]}
		}
		out[i].Pairs = pairs
	}
	return out
}

func (p objectPair) mappings(swapped bool) []crm.Mapping {
	out := make([]crm.Mapping, len(p.pairs))
	for i, x := range p.pairs {
		out[i] = crm.Mapping{
			ID: crm.MappingID(x.id), Left: slices.Clone(x.left), Right: slices.Clone(x.right), Origin: x.origin,
			Transform: crm.Transform{Type: x.transform}, WriteOnce: p.once == x.id, Direction: p.ways[x.id],
		}
		if swapped {
			out[i].Left, out[i].Right = out[i].Right, out[i].Left
			out[i].Direction = turned(out[i].Direction)
		}
		normalizeMapping(&out[i])
	}
	return out
}

// turned is a direction between two sides that changed places.
func turned(d crm.Direction) crm.Direction {
	switch d {
	case crm.DirectionToRight:
		return crm.DirectionToLeft
	case crm.DirectionToLeft:
		return crm.DirectionToRight
	case crm.DirectionBoth, crm.DirectionOff:
	}
	return d
}

// document is a sync of the two objects.
func (p objectPair) document(swapped bool) crm.Sync {
	one := crm.Sync{
		ID: p.sync, Left: crm.ObjectEnd{Object: p.leftObject}, Right: crm.ObjectEnd{Object: p.rightObject},
		Match: crm.SameMatch(p.steps(swapped)...), Mappings: p.mappings(swapped),
	}
	if swapped {
		one.Left, one.Right = one.Right, one.Left
	}
	normalizeSync(&one)
	return one
}

// pairsOfObjects are all that presets are made from: those that somebody wrote, and a
// default for every other two apps.
var pairsOfObjects = sync.OnceValue(func() []objectPair {
	return slices.Concat(objectPairs, documentPairs, derivedPairs())
})

// presetsOf lists those whose apps are both here, the written ones first.
func presetsOf(drivers map[crm.AppID]connector.Driver) []preset {
	var out []preset
	for _, p := range pairsOfObjects() {
		if _, ok := drivers[p.left]; !ok {
			continue
		}
		if _, ok := drivers[p.right]; !ok {
			continue
		}
		one := p.document(false)
		said := "The fields that both apps have by default, matched by what identifies a record"
		if p.derived {
			said += "; derived from what is known of either app, so look through it before the start"
		}
		out = append(out, preset{
			ID: p.preset, Name: p.name, Description: said, Derived: p.derived,
			Left: p.left, Right: p.right, pair: p, Syncs: []crm.Sync{one},
			Warnings: syncWarnings(&one, "/syncs/0", [2][]crm.Field{}),
		})
	}
	return out
}

// preset is one of them; nil where there is none of that ID.
func (s *server) preset(ctx context.Context, id string) (*preset, error) {
	drivers, err := s.drivers(ctx)
	if err != nil {
		return nil, err
	}
	all := presetsOf(drivers)
	for i := range all {
		if all[i].ID == id {
			return &all[i], nil
		}
	}
	return nil, nil
}
