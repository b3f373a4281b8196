package mapping

import (
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Env is what transforms need to know besides the mapping: schemas and locale.
type Env struct {
	// Left and Right are the fields of each side's object by name. A nil map
	// means that the schema is unknown: field names and types are not checked.
	Left, Right map[string]crm.Field
	// TimeZone is the zone in which a side's datetimes without an offset, and
	// its dates, are meant; nil is UTC.
	TimeZone crm.PerSide[*time.Location]
	// Country (ISO 3166-1 alpha-2) is assumed for phone numbers without a
	// country code; empty assumes none.
	Country string
}

func (e Env) fields(s crm.Side) map[string]crm.Field {
	if s == crm.Left {
		return e.Left
	}
	return e.Right
}

// Problem is one reason why a configuration cannot be saved.
type Problem struct {
	Pointer string `json:"pointer"` // JSON Pointer, relative to what was compiled
	Code    string `json:"code"`    // stable snake_case
	Detail  string `json:"detail"`  // names the field and the remedy
}

// The codes of a value that does not fit its field: the fault.Error of
// Canonical and Render carries one. The field fails, not the record.
const (
	CodeNotANumber    = "not_a_number"
	CodeNotABoolean   = "not_a_boolean"
	CodeNotADate      = "not_a_date"
	CodeNotADateTime  = "not_a_datetime"
	CodeNotAnEmail    = "not_an_email"
	CodeUnknownOption = "unknown_option"     // the field has no such option
	CodeUnmapped      = "unmapped_option"    // the option map gives its name another meaning
	CodeTooLong       = "value_too_long"     // more characters than the field takes
	CodeDoesNotFit    = "value_does_not_fit" // it would not read back as the same value
	CodeOneWay        = "one_way"            // asked to write the side that the mapping only reads
	CodeInvalidPhone  = "invalid_phone"      // no failure: a text that is no valid number stays as it is
)

// end is one side of a compiled mapping.
type end struct {
	side     crm.Side
	names    []string
	fields   []crm.Field    // a bare name where the schema is unknown
	typ      crm.FieldType  // of the first field; what the transform expects where unknown
	known    bool           // the schema is known
	zone     *time.Location // of texts without an offset
	dateZone *time.Location // in which an instant becomes a date and back
	first    bool           // only the first of several items travels
}

// Compiled is a mapping ready to work. It is immutable and safe for use by
// several goroutines.
type Compiled struct {
	spec     crm.Mapping
	ends     [2]end
	domain   domain
	lenient  bool // a text that does not parse is a text: transform none
	options  *optionMap
	constant crm.Value // of a static mapping, canonical
	defaults crm.PerWay[crm.Value]
	country  string
	revision string
	users    Users    // of a mapping of users; nil = nobody is known
	partners Partners // of an association; nil = nothing is linked

	unlessBlank bool
}

// ID returns the mapping's identifier.
func (c *Compiled) ID() crm.MappingID { return c.spec.ID }

// Spec returns the mapping with its policy shorthand expanded, direction set
// and Policy nil. The caller must not change what it points to.
func (c *Compiled) Spec() crm.Mapping { return c.spec }

// Revision fingerprints everything that changes the canonical form. A base
// value of another revision is no agreement.
func (c *Compiled) Revision() string { return c.revision }

// Names returns the field names on a side, in order; the caller's own copy.
func (c *Compiled) Names(side crm.Side) []string { return slices.Clone(c.end(side).names) }

// Allows reports whether the mapping is on and open in a way. What the sync
// and the connection allow is for the caller to add.
func (c *Compiled) Allows(w crm.Way) bool { return c.spec.On() && c.spec.Direction.Allows(w) }

// IsSet reports whether values are lists to be merged as sets.
func (c *Compiled) IsSet() bool { return c.domain == domainSet || c.domain == domainReferences }

// IsCheckbox reports whether values are yes or no.
func (c *Compiled) IsCheckbox() bool { return c.domain == domainBool }

// UnlessBlank reports whether the side that the conflict policy prefers has the
// word only while it holds something.
func (c *Compiled) UnlessBlank() bool { return c.unlessBlank }

// Default returns the canonical value that a way writes when its source is
// blank and its target is too; null when there is none.
func (c *Compiled) Default(w crm.Way) crm.Value { return c.defaults.Get(w) }

func (c *Compiled) end(s crm.Side) *end { return &c.ends[s.Index()] }

// isConstant reports whether side is the source of a static mapping.
func (c *Compiled) isConstant(side crm.Side) bool {
	return c.spec.Transform.Type == crm.TransformStatic && !c.spec.Direction.Allows(crm.WayTo(side))
}

// Canonical reads one side's raw fields. Blank is null. The error is a
// *fault.Error of kind Invalid with Code and Field: the value does not fit the
// mapping; nothing in its message is personal data.
func (c *Compiled) Canonical(side crm.Side, f crm.Fields) (crm.Value, error) {
	if c.isConstant(side) {
		return c.constant, nil
	}
	e := c.end(side)
	if len(e.names) > 1 {
		text := joinFields(f, e.names)
		if c.domain == domainName {
			text = joinWords(text)
		}
		return textOrNull(text), nil
	}
	return c.read(e, f[e.names[0]])
}

func textOrNull(s string) crm.Value {
	if s == "" {
		return crm.NullValue()
	}
	return crm.TextValue(s)
}

// Render is RenderFrom without a source.
func (c *Compiled) Render(side crm.Side, v crm.Value, current crm.Fields) (crm.Fields, error) {
	return c.RenderFrom(side, v, current, nil)
}

// RenderFrom returns the raw fields to write so that side holds canonical value
// v: only those whose value must change relative to current, none when current
// already reads as v. Current may be nil for a create. Source is the other
// side's record, if v was read there: a text that has no canonical spelling (a
// phone field that holds words) is written as it stands there. The error is a
// *fault.Error of kind Invalid with Code and Field, as in Canonical.
func (c *Compiled) RenderFrom(side crm.Side, v crm.Value, current, source crm.Fields) (crm.Fields, error) {
	e := c.end(side)
	v, err := c.normal(e, v)
	if err != nil {
		return nil, err
	}
	if now, err := c.Canonical(side, current); err == nil && now.Equal(v) {
		return crm.Fields{}, nil
	}
	if c.isConstant(side) || (len(e.names) > 1 && c.domain != domainName) {
		return nil, c.fail(e, CodeOneWay, "this mapping only reads the field")
	}
	if v.Blank() && c.domain != domainReferences { // of which some may have to stay
		return emptied(e, current), nil
	}
	want, err := c.write(e, v, current, source)
	if err != nil {
		return nil, err
	}
	if back, err := c.Canonical(side, want); err != nil || !back.Equal(v) {
		return nil, c.fail(e, CodeDoesNotFit, "the field cannot hold the value so that it reads back the same")
	}
	out := crm.Fields{}
	for name, raw := range want {
		if !sameRaw(raw, current[name]) {
			out[name] = raw
		}
	}
	return out, nil
}

func emptied(e *end, current crm.Fields) crm.Fields {
	out := crm.Fields{}
	for _, n := range e.names {
		if !current[n].Blank() {
			out[n] = crm.NullValue()
		}
	}
	return out
}

// sameRaw spares a part of a name that stays as it is.
func sameRaw(want, have crm.Value) bool {
	return want.Equal(have) || want.Blank() && have.Blank() ||
		want.Kind() == crm.Text && have.Kind() == crm.Text && want.Text() == CanonicalText(have.Text())
}

func (c *Compiled) fail(e *end, code, message string) *fault.Error {
	name := "the static text"
	if len(e.names) > 0 {
		name = e.names[0]
	}
	return &fault.Error{
		Op: "mapping " + string(c.spec.ID), Kind: fault.Invalid, Code: code, Field: name,
		Message: string(e.side) + " field " + name + ": " + message,
	}
}

// Set is the mappings of one sync that are on, in the order of the document.
type Set []*Compiled

// Fields returns the names of all fields that the set reads or writes on a
// side, sorted, each once.
func (s Set) Fields(side crm.Side) []string {
	var names []string
	for _, c := range s {
		names = append(names, c.end(side).names...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ByID returns the mapping with that ID, or nil.
func (s Set) ByID(id crm.MappingID) *Compiled {
	for _, c := range s {
		if c.spec.ID == id {
			return c
		}
	}
	return nil
}

// Writing returns the mapping that writes a field of side, or nil.
func (s Set) Writing(side crm.Side, field string) *Compiled {
	for _, c := range s {
		if c.Allows(crm.WayTo(side)) && slices.Contains(c.end(side).names, field) {
			return c
		}
	}
	return nil
}
