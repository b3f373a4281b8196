package api

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := New(Options{PublicURL: "ftp://x/y", MetricsToken: secret.NewText("a token without metrics")})
	if !fault.Is(err, fault.Invalid) {
		t.Fatalf("got %v", err)
	}
	for _, name := range []string{"Engine", "Accounts", "Store", "Now", "NewID", "Logger", "PublicURL", "MetricsToken"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}

// TestRunEvents follows a run over a real connection until it ends.
func TestRunEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	run := w.engine.run(DefaultWorkspace, crm.ConnectionID(id), "contacts", engine.RunPull)
	s := httptest.NewServer(w.handler)
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+runAddress(run.ID)+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+operatorKey)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || ct != "text/event-stream" {
		t.Fatalf("%d %s", resp.StatusCode, ct)
	}
	lines := bufio.NewScanner(resp.Body)
	states := ""
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		for _, state := range []engine.RunState{engine.RunQueued, engine.RunDone} {
			if strings.Contains(data, `"state":"`+string(state)+`"`) {
				states += string(state) + " "
			}
		}
		w.engine.mu.Lock()
		run.State, run.Done = engine.RunDone, 7
		w.engine.runs[run.ID] = run
		w.engine.mu.Unlock()
	}
	if states != "queued done " {
		t.Errorf("states %q", states)
	}
	w.must(404, "GET", "/v1/runs/run_none/events", "").problem(t)
	w.must(401, "GET", runAddress(run.ID)+"/events", "", as("")).problem(t)
}

// oneToken lets one foreign token in, as a user pool would.
type oneToken struct{}

func (oneToken) Authenticate(_ context.Context, token string) (access.Principal, error) {
	switch token {
	case "good":
		return access.Principal{Workspace: DefaultWorkspace, Key: "user", Role: access.Viewer}, nil
	case "trouble":
		return access.Principal{}, fault.New("test: pool", fault.Unavailable, "", "the user pool does not answer")
	}
	return access.Principal{}, fault.New("test: pool", fault.Denied, access.CodeUnauthorized, "unknown")
}

func TestAnotherAuthenticator(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.Auth = oneToken{} })
	w.must(200, "GET", "/v1/apps", "", as("good"))
	w.must(200, "GET", "/v1/apps", "", as(operatorKey))
	w.must(403, "GET", "/v1/keys", "", as("good"))
	w.must(401, "GET", "/v1/apps", "", as("bad"))
	w.must(503, "GET", "/v1/apps", "", as("trouble"))
	w.must(401, "GET", "/v1/apps", "", func(r *http.Request) {
		r.Header["Authorization"] = []string{"Bearer good", "Bearer good"}
	})
	w.must(401, "GET", "/v1/apps", "", header("Authorization", "Basic Z29vZDpnb29k"))
}

func TestPanicsAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	w.engine.startOK = func(context.Context) error { panic("planted " + canary) }
	once := header("Idempotency-Key", "p")
	if p := w.must(500, "POST", "/v1/connections/"+id+"/start", "", once).problem(t); p.Code != CodeInternal {
		t.Errorf("%+v", p)
	}
	w.engine.startOK = nil
	w.must(202, "POST", "/v1/connections/"+id+"/start", "", once)
	if strings.Contains(w.log.String(), canary) || !strings.Contains(w.log.String(), "handler panicked") {
		t.Error("the panic is not logged, or with its value")
	}
}

func TestHeadersForBrowsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, publicURL)
	for _, target := range []string{"/v1/health", "/v1/none", "/docs/errors", openAPIPath, "/hooks/x"} {
		h := w.do("GET", target, "").header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
			"Content-Security-Policy":   "default-src 'none'; frame-ancestors 'none'",
			"Strict-Transport-Security": "max-age=31536000",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q", target, name, got)
			}
		}
		if !strings.HasPrefix(h.Get("X-Request-Id"), "req_") {
			t.Errorf("%s has no request ID", target)
		}
	}
}

// TestAQuietStreamSaysThatItLives: where nothing changes, and where a look fails for a
// moment, a line that is no event comes every ten seconds; at last the client is to
// connect again.
func TestAQuietStreamSaysThatItLives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	run := w.engine.run(DefaultWorkspace, crm.ConnectionID(id), "contacts", engine.RunPull)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(access.With(t.Context(), access.Principal{
			Workspace: DefaultWorkspace, Role: access.Admin,
		}))
		defer cancel()
		time.AfterFunc(65*eventEvery+eventEvery/2, cancel)
		got := httptest.NewRecorder()
		w.server.stream(ctx, got, run)
		said := got.Body.String()
		events, signs := strings.Count(said, "event: run\n"), strings.Count(said, ": waiting\n")
		if events != 1 || signs != 3 {
			t.Errorf("%d events and %d signs of life in 33 s:\n%s", events, signs, said)
		}
	})
	began := w.server.Now()
	w.server.Now = func() time.Time {
		defer func() { began = began.Add(eventsFor/2 + time.Second) }()
		return began
	}
	synctest.Test(t, func(t *testing.T) {
		got := httptest.NewRecorder()
		w.server.stream(access.With(t.Context(), access.Principal{Workspace: DefaultWorkspace, Role: access.Admin}), got, run)
		if events := strings.Count(got.Body.String(), "event: run\n"); events != 1 {
			t.Errorf("%d events until the time is over", events)
		}
	})
}
