package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// TestRow162_ASharesRecordsAreCountedOnce has 40 % of the records in error in each kind
// of run: a pair is one of them, whichever of its two records a run meets, and what
// was only read, or is what we wrote ourselves, is none.
func TestRow162_ASharesRecordsAreCountedOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind    engine.RunKind // "" = counted by the hour
		pairs   int            // before anything is in error
		in, out int            // of these, whom an edit on the left puts into error, and whom not
		fresh   int            // people in error who have no pair yet
		of      int64
		do      func(l *live)
	}{
		"resync of pairs": {
			engine.RunResync, 10, 4, 0, 0, 10,
			func(l *live) { l.run("POST", l.sync+"/resync", nil) },
		},
		"resync of pairs and newcomers": {
			engine.RunResync, 6, 0, 0, 4, 10,
			func(l *live) { l.run("POST", l.sync+"/resync", nil) },
		},
		"pull":     {engine.RunPull, 20, 8, 12, 0, 20, func(l *live) { l.pull() }},
		"webhooks": {"", 20, 8, 12, 0, 20, func(l *live) { l.deliver(crm.Left) }},
		"retry": {engine.RunRetry, 6, 6, 0, 4, 10, func(l *live) {
			l.run("POST", l.sync+"/resync", nil) // the log has an entry of either record of a pair
			l.refuse("badly")
			l.run("POST", "/v1/log/retry?connection="+l.id()+"&sync=contacts", nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
				for i := range c.pairs {
					l.person(crm.Left, fmt.Sprintf("p%02d", i))
				}
				l.connect()
				l.start()
				l.pull() // which meets what we wrote
				l.hooked(crm.Left, fakekit.Webhooks{})
				l.hub.Core().Take() // what was told of the beginning
				l.tell()
				l.refuse("bad")
				l.move(2 * time.Minute)
				for i := range c.in + c.out {
					last := fmt.Sprintf("good-%02d", i)
					if i < c.in {
						last = fmt.Sprintf("bad-%02d", i)
					}
					l.edit(crm.Left, l.twin(crm.Left, fmt.Sprintf("p%02d", i)), "lastname", last)
				}
				for i := range c.fresh {
					l.person(crm.Left, fmt.Sprintf("new%d", i), "lastname", "badly")
				}
				c.do(l)
				l.tell()
				l.inError(c.kind, c.of*4/10, c.of)
				if c.out == 0 {
					return
				}
				l.pull() // which meets those that were written, and says nothing new
				l.tell()
				l.inError(c.kind, c.of*4/10, c.of)
			})
		})
	}
}

// inError demands that one alert is open, of many errors, and how many it counts.
func (l *live) inError(kind engine.RunKind, failed, of int64) {
	l.t.Helper()
	open := each[alert.Alert](l, "/v1/alerts?state=open")
	if len(open) != 1 || open[0].Kind != alert.ManyErrors || open[0].Count != failed || open[0].Of != of {
		l.t.Fatalf("open: %+v; want many_errors, %d of %d; runs: %+v", open, failed, of, each[engine.Run](l, "/v1/runs"))
	}
	if kind == "" {
		if open[0].Run != "" {
			l.t.Errorf("it is about the run %s", open[0].Run)
		}
	} else if r := l.runOf(open[0].Run); r.Kind != kind {
		l.t.Errorf("it is about a run of kind %s, want %s", r.Kind, kind)
	}
}
