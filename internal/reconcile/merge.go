package reconcile

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// Reconcile decides what to do with a pair. It is total: any input gives a decision.
//
// Both records there: each mapping is decided by itself (see the table in
// field.go), and one decision reaches rest: when its writes have been made and
// nobody edits, the next decision is empty. Two things take another pass: a value
// that travels on through a second mapping or opens a filter by being written,
// and the ID of a record that has yet to be created.
//
// One record there and no link: the other is created, with everything that
// the new record gives back to the first in the same decision.
//
// A linked pair with a record missing is the caller's to handle, by OnDelete.
func (s *Settings) Reconcile(p Pair) Decision {
	gone := func(r *crm.Record) bool { return r != nil && (r.Deleted || r.MergedInto != "") }
	switch {
	case p.Left != nil && p.Right != nil && !gone(p.Left) && !gone(p.Right):
		return s.decidePair(p)
	case p.Linked || gone(p.Left) || gone(p.Right) || p.Left == nil && p.Right == nil:
		return Decision{
			Outcome: crm.Skipped, State: crm.StateDeleted, Code: CodeGone, Link: p.Linked, Base: p.Base,
			Timed: s.timed,
		}
	case p.Left != nil:
		return s.decideCreate(p, 0)
	default:
		return s.decideCreate(p, 1)
	}
}

// merger is one pair while it is decided.
type merger struct {
	s        *Settings
	linked   bool  // before
	joined   int64 // Pair.Joined
	records  [2]*crm.Record
	gates    [2]gate
	later    int
	at       occasion
	byApp    [2]uint64
	was      [2]map[crm.MappingID]string
	halted   map[crm.MappingID]bool
	frozen   map[crm.MappingID]bool
	returns  map[crm.MappingID]bool
	discard  map[crm.MappingID]bool
	roused   map[crm.MappingID]bool // refused fields that are tried again with another one
	cell     cell
	decision Decision
	writes   [2]*Write
	asked    []string // labels of fields that wait for a person
	failed   []string // labels of fields that failed
	stopped  []string // labels of fields that wait for a person because of a mass change
	unknown  []string // labels of fields that name an owner or a record that the other app does not have
	lack     string   // the code of the first of them
	rounds   []string // labels of fields that wait for a person because they went round in a circle
	deeds    deeds
	base     crm.Base // copied on first change
	changed  bool
	hidden   bool // something differs and a filter withholds it
}

func (s *Settings) decidePair(p Pair) Decision {
	m := &merger{
		s: s, linked: p.Linked, joined: p.Joined, records: [2]*crm.Record{p.Left, p.Right}, base: p.Base,
		later: s.later(p.Left, p.Right),
		at:    p.occasion(),
	}
	m.decision = Decision{Link: p.Linked, Base: p.Base, Timed: s.timed}
	closed := m.openGates(p.Now, p.Linked)
	if closed == CodeFieldMissing {
		m.decision.Outcome, m.decision.State, m.decision.Code, m.decision.Detail = crm.Skipped, crm.StateWaiting, closed,
			s.heldFields(HeldRule, "")
		m.decision.Held = true
		return m.decision
	}
	if closed != "" && closed != CodeCreateOnly {
		m.decision.Outcome, m.decision.State, m.decision.Code = closedOutcome(closed, p.Linked)
		m.concludeClosed(&p, closed)
		return m.decision
	}
	if left, taken := s.leaves(p.Left, p.Right, p.Now); taken {
		left.Rules, left.Traces, left.Link, left.Base = m.decision.Rules, m.decision.Traces, m.decision.Link, m.decision.Base
		return left
	}
	if s.lostKeys(&p) {
		m.decision.Outcome, m.decision.State, m.decision.Code = crm.Excluded, crm.StateExcluded, CodeNoIdentity
		return m.decision
	}
	m.rouse(p.Base)
	m.byApp, m.was, m.halted, m.discard = [2]uint64{p.ByApp.Left, p.ByApp.Right}, [2]map[crm.MappingID]string{
		p.Was.Left, p.Was.Right,
	}, p.Halted, p.Discard
	m.frozen, m.returns = p.Frozen, p.Returns
	m.decision.Fields = make([]FieldDecision, len(s.specs), len(s.specs)+len(s.backs))
	for i := range s.specs {
		protected := !p.Linked && p.MatchedBy != nil && overlap(p.MatchedBy.Protect, s.specs[i].names[0])
		m.field(&s.specs[i], &m.decision.Fields[i], p.Base, protected, p.Decided[s.specs[i].id])
	}
	m.writeBack()
	m.takeActs()
	m.conclude(p.Linked)
	return m.decision
}

// concludeClosed is for a pair that no rule lets through any more: nothing is
// written but what rules themselves did and take back.
func (m *merger) concludeClosed(p *Pair, closed string) {
	if !m.changed || closed != CodeFiltered || !p.Linked || m.s.lostKeys(p) {
		return
	}
	if _, taken := m.s.leaves(p.Left, p.Right, p.Now); taken {
		return
	}
	m.leaveFields()
	m.takeActs()
	m.decision.Left, m.decision.Right, m.decision.Base, m.decision.Rebase = m.writes[0], m.writes[1], m.base, true
	if !m.decision.Empty() {
		m.decision.Outcome = crm.Updated
	}
}

// leaveFields lists every mapping as one that is left alone.
func (m *merger) leaveFields() {
	m.decision.Fields = make([]FieldDecision, len(m.s.specs), len(m.s.specs)+len(m.deeds.plans))
	for i := range m.s.specs {
		m.decision.Fields[i] = FieldDecision{Mapping: m.s.specs[i].id, Rule: RuleClosed}
	}
}

// later returns the side of the record that was modified last. Without two
// different times it is the sync's policy side, left unless that says right.
func (s *Settings) later(left, right *crm.Record) int {
	switch {
	case left.ModifiedAt.IsZero() || right.ModifiedAt.IsZero() || left.ModifiedAt.Equal(right.ModifiedAt):
		return s.tie
	case left.ModifiedAt.After(right.ModifiedAt):
		return 0
	default:
		return 1
	}
}

// openGates decides which sides may be written by behaviour and rules. When
// neither may, it returns why: the code of the way that got furthest.
func (m *merger) openGates(now time.Time, linked bool) (closed string) {
	var codes [2]string
	var allowed [2]bool
	for side, word := range crm.Sides {
		way := crm.WayTo(word)
		allowed[side] = m.s.Open(way) && m.s.sync.Behavior.Get(way).Updates()
	}
	m.runActs(allowed, linked, now)
	for side, word := range crm.Sides {
		way := crm.WayTo(word)
		switch {
		case !m.s.Open(way):
			m.gates[side], codes[side] = gateBehavior, CodeDirection
		case !m.s.sync.Behavior.Get(way).Updates():
			m.gates[side], codes[side] = gateBehavior, behaviorCode(m.s.sync.Behavior.Get(way))
		default:
			m.gates[side], codes[side] = m.filter(way, m.seen(1-side), now)
		}
	}
	if codes[0] == "" || codes[1] == "" {
		return ""
	}
	for _, code := range []string{CodeFieldMissing, CodeFiltered, CodeCreateOnly, CodeNothing} {
		if codes[0] == code || codes[1] == code {
			return code
		}
	}
	return CodeDirection
}

// filter asks the rules of a way.
func (m *merger) filter(way crm.Way, f crm.Fields, now time.Time) (g gate, code string) {
	d := m.s.decide(way, f, now)
	m.decision.note(way, d)
	switch {
	case d.Pass:
		return gateOpen, ""
	case d.Held:
		return gateHeld, CodeFieldMissing
	}
	return gateFilter, CodeFiltered
}

func (p *Decision) note(way crm.Way, d rule.Decision) {
	for _, id := range d.Rules {
		if !slices.Contains(p.Rules, id) {
			p.Rules = append(p.Rules, id)
		}
	}
	if way == crm.ToRight {
		p.Traces.ToRight = d.Traces
	} else {
		p.Traces.ToLeft = d.Traces
	}
}

// behaviorCode names the behaviour that refuses to change known records.
func behaviorCode(b crm.Behavior) string {
	if b == crm.BehaviorCreateOnly {
		return CodeCreateOnly
	}
	return CodeNothing
}

// closedOutcome is the end of a pair that no open way joins.
func closedOutcome(code string, linked bool) (crm.Outcome, crm.State, string) {
	switch {
	case code == CodeFiltered:
		return crm.Excluded, crm.StateExcluded, code
	case linked && code != CodeDirection:
		return crm.Skipped, crm.StateInSync, code
	default:
		return crm.Skipped, crm.StateExcluded, code
	}
}

// field decides one mapping and takes its writes, or fails it whole: a value
// that fits one side only must not leave the sides with two stories.
func (m *merger) field(one *spec, out *FieldDecision, base crm.Base, protected, forced bool) {
	out.Mapping = one.id
	if one.m == nil {
		out.Rule = RuleClosed
		if one.held != nil {
			one.rest(out)
			return
		}
		if one.problem != nil {
			m.fail(one, out, one.problem.Code, one.problem.Detail)
		}
		return
	}
	c := &m.cell
	*c = cell{
		spec: one, gates: m.gates, protected: protected, old: one.older(m.linked, m.joined), forced: forced,
		later: m.later, returns: m.returns[one.id], byApp: [2]bool{
			m.byApp[0]&one.bit != 0, m.byApp[1]&one.bit != 0,
		}, was: m.was, now: m.at.now,
	}
	c.raw = [2]crm.Fields{m.records[0].Fields, m.records[1].Fields}
	at := m.at
	at.retry = at.retry || m.roused[one.id]
	c.base = one.recall(base, c.raw, at)
	err := m.observe(c)
	out.Left, out.Right = c.v[0], c.v[1]
	if err != nil && (one.open[0] || one.open[1]) {
		m.failBy(one, out, err)
		return
	}
	c.decide()
	m.brake(c, out)
	c.await()
	raw, err := m.render(c)
	if err != nil {
		m.failBy(one, out, err)
		return
	}
	for side := range raw {
		c.besides(raw[side], side)
	}
	m.take(c, out, raw)
}

// brake keeps a field from being written while a mass change of it, or a circle
// in which it went round, waits for a person, and for good once the person does not want the change. What both
// sides hold alike, or are left apart in already, is no change.
func (m *merger) brake(c *cell, out *FieldDecision) {
	if same(c.v[0], c.v[1]) || !c.write[0] && !c.write[1] && c.keep {
		return
	}
	stop := func(why FieldRule, code string) {
		c.write, c.winner, c.merged, c.differs, c.settled, c.review = [2]bool{}, -1, false, false, "", false
		c.stay(why)
		out.Code, out.Detail = code, c.label
	}
	switch {
	case m.halted[c.id]:
		stop(RuleHalted, CodeMassChange)
		m.stopped = append(m.stopped, c.label)
	case m.frozen[c.id]:
		stop(RuleFrozen, CodeLoop)
		m.rounds = append(m.rounds, c.label)
	case m.discard[c.id] && (c.write[0] || c.write[1]):
		c.write, c.winner, c.merged, c.keep = [2]bool{}, -1, false, false
		c.rule = RuleSettled
		c.differ(crm.ReasonUndone, c.v)
	}
}

// rest leaves a mapping alone that is held.
func (one *spec) rest(out *FieldDecision) {
	out.Rule = RuleHeld
	out.Code, out.Detail = one.rests()
}

func (m *merger) observe(c *cell) error {
	c.chooseOne()
	var failed error
	for side, word := range crm.Sides {
		v, err := c.m.Canonical(word, c.shown[side])
		if err != nil {
			failed = err
			continue
		}
		c.v[side], c.blank[side] = v, v.Blank()
	}
	return failed
}

func (m *merger) render(c *cell) (raw [2]crm.Fields, err error) {
	for side, word := range crm.Sides {
		if !c.write[side] {
			continue
		}
		if raw[side], err = c.m.RenderFrom(word, c.after, c.shown[side], c.shown[1-side]); err != nil {
			return raw, err
		}
	}
	return raw, nil
}

// take adds a decided field to the decision.
func (m *merger) take(c *cell, out *FieldDecision, raw [2]crm.Fields) {
	out.Rule, out.Reason, out.After, out.Merged = c.rule, c.settled, c.after, c.merged
	if c.winner >= 0 {
		out.Winner = crm.Sides[c.winner]
	}
	c.flag(out)
	if c.settled.Lacks() {
		out.Lacks = c.lacks
		if out.Lacks == "" {
			out.Lacks = c.base.diff.Side
		}
		_, out.Code = c.m.Lack()
		out.Detail = c.m.LackRemark(out.Lacks)
		m.unknown = append(m.unknown, c.label)
		if m.lack == "" {
			m.lack = out.Code
		}
	}
	for side := range raw {
		if len(raw[side]) == 0 {
			continue
		}
		w := m.writing(side)
		for name, v := range raw[side] {
			w.Fields[name] = v
		}
		w.Intended[c.id] = c.after
		out.Replaces[side] = !c.blank[side] && c.base.kind != unknown && !c.base.stale
	}
	if c.review {
		m.asked = append(m.asked, c.label)
	}
	m.hidden = m.hidden || c.filtered
	if c.differs {
		c.remember = c.settle(c.before, crm.Difference{Reason: c.settled, Side: c.lacks}, c.rest, overlaid(c.raw, raw))
	}
	if !c.keep {
		m.settle(c.id, c.remember)
	}
}

// flag says of a decided field that a side holds what is no valid phone number.
func (one *spec) flag(out *FieldDecision) {
	for side, v := range [...]crm.Value{out.Left, out.Right} {
		if one.m.InvalidPhone(v) {
			out.Code = mapping.CodeInvalidPhone
			out.Detail = one.m.PhoneRemark(crm.Sides[side])
			return
		}
	}
}

// overlaid are the fields of both sides as they are after a write.
func overlaid(now, written [2]crm.Fields) [2]crm.Fields {
	for side := range now {
		if len(written[side]) == 0 {
			continue
		}
		f := now[side].Clone()
		if f == nil {
			f = crm.Fields{}
		}
		maps.Copy(f, written[side])
		now[side] = f
	}
	return now
}

func (m *merger) writing(side int) *Write {
	if m.writes[side] == nil {
		m.writes[side] = &Write{Fields: crm.Fields{}, Intended: map[crm.MappingID]crm.Value{}}
	}
	return m.writes[side]
}

// settle puts an entry into the new base, which is the old one until something
// in it changes. Entries of mappings that were deleted go then.
func (m *merger) settle(id crm.MappingID, entry crm.Agreed) {
	if old, found := m.base[id]; found && old.Same(entry) {
		return
	}
	if !m.changed {
		fresh := make(crm.Base, len(m.s.specs))
		for i := range m.s.specs {
			if old, found := m.base[m.s.specs[i].id]; found {
				fresh[m.s.specs[i].id] = old
			}
		}
		for id, old := range m.base {
			if IsAct(id) {
				fresh[id] = old
			}
		}
		m.base, m.changed = fresh, true
	}
	m.base[id] = entry
}

func (m *merger) failBy(one *spec, out *FieldDecision, err error) {
	detail := one.label
	var f *fault.Error
	if errors.As(err, &f) && f.Message != "" {
		detail = f.Message
	}
	m.fail(one, out, fault.CodeOf(err), detail)
}

func (m *merger) fail(one *spec, out *FieldDecision, code, detail string) {
	out.Rule, out.Code, out.Detail = RuleFailed, code, detail
	m.failed = append(m.failed, one.label)
}

// BackID names, among a decision's fields, the twin's ID that a field keeps.
func BackID(field string) crm.MappingID { return crm.MappingID("$id." + field) }

// WritesBack reports whether records of a side keep the ID of their twin.
func (s *Settings) WritesBack(side crm.Side) bool {
	return slices.ContainsFunc(s.backs, func(b back) bool { return b.side == side.Index() })
}

// writeBack stores the twin's ID where a match step says so. That is no user
// data: fill blanks only does not apply to it, but every gate does.
func (m *merger) writeBack() {
	for _, b := range m.s.backs {
		want, held := m.records[1-b.side].ID, m.records[b.side].Get(b.field)
		if want == "" || m.gates[b.side] != gateOpen || heldID(m.records[b.side], b.field) == want {
			continue
		}
		after := crm.TextValue(string(want))
		m.writing(b.side).Fields[b.field] = after
		f := FieldDecision{Mapping: BackID(b.field), Winner: crm.Sides[1-b.side], After: after, Rule: RuleWriteBack}
		if b.side == 0 {
			f.Left, f.Right = held, after
		} else {
			f.Left, f.Right = after, held
		}
		m.decision.Fields = append(m.decision.Fields, f)
	}
}

// conclude names the outcome of a pair. What a person has to decide comes
// before what failed, and that before what a filter withholds.
func (m *merger) conclude(linked bool) {
	p := &m.decision
	p.Left, p.Right, p.Base, p.Rebase = m.writes[0], m.writes[1], m.base, m.changed
	p.State, p.Link = crm.StateInSync, true
	if m.gates[0] != gateOpen && m.gates[1] != gateOpen {
		// Known, hence linked, and left as it is: nothing in it can fail or
		// wait for a person.
		p.Outcome, p.State, p.Code = closedOutcome(CodeCreateOnly, true)
		return
	}
	// What a rule would say of one way is not known, and the other has nothing
	// to do: the pair stays as it stands.
	p.Held = linked && p.Empty() && (m.gates[0] == gateHeld || m.gates[1] == gateHeld)
	switch {
	case !p.Empty():
		p.Outcome = crm.Updated
	case !linked:
		p.Outcome = crm.Linked
	default:
		p.Outcome = crm.Unchanged
	}
	switch {
	case len(m.asked) > 0:
		p.Outcome, p.State, p.Code, p.Detail = crm.Conflict, crm.StateConflict, CodeConflict, list(m.asked)
	case len(m.rounds) > 0:
		p.State, p.Code, p.Detail = crm.StateConflict, CodeLoop, list(m.rounds)
		if p.Outcome == crm.Unchanged {
			p.Outcome = crm.Conflict
		}
	case m.s.Kept(p.Base) != "":
		p.State, p.Code, p.Detail = crm.StateConflict, CodeChangedByApp, m.s.Kept(p.Base)
	case m.s.Troubles(p.Fields, p.Base) != "":
		p.State, p.Code, p.Detail = crm.StateFailing, CodeFieldFailed, m.s.Troubles(p.Fields, p.Base)
		if p.Outcome == crm.Unchanged {
			p.Outcome = crm.Failed
		}
	case len(m.stopped) > 0:
		p.State, p.Code, p.Detail = crm.StateWaiting, CodeMassChange, list(m.stopped)
		if p.Outcome == crm.Unchanged {
			p.Outcome = crm.Waiting
		}
	case m.hidden:
		p.State, p.Code = crm.StateExcluded, CodeFiltered
		if p.Outcome == crm.Unchanged {
			p.Outcome = crm.Excluded
		}
	case len(m.unknown) > 0:
		p.Code, p.Detail = m.lack, list(m.unknown)
		if p.Outcome == crm.Unchanged && m.changed {
			p.Outcome = crm.Skipped
		}
	}
}

func list(labels []string) string { return strings.Join(labels, ", ") }
