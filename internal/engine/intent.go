package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

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
	// of the mappings intended: what is meant by their digests. Nil: a release before told none
	Revisions map[crm.MappingID]string `json:"rv,omitempty"`
}

// intentEntry is one write of one record.
type intentEntry struct {
	Side     crm.Side                     `json:"s"` // written
	Create   bool                         `json:"c,omitempty"`
	Left     crm.RecordID                 `json:"l,omitempty"`
	Right    crm.RecordID                 `json:"r,omitempty"`
	Version  int64                        `json:"n,omitempty"` // of the link when it was decided
	Intended map[crm.MappingID]string     `json:"i,omitempty"` // digest of each canonical value about to be written
	Acts     map[crm.MappingID]crm.Agreed `json:"d,omitempty"` // of rules' actions: what is remembered once they landed
	// of an undo: what is remembered of mappings once their values landed
	Settles map[crm.MappingID]crm.Agreed `json:"z,omitempty"`
	Buries  bool                         `json:"y,omitempty"` // an undo archives the record
	Claims  []string                     `json:"k,omitempty"`
	Look    []reconcile.Key              `json:"q,omitempty"` // how to find such a create by its identity
	Cursor  string                       `json:"u,omitempty"` // where to look for a create without identity
	Lost    []Diff                       `json:"x,omitempty"` // users' values that a conflict takes the place of
	Lag     time.Duration                `json:"w,omitempty"` // until a create that landed can be found by its identity
	// mappings that were to be written to the other side, too, whatever became of that
	Both []crm.MappingID `json:"b,omitempty"`

	revisions map[crm.MappingID]string // of the intent
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
		return nil, fault.New("engine: decode intent", fault.Invalid, "unknown_format",
			"the intent was written by a newer version of Lockstep")
	}
	for i := range in.Entries {
		in.Entries[i].revisions = in.Revisions
	}
	return &in, nil
}

// means reports whether a mapping reads values as it did when an entry was
// decided. Where it was changed since, what the digest stands for is not known.
func (s *session) means(e *intentEntry, id crm.MappingID) bool {
	return e.revisions == nil || e.revisions[id] == shortRevision(s.set.Revision(id))
}

// shortRevision is enough of a revision to tell it from the one before: every lone
// change carries it. Since when it holds is not about values.
func shortRevision(revision string) string {
	of := reconcile.Meaning(revision)
	return of[:min(len(of), 6)]
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

// intentOf lists what a lot is about to write.
func (s *session) intentOf(ctx context.Context, l *lot) *intent {
	in := &intent{ID: l.id, At: s.Now()}
	for _, u := range l.units {
		if u.fate.wait > 0 {
			continue
		}
		if u.decision.Link && u.decision.Empty() && u.decision.Outcome == crm.Linked { // a link and its alias are two writes
			in.Entries = append(in.Entries, intentEntry{Side: crm.Right, Left: u.leftID(), Right: u.rightID()})
		}
		for _, side := range crm.Sides {
			if w := u.decision.Write(side); w != nil && !u.rests(side) {
				in.Entries = append(in.Entries, s.entryFor(ctx, u, side, w))
				in.note(s, w)
			}
		}
	}
	return in
}

// note keeps how the values of a write are meant.
func (in *intent) note(s *session, w *reconcile.Write) {
	if in.Revisions == nil {
		in.Revisions = make(map[crm.MappingID]string, len(w.Intended))
	}
	for id := range w.Intended {
		in.Revisions[id] = shortRevision(s.set.Revision(id))
	}
}

// entryFor is the write of one unit to one side.
func (s *session) entryFor(ctx context.Context, u *unit, side crm.Side, w *reconcile.Write) intentEntry {
	e := intentEntry{Side: side, Create: w.Create, Claims: u.claims, Intended: map[crm.MappingID]string{}}
	if !w.Create || side == crm.Right {
		e.Left = u.leftID()
	}
	if !w.Create || side == crm.Left {
		e.Right = u.rightID()
	}
	for id, v := range w.Intended {
		e.Intended[id] = v.Digest()
		if other := u.decision.Write(side.Other()); other != nil {
			if _, both := other.Intended[id]; both {
				e.Both = append(e.Both, id)
			}
		}
	}
	slices.Sort(e.Both)
	e.Acts = w.Acts
	if u.back != nil {
		e.Buries = w.Archive
		for id := range w.Intended {
			if e.Settles == nil {
				e.Settles = map[crm.MappingID]crm.Agreed{}
			}
			e.Settles[id] = u.decision.Base[id]
		}
	}
	if u.link.paired() {
		e.Version = u.versions.Left
	}
	e.Lost = s.lost(u, side)
	if !w.Create {
		return e
	}
	e.Lag = s.findLag(u)
	if len(u.claims) == 0 {
		e.Cursor = s.sideCursor(ctx, side)
	}
	for _, look := range u.lookups {
		e.Look = append(e.Look, look.Keys...)
	}
	return e
}

// storeIntent takes the lease and stores the lot's intent: with the lease where
// it is vacant and the intent short, else in as many items as it needs.
func (s *session) storeIntent(ctx context.Context, l *lot) error {
	whole, err := l.intent.encode()
	if err != nil {
		return err
	}
	if s.lease == nil && s.vacant != nil && len(whole) <= maxInLease && !l.intent.creates() {
		l.inLease = true
		s.Mark("intent_in_lease")
		return s.ensureLease(ctx, whole)
	}
	if err := s.ensureLease(ctx, nil); err != nil {
		return err
	}
	items := [][]byte{whole}
	if len(whole) > maxIntent {
		s.Mark("intent_in_parts")
		if items, err = l.intent.parts(); err != nil {
			return err
		}
	}
	for i, b := range items {
		version, err := s.Store.Write(ctx, store.Write{
			Item: store.Item{Key: s.intentPart(l, i), Data: b}, If: store.IfAbsent,
		})
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
