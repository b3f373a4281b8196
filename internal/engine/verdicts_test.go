package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// deaf is a store that takes so many writes less.
type deaf struct {
	store.Store
	times, writes int
}

func (d *deaf) stumbles() error {
	if d.writes++; d.writes <= d.times {
		return fault.New("deaf: write", fault.Unavailable, "injected", "the store is away")
	}
	return nil
}

func (d *deaf) Write(ctx context.Context, w store.Write) (int64, error) {
	if err := d.stumbles(); err != nil {
		return 0, err
	}
	return d.Store.Write(ctx, w)
}

func (d *deaf) Transact(ctx context.Context, ws []store.Write) error {
	if err := d.stumbles(); err != nil {
		return err
	}
	return d.Store.Transact(ctx, ws)
}

// TestVerdictsAreAsWritten: what becomes of a delivery whose work ended for each
// cause, at each receive, in a chunk of one and of five, while the store takes
// every write or none of the first few: how it comes again, what waits or lies
// dead in the store then, and how often the store was asked.
func TestVerdictsAreAsWritten(t *testing.T) {
	t.Parallel()
	errs := map[string]error{
		"a bug": errors.New("nil map"), "leased": errLeased, "switched off": errPaused, "time used up": errTime,
		"leased for long": &fault.Error{Op: "test", Kind: fault.Conflict, Code: codeLeased, RetryAfter: time.Minute},
		"a short limit": &fault.Error{
			Op: "test", Kind: fault.Throttled, Code: "rate_limited", RetryAfter: 5 * time.Second,
		},
		"a limit": &fault.Error{
			Op: "test", Kind: fault.Throttled, Code: "rate_limited", RetryAfter: 5001 * time.Millisecond,
		},
		"an endless limit": fault.New("test", fault.Throttled, "rate_limited", ""),
		"a right":          fault.New("test", fault.Denied, codePermission, "you may not"),
		"an outage":        fault.New("test", fault.Unavailable, "unavailable", ""),
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(errs)) {
		for _, size := range []int{1, 5} {
			for _, begun := range []bool{false, true} {
				for _, times := range []int{0, 2, 3, 4} {
					last := ""
					for receives := 1; receives <= 13; receives++ {
						said := verdictOf(t, errs[name], size, receives, times, begun)
						if said != last {
							fmt.Fprintf(&out, "%s, %d records, begun %t, %d writes fail, from receive %d: %s\n", name, size, begun, times,
								receives, said)
						}
						last = said
					}
				}
			}
		}
	}
	written.Check(t, "verdicts.txt", out.String())
}

func verdictOf(t *testing.T, cause error, size, receives, times int, begun bool) string {
	t.Helper()
	b := newStillBed(t, nil)
	d := &deaf{Store: b.mem, times: times}
	b.Store = d
	c := aChunk()
	for i := range size {
		c.Hints = append(c.Hints, hint{ID: crm.RecordID(fmt.Sprintf("l_%d", i))})
	}
	c.Run, c.Counted = "run", size > 1
	j := &job{Delivery: queue.Delivery{Receives: receives}, chunk: c, verdict: &Verdict{}, begun: begun}
	b.failed(t.Context(), j, cause)
	lies := map[string]int{}
	for _, table := range store.Tables {
		b.mem.Each(table, func(it store.Item) bool {
			kind, _ := store.KindOf(it.Key)
			if lies[kind.Name]++; kind.Name == "parked" {
				lies["parked for "+parkedUntil(it.Sort).Sub(b.now).String()]++
			}
			return true
		})
	}
	return fmt.Sprintf("ack %t, again in %s, done %t, why %s, %d writes, %v, %v", j.verdict.Ack, j.verdict.Retry, j.done,
		j.why, d.writes, lies, b.marks)
}

// TestWhoIsWorkedTogether: which of a group's deliveries are worked side by side,
// which make people wait, and which are one lone change.
func TestWhoIsWorkedTogether(t *testing.T) {
	t.Parallel()
	one := func(change func(j *job)) *job {
		j := &job{Delivery: queue.Delivery{Receives: 1}, chunk: aChunk(hint{ID: "l_1"}), verdict: &Verdict{}}
		if change != nil {
			change(j)
		}
		return j
	}
	kind := func(k RunKind) func(*job) { return func(j *job) { j.chunk.Kind = k } }
	hints := func(k RunKind, n int) func(*job) {
		return func(j *job) { j.chunk.Kind, j.chunk.Hints = k, make([]hint, n) }
	}
	asked := func(change func(h *hint)) func(*job) { return func(j *job) { change(&j.chunk.Hints[0]) } }
	for name, c := range map[string]struct {
		jobs      []*job
		together  int
		waitedFor bool
		lone      bool
	}{
		"one":       {[]*job{one(nil)}, 1, false, true},
		"two alike": {[]*job{one(nil), one(nil)}, 2, false, false},
		"kinds of real work": {
			[]*job{one(kind(RunWebhook)), one(kind(RunPull)), one(kind(RunRecord))},
			3, false,
			false,
		},
		"work, then a plan": {[]*job{one(nil), one(kind(RunPlan)), one(nil)}, 1, false, false},
		"a plan, then work": {[]*job{one(kind(RunPlan)), one(kind(RunPlan)), one(nil)}, 2, false, false},
		"another sync":      {[]*job{one(nil), one(func(j *job) { j.chunk.Sync = "deals" })}, 1, false, false},
		"another workspace": {
			[]*job{one(nil), one(nil), one(func(j *job) { j.chunk.Workspace = "other" })},
			2,
			false, false,
		},
		"received twice before, first": {[]*job{one(func(j *job) { j.Receives = 3 }), one(nil)}, 1, false, false},
		"received twice before, third": {
			[]*job{one(nil), one(func(j *job) { j.Receives = 2 }), one(func(j *job) { j.Receives = 3 })}, 2, false, false,
		},
		"a few changes": {[]*job{one(hints(RunWebhook, 9)), one(kind(RunRecord))}, 2, true, false},
		"a flood":       {[]*job{one(hints(RunWebhook, 10)), one(kind(RunRecord))}, 2, false, false},
		"ten of a pull": {[]*job{one(hints(RunPull, 1))}, 1, false, true},
		"a run's":       {[]*job{one(func(j *job) { j.chunk.Counted = true })}, 1, false, false},
		"two records":   {[]*job{one(hints(RunWebhook, 2))}, 1, true, false},
		"a merge":       {[]*job{one(asked(func(h *hint) { h.Into = "l_2" }))}, 1, false, false},
		"a wish":        {[]*job{one(asked(func(h *hint) { h.Op = opLink }))}, 1, false, false},
	} {
		e := newStillBed(t, nil).Engine
		if got := len(e.together(c.jobs)); got != c.together {
			t.Errorf("%s: %d are worked together, want %d", name, got, c.together)
		}
		if got := waitedFor(c.jobs); got != c.waitedFor {
			t.Errorf("%s: waited for %t", name, got)
		}
		if got := lone(c.jobs); got != c.lone {
			t.Errorf("%s: lone %t", name, got)
		}
	}
}

// TestNamesOfChunksTellAllThatTheyBring: a chunk that is sent once more after a
// crash has the same name only if it brings the same.
func TestNamesOfChunksTellAllThatTheyBring(t *testing.T) {
	t.Parallel()
	run := func(change func(r *storedRun)) *storedRun {
		r := &storedRun{Run: Run{ID: "run"}, RestSide: crm.Left, Seq: 1}
		if change != nil {
			change(r)
		}
		return r
	}
	a, b := hint{ID: "l_1", Digest: "d"}, hint{ID: "l_2"}
	want := chunkID(run(nil), []hint{a, b})
	if got := chunkID(run(nil), []hint{b, a}); got != want {
		t.Errorf("the order of the records makes another name: %q, %q", got, want)
	}
	other := func(change func(h *hint)) []hint {
		h := a
		change(&h)
		return []hint{h, b}
	}
	for name, id := range map[string]string{
		"run":    chunkID(run(func(r *storedRun) { r.Run.ID = "run2" }), []hint{a, b}),
		"side":   chunkID(run(func(r *storedRun) { r.RestSide = crm.Right }), []hint{a, b}),
		"page":   chunkID(run(func(r *storedRun) { r.Seq = 2 }), []hint{a, b}),
		"fewer":  chunkID(run(nil), []hint{a}),
		"record": chunkID(run(nil), other(func(h *hint) { h.ID = "l_3" })),
		"digest": chunkID(run(nil), other(func(h *hint) { h.Digest = "e" })),
		"expect": chunkID(run(nil), other(func(h *hint) { h.Expect = "e" })),
		"gone":   chunkID(run(nil), other(func(h *hint) { h.Gone = true })),
		"into":   chunkID(run(nil), other(func(h *hint) { h.Into = "l_9" })),
		"merged": chunkID(run(nil), other(func(h *hint) { h.Merged = []crm.RecordID{"l_9"} })),
	} {
		if id == want {
			t.Errorf("another %s has the same name", name)
		}
	}
}

// TestPhasesFollowEachOther: the way of each kind of run.
func TestPhasesFollowEachOther(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, kind := range []RunKind{RunInitial, RunPull, RunResync, RunPlan, RunApply} {
		for bits := range 32 {
			on := func(i int) bool { return bits>>i&1 == 1 }
			r := &storedRun{Run: Run{Kind: kind}, Full: on(0), NoHints: on(1)}
			if on(2) {
				r.Salt = "salt"
			}
			if on(3) {
				r.Again = &secondLook{}
			}
			if on(4) {
				r.Audit = &auditing{}
			}
			fmt.Fprintf(&out, "%s full=%t plan-only=%t salted=%t again=%t audit=%t:", kind, on(0), on(1), on(2), on(3), on(4))
			for p, steps := phaseLeft, 0; p != phaseOver && steps < 20; steps++ {
				fmt.Fprintf(&out, " %v(%t,%t,%s)", p, p.listing(), p.again(), p.side())
				p = r.after(p)
			}
			out.WriteString("\n")
		}
	}
	written.Check(t, "phases.txt", out.String())
}
