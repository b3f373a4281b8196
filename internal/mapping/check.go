package mapping

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// checkTypes refuses fields that the transform cannot join, and two-way
// mappings whose values could not come back.
func (c *compiler) checkTypes() {
	left, right := c.end(crm.Left), c.end(crm.Right)
	t := c.m.Transform.Type
	if t == crm.TransformStatic || c.m.Direction == crm.DirectionOff {
		return
	}
	if c.m.Joins != "" {
		c.checkReferences()
		return
	}
	if len(left.names) > 1 || len(right.names) > 1 {
		c.checkJoin()
		return
	}
	if !c.compatible(left, right) {
		at, fix := "/transform/type", remedy(left.typ, right.typ)
		if t != crm.TransformNone && !c.textIntoEmail(left, right) && !c.textIntoEmail(right, left) {
			fix = "map fields of the types that it works on"
		}
		c.add(at, CodeIncompatible, "field %q (%s) is not compatible with field %q (%s) under the transform %q: %s",
			left.names[0], left.typ, right.names[0], right.typ, t, fix)
		return
	}
	if c.twoWay() {
		c.checkRoundTrip(left, right)
	}
}

func (c *compiler) compatible(left, right *end) bool {
	if t := c.m.Transform.Type; t != crm.TransformNone {
		return fitsType(t, left.typ) && fitsType(t, right.typ) &&
			!c.textIntoEmail(left, right) && !c.textIntoEmail(right, left)
	}
	// Two ways between one and several items fail the round trip, not the types.
	if c.twoWay() && oneAndSeveral(left.typ, right.typ) {
		return true
	}
	return (!c.m.Direction.Allows(crm.ToRight) || movesAsIs(left.typ, right.typ)) &&
		(!c.m.Direction.Allows(crm.ToLeft) || movesAsIs(right.typ, left.typ))
}

// textIntoEmail reports an open way from a text to an e-mail field.
func (c *compiler) textIntoEmail(from, to *end) bool {
	return to.typ == crm.TypeEmail && from.typ == crm.TypeText && c.m.Direction.Allows(crm.WayTo(to.side))
}

func oneAndSeveral(a, b crm.FieldType) bool {
	return severalItems(a) && b == crm.TypeOption || severalItems(b) && a == crm.TypeOption
}

func (c *compiler) checkRoundTrip(left, right *end) {
	t := c.m.Transform.Type
	asList := func(e *end) bool { return severalItems(e.typ) || t == crm.TransformList && e.typ == crm.TypeText }
	isTime := func(e *end) bool { return e.typ == crm.TypeDateTime }
	isDate := func(e *end) bool { return e.typ == crm.TypeDate }
	switch {
	case asList(left) != asList(right):
		c.add("/transform/type", CodeNotRoundTrip, "field %q (%s) and field %q (%s): of several items only "+
			"the first would fit the single field, and writing it back would drop the others: set one direction",
			left.names[0], left.typ, right.names[0], right.typ)
	case t == crm.TransformDate && (isTime(left) || isTime(right)),
		t == crm.TransformDateTime && (isDate(left) || isDate(right)):
		c.add("/transform/type", CodeNotRoundTrip, "field %q (%s) and field %q (%s): a date has no time "+
			"of day, so the time would be lost on the way back: set one direction, or map two fields of the same type",
			left.names[0], left.typ, right.names[0], right.typ)
	}
}

// checkJoin wants texts on the joined side and on the other.
func (c *compiler) checkJoin() {
	for _, s := range crm.Sides {
		for i, f := range c.end(s).fields {
			typ := effectiveType(f)
			target := c.m.Direction.Allows(crm.WayTo(s))
			if c.env.fields(s) == nil || typ == crm.TypeText {
				continue
			}
			if c.m.Transform.Type == crm.TransformFullName || target || severalItems(typ) {
				c.add("/"+string(s)+"/"+strconv.Itoa(i), CodeIncompatible,
					"field %q (%s) cannot be part of a joined text: map a text field", f.Name, typ)
			}
		}
	}
}

// optionMap checks and builds the translation of options.
func (c *compiler) optionMap() *optionMap {
	sets := [2]optionSet{}
	for i, e := range c.ends {
		if len(e.fields) > 0 {
			sets[i] = optionsOf(e.fields[0], e.typ)
		} else {
			sets[i] = newOptionSet(nil, false)
		}
	}
	if c.m.Transform.Type != crm.TransformOptions {
		return newOptionMap(sets, nil, c.m.Direction)
	}
	m := newOptionMap(sets, c.m.Transform.Options, c.m.Direction)
	c.checkPairs(m)
	return m
}

func (c *compiler) checkPairs(m *optionMap) {
	for _, k := range slices.Sorted(maps.Keys(c.m.Transform.Options)) {
		v := c.m.Transform.Options[k]
		at := "/transform/options/" + escape(k)
		if CanonicalText(k) == "" || CanonicalText(v) == "" {
			c.add(at, CodeBadOptions, "an option and what it is mapped to must not be empty")
			continue
		}
		c.checkOption(m, crm.Left, k, at)
		c.checkOption(m, crm.Right, v, at)
	}
	switch {
	case len(m.right) < len(c.m.Transform.Options):
		c.add("/transform/options", CodeBadOptions,
			"two of the options of field %q differ in white space only or name one option twice: keep one", c.m.Left[0])
	case m.oneToOne():
	case c.twoWay():
		c.add("/transform/options", CodeNotRoundTrip, "several options of field %q become one option of "+
			"field %q, so the way back is not known: map them one to one, or set the direction to to_right",
			c.m.Left[0], c.m.Right[0])
	case c.m.Direction == crm.DirectionToLeft:
		c.add("/transform/options", CodeBadOptions,
			"one option of field %q would become several options of field %q: map it once", c.m.Right[0], c.m.Left[0])
	}
}

func (c *compiler) checkOption(m *optionMap, s crm.Side, value, at string) {
	set := m.sets[s.Index()]
	if _, found := set.lookup(CanonicalText(value), m.twins); found || !set.closed {
		return
	}
	c.add(at, CodeUnknownOption, "the %s field %q has no option %q; it offers %s", s, c.m.Names(s)[0], value, set.list())
}

// setConstant reads the text of a static mapping as its target would.
func (c *compiler) setConstant(out *Compiled) {
	if c.m.Transform.Type != crm.TransformStatic {
		return
	}
	const at = "/transform/options/value"
	text := c.m.Transform.Options["value"]
	if strings.TrimSpace(text) == "" || len(c.m.Transform.Options) != 1 {
		c.add("/transform/options", CodeBadOptions, "a static mapping needs one option, \"value\", with the text to write")
		return
	}
	if c.m.Direction == crm.DirectionOff || len(c.problems) > 0 {
		return
	}
	v, ok := c.fits(out, c.target(), crm.TextValue(text), at, CodeBadOptions)
	if ok {
		out.constant = v
	}
}

// setDefaults reads the default values of the open ways as their targets would.
func (c *compiler) setDefaults(out *Compiled) {
	for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
		raw, v := c.m.Default.Get(way), crm.NullValue()
		if !raw.Blank() && c.m.Direction.Allows(way) && len(c.problems) == 0 {
			v, _ = c.fits(out, way.Target(), raw, "/default/"+string(way), CodeBadDefault)
		}
		if way == crm.ToRight {
			out.defaults.ToRight = v
		} else {
			out.defaults.ToLeft = v
		}
	}
}

// fits returns a configured raw value of a side in canonical form, if the side
// can hold it.
func (c *compiler) fits(out *Compiled, s crm.Side, raw crm.Value, at, code string) (crm.Value, bool) {
	e := out.end(s)
	var v crm.Value
	var err error
	if len(e.names) > 1 {
		v = textOrNull(joinWords(raw.Text()))
	} else {
		v, err = out.read(e, raw)
	}
	if err == nil && !out.Assigns() { // who is a user there is asked when it is written
		_, err = out.Render(s, v, nil)
	}
	if err == nil {
		return v, true
	}
	detail := err.Error()
	var f *fault.Error
	if errors.As(err, &f) {
		detail = f.Message
	}
	c.add(at, code, "the configured value does not fit: %s", detail)
	return crm.NullValue(), false
}

// escape writes a key as a part of a JSON Pointer (RFC 6901).
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}
