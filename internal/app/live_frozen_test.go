package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// goesRound lets a person's title go round: another connection writes the same
// fields, if it is paused just now, and the title is changed on one side and the
// other until it is frozen.
// It returns the address of the other connection.
func (l *live) goesRound(left, right string) string {
	l.t.Helper()
	other := strings.Replace(l.document("Beside"), `"syncs":[`, `"shared":true,"syncs":[`, 1)
	beside := "/v1/connections/" + l.must(201, "POST", "/v1/connections", other)["id"].(string)
	l.want(202, "POST", beside+"/start", nil)
	l.want(200, "POST", beside+"/pause", nil)
	for n := range 25 {
		if title := fmt.Sprintf("title %d", n); n%2 == 0 {
			l.edit(crm.Left, left, "jobtitle", title)
		} else {
			l.edit(crm.Right, right, "Title", title)
		}
		l.move(2 * time.Minute)
		l.run("POST", l.sync+"/pull", nil)
		if v := l.view(crm.Left, left); v.Code == "write_loop" {
			return beside
		}
	}
	l.t.Fatal("the title is never frozen")
	return ""
}

// TestLive_WhatWentRoundIsLetGo: record, explanation and status name what was
// frozen, since when, and what helps; let go, it is decided like any other field,
// and travels on.
func TestLive_WhatWentRoundIsLetGo(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		a, b := l.person(crm.Left, "a"), l.person(crm.Left, "b")
		l.connect([2]string{`"conflict":"review"`, `"conflict":"right"`})
		l.start()
		ra := l.twin(crm.Right, "a")
		unfreeze, field := l.record(crm.Left, a)+"/unfreeze", func(name string) map[string]string {
			return map[string]string{"field": name}
		}
		l.refused(409, "not_frozen", "POST", unfreeze, field("title"))
		beside := l.goesRound(a, ra)

		var x engine.Explanation
		l.want(200, "GET", l.record(crm.Right, ra)+"/explain", nil).into(&x)
		_, st := l.standing()
		if st.Frozen == nil || st.Frozen.Links != 1 || len(st.Frozen.Records) != 1 ||
			!slices.Contains(st.Warnings, "write_loop") {
			t.Fatalf("the status says %+v, %v", st.Frozen, st.Warnings)
		}
		if r := st.Frozen.Records[0]; string(r.ID) != a || string(r.Partner) != ra {
			t.Errorf("the status names %+v", r)
		}
		for where, said := range map[string][]engine.FrozenField{
			"record": l.view(crm.Left, a).Frozen, "explanation": x.Frozen, "status": {st.Frozen.Records[0].FrozenField},
		} {
			if len(said) != 1 || said[0].Mapping != "title" || said[0].Code != "write_loop" || said[0].Since.IsZero() ||
				!strings.Contains(said[0].Remedy, "unfreeze") {
				t.Errorf("the %s says %+v", where, said)
			}
		}

		l.refused(400, "unknown_key", "POST", unfreeze, field("shoe_size"))
		l.refused(400, "missing_key", "POST", unfreeze, map[string]string{})
		l.refused(409, "not_frozen", "POST", unfreeze, field("city"))
		l.refused(409, "not_frozen", "POST", l.record(crm.Left, b)+"/unfreeze", field("title"))
		l.refused(404, "record_unknown", "POST", l.record(crm.Left, "999999")+"/unfreeze", field("title"))

		l.want(202, "DELETE", beside+"?confirm=Beside", nil, "If-Match", "*")
		want := l.held(crm.Right, ra)["Title"]
		l.run("POST", unfreeze, field("jobtitle")) // the field's own name does as well
		if got := l.held(crm.Left, a)["jobtitle"]; got != want {
			t.Errorf("let go, the title is %q, want %q", got, want)
		}
		if v := l.view(crm.Left, a); v.State != crm.StateInSync || len(v.Frozen) > 0 {
			t.Errorf("let go, the record is %s (%s), %+v", v.State, v.Code, v.Frozen)
		}
		if _, st := l.standing(); st.Frozen != nil || slices.Contains(st.Warnings, "write_loop") {
			t.Errorf("let go, the status says %+v, %v", st.Frozen, st.Warnings)
		}
		l.edit(crm.Left, a, "jobtitle", "Mayor")
		l.pull()
		if got := l.held(crm.Right, ra)["Title"]; got != "Mayor" {
			t.Errorf("what is typed after that does not travel: %q", got)
		}
	})
}
