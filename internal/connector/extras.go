package connector

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Extras is what an app can do besides the core: a func each, nil = it cannot.
// They are data, so that a decorator passes on all of them in one place (Around)
// and one that adds nothing to them need not know them at all.
//
// The tag ability names the claim of the app that goes with a func: who claims
// it has the func, and who has it claims it. "-" = there is no such claim.
type Extras struct {
	// Deleted returns one page of IDs deleted since cursor ("" = all the app
	// still knows); next and cursor as in ChangesPage. It is for apps whose
	// deletions come by a listing of their own, and asked for at most daily.
	Deleted func(ctx context.Context, object, cursor, position string) (DeletedPage, error) `ability:"archive_sweep"`

	// History returns, for each of up to Limits.ReadBatch records, each wanted
	// field's values, newest first, the present one included.
	History func(ctx context.Context, object string, ids []crm.RecordID, fields []string) (
		[]map[string][]crm.Value, error) `ability:"history"`

	// Absorbed returns, for each of up to Limits.ReadBatch records, those that
	// were merged into it, as far back as the app remembers. It is for apps that
	// tell of merges with the deletions only.
	Absorbed func(ctx context.Context, object string, ids []crm.RecordID) ([][]crm.RecordID, error) `ability:"absorbed"`

	// CreateField makes a custom field.
	CreateField func(ctx context.Context, object string, f crm.Field) (crm.Field, error) `ability:"create_field"`

	// DeleteField deletes a custom field with what records hold in it, or archives
	// it where the app does that. NotFound when there is none; Invalid for a field
	// of the app's own, and for one that the app itself still uses.
	DeleteField func(ctx context.Context, object, field string) error `ability:"delete_field"`

	// OwnerByEmail returns the app's user ID. NotFound when there is none.
	OwnerByEmail func(ctx context.Context, email string) (string, error) `ability:"owners"`
	// OwnerEmail returns a user's e-mail. NotFound when there is none.
	OwnerEmail func(ctx context.Context, id string) (string, error) `ability:"owners"`

	// Self returns our own user there, as Record.ModifiedBy names it.
	Self func(ctx context.Context) (string, error) `ability:"-"`

	// FindLag says which fields are looked up with less index lag than the app's,
	// such as HubSpot's unique properties by a batch read. It follows from the
	// field's schema alone, and makes no call. See the function FindLag.
	FindLag func(object string, field crm.Field) time.Duration `ability:"-"`
}

// FindLag is how long a record just written may stay invisible to look-ups by
// a field: the index lag of the app, where it does not say less of the field.
func FindLag(c Connector, object string, field crm.Field) time.Duration {
	if lag := c.Extras().FindLag; lag != nil {
		return lag(object, field)
	}
	return c.App().Limits.IndexLag
}

// Around returns the extras with do around each call that they make. do gets
// the call's name, as metrics count it, and answers with what becomes of it; a
// call that ends in an error has no other answer.
func (x Extras) Around(do func(ctx context.Context, method string, call func() error) error) Extras {
	if f := x.Deleted; f != nil {
		x.Deleted = func(ctx context.Context, object, cursor, position string) (DeletedPage, error) {
			return around(ctx, do, "deleted", func() (DeletedPage, error) { return f(ctx, object, cursor, position) })
		}
	}
	if f := x.History; f != nil {
		x.History = func(ctx context.Context, object string, ids []crm.RecordID, fields []string) (
			[]map[string][]crm.Value, error,
		) {
			return around(ctx, do, "history", func() ([]map[string][]crm.Value, error) { return f(ctx, object, ids, fields) })
		}
	}
	if f := x.Absorbed; f != nil {
		x.Absorbed = func(ctx context.Context, object string, ids []crm.RecordID) ([][]crm.RecordID, error) {
			return around(ctx, do, "absorbed", func() ([][]crm.RecordID, error) { return f(ctx, object, ids) })
		}
	}
	if f := x.CreateField; f != nil {
		x.CreateField = func(ctx context.Context, object string, field crm.Field) (crm.Field, error) {
			return around(ctx, do, "create_field", func() (crm.Field, error) { return f(ctx, object, field) })
		}
	}
	if f := x.DeleteField; f != nil {
		x.DeleteField = func(ctx context.Context, object, field string) error {
			return do(ctx, "delete_field", func() error { return f(ctx, object, field) })
		}
	}
	if f := x.OwnerByEmail; f != nil {
		x.OwnerByEmail = func(ctx context.Context, email string) (string, error) {
			return around(ctx, do, "owner_by_email", func() (string, error) { return f(ctx, email) })
		}
	}
	if f := x.OwnerEmail; f != nil {
		x.OwnerEmail = func(ctx context.Context, id string) (string, error) {
			return around(ctx, do, "owner_email", func() (string, error) { return f(ctx, id) })
		}
	}
	if f := x.Self; f != nil {
		x.Self = func(ctx context.Context) (string, error) {
			return around(ctx, do, "self", func() (string, error) { return f(ctx) })
		}
	}
	return x
}

// around makes one call within do.
func around[T any](
	ctx context.Context, do func(context.Context, string, func() error) error, method string, call func() (T, error),
) (T, error) {
	var zero, out T
	err := do(ctx, method, func() (err error) { out, err = call(); return err })
	if err != nil {
		return zero, err
	}
	return out, nil
}
