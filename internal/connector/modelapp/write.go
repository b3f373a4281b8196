package modelapp

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func (r *row) etag() string { return strconv.Itoa(r.version) }

// address is where the app says that it takes writes.
const address = "https://model.example/" + Object

// receipt is what the log keeps of every write that was made.
var receipt = &connector.Exchange{Method: "POST", URL: address, Status: 200}

// BatchWrite implements connector.Connector.
func (c *client) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	if len(writes) == 0 {
		return nil, nil
	}
	if err := c.fits(len(writes), c.app.opts.WriteBatch); err != nil {
		return nil, err
	}
	op := writes[0].Op
	if op == connector.Upsert && !c.app.opts.Upsert || op == connector.Archive && !c.app.opts.Archive {
		return nil, fault.New("model: write", fault.Unsupported, "", "the app cannot do this")
	}
	return ask(ctx, c, true, func(a *App) ([]connector.Written, error) {
		if err := checkObject(object); err != nil {
			return nil, err
		}
		out := make([]connector.Written, len(writes))
		for i := range writes {
			out[i] = a.write(&writes[i])
		}
		return out, nil
	})
}

// write makes one write and tells what became of it.
func (a *App) write(w *connector.Write) connector.Written {
	r, created, err := a.apply(w)
	if err != nil {
		out := connector.Written{
			Err: err, Exchange: &connector.Exchange{
				Method: "POST", URL: address, Status: 400, Response: fault.CodeOf(err),
			},
		}
		var exists existsError
		if errors.As(err, &exists) {
			out.Existing = exists.id
		}
		return out
	}
	out := connector.Written{ID: r.id, Created: created, Exchange: receipt}
	if a.opts.AnswerValues && w.Op != connector.Archive {
		rec := r.record(slices.DeleteFunc(slices.Clone(a.names), func(f string) bool { return a.archived[f] }))
		out.Record = &rec
	} else {
		out.At = a.now()
	}
	return out
}

func (a *App) apply(w *connector.Write) (r *row, created bool, err error) {
	switch w.Op {
	case connector.Create:
		r, err = a.create(w.Fields, w.Ref, false)
		return r, true, err
	case connector.Upsert:
		f := w.Fields.Clone()
		if f == nil {
			f = crm.Fields{}
		}
		f[w.Key.Field] = crm.TextValue(w.Key.Value)
		for _, r := range a.order {
			if !r.deleted && r.fields[w.Key.Field].Text() == w.Key.Value {
				return r, false, a.update(r, f, w.Ref, false)
			}
		}
		r, err = a.create(f, w.Ref, false)
		return r, true, err
	case connector.Update, connector.Archive:
	}
	if r, err = a.live(w.ID); err != nil {
		return nil, false, err
	}
	if w.Etag != "" && a.opts.Conditional && w.Etag != r.etag() {
		return nil, false, fault.New("model: write", fault.Conflict, "changed_meanwhile", "the record was changed meanwhile")
	}
	if w.Op == connector.Archive {
		a.remove(r, "", w.Ref, false)
		return r, false, nil
	}
	return r, false, a.update(r, w.Fields, w.Ref, false)
}
