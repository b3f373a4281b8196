package reconcile

import (
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// Policies of deletions and unsubscribes leave tags, which are actions like
// those of rules: remembered with the pair, never a person's, and the one of a
// deletion taken back when the record is restored.

// The kinds of these tags.
const (
	trashKind       = "deleted"
	unsubscribeKind = "unsubscribed"
)

// tagPolicy is one of them towards one side.
type tagPolicy struct {
	action
	when string // of unsubscribes: the checkbox of the other side
}

// compilePolicies reads both policies. A tag needs a field of several values
// that no mapping uses, and an unsubscribe a checkbox that tells of it.
func (s *Settings) compilePolicies(k *check, env mapping.Env) {
	work := rule.Env{Left: env.Left, Right: env.Right}
	for side, word := range crm.Sides {
		way := crm.WayTo(word)
		d, u := s.sync.Deletes, s.sync.Unsubscribes
		if d.Get(way) == crm.DeleteTag && k.tag("/deletes", d.Tag, d.Field.Get(word), side, work) {
			s.trash[side] = &tagPolicy{action: s.actOf(side, trashKind, d.Field.Get(word), d.Tag)}
		}
		if u.Get(way) != crm.DeleteTag || !k.tag("/unsubscribes", u.Tag, u.Field.Get(word), side, work) {
			continue
		}
		when := u.When.Get(word.Other())
		at := "/unsubscribes/when/" + string(word.Other())
		if f, known := s.schema[1-side][when]; k.field(at, 1-side, when, false) {
			if known && f.Type != crm.TypeBoolean && f.Type != crm.TypeOption {
				k.add(at, mapping.CodeIncompatible, "the %s field %q (%s) does not say yes or no: choose the checkbox that the "+
					"app sets when somebody unsubscribes", word.Other(), when, f.Type)
				continue
			}
			s.unsubscribed[side] = &tagPolicy{action: s.actOf(side, unsubscribeKind, u.Field.Get(word), u.Tag), when: when}
		}
	}
	for side := range crm.Sides {
		for _, p := range []*tagPolicy{s.trash[side], s.unsubscribed[side]} {
			if p != nil {
				s.acts = append(s.acts, p.action)
			}
		}
	}
	s.acting = len(s.acts) > 0
}

// tag checks what a policy is to leave on a side. False: it cannot be left now.
func (k *check) tag(at, tag, field string, side int, env rule.Env) bool {
	word := crm.Sides[side]
	if strings.TrimSpace(tag) == "" {
		k.add(at+"/tag", CodeMissingTag, "name the tag to add, for example \"Deleted opposite\"")
		return false
	}
	before := len(k.problems)
	if k.s.lacks(side, field) {
		k.s.hold(HeldAction, at[1:], at+"/field/"+string(word), side, field)
	}
	for _, p := range rule.CheckTag(field, tag, word, env) {
		pointer := at + "/field/" + string(word)
		if p.Pointer != "" {
			pointer = at + "/tag"
		}
		k.add(pointer, p.Code, "%s", p.Detail)
	}
	k.s.checkOwn(k, at+"/field/"+string(word), side, field)
	return len(k.problems) == before
}

// tagFields are the fields of a side that policies look at or write.
func (s *Settings) tagFields(side int) []string {
	var names []string
	for _, p := range []*tagPolicy{s.trash[side], s.unsubscribed[side]} {
		if p != nil {
			names = append(names, p.field)
		}
	}
	if p := s.unsubscribed[1-side]; p != nil {
		names = append(names, p.when)
	}
	return names
}

// policiesTo carries out what the policies want of a side of a living pair: the
// tag of a deletion goes, that of an unsubscribe comes. Both only while the
// rules let the other record through.
func (m *merger) policiesTo(side int, pass bool) (moved bool) {
	if p := m.s.trash[side]; p != nil {
		moved = m.takeBack(&p.action)
	}
	if p := m.s.unsubscribed[side]; p != nil && pass {
		if yes, ok := mapping.ParseBool(m.records[1-side].Fields[p.when]); ok && yes {
			moved = m.run(&p.action) || moved
		}
	}
	return moved
}

// DeletionTag is what a base remembers of the tag that the policy of deletions left
// on a side: all that a record takes along to another twin.
func (s *Settings) DeletionTag(base crm.Base, side crm.Side) crm.Base {
	if p := s.trash[side.Index()]; p != nil {
		if e, met := base[p.id]; met {
			return crm.Base{p.id: e}
		}
	}
	return nil
}

// unsubscribes reports whether a record asks for a tag of its twin that was not
// left yet.
func (s *Settings) unsubscribes(target int, r *crm.Record, base crm.Base) bool {
	p := s.unsubscribed[target]
	if p == nil {
		return false
	}
	yes, ok := mapping.ParseBool(r.Fields[p.when])
	_, met := base[p.id]
	return ok && yes && !met
}

// Deleted plans what the deletion of a pair's record on one side does to the
// record on the other: nothing, a tag, or the same. A record that was edited
// since the last agreement is not archived. Detail says why nothing is done.
func (s *Settings) Deleted(
	side crm.Side, partner *crm.Record, p Pair,
) (w *Write, fields []FieldDecision, base crm.Base, detail string) {
	other := side.Other()
	target := other.Index()
	switch policy := s.OnDelete(side); {
	case policy == crm.DeleteIgnore:
		return nil, nil, nil, ""
	case partner == nil || partner.Deleted || partner.MergedInto != "":
		return nil, nil, nil, "the other record is gone, too"
	case policy == crm.DeleteArchive && !s.Agrees(other, partner, p.Base):
		return nil, nil, nil, "the other record was edited since both agreed, so it is kept"
	case policy == crm.DeleteArchive:
		return &Write{Archive: true}, nil, nil, ""
	case s.trash[target] == nil: // its field is gone
		return nil, nil, nil, "the tag cannot be left: see the problems of the settings"
	}
	m := &merger{s: s, base: p.Base, at: p.occasion()}
	m.records[target], m.records[1-target] = partner, &crm.Record{}
	m.deeds = deeds{linked: true}
	m.run(&s.trash[target].action)
	m.leaveFields()
	m.takeActs()
	return m.writes[target], m.decision.Fields, m.base, ""
}

// checkOwn refuses a field that mappings, match steps or IDs use.
func (s *Settings) checkOwn(k *check, at string, side int, field string) {
	word := crm.Sides[side]
	switch {
	case s.mapped(side, field):
		k.add(at, CodeFieldTaken, "the %s field %q is mapped, and what is written there would travel: "+
			"choose a field that no mapping uses, or remove the mapping", word, field)
	case s.matches(side, field):
		k.add(at, CodeFieldTaken, "records are found by the %s field %q: choose one that no match step uses", word, field)
	case slices.ContainsFunc(s.backs, func(b back) bool { return b.side == side && b.field == field }):
		k.add(at, CodeFieldTaken, "the %s field %q keeps the ID of the twin: choose another", word, field)
	}
}
