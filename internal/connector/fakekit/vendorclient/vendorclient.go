// Package vendorclient runs a vendor's own client library against a fake, for the
// test that holds the fake against it. The clients live in scripts/clients.
package vendorclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// Run serves the fake on a free port of this machine, sends its webhooks, and has
// the script run as many tests as it has, all of which must pass. module is the
// client's folder in node_modules; environ gets the fake's address and answers with
// what the script wants to know. Where Node or the client is missing the test is
// skipped, with what to do, but never in CI.
func Run(t *testing.T, fake fakekit.Fake, module, script string, tests int, environ func(base string) []string) {
	t.Helper()
	dir, err := filepath.Abs("../../../../scripts/clients")
	if err != nil {
		t.Fatal(err)
	}
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "node_modules", filepath.FromSlash(module)))
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; in CI it must be there", err)
		}
		t.Skipf("%v: run make test, which installs the vendors' clients", err)
	}
	base := serve(t, fake)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	delivering := make(chan error, 1)
	go func() { delivering <- fake.Core().Run(ctx, &http.Client{}) }()
	cmd := exec.CommandContext(ctx, node, "--test", "--test-reporter=tap", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), environ(base)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, fmt.Appendf(nil, "# pass %d\n", tests)) {
		t.Errorf("not all of the client's tests ran:\n%s", out)
	}
	cancel()
	if err := <-delivering; !errors.Is(err, context.Canceled) {
		t.Errorf("delivering ended with %v", err)
	}
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("server: %v", err)
		}
	})
	return "http://" + l.Addr().String()
}
