package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// eraser works one erasure for a while.
type eraser struct {
	*Engine
	ws      crm.WorkspaceID
	x       *storedErasure
	t       *tombs // of this person alone: what is left of others tells their own erasures who they are
	started time.Time
	conns   []*crm.Connection
	kept    []AppRecord // that were found in the apps
}

// eraseFor is how long one erasure is gone on with before the tick looks after
// the next thing.
const eraseFor = 20 * time.Second

// askFor is how long an account may be out of reach before an erasure goes on
// without having asked it.
const askFor = 24 * time.Hour

// findRounds bounds how often what was found leads to more.
const findRounds = 5

// workErasure goes on with an erasure and reports whether there is nothing to
// do for it now.
func (e *Engine) workErasure(ctx context.Context, ws crm.WorkspaceID, x *storedErasure) (done bool, err error) {
	t, err := e.tombsOf(ctx, ws, 0, true)
	if err != nil {
		return false, err
	}
	w, err := e.eraser(ctx, ws, x, t)
	if err != nil {
		return false, err
	}
	if len(x.Work.Keys)+len(x.Work.Records) > 0 {
		if err := w.find(ctx); err != nil {
			return false, err
		}
	}
	if !x.Work.Fenced {
		if err := w.fenceAll(ctx); err != nil {
			return false, err
		}
	}
	over, err := w.search(ctx)
	if err != nil || !over {
		return false, err
	}
	if w.leaving() {
		w.Mark("erasure_awaits_leaving")
		return false, nil // what syncs knew of other records before goes whole, but it is there still
	}
	return true, w.conclude(ctx)
}

// eraser is ready to work an erasure.
func (e *Engine) eraser(ctx context.Context, ws crm.WorkspaceID, x *storedErasure, t *tombs) (*eraser, error) {
	w := &eraser{Engine: e, ws: ws, x: x, t: t.only(x.Erasure.ID), started: e.Now()}
	return w, e.eachConnection(ctx, ws, func(c *crm.Connection) error {
		w.conns = append(w.conns, c)
		return nil
	})
}

// pairsOf adds to an erasure that is not stored yet what the records that it names
// are paired with, and what the pairs agreed on. The tick looks for it again, and in
// more places; but until then somebody may link one of the records anew, and what was
// agreed on would be gone.
func (e *Engine) pairsOf(
	ctx context.Context, ws crm.WorkspaceID, x *storedErasure, key []byte, records []AppRecord,
) error {
	if len(records) == 0 {
		return nil
	}
	w, err := e.eraser(ctx, ws, x, &tombs{key: key})
	if err != nil {
		return err
	}
	for _, c := range w.conns {
		for i := range c.Syncs {
			s, ends := &session{Engine: e, scope: scope{ws, c.ID, c.Syncs[i].ID}}, ends(c, &c.Syncs[i])
			var us []*unit
			for _, r := range records {
				for _, side := range crm.Sides {
					if end := ends[side.Index()]; end.record(r.ID) == r {
						us = append(us, &unit{side: side, id: r.ID, hint: hint{ID: r.ID}})
					}
				}
			}
			if err := s.loadLinks(ctx, us); err != nil {
				return err
			}
			for _, u := range us {
				if l := u.link; l != nil {
					w.learn(baseKeys(w.settings(ctx, s.scope, c, &c.Syncs[i]), l), ends[0].record(l.Left), ends[1].record(l.Right))
				}
			}
		}
	}
	return nil
}

// find looks for everything by which the person is known: in the links, and in
// the apps, paused or not. Then what was asked for is not kept any longer.
func (w *eraser) find(ctx context.Context) error {
	for range findRounds {
		before := len(w.x.Work.Keys) + len(w.x.Work.Records)
		if err := w.findLinks(ctx); err != nil {
			return err
		}
		for _, c := range w.conns {
			for i := range c.Syncs {
				if err := w.findInApps(ctx, c, &c.Syncs[i]); err != nil {
					return err
				}
			}
		}
		if len(w.x.Work.Keys)+len(w.x.Work.Records) == before {
			break
		}
	}
	for _, r := range w.kept {
		w.x.keep(r)
	}
	w.Mark("erasure_found")
	w.x.Work.Keys, w.x.Work.Records = nil, nil
	return w.saveTombs(ctx)
}

// keep counts a record that stays in its app as it is.
func (x *storedErasure) keep(r AppRecord) {
	i := slices.IndexFunc(x.Erasure.Kept, func(k KeptRecords) bool {
		return k.Account == r.Account && k.Object == r.Object
	})
	if i < 0 {
		x.Erasure.Kept = append(x.Erasure.Kept, KeptRecords{Account: r.Account, Object: r.Object})
		i = len(x.Erasure.Kept) - 1
	}
	x.Erasure.Kept[i].Records++
}

// saveTombs stores the erasure with tombstones that were added.
func (w *eraser) saveTombs(ctx context.Context) error {
	if err := w.saveErasure(ctx, w.ws, w.x, w.t); err != nil {
		return err
	}
	t, err := w.tombsOf(ctx, w.ws, 0, true)
	if err == nil {
		w.t = t.only(w.x.Erasure.ID)
	}
	return err
}

// learn adds what is known of the person.
func (w *eraser) learn(keys []string, records ...AppRecord) {
	for _, k := range keys {
		if personal(k) && !slices.Contains(w.x.Work.Keys, k) {
			w.x.Work.Keys = append(w.x.Work.Keys, k)
		}
	}
	for _, r := range records {
		if r.ID != "" && !slices.Contains(w.x.Work.Records, r) {
			w.x.Work.Records = append(w.x.Work.Records, r)
		}
	}
	w.bury(keys, records)
}

// bury adds tombstones at once, and to what is to be stored.
func (w *eraser) bury(keys []string, records []AppRecord) (news bool) {
	news = w.x.bury(w.t.key, keys, records)
	if news {
		t := *w.t
		t.of = make(map[tombHash]grave, len(w.t.of)+len(w.x.Hashes))
		for h, g := range w.t.of {
			t.of[h] = g
		}
		for _, h := range w.x.Hashes {
			t.of[h] = grave{w.x.Erasure.ID, w.x.Mail}
		}
		w.t = &t
	}
	return news
}

// findLinks looks for pairs by their IDs and by what both sides agreed on.
func (w *eraser) findLinks(ctx context.Context) error {
	for _, c := range w.conns {
		for i := range c.Syncs {
			sc, ends := scope{w.ws, c.ID, c.Syncs[i].ID}, ends(c, &c.Syncs[i])
			set := w.settings(ctx, sc, c, &c.Syncs[i])
			for shard := range uint32(shards) {
				q := store.Query{Table: store.Links, Workspace: w.ws, Partition: sc.shardPartition(shard), Limit: 500}
				err := w.eachItem(ctx, q, func(it store.Item) error {
					l, err := decodeLink(it)
					if err != nil || l.AliasOf != "" {
						return err
					}
					if keys := baseKeys(set, l); w.ofPerson(ends, l.Left, l.Right, keys) || w.about(c, &c.Syncs[i], l) {
						w.learn(keys, ends[0].record(l.Left), ends[1].record(l.Right))
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			if err := w.findWaiting(ctx, sc, c, &c.Syncs[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// about reports whether a pair are activities about the person: what is said in them
// is said of nobody else.
func (w *eraser) about(c *crm.Connection, conf *crm.Sync, l *link) bool {
	if conf.About == nil {
		return false
	}
	parent := w.endsOf(c.ID, conf.About.Sync)[0] // a reference is agreed on as the left record
	return slices.ContainsFunc(conf.Associations, func(a crm.Association) bool {
		return w.t.record(parent.account, parent.object, crm.RecordID(l.Base[a.Line().ID].Text))
	})
}

// findWaiting looks for activities about the person that are not linked yet.
func (w *eraser) findWaiting(ctx context.Context, sc scope, c *crm.Connection, conf *crm.Sync) error {
	if conf.About == nil {
		return nil
	}
	own, parents := ends(c, conf), w.endsOf(c.ID, conf.About.Sync)
	q := store.Query{
		Table: store.Links, Workspace: w.ws, Partition: sc.awaited("", "", "", "").Partition, Prefix: awaitedSort, Limit: 500,
	}
	return w.eachItem(ctx, q, func(it store.Item) error {
		var a awaitedItem
		if err := json.Unmarshal(it.Data, &a); err != nil {
			return fault.Wrap("engine: decode who waits", fault.Other, err)
		}
		parent := parents[a.Side.Index()]
		if a.Sync == conf.About.Sync && w.t.record(parent.account, parent.object, a.Partner) {
			w.learn(nil, own[a.Side.Index()].record(a.Record))
		}
		return nil
	})
}

func (o appObject) record(id crm.RecordID) AppRecord { return AppRecord{o.account, o.object, id} }

// ofPerson reports whether a pair is of an erased person.
func (w *eraser) ofPerson(ends [2]appObject, left, right crm.RecordID, keys []string) bool {
	return w.t.record(ends[0].account, ends[0].object, left) || w.t.record(ends[1].account, ends[1].object, right) ||
		w.t.keys(keys)
}

// settings compiles a sync's settings without asking its apps; nil when their
// fields are not known. What was agreed on tells whose it is also while a field of
// a key is gone: then they are compiled as if every field were there.
func (w *eraser) settings(ctx context.Context, sc scope, conn *crm.Connection, conf *crm.Sync) *reconcile.Settings {
	var schemas [2]cachedSchema
	for i, end := range ends(conn, conf) {
		item, err := w.Store.Get(ctx, schemaKey(sc.ws, end.account, end.object))
		if err != nil || json.Unmarshal(item.Data, &schemas[i]) != nil {
			return nil
		}
	}
	set := w.compile(sc, conn, conf, schemas)
	if len(set.Held()) > 0 {
		set, _ = reconcile.Compile(conn, conf, nil, nil)
	}
	return set
}

// baseKeys are the identity keys that a pair agreed on.
func baseKeys(set *reconcile.Settings, l *link) []string {
	if set == nil || len(l.Base) == 0 {
		return nil
	}
	var out []string
	for _, side := range crm.Sides {
		f := crm.Fields{}
		for _, m := range set.Sync().Mappings {
			names := m.Left
			if side == crm.Right {
				names = m.Right
			}
			if a := l.Base[m.ID]; len(names) == 1 && a.Text != "" {
				f[names[0]] = crm.TextValue(a.Text)
			}
		}
		for _, k := range set.IdentityKeys(side, &crm.Record{Fields: f}) {
			if !slices.Contains(out, k.Canonical) {
				out = append(out, k.Canonical)
			}
		}
	}
	return out
}

// findInApps asks the apps of a sync for records that hold the person's keys, and
// for the keys of the records that are known. One that is switched off is asked,
// too, as long as its accounts can be: a record that was left out may be known by
// its ID alone.
func (w *eraser) findInApps(ctx context.Context, conn *crm.Connection, conf *crm.Sync) error {
	if conn.Status != crm.StatusActive && conn.Status != crm.StatusPaused && conn.Status != crm.StatusHalted {
		return nil
	}
	err := w.askApps(ctx, conn, conf)
	if err == nil || w.Now().Sub(w.x.Work.Since) < askFor {
		return err
	}
	accounts := []crm.AccountID{conn.Account(crm.Left), conn.Account(crm.Right)}
	var at *sideError
	if errors.As(err, &at) {
		accounts = []crm.AccountID{conn.Account(at.side)}
	}
	for _, id := range accounts {
		if !slices.Contains(w.x.Erasure.Unasked, id) {
			w.x.Erasure.Unasked = append(w.x.Erasure.Unasked, id)
		}
	}
	w.Mark("erasure_unasked")
	return nil
}

func (w *eraser) askApps(ctx context.Context, conn *crm.Connection, conf *crm.Sync) error {
	s, err := w.open(ctx, scope{w.ws, conn.ID, conf.ID}, conn)
	if err != nil {
		return err
	}
	ask := questions{}
	for _, side := range crm.Sides {
		for _, k := range w.x.Work.Keys {
			ask.add(s.set.KeysFor(side, k))
		}
	}
	found, err := s.answer(ctx, ask)
	if err != nil {
		return err
	}
	for _, side := range crm.Sides {
		records := found.of(side)
		for i := range records {
			w.meet(s, side, &records[i])
		}
		end := ends(conn, conf)[side.Index()]
		var ids []crm.RecordID
		for _, r := range w.x.Work.Records {
			if r.Account == end.account && r.Object == end.object {
				ids = append(ids, r.ID)
			}
		}
		for part := range slices.Chunk(ids, max(s.end(side).app.Limits.ReadBatch, 1)) {
			reads, err := s.batchRead(ctx, side, part)
			if err != nil {
				return err
			}
			for _, r := range reads {
				if r.Err != nil && !fault.Is(r.Err, fault.NotFound) && fault.CodeOf(r.Err) != connector.CodeNotTold {
					return atSide(side, "read record", r.Err)
				}
				w.meet(s, side, r.Record)
			}
		}
	}
	return nil
}

// of returns the records that were found on a side, by ID, each once.
func (a answers) of(side crm.Side) []crm.Record {
	var out []crm.Record
	for k, values := range a {
		for _, records := range values {
			if k.side == side {
				out = append(out, records...)
			}
		}
	}
	slices.SortFunc(out, func(a, b crm.Record) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return slices.CompactFunc(out, func(a, b crm.Record) bool { return a.ID == b.ID })
}

// meet learns from a record that an app showed, if it is the person's.
func (w *eraser) meet(s *session, side crm.Side, r *crm.Record) {
	if r == nil || r.Deleted {
		return
	}
	end := ends(s.conn, s.conf)[side.Index()]
	keys := canonicals(s.set.IdentityKeys(side, r))
	if !w.t.record(end.account, end.object, r.ID) && !w.t.keys(keys) {
		return
	}
	record := end.record(r.ID)
	if !slices.Contains(w.kept, record) {
		w.kept = append(w.kept, record)
	}
	w.learn(keys, record)
}

// fenceAll makes every sync know the tombstones before its next piece of work.
// Whoever holds a sync's lease is waited for: what they have in hand is stored
// by then, and taken out with the rest.
func (w *eraser) fenceAll(ctx context.Context) error {
	for _, c := range w.conns {
		for i := range c.Syncs {
			if err := w.fence(ctx, scope{w.ws, c.ID, c.Syncs[i].ID}, ends(c, &c.Syncs[i])); err != nil {
				return err
			}
		}
	}
	w.x.Work.Fenced = true
	return w.storeErasure(ctx, w.ws, w.x)
}

func (w *eraser) fence(ctx context.Context, sc scope, ends [2]appObject) error {
	held, err := w.loadLease(ctx, sc)
	if err != nil || held.Erased >= w.t.version {
		return err
	}
	if held.Owner != "" {
		if left := w.heldFor(sc, held.version, w.Now()); left > 0 {
			w.Mark("erasure_waits_for_lease")
			return errLeased
		}
	}
	held.Wrote = held.wrote()
	next := held.freed()
	next.Epoch, next.Erased = held.Epoch+1, w.t.version
	if next.Intent != nil {
		in, err := decodeIntent(next.Intent)
		if err != nil {
			return err
		}
		if w.cleanIntent(in, ends) {
			w.count("lease")
			next.Intent = nil
			if len(in.Entries) > 0 {
				if next.Intent, err = in.encode(); err != nil {
					return err
				}
			}
		}
	}
	write, err := next.asWrite(sc)
	if err != nil {
		return err
	}
	_, err = w.Store.Write(ctx, write)
	return err
}

// cleanIntent takes the person's writes out of an intent. What of them landed
// stands in the app, where nothing is written to it any more.
func (w *eraser) cleanIntent(in *intent, ends [2]appObject) (changed bool) {
	before := len(in.Entries)
	in.Entries = slices.DeleteFunc(in.Entries, func(e intentEntry) bool {
		keys := slices.Concat(canonicals(e.Look), e.Claims)
		return w.ofPerson(ends, e.Left, e.Right, keys) || w.inDiffs(e.Lost)
	})
	return len(in.Entries) < before
}

// leaving reports whether a sync has yet to forget what it knew of other records.
func (w *eraser) leaving() bool {
	return slices.ContainsFunc(w.conns, func(c *crm.Connection) bool {
		return slices.ContainsFunc(c.Former, func(f crm.Former) bool { return !f.Erased })
	})
}

func (w *eraser) count(kind string) { w.x.Erasure.Removed[kind]++ }

// inDiffs reports whether an erased person's address or number is a value of a change.
func (w *eraser) inDiffs(diffs []Diff) bool {
	return slices.ContainsFunc(diffs, func(d Diff) bool { return w.inValue(d.Before) || w.inValue(d.After) })
}

func (w *eraser) inValue(v crm.Value) bool {
	if v.Kind() == crm.List {
		return slices.ContainsFunc(v.Items(), w.t.text)
	}
	return slices.ContainsFunc(strings.Split(v.Text(), ";"), func(s string) bool { return w.t.text(strings.TrimSpace(s)) })
}
