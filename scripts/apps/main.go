// Command apps prints what each app can, whether the suite of all connectors passes
// with it, and how many lines it takes:
//
//	go run ./scripts/apps
//
// An ability that is claimed is tested by the suite; one that is not has to answer
// Unsupported, which the suite tests, too. Prints "yes" for a claim that passed, "-"
// for one that is not made, and FAILS for either that did not hold. The exit code is 0
// when every test of the suite passed with every app.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// connectors are where the suite runs: a package for an app of its own, one for all documents.
const connectors = "./internal/connector/..."

// suites are the tests that run it; documents are named by the subtest.
const suites = "^(TestConformance|TestVendors)$"

// result is what the suite said with one app.
type result struct {
	passed, failed, skipped int
	failures                []string // names of the suite's tests
}

func main() {
	ok, err := run(context.Background(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "apps:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (bool, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-vet=off", "-run", suites, connectors)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	results, err := read(pipe)
	// The tests' own exit code says no more than their results.
	if waited := cmd.Wait(); err == nil && waited != nil && len(results) == 0 {
		err = waited
	}
	if err != nil {
		return false, err
	}
	ok := table(out, results)
	if _, err := fmt.Fprintln(out); err != nil {
		return false, err
	}
	lines := exec.CommandContext(ctx, "scripts/lines.sh")
	lines.Stdout, lines.Stderr = out, os.Stderr
	return ok, lines.Run()
}

// read adds up the events of "go test -json" by app.
func read(r io.Reader) (map[crm.AppID]*result, error) {
	out := map[crm.AppID]*result{}
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		var e struct{ Action, Package, Test string }
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			continue // a line of a build
		}
		id, test := of(e.Package, e.Test)
		if test == "" {
			continue
		}
		if out[id] == nil {
			out[id] = &result{}
		}
		switch e.Action {
		case "pass":
			out[id].passed++
		case "skip":
			out[id].skipped++
		case "fail":
			out[id].failed++
			out[id].failures = append(out[id].failures, test)
		}
	}
	return out, in.Err()
}

// of names the app and the suite's test; both are empty for anything else.
func of(pkg, test string) (id crm.AppID, name string) {
	parts := strings.Split(test, "/")
	switch {
	case len(parts) == 2 && parts[0] == "TestConformance":
		return crm.AppID(pkg[strings.LastIndex(pkg, "/")+1:]), parts[1]
	case len(parts) == 3 && parts[0] == "TestVendors":
		return crm.AppID(parts[1]), parts[2]
	}
	return "", ""
}

// judges are the suite's tests of an ability. Of those that stand not here the test is
// Abilities, which holds every claim against what the connector has.
var judges = map[crm.Ability]string{
	crm.AbilityWebhooks: "Webhooks", crm.AbilityCreateField: "CreateField", crm.AbilityDeleteField: "DeleteField",
	crm.AbilityDeletedFeed: "Deletions", crm.AbilityArchiveSweep: "Deletions", crm.AbilityHistory: "History",
	crm.AbilityUpsert: "Upsert", crm.AbilityOwners: "Owners", crm.AbilityArchive: "Archive",
	crm.AbilityMerges: "ChangesMerge", crm.AbilityPush: "Push", crm.AbilityAnswerValues: "Update",
	crm.AbilityConditional: "Update",
}

// table prints the apps and reports whether all is well.
func table(out io.Writer, results map[crm.AppID]*result) bool {
	drivers, ok := apps.Drivers(), true
	abilities := map[crm.Ability]bool{}
	for _, d := range drivers {
		for _, a := range d.App.Abilities {
			abilities[a] = true
		}
	}
	columns := slices.Sorted(maps.Keys(abilities))
	ids := slices.Sorted(maps.Keys(drivers))
	for i, a := range columns {
		_, _ = fmt.Fprintf(out, "%2d %s\n", i+1, a)
	}
	_, _ = fmt.Fprintf(out, "\n%-15s", "")
	for i := range columns {
		_, _ = fmt.Fprintf(out, "%6d", i+1)
	}
	_, _ = fmt.Fprintln(out, "   suite")
	for _, id := range ids {
		r := results[id]
		if r == nil {
			r = &result{failures: []string{"no test of it ran"}, failed: 1}
		}
		_, _ = fmt.Fprintf(out, "%-15s", id)
		for _, a := range columns {
			word := "-"
			if drivers[id].App.Can(a) {
				word = "yes"
			}
			if slices.Contains(r.failures, judges[a]) || slices.Contains(r.failures, "Abilities") {
				word = "FAILS"
			}
			_, _ = fmt.Fprintf(out, "%6s", word)
		}
		_, _ = fmt.Fprintf(out, "   %d passed, %d failed, %d skipped %s\n", r.passed, r.failed, r.skipped,
			strings.Join(r.failures, " "))
		ok = ok && r.failed == 0
	}
	return ok
}
