package main

import (
	"context"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// tally counts the items written to a store by kind of partition: what stands
// before the first "#", "l" for links, "i" for intents and so on. It also counts the reads
// of one item each, which a batch of records does not need.
type tally struct {
	store.Store
	writes map[string]int
	gets   int
}

func newTally(s store.Store) *tally { return &tally{Store: s, writes: map[string]int{}} }

func (t *tally) count(ws ...store.Write) {
	for _, w := range ws {
		if w.Op == store.Check {
			continue
		}
		kind, _, _ := strings.Cut(w.Item.Partition, "#")
		t.writes[string(w.Item.Table)+"/"+kind]++
	}
}

func (t *tally) Get(ctx context.Context, key store.Key) (store.Item, error) {
	t.gets++
	return t.Store.Get(ctx, key)
}

func (t *tally) Write(ctx context.Context, w store.Write) (int64, error) {
	t.count(w)
	return t.Store.Write(ctx, w)
}

func (t *tally) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	t.count(ws...)
	return t.Store.BatchWrite(ctx, ws)
}

func (t *tally) Transact(ctx context.Context, ws []store.Write) error {
	t.count(ws...)
	return t.Store.Transact(ctx, ws)
}

// total sums all writes, or those of the kinds named.
func (t *tally) total(kinds ...string) (n int) {
	for k, v := range t.writes {
		if len(kinds) == 0 {
			n += v
		}
		for _, want := range kinds {
			if k == want {
				n += v
			}
		}
	}
	return n
}

func (t *tally) reset() {
	clear(t.writes)
	t.gets = 0
}
