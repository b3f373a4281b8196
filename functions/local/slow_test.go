package main

import (
	"context"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// slowLatency is how long a call to a slow app takes here; LATENCY=6s chooses another.
func slowLatency(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("LATENCY")
	if text == "" {
		return 2 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("LATENCY=%s is no duration", text)
	}
	return d
}

// TestS34_ServedSlowApps: a first sync of fifty people by the program itself,
// over HTTP, with apps that take seconds for each call. It makes no more calls
// than it would on fast apps, takes no longer than they do, and says all the
// time that it goes on.
func TestS34_ServedSlowApps(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for slow apps")
	}
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		latency := slowLatency(t)
		s := readyServed(t, 50, on)
		s.timeout = "20s"
		s.start(t)
		ctx := t.Context()
		s.seedDumps(t)
		if err := s.connect(ctx); err != nil {
			t.Fatal(err)
		}
		for i := range s.fakes {
			if err := s.knob(ctx, i, http.MethodPut, "/_fake/latency", map[string]string{
				"latency": latency.String(),
			}); err != nil {
				t.Fatal(err)
			}
			if err := s.knob(ctx, i, http.MethodPost, "/_fake/requests/reset", nil); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		var begun struct {
			Runs []engine.Run `json:"runs"`
		}
		if err := s.api.Call(ctx, http.MethodPost, s.path("/start"), nil, &begun); err != nil {
			t.Fatal(err)
		}
		run := begun.Runs[0]
		s.waitRun(t, &run, 0)
		took := time.Since(began)
		calls := 0
		for i := range s.fakes {
			for _, n := range s.requests(t, i).ByEndpoint {
				calls += n
			}
		}
		t.Logf("%s a call: %d calls, %s", latency, calls, took.Round(time.Second))
		if run.State != engine.RunDone || run.Done != run.Total {
			t.Errorf("%s with %d of %d: %s", run.State, run.Done, run.Total, run.Detail)
		}
		if calls > 40 {
			t.Errorf("%d calls for fifty people, want at most 40", calls)
		}
		if most := time.Duration(calls)*latency + 30*time.Second; took > most {
			t.Errorf("it took %s, want at most %s", took, most)
		}
		for i := range s.fakes {
			if err := s.knob(ctx, i, http.MethodPut, "/_fake/latency", map[string]string{"latency": "10ms"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.verify(ctx); err != nil {
			t.Error(err)
		}
		s.noDeadLetters(t)
		s.stop(t)
	})
}

// knob turns a knob of a fake.
func (s *served) knob(ctx context.Context, i int, method, path string, in any) error {
	return apiclient.New(s.fakes[i].url, "").Call(ctx, method, path, in, nil)
}
