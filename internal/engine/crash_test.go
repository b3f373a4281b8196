package engine_test

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// scenario is one thing that happens to two people who are in step, one who is
// only on the left and one who has no address.
type scenario struct {
	name    string
	change  func(*crm.Connection)
	options func(side int, o *modelapp.Options)
	first   bool // the first sync itself is part of it
	always  bool // stopped everywhere in short runs, too: nothing else comes by what it shows
	stride  int  // of its requests so many are alike that one in so many is enough; 0 = all
	act     func(b *crashBed)
}

const (
	ann = "ann@example.com"
	bob = "bob@example.com"
	eve = "eve@example.com"
)

// begin puts the people into the apps and brings them into step.
func (b *crashBed) begin(first bool) {
	b.create(crm.Left, "email", ann, "first", "Ann", "last", "Roe", "tags", "a;b")
	b.create(crm.Right, "email", ann, "first", "Ann", "last", "Roe", "tags", "a;b")
	b.create(crm.Right, "email", bob, "first", "Bob", "last", "Doe")
	b.create(crm.Left, "first", "Nobody", "last", "Known")
	b.live = first
	b.start()
	b.rest()
	b.live = true
}

func (b *crashBed) start() {
	b.ask(func(e *engine.Engine) error {
		_, err := e.StartConnection(b.t.Context(), testbed.Workspace, testbed.Connection)
		return err
	})
}

func (b *crashBed) resync() {
	b.ask(func(e *engine.Engine) error {
		_, err := e.StartRun(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
		return err
	})
}

// news is how the engine hears of a change.
var news = map[string]func(b *crashBed, side crm.Side, id crm.RecordID){
	"webhook": func(b *crashBed, side crm.Side, id crm.RecordID) { b.hook(side, connector.EventChanged, id) },
	"pull":    func(b *crashBed, _ crm.Side, _ crm.RecordID) { b.pull() },
	"resync":  func(b *crashBed, _ crm.Side, _ crm.RecordID) { b.resync() },
	"webhook twice": func(b *crashBed, side crm.Side, id crm.RecordID) {
		b.hook(side, connector.EventChanged, id)
		b.rest()
		b.hook(side, connector.EventChanged, id)
	},
}

// edits are things that users do; each returns the record that changed.
var edits = map[string]func(b *crashBed) (crm.Side, crm.RecordID){
	"edit left": func(b *crashBed) (crm.Side, crm.RecordID) {
		id := b.byEmail(crm.Left, ann)
		b.edit(crm.Left, id, "city", "Ghent")
		return crm.Left, id
	},
	"edit right": func(b *crashBed) (crm.Side, crm.RecordID) {
		id := b.byEmail(crm.Right, bob)
		b.edit(crm.Right, id, "first", "Robert", "city", "Lund")
		return crm.Right, id
	},
	"both, different fields": func(b *crashBed) (crm.Side, crm.RecordID) {
		id := b.byEmail(crm.Left, ann)
		b.edit(crm.Right, b.byEmail(crm.Right, ann), "last", "Loe")
		b.edit(crm.Left, id, "city", "Ghent")
		return crm.Left, id
	},
	"both, same field": func(b *crashBed) (crm.Side, crm.RecordID) {
		id := b.byEmail(crm.Left, ann)
		b.edit(crm.Right, b.byEmail(crm.Right, ann), "city", "Lund")
		b.edit(crm.Left, id, "city", "Ghent")
		return crm.Left, id
	},
	"lists on both": func(b *crashBed) (crm.Side, crm.RecordID) {
		id := b.byEmail(crm.Left, ann)
		b.edit(crm.Right, b.byEmail(crm.Right, ann), "tags", "a;b;c")
		b.edit(crm.Left, id, "tags", "b;d")
		return crm.Left, id
	},
	"blank": func(b *crashBed) (crm.Side, crm.RecordID) {
		id := b.byEmail(crm.Right, bob)
		b.edit(crm.Right, id, "last", "")
		return crm.Right, id
	},
	"another address": func(b *crashBed) (crm.Side, crm.RecordID) {
		id := b.byEmail(crm.Left, ann)
		b.edit(crm.Left, id, "email", "anna@example.com")
		return crm.Left, id
	},
	"create left": func(b *crashBed) (crm.Side, crm.RecordID) {
		return crm.Left, b.create(crm.Left, "email", "cyd@example.com", "first", "Cyd")
	},
	"create right": func(b *crashBed) (crm.Side, crm.RecordID) {
		return crm.Right, b.create(crm.Right, "email", "dee@example.com", "first", "Dee", "tags", "x")
	},
	"create on both": func(b *crashBed) (crm.Side, crm.RecordID) {
		b.create(crm.Left, "email", "eve@example.com", "first", "Eve", "city", "Ghent")
		return crm.Right, b.create(crm.Right, "email", "eve@example.com", "last", "Poe", "city", "Lund")
	},
	"double": func(b *crashBed) (crm.Side, crm.RecordID) {
		b.create(crm.Right, "email", "fay@example.com", "first", "Fay")
		return crm.Right, b.create(crm.Right, "email", "fay@example.com", "first", "Fay Too")
	},
}

// scenarios crosses edits with news, and adds what does not fit the pattern.
func scenarios() []scenario {
	var out []scenario
	for _, edit := range sortedKeys(edits) {
		for _, told := range sortedKeys(news) {
			out = append(out, scenario{name: edit + ", " + told, act: func(b *crashBed) {
				side, id := edits[edit](b)
				news[told](b, side, id)
			}})
		}
	}
	return append(out, specials()...)
}

func specials() []scenario {
	gone := func(side crm.Side) func(b *crashBed) {
		return func(b *crashBed) {
			id := b.byEmail(side, ann)
			if err := b.apps[side.Index()].Delete(id); err != nil {
				b.t.Fatal(err)
			}
			b.hook(side, connector.EventDeleted, id)
		}
	}
	picky := func(side int, o *modelapp.Options) { o.Picky, o.AnswerValues = true, side == 0 }
	types := func(side crm.Side, fields ...string) func(b *crashBed) {
		return func(b *crashBed) {
			id := b.byEmail(side, ann)
			b.edit(side, id, fields...)
			b.hook(side, connector.EventChanged, id)
		}
	}
	unique := func(_ int, o *modelapp.Options) { o.Unique, o.FindNow = true, true }
	return []scenario{
		{name: "a field refused on the right", options: picky, act: types(crm.Left, "city", modelapp.MarkRefused, "last",
			"Loe")},
		{name: "a field refused on the left", options: picky, act: types(crm.Right, "city", modelapp.MarkRefused, "last",
			"Loe")},
		{name: "two fields refused", options: picky, act: types(crm.Left, "city", modelapp.MarkRefused, "first",
			modelapp.MarkRefused, "last", "Loe")},
		{name: "the winner of a conflict refused", always: true, options: picky, change: func(c *crm.Connection) {
			c.Syncs[0].Conflict = crm.ConflictLeft
		}, act: func(b *crashBed) {
			b.edit(crm.Right, b.byEmail(crm.Right, ann), "city", "Lund", "first", "Anna")
			types(crm.Left, "city", modelapp.MarkRefused, "first", "Anne")(b)
		}},
		{name: "a record refused", options: picky, act: types(crm.Left, "city", modelapp.MarkRule, "last", "Loe")},
		{name: "a value changed, and answered", options: picky, act: types(crm.Right, "city", modelapp.MarkBent, "last",
			"Loe")},
		{name: "a value changed, and not answered", options: picky, act: types(crm.Left, "city", modelapp.MarkBent, "last",
			"Loe")},
		{name: "a value not kept", options: picky, act: types(crm.Right, "city", modelapp.MarkKept, "last", "Loe")},
		{name: "a newcomer with a refused field", options: picky, act: func(b *crashBed) {
			id := b.create(crm.Left, "email", "cyd@example.com", "first", "Cyd", "city", modelapp.MarkRefused)
			b.hook(crm.Left, connector.EventChanged, id)
		}},
		{name: "first sync", first: true, act: func(*crashBed) {}},
		{name: "first sync, unique addresses", first: true, options: unique, act: func(*crashBed) {}},
		{
			name: "first sync, slow index", first: true, options: func(_ int, o *modelapp.Options) { o.Lag = 5e9 },
			act: func(*crashBed) {},
		},
		{name: "delete left by webhook", act: gone(crm.Left)},
		{name: "delete right by webhook", act: gone(crm.Right)},
		{name: "delete seen by a pull", always: true, act: func(b *crashBed) {
			if err := b.apps[1].Delete(b.byEmail(crm.Right, bob)); err != nil {
				b.t.Fatal(err)
			}
			b.pull()
		}},
		{name: "delete and edit of the twin", act: func(b *crashBed) {
			gone(crm.Left)(b)
			id := b.byEmail(crm.Right, ann)
			b.edit(crm.Right, id, "city", "Lund")
			b.hook(crm.Right, connector.EventChanged, id)
		}},
		{name: "merge", act: func(b *crashBed) {
			loser, fresh := b.byEmail(crm.Right, bob), b.create(crm.Right, "first", "Bobby")
			if _, err := b.apps[1].Merge(loser, fresh); err != nil {
				b.t.Fatal(err)
			}
			b.pull()
		}},
		{name: "merge of two linked", act: mergeLinked("pull")},
		{name: "merge of two linked, told by a read", act: mergeLinked("webhook of the twin")},
		{name: "merge of two linked into a new record", options: anew, act: mergeLinked("pull")},
		{
			name: "merge of two linked into a new record, told by a read", options: anew,
			act: mergeLinked("webhook of the twin"),
		},
		{
			name: "delete that the app has forgotten", options: func(_ int, o *modelapp.Options) { o.Memory = time.Hour },
			act: func(b *crashBed) {
				if err := b.apps[1].Delete(b.byEmail(crm.Right, bob)); err != nil {
					b.t.Fatal(err)
				}
				b.now = b.now.Add(3 * time.Hour)
				b.pull()
			},
		},
		{name: "delete that the sweep has forgotten", options: func(_ int, o *modelapp.Options) {
			o.Memory, o.DeletedFeed, o.Sweep = time.Hour, false, true
		}, act: func(b *crashBed) {
			if err := b.apps[1].Delete(b.byEmail(crm.Right, bob)); err != nil {
				b.t.Fatal(err)
			}
			b.now = b.now.Add(25 * time.Hour)
			b.pull()
			b.rest()
			b.now = b.now.Add(2 * time.Hour) // what the audit puts off because an app is away comes an hour later
			b.pull()
		}},
		{
			name: "create without identity", always: true, options: func(_ int, o *modelapp.Options) { o.PageSize = 1 },
			change: func(c *crm.Connection) { no := false; c.Syncs[0].AvoidDuplicates = &no }, act: func(b *crashBed) {
				id := b.create(crm.Left, "first", "Anon", "city", "Ghent")
				b.hook(crm.Left, connector.EventChanged, id)
			},
		},
		{name: "erased by request", stride: 7, act: func(b *crashBed) {
			b.erase(engine.ErasureRequest{Email: ann}, b.byEmail(crm.Left, ann), b.byEmail(crm.Right, ann))
		}},
		{name: "erased by an app", stride: 7, act: func(b *crashBed) {
			id := b.byEmail(crm.Left, ann)
			b.gone = []string{ann, "Ann", string(id), string(b.byEmail(crm.Right, ann))}
			if err := b.apps[0].Delete(id); err != nil {
				b.t.Fatal(err)
			}
			b.hook(crm.Left, connector.EventErased, id)
			b.hook(crm.Left, connector.EventDeleted, id)
		}},
		{
			name: "review", change: func(c *crm.Connection) { c.Syncs[0].Conflict = crm.ConflictReview },
			act: func(b *crashBed) {
				_, id := edits["both, same field"](b)
				b.hook(crm.Left, connector.EventChanged, id)
			},
		},
		{
			name: "one way", change: func(c *crm.Connection) { c.Syncs[0].Direction = crm.DirectionToRight },
			act: func(b *crashBed) {
				_, id := edits["edit left"](b)
				b.hook(crm.Left, connector.EventChanged, id)
			},
		},
		{name: "pause and resume", act: func(b *crashBed) {
			b.ask(func(e *engine.Engine) error {
				return e.PauseConnection(b.t.Context(), testbed.Workspace, testbed.Connection)
			})
			_, id := edits["edit left"](b)
			b.hook(crm.Left, connector.EventChanged, id)
			b.run(func(e *engine.Engine) { _, _ = e.Round(b.t.Context()) })
			b.start()
		}},
		{name: "unlink by hand", act: func(b *crashBed) {
			id := b.byEmail(crm.Left, ann)
			b.ask(func(e *engine.Engine) error {
				_, err := e.UnlinkRecord(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, id)
				return err
			})
		}},
		{name: "sync one record", act: func(b *crashBed) {
			_, id := edits["edit left"](b)
			b.ask(func(e *engine.Engine) error {
				_, err := e.SyncRecord(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, id)
				return err
			})
		}},
		{name: "webhook and pull of a new record", act: func(b *crashBed) {
			_, id := edits["create left"](b)
			b.hook(crm.Left, connector.EventChanged, id)
			b.pull()
		}},
	}
}

// anew are apps in which a merge makes a new record, which names what it absorbed.
func anew(_ int, o *modelapp.Options) { o.Merges, o.Absorbs, o.NewRecord = false, true, true }

// mergeLinked merges the right records of two linked pairs while the twin of the
// one that stays is edited.
func mergeLinked(how string) func(b *crashBed) {
	return func(b *crashBed) {
		loser, primary, twin := b.byEmail(crm.Right, bob), b.byEmail(crm.Right, ann), b.byEmail(crm.Left, ann)
		if _, err := b.apps[1].Merge(loser, primary); err != nil {
			b.t.Fatal(err)
		}
		b.edit(crm.Left, twin, "city", "Ghent")
		if how == "pull" {
			b.pull()
			return
		}
		b.hook(crm.Left, connector.EventChanged, twin)
	}
}

// TestS8_StopAnywhereAndResume stops before and after every request of every
// scenario, lets it fail or loses its answer, and demands the same end as
// without. Short runs look at every 97th request; CRASH_STRIDE says otherwise.
func TestS8_StopAnywhereAndResume(t *testing.T) {
	t.Parallel()
	stride := 1
	if testing.Short() {
		stride = 97
		if n, err := strconv.Atoi(os.Getenv("CRASH_STRIDE")); err == nil && n > 0 {
			stride = n
		}
	}
	all := scenarios()
	if len(all) < 50 {
		t.Errorf("%d scenarios, want at least 50", len(all))
	}
	var points, survived atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d scenarios, %d of %d crash points survived", len(all), survived.Load(), points.Load())
	})
	for _, sc := range all {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			stride := stride
			if sc.always {
				stride = 1
			}
			all, ok := crashScenario(t, sc, stride)
			points.Add(int64(all))
			survived.Add(int64(ok))
		})
	}
}

// TestS8_NoPlanIsLeftRunning stops wherever a plan may be stopped: however often
// it was asked for, each that is listed comes to an end.
func TestS8_NoPlanIsLeftRunning(t *testing.T) {
	t.Parallel()
	plans := scenario{act: func(b *crashBed) {
		_, id := edits["edit left"](b)
		for _, refs := range [][]crm.RecordRef{
			nil, {{Side: crm.Left, ID: id}, {Side: crm.Right, ID: b.byEmail(crm.Right, bob)}},
		} {
			b.ask(func(e *engine.Engine) error {
				_, err := e.CreatePlan(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, refs)
				return err
			})
		}
	}}
	stride := 1
	if testing.Short() {
		stride = 3
	}
	_, requests := plans.play(t, -1, dieBefore)
	for at := 0; at < requests; at += stride {
		for mode := range crashModes {
			b := newCrashBed(t, at, mode, nil, nil)
			plans.playOn(b)
			b.store.Each(store.Log, func(it store.Item) bool {
				if strings.Contains(it.Partition, "plans") && strings.Contains(string(it.Data), `"state":"running"`) {
					t.Errorf("%s at request %d of %d leaves a plan open: %s", mode, at, requests, it.Data)
				}
				return true
			})
			if end := b.final(); strings.Contains(end, "for ever") ||
				!strings.Contains(end, "run plan, done: 2 entered, 2 done") {
				t.Errorf("%s at request %d of %d ends with:\n%s", mode, at, requests, end)
			}
		}
	}
}

// play runs a scenario with one strike and returns its end.
func (sc *scenario) play(t *testing.T, at int, mode crashMode) (end string, requests int) {
	b := newCrashBed(t, at, mode, sc.change, sc.options)
	requests = sc.playOn(b)
	return b.final(), requests
}

// playOn runs a scenario to its end and returns how many requests it made.
func (sc *scenario) playOn(b *crashBed) (requests int) {
	b.begin(sc.first)
	sc.act(b)
	b.rest()
	requests = b.count
	b.live = false
	for range 2 {
		b.pull()
		b.rest()
	}
	return requests
}

func crashScenario(t *testing.T, sc scenario, stride int) (points, survived int) {
	t.Helper()
	want, requests := sc.play(t, -1, dieBefore)
	return everywhere(t, want, requests, stride*max(sc.stride, 1), func(at int, mode crashMode) string {
		got, _ := sc.play(t, at, mode)
		return got
	})
}

// everywhere plays something with each kind of strike at every so many of its
// requests, and demands the end that it has without. It gives up after three others.
func everywhere(
	t *testing.T, want string, requests, stride int, play func(at int, mode crashMode) string,
) (points, survived int) {
	t.Helper()
	for at := 0; at < requests && points-survived < 3; at += stride {
		for mode := range crashModes {
			points++
			got := play(at, mode)
			if got == want {
				survived++
				continue
			}
			t.Errorf("%s at request %d of %d ends otherwise (-want +got):\n%s", mode, at, requests, cmp.Diff(want, got))
		}
	}
	return points, survived
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
