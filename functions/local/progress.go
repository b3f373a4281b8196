package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

const (
	drawEvery  = 500 * time.Millisecond // on a terminal
	printEvery = 5 * time.Second        // elsewhere
)

// progress shows how runs get on: a live line per open run on a terminal, a
// plain line every few seconds elsewhere, and one that stays when a run ends.
type progress struct {
	screen *screen
	// runs lists the open runs and those that ended since.
	runs  func(ctx context.Context, since time.Time) ([]engine.Run, error)
	now   func() time.Time
	every time.Duration // between looks

	mu      sync.Mutex
	open    map[crm.RunID]bool // shown while open
	since   time.Time
	printed time.Time
}

func newProgress(s *screen, runs func(context.Context, time.Time) ([]engine.Run, error)) *progress {
	now := time.Now()
	return &progress{
		screen: s, runs: runs, now: time.Now, every: drawEvery, open: map[crm.RunID]bool{}, since: now,
		printed: now,
	}
}

// start watches until stop is called, which returns once nothing is looked at or
// shown any more: whoever closes the program or reads the screen calls it before.
func (p *progress) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { p.watch(ctx) })
	return func() {
		cancel()
		watching.Wait()
	}
}

// watch looks until ctx ends.
func (p *progress) watch(ctx context.Context) {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	defer p.screen.draw(nil)
	for ctx.Err() == nil { // a tick that came meanwhile may be chosen below
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.look(ctx)
		}
	}
}

// look shows what is to be shown now; nil shows nothing. Trouble is not shown
// here: whoever does the work logs it.
func (p *progress) look(ctx context.Context) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	runs, err := p.runs(ctx, p.since)
	if err != nil {
		return
	}
	var lines, ended []string
	for _, r := range runs {
		switch {
		case isOpen(r):
			p.open[r.ID] = true
			lines = append(lines, p.line(r))
		case p.open[r.ID] || r.CreatedAt.After(p.since) && worthALine(r):
			ended = append(ended, p.line(r))
			fallthrough
		default:
			delete(p.open, r.ID)
			p.since = later(p.since, r.EndedAt)
		}
	}
	p.screen.draw(lines)
	for _, l := range ended {
		p.screen.say("%s", l)
	}
	if !p.screen.live && len(lines) > 0 && p.now().Sub(p.printed) >= printEvery {
		p.printed = p.now()
		for _, l := range lines {
			p.screen.say("%s", l)
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func isOpen(r engine.Run) bool { return r.State == engine.RunQueued || r.State == engine.RunRunning }

// worthALine leaves out pulls that met nothing and the day's webhook run.
func worthALine(r engine.Run) bool { return r.Kind != engine.RunWebhook && r.Total > 0 }

// line is one run: how far, how fast, at what cost, with what outcome.
func (p *progress) line(r engine.Run) string {
	end := p.now()
	if !isOpen(r) {
		end = r.EndedAt
	}
	total := number(r.Total)
	if !r.TotalKnown {
		total += "+"
	}
	s := fmt.Sprintf("%s %s  %s/%s", r.Kind, r.Sync, number(r.Done), total)
	if !isOpen(r) {
		s = fmt.Sprintf("%s %s  %s, %s records", r.Kind, r.Sync, r.State, number(r.Done))
	}
	if took := end.Sub(r.CreatedAt); took >= time.Second && r.Done > 0 {
		s += fmt.Sprintf("  %.0f/s", float64(r.Done)/took.Seconds())
	}
	if calls := r.Calls.Left + r.Calls.Right; calls > 0 {
		s += fmt.Sprintf("  calls %s+%s", number(r.Calls.Left), number(r.Calls.Right))
	}
	if o := outcomes(r.Outcomes); o != "" {
		s += "  " + o
	}
	return s
}

// outcomes lists counts in the order of tables shown to people.
func outcomes(counts map[crm.Outcome]int64) string {
	var parts []string
	for _, o := range crm.Outcomes {
		if n := counts[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", number(n), o))
		}
	}
	return strings.Join(parts, ", ")
}
