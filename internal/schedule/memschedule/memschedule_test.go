package memschedule_test

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/schedule"
	"github.com/lockstep-crm/lockstep/internal/schedule/memschedule"
	"github.com/lockstep-crm/lockstep/internal/schedule/scheduletest"
)

// TestConformance is what memschedule has to say for itself.
func TestConformance(t *testing.T) {
	t.Parallel()
	scheduletest.Run(t, func(*testing.T) schedule.Schedules { return new(memschedule.Schedules) })
}
