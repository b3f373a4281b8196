package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

// TestVendorVerifies has the library that receivers use check what we send, with
// one secret, after a rotation, and changed on the way. Where Node or the library
// is missing it is skipped, with what to do, but never in CI.
func TestVendorVerifies(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../../scripts/clients")
	if err != nil {
		t.Fatal(err)
	}
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "node_modules", "standardwebhooks"))
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; in CI it must be there", err)
		}
		t.Skipf("%v: run make test, which installs the vendors' clients", err)
	}
	b := newBed(t)
	b.o.Now = testclock.At(time.Now()).Now // the library refuses what is older than five minutes
	b.con.Notify.User = ""
	type message struct {
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
	}
	var in struct {
		First    string    `json:"first"`
		Second   string    `json:"second"`
		Messages []message `json:"messages"`
	}
	for n, secret := range []*string{&in.First, &in.Second} {
		*secret = b.secret()
		if got := b.Test(t.Context(), ws, b.con); len(got) != 1 || !got[0].OK {
			t.Fatalf("%+v", got)
		}
		m := message{b.hooks.bodies[n], map[string]string{}}
		for _, name := range []string{headerID, headerTimestamp, headerSignature} {
			m.Headers[name] = b.hooks.got[n].Header.Get(name)
		}
		in.Messages = append(in.Messages, m)
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=tap", "standardwebhooks.test.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LOCKSTEP_WEBHOOKS="+string(text))
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, fmt.Appendf(nil, "# pass %d\n", 4)) {
		t.Errorf("%v\n%s", err, out)
	}
}
