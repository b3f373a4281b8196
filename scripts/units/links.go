package main

import (
	"context"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

// linkReads is the store with an account of what looking up links consumes, by
// the side of the record that was looked up: a right one is found through its
// alias. It is for one worker at a time.
type linkReads struct {
	*dynamostore.Store
	units crm.PerSide[float64]
	via   bool // the look-up before was of aliases too, so this one follows them
}

func (l *linkReads) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return l.account(ctx, keys, l.Store.BatchGet)
}

func (l *linkReads) BatchGetStale(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return l.account(ctx, keys, l.Store.BatchGetStale)
}

func (l *linkReads) account(
	ctx context.Context, keys []store.Key, get func(context.Context, []store.Key) ([]store.Item, error),
) ([]store.Item, error) {
	before := l.Units().Total().Read
	items, err := get(ctx, keys)
	if len(keys) == 0 || !strings.HasPrefix(keys[0].Partition, "l#") {
		return items, err
	}
	each := (l.Units().Total().Read - before) / float64(len(keys))
	followed := l.via
	l.via = false
	for _, k := range keys {
		right := strings.HasPrefix(k.Sort, "R#")
		side := crm.Left
		if right || followed {
			side = crm.Right
		}
		l.via = l.via || right
		l.units.Set(side, l.units.Get(side)+each)
	}
	return items, err
}
