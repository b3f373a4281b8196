package sim

import (
	"context"
	"fmt"

	"github.com/lockstep-crm/lockstep/internal/engine"
)

// checkRuns holds the world at rest to S28: every record that entered a run left
// it with one outcome, whatever its chunks went through.
func (w *world) checkRuns(when string) {
	if w.failed() != "" {
		return
	}
	var runs []engine.Run
	var err error
	w.aside(func(ctx context.Context, e *engine.Engine) {
		for cursor := ""; ; {
			var page []engine.Run
			if page, cursor, err = e.ListRuns(ctx, workspace, "", 200, cursor); err != nil {
				return
			}
			if runs = append(runs, page...); cursor == "" {
				return
			}
		}
	})
	if err != nil {
		w.violated("S28", when+": the runs cannot be listed: "+err.Error())
		return
	}
	for i := range runs {
		r := &runs[i]
		if r.Kind == engine.RunWebhook || r.Kind == engine.RunPlan {
			continue // one has no end, the other writes nothing
		}
		sum := int64(0)
		for _, n := range r.Outcomes {
			sum += n
		}
		if sum != r.Done || r.State == engine.RunDone && r.Done != r.Total {
			w.violated("S28", fmt.Sprintf("%s: of the %d records of a run (%s, %s) %d are done and %d have an outcome: %v", when,
				r.Total, r.Kind, r.State, r.Done, sum, r.Outcomes))
			return
		}
	}
}
