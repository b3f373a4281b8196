package engine

import (
	"context"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// daysKept is how long the counters of a day are kept: a year of months, and the one
// that goes on.
const daysKept = 400 * 24 * time.Hour

// succeeded are the outcomes that count as an action. What was left out, failed, waits
// or was alike is free.
var succeeded = []crm.Outcome{crm.Created, crm.Updated, crm.Linked, crm.Deleted}

// Usage is what one connection did in a month, and how many records it has now.
type Usage struct {
	Connection crm.ConnectionID      `json:"connection"`
	Month      string                `json:"month" doc:"In UTC, as 2026-01"`
	Actions    int64                 `json:"actions" doc:"Records that were created, updated, linked or deleted. What was left out, failed, waits or was alike is not among them"`
	Outcomes   map[crm.Outcome]int64 `json:"outcomes" doc:"All that became of records, by outcome"`
	Records    crm.PerSide[int64]    `json:"records" doc:"Records that are known on each side now, deleted ones left out. A person in two connections counts in both; activities do not count"`
}

// Usage tells of the month that an instant is in. Months that began more than a year
// before now may be known in part. What a sync did that was taken out of the
// connection is gone with it.
func (e *Engine) Usage(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, in time.Time) (Usage, error) {
	conn, _, err := e.loadConnection(ctx, ws, id)
	if err != nil {
		return Usage{}, err
	}
	in = in.UTC()
	first := time.Date(in.Year(), in.Month(), 1, 0, 0, 0, 0, time.UTC)
	u := Usage{Connection: id, Month: first.Format("2006-01"), Outcomes: map[crm.Outcome]int64{}}
	for i := range conn.Syncs { // unfolded: activities are syncs of their own
		sc := scope{ws, id, conn.Syncs[i].ID}
		if err := e.monthOf(ctx, sc, first, &u); err != nil {
			return Usage{}, err
		}
		if conn.Syncs[i].About != nil {
			continue
		}
		counts, err := e.Store.Get(ctx, sc.counts())
		if err != nil && !fault.Is(err, fault.NotFound) {
			return Usage{}, err
		}
		for _, side := range crm.Sides {
			n := u.Records.Get(side)
			for _, s := range crm.States {
				if s != crm.StateDeleted {
					n += counts.Counters[string(side)+":"+string(s)]
				}
			}
			u.Records.Set(side, n)
		}
	}
	for _, o := range succeeded {
		u.Actions += u.Outcomes[o]
	}
	return u, nil
}

// monthOf adds up the days of a month.
func (e *Engine) monthOf(ctx context.Context, sc scope, first time.Time, u *Usage) error {
	var keys []store.Key
	for day := first; day.Month() == first.Month() && !day.After(e.Now()); day = day.AddDate(0, 0, 1) {
		keys = append(keys, sc.day(day))
	}
	days, err := batchGet(e.Store.BatchGet).inParts(ctx, keys)
	if err != nil {
		return err
	}
	for _, day := range days {
		for name, n := range day.Counters {
			if o, ok := strings.CutPrefix(name, "o:"); ok {
				u.Outcomes[crm.Outcome(o)] += n
			}
		}
	}
	return nil
}
