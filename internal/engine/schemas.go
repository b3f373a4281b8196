package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// cachedSchema is an object's fields as stored for all workers.
type cachedSchema struct {
	At     time.Time   `json:"at"`
	Digest string      `json:"digest"`
	Fields []crm.Field `json:"fields"`

	Gone map[string]time.Time `json:"gone,omitempty"` // fields that it had, and since when they are missed
	// those that the app lists but did not show, and when; not in Fields
	Unseen map[string]time.Time `json:"unseen,omitempty"`
	Missed time.Time            `json:"missed,omitzero"` // when the app was last asked because a record lacked a field
	// fields that the app made other ones of, for a while
	Changed map[string]changedField `json:"changed,omitempty"`
}

// schemasFor is how long a process does not ask the store again for the fields
// of a sync's objects: they are large and hardly ever change. Whoever maps a new
// field saves the connection, which ends it.
const schemasFor = time.Minute

// usedSchemas are the fields of a sync's objects as a process last read them.
type usedSchemas struct {
	version  int64 // of the connection
	accounts [2]crm.AccountID
	at       time.Time
	schemas  [2]cachedSchema
}

func (e *Engine) recentSchemas(sc scope, version int64) (schemas [2]cachedSchema, ok bool) {
	now := e.Now()
	used, ok := e.schemas.get(sc)
	age := now.Sub(used.at)
	return used.schemas, ok && used.version == version && age >= 0 && age < schemasFor
}

func (e *Engine) rememberSchemas(sc scope, conn *crm.Connection, schemas [2]cachedSchema) {
	accounts := [2]crm.AccountID{conn.Account(crm.Left), conn.Account(crm.Right)}
	e.schemas.put(sc, usedSchemas{conn.Version, accounts, e.Now(), schemas})
}

// schemaFrom says where an object's fields are taken from.
type schemaFrom int

const (
	fromStore schemaFrom = iota // as long as they are known and not old
	fromApp
	fromAppWhole // fields that the app did not show a while ago are asked for again
)

// schema returns an object's fields.
func (e *Engine) schema(
	ctx context.Context, ws crm.WorkspaceID, acc crm.AccountID, c connector.Connector, object string, from schemaFrom,
) (cachedSchema, error) {
	fresh := from != fromStore
	var cs cachedSchema
	key := schemaKey(ws, acc, object)
	item, err := e.Store.Get(ctx, key)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return cs, err
	}
	if err == nil {
		if known, err := recall(&e.Decoded.schemas, item, decodeSchema); err == nil {
			cs = *known
		}
	}
	if cs.Digest != "" && !fresh {
		if age := e.Now().Sub(cs.At); age < e.Tuning.SchemaFor && age > -e.Tuning.SchemaFor {
			return cs, nil
		}
	}
	fields, err := c.Fields(ctx, object)
	if err != nil {
		if cs.Digest != "" && !fresh && !fault.Is(err, fault.NotFound) {
			return cs, nil // an old schema is better than none while the app is away
		}
		return cs, err
	}
	if from == fromAppWhole {
		cs.Unseen = nil
	}
	return e.storeSchema(ctx, key, cs, cachedSchema{At: e.Now(), Fields: fields, Missed: cs.Missed})
}

func decodeSchema(item store.Item) (*cachedSchema, error) {
	var cs cachedSchema
	if err := json.Unmarshal(item.Data, &cs); err != nil {
		return nil, fault.Wrap("engine: decode schema", fault.Other, err)
	}
	return &cs, nil
}

func (e *Engine) storeSchema(ctx context.Context, key store.Key, old, cs cachedSchema) (cachedSchema, error) {
	cs.follow(old, e.Now())
	b, err := json.Marshal(cs.Fields)
	if err != nil {
		return cs, err
	}
	cs.Digest = crm.TextValue(string(b)).Digest()
	if b, err = json.Marshal(cs); err != nil {
		return cs, err
	}
	_, err = e.Store.Write(ctx, store.Write{Item: store.Item{Key: key, Data: b}})
	return cs, err
}

// forgetUsed makes this process ask the store again for the schemas of an
// account's object: somebody has just looked at the app.
func (e *Engine) forgetUsed(acc crm.AccountID) {
	e.schemas.dropIf(func(_ scope, u usedSchemas) bool { return u.accounts[0] == acc || u.accounts[1] == acc })
}

// Fields returns an object's fields for the API and the console, from the
// store when they are recent, from the app when refresh is set.
func (e *Engine) Fields(
	ctx context.Context, ws crm.WorkspaceID, acc crm.AccountID, object string, refresh bool,
) ([]crm.Field, error) {
	c, err := e.Open(ctx, ws, acc)
	if err != nil {
		return nil, err
	}
	from := fromStore
	if refresh {
		from = fromAppWhole
	}
	cs, err := e.schema(ctx, ws, acc, c, object, from)
	if refresh && err == nil {
		e.forgetUsed(acc)
	}
	return cs.Fields, err
}

// but is the schema without some of its fields.
func (cs *cachedSchema) but(names []string) cachedSchema {
	out := *cs
	if len(names) > 0 {
		out.Fields = slices.DeleteFunc(slices.Clone(cs.Fields), func(f crm.Field) bool {
			return slices.Contains(names, f.Name)
		})
		out.Digest += "-" + strings.Join(names, "-")
	}
	return out
}

func (cs *cachedSchema) has(name string) bool {
	return slices.ContainsFunc(cs.Fields, func(f crm.Field) bool { return f.Name == name })
}

// follow makes a schema out of fields as an app lists them and of what was
// known before: which fields left, and when, and which are not shown.
func (cs *cachedSchema) follow(old cachedSchema, now time.Time) {
	cs.Gone, cs.Unseen = map[string]time.Time{}, map[string]time.Time{}
	for name, t := range old.Unseen {
		if age := now.Sub(t); age >= 0 && age < unseenFor {
			cs.Unseen[name] = t
		}
	}
	cs.Fields = slices.DeleteFunc(slices.Clone(cs.Fields), func(f crm.Field) bool { return !cs.Unseen[f.Name].IsZero() })
	cs.followChanges(&old, now)
	present := make(map[string]bool, len(cs.Fields))
	for i := range cs.Fields {
		present[cs.Fields[i].Name] = true
	}
	for name, t := range old.Gone {
		if !present[name] {
			cs.Gone[name] = t
		}
	}
	for i := range old.Fields {
		if name := old.Fields[i].Name; !present[name] && cs.Gone[name].IsZero() && len(cs.Gone) < maxGone {
			cs.Gone[name] = now
		}
	}
}
