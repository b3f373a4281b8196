package pipedrive

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchWrite implements connector.Connector: one record a call, which is all that
// Pipedrive takes. A change of e-mails, phones or participants reads the record
// before.
// Source: openapi v2, addPerson, updatePerson, deletePerson.
func (a *account) BatchWrite(ctx context.Context, name string, writes []connector.Write) ([]connector.Written, error) {
	op := "pipedrive: write"
	o, err := find(op, name, 0, 0)
	if err != nil {
		return nil, err
	}
	op += " " + o.id
	b, err := rows.Prepare(op, writes, 1, func(w connector.Write) (rest.Request, crm.RecordID, error) {
		return a.request(ctx, op, o, w)
	})
	if err != nil {
		return nil, err
	}
	if len(b.Rows) == 0 {
		return b.Out, ctx.Err()
	}
	sent := b.Rows[0]
	out, got, err := call[row](ctx, a, sent.Body)
	if e, ofRow := rows.OfRow(err, b.Kind); ofRow {
		b.Settle(sent, connector.Written{ID: sent.ID, Err: e, Exchange: a.client.Exchange(sent.Body, got, got.Body)})
		return b.Out, nil
	}
	if err != nil {
		return nil, err
	}
	one, ok := id(string(out.Data["id"]))
	if !ok || sent.ID != "" && sent.ID != one {
		return nil, rest.Malformed(sent.Body, "the answer names another record than was written")
	}
	w := connector.Written{ID: one, Created: b.Kind == connector.Create, At: got.Now}
	if b.Kind != connector.Archive {
		fields := slices.Collect(maps.Keys(writes[0].Fields))
		// Without the types, which cannot be asked for now, options show as numbers.
		types, _ := a.typesFor(ctx, op, o, []row{out.Data}, fields)
		rec, err := out.Data.record(sent.Body, fields, types)
		if err != nil {
			return nil, err
		}
		w.Record = &rec
	}
	b.Receipt = a.client.Receipt(sent.Body, got)
	b.Settle(sent, w)
	return b.Out, nil
}

// methods are the writes that there are: no upserts.
var methods = map[connector.Op]string{
	connector.Create: http.MethodPost, connector.Update: http.MethodPatch, connector.Archive: http.MethodDelete,
}

// request makes the call of a write. One that Pipedrive could only refuse is refused here.
func (a *account) request(
	ctx context.Context, op string, o object, w connector.Write,
) (r rest.Request, one crm.RecordID, err error) {
	method, ok := methods[w.Op]
	if !ok {
		return r, "", fault.New(op, fault.Unsupported, connector.CodeUnsupported, "Pipedrive has no such write")
	}
	r = rest.Request{Op: op, Method: method, Path: o.path(), Write: true}
	if w.Op != connector.Create {
		if one, ok = id(string(w.ID)); !ok {
			return r, "", fault.New(op, fault.NotFound, "", "Pipedrive has no such record")
		}
		r.Path += "/" + string(one)
	}
	if w.Op == connector.Archive {
		return r, one, nil
	}
	var was answer[row]
	kept := lists // what a write replaces whole
	if o.about != nil {
		kept = []string{person}
	}
	if one != "" && slices.ContainsFunc(kept, func(f string) bool { return w.Fields[f].Kind() != crm.Absent }) {
		if was, _, err = call[row](ctx, a, rest.Request{Op: op, Path: r.Path}); err != nil {
			return r, one, err
		}
	}
	r.Body, err = a.body(ctx, op, o, w.Fields, was.Data)
	return r, one, err
}
