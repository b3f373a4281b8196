// Package fakes is the one list of fake apps, one for each app of package apps.
package fakes

import (
	"maps"

	"github.com/lockstep-crm/lockstep/internal/connector/carddav/carddavfake"
	"github.com/lockstep-crm/lockstep/internal/connector/declared/vendorsfake"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts/googlecontactsfake"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/intercom/intercomfake"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared/leadsquaredfake"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive/pipedrivefake"
	"github.com/lockstep-crm/lockstep/internal/connector/realgeeks/realgeeksfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Kind is a fake app and how to get into it. The credentials open nothing real.
type Kind struct {
	Objects     string            // of the seeded people
	Person      Person            // what they are made of
	Credentials map[string]string // as POST /v1/accounts takes them, or of the client that the app's consent page knows
	Consent     bool              // nobody opens an account by Credentials: it is made by agreeing on that page
	HookSecret  string            // that webhooks are signed with, or carry; "" = neither
	Start       func(fakekit.Config) fakekit.Fake
	// Grant makes an access token as if somebody had just agreed, for whoever does not
	// go through the consent page; nil = the app is opened by Credentials alone.
	Grant func(fakekit.Fake) string
}

// Person names an app's fields of a person, as its connector does. "" = it has none, or
// none that takes any value.
type Person struct {
	Email string
	First string
	Last  string // the one name, where an app knows no other
	Phone string
	City  string // any text, where an app has no city

	ByPhone   bool // people are looked up by their phones, and by no e-mail
	TenDigits bool // phones are ten digits
}

// hookSecret is what the fakes of documents sign with, where they sign.
const hookSecret = "fake-hook-secret"

// documents are the fakes of the apps that are documents.
func documents() map[crm.AppID]Kind {
	table := func(
		objects, secret string, start func(fakekit.Config) *restapp.Fake, credentials map[string]string, person Person,
	) Kind {
		if secret != "" {
			credentials["webhook_secret"] = secret
		}
		return Kind{
			Objects: objects, Person: person, HookSecret: secret, Credentials: credentials,
			Start: func(c fakekit.Config) fakekit.Fake { return start(c) },
		}
	}
	key := func(kind, name, value string) map[string]string { return map[string]string{"kind": kind, name: value} }
	return map[crm.AppID]Kind{
		"clientsuccess": table("contacts", "", vendorsfake.ClientSuccess,
			key("token", "token", vendorsfake.ClientSuccessKey),
			Person{Email: "email", First: "firstName", Last: "lastName", Phone: "phone", City: "city"}),
		"espocrm": table("Contact", "", vendorsfake.EspoCRM, key("api_key", "api_key", vendorsfake.EspoCRMKey),
			Person{Email: "emailAddress", First: "firstName", Last: "lastName", Phone: "phoneNumber", City: "description"}),
		"homestack": table("users", "", vendorsfake.Homestack, key("token", "token", vendorsfake.HomestackKey),
			Person{Email: "email", Last: "name", Phone: "phone", City: "agent_guid"}),
		"mainstay": table("contacts", "", vendorsfake.Mainstay, key("token", "token", vendorsfake.MainstayKey), Person{
			Email: "email", First: "first_name", Last: "last_name", Phone: "phone", City: "preferred_name",
			ByPhone: true, TenDigits: true,
		}),
		"mautic": table("contacts", hookSecret, vendorsfake.Mautic, map[string]string{
			"kind": "basic", "username": vendorsfake.MauticUser, "password": vendorsfake.MauticPassword,
		}, Person{Email: "email", First: "firstname", Last: "lastname", Phone: "phone"}),
		"sierra": table("leads", "", vendorsfake.Sierra, key("api_key", "api_key", vendorsfake.SierraKey),
			Person{Email: "email", First: "firstName", Last: "lastName", Phone: "phone", City: "city"}),
		"twenty": table("people", hookSecret, vendorsfake.Twenty, key("token", "token", vendorsfake.TwentyKey), Person{
			Email: "emails.primaryEmail", First: "name.firstName", Last: "name.lastName", Phone: "phones.primaryPhoneNumber",
			City: "city",
		}),
	}
}

// All returns the fakes by app.
func All() map[crm.AppID]Kind {
	all := documents()
	maps.Copy(all, written())
	return all
}

// written are the fakes of the apps that are connectors in Go.
func written() map[crm.AppID]Kind {
	return map[crm.AppID]Kind{
		"carddav": {
			Objects: carddavfake.Object,
			Person:  Person{Email: "EMAIL", First: "N/given", Last: "N/family", Phone: "TEL", City: "ADR/locality"},
			Credentials: map[string]string{
				"kind": "basic", "username": carddavfake.Username, "password": carddavfake.Password,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return carddavfake.New(c) },
		},
		"googlecontacts": {
			Objects: googlecontactsfake.Object,
			Person: Person{
				Email: "emailAddresses", First: "names/givenName", Last: "names/familyName", Phone: "phoneNumbers",
				City: "addresses/city",
			},
			Credentials: map[string]string{
				"kind": "oauth2", "client_id": googlecontactsfake.ClientID, "client_secret": googlecontactsfake.ClientSecret,
			},
			Start:   func(c fakekit.Config) fakekit.Fake { return googlecontactsfake.New(c) },
			Consent: true,
			Grant:   grant(func(f *googlecontactsfake.Fake) string { return f.OAuthToken().Access }),
		},
		"hubspot": {
			Objects: "contacts", HookSecret: hubspotfake.ClientSecret,
			Person: Person{Email: "email", First: "firstname", Last: "lastname", Phone: "phone", City: "city"},
			Credentials: map[string]string{
				"kind": "token", "token": hubspotfake.PrivateToken, "webhook_secret": hubspotfake.ClientSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return hubspotfake.New(c) },
			Grant: grant(func(f *hubspotfake.Fake) string { return f.OAuthToken().Access }),
		},
		"intercom": {
			Objects: "contacts", HookSecret: intercomfake.ClientSecret,
			Person: Person{Email: "email", Last: "name", Phone: "phone", City: intercomfake.Nickname},
			Credentials: map[string]string{
				"kind": "token", "token": intercomfake.AccessToken, "webhook_secret": intercomfake.ClientSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return intercomfake.New(c) },
		},
		"leadsquared": {
			Objects: leadsquaredfake.Object, HookSecret: leadsquaredfake.HookSecret,
			Person: Person{
				Email: "EmailAddress", First: "FirstName", Last: "LastName", Phone: "Phone", City: "mx_City",
			},
			Credentials: map[string]string{
				"kind": "api_key", "access_key": leadsquaredfake.AccessKey, "secret_key": leadsquaredfake.SecretKey,
				"webhook_secret": leadsquaredfake.HookSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return leadsquaredfake.New(c) },
		},
		"pipedrive": {
			Objects: "persons", HookSecret: pipedrivefake.HookPassword,
			Person: Person{Email: "emails", Last: "name", Phone: "phones", City: pipedrivefake.Nickname},
			Credentials: map[string]string{
				"kind": "token", "token": pipedrivefake.APIToken, "webhook_secret": pipedrivefake.HookPassword,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return pipedrivefake.New(c) },
			Grant: grant(func(f *pipedrivefake.Fake) string { return f.OAuthToken().Access }),
		},
		"realgeeks": {
			Objects: realgeeksfake.Object, HookSecret: realgeeksfake.HookSecret,
			Person: Person{Email: "email", First: "first_name", Last: "last_name", Phone: "phone", City: "city"},
			Credentials: map[string]string{
				"kind": "basic", "username": realgeeksfake.Username, "password": realgeeksfake.Password,
				"site_uuid": realgeeksfake.Site, "webhook_secret": realgeeksfake.HookSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return realgeeksfake.New(c) },
		},
		"salesforce": {
			Objects: "Contact",
			Person:  Person{Email: "Email", First: "FirstName", Last: "LastName", Phone: "Phone", City: "MailingCity"},
			Credentials: map[string]string{
				"kind": "oauth2", "client_id": salesforcefake.ClientID, "client_secret": salesforcefake.ClientSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return salesforcefake.New(c) },
			Grant: grant(func(f *salesforcefake.Fake) string { access, _ := f.Token(); return access }),
		},
	}
}

// grant mints a token of a fake of its own type.
func grant[F fakekit.Fake](mint func(F) string) func(fakekit.Fake) string {
	return func(f fakekit.Fake) string {
		own, ok := f.(F)
		if !ok {
			return ""
		}
		return mint(own)
	}
}
