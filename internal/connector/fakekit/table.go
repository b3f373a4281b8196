package fakekit

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Record is one version of a record. It is immutable once put: change a Clone.
type Record struct {
	ID       string
	Fields   map[string]string // by the app's field name; an empty field has no entry
	Created  time.Time
	Modified time.Time // milliseconds
	Deleted  bool
	// DeletedAt is when it was deleted; zero for a live record.
	DeletedAt  time.Time
	MergedInto string // the survivor, for the loser of a merge
	Extra      any    // whatever else an app keeps with a record
	version    int64  // set by Put, rising
}

// Clone returns a version to change and put.
func (r *Record) Clone() *Record {
	c := *r
	c.Fields = maps.Clone(r.Fields)
	if c.Fields == nil {
		c.Fields = map[string]string{}
	}
	return &c
}

// NewRecord makes a record as it was made at a time, of the fields that are not blank.
func NewRecord(id string, at time.Time, fields map[string]string) *Record {
	maps.DeleteFunc(fields, func(_, v string) bool { return v == "" })
	return &Record{ID: id, Fields: fields, Created: at, Modified: at}
}

// Set sets a field, or removes it when the value is empty.
func (r *Record) Set(field, value string) {
	if value == "" {
		delete(r.Fields, field)
		return
	}
	r.Fields[field] = value
}

// TakeLacking takes over what the record lacks and the other one has, as survivors of a
// merge do in most apps.
func (r *Record) TakeLacking(other *Record) {
	for name, v := range other.Fields {
		if r.Fields[name] == "" {
			r.Set(name, v)
		}
	}
}

// View is one consistent picture of a table: the records themselves (Live), or
// what the app's search has got to know of them (Indexed).
type View struct {
	byID   map[string]*Record
	times  order // live records by (modified, id)
	fields map[string]map[string][]string
	fold   map[string]func(string) []string
}

func newView() *View {
	return &View{
		byID: map[string]*Record{}, fields: map[string]map[string][]string{}, fold: map[string]func(string) []string{},
	}
}

func timeKey(r *Record) key { return key{r.Modified.UnixMilli(), r.ID} }

func (v *View) put(r *Record) {
	if old := v.byID[r.ID]; old != nil && !old.Deleted {
		v.times.remove(timeKey(old))
		v.unindex(old)
	}
	v.byID[r.ID] = r
	if !r.Deleted {
		v.times.insert(timeKey(r))
		v.index(r)
	}
}

func (v *View) drop(id string) {
	if old := v.byID[id]; old != nil && !old.Deleted {
		v.times.remove(timeKey(old))
		v.unindex(old)
	}
	delete(v.byID, id)
}

func (v *View) index(r *Record) {
	for f, fold := range v.fold {
		for _, s := range fold(r.Fields[f]) {
			ids := v.fields[f][s]
			if i, held := slices.BinarySearchFunc(ids, r.ID, CompareID); !held {
				v.fields[f][s] = slices.Insert(ids, i, r.ID)
			}
		}
	}
}

func (v *View) unindex(r *Record) {
	for f, fold := range v.fold {
		for _, s := range fold(r.Fields[f]) {
			ids := slices.DeleteFunc(v.fields[f][s], func(id string) bool { return id == r.ID })
			if len(ids) == 0 {
				delete(v.fields[f], s)
			} else {
				v.fields[f][s] = ids
			}
		}
	}
}

// Get returns a record, deleted or not.
func (v *View) Get(id string) (*Record, bool) {
	r, ok := v.byID[id]
	return r, ok
}

// Len returns the number of live records.
func (v *View) Len() int { return v.times.n }

// Ascend visits the live records from (from, after id) on, by (modified, id),
// until f returns false. after "" includes every record at from.
func (v *View) Ascend(from time.Time, after string, f func(*Record) bool) {
	v.times.ascend(key{millis(from), after}, func(k key) bool {
		if k.id == after && k.at == millis(from) {
			return true
		}
		return f(v.byID[k.id])
	})
}

// Descend visits the live records modified at or after from, newest first,
// until f returns false.
func (v *View) Descend(from time.Time, f func(*Record) bool) {
	low := millis(from)
	v.times.descend(key{at: math.MaxInt64}, func(k key) bool {
		return k.at >= low && f(v.byID[k.id])
	})
}

// CountFrom returns how many live records were modified at or after from.
func (v *View) CountFrom(from time.Time) int {
	return v.times.n - v.times.rank(key{at: millis(from)})
}

// CountBetween returns how many live records have from <= modified < to.
func (v *View) CountBetween(from, to time.Time) int {
	return v.times.rank(key{at: millis(to)}) - v.times.rank(key{at: millis(from)})
}

// Lookup returns the live records whose indexed field holds value, by ID; ok is
// false when the field has no index.
func (v *View) Lookup(field, value string) (found []*Record, ok bool) {
	fold, ok := v.fold[field]
	if !ok {
		return nil, false
	}
	for _, s := range fold(value) {
		for _, id := range v.fields[field][s] {
			found = append(found, v.byID[id])
		}
	}
	return found, true
}

// millis is t in milliseconds; the zero time is the beginning.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return t.UnixMilli()
}

// Table holds the records of one object. It is not safe for concurrent use:
// the Core's lock covers it.
type Table struct {
	Object string
	// Live is the records as they are.
	Live *View
	// indexed is what search knows: it follows Live after the core's index lag.
	indexed *View
	ids     order // every record, deleted ones too
	pending []pendingIndex
	core    *Core
}

type pendingIndex struct {
	due time.Time
	rec *Record
}

// NewTable returns an empty table whose search index lags as the core says.
func (c *Core) NewTable(object string) *Table {
	t := &Table{Object: object, Live: newView(), indexed: newView(), core: c}
	c.tables = append(c.tables, t)
	return t
}

// IndexOn keeps a field's values for Lookup; fold makes values that compare
// equal the same, and "" leaves one out. Call it before the first Put.
func (t *Table) IndexOn(field string, fold func(string) string) {
	t.IndexEach(field, func(s string) []string {
		if s = fold(s); s == "" {
			return nil
		}
		return []string{s}
	})
}

// IndexEach is IndexOn for a field that holds several values in one text.
func (t *Table) IndexEach(field string, values func(string) []string) {
	for _, v := range []*View{t.Live, t.indexed} {
		v.fold[field] = values
		v.fields[field] = map[string][]string{}
	}
}

// Put stores a version and lets the search index know of it after the lag.
func (t *Table) Put(r *Record) {
	r.Modified = r.Modified.Truncate(time.Millisecond)
	t.core.version++
	r.version = t.core.version
	t.Live.put(r)
	t.ids.insert(key{id: r.ID})
	lag := t.core.indexLag()
	if lag <= 0 && len(t.pending) == 0 {
		t.indexed.put(r)
		return
	}
	due := t.core.now().Add(lag)
	i := len(t.pending)
	for i > 0 && t.pending[i-1].due.After(due) {
		i--
	}
	t.pending = slices.Insert(t.pending, i, pendingIndex{due, r})
}

// Indexed returns what search knows by now.
func (t *Table) Indexed() *View {
	now := t.core.now()
	n := 0
	for n < len(t.pending) && !t.pending[n].due.After(now) {
		r := t.pending[n].rec
		// With jitter an older version may come due after a newer one.
		if old, ok := t.indexed.Get(r.ID); !ok || old.version < r.version {
			t.indexed.put(r)
		}
		n++
	}
	t.pending = slices.Delete(t.pending, 0, n)
	return t.indexed
}

// Get returns a record as it is, deleted or not.
func (t *Table) Get(id string) (*Record, bool) { return t.Live.Get(id) }

// Restored is a copy of a deleted record that lives again, for the app to put.
func (t *Table) Restored(id string) (*Record, error) {
	old, ok := t.Get(id)
	if !ok || !old.Deleted || old.MergedInto != "" {
		return nil, errors.New("the record is not among the deleted ones")
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt = false, time.Time{}
	return r, nil
}

// Merging is the two live records of a merge: the one that goes, and the survivor.
func (t *Table) Merging(id, into string) (loser, survivor *Record, err error) {
	loser, ok := t.Get(id)
	survivor, there := t.Get(into)
	if !ok || !there || loser.Deleted || survivor.Deleted {
		return nil, nil, fmt.Errorf("two live records to merge: %w", ErrNotFound)
	}
	if id == into {
		return nil, nil, errors.New("a record is not merged with itself")
	}
	return loser, survivor, nil
}

// Purge removes a record for good, as an app does with what it must forget.
func (t *Table) Purge(id string) {
	t.Live.drop(id)
	t.indexed.drop(id)
	t.ids.remove(key{id: id})
	t.pending = slices.DeleteFunc(t.pending, func(p pendingIndex) bool { return p.rec.ID == id })
}

// Each visits all records after the given ID ("" = all) by ID, deleted ones
// too, until f returns false.
func (t *Table) Each(after string, f func(*Record) bool) {
	t.ids.ascend(key{id: after}, func(k key) bool {
		if k.id == after {
			return true
		}
		return f(t.Live.byID[k.id])
	})
}

// Len returns how many records there are, and how many of them are deleted.
func (t *Table) Len() (all, deleted int) { return t.ids.n, t.ids.n - t.Live.Len() }
