// Package wiretest puts a function together as the cloud does, in an account
// that holds nothing, and holds what it then asks for against a list: so every
// part is shown to have got its place, without anything of AWS.
package wiretest

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/invocation"
)

// Function is a function under test.
type Function[H any] struct {
	// Wire is the function's own, and Handle what its main hands to the runtime.
	Wire   func(env func(string) string, calls *invocation.Calls, log *slog.Logger) (H, error)
	Handle func(H) any
	// Refuses are values of variables with which the function does not start.
	Refuses map[string]string
	// Start is what is asked at the cold start.
	Start []string
	// Asks is what is asked for a sample event of the folder events, in the order of
	// their names.
	Asks map[string][]string
	// More looks at the handler, where that says more than its requests do, and at
	// what was asked since; or nil.
	More func(t *testing.T, h H, asked func() []string)
}

// Run wires the function twice: with a variable missing, which it must name, and
// with all of them.
func Run[H any](t *testing.T, f Function[H]) {
	t.Helper()
	account := new(hollow)
	server := httptest.NewServer(account)
	defer server.Close()
	env := variables(server.URL)
	calls := new(invocation.Calls)
	log := slog.New(slog.DiscardHandler)
	with := func(name, value string) (H, error) {
		return f.Wire(func(n string) string {
			if n == name {
				return value
			}
			return env[n]
		}, calls, log)
	}
	if _, err := with(settingsTable, ""); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), settingsTable) {
		t.Errorf("without %s: %v, want that named", settingsTable, err)
	}
	for name, value := range f.Refuses {
		if _, err := with(name, value); !fault.Is(err, fault.Invalid) {
			t.Errorf("with %s %q: %v, want that refused", name, value, err)
		}
	}
	account.take()
	h, err := with("", "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.Start, account.take()); diff != "" {
		t.Errorf("asked at the start (-want +got):\n%s", diff)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Asks)) { // what one has read the next need not read
		want := f.Asks[name]
		file := filepath.Join("..", "..", "events", name+".json")
		event, err := os.ReadFile(file) //nolint:gosec // a name that a test gives
		if err != nil {
			t.Fatal(err)
		}
		event = []byte(strings.ReplaceAll(string(event), "API_KEY", key))
		if _, err := calls.Handler(f.Handle(h)).Invoke(t.Context(), event); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, account.take()); diff != "" {
			t.Errorf("asked for %s (-want +got):\n%s", name, diff)
		}
	}
	if f.More != nil {
		f.More(t, h, account.take)
	}
}

const (
	settingsTable = "LOCKSTEP_SETTINGS_TABLE"
	parameter     = "admin-key" // the one that holds a key
	key           = "key-of-the-hollow-account"
)

func variables(endpoint string) map[string]string {
	return map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
		"AWS_ENDPOINT_URL": endpoint,
		settingsTable:      "settings", "LOCKSTEP_LINKS_TABLE": "links", "LOCKSTEP_LOG_TABLE": "log",
		"LOCKSTEP_QUEUE_URL": endpoint + "/changes", "LOCKSTEP_DEAD_QUEUE_URL": endpoint + "/dead",
		"LOCKSTEP_KEY_ID": "arn:aws:kms:eu-central-1:000000000000:key/1", "LOCKSTEP_STAGE": "dev",
		"LOCKSTEP_PUBLIC_URL": "https://api.example.com", "LOCKSTEP_ADMIN_KEY_PARAMETER": parameter,
		"LOCKSTEP_SCHEDULE_GROUP":        "syncs",
		"LOCKSTEP_SCHEDULE_ROLE_ARN":     "arn:aws:iam::000000000000:role/schedule",
		"LOCKSTEP_PULL_FUNCTION_ARN":     "arn:aws:lambda:eu-central-1:000000000000:function:pull",
		"LOCKSTEP_UNDELIVERED_QUEUE_ARN": "arn:aws:sqs:eu-central-1:000000000000:undelivered",
	}
}

// hollow answers as an account whose tables, queues and schedules are empty, and
// notes what is asked of it.
type hollow struct {
	mu    sync.Mutex
	asked []string
}

// take returns what was asked since it was last called, sorted, each once.
func (h *hollow) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := slices.Compact(slices.Sorted(slices.Values(h.asked)))
	h.asked = nil
	return out
}

// ServeHTTP implements http.Handler.
func (h *hollow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	h.asked = append(h.asked, what)
	h.mu.Unlock()
	answer := `{}`
	switch {
	case what == "GetParameter "+parameter:
		answer = `{"Parameter":{"Value":"` + key + `"}}`
	case strings.HasPrefix(what, "GetParameter"):
		answer = `{"Parameter":{"Value":"short"}}`
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = io.WriteString(w, answer) // whoever has gone asks no more
}

// read says what a request asks for: of the JSON services the action and the
// table, queue or parameter, of others method and path.
func read(r *http.Request) (string, error) {
	_, action, found := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !found {
		return r.Method + " " + r.URL.Path, nil
	}
	var of struct{ TableName, QueueURL, Name string }
	if err := json.NewDecoder(r.Body).Decode(&of); err != nil {
		return "", errors.New("no JSON")
	}
	at := strings.LastIndexByte(of.QueueURL, '/') + 1
	return strings.TrimSpace(action + " " + of.TableName + of.Name + of.QueueURL[at:]), nil
}

var _ http.Handler = (*hollow)(nil)

const asMain = "WIRETEST_MAIN" // set in the process that is to be the function

// Main runs a function's main in a process of its own, in which no variable of
// its environment is set: it ends with a line that says so. It runs the test that
// calls it once more there.
func Main(t *testing.T, main func()) {
	t.Helper()
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$") //nolint:gosec // this very program
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "LOCKSTEP_")
	})
	c.Env = append(c.Env, asMain+"=1")
	out, err := c.CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 1 || !strings.Contains(string(out), "cold start failed") ||
		!strings.Contains(string(out), settingsTable) {
		t.Errorf("%v: %s", err, out)
	}
}
