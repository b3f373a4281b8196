package sim

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestEveryAppIsDriven: each app of the one list is opened, or is left out with a reason,
// and the seeds of a short run have each of them.
func TestEveryAppIsDriven(t *testing.T) {
	t.Parallel()
	drivers := apps.Drivers()
	for id := range exempt {
		if _, ok := drivers[id]; !ok || len(exempt[id]) < 20 {
			t.Errorf("%s is left out, because of %q: it is no app, or that is no reason", id, exempt[id])
		}
	}
	drawn := map[crm.AppID]int{}
	for seed := uint64(1); seed <= 30; seed++ {
		for _, id := range pairOf(seed) {
			drawn[id]++
		}
	}
	for id := range drivers {
		if exempt[id] != "" {
			continue
		}
		a, err := newReal(&world{ctx: t.Context(), now: epoch}, id)
		if err != nil {
			t.Errorf("%s is not opened: %v", id, err)
			continue
		}
		for name, field := range a.fields {
			if f, ok := a.schema[field]; !ok || f.ReadOnly {
				t.Errorf("%s: its field of %s, %q, is none that can be written", id, name, field)
			}
		}
		for _, name := range []string{modelapp.Email, modelapp.Last, modelapp.Phone} {
			if a.fields[name] == "" {
				t.Errorf("%s: nothing says what its %s is called", id, name)
			}
		}
		if drawn[id] == 0 {
			t.Errorf("%s is in none of the first 30 seeds", id)
		}
	}
}
