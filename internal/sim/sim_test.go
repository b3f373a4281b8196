package sim

import (
	"os"
	"strconv"
	"testing"
)

func TestShort(t *testing.T) {
	n := 100
	if s := os.Getenv("SEEDS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	from, _ := strconv.ParseUint(os.Getenv("FROM"), 10, 64)
	r := Run(Options{Seeds: n, From: from, Out: os.Stdout, Workload: os.Getenv("W"), Verbose: os.Getenv("V") != ""})
	t.Logf("%d seeds, %d changes, %d steps, %d writes, %d calls, %d races, %d violations in %s", r.Seeds, r.Changes, r.Steps, r.Writes, r.Calls, r.Races, len(r.Violations), r.Took)
	for _, k := range Names(r.Marks) {
		t.Log(k, r.Marks[k])
	}
}
