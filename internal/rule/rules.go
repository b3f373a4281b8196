package rule

import (
	"slices"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// Env is what rules need to know besides themselves.
type Env struct {
	// Left and Right are the fields of each side's object by name; nil means
	// that the schema is unknown and names and types are not checked.
	Left, Right map[string]crm.Field
	// TimeZone is the zone of each side's calendar days; nil is UTC.
	TimeZone crm.PerSide[*time.Location]
	// Hold compiles for work instead of for a check: a rule that looks at a
	// field which Exists lacks is held and no problem, and an action that would
	// write one is left out.
	Hold   bool
	Exists crm.PerSide[map[string]crm.Field] // with Hold; nil means unknown
}

func (e Env) fields(s crm.Side) map[string]crm.Field {
	if s == crm.Left {
		return e.Left
	}
	return e.Right
}

// compiled is one rule in one way.
type compiled struct {
	id      string
	on      bool
	filter  *Filter
	actions []crm.RuleAction
	undo    bool
	mark    *crm.Exclude // of other way around
}

// Rules are the rules of one sync, immutable and safe for use by several
// goroutines. A nil Rules lets every record through.
type Rules struct {
	ways [2][]compiled // to the right, to the left
}

// Decision is what the rules of a way say about one record.
type Decision struct {
	Pass    bool             // the record may travel
	Held    bool             // no rule lets it through, and one that might looks at a field that is gone: nothing is known
	Rules   []string         // IDs of the rules that matched, in order
	Actions []crm.RuleAction // of all of them, each once
	Undo    []crm.RuleAction // of rules that do not let it through and take back what they did
	Mirrors []Mirror         // of rules with an other way around
	Traces  []RuleTrace      // of every rule of the way, in order
}

// Mirror is a rule whose tags on the target say, the other way around, whether
// the source record stays in.
type Mirror struct {
	Pass bool             // the rule lets the source record through
	Tags []crm.RuleAction // the tags that it adds to the target
	Mark crm.Exclude      // what the source record gets when a tag was taken off
}

// RuleTrace is what one rule said.
type RuleTrace struct {
	Rule    string `json:"rule"`
	On      bool   `json:"on"`   // a rule that is off is not asked
	Pass    bool   `json:"pass"` // it lets the record through
	Clauses Trace  `json:"clauses"`

	Held []string `json:"held,omitempty"` // fields that are gone: the rule says nothing
}

// CompileRules compiles the rules of one sync. Pointers of problems begin with
// "/rules/<i>". A rule that is off is checked like one that is on. With
// problems the result is nil and must not be used.
func CompileRules(rules []crm.Rule, env Env) (*Rules, []mapping.Problem) {
	c := &ruleCompiler{env: env, out: &Rules{}, ids: map[string]bool{}}
	for i := range rules {
		c.rule(&rules[i], "/rules/"+strconv.Itoa(i))
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return c.out, nil
}

type ruleCompiler struct {
	env      Env
	out      *Rules
	ids      map[string]bool
	problems []mapping.Problem
}

func (c *ruleCompiler) add(pointer, code, detail string) {
	p := mapping.Problem{Pointer: pointer, Code: code, Detail: detail}
	if !slices.Contains(c.problems, p) { // a rule of both ways is looked at twice
		c.problems = append(c.problems, p)
	}
}

func (c *ruleCompiler) rule(r *crm.Rule, at string) {
	switch {
	case !mapping.Addressable(r.ID):
		c.add(at+"/id", mapping.CodeMissingID, "a rule needs an ID that is unique in its sync, and neither . nor ..")
	case c.ids[r.ID]:
		c.add(at+"/id", mapping.CodeDuplicateID, "the ID "+strconv.Quote(r.ID)+
			" is used by an earlier rule of this sync: choose another")
	}
	c.ids[r.ID] = true
	switch r.Direction {
	case "", crm.DirectionBoth, crm.DirectionToRight, crm.DirectionToLeft:
	default: // off included: a rule has a switch of its own
		c.add(at+"/direction", mapping.CodeUnknownDirection, "a rule's direction is to_right, to_left or both: choose one; "+
			"to switch the rule off set enabled to false")
		return
	}
	for i, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
		if !r.Direction.Allows(way) {
			continue
		}
		source := way.Source()
		filter, problems := c.filter(r.Filter, source)
		for _, p := range problems {
			c.add(at+"/filter"+p.Pointer, p.Code, p.Detail+" ("+string(source)+" side)")
		}
		c.actions(r.Actions, way.Target(), at)
		c.extras(r, source, at)
		one := compiled{id: r.ID, on: r.On(), filter: filter, undo: r.Undo && r.Filter != nil}
		one.actions = slices.DeleteFunc(slices.Clone(r.Actions), func(a crm.RuleAction) bool {
			return c.gone(way.Target(), a.Field)
		})
		if o := r.OtherWayAround; o.Enabled && o.Exclude != nil && !c.gone(source, o.Exclude.Field) {
			one.mark = o.Exclude
		}
		c.out.ways[i] = append(c.out.ways[i], one)
		c.mirror(r, way, 1-i)
	}
}

func (c *ruleCompiler) filter(f *crm.Filter, source crm.Side) (*Filter, []mapping.Problem) {
	if f == nil {
		return nil, nil
	}
	one := &compiler{
		fields: c.env.fields(source), loc: c.env.TimeZone.Get(source), holds: c.env.Hold, exists: c.env.Exists.Get(source),
	}
	return one.compile(f)
}

// gone reports whether a field is known to be missing, where that holds a rule.
func (c *ruleCompiler) gone(side crm.Side, name string) bool {
	exists := c.env.Exists.Get(side)
	return c.env.Hold && exists != nil && !has(exists, name)
}

// Decide asks the rules of a way about a record of its source side. Without
// any rule in the way everything passes; when all are off nothing does.
func (r *Rules) Decide(way crm.Way, fields crm.Fields, now time.Time) Decision {
	rules := r.of(way)
	if len(rules) == 0 {
		return Decision{Pass: true}
	}
	var d Decision
	for _, c := range rules {
		t := RuleTrace{Rule: c.id, On: c.on}
		if c.on {
			t.Pass, t.Clauses = c.filter.Match(fields, now)
			t.Held = c.filter.Missing()
		}
		if len(t.Held) > 0 {
			t.Pass, d.Held = false, true
		}
		d.Traces = append(d.Traces, t)
		c.react(&d, &t)
		if !t.Pass {
			continue
		}
		d.Pass = true
		d.Rules = append(d.Rules, c.id)
		for _, a := range c.actions {
			if !slices.Contains(d.Actions, a) {
				d.Actions = append(d.Actions, a)
			}
		}
	}
	d.Held = d.Held && !d.Pass
	return d
}

// Fields returns the names of a side's fields that the rules which are on look
// at, sorted, each once. Pulls must read them.
func (r *Rules) Fields(side crm.Side) []string {
	var names []string
	for _, c := range r.of(crm.WayTo(side.Other())) {
		if c.on {
			names = append(names, c.filter.Fields()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *Rules) of(way crm.Way) []compiled {
	switch {
	case r == nil:
		return nil
	case way == crm.ToRight:
		return r.ways[0]
	default:
		return r.ways[1]
	}
}
