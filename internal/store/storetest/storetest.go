// Package storetest is the suite that every implementation of store passes:
// the memory, the embedded and the DynamoDB one alike. It asks for nothing
// that DynamoDB does not promise: index queries are repeated until they have
// caught up, cursors are opaque, and errors are told by kind and code only.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Clock is the time a store under test goes by.
type Clock interface {
	Now() time.Time
	Advance(d time.Duration)
}

// Open returns a store to test and the clock it goes by. The clock is nil for
// a service with a clock of its own; what must be expired is then written with
// an expiry in the past. Every case works in a workspace of its own, so that
// one lasting store may serve all of them.
type Open func(t *testing.T) (store.Store, Clock)

// Run runs the suite, one store per case.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			s, clock := open(t)
			c.run(newKit(t, s, clock))
		})
	}
}

// Cases returns how many cases the suite has, for whoever counts them.
func Cases() int { return len(cases()) }

type testCase struct {
	name string
	run  func(k *kit)
}

func cases() []testCase {
	var all []testCase
	for _, part := range [][]testCase{
		itemCases, conditionCases(), counterCases, transactionCases, batchCases,
		queryCases, indexCases, expiryCases, limitCases, contentionCases, contextCases,
	} {
		all = append(all, part...)
	}
	return all
}

// kit is one case's store, with the assertions in the port's own words.
type kit struct {
	*testing.T
	s     store.Store
	clock Clock
	ws    crm.WorkspaceID
}

func newKit(t *testing.T, s store.Store, clock Clock) *kit {
	t.Helper()
	return &kit{T: t, s: s, clock: clock, ws: crm.WorkspaceID("ws_" + rand.Text()[:12])}
}

func (k *kit) now() time.Time {
	if k.clock == nil {
		return time.Now()
	}
	return k.clock.Now()
}

// key names an item of the links table.
func (k *kit) key(partition, sort string) store.Key {
	return store.Key{Table: store.Links, Workspace: k.ws, Partition: partition, Sort: sort}
}

// item is an item of the links table with data.
func (k *kit) item(partition, sort, data string) store.Item {
	return store.Item{Key: k.key(partition, sort), Data: []byte(data)}
}

// put writes an item without condition and returns its version.
func (k *kit) put(it store.Item) int64 {
	k.Helper()
	return k.write(store.Write{Op: store.Put, Item: it})
}

func (k *kit) write(w store.Write) int64 {
	k.Helper()
	v, err := k.s.Write(k.Context(), w)
	if err != nil {
		k.Fatalf("write: %v", err)
	}
	return v
}

func (k *kit) get(key store.Key) store.Item {
	k.Helper()
	it, err := k.s.Get(k.Context(), key)
	if err != nil {
		k.Fatalf("get: %v", err)
	}
	return it
}

func (k *kit) wantItem(want store.Item) {
	k.Helper()
	if d := diff(want, k.get(want.Key)); d != "" {
		k.Errorf("item (-want +got):\n%s", d)
	}
}

func (k *kit) wantData(key store.Key, want string) {
	k.Helper()
	if got := string(k.get(key).Data); got != want {
		k.Errorf("data = %q, want %q", got, want)
	}
}

func (k *kit) wantVersion(key store.Key, want int64) {
	k.Helper()
	got, err := k.s.BatchGet(k.Context(), []store.Key{key})
	if err != nil {
		k.Fatalf("batch get: %v", err)
	}
	if got[0].Version != want {
		k.Errorf("version = %d, want %d", got[0].Version, want)
	}
}

// wantAbsent asks Get and BatchGet.
func (k *kit) wantAbsent(key store.Key) {
	k.Helper()
	_, err := k.s.Get(k.Context(), key)
	k.wantKind(err, fault.NotFound)
	k.wantVersion(key, 0)
}

func (k *kit) wantKind(err error, want fault.Kind) {
	k.Helper()
	if err == nil {
		k.Errorf("no error, want kind %v", want)
		return
	}
	var classified *fault.Error
	if !errors.As(err, &classified) {
		k.Errorf("error is not classified: %v", err)
	}
	if got := fault.KindOf(err); got != want {
		k.Errorf("kind = %v, want %v: %v", got, want, err)
	}
}

func (k *kit) wantCode(err error, want string) {
	k.Helper()
	k.wantKind(err, fault.Invalid)
	if err != nil && fault.CodeOf(err) != want {
		k.Errorf("code = %q, want %q", fault.CodeOf(err), want)
	}
}

// page reads one page.
func (k *kit) page(q store.Query) store.Page {
	k.Helper()
	if q.Table == "" {
		q.Table = store.Links
	}
	if q.Workspace == "" {
		q.Workspace = k.ws
	}
	p, err := k.s.Query(k.Context(), q)
	if err != nil {
		k.Fatalf("query: %v", err)
	}
	limit := q.Limit
	if limit == 0 {
		limit = store.DefaultLimit
	}
	if len(p.Items) > limit {
		k.Fatalf("a page of %d items, limit %d", len(p.Items), limit)
	}
	return p
}

// all reads every page.
func (k *kit) all(q store.Query) []store.Item {
	k.Helper()
	var items []store.Item
	for range 10_000 {
		p := k.page(q)
		items = append(items, p.Items...)
		if p.Next == "" {
			return items
		}
		q.Cursor = p.Next
	}
	k.Fatal("the query never ends")
	return nil
}

// sorts lists the sort texts that a query finds.
func (k *kit) sorts(q store.Query) []string {
	k.Helper()
	return sortsOf(k.all(q))
}

func sortsOf(items []store.Item) []string {
	out := []string{}
	for _, it := range items {
		out = append(out, it.Sort)
	}
	return out
}

// wantSorts compares what a query finds; an index may take its time.
func (k *kit) wantSorts(q store.Query, want ...string) {
	k.Helper()
	k.settled(q.OnIndex, func() string { return diff(append([]string{}, want...), k.sorts(q)) })
}

// settled repeats a comparison until it finds no difference, up to ten
// seconds when what it reads is only eventually consistent.
func (k *kit) settled(eventual bool, differ func() string) {
	k.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	d := differ()
	for d != "" && eventual {
		tick := time.NewTimer(20 * time.Millisecond)
		select {
		case <-deadline.C:
			eventual = false
		case <-tick.C:
			d = differ()
		}
		tick.Stop()
	}
	if d != "" {
		k.Errorf("(-want +got):\n%s", d)
	}
}

// lapse puts an item that is then past its expiry but still stored.
func (k *kit) lapse(it store.Item) {
	k.Helper()
	if k.clock == nil {
		it.Expires = time.Now().Add(-time.Hour)
		k.put(it)
		return
	}
	it.Expires = k.clock.Now().Add(10 * time.Second)
	v := k.put(it)
	k.wantVersion(it.Key, v)
	k.clock.Advance(11 * time.Second)
}

// cancelled is a context that is done.
func (k *kit) cancelled() context.Context {
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	return ctx
}

// atOnce runs n calls side by side and returns their errors.
func (k *kit) atOnce(n int, call func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// wantOneWinner wants exactly one success and conflicts otherwise.
func (k *kit) wantOneWinner(errs []error) int {
	k.Helper()
	winner, winners := -1, 0
	for i, err := range errs {
		if err == nil {
			winner = i
			winners++
			continue
		}
		k.wantKind(err, fault.Conflict)
	}
	if winners != 1 {
		k.Fatalf("%d winners, want 1", winners)
	}
	return winner
}

// diff compares in the port's terms: no data and no counters are the same as
// empty ones, and an index sort text that repeats the sort text is the default.
func diff[T any](want, got T) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0),
		cmp.Transformer("normal", func(it store.Item) normal {
			if it.Index != "" && it.IndexSort == "" {
				it.IndexSort = it.Sort
			}
			return normal{it.Key, it.Version, string(it.Data), it.Counters, it.Index, it.IndexSort, it.Expires}
		}))
}

// normal is an Item whose defaults are spelled out. Data is a string because
// slices are compared byte by byte, which is slow for the largest items.
type normal struct {
	Key       store.Key
	Version   int64
	Data      string
	Counters  map[string]int64
	Index     string
	IndexSort string
	Expires   time.Time
}

func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return out
}
