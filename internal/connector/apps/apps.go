// Package apps is the one list of the apps that Lockstep speaks to. What else knows
// apps by name is held against it by a test.
package apps

import (
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Drivers returns the apps by ID. Adding a connector is one line here, and one for
// its fake in package fakes.
func Drivers() map[crm.AppID]connector.Driver {
	return map[crm.AppID]connector.Driver{
		googlecontacts.ID: googlecontacts.Driver(),
		hubspot.ID:        hubspot.Driver(),
		leadsquared.ID:    leadsquared.Driver(),
		pipedrive.ID:      pipedrive.Driver(),
		salesforce.ID:     salesforce.Driver(),
	}
}
