package parts

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/lockstep-crm/lockstep/internal/pause"
)

// Identifiers returns a maker of identifiers that sort by time, also within a
// millisecond.
func Identifiers(now func() time.Time) func(prefix string) string {
	var mu sync.Mutex
	chance := ulid.Monotonic(rand.Reader, 0)
	return func(prefix string) string {
		mu.Lock()
		defer mu.Unlock()
		id, err := ulid.New(ulid.Timestamp(now()), chance)
		if err != nil { // 2^80 identifiers within one millisecond, or a year beyond 10889
			id = ulid.Make()
		}
		return strings.TrimSuffix(prefix, "_") + "_" + strings.ToLower(id.String())
	}
}

// Sleep waits for d or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	_ = pause.For(ctx, d) // whoever asked looks at ctx
}
