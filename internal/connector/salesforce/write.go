package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// maxExchange bounds each body kept for the log.
const maxExchange = 64 << 10

// BatchWrite implements connector.Connector by one sObject collection call with
// allOrNone false, whose answer is 200 even when every row failed.
// Source: guide/resources-composite-sobjects-collections-upsert.
func (o *org) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	op := "salesforce: write " + label(object)
	if err := tooMany(op, len(writes), writeBatch); err != nil {
		return nil, err
	}
	if err := names(op, object); err != nil {
		return nil, err
	}
	if len(writes) == 0 {
		return nil, ctx.Err()
	}
	b := batch{op: op, object: object, kind: writes[0].Op, key: writes[0].Key.Field, out: make([]connector.Written, len(writes))}
	for i, w := range writes {
		if w.Op != b.kind || w.Op == connector.Upsert && w.Key.Field != b.key {
			return nil, fault.New(op, fault.Invalid, connector.CodeMixed, "all writes of a call must do the same, by the same key")
		}
		b.add(i, w)
	}
	if len(b.places) == 0 {
		return b.out, ctx.Err()
	}
	r, err := b.request()
	if err != nil {
		return nil, err
	}
	a, err := o.client.send(ctx, r)
	if err != nil {
		return nil, err
	}
	return b.settle(o.client.base, r, a)
}

// batch is a collection call in the making. Rows that can never succeed are
// answered without being sent.
type batch struct {
	op, object string
	kind       connector.Op
	key        string
	places     []int            // of each row sent, in the caller's order
	ids        []crm.RecordID   // of each row sent; empty for create and upsert
	rows       []map[string]any // of each row sent; nil for archive
	out        []connector.Written
}

func (b *batch) add(i int, w connector.Write) {
	refuse := func(kind fault.Kind, code, field, why string) {
		b.out[i] = connector.Written{ID: w.ID, Err: &fault.Error{Op: b.op, Kind: kind, Code: code, Field: field, Message: why}}
	}
	row := map[string]any{"attributes": map[string]string{"type": b.object}}
	var id crm.RecordID
	switch w.Op {
	case connector.Update, connector.Archive:
		full, ok := long(string(w.ID))
		if !ok {
			refuse(fault.NotFound, "", "", "Salesforce has no such record")
			return
		}
		id, row["id"] = full, string(full)
	case connector.Upsert:
		if !named(w.Key.Field) || strings.TrimSpace(w.Key.Value) == "" {
			refuse(fault.Invalid, connector.CodeKey, "", "an upsert needs a field and a value to find its record by")
			return
		}
	case connector.Create:
	}
	for f, v := range w.Fields {
		if !named(f) || strings.EqualFold(f, colID) || strings.EqualFold(f, "attributes") {
			refuse(fault.Invalid, connector.CodeField, f, "this is not a field that can be written")
			return
		}
		if v.Kind() != crm.Absent {
			row[f] = encode(v)
		}
	}
	if w.Op == connector.Upsert {
		row[w.Key.Field] = w.Key.Value
	}
	b.places, b.ids, b.rows = append(b.places, i), append(b.ids, id), append(b.rows, row)
}

// encode writes a value as Salesforce takes it: several options are one text
// with semicolons.
func encode(v crm.Value) any {
	if v.Kind() == crm.List {
		return v.Text()
	}
	return v
}

func (b *batch) request() (request, error) {
	r := request{op: b.op, write: true, path: dataPath + "/composite/sobjects"}
	switch b.kind {
	case connector.Create:
		r.method = http.MethodPost
	case connector.Update:
		r.method = http.MethodPatch
	case connector.Upsert:
		r.method = http.MethodPatch
		r.path += "/" + b.object + "/" + b.key
	case connector.Archive:
		ids := make([]string, len(b.ids))
		for i, id := range b.ids {
			ids[i] = string(id)
		}
		r.method = http.MethodDelete
		r.query = url.Values{"ids": {strings.Join(ids, ",")}, "allOrNone": {"false"}}
		return r, nil
	default:
		return r, fault.New(b.op, fault.Unsupported, "", fmt.Sprintf("Salesforce has no write %q", b.kind))
	}
	r.body = map[string]any{"allOrNone": false, "records": b.rows}
	return r, nil
}

// settle gives each write its answer.
func (b *batch) settle(base string, r request, a answer) ([]connector.Written, error) {
	var raws []json.RawMessage
	if err := a.decode(r, &raws); err != nil {
		return nil, err
	}
	if len(raws) != len(b.places) {
		return nil, malformed(r, "the answer has another number of rows than were written")
	}
	for i, raw := range raws {
		var row written
		if err := json.Unmarshal(raw, &row); err != nil || row.Success == nil {
			return nil, malformed(r, "a row of the answer is not what Salesforce documents")
		}
		out := &b.out[b.places[i]]
		if !*row.Success {
			var problems []problem
			_ = json.Unmarshal(row.Errors, &problems) // none: fromRow says so
			e, existing := fromRow(b.op, b.kind, problems)
			*out = connector.Written{ID: b.ids[i], Existing: existing, Err: e, Exchange: b.exchange(base, r, i, a.status, raw)}
			continue
		}
		id, ok := long(row.ID)
		if !ok || b.ids[i] != "" && b.ids[i] != id {
			return nil, malformed(r, "a row of the answer names another record than was written")
		}
		*out = connector.Written{ID: id, Created: b.kind == connector.Create || b.kind == connector.Upsert && row.Created, At: a.date}
	}
	return b.out, nil
}

// exchange is what was said about row i alone.
func (b *batch) exchange(base string, r request, i, status int, answer []byte) *connector.Exchange {
	x := &connector.Exchange{Method: r.method, URL: base + r.path, Status: status, Response: clip(answer)}
	if b.kind == connector.Archive {
		x.URL += "?ids=" + string(b.ids[i]) + "&allOrNone=false"
		return x
	}
	body, err := marshal(map[string]any{"allOrNone": false, "records": b.rows[i : i+1]})
	if err == nil {
		x.Request = clip(body)
	}
	return x
}

func clip(b []byte) string {
	if len(b) > maxExchange {
		b = b[:maxExchange]
	}
	return strings.ToValidUTF8(string(b), "")
}
