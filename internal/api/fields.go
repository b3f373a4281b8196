package api

import (
	"context"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	fieldsFresh = 5 * time.Minute
	maxCached   = 512 // objects
)

// schemaCache remembers the fields of objects, because every save, every
// validation and every page of the console asks for them.
type schemaCache struct {
	now func() time.Time

	mu   sync.Mutex
	seen map[objectPlace]cachedFields
}

type objectPlace struct {
	ws      crm.WorkspaceID
	account crm.AccountID
	object  string
}

type cachedFields struct {
	fields []crm.Field
	at     time.Time
}

func newSchemaCache(now func() time.Time) *schemaCache {
	return &schemaCache{now: now, seen: map[objectPlace]cachedFields{}}
}

func (c *schemaCache) get(p objectPlace) (cachedFields, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.seen[p]
	return f, ok
}

func (c *schemaCache) put(p objectPlace, fields []crm.Field) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) >= maxCached {
		clear(c.seen) // simpler than an order of use, and as good at this size
	}
	c.seen[p] = cachedFields{fields, c.now()}
}

// forget drops what is known of an account, or of one object of it.
func (c *schemaCache) forget(ws crm.WorkspaceID, account crm.AccountID, object string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.seen {
		if p.ws == ws && p.account == account && (object == "" || object == p.object) {
			delete(c.seen, p)
		}
	}
}

// fields lists an object's fields, at most five minutes old unless the app
// cannot be reached just now. What was read anew is what the engine plans with
// from then on. The answer is shared and must not be changed.
func (s *server) fields(
	ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, object string, refresh bool,
) ([]crm.Field, error) {
	place := objectPlace{ws, account, object}
	known, ok := s.schemas.get(place)
	if ok && !refresh && s.Now().Sub(known.at) < fieldsFresh {
		return known.fields, nil
	}
	fields, err := s.Engine.Fields(ctx, ws, account, object, true)
	if err != nil && !refresh && (fault.Is(err, fault.Throttled) || fault.Is(err, fault.Unavailable)) {
		if ok {
			return known.fields, nil
		}
		if older, oldErr := s.Engine.Fields(ctx, ws, account, object, false); oldErr == nil {
			return older, nil // what the engine plans with while the app is away
		}
	}
	if err != nil {
		return nil, err
	}
	if fields == nil {
		fields = []crm.Field{}
	}
	s.schemas.put(place, fields)
	return fields, nil
}

// knownFields lists an object's fields as they were last read. Whoever looks at
// a status again and again has no app asked because of it.
func (s *server) knownFields(
	ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, object string,
) ([]crm.Field, error) {
	if known, ok := s.schemas.get(objectPlace{ws, account, object}); ok && s.Now().Sub(known.at) < fieldsFresh {
		return known.fields, nil
	}
	return s.Engine.Fields(ctx, ws, account, object, false)
}
