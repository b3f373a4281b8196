package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// codeAppUnreachable is the warning of a sync one of whose apps does not answer.
const codeAppUnreachable = "app_unreachable"

// sideError is trouble with the app of one side.
type sideError struct {
	side  crm.Side
	doing string
	err   error
}

func atSide(side crm.Side, doing string, err error) error { return &sideError{side, doing, err} }

func (e *sideError) Error() string { return string(e.side) + ": " + e.doing + ": " + e.err.Error() }

func (e *sideError) Unwrap() error { return e.err }

// Outage is an app that does not answer, or not sensibly.
type Outage struct {
	Side    crm.Side      `json:"side"`
	Account crm.AccountID `json:"account"`
	App     crm.AppID     `json:"app,omitempty"`
	Since   time.Time     `json:"since"`
	Code    string        `json:"code" doc:"Of the first failure; see GET /v1/codes"`
	Detail  string        `json:"detail"` // safe to show
}

// outageItem is what is known of a sync's apps that are out. It is stored when an
// outage begins and when it ends, so that every process can tell, and not at
// the tries between.
type outageItem struct {
	V     int                  `json:"v"`
	Sides crm.PerSide[*Outage] `json:"sides"`
	Waits []Waiting            `json:"waits,omitempty"` // what else the sync waits for
	Pull  bool                 `json:"pull,omitempty"`  // a pull was missed because of it
}

func (i *outageItem) none() bool { return i.out() == 0 && len(i.Waits) == 0 && !i.Pull }

// out counts the apps that do not answer.
func (i *outageItem) out() (n int) {
	for _, side := range crm.Sides {
		if i.Sides.Get(side) != nil {
			n++
		}
	}
	return n
}

type outageKey struct {
	scope
	side crm.Side
}

// outageNotedFor is how long this process trusts that an outage it met is stored.
// An app that comes and goes is thus written about once a minute at most.
const outageNotedFor = time.Minute

// noteOutage stores that an app does not answer, if that is what err says and
// it is not known yet. The tick listens for the end of it: hence the agenda.
func (e *Engine) noteOutage(ctx context.Context, sc scope, conn *crm.Connection, err error) {
	var at *sideError
	if conn == nil || ctx.Err() != nil || !fault.Is(err, fault.Unavailable) || !errors.As(err, &at) {
		return
	}
	now, key := e.Now(), outageKey{sc, at.side}
	met, ok := e.outages.get(key)
	if age := now.Sub(met); ok && age >= 0 && age < outageNotedFor {
		return
	}
	s := &Outage{Side: at.side, Account: conn.Account(at.side), Since: now, Code: fault.CodeOf(err), Detail: safeText(err)}
	if c, err := e.Open(ctx, sc.ws, s.Account); err == nil {
		s.App = c.App().ID
	}
	s, err = e.saveOutage(ctx, sc, s)
	if err != nil {
		// the next failure says it again
		e.Log.Debug("outage not stored", "connection", sc.con, "sync", sc.sync, "error", err)
		return
	}
	e.stood(s.standing(sc))
	e.outages.put(key, now)
}

// saveOutage stores an outage and returns it, or the one that stands already.
func (e *Engine) saveOutage(ctx context.Context, sc scope, s *Outage) (*Outage, error) {
	known, version, err := e.loadOutages(ctx, sc)
	if err != nil {
		return nil, err
	}
	if stands := known.Sides.Get(s.Side); stands != nil {
		return stands, nil
	}
	if err := e.touchAgenda(ctx, sc); err != nil {
		return nil, err
	}
	known.Sides.Set(s.Side, s)
	if err := e.saveOutages(ctx, sc, known, version); err != nil {
		return nil, err
	}
	e.Log.Warn("app does not answer", "connection", sc.con, "sync", sc.sync, "side", s.Side, "app", s.App, "account",
		s.Account, "code", s.Code)
	return s, nil
}

// saveOutages stores what a sync waits for, or removes the item that says so.
func (e *Engine) saveOutages(ctx context.Context, sc scope, known outageItem, version int64) error {
	w := store.Write{Item: store.Item{Key: sc.outages()}, If: store.IfVersion(version)}
	if known.none() {
		w.Op = store.Delete
	} else {
		b, err := json.Marshal(known)
		if err != nil {
			return err
		}
		w.Item.Data = b
	}
	_, err := e.Store.Write(ctx, w)
	return err
}

// standing names an outage in the memory of what stands.
func (s *Outage) standing(sc scope) string {
	return "silence#" + string(sc.ws) + "#" + sc.name() + "#" + string(s.Side) + "#" + s.Since.Format(time.RFC3339Nano)
}

// longOutage is how long an outage has to stand before it is the app's: by
// then a tick has listened, and an app that only fails at one record answered.
const longOutage = 90 * time.Second

// outage reports whether err comes from an app that has answered nobody for
// long. What waits for it is no poison.
func (e *Engine) outage(ctx context.Context, sc scope, err error) bool {
	var at *sideError
	if !fault.Is(err, fault.Unavailable) || !errors.As(err, &at) {
		return false
	}
	known, _, err := e.loadOutages(ctx, sc)
	if err != nil {
		return false
	}
	s := known.Sides.Get(at.side)
	return s != nil && e.stood(s.standing(sc)) >= longOutage
}

func (s scope) outages() store.Key { return s.key("sync", "silence") }

func (e *Engine) loadOutages(ctx context.Context, sc scope) (outageItem, int64, error) {
	known := outageItem{V: 1}
	item, err := e.Store.Get(ctx, sc.outages())
	if fault.Is(err, fault.NotFound) {
		return known, 0, nil
	}
	if err != nil {
		return known, 0, err
	}
	if err := json.Unmarshal(item.Data, &known); err != nil {
		return known, 0, fault.Wrap("engine: decode outages", fault.Other, err)
	}
	return known, item.Version, nil
}

// listen asks the apps that are known to be out one small question and
// ends the outage of those that answer, whatever they say. listening is
// true while one is still out; err is what it failed with.
func (e *Engine) listen(ctx context.Context, sc scope, conn *crm.Connection, running bool) (listening bool, err error) {
	known, version, err := e.loadOutages(ctx, sc)
	if err != nil || known.out() == 0 {
		return false, err
	}
	var ended []*Outage
	for _, side := range crm.Sides {
		s := known.Sides.Get(side)
		if s == nil {
			continue
		}
		// A sync that is off asks nobody, and a side may have got another account.
		if running && s.Account == conn.Account(side) {
			if why := e.ask(ctx, sc, conn, side); why != nil {
				err = why
				continue
			}
		}
		known.Sides.Set(side, nil)
		ended = append(ended, s)
	}
	if len(ended) == 0 {
		return true, err
	}
	if werr := e.saveOutages(ctx, sc, known, version); werr != nil {
		return true, errors.Join(err, werr)
	}
	for _, s := range ended {
		if running {
			e.Log.Info("app answers again", "connection", sc.con, "sync", sc.sync, "side", s.Side, "app", s.App, "account",
				s.Account, "after", e.Now().Sub(s.Since).Round(time.Second).String())
		}
	}
	return known.out() > 0, err
}

// ask is the small question: the fields of the sync's own object. It returns an
// error only when the app does not answer.
func (e *Engine) ask(ctx context.Context, sc scope, conn *crm.Connection, side crm.Side) error {
	c, err := e.Open(ctx, sc.ws, conn.Account(side))
	if err == nil {
		cctx, cancel := context.WithTimeout(ctx, e.Tuning.HTTPDeadline)
		defer cancel()
		_, err = c.Fields(cctx, conn.Sync(sc.sync).Object(side))
	}
	if fault.Is(err, fault.Unavailable) {
		return atSide(side, "listen for an answer", err)
	}
	return nil
}
