package intercom

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchWrite implements connector.Connector: one record a call, and one more for each tag
// that is put on or taken off.
// Source: POST and PUT /contacts, /contacts/{id}/archive, POST and PUT /companies.
func (a *account) BatchWrite(ctx context.Context, name string, writes []connector.Write) ([]connector.Written, error) {
	op := "intercom: write"
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
	var out row
	got, err := a.client.Call(ctx, sent.Body, &out)
	if e, ofRow := rows.OfRow(err, b.Kind); ofRow {
		b.Settle(sent, connector.Written{
			ID: sent.ID, Existing: twin(got.Body), Err: e, Exchange: a.client.Exchange(sent.Body, got, got.Body),
		})
		return b.Out, nil
	}
	if err != nil {
		return nil, err
	}
	one, ok := id(out.text("id"))
	if !ok || sent.ID != "" && sent.ID != one {
		return nil, rest.Malformed(sent.Body, "the answer names another record than was written")
	}
	w := connector.Written{ID: one, Created: b.Kind == connector.Create, At: got.Now}
	if b.Kind != connector.Archive {
		rec, err := a.stored(ctx, op, o, sent.Body, out, writes[0].Fields)
		if err != nil {
			return nil, err
		}
		w.Record = &rec
	}
	b.Receipt = a.client.Receipt(sent.Body, got)
	b.Settle(sent, w)
	return b.Out, nil
}

// stored is the record as it is after the write, and after that of its tags. What fails on
// the way leaves a record that was written in part.
func (a *account) stored(
	ctx context.Context, op string, o object, r rest.Request, out row, fields crm.Fields,
) (crm.Record, error) {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(fields)), func(f string) bool {
		return f == tagField && o == contacts
	})
	rec, err := a.record(ctx, r, o, out, names)
	wanted, tagged := fields[tagField]
	if err != nil || !tagged || wanted.Kind() == crm.Absent || o != contacts {
		return rec, err
	}
	if err := a.retag(ctx, op, out, wanted.Items()); err != nil {
		return rec, &fault.Error{
			Op: op, Kind: fault.Unavailable, Err: err, RetryAfter: fault.RetryAfter(err), MayHaveLanded: true,
			Message: "the contact was written, and its tags were not",
		}
	}
	rec.Fields[tagField] = wanted
	return rec, nil
}

// request makes the call of a write. One that Intercom could only refuse is refused here.
func (a *account) request(
	ctx context.Context, op string, o object, w connector.Write,
) (r rest.Request, one crm.RecordID, err error) {
	r = rest.Request{Op: op, Method: http.MethodPost, Path: o.path(), Write: true}
	if w.Op == connector.Upsert {
		return r, "", fault.New(op, fault.Unsupported, connector.CodeUnsupported, "Intercom has no such write")
	}
	if w.Op != connector.Create {
		var ok bool
		if one, ok = id(string(w.ID)); !ok {
			return r, "", gone(op)
		}
		r.Method, r.Path = http.MethodPut, r.Path+"/"+string(one)
	}
	if w.Op == connector.Archive {
		if r.Method = http.MethodDelete; o == contacts {
			r.Method, r.Path = http.MethodPost, r.Path+"/archive"
		}
		return r, one, nil
	}
	body, err := a.body(ctx, op, o, w.Fields)
	if err != nil {
		return r, one, err
	}
	if w.Op == connector.Create {
		if err := a.begin(ctx, op, o, body); err != nil {
			return r, one, err
		}
	}
	r.Body = body
	return r, one, nil
}

// begin makes sure that a new record is one: a contact without an e-mail is a lead, and a
// company must have an ID of its own that no other one has.
func (a *account) begin(ctx context.Context, op string, o object, body map[string]any) error {
	if o == contacts {
		if body["email"] == nil && body["external_id"] == nil && body["role"] == nil {
			body["role"] = "lead"
		}
		return nil
	}
	own, ok := body["company_id"].(crm.Value)
	if !ok || own.Blank() {
		return &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeRequired, Field: "company_id",
			Message: "a company of Intercom needs an ID of its own",
		}
	}
	var there found
	_, err := a.client.Call(ctx, rest.Request{Op: op, Path: o.path(), Query: url.Values{"company_id": {own.Text()}}},
		&there)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case len(there.Data) > 0:
		return &fault.Error{
			Op: op, Kind: fault.Conflict, Code: connector.CodeExists, Field: "company_id",
			Message: "Intercom has a company of this ID",
		}
	}
	return nil
}
