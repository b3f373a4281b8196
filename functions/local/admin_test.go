package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// TestRedrive: a message that died without a word is queued again, once; a
// folder without data is refused and not made.
//
// Not parallel: a process that another test forks has our lock, too, until it
// has become the program.
func TestRedrive(t *testing.T) { //nolint:paralleltest // see above
	dir := t.TempDir()
	now := time.Now()
	a, err := app.Open(t.Context(), app.Options{DataDir: dir, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if errs := a.Queue.Send(t.Context(), []queue.Message{{Group: "g", Dedup: "d", Body: []byte("not one of ours")}}); errs != nil {
		t.Fatal(errs)
	}
	for range queue.DefaultMaxReceives + 1 {
		if _, err := a.Queue.Receive(t.Context(), 1, time.Second); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Second)
	}
	if d, err := a.Queue.Depth(t.Context()); err != nil || d.Dead != 1 {
		t.Fatalf("%d dead letters, %v; want 1", d.Dead, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 dead letters", "0 dead letters"} {
		out, code := said(t, "admin", "redrive", "--data", dir)
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("code %d, said %q; want %q", code, out, want)
		}
	}
	missing := filepath.Join(dir, "missing")
	if out, code := said(t, "admin", "redrive", "--data", missing); code != 2 || !strings.Contains(out, "is no data folder") {
		t.Errorf("code %d, said %q about a folder that is not there", code, out)
	}
	if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

// said runs a command line and returns all that it printed.
func said(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	code := run(t.Context(), args, &world{out: &out, err: &out, env: func(string) string { return "" }})
	return out.String(), code
}
