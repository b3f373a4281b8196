package telemetry_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

// TestMeasuredIsWrittenDown: the page of what is measured has a row for each metric, with
// its labels and its names in CloudWatch, and no row of what is none.
func TestMeasuredIsWrittenDown(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	coded := func(texts []string) string {
		for i := range texts {
			texts[i] = "`" + texts[i] + "`"
		}
		return strings.Join(texts, ", ")
	}
	var want []string
	for _, d := range telemetry.AllMeasured {
		want = append(want, "| `"+d.Name+"` | "+coded(slices.Clone(d.Labels))+" | "+coded(slices.Clone(d.Cloud))+" |")
	}
	got := regexp.MustCompile("(?m)^\\| `lockstep_[^|]*\\|[^|]*\\|[^|]*\\|").FindAllString(string(page), -1)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("docs/operations.md has the rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, name := range regexp.MustCompile(`lockstep_[a-z_]+`).FindAllString(string(page), -1) {
		if !slices.ContainsFunc(telemetry.AllMeasured, func(d telemetry.Measured) bool { return d.Name == name }) {
			t.Errorf("docs/operations.md names %s, which is no metric", name)
		}
	}
}

// TestOneThingIsMeasuredOnce: a metric in CloudWatch tells the same as one in
// Prometheus, each of one thing.
func TestOneThingIsMeasuredOnce(t *testing.T) {
	t.Parallel()
	of := map[string]string{}
	names := map[string]bool{}
	for _, d := range telemetry.AllMeasured {
		if names[d.Name] || d.Help == "" {
			t.Errorf("%s comes twice, or says nothing", d.Name)
		}
		names[d.Name] = true
		for _, name := range d.Cloud {
			if of[name] != "" {
				t.Errorf("%s is %s and %s", name, of[name], d.Name)
			}
			of[name] = d.Name
		}
	}
	source, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^\tMetric\w+ += "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	for _, m := range all {
		if of[m[1]] == "" {
			t.Errorf("%s is told to CloudWatch, and nothing like it to Prometheus", m[1])
		}
	}
	if len(all) != len(of) || len(all) == 0 {
		t.Errorf("%d metrics are told to CloudWatch, %d to Prometheus, too", len(all), len(of))
	}
}
