package rule

import (
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// clause is one compiled field–operator–value.
type clause struct {
	pointer string
	field   string
	op      crm.FilterOp
	row     *operator
	wanted  crm.Value
	kind    kind
	dates   bool // the field holds dates, not instants
	loc     *time.Location
	targets []target // what wanted means, one per value
	days    int      // where days are wanted
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
	switch {
	case c.missing:
		return false
	case v.Blank():
		return c.row.blank
	case c.row.alone != nil:
		return c.row.alone(c, v, now) != c.row.not
	}
	return c.positive(v) != c.row.not
}

// positive decides the plain form of an operator for a value that is not blank.
func (c *clause) positive(v crm.Value) bool {
	if v.Kind() != crm.List && c.kind != asList {
		return slices.ContainsFunc(c.targets, func(t target) bool { return c.row.test(c, v, t, false) })
	}
	items := mapping.Items(v)
	if c.wanted.Kind() == crm.List && c.row.wants == wantsOneOrSet {
		return sameSet(items, c.targets)
	}
	return slices.ContainsFunc(items, func(item string) bool {
		return slices.ContainsFunc(c.targets, func(t target) bool { return c.row.test(c, crm.TextValue(item), t, true) })
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
// be ordered. What is read as a date orders moments, the rest numbers, unless
// the field holds moments.
func (c *clause) compare(v crm.Value, t target) (int, bool) {
	if c.row.reads == asDate || c.kind == asMoment {
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
