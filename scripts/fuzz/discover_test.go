package main

import (
	"regexp"
	"slices"
	"testing"
	"testing/fstest"
)

func TestDiscover(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{
		"b/b_test.go": {Data: []byte(`package b
import "testing"
func FuzzTwo(f *testing.F) {}
func FuzzOne(f *testing.F) {}
func FuzzHelper(s string) {}
func (x T) FuzzMethod(f *testing.F) {}
func TestNot(t *testing.T) {}
`)},
		"a/a_test.go":          {Data: []byte("package a\nimport \"testing\"\nfunc FuzzA(f *testing.F) {}\n")},
		"a/a.go":               {Data: []byte("package a\nimport \"testing\"\nfunc FuzzNotATest(f *testing.F) {}\n")},
		"a/testdata/x_test.go": {Data: []byte("not Go")},
	}
	tests := map[string]struct {
		match string
		want  []target
	}{
		"all":         {"", []target{{"a", "FuzzA"}, {"b", "FuzzOne"}, {"b", "FuzzTwo"}}},
		"one package": {`^b\.`, []target{{"b", "FuzzOne"}, {"b", "FuzzTwo"}}},
		"one target":  {`\.FuzzTwo$`, []target{{"b", "FuzzTwo"}}},
		"none":        {"Nobody", nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := discover(fsys, regexp.MustCompile(tc.match))
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("got %v, %v, want %v", got, err, tc.want)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	const out = `fuzz: elapsed: 0s, gathering baseline coverage: 0/3 completed
fuzz: elapsed: 3s, execs: 1201 (400/sec), new interesting: 2 (total: 5)
fuzz: elapsed: 5s, execs: 2403 (400/sec), new interesting: 4 (total: 7)
PASS
`
	if execs, fresh := progress(out); execs != 2403 || fresh != 4 {
		t.Errorf("got %d, %d", execs, fresh)
	}
	if execs, fresh := progress("testing: warning: no fuzz tests to fuzz\n"); execs != 0 || fresh != 0 {
		t.Errorf("got %d, %d", execs, fresh)
	}
}

func TestCutOff(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		out  string
		want bool
	}{
		"time was up": {
			"fuzz: elapsed: 5s, execs: 9 (2/sec)\n--- FAIL: FuzzX (5.01s)\n    context deadline exceeded\n",
			true,
		},
		"a failing input": {
			"--- FAIL: FuzzX (5.01s)\n    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzX/1\n",
			false,
		},
		"the target's own":  {"--- FAIL: FuzzX (0.01s)\n    x_test.go:3: context deadline exceeded\n", false},
		"a failure at once": {"--- FAIL: FuzzX (0.00s)\n", false},
	}
	for name, tc := range tests {
		if got := cutOff(tc.out); got != tc.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
