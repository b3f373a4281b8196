package fakekit

import (
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	for path, want := range map[string]int{
		"GET /nothing": 404, "PUT /notes": 405, "DELETE /notes/1": 405, "GET /_fake/nothing": 404, "PUT /_fake/seed": 405,
	} {
		m, p, _ := strings.Cut(path, " ")
		if got, _, _ := call(t, d, m, p, ""); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c := testclock.New()
	d := newDiary(Config{Now: c.Now})
	d.SetLimits(Limits{Calls: 2, Window: 10 * time.Second, SearchCalls: 1, SearchWindow: time.Second, Daily: 5})
	steps := []struct {
		path string
		wait time.Duration
		want string
	}{
		{path: "/notes/1", want: ""},
		{path: "/notes/1", want: ""},
		{path: "/notes/1", want: "burst"},
		{path: "/find?q=x", want: "0"},
		{path: "/find?q=x", want: "search"},
		{path: "/find?q=x", wait: time.Second, want: "0"},
		{path: "/notes/1", wait: 9 * time.Second, want: ""},
		{path: "/notes/1", want: "daily"},
		{path: "/notes/1", wait: 24 * time.Hour, want: ""},
	}
	for i, s := range steps {
		c.Advance(s.wait)
		if _, got, _ := call(t, d, "GET", s.path, ""); got != s.want {
			t.Errorf("step %d: %q, want %q", i, got, s.want)
		}
	}
	if got := d.Requests(); got.Total != 9 || got.Throttled != 3 || got.ByEndpoint["GET /find"] != 3 {
		t.Errorf("requests: %+v", got)
	}
}

func TestIndexLag(t *testing.T) {
	t.Parallel()
	c := testclock.New()
	d := newDiary(Config{Now: c.Now, Lag: 5 * time.Second})
	if _, err := d.CreateRecord("notes", map[string]string{"word": "Tree"}); err != nil {
		t.Fatal(err)
	}
	find := func() string { _, got, _ := call(t, d, "GET", "/find?q=tree", ""); return got }
	if got := find(); got != "0" {
		t.Errorf("found %s at once, want 0", got)
	}
	c.Advance(5 * time.Second)
	if got := find(); got != "1" {
		t.Errorf("found %s after the lag, want 1", got)
	}
	if err := d.DeleteRecord("notes", "1"); err != nil {
		t.Fatal(err)
	}
	if got := find(); got != "1" {
		t.Errorf("found %s right after the deletion, want 1 still", got)
	}
	c.Advance(5 * time.Second)
	if got := find(); got != "0" {
		t.Errorf("found %s at last, want 0", got)
	}
}
