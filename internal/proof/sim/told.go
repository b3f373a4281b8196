package sim

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/kept"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Apps that only push: nobody can ask them for a record, and what the engine reads is
// what their deliveries told. What a user typed counts as seen when a read came after a
// delivery that told of it.

// hearsay is what is known of what such an app told.
type hearsay struct {
	uttered map[utterance]moment // when what a delivery tells was so
	heard   map[ref]moment       // of the newest delivery that was taken in: when what it tells was so
	since   map[ref]moment       // when it was taken in
}

// utterance is a delivery about one record.
type utterance struct {
	ref
	at int64 // by the app's clock
}

func newHearsay() hearsay {
	return hearsay{map[utterance]moment{}, map[ref]moment{}, map[ref]moment{}}
}

// pushes reports whether a side's app only pushes.
func (w *world) pushes(side crm.Side) bool {
	a, ok := w.apps[side.Index()].(*realApp)
	return ok && a.push
}

func (w *world) pushed() bool { return w.pushes(crm.Left) || w.pushes(crm.Right) }

// utters notes when it was so what an app tells. Of two deliveries of one moment of the
// app's clock the first one that comes is kept: no more than the earlier counts as told.
func (w *world) utters(side crm.Side, events []connector.Event) {
	for _, e := range events {
		u := utterance{ref{side, e.ID}, e.At.UnixNano()}
		if _, said := w.hearsay.uttered[u]; e.Record != nil && !said {
			w.hearsay.uttered[u] = w.moment()
		}
	}
}

// hear notes that a delivery was taken in.
func (w *world) hear(side crm.Side, events []connector.Event) {
	for _, e := range events {
		r := ref{side, e.ID}
		if m, ok := w.hearsay.uttered[utterance{r, e.At.UnixNano()}]; ok && m.step > w.hearsay.heard[r].step {
			w.hearsay.heard[r], w.hearsay.since[r] = m, w.moment()
		}
	}
}

// untold reports whether an app that only pushes had not told of what was typed when a
// task looked.
func (w *world) untold(r ref, typed, looked moment) bool {
	return w.pushes(r.side) && (w.hearsay.heard[r].step < typed.step || w.hearsay.since[r].step > looked.step)
}

// keeper keeps what is told in the world's store.
func (w *world) keeper() kept.Keeper {
	return kept.Keeper{Store: storeIO{w}, Now: func() time.Time { return w.now }}
}

// toldIO is the connector of an app that only pushes: writes are calls of the app, reads
// are answered by what is kept.
type toldIO struct {
	connector.Connector
	w    *world
	side crm.Side
}

func (w *world) toldBy(io appIO) connector.Connector {
	return toldIO{kept.Wrap(io, w.keeper(), workspace, accounts[io.side.Index()]), w, io.side}
}

// BatchRead implements connector.Connector.
func (c toldIO) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	out, err := c.Connector.BatchRead(ctx, object, ids, fields)
	if t := c.w.cur; err == nil && t != nil {
		for _, id := range ids {
			if _, ok := t.seen[ref{c.side, id}]; !ok {
				t.seen[ref{c.side, id}] = c.w.hearsay.heard[ref{c.side, id}]
			}
		}
		c.w.meddle(c.side, ids)
	}
	return out, err
}

// BatchFind implements connector.Connector.
func (c toldIO) BatchFind(
	ctx context.Context, object string, field crm.Field, values, fields []string,
) ([][]crm.Record, error) {
	looked := c.w.moment()
	out, err := c.Connector.BatchFind(ctx, object, field, values, fields)
	if t := c.w.cur; err == nil && t != nil && t.found[c.side.Index()].step == 0 {
		t.found[c.side.Index()] = looked
	}
	return out, err
}
