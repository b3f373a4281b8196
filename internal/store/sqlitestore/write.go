package sqlitestore

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, w store.Write) (int64, error) {
	const op = "sqlitestore: write"
	if err := store.CheckWrite(op, &w, false); err != nil {
		return 0, err
	}
	var c change
	err := s.db.Update(ctx, func(tx *sqlitedb.Tx) error {
		var err error
		if c, err = plan(op, tx, &w, s.now()); err != nil {
			return err
		}
		return c.apply(tx)
	})
	err = sqlitedb.Classify(op, err)
	s.meter.Wrote(&w, err)
	if err != nil {
		return 0, err
	}
	return c.next.Version, nil
}

// BatchWrite implements store.Store. It is one transaction, in which each
// change succeeds or fails by itself.
func (s *Store) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	const op = "sqlitestore: batch write"
	versions, errs := make([]int64, len(ws)), make([]error, len(ws))
	err := store.CheckBatch(op, ws)
	failed := false
	if err == nil {
		err = s.db.Update(ctx, func(tx *sqlitedb.Tx) error {
			clear(versions)
			failed = false
			now := s.now()
			for i := range ws {
				c, err := checkedPlan(op, tx, &ws[i], now)
				if errs[i] = err; err != nil {
					failed = true
					continue
				}
				if err := c.apply(tx); err != nil {
					return err
				}
				versions[i] = c.next.Version
			}
			return nil
		})
	}
	if err = sqlitedb.Classify(op, err); err != nil {
		clear(versions)
		failed = true
		for i := range errs {
			errs[i] = err
		}
	}
	for i := range ws {
		s.meter.Wrote(&ws[i], errs[i])
	}
	if !failed {
		return versions, nil
	}
	return versions, errs
}

// Transact implements store.Store.
func (s *Store) Transact(ctx context.Context, ws []store.Write) error {
	const op = "sqlitestore: transact"
	if err := store.CheckTransaction(op, ws); err != nil {
		return err
	}
	changes := make([]change, len(ws))
	err := s.db.Update(ctx, func(tx *sqlitedb.Tx) error {
		now := s.now()
		var err error
		for i := range ws { // all conditions before the first change: a refusal costs no rollback
			if changes[i], err = plan(op, tx, &ws[i], now); err != nil {
				return err
			}
		}
		for i := range changes {
			if err := changes[i].apply(tx); err != nil {
				return err
			}
		}
		return nil
	})
	err = sqlitedb.Classify(op, err)
	for i := range ws {
		s.meter.Wrote(&ws[i], err)
	}
	return err
}

// change is one write whose condition holds.
type change struct {
	op   store.Op
	old  row  // as stored; expired ones too, for they take the place
	live bool // old is not expired
	next store.Item
}

func checkedPlan(op string, tx *sqlitedb.Tx, w *store.Write, now time.Time) (change, error) {
	if err := store.CheckWrite(op, w, false); err != nil {
		return change{}, err
	}
	c, err := plan(op, tx, w, now)
	return c, sqlitedb.Classify(op, err)
}

// plan reads the item and decides what becomes of it. Data are read only for
// Add, which keeps them.
func plan(op string, tx *sqlitedb.Tx, w *store.Write, now time.Time) (change, error) {
	c := change{op: w.Op}
	if err := c.old.load(tx.Conn, w.Item.Key, w.Op == store.Add); err != nil {
		return change{}, err
	}
	cur := &store.Item{Key: w.Item.Key}
	if c.live = !c.old.absent(now); c.live {
		cur = &c.old.item
	}
	var err error
	c.next, err = store.Next(op, cur, w)
	return c, err
}

// apply makes the change.
func (c *change) apply(tx *sqlitedb.Tx) error {
	n, sql := &c.next, sqlOf[c.next.Table]
	var err error
	switch {
	case c.op == store.Check:
	case n.Version == 0 && c.old.id != 0:
		_, err = tx.Exec(sql.remove, c.old.id)
	case n.Version == 0:
	case c.old.id == 0:
		_, err = tx.Exec(sql.insert, string(n.Workspace), n.Partition, n.Sort, n.Version, encodeTime(n.Expires),
			orNull(n.Index), orNull(n.IndexSort), encodeCounters(n.Counters), n.Data)
	case c.op == store.Add && c.live:
		_, err = tx.Exec(sql.bump, n.Version, encodeCounters(n.Counters), c.old.id)
	case c.inPlace():
		_, err = tx.Exec(sql.updateBody, n.Version, encodeCounters(n.Counters), n.Data, c.old.id)
	default:
		_, err = tx.Exec(sql.update, n.Version, encodeTime(n.Expires), orNull(n.Index), orNull(n.IndexSort),
			encodeCounters(n.Counters), n.Data, c.old.id)
	}
	return err
}

// inPlace reports whether nothing changes that an index holds.
func (c *change) inPlace() bool {
	return c.old.item.Index == c.next.Index && c.old.item.IndexSort == c.next.IndexSort &&
		c.old.item.Expires.Equal(c.next.Expires)
}
