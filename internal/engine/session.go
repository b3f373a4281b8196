package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
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
	doubted crm.PerSide[bool]     // an app refused a field that its schema, as we know it, lets us write
	ends    [2]end
	lease   *lease  // held; nil = none
	vacant  *lease  // as it was found before the work began: nobody's, with nothing left open
	hand    *inHand // messages being worked; nil = none
	started time.Time
	mass    massCounts  // replaced values of the hour
	brakes  *brakesItem // mass changes that wait or were decided; nil = none
	bars    [2]bool     // sides that may not be written, as found just now
	called  [2]bool     // an app was asked for something, by side
	coming  coming      // creates whose fate is not known yet
	beside  coming      // those that are open in other syncs of the connection
	tombs   *tombs      // erased people; nil = none

	beyond    []neighbour            // see neighbours; nil = not looked for
	elsewhere [2]*uint64             // see shared
	returning map[crm.MappingID]bool // see returns; nil = not looked for

	people   *people   // users of the apps; nil = no mapping is about users
	partners *partners // what references name; nil = there are no associations

	secrets   [2]map[string]bool  // fields of each side whose values nobody sees
	secretsOf *reconcile.Settings // that they were found in

	undone *storedRun // the run that was last asked for as one to be undone

	supposed supposed // of merges, where nothing may be stored
}

func (s *session) end(side crm.Side) *end { return &s.ends[side.Index()] }

type compileKey struct {
	scope
	version int64
	schema  string
}

// open builds a session on a connection that was loaded already.
func (e *Engine) open(ctx context.Context, sc scope, conn *crm.Connection) (*session, error) {
	conf := conn.Sync(sc.sync)
	if conf == nil {
		return nil, fault.New("engine: open sync", fault.NotFound, "sync_not_found", "the connection has no sync "+
			string(sc.sync))
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
		s.ends[side.Index()] = end{Connector: c, app: c.App().For(conf.Object(side)), object: conf.Object(side)}
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
	s.useSchemas(ctx, schemas)
	return s, nil
}

// compile returns the sync's settings. Problems do not matter here: a running
// sync outlives an app's field that went away, and that field alone fails.
func (e *Engine) compile(sc scope, conn *crm.Connection, conf *crm.Sync, schemas [2]cachedSchema) *reconcile.Settings {
	key := compileKey{sc, conn.Version, schemas[0].Digest + schemas[1].Digest}
	return e.Decoded.compiled.change(key, func(known *reconcile.Settings, ok bool) *reconcile.Settings {
		if ok {
			return known
		}
		set, problems := reconcile.Compile(conn, conf, schemas[0].Fields, schemas[1].Fields)
		for _, p := range problems {
			e.Log.Warn("setting does not fit", "connection", sc.con, "sync", sc.sync, "pointer", p.Pointer, "code", p.Code)
		}
		return set
	})
}

// runnable reports whether the sync may write now, and why not.
func runnable(conn *crm.Connection, id crm.SyncID) (ok bool, code string) {
	conf := conn.Sync(id)
	switch {
	case conf == nil:
		return false, "sync_not_found"
	case len(conn.Leaving(id)) > 0:
		return false, codeEndsChanged
	case !conn.Enabled || conf.Direction == crm.DirectionOff:
		return false, reconcile.CodeSwitchedOff
	case conn.Status == crm.StatusActive:
		return true, ""
	default:
		return false, "connection_" + string(conn.Status)
	}
}

// errPaused ends work in the middle because an admin switched the sync off.
var errPaused = fault.New("engine: check switch", fault.Conflict, codePaused, "the sync was switched off meanwhile")

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
		return fault.New("engine: check lease", fault.Unavailable, codeLeaseEnding,
			"the time for this piece of work is used up")
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
