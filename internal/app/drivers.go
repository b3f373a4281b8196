package app

import (
	"github.com/lockstep-crm/lockstep/internal/app/parts"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Drivers returns the apps that Lockstep speaks to, by ID: parts.Drivers, where
// adding a connector is one line.
func Drivers() map[crm.AppID]connector.Driver { return parts.Drivers() }
