package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestPartitions walks the list of kinds: what waits wakes the tick, what the
// status counts is counted, and everything of a sync and its connection goes when
// the connection is deleted, and nothing else.
func TestPartitions(t *testing.T) {
	t.Parallel()
	for i := range store.Kinds {
		k := &store.Kinds[i]
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			b := newStillBed(t, nil)
			today := b.logDays(0, 0)
			partitions := b.sc.partitions(k, today)
			if len(partitions) == 0 { // it belongs to neither, and stays
				if k.Owner != store.OfItself || k.Tick == store.Wakes || k.Counted != "" {
					t.Fatalf("%+v: something follows from a kind of which no sync has a partition", k)
				}
				partitions = []string{k.Partition}
			}
			for _, p := range partitions {
				key := store.Key{Table: k.Table, Workspace: b.sc.ws, Partition: p, Sort: k.Sort + "x"}
				if of, ok := store.KindOf(key); !ok || of.Name != k.Name {
					t.Fatalf("%s is of kind %q", p, of.Name)
				}
				b.put(key, nil, nil)
			}
			if got, err := b.waiting(t.Context(), b.sc); err != nil || got != bool(k.Tick) {
				t.Errorf("the tick looks at the sync: %t, %v, want %t", got, err, k.Tick)
			}
			var st SyncStatus
			b.must(b.statusWaiting(t.Context(), b.sc, &st))
			counted := map[string]int64{"parked": st.Parked, "inbox": st.Inbox, "dead": st.Dead}
			for name, n := range counted {
				if want := int64(len(partitions)); (name == k.Counted) != (n == want) {
					t.Errorf("the status counts %d as %s", n, name)
				}
			}
			if _, known := counted[k.Counted]; !known && k.Counted != "" {
				t.Errorf("the status has no number %q", k.Counted)
			}
			b.must(b.DeleteConnection(t.Context(), b.sc.ws, b.sc.con))
			for range 5 {
				_, err := b.Round(t.Context())
				b.must(err)
			}
			for _, p := range partitions {
				_, err := b.mem.Get(t.Context(), store.Key{Table: k.Table, Workspace: b.sc.ws, Partition: p, Sort: k.Sort + "x"})
				if gone := fault.Is(err, fault.NotFound); gone != (k.Owner != store.OfItself) {
					t.Errorf("with the connection deleted, what was in %s is gone: %t (%v)", p, gone, err)
				}
			}
		})
	}
}

// TestEveryKeyIsOfAKind: no key of a sync names its partition but by the list.
func TestEveryKeyIsOfAKind(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			if of, ok := call.Fun.(*ast.SelectorExpr); !ok || of.Sel.Name != "key" {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				return true // the two of records that wait for a right
			}
			kind, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if k := store.KindNamed(kind); k.Owner != store.OfSync || k.Split != store.Whole {
				t.Errorf("%s: %s is no kind of which a sync has one partition", name, kind)
			}
			used[kind] = true
			return true
		})
	}
	for _, to := range crm.Sides {
		used["barred_"+string(to)] = true
	}
	for i := range store.Kinds {
		k := &store.Kinds[i]
		if k.Owner == store.OfSync && k.Split == store.Whole && !used[k.Name] {
			t.Errorf("nothing has a key of the kind %s", k.Name)
		}
	}
}
