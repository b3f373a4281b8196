package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestRow97_KeysThatAreNotUniqueAreWarnedOf: whoever matches by a field that
// several records can share is told so, in validate and in suggestions; the
// document is saved all the same.
func TestRow97_KeysThatAreNotUniqueAreWarnedOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("Good")
	const step = `"match":[{"by":"any_key","pairs":[["email","Email"]]}]`
	for name, c := range map[string]struct {
		match string
		want  []string // pointer, side and field
	}{
		"unique on one side": {step, []string{"/syncs/0/match/0/pairs/0 right Email"}},
		"on neither": {
			`"match":[{"by":"any_key","pairs":[["phone","Phone"],["email","Email"]]}]`, []string{
				"/syncs/0/match/0/pairs/0 left phone", "/syncs/0/match/0/pairs/0 right Phone",
				"/syncs/0/match/0/pairs/1 right Email",
			},
		},
		"all keys, one unique": {
			`"match":[{"by":"all_keys","pairs":[["email","Email"],["lastname","LastName"]]}]`, []string{
				"/syncs/0/match/0/pairs right Email",
			},
		},
		"an ID": {
			`"match":[{"by":"id","left":"firstname","right":"$id"}]`, []string{"/syncs/0/match/0/left left firstname"},
		},
		"two lists": {
			`"match":{"to_right":[{"by":"any_key","pairs":[["email","Email"]]}],"to_left":[{"by":"any_key","pairs":[["lastname","LastName"]]}]}`, []string{"/syncs/0/match/to_right/0/pairs/0 right Email", "/syncs/0/match/to_left/0/pairs/0 left lastname", "/syncs/0/match/to_left/0/pairs/0 right LastName"},
		},
		"what is not there":     {`"match":[{"by":"any_key","pairs":[["colour","Hue"]]}]`, nil},
		"the one that is saved": {"", []string{"/syncs/0/match/0/pairs/0 right Email"}},
	} {
		t.Run(name, func(t *testing.T) {
			body := ""
			if c.match != "" {
				body = edit(t, w.document("Good"), step, c.match)
			}
			report := w.must(200, "POST", "/v1/connections/"+id+"/validate", body).json(t)
			checkWarnings(t, report["warnings"], c.want)
			if valid := report["valid"]; valid != (name != "what is not there") {
				t.Errorf("valid is %v: %v", valid, report["problems"])
			}
		})
	}
	got := w.must(200, "GET", "/v1/connections/"+id+"/suggestions", "").json(t)["items"].([]any)[0].(map[string]any)
	checkWarnings(t, got["warnings"], []string{"/match/0/pairs/0 right Email"})
}

// checkWarnings compares warnings with lines of pointer, side and field.
func checkWarnings(t *testing.T, got any, want []string) {
	t.Helper()
	list, ok := got.([]any)
	list = slices.DeleteFunc(list, func(item any) bool {
		m, _ := item.(map[string]any)
		return m["code"] != CodeKeyNotUnique
	})
	if !ok || len(list) != len(want) {
		t.Fatalf("warnings %v, want %v", got, want)
	}
	for _, line := range want {
		parts := strings.Fields(line)
		if !slices.ContainsFunc(list, func(item any) bool {
			m, _ := item.(map[string]any)
			detail := fmt.Sprint(m["detail"])
			return m["code"] == CodeKeyNotUnique && m["pointer"] == parts[0] &&
				strings.Contains(detail, "the "+parts[1]+" app") && strings.Contains(detail, fmt.Sprintf("%q", parts[2]))
		}) {
			t.Errorf("no warning %s in %v", line, list)
		}
	}
}

// TestRow97_LimitsAreInSeconds: times in what an app allows are said in seconds.
func TestRow97_LimitsAreInSeconds(t *testing.T) {
	t.Parallel()
	got := shown(crm.App{Limits: crm.Limits{
		ReadBatch: 1, FindBatch: 2, WriteBatch: 3, PageSize: 4, BurstCalls: 5, BurstWindow: 10 * time.Second,
		SearchCalls: 6, SearchWindow: 1500 * time.Millisecond, DailyCalls: 7, IndexLag: time.Minute,
	}}).Limits
	if want := (AppLimits{1, 2, 3, 4, 5, 10, 6, 1.5, 7, 60}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	w := newWorld(t)
	limits, _ := w.must(200, "GET", "/v1/apps/hubspot", "").json(t)["limits"].(map[string]any)
	for _, name := range []string{"burst_window_seconds", "search_window_seconds", "index_lag_seconds"} {
		if _, ok := limits[name].(float64); !ok {
			t.Errorf("no %s in %v", name, limits)
		}
	}
	for name := range limits {
		if name == "burst_window" || name == "search_window" || name == "index_lag" {
			t.Errorf("%s is still there, without its unit", name)
		}
	}
}
