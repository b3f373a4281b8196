// Package fakes is the one list of fake apps, one for each app of package apps.
package fakes

import (
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts/googlecontactsfake"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared/leadsquaredfake"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive/pipedrivefake"
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

// All returns the fakes by app.
func All() map[crm.AppID]Kind {
	return map[crm.AppID]Kind{
		"googlecontacts": {
			Objects:     googlecontactsfake.Object,
			Credentials: map[string]string{"kind": "oauth2", "client_id": googlecontactsfake.ClientID, "client_secret": googlecontactsfake.ClientSecret},
			Start:       func(c fakekit.Config) fakekit.Fake { return googlecontactsfake.New(c) },
		},
		"hubspot": {
			Objects: "contacts", HookSecret: hubspotfake.ClientSecret,
			Credentials: map[string]string{"kind": "token", "token": hubspotfake.PrivateToken, "webhook_secret": hubspotfake.ClientSecret},
			Start:       func(c fakekit.Config) fakekit.Fake { return hubspotfake.New(c) },
		},
		"leadsquared": {
			Objects: leadsquaredfake.Object, HookSecret: leadsquaredfake.HookSecret,
			Credentials: map[string]string{
				"kind": "api_key", "access_key": leadsquaredfake.AccessKey, "secret_key": leadsquaredfake.SecretKey, "webhook_secret": leadsquaredfake.HookSecret,
			},
			Start: func(c fakekit.Config) fakekit.Fake { return leadsquaredfake.New(c) },
		},
		"pipedrive": {
			Objects: "persons", HookSecret: pipedrivefake.HookPassword,
			Credentials: map[string]string{"kind": "token", "token": pipedrivefake.APIToken, "webhook_secret": pipedrivefake.HookPassword},
			Start:       func(c fakekit.Config) fakekit.Fake { return pipedrivefake.New(c) },
		},
		"salesforce": {
			Objects:     "Contact",
			Credentials: map[string]string{"kind": "oauth2", "client_id": salesforcefake.ClientID, "client_secret": salesforcefake.ClientSecret},
			Start:       func(c fakekit.Config) fakekit.Fake { return salesforcefake.New(c) },
		},
	}
}
