package reconcile

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// The actions of rules run once on the target of a record that a rule lets
// through. The link keeps, in its base beside the mappings, what each of them
// did: only what a rule itself has done is ever taken back, and what a person
// changed since is the person's. A field that an action writes belongs to no
// mapping, so nothing of it travels.

// What an action did, as the base keeps it in the place of a revision.
const (
	didAdd    = "$added"   // the tag was not there: the rule put it
	didRemove = "$removed" // the tag was there: the rule took it off
	didSet    = "$set"     // the entry holds what the field held before
	didNone   = "$was"     // it was so already, or a person changed it since
	didRefuse = "$refused" // the app refused it
)

// actPrefix begins the names of actions among mappings.
const actPrefix = "$act."

// IsAct reports whether an entry of a base is what an action of a rule did.
func IsAct(id crm.MappingID) bool { return strings.HasPrefix(string(id), actPrefix) }

// action is one action on one side, or the mark that the other way around leaves.
type action struct {
	id    crm.MappingID
	side  int
	kind  string // of rule.Actions; adding a tag and adding to a list are one
	field string
	text  string
	value crm.Value // to set
}

// markKind is the kind of exclusion marks, which are tags of their own.
const markKind = "mark"

func (s *Settings) actOf(side int, kind, field, text string) action {
	if kind == rule.ActionAddToList {
		kind = rule.ActionAddTag
	}
	a := action{side: side, kind: kind, field: field, text: strings.TrimSpace(text)}
	if kind == rule.ActionSetField {
		a.value, _ = rule.ActionValue(s.schema[side][field], text)
	}
	print := crm.Fingerprint(crm.TextValue(mapping.Fold(a.text)))
	a.id = crm.MappingID(actPrefix + string(crm.Sides[side]) + "." + kind + "." + print + "." + field)
	return a
}

func (s *Settings) actsOf(side int, actions []crm.RuleAction) []action {
	out := make([]action, len(actions))
	for i, a := range actions {
		out[i] = s.actOf(side, a.Type, a.Field, a.Value)
	}
	return out
}

// asked are the actions that rules want of a side, and those to be taken back
// because no rule wants them any more.
func (s *Settings) asked(side int, d rule.Decision) (wanted, undone []action) {
	wanted, undone = s.actsOf(side, d.Actions), s.actsOf(side, d.Undo)
	return wanted, slices.DeleteFunc(undone, func(a action) bool {
		return slices.ContainsFunc(wanted, func(w action) bool { return w.id == a.id })
	})
}

// holds reports whether a field is as the action wants it.
func (a *action) holds(v crm.Value) bool {
	switch a.kind {
	case rule.ActionSetField:
		return same(plainly(v), plainly(a.value))
	case rule.ActionRemoveTag:
		return !tagged(v, a.text)
	}
	return tagged(v, a.text)
}

// plainly is a value without the kind that an app gives it.
func plainly(v crm.Value) crm.Value {
	if n, ok := mapping.CanonicalNumber(v.Text()); ok && v.Kind() != crm.Bool {
		return crm.TextValue(n)
	}
	return crm.TextValue(mapping.CanonicalText(v.Text()))
}

func tagged(v crm.Value, tag string) bool {
	return slices.ContainsFunc(mapping.Items(v), func(item string) bool { return mapping.Fold(item) == mapping.Fold(tag) })
}

// retag returns a field with a tag added or taken off; the others stay as they are.
func retag(v crm.Value, tag string, add bool) crm.Value {
	items := v.Items()
	if v.Kind() == crm.Text {
		items = strings.Split(v.Text(), ";")
	}
	items = slices.DeleteFunc(slices.Clone(items), func(item string) bool {
		return strings.TrimSpace(item) == "" || mapping.Fold(item) == mapping.Fold(tag)
	})
	if add {
		items = append(items, tag)
	}
	if len(items) == 0 {
		return crm.NullValue()
	}
	return crm.ListValue(items...)
}

// deeds are what the actions of a pair do, while they are planned.
type deeds struct {
	allowed [2]bool       // sides that rules may write at all
	linked  bool          // the pair is known
	fields  [2]crm.Fields // what is to be written
	entries [2]map[crm.MappingID]crm.Agreed
	plans   []FieldDecision
}

// maxDeeds bounds how often actions are asked for what others of them wrote.
const maxDeeds = 4

// runActs plans the actions of both ways. What one of them writes may open or
// close the way back, so the rules are asked again until nothing moves.
func (m *merger) runActs(allowed [2]bool, linked bool, now time.Time) {
	if !m.s.acting {
		return
	}
	m.deeds = deeds{allowed: allowed, linked: linked}
	m.disown()
	for range maxDeeds {
		moved := false
		for side, word := range crm.Sides {
			if allowed[side] {
				d := m.s.decide(crm.WayTo(word), m.seen(1-side), now)
				moved = m.actsTo(side, d) || moved
				moved = m.policiesTo(side, d.Pass) || moved
			}
		}
		if !moved {
			return
		}
	}
}

// disown notes what a person has changed since an action did it: from then on
// it is the person's, whatever the rules say.
func (m *merger) disown() {
	for i := range m.s.acts {
		a := &m.s.acts[i]
		e, met := m.base[a.id]
		if met && a.kind != markKind && e.Revision != didNone && e.Revision != didRefuse &&
			!a.holds(m.records[a.side].Fields[a.field]) {
			m.settle(a.id, crm.Agreed{Revision: didNone})
		}
	}
}

// seen are the fields of a side with what actions write to them.
func (m *merger) seen(side int) crm.Fields {
	f := m.records[side].Fields
	if len(m.deeds.fields[side]) == 0 {
		return f
	}
	return overlaid([2]crm.Fields{f}, [2]crm.Fields{m.deeds.fields[side]})[0]
}

// actsTo runs the actions that the rules of the way to a side ask for.
func (m *merger) actsTo(side int, d rule.Decision) (moved bool) {
	for _, r := range d.Mirrors {
		moved = m.mirror(side, r) || moved
	}
	if moved {
		return true // the mark decides whether the actions run
	}
	wanted, undone := m.s.asked(side, d)
	for i := range wanted {
		moved = m.run(&wanted[i]) || moved
	}
	for i := range undone {
		moved = m.takeBack(&undone[i]) || moved
	}
	return moved
}

// met returns what is remembered of an action. What was refused is forgotten
// where it is to be tried again.
func (m *merger) met(a *action) (crm.Agreed, bool) {
	e, met := m.base[a.id]
	if met && e.Settled != nil {
		due := !e.Settled.Again.IsZero() && !m.at.now.IsZero() && !m.at.now.Before(e.Settled.Again)
		if m.at.retry || due {
			return crm.Agreed{}, false
		}
	}
	return e, met
}

// run carries an action out, once: what a person does with the field afterwards
// stays, and is never taken back.
func (m *merger) run(a *action) (moved bool) {
	held := m.seen(a.side)[a.field]
	e, met := m.met(a)
	switch {
	case met && e.Revision != didNone && e.Revision != didRefuse && !a.holds(held):
		m.settle(a.id, crm.Agreed{Revision: didNone})
	case met:
	case a.holds(held):
		m.settle(a.id, crm.Agreed{Revision: didNone})
	case a.kind == rule.ActionSetField:
		before := crm.Agree(didSet, held)
		if held.Kind() == crm.List || before.Digest != "" { // it cannot be put back
			before = crm.Agreed{Revision: didNone}
		}
		m.write(a, a.value, before, RuleAction)
		return true
	case a.kind == rule.ActionRemoveTag:
		m.write(a, retag(held, a.text, false), crm.Agreed{Revision: didRemove}, RuleAction)
		return true
	default:
		m.write(a, retag(held, a.text, true), crm.Agreed{Revision: didAdd}, RuleAction)
		return true
	}
	return false
}

// takeBack undoes what an action itself did, as long as it stands.
func (m *merger) takeBack(a *action) (moved bool) {
	e, met := m.base[a.id]
	if !met {
		return false
	}
	held := m.seen(a.side)[a.field]
	after := held
	switch {
	case !a.holds(held): // a person changed it
	case e.Revision == didAdd:
		after = retag(held, a.text, false)
	case e.Revision == didRemove:
		after = retag(held, a.text, true)
	case e.Revision == didSet:
		after = crm.NullValue()
		if e.Text != "" {
			after = rawValue(e)
		}
		if f := m.s.schema[a.side][a.field]; after.Blank() && (f.Required || f.NeverBlank) {
			after = held
		}
	}
	if after.Equal(held) {
		m.forget(a.id)
		return false
	}
	m.write(a, after, crm.Agreed{}, RuleUndo)
	return true
}

// rawValue is the value that an entry of didSet holds.
func rawValue(e crm.Agreed) crm.Value {
	switch e.Kind {
	case crm.Number:
		return crm.NumberValue(e.Text)
	case crm.Bool:
		return crm.BoolValue(e.Text == "true")
	case crm.Absent, crm.Null, crm.Text, crm.List:
	}
	return crm.TextValue(e.Text)
}

// mirror goes the other way around: where a person took a tag off that an
// action has put, or found, the source gets the mark that leaves it out; where
// the tag is back, a mark that came about so goes. Before the action has run
// there is nothing to be missed.
func (m *merger) mirror(side int, r rule.Mirror) (moved bool) {
	mark := m.s.actOf(1-side, markKind, r.Mark.Field, r.Mark.Value)
	if !m.deeds.allowed[1-side] || !m.deeds.linked {
		return false
	}
	tags := m.s.actsOf(side, r.Tags)
	off, known := false, false
	for i := range tags {
		e, met := m.base[tags[i].id]
		missing := !tags[i].holds(m.seen(side)[tags[i].field])
		known = known || met
		off = off || missing
		if r.Pass && met && e.Revision != didRefuse && missing {
			moved = true
		}
	}
	held := m.seen(1 - side)[mark.field]
	e, marked := m.base[mark.id]
	switch {
	case moved:
		for i := range tags {
			m.forget(tags[i].id)
		}
		if !mark.holds(held) {
			m.write(&mark, retag(held, mark.text, true), crm.Agreed{Revision: didAdd}, RuleExclusion)
		}
		return true
	case marked && !mark.holds(held), marked && e.Revision != didAdd:
		m.forget(mark.id) // a person took it off
	case marked && !off && !known:
		m.write(&mark, retag(held, mark.text, false), crm.Agreed{}, RuleExclusion)
		return true
	}
	return false
}

// write plans the write of an action and what is remembered once it was made; a
// zero entry forgets the action.
func (m *merger) write(a *action, after crm.Value, entry crm.Agreed, why FieldRule) {
	d := &m.deeds
	if d.fields[a.side] == nil {
		d.fields[a.side], d.entries[a.side] = crm.Fields{}, map[crm.MappingID]crm.Agreed{}
	}
	before := m.seen(a.side)[a.field]
	d.fields[a.side][a.field], d.entries[a.side][a.id] = after, entry
	if entry.Revision == "" {
		m.forget(a.id)
	} else {
		m.settle(a.id, entry)
	}
	f := FieldDecision{
		Mapping: a.id, Winner: crm.Sides[1-a.side], After: after, Rule: why,
		Act: &ActPlan{Side: crm.Sides[a.side], Field: a.field},
	}
	if a.side == 0 {
		f.Left, f.Right = before, after
	} else {
		f.Left, f.Right = after, before
	}
	d.plans = append(d.plans, f)
}

// takeActs adds what the actions do to the plan, after all mappings.
func (m *merger) takeActs() {
	for side := range m.deeds.fields {
		for name, v := range m.deeds.fields[side] {
			if m.records[side].Fields[name].Equal(v) { // one action undid another
				continue
			}
			w := m.writing(side)
			w.Fields[name], w.Acts = v, m.deeds.entries[side]
		}
	}
	m.decision.Fields = append(m.decision.Fields, m.deeds.plans...)
}

func (m *merger) forget(id crm.MappingID) {
	if _, found := m.base[id]; found {
		m.settle(id, crm.Agreed{})
		delete(m.base, id)
	}
}

// ActPlan says of an entry of a plan that it is an action of a rule.
type ActPlan struct {
	Side  crm.Side
	Field string
}

// actNamed returns an action of the rules that are on.
func (s *Settings) actNamed(id crm.MappingID) (a action, ok bool) {
	i := slices.IndexFunc(s.acts, func(a action) bool { return a.id == id })
	if i < 0 {
		return action{}, false
	}
	return s.acts[i], true
}

// compileActs lists all that rules may do, and refuses actions on fields that
// mappings, match steps or other parts of the sync use.
func (s *Settings) compileActs(k *check) {
	for i := range s.sync.Rules {
		r := &s.sync.Rules[i]
		at := "/rules/" + strconv.Itoa(i)
		for side, word := range crm.Sides {
			if r.Direction.Allows(crm.WayTo(word)) {
				for n, a := range r.Actions {
					s.compileAct(k, at+"/actions/"+strconv.Itoa(n)+"/field", r, s.actOf(side, a.Type, a.Field, a.Value))
				}
			}
			o := r.OtherWayAround
			if o.Enabled && o.Exclude != nil && r.Direction.Allows(crm.WayTo(word.Other())) {
				s.compileAct(k, at+"/other_way_around/exclude/field", r, s.actOf(side, markKind, o.Exclude.Field, o.Exclude.Value))
			}
		}
		if r.OtherWayAround.Enabled {
			s.checkBack(k, r, at)
		}
	}
}

func (s *Settings) compileAct(k *check, at string, r *crm.Rule, a action) {
	s.checkOwn(k, at, a.side, a.field)
	if r.On() && !s.lacks(a.side, a.field) {
		s.acts = append(s.acts, a)
	}
}

// matches reports whether a match step looks at a field.
func (s *Settings) matches(side int, field string) bool {
	return slices.ContainsFunc(slices.Concat(s.steps[0], s.steps[1]), func(st step) bool {
		return slices.Contains(st.fields(side), field)
	})
}

// checkBack demands that what goes the other way around may go there.
func (s *Settings) checkBack(k *check, r *crm.Rule, at string) {
	for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
		if !s.Open(way) || !s.sync.Behavior.Get(way).Updates() {
			k.add(at+"/other_way_around/enabled", rule.CodeIncomplete, "the other way around writes both apps, and nothing "+
				"known is written %s: set the sync's direction to both and its behavior %s to create_and_update or "+
				"update_only", strings.ReplaceAll(string(way), "_", " the "), way)
		}
	}
}

// Acted reports whether a record asks nothing of the rules' actions: they have
// run, or were taken back, as the rules say of it, and what they wrote to it
// stands as it is remembered.
func (s *Settings) Acted(side crm.Side, r *crm.Record, base crm.Base, now time.Time) bool {
	if !s.acting {
		return true
	}
	target := side.Other().Index()
	d := s.decide(crm.WayTo(side.Other()), r.Fields, now)
	wanted, undone := s.asked(target, d)
	for _, a := range wanted {
		if _, met := base[a.id]; !met {
			return false
		}
	}
	for _, a := range undone {
		if _, met := base[a.id]; met {
			return false
		}
	}
	if s.unsubscribes(target, r, base) {
		return false
	}
	for i := range s.acts {
		a := &s.acts[i]
		e, met := base[a.id]
		stands := a.side == side.Index() && a.holds(r.Fields[a.field])
		switch {
		case !met:
		case a.kind == markKind:
			return false // whether it is still due shows the other side
		case a.side == side.Index() && !stands && e.Revision != didRefuse && (e.Revision != didNone || s.mirrors(a)):
			return false
		}
	}
	return true
}

// mirrors reports whether a rule goes by an action the other way around.
func (s *Settings) mirrors(a *action) bool {
	for i := range s.sync.Rules {
		r := &s.sync.Rules[i]
		if r.On() && r.OtherWayAround.Enabled && r.Direction.Allows(crm.WayTo(crm.Sides[a.side])) &&
			slices.ContainsFunc(s.actsOf(a.side, r.Actions), func(x action) bool { return x.id == a.id }) {
			return true
		}
	}
	return false
}

// ActLanded reports whether an action's write has landed, by what the record
// now holds; intended is what was to be remembered of it.
func (s *Settings) ActLanded(id crm.MappingID, intended crm.Agreed, fields crm.Fields) bool {
	a, ok := s.actNamed(id)
	if !ok {
		return false
	}
	stands := a.holds(fields[a.field])
	if intended.Revision == "" {
		return !stands
	}
	return stands
}

// settleActs keeps of the actions of a plan what their apps took.
func (m *merger) settleActs(p Pair, plan *Decision, results crm.PerSide[Result]) {
	for i := range plan.Fields {
		f := &plan.Fields[i]
		if f.Act == nil {
			continue
		}
		r, w := results.Get(f.Act.Side), plan.Write(f.Act.Side)
		refused := r.Acts[f.Act.Field]
		switch {
		case r.Failed, refused == CodeFieldMissing:
			m.restore(f.Mapping, p.Base)
		case refused != "" && f.Rule == RuleAction:
			d := crm.Difference{Reason: crm.ReasonRefused, Side: f.Act.Side, Code: refused, Since: p.Now, Tries: 1}
			if old := p.Base[f.Mapping].Settled; old != nil && old.Code == refused {
				d.Since, d.Tries = old.Since, old.Tries+1
			}
			m.settle(f.Mapping, crm.Agreed{Revision: didRefuse, Settled: &d})
		case refused != "":
			m.settle(f.Mapping, crm.Agreed{Revision: didNone})
		case w != nil && r.Answered && !m.s.ActLanded(f.Mapping, w.Acts[f.Mapping], r.Fields):
			m.settle(f.Mapping, crm.Agreed{Revision: didNone})
		}
	}
}

// Done is what an action of a rule did to a pair.
type Done struct {
	Side   crm.Side `json:"side"`
	Field  string   `json:"field"`
	Action string   `json:"action" enum:"add_tag,remove_tag,set_field,mark,deleted,unsubscribed" doc:"mark is that of the other way around, the last two are tags of policies"`
	Value  string   `json:"value"`
	Did    string   `json:"did" enum:"added,removed,set,was,refused" doc:"was: it was so already, or a person changed it since, and undo leaves it alone"`
	Code   string   `json:"code,omitempty" doc:"refused: why"`
}

// Done lists what the actions of the rules that are on did to a pair.
func (s *Settings) Done(base crm.Base) (out []Done) {
	for i := range s.acts {
		a := &s.acts[i]
		e, met := base[a.id]
		if !met || slices.ContainsFunc(s.acts[:i], func(x action) bool { return x.id == a.id }) {
			continue
		}
		d := Done{
			Side: crm.Sides[a.side], Field: a.field, Action: a.kind, Value: a.text, Did: strings.TrimPrefix(e.Revision, "$"),
		}
		if e.Settled != nil {
			d.Code = e.Settled.Code
		}
		out = append(out, d)
	}
	return out
}

// refusedActs lists the actions that an app refused, for Decision.Detail.
func (s *Settings) refusedActs(base crm.Base) (out []string) {
	for i := range s.acts {
		a := &s.acts[i]
		if d := base[a.id].Settled; d != nil {
			label := string(crm.Sides[a.side]) + " " + a.field + " (" + d.Code + ")"
			if !slices.Contains(out, label) {
				out = append(out, label)
			}
		}
	}
	return out
}
