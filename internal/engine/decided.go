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

// Values that a person decided on do not travel in messages, where no erasure
// reaches them: they are stored, and the message names their place. They go once
// they were carried out, with an erasure of their person, and by themselves when
// no message can ask for them any more.

// valuesFor is how long they are kept: longer than any message lives.
const valuesFor = 15 * 24 * time.Hour

// decidedItem holds the values of one decision. It reads like an inboxItem.
type decidedItem struct {
	V    int  `json:"v"`
	Hint hint `json:"hint"`
}

func (s scope) decided(place string) store.Key { return s.key("decided", place) }

// keepDecided takes the values out of a decision, and returns the write that
// stores them; ok is false where there are none.
func (e *Engine) keepDecided(sc scope, side crm.Side, h *hint) (w store.Write, ok bool, err error) {
	values := maps.Clone(h.Resolve)
	maps.DeleteFunc(values, func(_ crm.MappingID, r Resolution) bool { return r.Value == nil })
	if len(values) == 0 {
		return w, false, nil
	}
	h.Resolve = maps.Clone(h.Resolve)
	maps.DeleteFunc(h.Resolve, func(_ crm.MappingID, r Resolution) bool { return r.Value != nil })
	h.Kept = e.NewID("dec") + "#" + string(side) + "#" + string(h.ID)
	data, err := json.Marshal(decidedItem{1, hint{ID: h.ID, Resolve: values}})
	if err != nil {
		return w, false, fault.Wrap("engine: encode decision", fault.Other, err)
	}
	return store.Write{Item: store.Item{Key: sc.decided(h.Kept), Data: data, Expires: e.Now().Add(valuesFor)}}, true, nil
}

// loadDecided reads the values that units are to be decided by. What is gone was
// carried out before, or its person erased.
func (s *session) loadDecided(ctx context.Context, us []*unit) error {
	var kept []*unit
	var keys []store.Key
	for _, u := range us {
		u.resolutions = u.hint.Resolve
		if u.hint.Kept != "" {
			kept, keys = append(kept, u), append(keys, s.decided(u.hint.Kept))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	items, err := batchGet(s.Store.BatchGet).inParts(ctx, keys)
	if err != nil {
		return err
	}
	for i, u := range kept {
		var d decidedItem
		if items[i].Version != 0 {
			if err := json.Unmarshal(items[i].Data, &d); err != nil {
				return fault.Wrap("engine: decode decision", fault.Other, err)
			}
		} else {
			s.Mark("decision_gone")
		}
		u.resolutions = maps.Clone(u.hint.Resolve)
		if u.resolutions == nil {
			u.resolutions = map[crm.MappingID]Resolution{}
		}
		maps.Copy(u.resolutions, d.Hint.Resolve)
	}
	return nil
}

// forgetDecided removes the values of decisions that were carried out. What it
// misses goes by itself.
func (s *session) forgetDecided(ctx context.Context, l *lot) {
	for _, u := range l.units {
		if u.hint.Kept == "" || u.into != nil || u.fate.ending() != endsDone && u.fate.ending() != endsFailed {
			continue
		}
		_, err := s.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: s.decided(u.hint.Kept)}})
		if err != nil {
			s.Log.Debug("values of a decision not removed", "connection", s.con, "sync", s.sync, "error", err)
		}
	}
}

// decided takes the person out of what somebody decided on.
func (w *eraser) decided(ends [2]appObject) func(context.Context, store.Item) error {
	ofRecord := w.waitingRecord("decided", ends)
	return func(ctx context.Context, it store.Item) error {
		var d decidedItem
		if err := json.Unmarshal(it.Data, &d); err != nil {
			return fault.Wrap("engine: decode decision", fault.Other, err)
		}
		values := slices.Collect(maps.Values(d.Hint.Resolve))
		if slices.ContainsFunc(values, func(r Resolution) bool { return r.Value != nil && w.inValue(*r.Value) }) {
			return w.replace(ctx, "decided", it, nil)
		}
		return ofRecord(ctx, it)
	}
}
