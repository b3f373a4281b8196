package roles_test

import (
	"context"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/roles"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
	"github.com/lockstep-crm/lockstep/internal/store/moving"
)

const home crm.WorkspaceID = "default"

// judged is a store of which a function gets what its role allows.
type judged struct {
	store.Store
	t        *testing.T
	table    *roles.Table
	function string
	when     string
}

func (j judged) ask(k store.Key, rights ...string) {
	key := string(k.Workspace) + "|" + k.Partition
	for _, right := range rights {
		if !j.table.Allows(j.function, right, string(k.Table), key) {
			j.t.Errorf("%s: %s may not %s %s", j.when, j.function, right, key)
		}
	}
}

func (j judged) Get(ctx context.Context, k store.Key) (store.Item, error) {
	j.ask(k, dynamostore.RightGet)
	return j.Store.Get(ctx, k)
}

func (j judged) Query(ctx context.Context, q store.Query) (store.Page, error) {
	j.ask(store.Key{Table: q.Table, Workspace: q.Workspace, Partition: q.Partition}, dynamostore.RightQuery)
	return j.Store.Query(ctx, q)
}

func (j judged) Write(ctx context.Context, w store.Write) (int64, error) {
	j.ask(w.Item.Key, dynamostore.Rights(&w, false)...)
	return j.Store.Write(ctx, w)
}

func (j judged) Transact(ctx context.Context, ws []store.Write) error {
	for i := range ws {
		j.ask(ws[i].Item.Key, dynamostore.Rights(&ws[i], false)...)
	}
	return j.Store.Transact(ctx, ws)
}

// TestX16_RolesSufficeWhileSecretsMove: at every stage of the move each function
// does what it does with secrets, and its role allows it: also where an item
// stands in its former place.
func TestX16_RolesSufficeWhileSecretsMove(t *testing.T) {
	t.Parallel()
	table, err := roles.Read("../../../../infra/stack/testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	clock := testclock.New()
	below := memstore.New(clock.Now)
	stand := func() {
		for _, sort := range []string{
			"credential#acc_1", "client#hubspot", "webhook#acc_1", "delivery#acc_1", "refused#acc_1", "key#key_1",
		} {
			k, _ := store.Former(store.SettingsKey(home, sort))
			if _, err := below.Write(t.Context(), store.Write{Item: store.Item{Key: k}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	stand()
	for _, stage := range []struct {
		name string
		act  func(step func())
	}{
		{"before", func(func()) {}},
		{"begun", func(step func()) { step() }},
		{"moving", func(func()) { clock.Advance(moving.Wait) }},
		{"moved", func(step func()) { step() }},
		{"done", func(step func()) { step(); clock.Advance(moving.Wait); step(); step() }},
	} {
		step := func() {
			s := moving.New(judged{below, t, table, "api", stage.name}, clock.Now)
			if _, err := s.Step(t.Context(), home); err != nil {
				t.Fatal(err)
			}
		}
		stage.act(step)
		for _, function := range []string{"webhook", "pull", "sync", "api"} {
			use(t, function, moving.New(judged{below, t, table, function, stage.name}, clock.Now))
		}
	}
}

// use does what a function does with secrets.
func use(t *testing.T, function string, s store.Store) {
	t.Helper()
	ctx := t.Context()
	change := func(sort string, made bool) { // reads, and writes what it read or makes it
		t.Helper()
		k := store.SettingsKey(home, sort)
		item, err := s.Get(ctx, k)
		if err != nil && (!made || !fault.Is(err, fault.NotFound)) {
			t.Errorf("%s, %s: %v", function, sort, err)
			return
		}
		if _, err = s.Write(ctx, store.Write{Item: store.Item{Key: k}, If: store.IfVersion(item.Version)}); err != nil {
			t.Errorf("%s, %s: %v", function, sort, err)
		}
	}
	read := func(sort string) {
		t.Helper()
		if _, err := s.Get(ctx, store.SettingsKey(home, sort)); err != nil {
			t.Errorf("%s, %s: %v", function, sort, err)
		}
	}
	make1 := func(sort string) { // unless it is there
		t.Helper()
		k := store.SettingsKey(home, sort)
		if _, err := s.Get(ctx, k); fault.Is(err, fault.NotFound) {
			if _, err = s.Write(ctx, store.Write{Item: store.Item{Key: k}, If: store.IfAbsent}); err != nil {
				t.Errorf("%s, %s: %v", function, sort, err)
			}
		}
	}
	drop := func(sort string) {
		t.Helper()
		if _, err := s.Write(ctx, store.Write{
			Op: store.Delete, Item: store.Item{Key: store.SettingsKey(home, sort)},
		}); err != nil {
			t.Errorf("%s, %s: %v", function, sort, err)
		}
	}
	switch function {
	case "webhook":
		read("credential#acc_1")
		read("client#hubspot")
		change("delivery#acc_1", true)
		change("refused#acc_1", true)
	case "pull", "sync":
		read("client#hubspot")
		change("credential#acc_1", false)
		make1("erasure#key")
	case "api":
		change("credential#acc_1", false)
		change("webhook#acc_1", false)
		read("key#key_1")
		if _, err := s.Query(ctx, store.Query{
			Table: store.Settings, Workspace: home, Partition: "key", Prefix: "key#",
		}); err != nil {
			t.Error(err)
		}
		if _, err := s.Write(ctx, store.Write{Item: store.Item{Key: store.SettingsKey(home, "client#hubspot")}}); err != nil {
			t.Error(err)
		}
		for _, sort := range []string{"credential#acc_2", "webhook#acc_2", "key#key_2", "erasure#key"} {
			make1(sort)
		}
		for _, sort := range []string{"credential#acc_2", "webhook#acc_2", "delivery#acc_2", "refused#acc_2", "key#key_2"} {
			drop(sort)
		}
	}
}
