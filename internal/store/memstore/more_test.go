package memstore_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
	"github.com/lockstep-crm/lockstep/internal/store/storetest"
)

// tickingClock advances by itself, so that what is lagging catches up.
type tickingClock struct{ *testclock.Clock }

func (c tickingClock) Now() time.Time {
	c.Advance(time.Millisecond)
	return c.Clock.Now()
}

// TestConformanceWithLaggingIndex shows that the suite asks no more of an
// index than DynamoDB gives, and that the lag ends.
func TestConformanceWithLaggingIndex(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) (store.Store, storetest.Clock) {
		clock := tickingClock{testclock.New()}
		s := memstore.New(clock.Now)
		s.LagIndex(3 * time.Millisecond)
		return s, clock
	})
}

// TestConformanceByItsOwnClock shows that the suite needs no clock to turn.
func TestConformanceByItsOwnClock(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) (store.Store, storetest.Clock) { return memstore.New(time.Now), nil })
}

func TestLagHidesRecentWritesFromTheIndex(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	s := memstore.New(clock.Now)
	s.LagIndex(time.Second)
	put(t, s, "a", "1")
	if got := listed(t, s, store.Query{Partition: "i", OnIndex: true}); got != "" {
		t.Errorf("index = %q at once, want nothing", got)
	}
	if got := listed(t, s, store.Query{Partition: "p"}); got != "a=1" {
		t.Errorf("table = %q, want a=1", got)
	}
	clock.Advance(time.Second)
	put(t, s, "a", "2")
	if got := listed(t, s, store.Query{Partition: "i", OnIndex: true}); got != "a=1" {
		t.Errorf("index = %q, want the value before the last", got)
	}
	clock.Advance(time.Second)
	if got := listed(t, s, store.Query{Partition: "i", OnIndex: true}); got != "a=2" {
		t.Errorf("index = %q, want a=2", got)
	}
}

func TestSnapshotIsIndependent(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	s := memstore.New(clock.Now)
	for i := range 10 {
		put(t, s, fmt.Sprintf("k%d", i), "old")
	}
	before := listed(t, s, store.Query{Partition: "p"})
	snap := s.Snapshot()
	change := func(s *memstore.Store) {
		put(t, s, "k3", "new")
		put(t, s, "k99", "new")
		if _, err := s.Write(t.Context(), store.Write{Op: store.Delete, Item: item("k5", "")}); err != nil {
			t.Error(err)
		}
	}
	change(s)
	after := listed(t, s, store.Query{Partition: "p"})
	if after == before {
		t.Fatal("the writes changed nothing")
	}
	var wg sync.WaitGroup
	for range 4 { // one snapshot may be restored side by side
		wg.Go(func() {
			twin := memstore.New(clock.Now)
			twin.Restore(snap)
			for _, q := range []store.Query{{Partition: "p"}, {Partition: "i", OnIndex: true}} {
				if got := listed(t, twin, q); got != before {
					t.Errorf("restored = %q, want %q", got, before)
				}
			}
			change(twin)
			if got := listed(t, twin, store.Query{Partition: "p"}); got != after {
				t.Errorf("twin = %q, want %q", got, after)
			}
		})
	}
	wg.Wait()
	s.Restore(snap)
	if got := listed(t, s, store.Query{Partition: "i", OnIndex: true}); got != before {
		t.Errorf("turned back = %q, want %q", got, before)
	}
}

// TestLentDataIsNotCopied shows that a lending store passes data through, and
// that counters are a caller's own all the same.
func TestLentDataIsNotCopied(t *testing.T) {
	t.Parallel()
	s := memstore.New(testclock.New().Now)
	s.Lend()
	given := item("k", "text")
	if _, err := s.Write(t.Context(), store.Write{Item: given}); err != nil {
		t.Fatal(err)
	}
	one, err := s.Get(t.Context(), given.Key)
	if err != nil || &one.Data[0] != &given.Data[0] {
		t.Errorf("Get copied the data: %v", err)
	}
	sum := store.Write{Op: store.Add, Item: store.Item{Key: item("sum", "").Key, Counters: map[string]int64{"n": 1}}}
	if _, err := s.Write(t.Context(), sum); err != nil {
		t.Fatal(err)
	}
	before, err := s.Get(t.Context(), sum.Item.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), sum); err != nil || before.Counters["n"] != 1 {
		t.Errorf("a counter that was read before is %d now: %v", before.Counters["n"], err)
	}
}

func TestPurgeRemovesWhatExpiredFirst(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	s := memstore.New(clock.Now)
	for i := range 10 {
		it := item(fmt.Sprintf("k%d", i), "x")
		it.Expires = clock.Now().Add(time.Duration(10-i) * time.Minute)
		if _, err := s.Write(t.Context(), store.Write{Item: it}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Purge(100); n != 0 {
		t.Errorf("purged %d items that had not expired", n)
	}
	clock.Advance(4 * time.Minute)
	if a, b, c := s.Purge(3), s.Purge(3), s.Purge(3); a != 3 || b != 1 || c != 0 {
		t.Errorf("purged %d, %d, %d; want 3, 1, 0", a, b, c)
	}
	n := 0
	s.Each(store.Links, func(store.Item) bool { n++; return true })
	if n != 6 {
		t.Errorf("%d items are left, want 6", n)
	}
}

func TestEachIsOrderedAndStops(t *testing.T) {
	t.Parallel()
	s := memstore.New(testclock.New().Now)
	for _, k := range []store.Key{
		{Table: store.Links, Workspace: "b", Partition: "p", Sort: "1"},
		{Table: store.Links, Workspace: "a", Partition: "q", Sort: "2"},
		{Table: store.Links, Workspace: "a", Partition: "p", Sort: "4"},
		{Table: store.Links, Workspace: "a", Partition: "p", Sort: "3"},
		{Table: store.Log, Workspace: "a", Partition: "p", Sort: "5"},
	} {
		if _, err := s.Write(t.Context(), store.Write{Item: store.Item{Key: k}}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	s.Each(store.Links, func(it store.Item) bool {
		got = append(got, it.Sort)
		return it.Sort != "2"
	})
	if d := cmp.Diff([]string{"3", "4", "2"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	s := memstore.New(testclock.New().Now)
	put(t, s, "a", "x")
	before := s.Counts()
	put(t, s, "b", "x")
	if _, err := s.Write(t.Context(), store.Write{Item: item("b", ""), If: store.IfAbsent}); err == nil {
		t.Error("not refused")
	}
	ws := []store.Write{
		{Op: store.Add, Item: item("c", "")}, {Op: store.Check, Item: item("a", "")}, {Op: store.Delete, Item: item("b", "")},
	}
	if err := s.Transact(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	listed(t, s, store.Query{Partition: "p"})
	if _, err := s.BatchGet(t.Context(), []store.Key{item("a", "").Key, item("zz", "").Key}); err != nil {
		t.Fatal(err)
	}
	d := s.Counts().Since(before)
	if d.Written() != 3 || d.Written(store.Links) != 3 || d.Written(store.Log) != 0 {
		t.Errorf("written = %d", d.Written())
	}
	want := map[store.Op]int64{store.Put: 1, store.Add: 1, store.Delete: 1, store.Check: 1}
	if diff := cmp.Diff(want, d.Writes[store.Links]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d.Refused[store.Links] != 1 || d.Queries[store.Links] != 1 || d.Read() != 4 {
		t.Errorf("refused, queries, read = %d, %d, %d; want 1, 1, 4", d.Refused[store.Links], d.Queries[store.Links],
			d.Read())
	}
}

func item(sort, data string) store.Item {
	return store.Item{
		Key: store.Key{Table: store.Links, Workspace: "ws", Partition: "p", Sort: sort}, Data: []byte(data),
		Index: "i",
	}
}

func put(t *testing.T, s store.Store, sort, data string) {
	t.Helper()
	if _, err := s.Write(t.Context(), store.Write{Item: item(sort, data)}); err != nil {
		t.Error(err)
	}
}

func listed(t *testing.T, s store.Store, q store.Query) string {
	t.Helper()
	q.Table, q.Workspace = store.Links, "ws"
	p, err := s.Query(t.Context(), q)
	if err != nil {
		t.Error(err)
	}
	var out []string
	for _, it := range p.Items {
		out = append(out, it.Sort+"="+string(it.Data))
	}
	return strings.Join(out, " ")
}

func BenchmarkGet(b *testing.B) {
	s := memstore.New(time.Now)
	for i := range 1000 {
		if _, err := s.Write(b.Context(), store.Write{Item: item(fmt.Sprintf("%04d", i), "0123456789")}); err != nil {
			b.Fatal(err)
		}
	}
	key := item("0500", "").Key
	for b.Loop() {
		if _, err := s.Get(b.Context(), key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	s := memstore.New(time.Now)
	i := 0
	for b.Loop() {
		if _, err := s.Write(b.Context(), store.Write{Item: item(fmt.Sprintf("%08d", i%10_000), "0123456789")}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkQuery100(b *testing.B) {
	s := memstore.New(time.Now)
	for i := range 10_000 {
		if _, err := s.Write(b.Context(), store.Write{Item: item(fmt.Sprintf("%05d", i), "0123456789")}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.Query(b.Context(), store.Query{
			Table: store.Links, Workspace: "ws", Partition: "p", Prefix: "05",
		}); err != nil {
			b.Fatal(err)
		}
	}
}
