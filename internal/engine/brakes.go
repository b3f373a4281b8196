package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// What a person decided about a mass change.
const (
	decisionConfirmed = "confirmed"
	decisionDiscarded = "discarded"
)

// The kinds of mass change that a halt names.
const (
	changeBlank    = "blank"
	changeOneValue = "one_value"
)

// brake is a mass change that stopped its mapping. Once it is decided it stays
// for a while, so that what belongs to it is told from the next one.
type brake struct {
	Mapping  crm.MappingID `json:"m"`
	Side     crm.Side      `json:"side"`            // that would be written
	Value    string        `json:"value,omitempty"` // fingerprint, "" of a blank
	Since    time.Time     `json:"since"`
	From     time.Time     `json:"from"`  // of the hour that it was counted over
	Count    int64         `json:"count"` // that were found, written or not
	Links    int64         `json:"links"`
	Decision string        `json:"decision,omitempty"`
	Decided  time.Time     `json:"at,omitzero"`
}

// brakesItem holds the mass changes of a sync that wait, or were decided lately.
type brakesItem struct {
	V       int     `json:"v"`
	List    []brake `json:"l"`
	version int64
}

func (s scope) brakes() store.Key { return s.key("sync", "changes") }

// stopped is where a record waits for the decision about a mapping.
func (s scope) stopped(m crm.MappingID, side crm.Side, id crm.RecordID) store.Key {
	return s.key("stopped", string(m)+"#"+string(side)+"#"+string(id))
}

func (e *Engine) loadBrakes(ctx context.Context, sc scope) (*brakesItem, error) {
	item, err := e.Store.Get(ctx, sc.brakes())
	if fault.Is(err, fault.NotFound) {
		return &brakesItem{V: 1}, nil
	}
	if err != nil {
		return nil, err
	}
	var b brakesItem
	if err := json.Unmarshal(item.Data, &b); err != nil {
		return nil, fault.Wrap("engine: decode mass changes", fault.Other, err)
	}
	b.version = item.Version
	return &b, nil
}

// changeBrakes alters what is stored; change says whether there is anything to
// store.
func (e *Engine) changeBrakes(
	ctx context.Context, sc scope, change func(*brakesItem) (bool, error),
) (*brakesItem, error) {
	for range 5 {
		b, err := e.loadBrakes(ctx, sc)
		if err != nil {
			return nil, err
		}
		if differs, err := change(b); err != nil || !differs {
			return b, err
		}
		data, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		b.version, err = e.Store.Write(ctx, store.Write{
			Item: store.Item{Key: sc.brakes(), Data: data}, If: store.IfVersion(b.version),
		})
		if err == nil || !fault.Is(err, fault.Conflict) {
			return b, err
		}
	}
	return nil, fault.New("engine: store mass changes", fault.Unavailable, "busy", "the sync is busy; try again")
}

// waitsFor returns the mass change of a mapping that nobody decided yet.
func (b *brakesItem) waitsFor(id crm.MappingID) *brake {
	if b == nil {
		return nil
	}
	i := slices.IndexFunc(b.List, func(x brake) bool { return x.Mapping == id && x.Decision == "" })
	if i < 0 {
		return nil
	}
	return &b.List[i]
}

// decided returns the decision that covers a unit's change: it is of the kind
// that was decided, and was made before that. What waited for a decision follows
// the latest.
func (b *brakesItem) decided(k massKind, u *unit) *brake {
	if b == nil {
		return nil
	}
	var latest *brake
	for i := range b.List {
		x := &b.List[i]
		if x.Decision == "" || x.Mapping != k.Mapping || x.Side != k.Side || x.Value != k.Value {
			continue
		}
		if u.hint.Decided == k.Mapping {
			latest = x
			continue
		}
		if source := u.rec.Get(k.Side.Other()); source != nil && !source.ModifiedAt.After(x.Decided) {
			return x
		}
	}
	return latest
}

// brake stops a mapping before anything of this piece of work is written. The
// lease tells whoever comes next to look, so it is stored first.
func (s *session) brake(ctx context.Context, k massKind, all []*unit, count, links int64) error {
	if s.brakes.waitsFor(k.Mapping) != nil {
		return nil
	}
	now := s.Now()
	halt := brake{
		Mapping: k.Mapping, Side: k.Side, Value: k.Value, Since: now, From: now.Add(-massSlots * massSlot),
		Count: count, Links: links,
	}
	s.brakes = &brakesItem{V: 1, List: []brake{halt}}
	if err := s.keepMass(ctx); err != nil {
		return err
	}
	if err := s.touchAgenda(ctx, s.scope); err != nil {
		return err
	}
	stored, err := s.changeBrakes(ctx, s.scope, func(b *brakesItem) (bool, error) {
		if b.waitsFor(k.Mapping) != nil {
			return false, nil
		}
		b.List = append(b.List, halt)
		return true, nil
	})
	if err != nil {
		return err
	}
	s.brakes = stored
	s.Mark("mass_change_halted")
	s.Log.Warn("mapping halted: very many values of a field would be replaced at once", "connection", s.con, "sync",
		s.sync, "mapping", k.Mapping,
		"side", k.Side, "changes", count, "links", links)
	for _, u := range all {
		if !u.fate.stopped() && !u.fate.weighed && u.into == nil && u.decided && u.link.paired() &&
			u.decidesAbout(k.Mapping) {
			s.decideAnew(u)
		}
	}
	return nil
}

// decidesAbout reports whether a unit's decision has to do with a mapping.
func (u *unit) decidesAbout(id crm.MappingID) bool {
	return slices.ContainsFunc(u.decision.Fields, func(f reconcile.FieldDecision) bool { return f.Mapping == id })
}

// letStop enters the mappings of a unit that wait for a person.
func (b *books) letStop(u *unit) {
	left := u.leftID() // of two that have just met, nothing is remembered yet
	for _, id := range u.stopped() {
		b.s.Mark("record_stopped")
		b.waitingHints = append(b.waitingHints, placedHint{
			b.s.scope.stopped(id, crm.Left, left), hint{ID: left, Force: true},
		})
	}
}

// letWeigh enters a unit whose change waits until what was queued with it is
// counted. Nothing of it was tried.
func (b *books) letWeigh(u *unit) {
	h := u.hint
	h.Digest, h.Force, h.Weighed = "", h.Force || u.both, true
	b.waitingHints = append(b.waitingHints, placedHint{b.s.scope.stopped(weighing, u.side, u.id), h})
	for _, t := range u.took {
		b.waitingHints = append(b.waitingHints, placedHint{
			b.s.scope.stopped(weighing, t.side, t.id), hint{ID: t.id, Force: true},
		})
	}
}

// attendWeighed sends the records whose change was weighed once nothing more is
// about to be counted: no run lists, and no inbox holds anything. Messages of a
// sync are worked in order, so what is queued already is counted before them.
func (e *Engine) attendWeighed(ctx context.Context, sc scope, conn *crm.Connection) (more bool, err error) {
	page, err := e.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: sc.ws, Partition: sc.stopped("", "", "").Partition, Prefix: string(weighing) + "#",
		Limit: 1000,
	})
	if err != nil || len(page.Items) == 0 {
		return false, err
	}
	oldest := e.Now()
	for _, it := range page.Items {
		var in barredItem
		if err := json.Unmarshal(it.Data, &in); err != nil {
			return false, fault.Wrap("engine: decode weighed record", fault.Other, err)
		}
		if in.At.Before(oldest) {
			oldest = in.At
		}
	}
	age := e.Now().Sub(oldest)
	if age < massLook {
		return true, nil
	}
	if age < massWait {
		growing, err := e.growing(ctx, sc)
		if err != nil || growing {
			return false, err
		}
	}
	limit := e.Tuning.Window * e.Tuning.ChunkSize
	n, err := e.replayFrom(ctx, sc, conn, sc.stopped("", "", ""), string(weighing)+"#", limit, func(*hint) {})
	return n == limit, err
}

// growing reports whether changes are known that nobody has looked at.
func (e *Engine) growing(ctx context.Context, sc scope) (bool, error) {
	st, err := e.loadScan(ctx, sc)
	if err != nil {
		return false, err
	}
	if st.OpenRun != "" {
		r, err := e.loadRun(ctx, sc.ws, st.OpenRun)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return false, err
		}
		if err == nil && r.open() && (r.Phase == phaseLeft || r.Phase == phaseRight) {
			return true, nil
		}
	}
	page, err := e.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: sc.ws, Partition: sc.inbox(crm.Left, "x").Partition, Limit: 1,
	})
	return len(page.Items) > 0, err
}

// ConfirmChanges lets the mass change that halted a mapping be carried out.
func (e *Engine) ConfirmChanges(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, mapping crm.MappingID,
) error {
	return e.decideChanges(ctx, scope{ws, id, sync}, mapping, decisionConfirmed)
}

// DiscardChanges forgets the mass change that halted a mapping: both sides keep
// what they hold, and are left apart until somebody edits one of them.
func (e *Engine) DiscardChanges(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, mapping crm.MappingID,
) error {
	return e.decideChanges(ctx, scope{ws, id, sync}, mapping, decisionDiscarded)
}

func (e *Engine) decideChanges(ctx context.Context, sc scope, mapping crm.MappingID, decision string) error {
	conn, _, err := e.loadConnection(ctx, sc.ws, sc.con)
	if err != nil {
		return err
	}
	conf := conn.Sync(sc.sync)
	if conf == nil {
		return fault.New("engine: decide changes", fault.NotFound, "sync_not_found", "the connection has no such sync")
	}
	if !mapped(conf, mapping) {
		return fault.New("engine: decide changes", fault.NotFound, "not_found", "the sync has no such mapping")
	}
	_, err = e.changeBrakes(ctx, sc, func(b *brakesItem) (bool, error) {
		x := b.waitsFor(mapping)
		if x == nil {
			return false, fault.New("engine: decide changes", fault.Conflict, "not_halted",
				"no mass change of the mapping waits for a decision")
		}
		x.Decision, x.Decided = decision, e.Now()
		return true, nil
	})
	if err != nil {
		return err
	}
	return e.touchAgenda(ctx, sc)
}

func mapped(conf *crm.Sync, id crm.MappingID) bool {
	return slices.ContainsFunc(conf.Lines(), func(m crm.Mapping) bool { return m.ID == id })
}

// decidedFor is how long a decision is kept, for changes that were made before
// it and are seen late.
const decidedFor = time.Hour

// attendBrakes sends the records that waited for a decision, and forgets what
// was decided long ago or is of a mapping that is no more.
func (e *Engine) attendBrakes(
	ctx context.Context, sc scope, conn *crm.Connection, running bool,
) (more bool, err error) {
	if !running {
		return false, nil
	}
	if more, err = e.attendWeighed(ctx, sc, conn); err != nil {
		return false, err
	}
	known, err := e.loadBrakes(ctx, sc)
	if err != nil || len(known.List) == 0 {
		return more, err
	}
	conf := conn.Sync(sc.sync)
	empty := map[crm.MappingID]bool{}
	for i := range known.List {
		id := known.List[i].Mapping
		if known.waitsFor(id) != nil && mapped(conf, id) {
			continue
		}
		n, err := e.replayFrom(ctx, sc, conn, sc.stopped(id, "", ""), string(id)+"#", e.Tuning.Window*e.Tuning.ChunkSize,
			func(h *hint) { h.Decided = id })
		if err != nil {
			return false, err
		}
		empty[id] = n == 0
		more = more || n == e.Tuning.Window*e.Tuning.ChunkSize
	}
	_, err = e.changeBrakes(ctx, sc, func(b *brakesItem) (bool, error) {
		n := len(b.List)
		b.List = slices.DeleteFunc(b.List, func(x brake) bool {
			return empty[x.Mapping] && (x.Decision != "" && e.Now().Sub(x.Decided) >= decidedFor || !mapped(conf, x.Mapping))
		})
		return len(b.List) != n, nil
	})
	return more, err
}

// statusChanges lists the mappings of a sync that a mass change stopped.
func (e *Engine) statusChanges(ctx context.Context, sc scope, conf *crm.Sync, st *SyncStatus) error {
	known, err := e.loadBrakes(ctx, sc)
	if err != nil {
		return err
	}
	st.Changes = []ChangeHalt{}
	for i := range known.List {
		b := &known.List[i]
		lines := conf.Lines()
		at := slices.IndexFunc(lines, func(m crm.Mapping) bool { return m.ID == b.Mapping })
		if b.Decision != "" || at < 0 {
			continue
		}
		h := ChangeHalt{
			Mapping: b.Mapping, Since: b.Since, From: b.From, Count: b.Count, Links: b.Links, Side: b.Side, Kind: changeBlank,
			Value:  b.Value,
			Field:  strings.Join(lines[at].Names(b.Side), "+"),
			Remedy: "look at the field in both apps, then confirm or discard the changes of the mapping",
		}
		if b.Value != "" {
			h.Kind = changeOneValue
		}
		page := store.Query{
			Table: store.Links, Workspace: sc.ws, Partition: sc.stopped("", "", "").Partition, Prefix: string(b.Mapping) + "#",
		}
		if h.Waiting, err = e.countQuery(ctx, page, statusMost, nil); err != nil {
			return err
		}
		st.Changes = append(st.Changes, h)
	}
	if len(st.Changes) > 0 {
		st.Warnings = append(st.Warnings, reconcile.CodeMassChange)
	}
	return nil
}
