package modelapp

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// Via carries a call to the app and its answer back. The default runs it on the
// spot; a test may put a network in between.
type Via func(ctx context.Context, run func() (any, error)) (any, error)

// Open returns a connector to the app. Tokens may be nil: then none is asked
// for. Via may be nil.
func (a *App) Open(tokens connector.Tokens, via Via) connector.Connector {
	return &client{app: a, tokens: tokens, via: via}
}

// client is the connector of an app.
type client struct {
	app    *App
	tokens connector.Tokens
	via    Via
}

var errToken = fault.New("model: call", fault.Denied, "token_refused", "the token is not valid")

// ask makes one call, and repeats it once with a fresh token.
func ask[T any](ctx context.Context, c *client, write bool, f func(a *App) (T, error)) (T, error) {
	out, stale, err := try(ctx, c, f)
	if err == error(errToken) { //nolint:errorlint // our own, never wrapped
		if _, err = c.tokens.Renew(ctx, stale); err == nil {
			out, _, err = try(ctx, c, f)
		}
		if err == error(errToken) { //nolint:errorlint // as above
			err = fault.New("model: call", fault.Denied, "reauthorization_required", "the app refuses every token")
		}
	}
	if f, ok := err.(*fault.Error); ok && f.Kind == fault.Unavailable && //nolint:errorlint // classified one step below
		write {
		lost := *f
		lost.MayHaveLanded = true
		err = &lost
	}
	return out, err
}

func try[T any](ctx context.Context, c *client, f func(a *App) (T, error)) (out T, token secret.Text, err error) {
	if err := ctx.Err(); err != nil {
		return out, token, fault.Wrap("model: call", fault.Unavailable, err)
	}
	if c.tokens != nil {
		if token, err = c.tokens.Token(ctx); err != nil {
			return out, token, err
		}
	}
	run := func() (any, error) {
		c.app.mu.Lock()
		defer c.app.mu.Unlock()
		c.app.calls++
		if c.tokens != nil && (c.app.gone || token.Reveal() != c.app.valid) {
			return out, errToken
		}
		return f(c.app)
	}
	if c.via == nil {
		got, err := run()
		return got.(T), token, err
	}
	got, err := c.via(ctx, run)
	if answer, ok := got.(T); ok {
		return answer, token, err
	}
	if err == nil {
		err = malformed("the answer is not one to this call")
	}
	return out, token, err
}

func malformed(why string) error {
	return fault.New("model: call", fault.Unavailable, "malformed_answer", why)
}

// App implements connector.Connector.
func (c *client) App() crm.App { return c.app.opts.describe() }

// Test implements connector.Connector.
func (c *client) Test(ctx context.Context) (connector.Identity, error) {
	return ask(ctx, c, false, func(a *App) (connector.Identity, error) {
		return connector.Identity{ExternalID: string(a.opts.ID) + "-1", Name: "Model account"}, nil
	})
}

// Self is one of connector.Extras.
func (c *client) Self(ctx context.Context) (string, error) {
	return ask(ctx, c, false, func(*App) (string, error) { return ourUser, nil })
}

// Objects implements connector.Connector.
func (c *client) Objects(ctx context.Context) ([]crm.Object, error) {
	return ask(ctx, c, false, func(a *App) ([]crm.Object, error) { return a.opts.describe().Objects, nil })
}

// Fields implements connector.Connector.
func (c *client) Fields(ctx context.Context, object string) ([]crm.Field, error) {
	return ask(ctx, c, false, func(a *App) ([]crm.Field, error) {
		return slices.DeleteFunc(a.opts.fields(), func(f crm.Field) bool { return a.archived[f.Name] }), checkObject(object)
	})
}

func checkObject(object string) error {
	if object != Object {
		return fault.New("model: call", fault.NotFound, "object_not_found", "there is no such object")
	}
	return nil
}

// BatchRead implements connector.Connector.
func (c *client) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if err := c.fits(len(ids), c.app.opts.ReadBatch); err != nil {
		return nil, err
	}
	return ask(ctx, c, false, func(a *App) ([]connector.Read, error) {
		if err := a.asked("read", fields); err != nil {
			return nil, err
		}
		out := make([]connector.Read, len(ids))
		for i, id := range ids {
			out[i].ID = id
			r, err := a.live(id)
			switch gone := a.rows[id]; {
			case a.broken[id]:
				out[i].Err = fault.New("model: read", fault.Unavailable, "malformed_answer", "the record cannot be shown")
			case err == nil:
				rec := a.show(a.complete(r.record(fields), fields))
				out[i].Record = &rec
			case gone != nil && gone.into != "" && !a.purged(gone.modified, a.opts.Now()) && (a.opts.Merges || a.opts.Absorbs):
				out[i].Record = a.mergedAway(gone)
			default:
				out[i].Err = err
			}
		}
		return out, checkObject(object)
	})
}

// mergedAway is what a read of a record that lost a merge answers.
func (a *App) mergedAway(r *row) *crm.Record {
	out := &crm.Record{ID: r.id, Deleted: true, MergedInto: r.into, ModifiedAt: r.modified}
	if a.opts.Absorbs {
		if s := a.lives(r); s != nil {
			out.MergedInto, out.Merged = s.id, s.absorbed
		}
	}
	return out
}

// Absorbed is one of connector.Extras.
func (c *client) Absorbed(ctx context.Context, object string, ids []crm.RecordID) ([][]crm.RecordID, error) {
	return ask(ctx, c, false, func(a *App) ([][]crm.RecordID, error) {
		out := make([][]crm.RecordID, len(ids))
		for i, id := range ids {
			if r := a.rows[id]; r != nil && a.opts.Merges {
				out[i] = slices.Clone(r.absorbed)
			}
		}
		return out, checkObject(object)
	})
}

// show leaves out of a record what the app does not tell.
func (a *App) show(r crm.Record) crm.Record {
	if !a.opts.Merges {
		r.MergedInto = ""
	}
	if !a.opts.Absorbs {
		r.Merged = nil
	}
	return r
}

// BatchFind implements connector.Connector.
func (c *client) BatchFind(
	ctx context.Context, object string, field crm.Field, values []string, fields []string,
) ([][]crm.Record, error) {
	if len(values) == 0 {
		return nil, nil
	}
	if err := c.fits(len(values), c.app.opts.FindBatch); err != nil {
		return nil, err
	}
	return ask(ctx, c, false, func(a *App) ([][]crm.Record, error) {
		if !a.has(field.Name) {
			return nil, &fault.Error{Op: "model: find", Kind: fault.Invalid, Code: codeMissing, Field: field.Name}
		}
		if err := a.asked("find", fields); err != nil {
			return nil, err
		}
		return a.find(field.Name, values, fields), checkObject(object)
	})
}

// find compares as most apps do, without regard to case and surrounding blanks,
// or letter by letter.
func (a *App) find(field string, values, fields []string) [][]crm.Record {
	loose := func(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
	if a.opts.Literal {
		loose = func(s string) string { return s }
	}
	asked := make(map[string][]int, len(values))
	for i, v := range values {
		if v = loose(v); v != "" {
			asked[v] = append(asked[v], i)
		}
	}
	out := make([][]crm.Record, len(values))
	now := a.opts.Now()
	for _, r := range a.order {
		v := a.indexed(r, now)
		if a.opts.FindNow {
			v = &view{fields: r.fields, modified: r.modified, deleted: r.deleted, known: true}
		}
		if !v.known || v.deleted {
			continue
		}
		for _, i := range asked[loose(v.fields[field].Text())] {
			out[i] = append(out[i], a.show(a.complete(v.record(r, fields), fields)))
		}
	}
	return out
}

// FindLag is one of connector.Extras.
func (c *client) FindLag(string, crm.Field) time.Duration {
	if c.app.opts.FindNow {
		return 0
	}
	return c.app.opts.Lag
}

// History is one of connector.Extras.
func (c *client) History(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]map[string][]crm.Value, error) {
	return ask(ctx, c, false, func(a *App) ([]map[string][]crm.Value, error) {
		out := make([]map[string][]crm.Value, len(ids))
		for i, id := range ids {
			r := a.rows[id]
			if r == nil {
				continue
			}
			out[i] = map[string][]crm.Value{}
			for _, f := range fields {
				out[i][f] = slices.Clone(r.past[f])
			}
		}
		return out, checkObject(object)
	})
}

func (c *client) fits(n, limit int) error {
	if n > limit {
		return fault.New("model: call", fault.Invalid, "batch_too_large", "the batch is too large for one call")
	}
	return nil
}

// record is the record as it is now, with the fields wanted.
func (r *row) record(fields []string) crm.Record {
	v := view{fields: r.fields, modified: r.modified, deleted: r.deleted, into: r.into, absorbed: r.absorbed}
	return v.record(r, fields)
}

func (v *view) record(r *row, fields []string) crm.Record {
	out := crm.Record{
		ID: r.id, ModifiedAt: v.modified, ModifiedBy: r.by, CreatedAt: r.created, Deleted: v.deleted,
		MergedInto: v.into, Merged: v.absorbed, Etag: r.etag(), Fields: make(crm.Fields, len(fields)),
	}
	for _, f := range fields {
		if x, ok := v.fields[f]; ok {
			out.Fields[f] = x
		}
	}
	return out
}

// Extras implements connector.Connector.
func (c *client) Extras() connector.Extras {
	x := connector.Extras{Self: c.Self, FindLag: c.FindLag}
	can := c.App().Can
	if can(crm.AbilityHistory) {
		x.History = c.History
	}
	if can(crm.AbilityArchiveSweep) {
		x.Deleted = c.Deleted
	}
	if can(crm.AbilityAbsorbed) {
		x.Absorbed = c.Absorbed
	}
	return x
}

var _ connector.Connector = (*client)(nil)
