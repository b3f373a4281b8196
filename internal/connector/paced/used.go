package paced

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Used is the part of an account's daily calls that was used, or set aside by
// a worker, within the last day: 0 to 1, more when the app counts otherwise. It
// is 0 for an app that publishes no daily limit. Of b it needs Store, Workspace,
// Account and Now. Errors are the store's.
func Used(ctx context.Context, b Budget, l crm.Limits) (float64, error) {
	lim := limitsOf(l)
	if lim.daily == 0 {
		return 0, nil
	}
	p := &pacer{Budget: b}
	item, err := b.Store.Get(ctx, p.key())
	if fault.Is(err, fault.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	led, err := decodeLedger(item)
	if err != nil {
		return 0, err
	}
	now := b.Now()
	led.tidy(now, lim)
	free, _ := led.inDay(now, lim.daily)
	return float64(lim.daily-free) / float64(lim.daily), nil
}
