package main

import (
	"slices"
	"strings"
	"testing"
)

const table = module + "internal/engine/plans.go:10:\tApply\t\t80.0%\n" +
	module + "internal/engine/plans.go:20:\tGet\t\t12.5%\n" +
	module + "internal/api/log.go:9:\tString\t\t100.0%\n" +
	module + "internal/api/log.go:30:\tString\t\t0.0%\n" +
	"total:\t(statements)\t70.1%\n"

func TestJudge(t *testing.T) {
	t.Parallel()
	found, err := readTable(table)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]string{
		"": {" 12.5 %  engine/plans.go Get", "  0.0 %  api/log.go String"},
		"# why\nengine/plans.go Get: reads a damaged item\napi/log.go String: for people\n": nil,
		"engine/plans.go Get: x\napi/log.go String: y\nengine/plans.go Apply: z\n": {
			"engine/plans.go Apply: stands",
		},
		"engine/plans.go Get: x\napi/log.go String: y\nengine/none.go Apply: z\n": {"engine/none.go Apply: stands"},
	} {
		allowed, err := readExceptions(text)
		if err != nil {
			t.Fatal(err)
		}
		got := judge(found, allowed)
		if len(got) != len(want) {
			t.Errorf("%q: %q, want %q", text, got, want)
			continue
		}
		for _, w := range want {
			if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, w) }) {
				t.Errorf("%q: %q is missing in %q", text, w, got)
			}
		}
	}
}

func TestExceptionsHaveReasons(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"engine/plans.go Get", "engine/plans.go Get: ", "Get: x", "a.go F: x\na.go F: y",
		strings.Repeat("a.go F: x\n", most+1),
	} {
		if _, err := readExceptions(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	if _, err := readExceptions(exceptions); err != nil {
		t.Error(err)
	}
	if _, err := readTable("total:\t(statements)\t1.0%\n"); err == nil {
		t.Error("a profile of nothing was read")
	}
}
