package memqueue

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// Options of a Queue. The zero Options give a queue as the port promises it.
type Options struct {
	// MaxReceives is how often a message is received before it becomes a dead
	// letter; 0 = queue.DefaultMaxReceives.
	MaxReceives int
	// OverlapGroups takes the exclusion away: messages of one group are handed
	// to several workers at once. Each message itself is still hidden while in flight.
	OverlapGroups bool
	// Pick chooses among n groups that could be received from, 0 being the one
	// whose message waits longest; nil always chooses 0. SQS promises no order
	// among groups, a simulation should not lean on one. It runs under the queue's lock.
	Pick func(n int) int
}

// Queue is a queue.Queue in memory. Make it with New.
type Queue struct {
	now   func() time.Time
	opts  Options
	meter queue.Meter

	mu    sync.Mutex
	state state
}

type state struct {
	seq    int64
	lanes  []*lane // with messages, by the sequence of their first message
	byName map[string]*lane
	dead   []*message // by time of death
	dedup  map[name]time.Time
	recent []repeat // dedup in the order of sending
}

type name struct{ group, dedup string }

type repeat struct {
	name name
	at   time.Time
}

// lane is one group: its messages in order.
type lane struct {
	group    string
	messages []*message
}

type message struct {
	seq      int64
	group    string
	body     []byte // never changed
	sentAt   time.Time
	until    time.Time // hidden before this; zero = was never received
	receives int
	diedAt   time.Time
}

// New returns an empty queue that tells time by now.
func New(now func() time.Time, opts Options) *Queue {
	if opts.MaxReceives <= 0 {
		opts.MaxReceives = queue.DefaultMaxReceives
	}
	return &Queue{now: now, opts: opts, state: state{byName: map[string]*lane{}, dedup: map[name]time.Time{}}}
}

// Counts returns what the queue was asked for so far. Restore does not turn it back.
func (q *Queue) Counts() queue.Counts { return q.meter.Counts() }

// Send implements queue.Queue.
func (q *Queue) Send(ctx context.Context, ms []queue.Message) []error {
	const op = "memqueue: send"
	q.mu.Lock()
	defer q.mu.Unlock()
	errs := make([]error, len(ms))
	failed := map[string]bool{}
	for from := 0; from < len(ms); {
		n := queue.Batch(ms[from:])
		if err := fault.Wrap(op, fault.Unavailable, ctx.Err()); err != nil {
			return append(errs[:from], queue.All(len(ms[from:]), err)...)
		}
		q.meter.Sends.Add(1)
		for i := from; i < from+n; i++ {
			if errs[i] = q.send(op, &ms[i], failed[ms[i].Group]); errs[i] != nil {
				failed[ms[i].Group] = true
			}
		}
		from += n
	}
	if len(failed) == 0 {
		return nil
	}
	return errs
}

func (q *Queue) send(op string, m *queue.Message, heldBack bool) error {
	if heldBack {
		return queue.HeldBack(op)
	}
	if err := queue.CheckMessage(op, m); err != nil {
		return err
	}
	now := q.now()
	q.forget(now)
	n := name{m.Group, m.Dedup}
	if at, ok := q.state.dedup[n]; ok && now.Sub(at) < queue.DedupWindow {
		q.meter.Dropped.Add(1)
		return nil
	}
	q.state.dedup[n] = now
	q.state.recent = append(q.state.recent, repeat{n, now})
	q.push(m.Group, bytes.Clone(m.Body), now)
	q.meter.Sent.Add(1)
	return nil
}

// push appends a new message to its group.
func (q *Queue) push(group string, body []byte, now time.Time) {
	q.state.seq++
	l := q.state.byName[group]
	if l == nil {
		l = &lane{group: group}
		q.state.byName[group] = l
		q.state.lanes = append(q.state.lanes, l) // the newest message is the last head
	}
	l.messages = append(l.messages, &message{seq: q.state.seq, group: group, body: body, sentAt: now})
}

// forget drops deduplication IDs whose window is over.
func (q *Queue) forget(now time.Time) {
	n := 0
	for n < len(q.state.recent) && now.Sub(q.state.recent[n].at) >= queue.DedupWindow {
		if r := q.state.recent[n]; q.state.dedup[r.name].Equal(r.at) {
			delete(q.state.dedup, r.name)
		}
		n++
	}
	q.state.recent = q.state.recent[n:]
}

// Receive implements queue.Queue.
func (q *Queue) Receive(ctx context.Context, limit int, visibility time.Duration) ([]queue.Delivery, error) {
	const op = "memqueue: receive"
	if err := fault.Wrap(op, fault.Unavailable, ctx.Err()); err != nil {
		return nil, err
	}
	if err := queue.CheckReceive(op, limit, visibility); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.meter.Receives.Add(1)
	now := q.now()
	ready := q.ready(now)
	var out []queue.Delivery
	for len(ready) > 0 && len(out) < limit {
		i := 0
		if q.opts.Pick != nil {
			i = q.opts.Pick(len(ready))
		}
		l := ready[i]
		ready = slices.Delete(ready, i, i+1)
		out = q.take(out, l, limit, now, visibility)
	}
	q.settle()
	q.meter.Received.Add(int64(len(out)))
	return out, nil
}

// Ready returns how many calls of Receive, each for one message, would find
// something now. A consumer that pays for each look can wait for it.
func (q *Queue) Ready() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	ready := q.ready(now)
	if !q.opts.OverlapGroups {
		return len(ready)
	}
	n := 0
	for _, l := range ready {
		for _, m := range l.messages {
			if !m.until.After(now) {
				n++
			}
		}
	}
	return n
}

// ready lists the groups that may be received from, the longest waiting first.
// Messages beyond the retention vanish here.
func (q *Queue) ready(now time.Time) []*lane {
	for _, l := range q.state.lanes {
		for len(l.messages) > 0 && now.Sub(l.messages[0].sentAt) >= queue.Retention {
			l.messages = l.messages[1:]
		}
	}
	q.settle()
	var ready []*lane
	for _, l := range q.state.lanes {
		inFlight, waiting := l.look(now)
		if waiting && (q.opts.OverlapGroups || !inFlight) {
			ready = append(ready, l)
		}
	}
	return ready
}

// look reports whether any message is hidden and whether any may be received.
// Messages are received from the front, so that what follows one that was
// never received was not received either.
func (l *lane) look(now time.Time) (inFlight, waiting bool) {
	for _, m := range l.messages {
		if m.receives == 0 {
			return inFlight, true
		}
		if m.until.After(now) {
			inFlight = true
		} else {
			waiting = true
		}
	}
	return inFlight, waiting
}

// take receives from one group until out holds limit messages. What was
// received too often becomes a dead letter.
func (q *Queue) take(
	out []queue.Delivery, l *lane, limit int, now time.Time, visibility time.Duration,
) []queue.Delivery {
	for i := 0; i < len(l.messages) && len(out) < limit; i++ {
		m := l.messages[i]
		if m.until.After(now) {
			continue
		}
		if m.receives >= q.opts.MaxReceives {
			m.diedAt = now
			q.state.dead = append(q.state.dead, m)
			q.meter.Died.Add(1)
			l.messages = slices.Delete(l.messages, i, i+1)
			i--
			continue
		}
		m.receives++
		m.until = now.Add(visibility)
		out = append(out, queue.Delivery{
			ID: m.id(), Group: m.group, Body: bytes.Clone(m.body), Receipt: m.receipt(), Receives: m.receives, SentAt: m.sentAt,
		})
	}
	return out
}

// settle drops empty groups and brings the others back in order.
func (q *Queue) settle() {
	q.state.lanes = slices.DeleteFunc(q.state.lanes, func(l *lane) bool {
		if len(l.messages) == 0 {
			delete(q.state.byName, l.group)
			return true
		}
		return false
	})
	slices.SortFunc(q.state.lanes, func(a, b *lane) int { return cmp.Compare(a.messages[0].seq, b.messages[0].seq) })
}

// Delete implements queue.Queue.
func (q *Queue) Delete(ctx context.Context, receipts []string) []error {
	const op = "memqueue: delete"
	q.meter.Deletes.Add(1)
	return q.each(ctx, op, receipts, func(l *lane, i int) {
		l.messages = slices.Delete(l.messages, i, i+1)
		q.meter.Deleted.Add(1)
	})
}

// SetVisibility implements queue.Queue.
func (q *Queue) SetVisibility(ctx context.Context, receipts []string, d time.Duration) []error {
	const op = "memqueue: set visibility"
	if err := queue.CheckVisibility(op, d); err != nil {
		return queue.All(len(receipts), err)
	}
	q.meter.Visibilities.Add(1)
	return q.each(ctx, op, receipts, func(l *lane, i int) {
		l.messages[i].until = q.now().Add(d)
	})
}

// each does something with every message in flight under one of the receipts.
func (q *Queue) each(ctx context.Context, op string, receipts []string, do func(l *lane, i int)) []error {
	err := fault.Wrap(op, fault.Unavailable, ctx.Err())
	if err == nil {
		err = queue.CheckReceipts(op, receipts)
	}
	if err != nil {
		return queue.All(len(receipts), err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now, failed := q.now(), false
	errs := make([]error, len(receipts))
	for i, r := range receipts {
		l, at := q.inFlight(r, now)
		if l == nil {
			errs[i], failed = queue.Stale(op), true
			continue
		}
		do(l, at)
	}
	q.settle()
	if !failed {
		return nil
	}
	return errs
}

// inFlight finds the message that is hidden under this very receipt. One beyond
// the retention is gone, whether or not a receive has removed it yet.
func (q *Queue) inFlight(receipt string, now time.Time) (*lane, int) {
	id, _, _ := strings.Cut(strings.TrimPrefix(receipt, "m"), ".")
	seq, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, 0
	}
	_, group, _ := strings.Cut(receipt, "/")
	l := q.state.byName[group]
	if l == nil {
		return nil, 0
	}
	i, ok := slices.BinarySearchFunc(l.messages, seq, func(m *message, seq int64) int { return cmp.Compare(m.seq, seq) })
	if !ok {
		return nil, 0
	}
	m := l.messages[i]
	if !m.until.After(now) || now.Sub(m.sentAt) >= queue.Retention || m.receipt() != receipt {
		return nil, 0
	}
	return l, i
}

// Depth implements queue.Queue.
func (q *Queue) Depth(ctx context.Context) (queue.Depth, error) {
	if err := fault.Wrap("memqueue: depth", fault.Unavailable, ctx.Err()); err != nil {
		return queue.Depth{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.meter.Others.Add(1)
	now := q.now()
	q.bury(now)
	d := queue.Depth{Dead: len(q.state.dead)}
	for _, l := range q.state.lanes {
		for _, m := range l.messages {
			switch {
			case now.Sub(m.sentAt) >= queue.Retention:
			case m.until.After(now):
				d.InFlight++
			default:
				d.Visible++
			}
		}
	}
	return d, nil
}

// DeadIDs names the messages that were received too often, oldest first.
func (q *Queue) DeadIDs() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]string, len(q.state.dead))
	for i, m := range q.state.dead {
		out[i] = m.id()
	}
	return out
}

// RedriveDead implements queue.Queue.
func (q *Queue) RedriveDead(ctx context.Context, limit int) (int, error) {
	const op = "memqueue: redrive"
	if err := fault.Wrap(op, fault.Unavailable, ctx.Err()); err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.meter.Others.Add(1)
	now := q.now()
	q.bury(now)
	n := min(max(limit, 0), len(q.state.dead))
	for _, m := range q.state.dead[:n] {
		q.push(m.group, m.body, now)
	}
	q.state.dead = slices.Delete(q.state.dead, 0, n)
	return n, nil
}

// bury removes dead letters that were kept long enough.
func (q *Queue) bury(now time.Time) {
	q.state.dead = slices.DeleteFunc(q.state.dead, func(m *message) bool {
		return now.Sub(m.diedAt) >= queue.DeadRetention
	})
}

func (m *message) id() string { return "m" + strconv.FormatInt(m.seq, 10) }

// receipt names the latest receive of a message.
func (m *message) receipt() string {
	return m.id() + "." + strconv.Itoa(m.receives) + "/" + m.group
}

var _ queue.Queue = (*Queue)(nil)
