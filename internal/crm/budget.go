package crm

import (
	"fmt"
	"time"
)

// The bounds of a budget's window: calls are remembered one by one for so long.
const (
	minBudgetWindow = time.Second
	maxBudgetWindow = 10 * time.Minute
)

// Budget is how much of an app's limits an account may use, for those who share them with
// other programs. Nil and the zero Budget allow all that the app grants.
type Budget struct {
	Share  float64 `json:"share,omitempty" minimum:"0.01" maximum:"1" doc:"Part of each limit that the app grants; absent = all of it"`
	Calls  int     `json:"calls,omitempty" minimum:"1" maximum:"100000" doc:"Calls of every kind within window at most, whatever the app grants"`
	Window string  `json:"window,omitempty" maxLength:"20" doc:"Of calls: 1s to 10m"`
}

// Check says which field of a budget is wrong, and why; "" = none.
func (b *Budget) Check() (field, message string) {
	w, err := time.ParseDuration(b.Window)
	switch {
	case b.Share != 0 && (b.Share < 0.01 || b.Share > 1):
		return "share", "share is a part of what the app grants: from 0.01 to 1"
	case b.Calls < 0 || b.Calls > 100_000:
		return "calls", "calls must be between 1 and 100000"
	case b.Calls == 0 && b.Window != "":
		return "calls", "a window needs calls: how many there may be within it"
	case b.Calls > 0 && b.Window == "":
		return "window", "calls need a window, such as 10s"
	case b.Window != "" && (err != nil || w < minBudgetWindow || w > maxBudgetWindow):
		return "window", fmt.Sprintf("window must be between %s and %s, such as 10s", minBudgetWindow, maxBudgetWindow)
	}
	return "", ""
}

// Within are the limits that an account with a budget keeps to. At least one call of each
// window stays.
func (l Limits) Within(b *Budget) Limits {
	if b == nil {
		return l
	}
	if b.Share > 0 {
		for _, n := range []*int{&l.BurstCalls, &l.SearchCalls, &l.DailyCalls} {
			if *n > 0 {
				*n = max(1, int(float64(*n)*b.Share))
			}
		}
	}
	if w, err := time.ParseDuration(b.Window); err == nil && b.Calls > 0 {
		l.OwnCalls, l.OwnWindow = b.Calls, w
	}
	return l
}
