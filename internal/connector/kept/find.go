package kept

import (
	"context"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	// most is how many records may hold one value that is looked up.
	most = 200
	// maxFindable bounds the values that lead to one record: they are written together.
	maxFindable = 24
)

// findable are the values that a record can be found by: addresses, and numbers by their
// digits. Which fields hold them is of no account: what is found is compared again.
func findable(fields crm.Fields) []string {
	var out []string
	for _, v := range fields {
		for _, text := range v.Items() {
			if k := keyOf(text); k != "" {
				out = append(out, k)
			}
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxFindable)]
}

// keyOf is what an address or a number is found by, "" for any other text.
func keyOf(text string) string {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > 320: // longer than any address
		return ""
	case strings.Count(text, "@") == 1 && !strings.ContainsAny(text, " \t\n"):
		return "mail:" + fold(text)
	}
	if n := len(digits(text)); n >= 7 && n <= 20 && strings.Trim(text, "0123456789 +-.()/x") == "" {
		return "digits:" + digits(text)
	}
	return ""
}

func fold(text string) string { return strings.ToLower(strings.TrimSpace(text)) }

func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// BatchFind implements connector.Connector.
func (c *conn) BatchFind(
	ctx context.Context, object string, field crm.Field, values, fields []string,
) ([][]crm.Record, error) {
	const op = "kept: find"
	if len(values) > findBatch {
		return nil, fault.New(op, fault.Invalid, connector.CodeTooLarge, "more values than one call takes")
	}
	names := append([]string{field.Name}, field.Also...)
	out := make([][]crm.Record, len(values))
	var apart []int // values of no items of their own
	for i, v := range values {
		if keyOf(v) == "" {
			if fold(v) != "" {
				apart = append(apart, i)
			}
			continue
		}
		held, err := c.book.holding(ctx, object, keyOf(v))
		if err != nil {
			return nil, err
		}
		for _, r := range held {
			if holds(r, names, v) {
				out[i] = append(out[i], record(r, fields))
			}
		}
	}
	if len(apart) > 0 {
		err := c.book.each(ctx, object, func(r *store.Kept) {
			for _, i := range apart {
				if holds(r, names, values[i]) {
					out[i] = append(out[i], record(r, fields))
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(out, func(l []crm.Record) bool { return len(l) > most }) {
		return nil, fault.New(op, fault.Invalid, connector.CodeMatches, "the value is held by too many records")
	}
	return out, nil
}

// holds reports whether one of the fields holds a value, as it is looked up.
func holds(r *store.Kept, names []string, value string) bool {
	key := keyOf(value)
	for _, f := range names {
		for _, text := range r.Fields[f].Items() {
			if fold(text) == fold(value) || key != "" && keyOf(text) == key {
				return true
			}
		}
	}
	return false
}

// holding reads the records that a value leads to, one more than may hold it at most.
func (b book) holding(ctx context.Context, object, key string) ([]*store.Kept, error) {
	q := store.KeptValueQuery(b.ws, b.account, object, key)
	q.Limit = most + 1
	var ids []crm.RecordID
	for len(ids) <= most {
		page, err := b.Store.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, it := range page.Items {
			ids = append(ids, crm.RecordID(it.Data))
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	all, err := b.read(ctx, object, ids)
	return slices.DeleteFunc(all, func(r *store.Kept) bool { return r == nil }), err
}

// each calls f for every record that is kept of an object.
func (b book) each(ctx context.Context, object string, f func(*store.Kept)) error {
	for _, q := range store.KeptRecords(b.ws, b.account, object) {
		q.Limit = store.MaxLimit
		for {
			page, err := b.Store.Query(ctx, q)
			if err != nil {
				return err
			}
			for _, it := range page.Items {
				r, ok, err := store.DecodeKept(it)
				if err != nil {
					return err
				}
				if ok {
					f(&r)
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	return nil
}
