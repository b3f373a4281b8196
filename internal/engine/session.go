package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// end is one side of a session: its account's connector and what to read.
type end struct {
	connector.Connector
	app    crm.App
	object string
	fields []string
	calls  int64
}

// session is everything one piece of work needs to know about its sync, read
// once: one item, one configuration version.
type session struct {
	*Engine
	scope
	conn    *crm.Connection
	conf    *crm.Sync
	set     *reconcile.Settings
	schemas [2]cachedSchema       // that set was made of
	late    [2][]string           // fields that came back meanwhile: what was read was not asked for them
	dropped crm.PerSide[[]string] // fields that an app refused to write because it lacks them
	ends    [2]end
	lease   *lease // held; nil = none
	vacant  *lease // as it was found before the work began: nobody's, with nothing left open
	held    *hold  // messages being worked; nil = none
	started time.Time
	mass    massCounts  // replaced values of the hour
	brakes  *brakesItem // mass changes that wait or were decided; nil = none
	bars    [2]bool     // sides that may not be written, as found just now
	called  [2]bool     // an app was asked for something, by side
	coming  coming      // creates whose fate is not known yet
	tombs   *tombs      // erased people; nil = none

	elsewhere [2]*uint64 // see shared

	supposed supposed // of merges, where nothing may be stored
}

func (s *session) end(side crm.Side) *end { return &s.ends[side.Index()] }

type compileKey struct {
	scope
	version int64
	schema  string
}

// cachedSchema is an object's fields as stored for all workers.
type cachedSchema struct {
	At     time.Time   `json:"at"`
	Digest string      `json:"digest"`
	Fields []crm.Field `json:"fields"`

	Gone   map[string]time.Time `json:"gone,omitempty"`   // fields that it had, and since when they are missed
	Unseen map[string]time.Time `json:"unseen,omitempty"` // those that the app lists but did not show, and when; not in Fields
	Missed time.Time            `json:"missed,omitzero"`  // when the app was last asked because a record lacked a field
}

// open builds a session on a connection that was loaded already.
func (e *Engine) open(ctx context.Context, sc scope, conn *crm.Connection) (*session, error) {
	conf := conn.Sync(sc.sync)
	if conf == nil {
		return nil, fault.New("engine: open sync", fault.NotFound, "sync_not_found", "the connection has no sync "+string(sc.sync))
	}
	s := &session{Engine: e, scope: sc, conn: conn, conf: conf, started: e.Now()}
	schemas, known := e.recentSchemas(sc, conn.Version)
	for _, side := range crm.Sides {
		c, err := e.Open(ctx, sc.ws, conn.Account(side))
		if fault.Is(err, fault.Denied) {
			return nil, atSide(side, "open account", err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: open account: %w", side, err)
		}
		s.ends[side.Index()] = end{Connector: c, app: c.App(), object: conf.Object(side)}
		if known {
			continue
		}
		schemas[side.Index()], err = e.schema(ctx, sc.ws, conn.Account(side), c, conf.Object(side), fromStore)
		if err != nil {
			return nil, atSide(side, "discover fields", err)
		}
	}
	if !known {
		e.rememberSchemas(sc, conn, schemas)
	}
	s.holds(ctx, schemas)
	return s, nil
}

// schemasFor is how long a process does not ask the store again for the fields
// of a sync's objects: they are large and hardly ever change. Whoever maps a new
// field saves the connection, which ends it.
const schemasFor = time.Minute

// usedSchemas are the fields of a sync's objects as a process last read them.
type usedSchemas struct {
	version  int64 // of the connection
	accounts [2]crm.AccountID
	at       time.Time
	schemas  [2]cachedSchema
}

func (e *Engine) recentSchemas(sc scope, version int64) (schemas [2]cachedSchema, ok bool) {
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	used, ok := e.used[sc]
	age := now.Sub(used.at)
	return used.schemas, ok && used.version == version && age >= 0 && age < schemasFor
}

func (e *Engine) rememberSchemas(sc scope, conn *crm.Connection, schemas [2]cachedSchema) {
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.used) >= maxDecoded {
		clear(e.used)
	}
	e.used[sc] = usedSchemas{conn.Version, [2]crm.AccountID{conn.Account(crm.Left), conn.Account(crm.Right)}, now, schemas}
}

// compile returns the sync's settings. Problems do not matter here: a running
// sync outlives an app's field that went away, and that field alone fails.
func (e *Engine) compile(sc scope, conn *crm.Connection, conf *crm.Sync, schemas [2]cachedSchema) *reconcile.Settings {
	key := compileKey{sc, conn.Version, schemas[0].Digest + schemas[1].Digest}
	e.mu.Lock()
	defer e.mu.Unlock()
	if set, ok := e.compiled[key]; ok {
		return set
	}
	set, problems := reconcile.Compile(conn, conf, schemas[0].Fields, schemas[1].Fields)
	for _, p := range problems {
		e.Log.Warn("setting does not fit", "connection", sc.con, "sync", sc.sync, "pointer", p.Pointer, "code", p.Code)
	}
	if len(e.compiled) > 64 {
		clear(e.compiled)
	}
	e.compiled[key] = set
	return set
}

// schemaFrom says where an object's fields are taken from.
type schemaFrom int

const (
	fromStore schemaFrom = iota // as long as they are known and not old
	fromApp
	fromAppWhole // fields that the app did not show a while ago are asked for again
)

// schema returns an object's fields.
func (e *Engine) schema(
	ctx context.Context, ws crm.WorkspaceID, acc crm.AccountID, c connector.Connector, object string, from schemaFrom,
) (cachedSchema, error) {
	fresh := from != fromStore
	var cs cachedSchema
	key := schemaKey(ws, acc, object)
	item, err := e.Store.Get(ctx, key)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return cs, err
	}
	if err == nil && e.decodeSchema(item, &cs) == nil && !fresh {
		if age := e.Now().Sub(cs.At); age < e.Tuning.SchemaFor && age > -e.Tuning.SchemaFor {
			return cs, nil
		}
	}
	fields, err := c.Fields(ctx, object)
	if err != nil {
		if cs.Digest != "" && !fresh && !fault.Is(err, fault.NotFound) {
			return cs, nil // an old schema is better than none while the app is away
		}
		return cs, err
	}
	if from == fromAppWhole {
		cs.Unseen = nil
	}
	return e.storeSchema(ctx, key, cs, cachedSchema{At: e.Now(), Fields: fields, Missed: cs.Missed})
}

// decodeSchema decodes a stored schema unless its bytes are those read last.
func (e *Engine) decodeSchema(item store.Item, cs *cachedSchema) error {
	e.mu.Lock()
	known, ok := e.schemas[item.Key]
	e.mu.Unlock()
	if ok && bytes.Equal(known.data, item.Data) {
		*cs = known.schema
		return nil
	}
	if err := json.Unmarshal(item.Data, cs); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.schemas) >= maxDecoded {
		clear(e.schemas)
	}
	e.schemas[item.Key] = decodedSchema{item.Data, *cs}
	return nil
}

func (e *Engine) storeSchema(ctx context.Context, key store.Key, old, cs cachedSchema) (cachedSchema, error) {
	cs.follow(old, e.Now())
	b, err := json.Marshal(cs.Fields)
	if err != nil {
		return cs, err
	}
	cs.Digest = crm.TextValue(string(b)).Digest()
	if b, err = json.Marshal(cs); err != nil {
		return cs, err
	}
	_, err = e.Store.Write(ctx, store.Write{Item: store.Item{Key: key, Data: b}})
	return cs, err
}

// forgetUsed makes this process ask the store again for the schemas of an
// account's object: somebody has just looked at the app.
func (e *Engine) forgetUsed(acc crm.AccountID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for sc, used := range e.used {
		if used.accounts[0] == acc || used.accounts[1] == acc {
			delete(e.used, sc)
		}
	}
}

// Fields returns an object's fields for the API and the console, from the
// store when they are recent, from the app when refresh is set.
func (e *Engine) Fields(ctx context.Context, ws crm.WorkspaceID, acc crm.AccountID, object string, refresh bool) ([]crm.Field, error) {
	c, err := e.Open(ctx, ws, acc)
	if err != nil {
		return nil, err
	}
	from := fromStore
	if refresh {
		from = fromAppWhole
	}
	cs, err := e.schema(ctx, ws, acc, c, object, from)
	if refresh && err == nil {
		e.forgetUsed(acc)
	}
	return cs.Fields, err
}

// runnable reports whether the sync may write now, and why not.
func runnable(conn *crm.Connection, id crm.SyncID) (ok bool, code string) {
	conf := conn.Sync(id)
	switch {
	case conf == nil:
		return false, "sync_not_found"
	case !conn.Enabled || conf.Direction == crm.DirectionOff:
		return false, reconcile.CodeSwitchedOff
	case conn.Status == crm.StatusActive:
		return true, ""
	default:
		return false, "connection_" + string(conn.Status)
	}
}

// errPaused ends work in the middle because an admin switched the sync off.
var errPaused = fault.New("engine: check switch", fault.Conflict, "paused", "the sync was switched off meanwhile")

// mayWrite is asked before every write to an app: the lease must outlast the
// request, and the switch must still be on. A pause is thus in force within
// one request.
func (s *session) mayWrite(ctx context.Context) error {
	if err := s.switchedOn(ctx); err != nil {
		return err
	}
	if err := s.beat(ctx); err != nil {
		return err
	}
	// The time is looked at last: what came before may have taken long.
	if s.lease != nil && s.Now().Add(s.Tuning.HTTPDeadline).After(s.lease.Until) {
		return fault.New("engine: check lease", fault.Unavailable, "lease_ending", "the time for this piece of work is used up")
	}
	return nil
}

// switchedOn reads the switch.
func (s *session) switchedOn(ctx context.Context) error {
	conn, err := s.connection(ctx, s.ws, s.con)
	if fault.Is(err, fault.NotFound) {
		return errPaused
	}
	if err != nil {
		return err
	}
	if ok, _ := runnable(conn, s.sync); !ok || conn.Generation != s.conn.Generation {
		return errPaused
	}
	return nil
}
