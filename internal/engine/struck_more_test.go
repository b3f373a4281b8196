package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestRecoveriesMayFail ends the process before and after its writes to an app,
// and lets each kind of request of those that come after it fail once: first and
// last. What is written down is the whole course; the end has to be the same.
func TestRecoveriesMayFail(t *testing.T) {
	t.Parallel()
	singleFile(t)
	for _, name := range []string{
		"create left", "create on both", "both, different fields", "lists on both", "another address",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := scenario{name: name, act: func(b *crashBed) {
				side, id := edits[name](b)
				news["webhook"](b, side, id)
			}}
			var out strings.Builder
			sc.recovered(t, &out)
			written.Check(t, "recovered/"+storyFile.Replace(name)+".txt", out.String())
		})
	}
	t.Run("first sync", func(t *testing.T) {
		t.Parallel()
		sc := scenario{first: true, act: func(*crashBed) {}, options: func(_ int, o *modelapp.Options) { o.Lag = 5e9 }}
		var out strings.Builder
		sc.recovered(t, &out)
		written.Check(t, "recovered/first-sync.txt", out.String())
	})
}

func (sc *scenario) recovered(t *testing.T, out *strings.Builder) {
	t.Helper()
	plain := newCrashBed(t, -1, failOnce, sc.change, sc.options)
	sc.playOn(plain)
	end := plain.final()
	for _, death := range slices.Sorted(maps.Keys(plain.seen)) {
		if !strings.HasPrefix(death, "app") || !landing.MatchString(death) {
			continue
		}
		for _, mode := range []crashMode{dieBefore, dieAfter} {
			dead := newCrashBed(t, -1, mode, sc.change, sc.options)
			dead.what = death
			sc.playOn(dead)
			want := dead.course()
			fmt.Fprintf(out, "%s, %s: %s\n", mode, death, differ(plain.course(), want))
			for _, what := range slices.Sorted(maps.Keys(dead.later)) {
				for _, nth := range slices.Compact([]int{0, dead.later[what] - 1}) {
					b := newCrashBed(t, -1, mode, sc.change, sc.options)
					b.what, b.then, b.thenNth = death, what, nth
					sc.playOn(b)
					if got := b.final(); got != end {
						t.Errorf("%s at %s, then %s %d fails: ends with\n%s\nwant\n%s", mode, death, what, nth, got, end)
					}
					fmt.Fprintf(out, "  then %s %s: %s\n", map[bool]string{true: "first", false: "last"}[nth == 0], what,
						differ(want, b.course()))
				}
			}
		}
	}
}

// TestEveryLookMayFail lets each request fail once that a question of an admin
// makes to the store and the apps: the answer is the trouble, or, where the
// request was beside the matter, the answer without it; testdata says which.
func TestEveryLookMayFail(t *testing.T) {
	t.Parallel()
	singleFile(t)
	ctx, ws, con, sync := t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts
	b := newCrashBed(t, -1, failOnce, nil, func(_ int, o *modelapp.Options) { o.Picky = true })
	b.begin(false)
	b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", modelapp.MarkRefused)
	b.busy()
	b.pull()
	b.rest()
	b.live = false
	plan := b.plan()
	id := b.byEmail(crm.Left, ann)
	runs, _, err := b.eng.ListRuns(ctx, ws, con, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	log, _, err := b.eng.ListLog(ctx, ws, engine.LogFilter{Connection: con}, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	two := func(a any, _ string, err error) (any, error) { return a, err }
	looks := map[string]func(e *engine.Engine) (any, error){
		"status":    func(e *engine.Engine) (any, error) { return e.Status(ctx, ws, con) },
		"waits":     func(e *engine.Engine) (any, error) { return e.AccountWaits(ctx, ws) },
		"held":      func(e *engine.Engine) (any, error) { return e.Held(ctx, ws, con) },
		"due pulls": func(e *engine.Engine) (any, error) { return e.DuePulls(ctx, ws, b.now.Add(time.Hour)) },
		"run":       func(e *engine.Engine) (any, error) { return e.GetRun(ctx, ws, runs[0].ID) },
		"entry":     func(e *engine.Engine) (any, error) { return e.GetEntry(ctx, ws, log[0].ID) },
		"plan":      func(e *engine.Engine) (any, error) { return e.GetPlan(ctx, ws, plan) },
		"record":    func(e *engine.Engine) (any, error) { return e.GetRecord(ctx, ws, con, sync, crm.Left, id) },
		"explain":   func(e *engine.Engine) (any, error) { return e.Explain(ctx, ws, con, sync, crm.Left, id) },
		"fields": func(e *engine.Engine) (any, error) {
			return e.Fields(ctx, ws, testbed.LeftAccount, modelapp.Object, false)
		},
		"fields, fresh": func(e *engine.Engine) (any, error) {
			return e.Fields(ctx, ws, testbed.LeftAccount, modelapp.Object, true)
		},
		"find erasure": func(e *engine.Engine) (any, error) {
			return e.FindErasure(ctx, ws, engine.ErasureRequest{Email: ann})
		},
		"runs": func(e *engine.Engine) (any, error) {
			a, n, err := e.ListRuns(ctx, ws, con, 2, "")
			return two(a, n, err)
		},
		"log": func(e *engine.Engine) (any, error) {
			a, n, err := e.ListLog(ctx, ws, engine.LogFilter{Connection: con}, 2, "")
			return two(a, n, err)
		},
		"log of record": func(e *engine.Engine) (any, error) {
			a, n, err := e.ListLog(ctx, ws, engine.LogFilter{Connection: con, Record: id}, 2, "")
			return two(a, n, err)
		},
		"records": func(e *engine.Engine) (any, error) {
			a, n, err := e.ListRecords(ctx, ws, con, sync, engine.RecordFilter{}, 2, "")
			return two(a, n, err)
		},
		"records by ID": func(e *engine.Engine) (any, error) {
			a, n, err := e.ListRecords(ctx, ws, con, sync, engine.RecordFilter{Q: string(id)}, 2, "")
			return two(a, n, err)
		},
		"changes": func(e *engine.Engine) (any, error) {
			a, n, err := e.PlanChanges(ctx, ws, plan, 2, "")
			return two(a, n, err)
		},
		"dead": func(e *engine.Engine) (any, error) {
			a, n, err := e.ListDead(ctx, ws, con, 2, "")
			return two(a, n, err)
		},
		"erasures": func(e *engine.Engine) (any, error) {
			a, n, err := e.ListErasures(ctx, ws, 2, "")
			return two(a, n, err)
		},
	}
	var out strings.Builder
	for _, name := range sortedKeys(looks) {
		ask := func(at int) (answer string, labels []string) {
			b.eng = b.process() // with empty caches
			before := maps.Clone(b.seen)
			b.live, b.count, b.at = true, 0, at
			v, err := looks[name](b.eng)
			b.live, b.at = false, -1
			for _, what := range sortedKeys(b.seen) {
				for range b.seen[what] - before[what] {
					labels = append(labels, what)
				}
			}
			if err != nil {
				return fmt.Sprintf("%v %s", fault.KindOf(err), fault.CodeOf(err)), labels
			}
			return flat(t, v), labels
		}
		want, labels := ask(-1)
		fmt.Fprintf(&out, "%s asks %q\n", name, labels)
		for at := range len(labels) {
			got, _ := ask(at)
			if got == want {
				got = "the same"
			}
			fmt.Fprintf(&out, "  %d: %s\n", at, b.relative(got))
		}
	}
	written.Check(t, "looks.txt", out.String())
}

// TestEveryDeedMayFail does the same for what admins, schedules and apps set off:
// a call that fails says so, and the next one does what it should have done.
func TestEveryDeedMayFail(t *testing.T) {
	t.Parallel()
	singleFile(t)
	ctx, ws, con, sync := context.Background(), testbed.Workspace, testbed.Connection, testbed.Contacts
	deeds := map[string]func(b *crashBed) error{
		"start":     func(b *crashBed) error { _, err := b.eng.StartConnection(ctx, ws, con); return err },
		"pause":     func(b *crashBed) error { return b.eng.PauseConnection(ctx, ws, con) },
		"delete":    func(b *crashBed) error { return b.eng.DeleteConnection(ctx, ws, con) },
		"resync":    func(b *crashBed) error { _, err := b.eng.StartRun(ctx, ws, con, sync, engine.RunResync); return err },
		"pull":      func(b *crashBed) error { return b.eng.Pull(ctx, ws, con, sync) },
		"round":     func(b *crashBed) error { _, err := b.eng.Round(ctx); return err },
		"authorize": func(b *crashBed) error { return b.eng.AccountAuthorized(ctx, ws, testbed.LeftAccount) },
		"catch up":  func(b *crashBed) error { return b.eng.CatchUp(ctx, ws, con, []crm.SyncID{sync}) },
		"plan":      func(b *crashBed) error { _, err := b.eng.CreatePlan(ctx, ws, con, sync, nil); return err },
		"record": func(b *crashBed) error {
			_, err := b.eng.SyncRecord(ctx, ws, con, sync, crm.Left, "l_p000001")
			return err
		},
		"unlink": func(b *crashBed) error {
			_, err := b.eng.UnlinkRecord(ctx, ws, con, sync, crm.Left, "l_p000001")
			return err
		},
		"link": func(b *crashBed) error {
			_, err := b.eng.LinkRecords(ctx, ws, con, sync, crm.Left, "l_p000002", "r_p000002")
			return err
		},
		"retry": func(b *crashBed) error {
			_, err := b.eng.RetryFailed(ctx, ws, engine.LogFilter{Connection: con})
			return err
		},
		"confirm": func(b *crashBed) error { return b.eng.ConfirmDeletions(ctx, ws, con, sync) },
		"discard": func(b *crashBed) error { return b.eng.DiscardDeletions(ctx, ws, con, sync) },
		"erase": func(b *crashBed) error {
			_, err := b.eng.Erase(ctx, ws, "ers_00000001", engine.ErasureRequest{Email: ann})
			return err
		},
		"redrive": func(b *crashBed) error { _, err := b.eng.RedriveDead(ctx, ws, con); return err },
	}
	var out strings.Builder
	for _, name := range sortedKeys(deeds) {
		play := func(at int) (course string, requests int, err error) {
			b := newCrashBed(t, -1, failOnce, nil, nil)
			b.begin(false)
			edits["edit left"](b)
			edits["create right"](b)
			b.count, b.at = 0, at
			err = deeds[name](b)
			requests = b.count
			b.live, b.at = false, -1
			if err != nil {
				_ = deeds[name](b) // as the caller does, who may hear that it is done already
			}
			b.rest()
			if st, err := b.eng.Status(ctx, ws, con); err == nil && len(st) > 0 {
				b.pull()
				b.rest()
				course = b.course()
			}
			return course, requests, err
		}
		want, requests, _ := play(-1)
		fmt.Fprintf(&out, "%s, %d requests: %s\n", name, requests, want)
		for at := range requests {
			course, _, err := play(at)
			fmt.Fprintf(&out, "  %d: %s; %s\n", at, fault.CodeOf(err), differ(want, course))
		}
	}
	written.Check(t, "deeds.txt", out.String())
}
