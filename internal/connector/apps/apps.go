package parts

import (
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Drivers returns the apps that Lockstep speaks to, by ID. Adding a connector
// is one line here.
func Drivers() map[crm.AppID]connector.Driver {
	return map[crm.AppID]connector.Driver{
		hubspot.ID:    hubspot.Driver(),
		salesforce.ID: salesforce.Driver(),
	}
}
