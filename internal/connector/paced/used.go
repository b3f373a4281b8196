package paced

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Used is the part of an account's daily calls that was used, or set aside by
// a worker, within the last day: 0 to 1, more when the app counts otherwise. It
// is 0 for an app that publishes no daily limit. See Calls.
func Used(ctx context.Context, b Budget, l crm.Limits) (float64, error) {
	used, daily, err := Calls(ctx, b, l)
	if err != nil || daily == 0 {
		return 0, err
	}
	return float64(used) / float64(daily), nil
}

// Calls are how many calls of an account were used, or set aside by a worker, within
// the last day, and how many a day has; 0 for an app that publishes no daily limit. Of b it
// needs Store, Workspace, Account and Now. Errors are the store's.
func Calls(ctx context.Context, b Budget, l crm.Limits) (used, daily int, err error) {
	lim := limitsOf(l.Within(b.Allowed))
	if lim.daily == 0 {
		return 0, 0, nil
	}
	p := &pacer{Budget: b}
	item, err := b.Store.Get(ctx, p.key())
	if fault.Is(err, fault.NotFound) {
		return 0, lim.daily, nil
	}
	if err != nil {
		return 0, lim.daily, err
	}
	led, err := decodeLedger(item)
	if err != nil {
		return 0, lim.daily, err
	}
	now := b.Now()
	led.tidy(now, lim)
	free, _ := led.inDay(now, lim.daily)
	return lim.daily - free, lim.daily, nil
}
