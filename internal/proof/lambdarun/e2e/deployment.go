package e2e

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// Deployment is Lockstep somewhere, as the scenario drives it. Make one with
// Cloud.Open or Local.Open.
type Deployment interface {
	// Address is where the REST surface answers, and the operator's key.
	Address() (url, key string)
	// Start begins to work the queue and what waits in the store.
	Start(ctx context.Context)
	// Fire has the schedule of a sync fire.
	Fire(ctx context.Context, con crm.ConnectionID, sync crm.SyncID) error
	// Depth counts messages.
	Depth(ctx context.Context) (queue.Depth, error)
	// Busy reports whether something is in hand that the queue does not show.
	Busy() bool
	// Disturb makes trouble until it made as much as was asked for, or ctx ends;
	// it returns at once.
	Disturb(ctx context.Context, t Trouble)
	// Troubled reports whether trouble is still being made.
	Troubled() bool
	// Report says what happened, and the figures that have a target.
	Report() (happened []string, figures []Figure)
	// Close stops everything.
	Close()
}

// Trouble is how often instances of functions are killed, and stalled until
// their time limit ends them. Each time that this comes to sync, which alone
// writes, what it was at waits for seventeen seconds.
type Trouble struct {
	Kills  int // of any function
	Syncs  int // of them, of sync
	Stalls int // of sync
}

// Figure is one line of the table: a target and what was measured.
type Figure struct {
	Goal     string
	Target   string
	Measured string
	Pass     bool
}
