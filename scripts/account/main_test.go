package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
)

// TestRun hands the stand-ins to a program, its exit code back, and a signal on.
func TestRun(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), nil); err == nil {
		t.Error("nothing was run, and nothing said of it")
	}
	err := run(t.Context(), []string{
		"sh", "-c", `test -n "$LOCKSTEP_SETTINGS_TABLE" && test -n "$AWS_ENDPOINT_URL_SQS" && exit 7`,
	})
	awslocal.Missing(t, err)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 7 {
		t.Errorf("got %v, want exit code 7", err)
	}
	said := filepath.Join(t.TempDir(), "said")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{
			"sh", "-c", `trap 'echo ended >>"$0"; exit 0' TERM; echo started >>"$0"; while :; do sleep 0.05; done`, said,
		})
	}()
	text := func() string { b, _ := os.ReadFile(said); return string(b) }
	look, limit := time.NewTicker(10*time.Millisecond), time.After(time.Minute)
	defer look.Stop()
	for text() == "" {
		select {
		case <-look.C:
		case <-limit:
			t.Fatal("the program did not start")
		}
	}
	cancel()
	if err := <-ended; err != nil || !strings.HasSuffix(text(), "ended\n") {
		t.Errorf("the program said %q; %v", text(), err)
	}
}
