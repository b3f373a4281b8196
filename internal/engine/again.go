package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	// againSample is how many records per field and code are tried; the rest
	// follows once one of them gets across.
	againSample = 10
	// againMost bounds the records of one round.
	againMost = 2000
)

// codeLocked marks records that somebody else was changing in their app.
const codeLocked = "record_locked"

// failedAs is what is wrong with some records: a field and why, or a code alone.
type failedAs struct {
	mapping crm.MappingID
	code    string
}

func (f failedAs) text() string { return string(f.mapping) + "#" + f.code }

// refusalOver is where it is kept that a refusal ended: the next pull tries all
// records that were refused so.
func (s scope) refusalOver(f failedAs) store.Key { return s.key("sync", "freed#"+f.text()) }

// failures lists what a failing link waits for, with how often it was tried.
func (l *link) failures() map[failedAs]int {
	out := map[failedAs]int{}
	if l.Once {
		out[failedAs{code: l.Code}] = 1
	}
	for id, a := range l.Base {
		if d := a.Settled; d != nil && d.Reason == crm.ReasonRefused {
			out[failedAs{id, d.Code}] = d.Tries
		}
	}
	if len(out) == 0 && l.State == crm.StateFailing {
		out[failedAs{code: l.Code}] = 1 // it was put off too often: who knows whether it would get across now
	}
	return out
}

// tryAgain asks for another look at records that failed: with every pull at
// those that were locked, daily and after a change of settings or schema at a
// sample of those that were refused, and at all that were refused for a reason
// that turned out to be gone.
func (s *session) tryAgain(ctx context.Context, st *scanState) error {
	first, err := s.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: s.ws, OnIndex: true, Partition: rareStates(s.scope, crm.StateFailing), Limit: 1,
	})
	if err != nil || len(first.Items) == 0 {
		return err
	}
	freed, err := s.freedReasons(ctx)
	if err != nil {
		return err
	}
	age := s.Now().Sub(st.AgainAt)
	due := st.AgainSet != s.set.Digest() || age >= s.Tuning.AgainEvery || age < 0
	hints, err := s.failing(ctx, freed, due && st.AgainSet != "")
	if err != nil {
		return err
	}
	if err := s.sendAgain(ctx, hints); err != nil {
		return err
	}
	if due {
		st.AgainAt, st.AgainSet = s.Now(), s.set.Digest()
		if err := s.saveScan(ctx, s.scope, st); err != nil && !fault.Is(err, fault.Conflict) {
			return err // a conflict: another pull is at it
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(freed)) {
		if _, err := s.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: freed[reason]}}); err != nil {
			return err
		}
	}
	return nil
}

// freedReasons lists the refusals that ended since the last pull.
func (s *session) freedReasons(ctx context.Context) (map[string]store.Key, error) {
	out := map[string]store.Key{}
	q := store.Query{
		Table: store.Links, Workspace: s.ws, Partition: s.refusalOver(failedAs{}).Partition, Prefix: "freed#",
		Limit: 200,
	}
	err := s.eachItem(ctx, q, func(it store.Item) error {
		out[strings.TrimPrefix(it.Key.Sort, "freed#")] = it.Key
		return nil
	})
	return out, err
}

// failing picks the failing records that are to be tried again.
func (s *session) failing(ctx context.Context, freed map[string]store.Key, sample bool) ([]crm.RecordRef, error) {
	type candidate struct {
		ref   crm.RecordRef
		tries int
	}
	samples := map[failedAs][]candidate{}
	var out []crm.RecordRef
	q := store.Query{
		Table: store.Links, Workspace: s.ws, OnIndex: true, Partition: rareStates(s.scope, crm.StateFailing),
		Limit: 500,
	}
	err := s.eachItem(ctx, q, func(it store.Item) error {
		l, err := decodeLink(it)
		if err != nil || len(out) >= againMost {
			return err
		}
		ref := crm.RecordRef{Side: crm.Left, ID: l.Left}
		if l.Left == "" {
			ref = crm.RecordRef{Side: crm.Right, ID: l.Right}
		}
		wanted := l.Code == codeLocked
		for f, tries := range l.failures() {
			wanted = wanted || freed[f.text()] != store.Key{}
			if sample {
				samples[f] = append(samples[f], candidate{ref, tries})
			}
		}
		if wanted {
			out = append(out, ref)
		}
		return nil
	})
	for _, all := range samples {
		slices.SortFunc(all, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.tries, b.tries), cmp.Compare(a.ref.ID, b.ref.ID))
		})
		for _, c := range all[:min(len(all), againSample)] {
			if !slices.Contains(out, c.ref) {
				out = append(out, c.ref)
			}
		}
	}
	slices.SortFunc(out, func(a, b crm.RecordRef) int {
		return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(a.ID, b.ID))
	})
	return out, err
}

// sendAgain queues the hints of a round.
func (s *session) sendAgain(ctx context.Context, refs []crm.RecordRef) error {
	if len(refs) == 0 {
		return nil
	}
	s.Mark("failures_tried_again")
	if err := s.touchAgenda(ctx, s.scope); err != nil {
		return err
	}
	run, err := s.ensureWebhookRun(ctx, s.scope, s.conn)
	if err != nil {
		return err
	}
	var cs []*chunk
	for _, side := range crm.Sides {
		var hints []hint
		for _, r := range refs {
			if r.Side == side {
				hints = append(hints, hint{ID: r.ID, Again: true})
			}
		}
		for part := range slices.Chunk(hints, s.Tuning.ChunkSize) {
			cs = append(cs, s.newChunk(s.scope, s.conn, RunWebhook, run, side, part))
		}
	}
	return s.send(ctx, cs)
}

// noteFreed remembers that what failed of a record got across at another try,
// so that the next pull tries all records that failed so.
func (s *session) noteFreed(ctx context.Context, u *unit, l *link) {
	if u.link == nil || u.link.State != crm.StateFailing || !u.hint.Again && !u.asks() || !u.changed() {
		return
	}
	now := l.failures()
	failed := slices.SortedFunc(maps.Keys(u.link.failures()), func(a, b failedAs) int {
		return strings.Compare(a.text(), b.text())
	})
	for _, f := range failed {
		if _, still := now[f]; still {
			continue
		}
		s.Mark("refusal_ended")
		_, err := s.Store.Write(ctx, store.Write{Item: store.Item{Key: s.refusalOver(f)}})
		if err != nil && !fault.Is(err, fault.Conflict) {
			s.Log.Debug("end of a refusal not noted", "sync", s.scope.name(), "error", err) // the daily sample finds it again
		}
	}
}
