package engine

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const intentFormat = 1

// maxInLease bounds an intent that is stored with the lease: together they stay
// below the kilobyte that one write unit pays for.
const maxInLease = 600

// maxIntent is the length above which an intent is stored in parts: well below
// what an item of the store may hold.
const maxIntent = 300 << 10

// intent is the write-ahead item of a lot: what is about to be written to the
// apps, so that whoever comes after a crash can tell what landed.
type intent struct {
	V       int           `json:"v"`
	ID      string        `json:"id"`
	At      time.Time     `json:"at"`
	Entries []intentEntry `json:"e"`
}

// intentEntry is one write of one record.
type intentEntry struct {
	Side     crm.Side                 `json:"s"` // written
	Create   bool                     `json:"c,omitempty"`
	Left     crm.RecordID             `json:"l,omitempty"`
	Right    crm.RecordID             `json:"r,omitempty"`
	Version  int64                    `json:"n,omitempty"` // of the link when the plan was made
	Intended map[crm.MappingID]string `json:"i,omitempty"` // digest of each canonical value about to be written
	Claims   []string                 `json:"k,omitempty"`
	Look     []reconcile.Key          `json:"q,omitempty"` // how to find such a create by its identity
	Cursor   string                   `json:"u,omitempty"` // where to look for a create without identity
	Lost     []Diff                   `json:"x,omitempty"` // users' values that a conflict takes the place of
	Lag      time.Duration            `json:"w,omitempty"` // until a create that landed can be found by its identity
	Both     []crm.MappingID          `json:"b,omitempty"` // mappings that were to be written to the other side, too, whatever became of that
}

// alone reports whether only the entry's side had to be written to bring the
// mapping to what was agreed: the other one held it already.
func (e *intentEntry) alone(id crm.MappingID) bool { return !slices.Contains(e.Both, id) }

// source is the record a create copies.
func (e *intentEntry) source() crm.RecordID {
	if e.Side == crm.Right {
		return e.Left
	}
	return e.Right
}

func (in *intent) encode() ([]byte, error) {
	in.V = intentFormat
	b, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return pack(b)
}

// creates reports whether a record is about to be made.
func (in *intent) creates() bool {
	return slices.ContainsFunc(in.Entries, func(e intentEntry) bool { return e.Create })
}

func decodeIntent(data []byte) (*intent, error) {
	b, err := unpack(data)
	if err != nil {
		return nil, fault.Wrap("engine: decode intent", fault.Other, err)
	}
	var in intent
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, fault.Wrap("engine: decode intent", fault.Other, err)
	}
	if in.V != intentFormat {
		return nil, fault.New("engine: decode intent", fault.Invalid, "unknown_format", "the intent was written by a newer version of Lockstep")
	}
	return &in, nil
}

// packers are compressors at rest: one costs a megabyte, and each chunk uses several.
var packers sync.Pool

// packFrom is the length from which compressing pays.
const packFrom = 512

// pack compresses what is stored in bulk. What is short stays the JSON it is,
// which is told by its first byte: a brace or bracket is odd, and the streams
// begin with a block that is not their last, an even byte (RFC 1951, 3.2.3).
func pack(b []byte) ([]byte, error) {
	if len(b) < packFrom && len(b) > 0 && b[0]&1 == 1 {
		return b, nil
	}
	var buf bytes.Buffer
	w, _ := packers.Get().(*flate.Writer)
	if w == nil {
		var err error
		if w, err = flate.NewWriter(&buf, flate.BestSpeed); err != nil {
			return nil, err
		}
	} else {
		w.Reset(&buf)
	}
	defer packers.Put(w)
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// maxUnpacked bounds what one stored item may grow to.
const maxUnpacked = 64 << 20

// unpackers are decompressors at rest: each holds a window of 32 KiB.
var unpackers = sync.Pool{New: func() any { return flate.NewReader(nil) }}

func unpack(b []byte) ([]byte, error) {
	if len(b) > 0 && b[0]&1 == 1 {
		return b, nil
	}
	r := unpackers.Get().(io.ReadCloser)
	defer unpackers.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(b), nil); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxUnpacked))
}

// intend is the third step: claim the identities of records to be created and
// store what is about to be written. Without writes there is nothing to intend.
func (s *session) intend(ctx context.Context, l *lot) error {
	if l.claims() {
		if err := s.hold(ctx, nil); err != nil {
			return err
		}
	}
	if err := s.claim(ctx, l); err != nil {
		return fmt.Errorf("claim identities: %w", err)
	}
	in := &intent{ID: l.id, At: s.Now()}
	for _, u := range l.units {
		if u.wait > 0 {
			continue
		}
		if u.plan.Link && u.plan.Empty() && u.plan.Outcome == crm.Linked {
			in.Entries = append(in.Entries, intentEntry{Side: crm.Right, Left: u.leftID(), Right: u.rightID()}) // a link and its alias are two writes
		}
		for _, side := range crm.Sides {
			w := u.plan.Write(side)
			if w == nil || u.rests(side) {
				continue
			}
			e := intentEntry{Side: side, Create: w.Create, Claims: u.claims, Intended: map[crm.MappingID]string{}}
			if w.Create {
				e.Lag = s.findLag(u)
			}
			if !w.Create || side == crm.Right {
				e.Left = u.leftID()
			}
			if !w.Create || side == crm.Left {
				e.Right = u.rightID()
			}
			for id, v := range w.Intended {
				e.Intended[id] = v.Digest()
				if other := u.plan.Write(side.Other()); other != nil {
					if _, both := other.Intended[id]; both {
						e.Both = append(e.Both, id)
					}
				}
			}
			slices.Sort(e.Both)
			if u.link.paired() {
				e.Version = u.versions.Left
			}
			e.Lost = s.lost(u, side)
			if w.Create && len(u.claims) == 0 {
				e.Cursor = s.sideCursor(ctx, side)
			}
			for _, look := range u.lookups {
				if w.Create {
					e.Look = append(e.Look, look.Keys...)
				}
			}
			in.Entries = append(in.Entries, e)
		}
	}
	if len(in.Entries) == 0 {
		if l.quiet() {
			return nil
		}
		return s.hold(ctx, nil)
	}
	l.intent = in
	b, err := in.encode()
	if err != nil {
		return err
	}
	if s.lease == nil && s.vacant != nil && len(b) <= maxInLease && !in.creates() {
		l.inLease = true
		s.Mark("intent_in_lease")
		return s.hold(ctx, b)
	}
	if err := s.hold(ctx, nil); err != nil {
		return err
	}
	return s.storeIntent(ctx, l, b)
}

// storeIntent stores the lot's intent, whose bytes are given, in as many items
// as it needs.
func (s *session) storeIntent(ctx context.Context, l *lot, whole []byte) error {
	items := [][]byte{whole}
	if len(whole) > maxIntent {
		s.Mark("intent_in_parts")
		var err error
		if items, err = l.intent.parts(); err != nil {
			return err
		}
	}
	for i, b := range items {
		version, err := s.Store.Write(ctx, store.Write{Item: store.Item{Key: s.intentPart(l, i), Data: b}, If: store.IfAbsent})
		if err != nil {
			return err
		}
		l.stored = append(l.stored, version)
	}
	return nil
}

// intentPart is the key of one item of a lot's intent.
func (s *session) intentPart(l *lot, i int) store.Key {
	if i == 0 {
		return s.scope.intent(l.id)
	}
	return s.scope.intent(fmt.Sprintf("%s-%d", l.id, i))
}

// parts encodes an intent in pieces that fit into an item each: many fields of
// many records do not fit into one. Each is an intent of its own, of the same
// name, which claims go by.
func (in *intent) parts() ([][]byte, error) {
	b, err := in.encode()
	if err != nil || len(b) <= maxIntent || len(in.Entries) < 2 {
		return [][]byte{b}, err
	}
	half := len(in.Entries) / 2
	var out [][]byte
	for _, entries := range [][]intentEntry{in.Entries[:half], in.Entries[half:]} {
		piece := *in
		piece.Entries = entries
		more, err := piece.parts()
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

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
	f, ok := e.Connector.(connector.FindLagger)
	if !ok {
		return lag
	}
	for _, l := range u.lookups {
		for _, k := range l.Keys {
			lag = min(lag, f.FindLag(e.object, s.set.Field(k.Side, k.Field)))
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
	for _, u := range l.units {
		if u.wait > 0 || u.failure != nil {
			continue
		}
		for _, c := range u.claims {
			target := u.side.Other()
			key := claimKey(s.ws, s.conn.Account(target), s.end(target).object, c)
			b, err := json.Marshal(claimed{V: 1, Scope: s.name(), Intent: l.id, Side: u.side, Source: u.id, At: s.Now(), Lag: s.findLag(u), Keys: rankedKeys(u.keys)})
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
	if c.Scope == s.name() && c.apart(u, w.Item.Key.Sort) { // of another sync, whose ladder is another one, it says nothing
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
		u.deferFor(max(s.end(crm.Left).app.Limits.IndexLag, s.end(crm.Right).app.Limits.IndexLag, time.Second), "identity_taken")
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

const (
	claimDead     claimLife = iota // nobody needs it any more
	claimInFlight                  // its intent is open
	claimLinked                    // its source is linked
)

// claimLives says whether a claim still stands for something.
func (s *session) claimLives(ctx context.Context, c claimed) (claimLife, error) {
	con, sync, _ := bytes.Cut([]byte(c.Scope), []byte("#"))
	sc := scope{s.ws, crm.ConnectionID(con), crm.SyncID(sync)}
	key := sc.intent(c.Intent)
	page, err := s.Store.Query(ctx, store.Query{Table: key.Table, Workspace: key.Workspace, Partition: key.Partition, Prefix: key.Sort, Limit: 1})
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
		if _, err := s.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: key}, If: store.IfVersion(item.Version)}); err != nil {
			s.Log.Debug("claim not freed", "sync", s.name(), "error", err)
		}
	}
}
