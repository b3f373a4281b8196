package hubspot

import (
	"context"
	"net/http"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchWrite implements connector.Connector, by one of HubSpot's batches.
//
// Every row of a create, update and upsert has an objectWriteTraceId, its
// number in the call: without it one bad row fails a batch create as a whole.
// Source: docs/api-reference/error-handling (multi-status errors).
func (a *account) BatchWrite(
	ctx context.Context, object string, writes []connector.Write,
) ([]connector.Written, error) {
	op := "hubspot: write " + object
	base, err := path(op, objectsPath, object)
	if err != nil {
		return nil, err
	}
	b := batch{client: a.client, contacts: object == contacts || object == "0-1"}
	b.Batch, err = rows.Prepare(op, writes, batchSize, b.row(op, object))
	if err != nil || len(b.Rows) == 0 {
		return b.outcome(err)
	}
	if b.Kind == connector.Update {
		if err := b.relate(ctx, a, object); err != nil {
			return nil, b.inPart(err)
		}
		if err := b.related(ctx, a, object); err != nil {
			return nil, b.inPart(err)
		}
	}
	var ids []idBody
	var sent []writeBody
	for _, row := range b.Rows {
		if row.Done() {
			continue
		}
		row.Body.TraceID = strconv.Itoa(row.At)
		sent, ids = append(sent, row.Body), append(ids, idBody{row.Body.ID})
	}
	if len(sent) == 0 {
		return b.Out, nil
	}
	b.call = rest.Request{
		Op: b.Op, Method: http.MethodPost, Path: base + "/batch/" + string(b.Kind), Write: true,
		Body: batchWriteBody{sent},
	}
	if b.Kind == connector.Archive {
		b.call.Body = archiveBody{ids}
		return b.archive(ctx)
	}
	var ans batchAnswer
	if b.got, err = a.client.Call(ctx, b.call, &ans); err != nil {
		return b.refused(err)
	}
	if b.Kind == connector.Upsert { // which associates nothing by itself
		b.moved = true
		for i := range ans.Results {
			if row := b.match(&ans.Results[i]); row != nil && recordID(ans.Results[i].ID) {
				row.Body.upserted = ans.Results[i].ID
			}
		}
		if err := b.relate(ctx, a, object); err != nil {
			return nil, b.inPart(err)
		}
	}
	return b.settle(ans), nil
}

// batch is one call of BatchWrite.
type batch struct {
	*rows.Batch[writeBody]

	client   *rest.Client
	contacts bool // they have a unique e-mail
	moved    bool // associations of the batch were written
	call     rest.Request
	got      rest.Answer
}

type batchRow = rows.Row[writeBody]

func (b *batch) outcome(err error) ([]connector.Written, error) {
	if err != nil {
		return nil, err
	}
	return b.Out, nil
}

// row makes what is sent for a write. One that HubSpot could only refuse for the
// whole batch gets its answer here.
func (b *batch) row(op, object string) func(connector.Write) (writeBody, crm.RecordID, error) {
	return func(w connector.Write) (writeBody, crm.RecordID, error) {
		row := writeBody{Properties: texts(w.Fields)}
		if err := takeEdges(op, object, w, &row); err != nil {
			return row, w.ID, err
		}
		switch w.Op {
		case connector.Create:
		case connector.Update, connector.Archive:
			if !recordID(string(w.ID)) {
				return row, "", fault.New(op, fault.NotFound, "", "HubSpot has no such record")
			}
			row.ID = string(w.ID)
		case connector.Upsert:
			// With the e-mail of contacts HubSpot would not leave omitted properties
			// alone. Source: api-reference/…/objects/contacts/guide.
			k := w.Key
			if !propertyPattern.MatchString(k.Field) || k.Field == "hs_object_id" || k.Field == emailProperty && b.contacts {
				return row, "", fault.New(op, fault.Invalid, connector.CodeKey,
					"HubSpot upserts by custom properties with unique values only")
			}
			if k.Value == "" {
				return row, "", &fault.Error{
					Op: op, Kind: fault.Invalid, Code: connector.CodeValue, Field: k.Field, Message: "the key is empty",
				}
			}
			row.ID, row.IDProperty = k.Value, k.Field
			delete(row.Properties, k.Field)
		default:
			return row, "", fault.New(op, fault.Unsupported, connector.CodeUnsupported, "HubSpot has no such write")
		}
		return row, w.ID, nil
	}
}

// archive answers 204 whether or not the records were there.
func (b *batch) archive(ctx context.Context) (_ []connector.Written, err error) {
	if b.got, err = b.client.Call(ctx, b.call, nil); err != nil {
		return b.refused(err)
	}
	if b.got.Status != http.StatusNoContent {
		return nil, rest.Malformed(b.call, "HubSpot's answer is not what its documents say")
	}
	b.Receipt = b.client.Receipt(b.call, b.got)
	for _, row := range b.Rows {
		b.Settle(row, connector.Written{ID: row.ID})
	}
	return b.Out, nil
}

// refused handles a call that failed as a whole. Where the refusal is about
// one row, or there is only one, the row gets it and the others may be sent
// again: none of them was written.
func (b *batch) refused(err error) ([]connector.Written, error) {
	e, ofRow := rows.OfRow(err, b.Kind)
	p := problemOf(b.got.Body)
	bad := b.about(p)
	if !ofRow || bad == nil {
		return nil, b.inPart(err)
	}
	for _, row := range b.Rows {
		if row != bad {
			b.Settle(row, connector.Written{
				Err: fault.New(b.Op, fault.Unavailable, connector.CodeBatch, "HubSpot refused the batch because of another record"),
			})
			continue
		}
		b.fail(row, e, p, b.got.Body)
	}
	return b.Out, nil
}

// fail gives a row its refusal, with what was said about it. Of a contact that
// exists already HubSpot says no more than that, and it keeps the e-mail unique by
// itself: other unique properties are named.
func (b *batch) fail(row *batchRow, e *fault.Error, p problem, response []byte) {
	w := connector.Written{Err: e, Exchange: b.exchange(row, response)}
	if e.Kind == fault.Conflict {
		w.Existing = p.existing()
	}
	if _, sent := row.Body.Properties[emailProperty]; sent && b.contacts && e.Code == connector.CodeExists &&
		e.Field == "" {
		e.Field = emailProperty
	}
	if e.Field == "" && b.Kind == connector.Create {
		e.Field = row.Body.refusedEdge(p)
	}
	b.Settle(row, w)
}

func (b *batch) exchange(row *batchRow, response []byte) *connector.Exchange {
	r := b.call
	r.Body = row.Body
	return b.client.Exchange(r, b.got, response)
}

// about returns the row that a refusal is about; nil when it is about all.
func (b *batch) about(p problem) *batchRow {
	if len(p.Context["objectWriteTraceId"]) > 0 || len(p.Context["ids"]) == 1 {
		if named := b.blamed(p); len(named) > 0 {
			return named[0]
		}
	}
	if len(b.Rows) == 1 {
		return b.Rows[0]
	}
	return nil
}

// settle gives every row its answer: results and errors are matched by trace
// ID, else by record ID or key.
func (b *batch) settle(ans batchAnswer) []connector.Written {
	b.Receipt = b.client.Receipt(b.call, b.got)
	for i := range ans.Results {
		res := &ans.Results[i]
		rec, ok := res.record()
		if row := b.match(res); row != nil && ok {
			w := connector.Written{
				ID: rec.ID, Created: b.Kind == connector.Create || b.Kind == connector.Upsert && res.New, Record: &rec,
			}
			row.Body.stored(&w)
			b.Settle(row, w)
		}
	}
	for _, raw := range ans.Errors {
		p := problemOf(raw)
		for _, row := range b.blamed(p) {
			b.fail(row, refusals.Row(b.Op, b.Kind, p.problems()), p, raw)
		}
	}
	return b.Finish("HubSpot", func(row *batchRow) *connector.Exchange { return b.exchange(row, nil) })
}

// match finds the row that a result belongs to.
func (b *batch) match(res *row) *batchRow {
	for _, row := range b.Rows {
		if !row.Done() && res.TraceID != "" && row.Body.TraceID == res.TraceID {
			return row
		}
	}
	for _, row := range b.Rows {
		same := false
		switch b.Kind {
		case connector.Update:
			same = row.Body.ID == res.ID
		case connector.Upsert:
			v := res.Properties[row.Body.IDProperty]
			same = v != nil && fold(*v) == fold(row.Body.ID)
		case connector.Create, connector.Archive:
			same = len(b.Rows) == 1
		}
		if same && !row.Done() {
			return row
		}
	}
	return nil
}

// blamed returns the rows that an error is about.
func (b *batch) blamed(p problem) []*batchRow {
	by := func(names []string, of func(*batchRow) string) (out []*batchRow) {
		for _, name := range names {
			for _, row := range b.Rows {
				if of(row) == name {
					out = append(out, row)
				}
			}
		}
		return out
	}
	out := by(p.Context["objectWriteTraceId"], func(r *batchRow) string { return r.Body.TraceID })
	if len(out) > 0 || b.Kind == connector.Create {
		return out
	}
	return by(p.Context["ids"], func(r *batchRow) string { return r.Body.ID })
}
