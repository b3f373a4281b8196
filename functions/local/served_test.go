package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/freeport"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

const testKey = "key-of-a-test-and-nothing-else"

// child is a process of the program.
type child struct {
	cmd  *exec.Cmd
	out  *lines // standard output
	errs *lines
	done chan struct{} // closed when it has ended
}

// lines keeps what a process writes, and can be waited on.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// spawn starts the program as a process of its own.
func spawn(t *testing.T, env []string, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(self, args...), out: new(lines), errs: new(lines), done: make(chan struct{})}
	c.cmd.Env = slices.Concat(os.Environ(), []string{asProgram + "=1", "LOCKSTEP_ADMIN_KEY=" + testKey}, env)
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.errs
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.done)
		_ = c.cmd.Wait() // the exit code is looked at where it matters
	}()
	t.Cleanup(c.kill)
	return c
}

// kill ends the process at once, as a power failure would.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended by itself
	<-c.done
}

// exit waits for the process to end and returns its exit code.
func (c *child) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-c.done:
		return c.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		t.Fatalf("the process goes on\n%s%s", c.out, c.errs)
		return -1
	}
}

// spawnFake starts a fake as a process of its own and returns how it is reached.
func spawnFake(t *testing.T, app string, people int) *fakeServer {
	t.Helper()
	// With some latency most kills land while a call is on its way.
	c := spawn(t, nil, "fake", app, "--seed", strconv.Itoa(people), "--latency", "10ms")
	f := &fakeServer{kind: kindOf(crm.AppID(app))}
	err := until(t.Context(), 30*time.Second, "the start of fake "+app, func(context.Context) (bool, error) {
		said := c.out.String() // once: what is written between two looks would be missed by the first
		for line := range strings.Lines(said) {
			if url, ok := strings.CutPrefix(line, "address"); ok {
				f.url = strings.TrimSpace(url)
			}
		}
		return strings.Contains(said, "knobs"), nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, c.errs)
	}
	f.host = strings.TrimPrefix(f.url, "http://")
	return f
}

// served is a program under test with its fakes, all processes of their own.
type served struct {
	*demo
	on         storages.Storage
	addr, data string
	timeout    string   // longest call to an app
	more       []string // flags
	child      *child
}

func newServed(t *testing.T, people int, on storages.Storage) *served {
	t.Helper()
	s := readyServed(t, people, on)
	s.start(t)
	return s
}

// readyServed is newServed before the program's start.
func readyServed(t *testing.T, people int, on storages.Storage) *served {
	t.Helper()
	s := &served{
		on: on, timeout: appTimeout(on), demo: &demo{
			screen: newScreen(&world{out: t.Output(), err: t.Output()}), people: people, schedule: "manual",
		},
	}
	s.addr, s.data = freeAddress(t), filepath.Join(t.TempDir(), "data")
	for i, app := range demoApps {
		s.fakes[i] = spawnFake(t, app, people)
	}
	s.api = apiclient.New("http://"+s.addr, testKey)
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	p, err := freeport.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p.Address()
}

func (s *served) args() []string {
	return append([]string{
		"serve", "--addr", s.addr, "--data", s.data, "--store", s.on.Name, "--app-timeout", s.timeout,
		"--allow-host", s.fakes[0].host, "--allow-host", s.fakes[1].host, "--log-level", "warn",
	}, s.more...)
}

// start starts the program and waits until it answers.
func (s *served) start(t *testing.T) {
	t.Helper()
	s.child = spawn(t, s.on.Env, s.args()...)
	err := until(t.Context(), 30*time.Second, "the start of the program", func(ctx context.Context) (bool, error) {
		select {
		case <-s.child.done:
			return false, fmt.Errorf("the program ended: %s", s.child.errs)
		default:
		}
		err := s.api.Call(ctx, http.MethodGet, "/v1/health", nil, nil)
		return err == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *served) stop(t *testing.T) {
	t.Helper()
	if err := s.child.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.child.exit(t); code != 0 {
		t.Errorf("the program ended with code %d after SIGTERM\n%s", code, s.child.errs)
	}
}
