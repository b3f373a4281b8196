package declared

import (
	"context"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// batch reports whether one call reads several records.
func (p *readPart) batch() bool { return p.Items != nil }

// BatchRead implements connector.Connector, by one call.
func (a *account) BatchRead(
	ctx context.Context, name string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	op := a.op("read")
	o, err := a.find(op, name, len(ids), a.desc.Limits.ReadBatch)
	if err != nil {
		return nil, err
	}
	op += " " + o.name
	missing := fault.New(op, fault.NotFound, "", a.desc.Name+" has no such record")
	return rows.Read(ctx, ids, o.ID.parse, missing, func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error) {
		texts := make([]string, len(asked))
		for i, id := range asked {
			texts[i] = string(id)
		}
		v := a.settings.with("ids", texts...)
		if !o.Read.batch() {
			v = a.settings.with("id", texts[0])
		}
		r := o.Read.request(op, v)
		doc, _, err := a.call(ctx, r, o.Read.Nothing)
		switch {
		case err != nil && !o.Read.batch() && fault.Is(err, fault.NotFound):
			return nil, nil // the record is not there
		case err != nil:
			return nil, err
		case doc == nil:
			return nil, nil
		}
		return a.reads(r, o, doc, asked, fields)
	})
}

// reads turns an answer into the records asked for.
func (a *account) reads(
	r rest.Request, o *object, doc any, asked []crm.RecordID, fields []string,
) (map[crm.RecordID]connector.Read, error) {
	list, ok := listed(doc, o.Read.Items, o.Read.Record)
	if !ok {
		return nil, rest.Malformed(r, "the answer is not what "+a.desc.Name+" documents")
	}
	out := make(map[crm.RecordID]connector.Read, len(list))
	for _, e := range list {
		rec, err := a.record(r, o, e, fields)
		id, ok := o.ID.parse(e.text(&o.ID.At))
		switch {
		case !ok:
			return nil, err
		case !o.Read.batch() && id != asked[0]:
			return nil, rest.Malformed(r, "the answer is another record than was asked for")
		case err != nil: // the others are as they should be
			out[id] = connector.Read{Err: err}
		case !rec.Deleted:
			out[id] = connector.Read{Record: &rec}
		}
	}
	return out, nil
}

// listed is the records of an answer: those at items, or the one at record.
func listed(doc any, items, record *pointer) ([]entry, bool) {
	if items != nil {
		return entries(doc, *items)
	}
	v, ok := (entry{v: doc}).at(*record)
	return []entry{{v: v}}, ok
}

// BatchFind implements connector.Connector, one value a call.
func (a *account) BatchFind(
	ctx context.Context, name string, f crm.Field, values []string, fields []string,
) ([][]crm.Record, error) {
	op := a.op("find")
	o, err := a.find(op, name, len(values), 1)
	if err != nil {
		return nil, err
	}
	op += " " + o.name
	p := o.finder(f.Name)
	if p == nil {
		return nil, &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeKey, Field: f.Name,
			Message: a.desc.Name + " does not search this field",
		}
	}
	none := make([][]crm.Record, len(values))
	if len(values) == 0 || strings.TrimSpace(values[0]) == "" {
		return none, ctx.Err()
	}
	value := values[0]
	if known := o.Fields[f.Name]; known != nil && known.Codec == "ten_digits" {
		sent, err := known.write(op, f.Name, crm.TextValue(value), "")
		if err != nil {
			return none, ctx.Err() // the app can hold no such number
		}
		value, _ = sent.(string)
	}
	r := p.request(op, a.settings.with("value", value).with("field", f.Name))
	doc, _, err := a.call(ctx, r, p.Nothing)
	if err != nil || doc == nil {
		return none, err
	}
	list, ok := listed(doc, p.Items, p.Record)
	if !ok {
		return nil, rest.Malformed(r, "the answer is not what "+a.desc.Name+" documents")
	}
	if len(list) >= a.desc.Limits.PageSize {
		return nil, fault.New(op, fault.Invalid, connector.CodeMatches,
			"the value is held by more records than one page shows")
	}
	for _, e := range list {
		rec, err := a.record(r, o, e, fields)
		if err != nil {
			return nil, err
		}
		if !rec.Deleted {
			none[0] = append(none[0], rec)
		}
	}
	return none, nil
}
