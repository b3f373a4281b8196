package kmskey

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/secret"
)

// dataKey seals and opens for one binding.
type dataKey struct {
	aead    cipher.AEAD
	wrapped []byte // as KMS gave it
}

// opening names a data key that opens: by its root key, its wrapped form and
// its binding, so that a blob that was moved never finds one.
type opening [sha256.Size]byte

func name(key string, wrapped []byte, b secret.Binding) opening {
	var text []byte
	for _, part := range []string{key, string(wrapped), b.Workspace, b.Subject, b.Purpose} {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	return sha256.Sum256(text)
}

// cache keeps data keys within limits of age, uses and number.
type cache struct {
	now     func() time.Time
	maxUses int
	maxAge  time.Duration
	maxKeys int

	mu    *sync.Mutex
	seals map[secret.Binding]*held
	opens map[opening]*held
}

type held struct {
	key   *dataKey
	until time.Time
	uses  int
}

func newCache(now func() time.Time, opts Options) cache {
	c := cache{
		now: now, maxUses: opts.MaxUses, maxAge: opts.MaxAge, maxKeys: opts.MaxKeys,
		mu: new(sync.Mutex), seals: map[secret.Binding]*held{}, opens: map[opening]*held{},
	}
	if c.maxUses <= 0 {
		c.maxUses = 100
	}
	if c.maxAge <= 0 {
		c.maxAge = 5 * time.Minute
	}
	if c.maxKeys <= 0 {
		c.maxKeys = 1000
	}
	return c
}

// toSeal returns the data key of a binding and counts its use; nil when there
// is none, or it is used up.
func (c *cache) toSeal(b secret.Binding) *dataKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.seals[b]
	if h == nil || h.uses >= c.maxUses || !c.now().Before(h.until) {
		delete(c.seals, b)
		return nil
	}
	h.uses++
	return h.key
}

// keepSealing keeps a key that has sealed once.
func (c *cache) keepSealing(b secret.Binding, k *dataKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	makeRoom(c.seals, c.maxKeys, now)
	c.seals[b] = &held{key: k, until: now.Add(c.maxAge), uses: 1}
}

func (c *cache) toOpen(id opening) *dataKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.opens[id]
	if h == nil || !c.now().Before(h.until) {
		delete(c.opens, id)
		return nil
	}
	return h.key
}

func (c *cache) keepOpening(id opening, k *dataKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	makeRoom(c.opens, c.maxKeys, now)
	c.opens[id] = &held{key: k, until: now.Add(c.maxAge)}
}

// makeRoom drops keys that are too old, and then whichever come, until one more fits.
func makeRoom[K comparable](m map[K]*held, most int, now time.Time) {
	if len(m) < most {
		return
	}
	for id, h := range m {
		if !now.Before(h.until) {
			delete(m, id)
		}
	}
	for id := range m {
		if len(m) < most {
			return
		}
		delete(m, id)
	}
}
