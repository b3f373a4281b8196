package engine

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// logPage takes the person out of a page of the log. Entries are named by their
// place, so what is left of the person's is an entry that says so. Their
// pages are found by looking at all: a link remembers its last few, and an entry
// of somebody else may name the person, too.
func (w *eraser) logPage(c *crm.Connection) func(context.Context, store.Item) error {
	return func(ctx context.Context, it store.Item) error {
		entries, err := decodeLogPage(it)
		if err != nil {
			return err
		}
		changed := false
		for i := range entries {
			en := &entries[i].Entry
			if err := w.renamed(ctx, en); err != nil {
				return err
			}
			for _, ends := range w.endsEver(c.ID, en.Sync) {
				changed = w.cleanEntry(ends, en) || changed
			}
		}
		if !changed {
			return nil
		}
		b, err := json.Marshal(entries)
		if err != nil {
			return err
		}
		if b, err = pack(b); err != nil {
			return err
		}
		w.Mark("log_page_rewritten")
		return w.replace(ctx, "log", it, b)
	}
}

// renamed learns from an entry whose record lost an address or a number of the
// person after the erasure was asked for: it is theirs under another one, which
// nothing else tells any more. What was changed before that may have been a slip.
func (w *eraser) renamed(ctx context.Context, en *Entry) error {
	if en.Time.Before(w.x.Erasure.CreatedAt) ||
		!slices.ContainsFunc(en.Diffs, func(d Diff) bool { return w.inValue(d.Before) && !w.inValue(d.After) }) {
		return nil
	}
	ends := w.endsOf(en.Connection, en.Sync)
	if ends == ([2]appObject{}) {
		return nil // of a sync that is gone, with its links
	}
	records := []AppRecord{ends[en.Side.Index()].record(en.Record)}
	if en.Partner != "" {
		records = append(records, ends[en.Side.Other().Index()].record(en.Partner))
	}
	if !w.bury(nil, records) {
		return nil
	}
	w.Mark("erased_under_another_name")
	w.x.Work.More = true
	return w.saveTombs(ctx)
}

func (w *eraser) cleanEntry(ends [2]appObject, en *Entry) (changed bool) {
	left, right := en.Record, en.Partner
	if en.Side == crm.Right {
		left, right = right, left
	}
	if w.ofPerson(ends, left, right, nil) || w.inDiffs(en.Diffs) {
		*en = Entry{
			ID: en.ID, Time: en.Time, Run: en.Run, Connection: en.Connection, Sync: en.Sync, Side: en.Side,
			Outcome: crm.Excluded, Code: CodeErased, Message: erasedDetail,
		}
		return true
	}
	texts := []*string{&en.Message, &en.URL, &en.Request, &en.Response}
	for i := range en.Calls {
		texts = append(texts, &en.Calls[i].URL)
	}
	for _, text := range texts {
		if w.t.within(*text, ends) {
			*text, changed = "", true
		}
	}
	return changed
}

// planPage takes the person out of a page of a plan.
func (w *eraser) planPage(ever [][2]appObject) func(context.Context, store.Item) error {
	return func(ctx context.Context, it store.Item) error {
		changes, side, err := decodeChanges(it)
		if err != nil {
			return err
		}
		before := len(changes)
		changes = slices.DeleteFunc(changes, func(c Change) bool {
			left, right := c.Record, c.Partner
			if c.Side == crm.Right {
				left, right = right, left
			}
			return w.inDiffs(c.Diffs) || slices.ContainsFunc(ever, func(ends [2]appObject) bool {
				return w.ofPerson(ends, left, right, nil)
			})
		})
		if len(changes) == before {
			return nil
		}
		b, err := json.Marshal(planned{Side: side, Changes: changes})
		if err != nil {
			return err
		}
		if b, err = pack(b); err != nil {
			return err
		}
		return w.replace(ctx, "plan", it, b)
	}
}

// run takes the person out of what a run has listed and not sent yet, and out of
// the pages of its listing.
func (w *eraser) run(ctx context.Context, it store.Item) error {
	r, err := decodeRun(it)
	if err != nil {
		return err
	}
	ever := w.endsEver(r.Run.Connection, r.Run.Sync)
	changed, names := false, r.names(w.Tuning.ChunkSize)
	for _, ends := range ever {
		for i := range r.Rest {
			changed = w.cleanHint(r.RestSide, ends, &r.Rest[i]) || changed
		}
		for i := range r.Then {
			changed = w.cleanHint(r.RestSide.Other(), ends, &r.Then[i]) || changed
		}
		if r.Audit == nil {
			continue
		}
		for i := range r.Audit.Right {
			changed = w.cleanHint(crm.Right, ends, &r.Audit.Right[i]) || changed
		}
	}
	if changed {
		r.Named = names // what was sent and not noted is sent under the same name again
		write, err := w.runWrite(w.ws, r)
		if err != nil {
			return err
		}
		if err := w.replace(ctx, "run", it, write.Item.Data); err != nil {
			return err
		}
	}
	if r.Salt == "" || w.Now().Sub(r.Run.CreatedAt) > seenKept {
		return nil
	}
	sc := scope{w.ws, r.Run.Connection, r.Run.Sync}
	for _, side := range crm.Sides {
		q := store.Query{Table: store.Links, Workspace: w.ws, Partition: sc.seenPage(r.Run.ID, side, 0).Partition, Limit: 5}
		err := w.eachItem(ctx, q, func(it store.Item) error {
			var of []appObject
			for _, ends := range ever {
				of = append(of, ends[side.Index()])
			}
			return w.seen(ctx, of, it)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// seen takes the person out of a page of a listing: what stands there in place
// of the person's record is nobody's, and gets its outcome.
func (w *eraser) seen(ctx context.Context, of []appObject, it store.Item) error {
	var page []byte
	changed := false
	err := eachSeen(it.Data, func(x *seenRecord) {
		for _, o := range of {
			if w.t.record(o.account, o.object, x.id) || w.t.record(o.account, o.object, x.into) {
				changed = true
				x = &seenRecord{id: w.nobody(o, x.id), erased: true}
				break
			}
		}
		page = x.append(page)
	})
	if err != nil || !changed {
		return err
	}
	return w.replace(ctx, "seen", it, page)
}

// conclude ends the first or the second look. What is left of the person in
// free space of the files goes last.
func (w *eraser) conclude(ctx context.Context) error {
	now := w.Now().UTC()
	x, again := w.x, w.x.Work.Again
	x.Work.Station, x.Work.Cursor = "", ""
	if err := w.storeErasure(ctx, w.ws, x); err != nil {
		return err
	}
	if err := store.Scrub(ctx, w.Store); err != nil {
		return err
	}
	if again {
		x.Erasure.CheckedAt, x.Work = now, nil
		w.Mark("erasure_checked")
		return w.storeErasure(ctx, w.ws, x)
	}
	x.Erasure.State, x.Erasure.EndedAt = ErasureDone, now
	for _, b := range store.Backups(w.Store) {
		x.Erasure.Backups = append(x.Erasure.Backups, ErasedBackup{b.Name, now.Add(time.Duration(b.Days) * 24 * time.Hour)})
	}
	x.Work = &erasureWork{Since: x.Work.Since, Again: true, Fenced: true, After: now.Add(w.Tuning.EraseAgain)}
	if w.Audited != nil {
		after, err := json.Marshal(x.Erasure)
		if err != nil {
			return err
		}
		if err := w.Audited(ctx, w.ws, "erasure.done", x.Erasure.ID, after); err != nil {
			return err
		}
	}
	w.Mark("erasure_done")
	w.Log.Info("erasure done", "workspace", w.ws, "erasure", x.Erasure.ID, "items", w.removed())
	return w.storeErasure(ctx, w.ws, x)
}
