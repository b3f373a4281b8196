package hubspot

import (
	"runtime"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/hook"
)

// TestX14_HostileDeliveries: what reading a delivery allocates does not grow
// with the number of events in it beyond those that one may have.
func TestX14_HostileDeliveries(t *testing.T) { //nolint:paralleltest // counts what the process allocates
	for name, body := range map[string]string{
		"empty events": "[" + strings.Repeat("{},", 1<<20/3-1) + "{}]",
		"deep":         strings.Repeat("[", 1<<20),
		"one event":    `[{"mergedObjectIds":[` + strings.Repeat("1,", 1<<19-20) + "1]}]",
		"nulls":        "[" + strings.Repeat("null,", 1<<20/5-1) + "null]",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		events, _ := hook.List[hookEvent]([]byte(body)) // whether it is one is told elsewhere
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 48<<20 || len(events) > hook.MaxEvents+1 {
			t.Errorf("%s: %d events, %d MiB allocated", name, len(events), took>>20)
		}
	}
}
