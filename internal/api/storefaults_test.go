package api

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestEveryStoreRequestMayFailOnce lets each request that a route makes to the
// store fail, one at a time. The answer is the trouble, or, where the request was
// beside the matter, the very answer without it; testdata says which. Another try
// then succeeds as the first would have.
func TestEveryStoreRequestMayFailOnce(t *testing.T) {
	t.Parallel()
	for _, r := range routes {
		if r.id == "run-events" {
			continue
		}
		t.Run(r.id, func(t *testing.T) {
			t.Parallel()
			written.Check(t, "answers/faults/"+r.id+".txt", oneFails(t, r))
		})
	}
}

// ask is a request of a route that would succeed.
func (f *fixture) ask(r route) string {
	body := f.whole(r)
	if r.id == "create-connection" || r.id == "import-connection" || r.id == "plan-import" {
		body = f.everything()
	}
	options := []option{ifMatch("*")}
	if r.method == http.MethodPost {
		options = append(options, header("Idempotency-Key", "once"))
	}
	if r.id == "oauth-callback" || strings.HasPrefix(r.path, hooksPath) {
		options = nil
	}
	f.store.requests.Store(0)
	return withoutChance(told(f.do(r.method, f.target(r), body, options...), true))
}

// messages are what lines of the log say, without the line of every request.
var messages = regexp.MustCompile(`"level":"[A-Z]+","msg":"[^"]+"`)

func oneFails(t *testing.T, r route) string {
	t.Helper()
	f := newFixture(t)
	f.target(r) // makes what the route is about
	want := f.ask(r)
	requests := f.store.requests.Load()
	var out strings.Builder
	for n := int64(1); n <= requests; n++ {
		if r.method != http.MethodGet || r.acts {
			f = newFixture(t)
			f.target(r)
		}
		f.store.failAt.Store(n)
		logged := len(f.log.String())
		got := f.ask(r)
		f.store.failAt.Store(0)
		if got == want {
			got = "the same"
		}
		fmt.Fprintf(&out, "%d %s; logged %q\n", n, got, messages.FindAllString(f.log.String()[logged:], -1))
		if again := f.ask(r); again != want && r.method == http.MethodGet {
			t.Errorf("after request %d failed: %s\nwant %s", n, again, want)
		}
	}
	return out.String()
}
