package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// maxTries is how often one record's work is put off before it fails.
const maxTries = 8

// batch is what the units of one piece of work must know of each other.
type batch struct {
	*session
	units   map[unitKey]bool   // all of this piece of work
	creates map[string][]*unit // by identity claimed
	pairs   map[unitKey]*unit  // records that are being paired
	births  map[unitKey]*unit  // records whose twin is being created
}

func (b *batch) decideOne(u *unit) {
	if u.outlived() {
		b.Mark("decision_outlived")
		u.hint.Op, u.hint.Partner, u.hint.Resolve, u.hint.Thaw, u.resolutions = "", "", nil, nil, nil
		u.hint.Wins, u.hint.Fields, u.back = "", nil, nil
	}
	switch {
	case u.back != nil:
		b.decideTakeBack(u)
	case u.hint.Later:
		b.decideLater(u)
	case u.hint.Op == opUnlink:
		b.decideUnlink(u)
	case u.own() == nil:
		b.decideGone(u)
	case u.link.paired():
		b.decidePair(u)
	default:
		b.decideSingle(u)
	}
}

// codeDuplicateInApp marks records of one app that share an identity.
const codeDuplicateInApp = "duplicate_in_app"

// decideGone is for a hint whose record is not there.
func (b *batch) decideGone(u *unit) {
	switch {
	case u.link == nil && !u.hint.Gone && !u.hint.Missed:
		b.Mark("unknown_record_missing") // one 404 proves nothing, and nobody would ask for it again
		u.deferFor(5*time.Second, codeRecordGone)
	case u.link == nil:
		u.decide(crm.Dropped, "", codeRecordGone, "")
		u.quiet = true
	case u.link.State == crm.StateDeleted && !u.confirmed():
		u.decide(crm.Unchanged, crm.StateDeleted, u.link.Code, "")
		u.quiet = true
	case !u.link.paired():
		b.Mark("single_deleted")
		u.decide(crm.Deleted, crm.StateDeleted, "record_deleted", "")
		if u.link.setAside() { // it stays so, should it come back
			u.decision.Code, u.decision.Detail, u.others = u.link.Code, u.link.Detail, u.link.Others
		}
	case u.confirmed():
		b.Mark("deletion_applied")
		u.decide(crm.Deleted, crm.StateDeleted, deletedOn+string(u.side), "")
		u.decision.Link = true
		b.carryDeletion(u)
	default:
		b.Mark("deletion_noticed")
		u.decide(crm.Skipped, u.link.State, codeDeletionNoticed, "")
	}
}

// deletedOn begins the codes of pairs that a deletion on a side has ended.
const deletedOn = "deleted_on_"

// confirmed reports whether a deletion is to be applied: the guard let it
// through, or a person asks once more for what an app refused then.
func (u *unit) confirmed() bool {
	again := u.link.paired() && u.link.State == crm.StateDeleted && u.asks() && !strings.HasPrefix(u.link.Code, deletedOn)
	return u.hint.Confirm && (u.link == nil || u.link.State != crm.StateDeleted) || again
}

// carryDeletion plans what the policy does to the record on the other side.
func (b *batch) carryDeletion(u *unit) {
	other := u.side.Other()
	w, fields, base, why := b.set.Deleted(u.side, u.partner(), b.pair(u, u.link))
	if w != nil && w.Archive && !b.end(other).app.Can(crm.AbilityArchive) {
		w, why = nil, "the app has no way to archive a record: choose another policy"
	}
	u.decision.Detail, u.decision.Fields, u.decision.Base = why, fields, base
	b.markIf(why != "", "deletion_kept")
	if w == nil {
		return
	}
	if other == crm.Left {
		u.decision.Left = w
	} else {
		u.decision.Right = w
	}
	b.markIf(w.Archive, "twin_archived")
	b.markIf(!w.Archive, "twin_tagged")
}

// codeRecordGone marks a record that the app denies and nobody linked.
const codeRecordGone = "record_gone"

// codeDeletionNoticed marks a record whose absence waits for the next tick.
const codeDeletionNoticed = "deletion_noticed"

// decidePair is for a linked pair whose own record is there.
func (b *batch) decidePair(u *unit) {
	other := u.side.Other()
	if u.absent.Get(other) || u.partner() == nil {
		if u.link.State == crm.StateDeleted {
			b.Mark("tombstone_kept")
			u.decide(crm.Unchanged, crm.StateDeleted, u.link.Code, "")
			u.quiet = true
			return
		}
		b.Mark("partner_gone_noticed")
		u.decide(crm.Skipped, u.link.State, codeDeletionNoticed, "")
		return
	}
	b.markIf(u.link.State == crm.StateDeleted, "deleted_pair_restored")
	p := b.pair(u, u.link)
	switch {
	case u.hint.Op == opResolve && u.hint.Wins != "":
		b.resolveWaiting(u, &p)
		return
	case u.hint.Op == opResolve:
		b.resolve(u, &p)
		return
	}
	if b.unchangedFailure(u) {
		return
	}
	u.decision, u.decided = b.set.Reconcile(p), true
}

// unchangedFailure leaves a record alone that failed for good, as long as both
// sides are as they were and nobody asks: what is permanent is tried once.
func (b *batch) unchangedFailure(u *unit) bool {
	l := u.link
	if l == nil || !b.spent(l) || u.hint.Force || u.hint.Again || u.asks() || u.jobs[0].chunk.Kind == RunResync ||
		u.hint.Expect != "" || u.hint.Op != "" {
		return false
	}
	for _, side := range crm.Sides {
		if r := u.rec.Get(side); r == nil && l.id(side) != "" ||
			r != nil && (l.id(side) == "" || r.Fields.Digest(b.end(side).fields) != l.seen(side)) {
			return false
		}
	}
	b.Mark("failure_not_repeated")
	u.decide(crm.Failed, crm.StateFailing, l.Code, l.Detail)
	u.others, u.idle = l.Others, true
	return true
}

// pair makes the planner's input of what was observed.
func (b *batch) pair(u *unit, l *link) reconcile.Pair {
	p := reconcile.Pair{Left: u.rec.Left, Right: u.rec.Right, Origin: u.side, Now: b.started}
	p.Halted, p.Base = b.halted(), b.agreed(u, l)
	if l.paired() {
		for _, id := range u.discard {
			if p.Discard == nil {
				p.Discard = map[crm.MappingID]bool{}
			}
			p.Discard[id] = true
		}
		p.Linked, p.ByHand, p.Joined = true, l.ByHand, l.Joined
		p.Frozen = l.Loop.frozen()
		for _, id := range u.hint.Thaw {
			delete(p.Frozen, id)
		}
		p.ByApp, p.Was, p.Returns = u.byApp, u.was, b.returning
		p.Retry = u.hint.Again || u.asks() || l.Settings != b.set.Digest()
	}
	return p
}

// decideSingle is for a record without a twin so far.
func (b *batch) decideSingle(u *unit) {
	if u.hint.Op == opLink {
		b.decideLink(u)
		return
	}
	if len(u.twins) > 0 {
		b.Mark("own_duplicate")
		u.decide(crm.Duplicate, crm.StateDuplicate, codeDuplicateInApp,
			"other records of the same app have the same identity")
		u.others = u.twins
		return
	}
	switch u.match.Kind {
	case reconcile.MatchFound:
		b.decideFound(u)
	case reconcile.MatchAmbiguous:
		b.Mark("match_ambiguous")
		u.decide(crm.Duplicate, crm.StateDuplicate, u.match.Code, "more than one record of the other app fits")
		u.others = u.match.Others
	case reconcile.MatchConflict:
		b.Mark("key_conflict")
		detail := "the keys point to different records of the other app"
		if u.match.Code == reconcile.CodeDisagree {
			detail = "a record of the other app holds one of the keys and another value in the place of another key"
		}
		u.decide(crm.Conflict, crm.StateConflict, u.match.Code, detail)
		u.others = u.match.Others
	case reconcile.MatchCrowded:
		b.Mark("crowded_key")
		u.decide(crm.Excluded, crm.StateExcluded, u.match.Code,
			"its keys are held by more than two records of one app, and identify nobody")
	case reconcile.MatchHeld:
		b.Mark("match_held")
		u.decision = b.set.Reconcile(b.pair(u, nil)) // which makes nobody
		u.decided = true
	case reconcile.MatchMissing:
		u.decide(crm.Failed, crm.StateFailing, u.match.Code, "the record names a twin that does not exist")
	case reconcile.MatchNone, "":
		b.decideCreate(u)
	}
}

func (b *batch) decideFound(u *unit) {
	other := u.side.Other()
	if u.partner() == nil || u.absent.Get(other) {
		b.Mark("twin_vanished")
		u.deferFor(5*time.Second, "twin_vanished")
		u.decided = true
		return
	}
	if b.awaits(u, func(c *coming) bool {
		return c.promised(other, b.set.IdentityKeys(other, u.partner()), u.id) ||
			c.promised(u.side, b.set.IdentityKeys(u.side, u.own()), u.match.Record.ID)
	}) {
		return
	}
	twin := unitKey{other, u.match.Record.ID}
	if u.leaves != nil && (b.units[unitKey{crm.Left, u.leaves.Left}] || b.units[twin]) ||
		u.lapsed != nil && (b.units[unitKey{crm.Left, u.lapsed.Left}] || b.units[unitKey{crm.Right, u.lapsed.Right}]) {
		u.deferFor(time.Second, codeCreateInFlight) // the deleted pair may come to life again this very moment
		return
	}
	if first := b.pairs[twin]; first != nil && first != u {
		if first.id == u.id || first.side == other && first.id == twin.id && first.partner() != nil &&
			first.partner().ID == u.id {
			b.Mark("twins_met")
			first.standsFor(u)
			u.decide(crm.Unchanged, "", "", "")
			u.quiet = true
			return
		}
		b.Mark("twin_taken_in_batch")
		u.decide(crm.Duplicate, crm.StateDuplicate, codeTwinTaken, "the matching record is linked to another one")
		u.others = []crm.RecordID{twin.id}
		return
	}
	b.nobodyIsMadeFor(twin, u)
	b.pairs[twin], b.pairs[unitKey{u.side, u.id}] = u, u
	p := b.pair(u, nil)
	p.MatchedBy = u.match.Step
	u.decision, u.decided = b.set.Reconcile(p), true
}

// awaits puts u off if one of the open creates concerns it, of this sync or of
// another one of the connection.
func (b *batch) awaits(u *unit, concerns func(*coming) bool) bool {
	switch {
	case concerns(&b.coming):
		b.Mark("create_still_open")
		u.deferFor(max(b.coming.lag, time.Second), codeCreateInFlight)
	case concerns(&b.beside):
		b.Mark("create_open_in_sibling")
		u.deferFor(besideWait, codeCreateInFlight)
		u.fate.blameless = true // the other sync's next worker settles it
	default:
		return false
	}
	return true
}

// besideWait is how long a record waits for what another sync is creating.
const besideWait = 10 * time.Second

// standsFor lets u do the work of its twin too.
func (u *unit) standsFor(twin *unit) {
	twin.into = u
	u.took = append(u.took, twin)
}

// nobodyIsMadeFor calls off the birth that was decided for a record which turns out to
// be u's twin: the index did not know u when it was looked for, or a person says so.
func (b *batch) nobodyIsMadeFor(twin unitKey, u *unit) {
	if born := b.births[twin]; born != nil {
		b.Mark("birth_called_off")
		b.callOff(born, u)
	}
}

// callOff lets u do the work of another unit that was to be created.
func (b *batch) callOff(born, u *unit) {
	for k, list := range b.creates {
		b.creates[k] = slices.DeleteFunc(list, func(x *unit) bool { return x == born })
	}
	delete(b.births, unitKey{born.side, born.id})
	born.claims, born.quiet = nil, true
	u.standsFor(born)
	born.decide(crm.Unchanged, "", "", "")
}

// decideEnded is for a record that another sync of the connection has, or had, as
// one of a pair, and whose twin is not there: nobody is made in its place.
func (b *batch) decideEnded(u *unit) {
	code := "deleted_on_" + string(u.side.Other())
	switch {
	case u.ended != nil:
		code = u.ended.Code
	case u.hint.Tries == 0: // one 404 proves nothing
		b.Mark("twin_vanished")
		u.deferFor(5*time.Second, "twin_vanished")
		return
	}
	b.Mark("ended_in_sibling")
	u.decide(crm.Excluded, crm.StateDeleted, code, "its twin was deleted when another sync of the connection had the pair")
}

// decideCreate decides on a record's birth on the other side.
func (b *batch) decideCreate(u *unit) {
	if u.former != nil || u.ended != nil {
		b.decideEnded(u)
		return
	}
	if b.unchangedFailure(u) {
		return
	}
	u.decision, u.decided = b.set.Reconcile(b.pair(u, nil)), true
	w := u.decision.Write(u.side.Other())
	if w == nil || !w.Create {
		return
	}
	if first := b.pairs[unitKey{u.side, u.id}]; first != nil && first != u {
		b.Mark("birth_called_off")
		b.callOff(u, first)
		return
	}
	if b.awaits(u, func(c *coming) bool { return c.awaits(u) }) {
		return
	}
	for _, k := range u.keys {
		if first := b.creating(k, u); first != nil {
			b.Mark("own_duplicate_in_batch")
			u.decide(crm.Duplicate, crm.StateDuplicate, codeDuplicateInApp,
				"other records of the same app have the same identity")
			u.others = []crm.RecordID{first.id}
			first.decide(crm.Duplicate, crm.StateDuplicate, codeDuplicateInApp,
				"other records of the same app have the same identity")
			first.others = append(first.others, u.id)
			first.claims = nil
			return
		}
		if len(b.creates[string(u.side.Other())+k.Canonical]) > 0 {
			// The same person is being created from the other side: wait and find each other.
			b.Mark("both_sides_create")
			u.deferFor(time.Second, "twin_in_flight")
			return
		}
	}
	for _, k := range u.keys {
		at := string(u.side) + k.Canonical
		b.creates[at] = append(b.creates[at], u)
		u.claims = append(u.claims, k.Canonical)
	}
	slices.Sort(u.claims)
	u.claims = slices.Compact(u.claims)
	b.births[unitKey{u.side, u.id}] = u
}

// creating returns a unit of this piece of work whose twin is about to be created
// and which is a duplicate of u by the key.
func (b *batch) creating(k reconcile.Key, u *unit) *unit {
	for _, x := range b.creates[string(u.side)+k.Canonical] {
		if b.set.Double(u.side, u.own(), x.own()) {
			return x
		}
		b.Mark("told_apart")
	}
	return nil
}

// leaveAside leaves a record as it is that was set aside, also one that was
// deleted since and has come back.
func (s *session) leaveAside(u *unit) {
	state := u.link.State
	if u.quiet = state != crm.StateDeleted; !u.quiet {
		s.Mark("set_aside_restored")
		if state = crm.StateDuplicate; u.link.apart() {
			state = crm.StateExcluded
		}
	}
	u.others = u.link.Others
	u.decide(outcomeOf(state), state, u.link.Code, u.link.Detail)
}

// outcomeOf is the outcome of a record that stays in its state.
func outcomeOf(st crm.State) crm.Outcome {
	if st == crm.StateDuplicate {
		return crm.Duplicate
	}
	return crm.Excluded
}

// checkExpected holds a planned change against what an earlier plan listed.
func (s *session) checkExpected(u *unit) {
	if u.hint.Expect == "" || !u.decided || u.fate.wait > 0 || u.into != nil ||
		u.back != nil && u.decision.Outcome == crm.Stale {
		return
	}
	if u.hint.Expect != u.digest() {
		s.Mark("plan_stale")
		state := crm.State("")
		if u.link != nil {
			state = u.link.State
		}
		u.decide(crm.Stale, state, "plan_stale", "the records changed since the plan was made")
		u.quiet = true
		if u.back != nil {
			u.back.ends, u.back.joins, u.back.buries = false, false, ""
		}
	}
}

// digest is a fingerprint of all that the decision would do.
func (u *unit) digest() string {
	if u.back != nil {
		return u.back.digest(u)
	}
	h := sha256.New()
	fmt.Fprintln(h, u.decision.Outcome, u.decision.Code, u.decision.Link, u.leftID(), u.rightID())
	for _, side := range crm.Sides {
		w := u.decision.Write(side)
		if w == nil {
			continue
		}
		names := make([]string, 0, len(w.Fields))
		for n := range w.Fields {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			fmt.Fprintln(h, side, w.Create, n, w.Fields[n].Digest())
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func (u *unit) recID(side crm.Side) crm.RecordID {
	if w := u.written.Get(side); w != nil && w.ID != "" {
		return w.ID
	}
	if u.side == side {
		return u.id
	}
	if r := u.rec.Get(side); r != nil {
		return r.ID
	}
	if u.link != nil {
		return u.link.id(side)
	}
	return ""
}

func (u *unit) leftID() crm.RecordID { return u.recID(crm.Left) }

func (u *unit) rightID() crm.RecordID { return u.recID(crm.Right) }
