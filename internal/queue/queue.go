// Package queue is the port to the change queue: a first-in-first-out queue
// with message groups, visibility time-outs, receive counts and a dead-letter
// queue, no wider than SQS FIFO in high-throughput mode.
//
// Guarantees: at least once. Messages of one group are delivered in the order
// of their sending, and while any of them is in flight (received, neither
// deleted nor visible again) nobody else receives one of that group; the next
// of a group may come in the same Receive. A group's exclusion is a help, not
// a lock: deliveries may still overlap after a visibility time-out.
package queue

import (
	"context"
	"time"
)

// Limits that every implementation enforces with fault.Invalid; they are SQS's.
const (
	MaxBodyBytes  = 1 << 20 // one message; also all messages of one Send batch of 10 together
	MaxBatch      = 10      // messages per receive, delete or visibility request
	MaxVisibility = 12 * time.Hour
	DedupWindow   = 5 * time.Minute
	Retention     = 4 * 24 * time.Hour // undelivered messages vanish after this
	DeadRetention = 14 * 24 * time.Hour
)

// Message is what a sender hands over.
type Message struct {
	Group string // 1 to 128 characters; order and exclusion hold within a group
	Dedup string // 1 to 128 characters; within DedupWindow a second send with it is accepted and dropped
	Body  []byte // 1 byte to MaxBodyBytes, UTF-8
}

// Delivery is one receipt of a message.
type Delivery struct {
	ID       string // of the message
	Group    string
	Body     []byte
	Receipt  string    // names this receipt in Delete and SetVisibility
	Receives int       // how often the message was received, this time included
	SentAt   time.Time // by the queue's clock
}

// Depth is an approximate count of messages.
type Depth struct {
	Visible, InFlight, Dead int
}

// Queue is the change queue. Implementations are safe for concurrent use and
// keep no reference to a caller's slices.
//
// Errors: fault.Invalid (limits), Throttled and Unavailable. An entry error
// concerns that entry only: fault.NotFound for a receipt that is no longer
// valid.
type Queue interface {
	// Send queues any number of messages in order, in requests of up to
	// MaxBatch. errs is nil when all were queued; otherwise errs[i] belongs to
	// ms[i]. After a failure in a group no later message of that group is sent
	// (it fails as Unavailable), so that order holds.
	Send(ctx context.Context, ms []Message) (errs []error)
	// Receive returns up to max (1 to MaxBatch) messages, hidden from others
	// for visibility. It returns at once, with none when there are none.
	Receive(ctx context.Context, max int, visibility time.Duration) ([]Delivery, error)
	// Delete removes messages that were worked. errs is nil when all were removed.
	Delete(ctx context.Context, receipts []string) (errs []error)
	// SetVisibility hides messages for d from now; 0 = deliver again at once.
	// It does not count as a receive.
	SetVisibility(ctx context.Context, receipts []string, d time.Duration) (errs []error)
	// Depth returns approximate counts.
	Depth(ctx context.Context) (Depth, error)
	// RedriveDead sends up to max dead letters back to the queue they came
	// from, as new messages with receive count zero, and returns how many.
	RedriveDead(ctx context.Context, max int) (int, error)
}
