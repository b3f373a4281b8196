package crm_test

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

func TestBudget(t *testing.T) {
	t.Parallel()
	granted := crm.Limits{
		ReadBatch: 100, BurstCalls: 190, BurstWindow: 10 * time.Second, SearchCalls: 5, SearchWindow: time.Second,
		DailyCalls: 1000,
	}
	with := func(burst, search, daily, own int, in time.Duration) crm.Limits {
		l := granted
		l.BurstCalls, l.SearchCalls, l.DailyCalls, l.OwnCalls, l.OwnWindow = burst, search, daily, own, in
		return l
	}
	for name, c := range map[string]struct {
		b     *crm.Budget
		field string
		want  crm.Limits
	}{
		"none":                {nil, "", granted},
		"an empty one":        {&crm.Budget{}, "", granted},
		"half":                {&crm.Budget{Share: 0.5}, "", with(95, 2, 500, 0, 0)},
		"a hundredth":         {&crm.Budget{Share: 0.01}, "", with(1, 1, 10, 0, 0)},
		"all":                 {&crm.Budget{Share: 1}, "", granted},
		"of its own":          {&crm.Budget{Calls: 30, Window: "10s"}, "", with(190, 5, 1000, 30, 10*time.Second)},
		"both":                {&crm.Budget{Share: 0.5, Calls: 1, Window: "10m"}, "", with(95, 2, 500, 1, 10*time.Minute)},
		"nothing":             {&crm.Budget{Share: 0.001}, "share", crm.Limits{}},
		"more than all":       {&crm.Budget{Share: 1.01}, "share", crm.Limits{}},
		"less than nothing":   {&crm.Budget{Share: -1}, "share", crm.Limits{}},
		"a window of nothing": {&crm.Budget{Window: "10s"}, "calls", crm.Limits{}},
		"calls without end":   {&crm.Budget{Calls: 5}, "window", crm.Limits{}},
		"too many":            {&crm.Budget{Calls: 100_001, Window: "10s"}, "calls", crm.Limits{}},
		"too short":           {&crm.Budget{Calls: 5, Window: "999ms"}, "window", crm.Limits{}},
		"too long":            {&crm.Budget{Calls: 5, Window: "10m1s"}, "window", crm.Limits{}},
		"no duration":         {&crm.Budget{Calls: 5, Window: "soon"}, "window", crm.Limits{}},
	} {
		if c.b != nil {
			if field, message := c.b.Check(); field != c.field || (message == "") != (field == "") {
				t.Errorf("%s: %q %q, want a problem of %q", name, field, message, c.field)
			}
		}
		if got := granted.Within(c.b); c.field == "" && got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
