package engine

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// ErasureState is where an erasure stands.
type ErasureState string

// The states of an erasure.
const (
	ErasureRunning ErasureState = "running"
	ErasureDone    ErasureState = "done"
)

// Erasure is the receipt of a person's erasure. It holds nothing of the person.
type Erasure struct {
	ID        string           `json:"id"`
	State     ErasureState     `json:"state" enum:"running,done"`
	By        string           `json:"by" enum:"request,app" doc:"Who asked: an admin, or an app that told of a privacy deletion"`
	Blocked   bool             `json:"blocked" doc:"What comes of the person later makes nobody, until an admin lifts this"`
	CreatedAt time.Time        `json:"created_at"`
	EndedAt   time.Time        `json:"ended_at,omitzero"`
	LiftedAt  time.Time        `json:"lifted_at,omitzero"`
	Removed   map[string]int64 `json:"removed" nullable:"false" doc:"Items that went or were rewritten, by kind of place"`
	Kept      []KeptRecords    `json:"kept" nullable:"false" doc:"Records that stand in the apps as they are: Lockstep writes nothing to them"`
	Unasked   []crm.AccountID  `json:"unasked,omitempty" doc:"Accounts that did not answer within a day when they were asked for records of the person"`
	Backups   []ErasedBackup   `json:"backups" nullable:"false" doc:"Copies of our storage that hold the person until they expire"`
	CheckedAt time.Time        `json:"checked_at,omitzero" doc:"When everything was looked through a second time, for what was under way meanwhile"`
}

// KeptRecords counts the person's records of an object in an app.
type KeptRecords struct {
	Account crm.AccountID `json:"account"`
	Object  string        `json:"object"`
	Records int64         `json:"records"`
}

// ErasedBackup is a copy that nothing can be taken out of.
type ErasedBackup struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until" doc:"The last day on which it can be restored to a moment before the erasure"`
}

// ErasureRequest says who is to be erased: at least one of its parts.
type ErasureRequest struct {
	Email  string
	Phone  string // with its country code
	Record *AppRecord
}

// AppRecord names a record of an app.
type AppRecord struct {
	Account crm.AccountID `json:"account"`
	Object  string        `json:"object"`
	ID      crm.RecordID  `json:"id"`
}

const erasureFormat = 1

// storedErasure is a receipt with what blocks the person from now on, and what
// there is still to do.
type storedErasure struct {
	V       int          `json:"v"`
	Erasure Erasure      `json:"erasure"`
	Hashes  []tombHash   `json:"hashes,omitempty"`
	Mail    bool         `json:"mail,omitempty"` // one of the hashes is of an e-mail address
	Work    *erasureWork `json:"work,omitempty"` // nil = there is nothing left to do
	version int64
}

// erasureWork is how far an erasure has come. Identities are in clear only until
// the apps were asked for the records that hold them.
type erasureWork struct {
	Keys    []string    `json:"keys,omitempty"` // canonical
	Records []AppRecord `json:"records,omitempty"`
	Since   time.Time   `json:"since"`
	Again   bool        `json:"again,omitempty"` // the second look
	After   time.Time   `json:"after,omitzero"`  // not before
	Fenced  bool        `json:"fenced,omitempty"`
	Station string      `json:"station,omitempty"` // that is being looked through
	Cursor  string      `json:"cursor,omitempty"`
	More    bool        `json:"more,omitempty"` // an alias was found whose own aliases may have been passed
}

// erasingItem makes the tick look at an open erasure, or at one that an app
// asked for and that has not begun.
type erasingItem struct {
	V         int             `json:"v"`
	Workspace crm.WorkspaceID `json:"ws"`
	Erasure   string          `json:"erasure,omitempty"`
	Record    *AppRecord      `json:"record,omitempty"`
	After     time.Time       `json:"after,omitzero"`
}

const erasingPartition = "erasing"

func erasingKey(ws crm.WorkspaceID, sort string) store.Key {
	return store.Key{Table: store.Links, Partition: erasingPartition, Sort: string(ws) + "#" + sort}
}

// askedKey names an app's telling of a privacy deletion that has not begun.
func askedKey(ws crm.WorkspaceID, r AppRecord) store.Key {
	return erasingKey(ws, string(r.Account)+"#"+r.Object+"#"+string(r.ID))
}

// The codes of refused erasures.
const (
	CodeIdentityRequired = "identity_required"
	CodeInvalidIdentity  = "invalid_identity"
	CodeErasureRunning   = "erasure_running"
)

var errNoErasure = fault.New("engine: erase", fault.Unsupported, "unsupported", "no key for erasures is set up")

// identify returns what a request names, canonical. The error's Field is the
// part of the request at fault.
func (r *ErasureRequest) identify() (keys []string, records []AppRecord, err error) {
	const op = "engine: erase"
	bad := func(field, message string) error {
		return &fault.Error{Op: op, Kind: fault.Invalid, Code: CodeInvalidIdentity, Field: field, Message: message}
	}
	if r.Email != "" {
		key, ok := mapping.FormEmail.Key(crm.TextValue(r.Email), "")
		if !ok {
			return nil, nil, bad("email", "this is no e-mail address: send one address as name@host")
		}
		keys = append(keys, string(mapping.FormEmail)+":"+key)
	}
	if r.Phone != "" {
		key, ok := mapping.FormPhone.Key(crm.TextValue(r.Phone), "")
		if !ok {
			return nil, nil, bad("phone", "this is no valid phone number: send it with its country code, as +49 …")
		}
		keys = append(keys, string(mapping.FormPhone)+":"+key)
	}
	if x := r.Record; x != nil {
		if x.Account == "" || x.Object == "" || x.ID == "" {
			return nil, nil, bad("record", "a record is named by account, object and id")
		}
		records = append(records, *x)
	}
	if len(keys)+len(records) == 0 {
		return nil, nil, fault.New(op, fault.Invalid, CodeIdentityRequired, "say who: an email, a phone or a record")
	}
	return keys, records, nil
}

// FindErasure returns the erasure that blocks somebody already. NotFound when
// there is none.
func (e *Engine) FindErasure(ctx context.Context, ws crm.WorkspaceID, r ErasureRequest) (Erasure, error) {
	keys, records, err := r.identify()
	if err != nil {
		return Erasure{}, err
	}
	t, err := e.tombsOf(ctx, ws, 0, true)
	if err != nil {
		return Erasure{}, err
	}
	id := t.erasureOf(keys, records)
	if id == "" {
		return Erasure{}, fault.New("engine: find erasure", fault.NotFound, "not_found", "nobody was erased under this name")
	}
	return e.GetErasure(ctx, ws, id)
}

// erasureOf names the erasure that covers all that is asked for, "" if none does.
func (t *tombs) erasureOf(keys []string, records []AppRecord) string {
	if t.none() {
		return ""
	}
	var hashes []tombHash
	for _, k := range keys {
		hashes = append(hashes, tombOfKey(t.key, k))
	}
	for _, r := range records {
		hashes = append(hashes, tombOfRecord(t.key, r.Account, r.Object, r.ID))
	}
	id := ""
	for _, h := range hashes {
		g, ok := t.of[h]
		if !ok || id != "" && g.id != id {
			return ""
		}
		id = g.id
	}
	return id
}

// Erase begins to erase a person, under the ID given: from now on nothing is
// written to or from their records, and the tick takes all that is remembered
// of them out of the store. Somebody who is erased already is not erased again:
// the receipt is that one's.
func (e *Engine) Erase(ctx context.Context, ws crm.WorkspaceID, id string, r ErasureRequest) (Erasure, error) {
	keys, records, err := r.identify()
	if err != nil {
		return Erasure{}, err
	}
	x, err := e.erasePerson(ctx, ws, id, "request", keys, records)
	return erasureOrNone(x), err
}

// erasePerson stores the tombstones of a person with the work that there is to do.
func (e *Engine) erasePerson(
	ctx context.Context, ws crm.WorkspaceID, id, by string, keys []string, records []AppRecord,
) (*storedErasure, error) {
	if e.ErasureKey == nil {
		return nil, errNoErasure
	}
	for range 5 {
		t, err := e.tombsOf(ctx, ws, 0, true)
		if err != nil {
			return nil, err
		}
		if known := t.erasureOf(keys, records); known != "" {
			return e.loadErasure(ctx, ws, known)
		}
		x := &storedErasure{V: erasureFormat, Erasure: Erasure{
			ID: id, State: ErasureRunning, By: by, Blocked: true, CreatedAt: e.Now().UTC(),
			Removed: map[string]int64{}, Kept: []KeptRecords{}, Backups: []ErasedBackup{},
		}, Work: &erasureWork{Keys: keys, Records: records, Since: e.Now()}}
		key, err := e.ErasureKey(ctx, ws)
		if err != nil {
			return nil, err
		}
		x.bury(key, keys, records)
		if err := e.pairsOf(ctx, ws, x, key, records); err != nil {
			return nil, err
		}
		if err := e.listErasing(ctx, erasingItem{Workspace: ws, Erasure: id}); err != nil {
			return nil, err
		}
		err = e.saveErasure(ctx, ws, x, t)
		if err == nil {
			e.Mark("erasure_begun")
			e.Log.Info("erasure begun", "workspace", ws, "erasure", id, "by", by)
			return x, nil
		}
		if !fault.Is(err, fault.Conflict) {
			return nil, err
		}
	}
	return nil, fault.New("engine: erase", fault.Unavailable, "busy",
		"others are changing the same thing right now; try again")
}

// bury adds to what is known of the person and reports whether it was news.
func (x *storedErasure) bury(key []byte, keys []string, records []AppRecord) (news bool) {
	add := func(h tombHash) {
		if !slices.Contains(x.Hashes, h) {
			x.Hashes, news = append(x.Hashes, h), true
		}
	}
	for _, k := range keys {
		if personal(k) {
			add(tombOfKey(key, k))
			x.Mail = x.Mail || isMail(k)
		}
	}
	for _, r := range records {
		add(tombOfRecord(key, r.Account, r.Object, r.ID))
	}
	return news
}

// listErasing puts something on the tick's list.
func (e *Engine) listErasing(ctx context.Context, in erasingItem) error {
	in.V = 1
	key := erasingKey(in.Workspace, "~"+in.Erasure)
	if in.Record != nil {
		key = askedKey(in.Workspace, *in.Record)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	_, err = e.Store.Write(ctx, store.Write{Item: store.Item{Key: key, Data: body}})
	return err
}

// saveErasure stores an erasure whose tombstones changed, and says so to
// whoever keeps them; t is what was known before.
func (e *Engine) saveErasure(ctx context.Context, ws crm.WorkspaceID, x *storedErasure, t *tombs) error {
	w, err := x.asWrite(ws)
	if err != nil {
		return err
	}
	head := store.Write{Item: store.Item{Key: erasedHead(ws)}, If: store.IfVersion(t.version)}
	if err := e.Store.Transact(ctx, []store.Write{w, head}); err != nil {
		return err
	}
	x.version++
	e.forgetTombs(ws)
	return nil
}

// storeErasure stores an erasure whose tombstones are as before.
func (e *Engine) storeErasure(ctx context.Context, ws crm.WorkspaceID, x *storedErasure) error {
	w, err := x.asWrite(ws)
	if err == nil {
		x.version, err = e.Store.Write(ctx, w)
	}
	return err
}

func (x *storedErasure) asWrite(ws crm.WorkspaceID) (store.Write, error) {
	body, err := json.Marshal(x)
	if err != nil {
		return store.Write{}, err
	}
	return store.Write{
		Item: store.Item{Key: erasureKey(ws, x.Erasure.ID), Data: body}, If: store.IfVersion(x.version),
	}, nil
}

func (e *Engine) forgetTombs(ws crm.WorkspaceID) { e.tombs.drop(ws) }

func (e *Engine) loadErasure(ctx context.Context, ws crm.WorkspaceID, id string) (*storedErasure, error) {
	it, err := e.Store.Get(ctx, erasureKey(ws, id))
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New("engine: get erasure", fault.NotFound, "not_found", "there is no such erasure")
	}
	if err != nil {
		return nil, err
	}
	return decodeErasure(it)
}

func decodeErasure(it store.Item) (*storedErasure, error) {
	var x storedErasure
	if err := json.Unmarshal(it.Data, &x); err != nil {
		return nil, fault.Wrap("engine: decode erasure", fault.Other, err)
	}
	if x.V != erasureFormat {
		return nil, fault.New("engine: decode erasure", fault.Invalid, "unknown_format",
			"the erasure was written by a newer version of Lockstep")
	}
	x.version = it.Version
	return &x, nil
}

// GetErasure returns a receipt. NotFound when there is none.
func (e *Engine) GetErasure(ctx context.Context, ws crm.WorkspaceID, id string) (Erasure, error) {
	x, err := e.loadErasure(ctx, ws, id)
	if err != nil {
		return Erasure{}, err
	}
	return x.Erasure, nil
}

// ListErasures returns one page of receipts, newest first.
func (e *Engine) ListErasures(
	ctx context.Context, ws crm.WorkspaceID, limit int, cursor string,
) ([]Erasure, string, error) {
	page, err := e.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: ws, Partition: erasureKey(ws, "x").Partition, Reverse: true, Limit: limit,
		Cursor: cursor,
	})
	if err != nil {
		return nil, "", err
	}
	out := make([]Erasure, len(page.Items))
	for i, it := range page.Items {
		x, err := decodeErasure(it)
		if err != nil {
			return nil, "", err
		}
		out[i] = x.Erasure
	}
	return out, page.Next, nil
}

// LiftErasure lets an erased person in again, as somebody new. What was erased
// stays so. Conflict while the erasure is running.
func (e *Engine) LiftErasure(ctx context.Context, ws crm.WorkspaceID, id string) (Erasure, error) {
	for range 5 {
		t, err := e.tombsOf(ctx, ws, 0, true)
		if err != nil {
			return Erasure{}, err
		}
		x, err := e.loadErasure(ctx, ws, id)
		if err != nil || !x.Erasure.Blocked {
			return erasureOrNone(x), err
		}
		if x.Erasure.State != ErasureDone {
			return Erasure{}, fault.New("engine: lift erasure", fault.Conflict, CodeErasureRunning,
				"the erasure is under way; wait until it is done")
		}
		x.Erasure.Blocked, x.Erasure.LiftedAt, x.Hashes, x.Mail = false, e.Now().UTC(), nil, false
		err = e.saveErasure(ctx, ws, x, t)
		if err == nil {
			e.Mark("erasure_lifted")
			return x.Erasure, nil
		}
		if !fault.Is(err, fault.Conflict) {
			return Erasure{}, err
		}
	}
	return Erasure{}, fault.New("engine: lift erasure", fault.Unavailable, "busy",
		"others are changing the same thing right now; try again")
}

func erasureOrNone(x *storedErasure) Erasure {
	if x == nil {
		return Erasure{}
	}
	return x.Erasure
}

// askErasures stores the privacy deletions that an app tells of; the tick
// begins them, whether or not a sync is on.
func (e *Engine) askErasures(
	ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, events []connector.Event,
) error {
	if e.ErasureKey == nil {
		return nil
	}
	for i := range events {
		ev := &events[i]
		if ev.Kind != connector.EventErased || ev.ID == "" || ev.Object == "" {
			continue
		}
		e.Mark("erasure_asked_by_app")
		if err := e.listErasing(ctx, erasingItem{Workspace: ws, Record: &AppRecord{account, ev.Object, ev.ID}}); err != nil {
			return err
		}
	}
	return nil
}

// erasureAsked reports whether an app told that a record is erased for privacy, and
// the tick has not begun with it.
func (s *session) erasureAsked(ctx context.Context, side crm.Side, id crm.RecordID) (bool, error) {
	if s.ErasureKey == nil {
		return false, nil
	}
	_, err := s.Store.Get(ctx, askedKey(s.ws, ends(s.conn, s.conf)[side.Index()].record(id)))
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	s.markIf(err == nil, "erasure_waited_for")
	return err == nil, err
}

// awaitErasures puts off what would take a pair apart while a telling of the erasure
// of one of its records waits: the pair alone says whose the other one is.
func (s *session) awaitErasures(ctx context.Context, us []*unit) error {
	for _, u := range us {
		if !u.link.paired() || u.hint.Op != opUnlink && !u.undoes() {
			continue
		}
		for _, side := range crm.Sides {
			asked, err := s.erasureAsked(ctx, side, u.link.id(side))
			if err != nil {
				return err
			}
			if asked {
				u.fate.blameless = true
				u.deferFor(erasureRest, CodeErasureRunning)
			}
		}
	}
	return nil
}

// attendErasures goes on with every open erasure.
func (e *Engine) attendErasures(ctx context.Context) (busy bool, err error) {
	if e.ErasureKey == nil {
		return false, nil
	}
	err = e.eachItem(ctx, store.Query{Table: store.Links, Partition: erasingPartition, Limit: 50},
		func(it store.Item) error {
			var in erasingItem
			if err := json.Unmarshal(it.Data, &in); err != nil {
				return fault.Wrap("engine: decode open erasure", fault.Other, err)
			}
			if e.Now().Before(in.After) {
				return nil
			}
			more, err := e.attendErasure(ctx, it, in)
			switch {
			case fault.Is(err, fault.Conflict): // somebody is at work on the same thing
				more = true
			case err != nil:
				e.Log.Warn("erasure goes on later", "workspace", in.Workspace, "erasure", in.Erasure, "code", fault.CodeOf(err),
					"error", err)
				in.After = e.Now().Add(erasureRest)
				if err := e.listErasing(ctx, in); err != nil {
					return err
				}
			}
			busy = busy || more
			return nil
		})
	return busy, err
}

// erasureRest is how long an erasure that met trouble is left alone.
const erasureRest = 30 * time.Second

// attendErasure begins an erasure that an app asked for, or goes on with one.
func (e *Engine) attendErasure(ctx context.Context, it store.Item, in erasingItem) (more bool, err error) {
	over := store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version)}
	if in.Record != nil {
		x, err := e.erasePerson(ctx, in.Workspace, e.NewID("ers"), "app", nil, []AppRecord{*in.Record})
		if err != nil {
			return false, err
		}
		if e.Audited != nil && x.version == 1 {
			if err := e.Audited(ctx, in.Workspace, "erasure.create", x.Erasure.ID, nil); err != nil {
				return false, err
			}
		}
		_, err = e.Store.Write(ctx, over)
		return true, err
	}
	x, err := e.loadErasure(ctx, in.Workspace, in.Erasure)
	if fault.Is(err, fault.NotFound) { // its process ended before it was stored, or is just about to
		return false, e.dropUnborn(ctx, in, over)
	}
	if err != nil {
		return false, err
	}
	if x.Work == nil {
		_, err := e.Store.Write(ctx, over)
		return false, err
	}
	done, err := e.workErasure(ctx, in.Workspace, x)
	if err != nil || !done {
		return err == nil, err
	}
	if x.Work == nil {
		_, err = e.Store.Write(ctx, over)
		return false, err
	}
	in.After = x.Work.After
	return false, e.listErasing(ctx, in)
}

// dropUnborn takes an erasure off the list that was never stored, once it was
// met a second time.
func (e *Engine) dropUnborn(ctx context.Context, in erasingItem, over store.Write) error {
	if in.After.IsZero() {
		in.After = e.Now().Add(time.Minute)
		return e.listErasing(ctx, in)
	}
	_, err := e.Store.Write(ctx, over)
	return err
}
