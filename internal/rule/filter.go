package rule

import (
	"log/slog"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Limits of a filter; a larger one is a problem when it is compiled.
const (
	MaxDepth   = 10   // nested nodes, the outermost included
	MaxClauses = 200  // clauses in one filter
	MaxWanted  = 1000 // values of one in or not_in
	MaxText    = 1000 // characters of one wanted value
	MaxDays    = 36500
)

// Filter is a compiled filter, immutable and safe for use by several
// goroutines. A nil Filter lets every record through.
type Filter struct {
	root    node
	names   []string
	missing []string // fields that the object lacks
}

// Clause is what one clause of a filter said about a record.
type Clause struct {
	Pointer string       `json:"pointer"` // of the clause, relative to the filter
	Field   string       `json:"field"`
	Op      crm.FilterOp `json:"op"`
	Value   crm.Value    `json:"value"`  // the record's
	Wanted  crm.Value    `json:"wanted"` // the filter's; null where the operator takes none
	Result  bool         `json:"result"` // of this clause alone, before any "not" around it
}

// Trace is what every clause of a filter said, in the order of the document.
// Clauses that could not change the answer any more are evaluated too, so that
// an admin sees all of them.
type Trace []Clause

// LogValue keeps field values, which are personal data, out of logs.
func (t Trace) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("clauses", len(t)))
}

// Match reports whether a record with these fields passes at the time now, and
// what each clause said.
func (f *Filter) Match(r crm.Fields, now time.Time) (ok bool, trace Trace) {
	if f == nil {
		return true, nil
	}
	ok = f.root.match(r, now, &trace)
	return ok, trace
}

// Fields returns the names of the fields that the filter looks at, sorted,
// each once. Pulls must read them.
func (f *Filter) Fields() []string {
	if f == nil {
		return nil
	}
	return append([]string(nil), f.names...)
}

// Missing returns the names of the fields that the filter looks at and the
// object lacks, sorted. Such a filter says nothing of any record.
func (f *Filter) Missing() []string {
	if f == nil {
		return nil
	}
	return append([]string(nil), f.missing...)
}

// node is one point of the tree.
type node interface {
	match(r crm.Fields, now time.Time, trace *Trace) bool
}

type allOf []node

func (n allOf) match(r crm.Fields, now time.Time, trace *Trace) bool {
	ok := true
	for _, c := range n {
		if !c.match(r, now, trace) {
			ok = false
		}
	}
	return ok
}

type anyOf []node

func (n anyOf) match(r crm.Fields, now time.Time, trace *Trace) bool {
	ok := false
	for _, c := range n {
		if c.match(r, now, trace) {
			ok = true
		}
	}
	return ok
}

type notOf struct{ inner node }

func (n notOf) match(r crm.Fields, now time.Time, trace *Trace) bool {
	return !n.inner.match(r, now, trace)
}

func (c *clause) match(r crm.Fields, now time.Time, trace *Trace) bool {
	v := r[c.field]
	ok := c.holds(v, now)
	*trace = append(*trace, Clause{Pointer: c.pointer, Field: c.field, Op: c.op, Value: v, Wanted: c.wanted, Result: ok})
	return ok
}

var (
	_ node           = allOf{}
	_ node           = anyOf{}
	_ node           = notOf{}
	_ node           = (*clause)(nil)
	_ slog.LogValuer = Trace{}
)
