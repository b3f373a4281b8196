package sqlitequeue

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// forgetAtOnce is how many deduplication IDs one Send forgets beyond those it adds.
const forgetAtOnce = 100

// Send implements queue.Queue. All of a call is one transaction; it counts as
// the requests that SQS would need.
func (q *Queue) Send(ctx context.Context, ms []queue.Message) []error {
	const op = "sqlitequeue: send"
	if err := live(ctx, op); err != nil {
		return whole(len(ms), op, err)
	}
	if len(ms) == 0 {
		return nil
	}
	errs, failed := checkAll(op, ms)
	var sent, dropped int64
	err := q.db.Update(ctx, func(tx *sqlitedb.Tx) error {
		sent, dropped = 0, 0
		now := q.now()
		if _, err := tx.Exec(sqlForget, now.Add(-queue.DedupWindow).UnixNano(), len(ms)+forgetAtOnce); err != nil {
			return err
		}
		for i := range ms {
			if errs[i] != nil {
				continue
			}
			fresh, err := send(tx, &ms[i], now)
			if err != nil {
				return err
			}
			if fresh {
				sent++
			} else {
				dropped++
			}
		}
		return nil
	})
	if err != nil {
		return whole(len(ms), op, err)
	}
	for rest := ms; len(rest) > 0; rest = rest[queue.Batch(rest):] {
		q.meter.Sends.Add(1)
	}
	q.meter.Sent.Add(sent)
	q.meter.Dropped.Add(dropped)
	if sent > 0 {
		q.notify()
	}
	if !failed {
		return nil
	}
	return errs
}

// checkAll finds the messages that cannot be sent and holds back those that
// follow them in their group.
func checkAll(op string, ms []queue.Message) (errs []error, failed bool) {
	errs = make([]error, len(ms))
	stopped := map[string]bool{}
	for i := range ms {
		if stopped[ms[i].Group] {
			errs[i] = queue.HeldBack(op)
		} else if errs[i] = queue.CheckMessage(op, &ms[i]); errs[i] != nil {
			stopped[ms[i].Group] = true
		}
	}
	return errs, len(stopped) > 0
}

// send queues one message and reports whether it was none but a repetition.
func send(tx *sqlitedb.Tx, m *queue.Message, now time.Time) (fresh bool, err error) {
	var at int64
	repeated, err := tx.Row(sqlRepeat, []any{m.Group, m.Dedup}, &at)
	if err != nil || repeated && now.Sub(time.Unix(0, at)) < queue.DedupWindow {
		return false, err
	}
	if _, err := tx.Exec(sqlNote, m.Group, m.Dedup, now.UnixNano()); err != nil {
		return false, err
	}
	return true, push(tx, m.Group, string(m.Body), now)
}

// push appends a message to its group. A group that waits already keeps its lane.
func push(tx *sqlitedb.Tx, group, body string, now time.Time) error {
	seq, err := tx.Insert(sqlSend, group, now.UnixNano(), body)
	if err != nil {
		return err
	}
	_, err = tx.Exec(sqlNewest, group, seq)
	return err
}

// RedriveDead implements queue.Queue. It works in small slices.
func (q *Queue) RedriveDead(ctx context.Context, limit int) (int, error) {
	const (
		op    = "sqlitequeue: redrive"
		slice = 100
	)
	q.meter.Others.Add(1)
	total := 0
	for {
		n := 0
		err := q.db.Update(ctx, func(tx *sqlitedb.Tx) error {
			var err error
			n, err = redrive(tx, q.now(), min(slice, limit-total))
			return err
		})
		if err != nil {
			return total, sqlitedb.Classify(op, err)
		}
		if n == 0 {
			return total, nil
		}
		total += n
		q.notify()
	}
}

// letter is a dead one.
type letter struct {
	seq         int64
	group, body string
}

func redrive(tx *sqlitedb.Tx, now time.Time, limit int) (int, error) {
	cutoff := now.Add(-queue.DeadRetention).UnixNano()
	if _, err := tx.Exec(sqlRotten, cutoff, 1000); err != nil {
		return 0, err
	}
	var dead []letter
	err := tx.Each(sqlLetters, []any{cutoff, max(limit, 0)}, func(scan func(...any) error) (bool, error) {
		var l letter
		err := scan(&l.seq, &l.group, &l.body)
		dead = append(dead, l)
		return true, err
	})
	if err != nil {
		return 0, err
	}
	for _, l := range dead {
		if err := push(tx, l.group, l.body, now); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(sqlDug, l.seq); err != nil {
			return 0, err
		}
	}
	return len(dead), nil
}
