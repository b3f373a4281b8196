package declared

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

func (d *Document) checkObject(at string, o *object) {
	d.needed(at+".label", o.Label != "", "what an admin reads")
	d.one(at+".id.form", o.ID.Form, choices["idPart.form"])
	d.needed(at+".id.at", o.ID.At != "", "where a record's ID stands, such as /id")
	for name, t := range map[string]*timePart{"modified": o.Modified, "created": o.Created} {
		if t != nil {
			d.checkTime(at+"."+name, t)
		}
	}
	d.one(at+".blank", o.Blank, choices["object.blank"])
	d.needed(at+".fields", len(o.Fields)+len(o.Discover) > 0, "list the fields, or say under discover who describes them")
	for _, name := range slices.Sorted(maps.Keys(o.Fields)) {
		d.checkField(at+".fields."+name, name, o.Fields[name])
	}
	for i, p := range o.Discover {
		d.checkDiscover(at+".discover["+strconv.Itoa(i)+"]", p)
	}
	for i, all := range o.AnyOf {
		for _, name := range all {
			d.needed(at+".any_of["+strconv.Itoa(i)+"]", o.Fields[name] != nil, "a field "+name+" under fields")
		}
	}
	d.checkReads(at, o)
	for name, p := range map[string]*writePart{"create": o.Create, "update": o.Update, "delete": o.Delete} {
		if p == nil {
			d.needed(at+"."+name, name == "delete", "the call for it")
			continue
		}
		d.checkWrite(at+"."+name, name, p)
	}
}

func (d *Document) checkTime(at string, t *timePart) {
	d.needed(at+".at", t.At != "", "where the time stands, such as /updated_at")
	if t.Format == "" {
		t.Format = "rfc3339"
	}
	d.one(at+".format", t.Format, choices["timePart.format"])
}

func (d *Document) checkField(at, name string, f *field) {
	if f.Type == "" {
		f.Type = string(crm.TypeText)
	}
	d.checkType(at+".type", f.Type)
	d.one(at+".codec", f.Codec, choices["field.codec"])
	if f.At == nil {
		own := pointer("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
		f.At = &own
	}
	if f.To == nil {
		f.To = f.At
	}
	if *f.To == "" || *f.To == atKey || *f.At == "" || *f.At == atKey {
		d.bad(at, "a value cannot stand in place of the record")
	}
	if f.Required && f.ReadOnly {
		d.bad(at, "a field cannot be required and read_only")
	}
	if choice := f.Type == string(crm.TypeOption) || f.Type == string(crm.TypeOptions); !choice && len(f.Options) > 0 {
		d.bad(at+".options", "options go with type: option or options")
	}
}

func (d *Document) checkType(at, typ string) {
	if !slices.Contains(crm.FieldTypes, crm.FieldType(typ)) {
		d.bad(at, "%q is no type of a field; there are %v", typ, crm.FieldTypes)
	}
}

func (d *Document) checkDiscover(at string, p *discoverPart) {
	d.checkCall(at, &p.call, d.settings(), nil, "GET", "POST")
	if p.At == "" {
		p.At = "/{name}"
	}
	if p.To == "" {
		p.To = p.At
	}
	for name, text := range map[string]string{"at": p.At, "to": p.To} {
		if text[0] != '/' || strings.Count(text, "{name}") != 1 {
			d.bad(at+"."+name, "%q is no JSON pointer with {name} in it, such as /custom/{name}", text)
		}
	}
	if p.Type != nil {
		for word, typ := range p.Type.Map {
			d.checkType(at+".type.map."+word, typ)
		}
		if p.Type.Other != "" {
			d.checkType(at+".type.other", p.Type.Other)
		}
	}
}

func (d *Document) checkReads(at string, o *object) {
	may := d.settings()
	if l := o.List; d.needed(at+".list", l != nil, "how the records are listed") {
		d.checkList(at+".list", o, l)
	}
	if p := o.Read; d.needed(at+".read", p != nil, "how a record is read by its ID") {
		need := "id"
		if p.Items != nil {
			need = "ids"
		}
		if (p.Items == nil) == (p.Record == nil) {
			d.bad(at+".read", "give record, where one call reads one record, or items, where it reads those of {ids}")
		}
		d.checkCall(at+".read", &p.call, append(may, need), []string{need}, "GET", "POST")
	}
	seen := map[string]bool{}
	for i, p := range o.Find {
		in := at + ".find[" + strconv.Itoa(i) + "]"
		d.checkCall(in, &p.call, append(may, "value", "field"), []string{"value"}, "GET", "POST")
		d.one(in+".as", p.As, choices["findPart.as"])
		if (p.Items == nil) == (p.Record == nil) {
			d.bad(in, "give items, or record where one record comes alone")
		}
		d.needed(in+".fields", len(p.Fields) > 0, "the fields that are looked up like this")
		for _, name := range p.Fields {
			if seen[name] {
				d.bad(in+".fields", "%s is looked up in another way already", name)
			}
			if seen[name] = true; o.field(name) == nil {
				d.bad(in+".fields", "there is no field %s", name)
			}
		}
	}
}

func (d *Document) checkList(at string, o *object, l *listPart) {
	may := append(d.settings(), "page")
	var need []string
	if p := l.Page; p != nil {
		need = []string{"page"}
		d.one(at+".page.kind", p.Kind, choices["pagePart.kind"])
		if p.Kind == "cursor" && p.Next == nil {
			d.bad(at+".page", "a cursor needs next: where the next one stands")
		}
	}
	since := l.Since
	if since != nil && since.Body != nil {
		d.checkCall(at, &call{Get: l.Get, Post: l.Post, Query: l.Query, Body: l.Body}, may, need, "GET", "POST")
		d.inBody(at+".since.body", append(may, "since"), since.Body)
	} else {
		d.checkCall(at, &l.call, may, need, "GET", "POST")
	}
	for name, value := range l.All {
		d.placeholders(at+".all."+name, may, name, value)
	}
	if since == nil {
		return
	}
	if since.Format == "" {
		since.Format = "rfc3339"
	}
	d.one(at+".since.format", since.Format, choices["sincePart.format"])
	if since.Order == "" {
		since.Order = "time"
	}
	d.one(at+".since.order", since.Order, choices["sincePart.order"])
	d.needed(at+".since", o.Modified != nil || since.Order == "other",
		"modified: a listing in the order of times needs a time in each record")
	if since.Grain == 0 {
		since.Grain = time.Second
		if since.Format == "day" {
			since.Grain = 24 * time.Hour
		}
	}
	if since.Overlap == 0 {
		since.Overlap = max(time.Minute, since.Grain)
	}
	if since.Overlap > longestOverlap || since.Overlap < since.Grain || since.Grain > 24*time.Hour {
		d.bad(at+".since", "overlap is %s at most and a grain at least, and grain a day at most", longestOverlap)
	}
	var used []string
	for name, value := range since.Query {
		used = append(used, d.placeholders(at+".since.query."+name, append(may, "since"), name, value)...)
	}
	if used = append(used, d.inBody(at+".since.body", append(may, "since"), since.Body)...); !slices.Contains(used,
		"since") {
		d.bad(at+".since", "the placeholder {since} is missing")
	}
}

func (d *Document) checkWrite(at, what string, p *writePart) {
	may, need, methods := d.settings(), []string(nil), []string{"POST", "PUT", "PATCH"}
	switch what {
	case "create":
		may = append(may, "random")
		d.needed(at, p.Record != nil || p.ID != nil, "record or id: where the answer has the new record, or its ID")
	case "delete":
		methods = append(methods, "DELETE")
		fallthrough
	default:
		may, need = append(may, "id"), []string{"id"}
	}
	d.checkCall(at, &p.call, may, need, methods...)
	if p.Clear == "" {
		p.Clear = "null"
	}
	d.one(at+".clear", p.Clear, choices["writePart.clear"])
	if _, mapping := p.Body.(map[string]any); p.Body != nil && (!mapping || p.Pairs != nil && p.Into == "") {
		d.bad(at+".body", "it has to be keys with values, which the record's own join")
	}
	if p.Pairs != nil {
		d.needed(at+".pairs", p.Pairs.Name != "" && p.Pairs.Value != "", "the keys of a pair: name and value")
	}
}
