package main

import "fmt"

// simLine is the last line of the simulation's report.
const simLine = `([\d,]+) seeds \((?:[\d,]+ of workloads, )?([\d,]+) with the real connectors\), ([\d,]+) changes, ([\d,]+) steps, [\d,]+ writes, [\d,]+ calls in [\d.]+ s: ([\d,]+) broken promises`

// simTime is its time alone.
const simTime = `calls in ([\d.]+) s`

// long asks tests for the numbers of the table instead of those of every day.
var long = []string{"LOCKSTEP_LONG=1"}

// goTest is a run of some tests that prints what they say.
func goTest(run string, more ...string) []string {
	return append([]string{"go", "test", "-run", run, "-count=1", "-v", "-timeout=60m"}, more...)
}

// proofs lists every long proof. Those whose figure is a time come first, while
// nothing runs beside them.
var proofs = []proof{
	{command: []string{"bin/lockstep", "sim"}, figures: []figure{
		{goal: "short simulation", target: ">= 2,000 seeds, 300 with the real connectors, 200,000 changes, 1,000,000 " +
			"steps, 0 violations", find: simLine, holds: func(n []float64) bool {
			return atLeast(2000, 300, 200_000, 1_000_000)(n) && lastIsZero(n)
		}},
		{goal: "short simulation, seconds on two cores", target: "<= 60", find: simTime, holds: atMost(60)},
	}},
	{command: []string{"go", "run", "./scripts/bench", "-only", "flow", "-binary", "bin/lockstep"}, figures: []figure{
		bench("webhook of 100 events, p99 of 200, ms", "<= 100"),
	}},
	{command: []string{"go", "run", "./scripts/bench", "-only", "writer"}, figures: []figure{
		bench("records per second and core of a first sync of 10,000 + 10,000", ">= 1,000"),
	}},
	{command: goTest("TestMalformedHTTP", "./internal/api"), env: []string{"LOCKSTEP_MALFORMED=100000"}, figures: []figure{
		{
			goal: "malformed HTTP", target: "100,000 requests: all clean 4xx, 0 x 5xx, p99 < 50 ms, heap < 64 MiB",
			look: malformed,
		},
	}},
	{command: goTest("TestX15_SlowBodies", "./functions/local"), env: long, figures: []figure{
		slowBodies("from 50 addresses", 4096),
		slowBodies("from one address", 128),
		slowBodiesLeft("from 50 addresses"),
		slowBodiesLeft("from one address"),
	}},
	{command: goTest("TestX14_HostileBodies", "./internal/api"), figures: []figure{
		{
			goal:   "hostile bodies of up to 1 MiB, each route that takes one: peak of memory that a request adds",
			target: ">= 30 families, <= 64 MiB", find: hostile + `peak \+([\d.]+) MiB`, holds: func(n []float64) bool {
				return n[0] >= 30 && n[2] <= 64
			},
		},
		{
			goal: "their dearest answer, processor time", target: "<= 1 s",
			find: hostile + `peak \S+ MiB, processor time (\d+) ms`, holds: func(n []float64) bool { return n[2] <= 1000 },
		},
		{
			goal: "their longest answer", target: "<= 1 MiB", find: hostile + `.*longest answer (\d+) KiB`,
			holds: func(n []float64) bool { return n[2] <= 1024 },
		},
	}},
	{command: goTest("TestX15_ViewersCauseNoCalls", "./internal/app"), figures: []figure{
		{
			goal: "calls to apps that a viewer can cause", target: "0", find: `(\d+) requests of a viewer caused (\d+) calls`,
			holds: func(n []float64) bool { return n[0] > 0 && n[1] == 0 },
		},
	}},
	{command: []string{"bin/lockstep", "sim", "--full"}, figures: []figure{
		{
			goal: "full simulation", target: ">= 10,000 seeds, 3,000 with the real connectors, 1,000,000 changes, 40,000,000 " +
				"steps, 0 violations", find: simLine,
			holds: func(n []float64) bool {
				return atLeast(10_000, 3000, 1_000_000, 40_000_000)(n) && lastIsZero(n)
			},
		},
		{goal: "full simulation, seconds on two cores", target: "<= 600", find: simTime, holds: atMost(600)},
		{
			goal: "false conflicts where an app has a history, and all other promises", target: "0",
			find: `([\d,]+) broken promises`, holds: lastIsZero,
		},
		{goal: "rare states", target: ">= 40 marks, each reached >= 10 times", look: marks},
	}},
	{
		command: []string{"go", "run", "./scripts/bench", "-only", "memory", "-binary", "bin/lockstep"}, beside: true,
		figures: []figure{
			bench("peak memory of the first sync of 200,000 records, MB", "<= 96"),
			bench("ratio of the two", "<= 1.3"),
		},
	},
	{command: []string{"go", "run", "./scripts/verifyfull", "-traces", "100"}, figures: []figure{
		{
			goal: "a seed repeats itself", target: "100 seeds twice, equal traces", find: `(\d+) seeds twice: (\d+) differ`,
			holds: func(n []float64) bool { return n[0] >= 100 && n[1] == 0 },
		},
	}},
	{command: goTest("TestS8_StopAnywhere", "./internal/engine"), figures: []figure{
		{
			goal: "crash points", target: ">= 50 scenarios x every request x 4 ways, all survived",
			find: `(\d+) scenarios, (\d+) of (\d+) crash points survived`, holds: func(n []float64) bool {
				return n[0] >= 50 && n[1] == n[2] && n[1] > 1000
			},
		},
	}},
	{command: goTest("TestGuards", "./internal/proof/guards"), env: []string{"SEEDS=100"}, figures: []figure{
		{
			goal: "guards removed one by one", target: ">= 20, all caught by the short run",
			find: `(\d+) of (\d+) guards caught`, holds: func(n []float64) bool { return n[0] >= 20 && n[0] == n[1] },
		},
		{goal: "seeds of its own workload that catch each", target: ">= 1 %", look: guardShare},
	}},
	{command: []string{"go", "run", "./scripts/coverage"}, figures: []figure{
		{
			goal:   "functions of engine, api, account and access of which less than 70 % is run",
			target: "none but at most 15, each with its reason",
			find:   `(\d+) functions, (\d+) of them below 70 % with a reason, (\d+) problems`, holds: func(n []float64) bool {
				return n[0] > 1000 && n[1] <= 15 && n[2] == 0
			},
		},
	}},
	{command: []string{"bash", "-c", "make standins && go run ./scripts/mutate -planted"}, figures: []figure{
		mutants("bugs planted by hand that somebody notices", 60),
	}},
	{command: []string{"make", "mutate", "MUTANTS=300"}, figures: []figure{
		mutants("small bugs planted by a program that somebody notices", 300),
	}},
	{command: goTest("TestS8_EverythingStops", "./internal/engine"), env: long, figures: []figure{
		{
			goal: "recovery", target: "10,000 in flight: 0 lost, 0 doubled, drained within 600 simulated seconds",
			find: `([\d,]+) in flight: (\d+) lost, (\d+) doubled, drained in (\d+) simulated seconds`,
			holds: func(n []float64) bool {
				return n[0] >= 10_000 && n[1] == 0 && n[2] == 0 && n[3] <= 600
			},
		},
	}},
	{command: goTest("TestS11_Equal", "./internal/connector/hubspot"), env: long, figures: []figure{scan("HubSpot")}},
	{command: goTest("TestS11_Equal", "./internal/connector/salesforce"), env: long, figures: []figure{
		scan("Salesforce"),
	}},
	{command: goTest("TestConformance/(Faults|LostReply)", "./internal/connector/hubspot",
		"./internal/connector/salesforce"), figures: []figure{
		{
			goal: "error branches of the connectors", target: "every call x time-out, 429, 5xx, 4xx, malformed, reply lost",
			look: troubles([]string{"hubspot", "salesforce"}, []string{
				"timeout", "429", "500", "403", "malformed", "503_landed",
			}),
		},
	}},
	{command: []string{
		"bash", "-c", "make standins && go test -run '^TestConformance$' -count=1 -v -timeout=20m " +
			"./internal/store/sqlitestore ./internal/store/dynamostore ./internal/queue/sqlitequeue ./internal/queue/sqsqueue",
	}, figures: []figure{
		{
			goal: "contract cases of storage", target: ">= 120, on the embedded stores and on stand-ins of others",
			look: contracts([][2]string{{"sqlitestore", "dynamostore"}, {"sqlitequeue", "sqsqueue"}}, 120),
		},
	}},
	{command: []string{"go", "run", "./scripts/bench"}, figures: []figure{
		bench("calls per 1,000 changed records, left to right", "<= 35"),
		bench("calls per 1,000 changed records, right to left", "<= 35"),
		bench("the same with the pull that meets our own writes, left to right", "<= 40"),
		bench("the same with the pull that meets our own writes, right to left", "<= 40"),
		bench("records written per true change, left to right", "= 1.00"),
		bench("records written per true change, right to left", "= 1.00"),
		bench("echoes after a further pull, left to right", "= 0"),
		bench("echoes after a further pull, right to left", "= 0"),
		bench("records written by an unchanged resync of 5,000 + 5,000", "= 0"),
		bench("store writes per changed record, left to right", "<= 1.5"),
		bench("store writes per changed record, right to left", "<= 1.5"),
		bench("store writes per created record", "<= 4.5"),
		bench("store writes of it beyond the run's own", "= 0"),
		bench("queue requests per changed record, left to right", "<= 0.035"),
		bench("queue requests per changed record, right to left", "<= 0.035"),
		bench("calls of a pull with nothing changed, 1000 people", "= 2"),
		bench("calls of a pull with nothing changed, 20000 people", "= 2"),
		bench("calls of the second look in it", "<= 200"),
		bench("calls of the audit in it, a sync of some 1,000 links", "<= 50"),
		bench("calls of the audit a day per 1,000 links, a sync of some 8,000", "<= 25.0"),
		bench("share of them found equal by a full round", "= 1.00"),
		bench("store writes of both beyond the pulls' own", "= 0"),
		bench("calls of the second look at 1,000 changed records", "<= 15"),
	}},
	{command: []string{"go", "run", "./scripts/bench", "-only", "freshness"}, figures: []figure{
		bench("edit to write by webhook, p95 of 200, s", "<= 10"),
		bench("edits during a bulk run of 10,000 + 10,000 new records", "= 200"),
		bench("edit to write by webhook during a bulk run, p95 of 200, s", "<= 45"),
		bench("edit to write by pull every 5 min, slowest of 200, s", "<= 420"),
		bench("edit to write by pull every 5 min, part of the smaller daily budget, %", "<= 70"),
		bench("edit to write by pull every 1 min, slowest of 200, s", "<= 180"),
		bench("edit to write by pull every 1 min, part of the smaller daily budget, %", "<= 70"),
	}},
	{command: goTest("^TestS3[1-8]_|^TestX1[1-8]_", "./internal/...", "./functions/..."), figures: []figure{
		promise("S31", "absent says nothing"),
		promise("S32", "what a person clears stays cleared"),
		promise("S33", "one refused value costs one field of one direction"),
		promise("S34", "progress at any latency, and no silence"),
		promise("S35", "the app's word counts"),
		promise("S36", "after a merge the right link follows"),
		promise("S37", "a mass change halts its mapping"),
		promise("S38", "identity is canonical and may have several values"),
		promise("X11", "an erased person leaves nothing"),
		promise("X17", "files are their owner's, and a root key is never made anew beside sealed items"),
		promise("X18", "what leaked can be ended at once"),
	}},
	{command: goTest("TestEverySetting", "./internal/app"), env: long, figures: []figure{
		{
			goal: "settings", target: "every key of the documents shown, refused or told to be inert, on both storages",
			find: `ok\s+\S+internal/app\s+([\d.]+)s`,
		},
	}},
	{command: goTest("S15", "./internal/mapping", "-rapid.checks=500000"), figures: []figure{
		{goal: "transforms", target: "1,000,000 values each, 0 law breaks", look: laws(1_000_000)},
	}},
	{command: goTest("TestX3_", "./internal/api"), figures: []figure{
		{
			goal: "access matrix", target: "100 % of routes x callers", find: `(\d+) of (\d+) routes x callers`,
			holds: func(n []float64) bool { return n[0] == n[1] && n[0] > 0 },
		},
	}},
	{
		command: []string{"go", "test", "-C", "infra", "-run", "TestP11_", "-count=1", "-v", "-timeout=20m", "./stack"},
		figures: []figure{
			{
				goal: "rights in the cloud", target: "0 wildcard actions, every granted action used by a test",
				find: `ok\s+\S+stack\s+([\d.]+)s`,
			},
		},
	},
	{command: goTest("Kill", "./functions/local"), figures: []figure{
		{
			goal: "kill -9 five times during a first sync of 5,000 + 5,000", target: "0 lost, 0 doubled",
			find: `ok\s+\S+local\s+([\d.]+)s`,
		},
	}},
	{
		command: []string{"bash", "-c", `make "$PWD/.tools/venv/.installed" && scripts/verify.d/10-conformance.sh`},
		env:     []string{"CONFORMANCE_EXAMPLES=30"},
		figures: []figure{
			{
				goal: "API conformance from the OpenAPI document", target: ">= 5,000 cases, 0 failures",
				find: `conformance on embedded: ([\d,]+) cases of Schemathesis`, holds: atLeast(5000),
			},
			{
				goal: "the same with the stand-ins for AWS as storage", target: ">= 2,000 cases, 0 failures",
				find: `conformance on dynamo: ([\d,]+) cases of Schemathesis`, holds: atLeast(2000),
			},
		},
	},
	{
		command: []string{"scripts/verify.d/56-carddav.sh"}, env: []string{"CARDDAV_CARDS=1000"},
		figures: []figure{{
			goal:   "1,000 cards a side on real CardDAV servers, and with HubSpot's fake",
			target: "nothing lost, nothing touched besides",
			find:   `PASS: TestCardDAVServers \(([\d.]+)s\)`,
		}},
	},
	{command: []string{"go", "run", "./scripts/fuzz", "-time", "30s"}, figures: []figure{
		{
			goal: "fuzzing", target: ">= 12 targets, 30 s each, 0 crashes", find: `(\d+) targets, (\d+) failed`,
			holds: func(n []float64) bool { return n[0] >= 12 && n[1] == 0 },
		},
	}},
	{command: []string{"make", "e2e"}, figures: []figure{
		endToEnd("the functions as deployed, 2,000 + 2,000 people, 20 kills, against the embedded stores"),
	}},
	{command: []string{"bash", "-c", "make standins && scripts/verify.d/20-elasticmq.sh"}, figures: []figure{
		endToEnd("the same with ElasticMQ as the queue, small"),
	}},
	{command: []string{"make", "e2e-stack"}, figures: []figure{endToEnd("the synthesised stack on ministack, small")}},
	{command: []string{"make", "vet"}, figures: []figure{
		{goal: "vet", target: "clean", find: `go vet`},
	}},
	{command: []string{"scripts/verify.d/60-govulncheck.sh"}, figures: []figure{
		{goal: "reachable vulnerabilities", target: "0", look: vulnerabilities},
	}},
	{command: []string{"make", "race", "WHOLE=1"}, figures: []figure{
		{goal: "race detector", target: "clean", find: `ok\s+\S+internal/engine\s+([\d.]+)s`},
	}},
}

// promise are the tests of one invariant, in whatever packages they are.
func promise(id, what string) figure {
	return figure{goal: id + ": " + what, target: "every test of it passes", look: invariant(id)}
}

// mutants is the last line of scripts/mutate.
func mutants(goal string, least float64) figure {
	return figure{
		goal: goal, target: fmt.Sprintf(">= 95 %% of %.0f or more, at most 5 %% called equivalent", least),
		find: `(\d+) mutants of \d+ places: (\d+) caught, (\d+) survived, (\d+) called equivalent`,
		holds: func(n []float64) bool {
			return n[0] >= least && n[1] >= 0.95*(n[0]-n[3]) && n[3] <= 0.05*n[0]
		},
	}
}

// hostile begins the line of what hostile bodies cost.
const hostile = `(\d+) families, (\d+) requests: `

// slowBodies is how /v1/health answers another source meanwhile, and what is
// held of 5,000 connections.
func slowBodies(from string, most float64) figure {
	return figure{
		goal:   "/v1/health under 5,000 slow bodies " + from + ", slowest of 20",
		target: fmt.Sprintf("< 100 ms, at most %.0f held", most),
		find:   "slow bodies " + from + `: (\d+) held, slowest of 20 answers ([\d.]+) ms`, holds: func(n []float64) bool {
			return n[0] <= most && n[1] < 100
		},
	}
}

// slowBodiesLeft is what is held of them later.
func slowBodiesLeft(from string) figure {
	return figure{
		goal: "sockets of them held after 60 s, " + from, target: "0",
		find: "slow bodies " + from + `, after (\d+) s: (\d+) held`, holds: func(n []float64) bool {
			return n[0] <= 60 && n[1] == 0
		},
	}
}

// scan is the figure of one app's listing.
func scan(app string) figure {
	return figure{
		goal: "pull of " + app, target: "100,000 records, 10,000 with one time: 0 missed",
		find: `(\d+) records, (\d+) with one time: (\d+) missed`, holds: func(n []float64) bool {
			return n[0] >= 100_000 && n[1] >= 10_000 && n[2] == 0
		},
	}
}

// endToEnd is the last line of a run of the deployed functions.
func endToEnd(goal string) figure {
	return figure{
		goal: goal, target: "0 lost, 0 doubled, dead items only where planted and drained: 0 targets missed",
		find: `(\d+) s in all, (\d+) targets missed`, holds: func(n []float64) bool { return n[1] == 0 },
	}
}
