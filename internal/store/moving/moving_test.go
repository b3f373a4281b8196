package moving_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
	"github.com/lockstep-crm/lockstep/internal/store/moving"
	"github.com/lockstep-crm/lockstep/internal/store/storetest"
)

const home crm.WorkspaceID = "default"

// sorts has one setting of each kind that moves.
var sorts = []string{
	"client#hubspot", "credential#acc_1", "credential#acc_2", "delivery#acc_1", "erasure#key",
	"key#key_1", "refused#acc_1", "webhook#acc_1",
}

// TestConformance: a store in which nothing of the suite moves is as the one behind it.
func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) (store.Store, storetest.Clock) {
		clock := testclock.New()
		return moving.New(memstore.New(clock.Now), clock.Now), clock
	})
}

func former(ws crm.WorkspaceID, sort string) store.Key {
	return store.Key{Table: store.Settings, Workspace: ws, Partition: "workspace", Sort: sort}
}

// fill puts one of each into its former place, in two workspaces.
func fill(t *testing.T, s store.Store) {
	t.Helper()
	if _, err := store.SaveWorkspace(t.Context(), s, store.Workspace{ID: "other", Name: "Other"}, 0); err != nil {
		t.Fatal(err)
	}
	for _, ws := range []crm.WorkspaceID{home, "other"} {
		for _, sort := range append([]string{"account#acc_1", "connection#con_1", "lock#connections"}, sorts...) {
			put(t, s, store.Item{Key: former(ws, sort), Data: []byte(string(ws) + " " + sort)})
		}
	}
}

func put(t *testing.T, s store.Store, it store.Item) {
	t.Helper()
	if _, err := s.Write(t.Context(), store.Write{Item: it}); err != nil {
		t.Fatal(err)
	}
}

// stand lists what stands in the former place of a workspace.
func stand(t *testing.T, s store.Store, ws crm.WorkspaceID) []string {
	t.Helper()
	page, err := s.Query(t.Context(), store.Query{Table: store.Settings, Workspace: ws, Partition: "workspace"})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, it := range page.Items {
		out = append(out, it.Sort)
	}
	return out
}

func step(t *testing.T, s *moving.Store, want bool) {
	t.Helper()
	if done, err := s.Step(t.Context(), home); err != nil || done != want {
		t.Fatalf("Step = %v, %v; want %v", done, err, want)
	}
}

// TestEverythingMovesOnce: nothing goes while the release before may be at work,
// then all of it, in every workspace; a step more, and a step by another
// process, change nothing.
func TestEverythingMovesOnce(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	below := memstore.New(clock.Now)
	fill(t, below)
	s := moving.New(below, clock.Now)
	check := func(when string, stay bool) {
		t.Helper()
		for _, ws := range []crm.WorkspaceID{home, "other"} {
			want := []string{"account#acc_1", "connection#con_1", "lock#connections"}
			if stay {
				want = slices.Sorted(slices.Values(append(want, sorts...)))
			}
			if diff := cmp.Diff(want, stand(t, below, ws)); diff != "" {
				t.Errorf("%s, in the former place of %s (-want +got):\n%s", when, ws, diff)
			}
			for _, sort := range sorts {
				if it, err := s.Get(t.Context(), store.SettingsKey(ws, sort)); err != nil ||
					string(it.Data) != string(ws)+" "+sort {
					t.Errorf("%s: %s of %s is %q, %v", when, sort, ws, it.Data, err)
				}
			}
		}
	}
	check("before", true)
	step(t, s, false)
	clock.Advance(moving.Wait - time.Second)
	step(t, s, false)
	check("while the release before may be at work", true)
	clock.Advance(time.Second)
	step(t, s, false)
	check("moved", false)
	step(t, moving.New(below, clock.Now), false) // somebody's clock may be slow
	clock.Advance(moving.Wait)
	step(t, s, true)
	step(t, moving.New(below, clock.Now), true)
	check("done", false)
}

// TestNothingToMove: an installation that begins with this release is done at
// its first step, and its settings are made in their own places.
func TestNothingToMove(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	below := memstore.New(clock.Now)
	s := moving.New(below, clock.Now)
	step(t, s, true)
	for _, sort := range sorts {
		if _, err := s.Write(t.Context(), store.Write{
			Item: store.Item{Key: store.SettingsKey(home, sort)}, If: store.IfAbsent,
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got := stand(t, below, home); got != nil {
		t.Errorf("in the former place: %v", got)
	}
}

// counting is what an item counts: how often it was changed.
type counting struct {
	N int `json:"n"`
}

// meddler is a store that has somebody else act between any two calls.
type meddler struct {
	store.Store
	rng *rand.Rand
	act func()
	in  bool
}

func (m *meddler) meddle() {
	if m.in || m.rng.IntN(3) > 0 {
		return
	}
	m.in = true
	m.act()
	m.in = false
}

func (m *meddler) Get(ctx context.Context, k store.Key) (store.Item, error) {
	m.meddle()
	return m.Store.Get(ctx, k)
}

func (m *meddler) Write(ctx context.Context, w store.Write) (int64, error) {
	m.meddle()
	return m.Store.Write(ctx, w)
}

func (m *meddler) Transact(ctx context.Context, ws []store.Write) error {
	m.meddle()
	return m.Store.Transact(ctx, ws)
}

func (m *meddler) Query(ctx context.Context, q store.Query) (store.Page, error) {
	m.meddle()
	return m.Store.Query(ctx, q)
}

// TestNobodyLosesAnything: the release before, two processes of this one and
// the move itself get in between each other at every call. Every change that
// was said to be stored is, no item is there twice or missing, lists hold every
// item, and in the end all of them stand in their own places.
func TestNobodyLosesAnything(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { play(t, seed) })
	}
}

func play(t *testing.T, seed uint64) {
	ctx := t.Context()
	rng := rand.New(rand.NewPCG(seed, 16))
	clock := testclock.New()
	below := &meddler{Store: memstore.New(clock.Now), rng: rng, in: true}
	made := map[string]int{} // changes that were said to be stored
	for _, sort := range sorts {
		if rng.IntN(2) == 0 {
			put(t, below, store.Item{Key: former(home, sort), Data: []byte(`{"n":1}`)})
			made[sort] = 1
		}
	}
	ours := []*moving.Store{moving.New(below, clock.Now), moving.New(below, clock.Now)}
	began := clock.Now()
	switch done, err := ours[0].Step(ctx, home); {
	case err != nil:
		t.Fatal(err)
	case done: // the release before was never used, and is not at work
		began = began.Add(-moving.Wait)
	}
	change := func(s store.Store, sort string, place func(string) store.Key) {
		there := made[sort] > 0 && s != store.Store(below) // the release before does not see what has moved
		item, err := s.Get(ctx, place(sort))
		if err != nil && (there || !fault.Is(err, fault.NotFound)) {
			t.Fatalf("%s: %v", sort, err)
		}
		var c counting
		if err == nil {
			if err := json.Unmarshal(item.Data, &c); err != nil {
				t.Fatal(err)
			}
		}
		c.N++
		data, _ := json.Marshal(c)
		w := store.Write{Item: store.Item{Key: place(sort), Data: data}, If: store.IfVersion(item.Version)}
		if rng.IntN(2) == 0 {
			_, err = s.Write(ctx, w)
		} else {
			err = s.Transact(ctx, []store.Write{w})
		}
		if err == nil {
			made[sort]++
		} else if !fault.Is(err, fault.Conflict) {
			t.Fatalf("%s: %v", sort, err)
		}
	}
	act := func() {
		switch n := rng.IntN(10); {
		case n < 2 && clock.Now().Before(began.Add(moving.Wait)): // the release before
			// its hooks end within seconds
			if sort := sorts[rng.IntN(len(sorts))]; !strings.HasPrefix(sort, "delivery") && !strings.HasPrefix(sort, "refused") {
				change(below, sort, func(sort string) store.Key { return former(home, sort) })
			}
		case n < 4:
			if _, err := ours[rng.IntN(2)].Step(ctx, home); err != nil {
				t.Fatal(err)
			}
		case n < 5:
			clock.Advance(time.Duration(rng.IntN(120)) * time.Second)
		default:
			change(ours[rng.IntN(2)], sorts[rng.IntN(len(sorts))], func(sort string) store.Key {
				return store.SettingsKey(home, sort)
			})
		}
	}
	below.in, below.act = false, act
	for range 120 {
		act()
	}
	below.in = true
	clock.Advance(moving.Wait)
	for i, s := range []*moving.Store{ours[0], ours[0], ours[1]} {
		if _, err := s.Step(ctx, home); err != nil {
			t.Fatal(i, err)
		}
		clock.Advance(2 * moving.Wait)
	}
	if done, err := ours[0].Step(ctx, home); !done || err != nil {
		t.Fatalf("not done: %v", err)
	}
	if left := stand(t, below, home); left != nil {
		t.Errorf("left in the former place: %v", left)
	}
	for _, sort := range sorts {
		item, err := below.Get(ctx, store.SettingsKey(home, sort))
		var c counting
		if err == nil {
			_ = json.Unmarshal(item.Data, &c)
		}
		if c.N != made[sort] {
			t.Errorf("%s was changed %d times and says %d (%v)", sort, made[sort], c.N, err)
		}
	}
}

// TestListsHoldEverythingOnce: pages of any size, forwards and backwards, list
// what stands in either place in order, whatever has moved so far.
func TestListsHoldEverythingOnce(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	below := memstore.New(clock.Now)
	var want []string
	put(t, below, store.Item{Key: former(home, "kex#1")})
	put(t, below, store.Item{Key: former(home, "lock#connections")})
	for i := range 20 {
		sort := fmt.Sprintf("key#%02d", i)
		want = append(want, sort)
		key := former(home, sort)
		if i%3 > 0 {
			key = store.SettingsKey(home, sort)
		}
		put(t, below, store.Item{Key: key})
	}
	put(t, below, store.Item{Key: store.SettingsKey(home, "key#00")}) // caught in between
	s := moving.New(below, clock.Now)
	for _, reverse := range []bool{false, true} {
		for _, q := range []store.Query{{}, {Prefix: "key#"}, {Prefix: "key#1"}, {From: "key#03", To: "key#11"}} {
			for limit := range 8 {
				q.Table, q.Workspace, q.Partition, q.Reverse, q.Limit = store.Settings, home, "key", reverse, limit+1
				var got, exp []string
				for _, sort := range want {
					if strings.HasPrefix(sort, q.Prefix) && sort >= q.From && (q.To == "" || sort < q.To) {
						exp = append(exp, sort)
					}
				}
				if reverse {
					slices.Reverse(exp)
				}
				for q.Cursor = ""; ; {
					page, err := s.Query(t.Context(), q)
					if err != nil {
						t.Fatal(err)
					}
					for _, it := range page.Items {
						if got = append(got, it.Sort); it.Partition != "key" {
							t.Errorf("%s is shown in %s", it.Sort, it.Partition)
						}
					}
					if q.Cursor = page.Next; q.Cursor == "" {
						break
					}
				}
				q.Cursor = ""
				if diff := cmp.Diff(exp, got); diff != "" {
					t.Errorf("%+v (-want +got):\n%s", q, diff)
				}
			}
		}
	}
}

// TestWritesWithoutAVersion: what is replaced or deleted whatever it was, and
// what must only be there, is found in either place, and never left in one.
func TestWritesWithoutAVersion(t *testing.T) {
	t.Parallel()
	for _, since := range []time.Duration{0, moving.Wait} {
		clock := testclock.New()
		below := memstore.New(clock.Now)
		fill(t, below)
		s := moving.New(below, clock.Now)
		step(t, s, false)
		clock.Advance(since)
		key := store.SettingsKey(home, "client#hubspot")
		for i, w := range []store.Write{
			{Item: store.Item{Key: key, Data: []byte("0")}},
			{Item: store.Item{Key: key, Data: []byte("1")}, If: store.IfExists},
		} {
			v, err := s.Write(t.Context(), w)
			it, failed := s.Get(t.Context(), key)
			if err != nil || failed != nil || v != it.Version || string(it.Data) != fmt.Sprint(i) {
				t.Errorf("after %v: version %d, %v; stored %d %q, %v", since, v, err, it.Version, it.Data, failed)
			}
			_, atOld := below.Get(t.Context(), former(home, key.Sort))
			_, atNew := below.Get(t.Context(), key)
			if fault.Is(atOld, fault.NotFound) == fault.Is(atNew, fault.NotFound) {
				t.Errorf("after %v: former place: %v, own place: %v; want it in one of them", since, atOld, atNew)
			}
		}
		if _, err := s.Write(t.Context(), store.Write{Item: store.Item{Key: key}, If: store.IfAbsent}); !fault.Is(err,
			fault.Conflict) {
			t.Errorf("after %v: made twice: %v", since, err)
		}
		versions, errs := s.BatchWrite(t.Context(), []store.Write{
			{Op: store.Delete, Item: store.Item{Key: key}}, {Item: store.Item{Key: store.SettingsKey(home, "account#acc_9")}},
		})
		if errs != nil || len(versions) != 2 {
			t.Error(versions, errs)
		}
		for name, get := range map[string]func(context.Context, []store.Key) ([]store.Item, error){
			"BatchGet": s.BatchGet, "BatchGetStale": s.BatchGetStale,
		} {
			items, err := get(t.Context(), []store.Key{
				key, store.SettingsKey(home, "credential#acc_1"), store.SettingsKey(home, "account#acc_9"),
			})
			if err != nil || items[0].Version != 0 || string(items[1].Data) != "default credential#acc_1" ||
				items[2].Version != 1 {
				t.Errorf("after %v: %s: %+v, %v", since, name, items, err)
			}
		}
		if _, err := s.Write(t.Context(), store.Write{Item: store.Item{Key: key}, If: store.IfExists}); !fault.Is(err,
			fault.Conflict) {
			t.Errorf("after %v: what is gone was replaced: %v", since, err)
		}
	}
}
