package engine

import (
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// What a person may ask for one record.
const (
	opLink     = "link"
	opUnlink   = "unlink"
	opResolve  = "resolve"
	opUnfreeze = "unfreeze"
	opRestore  = "restore"
)

// outlived reports whether a person decided about another pair than the one
// that the record is in by now.
func (u *unit) outlived() bool {
	decided := u.hint.Op == opUnlink || u.hint.Op == opResolve || u.hint.Op == opUnfreeze ||
		u.hint.Op == opRestore
	return decided && u.hint.Partner != "" && u.link.paired() && u.link.id(u.side.Other()) != u.hint.Partner
}

// decideLink pairs two records because a person says so.
func (b *batch) decideLink(u *unit) {
	if u.partner() == nil {
		u.refuseLink("partner_not_found", "the record to link to does not exist")
		return
	}
	own, twin := unitKey{u.side, u.id}, unitKey{u.side.Other(), u.partner().ID}
	for _, k := range []unitKey{own, twin} {
		if first := b.pairs[k]; first != nil && first != u {
			b.Mark("twin_taken_in_batch")
			u.refuseLink(codeTwinTaken, "the record is just being linked to another one")
			return
		}
	}
	b.nobodyIsMadeFor(twin, u)
	b.pairs[own], b.pairs[twin] = u, u
	u.decision, u.decided = b.set.Reconcile(b.pair(u, nil)), true
	u.decision.Link = true
}

// refuseLink ends a request to link that cannot be carried out any more. What
// is remembered of the record stays: one that was set aside would be matched, or
// carried over, by itself as soon as it counted as failing.
func (u *unit) refuseLink(code, detail string) {
	u.decide(crm.Failed, crm.StateFailing, code, detail)
	u.keeps = u.link != nil
}

// decideUnlink takes a pair apart because a person says so; both records stay,
// and neither is matched by itself any more. A record of which it is not clear who its
// twin is is left alone likewise.
func (b *batch) decideUnlink(u *unit) {
	if !u.link.paired() && (u.link == nil || u.link.State != crm.StateDuplicate && u.link.State != crm.StateConflict) {
		u.decide(crm.Unchanged, "", "", "")
		u.quiet = true
		return
	}
	u.decide(crm.Excluded, crm.StateExcluded, codeUnlinked, "")
}

// codeUnlinked marks records that a person took apart: they are left alone
// until a person links them again.
const codeUnlinked = "unlinked"

func (l *link) apart() bool { return l != nil && !l.paired() && l.Code == codeUnlinked }

// resolve carries out a person's decision: for each field, one side's value,
// or a value of their own, wins as if it alone had changed.
func (b *batch) resolve(u *unit, p *reconcile.Pair) {
	base := make(crm.Base, len(p.Base))
	for k, v := range p.Base {
		base[k] = v
	}
	left, right := *p.Left, *p.Right
	left.Fields, right.Fields = left.Fields.Clone(), right.Fields.Clone()
	p.Base, p.Left, p.Right, p.Decided = base, &left, &right, map[crm.MappingID]bool{}
	extra := crm.Fields{}
	for id, r := range u.resolutions {
		m := b.set.Mapping(id)
		if m == nil {
			continue
		}
		winner := r.Side
		if r.Value != nil {
			winner = crm.Left
			raw, err := m.Render(crm.Left, *r.Value, left.Fields)
			if err != nil {
				u.decide(crm.Failed, crm.StateConflict, "value_does_not_fit", "the value given for "+string(id)+" does not fit")
				return
			}
			for f, v := range raw {
				left.Fields[f], extra[f] = v, v
			}
		}
		loser := &right
		if winner == crm.Right {
			loser = &left
		}
		held, err := m.Canonical(winner.Other(), loser.Fields)
		if err != nil {
			continue
		}
		base[id] = crm.Agree(b.set.Revision(id), held)
		p.Decided[id] = true
		delete(p.Frozen, id)
	}
	u.decision, u.decided = b.set.Reconcile(*p), true
	if len(extra) > 0 {
		if u.decision.Left == nil {
			u.decision.Left = &reconcile.Write{Fields: crm.Fields{}, Intended: map[crm.MappingID]crm.Value{}}
			u.decision.Outcome = crm.Updated
		}
		for f, v := range extra {
			u.decision.Left.Fields[f] = v
		}
	}
}
