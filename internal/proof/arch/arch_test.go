package arch

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestHouse holds the module against the picture.
func TestHouse(t *testing.T) {
	t.Parallel()
	found, err := Check(os.DirFS("../../.."), House)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
}

// TestHouseSeesTheModule makes sure that TestHouse looks at something: a wrong
// root would find no violation either.
func TestHouseSeesTheModule(t *testing.T) {
	t.Parallel()
	found, err := Check(os.DirFS("../../.."), Table{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"internal/proof/arch", "internal/crm", "internal/fault"} {
		if !slices.ContainsFunc(found, func(v Violation) bool { return v.Pos == pkg }) {
			t.Errorf("the checker did not come across %s", pkg)
		}
	}
}

func TestRulesGiveReasons(t *testing.T) {
	t.Parallel()
	for _, r := range House.Rules {
		if r.Kind == "" || r.Reason == "" || len(r.Packages) == 0 {
			t.Errorf("rule %+v: a rule needs a kind, packages and a reason", r)
		}
	}
	for _, a := range House.Allow {
		if a.Reason == "" {
			t.Errorf("allowance %+v has no reason", a)
		}
	}
}

// TestPlantedViolations plants one violation at a time and asks for exactly
// the message it must cause; a plant with want "" must pass.
func TestPlantedViolations(t *testing.T) {
	t.Parallel()
	imports := func(pkg, path string) string { return "package " + pkg + "\n\nimport _ \"" + path + "\"\n" }
	own := func(pkg, path string) string { return imports(pkg, Module+"/"+path) }
	tests := map[string]struct {
		file, src string
		want      string // a part of the only violation
	}{
		"vocabulary imports a port": {
			"internal/crm/x.go", own("crm", "internal/store"), "vocabulary may not import internal/store",
		},
		"vocabulary imports vocabulary": {
			"internal/crm/x.go", own("crm", "internal/fault"), "vocabulary may not import internal/fault",
		},
		"vocabulary imports another module": {
			"internal/fault/x.go", imports("fault", "golang.org/x/text/unicode/norm"),
			"another module",
		},
		"vocabulary with the standard library": {"internal/crm/x.go", imports("crm", "encoding/json"), ""},
		"mapping imports rule": {
			"internal/mapping/x.go", own("mapping", "internal/rule"), "mapping may not import internal/rule",
		},
		"rule imports reconcile": {
			"internal/rule/x.go", own("rule", "internal/reconcile"), "rule may not import internal/reconcile",
		},
		"reconcile imports rule": {"internal/reconcile/x.go", own("reconcile", "internal/rule"), ""},
		"mapping uses the phone library": {
			"internal/mapping/x.go", imports("mapping", "github.com/nyaruka/phonenumbers"), "another module",
		},
		"reconcile opens files": {
			"internal/reconcile/x.go", imports("reconcile", "os"), "reconcile may not import os",
		},
		"reconcile below opens sockets": {
			"internal/reconcile/deep/x.go", imports("deep", "net/http"), "may not import net/http",
		},
		"mapping reads net/url": {"internal/mapping/x.go", imports("mapping", "net/url"), ""},
		"rule rolls dice": {
			"internal/rule/x.go", imports("rule", "math/rand/v2"), "may not import math/rand/v2",
		},
		"reconcile reads the clock": {
			"internal/reconcile/x.go", "package reconcile\n\nimport \"time\"\n\nvar t = time.Now()\n", "may not use time.Now",
		},
		"reconcile keeps the clock as value": {
			"internal/reconcile/x.go", "package reconcile\n\nimport \"time\"\n\nvar now = time.Now\n", "may not use time.Now",
		},
		"reconcile renames the clock": {
			"internal/reconcile/x.go", "package reconcile\n\nimport clock \"time\"\n\nvar t = clock.Since\n",
			"may not use time.Since",
		},
		"reconcile hides the clock": {
			"internal/reconcile/x.go", "package reconcile\n\nimport . \"time\"\n\nvar d Duration\n", "dot import",
		},
		"reconcile counts durations": {
			"internal/reconcile/x.go", "package reconcile\n\nimport \"time\"\n\nconst d = time.Second\n", "",
		},
		"rule starts a goroutine": {
			"internal/rule/x.go", "package rule\n\nfunc f() { go f() }\n", "may not start a goroutine",
		},
		"port imports a port": {
			"internal/store/x.go", own("store", "internal/queue"), "port may not import internal/queue",
		},
		"port imports its adapter": {
			"internal/store/x.go", own("store", "internal/store/sqlitestore"), "port may not import internal/store/sqlitestore",
		},
		"port opens connections": {
			"internal/connector/x.go", "package connector\n\nimport \"net/http\"\n\nvar c = http.DefaultClient\n",
			"may not use net/http.DefaultClient",
		},
		"port to apps carries secrets": {"internal/connector/x.go", own("connector", "internal/secret"), ""},
		"kit imports a connector": {
			"internal/connector/scan/x.go", own("scan", "internal/connector/hubspot"),
			"connector kit may not import",
		},
		"connector imports a kit": {
			"internal/connector/hubspot/x.go", own("hubspot", "internal/connector/scan"), "",
		},
		"port names a header": {
			"internal/connector/x.go", "package connector\n\nimport \"net/http\"\n\nvar h http.Header\n", "",
		},
		"suite imports an implementation": {
			"internal/store/storetest/x.go", own("storetest", "internal/store/memstore"), "conformance suite may not import",
		},
		"reference reads the clock": {
			"internal/queue/memqueue/x.go", "package memqueue\n\nimport \"time\"\n\nvar t = time.Now()\n",
			"may not use time.Now",
		},
		"adapter imports another port": {
			"internal/store/sqlitestore/x.go", own("sqlitestore", "internal/queue"), "storage may not import internal/queue",
		},
		"adapter imports the database": {
			"internal/queue/sqlitequeue/x.go", own("sqlitequeue", "internal/sqlitedb"),
			"",
		},
		"database imports an adapter": {
			"internal/sqlitedb/x.go", own("sqlitedb", "internal/store/sqlitestore"), "embedded database may not import",
		},
		"reference imports another port": {
			"internal/queue/memqueue/x.go", own("memqueue", "internal/store"),
			"reference implementation may not import internal/store",
		},
		"adapter imports its port": {
			"internal/store/sqlitestore/x.go", own("sqlitestore", "internal/store"), "",
		},
		"adapter imports another adapter": {
			"internal/store/sqlitestore/x.go", own("sqlitestore", "internal/queue/sqlitequeue"),
			"storage may not import internal/queue/sqlitequeue",
		},
		"adapter imports the engine": {
			"internal/queue/sqlitequeue/x.go", own("sqlitequeue", "internal/engine"),
			"storage may not import internal/engine",
		},
		"AWS adapter imports its port": {
			"internal/store/dynamostore/x.go", own("dynamostore", "internal/store"), "",
		},
		"AWS adapter imports another port": {
			"internal/queue/sqsqueue/x.go", own("sqsqueue", "internal/store"), "AWS adapter may not import internal/store",
		},
		"AWS adapter imports its sibling": {
			"internal/store/dynamostore/x.go", own("dynamostore", "internal/store/sqlitestore"), "AWS adapter may not import",
		},
		"AWS adapter reads the environment": {
			"internal/secret/kmskey/x.go", imports("kmskey", "os"), "AWS adapter may not import os",
		},
		"AWS adapter uses the SDK": {
			"internal/secret/kmskey/x.go", imports("kmskey", "github.com/aws/aws-sdk-go-v2/service/kms"), "",
		},
		"embedded adapter uses AWS": {
			"internal/store/sqlitestore/x.go", imports("sqlitestore", "github.com/aws/aws-sdk-go-v2/aws"), "another module",
		},
		"function starts a stand-in": {
			"functions/sync/x.go", own("main", "internal/proof/awslocal"), "forbidden by name",
		},
		"connector imports another connector": {
			"internal/connector/hubspot/x.go", own("hubspot", "internal/connector/salesforce"),
			"connector hubspot may not import",
		},
		"connector imports its own fake": {
			"internal/connector/hubspot/x.go", own("hubspot", "internal/connector/hubspot/hubspotfake"), "forbidden by name",
		},
		"connector imports the store": {
			"internal/connector/salesforce/x.go", own("salesforce", "internal/store"),
			"connector salesforce may not import internal/store",
		},
		"connector imports its own part": {
			"internal/connector/salesforce/x.go", own("salesforce", "internal/connector/salesforce/soql"), "",
		},
		"connector part imports its whole": {
			"internal/connector/salesforce/soql/x.go", own("soql", "internal/connector/salesforce"), "",
		},
		"connector uses OAuth": {
			"internal/connector/hubspot/x.go", imports("hubspot", "golang.org/x/oauth2/clientcredentials"), "",
		},
		"connector uses a vendor SDK": {
			"internal/connector/hubspot/x.go", imports("hubspot", "github.com/vendor/sdk"), "another module",
		},
		"connector named like an allowed host": {
			"internal/connector/hubspot/x.go", imports("hubspot", "golang.org/x/oauth2evil"), "another module",
		},
		"connector makes its own client": {
			"internal/connector/hubspot/x.go", "package hubspot\n\nimport \"net/http\"\n\nvar c = http.DefaultClient\n",
			"may not use net/http.DefaultClient",
		},
		"connector reads the clock": {
			"internal/connector/hubspot/x.go", "package hubspot\n\nimport \"time\"\n\nvar c = time.Now()\n",
			"may not use time.Now",
		},
		"fake imports its connector": {
			"internal/connector/hubspot/hubspotfake/x.go", own("hubspotfake", "internal/connector/hubspot"),
			"fake may not import",
		},
		"fake imports another fake": {
			"internal/connector/hubspot/hubspotfake/x.go", own("hubspotfake", "internal/connector/salesforce/salesforcefake"),
			"fake may not import",
		},
		"fake imports the kit": {
			"internal/connector/hubspot/hubspotfake/x.go", own("hubspotfake", "internal/connector/fakekit"), "",
		},
		"decorator imports a connector": {
			"internal/connector/paced/x.go", own("paced", "internal/connector/hubspot"),
			"decorator may not import",
		},
		"engine imports an adapter": {
			"internal/engine/x.go", own("engine", "internal/store/sqlitestore"),
			"use case may not import internal/store/sqlitestore",
		},
		"engine imports AWS": {
			"internal/engine/x.go", imports("engine", "github.com/aws/aws-sdk-go-v2/service/sqs"), "another module",
		},
		"engine imports the api": {
			"internal/engine/x.go", own("engine", "internal/api"), "use case may not import internal/api",
		},
		"engine imports a reference": {
			"internal/engine/x.go", own("engine", "internal/store/memstore"), "use case may not import",
		},
		"engine imports a port": {"internal/engine/x.go", own("engine", "internal/queue"), ""},
		"engine starts a goroutine": {
			"internal/engine/x.go", "package engine\n\nfunc f() { go f() }\n", "may not start a goroutine",
		},
		"engine starts one by a group": {
			"internal/engine/x.go", "package engine\n\nimport \"sync\"\n\nfunc f() { var g sync.WaitGroup; g.Go(f) }\n",
			"through a method Go",
		},
		"engine waits": {
			"internal/engine/x.go", own("engine", "internal/pause"), "use case may not import internal/pause",
		},
		"engine sleeps": {
			"internal/engine/x.go", "package engine\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n",
			"may not use time.Sleep",
		},
		"engine draws chance": {
			"internal/engine/x.go", imports("engine", "crypto/rand"), "may not import crypto/rand",
		},
		"engine logs to the process": {
			"internal/engine/x.go", "package engine\n\nimport \"log/slog\"\n\nfunc f() { slog.Info(\"x\") }\n",
			"may not use log/slog.Info",
		},
		"accounts know an adapter": {
			"internal/account/x.go", own("account", "internal/secret/localkey"), "administration may not import",
		},
		"access draws a key": {"internal/access/x.go", imports("access", "crypto/rand"), ""},
		"the engine knows accounts": {
			"internal/engine/x.go", own("engine", "internal/account"), "use case may not import internal/account",
		},
		"the guard knows a connector": {
			"internal/egress/x.go", own("egress", "internal/connector/hubspot"), "guarded client may not import",
		},
		"report imports the app": {
			"internal/report/x.go", own("report", "internal/app"), "use case may not import internal/app",
		},
		"api imports an adapter": {
			"internal/api/x.go", own("api", "internal/store/sqlitestore"), "api may not import",
		},
		"app wires an adapter": {"internal/app/x.go", own("app", "internal/store/sqlitestore"), ""},
		"app wires a fake": {
			"internal/app/x.go", own("app", "internal/connector/hubspot/hubspotfake"),
			"forbidden by name",
		},
		"app wires a reference": {
			"internal/app/x.go", own("app", "internal/store/memstore"), "forbidden by name",
		},
		"function imports a fake": {
			"functions/sync/x.go", own("main", "internal/connector/hubspot/hubspotfake"), "forbidden by name",
		},
		"function imports its sibling": {
			"functions/sync/x.go", own("main", "functions/pull"), "function may not import functions/pull",
		},
		"local starts a fake": {
			"functions/local/x.go", own("main", "internal/connector/hubspot/hubspotfake"), "",
		},
		"local imports a suite": {
			"functions/local/x.go", own("main", "internal/store/storetest"), "forbidden by name",
		},
		"simulation uses a fake": {
			"internal/proof/sim/x.go", own("sim", "internal/connector/hubspot/hubspotfake"), "",
		},
		"engine imports the simulation": {
			"internal/engine/x.go", own("engine", "internal/proof/sim"), "use case may not import internal/proof/sim",
		},
		"a test may import what it likes": {"internal/engine/x_test.go", own("engine", "internal/store/memstore"), ""},
		"a test sleeps": {
			"internal/engine/x_test.go", "package engine\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n",
			"nobody may use time.Sleep",
		},
		"a test sleeps in virtual time": {
			"internal/engine/x_test.go", "package engine\n\nimport (\n\t_ \"testing/synctest\"\n\t\"time\"\n)\n\nfunc f() { " +
				"time.Sleep(1) }\n", "",
		},
		"a package that no rule names": {"internal/helpers/x.go", "package helpers\n", "no rule names this package"},
		"a connector that no rule names": {
			"internal/connector/acme/x.go", "package acme\n", "no rule names this package",
		},
		"a file that a build tag leaves out": {
			"internal/crm/x.go", "//go:build never\n\n" + own("crm", "internal/store"),
			"vocabulary may not import internal/store",
		},
		"testdata is not looked at": {"internal/crm/testdata/x.go", own("x", "internal/store"), ""},
		"a name that only begins like the test": {
			"internal/engine/x_testing.go", own("engine", "internal/store/memstore"),
			"use case may not import",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := Check(fstest.MapFS{tc.file: {Data: []byte(tc.src)}}, Table{
				Rules: House.Rules, Everywhere: House.Everywhere,
			})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tc.want == "" && len(found) > 0:
				t.Errorf("refused, but should pass: %v", found)
			case tc.want != "" && (len(found) != 1 || !strings.Contains(found[0].String(), tc.want)):
				t.Errorf("want one violation with %q, got %v", tc.want, found)
			}
		})
	}
}

func TestNestedModulesAreLeftOut(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{
		"scripts/tools/go.mod":   {Data: []byte("module x\n")},
		"scripts/tools/x/any.go": {Data: []byte("this is not Go")},
	}
	if found, err := Check(fsys, House); err != nil || len(found) != len(House.Allow) {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestUnreadableSourceIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := Check(fstest.MapFS{"internal/crm/x.go": {Data: []byte("this is not Go")}}, House); err == nil {
		t.Error("a file that does not parse must not pass")
	}
}

func TestAllowances(t *testing.T) {
	t.Parallel()
	const file = "internal/engine/x.go"
	fsys := fstest.MapFS{file: {Data: []byte("package engine\n\nfunc f() { go f() }\n")}}
	tests := map[string]struct {
		allow []Allowance
		want  int
	}{
		"none":          {nil, 1},
		"the right one": {[]Allowance{{File: file, What: "go", Reason: "r"}}, 0},
		"another file":  {[]Allowance{{File: "internal/engine/y.go", What: "go", Reason: "r"}}, 2},
		"another deed":  {[]Allowance{{File: file, What: "time.Sleep", Reason: "r"}}, 2},
		"one more unused": {
			[]Allowance{{File: file, What: "go", Reason: "r"}, {File: file, What: "time.Sleep", Reason: "r"}},
			1,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := Check(fsys, Table{Rules: House.Rules, Allow: tc.allow})
			if err != nil || len(found) != tc.want {
				t.Errorf("want %d violations, got %v, %v", tc.want, found, err)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, pkg string
		want         bool
	}{
		{"internal/crm", "internal/crm", true},
		{"internal/crm", "internal/crm/x", false},
		{"internal/crm/**", "internal/crm", true},
		{"internal/crm/**", "internal/crm/x/y", true},
		{"internal/crm/**", "internal/crmx", false},
		{"internal/*/*fake", "internal/connector/hubspotfake", true},
		{"internal/connector/*/*fake/**", "internal/connector/hubspot/hubspotfake", true},
		{"internal/connector/*/*fake/**", "internal/connector/hubspot/hubspotfake/wire", true},
		{"internal/connector/*/*fake/**", "internal/connector/fakekit", false},
		{"internal", "internal/crm", false},
	}
	for _, tc := range tests {
		if got := match(tc.pattern, tc.pkg); got != tc.want {
			t.Errorf("match(%q, %q) = %v", tc.pattern, tc.pkg, got)
		}
	}
}
