package engine

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// Connections that join accounts in a circle can carry two values round behind
// each other for ever: each sees one side changed, and hands it on. Where both
// fields of a mapping are written by other syncs, too, one that a link wrote more
// than maxRounds times within an hour is frozen: neither side is written any more
// until both hold the same, which they do as soon as the rest of the circle has
// come to rest, or until a person decides.
const (
	maxRounds  = 6
	roundsFor  = time.Hour
	roundsFrom = 3 // writes of a link within the hour from which its fields are counted
)

// loop counts our writes to a pair within an hour. It begins with the second
// write of a day, so that links which are rarely written carry none.
type loop struct {
	At     int64                 `json:"t"` // when the hour began
	N      int                   `json:"n"` // writes of any field
	Fields map[crm.MappingID]int `json:"f,omitempty"`
	Frozen []crm.MappingID       `json:"z,omitempty"`
	// When each of these was frozen, in Unix seconds.
	Since map[crm.MappingID]int64 `json:"s,omitempty"`
}

// remedyFrozen says what helps a field that went round.
const remedyFrozen = "take the field out of one of the connections that form the circle, then let it go with " +
	"POST …/records/{side}/{id}/unfreeze, or choose its value with POST …/records/{side}/{id}/resolve"

// FrozenField is a field of a pair that went round in a circle of connections, and
// is written on neither side.
type FrozenField struct {
	Mapping crm.MappingID `json:"mapping"`
	Code    string        `json:"code"`
	Since   time.Time     `json:"since,omitzero"`
	Remedy  string        `json:"remedy"`
}

// FrozenRecord is one of them, with the pair that it is of.
type FrozenRecord struct {
	Side    crm.Side     `json:"side"`
	ID      crm.RecordID `json:"id"`
	Partner crm.RecordID `json:"partner"`
	FrozenField
}

// Frozen says in the status of a sync what went round in it.
type Frozen struct {
	Links   int64          `json:"links" doc:"Pairs with such a field"`
	Records []FrozenRecord `json:"records" nullable:"false" doc:"The first of them, at most 20"`
}

func (l *loop) clone() *loop {
	if l == nil {
		return nil
	}
	c := *l
	c.Fields, c.Frozen, c.Since = maps.Clone(l.Fields), slices.Clone(l.Frozen), maps.Clone(l.Since)
	return &c
}

func (l *loop) same(x *loop) bool {
	if l == nil || x == nil {
		return l == x
	}
	return l.At == x.At && l.N == x.N && maps.Equal(l.Fields, x.Fields) && slices.Equal(l.Frozen, x.Frozen) &&
		maps.Equal(l.Since, x.Since)
}

// fields lists what is frozen, for whoever asks.
func (l *loop) fields() []FrozenField {
	if l == nil {
		return nil
	}
	var out []FrozenField
	for _, id := range l.Frozen {
		f := FrozenField{Mapping: id, Code: reconcile.CodeLoop, Remedy: remedyFrozen}
		if at := l.Since[id]; at != 0 {
			f.Since = time.Unix(at, 0).UTC()
		}
		out = append(out, f)
	}
	return out
}

// release lets fields go, as if they had never been written.
func (l *loop) release(which func(crm.MappingID) bool) {
	l.Frozen = slices.DeleteFunc(l.Frozen, func(id crm.MappingID) bool {
		if !which(id) {
			return false
		}
		delete(l.Fields, id)
		delete(l.Since, id)
		return true
	})
}

func (l *loop) frozen() map[crm.MappingID]bool {
	if l == nil || len(l.Frozen) == 0 {
		return nil
	}
	out := make(map[crm.MappingID]bool, len(l.Frozen))
	for _, id := range l.Frozen {
		out[id] = true
	}
	return out
}

// countRounds counts what a unit wrote to its pair, and freezes what went round.
func (b *books) countRounds(ctx context.Context, u *unit, old, l *link) {
	if !old.paired() || !l.paired() {
		l.Loop = nil
		return
	}
	if !u.changed() {
		return
	}
	now := b.s.Now()
	switch {
	case l.Loop != nil && now.Sub(time.Unix(l.Loop.At, 0)) < roundsFor:
	case l.Loop != nil && len(l.Loop.Frozen) > 0:
		l.Loop = &loop{At: now.Unix(), Frozen: l.Loop.Frozen, Since: l.Loop.Since}
	case len(old.Pages) > 0 && strings.HasPrefix(old.Pages[0], now.UTC().Format(time.DateOnly)):
		l.Loop = &loop{At: now.Unix()}
	default:
		l.Loop = nil
		return
	}
	if l.Loop.N++; l.Loop.N < roundsFrom {
		return
	}
	for id := range b.rounds(ctx, u) {
		if l.Loop.Fields == nil {
			l.Loop.Fields = map[crm.MappingID]int{}
		}
		l.Loop.Fields[id]++
		over := l.Loop.Fields[id] > b.s.roundsAllowed() && !slices.Contains(l.Loop.Frozen, id)
		if over {
			b.s.Mark("field_frozen")
			l.Loop.Frozen = append(l.Loop.Frozen, id)
			slices.Sort(l.Loop.Frozen)
			if l.Loop.Since == nil {
				l.Loop.Since = map[crm.MappingID]int64{}
			}
			l.Loop.Since[id] = now.Unix()
		}
	}
}

// roundsAllowed differs between the connections of a circle: were all to stop at
// once, each would keep another value.
func (s *session) roundsAllowed() int {
	h := sha256.Sum256([]byte(s.name()))
	return maxRounds + 2*int(h[0]%5)
}

// thaw lets go of fields that both sides hold alike by now, that a person decided
// about, or that one asked to let go.
func thaw(u *unit, l *link) {
	if l.Loop == nil || len(l.Loop.Frozen) == 0 {
		return
	}
	if u.hint.Op == opUnfreeze {
		l.Loop.release(func(id crm.MappingID) bool { return slices.Contains(u.hint.Thaw, id) })
	}
	still := map[crm.MappingID]bool{}
	for i := range u.decision.Fields {
		still[u.decision.Fields[i].Mapping] = u.decision.Fields[i].Rule == reconcile.RuleFrozen
	}
	if len(still) == 0 {
		return // nothing was decided about single fields
	}
	l.Loop.release(func(id crm.MappingID) bool { return !still[id] })
}

// rounds are the mappings that a unit wrote and that may go round: other syncs
// write both of their fields, or bring what it writes back to where it comes from.
func (b *books) rounds(ctx context.Context, u *unit) map[crm.MappingID]bool {
	both := ^uint64(0)
	for _, side := range crm.Sides {
		shared, err := b.s.shared(ctx, side)
		if err != nil {
			return nil // counted with the next write
		}
		both &= shared
	}
	returning, err := b.s.returns(ctx)
	if err != nil {
		return nil
	}
	out := map[crm.MappingID]bool{}
	for _, side := range crm.Sides {
		w := u.decision.Write(side)
		if w == nil || u.written.Get(side) == nil {
			continue
		}
		for _, id := range b.s.set.Placed(b.s.set.Places(w.Intended) & both) {
			out[id] = true
		}
		for id := range w.Intended {
			if returning[id] {
				out[id] = true
			}
		}
	}
	return out
}
