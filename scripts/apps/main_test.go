package main

import (
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/apps"
)

// TestFailuresStandInTheTable: a test that fails shows at its ability, one of the claims
// themselves at all, and an app that no test ran with is not passed over.
func TestFailuresStandInTheTable(t *testing.T) {
	const hubspot = `{"Action":"%","Package":"x/internal/connector/hubspot","Test":"TestConformance/`
	results, err := read(strings.NewReader(strings.Join([]string{
		`# not JSON`, `{"Action":"pass","Package":"x/internal/connector/hubspot","Test":"TestConformance"}`,
		strings.Replace(hubspot, "%", "pass", 1) + `Read"}`, strings.Replace(hubspot, "%", "output", 1) + `Read"}`,
		strings.Replace(hubspot, "%", "skip", 1) + `Push"}`, strings.Replace(hubspot, "%", "fail", 1) + `Webhooks"}`,
		`{"Action":"fail","Package":"x/internal/connector/declared","Test":"TestVendors/sierra/Abilities"}`,
		`{"Action":"pass","Package":"x/internal/connector/declared","Test":"TestVendors/sierra/Read/deeper"}`,
	}, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if table(&out, results) {
		t.Error("it says that all is well")
	}
	rows := map[string]string{}
	for line := range strings.Lines(out.String()) {
		name, rest, _ := strings.Cut(line, " ")
		rows[name] = rest
	}
	for app, want := range map[string][2]string{
		"hubspot": {"1 passed, 1 failed, 1 skipped Webhooks", "FAILS"}, "sierra": {"0 passed, 1 failed, 0 skipped", "FAILS"},
		"salesforce": {"no test of it ran", "yes"},
	} {
		if row := rows[app]; !strings.Contains(row, want[0]) || !strings.Contains(row, want[1]) {
			t.Errorf("%s: %s", app, row)
		}
	}
	if n := strings.Count(rows["hubspot"], "FAILS"); n != 1 {
		t.Errorf("%d abilities of HubSpot fail for one test", n)
	}
	if strings.Contains(rows["sierra"], "yes") {
		t.Errorf("claims that do not hold are shown: %s", rows["sierra"])
	}
}

// TestJudgesAreAbilities: nobody's test stands for an ability that no app claims.
func TestJudgesAreAbilities(t *testing.T) {
	for a := range judges {
		claimed := false
		for _, d := range apps.Drivers() {
			claimed = claimed || d.App.Can(a)
		}
		if !claimed {
			t.Errorf("no app claims %s", a)
		}
	}
}
