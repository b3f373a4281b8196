package main

// simLine is the last line of the simulation's report.
const simLine = `([\d,]+) seeds \(([\d,]+) with the real connectors\), ([\d,]+) changes, ([\d,]+) steps, [\d,]+ writes, [\d,]+ calls in [\d.]+ s: ([\d,]+) broken promises`

// proofs lists every long proof, the cheapest first.
var proofs = []proof{
	{command: []string{"bin/lockstep", "sim"}, figures: []figure{
		{"short simulation", ">= 2,000 seeds, 20 % with the real connectors, 200,000 changes, 1,000,000 steps, 0 violations", simLine, func(n []float64) bool {
			return atLeast(2000, 0.2*n[0], 200_000, 1_000_000)(n) && zero(n)
		}},
	}},
	{command: []string{"go", "test", "./internal/engine", "-run", "TestS8_StopAnywhere", "-count=1", "-v", "-timeout=30m"}, figures: []figure{
		{"crash points", ">= 50 scenarios x every request x 3 ways, all survived", `(\d+) scenarios, (\d+) of (\d+) crash points survived`, func(n []float64) bool {
			return n[0] >= 50 && n[1] == n[2] && n[1] > 1000
		}},
	}},
	{command: []string{"go", "test", "./internal/engine", "-run", "TestGuards", "-count=1", "-v", "-timeout=60m"}, figures: []figure{
		{"guards removed one by one", ">= 20, all caught by the short run", `(\d+) of (\d+) guards caught`, func(n []float64) bool { return n[0] >= 20 && n[0] == n[1] }},
	}},
	{command: []string{"go", "test", "./internal/store/sqlitestore", "./internal/queue/sqlitequeue", "./internal/secret/localkey", "-run", "TestConformance", "-count=1", "-v"}, figures: []figure{
		{"storage contract cases on the embedded stores", ">= 120 shared with the emulators", `ok\s+\S+localkey\s+([\d.]+)s`, nil},
	}},
	{command: []string{"go", "test", "./internal/mapping", "-run", "S15", "-rapid.checks=30000", "-count=1", "-v", "-timeout=60m"}, figures: []figure{
		{"transform laws", "30,000 values each way and mapping, 0 law breaks", `ok\s+\S+mapping\s+([\d.]+)s`, nil},
	}},
	{command: []string{"go", "run", "./scripts/fuzz", "-time", "30s"}, figures: []figure{
		{"fuzzing", ">= 12 targets, 30 s each, 0 crashes", `(\d+) targets, (\d+) failed`, func(n []float64) bool { return n[0] >= 12 && n[1] == 0 }},
	}},
	{command: []string{"scripts/verify.d/10-conformance.sh"}, figures: []figure{
		{"API conformance from the OpenAPI document", ">= 5,000 cases, 0 failures", `([\d,]+) cases of Schemathesis`, atLeast(5000)},
	}},
	{command: []string{"go", "test", "./internal/api", "-run", "Malformed", "-count=1", "-v", "-timeout=30m"}, env: []string{"LOCKSTEP_MALFORMED=100000"}, figures: []figure{
		{"malformed HTTP", "100,000 requests: clean 4xx, 0 x 5xx", `([\d,]+) requests`, atLeast(90_000)},
	}},
	{command: []string{"go", "test", "./internal/api", "-run", "TestX3_", "-count=1", "-v"}, figures: []figure{
		{"access matrix", "100 % of routes x 7 callers", `ok\s+\S+api\s+([\d.]+)s`, nil},
	}},
	{command: []string{"go", "test", "./functions/local", "-run", "Kill", "-count=1", "-v", "-timeout=20m"}, figures: []figure{
		{"kill -9 five times during a first sync of 5,000 + 5,000", "0 lost, 0 doubled", `ok\s+\S+local\s+([\d.]+)s`, nil},
	}},
	{command: []string{"go", "run", "./scripts/bench", "-functions", "dist", "-memory", "-binary", "bin/lockstep"}, figures: []figure{
		{"calls per 1,000 changes, left to right", "<= 35", `calls per 1,000 changed records, left to right\s+\S+ \S+\s+(\d+)`, nil},
		{"calls per 1,000 changes, right to left", "<= 35", `calls per 1,000 changed records, right to left\s+\S+ \S+\s+(\d+)`, nil},
		{"records written per true change", "= 1.00", `records written per true change, right to left\s+\S+ \S+\s+([\d.]+)`, nil},
		{"store writes per changed record", "<= 1.5", `store writes per changed record, left to right\s+\S+ \S+\s+([\d.]+)`, nil},
		{"store writes per created record", "<= 4.5", `store writes per created record\s+\S+ \S+\s+([\d.]+)`, nil},
		{"calls of a quiet pull, 20,000 people", "= 2", `nothing changed, 20000 people\s+\S+ \S+\s+(\d+)`, nil},
		{"size of webhook, arm64, MB", "<= 15", `size of webhook, arm64, MB\s+\S+ \S+\s+([\d.]+)`, nil},
		{"size of pull, arm64, MB", "<= 15", `size of pull, arm64, MB\s+\S+ \S+\s+([\d.]+)`, nil},
		{"size of sync, arm64, MB", "<= 15", `size of sync, arm64, MB\s+\S+ \S+\s+([\d.]+)`, nil},
		{"start of webhook to its first answer, ms", "<= 50 on an idle machine", `start of webhook .*?<= \S+\s+([\d.]+)`, nil},
		{"start of pull to its first answer, ms", "<= 50 on an idle machine", `start of pull .*?<= \S+\s+([\d.]+)`, nil},
		{"start of sync to its first answer, ms", "<= 50 on an idle machine", `start of sync .*?<= \S+\s+([\d.]+)`, nil},
		{"peak memory of 200,000 records, MB", "<= 96", `200,000 records, MB\s+\S+ \S+\s+([\d.]+)`, nil},
		{"its ratio to 20,000 records", "<= 1.3", `ratio of the two\s+\S+ \S+\s+([\d.]+)`, nil},
	}},
	{command: []string{"bin/lockstep", "sim", "--full"}, figures: []figure{
		{"full simulation", ">= 10,000 seeds, 1,000,000 changes, 40,000,000 steps, 0 violations", simLine, func(n []float64) bool {
			return atLeast(10_000, 0.2*n[0], 1_000_000, 40_000_000)(n) && zero(n)
		}},
	}},
}
