package sqlitequeue

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// Receive implements queue.Queue. A queue with nothing to give answers
// without a write.
func (q *Queue) Receive(ctx context.Context, limit int, visibility time.Duration) ([]queue.Delivery, error) {
	const op = "sqlitequeue: receive"
	if err := queue.CheckReceive(op, limit, visibility); err != nil {
		return nil, err
	}
	q.meter.Receives.Add(1)
	some, err := q.something(ctx)
	if err != nil {
		return nil, sqlitedb.Classify(op, err)
	}
	if !some {
		return nil, nil
	}
	var r receiver
	err = q.db.Update(ctx, func(tx *sqlitedb.Tx) error {
		r = receiver{
			tx: tx, now: q.now(), limit: limit, visibility: visibility, cap: q.opts.MaxReceives, touched: newGroups(),
		}
		return r.run()
	})
	if err != nil {
		return nil, sqlitedb.Classify(op, err)
	}
	q.meter.Received.Add(int64(len(r.out)))
	q.meter.Died.Add(r.died)
	return r.out, nil
}

// something reports whether a Receive would find or remove anything.
func (q *Queue) something(ctx context.Context) (some bool, err error) {
	now := q.now()
	err = q.db.Read(ctx, func(c *sqlitedb.Conn) error {
		var one int
		var err error
		some, err = c.Row(sqlReady, []any{now.UnixNano()}, &one)
		return err
	})
	if err != nil || some {
		return some, err
	}
	return q.overdue(ctx, now)
}

// receiver is one Receive at work.
type receiver struct {
	tx         *sqlitedb.Tx
	now        time.Time
	limit, cap int
	visibility time.Duration

	out     []queue.Delivery
	died    int64
	touched *groups
}

// run takes from the free lanes, by their first message, until there is enough.
func (r *receiver) run() error {
	if err := retire(r.tx, r.now, 100); err != nil {
		return err
	}
	for after := int64(0); len(r.out) < r.limit; {
		lanes, last, err := r.lanes(after)
		if err != nil {
			return err
		}
		if len(lanes) == 0 {
			break
		}
		after = last
		for _, group := range lanes {
			if err := r.take(group); err != nil {
				return err
			}
		}
	}
	return r.touched.refresh(r.tx)
}

// lanes lists the next free lanes after a first message, and the last one's.
func (r *receiver) lanes(after int64) (names []string, last int64, err error) {
	err = r.tx.Each(sqlLanes, []any{after, r.now.UnixNano(), queue.MaxBatch}, func(scan func(...any) error) (bool, error) {
		var name string
		err := scan(&name, &last)
		names = append(names, name)
		return true, err
	})
	return names, last, err
}

// message is a row of a lane.
type message struct {
	seq, sent int64
	receives  int
	body      string
}

// take receives from one group until there is enough. All messages of a free
// lane are visible.
func (r *receiver) take(group string) error {
	for after := int64(0); len(r.out) < r.limit; {
		var ms []message
		err := r.tx.Each(sqlTake, []any{group, after, r.limit - len(r.out)}, func(scan func(...any) error) (bool, error) {
			var m message
			err := scan(&m.seq, &m.sent, &m.receives, &m.body)
			ms = append(ms, m)
			return true, err
		})
		if err != nil {
			return err
		}
		if len(ms) == 0 {
			break
		}
		r.touched.add(group)
		for _, m := range ms {
			if err := r.deliver(group, m); err != nil {
				return err
			}
			after = m.seq
		}
	}
	return nil
}

// deliver hands out one message, unless it is too old or was received too often.
func (r *receiver) deliver(group string, m message) error {
	switch sent := time.Unix(0, m.sent).UTC(); {
	case r.now.Sub(sent) >= queue.Retention:
		_, err := r.tx.Exec(sqlRemove, m.seq)
		return err
	case m.receives >= r.cap:
		r.died++
		if _, err := r.tx.Exec(sqlBury, group, r.now.UnixNano(), m.body); err != nil {
			return err
		}
		_, err := r.tx.Exec(sqlRemove, m.seq)
		return err
	default:
		r.out = append(r.out, queue.Delivery{
			ID: "m" + strconv.FormatInt(m.seq, 10), Group: group, Body: []byte(m.body), Receipt: receipt(m.seq, m.receives+1),
			Receives: m.receives + 1, SentAt: sent,
		})
		_, err := r.tx.Exec(sqlHide, r.now.Add(r.visibility).UnixNano(), m.seq)
		return err
	}
}

// receipt names the n-th receive of a message.
func receipt(seq int64, n int) string {
	return strconv.FormatInt(seq, 10) + "." + strconv.Itoa(n)
}

// Delete implements queue.Queue.
func (q *Queue) Delete(ctx context.Context, receipts []string) []error {
	q.meter.Deletes.Add(1)
	return q.each(ctx, "sqlitequeue: delete", receipts, func(tx *sqlitedb.Tx, seq int64) error {
		_, err := tx.Exec(sqlRemove, seq)
		return err
	}, func(n int64) { q.meter.Deleted.Add(n) })
}

// SetVisibility implements queue.Queue.
func (q *Queue) SetVisibility(ctx context.Context, receipts []string, d time.Duration) []error {
	const op = "sqlitequeue: set visibility"
	if err := queue.CheckVisibility(op, d); err != nil {
		return queue.All(len(receipts), err)
	}
	q.meter.Visibilities.Add(1)
	return q.each(ctx, op, receipts, func(tx *sqlitedb.Tx, seq int64) error {
		_, err := tx.Exec(sqlUntil, q.now().Add(d).UnixNano(), seq)
		return err
	}, func(int64) {})
}

// each does something with every message that is hidden under one of the
// receipts, and afterwards tells how many that were.
func (q *Queue) each(
	ctx context.Context, op string, receipts []string, do func(*sqlitedb.Tx, int64) error, done func(int64),
) []error {
	err := live(ctx, op)
	if err == nil {
		err = queue.CheckReceipts(op, receipts)
	}
	if err != nil || len(receipts) == 0 {
		return whole(len(receipts), op, err)
	}
	errs := make([]error, len(receipts))
	worked := int64(0)
	err = q.db.Update(ctx, func(tx *sqlitedb.Tx) error {
		clear(errs)
		worked = 0
		touched := newGroups()
		now := q.now()
		for i, r := range receipts {
			seq, group, err := find(tx, r, now)
			if err != nil {
				return err
			}
			if seq == 0 {
				errs[i] = queue.Stale(op)
				continue
			}
			if err := do(tx, seq); err != nil {
				return err
			}
			worked++
			touched.add(group)
		}
		return touched.refresh(tx)
	})
	if err != nil {
		return whole(len(receipts), op, err)
	}
	if worked > 0 {
		done(worked)
		q.notify()
	}
	if worked == int64(len(receipts)) {
		return nil
	}
	return errs
}

// find returns the message that is hidden under this very receipt, or zero. One
// beyond the retention is gone, whether or not a call has removed it yet.
func find(tx *sqlitedb.Tx, text string, now time.Time) (seq int64, group string, err error) {
	number, _, _ := strings.Cut(text, ".")
	seq, bad := strconv.ParseInt(number, 10, 64)
	if bad != nil {
		return 0, "", nil
	}
	var until int64
	var receives int
	found, err := tx.Row(sqlFind, []any{seq, now.Add(-queue.Retention).UnixNano()}, &group, &until, &receives)
	if err != nil || !found || until <= now.UnixNano() || receipt(seq, receives) != text {
		return 0, "", err
	}
	return seq, group, nil
}
