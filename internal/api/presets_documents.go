package api

import "github.com/lockstep-crm/lockstep/internal/crm"

// documentPairs are those of the apps that are documents: with HubSpot, of ClientSuccess
// with Salesforce, too, and of Sierra and Homestack, which both are.
var documentPairs = []objectPair{
	withHubSpot("clientsuccess", "HubSpot contacts and ClientSuccess contacts", "contacts", byEmail("email", "email"),
		alike("email", "email", "email", "default"), alike("first_name", "firstname", "firstName", "default"),
		alike("last_name", "lastname", "lastName", "default"),
		alike("phone", "phone", "phone", "default"), alike("title", "jobtitle", "title", "default")),
	withHubSpot("espocrm", "HubSpot contacts and EspoCRM contacts", "Contact", byEmail("email", "emailAddress"),
		alike("email", "email", "emailAddress", "default"), alike("first_name", "firstname", "firstName", "default"),
		alike("last_name", "lastname", "lastName", "required"), alike("phone", "phone", "phoneNumber", "default")),
	withHubSpot("homestack", "HubSpot contacts and Homestack users", "users", byEmail("email", "email"),
		alike("email", "email", "email", "required"),
		pairOf{"name", []string{"firstname", "lastname"}, []string{"name"}, crm.TransformFullName, "required"},
		alike("phone", "phone", "phone", "required")),
	// Nobody is looked up by an e-mail there.
	withHubSpot("mainstay", "HubSpot contacts and Mainstay contacts", "contacts", []crm.MatchStep{
		{By: crm.MatchByAnyKey, Pairs: [][2]string{{"phone", "phone"}}},
	},
		alike("email", "email", "email", "default"), alike("first_name", "firstname", "first_name", "required"),
		alike("last_name", "lastname", "last_name", "required"), alike("phone", "phone", "phone", "required")),
	withHubSpot("mautic", "HubSpot contacts and Mautic contacts", "contacts", byEmail("email", "email"),
		alike("email", "email", "email", "default"), alike("first_name", "firstname", "firstname", "default"),
		alike("last_name", "lastname", "lastname", "default"), alike("phone", "phone", "phone", "default")),
	withHubSpot("sierra", "HubSpot contacts and Sierra Interactive leads", "leads", byEmail("email", "email"),
		alike("email", "email", "email", "required"), alike("first_name", "firstname", "firstName", "default"),
		alike("last_name", "lastname", "lastName", "default"),
		alike("phone", "phone", "phone", "default"), alike("street", "address", "streetAddress", "default"),
		alike("city", "city", "city", "default"),
		alike("state", "state", "state", "default"), alike("postal_code", "zip", "zip", "default")),
	withHubSpot("twenty", "HubSpot contacts and Twenty people", "people", byEmail("email", "emails.primaryEmail"),
		alike("email", "email", "emails.primaryEmail", "default"), alike("first_name", "firstname", "name.firstName",
			"default"),
		alike("last_name", "lastname", "name.lastName", "default"), alike("phone", "phone", "phones.primaryPhoneNumber",
			"default"),
		alike("title", "jobtitle", "jobTitle", "default"), alike("city", "city", "city", "default")),
	{
		preset: "salesforce-clientsuccess-contacts", name: "Salesforce contacts and ClientSuccess contacts", sync: "contacts",
		left: "salesforce", right: "clientsuccess", leftObject: "Contact", rightObject: "contacts",
		pairs: []pairOf{
			alike("email", "Email", "email", "default"), alike("first_name", "FirstName", "firstName", "default"),
			alike("last_name", "LastName", "lastName", "required"), alike("phone", "Phone", "phone", "default"),
			alike("title", "Title", "title", "default"),
		},
		match: byEmail("Email", "email"),
	},
	{
		preset: "sierra-homestack-leads", name: "Sierra Interactive leads and Homestack users", sync: "leads",
		left: "sierra", right: "homestack", leftObject: "leads", rightObject: "users",
		pairs: []pairOf{
			alike("email", "email", "email", "required"),
			{"name", []string{"firstName", "lastName"}, []string{"name"}, crm.TransformFullName, "required"},
			alike("phone", "phone", "phone", "required"),
			{"tags", []string{"tags"}, []string{"tags"}, crm.TransformList, "default"},
			alike("summary", "shortSummary", "agent_notes", "default"),
			{"assignee", []string{"assignee"}, []string{"agent_email"}, crm.TransformEmail, "default"},
			{"agent", []string{"assigneeFirst", "assigneeLast"}, []string{"agent_name"}, crm.TransformFullName, "default"},
		},
		// Sierra knows the name of an agent by the address, and lets nobody write it.
		ways:  map[string]crm.Direction{"agent": crm.DirectionToRight},
		match: byEmail("email", "email"),
	},
}

// withHubSpot pairs HubSpot's contacts with the people of an app.
func withHubSpot(app crm.AppID, name, object string, match []crm.MatchStep, pairs ...pairOf) objectPair {
	return objectPair{
		preset: "hubspot-" + string(app) + "-contacts", name: name, sync: "contacts",
		left: "hubspot", right: app, leftObject: "contacts", rightObject: object, pairs: pairs, match: match,
	}
}

// alike pairs two fields of one meaning, by the transform that its name calls for.
func alike(id, left, right, origin string) pairOf {
	transform := crm.TransformNone
	switch id {
	case "email":
		transform = crm.TransformEmail
	case "phone":
		transform = crm.TransformPhone
	}
	return pairOf{id, []string{left}, []string{right}, transform, origin}
}
