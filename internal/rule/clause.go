package rule

import (
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// clause is one compiled field–operator–value.
type clause struct {
	pointer string
	field   string
	op      crm.FilterOp
	wanted  crm.Value
	kind    kind
	dates   bool // the field holds dates, not instants
	loc     *time.Location
	targets []target // what wanted means, one per value
	days    int      // of in_last_days
	missing bool     // the object has no such field: nothing holds of it
}

// kind is how a clause compares.
type kind uint8

const (
	asAny    kind = iota // by what record and value look like
	asNumber             // the schema says number
	asBool
	asMoment
	asList
)

// target is one wanted value in every reading that it allows.
type target struct {
	fold     string
	number   string
	isNumber bool // compared as a number whatever the field: a JSON number
	moment   mapping.Moment
	isMoment bool
	truth    bool
	isBool   bool
}

func newTarget(v crm.Value, loc *time.Location) target {
	t := target{fold: mapping.Fold(v.Text())}
	if v.Kind() != crm.Bool {
		t.number, _ = mapping.CanonicalNumber(v.Text())
	}
	t.isNumber = v.Kind() == crm.Number && t.number != ""
	t.moment, t.isMoment = mapping.ParseMoment(v, loc, false)
	t.truth, t.isBool = mapping.ParseBool(v)
	return t
}

// holds decides one clause.
func (c *clause) holds(v crm.Value, now time.Time) bool {
	if c.missing {
		return false
	}
	switch c.op {
	case crm.OpIsEmpty:
		return v.Blank()
	case crm.OpIsNotEmpty:
		return !v.Blank()
	case crm.OpNotEquals, crm.OpNotContains, crm.OpNotIn:
		return v.Blank() || !c.positive(v)
	case crm.OpIsTrue, crm.OpIsFalse:
		b, ok := mapping.ParseBool(v)
		return ok && !v.Blank() && b == (c.op == crm.OpIsTrue)
	case crm.OpInLastDays:
		return !v.Blank() && c.inLastDays(v, now)
	case crm.OpEquals, crm.OpContains, crm.OpStartsWith, crm.OpEndsWith, crm.OpIn,
		crm.OpGreaterThan, crm.OpLessThan, crm.OpBefore, crm.OpAfter:
		return !v.Blank() && c.positive(v)
	}
	return false
}

// positive decides the plain form of an operator for a value that is not blank.
func (c *clause) positive(v crm.Value) bool {
	if v.Kind() != crm.List && c.kind != asList {
		return slices.ContainsFunc(c.targets, func(t target) bool { return c.one(v, t, false) })
	}
	items := mapping.Items(v)
	if c.wanted.Kind() == crm.List && (c.op == crm.OpEquals || c.op == crm.OpNotEquals) {
		return sameSet(items, c.targets)
	}
	return slices.ContainsFunc(items, func(item string) bool {
		return slices.ContainsFunc(c.targets, func(t target) bool { return c.one(crm.TextValue(item), t, true) })
	})
}

func sameSet(items []string, targets []target) bool {
	have, want := map[string]bool{}, map[string]bool{}
	for _, s := range items {
		have[mapping.Fold(s)] = true
	}
	for _, t := range targets {
		want[t.fold] = true
		if !have[t.fold] {
			return false
		}
	}
	return len(have) == len(want)
}

// one compares one value with one target. An item of a list is contained when
// it equals the target as a whole.
func (c *clause) one(v crm.Value, t target, item bool) bool {
	switch c.op {
	case crm.OpContains, crm.OpNotContains:
		if item {
			return mapping.Fold(v.Text()) == t.fold
		}
		return strings.Contains(mapping.Fold(v.Text()), t.fold)
	case crm.OpStartsWith:
		return strings.HasPrefix(mapping.Fold(v.Text()), t.fold)
	case crm.OpEndsWith:
		return strings.HasSuffix(mapping.Fold(v.Text()), t.fold)
	case crm.OpGreaterThan, crm.OpAfter:
		order, ok := c.compare(v, t)
		return ok && order > 0
	case crm.OpLessThan, crm.OpBefore:
		order, ok := c.compare(v, t)
		return ok && order < 0
	case crm.OpEquals, crm.OpNotEquals, crm.OpIn, crm.OpNotIn:
		return c.equal(v, t)
	case crm.OpIsEmpty, crm.OpIsNotEmpty, crm.OpInLastDays, crm.OpIsTrue, crm.OpIsFalse:
	}
	return false
}

func (c *clause) equal(v crm.Value, t target) bool {
	switch {
	case c.kind == asNumber, v.Kind() == crm.Number, t.isNumber:
		if n, ok := mapping.CanonicalNumber(v.Text()); ok && t.number != "" {
			return n == t.number
		}
	case c.kind == asBool, v.Kind() == crm.Bool:
		if b, ok := mapping.ParseBool(v); ok && t.isBool {
			return b == t.truth
		}
	case c.kind == asMoment && t.isMoment:
		if order, ok := c.compareMoments(v, t); ok {
			return order == 0
		}
	}
	return mapping.Fold(v.Text()) == t.fold
}

// compare orders a value against a target: -1, 0 or +1; false when they cannot
// be ordered. Before and after order moments, the others numbers, unless the
// field holds moments.
func (c *clause) compare(v crm.Value, t target) (int, bool) {
	if c.op == crm.OpBefore || c.op == crm.OpAfter || c.kind == asMoment {
		return c.compareMoments(v, t)
	}
	n, ok := mapping.CanonicalNumber(v.Text())
	if !ok || t.number == "" || v.Kind() == crm.Bool {
		return 0, false
	}
	return mapping.CompareNumbers(n, t.number), true
}

// compareMoments compares calendar days when either end is a date, else
// instants to the second, which is what apps keep.
func (c *clause) compareMoments(v crm.Value, t target) (int, bool) {
	m, ok := c.moment(v)
	if !ok || !t.isMoment {
		return 0, false
	}
	if m.DateOnly || t.moment.DateOnly {
		return m.Date(c.loc).Compare(t.moment.Date(c.loc)), true
	}
	return m.Time.Truncate(time.Second).Compare(t.moment.Time.Truncate(time.Second)), true
}

// moment reads a record's value. Epoch milliseconds count only where the field
// is known to hold moments, else every number would be one.
func (c *clause) moment(v crm.Value) (mapping.Moment, bool) {
	m, ok := mapping.ParseMoment(v, c.loc, c.kind == asMoment)
	if ok && c.dates {
		m = m.Day(c.loc)
	}
	return m, ok
}

// inLastDays passes from the start of the day c.days days ago up to now.
func (c *clause) inLastDays(v crm.Value, now time.Time) bool {
	m, ok := c.moment(v)
	if !ok {
		return false
	}
	today := mapping.Moment{Time: now}.Date(c.loc)
	day := m.Date(c.loc)
	if day.Before(today.AddDate(0, 0, -c.days)) || day.After(today) {
		return false
	}
	return m.DateOnly || !m.Time.After(now)
}
