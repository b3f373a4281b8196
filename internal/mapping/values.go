package mapping

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// read returns the canonical form of a single field's raw value.
func (c *Compiled) read(e *end, raw crm.Value) (crm.Value, error) {
	if raw.Blank() {
		return crm.NullValue(), nil
	}
	if e.first {
		items := Items(raw)
		if len(items) == 0 {
			return crm.NullValue(), nil
		}
		raw = crm.TextValue(items[0])
	}
	v, code := c.parse(e, raw)
	switch {
	case code == "":
	case c.lenient && (e.typ == crm.TypeText || c.domain == domainEmail):
		return c.asItIs(e, raw), nil
	default:
		return crm.Value{}, c.fail(e, code, misfits[code])
	}
	if v.Blank() {
		return crm.NullValue(), nil
	}
	return v, nil
}

// asItIs is the canonical form of a text that does not parse. NFC may have
// made it parse (the Kelvin sign in an e-mail address): then it is read again,
// so that the form is stable.
func (c *Compiled) asItIs(e *end, raw crm.Value) crm.Value {
	text := textOrNull(CanonicalText(raw.Text()))
	if text.Blank() {
		return text
	}
	if v, code := c.parse(e, text); code == "" {
		return v
	}
	return text
}

// misfits are what an admin reads; they never quote the value.
var misfits = map[string]string{
	CodeNotANumber:       "the value is not a plain number; use digits with a point for decimals",
	CodeNotABoolean:      "the value is neither true nor false",
	CodeNotADate:         "the value is not a date of the form 2026-01-31",
	CodeNotADateTime:     "the value is not a date and time of the form 2026-01-31T13:45:00Z",
	CodeNotAnEmail:       "the value is not an e-mail address",
	CodePartnerNotLinked: "which of the records are linked is not known yet",
	CodeUnmapped:         "the option map gives this option's name to another option; add the option to the map",
}

// parse returns the canonical form of a raw value that is not blank, or a code.
func (c *Compiled) parse(e *end, raw crm.Value) (v crm.Value, code string) {
	codec := &codecs[c.domain]
	if v, ok := codec.parse(c, e, raw); ok {
		return v, ""
	}
	return crm.Value{}, codec.code
}

// parseText keeps a list a list only where no schema says what the field holds.
func (c *Compiled) parseText(e *end, raw crm.Value) (crm.Value, bool) {
	if raw.Kind() == crm.List && !e.known {
		return setOf(Items(raw)), true
	}
	return crm.TextValue(plainText(raw)), true
}

func normalText(_ *Compiled, _ *end, v crm.Value) (crm.Value, bool) {
	if v.Kind() == crm.List {
		return setOf(Items(v)), true
	}
	return textOrNull(plainText(v)), true
}

func (c *Compiled) parseSet(e *end, raw crm.Value) (crm.Value, bool) {
	items := []string{plainText(raw)}
	if raw.Kind() == crm.List || e.typ != crm.TypeOption {
		items = Items(raw)
	}
	for i, s := range items {
		canonical, ok := c.options.read(e.side, s)
		if !ok {
			return crm.Value{}, false
		}
		items[i] = canonical
	}
	return c.options.setOf(items), true
}

// normal returns v in canonical form, so that a value typed by a person may be
// rendered too.
func (c *Compiled) normal(e *end, v crm.Value) (crm.Value, error) {
	if v.Blank() {
		return crm.NullValue(), nil
	}
	codec := &codecs[c.domain]
	read := codec.normal
	if read == nil {
		read = codec.parse
	}
	out, ok := read(c, e, v)
	switch {
	case ok:
		return out, nil
	case c.lenient:
		return c.asItIs(e, v), nil
	}
	return crm.Value{}, c.fail(e, codec.code, misfits[codec.code])
}

func normalSet(c *Compiled, _ *end, v crm.Value) (crm.Value, bool) {
	items := Items(crm.ListValue(v.Items()...))
	for i := range items {
		items[i] = c.options.canonical(items[i])
	}
	return c.options.setOf(items), true
}

// write returns the raw values of all fields of a side for canonical v, which
// is not blank. Current tells lists from texts where no schema does.
func (c *Compiled) write(e *end, v crm.Value, current, source crm.Fields) (crm.Fields, error) {
	var out crm.Fields
	if len(e.names) > 1 {
		first, last := splitName(v.Text(), e.fields[1].Required)
		out = crm.Fields{e.names[0]: textOrNull(first), e.names[1]: textOrNull(last)}
	} else {
		raw, err := c.rawOf(e, v, current[e.names[0]])
		if err != nil {
			return nil, err
		}
		if text, ok := c.asSpelled(e, v, source); ok {
			raw = text
		}
		out = crm.Fields{e.names[0]: raw}
	}
	for i, field := range e.fields {
		raw := out[e.names[i]]
		if field.MaxLength > 0 && raw.Kind() == crm.Text && utf8.RuneCountInString(raw.Text()) > field.MaxLength {
			err := c.fail(e, CodeTooLong, "")
			err.Field = e.names[i]
			err.Message = string(e.side) + " field " + e.names[i] + ": the value is longer than the field's " +
				plural(field.MaxLength, "character")
			return nil, err
		}
	}
	return out, nil
}

// rawOf writes v as the field's type wants it.
func (c *Compiled) rawOf(e *end, v, current crm.Value) (crm.Value, error) {
	if render := codecs[c.domain].render; render != nil {
		return render(c, e, v, current)
	}
	return typed(e, v), nil
}

// typed gives a number or boolean to a field of another type as text. Typed
// fields get what does not parse as the text it is; reading back refuses it.
func typed(e *end, v crm.Value) crm.Value {
	switch {
	case v.Kind() == crm.Number && e.typ == crm.TypeNumber,
		v.Kind() == crm.Bool && e.typ == crm.TypeBoolean,
		v.Kind() == crm.List && !e.known:
		return v
	}
	return crm.TextValue(v.Text())
}

func (c *Compiled) rawMoment(e *end, v, _ crm.Value) (crm.Value, error) {
	m, ok := ParseMoment(v, nil, false)
	switch {
	case !ok: // a text that lenient reading let pass
		return crm.TextValue(v.Text()), nil
	case c.domain == domainDate && e.typ != crm.TypeDateTime:
		return v, nil
	}
	t, ok := m.Instant(e.dateZone)
	if !ok {
		return crm.Value{}, c.fail(e, CodeDoesNotFit, "the date does not exist in the time zone "+e.dateZone.String())
	}
	return crm.TextValue(t.Format(rawTimeLayout)), nil
}

// rawBool picks the option that means the boolean, where the field has options.
func (c *Compiled) rawBool(e *end, v, _ crm.Value) (crm.Value, error) {
	if e.typ != crm.TypeOption {
		return typed(e, v), nil
	}
	if len(e.fields[0].Options) == 0 {
		return crm.TextValue(v.Text()), nil
	}
	want, _ := v.Bool()
	set := optionsOf(e.fields[0], e.typ)
	for _, o := range set.values {
		if b, ok := ParseBool(crm.TextValue(o)); ok && b == want {
			return crm.TextValue(o), nil
		}
	}
	return crm.Value{}, c.unknownOption(e, set)
}

// rawOptions translates each item to the side's exact option. What is none of the
// side's options keeps the spelling that it has there.
func (c *Compiled) rawOptions(e *end, v, current crm.Value) (crm.Value, error) {
	items := v.Items()
	there := map[string]string{}
	if v.Folds() {
		for _, s := range slices.Backward(Items(current)) { // of several the first counts
			there[Fold(s)] = s
		}
	}
	for i, s := range items {
		option, ok := c.options.write(e.side, s)
		if !ok {
			return crm.Value{}, c.unknownOption(e, c.options.sets[e.side.Index()])
		}
		if held, ok := there[Fold(option)]; ok && !c.options.sets[e.side.Index()].exact[option] {
			option = held
		}
		items[i] = option
	}
	slices.Sort(items)
	switch {
	case e.typ == crm.TypeBoolean && len(items) == 1:
		if b, ok := ParseBool(crm.TextValue(items[0])); ok {
			return crm.BoolValue(b), nil
		}
		return crm.Value{}, c.unknownOption(e, c.options.sets[e.side.Index()])
	case e.typ == crm.TypeList, !e.known && current.Kind() == crm.List:
		return crm.ListValue(items...), nil
	}
	return crm.TextValue(strings.Join(items, ";")), nil
}

func (c *Compiled) unknownOption(e *end, set optionSet) error {
	return c.fail(e, CodeUnknownOption, "the field has no such option; it offers "+set.list()+
		": add the option in the app or map the value with the transform \"options\"")
}
