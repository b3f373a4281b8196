package engine

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// settle is the last step: remember what both sides now agree on, tell the log,
// then, in one transaction, clear the intent, count, and store what has to wait.
// A chunk thus counts once, however often it is delivered.
func (s *session) settle(ctx context.Context, l *lot) error {
	b := &books{s: s, lot: l, page: s.NewID("pg"), states: map[string]int64{}, runs: map[crm.RunID]map[string]int64{}, outcomes: map[*unit]crm.Outcome{}, day: map[string]int64{}, pairs: map[store.Key]bool{}}
	for _, u := range l.units {
		if err := b.unit(ctx, u); err != nil {
			return err
		}
	}
	if err := b.keepBarred(ctx); err != nil {
		return err
	}
	if err := b.storeLinks(ctx); err != nil {
		return err
	}
	if err := b.storePages(ctx); err != nil {
		return err
	}
	return b.close(ctx)
}

// books collect what one lot changes in the store.
type books struct {
	s        *session
	lot      *lot
	page     string
	aliases  []linkWrite // of new pairs: stored before links
	links    []linkWrite
	entries  []Entry
	states   map[string]int64
	day      map[string]int64
	runs     map[crm.RunID]map[string]int64
	outcomes map[*unit]crm.Outcome
	put      map[string]*putOff // by run, side and wait
	open     []intentEntry      // may have landed: stays in the intent
	rehint   []crm.RecordRef
	freed    map[crm.RecordRef]bool // what is left of pairs that ended
	pairs    map[store.Key]bool     // keys of new pairs
	barred   []store.Write          // records that wait for a right
	stopped  []store.Write          // records that wait for a decision about a mass change
	noticed  bool                   // a deletion was noticed: the tick has to look
}

// unit enters one unit's result.
func (b *books) unit(ctx context.Context, u *unit) error {
	s := b.s
	if u.wait > 0 && u.hint.Tries >= maxTries && !u.blameless {
		u.wait = 0
		u.failure = fault.New("engine: work record", fault.Invalid, u.waitFor, "the record could not be worked although it was tried again and again")
	}
	if u.unknown || u.undone || u.wait > 0 || u.failure != nil {
		u.barred, u.weighed = crm.PerSide[bool]{}, false // it comes again anyway
	}
	if u.unknown || u.undone || u.wait > 0 || u.failure != nil {
		b.putOffTwins(u)
	}
	switch {
	case u.unknown || u.undone:
		b.lot.unfinished = true
		b.keepOpen(u)
		if u.undone && !u.unknown {
			s.freeClaims(ctx, u.side.Other(), u.claims, b.lot.id)
		}
		return nil
	case u.wait > 0:
		b.keepOpen(u)
		s.freeClaims(ctx, u.side.Other(), u.claims, b.lot.id)
		b.putOff(u)
		return nil
	case u.weighed:
		b.keepOpen(u)
		s.freeClaims(ctx, u.side.Other(), u.claims, b.lot.id)
		u.plan.Outcome, u.quiet = crm.Waiting, true
		b.count(u)
		return b.letWeigh(u)
	case u.barred.Left || u.barred.Right:
		b.keepOpen(u)
		s.freeClaims(ctx, u.side.Other(), u.claims, b.lot.id)
		u.plan.Outcome, u.quiet = crm.Waiting, true
		b.count(u)
		return b.letWait(u)
	case u.failure != nil:
		s.freeClaims(ctx, u.side.Other(), u.claims, b.lot.id)
		s.Mark("record_failed")
		code, detail := fault.CodeOf(u.failure), safeText(u.failure)
		u.plan.Outcome, u.plan.State, u.plan.Code, u.plan.Detail = crm.Failed, crm.StateFailing, code, detail
	default:
		if u.beside && u.plan.Outcome == crm.Stale { // the plan leaves it alone, what else was heard of it does not
			b.rehint = append(b.rehint, crm.RecordRef{Side: u.side, ID: u.id})
		}
		s.judge(u)
		s.countMass(u)
		if err := b.letStop(u); err != nil {
			return err
		}
	}
	b.remember(ctx, u)
	b.count(u)
	if u.more {
		b.rehint = append(b.rehint, crm.RecordRef{Side: u.side, ID: u.id})
	}
	return nil
}

// keepOpen keeps the intent's entries that may have landed, and those that did
// land while the other side of the same pair was not tried.
func (b *books) keepOpen(u *unit) {
	if b.lot.intent == nil {
		return
	}
	for _, e := range b.lot.intent.Entries {
		if b.entryOf(e, u) && (u.unknown || u.written.Get(e.Side) != nil) {
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

// putOff hands the record's hint to a later chunk of the same run.
func (b *books) putOff(u *unit) {
	b.s.Mark("record_put_off")
	j := u.jobs[0].chunk
	waitedFor := j.Counted && !u.jobs[0].told.ids[u.named]
	key := fmt.Sprintf("%s|%t|%s|%d", j.Run, waitedFor, u.side, u.wait/(5*time.Second))
	if b.put == nil {
		b.put = map[string]*putOff{}
	}
	p := b.put[key]
	if p == nil {
		p = &putOff{chunk: *j}
		p.ID, p.Side, p.Hints, p.Since = b.s.NewID("chk"), u.side, nil, b.s.Now()
		p.Why, p.Counted = u.waitFor, waitedFor
		b.put[key] = p
	}
	h := u.hint
	h.Digest, h.Missed, h.Told = "", u.waitFor == codeRecordGone, false
	h.Force = h.Force || u.both // the other side's change has no hint of its own any more
	if !u.blameless {
		h.Tries++
	}
	p.Hints = append(p.Hints, h)
	p.wait = max(p.wait, u.wait, time.Second)
}

// putOffTwins hands on the hints that u took over as the twin of their records,
// now that its own work is not done: by the time it is, the two may not be twins
// any more. No run counts them, for they were counted with their own chunks.
func (b *books) putOffTwins(u *unit) {
	for _, t := range u.took {
		b.s.Mark("twin_put_off_too")
		key := "twins|" + string(t.side)
		p := b.put[key]
		if p == nil {
			p = &putOff{twins: true, chunk: *b.s.newChunk(b.s.scope, b.s.conn, RunWebhook, b.s.webhookRun(b.s.scope), t.side, nil)}
			if b.put == nil {
				b.put = map[string]*putOff{}
			}
			b.put[key] = p
		}
		p.Hints = append(p.Hints, hint{ID: t.id, Force: true, Tries: u.hint.Tries})
		p.wait = max(p.wait, u.wait, time.Second)
	}
}

// putOff is a chunk of hints that have to wait.
type putOff struct {
	chunk
	wait  time.Duration
	twins bool // of records that others were found to be the twin of
}

func (b *books) run(id crm.RunID) map[string]int64 {
	if b.runs[id] == nil {
		b.runs[id] = map[string]int64{}
	}
	return b.runs[id]
}

// remember makes the link that follows from the unit's result, if it differs.
func (b *books) remember(ctx context.Context, u *unit) {
	if u.plan.Outcome == crm.Stale { // nothing is remembered; who applied the plan is told
		b.entries = append(b.entries, b.entry(u, len(b.entries)))
		return
	}
	if u.erased() {
		b.forgetErased(u)
		return
	}
	if u.quiet || u.plan.Outcome == crm.Dropped {
		return
	}
	if u.plan.Code == codeDeletionNoticed {
		b.noticeGone(u)
		return
	}
	if u.hint.Op == opUnlink && u.link.paired() {
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
	if u.plan.Link && u.plan.Outcome != crm.Deleted && u.failure == nil {
		for _, side := range crm.Sides {
			l.setID(side, u.recID(side))
		}
		if !wasPaired {
			l.Made, l.By, l.ByHand = now, u.jobs[0].chunk.Run, u.hint.Op == opLink
		}
	}
	if l.State != u.plan.State {
		l.State, l.Since = u.plan.State, now
	}
	l.Code, l.Detail, l.Others, l.Settings = u.plan.Code, u.plan.Detail, u.others, s.set.Digest()
	l.Once = u.final()
	if u.keeps {
		b.s.Mark("link_refused")
		l.State, l.Since, l.Code, l.Detail, l.Others, l.Once = old.State, old.Since, old.Code, old.Detail, old.Others, old.Once
	}
	if u.failure == nil && l.paired() && u.plan.Base != nil {
		l.Base = u.plan.Base
	}
	if len(u.claims) > 0 && l.paired() {
		l.Claims, l.Claimed = u.claims, u.side.Other()
	}
	thaw(u, l)
	seen := b.seen(u, l)
	if old != nil && wasPaired == l.paired() && sameLink(old, l) {
		if !u.changed() && !u.keeps && !(u.hint.Audit && (seen.Left != old.SeenL || seen.Right != old.SeenR)) {
			return // nothing that matters differs: no write, no log entry
		}
	}
	b.countRounds(ctx, u, old, l)
	if entries := b.tell(u, old, l); len(entries) > 0 {
		l.Pages = append([]string{pageRef(s.con, now, b.page)}, l.Pages[:min(len(l.Pages), maxPages-1)]...)
		b.entries = append(b.entries, entries...)
	}
	l.SeenL, l.SeenR = seen.Left, seen.Right
	l.WroteL, l.WasL = s.wrote(u, crm.Left, l.WroteL, l.WasL)
	l.WroteR, l.WasR = s.wrote(u, crm.Right, l.WroteR, l.WasR)
	b.keep(u, old, l)
	s.noteFreed(ctx, u, l)
	if u.plan.Outcome == crm.Deleted {
		b.rehintOthers(u, old)
	}
	if u.rival != "" && (old == nil || old.Code != codeTwinTaken) { // it may be gone, and nobody has told us yet
		b.rehint = append(b.rehint, crm.RecordRef{Side: u.side, ID: u.rival})
	}
}

// seen returns the digests of both records as they now are, as far as known.
func (b *books) seen(u *unit, l *link) crm.PerSide[string] {
	out := crm.PerSide[string]{Left: l.SeenL, Right: l.SeenR}
	for _, side := range crm.Sides {
		var f crm.Fields
		if r := u.rec.Get(side); r != nil {
			f = r.Fields.Clone()
		}
		w := u.plan.Write(side)
		if w != nil && u.failure == nil && !u.failed(side) {
			f, _ = u.held(side)
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
	switch u.plan.Outcome {
	case crm.Unchanged, crm.Waiting:
		return false
	case crm.Created, crm.Updated, crm.Linked, crm.Deleted, crm.Stale, crm.Dropped:
		return true
	case crm.Excluded, crm.Skipped, crm.Duplicate, crm.Conflict, crm.Failed:
		return old == nil || old.State != l.State || old.Code != l.Code || u.changed() || u.keeps
	}
	return true
}

// count notes the outcome. The counters of the day and of a rolling run take what
// happened. A run that waits for its chunks counts with these, and nothing of
// what is tried again after it was given up.
func (b *books) count(u *unit) {
	if u.into != nil {
		return
	}
	b.outcomes[u] = u.plan.Outcome
	if u.plan.Outcome == crm.Unchanged {
		return
	}
	name := "o:" + string(u.plan.Outcome)
	b.day[name]++
	if c := u.jobs[0].chunk; !c.Counted && strings.HasPrefix(string(c.Run), hooksRun) {
		b.run(c.Run)[name]++
	}
}

// close ends a lot, in one transaction if it is more than one write.
func (b *books) close(ctx context.Context) error {
	s := b.s
	ws, err := b.intentWrites()
	if err != nil {
		return err
	}
	for _, j := range b.lot.jobs {
		told, err := b.tellJob(j)
		if err != nil {
			return err
		}
		ws = append(ws, told...)
	}
	parked, err := b.parkWrites(ctx)
	if err != nil {
		return err
	}
	ws = append(ws, parked...)
	b.calls()
	ws = append(ws, b.counterWrites()...)
	if err := b.write(ctx, ws); err != nil {
		return fmt.Errorf("close lot: %w", err)
	}
	b.lot.stored = nil
	if b.lot.inLease {
		s.lease = nil // given back with the intent
	}
	if err := b.rehintWaiting(ctx); err != nil {
		return err
	}
	return s.sendRehints(ctx, b.rehint)
}

// write makes the changes that end a lot. Of a lone change these are its
// counters and the lease: one after the other they cost half of a transaction,
// and whoever comes in between meets a pair that is settled and counts nothing.
func (b *books) write(ctx context.Context, ws []store.Write) error {
	if b.lot.inLease && len(ws) == 2 && ws[1].Op == store.Add && len(b.put) == 0 {
		ws[0], ws[1] = ws[1], ws[0]
		for _, w := range ws {
			if _, err := b.s.Store.Write(ctx, w); err != nil {
				return err
			}
		}
		return nil
	}
	switch len(ws) {
	case 0:
		return nil
	case 1:
		_, err := b.s.Store.Write(ctx, ws[0])
		return err
	default:
		return b.s.Store.Transact(ctx, ws)
	}
}

// intentWrites clears the intent, or keeps what may still have landed.
func (b *books) intentWrites() ([]store.Write, error) {
	if len(b.lot.stored) == 0 && !b.lot.inLease {
		return nil, nil
	}
	var open [][]byte
	if len(b.open) > 0 {
		b.s.Mark("intent_kept_open")
		rest := *b.lot.intent
		rest.Entries = b.open
		var err error
		if open, err = rest.parts(); err != nil {
			return nil, err
		}
	}
	if b.lot.inLease {
		free := b.s.freed()
		free.Intent = bytes.Join(open, nil) // it is small: one part or none
		w, err := free.write(b.s.scope)
		return []store.Write{w}, err
	}
	var ws []store.Write
	for i := range max(len(open), len(b.lot.stored)) {
		w := store.Write{Item: store.Item{Key: b.s.intentPart(b.lot, i)}, If: store.IfAbsent}
		if i < len(b.lot.stored) {
			w.If = store.IfVersion(b.lot.stored[i])
		}
		if i < len(open) {
			w.Item.Data = open[i]
		} else {
			w.Op = store.Delete
		}
		ws = append(ws, w)
	}
	return ws, nil
}

// parkWrites stores the hints that were put off.
func (b *books) parkWrites(ctx context.Context) ([]store.Write, error) {
	if b.lot.unfinished { // its chunks come again whole, but not those that twins came from
		maps.DeleteFunc(b.put, func(_ string, p *putOff) bool { return !p.twins })
	}
	if len(b.put) == 0 {
		return nil, nil
	}
	if err := b.s.touchAgenda(ctx, b.s.scope); err != nil {
		return nil, err
	}
	keys := make([]string, 0, len(b.put))
	for k := range b.put {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var ws []store.Write
	for _, k := range keys {
		p := b.put[k]
		w, err := b.s.parkWrite(&p.chunk, p.wait)
		if err != nil {
			return nil, err
		}
		if p.Counted {
			b.run(p.Run)["sent"]++
		}
		ws = append(ws, w)
	}
	return ws, nil
}

// calls charges the API calls made so far to the first run of the lot.
func (b *books) calls() {
	run := b.lot.jobs[0].chunk.Run
	if run == "" || len(b.runs) == 0 {
		return
	}
	for _, side := range crm.Sides {
		if n := b.s.end(side).calls; n > 0 {
			b.run(run)["calls:"+string(side)] += n
			b.s.end(side).calls = 0
		}
	}
}

// counterWrites are the additions to the counters of runs, day and states.
func (b *books) counterWrites() []store.Write {
	expires := b.s.Now().Add(runRetention)
	today := b.s.day(b.s.Now())
	day := b.day
	var ws []store.Write
	for _, id := range slices.Sorted(maps.Keys(b.runs)) {
		key, prefix := b.s.tally(id)
		adds := map[string]int64{}
		for name, n := range b.runs[id] {
			adds[prefix+name] = n
		}
		if key == today {
			maps.Copy(day, adds)
			continue
		}
		ws = addWrite(ws, key, adds, expires)
	}
	ws = addWrite(ws, today, day, expires)
	return addWrite(ws, b.s.counts(), b.states, time.Time{})
}

func addWrite(ws []store.Write, key store.Key, adds map[string]int64, expires time.Time) []store.Write {
	maps.DeleteFunc(adds, func(_ string, n int64) bool { return n == 0 })
	if len(adds) == 0 {
		return ws
	}
	return append(ws, store.Write{Op: store.Add, Item: store.Item{Key: key, Counters: adds, Expires: expires}})
}
