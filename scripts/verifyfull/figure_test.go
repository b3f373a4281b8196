package main

import (
	"errors"
	"strings"
	"testing"
)

const testsOfTwo = `=== RUN   TestConformance
    --- PASS: TestConformance/Order/first (0.00s)
    --- PASS: TestConformance/Order/second (0.00s)
--- PASS: TestConformance (0.01s)
ok  	example.org/m/internal/store/sqlitestore	0.1s
    --- PASS: TestConformance/all (0.00s)
        --- PASS: TestConformance/all/Order/first (0.00s)
        --- PASS: TestConformance/all/Order/third (0.00s)
--- PASS: TestConformance (0.01s)
ok  	example.org/m/internal/store/dynamostore	0.1s
`

const promised = `    --- PASS: TestS31_Gone/left (0.00s)
    --- PASS: TestS31_Gone/right (0.00s)
--- PASS: TestS31_Gone (0.01s)
--- PASS: TestS32_Cleared (0.01s)
--- SKIP: TestS32_Lists (0.01s)
ok  	example.org/m/internal/engine	0.1s
`

func TestRead(t *testing.T) {
	t.Parallel()
	benchTable := "figure  target  measured  pass\nspeed, 1/s  >= 10    12.5  yes\nsize, MB    <= 3     4     NO\n"
	faults := "    --- PASS: TestConformance/Faults/429/read (0.00s)\n    --- PASS: TestConformance/Faults/429/find " +
		"(0.00s)\n    --- PASS: TestConformance/Faults/500/read (0.00s)\nok  \tm/hubspot\t0.1s\n"
	often := "fault  times\n  kill  1\n\nrare state                  times\n" + strings.Repeat("  often  1,000\n", 40) +
		"\nmet beside  times\n  never_mind  1\n\n3 seeds\n"
	for name, c := range map[string]struct {
		figure
		out  string
		err  error
		want string
		pass bool
	}{
		"number": {figure{find: `(\d+) lost`, holds: lastIsZero}, "3 lost\n0 lost", nil, "0 lost", true},
		"number missed": {
			figure{find: `([\d,]+) cases`, holds: atLeast(5000)},
			"4,999 cases", nil, "4,999 cases",
			false,
		},
		"command failed": {
			figure{find: `(\d+) lost`, holds: lastIsZero},
			"0 lost", errors.New("exit 1"), "0 lost",
			false,
		},
		"not printed":    {figure{find: `(\d+) lost`}, "", nil, "not printed", false},
		"bench":          {bench("speed, 1/s", ">= 10"), benchTable, nil, "12.5", true},
		"bench missed":   {bench("size, MB", "<= 3"), benchTable, nil, "4", false},
		"bench, another": {bench("size", "<= 3"), benchTable, nil, "not printed", false},
		"contracts": {
			figure{look: contracts([][2]string{{"sqlitestore", "dynamostore"}}, 1)},
			testsOfTwo, nil,
			"1 cases: 1 on sqlitestore and dynamostore", true,
		},
		"too few contracts": {
			figure{look: contracts([][2]string{{"sqlitestore", "dynamostore"}}, 2)},
			testsOfTwo, nil,
			"1 cases: 1 on sqlitestore and dynamostore", false,
		},
		"a contract skipped": {
			figure{look: contracts([][2]string{{"sqlitestore", "dynamostore"}}, 1)},
			"--- SKIP: TestX (0.00s)\n" + testsOfTwo,
			nil, "1 cases: 1 on sqlitestore and dynamostore", false,
		},
		"troubles": {
			figure{look: troubles([]string{"hubspot"}, []string{"429"})}, faults, nil, "hubspot: 2 calls x 2 troubles", true,
		},
		"a trouble not met": {
			figure{look: troubles([]string{"hubspot"}, []string{"429", "500"})},
			faults, nil, "hubspot: 2 calls x 2 troubles",
			false,
		},
		"a connector not run": {
			figure{look: troubles([]string{"salesforce"}, nil)}, faults, nil, "salesforce: 0 calls x 0 troubles", false,
		},
		"simulation": {
			figure{
				find: simLine, holds: lastIsZero,
			},
			"2,725 seeds (725 of workloads, 446 with the real connectors), 278,033 changes, 16,811,846 steps, 158,077 " +
				"writes, 838,906 calls in 57.1 s: 0 broken promises\n", nil,
			"2,725 seeds (725 of workloads, 446 with the real connectors), 278,033 changes, 16,811,846 steps, 158,077 " +
				"writes, 838,906 calls in 57.1 s: 0 broken promises", true,
		},
		"invariant": {
			figure{look: invariant("S31")},
			promised, nil, "2 cases in 1 packages, 0 failed, 0 skipped",
			true,
		},
		"invariant, skipped": {
			figure{look: invariant("S32")},
			promised, nil, "1 cases in 1 packages, 0 failed, 1 skipped",
			false,
		},
		"invariant, not shown": {
			figure{look: invariant("S33")},
			promised, nil, "0 cases in 0 packages, 0 failed, 0 skipped",
			false,
		},
		"laws": {
			figure{look: laws(10)},
			strings.Repeat("x: [rapid] OK, passed 5 tests (1s)\n", 20), nil,
			"20 transforms, at least 10 values each, 200 in all: 0 law breaks", true,
		},
		"a law with few values": {
			figure{look: laws(10)},
			"[rapid] OK, passed 4 tests\n" + strings.Repeat("[rapid] OK, passed 5 tests\n", 20), nil,
			"21 transforms, at least 8 values each, 208 in all: 0 law breaks", false,
		},
		"a law broken": {
			figure{look: laws(10)},
			"[rapid] failed\n" + strings.Repeat("[rapid] OK, passed 5 tests\n", 20), nil,
			"20 transforms, at least 10 values each, 200 in all: 1 law breaks", false,
		},
		"marks": {figure{look: marks}, often, nil, "40 reached 10 times or more", true},
		"few marks": {
			figure{look: marks}, strings.Replace(often, "  often  1,000\n", "", 1), nil, "39 reached 10 times or more", false,
		},
		"a mark seldom": {
			figure{look: marks},
			strings.Replace(often, "\n\nmet beside", "\n  seldom   9\n\nmet beside", 1), nil,
			"40 reached 10 times or more, seldom 9", false,
		},
		"guards": {
			figure{look: guardShare},
			strings.Repeat("lease  crash  S2    3 of 200  seed 7  lost\n", 20), nil,
			"20 guards, the rarest by 1.5 % of 200 seeds", true,
		},
		"a guard seldom": {
			figure{look: guardShare},
			"x   1 of 200  seed 7\n" + strings.Repeat("x   3 of 200  seed 7\n", 20), nil,
			"21 guards, the rarest by 0.5 % of 200 seeds", false,
		},
		"malformed": {
			figure{look: malformed},
			"100000 requests, 100000 clean 4xx, 0 x 5xx, p99 298.8µs, heap 4 MiB\n", nil,
			"100000 requests, 100000 clean 4xx, 0 x 5xx, p99 298.8µs, heap 4 MiB", true,
		},
		"malformed, slow": {
			figure{look: malformed},
			"100000 requests, 100000 clean 4xx, 0 x 5xx, p99 50ms, heap 4 MiB\n", nil,
			"100000 requests, 100000 clean 4xx, 0 x 5xx, p99 50ms, heap 4 MiB", false,
		},
		"malformed, accepted": {
			figure{look: malformed},
			"100000 requests, 99999 clean 4xx, 0 x 5xx, p99 5ms, heap 4 MiB\n",
			nil, "100000 requests, 99999 clean 4xx, 0 x 5xx, p99 5ms, heap 4 MiB", false,
		},
		"malformed, large": {
			figure{look: malformed},
			"100000 requests, 100000 clean 4xx, 0 x 5xx, p99 5ms, heap 64 MiB\n", nil,
			"100000 requests, 100000 clean 4xx, 0 x 5xx, p99 5ms, heap 64 MiB", false,
		},
		"no vulnerabilities": {
			figure{
				look: vulnerabilities,
			},
			"govulncheck: 0 reachable vulnerabilities in the programs and the infrastructure, by /db\n", nil, "0 reachable",
			true,
		},
		"vulnerabilities": {
			figure{look: vulnerabilities},
			"Your code is affected by 2 vulnerabilities from 1 module.\n", errors.New("exit 3"),
			"Your code is affected by 2 vulnerabilities", false,
		},
		"no database": {
			figure{
				look: vulnerabilities,
			}, "not measured: the vulnerability database cannot be reached from here (code 1); GOVULNDB names a copy. The " +
				"tool said: x\n", nil, "not measured: the vulnerability database cannot be reached from here (code 1); GOVULNDB " +
				"names a copy", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			measured, pass := c.read(c.out, c.err)
			if measured != c.want || pass != c.pass {
				t.Errorf("%q, %t; want %q, %t", measured, pass, c.want, c.pass)
			}
		})
	}
}
