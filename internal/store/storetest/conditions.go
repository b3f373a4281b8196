package storetest

import (
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// conditionCases crosses every write with every condition and every state of
// the item: 72 cases, each also in the words "nothing changed" when refused.
func conditionCases() []testCase {
	conditions := []struct {
		name             string
		c                store.Condition
		present, missing bool // does it hold for an item at version 2, for none
	}{
		{"always", store.Always, true, true},
		{"if absent", store.IfAbsent, false, true},
		{"if exists", store.IfExists, true, false},
		{"if at its version", store.IfVersion(2), true, false},
		{"if at another version", store.IfVersion(1), false, false},
		{"if at version zero", store.IfVersion(0), false, true},
	}
	ops := []struct {
		name string
		op   store.Op
	}{{"put", store.Put}, {"delete", store.Delete}, {"add", store.Add}, {"check", store.Check}}
	var all []testCase
	for _, op := range ops {
		for _, c := range conditions {
			all = append(all,
				testCase{"Condition/" + op.name + " " + c.name + "/present", func(k *kit) {
					k.put(k.item("p", "s", "before"))
					k.put(k.item("p", "s", "before"))
					k.guarded(op.op, c.c, c.present, 2)
				}},
				testCase{"Condition/" + op.name + " " + c.name + "/absent", func(k *kit) {
					k.guarded(op.op, c.c, c.missing, 0)
				}},
				testCase{"Condition/" + op.name + " " + c.name + "/expired", func(k *kit) {
					k.put(k.item("p", "s", "before"))
					k.lapse(k.item("p", "s", "before"))
					k.guarded(op.op, c.c, c.missing, 0)
				}},
			)
		}
	}
	return all
}

// guarded makes one conditional write of item p/s at the given version (zero:
// absent), alone or, for checks, in a transaction with another write.
func (k *kit) guarded(op store.Op, c store.Condition, holds bool, version int64) {
	k.Helper()
	w := store.Write{Op: op, Item: k.item("p", "s", "after"), If: c}
	if op == store.Add {
		w.Item = store.Item{Key: k.key("p", "s"), Counters: map[string]int64{"n": 1}}
	}
	var got int64
	var err error
	if op == store.Check {
		err = k.s.Transact(k.Context(), []store.Write{w, {Op: store.Put, Item: k.item("p", "other", "x")}})
	} else {
		got, err = k.s.Write(k.Context(), w)
	}
	if !holds {
		k.wantKind(err, fault.Conflict)
		k.wantVersion(k.key("p", "s"), version)
		k.wantVersion(k.key("p", "other"), 0)
		if version > 0 {
			k.wantItem(store.Item{Key: k.key("p", "s"), Version: version, Data: []byte("before")})
		}
		return
	}
	if err != nil {
		k.Fatalf("refused: %v", err)
	}
	want := store.Item{Key: k.key("p", "s"), Version: version + 1}
	switch op {
	case store.Delete:
		k.wantAbsent(k.key("p", "s"))
		want.Version = 0
	case store.Check:
		k.wantVersion(k.key("p", "s"), version)
		k.wantVersion(k.key("p", "other"), 1)
		return
	case store.Add:
		want.Counters = map[string]int64{"n": 1}
		if version > 0 {
			want.Data = []byte("before")
		}
		k.wantItem(want)
	case store.Put:
		want.Data = []byte("after")
		k.wantItem(want)
	}
	if got != want.Version {
		k.Errorf("returned version = %d, want %d", got, want.Version)
	}
}
