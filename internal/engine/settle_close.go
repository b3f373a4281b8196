package engine

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

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
	if err := b.rousePartners(ctx); err != nil {
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
		w, err := free.asWrite(b.s.scope)
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

// putOff is a chunk of hints that have to wait.
type putOff struct {
	chunk
	wait  time.Duration
	twins bool // of records that others were found to be the twin of
}

// putOff hands the record's hint to a later chunk of the same run.
func (b *books) putOff(u *unit) {
	b.s.Mark("record_put_off")
	j := u.jobs[0].chunk
	waitedFor := j.Counted && !u.jobs[0].told.ids[u.named]
	key := fmt.Sprintf("%s|%t|%s|%d", j.Run, waitedFor, u.side, u.fate.wait/(5*time.Second))
	if b.put == nil {
		b.put = map[string]*putOff{}
	}
	p := b.put[key]
	if p == nil {
		p = &putOff{chunk: *j}
		p.ID, p.Side, p.Hints, p.Since = b.s.NewID("chk"), u.side, nil, b.s.Now()
		p.Why, p.Counted = u.fate.why, waitedFor
		b.put[key] = p
	}
	h := u.hint
	h.Digest, h.Missed, h.Told = "", u.fate.why == codeRecordGone, false
	h.Force = h.Force || u.both // the other side's change has no hint of its own any more
	if !u.fate.blameless {
		h.Tries++
	}
	p.Hints = append(p.Hints, h)
	p.wait = max(p.wait, u.fate.wait, time.Second)
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
			p = &putOff{
				twins: true, chunk: *b.s.newChunk(b.s.scope, b.s.conn, RunWebhook, b.s.webhookRun(b.s.scope), t.side, nil),
			}
			if b.put == nil {
				b.put = map[string]*putOff{}
			}
			b.put[key] = p
		}
		p.Hints = append(p.Hints, hint{ID: t.id, Force: true, Tries: u.hint.Tries})
		p.wait = max(p.wait, u.fate.wait, time.Second)
	}
}

// sendRehints asks for another look at records that waited for a decision on others.
func (s *session) sendRehints(ctx context.Context, refs []crm.RecordRef) error {
	for _, side := range crm.Sides {
		var hints []hint
		for _, r := range refs {
			if r.Side == side {
				hints = append(hints, hint{ID: r.ID, Force: true})
			}
		}
		if len(hints) == 0 {
			continue
		}
		s.Mark("duplicates_looked_at_again")
		c := s.newChunk(s.scope, s.conn, RunWebhook, s.webhookRun(s.scope), side, hints)
		if err := s.park(ctx, c, time.Second); err != nil {
			return err
		}
	}
	return nil
}
