// Package scan turns an app's way of listing records into the pages that
// connector.Connector.Changes promises: durable positions, cursors that never
// run ahead, an overlap for the app's index lag that costs one call when
// nothing changed, and a guard against repeating pages.
package scan

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Source lists one object of one account. Each method is one request.
type Source interface {
	// Since lists records with Modified >= q.From, ties included.
	Since(ctx context.Context, q Query) (Result, error)
	// All lists every live record, in any stable order, through the app's most
	// consistent listing.
	All(ctx context.Context, after string) (Result, error)
}

// Query asks for one page of Since.
type Query struct {
	From time.Time // inclusive; zero = the beginning of time
	// After is Result.Next of the page before; "" = first page. It is the
	// source's own key set position (last time and ID seen), so that a page can
	// be asked for again at any later time, by any process. A source must get
	// past any number of equal times.
	After string
	// Newest asks for one page in descending order of modification; After is then "".
	Newest bool
}

// Result is one page.
type Result struct {
	Records []crm.Record // ModifiedAt set on each in Since
	Next    string       // "" = no more
	// Total counts all records that Since would list from From on; -1 = the app does not say.
	Total int
	// Now is the app's own time when it answered (Date header); zero = unknown.
	Now time.Time
}

// Options tune a scan for an app.
type Options struct {
	// Overlap is how long after its modification a record may still be missing
	// from Since: index lag, or transactions that commit late.
	Overlap time.Duration
	// Remember bounds how many records of the overlap window the cursor
	// remembers; more than that are simply listed again. 0 = 2,048.
	Remember int
	// Uncounted says that the source tells no Total: then a page of the newest
	// records proves nothing, and none is asked for.
	Uncounted bool
	// Unordered says that Since lists in an order that has nothing to do with times:
	// no record of a page says that nothing older follows.
	Unordered bool
	// Moving says that pages are numbered, so that a record deleted meanwhile moves
	// another one out of sight: after a scan of several pages the next one begins at
	// the same place once more.
	Moving bool
	// Memory is how long the app tells of deletions in Since; 0 = it never does,
	// or for ever. A cursor that is older has expired: what was deleted since is
	// found by a full scan only.
	Memory time.Duration
}
