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

// Silence is an app that does not answer, or not sensibly.
type Silence struct {
	Side    crm.Side      `json:"side"`
	Account crm.AccountID `json:"account"`
	App     crm.AppID     `json:"app,omitempty"`
	Since   time.Time     `json:"since"`
	Code    string        `json:"code" doc:"Of the first failure; see GET /v1/codes"`
	Detail  string        `json:"detail"` // safe to show
}

// silenceItem is what is known of a sync's silent apps. It is stored when a
// silence begins and when it ends, so that every process can tell, and not at
// the tries between.
type silenceItem struct {
	V     int                   `json:"v"`
	Sides crm.PerSide[*Silence] `json:"sides"`
	Waits []Waiting             `json:"waits,omitempty"` // what else the sync waits for
	Pull  bool                  `json:"pull,omitempty"`  // a pull was missed because of it
}

func (i *silenceItem) none() bool { return i.silent() == 0 && len(i.Waits) == 0 && !i.Pull }

// silent counts the apps that do not answer.
func (i *silenceItem) silent() (n int) {
	for _, side := range crm.Sides {
		if i.Sides.Get(side) != nil {
			n++
		}
	}
	return n
}

type silenceKey struct {
	scope
	side crm.Side
}

// lookSilence is how long this process trusts that a silence it met is stored.
// An app that comes and goes is thus written about once a minute at most.
const lookSilence = time.Minute

// fellSilent stores that an app does not answer, if that is what err says and
// it is not known yet. The tick listens for the end of it: hence the agenda.
func (e *Engine) fellSilent(ctx context.Context, sc scope, conn *crm.Connection, err error) {
	var at *sideError
	if conn == nil || ctx.Err() != nil || !fault.Is(err, fault.Unavailable) || !errors.As(err, &at) {
		return
	}
	now, key := e.Now(), silenceKey{sc, at.side}
	met, ok := e.silences.get(key)
	if age := now.Sub(met); ok && age >= 0 && age < lookSilence {
		return
	}
	s := &Silence{Side: at.side, Account: conn.Account(at.side), Since: now, Code: fault.CodeOf(err), Detail: safeText(err)}
	if c, err := e.Open(ctx, sc.ws, s.Account); err == nil {
		s.App = c.App().ID
	}
	s, err = e.saveSilence(ctx, sc, s)
	if err != nil {
		e.Log.Debug("silence of an app not stored", "connection", sc.con, "sync", sc.sync, "error", err) // the next failure says it again
		return
	}
	e.stood(s.sight(sc))
	e.silences.put(key, now)
}

// saveSilence stores a silence and returns it, or the one that stands already.
func (e *Engine) saveSilence(ctx context.Context, sc scope, s *Silence) (*Silence, error) {
	known, version, err := e.loadSilence(ctx, sc)
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
	if err := e.saveSilences(ctx, sc, known, version); err != nil {
		return nil, err
	}
	e.Log.Warn("app does not answer", "connection", sc.con, "sync", sc.sync, "side", s.Side, "app", s.App, "account", s.Account, "code", s.Code)
	return s, nil
}

// saveSilences stores what a sync waits for, or removes the item that says so.
func (e *Engine) saveSilences(ctx context.Context, sc scope, known silenceItem, version int64) error {
	w := store.Write{Item: store.Item{Key: sc.silence()}, If: store.IfVersion(version)}
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

// sight names a silence in the memory of what was seen waiting.
func (s *Silence) sight(sc scope) string {
	return "silence#" + string(sc.ws) + "#" + sc.name() + "#" + string(s.Side) + "#" + s.Since.Format(time.RFC3339Nano)
}

// longSilence is how long a silence has to stand before it is the app's: by
// then a tick has listened, and an app that only fails at one record answered.
const longSilence = 90 * time.Second

// outage reports whether err comes from an app that has answered nobody for
// long. What waits for it is no poison.
func (e *Engine) outage(ctx context.Context, sc scope, err error) bool {
	var at *sideError
	if !fault.Is(err, fault.Unavailable) || !errors.As(err, &at) {
		return false
	}
	known, _, err := e.loadSilence(ctx, sc)
	if err != nil {
		return false
	}
	s := known.Sides.Get(at.side)
	return s != nil && e.stood(s.sight(sc)) >= longSilence
}

func (s scope) silence() store.Key { return s.key("sync", "silence") }

func (e *Engine) loadSilence(ctx context.Context, sc scope) (silenceItem, int64, error) {
	known := silenceItem{V: 1}
	item, err := e.Store.Get(ctx, sc.silence())
	if fault.Is(err, fault.NotFound) {
		return known, 0, nil
	}
	if err != nil {
		return known, 0, err
	}
	if err := json.Unmarshal(item.Data, &known); err != nil {
		return known, 0, fault.Wrap("engine: decode silence", fault.Other, err)
	}
	return known, item.Version, nil
}

// listen asks the apps that are known to be silent one small question and
// forgets the silence of those that answer, whatever they say. listening is
// true while one is still silent; err is what it failed with.
func (e *Engine) listen(ctx context.Context, sc scope, conn *crm.Connection, running bool) (listening bool, err error) {
	known, version, err := e.loadSilence(ctx, sc)
	if err != nil || known.silent() == 0 {
		return false, err
	}
	var ended []*Silence
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
	if werr := e.saveSilences(ctx, sc, known, version); werr != nil {
		return true, errors.Join(err, werr)
	}
	for _, s := range ended {
		if running {
			e.Log.Info("app answers again", "connection", sc.con, "sync", sc.sync, "side", s.Side, "app", s.App, "account", s.Account, "after", e.Now().Sub(s.Since).Round(time.Second).String())
		}
	}
	return known.silent() > 0, err
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
