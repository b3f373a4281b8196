// Package fakes is the one list of fake apps, one for each app of package apps.
package fakes

import (
	"maps"

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
	Credentials map[string]string // as POST /v1/accounts takes them, or of the client that the app's consent page knows
	HookSecret  string            // that webhooks are signed with, or carry; "" = neither
	Start       func(fakekit.Config) fakekit.Fake
}

// hookSecret is what the fakes of documents sign with, where they sign.
const hookSecret = "fake-hook-secret"

// documents are the fakes of the apps that are documents.
func documents() map[crm.AppID]Kind {
	table := func(objects, secret string, start func(fakekit.Config) *restapp.Fake, credentials map[string]string) Kind {
		if secret != "" {
			credentials["webhook_secret"] = secret
		}
		return Kind{
			Objects: objects, HookSecret: secret, Credentials: credentials, Start: func(c fakekit.Config) fakekit.Fake {
				return start(c)
			},
		}
	}
	key := func(kind, name, value string) map[string]string { return map[string]string{"kind": kind, name: value} }
	return map[crm.AppID]Kind{
		"clientsuccess": table("contacts", "", vendorsfake.ClientSuccess,
			key("token", "token", vendorsfake.ClientSuccessKey)),
		"espocrm":   table("Contact", "", vendorsfake.EspoCRM, key("api_key", "api_key", vendorsfake.EspoCRMKey)),
		"homestack": table("users", "", vendorsfake.Homestack, key("token", "token", vendorsfake.HomestackKey)),
		"mainstay":  table("contacts", "", vendorsfake.Mainstay, key("token", "token", vendorsfake.MainstayKey)),
		"mautic": table("contacts", hookSecret, vendorsfake.Mautic, map[string]string{
			"kind": "basic", "username": vendorsfake.MauticUser, "password": vendorsfake.MauticPassword,
		}),
		"sierra": table("leads", "", vendorsfake.Sierra, key("api_key", "api_key", vendorsfake.SierraKey)),
		"twenty": table("people", hookSecret, vendorsfake.Twenty, key("token", "token", vendorsfake.TwentyKey)),
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
		"googlecontacts": {
			Objects: googlecontactsfake.Object,
			Credentials: map[string]string{
				"kind": "oauth2", "client_id": googlecontactsfake.ClientID, "client_secret": googlecontactsfake.ClientSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return googlecontactsfake.New(c) },
		},
		"hubspot": {
			Objects: "contacts", HookSecret: hubspotfake.ClientSecret,
			Credentials: map[string]string{
				"kind": "token", "token": hubspotfake.PrivateToken, "webhook_secret": hubspotfake.ClientSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return hubspotfake.New(c) },
		},
		"intercom": {
			Objects: "contacts", HookSecret: intercomfake.ClientSecret,
			Credentials: map[string]string{
				"kind": "token", "token": intercomfake.AccessToken, "webhook_secret": intercomfake.ClientSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return intercomfake.New(c) },
		},
		"leadsquared": {
			Objects: leadsquaredfake.Object, HookSecret: leadsquaredfake.HookSecret,
			Credentials: map[string]string{
				"kind": "api_key", "access_key": leadsquaredfake.AccessKey, "secret_key": leadsquaredfake.SecretKey,
				"webhook_secret": leadsquaredfake.HookSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return leadsquaredfake.New(c) },
		},
		"pipedrive": {
			Objects: "persons", HookSecret: pipedrivefake.HookPassword,
			Credentials: map[string]string{
				"kind": "token", "token": pipedrivefake.APIToken, "webhook_secret": pipedrivefake.HookPassword,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return pipedrivefake.New(c) },
		},
		"realgeeks": {
			Objects: realgeeksfake.Object, HookSecret: realgeeksfake.HookSecret,
			Credentials: map[string]string{
				"kind": "basic", "username": realgeeksfake.Username, "password": realgeeksfake.Password,
				"site_uuid": realgeeksfake.Site, "webhook_secret": realgeeksfake.HookSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return realgeeksfake.New(c) },
		},
		"salesforce": {
			Objects: "Contact",
			Credentials: map[string]string{
				"kind": "oauth2", "client_id": salesforcefake.ClientID, "client_secret": salesforcefake.ClientSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return salesforcefake.New(c) },
		},
	}
}
