package mapping

import (
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// domain is the canonical form that a mapping's values take. Its number is part
// of a mapping's revision: new ones stand at the end.
type domain uint8

const (
	domainText domain = iota
	domainName
	domainEmail
	domainPhone
	domainNumber
	domainBool
	domainDate
	domainDateTime
	domainOption     // one of a set
	domainSet        // several, as a set
	domainHost       // a web address, compared by its domain
	domainOwner      // a user, as the e-mail address
	domainReference  // a record of another sync, as the left one of its pair
	domainReferences // several of them that have a twin, as a set
)

// codec reads and writes the values of a domain.
type codec struct {
	// parse returns the canonical form of a raw value that is not blank; a blank
	// one is null. It reports false for what is none, which code names.
	parse func(c *Compiled, e *end, raw crm.Value) (crm.Value, bool)
	code  string
	// normal reads a value that is canonical or was typed by a person; nil = parse.
	normal func(c *Compiled, e *end, v crm.Value) (crm.Value, bool)
	// render writes a canonical value as the field's type wants it; nil = typed.
	render func(c *Compiled, e *end, v, current crm.Value) (crm.Value, error)
}

// codecs is the table of domains.
var codecs = [...]codec{
	domainText: {parse: (*Compiled).parseText, normal: normalText},
	domainName: {parse: func(_ *Compiled, _ *end, raw crm.Value) (crm.Value, bool) {
		return textOrNull(joinWords(raw.Text())), true
	}},
	domainEmail: {code: CodeNotAnEmail, parse: func(_ *Compiled, _ *end, raw crm.Value) (crm.Value, bool) {
		s, ok := CanonicalEmail(raw.Text())
		return crm.TextValue(s), ok
	}},
	domainPhone: {parse: func(c *Compiled, _ *end, raw crm.Value) (crm.Value, bool) {
		s, _, _ := CanonicalPhone(raw.Text(), c.country) // no valid number stays the text that it is
		return textOrNull(s), true
	}},
	domainNumber: {code: CodeNotANumber, parse: func(_ *Compiled, _ *end, raw crm.Value) (crm.Value, bool) {
		s, ok := CanonicalNumber(raw.Text())
		return crm.NumberValue(s), ok && raw.Kind() != crm.List && raw.Kind() != crm.Bool
	}},
	domainBool: {
		code: CodeNotABoolean, render: (*Compiled).rawBool,
		parse: func(_ *Compiled, _ *end, raw crm.Value) (crm.Value, bool) {
			b, ok := ParseBool(raw)
			return crm.BoolValue(b), ok
		},
	},
	domainDate: {
		code: CodeNotADate, render: (*Compiled).rawMoment,
		parse: func(_ *Compiled, e *end, raw crm.Value) (crm.Value, bool) {
			return parseDate(raw, e.typ == crm.TypeDateTime, e.typ != crm.TypeText, e.zone, e.dateZone)
		},
		normal: func(_ *Compiled, _ *end, v crm.Value) (crm.Value, bool) { return parseDate(v, false, false, nil, nil) },
	},
	domainDateTime: {
		code: CodeNotADateTime, render: (*Compiled).rawMoment,
		parse: func(_ *Compiled, e *end, raw crm.Value) (crm.Value, bool) {
			return parseInstant(raw, e.typ != crm.TypeText, e.zone)
		},
		normal: func(_ *Compiled, e *end, v crm.Value) (crm.Value, bool) { return parseInstant(v, false, e.zone) },
	},
	domainOption: {
		code: CodeUnmapped, render: (*Compiled).rawOptions,
		parse: func(c *Compiled, e *end, raw crm.Value) (crm.Value, bool) {
			s, ok := c.options.read(e.side, plainText(raw))
			return crm.TextValue(s), ok
		},
		normal: func(c *Compiled, _ *end, v crm.Value) (crm.Value, bool) {
			return textOrNull(c.options.canonical(plainText(v))), true
		},
	},
	domainSet: {code: CodeUnmapped, parse: (*Compiled).parseSet, normal: normalSet, render: (*Compiled).rawOptions},
	domainHost: {parse: func(_ *Compiled, _ *end, raw crm.Value) (crm.Value, bool) {
		return textOrNull(addressOf(raw.Text())), true
	}},
	domainOwner: {
		code: CodeUnknownOwner, parse: (*Compiled).parseOwner, render: (*Compiled).rawOwner,
		normal: func(_ *Compiled, _ *end, v crm.Value) (crm.Value, bool) { return addressOrText(v.Text()), true },
	},
	domainReference: {
		code: CodePartnerNotLinked, parse: (*Compiled).parseReference, render: (*Compiled).rawReference,
		normal: func(_ *Compiled, _ *end, v crm.Value) (crm.Value, bool) { return textOrNull(plainText(v)), true },
	},
	domainReferences: {
		code: CodePartnerNotLinked, parse: (*Compiled).parseReferences, render: (*Compiled).rawReferences,
		normal: func(_ *Compiled, _ *end, v crm.Value) (crm.Value, bool) { return setOf(RecordsNamed(v)), true },
	},
}

// transform is a row of the table: all there is to know of one. Whoever adds one
// adds a row, a codec where its values take a new form, and its test; API,
// document, check, suggestions and docs take it from here.
type transform struct {
	word    crm.TransformType
	means   string // for the docs
	domain  domain
	natural crm.FieldType   // of a side whose schema is unknown
	fits    []crm.FieldType // that it works on; nil = by other rules than its own
	options string          // what its options are; "" = it takes none
	form    Form            // by which records are matched that it maps; "" = none of its own
	same    []crm.FieldType // of which two fields are best joined by it
	offered bool            // as the remedy where two types do not fit
}

// transforms is the table, in the order shown to admins.
var transforms = []transform{
	{
		word: crm.TransformNone, means: "as it is, between types that fit; one way, several texts joined by spaces",
		domain: domainText, natural: crm.TypeText, same: []crm.FieldType{crm.TypeText, crm.TypeURL, crm.TypeOwner},
	},
	{
		word: crm.TransformFullName, means: "first and last name on one side, the full name on the other",
		domain: domainName, natural: crm.TypeText, fits: []crm.FieldType{crm.TypeText},
	},
	{
		word: crm.TransformPhone, means: "a phone number, compared by its international form",
		domain: domainPhone, natural: crm.TypePhone, fits: []crm.FieldType{crm.TypePhone, crm.TypeText},
		form: FormPhone, same: []crm.FieldType{crm.TypePhone},
	},
	{
		word: crm.TransformEmail, means: "an e-mail address, compared without case; of a user the user's",
		domain: domainEmail, natural: crm.TypeEmail, fits: []crm.FieldType{crm.TypeEmail, crm.TypeText, crm.TypeOwner},
		form: FormEmail, same: []crm.FieldType{crm.TypeEmail},
	},
	{
		word: crm.TransformDomain, means: "a web address, compared by its domain",
		domain: domainHost, natural: crm.TypeURL, fits: []crm.FieldType{crm.TypeURL, crm.TypeText}, form: FormDomain,
	},
	{
		word: crm.TransformNumber, means: "a number, exact to the last digit",
		domain: domainNumber, natural: crm.TypeNumber, fits: []crm.FieldType{crm.TypeNumber, crm.TypeText},
		form: FormNumber, same: []crm.FieldType{crm.TypeNumber}, offered: true,
	},
	{
		word: crm.TransformBoolean, means: "yes or no, also as text or as one of two options",
		domain: domainBool, natural: crm.TypeBoolean,
		fits: []crm.FieldType{crm.TypeBoolean, crm.TypeText, crm.TypeOption},
		same: []crm.FieldType{crm.TypeBoolean}, offered: true,
	},
	{
		word: crm.TransformDate, means: "a calendar day; of a moment the day in the zone of the side that holds dates",
		domain: domainDate, natural: crm.TypeDate,
		fits: []crm.FieldType{crm.TypeDate, crm.TypeDateTime, crm.TypeText},
		same: []crm.FieldType{crm.TypeDate}, offered: true,
	},
	{
		word: crm.TransformDateTime, means: "a moment; without an offset in the zone of its side",
		domain: domainDateTime, natural: crm.TypeDateTime,
		fits: []crm.FieldType{crm.TypeDateTime, crm.TypeDate, crm.TypeText},
		same: []crm.FieldType{crm.TypeDateTime}, offered: true,
	},
	{
		word: crm.TransformList, means: "several items, merged as a set; to a single field the first one, one way",
		domain: domainSet, natural: crm.TypeOptions,
		fits:    []crm.FieldType{crm.TypeList, crm.TypeOptions, crm.TypeText, crm.TypeOption},
		offered: true,
	},
	{
		word: crm.TransformOptions, means: "options of one app as those of the other",
		domain: domainOption, natural: crm.TypeOption,
		fits:    []crm.FieldType{crm.TypeOption, crm.TypeOptions, crm.TypeList, crm.TypeText, crm.TypeBoolean},
		options: "left options as keys, right ones as values", offered: true,
	},
	{
		word: crm.TransformStatic, means: "a fixed text, one way",
		domain: domainText, natural: crm.TypeText, options: "`value`, the text to write",
	},
}

// rowOf finds a transform; nil when there is none of that name.
func rowOf(t crm.TransformType) *transform {
	i := slices.IndexFunc(transforms, func(r transform) bool { return r.word == t })
	if i < 0 {
		return nil
	}
	return &transforms[i]
}

func fitsType(t crm.TransformType, f crm.FieldType) bool {
	r := rowOf(t)
	return r != nil && slices.Contains(r.fits, f)
}

// transformWords lists the transforms for a message.
func transformWords() string {
	all := make([]string, len(transforms))
	for i, r := range transforms {
		all[i] = string(r.word)
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

// TransformFor returns the transform that joins two fields of a type best. It
// reports false for types whose values need a person's choice.
func TransformFor(f crm.FieldType) (crm.TransformType, bool) {
	for _, r := range transforms {
		if slices.Contains(r.same, f) {
			return r.word, true
		}
	}
	return "", false
}

// FormOfTransform is the form of identity that a transform declares; "" = none.
func FormOfTransform(t crm.TransformType) Form {
	if r := rowOf(t); r != nil {
		return r.form
	}
	return ""
}

// Transform describes a transform to people and to schemas.
type Transform struct {
	Word    crm.TransformType
	Means   string
	Fields  []crm.FieldType // that it works on; empty = see Means
	Options string          // "" = it takes none
}

// Transforms lists all, in the order shown to admins.
func Transforms() []Transform {
	out := make([]Transform, len(transforms))
	for i, r := range transforms {
		out[i] = Transform{Word: r.word, Means: r.means, Fields: slices.Clone(r.fits), Options: r.options}
	}
	return out
}
