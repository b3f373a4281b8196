package parts

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/kept"
	"github.com/lockstep-crm/lockstep/internal/connector/paced"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Connector is an account's connector within its limits; for an app that cannot be asked
// for its records it answers from what is kept.
func Connector(c connector.Connector, b paced.Budget) connector.Connector {
	return kept.Wrap(paced.Wrap(c, b), Keeper(b.Store, b.Now), b.Workspace, b.Account)
}

// Keeper keeps what apps tell that cannot be asked for their records.
func Keeper(s store.Store, now func() time.Time) kept.Keeper { return kept.Keeper{Store: s, Now: now} }
