package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// The codes of problems of filters and rules, beside mapping.CodeUnknownField.
const (
	CodeUnknownOperator = "unknown_operator"
	CodeOperatorMisfit  = "operator_does_not_fit" // the operator does not work on the field's type
	CodeWrongValue      = "wrong_value"           // missing, or not of the kind that the operator compares with
	CodeBadNode         = "ambiguous_filter"      // a node that is empty or several things at once
	CodeTooLarge        = "filter_too_large"
	CodeUnknownAction   = "unknown_action"
	CodeIncomplete      = "rule_incomplete" // undo or other way around lacks what it builds on
)

// maxProblems bounds the answer to a filter of nothing but mistakes.
const maxProblems = 100

// compiler collects every problem of one filter.
type compiler struct {
	fields   map[string]crm.Field
	loc      *time.Location
	problems []mapping.Problem
	clauses  int
	names    []string
	holds    bool                 // a clause on a field that is missing holds the filter; it is no problem
	exists   map[string]crm.Field // the fields that exist, if holds
	missing  []string             // the fields that do not
}

func (c *compiler) add(pointer, code, format string, args ...any) {
	c.problems = append(c.problems, mapping.Problem{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// Compile checks a filter against the fields of the object that it looks at
// (nil: schema unknown, names and types are not checked). Loc is the zone of
// calendar days; nil is UTC. A nil filter gives a nil Filter, which lets every
// record through. Pointers of problems are relative to the filter; with
// problems the Filter is nil and must not be used.
func Compile(f *crm.Filter, fields map[string]crm.Field, loc *time.Location) (*Filter, []mapping.Problem) {
	if f == nil {
		return nil, nil
	}
	return (&compiler{fields: fields, loc: loc}).compile(f)
}

func (c *compiler) compile(f *crm.Filter) (*Filter, []mapping.Problem) {
	if c.loc == nil {
		c.loc = time.UTC
	}
	root := c.node(f, "", 1)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	slices.Sort(c.names)
	slices.Sort(c.missing)
	return &Filter{root: root, names: slices.Compact(c.names), missing: slices.Compact(c.missing)}, nil
}

func (c *compiler) node(f *crm.Filter, at string, depth int) node {
	if depth > MaxDepth {
		c.add(at, CodeTooLarge, "filters may be nested %d deep: flatten this one", MaxDepth)
		return allOf{}
	}
	isClause := f.Field != "" || f.Op != "" || f.Value.Kind() != crm.Absent
	forms := 0
	for _, is := range []bool{len(f.All) > 0, len(f.Any) > 0, f.Not != nil, isClause} {
		if is {
			forms++
		}
	}
	if forms != 1 {
		c.add(at, CodeBadNode, "a filter is exactly one of: all with filters, any with filters, not, or field with op "+
			"and value; to let every record through set the filter to null")
		return allOf{}
	}
	switch {
	case f.Not != nil:
		return notOf{c.node(f.Not, at+"/not", depth+1)}
	case len(f.All) > 0:
		return allOf(c.nodes(f.All, at+"/all", depth))
	case len(f.Any) > 0:
		return anyOf(c.nodes(f.Any, at+"/any", depth))
	}
	return c.clause(f, at)
}

func (c *compiler) nodes(fs []crm.Filter, at string, depth int) []node {
	out := make([]node, 0, min(len(fs), MaxClauses))
	for i := range fs {
		if c.clauses > MaxClauses || len(c.problems) > maxProblems {
			break // reported already
		}
		out = append(out, c.node(&fs[i], at+"/"+strconv.Itoa(i), depth+1))
	}
	return out
}

func (c *compiler) clause(f *crm.Filter, at string) node {
	if c.clauses++; c.clauses > MaxClauses {
		if c.clauses == MaxClauses+1 {
			c.add(at, CodeTooLarge, "a filter may have %d clauses: shorten it, for example with in", MaxClauses)
		}
		return allOf{}
	}
	out := &clause{pointer: at, field: f.Field, op: f.Op, wanted: f.Value, loc: c.loc}
	field, found := c.fields[f.Field]
	switch {
	case f.Field == "":
		c.add(at+"/field", mapping.CodeMissingField, "name the field that the clause looks at")
		return out
	case c.holds && c.exists != nil && !has(c.exists, f.Field):
		out.missing = true
		c.missing = append(c.missing, f.Field)
		return out
	case !c.holds && c.fields != nil && !found:
		c.add(at+"/field", mapping.CodeUnknownField, "the object has no field %q: choose one of its fields", f.Field)
		return out
	}
	out.kind, out.dates = kindOf(field), field.Type == crm.TypeDate
	c.names = append(c.names, f.Field)
	if c.checkOperator(out, f, field, at) {
		c.checkValue(out, f, at)
	}
	return out
}

func has(fields map[string]crm.Field, name string) bool {
	_, found := fields[name]
	return found
}

func kindOf(f crm.Field) kind {
	switch f.Type {
	case crm.TypeNumber:
		return asNumber
	case crm.TypeBoolean:
		return asBool
	case crm.TypeDate, crm.TypeDateTime:
		return asMoment
	case crm.TypeOptions, crm.TypeList:
		return asList
	case crm.TypeText, crm.TypeEmail, crm.TypePhone, crm.TypeOption, crm.TypeReference, crm.TypeURL, crm.TypeOwner:
	}
	if f.Multiple {
		return asList
	}
	return asAny
}

// checkOperator reports whether the operator exists and works on the field's type.
func (c *compiler) checkOperator(out *clause, f *crm.Filter, field crm.Field, at string) bool {
	if out.row = row(f.Op); out.row == nil {
		c.add(at+"/op", CodeUnknownOperator, "there is no operator %q: use %s", f.Op, words())
		return false
	}
	if slices.Contains(out.row.unfit, out.kind) {
		c.add(at+"/op", CodeOperatorMisfit, "the operator %q does not work on the field %q (%s): "+
			"choose another operator or field", f.Op, f.Field, field.Type)
		return false
	}
	return true
}

// checkValue reads the wanted value for the operator.
func (c *compiler) checkValue(out *clause, f *crm.Filter, at string) {
	at += "/value"
	several := f.Value.Kind() == crm.List
	switch out.row.wants {
	case wantsNothing:
		out.wanted = crm.NullValue()
		return
	case wantsDays:
		out.days = c.days(f, at)
		return
	case wantsList:
		if !several {
			c.add(at, CodeWrongValue, "the operator %q on field %q compares with a list: give a list of values", f.Op, f.Field)
			return
		}
	case wantsOneOrSet:
		if several && out.kind != asList && c.fields != nil {
			c.add(at, CodeWrongValue, "the field %q holds one value: compare it with one, or use in", f.Field)
			return
		}
	case wantsOne:
		if several {
			c.add(at, CodeWrongValue, "the operator %q on field %q compares with one value: give one", f.Op, f.Field)
			return
		}
	}
	c.targets(out, f, at)
}

func (c *compiler) targets(out *clause, f *crm.Filter, at string) {
	if f.Value.Blank() {
		c.add(at, CodeWrongValue, "the operator %q on field %q needs a value: give one, or use is_empty or is_not_empty",
			f.Op, f.Field)
		return
	}
	wanted := []crm.Value{f.Value}
	if f.Value.Kind() == crm.List {
		wanted = wanted[:0]
		for _, s := range f.Value.Items() {
			wanted = append(wanted, crm.TextValue(s))
		}
	}
	if len(wanted) > MaxWanted {
		c.add(at, CodeTooLarge, "the operator %q on field %q has %d values, the limit is %d: split the clause",
			f.Op, f.Field, len(wanted), MaxWanted)
		return
	}
	for i, v := range wanted {
		pointer := at
		if f.Value.Kind() == crm.List {
			pointer += "/" + strconv.Itoa(i)
		}
		t := newTarget(v, c.loc)
		c.checkTarget(out, v, t, pointer)
		out.targets = append(out.targets, t)
	}
}

// checkTarget refuses a value that could never be compared with the field.
func (c *compiler) checkTarget(out *clause, v crm.Value, t target, at string) {
	ordered, whole := out.row.reads == asOrder, out.row.reads == asWhole
	dated := out.row.reads == asDate || ordered && out.kind == asMoment
	switch {
	case v.Blank():
		c.add(at, CodeWrongValue, "the operator %q on field %q cannot look for a blank: use is_empty", out.op, out.field)
	case utf8.RuneCountInString(v.Text()) > MaxText:
		c.add(at, CodeTooLarge, "a value may have %d characters: shorten it", MaxText)
	case (dated || whole && out.kind == asMoment) && !t.isMoment:
		c.add(at, CodeWrongValue, "the operator %q on field %q compares with a date: "+
			"give it as 2026-01-31 or 2026-01-31T13:45:00Z", out.op, out.field)
	case (ordered && !dated || whole && out.kind == asNumber) && t.number == "":
		c.add(at, CodeWrongValue, "the operator %q on field %q compares with a number: "+
			"give it with a point for decimals", out.op, out.field)
	case whole && out.kind == asBool && !t.isBool:
		c.add(at, CodeWrongValue, "the field %q is true or false: give one of them, or use is_true", out.field)
	}
}

// days reads a whole number of days.
func (c *compiler) days(f *crm.Filter, at string) int {
	text, ok := mapping.CanonicalNumber(strings.TrimSpace(f.Value.Text()))
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 1 || n > MaxDays || f.Value.Kind() == crm.List || f.Value.Kind() == crm.Bool {
		c.add(at, CodeWrongValue, "%s on field %q needs a whole number of days from 1 to %d", f.Op, f.Field, MaxDays)
		return 0
	}
	return n
}
