package storetest

import (
	"context"
	"fmt"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const rivals = 8

// retried repeats a call that lost against a rival until it went through.
// Services may answer Conflict or Throttled to transactions that meet.
func retried(call func() error) error {
	for range 1000 {
		err := call()
		if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Throttled) {
			return err
		}
	}
	return fmt.Errorf("lost 1000 times")
}

var contentionCases = []testCase{
	{"Contention/one makes the item", func(k *kit) {
		errs := k.atOnce(rivals, func(i int) error {
			_, err := k.s.Write(k.Context(), store.Write{
				Op: store.Put, Item: k.item("p", "s", fmt.Sprint(i)), If: store.IfAbsent,
			})
			return err
		})
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 1, Data: []byte(fmt.Sprint(k.wantOneWinner(errs)))})
	}},
	{"Contention/one wins at a version", func(k *kit) {
		k.put(k.item("p", "s", ""))
		errs := k.atOnce(rivals, func(i int) error {
			_, err := k.s.Write(k.Context(), store.Write{
				Op: store.Put, Item: k.item("p", "s", fmt.Sprint(i)), If: store.IfVersion(1),
			})
			return err
		})
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 2, Data: []byte(fmt.Sprint(k.wantOneWinner(errs)))})
	}},
	{"Contention/one deletes", func(k *kit) {
		k.put(k.item("p", "s", ""))
		k.wantOneWinner(k.atOnce(rivals, func(int) error {
			_, err := k.s.Write(k.Context(), store.Write{Op: store.Delete, Item: k.item("p", "s", ""), If: store.IfExists})
			return err
		}))
		k.wantAbsent(k.key("p", "s"))
	}},
	{"Contention/one takes an expired item", func(k *kit) {
		k.lapse(k.item("p", "s", "old"))
		k.wantOneWinner(k.atOnce(rivals, func(int) error {
			_, err := k.s.Write(k.Context(), store.Write{Op: store.Put, Item: k.item("p", "s", "new"), If: store.IfAbsent})
			return err
		}))
		k.wantVersion(k.key("p", "s"), 1)
	}},
	{"Contention/one batch entry wins each key", func(k *kit) {
		sorts := numbered("s", 20)
		all := make([][]error, rivals)
		k.atOnce(rivals, func(i int) error {
			ws := k.puts(sorts...)
			for j := range ws {
				ws[j].If = store.IfAbsent
			}
			_, all[i] = k.s.BatchWrite(k.Context(), ws)
			return nil
		})
		for j := range sorts {
			winners := 0
			for i := range all {
				if all[i] == nil || all[i][j] == nil {
					winners++
				}
			}
			if winners != 1 {
				k.Errorf("key %d has %d winners", j, winners)
			}
		}
	}},
	{"Contention/transactions over the same items", func(k *kit) {
		errs := k.atOnce(rivals, func(i int) error {
			ws := k.puts(numbered("s", 5)...)
			for j := range ws {
				ws[j].Item.Data, ws[j].If = fmt.Append(nil, i), store.IfAbsent
			}
			return retriedUnlessStored(k, ws)
		})
		winner := fmt.Sprint(k.wantOneWinner(errs))
		for _, s := range numbered("s", 5) {
			k.wantItem(store.Item{Key: k.key("p", s), Version: 1, Data: []byte(winner)})
		}
	}},
	{"Contention/no addition is lost", func(k *kit) {
		const each = 25
		for i, err := range k.atOnce(rivals, func(int) error {
			for range each {
				if err := retried(func() error { _, err := k.s.Write(k.Context(), k.add("n", 1)); return err }); err != nil {
					return err
				}
			}
			return nil
		}) {
			if err != nil {
				k.Errorf("rival %d: %v", i, err)
			}
		}
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: rivals * each, Counters: map[string]int64{"n": rivals * each}})
	}},
	{"Contention/no increment by version is lost", func(k *kit) {
		const each = 5
		k.put(k.item("p", "s", "0"))
		for i, err := range k.atOnce(rivals, func(int) error {
			for range each {
				if err := retried(func() error { return increment(k) }); err != nil {
					return err
				}
			}
			return nil
		}) {
			if err != nil {
				k.Errorf("rival %d: %v", i, err)
			}
		}
		k.wantData(k.key("p", "s"), fmt.Sprint(rivals*each))
	}},
	{"Contention/transfers keep the sum", func(k *kit) {
		const each = 5
		k.write(store.Write{Op: store.Add, Item: store.Item{Key: k.key("p", "a"), Counters: map[string]int64{"n": 1000}}})
		k.write(store.Write{Op: store.Add, Item: store.Item{Key: k.key("p", "b"), Counters: map[string]int64{"n": 1000}}})
		k.atOnce(rivals, func(i int) error {
			d := int64(i%3 - 1)
			for range each {
				err := retried(func() error {
					return k.s.Transact(k.Context(), []store.Write{
						{Op: store.Add, Item: store.Item{Key: k.key("p", "a"), Counters: map[string]int64{"n": d}}},
						{Op: store.Add, Item: store.Item{Key: k.key("p", "b"), Counters: map[string]int64{"n": -d}}},
					})
				})
				if err != nil {
					k.Error(err)
				}
			}
			return nil
		})
		a, b := k.get(k.key("p", "a")), k.get(k.key("p", "b"))
		if a.Counters["n"]+b.Counters["n"] != 2000 || a.Version != rivals*each+1 || b.Version != a.Version {
			k.Errorf("a = %v at %d, b = %v at %d; want a sum of 2000 at version %d", a.Counters, a.Version, b.Counters,
				b.Version, rivals*each+1)
		}
	}},
	{"Contention/readers see whole items", func(k *kit) {
		// Data and index are written together: no read may mix two writes.
		k.indexed("s", "0", "0")
		done := make(chan struct{})
		k.atOnce(3, func(i int) error {
			if i == 0 {
				defer close(done)
				for n := range 50 {
					it := k.item("p", "s", fmt.Sprint(n))
					it.Index, it.IndexSort = fmt.Sprint(n), fmt.Sprint(n)
					k.put(it)
				}
				return nil
			}
			for {
				select {
				case <-done:
					return nil
				default:
				}
				it, err := k.s.Get(k.Context(), k.key("p", "s"))
				if err != nil || it.Index != it.IndexSort || it.Version > 1 && it.Index != string(it.Data) {
					k.Errorf("read %v %q %q %q", err, it.Index, it.IndexSort, it.Data)
					return nil
				}
			}
		})
	}},
}

// retriedUnlessStored repeats a transaction that was cancelled only because
// it met another one: a conflict is final once the items are there.
func retriedUnlessStored(k *kit, ws []store.Write) error {
	var err error
	for range 100 {
		if err = k.s.Transact(k.Context(), ws); err == nil {
			return nil
		}
		if got, readErr := k.s.BatchGet(k.Context(), []store.Key{ws[0].Item.Key}); readErr == nil && got[0].Version > 0 {
			return err
		}
	}
	return err
}

func increment(k *kit) error {
	it, err := k.s.Get(k.Context(), k.key("p", "s"))
	if err != nil {
		return err
	}
	var n int
	if _, err := fmt.Sscan(string(it.Data), &n); err != nil {
		return err
	}
	it.Data = fmt.Append(nil, n+1)
	_, err = k.s.Write(k.Context(), store.Write{Op: store.Put, Item: it, If: store.IfVersion(it.Version)})
	return err
}

// cancelledCall wants a call under a cancelled context refused as Unavailable.
func cancelledCall(name string, call func(ctx context.Context, k *kit) error) testCase {
	return testCase{"Cancelled/" + name, func(k *kit) {
		k.put(k.item("p", "kept", "kept"))
		k.wantKind(call(k.cancelled(), k), fault.Unavailable)
		if err := call(k.cancelled(), k); err != nil && fault.MayHaveLanded(err) {
			k.Error("the error leaves open whether anything was written")
		}
		k.wantSorts(store.Query{Partition: "p"}, "kept")
		k.wantItem(store.Item{Key: k.key("p", "kept"), Version: 1, Data: []byte("kept")})
	}}
}

var contextCases = []testCase{
	cancelledCall("Get", func(ctx context.Context, k *kit) error {
		_, err := k.s.Get(ctx, k.key("p", "kept"))
		return err
	}),
	cancelledCall("BatchGet", func(ctx context.Context, k *kit) error {
		_, err := k.s.BatchGet(ctx, []store.Key{k.key("p", "kept")})
		return err
	}),
	cancelledCall("Query", func(ctx context.Context, k *kit) error {
		_, err := k.s.Query(ctx, store.Query{Table: store.Links, Workspace: k.ws, Partition: "p"})
		return err
	}),
	cancelledCall("Put", func(ctx context.Context, k *kit) error {
		_, err := k.s.Write(ctx, store.Write{Op: store.Put, Item: k.item("p", "new", "")})
		return err
	}),
	cancelledCall("Delete", func(ctx context.Context, k *kit) error {
		_, err := k.s.Write(ctx, store.Write{Op: store.Delete, Item: k.item("p", "kept", "")})
		return err
	}),
	cancelledCall("Add", func(ctx context.Context, k *kit) error {
		_, err := k.s.Write(ctx, store.Write{
			Op: store.Add, Item: store.Item{Key: k.key("p", "kept"), Counters: map[string]int64{"n": 1}},
		})
		return err
	}),
	cancelledCall("Transact", func(ctx context.Context, k *kit) error {
		return k.s.Transact(ctx, k.puts("kept", "new"))
	}),
	cancelledCall("BatchWrite", func(ctx context.Context, k *kit) error {
		_, errs := k.s.BatchWrite(ctx, k.puts("kept", "new"))
		k.wantAllKind(errs, 2, fault.Unavailable)
		return errs[0]
	}),
}
