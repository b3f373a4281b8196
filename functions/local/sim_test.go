package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/sim"
)

func TestSimCommand(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	w := &world{out: &out, err: &errs, env: func(string) string { return "" }}
	if code := run(t.Context(), []string{"sim", "--seed", "1"}, w); code != 0 {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if said := out.String(); !strings.Contains(said, "1 seeds") || !strings.Contains(said, "0 broken promises") {
		t.Errorf("said %q", said)
	}
}

// A broken promise fails the command and says how to see it again; so does a
// fault that was never met.
func TestSimJudge(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*sim.Report{
		"broken": {
			Seeds: 3, Violations: []sim.Violation{{Seed: 77, ID: "S1", Detail: "somebody is lost", Workload: "crowd"}},
		},
		"not met": {Seeds: 3, Unreached: []string{"reply_lost"}},
	} {
		var out bytes.Buffer
		s := newScreen(&world{out: &out, err: &out})
		if err := new(simCommand).judge(s, r); err == nil {
			t.Errorf("%s: no failure", name)
		}
		if name == "broken" && !strings.Contains(out.String(), "lockstep sim --seed 77 --workload crowd") {
			t.Errorf("%s: no way to replay it in %q", name, out.String())
		}
	}
	if err := new(simCommand).judge(newScreen(&world{out: new(bytes.Buffer)}), &sim.Report{Seeds: 3}); err != nil {
		t.Errorf("nothing is wrong: %v", err)
	}
}
