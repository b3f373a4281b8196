package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// The codes of problems found at set-up, beside those of values.
const (
	CodeMissingID        = "missing_id"
	CodeDuplicateID      = "duplicate_id"
	CodeMissingField     = "missing_field"
	CodeUnknownField     = "unknown_field"
	CodeReadOnlyField    = "read_only_field"
	CodeMappedTwice      = "field_mapped_twice"
	CodeIncompatible     = "incompatible_types"
	CodeNotRoundTrip     = "not_round_trip"
	CodeBadShape         = "wrong_number_of_fields"
	CodeUnknownTransform = "unknown_transform"
	CodeUnknownDirection = "unknown_direction"
	CodeUnknownPolicy    = "unknown_policy"
	CodeUnknownConflict  = "unknown_conflict"
	CodeUnknownCountry   = "unknown_country"
	CodeBadOptions       = "transform_options"
	CodeBadDefault       = "default_does_not_fit"
	CodeNotReference     = "not_a_reference"
)

// compiler collects every problem of one mapping, so that an admin sees all at once.
type compiler struct {
	env      Env
	m        crm.Mapping
	problems []Problem
	ends     [2]end

	unlessBlank bool // of the policy shorthand
}

func (c *compiler) add(pointer, code, format string, args ...any) {
	c.problems = append(c.problems, Problem{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// Compile checks a mapping and makes it ready to work. It expands the policy
// shorthand into direction, conflict and clear. With problems, all of them are
// returned and Compiled is nil. A mapping that is off is checked for its form
// but not against the schema: the field that it named may be gone.
func Compile(m crm.Mapping, env Env) (*Compiled, []Problem) {
	c := &compiler{env: env}
	c.m = c.expand(m)
	c.checkEnums()
	if !c.m.On() || c.m.Direction == crm.DirectionOff {
		c.env.Left, c.env.Right = nil, nil
	}
	c.checkShape()
	for i, side := range crm.Sides {
		c.ends[i] = c.resolve(side)
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	out := c.build()
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return out, nil
}

// CompileAll compiles the mappings of one sync. Pointers begin with
// "/mappings/<i>". Beside the problems of each mapping it reports IDs used
// twice and fields that two mappings write in the same way. The set holds the
// mappings that are on; it is nil when there are problems.
func CompileAll(ms []crm.Mapping, env Env) (Set, []Problem) {
	set := Set{}
	var problems []Problem
	ids := map[crm.MappingID]bool{}
	writer := map[crm.Way]map[string]crm.MappingID{crm.ToRight: {}, crm.ToLeft: {}}
	for i, m := range ms {
		at := "/mappings/" + strconv.Itoa(i)
		if ids[m.ID] && m.ID != "" {
			problems = append(problems, Problem{
				at + "/id", CodeDuplicateID,
				fmt.Sprintf("the ID %q is used by an earlier mapping of this sync: choose another", m.ID),
			})
		}
		ids[m.ID] = true
		compiled, found := Compile(m, env)
		for _, p := range found {
			p.Pointer = at + p.Pointer
			problems = append(problems, p)
		}
		if compiled == nil || !compiled.spec.On() || compiled.spec.Direction == crm.DirectionOff {
			continue
		}
		problems = append(problems, claimTargets(compiled, at, writer)...)
		set = append(set, compiled)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return set, nil
}

func claimTargets(c *Compiled, at string, writer map[crm.Way]map[string]crm.MappingID) []Problem {
	var problems []Problem
	for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
		if !c.Allows(way) {
			continue
		}
		side := way.Target()
		for i, name := range c.end(side).names {
			if other, taken := writer[way][name]; taken {
				problems = append(problems, Problem{
					at + "/" + string(side) + "/" + strconv.Itoa(i), CodeMappedTwice,
					fmt.Sprintf("the %s field %q is already written by the mapping %q: switch one of them off or change its direction",
						side, name, other),
				})
				continue
			}
			writer[way][name] = c.spec.ID
		}
	}
	return problems
}

// expand replaces the policy shorthand by what it stands for.
func (c *compiler) expand(m crm.Mapping) crm.Mapping {
	if m.Direction == "" {
		m.Direction = crm.DirectionBoth
	}
	if m.Transform.Type == "" {
		m.Transform.Type = crm.TransformNone
	}
	m.Left, m.Right = slices.Clone(m.Left), slices.Clone(m.Right)
	m.Transform.Options = maps.Clone(m.Transform.Options)
	if m.Policy == nil {
		return m
	}
	left, right := crm.ConflictLeft, crm.ConflictRight
	c.unlessBlank = *m.Policy == crm.PolicyPreferRightUnless || *m.Policy == crm.PolicyPreferLeftUnless
	switch *m.Policy {
	case crm.PolicyTwoWay:
		m.Direction, m.Clear = crm.DirectionBoth, crm.PerWay[bool]{ToRight: true, ToLeft: true}
	case crm.PolicyPreferRightUnless:
		m.Direction, m.Conflict, m.Clear = crm.DirectionBoth, &right, crm.PerWay[bool]{ToLeft: true}
	case crm.PolicyPreferLeftUnless:
		m.Direction, m.Conflict, m.Clear = crm.DirectionBoth, &left, crm.PerWay[bool]{ToRight: true}
	case crm.PolicyAlwaysRight:
		m.Direction, m.Conflict, m.Clear = crm.DirectionToLeft, &right, crm.PerWay[bool]{ToLeft: true}
	case crm.PolicyAlwaysLeft:
		m.Direction, m.Conflict, m.Clear = crm.DirectionToRight, &left, crm.PerWay[bool]{ToRight: true}
	case crm.PolicyNone:
		m.Direction = crm.DirectionOff
	default:
		c.add("/policy", CodeUnknownPolicy, "there is no policy %q: use two_way, prefer_right_unless_blank, "+
			"prefer_left_unless_blank, always_right, always_left or none", *m.Policy)
	}
	m.Policy = nil
	return m
}

// Addressable reports whether a part of a document can be asked for alone by its
// ID, which is the end of its address: dots would be a step in the path.
func Addressable(id string) bool { return id != "" && id != "." && id != ".." }

func (c *compiler) checkEnums() {
	if !Addressable(string(c.m.ID)) {
		c.add("/id", CodeMissingID, "a mapping needs an ID that is unique in its sync, and neither . nor ..")
	}
	switch c.m.Direction {
	case crm.DirectionBoth, crm.DirectionToRight, crm.DirectionToLeft, crm.DirectionOff:
	default:
		c.add("/direction", CodeUnknownDirection, "there is no direction %q: use both, to_right, to_left or off",
			c.m.Direction)
	}
	if c.m.Conflict != nil {
		switch *c.m.Conflict {
		case crm.ConflictLeft, crm.ConflictRight, crm.ConflictNewest, crm.ConflictReview:
		default:
			c.add("/conflict", CodeUnknownConflict, "there is no conflict policy %q: use left, right, newest or review",
				*c.m.Conflict)
		}
	}
	switch t, r := c.m.Transform.Type, rowOf(c.m.Transform.Type); {
	case r == nil:
		c.add("/transform/type", CodeUnknownTransform, "there is no transform %q: use %s", t, transformWords())
	case r.options == "" && len(c.m.Transform.Options) > 0:
		c.add("/transform/options", CodeBadOptions, "the transform %q takes no options: remove them", t)
	}
	if c.m.Transform.Type == crm.TransformPhone && c.env.Country != "" && !KnownCountry(c.env.Country) {
		c.add("/transform/type", CodeUnknownCountry, "the default country %q of the connection is no ISO 3166-1 code, "+
			"so phone numbers cannot be read: correct it, for example to \"US\"", c.env.Country)
	}
}

// twoWay reports whether the mapping is meant to travel both ways.
func (c *compiler) twoWay() bool {
	return c.m.Direction.Allows(crm.ToRight) && c.m.Direction.Allows(crm.ToLeft)
}

// target returns the side that a one-way mapping writes; right for all others.
func (c *compiler) target() crm.Side {
	if c.m.Direction == crm.DirectionToLeft {
		return crm.Left
	}
	return crm.Right
}

// checkShape checks how many fields each side has.
func (c *compiler) checkShape() {
	left, right := len(c.m.Left), len(c.m.Right)
	t, target := c.m.Transform.Type, c.target()
	switch {
	case t == crm.TransformStatic && c.twoWay():
		c.add("/transform/type", CodeNotRoundTrip,
			"a static text can only travel one way: set the direction to to_right or to_left")
	case t == crm.TransformStatic:
		c.requireOne(target)
	case left == 0:
		c.add("/left", CodeMissingField, "name a field of the left object")
	case right == 0:
		c.add("/right", CodeMissingField, "name a field of the right object")
	case t == crm.TransformFullName:
		if left+right != 3 {
			c.add("/transform/type", CodeBadShape, "full_name joins a first and a last name (two fields, in this order) "+
				"on one side with one field on the other")
		}
	case left == 1 && right == 1:
	case left > 1 && right > 1, len(c.m.Names(target)) > 1 && !c.twoWay() && c.m.Direction != crm.DirectionOff:
		c.add("/"+string(target), CodeBadShape, "only full_name splits a text, into first and last name: "+
			"map one field on the %s side", target)
	case t != crm.TransformNone:
		c.add("/transform/type", CodeBadShape, "the transform %q works on one field of each side: "+
			"use none to join several fields", t)
	case c.twoWay():
		c.add("/transform/type", CodeNotRoundTrip, "a text joined from several fields cannot be taken apart again: "+
			"set one direction, or use full_name for a first and a last name")
	}
}

func (c *compiler) requireOne(s crm.Side) {
	if len(c.m.Names(s)) != 1 {
		c.add("/"+string(s), CodeBadShape, "a static text goes to exactly one field: name one on the %s side", s)
	}
}

// resolve looks up a side's fields and checks that they exist and may be written.
func (c *compiler) resolve(s crm.Side) end {
	e := end{side: s, names: c.m.Names(s), zone: orUTC(c.env.TimeZone.Get(s))}
	e.dateZone = e.zone
	schema := c.env.fields(s)
	e.known = schema != nil
	seen := map[string]bool{}
	for i, name := range e.names {
		at := "/" + string(s) + "/" + strconv.Itoa(i)
		field, found := schema[name]
		field.Name = name
		e.fields = append(e.fields, field)
		switch {
		case strings.TrimSpace(name) == "":
			c.add(at, CodeMissingField, "a field name must not be empty")
		case seen[name]:
			c.add(at, CodeMappedTwice, "the %s field %q is named twice: name each field once", s, name)
		case e.known && !found:
			c.add(at, CodeUnknownField, "the %s object has no field %q: choose one of its fields", s, name)
		case field.ReadOnly && c.m.Direction.Allows(crm.WayTo(s)):
			c.add(at, CodeReadOnlyField, "the %s field %q is read-only in the app: "+
				"map another field, or set the direction to %s", s, name, crm.WayTo(s.Other()))
		}
		seen[name] = true
	}
	if e.known && len(e.fields) > 0 {
		e.typ = effectiveType(e.fields[0])
	}
	return e
}

// effectiveType reads an option field that takes several as such.
func effectiveType(f crm.Field) crm.FieldType {
	switch {
	case f.Type == "":
		return crm.TypeText
	case f.Multiple && f.Type == crm.TypeOption:
		return crm.TypeOptions
	case f.Multiple && f.Type == crm.TypeText:
		return crm.TypeList
	}
	return f.Type
}

// build decides the canonical form and puts the mapping together.
func (c *compiler) build() *Compiled {
	out := &Compiled{
		spec: c.m, country: strings.ToUpper(c.env.Country), constant: crm.NullValue(), unlessBlank: c.unlessBlank,
	}
	out.domain = c.chooseDomain()
	out.lenient = c.m.Transform.Type == crm.TransformNone && c.m.Joins == ""
	c.chooseZones(out.domain)
	c.checkTypes()
	if len(c.problems) > 0 {
		return nil
	}
	out.ends = c.ends
	if out.domain == domainOption || out.domain == domainSet {
		out.options = c.optionMap()
	}
	c.setConstant(out)
	c.setDefaults(out)
	out.revision = c.revision(out)
	return out
}

func (c *compiler) end(s crm.Side) *end { return &c.ends[s.Index()] }

// chooseDomain settles unknown types and the canonical form.
func (c *compiler) chooseDomain() domain {
	left, right := c.end(crm.Left), c.end(crm.Right)
	if c.m.Transform.Type == crm.TransformStatic {
		t := c.end(c.target())
		t.typ = orType(t.typ, crm.TypeText)
		return naturalDomain(t.typ)
	}
	if len(left.names) > 1 || len(right.names) > 1 {
		left.typ, right.typ = orType(left.typ, crm.TypeText), orType(right.typ, crm.TypeText)
		return c.row().domain
	}
	if c.m.Joins != "" {
		left.typ, right.typ = orType(left.typ, crm.TypeReference), orType(right.typ, crm.TypeReference)
		if left.several() && right.several() {
			return domainReferences
		}
		return domainReference
	}
	natural := c.row().natural
	if c.m.Transform.Type == crm.TransformNone {
		left.typ, right.typ = orType(left.typ, right.typ), orType(right.typ, left.typ)
	}
	left.typ, right.typ = orType(left.typ, natural), orType(right.typ, natural)
	d := c.row().domain
	switch t := c.m.Transform.Type; {
	case t == crm.TransformNone:
		d = domainAsIs(left.typ, right.typ)
	case t == crm.TransformDateTime && (left.typ == crm.TypeDate || right.typ == crm.TypeDate):
		d = domainDate // the coarser form: a time of day has no place in a date
	}
	if left.typ == crm.TypeOwner || right.typ == crm.TypeOwner {
		return domainOwner // whatever else: an ID means nothing in the other app
	}
	return c.narrow(d)
}

// row is the mapping's transform; none where there is none of that name, which
// is a problem already.
func (c *compiler) row() *transform {
	if r := rowOf(c.m.Transform.Type); r != nil {
		return r
	}
	return rowOf(crm.TransformNone)
}

// narrow settles lists: both sides as sets, or only the first item where the
// target takes one.
func (c *compiler) narrow(d domain) domain {
	if d != domainOption && d != domainSet && d != domainText {
		return d
	}
	several := func(e *end) bool {
		return severalItems(e.typ) || c.m.Transform.Type == crm.TransformList && e.typ == crm.TypeText
	}
	target := c.end(c.target())
	source := c.end(c.target().Other())
	switch {
	case several(target):
		return domainSet
	case several(source):
		source.first = true
		if target.typ == crm.TypeText {
			return domainText
		}
		return domainOption
	case d == domainSet:
		return domainOption
	}
	return d
}

func orType(t, other crm.FieldType) crm.FieldType {
	if t == "" {
		return other
	}
	return t
}

// domainAsIs is the form for two fields without a transform: that of their
// type, or of the one that is not free text.
func domainAsIs(a, b crm.FieldType) domain {
	if a == crm.TypeText {
		return naturalDomain(b)
	}
	return naturalDomain(a)
}

// chooseZones makes both ends agree in which zone an instant becomes a date:
// that of the side that holds dates, else that of the side written.
func (c *compiler) chooseZones(d domain) {
	if d != domainDate {
		return
	}
	left, right := c.end(crm.Left), c.end(crm.Right)
	switch l, r := left.typ == crm.TypeDateTime, right.typ == crm.TypeDateTime; {
	case l && r:
		zone := c.end(c.target()).zone
		left.dateZone, right.dateZone = zone, zone
	case l:
		left.dateZone = right.zone
	case r:
		right.dateZone = left.zone
	}
}

// revision hashes what the canonical form depends on.
func (c *compiler) revision(out *Compiled) string {
	type side struct {
		Names []string
		Type  crm.FieldType
		Zone  string
		Day   string
		First bool
	}
	desc := struct {
		Domain  domain
		Lenient bool
		Type    crm.TransformType
		Options map[string]string
		Country string
		Sides   [2]side
		Joins   crm.SyncID `json:",omitempty"`
	}{
		Domain: out.domain, Lenient: out.lenient, Type: c.m.Transform.Type, Options: c.m.Transform.Options,
		Joins: c.m.Joins,
	}
	if out.domain == domainPhone {
		desc.Country = out.country
	}
	for i, e := range c.ends {
		desc.Sides[i] = side{Names: e.names, Type: e.typ, First: e.first}
		if out.domain == domainDate || out.domain == domainDateTime {
			desc.Sides[i].Zone, desc.Sides[i].Day = e.zone.String(), e.dateZone.String()
		}
	}
	b, err := json.Marshal(desc) // maps are written in key order
	if err != nil {
		panic(err) // strings and numbers only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}
