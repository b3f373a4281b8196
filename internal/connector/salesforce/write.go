package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchWrite implements connector.Connector by one sObject collection call with
// allOrNone false, whose answer is 200 even when every row failed.
// Source: guide/resources-composite-sobjects-collections-upsert.
func (o *org) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	op := "salesforce: write " + label(object)
	if err := names(op, object); err != nil {
		return nil, err
	}
	var key string
	if len(writes) > 0 {
		key = writes[0].Key.Field
	}
	b, err := rows.Prepare(op, writes, writeBatch, func(w connector.Write) (map[string]any, crm.RecordID, error) {
		return record(op, object, key, w)
	})
	if err != nil {
		return nil, err
	}
	if len(b.Rows) == 0 {
		return b.Out, ctx.Err()
	}
	r := request(b.Op, object, key, b.Kind, b.Rows)
	var answers []json.RawMessage
	a, err := o.client.Call(ctx, r, &answers)
	if err != nil {
		return nil, err
	}
	if len(answers) != len(b.Rows) {
		return nil, rest.Malformed(r, "the answer has another number of rows than were written")
	}
	b.Receipt = o.client.Receipt(r, a)
	for i, raw := range answers {
		row := b.Rows[i]
		var got written
		if err := json.Unmarshal(raw, &got); err != nil || got.Success == nil {
			return nil, rest.Malformed(r, "a row of the answer is not what Salesforce documents")
		}
		if !*got.Success {
			var problems []problem
			_ = json.Unmarshal(got.Errors, &problems) // none: fromRow says so
			e, existing := fromRow(b.Op, b.Kind, problems)
			said := o.client.Exchange(request(b.Op, object, key, b.Kind, b.Rows[i:i+1]), a, raw)
			b.Settle(row, connector.Written{ID: row.ID, Existing: existing, Err: e, Exchange: said})
			continue
		}
		id, ok := long(got.ID)
		if !ok || row.ID != "" && row.ID != id {
			return nil, rest.Malformed(r, "a row of the answer names another record than was written")
		}
		b.Settle(row, connector.Written{
			ID: id, Created: b.Kind == connector.Create || b.Kind == connector.Upsert && got.Created, At: a.Now,
		})
	}
	return b.Out, nil
}

// record makes what is sent for a write. One that can never succeed is refused here.
func record(op, object, key string, w connector.Write) (row map[string]any, id crm.RecordID, err error) {
	refuse := func(kind fault.Kind, code, field, why string) (map[string]any, crm.RecordID, error) {
		return nil, "", &fault.Error{Op: op, Kind: kind, Code: code, Field: field, Message: why}
	}
	row = map[string]any{"attributes": map[string]string{"type": object}}
	switch w.Op {
	case connector.Update, connector.Archive:
		var ok bool
		if id, ok = long(string(w.ID)); !ok {
			return refuse(fault.NotFound, "", "", "Salesforce has no such record")
		}
		row["id"] = id
	case connector.Upsert:
		if w.Key.Field != key {
			return nil, "", rows.Mixed(op)
		}
		if !named(w.Key.Field) || strings.TrimSpace(w.Key.Value) == "" {
			return refuse(fault.Invalid, connector.CodeKey, "", "an upsert needs a field and a value to find its record by")
		}
	case connector.Create:
	default:
		return refuse(fault.Unsupported, connector.CodeUnsupported, "", "Salesforce has no such write")
	}
	for f, v := range w.Fields {
		if !named(f) || strings.EqualFold(f, colID) || strings.EqualFold(f, "attributes") {
			return refuse(fault.Invalid, connector.CodeField, f, "this is not a field that can be written")
		}
		switch v.Kind() {
		case crm.Absent:
		case crm.List: // several options are one text with semicolons
			row[f] = v.Text()
		case crm.Null, crm.Text, crm.Number, crm.Bool:
			row[f] = v
		}
	}
	if w.Op == connector.Upsert {
		row[key] = w.Key.Value
	}
	return row, id, nil
}

// methods of the collection for each write.
var methods = map[connector.Op]string{
	connector.Create: http.MethodPost, connector.Update: http.MethodPatch, connector.Upsert: http.MethodPatch,
	connector.Archive: http.MethodDelete,
}

// request is the call that writes rows.
func request(op, object, key string, kind connector.Op, sent []*rows.Row[map[string]any]) rest.Request {
	r := rest.Request{Op: op, Method: methods[kind], Path: dataPath + "/composite/sobjects", Write: true}
	if kind == connector.Archive {
		ids := make([]string, len(sent))
		for i, row := range sent {
			ids[i] = string(row.ID)
		}
		r.Query = url.Values{"ids": {strings.Join(ids, ",")}, "allOrNone": {"false"}}
		return r
	}
	if kind == connector.Upsert {
		r.Path += "/" + object + "/" + key
	}
	records := make([]map[string]any, len(sent))
	for i, row := range sent {
		records[i] = row.Body
	}
	r.Body = map[string]any{"allOrNone": false, "records": records}
	return r
}
