package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/e2e"
)

// folder is where the functions were built; "" = no test needed them.
var folder string

func TestMain(m *testing.M) {
	code := m.Run()
	if folder != "" {
		_ = os.RemoveAll(folder) // a folder for temporary files
	}
	os.Exit(code)
}

// built are the functions as they are deployed, for this machine: built once,
// removed by TestMain.
var built = sync.OnceValues(func() (string, error) {
	var err error
	if folder, err = os.MkdirTemp("", "lockstep-functions-"); err != nil {
		return "", err
	}
	for _, name := range e2e.Functions {
		cmd := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=",
			"-o", filepath.Join(folder, name, "bootstrap"), "github.com/lockstep-crm/lockstep/functions/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.New("build " + name + ": " + err.Error() + "\n" + string(out))
		}
	}
	return folder, nil
})

func programs(t *testing.T) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestEndToEnd is make e2e with few people and two kills: the functions with
// their stand-ins and the program with its embedded stores go through the same
// scenario, keep every promise, and end with the same people in both apps. Each
// function is refused what its role does not allow (X16), and asks for nothing of that.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	s := e2e.Scenario{People: 100, Edits: 30, Newcomers: 5, Poisoned: 1, Share: 0.1}
	troubled := s
	troubled.Trouble = e2e.Trouble{Kills: 2, Syncs: 1}
	deployed := e2e.Cloud{
		Programs: programs(t), Share: s.Share, Seed: 1, Rights: "../../../../infra/stack/testdata/rights.txt",
	}
	people := map[string][2][]string{}
	var mu sync.Mutex
	t.Run("runs", func(t *testing.T) { // returns when both are done
		for name, run := range map[string]struct {
			e2e.Scenario
			open func(t *testing.T, ctx context.Context, hosts []string) (e2e.Deployment, error)
		}{
			"functions": {troubled, func(t *testing.T, ctx context.Context, hosts []string) (e2e.Deployment, error) {
				mine := deployed
				mine.AllowHosts = hosts
				d, err := mine.Open(ctx)
				if err != nil {
					return nil, err
				}
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("the functions said:\n%s", d.Log())
					}
				})
				return d, nil
			}},
			"embedded": {s, func(_ *testing.T, ctx context.Context, hosts []string) (e2e.Deployment, error) {
				return e2e.Local{AllowHosts: hosts}.Open(ctx)
			}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run.Say = t.Logf
				r, err := run.Play(t.Context(), func(ctx context.Context, hosts []string) (e2e.Deployment, error) {
					return run.open(t, ctx, hosts)
				})
				if errors.Is(err, awslocal.ErrMissing) && os.Getenv("CI") != "true" {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Log(strings.Join(r.Happened, "\n"))
				for _, f := range r.Figures {
					if t.Logf("%-60s %8s %8s", f.Goal, f.Target, f.Measured); !f.Pass {
						t.Errorf("%s: %s, want %s", f.Goal, f.Measured, f.Target)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				people[name] = r.People
			})
		}
	})
	if len(people) < 2 {
		t.Skip("one of the runs could not be made")
	}
	if diff := cmp.Diff(people["functions"], people["embedded"]); diff != "" {
		t.Errorf("the apps hold other people in the end (-functions +embedded):\n%s", diff)
	}
}

// TestS34_FunctionsOnSlowApps: the functions, with the time limits of a
// deployment, bring fifty people in step while each call to either app takes
// seconds: 2, or as many as LATENCY=6s says.
func TestS34_FunctionsOnSlowApps(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for slow apps")
	}
	latency := 2 * time.Second
	if text := os.Getenv("LATENCY"); text != "" {
		var err error
		if latency, err = time.ParseDuration(text); err != nil || latency <= 0 {
			t.Fatalf("LATENCY=%s is no duration", text)
		}
	}
	s := e2e.Scenario{People: 50, Latency: latency, Say: t.Logf}
	r, err := s.Play(t.Context(), func(ctx context.Context, hosts []string) (e2e.Deployment, error) {
		return e2e.Cloud{Programs: programs(t), AllowHosts: hosts, Seed: 1, Patient: true}.Open(ctx)
	})
	if errors.Is(err, awslocal.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Log(strings.Join(r.Happened, "\n"))
	for _, f := range r.Figures {
		if t.Logf("%-60s %8s %8s", f.Goal, f.Target, f.Measured); !f.Pass {
			t.Errorf("%s: %s, want %s", f.Goal, f.Measured, f.Target)
		}
	}
}

// TestColdStartNamesWhatIsMissing starts every function without an environment:
// it ends at once, and says every variable that it needs.
func TestColdStartNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	always := []string{
		"LOCKSTEP_SETTINGS_TABLE", "LOCKSTEP_LINKS_TABLE", "LOCKSTEP_LOG_TABLE", "LOCKSTEP_QUEUE_URL",
		"LOCKSTEP_DEAD_QUEUE_URL", "LOCKSTEP_KEY_ID", "LOCKSTEP_STAGE",
	}
	for name, more := range map[string][]string{
		"sync": nil, "pull": nil, "keeper": nil, "webhook": {"LOCKSTEP_PUBLIC_URL"}, "api": {
			"LOCKSTEP_PUBLIC_URL", "LOCKSTEP_ADMIN_KEY_PARAMETER",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said output
			f := lambdarun.New(lambdarun.Options{Name: name, Program: filepath.Join(programs(t), name, "bootstrap"), Log: &said})
			t.Cleanup(f.Close)
			if _, err := f.Invoke(t.Context(), []byte(`{}`)); !errors.Is(err, lambdarun.ErrExited) {
				t.Errorf("without an environment: %v, want the program to end", err)
			}
			for _, v := range append(more, always...) {
				if !strings.Contains(said.text(), v+" is not set") {
					t.Errorf("%s is not named: %s", v, said.text())
				}
			}
			if !strings.Contains(said.text(), "cold start failed") {
				t.Errorf("the log says %q", said.text())
			}
		})
	}
}

// output is what a function prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
