package e2e

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// slowSlack is what a first sync of slow apps may take beside its calls: the
// starts of functions and the ticks between them.
const slowSlack = time.Minute

// playSlowly is a first sync of apps that take seconds for each call: it makes
// a few calls, takes as long as they do, and nobody is missing or doubled.
func (r *Run) playSlowly(ctx context.Context) (*Result, error) {
	if err := r.connect(ctx); err != nil {
		return nil, fmt.Errorf("connect both accounts: %w", err)
	}
	for _, a := range r.apps {
		a.core.SetLatency(r.Latency)
		a.core.ResetRequests()
	}
	began := time.Now()
	if err := r.firstSync(ctx); err != nil {
		return nil, fmt.Errorf("first sync: %w", err)
	}
	took, calls := time.Since(began), 0
	for _, a := range r.apps {
		for _, n := range a.core.Requests().ByEndpoint {
			calls += n
		}
	}
	missing, doubled := r.everybody()
	most := r.People/2 + 20
	longest := (time.Duration(calls)*r.Latency + slowSlack).Round(time.Second)
	r.figures = append(r.figures,
		none("people missing in an app", missing), none("people doubled", doubled),
		none("linked pairs that differ", r.differences(r.pairs, [2]map[string]*fakekit.Record{
			r.apps[0].live(), r.apps[1].live(),
		})),
		figure("calls to the apps", fmt.Sprintf("<= %d", most), calls, calls <= most),
		figure("time", "<= "+longest.String(), took.Round(time.Second), took <= longest),
	)
	return &Result{Figures: r.figures, Happened: r.happened(), Took: time.Since(r.started)}, nil
}
