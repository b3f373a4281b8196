package api

import (
	"net/http"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// TestX3_EventsOfARun walks the one route that streams with every caller; the
// others are walked by TestX3_AccessMatrix. The run has ended, so that the
// stream does too.
func TestX3_EventsOfARun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.engine.mu.Lock()
	run := f.engine.runs[f.run]
	run.State = engine.RunDone
	run.Outcomes = map[crm.Outcome]int64{}
	f.engine.runs[f.run] = run
	f.engine.mu.Unlock()
	checked := 0
	for _, r := range routes {
		if r.id != "run-events" {
			continue
		}
		for _, c := range f.callers {
			checked++
			got := f.do(r.method, f.target(r), "", as(c.token))
			if want := wanted(r, c); !want(got.status) {
				t.Errorf("%s as %s: got %d: %s", r.id, c.name, got.status, got.body)
			}
			if got.status == http.StatusOK && got.header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("as %s: media type %q", c.name, got.header.Get("Content-Type"))
			}
			if got.status >= http.StatusBadRequest {
				got.problem(t)
			}
		}
	}
	if checked != len(f.callers) {
		t.Errorf("%d callers of one route, want %d", checked, len(f.callers))
	}
	t.Logf("%d callers of the stream", checked)
}
