package storetest

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Unsteady is a store of which one request goes wrong.
type Unsteady struct {
	store.Store
	Asked  []string // what the requests were: the method, and the kind of the items
	FailAt int      // the first is 0; -1 = never
	How    string   // what goes wrong then: Away, or one of Mishaps
}

// What may go wrong with a request.
const (
	Away   = "away"   // nothing is done, and it says so
	Broken = "broken" // what was read is cut off
	Newer  = "newer"  // a newer version of us wrote what was read
	Gone   = "gone"   // what was to be read is not there
	Rival  = "rival"  // somebody else was there first
	Lost   = "lost"   // it is written, and the answer is lost
)

// Mishaps are what else than Away may go wrong with a request, as Asked names it.
func Mishaps(asked string) []string {
	if strings.HasPrefix(asked, "write") || strings.HasPrefix(asked, "transact") {
		return []string{Rival, Lost}
	}
	return []string{Broken, Newer, Gone}
}

// turn notes a request and tells what goes wrong with it.
func (u *Unsteady) turn(what string, k store.Key) string {
	kind, _ := store.KindOf(k)
	u.Asked = append(u.Asked, what+" "+kind.Name)
	if len(u.Asked)-1 == u.FailAt {
		return u.How
	}
	return ""
}

func unavailable() error { return fault.New("test: store", fault.Unavailable, "", "not now") }

// read is what comes of a read.
func (u *Unsteady) read(how string, items []store.Item, err error) ([]store.Item, error) {
	switch how {
	case Away:
		return nil, unavailable()
	case Gone:
		return make([]store.Item, len(items)), nil
	case Broken, Newer:
		items = slices.Clone(items)
		for i := range items {
			if data := items[i].Data; how == Broken && len(data) > 0 {
				items[i].Data = data[:len(data)-1]
			} else if how == Newer {
				items[i].Data = bytes.Replace(data, []byte(`"v":1`), []byte(`"v":99`), 1)
			}
		}
	}
	return items, err
}

// written is what comes of a write.
func (u *Unsteady) written(how string, write func() error) error {
	switch how {
	case Away:
		return unavailable()
	case Rival:
		return fault.New("test: store", fault.Conflict, "", "somebody was there first")
	case Lost:
		if err := write(); err != nil {
			return err
		}
		return &fault.Error{Op: "test: store", Kind: fault.Unavailable, MayHaveLanded: true}
	}
	return write()
}

// Get implements store.Store.
func (u *Unsteady) Get(ctx context.Context, k store.Key) (store.Item, error) {
	how := u.turn("get", k)
	item, err := u.Store.Get(ctx, k)
	if how == Gone {
		return store.Item{}, fault.New("test: store", fault.NotFound, "", "")
	}
	items, err := u.read(how, []store.Item{item}, err)
	if err != nil {
		return store.Item{}, err
	}
	return items[0], nil
}

// BatchGet implements store.Store.
func (u *Unsteady) BatchGet(ctx context.Context, ks []store.Key) ([]store.Item, error) {
	how := u.turn("batch get", ks[0])
	items, err := u.Store.BatchGet(ctx, ks)
	return u.read(how, items, err)
}

// Query implements store.Store.
func (u *Unsteady) Query(ctx context.Context, q store.Query) (store.Page, error) {
	how := u.turn("query", store.Key{Table: q.Table, Partition: q.Partition})
	page, err := u.Store.Query(ctx, q)
	if how == Gone {
		return store.Page{}, nil
	}
	page.Items, err = u.read(how, page.Items, err)
	return page, err
}

// Write implements store.Store.
func (u *Unsteady) Write(ctx context.Context, w store.Write) (v int64, err error) {
	err = u.written(u.turn("write", w.Item.Key), func() error {
		v, err = u.Store.Write(ctx, w)
		return err
	})
	if err != nil {
		return 0, err
	}
	return v, nil
}

// BatchWrite implements store.Store.
func (u *Unsteady) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	if u.turn("batch write", ws[0].Item.Key) != "" {
		return make([]int64, len(ws)), slices.Repeat([]error{unavailable()}, len(ws))
	}
	return u.Store.BatchWrite(ctx, ws)
}

// Transact implements store.Store.
func (u *Unsteady) Transact(ctx context.Context, ws []store.Write) error {
	return u.written(u.turn("transact", ws[0].Item.Key), func() error { return u.Store.Transact(ctx, ws) })
}
