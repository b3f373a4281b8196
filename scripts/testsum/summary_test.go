package main

import (
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	t.Parallel()
	const ok = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Package":"p","Elapsed":0.2}
`
	tests := map[string]struct {
		in     string
		want   Summary
		ok     bool
		shows  []string
		hides  []string
		errors bool
	}{
		"all pass": {
			in: ok, want: Summary{Passed: 1}, ok: true, shows: []string{"ok    p", "\n1 passed, 0 failed, 0 skipped\n"},
			hides: []string{"quiet"},
		},
		"a failing subtest is shown in full": {
			in: `{"Action":"output","Package":"q","Test":"TestB/x","Output":"    b_test.go:3: got 1\n"}
{"Action":"output","Package":"q","Test":"TestB/x","Output":"    b_test.go:4: want 2\n"}
{"Action":"fail","Package":"q","Test":"TestB/x","Elapsed":0.1}
{"Action":"fail","Package":"q","Test":"TestB","Elapsed":0.1}
{"Action":"fail","Package":"q","Elapsed":0.2}
` + ok,
			want:  Summary{Passed: 1, Failed: 2},
			shows: []string{"got 1", "want 2", "FAIL  q TestB/x", "1 passed, 2 failed, 0 skipped"},
		},
		"a skip with a reason": {
			in: `{"Action":"output","Package":"q","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"q","Test":"TestB","Output":"    b_test.go:3: needs Java\n"}
{"Action":"output","Package":"q","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"q","Test":"TestB"}
{"Action":"pass","Package":"q"}
` + ok,
			want: Summary{Passed: 1, Skipped: 1}, ok: true, shows: []string{
				"q TestB: needs Java", "1 passed, 0 failed, 1 skipped",
			},
		},
		"a skip without a reason fails": {
			in: `{"Action":"output","Package":"q","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"q","Test":"TestB","Output":"    b_test.go:3: \n"}
{"Action":"output","Package":"q","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"q","Test":"TestB"}
{"Action":"pass","Package":"q"}
` + ok,
			want: Summary{Passed: 1, Failed: 1}, shows: []string{"q TestB: WITHOUT A REASON"},
		},
		"a build that fails": {
			in: `{"ImportPath":"q [q.test]","Action":"build-output","Output":"q.go:1: undefined: x\n"}
{"ImportPath":"q [q.test]","Action":"build-fail"}
{"Action":"start","Package":"q"}
{"Action":"fail","Package":"q","FailedBuild":"q [q.test]"}
` + ok,
			want: Summary{Passed: 1, Failed: 1}, shows: []string{"undefined: x", "FAIL  q"},
		},
		"a panic shows who ran": {
			in: `{"Action":"run","Package":"q","Test":"TestB"}
{"Action":"output","Package":"q","Test":"TestB","Output":"panic: boom\n"}
{"Action":"fail","Package":"q"}
` + ok,
			want: Summary{Passed: 1, Failed: 1}, shows: []string{"did not end: TestB", "panic: boom"},
		},
		"a stream that breaks off": {
			in:   ok + `{"Action":"run","Package":"q","Test":"TestB"}` + "\n",
			want: Summary{Passed: 1, Failed: 1}, shows: []string{"FAIL  q: the output ended"},
		},
		"packages without tests count nothing": {
			in: `{"Action":"skip","Package":"q"}` + "\n" + ok, want: Summary{Passed: 1},
			ok: true,
		},
		"words outside the protocol are kept": {
			in: "go: downloading x\n" + ok, want: Summary{Passed: 1}, ok: true, shows: []string{"go: downloading x"},
		},
		"nothing ran": {in: "", errors: true, shows: []string{"0 passed, 0 failed, 0 skipped"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			got, err := summarize(strings.NewReader(tc.in), &out)
			if (err != nil) != tc.errors {
				t.Fatalf("error: %v", err)
			}
			if got != tc.want || got.OK() != tc.ok {
				t.Errorf("got %+v ok %v, want %+v ok %v", got, got.OK(), tc.want, tc.ok)
			}
			for _, s := range tc.shows {
				if !strings.Contains(out.String(), s) {
					t.Errorf("the report does not show %q:\n%s", s, out.String())
				}
			}
			for _, s := range tc.hides {
				if strings.Contains(out.String(), s) {
					t.Errorf("the report shows %q:\n%s", s, out.String())
				}
			}
		})
	}
}
