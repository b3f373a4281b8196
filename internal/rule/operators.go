package rule

import (
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// wants is what stands as the value of a clause.
type wants uint8

const (
	wantsNothing  wants = iota // the value box is ignored
	wantsOne                   // one value
	wantsOneOrSet              // one value; on a field of several a list too, which means the same set
	wantsList                  // a list of values
	wantsDays                  // a whole number of days
)

// reads is how a wanted value is read.
type reads uint8

const (
	asText  reads = iota
	asWhole       // as the field's type
	asOrder       // as a number, on a field of moments as a moment
	asDate        // as a moment
)

// operator is a row of the table: all there is to know of one. Whoever adds one
// adds a row and its test; API, document, check and docs take it from here.
type operator struct {
	word  crm.FilterOp
	means string // for the docs
	wants wants
	reads reads
	unfit []kind // fields on which it does not work
	timed bool   // its answer changes by time alone
	blank bool   // what it says of a blank
	not   bool   // of all others it says the opposite of test or alone
	// test compares one value with one target. An item of a list is contained
	// when it equals the target as a whole.
	test func(c *clause, v crm.Value, t target, item bool) bool
	// alone stands instead of test where there is no target.
	alone func(c *clause, v crm.Value, now time.Time) bool
}

// operators is the table, in the order shown to admins.
var operators = []operator{
	{word: "equals", means: "is the value", wants: wantsOneOrSet, reads: asWhole, test: equals},
	{
		word: "not_equals", means: "is not the value", wants: wantsOneOrSet, reads: asWhole,
		blank: true, not: true, test: equals,
	},
	{
		word: "contains", means: "holds the value as a part; of several items one is the value", wants: wantsOne,
		test: contains,
	},
	{
		word: "not_contains", means: "holds no such part; of several items none is the value", wants: wantsOne,
		blank: true, not: true, test: contains,
	},
	{word: "starts_with", means: "begins with the value, or one of several items does", wants: wantsOne, test: startsWith},
	{word: "ends_with", means: "ends with the value, or one of several items does", wants: wantsOne, test: endsWith},
	{word: "is_empty", means: "is blank", blank: true, alone: never},
	{word: "is_not_empty", means: "is not blank", alone: always},
	{word: "in", means: "is one of the values", wants: wantsList, reads: asWhole, test: equals},
	{
		word: "not_in", means: "is none of the values", wants: wantsList, reads: asWhole,
		blank: true, not: true, test: equals,
	},
	{
		word: "greater_than", means: "is a larger number, or a later moment", wants: wantsOne, reads: asOrder,
		unfit: []kind{asBool, asList}, test: after,
	},
	{
		word: "less_than", means: "is a smaller number, or an earlier moment", wants: wantsOne, reads: asOrder,
		unfit: []kind{asBool, asList}, test: before,
	},
	{
		word: "before", means: "is an earlier moment", wants: wantsOne, reads: asDate,
		unfit: []kind{asBool, asList, asNumber}, test: before,
	},
	{
		word: "after", means: "is a later moment", wants: wantsOne, reads: asDate,
		unfit: []kind{asBool, asList, asNumber}, test: after,
	},
	{
		word: "in_last_days", means: "lies between the start of the day so many days ago and now", wants: wantsDays,
		unfit: []kind{asBool, asList, asNumber}, timed: true, alone: (*clause).inLastDays,
	},
	{word: "is_true", means: "is true, yes or 1", unfit: []kind{asMoment, asList}, alone: isTrue},
	{word: "is_false", means: "is false, no or 0", unfit: []kind{asMoment, asList}, alone: isFalse},
}

func never(*clause, crm.Value, time.Time) bool { return false }

func always(*clause, crm.Value, time.Time) bool { return true }

func isTrue(_ *clause, v crm.Value, _ time.Time) bool {
	b, ok := mapping.ParseBool(v)
	return ok && b
}

func isFalse(_ *clause, v crm.Value, _ time.Time) bool {
	b, ok := mapping.ParseBool(v)
	return ok && !b
}

func equals(c *clause, v crm.Value, t target, _ bool) bool { return c.equal(v, t) }

func contains(_ *clause, v crm.Value, t target, item bool) bool {
	if item {
		return mapping.Fold(v.Text()) == t.fold
	}
	return strings.Contains(mapping.Fold(v.Text()), t.fold)
}

func startsWith(_ *clause, v crm.Value, t target, _ bool) bool {
	return strings.HasPrefix(mapping.Fold(v.Text()), t.fold)
}

func endsWith(_ *clause, v crm.Value, t target, _ bool) bool {
	return strings.HasSuffix(mapping.Fold(v.Text()), t.fold)
}

func after(c *clause, v crm.Value, t target, _ bool) bool {
	order, ok := c.compare(v, t)
	return ok && order > 0
}

func before(c *clause, v crm.Value, t target, _ bool) bool {
	order, ok := c.compare(v, t)
	return ok && order < 0
}

// row finds an operator; nil when there is none of that name.
func row(word crm.FilterOp) *operator {
	i := slices.IndexFunc(operators, func(o operator) bool { return o.word == word })
	if i < 0 {
		return nil
	}
	return &operators[i]
}

// words lists the operators for a message.
func words() string {
	all := make([]string, len(operators))
	for i, o := range operators {
		all[i] = string(o.word)
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

// Operator describes an operator to people and to schemas.
type Operator struct {
	Word   crm.FilterOp
	Means  string
	Value  string          // what its clause compares with
	Fields []crm.FieldType // on which it works
	Blank  bool            // a record whose field is blank passes
}

// Operators lists all, in the order shown to admins.
func Operators() []Operator {
	out := make([]Operator, len(operators))
	for i, o := range operators {
		out[i] = Operator{Word: o.word, Means: o.means, Value: values[o.wants], Blank: o.blank}
		for _, t := range crm.FieldTypes {
			if !slices.Contains(o.unfit, kindOf(crm.Field{Type: t})) {
				out[i].Fields = append(out[i].Fields, t)
			}
		}
	}
	return out
}

// values says what stands as a clause's value.
var values = [...]string{
	wantsNothing: "none", wantsOne: "one value", wantsOneOrSet: "one value, or a list against a field of several",
	wantsList: "a list of values", wantsDays: "a whole number of days",
}

// Timed reports whether what a filter says of a record changes by time alone.
func Timed(f *crm.Filter) bool {
	if f == nil {
		return false
	}
	inside := func(f crm.Filter) bool { return Timed(&f) }
	o := row(f.Op)
	return o != nil && o.timed || Timed(f.Not) || slices.ContainsFunc(f.All, inside) || slices.ContainsFunc(f.Any, inside)
}
