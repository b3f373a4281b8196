package schedule_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/schedule"
)

// TestNamesAreOnesOwn draws identifiers that differ in where they are divided only.
func TestNamesAreOnesOwn(t *testing.T) {
	t.Parallel()
	some := rapid.StringOfN(rapid.SampledFrom([]rune("ab-")), 0, 4, -1)
	draw := func(t *rapid.T) [3]string {
		return [3]string{some.Draw(t, "ws"), some.Draw(t, "con"), some.Draw(t, "sync")}
	}
	name := func(id [3]string) string {
		return schedule.Name(crm.WorkspaceID(id[0]), crm.ConnectionID(id[1]), crm.SyncID(id[2]))
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t), draw(t)
		if (name(a) == name(b)) != (a == b) {
			t.Errorf("%q and %q share a name", a, b)
		}
		if err := schedule.CheckName("test", name(a)); err != nil {
			t.Error(err)
		}
	})
}
