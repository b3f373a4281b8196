package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// claimed is what a claim item says: who is about to create the identity, for whom.
type claimed struct {
	V      int           `json:"v"`
	Scope  string        `json:"scope"` // connection#sync
	Intent string        `json:"intent"`
	Side   crm.Side      `json:"side"` // of the source record
	Source crm.RecordID  `json:"source"`
	At     time.Time     `json:"at"`
	Lag    time.Duration `json:"lag,omitempty"` // until the created record can be found by its identity
	Keys   []rankedKey   `json:"keys,omitempty"`
}

// rankedKey is the fingerprint of an identity key with the place of its step in
// the ladder: by it, another record with a later key in common is told apart.
type rankedKey struct {
	Rank   int    `json:"r,omitempty"`
	Digest string `json:"d"`
}

func rankedKeys(keys []reconcile.Key) []rankedKey {
	if !slices.ContainsFunc(keys, func(k reconcile.Key) bool { return k.Rank > 0 }) {
		return nil // nothing is told by a ladder of one step
	}
	out := make([]rankedKey, len(keys))
	for i, k := range keys {
		out[i] = rankedKey{k.Rank, crm.ItemDigest(k.Canonical)}
	}
	return out
}

// apart reports whether a step before that of the contested key tells the claim's
// record from u's: both hold keys of that step, and none in common.
func (c *claimed) apart(u *unit, contested string) bool {
	rank := -1
	for _, k := range u.keys {
		if k.Canonical == contested && (rank < 0 || k.Rank < rank) {
			rank = k.Rank
		}
	}
	for before := range max(rank, 0) {
		theirs, mine, shared := false, false, false
		for _, k := range rankedKeys(u.keys) {
			if k.Rank == before {
				mine = true
				shared = shared || slices.Contains(c.Keys, k)
			}
		}
		for _, k := range c.Keys {
			theirs = theirs || k.Rank == before
		}
		if theirs && mine {
			return !shared
		}
	}
	return false
}

// findLag is how long a record just created from u may stay invisible to every
// look-up by its identity.
func (s *session) findLag(u *unit) time.Duration {
	e := s.end(u.side.Other())
	lag := e.app.Limits.IndexLag
	for _, l := range u.lookups {
		for _, k := range l.Keys {
			lag = min(lag, connector.FindLag(e, e.object, s.set.Field(k.Side, k.Field)))
		}
	}
	return lag
}

// claim makes each new identity ours by conditional put. Whoever loses waits
// for the winner's link, or takes over what a dead worker left behind.
func (s *session) claim(ctx context.Context, l *lot) error {
	type want struct {
		u   *unit
		key store.Key
	}
	var wants []want
	var ws []store.Write
	if err := s.awaitMakers(ctx, l); err != nil {
		return err
	}
	for _, u := range l.units {
		if u.fate.stopped() {
			continue
		}
		for _, c := range u.claims {
			target := u.side.Other()
			key := claimKey(s.ws, s.conn.Account(target), s.end(target).object, c)
			b, err := json.Marshal(claimed{
				V: 1, Scope: s.name(), Intent: l.id, Side: u.side, Source: u.id, At: s.Now(), Lag: s.findLag(u),
				Keys: rankedKeys(u.keys),
			})
			if err != nil {
				return err
			}
			wants = append(wants, want{u, key})
			ws = append(ws, store.Write{Item: store.Item{Key: key, Data: b}, If: store.IfAbsent})
		}
	}
	if len(ws) == 0 {
		return nil
	}
	_, errs := s.Store.BatchWrite(ctx, ws)
	for i, err := range errs {
		if err == nil {
			continue
		}
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		if err := s.contest(ctx, l, wants[i].u, ws[i]); err != nil {
			return err
		}
	}
	return nil
}

// awaitMakers puts off the births of records that were made just now themselves, by
// another sync that shares the account: whose twin they are is the record that they
// were made for, which searches find once the app's index knows it. The claim that
// their maker left says so.
func (s *session) awaitMakers(ctx context.Context, l *lot) error {
	if !s.conn.Shared && len(s.siblings()) == 0 {
		return nil
	}
	var us []*unit
	var keys []store.Key
	for _, u := range l.units {
		if u.fate.stopped() {
			continue
		}
		for _, c := range u.claims {
			us = append(us, u)
			keys = append(keys, claimKey(s.ws, s.conn.Account(u.side), s.end(u.side).object, c))
		}
	}
	items, err := batchGet(s.Store.BatchGet).inParts(ctx, keys)
	if err != nil {
		return err
	}
	for i, it := range items {
		if it.Version == 0 {
			continue
		}
		var c claimed
		if err := json.Unmarshal(it.Data, &c); err != nil {
			return fault.Wrap("engine: decode claim", fault.Other, err)
		}
		if c.Scope == s.name() {
			continue // its pair is stored, or its create is waited for
		}
		if age := s.Now().Sub(c.At); age > makerFor || age < -makerFor {
			continue
		}
		if left := s.findLag(us[i]) - s.stood(fmt.Sprintf("claim %s@%d of %s", it.Sort, it.Version, us[i].side)); left > 0 {
			s.Mark("maker_waited_for")
			us[i].deferFor(max(left, time.Second), "identity_in_flight")
		}
	}
	return nil
}

// makerFor is the age from which a claim says nothing of its record's being new,
// whatever day the clock of its maker showed.
const makerFor = 48 * time.Hour

// contest looks at a claim that somebody else holds.
func (s *session) contest(ctx context.Context, l *lot, u *unit, w store.Write) error {
	item, err := s.Store.Get(ctx, w.Item.Key)
	if fault.Is(err, fault.NotFound) {
		u.deferFor(time.Second, "claim_contested")
		return nil
	}
	if err != nil {
		return err
	}
	var c claimed
	if err := json.Unmarshal(item.Data, &c); err != nil {
		return fault.Wrap("engine: decode claim", fault.Other, err)
	}
	// of another sync, whose ladder is another one, it says nothing
	if c.Scope == s.name() && c.apart(u, w.Item.Key.Sort) {
		s.Mark("claim_told_apart")
		u.claims = slices.DeleteFunc(u.claims, func(k string) bool { return k == w.Item.Key.Sort })
		return nil
	}
	mine := c.Scope == s.name() && c.Side == u.side && c.Source == u.id
	live, err := s.claimLives(ctx, c)
	if err != nil {
		return err
	}
	switch {
	case c.Intent == l.id:
		return nil
	case live == claimLinked && !mine && s.mayBeHeld(item):
		s.Mark("claim_held_by_link")
		u.deferFor(max(s.end(crm.Left).app.Limits.IndexLag, s.end(crm.Right).app.Limits.IndexLag, time.Second),
			"identity_taken")
		return nil
	case live == claimInFlight:
		s.Mark("claim_waited_for")
		u.deferFor(max(c.Lag, time.Second), "identity_in_flight")
		return nil
	}
	if left := s.mayBeComing(&c, item); left > 0 {
		s.Mark("claim_waited_for")
		u.deferFor(max(left, time.Second), "identity_in_flight")
		return nil
	}
	s.Mark("claim_taken_over")
	w.If = store.IfVersion(item.Version)
	if _, err := s.Store.Write(ctx, w); fault.Is(err, fault.Conflict) {
		u.deferFor(time.Second, "claim_contested")
		return nil
	} else if err != nil {
		return err
	}
	return nil
}

// mayBeHeld reports whether the record for which a claim was made may still
// hold the identity: nobody else was found by it, but a search may be as old as
// the apps' indexes. After that the claim is a remnant of a value since changed.
func (s *session) mayBeHeld(it store.Item) bool {
	lag := max(s.end(crm.Left).app.Limits.IndexLag, s.end(crm.Right).app.Limits.IndexLag)
	return s.stood(fmt.Sprintf("claim %s@%d", it.Sort, it.Version)) < lag
}

// mayBeComing returns for how long a claim without an intent may still be about
// to get one: only another sync's, because ours has one writer, and that is us.
// Our own intents are recovered first, and that waits out the app's index lag.
// One wait is enough for it: it must not use up a record's tries.
func (s *session) mayBeComing(c *claimed, it store.Item) time.Duration {
	if c.Scope == s.name() {
		return 0
	}
	return max(c.Lag, s.Tuning.HTTPDeadline) - s.stood(fmt.Sprintf("claim %s@%d", it.Sort, it.Version))
}

type claimLife uint8

// claimLives says whether a claim still stands for something.
func (s *session) claimLives(ctx context.Context, c claimed) (claimLife, error) {
	con, sync, _ := bytes.Cut([]byte(c.Scope), []byte("#"))
	sc := scope{s.ws, crm.ConnectionID(con), crm.SyncID(sync)}
	key := sc.intent(c.Intent)
	page, err := s.Store.Query(ctx, store.Query{
		Table: key.Table, Workspace: key.Workspace, Partition: key.Partition, Prefix: key.Sort, Limit: 1,
	})
	if err != nil {
		return claimDead, err
	}
	if len(page.Items) > 0 { // the intent or a part of it
		return claimInFlight, nil
	}
	u := &unit{side: c.Side, id: c.Source}
	other := &session{Engine: s.Engine, scope: sc}
	if err := other.loadLinks(ctx, []*unit{u}); err != nil {
		return claimDead, err
	}
	if u.link.paired() && u.link.State != crm.StateDeleted {
		return claimLinked, nil
	}
	return claimDead, nil
}

// freeClaims gives identities back after a create that surely did not happen.
func (s *session) freeClaims(ctx context.Context, side crm.Side, claims []string, intentID string) {
	for _, c := range claims {
		key := claimKey(s.ws, s.conn.Account(side), s.end(side).object, c)
		item, err := s.Store.Get(ctx, key)
		if err != nil {
			continue
		}
		var held claimed
		if json.Unmarshal(item.Data, &held) != nil || held.Intent != intentID {
			continue
		}
		if _, err := s.Store.Write(ctx, store.Write{
			Op: store.Delete, Item: store.Item{Key: key}, If: store.IfVersion(item.Version),
		}); err != nil {
			s.Log.Debug("claim not freed", "sync", s.name(), "error", err)
		}
	}
}

const (
	claimDead     claimLife = iota // nobody needs it any more
	claimInFlight                  // its intent is open
	claimLinked                    // its source is linked
)
