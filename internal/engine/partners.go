package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// namedRecord is a record that a reference names.
type namedRecord struct {
	sync crm.SyncID
	side crm.Side
	id   crm.RecordID
}

// partner is how such a record is linked in its sync.
type partner struct {
	id   crm.RecordID // the record itself: what lost a merge is its survivor
	ids  crm.PerSide[crm.RecordID]
	live bool   // both records of its pair are there
	out  string // why it is to have no twin: a code; "" = it may get one
}

func (p *partner) paired() bool { return p.ids.Left != "" && p.ids.Right != "" }

// partners is what a session knows of the records that references name. Nothing
// in it is forgotten before the session ends, so that one decision sees one state.
type partners struct {
	known map[namedRecord]partner
}

func newPartners() *partners { return &partners{known: map[namedRecord]partner{}} }

// Asked implements mapping.Partners.
func (p *partners) Asked(sync crm.SyncID, side crm.Side, id string) bool {
	_, asked := p.known[namedRecord{sync, side, crm.RecordID(id)}]
	return asked
}

// Key implements mapping.Partners.
func (p *partners) Key(sync crm.SyncID, side crm.Side, id string) (key string, ok bool) {
	found, asked := p.known[namedRecord{sync, side, crm.RecordID(id)}]
	switch {
	case !asked:
		return "", false
	case found.paired():
		return string(found.ids.Left), true
	case side == crm.Left:
		return string(found.id), false
	}
	return "", false
}

// Record implements mapping.Partners.
func (p *partners) Record(sync crm.SyncID, side crm.Side, key string) (id string, ok bool) {
	found := p.known[namedRecord{sync, crm.Left, crm.RecordID(key)}]
	return string(found.ids.Get(side)), found.paired() && found.live
}

// Out implements mapping.Partners.
func (p *partners) Out(sync crm.SyncID, side crm.Side, id string) (code string, ok bool) {
	found := p.known[namedRecord{sync, side, crm.RecordID(id)}]
	return found.out, found.out != ""
}

// add notes how a record is linked, and its twin with it.
func (p *partners) add(n namedRecord, found partner) {
	p.known[n] = found
	if !found.paired() {
		return
	}
	for _, side := range crm.Sides { // what is written for a key has to read back as it
		found.id = found.ids.Get(side)
		p.known[namedRecord{n.sync, side, found.id}] = found
	}
}

// meetPartners finds out how the records are linked that others name.
func (s *session) meetPartners(ctx context.Context, side crm.Side, records ...*crm.Record) error {
	if s.partners == nil {
		return nil
	}
	var asked []namedRecord
	for _, f := range s.set.References(side) {
		for _, r := range records {
			if r != nil {
				asked = append(asked, allNamed(f.Sync, side, r.Fields[f.Name])...)
			}
		}
	}
	return s.partners.meet(ctx, s, asked)
}

// meetPastPartners is meetPartners for the past values of records.
func (s *session) meetPastPartners(ctx context.Context, side crm.Side, past []map[string][]crm.Value) error {
	if s.partners == nil {
		return nil
	}
	var asked []namedRecord
	for _, f := range s.set.References(side) {
		for i := range past {
			for _, v := range past[i][f.Name] {
				asked = append(asked, allNamed(f.Sync, side, v)...)
			}
		}
	}
	return s.partners.meet(ctx, s, asked)
}

// meetChosen is meetPartners for what a person chose: by the left record.
func (s *session) meetChosen(ctx context.Context, us []*unit) error {
	if s.partners == nil {
		return nil
	}
	var asked []namedRecord
	for _, f := range s.set.References(crm.Left) {
		for _, u := range us {
			if r, chosen := u.resolutions[f.Mapping]; chosen && r.Value != nil {
				asked = append(asked, allNamed(f.Sync, crm.Left, *r.Value)...)
			}
		}
	}
	return s.partners.meet(ctx, s, asked)
}

// allNamed are the records that a value names.
func allNamed(sync crm.SyncID, side crm.Side, v crm.Value) []namedRecord {
	var out []namedRecord
	for _, id := range mapping.RecordsNamed(v) {
		out = append(out, namedRecord{sync, side, crm.RecordID(id)})
	}
	return out
}

// named1 is the record that a value names, the first of several, as a list.
func named1(sync crm.SyncID, side crm.Side, v crm.Value) []namedRecord {
	id := mapping.RecordNamed(v)
	if id == "" {
		return nil
	}
	return []namedRecord{{sync, side, crm.RecordID(id)}}
}

// meet asks the store about those that are not known yet.
func (p *partners) meet(ctx context.Context, s *session, asked []namedRecord) error {
	asked = slices.DeleteFunc(asked, func(n namedRecord) bool { _, known := p.known[n]; return known })
	found, err := s.linked(ctx, s.scope, asked)
	if err != nil {
		return err
	}
	for _, n := range asked {
		p.add(n, found[n])
	}
	return nil
}

// linked reads how records of syncs of a connection are linked, in one read of the
// store for each sync.
func (e *Engine) linked(ctx context.Context, sc scope, asked []namedRecord) (map[namedRecord]partner, error) {
	bySync, out := map[crm.SyncID][]*unit{}, make(map[namedRecord]partner, len(asked))
	for _, n := range asked {
		if _, twice := out[n]; !twice {
			out[n] = partner{id: n.id}
			bySync[n.sync] = append(bySync[n.sync], &unit{side: n.side, id: n.id, hint: hint{ID: n.id}})
		}
	}
	for _, sync := range slices.Sorted(maps.Keys(bySync)) {
		us := bySync[sync]
		names := make([]namedRecord, len(us)) // a unit's own ID follows merges
		for i, u := range us {
			names[i] = namedRecord{sync, u.side, u.id}
		}
		s := &session{Engine: e, scope: scope{sc.ws, sc.con, sync}}
		if err := s.loadLinks(ctx, us); err != nil {
			return nil, err
		}
		for i, u := range us {
			found := partner{id: u.id}
			if u.link.paired() {
				found.ids = crm.PerSide[crm.RecordID]{Left: u.link.Left, Right: u.link.Right}
				found.live = u.link.State != crm.StateDeleted
			}
			if l := u.link; l != nil && (l.State == crm.StateDeleted || !l.paired() && l.State == crm.StateExcluded) {
				found.out = cmp.Or(l.Code, string(l.State))
			}
			out[names[i]] = found
		}
	}
	return out, nil
}

// awaitedItem says that a record names another one that is not linked yet.
type awaitedItem struct {
	V       int          `json:"v"`
	Sync    crm.SyncID   `json:"sync"` // in which the partner is to be linked
	Side    crm.Side     `json:"side"` // of both
	Partner crm.RecordID `json:"partner"`
	Record  crm.RecordID `json:"record"`
	At      time.Time    `json:"at"`

	Refused crm.RecordID `json:"refused,omitempty"` // the partner's twin, of which the app would not know; another one is awaited
}

// awaitedSort begins the keys of those who wait for a partner, in a partition that
// they share.
const awaitedSort = "awaited#"

// awaited is where a record waits for the link of what it names, under its partner.
func (s scope) awaited(sync crm.SyncID, side crm.Side, partner, record crm.RecordID) store.Key {
	sort := []string{string(sync), string(side), string(partner), string(record)}
	return s.key("awaited", awaitedSort+strings.Join(sort, "#"))
}

func (a *awaitedItem) named() namedRecord { return namedRecord{a.Sync, a.Side, a.Partner} }

// awaits notes the partners of a decided record that are not linked. What is noted
// already and was not looked at for their sake is not noted again.
func (b *books) awaits(u *unit) {
	s := b.s
	b.awaitsAnother(u)
	for i := range u.decision.Fields {
		f := &u.decision.Fields[i]
		m := s.set.Mapping(f.Mapping)
		if f.Lacks == "" || m == nil || m.Joins() == "" {
			continue
		}
		side := f.Lacks.Other()
		r := u.rec.Get(side)
		if r == nil {
			continue
		}
		orphan := s.conf.About != nil && !u.link.paired() // what it is about may be another one by now
		if u.link != nil && !orphan && !u.hint.Force && u.decision.Base[f.Mapping].Same(u.link.Base[f.Mapping]) {
			continue
		}
		if m.JoinsSeveral() {
			b.awaitsSome(u, m)
			continue
		}
		for _, n := range named1(m.Joins(), side, r.Fields[m.Names(side)[0]]) {
			b.waiting = append(b.waiting, awaitedItem{
				V: 1, Sync: n.sync, Side: side, Partner: n.id, Record: r.ID, At: s.Now(),
			})
		}
	}
}

// awaitsSome is awaits for a field of several references: of either side, those without a twin.
func (b *books) awaitsSome(u *unit, m *mapping.Compiled) {
	for _, side := range crm.Sides {
		r := u.rec.Get(side)
		if r == nil || !m.Allows(crm.WayTo(side.Other())) {
			continue
		}
		for _, id := range m.Unlinked(side, r.Fields[m.Names(side)[0]]) {
			b.waiting = append(b.waiting, awaitedItem{
				V: 1, Sync: m.Joins(), Side: side, Partner: crm.RecordID(id), Record: r.ID, At: b.s.Now(),
			})
		}
	}
}

// awaitsAnother notes an activity under what it is about, if an app would not make it
// about the twin of that: a merge took the twin away, and the link follows as soon as
// it is heard of. Until then the activity fails.
func (b *books) awaitsAnother(u *unit) {
	for _, target := range crm.Sides {
		w, side := u.decision.Write(target), target.Other()
		r := u.rec.Get(side)
		if b.s.conf.About == nil || w == nil || r == nil || !u.failed(target) {
			continue
		}
		field := b.s.set.About(target)
		refused := func(f fault.FieldFault) bool { return strings.EqualFold(f.Field, field) }
		if field == "" || !slices.ContainsFunc(fault.FieldFaults(u.failures.Get(target)), refused) {
			continue
		}
		b.s.Mark("parent_refused")
		for _, n := range named1(b.s.conf.About.Sync, side, r.Fields[b.s.set.About(side)]) {
			b.waiting = append(b.waiting, awaitedItem{
				V: 1, Sync: n.sync, Side: side, Partner: n.id, Record: r.ID, At: b.s.Now(),
				Refused: crm.RecordID(w.Fields[field].Text()),
			})
		}
	}
}

// storeAwaited stores who waits for whom, before the links that say so. A partner
// that was linked between the decision and this may have looked here before: then
// the record is looked at again at once.
func (b *books) storeAwaited(ctx context.Context) error {
	if len(b.waiting) == 0 {
		return nil
	}
	s := b.s
	if err := s.touchAgenda(ctx, s.scope); err != nil {
		return err
	}
	s.Mark("partner_awaited")
	ws := make([]store.Write, 0, len(b.waiting))
	seen := map[store.Key]bool{}
	for i := range b.waiting {
		a := &b.waiting[i]
		key := s.awaited(a.Sync, a.Side, a.Partner, a.Record)
		data, err := json.Marshal(a)
		if err != nil {
			return err
		}
		if !seen[key] {
			seen[key] = true
			ws = append(ws, store.Write{Item: store.Item{Key: key, Data: data}})
		}
	}
	if _, errs := s.Store.BatchWrite(ctx, ws); errs != nil {
		return errors.Join(errs...)
	}
	live, err := s.nowLinked(ctx, s.scope, b.waiting)
	for i := range live {
		s.Mark("partner_linked_meanwhile")
		b.rehint = append(b.rehint, crm.RecordRef{Side: live[i].Side, ID: live[i].Record})
	}
	return err
}

// nowLinked picks those whose partner is linked by now, and not to a twin that was refused.
func (e *Engine) nowLinked(ctx context.Context, sc scope, all []awaitedItem) ([]awaitedItem, error) {
	names := make([]namedRecord, len(all))
	for i := range all {
		names[i] = all[i].named()
	}
	found, err := e.linked(ctx, sc, names)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(a awaitedItem) bool {
		p := found[a.named()]
		return !p.paired() || !p.live || a.Refused != "" && p.ids.Get(a.Side.Other()) == a.Refused
	}), nil
}

// awaitedPage is how many records that wait for a partner are looked through at once.
const awaitedPage = 500

// rousePartners sends those on their way who waited for records of this sync that
// have got a twin just now. Whoever ends before this is done leaves the rest to the
// tick, which goes through all that wait, see attendAwaited.
func (b *books) rousePartners(ctx context.Context) error {
	if len(b.joined) == 0 {
		return nil
	}
	for i := range b.s.conn.Syncs {
		conf := &b.s.conn.Syncs[i]
		if !slices.ContainsFunc(conf.Associations, func(a crm.Association) bool { return a.Sync == b.s.sync }) {
			continue
		}
		if err := b.rouseIn(ctx, scope{b.s.ws, b.s.con, conf.ID}); err != nil {
			return err
		}
	}
	return nil
}

func (b *books) rouseIn(ctx context.Context, sc scope) error {
	partition := sc.awaited("", "", "", "").Partition
	prefix := awaitedSort + string(b.s.sync) + "#"
	q := store.Query{
		Table: store.Links, Workspace: sc.ws, Partition: partition, Prefix: prefix, Limit: awaitedPage,
	}
	page, err := b.s.Store.Query(ctx, q)
	if err != nil {
		return err
	}
	items := page.Items
	if page.Next != "" { // more wait than are worth looking through: each partner's are asked for
		items = nil
		for _, ref := range b.joined {
			q.Prefix = prefix + string(ref.Side) + "#" + string(ref.ID) + "#"
			err := b.s.eachItem(ctx, q, func(it store.Item) error {
				items = append(items, it)
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	var due []store.Item
	for _, it := range items {
		a, err := decodeAwaited(it)
		if err != nil {
			return err
		}
		if slices.Contains(b.joined, crm.RecordRef{Side: a.Side, ID: a.Partner}) {
			due = append(due, it)
		}
	}
	return b.s.rouse(ctx, sc, b.s.conn, due)
}

func decodeAwaited(it store.Item) (awaitedItem, error) {
	var a awaitedItem
	if err := json.Unmarshal(it.Data, &a); err != nil {
		return a, fault.Wrap("engine: decode awaited", fault.Other, err)
	}
	return a, nil
}

// rouse sends the records of awaited items on their way, and forgets the items
// once that is stored. A newer one, stored meanwhile, stays.
func (e *Engine) rouse(ctx context.Context, sc scope, conn *crm.Connection, due []store.Item) error {
	if len(due) == 0 {
		return nil
	}
	e.Mark("partner_linked")
	var hints crm.PerSide[[]hint]
	gone := make([]store.Write, 0, len(due))
	for _, it := range due {
		a, err := decodeAwaited(it)
		if err != nil {
			return err
		}
		if list := hints.Get(a.Side); !slices.ContainsFunc(list, func(h hint) bool { return h.ID == a.Record }) {
			hints.Set(a.Side, append(list, hint{ID: a.Record, Force: true}))
		}
		gone = append(gone, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version)})
	}
	for _, side := range crm.Sides {
		for part := range slices.Chunk(hints.Get(side), max(e.Tuning.ChunkSize, 1)) {
			if err := e.park(ctx, e.newChunk(sc, conn, RunWebhook, e.webhookRun(sc), side, part), 0); err != nil {
				return err
			}
		}
	}
	_, errs := e.Store.BatchWrite(ctx, gone)
	for _, err := range errs {
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil
}

// attendAwaited goes through the records that wait for the link of a partner, a
// page at a time and at most once a minute, and sends those on their way whose
// partner has one: whatever linked it ended before it could say so. waits says that
// the sync has such records, and stays on the agenda.
func (e *Engine) attendAwaited(
	ctx context.Context, sc scope, conn *crm.Connection, running bool,
) (waits bool, err error) {
	if conf := conn.Sync(sc.sync); conf == nil || len(conf.Associations) == 0 {
		return false, nil
	}
	if !running || !e.probeDue(sc, "", "awaited") {
		return true, nil
	}
	at, _ := e.awaiting.get(sc)
	page, err := e.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: sc.ws, Partition: sc.awaited("", "", "", "").Partition, Prefix: awaitedSort,
		Limit: awaitedPage, Cursor: at,
	})
	if err != nil {
		return waits, err
	}
	e.awaiting.put(sc, page.Next)
	waits = len(page.Items) > 0 || at != ""
	all := make([]awaitedItem, len(page.Items))
	for i, it := range page.Items {
		if all[i], err = decodeAwaited(it); err != nil {
			return waits, err
		}
	}
	live, err := e.nowLinked(ctx, sc, all)
	if err != nil || len(live) == 0 {
		return waits, err
	}
	var due []store.Item
	for i, it := range page.Items {
		if slices.Contains(live, all[i]) {
			due = append(due, it)
		}
	}
	e.Mark("partner_found_linked")
	return waits, e.rouse(ctx, sc, conn, due)
}

// awaitedOr takes records that wait for a partner away, of a person or for one. What
// else is in the partition is for other to look at.
func (w *eraser) awaitedOr(
	c *crm.Connection, own [2]appObject, other func(context.Context, store.Item) error,
) func(context.Context, store.Item) error {
	return func(ctx context.Context, it store.Item) error {
		if !strings.HasPrefix(it.Sort, awaitedSort) {
			return other(ctx, it)
		}
		a, err := decodeAwaited(it)
		if err != nil {
			return err
		}
		o := own[a.Side.Index()]
		gone := w.t.record(o.account, o.object, a.Record)
		if conf := c.Sync(a.Sync); conf != nil {
			p := ends(c, conf)[a.Side.Index()]
			gone = gone || w.t.record(p.account, p.object, a.Partner)
		}
		if !gone {
			return nil
		}
		return w.replace(ctx, "awaited", it, nil)
	}
}
