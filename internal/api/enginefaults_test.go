package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestEveryEngineRequestMayFailOnce lets each request that a route makes to the
// engine fail, one at a time, in each way of failing. The answer is the trouble,
// which names the part of the body that is at fault where one is, or, where the
// request was beside the matter, the very answer without it; testdata says which,
// and what is stored, logged and audited then.
func TestEveryEngineRequestMayFailOnce(t *testing.T) {
	t.Parallel()
	troubles := []struct {
		name string
		err  error
	}{
		{"away", fault.New("test: engine", fault.Unavailable, "", "the engine does not answer")},
		{"missing", fault.New("test: engine", fault.NotFound, "", "there is no such thing")},
		{"invalid", fault.New("test: engine", fault.Invalid, "invalid_value", "it does not fit")},
		{"invalid field", &fault.Error{
			Op: "test: engine", Kind: fault.Invalid, Code: "invalid_value", Message: "it does not fit", Field: "email",
		}},
	}
	for _, r := range routes {
		if r.id == "run-events" {
			continue
		}
		t.Run(r.id, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.target(r) // makes what the route is about
			f.engine.requests.Store(0)
			want := f.ask(r)
			requests := f.engine.requests.Load()
			if requests == 0 {
				return
			}
			var out strings.Builder
			for n := int64(1); n <= requests; n++ {
				for _, trouble := range troubles {
					if r.method != http.MethodGet || r.acts {
						f = newFixture(t)
						f.target(r)
					}
					logged, audited := len(f.log.String()), len(f.audited())
					f.engine.requests.Store(0)
					f.engine.failAt, f.engine.fails = n, trouble.err
					got := f.ask(r)
					f.engine.failAt = 0
					if got == want {
						got = "the same"
					}
					fmt.Fprintf(&out, "%d %s: %s; logged %q", n, trouble.name, got, messages.FindAllString(f.log.String()[logged:],
						-1))
					if more := f.audited()[audited:]; len(more) > 0 {
						fmt.Fprintf(&out, "; audited %s", withoutChance(strings.Join(more, " ")))
					}
					out.WriteByte('\n')
				}
			}
			written.Check(t, "answers/engine/"+r.id+".txt", out.String())
		})
	}
}
