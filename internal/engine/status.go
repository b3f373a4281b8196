package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Status says where every sync of a connection stands.
func (e *Engine) Status(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]SyncStatus, error) {
	conn, _, err := e.loadConnection(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	out := make([]SyncStatus, 0, len(conn.Syncs))
	for i := range conn.Syncs {
		st, err := e.syncStatus(ctx, scope{ws, id, conn.Syncs[i].ID}, conn, &conn.Syncs[i])
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

func (e *Engine) syncStatus(ctx context.Context, sc scope, conn *crm.Connection, conf *crm.Sync) (SyncStatus, error) {
	st := SyncStatus{Sync: sc.sync, Warnings: []string{}, Outcomes: map[string]map[crm.Outcome]int64{}}
	scan, err := e.loadScan(ctx, sc)
	if err != nil {
		return st, err
	}
	st.LatestPull, st.OpenRun, st.Equality = scan.LatestPull, scan.OpenRun, scan.Audit.equality()
	if st.NextRun, _ = scan.owes(conn, sc.sync); st.NextRun == "" && scan.OpenRun != "" {
		st.NextRun = scan.asked() // even after a first run
	}
	ok, code := runnable(conn, sc.sync)
	if every := conf.Interval(); ok && every > 0 {
		st.NextPull = e.Now()
		if !scan.LatestPull.IsZero() {
			st.NextPull = scan.LatestPull.Add(every)
		}
	}
	if !ok {
		st.Warnings = append(st.Warnings, code)
	}
	if err := e.statusCounts(ctx, sc, &st); err != nil {
		return st, err
	}
	if err := e.statusWaiting(ctx, sc, &st); err != nil {
		return st, err
	}
	weighed, err := e.countQuery(ctx, sc.weighed(), statusMost, nil)
	if err != nil {
		return st, err
	}
	st.Parked += weighed
	if scan.OpenRun != "" {
		switch r, err := e.GetRun(ctx, sc.ws, scan.OpenRun); {
		case err != nil && !fault.Is(err, fault.NotFound):
			return st, err
		case err == nil && (r.State == RunRunning || r.State == RunQueued):
			st.Backlog += max(r.Total-r.Done, 0)
			if why := r.because(); why != "" {
				st.Warnings = append(st.Warnings, why)
			}
		default:
			st.OpenRun = ""
		}
	}
	st.Backlog += st.Inbox
	if err := e.statusHeld(ctx, sc, conn, conf, &st); err != nil {
		return st, err
	}
	if err := e.statusOutages(ctx, sc, ok, &st); err != nil {
		return st, err
	}
	if st.Waiting, err = e.waitings(ctx, sc, conn); err != nil {
		return st, err
	}
	st.Waiting = append(st.Waiting, e.heldWaits(ctx, sc, conn, st.Held)...)
	for _, w := range st.Waiting {
		if !slices.Contains(st.Warnings, w.Code) && w.Account != "" {
			st.Warnings = append(st.Warnings, w.Code)
		}
		if w.Direction != "" {
			st.Backlog += w.Records
		}
	}
	if err := e.statusChanges(ctx, sc, conf, &st); err != nil {
		return st, err
	}
	if err := e.statusFrozen(ctx, sc, &st); err != nil {
		return st, err
	}
	h, _, err := e.loadHalt(ctx, sc)
	if err == nil && conn.Status == crm.StatusHalted && !h.Halt.Since.IsZero() {
		st.Halted = &h.Halt
	}
	return st, err
}

// statusWaiting counts what waits in the store, by kind.
func (e *Engine) statusWaiting(ctx context.Context, sc scope, st *SyncStatus) error {
	numbers := map[string]*int64{"parked": &st.Parked, "inbox": &st.Inbox, "dead": &st.Dead}
	for i := range store.Kinds {
		k := &store.Kinds[i]
		n := numbers[k.Counted]
		if n == nil {
			continue
		}
		for _, p := range sc.partitions(k, nil) {
			some, err := e.countSome(ctx, sc.ws, p)
			if err != nil {
				return err
			}
			*n += some
		}
	}
	return nil
}

// maxFrozen is how many frozen fields the status names.
const maxFrozen = 20

// statusFrozen warns of fields that went round in a circle of connections.
func (e *Engine) statusFrozen(ctx context.Context, sc scope, st *SyncStatus) error {
	if st.Frozen == nil {
		return nil
	}
	st.Warnings = append(st.Warnings, reconcile.CodeLoop)
	for _, state := range []crm.State{crm.StateConflict, crm.StateFailing} {
		q := store.Query{Table: store.Links, Workspace: sc.ws, OnIndex: true, Partition: rareStates(sc, state), Limit: 500}
		for range 20 { // 10,000 records: the others are counted, and in the list of records
			page, err := e.Store.Query(ctx, q)
			if err != nil {
				return err
			}
			for _, it := range page.Items {
				l, err := decodeHead(it)
				if err != nil {
					return err
				}
				for _, f := range l.Loop.fields() {
					if len(st.Frozen.Records) == maxFrozen {
						return nil
					}
					st.Frozen.Records = append(st.Frozen.Records, FrozenRecord{crm.Left, l.Left, l.Right, f})
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	return nil
}

// statusOutages warns of apps that do not answer. A sync that is off asks
// none: what was known of them says nothing any more.
func (e *Engine) statusOutages(ctx context.Context, sc scope, running bool, st *SyncStatus) error {
	known, _, err := e.loadOutages(ctx, sc)
	if err != nil || known.out() == 0 || !running {
		return err
	}
	st.Warnings = append(st.Warnings, codeAppUnreachable)
	for _, side := range crm.Sides {
		if s := known.Sides.Get(side); s != nil {
			st.Outages = append(st.Outages, *s)
		}
	}
	return nil
}

// statusCounts fills in the counts by state and by outcome.
func (e *Engine) statusCounts(ctx context.Context, sc scope, st *SyncStatus) error {
	item, err := e.Store.Get(ctx, sc.counts())
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	st.States = statesOf(item.Counters)
	for _, side := range crm.Sides {
		st.Reasons.Set(side, reasonsOf(item.Counters, side))
	}
	if n := item.Counters[countFrozen+countLinks]; n > 0 {
		st.Frozen = &Frozen{Links: n, Records: []FrozenRecord{}}
	}
	st.Settled = SettledCounts{Links: item.Counters[countSettled+countLinks], Reasons: map[crm.Reason]int64{}}
	for _, why := range crm.Reasons {
		if n := item.Counters[countSettled+string(why)]; n != 0 {
			st.Settled.Reasons[why] = n
		}
	}
	now := e.Now().UTC()
	keys := make([]store.Key, 30)
	for d := range keys {
		keys[d] = sc.day(now.AddDate(0, 0, -d))
	}
	days, err := e.Store.BatchGet(ctx, keys)
	if err != nil {
		return err
	}
	for name, n := range map[string]int{"today": 1, "last_7_days": 7, "last_30_days": 30} {
		m := map[crm.Outcome]int64{}
		for _, day := range days[:n] {
			for k, v := range day.Counters {
				if o, ok := strings.CutPrefix(k, "o:"); ok {
					m[crm.Outcome(o)] += v
				}
			}
		}
		st.Outcomes[name] = m
	}
	return nil
}

// reasonsOf groups the records of a side by state and code.
func reasonsOf(counters map[string]int64, side crm.Side) map[crm.State]map[string]int64 {
	out := map[crm.State]map[string]int64{}
	for name, n := range counters {
		of, ok := strings.CutPrefix(name, countReason+string(side)+":")
		state, code, named := strings.Cut(of, ":")
		if !ok || !named || n <= 0 {
			continue
		}
		if out[crm.State(state)] == nil {
			out[crm.State(state)] = map[string]int64{}
		}
		out[crm.State(state)][code] = n
	}
	return out
}

// statesOf are the records of each side by state, of a sync's counters.
func statesOf(counters map[string]int64) crm.PerSide[map[crm.State]int64] {
	var out crm.PerSide[map[crm.State]int64]
	for _, side := range crm.Sides {
		m := map[crm.State]int64{}
		for _, s := range crm.States {
			m[s] = counters[string(side)+":"+string(s)]
		}
		out.Set(side, m)
	}
	return out
}

// weighed asks for the records that wait until what came with them is counted.
func (s scope) weighed() store.Query {
	q := partitionOf(s.stopped("", "", ""))
	q.Prefix = string(weighing) + "#"
	return q
}

// statusMost is how many items of one kind the status counts.
const statusMost = 10_000

// countSome counts the items of a partition, up to statusMost.
func (e *Engine) countSome(ctx context.Context, ws crm.WorkspaceID, partition string) (int64, error) {
	return e.countQuery(ctx, store.Query{Table: store.Links, Workspace: ws, Partition: partition}, statusMost, nil)
}

// countQuery counts the items that a query finds, most at most, and shows each to see;
// nil = nobody looks at them.
func (e *Engine) countQuery(ctx context.Context, q store.Query, most int64, see func(store.Item) error) (int64, error) {
	var n int64
	for n < most {
		q.Limit = int(min(most-n, 1000))
		page, err := e.Store.Query(ctx, q)
		if err != nil {
			return n, err
		}
		for _, it := range page.Items {
			if see == nil {
				break
			}
			if err := see(it); err != nil {
				return n, err
			}
		}
		n += int64(len(page.Items))
		if q.Cursor = page.Next; q.Cursor == "" {
			return n, nil
		}
	}
	return n, nil
}
