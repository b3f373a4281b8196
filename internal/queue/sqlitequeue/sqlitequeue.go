package sqlitequeue

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// Options of a Queue.
type Options struct {
	// MaxReceives is how often a message is received before it becomes a dead
	// letter; 0 = queue.DefaultMaxReceives.
	MaxReceives int
}

// Queue is a queue.Queue in an open database. Make it with Open.
type Queue struct {
	db    *sqlitedb.DB
	now   func() time.Time
	opts  Options
	meter queue.Meter
	news  chan struct{}
}

// Open makes or migrates the tables of the queue in db and returns it; time
// goes by now. The database stays the caller's to close.
//
// Errors are those of sqlitedb.DB.Migrate.
func Open(ctx context.Context, db *sqlitedb.DB, now func() time.Time, opts Options) (*Queue, error) {
	if opts.MaxReceives <= 0 {
		opts.MaxReceives = queue.DefaultMaxReceives
	}
	if err := db.Migrate(ctx, "queue", steps); err != nil {
		return nil, err
	}
	return &Queue{db: db, now: now, opts: opts, news: make(chan struct{}, 1)}, nil
}

// Counts returns what the queue was asked for since it was opened.
func (q *Queue) Counts() queue.Counts { return q.meter.Counts() }

// Notify returns a channel that gets a value after something of this process
// may have become receivable: a Send, a Delete that frees a group, a message
// made visible at once, a redrive. Time-outs give none: a worker asks again
// now and then by itself. One value may stand for several events.
func (q *Queue) Notify() <-chan struct{} { return q.news }

func (q *Queue) notify() {
	select {
	case q.news <- struct{}{}:
	default: // the last one was not taken yet and says the same
	}
}

// Release makes everything visible that is in flight and returns how much
// that was: for a process that has just started and knows that whoever
// received it is dead. Receives that were counted stay counted.
func (q *Queue) Release(ctx context.Context) (int, error) {
	var n int64
	err := q.db.Update(ctx, func(tx *sqlitedb.Tx) error {
		now := q.now().UnixNano()
		var err error
		if n, err = tx.Exec(sqlRelease, now, now); err != nil {
			return err
		}
		_, err = tx.Exec(sqlFree, now, now)
		return err
	})
	if err != nil {
		return 0, sqlitedb.Classify("sqlitequeue: release", err)
	}
	q.notify()
	return int(n), nil
}

// Depth implements queue.Queue.
func (q *Queue) Depth(ctx context.Context) (queue.Depth, error) {
	const op = "sqlitequeue: depth"
	q.meter.Others.Add(1)
	now := q.now()
	if err := q.retire(ctx, now); err != nil {
		return queue.Depth{}, sqlitedb.Classify(op, err)
	}
	var all int
	var d queue.Depth
	err := q.db.View(ctx, func(c *sqlitedb.Conn) error {
		if _, err := c.Row(sqlCount, nil, &all); err != nil {
			return err
		}
		if _, err := c.Row(sqlFlight, []any{now.UnixNano()}, &d.InFlight); err != nil {
			return err
		}
		_, err := c.Row(sqlDead, []any{now.Add(-queue.DeadRetention).UnixNano()}, &d.Dead)
		return err
	})
	if err != nil {
		return queue.Depth{}, sqlitedb.Classify(op, err)
	}
	d.Visible = all - d.InFlight
	return d, nil
}

// retire removes messages that lie beyond the retention, if there are any.
func (q *Queue) retire(ctx context.Context, now time.Time) error {
	over, err := q.overdue(ctx, now)
	if err != nil || !over {
		return err
	}
	return q.db.Update(ctx, func(tx *sqlitedb.Tx) error { return retire(tx, now, 1000) })
}

// overdue reports whether the oldest message lies beyond the retention.
func (q *Queue) overdue(ctx context.Context, now time.Time) (bool, error) {
	var sent int64
	var found bool
	err := q.db.Read(ctx, func(c *sqlitedb.Conn) error {
		var err error
		found, err = c.Row(sqlOldest, nil, &sent)
		return err
	})
	return found && sent <= now.Add(-queue.Retention).UnixNano(), err
}

// retire removes up to limit of the oldest messages that lie beyond the retention.
func retire(tx *sqlitedb.Tx, now time.Time, limit int) error {
	cutoff := now.Add(-queue.Retention).UnixNano()
	var old []int64
	groups := newGroups()
	err := tx.Each(sqlOld, []any{limit}, func(scan func(...any) error) (bool, error) {
		var seq, sent int64
		var group string
		if err := scan(&seq, &group, &sent); err != nil || sent > cutoff {
			return false, err
		}
		old = append(old, seq)
		groups.add(group)
		return true, nil
	})
	for i := 0; err == nil && i < len(old); i++ {
		_, err = tx.Exec(sqlRemove, old[i])
	}
	if err != nil {
		return err
	}
	return groups.refresh(tx)
}

// groups are those whose lanes need a new look, in the order they were met.
type groups struct {
	seen  map[string]bool
	names []string
}

func newGroups() *groups { return &groups{seen: map[string]bool{}} }

func (g *groups) add(name string) {
	if !g.seen[name] {
		g.seen[name] = true
		g.names = append(g.names, name)
	}
}

// refresh sets the lanes to what their messages say.
func (g *groups) refresh(tx *sqlitedb.Tx) error {
	for _, name := range g.names {
		var head, until *int64
		if _, err := tx.Row(sqlHead, []any{name}, &head); err != nil {
			return err
		}
		if head == nil {
			if _, err := tx.Exec(sqlNoLane, name); err != nil {
				return err
			}
			continue
		}
		if _, err := tx.Row(sqlHidden, []any{name}, &until); err != nil {
			return err
		}
		if until == nil {
			until = new(int64)
		}
		if _, err := tx.Exec(sqlLane, name, *head, *until); err != nil {
			return err
		}
	}
	return nil
}

// whole gives every entry of a request the error it failed with.
func whole(n int, op string, err error) []error {
	if err == nil {
		return nil
	}
	return queue.All(n, sqlitedb.Classify(op, err))
}

// live returns fault.Unavailable once ctx is done.
func live(ctx context.Context, op string) error {
	return fault.Wrap(op, fault.Unavailable, ctx.Err())
}

var _ queue.Queue = (*Queue)(nil)
