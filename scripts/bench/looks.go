package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// looked is what a day of pulls every five minutes took.
type looked struct {
	calls, writes int
	later         int     // calls of the pull that took most of them in the first two hours, the first left out
	share         float64 // of the linked pairs that were found equal in a full round
	links         float64 // read in it
}

// dayOf pulls for a day, with so many minutes until the second look and hours of
// an audit's round, after so many records were edited on the left side.
func dayOf(ctx context.Context, people, edits, again, audit int) (looked, error) {
	b, err := newBenchOf(ctx, people, func(c *crm.Connection) {
		c.Syncs[0].SecondLook, c.Syncs[0].AuditHours = &again, &audit
	})
	if err != nil {
		return looked{}, err
	}
	if err := b.quiet(ctx); err != nil {
		return looked{}, err
	}
	pairs, err := b.pairs(ctx, edits)
	if err != nil {
		return looked{}, err
	}
	for i, p := range pairs {
		b.Move(5 * time.Millisecond)
		if _, err := b.Hub.Core().UpdateRecord("contacts", string(p.ID), map[string]string{
			"jobtitle": fmt.Sprintf("Cooper %d", i),
		}); err != nil {
			return looked{}, err
		}
	}
	b.reset()
	var out looked
	for i := range 24 * 12 {
		b.Move(5 * time.Minute)
		before := b.calls()
		if err := b.Pull(ctx); err != nil {
			return looked{}, err
		}
		if i > 0 && i < 24 {
			out.later = max(out.later, b.calls()-before)
		}
	}
	out.calls, out.writes = b.calls(), b.tally.total()
	st, err := b.Engine.Status(ctx, testbed.Workspace, testbed.Connection)
	if err != nil {
		return out, err
	}
	if e := st[0].Equality; e != nil && e.LastRound != nil {
		out.share, out.links = *e.Share, float64(e.LastRound.Looked)
	}
	return out, nil
}

// measureLooks counts what looking again costs in a day: the second look at what
// was listed, and the audit that reads all that is known.
func measureLooks(ctx context.Context) ([]figure, error) {
	const never = 0
	at := map[string]looked{}
	for _, c := range []struct {
		name                        string
		people, edits, again, audit int
	}{
		{"plain", 1000, 0, never, never},
		{"again", 1000, 0, crm.DefaultSecondLook, never},
		{"audit", 1000, 0, never, crm.DefaultAuditHours},
		{"both", 1000, 0, crm.DefaultSecondLook, crm.DefaultAuditHours},
		{"edited, plain", 1000, changed, never, never},
		{"edited, again", 1000, changed, crm.DefaultSecondLook, never},
		{"many, plain", 6000, 0, never, never},
		{"many, audit", 6000, 0, never, crm.DefaultAuditHours},
	} {
		d, err := dayOf(ctx, c.people, c.edits, c.again, c.audit)
		if err != nil {
			return nil, err
		}
		at[c.name] = d
	}
	over := func(name, plain string) float64 { return float64(at[name].calls - at[plain].calls) }
	many := at["many, audit"]
	return []figure{
		shown("calls of a day of pulls every 5 min, nothing changed, without looking again", float64(at["plain"].calls),
			"%.0f"),
		atMost("calls of the second look in it", 200, over("again", "plain"), "%.0f"),
		atMost("calls of the audit in it, a sync of some 1,000 links", 50, over("audit", "plain"), "%.0f"),
		atMost("calls of the audit a day per 1,000 links, a sync of some 8,000", 25,
			1000*over("many, audit", "many, plain")/many.links, "%.1f"),
		exactly("share of them found equal by a full round", 1, many.share, "%.2f"),
		exactly("store writes of both beyond the pulls' own", 0, float64(at["both"].writes-at["plain"].writes), "%.0f"),
		atMost("calls of the second look at 1,000 changed records", 15,
			float64(at["edited, again"].later-at["edited, plain"].later), "%.0f"),
		exactly("store writes of it", 0, float64(at["edited, again"].writes-at["edited, plain"].writes), "%.0f"),
	}, nil
}
