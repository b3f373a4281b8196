package memqueue

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/queue"
)

// Snapshot is the contents of a queue at one instant. It may be restored any
// number of times, into any queue.
type Snapshot struct{ state state }

// Snapshot keeps the contents as they are now; bodies are shared, not copied.
func (q *Queue) Snapshot() Snapshot {
	q.mu.Lock()
	defer q.mu.Unlock()
	return Snapshot{q.state.clone()}
}

// Restore replaces the contents by those of a snapshot. Counts and options stay.
func (q *Queue) Restore(s Snapshot) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.state = s.state.clone()
}

func (s state) clone() state {
	c := s
	c.lanes = make([]*lane, len(s.lanes))
	c.byName = make(map[string]*lane, len(s.lanes))
	for i, l := range s.lanes {
		c.lanes[i] = &lane{group: l.group, messages: cloneAll(l.messages)}
		c.byName[l.group] = c.lanes[i]
	}
	c.dead = cloneAll(s.dead)
	c.dedup = maps.Clone(s.dedup)
	c.recent = slices.Clone(s.recent)
	return c
}

func cloneAll(ms []*message) []*message {
	c := make([]*message, len(ms))
	for i, m := range ms {
		dup := *m
		c[i] = &dup
	}
	return c
}

// Held is a message as an audit sees it.
type Held struct {
	ID       string
	Group    string
	Body     []byte
	SentAt   time.Time
	Receives int
	InFlight bool // hidden now
	Dead     bool // a dead letter
}

// Each calls visit for every message in the order of sending, dead letters
// after all others, until it returns false. Nothing is received by it.
func (q *Queue) Each(visit func(Held) bool) {
	for _, h := range q.held() {
		if !visit(h) {
			return
		}
	}
}

// held lists everything, so that visit runs without the lock.
func (q *Queue) held() []Held {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	var live []*message
	for _, l := range q.state.lanes {
		live = append(live, l.messages...)
	}
	slices.SortFunc(live, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	var out []Held
	for _, m := range live {
		if now.Sub(m.sentAt) < queue.Retention {
			out = append(out, m.held(now, false))
		}
	}
	for _, m := range q.state.dead {
		if now.Sub(m.diedAt) < queue.DeadRetention {
			out = append(out, m.held(now, true))
		}
	}
	return out
}

func (m *message) held(now time.Time, dead bool) Held {
	return Held{
		ID: m.id(), Group: m.group, Body: bytes.Clone(m.body), SentAt: m.sentAt,
		Receives: m.receives, InFlight: !dead && m.until.After(now), Dead: dead,
	}
}
