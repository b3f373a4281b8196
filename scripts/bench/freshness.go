package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

const (
	// measured edits are timed in each case, half of them on each side.
	measured = 200
	// What 95 of 100 edits may take until they stand on the other side.
	hookLimit, hookBulkLimit = 10.0, 45.0 // s
	// A pull may come so much later than its interval says, as long as not more
	// than so much of the smaller daily budget is used.
	pullLate, pullShare = 120.0, 70.0 // s, %
)

// measureFreshness times edits until they stand on the other side, on the
// virtual clock, under the limits that the apps publish and with the pacing of
// the program.
func measureFreshness(ctx context.Context) ([]figure, error) {
	var out []figure
	for _, f := range []func(context.Context) ([]figure, error){
		freshIdle, freshBulk,
		func(ctx context.Context) ([]figure, error) { return freshPull(ctx, 5*time.Minute) },
		func(ctx context.Context) ([]figure, error) { return freshPull(ctx, time.Minute) },
	} {
		fs, err := f(ctx)
		out = append(out, fs...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// freshIdle has webhooks and little to do: an edit every three seconds.
func freshIdle(ctx context.Context) ([]figure, error) {
	w, err := newWires(ctx, 500)
	if err != nil {
		return nil, err
	}
	w.hear()
	if err := w.schedule(ctx, 3*time.Second); err != nil {
		return nil, err
	}
	if err := w.run(ctx, w.settled); err != nil {
		return nil, err
	}
	p50, p95, most, err := w.ages()
	return []figure{
		shown("edit to write by webhook, middle of 200, s", p50, "%.1f"),
		atMost("edit to write by webhook, p95 of 200, s", hookLimit, p95, "%.1f"),
		shown("edit to write by webhook, slowest of 200, s", most, "%.1f"),
	}, err
}

// freshBulk has the same while a resync takes over thousands of new records
// from each side.
func freshBulk(ctx context.Context) ([]figure, error) {
	const fresh = 10_000
	w, err := newWires(ctx, 500)
	if err != nil {
		return nil, err
	}
	for i := range fresh {
		if _, err := w.Hub.Core().CreateRecord("contacts", map[string]string{
			"email": fmt.Sprintf("left.%d@example.net", i), "lastname": fmt.Sprint("Left ", i),
		}); err != nil {
			return nil, err
		}
		if _, err := w.Force.Core().CreateRecord("Contact", map[string]string{
			"Email": fmt.Sprintf("right.%d@example.net", i), "LastName": fmt.Sprint("Right ", i),
		}); err != nil {
			return nil, err
		}
	}
	w.pass(time.Minute) // until the search shows them
	w.hear()
	if err := w.schedule(ctx, time.Second); err != nil {
		return nil, err
	}
	began := w.Now()
	run, err := w.Engine.StartRun(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
	if err != nil {
		return nil, err
	}
	var ended time.Time
	if err := w.run(ctx, func() bool {
		if ended.IsZero() {
			if r, err := w.Engine.GetRun(ctx, testbed.Workspace, run.ID); err == nil && r.State == engine.RunDone {
				ended = w.Now()
			}
		}
		return !ended.IsZero() && w.settled()
	}); err != nil {
		return nil, err
	}
	during := 0
	for _, e := range w.edits {
		if e.at.Before(ended) {
			during++
		}
	}
	p50, p95, most, err := w.ages()
	return []figure{
		exactly("edits during a bulk run of 10,000 + 10,000 new records", measured, float64(during), "%.0f"),
		shown("bulk run, s", ended.Sub(began).Seconds(), "%.0f"),
		shown("edit to write by webhook during a bulk run, middle of 200, s", p50, "%.1f"),
		atMost("edit to write by webhook during a bulk run, p95 of 200, s", hookBulkLimit, p95, "%.1f"),
		shown("edit to write by webhook during a bulk run, slowest of 200, s", most, "%.1f"),
	}, err
}

// freshPull has no webhooks and a steady load: edits of other records, so many
// that pulled every minute they use a good part of the smaller daily budget.
func freshPull(ctx context.Context, interval time.Duration) ([]figure, error) {
	const everySecond = 24 // other edits, half of them on each side
	w, err := newWires(ctx, 4000)
	if err != nil {
		return nil, err
	}
	if err := w.schedule(ctx, 4500*time.Millisecond); err != nil {
		return nil, err
	}
	w.interval, w.nextPull = interval, w.Now()
	others, err := linked(ctx, w.Engine, 4000)
	if err != nil {
		return nil, err
	}
	w.background(others[measured:], everySecond)
	w.Hub.Core().ResetRequests()
	w.Force.Core().ResetRequests()
	began := w.Now()
	if err := w.run(ctx, w.settled); err != nil {
		return nil, err
	}
	days := w.Now().Sub(began).Hours() / 24
	share := 100 * max(float64(w.Hub.Core().Requests().Total)/(days*hubDaily),
		float64(w.Force.Core().Requests().Total)/(days*forceDaily))
	p50, p95, most, err := w.ages()
	name := fmt.Sprintf("edit to write by pull every %.0f min, ", interval.Minutes())
	return []figure{
		shown(name+"middle of 200, s", p50, "%.0f"),
		shown(name+"p95 of 200, s", p95, "%.0f"),
		atMost(name+"slowest of 200, s", interval.Seconds()+pullLate, most, "%.0f"),
		shown(name+"other edits an hour", everySecond*3600, "%.0f"),
		atMost(name+"part of the smaller daily budget, %", pullShare, share, "%.0f"),
	}, err
}

// ages are how long the measured edits took, in seconds.
func (w *wires) ages() (p50, p95, most float64, err error) {
	all := make([]float64, 0, len(w.edits))
	for _, e := range w.edits {
		if e.arrived.IsZero() {
			return 0, 0, 0, fmt.Errorf("edit %q never arrived", e.text)
		}
		all = append(all, e.arrived.Sub(e.at).Seconds())
	}
	if len(all) != measured {
		return 0, 0, 0, fmt.Errorf("%d edits were made, not %d", len(all), measured)
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*95/100-1], all[len(all)-1], nil
}

// schedule plans the measured edits, on the two sides in turn.
func (w *wires) schedule(ctx context.Context, every time.Duration) error {
	pairs, err := linked(ctx, w.Engine, measured)
	if err != nil {
		return err
	}
	at := w.Now().Add(5 * time.Second)
	for i, p := range pairs {
		w.plan = append(w.plan, &edit{
			side: crm.Sides[i%2], ids: [2]string{string(p.ID), string(p.Partner)}, text: fmt.Sprint("Fresh ", i), at: at,
		})
		at = at.Add(every)
	}
	return nil
}
