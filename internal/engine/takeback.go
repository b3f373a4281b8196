package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// takeBack is what a unit is to take back, and what that comes to.
type takeBack struct {
	entries []Entry // of what is undone, oldest first
	later   []Entry // told of the record after the last of them
	second  bool    // a plan has an earlier entry of the same record, which stands for all
	touched bool    // of a record that the run made: somebody else was at it

	targets []reconcile.Target
	kept    []KeptField
	ends    bool     // the pair is taken apart
	buries  crm.Side // the side whose record is archived; "" = none
	joins   bool     // the pair is made anew
}

// wants reports whether there is anything to do, or was before it was done.
func (t *takeBack) wants() bool { return len(t.targets) > 0 || t.ends || t.joins || t.buries != "" }

// undoes reports whether a hint is about something to be taken back.
func (h *hint) undoes() bool { return h.Undo != "" || h.Op == opRestore }

func (u *unit) undoes() bool { return u.hint.undoes() }

// loadTakeBacks reads from the log what units are to take back.
func (s *session) loadTakeBacks(ctx context.Context, us []*unit) error {
	known := map[string][]logEntry{}
	for _, u := range us {
		if !u.undoes() || u.decided || u.outlived() {
			continue
		}
		var err error
		if u.back, err = s.loadTakeBack(ctx, u, known); err != nil {
			return fmt.Errorf("read what is to be undone: %w", err)
		}
		if u.back.touched, err = s.touched(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) loadTakeBack(ctx context.Context, u *unit, known map[string][]logEntry) (*takeBack, error) {
	t := &takeBack{}
	ref, err := parseEntryID(u.hint.Entry)
	if err != nil {
		return t, nil //nolint:nilerr // nothing of the kind is in the log
	}
	named := pageName(ref)
	pages := withPage(named, nil)
	if u.hint.Undo != "" && u.link != nil {
		pages = slices.Concat(u.link.Pages, pages)
	}
	var since time.Time
	if u.hint.Undo != "" {
		since = s.undoneSince(ctx, u.hint.Undo)
	}
	err = s.eachLogPage(ctx, s.ws, pages, since, known, func(page []logEntry) (earlier []string, over bool) {
		for i := range page {
			en := &page[i].Entry
			if en.Sync != s.sync || !en.tells(u.side, u.id) && !en.tells(u.side, u.hint.ID) {
				continue
			}
			earlier = append(earlier, page[i].Earlier)
			over = over || en.Time.Before(since)
			switch {
			case u.hint.Op == opRestore:
				if en.ID == u.hint.Entry {
					t.entries = append(t.entries, *en)
				}
			case en.Run == u.hint.Undo && en.changes():
				t.entries = append(t.entries, *en)
			default:
				t.later = append(t.later, *en)
			}
		}
		return earlier, over
	})
	if err != nil {
		return nil, err
	}
	byTime := func(a, b Entry) int { return a.Time.Compare(b.Time) }
	slices.SortStableFunc(t.entries, byTime)
	slices.SortStableFunc(t.later, byTime)
	if len(t.entries) == 0 {
		return t, nil
	}
	first, err := parseEntryID(t.entries[0].ID)
	t.second = u.hint.Undo != "" && (err != nil || pageName(first) != named)
	last := t.entries[len(t.entries)-1].Time
	t.later = slices.DeleteFunc(t.later, func(e Entry) bool { return !e.Time.After(last) })
	return t, nil
}

// undoneSince is when a run began; zero = unknown.
func (s *session) undoneSince(ctx context.Context, id crm.RunID) time.Time {
	if s.undone == nil || s.undone.Run.ID != id {
		r, err := s.loadRun(ctx, s.ws, id)
		if err != nil {
			return time.Time{}
		}
		s.undone = r
	}
	return s.undone.Run.CreatedAt
}

// tells reports whether an entry is about a record.
func (e *Entry) tells(side crm.Side, id crm.RecordID) bool { return id != "" && e.on(side) == id }

// eachLogPage goes through pages of the log, newest first, and those that f names
// as earlier ones, until f says that it is over, or they are older than a day. What
// the log does not hold any more is passed over; the last of the pages is looked at
// whatever f says.
func (e *Engine) eachLogPage(
	ctx context.Context, ws crm.WorkspaceID, pages []string, since time.Time, known map[string][]logEntry,
	f func(page []logEntry) (earlier []string, over bool),
) error {
	until, seen, over := since.UTC().Format(time.DateOnly), map[string]bool{}, false
	last := pages[len(pages)-1]
	for queue := slices.Clone(pages); len(queue) > 0; queue = queue[1:] {
		name := queue[0]
		if name == "" || seen[name] || name < until || over && name != last {
			continue
		}
		seen[name] = true
		page, ok := known[name]
		if !ok {
			var err error
			if page, err = e.logPageNamed(ctx, ws, name); err != nil {
				return err
			}
			known[name] = page
		}
		earlier, end := f(page)
		over = over || end
		queue = append(queue, earlier...)
	}
	return nil
}

// ourGrace is how long after our own last write a record may say that it was
// modified, and still count as left alone: the app goes on with what it makes of
// a write, and its clock is not ours.
const ourGrace = time.Minute

// touched reports whether anybody but the undone run was at a record that it made.
func (s *session) touched(ctx context.Context, u *unit) (bool, error) {
	made, ok := u.back.made()
	if !ok || u.rec.Get(made) == nil || !u.link.paired() {
		return false, nil
	}
	r := u.rec.Get(made)
	past, _ := s.past(u.back.entries)
	mine := slices.DeleteFunc(slices.Clone(past), func(c reconcile.Past) bool { return c.Side != made })
	if !s.set.StillHolds(r, mine) {
		return true, nil
	}
	last := u.back.entries[len(u.back.entries)-1].Time
	for _, e := range u.back.later {
		for _, d := range e.Writes() {
			if d.Rule == string(reconcile.RuleWriteBack) {
				continue
			}
			return true, nil // it was edited on either side, and that traveled
		}
		last = e.Time
	}
	for i := range s.conf.Mappings {
		if s.set.Moved(s.conf.Mappings[i].ID, u.link.Base, made, u.rec.Left, u.rec.Right) {
			return true, nil
		}
	}
	if r.ModifiedAt.IsZero() || !r.ModifiedAt.After(last.Add(ourGrace)) {
		return false, nil
	}
	if r.ModifiedBy != "" {
		self, err := s.self(ctx, made)
		if err != nil || self == r.ModifiedBy {
			return false, err
		}
	}
	return true, nil
}

// made is the side whose record the undone run made.
func (t *takeBack) made() (crm.Side, bool) {
	for i := range t.entries {
		if t.entries[i].Outcome == crm.Created {
			return t.entries[i].Side.Other(), true
		}
	}
	return "", false
}

// past lists what entries tell as written, each field once: what it held before
// the first of them, and after the last. What is told of no log, and what is not an
// undo's to put back, is kept.
func (s *session) past(entries []Entry) (out []reconcile.Past, kept []KeptField) {
	at := map[string]int{}
	name := func(d *Diff) string { return string(d.Side) + " " + d.Field }
	for i := range entries {
		for _, d := range entries[i].Writes() {
			if n, again := at[name(&d)]; again {
				out[n].After, out[n].Held = d.After, nil
				continue
			}
			at[name(&d)] = len(out)
			out = append(out, reconcile.Past{
				Mapping: d.Mapping, Side: d.Side, Field: d.Field, Before: d.Before, After: d.After,
			})
		}
		for _, d := range entries[i].Diffs {
			if d.Rule != ruleChangedByApp {
				continue
			}
			for n := range out {
				if out[n].Mapping == d.Mapping && out[n].Side == d.Side {
					out[n].Held = new(d.After)
				}
			}
		}
	}
	rules := map[string]string{}
	for i := range entries {
		for _, d := range entries[i].Writes() {
			rules[name(&d)] = d.Rule
		}
	}
	keep := func(p *reconcile.Past, code string) {
		kept = append(kept, KeptField{p.Mapping, p.Side, p.Field, code, keptBecause[code]})
	}
	out = slices.DeleteFunc(out, func(p reconcile.Past) bool {
		rule := rules[string(p.Side)+" "+p.Field]
		secret, veiled := s.secretFields()[p.Side.Index()][p.Field], crm.TextValue(notShown)
		switch {
		case secret, p.Before.Equal(veiled), p.After.Equal(veiled):
			code := codeUndoSecret
			if m := s.set.Mapping(p.Mapping); m != nil && m.Spec().WriteOnce {
				code = reconcile.KeptOnce
			}
			keep(&p, code)
		case p.Mapping == "" && rule == string(reconcile.RuleStamp):
			keep(&p, reconcile.KeptOnce)
		case p.Mapping == "" && rule != string(reconcile.RuleWriteBack):
			keep(&p, codeUndoRule)
		default:
			return false
		}
		return true
	})
	return out, kept
}

// decideTakeBack is for a unit that is to take something back.
func (b *batch) decideTakeBack(u *unit) {
	t := u.back
	state, code, detail := crm.State(""), "", ""
	if u.link != nil {
		state, code, detail = u.link.State, u.link.Code, u.link.Detail
	}
	t.targets, t.kept, t.ends, t.joins, t.buries = nil, nil, false, false, ""
	if t.second {
		u.decide(crm.Unchanged, state, code, detail)
		u.quiet = true
		return
	}
	if why := b.notTakenBack(u); why != "" {
		b.leave(u, why)
		return
	}
	made, created := t.made()
	switch {
	case created && u.hint.Op != opRestore:
		b.buryMade(u, made)
		return
	case !u.link.paired():
		t.joins = true
	}
	past, kept := b.past(t.entries)
	if u.hint.Op == opRestore && len(u.hint.Fields) > 0 {
		past = slices.DeleteFunc(past, func(p reconcile.Past) bool { return !slices.Contains(u.hint.Fields, p.Mapping) })
		kept = slices.DeleteFunc(kept, func(k KeptField) bool { return !slices.Contains(u.hint.Fields, k.Mapping) })
	}
	t.ends = u.hint.Undo != "" && u.link.paired() && u.link.By == u.hint.Undo
	if !t.ends { // the ID of the twin stays as long as it is one
		past = slices.DeleteFunc(past, func(p reconcile.Past) bool { return p.Mapping == "" })
	}
	p := b.pair(u, u.link)
	decision, targets, left := b.set.Undo(p, reconcile.Undo{
		Changes: past, Whatever: u.hint.Op == opRestore, Anew: t.joins,
	})
	t.targets, t.kept = targets, kept
	for _, k := range left {
		t.kept = append(t.kept, KeptField{k.Mapping, k.Side, k.Field, k.Code, keptBecause[k.Code]})
	}
	u.decision, u.decided = decision, true
	u.decision.State, u.decision.Code, u.decision.Detail = state, code, detail
	switch {
	case t.ends:
		b.Mark("link_undone")
		u.decision.Outcome, u.decision.State, u.decision.Code, u.decision.Detail = crm.Excluded, crm.StateExcluded,
			codeUnlinked, ""
	case t.joins:
		b.Mark("unlink_undone")
		u.decision.Outcome, u.decision.State, u.decision.Code, u.decision.Detail = crm.Linked, crm.StateInSync, "", ""
	case !t.wants() && len(t.kept) > 0:
		b.leave(u, t.kept[0].Code)
	case u.decision.Outcome == crm.Updated:
		b.Mark("put_back")
	case u.decision.Outcome == crm.Unchanged:
		u.quiet = true // it is as it was already
	}
}

// leave ends a unit of which nothing can be taken back, with the reason.
func (b *batch) leave(u *unit, code string) {
	b.Mark("not_taken_back")
	kept := u.back.kept
	state := crm.State("")
	if u.link != nil {
		state = u.link.State
	}
	u.decide(crm.Stale, state, code, keptBecause[code])
	if len(kept) == 0 && len(u.back.entries) > 0 {
		_, kept = b.past(u.back.entries)
		past, _ := b.past(u.back.entries)
		for _, p := range past {
			kept = append(kept, KeptField{p.Mapping, p.Side, p.Field, code, keptBecause[code]})
		}
	}
	u.back.kept, u.quiet = kept, true
}

// notTakenBack is the reason why nothing of a unit can be taken back; "" = some may.
func (b *batch) notTakenBack(u *unit) string {
	t := u.back
	if len(t.entries) == 0 {
		return codeUndoLogGone
	}
	other := u.side.Other()
	for i := range t.entries {
		switch e := &t.entries[i]; {
		case e.merges():
			return codeUndoMerge
		case e.Outcome == crm.Deleted:
			return codeUndoDeletion
		}
	}
	last := &t.entries[len(t.entries)-1]
	switch {
	case u.id != u.hint.ID:
		return codeUndoMerge
	case u.own() == nil:
		return codeRecordGone
	case u.link.paired() && last.on(other) != "" && u.link.id(other) != last.on(other):
		return codeUndoPair
	case u.link.paired() && u.link.State == crm.StateDeleted && u.partner() == nil:
		if made, ok := t.made(); ok && made == other && u.link.Code == codeCreateUndone {
			return "" // it is archived already
		}
		return codeRecordGone
	case u.link.paired() && u.partner() == nil:
		if made, ok := t.made(); ok && made == other {
			return "" // as it should be
		}
		return codeRecordGone
	case u.link.paired():
		return ""
	case u.hint.Op == opLink && u.hint.Undo != "" && last.Code == codeUnlinked:
		if u.partner() == nil {
			return codeRecordGone
		}
		return ""
	}
	return codeUndoPair
}

// buryMade archives the record that a run made, if nobody was at it since. The
// pair stays as a tombstone: nobody is made in its place.
func (b *batch) buryMade(u *unit, made crm.Side) {
	t := u.back
	switch {
	case u.rec.Get(made) == nil:
	case t.touched:
		b.leave(u, reconcile.KeptEdited)
		return
	case !b.end(made).app.Can(crm.AbilityArchive):
		b.leave(u, codeUndoArchive)
		return
	}
	b.Mark("create_undone")
	t.buries = made
	u.decide(crm.Deleted, crm.StateDeleted, codeCreateUndone, "")
	u.decision.Link = true
	if u.rec.Get(made) == nil {
		return
	}
	w := &reconcile.Write{Archive: true}
	if made == crm.Left {
		u.decision.Left = w
	} else {
		u.decision.Right = w
	}
}

// digest is a fingerprint of all that is to be so once it is taken back, whether
// or not it is so by now: work that comes again after a crash finds it done.
func (t *takeBack) digest(u *unit) string {
	h := sha256.New()
	fmt.Fprintln(h, "undo", t.ends, t.joins, t.buries, u.leftID(), u.rightID())
	lines := make([]string, 0, len(t.targets))
	for _, x := range t.targets {
		lines = append(lines, fmt.Sprintln(x.Side, x.Field, x.Value.Digest()))
	}
	slices.Sort(lines)
	fmt.Fprint(h, lines)
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// judgeBurial keeps a pair whose one record its app did not archive.
func (u *unit) judgeBurial() {
	if u.back == nil || u.back.buries == "" {
		return
	}
	err := u.failures.Get(u.back.buries)
	if err == nil {
		return
	}
	u.back.buries = ""
	u.decide(crm.Failed, u.link.State, fault.CodeOf(err), "the record could not be archived: "+safeText(err))
}

// looksAgain lets a record be looked at whose present values are not all decided
// on: an undo decides on nothing but what it takes back.
func (b *books) looksAgain(u *unit, old, l *link, seen *crm.PerSide[string]) {
	if u.back == nil || !l.paired() || l.State == crm.StateDeleted {
		return
	}
	again := u.beside || old == nil || !b.s.upToDate(old)
	for _, side := range crm.Sides {
		if r := u.rec.Get(side); r != nil && (old == nil || r.Fields.Digest(b.s.end(side).fields) != old.seen(side)) {
			seen.Set(side, "")
			again = true
		}
	}
	if again {
		b.s.Mark("looked_at_after_undo")
		b.rehint = append(b.rehint, crm.RecordRef{Side: u.side, ID: u.id})
	}
}
