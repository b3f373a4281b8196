package salesforcefake

import (
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// table is the records of one object: fakekit's, which lists live records by
// (SystemModstamp, Id), and the recycle bin in the same order beside it.
type table struct {
	*fakekit.Table
	object *object
	n      int
	bin    []*fakekit.Record // deleted and not purged, by (Modified, ID)
	log    []deletion        // in order of time
}

// deletion is an entry of the log behind getDeleted.
type deletion struct {
	id string
	at time.Time
}

func newTable(core *fakekit.Core, o *object) *table {
	t := &table{Table: core.NewTable(o.name), object: o}
	for _, field := range []string{"Email", "Lockstep_Id__c", "HubSpot_Id__c", "Name", "LastName", "Phone"} {
		if c, ok := o.column(field); ok && c.name != "Name" || ok && o.name != "Contact" && o.name != "Lead" {
			t.IndexOn(c.name, strings.ToLower)
		}
	}
	return t
}

func (t *table) nextID() string {
	t.n++
	return newID(t.object.prefix, t.n)
}

func byTime(a, b *fakekit.Record) int {
	if c := a.Modified.Compare(b.Modified); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// put stores a version of a record.
func (t *table) put(r *fakekit.Record) {
	old, known := t.Get(r.ID)
	if known && old.Deleted {
		if i, ok := slices.BinarySearchFunc(t.bin, old, byTime); ok {
			t.bin = slices.Delete(t.bin, i, i+1)
		}
	}
	t.Put(r)
	if r.Deleted {
		i, _ := slices.BinarySearchFunc(t.bin, r, byTime)
		t.bin = slices.Insert(t.bin, i, r)
		t.log = append(t.log, deletion{r.ID, r.DeletedAt})
	}
}

// find returns a record by either form of its ID; deleted ones too.
func (t *table) find(id string) (*fakekit.Record, bool) {
	id = full(id)
	if !strings.HasPrefix(id, t.object.prefix) {
		return nil, false
	}
	return t.Get(id)
}

// purge empties the recycle bin; the log of deletions stays.
func (t *table) purge() int {
	n := len(t.bin)
	for _, r := range t.bin {
		t.Purge(r.ID)
	}
	t.bin = nil
	return n
}

// place is a lower end in the order of changes.
type place struct {
	at time.Time
	id string
}

func (p place) before(r *fakekit.Record) bool {
	return p.at.Before(r.Modified) || p.at.Equal(r.Modified) && p.id <= r.ID
}

// ascend visits records at or after p by (Modified, ID), the bin's merged in when all is set.
func (t *table) ascend(p place, all bool, visit func(*fakekit.Record) bool) {
	var bin []*fakekit.Record
	if all {
		i, _ := slices.BinarySearchFunc(t.bin, p, func(r *fakekit.Record, p place) int {
			if p.before(r) {
				return 1
			}
			return -1
		})
		bin = t.bin[i:]
	}
	stopped := false
	yield := func(r *fakekit.Record) bool {
		if !visit(r) {
			stopped = true
		}
		return !stopped
	}
	// fakekit goes on after an ID; what has exactly this ID is wanted too, and
	// comes from the hash.
	if r, ok := t.Get(p.id); ok && !r.Deleted && r.Modified.Equal(p.at) && !yield(r) {
		return
	}
	t.Live.Ascend(p.at, p.id, func(r *fakekit.Record) bool {
		for len(bin) > 0 && byTime(bin[0], r) < 0 {
			if !yield(bin[0]) {
				return false
			}
			bin = bin[1:]
		}
		return yield(r)
	})
	for i := 0; !stopped && i < len(bin); i++ {
		yield(bin[i])
	}
}

// descend visits records at or after p's time, newest first.
func (t *table) descend(p place, all bool, visit func(*fakekit.Record) bool) {
	var bin []*fakekit.Record
	if all {
		bin = t.bin
	}
	next := func() *fakekit.Record {
		if len(bin) == 0 || bin[len(bin)-1].Modified.Before(p.at) {
			return nil
		}
		return bin[len(bin)-1]
	}
	stopped := false
	yield := func(r *fakekit.Record) bool {
		if !visit(r) {
			stopped = true
		}
		return !stopped
	}
	t.Live.Descend(p.at, func(r *fakekit.Record) bool {
		for b := next(); b != nil && byTime(b, r) > 0; b = next() {
			if !yield(b) {
				return false
			}
			bin = bin[:len(bin)-1]
		}
		return yield(r)
	})
	for b := next(); !stopped && b != nil; b = next() {
		yield(b)
		bin = bin[:len(bin)-1]
	}
}

// transaction is what one collection call has done so far.
type transaction struct {
	undo   []func()
	events []fakekit.Event
}

func (tx *transaction) rollBack() {
	for i := len(tx.undo) - 1; i >= 0; i-- {
		tx.undo[i]()
	}
}

// store puts a version, so that the transaction under way can take it back.
func (f *org) store(t *table, r *fakekit.Record) {
	if f.tx != nil {
		old, known := t.Get(r.ID)
		logged := len(t.log)
		f.tx.undo = append(f.tx.undo, func() {
			if known {
				t.put(old)
			} else {
				t.Purge(r.ID)
			}
			t.log = t.log[:logged]
		})
	}
	t.put(r)
}
