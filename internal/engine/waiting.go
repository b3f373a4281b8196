package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Waiting is something that stands still, and why. It is said in the status of
// its sync, in a run that is open and beside its account.
type Waiting struct {
	Code       string           `json:"code" doc:"Why; see GET /v1/codes"`
	Connection crm.ConnectionID `json:"connection,omitempty" doc:"Beside an account only"`
	Sync       crm.SyncID       `json:"sync,omitempty" doc:"Beside an account only"`
	Side       crm.Side         `json:"side,omitempty" doc:"Whose app or account it is about; absent = the sync itself"`
	Account    crm.AccountID    `json:"account,omitempty"`
	App        crm.AppID        `json:"app,omitempty"`
	Direction  crm.Way          `json:"direction,omitempty" doc:"The only direction that waits; absent = both"`
	Since      time.Time        `json:"since,omitzero"`
	Until      time.Time        `json:"until,omitzero" doc:"When it is tried again; absent = when the cause is gone, which is looked for at least once a minute"`
	Records    int64            `json:"records,omitempty" doc:"How many records are known to wait for it"`
	Detail     string           `json:"detail,omitempty"` // safe to show
	Remedy     string           `json:"remedy" doc:"What a person can do about it"`
}

// Codes of what waits.
const (
	codeReauthorize = "reauthorization_required"
	codePermission  = "missing_permission"
)

// same reports whether two causes are one.
func (w *Waiting) same(o *Waiting) bool {
	return w.Code == o.Code && w.Side == o.Side && w.Direction == o.Direction && w.Account == o.Account
}

// waitGrace is how long after its end a wait still counts as the same one: the
// work that it held up needs a moment to find out.
const waitGrace = 90 * time.Second

// over reports whether a wait that ends by itself has ended.
func (w *Waiting) over(now time.Time) bool {
	return !w.Until.IsZero() && now.Sub(w.Until) > waitGrace
}

// holds reports whether a stored wait is one of the connection as it is now; ok says
// that the sync may run.
func (w *Waiting) holds(conn *crm.Connection, ok bool, now time.Time) bool {
	return w.Account == conn.Account(w.Side) && w.Code != codeReauthorize && (ok || w.denied()) && !w.over(now)
}

type waitKey struct {
	scope
	side crm.Side
	code string
}

// stands remembers why the work of a sync ended with err, if it is a reason to
// stand still: the connection's state, an outage, a limit, a right.
func (e *Engine) stands(ctx context.Context, sc scope, conn *crm.Connection, began int64, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	e.waitsFor(ctx, sc, conn, err)
	e.needAuthorization(ctx, sc, began, err)
	e.noteOutage(ctx, sc, conn, err)
}

// longWait is the shortest wait for a limit that is worth telling of.
const longWait = 5 * time.Second

// waitsFor stores that a sync waits for a limit to pass or for a right. Short
// waits are the rule and not worth a word.
func (e *Engine) waitsFor(ctx context.Context, sc scope, conn *crm.Connection, err error) {
	var at *sideError
	if conn == nil || !errors.As(err, &at) {
		return
	}
	now := e.Now()
	w := Waiting{Code: fault.CodeOf(err), Side: at.side, Account: conn.Account(at.side), Since: now, Detail: safeText(err)}
	switch kind := fault.KindOf(err); {
	case kind == fault.Throttled && fault.RetryAfter(err) > max(e.Tuning.ParkAfter, longWait):
		w.Until = now.Add(fault.RetryAfter(err))
	case kind == fault.Denied:
	default:
		return
	}
	key := waitKey{sc, w.Side, w.Code}
	if !w.Until.IsZero() && !w.Until.After(e.notedAt(key).Add(time.Second)) {
		return // stored already, by this process
	}
	if err := e.noteWaiting(ctx, sc, &w); err != nil {
		// the next failure says it again
		e.Log.Debug("cause of waiting not stored", "connection", sc.con, "sync", sc.sync, "code", w.Code, "error", err)
		return
	}
	e.note(key, w.Until)
	if w.denied() {
		return
	}
	e.limits.put(key, w.Until)
}

// goesOn ends the waits for limits whose time is over, when an app took calls
// again that this process had seen held up.
func (s *session) goesOn(ctx context.Context) {
	now := s.Now()
	met := s.limits.dropIf(func(key waitKey, until time.Time) bool {
		over := key.scope == s.scope && s.called[key.side.Index()] && !now.Before(until)
		if over {
			s.noted.drop(key)
		}
		return over
	})
	if !met {
		return
	}
	_, err := s.endWaits(ctx, s.scope, func(w *Waiting) bool {
		return !w.denied() && s.called[w.Side.Index()] && !now.Before(w.Until)
	})
	if err != nil {
		s.Log.Debug("end of a wait not stored", "connection", s.con, "sync", s.sync, "error", err) // it ends by itself
	}
}

// note keeps a time in this process's memory of what it noted and tried.
func (e *Engine) note(key waitKey, at time.Time) { e.noted.put(key, at) }

// notedAt is a time in that memory; zero = none.
func (e *Engine) notedAt(key waitKey) time.Time {
	at, _ := e.noted.get(key)
	return at
}

// noteWaiting stores a cause of waiting, unless it stands already, and logs it
// once. A wait that goes on beyond its end keeps its beginning.
func (e *Engine) noteWaiting(ctx context.Context, sc scope, w *Waiting) error {
	known, version, err := e.loadOutages(ctx, sc)
	if err != nil {
		return err
	}
	known.Waits = slices.DeleteFunc(known.Waits, func(o Waiting) bool { return o.over(e.Now()) })
	if i := slices.IndexFunc(known.Waits, func(o Waiting) bool { return w.same(&o) }); i >= 0 {
		old := &known.Waits[i]
		if w.Until.IsZero() || !w.Until.After(old.Until.Add(time.Second)) {
			return nil
		}
		old.Until = w.Until
		return e.saveOutages(ctx, sc, known, version)
	}
	if c, err := e.Open(ctx, sc.ws, w.Account); err == nil {
		w.App = c.App().ID
	}
	if err := e.touchAgenda(ctx, sc); err != nil {
		return err
	}
	known.Waits = append(known.Waits, *w)
	if err := e.saveOutages(ctx, sc, known, version); err != nil {
		return err
	}
	e.Mark("waiting_noted")
	e.Log.Warn("sync waits", "connection", sc.con, "sync", sc.sync, "code", w.Code, "side", w.Side, "app", w.App,
		"account", w.Account, "direction", w.Direction, "until", w.Until)
	return nil
}

// toldOver logs the end of a wait, once.
func (e *Engine) toldOver(sc scope, w *Waiting) {
	e.Log.Warn("sync waits no longer", "connection", sc.con, "sync", sc.sync, "code", w.Code, "side", w.Side, "app", w.App,
		"account", w.Account, "direction", w.Direction, "after", e.Now().Sub(w.Since).Round(time.Second).String())
}

// endWaits removes the causes that f finds gone, and tells.
func (e *Engine) endWaits(ctx context.Context, sc scope, f func(*Waiting) bool) (ended bool, err error) {
	for range 5 {
		known, version, err := e.loadOutages(ctx, sc)
		if err != nil {
			return false, err
		}
		var gone []Waiting
		known.Waits = slices.DeleteFunc(known.Waits, func(w Waiting) bool {
			if !f(&w) {
				return false
			}
			gone = append(gone, w)
			return true
		})
		if len(gone) == 0 {
			return false, nil
		}
		err = e.saveOutages(ctx, sc, known, version)
		if err == nil {
			for i := range gone {
				e.toldOver(sc, &gone[i])
			}
			return true, nil
		}
		if !fault.Is(err, fault.Conflict) {
			return false, err
		}
	}
	return false, fault.New("engine: end waiting", fault.Unavailable, "busy", "the sync is busy; try again")
}

// probeEvery is how often a right that is missing is asked for again: once in
// each tick that comes every minute.
const probeEvery = 45 * time.Second

// probeDue reports whether this process has not tried for a while.
func (e *Engine) probeDue(sc scope, side crm.Side, what string) bool {
	key, now := waitKey{sc, side, "probe " + what}, e.Now()
	if age := now.Sub(e.notedAt(key)); age >= 0 && age < probeEvery {
		return false
	}
	e.note(key, now)
	return true
}

// attendWaits looks whether what a sync waits for is there again. What it missed
// meanwhile it looks for at once.
func (e *Engine) attendWaits(
	ctx context.Context, sc scope, conn *crm.Connection, running bool,
) (ended bool, err error) {
	known, version, err := e.loadOutages(ctx, sc)
	if err != nil {
		return false, err
	}
	if running && known.pullDue(e.Now()) {
		known.Pull = false
		if _, err := e.catchUp(ctx, sc, conn); err != nil {
			return false, err
		}
		return true, e.saveOutages(ctx, sc, known, version)
	}
	if len(known.Waits) == 0 {
		return false, nil
	}
	readable := map[crm.Side]bool{}
	for i := range known.Waits {
		w := &known.Waits[i]
		if !running || !w.asksToRead() || w.Account != conn.Account(w.Side) {
			continue
		}
		if e.probeDue(sc, w.Side, "read") {
			readable[w.Side] = e.probeRead(ctx, sc, conn, w.Side) == nil
		}
	}
	if !slices.ContainsFunc(known.Waits, func(w Waiting) bool { return e.waitGone(&w, conn, running, readable) }) {
		return false, nil
	}
	ended, err = e.endWaits(ctx, sc, func(w *Waiting) bool { return e.waitGone(w, conn, running, readable) })
	if err != nil || !ended || !running || !slices.ContainsFunc(known.Waits, func(w Waiting) bool {
		return w.denied() && e.waitGone(&w, conn, running, readable)
	}) {
		return ended, err
	}
	_, err = e.catchUp(ctx, sc, conn)
	return true, err
}

// pullMissed remembers that a pull found an app that lets nobody list: it is
// made up for when the cause is gone, however far away the schedule is.
func (e *Engine) pullMissed(ctx context.Context, sc scope, err error) {
	switch fault.KindOf(err) {
	case fault.Throttled, fault.Unavailable, fault.Denied:
	case fault.Other, fault.Invalid, fault.Unsupported, fault.NotFound, fault.Conflict:
		return
	}
	known, version, lerr := e.loadOutages(ctx, sc)
	if lerr != nil || known.Pull || known.none() {
		return // or nothing that it would have to wait for
	}
	known.Pull = true
	if err := e.saveOutages(ctx, sc, known, version); err != nil {
		// the schedule makes up for it
		e.Log.Debug("missed pull not stored", "connection", sc.con, "sync", sc.sync, "error", err)
	}
}

// pullDue reports whether a missed pull can be made up for.
func (i *outageItem) pullDue(now time.Time) bool {
	return i.Pull && i.out() == 0 && !slices.ContainsFunc(i.Waits, func(w Waiting) bool {
		return w.Direction == "" && (w.denied() || now.Before(w.Until))
	})
}

// asksToRead reports whether a read shows that what is waited for is there again.
func (w *Waiting) asksToRead() bool {
	return w.denied() && w.Direction == "" && w.Code != codeReauthorize
}

// denied reports whether the wait is for a right.
func (w *Waiting) denied() bool { return w.Until.IsZero() }

// waitGone reports whether a stored cause holds nothing up any more.
func (e *Engine) waitGone(w *Waiting, conn *crm.Connection, running bool, readable map[crm.Side]bool) bool {
	switch {
	case w.Account != conn.Account(w.Side):
		return true // the side has got another account
	case w.Code == codeReauthorize:
		return conn.Status != crm.StatusNeedsAuth
	case !w.denied():
		return w.over(e.Now())
	case w.Direction != "":
		return false // ends with a write that the app takes, or with the last record that waits
	}
	return running && readable[w.Side]
}

// probeRead asks an app for the first page of what changed: whoever may list
// an object may read it.
func (e *Engine) probeRead(ctx context.Context, sc scope, conn *crm.Connection, side crm.Side) error {
	s, err := e.open(ctx, sc, conn)
	if err != nil {
		return err
	}
	st, err := e.loadScan(ctx, sc)
	if err != nil {
		return err
	}
	r := s.newRun(sc, conn, RunPull)
	if side == crm.Right {
		r.Phase = phaseRight
	}
	e.Mark("right_probed")
	_, _, err = s.listPage(ctx, r, st)
	return err
}

// catchUp starts a pull of a sync that stood still, so that nobody waits for
// its schedule, which may be days away or none at all.
func (e *Engine) catchUp(ctx context.Context, sc scope, conn *crm.Connection) (Run, error) {
	e.Mark("catches_up")
	st, err := e.loadScan(ctx, sc)
	if err != nil {
		return Run{}, err
	}
	return e.startRun(ctx, sc, conn, RunPull, func(r *storedRun) {
		if e.stoodTooLong(st) {
			e.Mark("lists_everything")
			r.Full, r.Because = true, codeLongPause
		}
	})
}

// waitings lists everything that a sync waits for now.
func (e *Engine) waitings(ctx context.Context, sc scope, conn *crm.Connection) ([]Waiting, error) {
	out := []Waiting{}
	ok, code := runnable(conn, sc.sync)
	if !ok {
		w, err := e.standsBecause(ctx, sc, conn, code)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	known, _, err := e.loadOutages(ctx, sc)
	if err != nil {
		return nil, err
	}
	now := e.Now()
	for _, w := range known.Waits {
		if !w.holds(conn, ok, now) {
			continue // said already, or over
		}
		if w.Direction != "" {
			if w.Records, err = e.countSome(ctx, sc.ws, sc.barred(w.Side, "", "").Partition); err != nil {
				return nil, err
			}
		}
		out = append(out, w)
	}
	if !ok {
		return out, nil
	}
	if arrives(conn, sc.sync) {
		out = append(out, Waiting{Code: codePairsArrive, Since: conn.StatusAt})
	}
	for _, side := range crm.Sides {
		if s := known.Sides.Get(side); s != nil {
			out = append(out, Waiting{
				Code: codeAppUnreachable, Side: side, Account: s.Account, App: s.App, Since: s.Since,
				Detail: s.Detail,
			})
		}
	}
	parked, err := e.parkedFor(ctx, sc, out)
	if err != nil {
		return nil, err
	}
	held, err := e.leasedLong(ctx, sc)
	return slices.Concat(out, parked, held), err
}

// longLease is how long a worker may hold a sync before that is worth a word:
// longer than a function may work at once.
const longLease = 5 * time.Minute

// leasedLong tells of a worker that has held the sync for long: all else of it
// waits until it lets go, or is found dead when its lease is not renewed.
func (e *Engine) leasedLong(ctx context.Context, sc scope) ([]Waiting, error) {
	l, err := e.loadLease(ctx, sc)
	if err != nil || l.Owner == "" || l.Since.IsZero() || e.Now().Sub(l.Since) <= longLease || !e.Now().Before(l.Until) {
		return nil, err
	}
	return []Waiting{
		{Code: codeLeased, Since: l.Since, Until: l.Until, Detail: "one piece of work has had the sync since then"},
	}, nil
}

// standsBecause says why a sync may not run.
func (e *Engine) standsBecause(ctx context.Context, sc scope, conn *crm.Connection, code string) (Waiting, error) {
	w := Waiting{Code: code, Since: conn.StatusAt}
	switch conn.Status {
	case crm.StatusHalted:
		for i := range conn.Syncs {
			h, _, err := e.loadHalt(ctx, scope{sc.ws, sc.con, conn.Syncs[i].ID})
			if err != nil {
				return w, err
			}
			if !h.Halt.Since.IsZero() {
				w.Since, w.Side = h.Halt.Since, h.Halt.Side
			}
		}
	case crm.StatusNeedsAuth: // any sync of the connection may have met it
		for i := range conn.Syncs {
			known, _, err := e.loadOutages(ctx, scope{sc.ws, sc.con, conn.Syncs[i].ID})
			if err != nil {
				return w, err
			}
			for _, g := range known.Waits {
				if g.Code == codeReauthorize {
					return g, nil
				}
			}
		}
	case crm.StatusActive, crm.StatusPaused, crm.StatusDraft, crm.StatusDeleting:
	}
	if w.Since.IsZero() || code == "switched_off" {
		w.Since = conn.UpdatedAt
	}
	return w, nil
}

// parkedFor tells what the next parked work waits for, if that takes longer
// than a moment and is not said already.
func (e *Engine) parkedFor(ctx context.Context, sc scope, said []Waiting) ([]Waiting, error) {
	page, err := e.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: sc.ws, Partition: sc.parked(time.Time{}, "").Partition, Limit: 20,
	})
	if err != nil {
		return nil, err
	}
	var out []Waiting
	for _, it := range page.Items {
		c, err := decodeChunk(it.Data)
		if err != nil || c.Why == "" {
			continue
		}
		w := Waiting{Code: c.Why, Since: c.Parked, Until: parkedUntil(it.Sort), Records: int64(len(c.Hints))}
		known := func(o Waiting) bool { return o.Code == w.Code }
		if w.Until.Sub(w.Since) <= e.Tuning.ParkAfter || w.Until.Before(e.Now()) || slices.ContainsFunc(said, known) ||
			slices.ContainsFunc(out, known) {
			continue
		}
		out = append(out, w)
	}
	return out, nil
}

// AccountWaits lists, by account, what connections wait for at it.
func (e *Engine) AccountWaits(ctx context.Context, ws crm.WorkspaceID) (map[crm.AccountID][]Waiting, error) {
	out := map[crm.AccountID][]Waiting{}
	err := e.eachConnection(ctx, ws, func(conn *crm.Connection) error {
		if conn.Status != crm.StatusActive && conn.Status != crm.StatusNeedsAuth {
			return nil
		}
		for i := range conn.Syncs {
			sc := scope{ws, conn.ID, conn.Syncs[i].ID}
			waits, err := e.waitings(ctx, sc, conn)
			if err != nil {
				return err
			}
			parts, err := e.heldNow(ctx, sc, conn, &conn.Syncs[i])
			if err != nil {
				return err
			}
			waits = append(waits, e.heldWaits(ctx, sc, conn, parts)...)
			for _, w := range waits {
				if w.Account != "" {
					w.Connection, w.Sync = sc.con, sc.sync
					out[w.Account] = append(out[w.Account], w)
				}
			}
		}
		return nil
	})
	return out, err
}
