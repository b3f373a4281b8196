package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
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
func spawn(t *testing.T, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(self, args...), out: new(lines), errs: new(lines), done: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), asProgram+"=1", "LOCKSTEP_ADMIN_KEY="+testKey)
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
	c := spawn(t, "fake", app, "--seed", strconv.Itoa(people), "--latency", "10ms")
	f := &fakeServer{kind: fakeKinds[app]}
	err := until(t.Context(), 30*time.Second, "the start of fake "+app, func(context.Context) (bool, error) {
		sc := bufio.NewScanner(strings.NewReader(c.out.String()))
		for sc.Scan() {
			if url, ok := strings.CutPrefix(sc.Text(), "address"); ok {
				f.url = strings.TrimSpace(url)
			}
		}
		return strings.Contains(c.out.String(), "knobs"), nil
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
	addr, data string
	child      *child
}

func newServed(t *testing.T, people int) *served {
	t.Helper()
	s := &served{demo: &demo{screen: newScreen(&world{out: t.Output(), err: t.Output()}), people: people, schedule: "manual"}}
	s.addr, s.data = freeAddress(t), filepath.Join(t.TempDir(), "data")
	for i, app := range demoApps {
		s.fakes[i] = spawnFake(t, app, people)
	}
	s.api = newClient("http://"+s.addr, testKey)
	s.start(t)
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // its number is all we want
	return l.Addr().String()
}

func (s *served) args() []string {
	return []string{"serve", "--addr", s.addr, "--data", s.data, "--allow-host", s.fakes[0].host, "--allow-host", s.fakes[1].host, "--log-level", "warn"}
}

// start starts the program and waits until it answers.
func (s *served) start(t *testing.T) {
	t.Helper()
	s.child = spawn(t, s.args()...)
	err := until(t.Context(), 30*time.Second, "the start of the program", func(ctx context.Context) (bool, error) {
		select {
		case <-s.child.done:
			return false, fmt.Errorf("the program ended: %s", s.child.errs)
		default:
		}
		_, err := s.api.call(ctx, http.MethodGet, "/v1/health", nil, nil)
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

// TestS8_KilledDuringFirstSync: the program is killed five times while the first sync of a
// connection runs, and stopped once; its schedule is manual, so nothing but the
// start asked for it. When it is done nobody is lost, nobody is doubled, and
// the base is what both sides hold.
func TestS8_KilledDuringFirstSync(t *testing.T) {
	t.Parallel()
	people, kills := 5000, 5
	if testing.Short() {
		people, kills = 300, 2
	}
	started := time.Now()
	s := newServed(t, people)
	ctx := t.Context()
	s.seedDumps(t)
	for _, step := range []func(context.Context) error{s.connect, s.hear} {
		if err := step(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var begun struct {
		Runs []engine.Run `json:"runs"`
	}
	if _, err := s.api.call(ctx, http.MethodPost, s.path("/start"), nil, &begun); err != nil {
		t.Fatal(err)
	}
	if len(begun.Runs) != 1 {
		t.Fatalf("the start began %d runs, want 1", len(begun.Runs))
	}
	run := begun.Runs[0]
	all := int64(len(s.before[0]) + len(s.before[1]))
	for i := range kills + 1 {
		s.waitRun(t, &run, all*int64(i+1)/int64(kills+3))
		if i == kills {
			s.stop(t) // the last one cleanly: it leaves nothing to wait for either
		}
		s.child.kill()
		t.Logf("%3.0f s: ended at %d of %d records", time.Since(started).Seconds(), run.Done, all)
		s.start(t)
	}
	s.waitRun(t, &run, 0)
	t.Logf("%3.0f s: %s", time.Since(started).Seconds(), outcomes(run.Outcomes))
	if run.State != engine.RunDone {
		t.Errorf("the run ended as %s: %s", run.State, run.Detail)
	}
	if err := addsUp(run); err != nil {
		t.Error(err)
	}
	if err := s.verify(ctx); err != nil {
		t.Error(err)
	}
	s.sampleBase(t)
	s.noDeadLetters(t)
	s.resync(t)
	if err := s.edits(ctx); err != nil {
		t.Error(err)
	}
	t.Logf("%3.0f s: all checked", time.Since(started).Seconds())
	s.stop(t)
}

func (d *demo) seedDumps(t *testing.T) {
	t.Helper()
	for i, f := range d.fakes {
		var err error
		if d.before[i], err = dump(t.Context(), f.url, f.kind.objects); err != nil {
			t.Fatal(err)
		}
	}
}

// waitRun waits until so many records of a run have an outcome, or, with 0,
// until it is over.
func (s *served) waitRun(t *testing.T, run *engine.Run, done int64) {
	t.Helper()
	err := until(t.Context(), 5*time.Minute, "the run", func(ctx context.Context) (bool, error) {
		_, err := s.api.call(ctx, http.MethodGet, "/v1/runs/"+string(run.ID), nil, run)
		return !isOpen(*run) || done > 0 && run.Done >= done, err
	})
	if err != nil {
		t.Fatalf("%v: %d of %d records\n%s", err, run.Done, run.Total, s.child.errs)
	}
	if done > 0 && !isOpen(*run) {
		t.Fatalf("the run was over before it could be killed again")
	}
}

// sampleBase compares what is remembered of some pairs with what both apps hold.
func (s *served) sampleBase(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	pairs, err := s.linked(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ids := slices.Sorted(maps.Keys(pairs))
	const sample = 40
	for i := range sample {
		l := ids[i*len(ids)/sample]
		var v engine.RecordView
		err := until(ctx, 30*time.Second, "a look at "+string(l), func(ctx context.Context) (bool, error) {
			_, err := s.api.call(ctx, http.MethodGet, s.syncPath("/records/left/"+string(l)), nil, &v)
			var refused *refusal
			if errors.As(err, &refused) && refused.status == http.StatusServiceUnavailable {
				return false, nil // HubSpot's calls are spent for the moment
			}
			return err == nil, err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range s.sync.Mappings {
			base, err := baseText(v.Base[m.ID])
			if err != nil {
				t.Fatalf("%s: base of %s: %v", l, m.ID, err)
			}
			for _, side := range crm.Sides {
				now := ""
				if fields := v.Values.Get(side); len(m.Names(side)) == 1 {
					now = fields[m.Names(side)[0]].Text()
				}
				if read(m.Transform.Type, s.conn.Country, now) != read(m.Transform.Type, s.conn.Country, base) {
					t.Errorf("%s: the base of %s is not what the %s side holds", l, m.ID, side)
				}
			}
		}
	}
}

// baseText is a base value as text. A pair agrees on nothing where both sides
// are blank.
func baseText(b any) (string, error) {
	if b == nil {
		return "", nil
	}
	raw, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	var agreed crm.Agreed
	err = json.Unmarshal(raw, &agreed)
	return agreed.Text, err
}

func (s *served) noDeadLetters(t *testing.T) {
	t.Helper()
	err := each(t.Context(), s.api, "/v1/dead-letters?connection="+string(s.conn.ID), func(d engine.DeadItem) error {
		return fmt.Errorf("work on %d records was given up: %s", len(d.Records), d.Code)
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRestart: settings and links survive a clean stop; a second process on the
// folder is refused while the first one has it.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := newServed(t, 60)
	ctx := t.Context()
	s.seedDumps(t)
	for _, step := range []func(context.Context) error{s.connect, s.hear, s.planAndApply, s.verify} {
		if err := step(ctx); err != nil {
			t.Fatal(err)
		}
	}
	settings := s.settings(t)

	second := spawn(t, "serve", "--addr", "127.0.0.1:0", "--data", s.data)
	if code := second.exit(t); code != 1 {
		t.Errorf("the second process ended with code %d, want 1", code)
	}
	if said := second.errs.String(); !strings.Contains(said, "another process works in the data folder") || strings.Count(said, "\n") != 1 {
		t.Errorf("the second process said %q", said)
	}

	s.stop(t)
	s.start(t)
	if after := s.settings(t); !slices.Equal(settings, after) {
		t.Errorf("the settings changed:\n%s\n%s", settings, after)
	}
	if err := s.verify(ctx); err != nil {
		t.Error(err)
	}
	if err := s.edits(ctx); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"lockstep.db", "root.key"} {
		info, err := os.Stat(filepath.Join(s.data, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "root.key" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// settings are what an admin has set up, as the surface shows it.
func (s *served) settings(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, path := range []string{s.path(""), "/v1/accounts", s.path("/webhooks")} {
		var v json.RawMessage
		if _, err := s.api.call(t.Context(), http.MethodGet, path, nil, &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, lastDelivery.ReplaceAllString(string(v), ""))
	}
	return out
}

// lastDelivery is the one part that changes by itself.
var lastDelivery = regexp.MustCompile(`,"last_delivery":"[^"]*"`)

// TestServeRefuses: what cannot be used is said plainly, all of it at once, and
// left as it is.
func TestServeRefuses(t *testing.T) {
	t.Parallel()
	folder := func(t *testing.T, name, content string) string {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	garbage := strings.Repeat("this is no database. ", 500)
	for name, c := range map[string]struct {
		args []string
		env  string
		want []string
		code int
	}{
		"a database that is none": {
			args: []string{"--data", folder(t, "lockstep.db", garbage)}, want: []string{"is no database", "choose another data folder"}, code: 2,
		},
		"a key file that is none": {
			args: []string{"--data", folder(t, "root.key", "not a key")}, want: []string{"is not a key file of Lockstep", "backup"}, code: 2,
		},
		"an admin key file that is none": {
			args: []string{"--data", folder(t, "admin.key", "short")}, want: []string{"is not an admin key"}, code: 2,
		},
		"a file as folder": {
			args: []string{"--data", filepath.Join(folder(t, "file", "x"), "file")}, want: []string{"not a directory"}, code: 1,
		},
		"settings": {
			args: []string{"--addr", "8080", "--allow-host", "http://x", "--log-level", "loud", "--public-url", "x"},
			want: []string{"--addr", "--allow-host", "--log-level", "--public-url"}, code: 2,
		},
		"an unknown flag": {args: []string{"--loud"}, want: []string{"unknown flag --loud"}, code: 2},
		"a short key":     {args: []string{"--data", t.TempDir()}, env: "short", want: []string{"LOCKSTEP_ADMIN_KEY", "16 to 512"}, code: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			w := &world{out: &out, err: &errs, env: func(string) string { return c.env }}
			if code := run(t.Context(), append([]string{"serve"}, c.args...), w); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("said %q, without %q", errs.String(), want)
				}
			}
		})
	}
}

// TestGeneratedKey: the key of the first start is shown once, kept where only
// its owner can read it, and good for the surface.
//
// Not parallel: a process that another test forks has our lock, too, until it
// has become the program.
func TestGeneratedKey(t *testing.T) { //nolint:paralleltest // see above
	data := t.TempDir()
	for start := range 2 {
		ctx, stop := context.WithCancel(t.Context())
		out := new(lines)
		ended := make(chan int, 1)
		go func() {
			w := &world{out: out, err: t.Output(), env: func(string) string { return "" }}
			ended <- run(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--data", data}, w)
		}()
		err := until(ctx, 10*time.Second, "the start", func(context.Context) (bool, error) { return strings.Contains(out.String(), "admin key"), nil })
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(data, "admin.key")
		key, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
		if shown := strings.Contains(out.String(), strings.TrimSpace(string(key))); shown != (start == 0) {
			t.Errorf("start %d: the key is shown: %v", start+1, shown)
		}
		url := regexp.MustCompile(`http://[0-9.:]+`).FindString(out.String())
		if _, err := newClient(url, strings.TrimSpace(string(key))).call(ctx, http.MethodGet, "/v1/apps", nil, nil); err != nil {
			t.Error(err)
		}
		if _, err := newClient(url, "").call(ctx, http.MethodGet, "/v1/apps", nil, nil); err == nil {
			t.Error("the surface answered without a key")
		}
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}
