package reconcile

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// leftSchema and rightSchema are the objects of all tests here. The filter
// fields (vip, ok) are not mapped, so that no write opens or closes a filter.
func leftSchema() []crm.Field {
	return []crm.Field{
		{Name: "email", Type: crm.TypeEmail},
		{Name: "phone", Type: crm.TypePhone},
		{Name: "first", Type: crm.TypeText},
		{Name: "last", Type: crm.TypeText},
		{Name: "title", Type: crm.TypeText},
		{Name: "note", Type: crm.TypeText},
		{Name: "age", Type: crm.TypeNumber},
		{Name: "optin", Type: crm.TypeBoolean},
		{Name: "born", Type: crm.TypeDate},
		{Name: "stage", Type: crm.TypeOption, Options: []crm.Option{{Value: "lead"}, {Value: "customer"}, {Value: "other"}}},
		{Name: "tags", Type: crm.TypeList},
		{Name: "twin", Type: crm.TypeText},
		{Name: "vip", Type: crm.TypeBoolean},
		{Name: "origin", Type: crm.TypeText},
		{Name: "source", Type: crm.TypeText},
	}
}

func rightSchema() []crm.Field {
	return []crm.Field{
		{Name: "Email", Type: crm.TypeEmail},
		{Name: "Phone", Type: crm.TypePhone},
		{Name: "Name", Type: crm.TypeText},
		{Name: "Title", Type: crm.TypeText, MaxLength: 8},
		{Name: "Note", Type: crm.TypeText},
		{Name: "Age", Type: crm.TypeNumber},
		{Name: "OptIn", Type: crm.TypeBoolean},
		{Name: "Born", Type: crm.TypeDate},
		{Name: "Stage", Type: crm.TypeOption, Options: []crm.Option{{Value: "Open"}, {Value: "Won"}}},
		{Name: "Tags", Type: crm.TypeList},
		{Name: "OK", Type: crm.TypeBoolean},
		{Name: "Origin", Type: crm.TypeText},
		{Name: "Source", Type: crm.TypeText},
	}
}

func one(id, left, right string) crm.Mapping {
	return crm.Mapping{ID: crm.MappingID(id), Left: []string{left}, Right: []string{right}}
}

// twelve is a mapping of every kind.
func twelve() []crm.Mapping {
	phone := one("phone", "phone", "Phone")
	phone.Transform.Type = crm.TransformPhone
	name := crm.Mapping{
		ID: "name", Left: []string{"first", "last"}, Right: []string{"Name"}, Transform: crm.Transform{
			Type: crm.TransformFullName,
		},
	}
	stage := one("stage", "stage", "Stage")
	stage.Transform = crm.Transform{
		Type: crm.TransformOptions, Options: map[string]string{"lead": "Open", "customer": "Won"},
	}
	static := crm.Mapping{
		ID: "source", Right: []string{"Source"}, Direction: crm.DirectionToRight,
		Transform: crm.Transform{Type: crm.TransformStatic, Options: map[string]string{"value": "Lockstep"}},
	}
	return []crm.Mapping{
		one("email", "email", "Email"), phone, name, one("title", "title", "Title"), one("note", "note", "Note"),
		one("age", "age", "Age"), one("optin", "optin", "OptIn"), one("born", "born", "Born"), stage,
		one("tags", "tags", "Tags"),
		one("origin", "origin", "Origin"), static,
	}
}

func byEmail() crm.Match {
	return crm.SameMatch(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}, {"phone", "Phone"}}})
}

func baseSync(mappings ...crm.Mapping) crm.Sync {
	return crm.Sync{ID: "people", Match: byEmail(), Mappings: mappings}
}

func conn() *crm.Connection { return &crm.Connection{Country: "US"} }

func compile(sync crm.Sync) *Settings {
	s, _ := Compile(conn(), &sync, leftSchema(), rightSchema())
	return s
}

// values are what the apps may hold, in several spellings, with blanks and
// with what does not fit.
var values = map[string][]crm.Value{
	"email": texts("", "ann@example.com", " ANN@Example.COM ", "bob@example.org", "no address"),
	"phone": texts("", "(415) 555-0132", "+1 415 555 0132", "415.555.0199", "call me"),
	"name":  texts("", "Ann", "Ann Lee", "Ann  Lee", "Ann van Lee", "Bo"),
	"word":  texts("", "Ann", "Lee", "van Lee", "Bo"),
	"title": texts("", "CEO", " CEO", "CTO", "too long a title"),
	"note":  append(texts("", " ", "a", "b", "c\r\nd", "c\nd"), crm.NullValue(), crm.NumberValue("5")),
	"age":   {crm.NullValue(), crm.NumberValue("5"), crm.TextValue("5.0"), crm.NumberValue("7"), crm.TextValue("old")},
	"optin": {
		crm.NullValue(), crm.BoolValue(true), crm.TextValue("true"), crm.BoolValue(false), crm.TextValue("perhaps"),
	},
	"born":  texts("", "2001-02-03", "1999-12-31", "soon"),
	"stage": texts("", "lead", "customer", "other", "LEAD"),
	"Stage": texts("", "Open", "Won", "open"),
	"tags": {
		crm.NullValue(), crm.ListValue(), crm.ListValue("a"), crm.ListValue("b", "a"), crm.ListValue("a", "b", "b"),
		crm.ListValue("c"), crm.TextValue("a;c"),
	},
	"vip":    {crm.NullValue(), crm.BoolValue(true), crm.BoolValue(false)},
	"twin":   texts("", "R1", "R2"),
	"origin": texts("", "web", "fair"),
}

func texts(list ...string) []crm.Value {
	out := make([]crm.Value, len(list))
	for i, s := range list {
		out[i] = crm.TextValue(s)
	}
	return out
}

// poolOf names the pool of values of each field.
var poolOf = map[string]string{
	"email": "email", "Email": "email", "phone": "phone", "Phone": "phone", "first": "word", "last": "word",
	"Name":  "name",
	"title": "title", "Title": "title", "note": "note", "Note": "note", "age": "age", "Age": "age", "optin": "optin",
	"OptIn": "optin",
	"born":  "born", "Born": "born", "stage": "stage", "Stage": "Stage", "tags": "tags", "Tags": "tags", "vip": "vip",
	"OK":   "vip",
	"twin": "twin", "origin": "origin", "Origin": "origin", "source": "origin", "Source": "origin",
}

func drawFields(t *rapid.T, schema []crm.Field, label string) crm.Fields {
	f := crm.Fields{}
	for _, field := range schema {
		pool := values[poolOf[field.Name]]
		// Values that do not fit stand last; most draws leave them alone.
		n := rapid.IntRange(0, len(pool)).Draw(t, label+"."+field.Name)
		if n == len(pool) {
			continue // the app sent nothing
		}
		f[field.Name] = pool[n]
	}
	return f
}

func drawRecord(t *rapid.T, id crm.RecordID, schema []crm.Field) *crm.Record {
	r := &crm.Record{ID: id, Fields: drawFields(t, schema, string(id))}
	if n := rapid.IntRange(0, 3).Draw(t, string(id)+".modified"); n > 0 {
		r.ModifiedAt = noon.Add(-time.Duration(n) * time.Hour)
	}
	return r
}

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func drawDirection(t *rapid.T, label string) crm.Direction {
	return pick(t, label, crm.DirectionBoth, crm.DirectionBoth, crm.DirectionBoth, "", crm.DirectionToRight,
		crm.DirectionToLeft, crm.DirectionOff)
}

func drawPolicy(t *rapid.T, label string) crm.ConflictPolicy {
	return pick(t, label, crm.ConflictLeft, crm.ConflictRight, crm.ConflictNewest, crm.ConflictReview)
}

func drawBehavior(t *rapid.T, label string) crm.Behavior {
	return pick(t, label, "", "", "", crm.BehaviorCreateAndUpdate, crm.BehaviorCreateOnly, crm.BehaviorUpdateOnly,
		crm.BehaviorNothing)
}

// defaults are raw default values by mapping, one per way.
var defaults = map[crm.MappingID]crm.PerWay[crm.Value]{
	"note":  {ToRight: crm.TextValue("r"), ToLeft: crm.TextValue("l")},
	"age":   {ToRight: crm.NumberValue("1"), ToLeft: crm.NumberValue("2")},
	"optin": {ToRight: crm.BoolValue(false), ToLeft: crm.BoolValue(true)},
	"tags":  {ToRight: crm.ListValue("x"), ToLeft: crm.ListValue("y", "z")},
	"stage": {ToRight: crm.TextValue("Open"), ToLeft: crm.TextValue("customer")},
}

// drawSync draws settings of every kind, except what may take more than one
// pass: filters look at fields that no mapping writes.
func drawSync(t *rapid.T) crm.Sync {
	sync := crm.Sync{
		ID: "people", Direction: drawDirection(t, "direction"), Conflict: drawPolicy(t, "conflict"),
		Behavior: crm.PerWay[crm.Behavior]{
			ToRight: drawBehavior(t, "behavior.right"), ToLeft: drawBehavior(t, "behavior.left"),
		},
		FillBlanksOnly: crm.PerWay[bool]{ToRight: rare(t, "fill.right"), ToLeft: rare(t, "fill.left")},
		Match:          byEmail(),
	}
	if rapid.Bool().Draw(t, "duplicates allowed") {
		no := false
		sync.AvoidDuplicates = &no
	}
	for _, m := range twelve() {
		sync.Mappings = append(sync.Mappings, drawMapping(t, m))
	}
	if rare(t, "rule.right") {
		sync.Rules = append(sync.Rules, crm.Rule{
			ID: "vip", Direction: crm.DirectionToRight, Filter: &crm.Filter{Field: "vip", Op: "is_true"},
		})
	}
	if rare(t, "rule.left") {
		sync.Rules = append(sync.Rules, crm.Rule{
			ID: "ok", Direction: crm.DirectionToLeft, Filter: &crm.Filter{Not: &crm.Filter{Field: "OK", Op: "is_false"}},
		})
	}
	return sync
}

func rare(t *rapid.T, label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 3 }

func drawMapping(t *rapid.T, m crm.Mapping) crm.Mapping {
	id := string(m.ID)
	if m.Transform.Type != crm.TransformStatic {
		m.Direction = drawDirection(t, id+".direction")
	}
	m.Clear = crm.PerWay[bool]{
		ToRight: rapid.Bool().Draw(t, id+".clear.right"), ToLeft: rapid.Bool().Draw(t, id+".clear.left"),
	}
	m.WriteOnce = rare(t, id+".once")
	if rapid.Bool().Draw(t, id+".own policy") {
		p := drawPolicy(t, id+".policy")
		m.Conflict = &p
	}
	if rare(t, id+".off") {
		off := false
		m.Enabled = &off
	}
	if rare(t, id+".default.right") {
		m.Default.ToRight = defaults[m.ID].ToRight
	}
	if rare(t, id+".default.left") {
		m.Default.ToLeft = defaults[m.ID].ToLeft
	}
	return m
}

// past says what a pair remembers of one mapping, in raw values, so that it
// can be told to any settings and to their mirror.
type past struct {
	kind        memoryKind
	left, right crm.Fields
}

type pasts map[crm.MappingID]past

func drawPasts(t *rapid.T, now crm.Fields) pasts {
	p := pasts{}
	for _, m := range twelve() {
		one := past{kind: pick(t, string(m.ID)+".past", agreed, agreed, agreed, unknown, settled)}
		one.left, one.right = drawFields(t, leftSchema(), string(m.ID)+".was"),
			drawFields(t, rightSchema(), string(m.ID)+".Was")
		if rapid.Bool().Draw(t, string(m.ID)+".left unmoved") {
			one.left = now
		}
		p[m.ID] = one
	}
	return p
}

// base turns what is remembered into a base under the settings. Mirrored
// settings hold the past's left values on their right.
func (p pasts) base(s *Settings, mirrored bool) crm.Base {
	base := crm.Base{}
	for i := range s.specs {
		sp := &s.specs[i]
		was := p[sp.id]
		if sp.m == nil || was.kind == unknown {
			continue
		}
		raw := [2]crm.Fields{was.left, was.right}
		first := crm.Left
		if mirrored {
			raw, first = [2]crm.Fields{was.right, was.left}, crm.Right
		}
		if was.kind == agreed {
			if v, err := sp.m.Canonical(first, was.left); err == nil {
				base[sp.id] = crm.Agree(sp.revision, v)
			}
			continue
		}
		l, err := sp.m.Canonical(crm.Left, raw[0])
		r, err2 := sp.m.Canonical(crm.Right, raw[1])
		if err == nil && err2 == nil && !sp.set {
			base[sp.id] = sp.settle(memory{}, crm.Difference{Reason: crm.ReasonRestrained}, [2]crm.Value{l, r}, raw)
		}
	}
	return base
}

// drawPair draws a pair that is linked, freshly matched, or lacks a record.
func drawPair(t *rapid.T) (Pair, pasts) {
	p := Pair{
		Left: drawRecord(t, "L1", leftSchema()), Right: drawRecord(t, "R1", rightSchema()), Origin: crm.Left,
		Now: noon,
	}
	var was pasts
	switch pick(t, "pair", "linked", "linked", "linked", "matched", "protected", "left only", "right only") {
	case "linked":
		p.Linked, was = true, drawPasts(t, p.Left.Fields)
	case "protected":
		p.MatchedBy = &crm.MatchStep{Protect: []string{"email", "first", "tags", "note"}}
	case "left only":
		p.Right = nil
	case "right only":
		p.Left, p.Origin = nil, crm.Right
	}
	return p, was
}

// apply carries a decision out as apps that store what they are told.
func apply(p Pair, decision Decision) Pair {
	next := p
	next.MatchedBy = nil
	next.Base, next.Linked = decision.Base, p.Linked || decision.Link
	for i, word := range crm.Sides {
		old := p.Left
		if word == crm.Right {
			old = p.Right
		}
		w := decision.Write(word)
		if w == nil {
			continue
		}
		fresh := &crm.Record{ID: []crm.RecordID{"L1", "R1"}[i], Fields: crm.Fields{}}
		if old != nil {
			*fresh = *old
			fresh.Fields = old.Fields.Clone()
		}
		for name, v := range w.Fields {
			fresh.Fields[name] = v
		}
		if word == crm.Left {
			next.Left = fresh
		} else {
			next.Right = fresh
		}
	}
	return next
}

// canonical reads a mapping on both sides of a pair.
func canonical(sp *spec, p Pair) (v [2]crm.Value, ok bool) {
	for i, r := range []*crm.Record{p.Left, p.Right} {
		var f crm.Fields
		if r != nil {
			f = r.Fields
		}
		got, err := sp.m.Canonical(crm.Sides[i], f)
		if err != nil {
			return v, false
		}
		v[i] = got
	}
	return v, true
}

func ruleOf(decision *Decision, id crm.MappingID) FieldDecision {
	i := slices.IndexFunc(decision.Fields, func(f FieldDecision) bool { return f.Mapping == id })
	if i < 0 {
		return FieldDecision{}
	}
	return decision.Fields[i]
}
