package api

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/engine"
)

// refusal is how a malformed request is to be answered. The damage that was
// done decides it, never the answer.
type refusal struct {
	status    []int
	codes     []string
	parameter string // query.limit; "" = none is to blame
	// pointers are the places in the body that may be blamed; nil = no place is.
	pointers []string
	header   map[string]string
}

// broken is a request that was accepted before one thing in it was damaged.
type broken struct {
	damage, method, target, body string
	options                      []option
	want                         refusal
}

// TestMalformedHTTP sends requests that are broken in one place of each kind:
// each is refused as the kind of damage demands, says what to do, stores
// nothing and asks nothing of the engine. LOCKSTEP_MALFORMED sets their number;
// time and memory are printed then, for the table of figures.
func TestMalformedHTTP(t *testing.T) {
	n := 4000
	if v, err := strconv.Atoi(os.Getenv("LOCKSTEP_MALFORMED")); err == nil {
		n = v
	}
	f := newFixture(t)
	f.target(route{path: "/v1/connections/{id}/syncs/{sync}/rules/{part}"}) // which makes the rule
	f.endRun()
	b := &breaker{fixture: f, rng: rand.New(rand.NewPCG(1, 2))}
	taken, kinds := make([]time.Duration, 0, n), map[string]int{}
	writes, calls := f.store.writes.Load(), len(f.engine.called())
	for len(taken) < n {
		r, ok := b.next()
		if !ok {
			continue // by chance nothing is wrong with it: see breaker
		}
		started := time.Now()
		got := f.do(r.method, r.target, r.body, append([]option{ifMatch("*")}, r.options...)...)
		taken = append(taken, time.Since(started))
		kinds[r.damage]++
		if wrong := r.want.unlike(got); wrong != "" {
			t.Errorf("%s: %s %.300q with %.300q: %s: %d %s", r.damage, r.method, r.target, r.body, wrong, got.status, got.body)
		}
		if w, c := f.store.writes.Load(), len(f.engine.called()); w != writes || c != calls {
			t.Errorf("%s: %s %.300q with %.300q: %d writes and %d calls of the engine, want none", r.damage, r.method, r.target,
				r.body, w-writes, c-calls)
			writes, calls = w, c
		}
		if t.Failed() && len(taken) > 100 {
			break
		}
	}
	if len(kinds) != len(damages) && !t.Failed() {
		t.Errorf("%d kinds of damage were done, want %d: %v", len(kinds), len(damages), kinds)
	}
	if os.Getenv("LOCKSTEP_MALFORMED") != "" && !t.Failed() {
		var mem runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&mem)
		slices.Sort(taken)
		t.Logf("%d requests, %d clean 4xx, 0 x 5xx, p99 %s, heap %d MiB", len(taken), len(taken), taken[len(taken)*99/100],
			mem.HeapAlloc>>20)
	}
}

// endRun ends the fixture's run, so that a stream of its events ends too.
func (f *fixture) endRun() {
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	run := f.engine.runs[f.run]
	run.State = engine.RunDone
	f.engine.runs[f.run] = run
}

// unlike says what is wrong with an answer; "" = nothing.
func (want refusal) unlike(got reply) string {
	if !slices.Contains(want.status, got.status) {
		return fmt.Sprintf("want %v", want.status)
	}
	p, err := got.asProblem()
	if err != "" {
		return err
	}
	for name, v := range want.header {
		if got.header.Get(name) != v {
			return fmt.Sprintf("%s is %q, want %q", name, got.header.Get(name), v)
		}
	}
	if !slices.Contains(want.codes, p.Code) {
		return fmt.Sprintf("want a code of %v", want.codes)
	}
	if meanings[p.Code].Remedy == "" {
		return "the code has no remedy"
	}
	for _, e := range p.Errors {
		if e.Detail == "" {
			return "a place without a detail"
		}
	}
	if want.parameter != "" && !slices.ContainsFunc(p.Errors, func(e ProblemItem) bool {
		return e.Parameter == want.parameter && e.Code == p.Code
	}) {
		return "the parameter " + want.parameter + " is not blamed"
	}
	if want.pointers != nil && !slices.ContainsFunc(p.Errors, func(e ProblemItem) bool {
		return e.Parameter == "" && e.Code == p.Code && slices.Contains(want.pointers, e.Pointer)
	}) {
		return fmt.Sprintf("none of the places %q is blamed", want.pointers)
	}
	return ""
}

// TestMalformedHTTPStartsFromGoodRequests proves that it is the damage which is
// refused: without it the same requests are done, or refused for what they ask
// of these apps (409, 422) and not for how they are written.
func TestMalformedHTTPStartsFromGoodRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.endRun()
	order := slices.Clone(routes)
	slices.SortStableFunc(order, func(a, b route) int { return strings.Compare(last(a), last(b)) })
	done := 0
	for _, r := range order {
		got := f.do(r.method, f.target(r), f.whole(r), ifMatch("*"))
		if got.status < http.StatusBadRequest {
			done++
		} else if got.status != http.StatusConflict && got.status != http.StatusUnprocessableEntity && !neverGood[r.id] {
			t.Errorf("%s: got %d: %s", r.id, got.status, got.body)
		}
	}
	if done < len(routes)-8 {
		t.Errorf("only %d of %d are done", done, len(routes))
	}
}

// neverGood are the routes whose plain request cannot succeed here: they need a
// state that was handed out, which is good for one time.
var neverGood = map[string]bool{"begin-authorization": true, "oauth-callback": true}

// whole is body, also for the routes that may do without one.
func (f *fixture) whole(r route) string {
	switch r.id {
	case "validate-connection":
		return f.document("Shared")
	case "create-plan":
		return `{"records":[{"side":"left","id":"1"}]}`
	case "retry-entry":
		return `{"values":{"lastname":"x"}}`
	}
	return f.body(r)
}

// methodsOf are the methods that a path takes as its own, and those that some route
// takes it with: mappings/preview is none of mappings/{mapping}, whose methods look
// for a mapping of that name all the same.
func methodsOf(path string) (own, routed []string) {
	fewest := 0
	parts := strings.Split(path, "/")
	for _, r := range routes {
		want, names := strings.Split(r.path, "/"), strings.Count(r.path, "{")
		fits := len(want) == len(parts)
		for i := 0; fits && i < len(want); i++ {
			fits = want[i] == parts[i] || strings.HasPrefix(want[i], "{")
		}
		if !fits {
			continue
		}
		if routed = append(routed, r.method); own == nil || names < fewest {
			own, fewest = []string{r.method}, names
		} else if names == fewest {
			own = append(own, r.method)
		}
	}
	return own, routed
}
