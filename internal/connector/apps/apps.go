// Package apps is the one list of the apps that Lockstep speaks to. What else knows
// apps by name is held against it by a test.
package apps

import (
	"maps"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/carddav"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/intercom"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive"
	"github.com/lockstep-crm/lockstep/internal/connector/realgeeks"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// written are the apps that are connectors in Go. Adding one is one line here, and one
// for its fake in package fakes; a document is a file in the folder beside.
func written() map[crm.AppID]connector.Driver {
	return map[crm.AppID]connector.Driver{
		carddav.ID:        carddav.Driver(),
		googlecontacts.ID: googlecontacts.Driver(),
		hubspot.ID:        hubspot.Driver(),
		intercom.ID:       intercom.Driver(),
		leadsquared.ID:    leadsquared.Driver(),
		pipedrive.ID:      pipedrive.Driver(),
		realgeeks.ID:      realgeeks.Driver(),
		salesforce.ID:     salesforce.Driver(),
	}
}

// Drivers returns the apps by ID: connectors in Go, and the program's documents.
func Drivers() map[crm.AppID]connector.Driver {
	out := written()
	own, err := documents()
	if err != nil {
		panic(err) // they are part of the program, and a test reads them
	}
	maps.Copy(out, own)
	return out
}
