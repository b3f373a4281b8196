package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// haltItem is why a sync waits for an admin.
type haltItem struct {
	V         int       `json:"v"`
	Halt      Halt      `json:"halt"`
	Confirmed bool      `json:"confirmed"`
	Left      int64     `json:"left,omitempty"` // of the deletions that were confirmed; others count as ever
	HourStart time.Time `json:"hour"`           // of the rolling count
	Applied   int64     `json:"applied"`
	// AppliedOn are those of the hour by the side whose records are gone.
	AppliedOn crm.PerSide[int64] `json:"applied_on,omitzero"`
	Pending   int64              `json:"pending,omitempty"` // as last counted, and when
	CountedAt time.Time          `json:"counted_at,omitzero"`
	// Discarded are fingerprints of what an admin has discarded: when it is
	// noticed again, in whatever portions, it is the same mass deletion.
	Discarded   []uint64  `json:"discarded,omitempty"`
	DiscardedAt time.Time `json:"discarded_at,omitzero"`
}

// discardedFor is how long it is remembered.
const discardedFor = 30 * 24 * time.Hour

// maxDiscarded bounds the fingerprints, eight bytes each.
const maxDiscarded = 10_000

func (e *Engine) loadHalt(ctx context.Context, sc scope) (haltItem, int64, error) {
	h := haltItem{V: 1}
	item, err := e.Store.Get(ctx, sc.halt())
	if fault.Is(err, fault.NotFound) {
		return h, 0, nil
	}
	if err != nil {
		return h, 0, err
	}
	err = json.Unmarshal(item.Data, &h)
	return h, item.Version, err
}

func (e *Engine) saveHalt(ctx context.Context, sc scope, h haltItem, version int64) error {
	_, err := e.saveHaltAt(ctx, sc, h, version)
	return err
}

// saveHaltAt returns the version that was stored.
func (e *Engine) saveHaltAt(ctx context.Context, sc scope, h haltItem, version int64) (int64, error) {
	b, err := json.Marshal(h)
	if err != nil {
		return 0, err
	}
	return e.Store.Write(ctx, store.Write{Item: store.Item{Key: sc.halt(), Data: b}, If: store.IfVersion(version)})
}

// attendGone counts the deletions noticed for a sync and sends them to be
// confirmed and applied; a sudden emptiness halts the connection instead. It
// counts again until nothing more is noticed: those of one event come in
// portions, and of a mass deletion none is applied.
func (e *Engine) attendGone(ctx context.Context, sc scope, conn *crm.Connection, listing bool) (more bool, err error) {
	found, err := e.countGone(ctx, sc)
	if err != nil || found.all() == 0 {
		return false, err
	}
	h, version, err := e.loadHalt(ctx, sc)
	if err != nil {
		return false, err
	}
	if listing {
		return false, nil // the run may notice more
	}
	now := e.Now()
	if age := now.Sub(h.HourStart); age < 0 || age >= time.Hour {
		h.HourStart, h.Applied, h.AppliedOn = now, 0, crm.PerSide[int64]{}
	}
	if age := now.Sub(h.DiscardedAt); age > discardedFor {
		h.Discarded = nil
	}
	if age := now.Sub(h.CountedAt); h.Pending != found.all() || age >= 0 && age < e.Tuning.GoneCount {
		if h.Pending == found.all() {
			return true, nil
		}
		h.Pending, h.CountedAt = found.all(), now
		return true, e.saveHalt(ctx, sc, h, version)
	}
	side, links, halts, err := e.massDeletion(ctx, sc, &h, found)
	if err != nil {
		return false, err
	}
	if halts {
		h.Halt = Halt{Since: now, Deletions: found.all(), Links: links, Side: side}
		return false, e.halt(ctx, sc, h, version)
	}
	items := found.first()
	h.Applied += int64(len(items))
	for _, it := range items {
		on, _, _ := strings.Cut(it.Sort, "#")
		h.AppliedOn.Set(crm.Side(on), h.AppliedOn.Get(crm.Side(on))+1)
	}
	h.Left = max(h.Left-int64(len(items)), 0)
	h.Confirmed = h.Left > 0
	h.Pending = found.all() - int64(len(items))
	if err := e.saveHalt(ctx, sc, h, version); err != nil {
		return true, err
	}
	return h.Pending > 0, e.sendGone(ctx, sc, conn, items)
}

// goneCount are the deletions that wait to be applied.
type goneCount struct {
	items []store.Item       // all of them, without data
	on    crm.PerSide[int64] // by the side whose records are gone
}

func (g *goneCount) all() int64 { return g.on.Left + g.on.Right }

// goneAtOnce is how many deletions are sent to be applied at a time.
const goneAtOnce = 1000

func (g *goneCount) first() []store.Item { return g.items[:min(len(g.items), goneAtOnce)] }

// marks are fingerprints of all.
func (g *goneCount) marks() []uint64 {
	out := make([]uint64, len(g.items))
	for i, it := range g.items {
		out[i] = hash64(crm.RecordID(it.Sort))
	}
	return out
}

func (g *goneCount) add(it store.Item, n int64) {
	side, _, _ := strings.Cut(it.Sort, "#")
	g.on.Set(crm.Side(side), g.on.Get(crm.Side(side))+n)
}

func (e *Engine) countGone(ctx context.Context, sc scope) (goneCount, error) {
	var g goneCount
	q := store.Query{Table: store.Links, Workspace: sc.ws, Partition: sc.gone(crm.Left, "x").Partition, Limit: 1000}
	err := e.eachItem(ctx, q, func(it store.Item) error {
		it.Data = nil
		g.items = append(g.items, it)
		g.add(it, 1)
		return nil
	})
	if err == nil {
		err = e.dropTwice(ctx, sc, &g)
	}
	return g, err
}

// dropTwice forgets that the right record of a pair is gone whose left one is gone, too:
// the pair is one deletion, and whoever confirms or applies it looks at both.
func (e *Engine) dropTwice(ctx context.Context, sc scope, g *goneCount) error {
	if g.on.Left == 0 || g.on.Right == 0 {
		return nil
	}
	left := map[crm.RecordID]bool{}
	var us []*unit
	for _, it := range g.items {
		switch side, id, _ := strings.Cut(it.Sort, "#"); crm.Side(side) {
		case crm.Left:
			left[crm.RecordID(id)] = true
		case crm.Right:
			us = append(us, &unit{side: crm.Right, id: crm.RecordID(id)})
		}
	}
	if err := (&session{Engine: e, scope: sc}).loadLinks(ctx, us); err != nil {
		return err
	}
	twice := map[string]bool{}
	for _, u := range us {
		if u.link.paired() && left[u.link.Left] {
			twice[sc.gone(crm.Right, u.id).Sort] = true
		}
	}
	var ws []store.Write
	g.items = slices.DeleteFunc(g.items, func(it store.Item) bool {
		if !twice[it.Sort] {
			return false
		}
		g.add(it, -1)
		ws = append(ws, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version)})
		return true
	})
	if len(ws) == 0 {
		return nil
	}
	e.Mark("pair_gone_twice")
	_, errs := e.Store.BatchWrite(ctx, ws)
	for _, err := range errs {
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil
}

// allGone is how many records a side must have had for its emptiness to halt.
const allGone = 5

// massDeletion reports whether the deletions of the rolling hour are more than
// may be applied unasked: more than the floor and the share of all links, or
// every record of a side that had a few. What was discarded before halts as soon
// as any of it is noticed again, however little it is without what the hour it
// came in brought besides.
func (e *Engine) massDeletion(
	ctx context.Context, sc scope, h *haltItem, g goneCount,
) (side crm.Side, links int64, halts bool, err error) {
	alive, links, err := e.liveCounts(ctx, sc)
	if err != nil {
		return "", 0, false, err
	}
	side = crm.Left
	if g.on.Right > g.on.Left {
		side = crm.Right
	}
	pending := g.all()
	again := overlap(h.Discarded, g.marks())
	if again > 0 {
		pending += int64(len(h.Discarded)) - again
	}
	if h.Confirmed {
		if pending <= h.Left {
			return side, links, false, nil
		}
		pending -= h.Left
	}
	limit := max(e.Tuning.DeleteFloor, int64(float64(links+h.Applied)*e.Tuning.DeleteShare))
	if again > 0 || h.Applied+pending > limit {
		return side, links, true, nil
	}
	for _, s := range crm.Sides {
		gone, had := g.on.Get(s), alive.Get(s)+h.AppliedOn.Get(s)
		if gone > 0 && gone >= alive.Get(s) && had >= allGone && !h.Confirmed {
			e.Mark("side_emptied")
			return s, links, true, nil
		}
	}
	return side, links, false, nil
}

// overlap counts the members of b that are in a.
func overlap(a, b []uint64) (n int64) {
	in := make(map[uint64]bool, len(a))
	for _, x := range a {
		in[x] = true
	}
	for _, x := range b {
		if in[x] {
			n++
		}
	}
	return n
}

// heedDiscard takes back that deletions were counted which an admin discarded
// while they were on their way: they are noticed anew, and halt again.
func (s *session) heedDiscard(ctx context.Context, us []*unit) error {
	if !slices.ContainsFunc(us, func(u *unit) bool { return u.hint.Confirm }) {
		return nil
	}
	h, _, err := s.loadHalt(ctx, s.scope)
	if err != nil {
		return fmt.Errorf("read what was discarded: %w", err)
	}
	for _, u := range us {
		mark := hash64(crm.RecordID(s.gone(u.side, u.hint.ID).Sort))
		before := func(j *job) bool { return !j.chunk.Since.After(h.DiscardedAt) }
		if u.hint.Confirm && slices.Contains(h.Discarded, mark) && slices.ContainsFunc(u.jobs, before) {
			s.Mark("discarded_on_its_way")
			u.hint.Confirm = false
		}
	}
	return nil
}

// sendGone sends noticed deletions through the sync's own group; the worker
// reads each record once more before it counts.
func (e *Engine) sendGone(ctx context.Context, sc scope, conn *crm.Connection, items []store.Item) error {
	run, err := e.ensureWebhookRun(ctx, sc, conn)
	if err != nil {
		return err
	}
	hints := map[crm.Side][]hint{}
	var deletes []store.Write
	for _, it := range items {
		side, id, _ := strings.Cut(it.Sort, "#")
		hints[crm.Side(side)] = append(hints[crm.Side(side)], hint{
			ID: crm.RecordID(id), Gone: true, Confirm: true, Force: true,
		})
		deletes = append(deletes, store.Write{
			Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version),
		})
	}
	for _, side := range crm.Sides {
		for len(hints[side]) > 0 {
			n := min(len(hints[side]), e.Tuning.ChunkSize)
			if err := e.send(ctx, []*chunk{e.newChunk(sc, conn, RunWebhook, run, side, hints[side][:n])}); err != nil {
				return err
			}
			hints[side] = hints[side][n:]
		}
	}
	_, errs := e.Store.BatchWrite(ctx, deletes)
	for _, err := range errs {
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil
}

// halt stops the connection until an admin confirms or discards the deletions.
func (e *Engine) halt(ctx context.Context, sc scope, h haltItem, version int64) error {
	if err := e.saveHalt(ctx, sc, h, version); err != nil {
		return err
	}
	conn, v, err := store.LoadConnection(ctx, e.Store, sc.ws, sc.con)
	if err != nil || conn.Status != crm.StatusActive {
		return err
	}
	conn.Status, conn.StatusAt = crm.StatusHalted, e.Now()
	if _, err := store.SaveConnection(ctx, e.Store, sc.ws, conn, v); err != nil {
		return err
	}
	e.Mark("halted")
	e.Log.Warn("connection halted: too many records vanished at once", "connection", sc.con, "sync", sc.sync, "deletions",
		h.Halt.Deletions, "links", h.Halt.Links)
	return nil
}

// liveCounts are the known records of each side that are not deleted, and the linked
// pairs, by the state counters.
func (e *Engine) liveCounts(ctx context.Context, sc scope) (out crm.PerSide[int64], links int64, err error) {
	item, err := e.Store.Get(ctx, sc.counts())
	if err != nil && !fault.Is(err, fault.NotFound) {
		return out, 0, err
	}
	for k, v := range item.Counters {
		side, state, _ := strings.Cut(k, ":")
		if s := crm.Side(side); s.Valid() && state != string(crm.StateDeleted) {
			out.Set(s, out.Get(s)+v)
		}
	}
	return out, linkedPairs(item.Counters), nil
}

// linkedPairs are the pairs that are linked, by a sync's state counters. Those that were
// there before pairs were counted are among these two states at least, until a full run
// counts them all.
func linkedPairs(counters map[string]int64) int64 {
	left := string(crm.Left) + ":"
	return max(counters[countPairs], counters[left+string(crm.StateInSync)]+counters[left+string(crm.StateConflict)])
}
