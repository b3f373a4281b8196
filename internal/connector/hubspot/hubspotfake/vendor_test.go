package hubspotfake_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
)

// TestVendorClient runs HubSpot's own client library against the fake.
func TestVendorClient(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../../../../scripts/clients")
	if err != nil {
		t.Fatal(err)
	}
	missing := func(what string) {
		t.Helper()
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing; in CI it must be there", what)
		}
		t.Skipf("%s is missing: run make test, which installs the vendors' clients", what)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing("node")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@hubspot", "api-client")); err != nil {
		missing("scripts/clients/node_modules")
	}
	fake := hubspotfake.New(fakekit.Config{RetryScale: 0.001})
	base := serve(t, fake)
	grant := fake.OAuthToken()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	delivering := make(chan error, 1)
	go func() { delivering <- fake.Core().Run(ctx, &http.Client{}) }()

	cmd := exec.CommandContext(ctx, node, "--test", "--test-reporter=tap", "hubspot.test.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"LOCKSTEP_FAKE_HUBSPOT="+base, "FAKE_TOKEN="+hubspotfake.PrivateToken, "FAKE_CLIENT_ID="+hubspotfake.ClientID,
		"FAKE_CLIENT_SECRET="+hubspotfake.ClientSecret, "FAKE_REFRESH_TOKEN="+grant.Refresh,
		"FAKE_PORTAL_ID="+strconv.Itoa(hubspotfake.PortalID), "FAKE_UNIQUE_PROPERTY="+hubspotfake.UniqueProperty)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("# pass 11")) {
		t.Errorf("not all of the client's tests ran:\n%s", out)
	}
	cancel()
	if err := <-delivering; !errors.Is(err, context.Canceled) {
		t.Errorf("delivering ended with %v", err)
	}
}

// serve serves h on a free port of this machine.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
