package engine

import (
	"bytes"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Decoded is what was made of stored items, each with the bytes that it was made
// of: an item is decoded again only when it holds other bytes than then. So it is
// never out of date, and who reads an item asks the store as before.
type Decoded struct {
	conns    memo[store.Key, known[*crm.Connection]]
	schemas  memo[store.Key, known[*cachedSchema]]
	leases   memo[store.Key, known[*lease]]
	scans    memo[store.Key, known[*scanState]]
	links    memo[store.Key, known[*link]]
	compiled memo[compileKey, *reconcile.Settings]
}

// NewDecoded returns one that holds nothing yet.
func NewDecoded() *Decoded {
	d := &Decoded{}
	d.conns.most, d.schemas.most, d.leases.most, d.scans.most = memoLarge, memoLarge, memoLarge, memoLarge
	d.links.most, d.compiled.most = 1000, 64
	return d
}

// known is what was made of an item's bytes. Nobody changes it.
type known[T any] struct {
	data []byte
	made T
}

// recall is decode for items that are read again and again. Of what it returns
// nobody changes anything.
func recall[T any](m *memo[store.Key, known[T]], it store.Item, decode func(store.Item) (T, error)) (T, error) {
	if k, ok := m.get(it.Key); ok && bytes.Equal(k.data, it.Data) {
		return k.made, nil
	}
	made, err := decode(it)
	if err == nil {
		m.put(it.Key, known[T]{it.Data, made})
	}
	return made, err
}

// linkOf is decodeLink for links that are read again and again; the caller owns
// what it gets.
func (e *Engine) linkOf(it store.Item) (*link, error) {
	known, err := recall(&e.Decoded.links, it, decodeLink)
	if err != nil {
		return nil, err
	}
	return known.clone(), nil
}

// headOf is decodeHead, for which a link that was decoded whole will do.
func (e *Engine) headOf(it store.Item) (*link, error) {
	if k, ok := e.Decoded.links.get(it.Key); ok && bytes.Equal(k.data, it.Data) {
		return k.made, nil
	}
	return decodeHead(it)
}
