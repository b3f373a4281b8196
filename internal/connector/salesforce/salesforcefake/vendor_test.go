package salesforcefake_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
)

// TestVendorClient runs jsforce, which Salesforce's own tools stand on, against
// the fake.
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
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "jsforce")); err != nil {
		missing("scripts/clients/node_modules")
	}
	fake := salesforcefake.New(fakekit.Config{})
	base := serve(t, fake)
	access, refresh := fake.Token()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "--test", "--test-reporter=tap", "jsforce.test.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"LOCKSTEP_FAKE_SALESFORCE="+base, "FAKE_TOKEN="+access, "FAKE_REFRESH_TOKEN="+refresh, "FAKE_ORG_ID="+fake.OrgID(),
		"FAKE_CLIENT_ID="+salesforcefake.ClientID, "FAKE_CLIENT_SECRET="+salesforcefake.ClientSecret, "FAKE_KEY_FIELD=Lockstep_Id__c")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("# pass 10")) {
		t.Errorf("not all of the client's tests ran:\n%s", out)
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
