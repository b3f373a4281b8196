package e2e

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lockstep-crm/lockstep/internal/pause"
)

// otherVictims are the functions beside sync that trouble comes to, in turn.
var otherVictims = []string{"pull", "api", "webhook", "pull", "api", "pull", "keeper"}

// Disturb implements Deployment. Two trouble makers work side by side: the one
// of sync waits until sync works, which it does not while a lease runs out.
func (d *Running) Disturb(ctx context.Context, t Trouble) {
	d.troubles.Add(int64(t.Kills + t.Stalls))
	d.asked.kills.Add(int64(t.Kills))
	d.asked.stalls.Add(int64(t.Stalls))
	d.stops.add(background(ctx, func(ctx context.Context) {
		for i := range t.Syncs + t.Stalls {
			d.strike(ctx, "sync", i >= t.Syncs, 25*time.Second)
			d.troubles.Add(-1)
		}
	}))
	d.stops.add(background(ctx, func(ctx context.Context) {
		for i := range t.Kills - t.Syncs {
			d.strike(ctx, otherVictims[i%len(otherVictims)], false, 2*time.Second)
			d.troubles.Add(-1)
		}
	}))
}

// strike waits for a while, then kills or stalls an instance at some moment of
// its work. Where nobody works within the limit it kills an idle one, or one of
// pull: the tick keeps that going.
func (d *Running) strike(ctx context.Context, name string, stall bool, limit time.Duration) {
	f := d.functions[name]
	within := float64(3 * time.Millisecond) // most invocations are over by then
	if name == "sync" {
		within *= 100
	}
	hit := func() bool {
		if stall {
			return f.Stall()
		}
		return f.Kill(true)
	}
	if pause.For(ctx, time.Duration(d.chance()*float64(time.Second))) != nil {
		return
	}
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if f.Busy() && pause.For(ctx, time.Duration(math.Pow(d.chance(), 3)*within)) == nil && hit() {
			return
		}
		if pause.For(ctx, time.Millisecond) != nil {
			return
		}
	}
	for !f.Kill(false) && !d.functions["pull"].Kill(false) {
		if pause.For(ctx, 10*time.Millisecond) != nil {
			return
		}
	}
}

// Troubled implements Deployment.
func (d *Running) Troubled() bool { return d.troubles.Load() > 0 }

// Report implements Deployment.
func (d *Running) Report() (happened []string, figures []Figure) {
	var all struct{ kills, busy, stalls, timeouts, failed int }
	for _, name := range Functions {
		c := d.functions[name].Counts()
		happened = append(happened, fmt.Sprintf(
			"%-8s %5d invocations, %3d starts, %2d killed, %2d of them at work, %d stalled until the time limit",
			name, c.Calls, c.Starts, c.Killed, c.Lost, c.Timeout))
		all.kills += c.Killed
		all.busy += c.Lost
		all.stalls += c.Stalled
		all.timeouts += c.Timeout
		all.failed += c.Failed
	}
	p := d.poller.Counts()
	lines, errors, leaked := d.said.counts()
	happened = append(happened,
		fmt.Sprintf("queue: %d batches of %d messages; %d handed in twice at once, %d again after later ones; %d "+
			"invocations failed", p.Batches, p.Messages, p.Beside, p.Later, p.Failed),
		fmt.Sprintf("schedule: %d firings, %d of them twice at once, %d again after a failure", d.fired.Load(),
			d.doubled.Load(), d.refired.Load()),
		fmt.Sprintf("log: %d lines, %d of them errors", lines, errors),
	)
	twice := p.Beside + p.Later
	figures = []Figure{
		figure("instances killed at random", fmt.Sprint(d.asked.kills.Load()), all.kills,
			all.kills >= int(d.asked.kills.Load())),
		figure("stalled ones ended by the time limit", fmt.Sprint(d.asked.stalls.Load()), all.timeouts,
			all.timeouts == all.stalls && int64(all.stalls) >= d.asked.stalls.Load()),
		figure("batches handed in twice or late, %", fmt.Sprintf(">= %.0f", 100*d.o.Share), 100*twice/max(p.Batches, 1),
			float64(twice) >= d.o.Share*float64(p.Batches)),
		figure("answers of functions that were errors", "0", all.failed, all.failed == 0),
		{Goal: "log lines with an address or a key", Target: "0", Measured: orNone(leaked), Pass: leaked == nil},
	}
	if asked := d.asked.kills.Load(); asked >= 10 { // of fewer it is chance
		figures = append(figures, figure("killed ones that were in the middle of their work", fmt.Sprintf(">= %d", asked/2),
			all.busy, int64(all.busy) >= asked/2))
	}
	if refused, used := d.rights(); d.o.Rights != "" {
		happened = append(happened, fmt.Sprintf("roles: %d rights used", used))
		figures = append(figures, none("requests beyond what a function's role may do", refused),
			figure("rights of roles that were used", ">= 60", used, used >= 60))
	}
	return happened, figures
}

func figure[T any](goal, target string, measured T, pass bool) Figure {
	return Figure{Goal: goal, Target: target, Measured: fmt.Sprint(measured), Pass: pass}
}

// orNone shows some examples, or 0.
func orNone(examples []string) string {
	if len(examples) == 0 {
		return "0"
	}
	return strings.Join(examples, "; ")
}

// asked is how much trouble was asked for.
type asked struct{ kills, stalls atomic.Int64 }
