package declared

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchWrite implements connector.Connector: one record a call.
func (a *account) BatchWrite(ctx context.Context, name string, writes []connector.Write) ([]connector.Written, error) {
	op := a.op("write")
	o, err := a.find(op, name, 0, 0)
	if err != nil {
		return nil, err
	}
	op += " " + o.name
	b, err := rows.Prepare(op, writes, 1, func(w connector.Write) (rest.Request, crm.RecordID, error) {
		return a.request(op, o, w)
	})
	if err != nil {
		return nil, err
	}
	if len(b.Rows) == 0 {
		return b.Out, ctx.Err()
	}
	sent, p := b.Rows[0], o.writes()[b.Kind]
	doc, got, err := a.call(ctx, sent.Body, nil)
	if e, ofRow := rows.OfRow(err, b.Kind); ofRow {
		w := connector.Written{ID: sent.ID, Err: e, Exchange: a.client.Exchange(sent.Body, got, got.Body)}
		if e.Code == connector.CodeExists {
			w.Existing = a.existing(o, got.Body)
		}
		b.Settle(sent, w)
		return b.Out, nil
	}
	if err != nil {
		return nil, err
	}
	w, err := a.written(o, p, b.Kind, sent, doc, slices.Collect(maps.Keys(writes[0].Fields)))
	if err != nil {
		return nil, err
	}
	w.At = got.Now
	b.Receipt = a.client.Receipt(sent.Body, got)
	b.Settle(sent, w)
	return b.Out, nil
}

// writes are those that the document has.
func (o *object) writes() map[connector.Op]*writePart {
	out := map[connector.Op]*writePart{connector.Create: o.Create, connector.Update: o.Update}
	if o.Delete != nil {
		out[connector.Archive] = o.Delete
	}
	return out
}

// existing is the record in the way, where the app says.
func (a *account) existing(o *object, body []byte) crm.RecordID {
	var doc answer
	if a.doc.Errors.Existing == nil || doc.UnmarshalJSON(body) != nil {
		return ""
	}
	id, ok := o.ID.parse((entry{v: doc.v}).text(a.doc.Errors.Existing))
	if !ok {
		return ""
	}
	return id
}

// written reads the answer to a write: the record as it is stored, or its ID.
func (a *account) written(
	o *object, p *writePart, kind connector.Op, sent *rows.Row[rest.Request], doc any, fields []string,
) (connector.Written, error) {
	bad := func(why string) (connector.Written, error) {
		return connector.Written{}, rest.Malformed(sent.Body, why)
	}
	w := connector.Written{ID: sent.ID, Created: kind == connector.Create}
	whole := entry{v: doc}
	switch {
	case p.Record != nil:
		v, ok := whole.at(*p.Record)
		if !ok {
			return bad("the answer has no record")
		}
		rec, err := a.record(sent.Body, o, entry{v: v}, fields)
		if err != nil {
			return w, err
		}
		w.ID = rec.ID
		if a.desc.Can(crm.AbilityAnswerValues) && kind != connector.Archive {
			w.Record = &rec
		}
	case p.ID != nil:
		id, ok := o.ID.parse(whole.text(p.ID))
		if !ok {
			return bad("the answer does not name the record")
		}
		w.ID = id
	default:
		if _, ok := doc.([]any); ok {
			return bad("the answer is not what " + a.desc.Name + " documents")
		}
	}
	if sent.ID != "" && sent.ID != w.ID {
		return bad("the answer names another record than was written")
	}
	return w, nil
}

// request makes the call of a write. One that the app could only refuse is refused here.
func (a *account) request(op string, o *object, w connector.Write) (r rest.Request, one crm.RecordID, err error) {
	p, ok := o.writes()[w.Op]
	if !ok {
		return r, "", fault.New(op, fault.Unsupported, connector.CodeUnsupported, a.desc.Name+" has no such write")
	}
	v, random := a.settings, ""
	if w.Op != connector.Create {
		if one, ok = o.ID.parse(string(w.ID)); !ok {
			return r, "", fault.New(op, fault.NotFound, "", a.desc.Name+" has no such record")
		}
		v = v.with("id", string(one))
	} else {
		random = rand.Text()
		v = v.with("random", random)
		if err := o.demanded(op, w.Fields); err != nil {
			return r, "", err
		}
	}
	r = p.request(op, v)
	r.Write, r.Secret = true, random
	if w.Op == connector.Archive {
		return r, one, nil
	}
	r.Body, err = o.body(op, p, r.Body, w)
	return r, one, err
}

// demanded refuses a new record that lacks what the app demands.
func (o *object) demanded(op string, fields crm.Fields) error {
	lacks := func(name string) bool { return fields[name].Blank() }
	refuse := func(name string) error {
		return &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeRequired, Field: name, Message: "a new record needs a value for " +
				name,
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Fields)) {
		if o.Fields[name].Required && lacks(name) {
			return refuse(name)
		}
	}
	if len(o.AnyOf) > 0 && !slices.ContainsFunc(o.AnyOf, func(all []string) bool {
		return !slices.ContainsFunc(all, lacks)
	}) {
		return refuse(o.AnyOf[0][0])
	}
	return nil
}

// body puts the values of a write where the app wants them.
func (o *object) body(op string, p *writePart, template any, w connector.Write) (any, error) {
	body, ok := template.(map[string]any)
	if !ok {
		body = map[string]any{}
	}
	var list []any
	for _, name := range slices.Sorted(maps.Keys(w.Fields)) {
		value, f := w.Fields[name], o.field(name)
		switch {
		case value.Kind() == crm.Absent || value.Blank() && w.Op == connector.Create:
			continue
		case f == nil || f.ReadOnly:
			return nil, &fault.Error{
				Op: op, Kind: fault.Invalid, Code: connector.CodeReadOnly, Field: name, Message: "the field cannot be written",
			}
		}
		v, err := f.write(op, name, value, p.Clear)
		if err != nil {
			return nil, err
		}
		if p.Pairs != nil {
			key := strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(string(*f.To), "/"))
			list = append(list, map[string]any{p.Pairs.Name: key, p.Pairs.Value: v})
			continue
		}
		put(body, p.Into+*f.To, v)
	}
	if p.Pairs != nil {
		if p.Into == "" {
			return list, nil
		}
		put(body, p.Into, list)
	}
	return body, nil
}
