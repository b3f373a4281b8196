package declared

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Fields implements connector.Connector: those that the document lists, and those that
// the account describes besides. Where nothing is described, the one call makes sure
// that the credentials open anything at all.
func (a *account) Fields(ctx context.Context, name string) ([]crm.Field, error) {
	op := a.op("fields")
	o, err := a.find(op, name, 0, 0)
	if err != nil {
		return nil, err
	}
	var out []crm.Field
	for _, name := range slices.Sorted(maps.Keys(o.Fields)) {
		out = append(out, o.listed(name))
	}
	if len(o.Discover) == 0 {
		_, err := a.prove(ctx, op)
		return out, err
	}
	known := map[string]bool{}
	for _, f := range out {
		known[f.Name] = true
	}
	for _, d := range o.Discover {
		r := d.request(op, a.settings)
		doc, _, err := a.call(ctx, r, nil)
		if err != nil {
			return nil, err
		}
		list, ok := entries(doc, d.Items)
		if !ok {
			return nil, rest.Malformed(r, "the description of fields is not what "+a.desc.Name+" documents")
		}
		if len(list) > 0 && !slices.ContainsFunc(list, func(e entry) bool { return e.text(&d.Name) != "" }) {
			return nil, rest.Malformed(r, "the description of fields names none")
		}
		for _, e := range list {
			f, ok := d.described(e)
			if !ok || known[f.Name] {
				continue
			}
			known[f.Name] = true
			f.Find = o.searched(f.Name)
			out = append(out, f)
		}
	}
	return out, nil
}

// listed is a field as the document has it.
func (o *object) listed(name string) crm.Field {
	f := o.Fields[name]
	out := crm.Field{
		Name: name, Label: f.Label, Type: crm.FieldType(f.Type), Required: f.Required, ReadOnly: f.ReadOnly, Unique: f.Unique,
		NeverBlank: f.Kept, OpenOptions: f.Open, MaxLength: f.Max, ReferenceTo: f.Reference, With: f.With,
		Find: o.searched(name),
	}
	if out.Label == "" {
		out.Label = name
	}
	wire.Choice(&out, f.Options, func(o *option) (crm.Option, bool) {
		if o.Label == "" {
			return crm.Option{Value: o.Value, Label: o.Value}, true
		}
		return crm.Option{Value: o.Value, Label: o.Label}, true
	})
	return out
}

// described is a field as the account describes it; false for one that is left out.
func (d *discoverPart) described(e entry) (crm.Field, bool) {
	f := crm.Field{
		Name: e.text(&d.Name), Label: e.text(d.Label), Type: crm.TypeText, Required: e.is(d.Required),
		ReadOnly: e.is(d.ReadOnly),
	}
	if f.Label == "" {
		f.Label = f.Name
	}
	if d.Type != nil {
		word, ok := d.Type.Map[e.text(&d.Type.At)]
		if !ok {
			word = d.Type.Other
		}
		f.Type = crm.FieldType(word)
	}
	f.MaxLength, _ = strconv.Atoi(e.text(d.Max))
	if d.Options != nil {
		options, _ := entries(e.v, d.Options.At)
		wire.Choice(&f, options, d.Options.option)
	}
	return f, f.Name != "" && len(f.Name) <= 200 && f.Type != ""
}

func (p *optionsPart) option(e entry) (crm.Option, bool) {
	whole := pointer("")
	value := e.text(p.Value)
	if p.Value == nil {
		value = e.text(&whole)
	}
	label := e.text(p.Label)
	if label == "" {
		label = value
	}
	return crm.Option{Value: value, Label: label}, value != ""
}

// searched is how records are looked up by a field.
func (o *object) searched(name string) crm.Find {
	if p := o.finder(name); p != nil {
		return finds[p.As]
	}
	return crm.FindNone
}

// finds are the ways that an app compares, as documents name them.
var finds = map[string]crm.Find{
	"": crm.FindText, "text": crm.FindText, "digits": crm.FindDigits, "within": crm.FindWithin, "part": crm.FindPart,
}

// finder is the look-up by a field; nil where there is none.
func (o *object) finder(name string) *findPart {
	for _, p := range o.Find {
		if slices.Contains(p.Fields, name) {
			return p
		}
	}
	return nil
}

// ownerByEmail is one of connector.Extras, of an app that has users.
func (a *account) ownerByEmail(ctx context.Context, email string) (string, error) {
	op, p := a.op("find user"), a.doc.Owners
	missing := fault.New(op, fault.NotFound, "", a.desc.Name+" has no such user")
	if strings.TrimSpace(email) == "" {
		return "", missing
	}
	r := p.Find.request(op, a.settings.with("value", email))
	doc, _, err := a.call(ctx, r, nil)
	if err != nil {
		return "", err
	}
	users, ok := entries(doc, *p.Find.Items)
	if !ok {
		return "", rest.Malformed(r, "the list of users is not what "+a.desc.Name+" documents")
	}
	for _, u := range users {
		if id := u.text(&p.ID); id != "" && strings.EqualFold(u.text(&p.Email), email) {
			return id, nil
		}
	}
	return "", missing
}

// ownerEmail is one of connector.Extras, of an app that has users.
func (a *account) ownerEmail(ctx context.Context, who string) (string, error) {
	op, p := a.op("read user"), a.doc.Owners
	missing := fault.New(op, fault.NotFound, "", a.desc.Name+" has no such user")
	one, ok := idPart{}.parse(who)
	if !ok {
		return "", missing
	}
	doc, _, err := a.call(ctx, p.Read.request(op, a.settings.with("id", string(one))), nil)
	if err != nil {
		return "", err
	}
	u, _ := (entry{v: doc}).at(*p.Read.Record)
	e := entry{v: u}
	if e.text(&p.ID) != who || e.text(&p.Email) == "" {
		return "", missing
	}
	return e.text(&p.Email), nil
}
