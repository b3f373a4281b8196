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

// station is one partition that an erasure looks through.
type station struct {
	name  string
	query store.Query
	// visit takes the person out of one item.
	visit func(ctx context.Context, it store.Item) error
}

// settled by age: listings of everything are kept for a week at the most.
const seenKept = 8 * 24 * time.Hour

// search looks through the stations, from where it stopped. It reports whether
// it came to the end.
func (w *eraser) search(ctx context.Context) (over bool, err error) {
	list, err := w.stations(ctx)
	if err != nil {
		return false, err
	}
	at := w.x.Work
	for _, st := range list {
		if st.name < at.Station {
			continue
		}
		if st.name != at.Station {
			at.Station, at.Cursor = st.name, ""
		}
		if over, err := w.through(ctx, st); err != nil || !over {
			return false, err
		}
		if w.Now().Sub(w.started) >= eraseFor {
			return false, w.storeErasure(ctx, w.ws, w.x)
		}
	}
	if at.More {
		w.Mark("erasure_aliases_again")
		at.More, at.Station, at.Cursor = false, "", ""
		return false, w.storeErasure(ctx, w.ws, w.x)
	}
	return true, nil
}

// through looks through one station.
func (w *eraser) through(ctx context.Context, st station) (over bool, err error) {
	q := st.query
	q.Cursor = w.x.Work.Cursor
	for {
		page, err := w.Store.Query(ctx, q)
		if err != nil {
			return false, err
		}
		before := w.removed()
		for _, it := range page.Items {
			if err := st.visit(ctx, it); err != nil {
				return false, fmt.Errorf("%s: %w", st.name, err)
			}
		}
		q.Cursor, w.x.Work.Cursor = page.Next, page.Next
		late := w.Now().Sub(w.started) >= eraseFor
		if w.removed() != before || late && page.Next != "" {
			if err := w.storeErasure(ctx, w.ws, w.x); err != nil {
				return false, err
			}
		}
		if page.Next == "" {
			return true, nil
		}
		if late {
			w.Mark("erasure_interrupted")
			return false, nil
		}
	}
}

func (w *eraser) removed() (n int64) {
	for _, c := range w.x.Erasure.Removed {
		n += c
	}
	return n
}

// stations lists all partitions in which something of a person may lie, in the
// order of their names: what leads to entries of the log before the log.
func (w *eraser) stations(ctx context.Context) ([]station, error) {
	days, err := w.logDaysOf(ctx, w.ws)
	if err != nil {
		return nil, err
	}
	var out []station
	add := func(name string, q store.Query, visit func(context.Context, store.Item) error) {
		q.Workspace = w.ws
		out = append(out, station{name, q, visit})
	}
	for _, c := range w.conns {
		for i := range c.Syncs {
			w.syncStations(ctx, c, &c.Syncs[i], add)
		}
		add("2 d#"+string(c.ID), store.Query{Table: store.Links, Partition: dead(w.ws, c.ID, "x").Partition}, w.dead(c))
		for _, day := range w.logDays(days, 1) {
			q := store.Query{Table: store.Log, Partition: logPartition(c.ID, day), Limit: 5}
			add("3 g#"+string(c.ID)+"#"+day, q, w.logPage(c))
		}
	}
	for _, o := range w.objects() {
		for shard := range uint32(shards) {
			key := claimShard(w.ws, o.account, o.object, shard)
			add("2 "+key.Partition, store.Query{Table: store.Links, Partition: key.Partition, Limit: 500}, w.claim)
		}
	}
	w.keptStations(add)
	add("2 runs", store.Query{Table: store.Log, Partition: runKey(w.ws, "x").Partition}, w.run)
	err = w.eachItem(ctx, store.Query{Table: store.Log, Workspace: w.ws, Partition: planKey(w.ws, "x").Partition},
		func(it store.Item) error {
			var p storedPlan
			if err := json.Unmarshal(it.Data, &p); err != nil {
				return fault.Wrap("engine: decode plan", fault.Other, err)
			}
			add("2 plan#"+it.Sort, store.Query{Table: store.Log, Partition: planPage(w.ws, p.Plan.ID, "x").Partition, Limit: 5},
				w.planPage(w.endsEver(p.Plan.Connection, p.Plan.Sync)))
			return nil
		})
	slices.SortFunc(out, func(a, b station) int { return strings.Compare(a.name, b.name) })
	return out, err
}

// syncStations are the partitions of one sync.
func (w *eraser) syncStations(
	ctx context.Context, c *crm.Connection, conf *crm.Sync,
	add func(string, store.Query, func(context.Context, store.Item) error),
) {
	sc, ends := scope{w.ws, c.ID, conf.ID}, ends(c, conf)
	set := w.settings(ctx, sc, c, conf)
	visits := map[string]func(context.Context, store.Item) error{
		"link": func(ctx context.Context, it store.Item) error {
			return w.link(ctx, sc, ends, func(l *link) []string { return baseKeys(set, l) }, it)
		},
		"intent":       func(ctx context.Context, it store.Item) error { return w.intent(ctx, ends, it) },
		"parked":       func(ctx context.Context, it store.Item) error { return w.parked(ctx, ends, it) },
		"told":         func(ctx context.Context, it store.Item) error { return w.told(ctx, ends, it) },
		"decided":      w.awaitedOr(c, ends, w.decided(ends)), // they share a partition
		"inbox":        w.waitingRecord("inbox", ends),
		"gone":         w.waitingRecord("gone", ends),
		"barred_left":  w.waitingRecord("barred", ends),
		"barred_right": w.waitingRecord("barred", ends),
		"stopped":      w.waitingRecord("stopped", ends),
	}
	for i := range store.Kinds {
		k := &store.Kinds[i]
		visit := visits[k.Name]
		if visit == nil {
			continue // a test holds the list against this
		}
		for _, p := range sc.partitions(k, nil) {
			add("1 "+p, store.Query{Table: k.Table, Partition: p, Limit: 500}, visit)
		}
	}
}

// objects lists what the workspace's syncs pair.
func (w *eraser) objects() []appObject {
	var out []appObject
	for _, c := range w.conns {
		for i := range c.Syncs {
			for _, o := range ends(c, &c.Syncs[i]) {
				if !slices.Contains(out, o) {
					out = append(out, o)
				}
			}
		}
	}
	return out
}

// endsOf names what a sync pairs; nothing when it is gone.
func (w *eraser) endsOf(con crm.ConnectionID, sync crm.SyncID) [2]appObject {
	for _, c := range w.conns {
		if conf := c.Sync(sync); c.ID == con && conf != nil {
			return ends(c, conf)
		}
	}
	return [2]appObject{}
}

// endsEver names what a sync pairs and has paired, for what is history; one that is
// nothing when nobody knows.
func (w *eraser) endsEver(con crm.ConnectionID, sync crm.SyncID) [][2]appObject {
	out := [][2]appObject{w.endsOf(con, sync)}
	for _, c := range w.conns {
		for _, f := range c.Former {
			both := [2]appObject{{f.Account.Left, f.Object.Left}, {f.Account.Right, f.Object.Right}}
			if c.ID == con && f.Sync == sync && !slices.Contains(out, both) {
				out = append(out, both)
			}
		}
	}
	return out
}

// replace stores an item with other data over the version that was read, or
// removes it when there is none.
func (w *eraser) replace(ctx context.Context, kind string, it store.Item, data []byte) error {
	write := store.Write{Item: it, If: store.IfVersion(it.Version)}
	write.Item.Data, write.Item.Counters = data, nil
	if data == nil {
		write.Op = store.Delete
	}
	if _, err := w.Store.Write(ctx, write); err != nil {
		return err // Conflict: somebody changed it, and it is looked at once more
	}
	w.count(kind)
	return nil
}

// link takes a pair or a record of the person away, with its aliases, and the
// person's IDs out of those of others.
func (w *eraser) link(
	ctx context.Context, sc scope, ends [2]appObject, keysOf func(*link) []string, it store.Item,
) error {
	l, err := decodeLink(it)
	if err != nil {
		return err
	}
	side := crm.Left
	prefix, id, _ := strings.Cut(it.Sort, "#")
	if prefix == "R" {
		side = crm.Right
	}
	own := ends[side.Index()]
	if l.AliasOf != "" {
		of := ends[0]
		if l.Merged {
			of = own
		}
		if !w.t.record(of.account, of.object, l.AliasOf) && !w.t.record(own.account, own.object, crm.RecordID(id)) {
			return nil
		}
		if w.bury(nil, []AppRecord{own.record(crm.RecordID(id))}) {
			w.x.Work.More = true
			if err := w.saveTombs(ctx); err != nil {
				return err
			}
		}
		return w.replace(ctx, "link", it, nil)
	}
	if keys := keysOf(l); w.ofPerson(ends, l.Left, l.Right, keys) {
		return w.dropLink(ctx, sc, ends, it, l, keys)
	}
	before := len(l.Others)
	l.Others = slices.DeleteFunc(l.Others, func(id crm.RecordID) bool {
		return slices.ContainsFunc(ends[:], func(o appObject) bool { return w.t.record(o.account, o.object, id) })
	})
	inDetail := w.t.within(l.Detail, ends)
	if len(l.Others) == before && !inDetail {
		return nil
	}
	if inDetail {
		l.Detail = ""
	}
	next, err := l.item(sc)
	if err != nil {
		return err
	}
	return w.replace(ctx, "link", it, next.Data)
}

// dropLink removes a link and uncounts it, together. What it says of the person
// blocks them, too.
func (w *eraser) dropLink(
	ctx context.Context, sc scope, ends [2]appObject, it store.Item, l *link, keys []string,
) error {
	if w.bury(keys, named(ends, l)) {
		w.x.Work.More = true
		if err := w.saveTombs(ctx); err != nil {
			return err
		}
	}
	states := map[string]int64{}
	for _, c := range l.counted() {
		states[string(c)]--
	}
	ws := addWrite([]store.Write{{Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version)}},
		sc.counts(), states, time.Time{})
	if err := w.Store.Transact(ctx, ws); err != nil {
		return err
	}
	w.count("link")
	return nil
}

func named(ends [2]appObject, l *link) (out []AppRecord) {
	for _, side := range crm.Sides {
		if id := l.id(side); id != "" {
			out = append(out, ends[side.Index()].record(id))
		}
	}
	return out
}

func (w *eraser) intent(ctx context.Context, ends [2]appObject, it store.Item) error {
	in, err := decodeIntent(it.Data)
	if err != nil || !w.cleanIntent(in, ends) {
		return err
	}
	if len(in.Entries) == 0 {
		return w.replace(ctx, "intent", it, nil)
	}
	data, err := in.encode()
	if err != nil {
		return err
	}
	return w.replace(ctx, "intent", it, data)
}

// waitingRecord is for items that are one record each, whose key ends in side
// and ID, and that may hold a hint.
func (w *eraser) waitingRecord(kind string, ends [2]appObject) func(context.Context, store.Item) error {
	return func(ctx context.Context, it store.Item) error {
		side, id := it.Sort, ""
		for _, s := range crm.Sides {
			mark := string(s) + "#"
			if at := strings.Index("#"+it.Sort, "#"+mark); at >= 0 {
				side, id = string(s), it.Sort[at+len(mark):]
				break
			}
		}
		own := ends[crm.Side(side).Index()]
		if w.t.record(own.account, own.object, crm.RecordID(id)) {
			return w.replace(ctx, kind, it, nil)
		}
		var in inboxItem // or a barredItem, which reads alike, or a goneItem, which has no hint
		if err := json.Unmarshal(it.Data, &in); err != nil || in.Hint.ID == "" {
			return err
		}
		if !w.cleanHint(crm.Side(side), ends, &in.Hint) {
			return nil
		}
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		return w.replace(ctx, kind, it, data)
	}
}

// cleanHint takes the person out of a hint. One that is about the person stays
// as one about nobody, so that whoever counts on its outcome gets it.
func (w *eraser) cleanHint(side crm.Side, ends [2]appObject, h *hint) (changed bool) {
	own, other := ends[side.Index()], ends[side.Other().Index()]
	ours := func(o appObject, id crm.RecordID) bool { return w.t.record(o.account, o.object, id) }
	if h.Erased {
		return false
	}
	if ours(own, h.ID) || ours(own, h.Into) {
		id := h.ID
		if h.Into != "" {
			id = h.Into
		}
		*h = hint{ID: w.nobody(own, id), Erased: true, Told: h.Told}
		return true
	}
	list := func(o appObject, ids *[]crm.RecordID) {
		kept := slices.DeleteFunc(slices.Clone(*ids), func(id crm.RecordID) bool { return ours(o, id) })
		if len(kept) < len(*ids) {
			*ids, changed = kept, true
		}
	}
	list(own, &h.Merged)
	list(own, &h.Doubles)
	list(other, &h.Twins)
	for _, x := range []struct {
		of appObject
		id *crm.RecordID
	}{{own, &h.Primary}, {other, &h.Holder}, {other, &h.Partner}} {
		if *x.id != "" && ours(x.of, *x.id) {
			*x.id, changed = "", true
		}
	}
	if changed && h.Op == opLink && h.Partner == "" {
		h.Op = ""
	}
	return changed
}

// nobody is what stands in the place of an erased record's ID.
func (w *eraser) nobody(o appObject, id crm.RecordID) crm.RecordID {
	return crm.RecordID("erased_" + tombOfRecord(w.t.key, o.account, o.object, id))
}

func (w *eraser) cleanChunk(ends [2]appObject, c *chunk) (changed bool) {
	for i := range c.Hints {
		changed = w.cleanHint(c.Side, ends, &c.Hints[i]) || changed
	}
	return changed
}

func (w *eraser) parked(ctx context.Context, ends [2]appObject, it store.Item) error {
	c, err := decodeChunk(it.Data)
	if err != nil || !w.cleanChunk(ends, c) {
		return err
	}
	data, err := c.encode()
	if err != nil {
		return err
	}
	return w.replace(ctx, "parked", it, data)
}

func (w *eraser) told(ctx context.Context, ends [2]appObject, it store.Item) error {
	var in toldItem
	if len(it.Data) == 0 {
		return nil // only says that a chunk is done
	}
	if err := json.Unmarshal(it.Data, &in); err != nil {
		return fault.Wrap("engine: decode counted records", fault.Other, err)
	}
	changed := false
	for i, id := range in.IDs {
		for _, o := range ends {
			if w.t.record(o.account, o.object, id) {
				in.IDs[i], changed = w.nobody(o, id), true
				break
			}
		}
	}
	if !changed {
		return nil
	}
	slices.Sort(in.IDs)
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return w.replace(ctx, "told", it, data)
}

// dead takes the person out of a connection's chunks that were given up.
func (w *eraser) dead(c *crm.Connection) func(context.Context, store.Item) error {
	return func(ctx context.Context, it store.Item) error {
		var d deadItem
		if err := json.Unmarshal(it.Data, &d); err != nil {
			return fault.Wrap("engine: decode dead item", fault.Other, err)
		}
		changed := false
		for _, ends := range w.endsEver(c.ID, d.Chunk.Sync) {
			changed = w.cleanChunk(ends, &d.Chunk) || changed
		}
		if !changed {
			return nil
		}
		d.Chunk.Hints = slices.DeleteFunc(d.Chunk.Hints, func(h hint) bool { return h.Erased })
		if len(d.Chunk.Hints) == 0 {
			return w.replace(ctx, "dead", it, nil)
		}
		data, err := json.Marshal(d)
		if err != nil {
			return err
		}
		return w.replace(ctx, "dead", it, data)
	}
}

// claim takes away what was claimed for the person.
func (w *eraser) claim(ctx context.Context, it store.Item) error {
	var c claimed
	if err := json.Unmarshal(it.Data, &c); err != nil {
		return fault.Wrap("engine: decode claim", fault.Other, err)
	}
	con, sync, _ := strings.Cut(c.Scope, "#")
	known := c.Side.Valid() && slices.ContainsFunc(w.endsEver(crm.ConnectionID(con), crm.SyncID(sync)),
		func(ends [2]appObject) bool {
			own := ends[c.Side.Index()]
			return w.t.record(own.account, own.object, c.Source)
		})
	if !known && !w.t.keys([]string{it.Sort}) {
		return nil
	}
	return w.replace(ctx, "claim", it, nil)
}
