package paced

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestSlicesOfEveryLimit: how many calls a worker takes at once, of every lane under
// every combination of limits, is in testdata.
func TestSlicesOfEveryLimit(t *testing.T) {
	t.Parallel()
	type pair struct {
		calls int
		in    time.Duration
	}
	windows := []pair{
		{},
		{100, 0},
		{0, time.Second},
		{1, time.Second},
		{5, time.Second},
		{100, 10 * time.Second},
		{3, time.Minute},
		{600, time.Minute},
	}
	var out strings.Builder
	for _, burst := range windows {
		for _, search := range windows {
			for _, daily := range []int{-1, 0, 1, 1999, 2000, 4000, 127_999, 128_000, 250_000} {
				l := limitsOf(crm.Limits{
					BurstCalls: burst.calls, BurstWindow: burst.in, SearchCalls: search.calls, SearchWindow: search.in,
					DailyCalls: daily,
				})
				fmt.Fprintf(&out, "%d in %s, searches %d in %s, daily %d:", burst.calls, burst.in, search.calls, search.in, daily)
				for _, x := range []lane{laneCall, laneSearch} {
					n, valid := l.most(x)
					fmt.Fprintf(&out, " %s none %t, %d for %s;", x, l.none(x), n, valid)
				}
				for _, w := range l.windows {
					fmt.Fprintf(&out, " %d in %s", w.calls, w.length())
				}
				out.WriteByte('\n')
			}
		}
	}
	written.Check(t, "limits.txt", out.String())
}
