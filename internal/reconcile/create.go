package reconcile

import (
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// decide asks the rules of a way.
func (s *Settings) decide(way crm.Way, f crm.Fields, now time.Time) rule.Decision {
	if s.shut {
		return rule.Decision{}
	}
	return s.rules.Decide(way, f, now)
}

// Admit says whether a record without a link may be looked at: direction,
// behaviour, rules and identity, in this order. When not, the decision says why.
// When it may, the decision holds the rules that let it through, and nothing else.
func (s *Settings) Admit(side crm.Side, r *crm.Record, now time.Time) (Decision, bool) {
	way := crm.WayTo(side.Other())
	p := Decision{Outcome: crm.Excluded, State: crm.StateExcluded, Timed: s.timed}
	switch {
	case r == nil || r.Deleted || r.MergedInto != "":
		p.Outcome, p.State, p.Code = crm.Skipped, crm.StateDeleted, CodeGone
		return p, false
	case !s.Open(way):
		p.Code = CodeDirection
		return p, false
	case s.sync.Behavior.Get(way) == crm.BehaviorNothing:
		p.Outcome, p.Code = crm.Skipped, CodeNothing
		return p, false
	}
	if code, left := s.leavesActivity(side, r); left {
		p.Code = code
		return p, false
	}
	d := s.decide(way, r.Fields, now)
	p.note(way, d)
	switch {
	case d.Held:
		return s.waits(p, s.heldFields(HeldRule, "")), false
	case !d.Pass:
		p.Code = CodeFiltered
		return p, false
	}
	if left, taken := s.leaves(ofSide(side, crm.Left, r), ofSide(side, crm.Right, r), now); taken {
		left.Rules, left.Traces = p.Rules, p.Traces
		return left, false
	}
	if detail, held := s.heldStep(side); held && !s.HasIdentity(side, r) {
		return s.waits(p, detail), false
	}
	switch {
	case s.sync.AvoidsDuplicates() && !s.HasIdentity(side, r):
		p.Code = CodeNoIdentity
		return p, false
	}
	return Decision{Rules: p.Rules, Traces: p.Traces, Timed: s.timed}, true
}

// ofSide is a record of one side, seen from another.
func ofSide(of, side crm.Side, r *crm.Record) *crm.Record {
	if of != side {
		return nil
	}
	return r
}

// waits is the decision of a record of which nothing can be said before a field is back.
func (*Settings) waits(p Decision, detail string) Decision {
	p.Outcome, p.State, p.Code, p.Detail, p.Held = crm.Skipped, crm.StateWaiting, CodeFieldMissing, detail, true
	return p
}

// decideCreate makes the twin of a record. First everything that travels towards
// the new record is rendered; then the pair of the record and the one to be is
// decided like any pair, so that what would flow back does so at once.
func (s *Settings) decideCreate(p Pair, source int) Decision {
	target := 1 - source
	record := p.Left
	if source == 1 {
		record = p.Right
	}
	admitted, ok := s.Admit(crm.Sides[source], record, p.Now)
	way := crm.WayTo(crm.Sides[target])
	switch {
	case !ok:
		return admitted
	case !s.sync.Behavior.Get(way).Creates():
		admitted.Outcome, admitted.State, admitted.Code = crm.Skipped, crm.StateExcluded, CodeUpdateOnly
		return admitted
	}
	if detail, held := s.heldBirth(source); held {
		return s.waits(admitted, detail)
	}
	m := &merger{s: s, later: source, decision: admitted, at: p.occasion()}
	m.records[source], m.records[target] = record, &crm.Record{Fields: crm.Fields{}}
	m.decision.Fields = make([]FieldDecision, len(s.specs), len(s.specs)+len(s.stamps[target]))
	w := m.writing(target)
	w.Create = true
	stuck := m.forward(source)
	if waits, orphan := s.orphan(m, source); orphan {
		return waits
	}
	m.stamp(target)
	back := crm.WayTo(crm.Sides[source])
	m.runActs(pairOf(target, true, s.Open(back) && s.sync.Behavior.Get(back).Updates()), false, p.Now)
	m.backward(source, p.Now)
	m.takeActs()
	for name, v := range w.Fields {
		if v.Blank() { // there is nothing yet to empty
			delete(w.Fields, name)
		}
	}
	m.concludeCreate(target, stuck)
	return m.decision
}

// heldBirth reports whether a record must not be made now: a step by which its
// twin might be found rests, or what the app demands comes from a mapping that does.
func (s *Settings) heldBirth(source int) (detail string, held bool) {
	if detail, held = s.heldStep(crm.Sides[source]); held {
		return detail, true
	}
	for i := range s.specs {
		if one := &s.specs[i]; one.held != nil && one.required[1-source] {
			return list(one.held), true
		}
	}
	return "", false
}

// forward renders every mapping open towards the new record. Stuck are the
// labels of fields that failed although the app demands them.
func (m *merger) forward(source int) (stuck []string) {
	target := 1 - source
	for i := range m.s.specs {
		one, out := &m.s.specs[i], &m.decision.Fields[i]
		out.Mapping, out.Rule = one.id, RuleClosed
		failures := len(m.failed)
		switch {
		case one.held != nil:
			one.rest(out)
		case one.problem != nil:
			m.fail(one, out, one.problem.Code, one.problem.Detail)
		case one.m != nil && one.open[target]:
			m.forwardField(one, out, source)
		}
		if len(m.failed) > failures && one.required[target] {
			stuck = append(stuck, one.label)
		}
	}
	return stuck
}

func (m *merger) forwardField(one *spec, out *FieldDecision, source int) {
	target := 1 - source
	v, err := one.m.Canonical(crm.Sides[source], m.records[source].Fields)
	if err != nil {
		m.failBy(one, out, err)
		return
	}
	if source == 0 {
		out.Left = v
	} else {
		out.Right = v
	}
	out.Rule, out.Winner, out.After = RuleFillBlank, crm.Sides[source], v
	one.flag(out)
	if v.Blank() {
		if v = one.fallback[target]; v.Blank() {
			out.Rule, out.Winner = RuleAgreed, ""
			return
		}
		out.Rule, out.After = RuleDefault, v
	}
	if !one.m.Knows(crm.Sides[target], v) { // settled with the pair that is to be
		out.Rule, out.Winner, out.After = RuleSettled, "", crm.Value{}
		return
	}
	raw, err := one.m.RenderFrom(crm.Sides[target], v, m.records[target].Fields, m.records[source].Fields)
	if err != nil {
		out.Winner, out.After = "", crm.Value{}
		m.failBy(one, out, err)
		if !m.s.sync.Behavior.Get(crm.WayTo(crm.Sides[target])).Updates() { // nor will it be written later
			raw := pairOf(source, m.records[source].Fields, nil)
			m.settle(one.id, one.settle(memory{}, crm.Difference{Reason: crm.ReasonRestrained},
				pairOf(source, v, crm.NullValue()), raw))
		}
		return
	}
	w := m.writing(target)
	for name, value := range raw {
		w.Fields[name], m.records[target].Fields[name] = value, value
	}
	w.Intended[one.id] = v
	entry := crm.Agree(one.revision, v)
	if out.Rule == RuleDefault {
		out.Reason = crm.ReasonDefault
		after := overlaid([2]crm.Fields{}, pairOf(target, raw, nil))
		entry = one.settle(one.beforeDefault(v), crm.Difference{Reason: crm.ReasonDefault},
			pairOf(target, v, crm.NullValue()), after)
	}
	m.settle(one.id, entry)
}

// stamp adds the fixed values of creation.
func (m *merger) stamp(target int) {
	for _, st := range m.s.stamps[target] {
		m.writing(target).Fields[st.field] = st.value
		m.records[target].Fields[st.field] = st.value
		m.decision.Fields = append(m.decision.Fields, FieldDecision{
			Mapping: crm.MappingID("$stamp." + st.field), Winner: crm.Sides[1-target], After: st.value, Rule: RuleStamp,
		})
	}
}

// backward decides on the record against the one to be. Whatever the behaviour is
// towards known records, the new one is still being made.
func (m *merger) backward(source int, now time.Time) {
	way := crm.WayTo(crm.Sides[source])
	switch {
	case !m.s.Open(way) || !m.s.sync.Behavior.Get(way).Updates():
		m.gates[source] = gateBehavior
	default:
		m.gates[source], _ = m.filter(way, m.seen(1-source), now)
	}
	for i := range m.s.specs {
		out := &m.decision.Fields[i]
		if m.s.specs[i].m == nil || out.Rule == RuleFailed {
			continue
		}
		one := &m.s.specs[i]
		if out.Rule == RuleDefault { // it does not travel back
			continue
		}
		var again FieldDecision
		m.field(one, &again, nil, false, false)
		if again.Reason == crm.ReasonNotLinked && out.Rule == RuleFillBlank { // of several some are written
			out.Reason, out.Lacks, out.Code, out.Detail = again.Reason, again.Lacks, again.Code, again.Detail
			continue
		}
		if again.Rule != RuleAgreed && again.Rule != RuleClosed || out.Rule == RuleClosed {
			*out = again
		}
	}
}

// concludeCreate checks what the app demands and names the outcome.
func (m *merger) concludeCreate(target int, stuck []string) {
	p := &m.decision
	var missing []string
	for name, f := range m.s.schema[target] {
		if f.Required && !f.ReadOnly && m.writing(target).Fields[name].Blank() {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	switch {
	case len(stuck) > 0:
		p.Outcome, p.State, p.Code, p.Detail = crm.Failed, crm.StateFailing, CodeFieldFailed, list(stuck)
		return
	case len(missing) > 0:
		p.Outcome, p.State, p.Code, p.Detail = crm.Failed, crm.StateFailing, CodeRequiredMissing, list(missing)
		return
	}
	p.Outcome, p.State, p.Link = crm.Created, crm.StateInSync, true
	p.Left, p.Right, p.Base, p.Rebase = m.writes[0], m.writes[1], m.base, true
	switch {
	case len(m.failed) > 0:
		p.State, p.Code, p.Detail = crm.StateFailing, CodeFieldFailed, list(m.failed)
	case len(m.unknown) > 0:
		p.Code, p.Detail = m.lack, list(m.unknown)
	}
}
