package cloud_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

// answers answers each request with the next status; 0 = none.
type answers struct{ next []int }

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	status := a.next[0]
	if a.next = a.next[1:]; status == 0 {
		return nil, errors.New("lost")
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}, nil
}

// TestCallsAreCounted and logged without their address.
func TestCallsAreCounted(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	m := &cloud.Meter{Log: slog.New(slog.NewTextHandler(&said, nil))}
	client := m.Client(func(crm.App, string) *http.Client {
		return &http.Client{Transport: &answers{[]int{200, 429, 0, 500}}}
	})(crm.App{ID: "hubspot"}, "https://x")
	for range 4 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			"https://x.example.com/contacts/ada@example.com?q=ada", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	}
	if diff := cmp.Diff(cloud.Work{
		Calls: map[crm.AppID]int64{"hubspot": 4}, Throttled: 1, Outcomes: map[crm.Outcome]int64{},
	}, m.Take()); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(cloud.Work{}, m.Take()); diff != "" {
		t.Errorf("taken twice (-want +got):\n%s", diff)
	}
	if strings.Contains(said.String(), "ada") || strings.Count(said.String(), "app called") != 4 ||
		!strings.Contains(said.String(), "status=429") {
		t.Errorf("the log says %s", said.String())
	}
}

// TestOutcomesAreCounted as the run's status counts them: once each, whatever
// a transaction repeats.
func TestOutcomesAreCounted(t *testing.T) {
	t.Parallel()
	m := &cloud.Meter{Log: slog.New(slog.DiscardHandler)}
	bed, err := testbed.New(t.Context(), testbed.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := testbed.New(t.Context(), testbed.Options{People: 20, Store: m.Store(bed.Store)}, func(c *crm.Connection) {
		c.ID = "con_two"
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, "con_two"); err != nil {
		t.Fatal(err)
	}
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A change that comes alone is booked in another way.
	before := m.Take().Outcomes
	id := b.Hub.Core().Records("contacts")[0].ID
	if _, err := b.Hub.Core().UpdateRecord("contacts", id, map[string]string{"lastname": "Changed"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Engine.Webhook(t.Context(), testbed.Workspace, testbed.LeftAccount, []connector.Event{
		{Object: "contacts", ID: crm.RecordID(id), Kind: connector.EventChanged},
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := b.Engine.Status(t.Context(), testbed.Workspace, "con_two")
	if err != nil {
		t.Fatal(err)
	}
	got := m.Take().Outcomes
	if len(before) == 0 || len(got) == 0 {
		t.Fatalf("%v and then %v were counted", before, got)
	}
	for o, n := range before {
		got[o] += n
	}
	if diff := cmp.Diff(st[0].Outcomes["today"], got); diff != "" {
		t.Errorf("outcomes (-status +counted):\n%s", diff)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	now := time.UnixMilli(1795251600000)
	metrics := cloud.Work{}
	r := cloud.Report{Take: func() cloud.Work { return metrics }, To: &b, Stage: "dev"}
	if err := r.Tell(now); err != nil || b.Len() > 0 {
		t.Errorf("%v; %q: a metric is paid for by the hour in which it is written", err, b.String())
	}
	metrics = cloud.Work{
		Calls: map[crm.AppID]int64{"a": 2, "b": 3}, Throttled: 1, Outcomes: map[crm.Outcome]int64{
			crm.Created: 1, crm.Updated: 2, crm.Failed: 4, crm.Skipped: 8,
		},
	}
	if err := r.Tell(now, telemetry.Metric{Name: telemetry.MetricLag, Unit: telemetry.Seconds, Value: 7}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"AppCalls":5`, `"AppCallsThrottled":1`, `"Records":15`, `"RecordsWritten":3`, `"RecordsFailed":4`,
		`"RecordsInConflict":0`, `"ChangeLag":7`, `"skipped":8`, `"Stage":"dev"`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the line lacks %s: %s", want, b.String())
		}
	}
	if err := (cloud.Report{}).Tell(now); err != nil {
		t.Error(err)
	}
}
