package store

import (
	"maps"
	"sync/atomic"
)

// Counts is what a store was asked for since it was opened, for benchmarks
// that assert numbers of writes instead of seconds.
type Counts struct {
	// Writes counts changes that were made, each item of a batch or
	// transaction by itself; Check counts too, as DynamoDB bills it.
	Writes map[Table]map[Op]int64
	// Refused counts changes that were not made, for any reason.
	Refused map[Table]int64
	// Reads counts keys asked for by Get and BatchGet, and items returned by Query.
	Reads map[Table]int64
	// Queries counts pages.
	Queries map[Table]int64
}

// Written sums the changes made to the given tables, or to all; Checks are not changes.
func (c Counts) Written(tables ...Table) int64 {
	if len(tables) == 0 {
		tables = Tables
	}
	var n int64
	for _, t := range tables {
		n += c.Writes[t][Put] + c.Writes[t][Delete] + c.Writes[t][Add]
	}
	return n
}

// Read sums the reads of the given tables, or of all.
func (c Counts) Read(tables ...Table) int64 {
	if len(tables) == 0 {
		tables = Tables
	}
	var n int64
	for _, t := range tables {
		n += c.Reads[t]
	}
	return n
}

// Since returns what was added to c after before was taken.
func (c Counts) Since(before Counts) Counts {
	d := Counts{
		Writes:  map[Table]map[Op]int64{},
		Refused: minus(c.Refused, before.Refused),
		Reads:   minus(c.Reads, before.Reads),
		Queries: minus(c.Queries, before.Queries),
	}
	for t, byOp := range c.Writes {
		d.Writes[t] = minus(byOp, before.Writes[t])
	}
	return d
}

func minus[K comparable](a, b map[K]int64) map[K]int64 {
	d := make(map[K]int64, len(a))
	maps.Copy(d, a)
	for k, n := range b {
		d[k] -= n
	}
	return d
}

// Meter keeps Counts. The zero Meter is ready and safe for concurrent use.
type Meter struct {
	tables [3]struct {
		writes                  [Check + 1]atomic.Int64
		refused, reads, queries atomic.Int64
	}
}

// Wrote counts one change; err says whether it was refused.
func (m *Meter) Wrote(w *Write, err error) {
	i := slot(w.Item.Table)
	switch {
	case i < 0 || w.Op > Check:
	case err != nil:
		m.tables[i].refused.Add(1)
	default:
		m.tables[i].writes[w.Op].Add(1)
	}
}

// Read counts n items read from t.
func (m *Meter) Read(t Table, n int) {
	if i := slot(t); i >= 0 {
		m.tables[i].reads.Add(int64(n))
	}
}

// Queried counts one page of n items.
func (m *Meter) Queried(t Table, n int) {
	if i := slot(t); i >= 0 {
		m.tables[i].queries.Add(1)
		m.tables[i].reads.Add(int64(n))
	}
}

// Counts returns a copy of the counts; every table and operation has an entry.
func (m *Meter) Counts() Counts {
	c := Counts{
		Writes:  map[Table]map[Op]int64{},
		Refused: map[Table]int64{},
		Reads:   map[Table]int64{},
		Queries: map[Table]int64{},
	}
	for i, t := range Tables {
		s := &m.tables[i]
		c.Refused[t], c.Reads[t], c.Queries[t] = s.refused.Load(), s.reads.Load(), s.queries.Load()
		c.Writes[t] = map[Op]int64{}
		for op := range s.writes {
			c.Writes[t][Op(op)] = s.writes[op].Load()
		}
	}
	return c
}

// slot is the place of t in Tables, or -1.
func slot(t Table) int {
	switch t {
	case Settings:
		return 0
	case Links:
		return 1
	case Log:
		return 2
	}
	return -1
}
