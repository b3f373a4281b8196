package hubspot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// maxExchange bounds each body of an exchange kept for the log, in bytes.
const maxExchange = 64 << 10

// BatchWrite implements connector.Connector, by one of HubSpot's batches.
//
// Every row of a create, update and upsert has an objectWriteTraceId, its
// number in the call: without it one bad row fails a batch create as a whole.
// Source: docs/api-reference/error-handling (multi-status errors).
func (a *account) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	op := "hubspot: write " + object
	if len(writes) > batchSize {
		return nil, tooMany(op, batchSize)
	}
	base, err := path(op, objectsPath, object)
	if err != nil {
		return nil, err
	}
	if len(writes) == 0 {
		return nil, nil
	}
	kind := writes[0].Op
	b := batch{op: op + ": " + string(kind), kind: kind, writes: writes, out: make([]connector.Written, len(writes)), contacts: object == "contacts" || object == "0-1"}
	if err := b.prepare(object); err != nil {
		return nil, err
	}
	if len(b.rows) == 0 {
		return b.out, nil
	}
	b.url = base + "/batch/" + string(kind)
	if kind == connector.Archive {
		return b.archive(ctx, a.client)
	}
	var ans batchAnswer
	r := request{op: b.op, method: http.MethodPost, path: b.url, write: true, body: batchWriteBody{b.rows}}
	got, err := a.client.call(ctx, r, &ans)
	if err != nil {
		return b.refused(got, err)
	}
	return b.settle(got, ans), nil
}

// batch is one call of BatchWrite.
type batch struct {
	op   string
	url  string
	kind connector.Op

	contacts bool // they have a unique e-mail

	writes []connector.Write
	rows   []writeBody
	index  map[string]int // of a write, by its row's trace ID
	out    []connector.Written
}

// prepare makes the rows. A write that HubSpot could only refuse for the whole
// batch gets its answer here.
func (b *batch) prepare(object string) error {
	b.index = make(map[string]int, len(b.writes))
	for i, w := range b.writes {
		if w.Op != b.kind {
			return fault.New(b.op, fault.Invalid, connector.CodeMixed, "all writes of a call must be of one kind")
		}
		row := writeBody{TraceID: strconv.Itoa(i), Properties: wire(w.Fields)}
		switch w.Op {
		case connector.Create:
		case connector.Update, connector.Archive:
			if !recordID(string(w.ID)) {
				b.out[i].Err = fault.New(b.op, fault.NotFound, "", "HubSpot has no such record")
				continue
			}
			row.ID = string(w.ID)
		case connector.Upsert:
			if err := checkKey(b.op, object, w.Key); err != nil {
				b.out[i].Err = err
				continue
			}
			row.ID, row.IDProperty = w.Key.Value, w.Key.Field
			delete(row.Properties, w.Key.Field)
		default:
			return fault.New(b.op, fault.Unsupported, "", "HubSpot has no such write")
		}
		b.index[row.TraceID] = i
		b.rows = append(b.rows, row)
	}
	return nil
}

// checkKey refuses keys that HubSpot does not upsert by. With the e-mail of
// contacts it would not leave omitted properties alone.
// Source: api-reference/…/objects/contacts/guide.
func checkKey(op, object string, k connector.Key) error {
	switch {
	case !propertyPattern.MatchString(k.Field) || k.Field == "hs_object_id" || k.Field == "email" && (object == "contacts" || object == "0-1"):
		return &fault.Error{Op: op, Kind: fault.Invalid, Code: connector.CodeKey, Message: "HubSpot upserts by custom properties with unique values only"}
	case k.Value == "":
		return &fault.Error{Op: op, Kind: fault.Invalid, Code: connector.CodeValue, Field: k.Field, Message: "the key is empty"}
	}
	return nil
}

// archive answers 204 whether or not the records were there.
func (b *batch) archive(ctx context.Context, c *client) ([]connector.Written, error) {
	ids := struct {
		Inputs []idBody `json:"inputs"`
	}{}
	for _, row := range b.rows {
		ids.Inputs = append(ids.Inputs, idBody{row.ID})
	}
	got, err := c.call(ctx, request{op: b.op, method: http.MethodPost, path: b.url, write: true, body: ids}, nil)
	if err != nil {
		return b.refused(got, err)
	}
	if got.status != http.StatusNoContent {
		return nil, malformed(request{op: b.op, write: true}, "HubSpot's answer is not what its documents say")
	}
	for _, row := range b.rows {
		b.out[b.index[row.TraceID]].ID = crm.RecordID(row.ID)
	}
	return b.out, nil
}

// refused handles a call that failed as a whole. Where the refusal is about
// one row, or there is only one, the row gets it and the others may be sent
// again: none of them was written.
func (b *batch) refused(got answer, err error) ([]connector.Written, error) {
	kind := fault.KindOf(err)
	if fault.MayHaveLanded(err) || kind != fault.Invalid && kind != fault.Conflict && kind != fault.NotFound || fault.CodeOf(err) == connector.CodeObject {
		return nil, err
	}
	var p problem
	_ = json.Unmarshal(got.raw, &p) // what is not JSON names no row
	bad, ok := b.about(p)
	if !ok {
		return nil, err
	}
	for _, row := range b.rows {
		i := b.index[row.TraceID]
		if i != bad {
			b.out[i].Err = fault.New(b.op, fault.Unavailable, connector.CodeBatch, "HubSpot refused the batch because of another record")
			continue
		}
		var e *fault.Error
		if !errors.As(err, &e) {
			return nil, err
		}
		b.blameEmail(e, row)
		b.fail(i, row, got, e, got.raw)
		if kind == fault.Conflict {
			b.out[i].Existing = p.existing()
		}
	}
	return b.out, nil
}

// blameEmail names the field of a contact that exists already: HubSpot says no
// more than that, and of contacts it keeps the e-mail unique by itself. Other
// unique properties are named.
func (b *batch) blameEmail(e *fault.Error, row writeBody) {
	if _, sent := row.Properties["email"]; sent && b.contacts && e.Code == connector.CodeExists && e.Field == "" {
		e.Field = "email"
	}
}

// about returns the write that a refusal is about.
func (b *batch) about(p problem) (int, bool) {
	if i, ok := b.index[p.Context.first("objectWriteTraceId")]; ok {
		return i, true
	}
	if ids := p.Context["ids"]; len(ids) == 1 && b.kind != connector.Create {
		for _, row := range b.rows {
			if row.ID == ids[0] {
				return b.index[row.TraceID], true
			}
		}
	}
	if len(b.rows) == 1 {
		return b.index[b.rows[0].TraceID], true
	}
	return 0, false
}

// settle gives every row its answer: results and errors are matched by trace
// ID, else by record ID or key. A row that HubSpot says nothing about may have
// been written.
func (b *batch) settle(got answer, ans batchAnswer) []connector.Written {
	done := make([]bool, len(b.writes))
	for i := range ans.Results {
		if at, ok := b.match(&ans.Results[i], done); ok {
			done[at] = b.succeed(at, &ans.Results[i])
		}
	}
	for _, raw := range ans.Errors {
		var p problem
		_ = json.Unmarshal(raw, &p) // what is no object names no row
		for _, row := range b.blamed(p) {
			at := b.index[row.TraceID]
			if done[at] {
				continue
			}
			done[at] = true
			e, existing := rowError(b.op, b.kind, p)
			b.blameEmail(e, row)
			b.fail(at, row, got, e, raw)
			b.out[at].Existing = existing
		}
	}
	for _, row := range b.rows {
		at := b.index[row.TraceID]
		if !done[at] {
			e := &fault.Error{Op: b.op, Kind: fault.Unavailable, Code: connector.CodeMalformed, Message: "HubSpot's answer does not name the record", MayHaveLanded: true}
			b.fail(at, row, got, e, nil)
		}
	}
	return b.out
}

// match finds the write that a result belongs to.
func (b *batch) match(res *row, done []bool) (int, bool) {
	if at, ok := b.index[res.TraceID]; ok && res.TraceID != "" && !done[at] {
		return at, true
	}
	for _, row := range b.rows {
		at := b.index[row.TraceID]
		if done[at] {
			continue
		}
		switch b.kind {
		case connector.Update:
			if row.ID == res.ID {
				return at, true
			}
		case connector.Upsert:
			if v := res.Properties[row.IDProperty]; v != nil && fold(*v) == fold(row.ID) {
				return at, true
			}
		case connector.Create, connector.Archive:
			if len(b.rows) == 1 {
				return at, true
			}
		}
	}
	return 0, false
}

func (b *batch) succeed(at int, res *row) bool {
	rec, ok := res.record()
	if !ok {
		return false
	}
	b.out[at] = connector.Written{ID: rec.ID, Created: b.kind == connector.Create || b.kind == connector.Upsert && res.New, Record: &rec}
	return true
}

// blamed returns the rows that an error is about.
func (b *batch) blamed(p problem) []writeBody {
	var out []writeBody
	for _, id := range p.Context["objectWriteTraceId"] {
		for _, row := range b.rows {
			if row.TraceID == id {
				out = append(out, row)
			}
		}
	}
	if len(out) > 0 || b.kind == connector.Create {
		return out
	}
	for _, id := range p.Context["ids"] {
		for _, row := range b.rows {
			if row.ID == id {
				out = append(out, row)
			}
		}
	}
	return out
}

// fail notes a row's refusal with what was said, for the log. The body has the
// row alone; the token was in a header and is not kept.
func (b *batch) fail(at int, row writeBody, got answer, e *fault.Error, response []byte) {
	sent, _ := encode(row)
	b.out[at].Err = e
	b.out[at].Exchange = &connector.Exchange{
		Method: http.MethodPost, URL: b.url, Status: got.status, RequestID: got.id,
		Request: bounded(sent), Response: bounded(response),
	}
}

func bounded(b []byte) string {
	if len(b) > maxExchange {
		b = b[:maxExchange]
	}
	return string(bytes.ToValidUTF8(b, nil))
}
