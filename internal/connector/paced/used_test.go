package paced

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

func TestUsed(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := crm.Limits{DailyCalls: 1000, BurstCalls: 100, BurstWindow: 10 * time.Second}
	b := Budget{Store: memstore.New(c.Now), Workspace: "ws", Account: "acc", Now: c.Now}
	used := func(l crm.Limits) float64 {
		t.Helper()
		part, err := Used(t.Context(), b, l)
		if err != nil {
			t.Fatal(err)
		}
		return part
	}
	if got := used(l); got != 0 {
		t.Errorf("%v used before the first call", got)
	}
	conn := Wrap(bare{app: newApp(l, c.Now)}, b)
	for range 100 {
		if _, err := conn.BatchRead(t.Context(), "contacts", nil, nil); err != nil {
			t.Fatal(err)
		}
		c.Advance(time.Second)
	}
	if got := used(l); got < 0.1 || got > 0.12 {
		t.Errorf("%v used after 100 of 1,000 calls, want a tenth", got)
	}
	if got := used(crm.Limits{}); got != 0 {
		t.Errorf("%v used of no limit", got)
	}
	c.Advance(26 * time.Hour)
	if got := used(l); got != 0 {
		t.Errorf("%v used a day later", got)
	}
}
