// Package store is the port to what Lockstep remembers: settings, links and
// the log, as versioned items under a workspace.
//
// The port is deliberately no wider than what DynamoDB offers, so that
// nothing passes on the embedded store and breaks there: conditional writes of
// single items, small all-or-nothing transactions, queries over one partition
// in sort order, one sparse index per table, counters, and expiry that readers
// must not rely on for deletion but may rely on for absence.
//
// Terms: an item lives in a table under a partition and a sort text; its
// workspace is part of every key, so no call can cross tenants. Version starts
// at 1 and grows by one with every write; zero means "not stored".
package store

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Table names one of the three tables.
type Table string

// The tables.
const (
	Settings Table = "settings"
	Links    Table = "links"
	Log      Table = "log"
)

// Tables lists all.
var Tables = []Table{Settings, Links, Log}

// Limits that every implementation enforces, with fault.Invalid and code
// "item_too_large", "key_too_long" or "transaction_too_large".
// They are DynamoDB's.
const (
	MaxItemBytes        = 400 << 10 // Data, keys, index keys and counters of one item
	MaxPartitionBytes   = 1900      // of 2,048: the workspace takes the rest
	MaxSortBytes        = 1024
	MaxTransactionItems = 100
	MaxTransactionBytes = 4 << 20
	MaxPage             = 1 << 20 // bytes of one Query page; a page may be shorter than its limit
)

// Key names one item.
type Key struct {
	Table     Table
	Workspace crm.WorkspaceID // "" is the workspace of top-level items: hashes that point to their workspace
	Partition string          // not empty
	Sort      string          // not empty
}

// Item is what a key holds.
type Item struct {
	Key
	Version   int64            // set by the store
	Data      []byte           // encoded by the caller; may be empty
	Counters  map[string]int64 // changed only by Write.Add; a Put keeps them
	Index     string           // partition of the sparse index; "" = not in the index
	IndexSort string           // sort text in the index; "" = Key.Sort
	Expires   time.Time        // zero = never; precision one second. Past it the item reads as absent
}

// Op is what a write does.
type Op uint8

// The writes.
const (
	// Put stores Data, Index, IndexSort and Expires; counters stay.
	Put Op = iota
	// Delete removes the item; removing an absent one succeeds unless a condition says otherwise.
	Delete
	// Add adds Counters to the item's counters, and makes the item if absent;
	// Data, Index and Expires stay (Expires is set when the item is new).
	Add
	// Check changes nothing; only in transactions, to assert its condition.
	Check
)

// Condition guards a write. The zero Condition always holds. An expired item
// counts as absent, and as version zero.
type Condition struct {
	Absent  bool  // the item must not exist
	Version int64 // when > 0: the item must exist at this version
	Exists  bool  // the item must exist at any version
}

// Conditions in words.
var (
	Always   = Condition{}
	IfAbsent = Condition{Absent: true}
	IfExists = Condition{Exists: true}
)

// IfVersion demands that the item is at version v; v = 0 demands that it is absent.
func IfVersion(v int64) Condition {
	if v == 0 {
		return IfAbsent
	}
	return Condition{Version: v}
}

// Write is one change of one item.
type Write struct {
	Op   Op
	Item Item // Version is ignored
	If   Condition
}

// Query lists one partition, or one index partition, in sort order.
type Query struct {
	Table     Table
	Workspace crm.WorkspaceID
	Partition string // of the table, or, with OnIndex, Item.Index
	OnIndex   bool   // eventually consistent: a recent write may be missing
	Prefix    string // only sort texts with this prefix
	From, To  string // half-open range [From, To) of sort texts; "" = open. Not together with Prefix
	Reverse   bool   // descending
	Limit     int    // items a page, 1 to 1,000; 0 = 100
	Cursor    string // Page.Next of the page before; opaque, and good only for the same query
}

// Page is one page of a query. Fewer items than the limit do not mean the end.
type Page struct {
	Items []Item
	Next  string // "" at the end
}

// Store remembers. Implementations are safe for concurrent use, keep no
// reference to a caller's slices or maps, and return copies the caller owns.
//
// Errors: fault.Invalid (limits, malformed key or cursor), NotFound (Get),
// Conflict (a condition did not hold), Throttled and Unavailable (nothing was
// written, or, with fault.Error.MayHaveLanded, perhaps). Under a cancelled
// context nothing is written.
type Store interface {
	// Get reads one item, strongly consistent. NotFound when absent or expired.
	Get(ctx context.Context, key Key) (Item, error)
	// BatchGet reads up to 2,000 items, strongly consistent; the answer has one
	// entry per key in order, with Version zero for absent ones. The same key may come twice.
	BatchGet(ctx context.Context, keys []Key) ([]Item, error)
	// BatchGetStale is BatchGet at half the price, eventually consistent: an
	// item may be as it was a moment ago, or absent. Nobody bounds the moment;
	// it is rarely more than a second
	// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html).
	BatchGetStale(ctx context.Context, keys []Key) ([]Item, error)
	// Write makes one change and returns the item's new version (0 after Delete).
	Write(ctx context.Context, w Write) (int64, error)
	// BatchWrite makes up to 2,000 independent changes side by side, each with
	// its own condition and result: versions[i] and errs[i] belong to ws[i].
	// There is no order among them and no key may come twice. errs is nil when all succeeded.
	BatchWrite(ctx context.Context, ws []Write) (versions []int64, errs []error)
	// Transact makes all changes or none. Conflict when any condition fails;
	// the message names no contents. No key may come twice.
	Transact(ctx context.Context, ws []Write) error
	// Query reads one page. Strongly consistent unless OnIndex.
	Query(ctx context.Context, q Query) (Page, error)
}
