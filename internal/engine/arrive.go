package engine

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Pairs that somebody brings to a draft are kept as runs that have not begun, and the
// document says that there are some. Once the connection starts, they are linked before
// anything else of the sync is worked: whoever was listed or heard of first would be
// matched by key, or made a second time.

// codePairsArrive says that a sync waits until pairs that were brought are linked.
const codePairsArrive = "pairs_arriving"

// arrives reports whether pairs that were brought to a sync are not linked yet.
func arrives(conn *crm.Connection, id crm.SyncID) bool { return slices.Contains(conn.Arriving, id) }

// waitsForPairs reports whether a run has to wait until they are.
func (r *storedRun) waitsForPairs(conn *crm.Connection) bool {
	return arrives(conn, r.Run.Sync) && !r.First && r.Run.Kind != RunPlan
}

// bring keeps pairs until the draft starts. A Conflict says that it is none any more.
func (e *Engine) bring(ctx context.Context, sc scope, hints crm.PerSide[[]hint]) (Run, error) {
	for range 5 {
		conn, version, err := store.LoadConnection(ctx, e.Store, sc.ws, sc.con)
		if err != nil {
			return Run{}, err
		}
		if conn.Status != crm.StatusDraft {
			return e.handRun(ctx, sc, RunRecord, hints)
		}
		r := e.newRun(sc, conn, RunRecord)
		r.First = true
		r.enter(hints)
		if r.Listed == 0 {
			r.Run.State, r.Phase, r.Run.EndedAt = RunDone, phaseOver, e.Now()
			return r.view(nil), e.saveRun(ctx, sc.ws, r)
		}
		if !arrives(conn, sc.sync) {
			conn.Arriving = append(slices.Clone(conn.Arriving), sc.sync)
		}
		draft, err := store.ConnectionWrite(sc.ws, conn, version)
		if err != nil {
			return Run{}, err
		}
		err = e.launch(ctx, sc, r, draft, store.Write{Item: store.Item{Key: sc.openRun(r.Run.ID)}})
		if !fault.Is(err, fault.Conflict) {
			return r.view(nil), err
		}
	}
	return Run{}, fault.New("engine: link pairs", fault.Unavailable, "busy", "the connection is being changed; try again")
}

// arriving calls f for each run of brought pairs that is not over.
func (e *Engine) arriving(ctx context.Context, sc scope, f func(*storedRun)) error {
	q := store.Query{Table: store.Links, Workspace: sc.ws, Partition: sc.openRun("x").Partition, Limit: 100}
	return e.eachItem(ctx, q, func(it store.Item) error {
		r, err := e.loadRun(ctx, sc.ws, crm.RunID(it.Sort))
		switch {
		case fault.Is(err, fault.NotFound):
			return nil
		case err != nil:
			return err
		case r.First && r.open():
			f(r)
		}
		return nil
	})
}

// attendArriving lets a running sync go on once all pairs that were brought are linked.
func (e *Engine) attendArriving(ctx context.Context, sc scope, conn *crm.Connection, ok bool) (over bool, err error) {
	if !ok || !arrives(conn, sc.sync) {
		return false, nil
	}
	some := false
	if err := e.arriving(ctx, sc, func(*storedRun) { some = true }); err != nil || some {
		return false, err
	}
	_, err = e.change(ctx, sc.ws, sc.con, func(c *crm.Connection) error {
		c.Arriving = slices.DeleteFunc(slices.Clone(c.Arriving), func(id crm.SyncID) bool { return id == sc.sync })
		return nil
	})
	return err == nil, err
}

// broughtPairs are the pairs that a draft was brought, by the record of either side.
type broughtPairs crm.PerSide[map[crm.RecordID]crm.RecordID]

func (b *broughtPairs) of(side crm.Side, id crm.RecordID) (partner crm.RecordID, ok bool) {
	partner, ok = crm.PerSide[map[crm.RecordID]crm.RecordID](*b).Get(side)[id]
	return partner, ok
}

// loadBrought reads the pairs that a draft was brought.
func (e *Engine) loadBrought(ctx context.Context, sc scope, conn *crm.Connection) (broughtPairs, error) {
	b := broughtPairs{Left: map[crm.RecordID]crm.RecordID{}, Right: map[crm.RecordID]crm.RecordID{}}
	if conn.Status != crm.StatusDraft || !arrives(conn, sc.sync) {
		return b, nil
	}
	err := e.arriving(ctx, sc, func(r *storedRun) {
		for _, h := range r.Rest {
			b.Left[h.ID], b.Right[h.Partner] = h.Partner, h.ID
		}
	})
	return b, err
}

// planBrought makes a plan of a draft take pairs for linked that it was brought.
func (s *session) planBrought(ctx context.Context, us []*unit) error {
	b, err := s.loadBrought(ctx, s.scope, s.conn)
	for _, u := range us {
		if partner, ok := b.of(u.side, u.id); ok && !u.undoes() {
			u.hint.Op, u.hint.Partner, u.brought = opLink, partner, true
		}
	}
	return err
}

// judge refuses a pair one of whose records was brought with another one before.
func (b *broughtPairs) judge(p *PairVerdict) {
	if other, ok := b.of(crm.Left, p.Left); ok && other != p.Right {
		p.refuse(crm.Left, codePairTwice, "the record was brought with another one before")
	}
	if other, ok := b.of(crm.Right, p.Right); ok && other != p.Left {
		p.refuse(crm.Right, codePairTwice, "the record was brought with another one before")
	}
}
