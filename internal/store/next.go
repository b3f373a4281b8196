package store

import (
	"math"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Next is what a write makes of an item: the one definition of conditions,
// versions and counters for every implementation that reads before it writes.
//
// cur is the stored item, with Version zero when it is absent or expired. The
// answer has Version zero when nothing is stored afterwards. It may share Data
// with w and with cur, and shares no map with either when w is an Add.
//
// Errors: fault.Conflict when the condition does not hold; fault.Invalid when
// the result would be too large or a counter overflow.
func Next(op string, cur *Item, w *Write) (Item, error) {
	if !Holds(w.If, cur.Version) {
		return Item{}, fault.New(op, fault.Conflict, "condition_failed", "the item is not as expected")
	}
	switch w.Op {
	case Delete:
		return Item{Key: w.Item.Key}, nil
	case Check:
		return *cur, nil
	case Add:
		return nextAdd(op, cur, w)
	default:
		return nextPut(op, cur, w)
	}
}

// Holds reports whether c holds for an item at the given version, zero for none.
func Holds(c Condition, version int64) bool {
	switch {
	case c.Absent && version != 0:
		return false
	case c.Exists && version == 0:
		return false
	case c.Version > 0 && version != c.Version:
		return false
	}
	return true
}

func nextPut(op string, cur *Item, w *Write) (Item, error) {
	next := w.Item
	next.Version = cur.Version + 1
	next.Counters = cur.Counters
	next.Expires = ExpiryTime(w.Item.Expires)
	next.IndexSort = indexSort(&w.Item)
	return next, checkSize(op, &next)
}

func nextAdd(op string, cur *Item, w *Write) (Item, error) {
	next := *cur
	if cur.Version == 0 {
		next = Item{Key: w.Item.Key, Expires: ExpiryTime(w.Item.Expires)}
	}
	next.Version++
	next.Counters = make(map[string]int64, len(cur.Counters)+len(w.Item.Counters))
	for name, n := range cur.Counters {
		next.Counters[name] = n
	}
	for name, d := range w.Item.Counters {
		n := next.Counters[name]
		if d > 0 && n > math.MaxInt64-d || d < 0 && n < math.MinInt64-d {
			return Item{}, invalid(op, "counter_overflow", "a counter would leave its range")
		}
		next.Counters[name] = n + d
	}
	return next, checkSize(op, &next)
}

// indexSort is the sort text of an item in its index, "" when it is in none.
func indexSort(it *Item) string {
	switch {
	case it.Index == "":
		return ""
	case it.IndexSort == "":
		return it.Sort
	}
	return it.IndexSort
}
