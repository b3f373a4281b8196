package sim

import (
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// standsStill is how long nothing may come of work that waits, whatever its
// calls take: one piece of work is over by then, and another one as well.
const standsStill = 20 * time.Minute

// watchBacklog looks whether work that waits gets done while calls are slow and
// nothing is wrong.
func (w *world) watchBacklog() {
	if w.set.latency == ([2]time.Duration{}) {
		return
	}
	since, at := w.now, w.progress
	w.every(time.Minute, func() {
		if w.progress != at || !w.waits() {
			since, at = w.now, w.progress
			return
		}
		if age := w.now.Sub(since); age > standsStill {
			w.violated("S34", fmt.Sprintf("work waits and nothing came of it for %s", age))
		}
	})
}

// waits reports whether chunks are on the queue or parked.
func (w *world) waits() bool {
	d, err := w.queue.Depth(w.ctx)
	if err != nil || d.Visible+d.InFlight > 0 {
		return err == nil
	}
	page, err := w.store.Query(w.ctx, store.Query{
		Table: store.Links, Workspace: workspace, Partition: "p#" + string(connection) + "#" + string(syncID), Limit: 1,
	})
	return err == nil && len(page.Items) > 0
}
