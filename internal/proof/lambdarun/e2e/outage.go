package e2e

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/pause"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

const (
	// outageEdits are typed on each side while sync does not start.
	outageEdits = 4
	// outageReceives is how often a message is received then before it is a dead
	// letter: the usual number would take as many visibility time-outs.
	outageReceives = 2
	outageTime     = 2 * time.Minute
)

// Outage is a release of sync that does not start: the changes that apps tell
// of meanwhile become dead letters of the queue. When the release is taken
// back, redrive is to send them again and says how many: then everything has
// arrived.
func (d *Running) Outage(redrive func(context.Context) (int, error)) func(context.Context, *Run) error {
	return func(ctx context.Context, r *Run) error {
		if err := d.Account.SetMaxReceives(ctx, outageReceives); err != nil {
			return fmt.Errorf("set the queue's patience: %w", err)
		}
		d.Break()
		for i, who := range r.somebody(2 * outageEdits) {
			e := edit{who, i % 2, 5, fmt.Sprintf("Outage %d", i)}
			r.edits = append(r.edits, e)
			if err := r.typeIn(e); err != nil {
				return err
			}
		}
		dead, err := d.allDead(ctx, r)
		if err != nil {
			return err
		}
		d.Mend()
		if err := d.Account.SetMaxReceives(ctx, queue.DefaultMaxReceives); err != nil {
			return err
		}
		sent, err := redrive(ctx)
		if err != nil {
			return err
		}
		r.figures = append(r.figures,
			figure("changes that became dead letters while sync did not start", "> 0", dead, dead > 0),
			figure("dead letters that went back to the queue", fmt.Sprint(dead), sent, sent == dead))
		return r.Rest(ctx)
	}
}

// somebody returns up to n different people who were edited before.
func (r *Run) somebody(n int) []person {
	var out []person
	seen := map[string]bool{}
	for _, e := range r.edits {
		if len(out) < n && !seen[e.who.mail] {
			seen[e.who.mail] = true
			out = append(out, e.who)
		}
	}
	return out
}

// allDead waits until every message has become a dead letter, and the apps have
// told everything, and returns how many there are.
func (d *Running) allDead(ctx context.Context, r *Run) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, outageTime)
	defer cancel()
	for {
		depth, err := d.Depth(ctx)
		if err != nil {
			return 0, err
		}
		waiting := 0
		for _, a := range r.apps {
			n, _, _, _ := a.sent()
			waiting += n
		}
		if waiting == 0 && depth.Dead > 0 && depth.Visible+depth.InFlight == 0 && d.poller.Pending() == 0 {
			return depth.Dead, nil
		}
		if err := pause.For(ctx, lookTime); err != nil {
			return 0, fmt.Errorf("%d messages, %d in hand and %d dead letters after %s", depth.Visible, depth.InFlight,
				depth.Dead, outageTime)
		}
	}
}
