package app

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// budgeted is an account with what it keeps to.
type budgeted struct {
	account.Account
	Limits []struct {
		Of      string  `json:"of"`
		Seconds float64 `json:"window_seconds"`
		Calls   int     `json:"calls"`
		Granted int     `json:"granted"`
		Used    *int    `json:"used"`
	} `json:"limits"`
}

// TestLive_ABudgetIsKeptTo: an account that may use a part of what the app grants, or so
// many calls of its own, makes no more; it says what it keeps to; a change holds from the
// next call on, and what is no budget is refused by name.
func TestLive_ABudgetIsKeptTo(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		for i := range 40 {
			l.person(crm.Left, fmt.Sprint("p", i))
		}
		l.connect()
		l.start()
		at, known := "/v1/accounts/"+string(l.left), l.record(crm.Left, l.twin(crm.Left, "p0"))
		shown := func() (b budgeted) {
			t.Helper()
			l.want(200, "GET", at, nil).into(&b)
			return b
		}
		asked := func(budget map[string]any) string {
			b, err := json.Marshal(map[string]any{"budget": budget})
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		set := func(budget map[string]any) { t.Helper(); l.patch(at, asked(budget)) }
		// calls are how many the app is asked for within a minute, with someone at every turn.
		calls := func() int {
			t.Helper()
			l.move(time.Hour) // what was used before is over
			l.hub.Core().ResetRequests()
			end := l.now().Add(time.Minute)
			for l.now().Before(end) {
				for range 10 { // more than any budget lets through
					l.do("GET", known+"/explain", nil) // which reads the pair anew
				}
				l.move(10 * time.Second)
			}
			return l.hub.Core().Requests().Total
		}
		before := shown()
		if before.Budget != nil || len(before.Limits) == 0 {
			t.Fatalf("at first: %+v", before)
		}
		for _, one := range before.Limits {
			if one.Calls != one.Granted || one.Of == "" || one.Seconds <= 0 {
				t.Errorf("at first: %+v", one)
			}
		}
		free := calls()
		set(map[string]any{"calls": 2, "window": "30s"})
		b := shown()
		if own := b.Limits[2]; b.Budget == nil || own.Calls != 2 || own.Seconds != 30 || own.Granted != 0 || own.Of != "all" {
			t.Errorf("calls of its own: %+v %+v", b.Budget, b.Limits)
		}
		if n := calls(); n > 6 || n == 0 || free < 30 {
			t.Errorf("2 calls in 30 s: %d calls in a minute, %d without", n, free)
		}
		l.move(time.Hour)
		l.run("POST", l.sync+"/resync", nil) // it takes longer, and comes to its end
		set(map[string]any{"share": 0.5})
		b = shown()
		for i, one := range b.Limits {
			if one.Calls != max(1, one.Granted/2) || one.Granted != before.Limits[i].Granted {
				t.Errorf("a half: %+v", one)
			}
		}
		set(map[string]any{})
		if b := shown(); b.Budget != nil || len(b.Limits) != len(before.Limits) {
			t.Errorf("lifted: %+v", b)
		}
		for _, wrong := range []struct {
			budget map[string]any
			field  string
		}{
			{map[string]any{"calls": 5}, "window"},
			{map[string]any{"window": "10s"}, "calls"},
			{map[string]any{"calls": 5, "window": "2h"}, "window"},
		} {
			a := l.do("PATCH", at, asked(wrong.budget), "If-Match", "*", "Content-Type", mergePatch)
			var p struct {
				Code   string
				Errors []struct{ Pointer string }
			}
			a.into(&p)
			if a.status != 400 || p.Code != "budget_malformed" || len(p.Errors) != 1 ||
				p.Errors[0].Pointer != "/budget/"+wrong.field {
				t.Errorf("%v: %d %s", wrong.budget, a.status, a.body)
			}
		}
	})
}
