package store

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// More limits that every implementation enforces with fault.Invalid.
const (
	MaxWorkspaceBytes = 128  // with MaxPartitionBytes and a separator it stays below DynamoDB's 2,048
	MaxCounterBytes   = 128  // name of one counter
	MaxBatch          = 2000 // keys of one BatchGet, changes of one BatchWrite
	MaxLimit          = 1000 // items of one Query page
	DefaultLimit      = 100  // items of one Query page when Limit is 0
)

// itemOverhead and counterOverhead are what an item and a counter cost beside
// their own bytes: attribute names, version and expiry. They are generous, so
// that what passes here is never refused by DynamoDB.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
const (
	itemOverhead    = 100
	counterOverhead = 24
)

// Valid reports whether t is one of the three tables.
func (t Table) Valid() bool { return slices.Contains(Tables, t) }

// ItemBytes is the size of an item as MaxItemBytes, MaxTransactionBytes and MaxPage count it.
func ItemBytes(it *Item) int {
	n := itemOverhead + len(it.Workspace) + len(it.Partition) + len(it.Sort) + len(it.Data)
	if it.Index != "" {
		n += len(it.Workspace) + len(it.Index) + len(it.IndexSort)
		if it.IndexSort == "" {
			n += len(it.Sort)
		}
	}
	for name := range it.Counters {
		n += len(name) + counterOverhead
	}
	return n
}

// Expired reports whether it counts as absent at now.
func Expired(it *Item, now time.Time) bool {
	return !it.Expires.IsZero() && !now.Before(it.Expires)
}

// ExpiryTime is t as it is stored: in whole seconds, rounded up so that
// nothing vanishes before its time, UTC, and not before second 1 of 1970, because
// second 0 stands for "never" in every implementation.
func ExpiryTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	sec := t.Unix()
	if t.Nanosecond() > 0 {
		sec++
	}
	return time.Unix(max(sec, 1), 0).UTC()
}

// CheckKey returns fault.Invalid when k can be no item's key.
func CheckKey(op string, k Key) error {
	if !k.Table.Valid() {
		return invalid(op, "table_unknown", "there is no such table")
	}
	if err := checkWorkspaced(op, string(k.Workspace), "partition", k.Partition); err != nil {
		return err
	}
	return checkText(op, "sort text", k.Sort, MaxSortBytes)
}

// CheckWrite returns fault.Invalid when w can never succeed by itself.
// Op Check is for transactions only.
func CheckWrite(op string, w *Write, inTransaction bool) error {
	it := &w.Item
	if err := CheckKey(op, it.Key); err != nil {
		return err
	}
	if err := checkCondition(op, w.If); err != nil {
		return err
	}
	switch w.Op {
	case Delete:
		return nil
	case Check:
		if !inTransaction {
			return invalid(op, "check_outside_transaction", "a check alone changes nothing")
		}
		return nil
	case Put:
		return checkPut(op, it)
	case Add:
		return checkAdd(op, it)
	default:
		return invalid(op, "operation_unknown", "there is no such operation")
	}
}

func checkPut(op string, it *Item) error {
	if it.Index != "" {
		if err := checkText(op, "index", it.Index, MaxPartitionBytes); err != nil {
			return err
		}
		if it.IndexSort != "" {
			if err := checkText(op, "index sort text", it.IndexSort, MaxSortBytes); err != nil {
				return err
			}
		}
	}
	put := *it
	put.Counters = nil // a Put keeps the stored ones
	return checkSize(op, &put)
}

func checkAdd(op string, it *Item) error {
	for name := range it.Counters {
		if err := checkText(op, "counter name", name, MaxCounterBytes); err != nil {
			return err
		}
	}
	return checkSize(op, &Item{Key: it.Key, Counters: it.Counters})
}

// CheckBatch returns fault.Invalid when a whole BatchWrite must be refused:
// too many changes, or one key twice.
func CheckBatch(op string, ws []Write) error {
	if len(ws) > MaxBatch {
		return invalid(op, "batch_too_large", fmt.Sprintf("at most %d changes in one batch", MaxBatch))
	}
	return checkDistinct(op, ws)
}

// CheckTransaction returns fault.Invalid when ws can be no transaction.
func CheckTransaction(op string, ws []Write) error {
	if len(ws) > MaxTransactionItems {
		return invalid(op, "transaction_too_large", fmt.Sprintf("at most %d changes in one transaction", MaxTransactionItems))
	}
	total := 0
	for i := range ws {
		if err := CheckWrite(op, &ws[i], true); err != nil {
			return err
		}
		total += ItemBytes(&ws[i].Item)
	}
	if total > MaxTransactionBytes {
		return invalid(op, "transaction_too_large", fmt.Sprintf("at most %d bytes in one transaction", MaxTransactionBytes))
	}
	return checkDistinct(op, ws)
}

// CheckKeys returns fault.Invalid when keys can be no BatchGet.
func CheckKeys(op string, keys []Key) error {
	if len(keys) > MaxBatch {
		return invalid(op, "batch_too_large", fmt.Sprintf("at most %d keys in one batch", MaxBatch))
	}
	for _, k := range keys {
		if err := CheckKey(op, k); err != nil {
			return err
		}
	}
	return nil
}

// CheckQuery returns fault.Invalid when q can be no query. The cursor is
// looked at by DecodeCursor.
func CheckQuery(op string, q *Query) error {
	if !q.Table.Valid() {
		return invalid(op, "table_unknown", "there is no such table")
	}
	if err := checkWorkspaced(op, string(q.Workspace), "partition", q.Partition); err != nil {
		return err
	}
	for _, s := range []string{q.Prefix, q.From, q.To} {
		if s == "" {
			continue
		}
		if err := checkText(op, "bound", s, MaxSortBytes); err != nil {
			return err
		}
	}
	if q.Prefix != "" && (q.From != "" || q.To != "") {
		return invalid(op, "query_malformed", "a prefix excludes a range")
	}
	if q.Limit < 0 || q.Limit > MaxLimit {
		return invalid(op, "query_malformed", fmt.Sprintf("the limit is 1 to %d", MaxLimit))
	}
	return nil
}

// PageLimit is the number of items that one page of q may hold.
func PageLimit(q *Query) int {
	if q.Limit == 0 {
		return DefaultLimit
	}
	return q.Limit
}

func checkWorkspaced(op, workspace, what, text string) error {
	if len(workspace) > MaxWorkspaceBytes {
		return invalid(op, "key_too_long", fmt.Sprintf("a workspace has at most %d bytes", MaxWorkspaceBytes))
	}
	if !utf8.ValidString(workspace) {
		return invalid(op, "key_malformed", "a workspace is UTF-8 text")
	}
	return checkText(op, what, text, MaxPartitionBytes)
}

// checkText never quotes the text: keys may hold personal data.
func checkText(op, what, s string, limit int) error {
	switch {
	case s == "":
		return invalid(op, "key_malformed", "the "+what+" is empty")
	case len(s) > limit:
		return invalid(op, "key_too_long", fmt.Sprintf("the %s has more than %d bytes", what, limit))
	case !utf8.ValidString(s):
		return invalid(op, "key_malformed", "the "+what+" is not UTF-8 text")
	}
	return nil
}

func checkCondition(op string, c Condition) error {
	if c.Version < 0 || c.Absent && (c.Exists || c.Version > 0) {
		return invalid(op, "condition_malformed", "the condition can never hold")
	}
	return nil
}

func checkSize(op string, it *Item) error {
	if n := ItemBytes(it); n > MaxItemBytes {
		return invalid(op, "item_too_large", fmt.Sprintf("the item has %d bytes, at most %d are allowed", n, MaxItemBytes))
	}
	return nil
}

func checkDistinct(op string, ws []Write) error {
	seen := make(map[Key]struct{}, len(ws))
	for i := range ws {
		seen[ws[i].Item.Key] = struct{}{}
	}
	if len(seen) < len(ws) {
		return invalid(op, "duplicate_key", "the same key comes twice")
	}
	return nil
}

func invalid(op, code, message string) error {
	return fault.New(op, fault.Invalid, code, message)
}
