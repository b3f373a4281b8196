package engine

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// toldItem names the records of a chunk whose outcome is counted, while the
// chunk itself comes again for others whose fate is not known yet. A record is
// counted once, whatever comes of it when it is looked at again.
type toldItem struct {
	V   int            `json:"v"`
	IDs []crm.RecordID `json:"ids"`
}

// told is what a job knows of its chunk's toldItem.
type told struct {
	ids     map[crm.RecordID]bool // of its records, as its hints name them
	version int64                 // of the item; 0 = there is none
}

// toldOf returns what is stored, and what hints brought with them from the chunk
// that theirs was cut from.
func toldOf(c *chunk, it store.Item) (told, error) {
	t := told{ids: map[crm.RecordID]bool{}, version: it.Version}
	for _, h := range c.Hints {
		if h.Told {
			t.ids[h.ofSurvivor().ID] = true
		}
	}
	if it.Version == 0 {
		return t, nil
	}
	var in toldItem
	if err := json.Unmarshal(it.Data, &in); err != nil {
		return t, fault.Wrap("engine: decode counted records", fault.Other, err)
	}
	for _, id := range in.IDs {
		t.ids[id] = true
	}
	return t, nil
}

// loadTold reads what was counted of one chunk.
func (e *Engine) loadTold(ctx context.Context, c *chunk) (told, error) {
	if !c.Counted {
		return told{}, nil
	}
	it, err := e.Store.Get(ctx, c.scope().chunkTold(c.ID))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return told{}, err
	}
	return toldOf(c, it)
}

// mark notes in hints, which leave their chunk for another one, which of them
// are counted.
func (t told) mark(hints []hint) []hint {
	if len(t.ids) == 0 {
		return hints
	}
	out, left := slices.Clone(hints), maps.Clone(t.ids)
	for i := range out {
		id := out[i].ofSurvivor().ID
		out[i].Told = left[id] // two hints may name one record: it has one outcome
		delete(left, id)
	}
	return out
}

// tellJob counts what became of a job's records, once: with the chunk, if that
// is done. Otherwise it comes again, and those that have their outcome already
// are remembered beside it.
func (b *books) tellJob(j *job) ([]store.Write, error) {
	if !j.chunk.Counted {
		return nil, nil
	}
	if b.lot.unfinished {
		return b.tellSome(j)
	}
	s := b.s
	ws := []store.Write{
		{Item: store.Item{Key: s.chunkDone(j.chunk.ID), Expires: s.Now().Add(toldRetention)}, If: store.IfAbsent},
	}
	if j.told.version != 0 {
		ws = append(ws, store.Write{Op: store.Delete, Item: store.Item{Key: s.chunkTold(j.chunk.ID)}})
	}
	r := b.run(j.chunk.Run)
	rest := int64(len(j.chunk.Hints) - len(j.told.ids))
	for _, u := range b.firstOf(j) {
		if o, ok := b.outcomes[u]; ok {
			r["o:"+string(o)]++
			r["done"]++
			b.weigh(u)
		} // else it was put off, and the chunk that it went to counts it
		rest--
	}
	// What is left was named twice, or is the twin of another one.
	r["o:"+string(crm.Unchanged)] += rest
	r["done"] += rest
	r["chunks"]++
	return ws, nil
}

// tellSome counts the records of a job that have their outcome although its
// chunk comes again.
func (b *books) tellSome(j *job) ([]store.Write, error) {
	in := toldItem{V: 1, IDs: slices.Collect(maps.Keys(j.told.ids))}
	for _, u := range b.firstOf(j) {
		if o, ok := b.outcomes[u]; ok {
			in.IDs = append(in.IDs, u.named)
			b.run(j.chunk.Run)["o:"+string(o)]++
			b.run(j.chunk.Run)["done"]++
			b.weigh(u)
		}
	}
	if len(in.IDs) == len(j.told.ids) {
		return nil, nil
	}
	b.s.Mark("counted_before_its_chunk")
	slices.Sort(in.IDs)
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	it := store.Item{Key: b.s.chunkTold(j.chunk.ID), Data: body, Expires: b.s.Now().Add(toldRetention)}
	return []store.Write{{Item: it, If: store.IfVersion(j.told.version)}}, nil
}

// firstOf returns the units of the lot that a job was the first to ask for,
// without those that were counted before.
func (b *books) firstOf(j *job) []*unit {
	return slices.DeleteFunc(slices.Clone(b.lot.units), func(u *unit) bool {
		return u.jobs[0] != j || u.into != nil || j.told.ids[u.named]
	})
}

// toldRetention is how long it is known that a chunk was counted.
const toldRetention = 30 * 24 * time.Hour
