package engine

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// books collect what one lot changes in the store.
type books struct {
	s        *session
	lot      *lot
	page     string
	aliases  []linkWrite // of new pairs: stored before links
	links    []linkWrite
	entries  []logEntry
	states   map[string]int64
	day      map[string]int64
	runs     map[crm.RunID]map[string]int64
	outcomes map[*unit]crm.Outcome
	put      map[string]*putOff // by run, side and wait
	open     []intentEntry      // may have landed: stays in the intent
	rehint   []crm.RecordRef
	freed    map[crm.RecordRef]bool // what is left of pairs that ended
	pairs    map[store.Key]bool     // keys of new pairs
	// records that wait for a right, a decision about a mass change, or to be weighed
	waitingHints []placedHint
	noticed      bool            // a deletion was noticed: the tick has to look
	waiting      []awaitedItem   // records that name what is not linked
	joined       []crm.RecordRef // records of new pairs
}

func (s *session) openBooks(l *lot) *books {
	return &books{
		s: s, lot: l, page: s.NewID("pg"), states: map[string]int64{}, day: map[string]int64{},
		runs: map[crm.RunID]map[string]int64{}, outcomes: map[*unit]crm.Outcome{}, pairs: map[store.Key]bool{},
	}
}

// unit enters one unit's result.
func (b *books) unit(ctx context.Context, u *unit) {
	if u.fate.wait > 0 && u.hint.Tries >= maxTries && !u.fate.blameless {
		u.fate.fail(fault.New("engine: work record", fault.Invalid, u.fate.why,
			"the record could not be worked although it was tried again and again"))
	}
	end := u.fate.ending()
	if end >= endsFailed {
		u.fate.restsNoMore()
		b.putOffTwins(u)
	}
	if end != endsDone && end != endsFailed {
		b.keepOpen(u)
	}
	if end != endsDone && !u.fate.unknown {
		b.s.freeClaims(ctx, u.side.Other(), u.claims, b.lot.id)
	}
	switch end {
	case endsOpen:
		b.lot.unfinished = true
		return
	case endsLater:
		b.putOff(u)
		return
	case endsWeighed:
		b.waits(u)
		b.letWeigh(u)
		return
	case endsBarred:
		b.waits(u)
		b.letWait(u)
		return
	case endsFailed:
		b.s.Mark("record_failed")
		u.decision.Outcome, u.decision.State = crm.Failed, crm.StateFailing
		u.decision.Code, u.decision.Detail = fault.CodeOf(u.fate.err), safeText(u.fate.err)
	case endsDone:
		b.done(u)
	}
	b.remember(ctx, u)
	b.count(u)
	// What was made has an ID now, which another look writes back.
	if u.more || u.decision.Outcome == crm.Created && b.s.set.WritesBack(u.side) {
		b.rehint = append(b.rehint, crm.RecordRef{Side: u.side, ID: u.id})
	}
}

// waits counts a unit whose work waits in the store.
func (b *books) waits(u *unit) {
	u.decision.Outcome, u.quiet = crm.Waiting, true
	b.count(u)
}

// done judges what came of a unit that nothing came in the way of.
func (b *books) done(u *unit) {
	// The plan leaves it alone, what else was heard of it does not.
	if u.beside && (u.decision.Outcome == crm.Stale || u.back != nil && u.quiet) {
		b.rehint = append(b.rehint, crm.RecordRef{Side: u.side, ID: u.id})
	}
	b.s.judge(u)
	b.s.countMass(u)
	b.letStop(u)
}

// keepOpen keeps the intent's entries that may have landed, and those that did
// land while the other side of the same pair was not tried.
func (b *books) keepOpen(u *unit) {
	if b.lot.intent == nil {
		return
	}
	for _, e := range b.lot.intent.Entries {
		if b.entryOf(e, u) && (u.fate.unknown || u.written.Get(e.Side) != nil) {
			b.open = append(b.open, e)
		}
	}
}

func (b *books) entryOf(e intentEntry, u *unit) bool {
	if e.Create {
		return e.Side == u.side.Other() && e.source() == u.id
	}
	return e.Left == u.leftID() && e.Right == u.rightID()
}

// remember makes the link that follows from the unit's result, if it differs.
func (b *books) remember(ctx context.Context, u *unit) {
	if u.decision.Outcome == crm.Stale { // nothing is remembered; who applied the plan is told
		b.entries = append(b.entries, following(nil, b.entry(u, len(b.entries)))...)
		return
	}
	if u.erased() {
		b.forgetErased(u)
		return
	}
	if u.quiet || u.decision.Outcome == crm.Dropped {
		return
	}
	if u.hint.Later {
		b.rememberLater(u)
		return
	}
	b.awaits(u)
	if u.decision.Code == codeDeletionNoticed {
		b.noticeGone(u)
		return
	}
	if (u.hint.Op == opUnlink || u.back != nil && u.back.ends && u.decision.Outcome != crm.Failed) && u.link.paired() {
		b.unlink(u)
		return
	}
	s, now := b.s, b.s.Now()
	old := u.link
	l := old.clone()
	if old == nil {
		l.Made, l.By = now, u.jobs[0].chunk.Run
		l.setID(u.side, u.id)
	}
	wasPaired := old.paired()
	if u.decision.Link && u.decision.Outcome != crm.Deleted && u.fate.err == nil {
		for _, side := range crm.Sides {
			l.setID(side, u.recID(side))
		}
		if !wasPaired {
			l.Made, l.By, l.ByHand, l.Joined = now, u.jobs[0].chunk.Run, u.hint.Op == opLink, s.conn.Version
		}
	}
	if l.State != u.decision.State {
		l.State, l.Since = u.decision.State, now
	}
	l.Code, l.Detail, l.Others, l.Settings = u.decision.Code, u.decision.Detail, u.others, s.set.Digest()
	l.Once = u.final()
	if u.back != nil && wasPaired && l.State == old.State { // nothing else of it was decided
		l.Settings, l.Once = old.Settings, old.Once
	}
	if u.keeps {
		b.s.Mark("link_refused")
		l.State, l.Since, l.Code, l.Detail, l.Others, l.Once = old.State, old.Since, old.Code, old.Detail, old.Others,
			old.Once
	}
	if u.fate.err == nil && l.paired() && u.decision.Base != nil {
		l.Base = u.decision.Base
	}
	if len(u.claims) > 0 && l.paired() {
		l.Claims, l.Claimed = u.claims, u.side.Other()
	}
	thaw(u, l)
	seen := b.seen(u, l)
	b.looksAgain(u, old, l, &seen)
	if old != nil && wasPaired == l.paired() && sameLink(old, l) {
		if !u.changed() && !u.keeps && !(u.hint.Audit && (seen.Left != old.SeenL || seen.Right != old.SeenR)) {
			return // nothing that matters differs: no write, no log entry
		}
	}
	b.countRounds(ctx, u, old, l)
	if entries := b.tell(u, old, l); len(entries) > 0 {
		b.entries = append(b.entries, following(l.Pages, entries...)...)
		l.Pages = withPage(pageRef(s.con, now, b.page), l.Pages)
	}
	l.SeenL, l.SeenR = seen.Left, seen.Right
	l.WroteL, l.WasL = s.wrote(u, crm.Left, l.WroteL, l.WasL)
	l.WroteR, l.WasR = s.wrote(u, crm.Right, l.WroteR, l.WasR)
	b.keep(u, old, l)
	s.noteFreed(ctx, u, l)
	if u.decision.Outcome == crm.Deleted {
		b.rehintOthers(u, old)
	}
	if u.rival != "" && (old == nil || old.Code != codeTwinTaken) { // it may be gone, and nobody has told us yet
		b.rehint = append(b.rehint, crm.RecordRef{Side: u.side, ID: u.rival})
	}
}

// admits reports whether the filters let a record of these fields through.
func (b *books) admits(side crm.Side, id crm.RecordID, f crm.Fields) bool {
	_, ok := b.s.set.Admit(side, &crm.Record{ID: id, Fields: f}, b.s.Now())
	return ok
}

// acted reports whether a record of these fields asks nothing more of the rules.
func (b *books) acted(side crm.Side, f crm.Fields, base crm.Base) bool {
	return b.s.set.Acted(side, &crm.Record{Fields: f}, base, b.s.Now())
}

// seen returns the digests of both records as they now are, as far as known.
func (b *books) seen(u *unit, l *link) crm.PerSide[string] {
	out := crm.PerSide[string]{Left: l.SeenL, Right: l.SeenR}
	for _, side := range crm.Sides {
		var f crm.Fields
		if r := u.rec.Get(side); r != nil {
			f = r.Fields.Clone()
		}
		w := u.decision.Write(side)
		if w != nil && u.fate.err == nil && !u.failed(side) {
			f, _ = u.content(side)
			if l.State == crm.StateExcluded && b.admits(side, u.recID(side), f) || l.paired() && !b.acted(side, f, l.Base) {
				out.Set(side, "") // what we wrote lets it in, or asks a rule to act: whoever hears of it looks
				continue
			}
		}
		if f != nil {
			out.Set(side, f.Digest(b.s.end(side).fields))
		} else if w != nil {
			out.Set(side, "")
		}
	}
	return out
}

// changed reports whether the unit wrote anything to an app.
func (u *unit) changed() bool {
	return u.written.Left != nil || u.written.Right != nil
}

// logged reports whether the log should tell of it: everything but "as before".
func (u *unit) logged(old, l *link) bool {
	switch u.decision.Outcome {
	case crm.Unchanged, crm.Waiting:
		return false
	case crm.Created, crm.Updated, crm.Linked, crm.Deleted, crm.Stale, crm.Dropped:
		return true
	case crm.Excluded, crm.Skipped, crm.Duplicate, crm.Conflict, crm.Failed:
		return old == nil || old.State != l.State || old.Code != l.Code || u.changed() || u.keeps
	}
	return true
}
