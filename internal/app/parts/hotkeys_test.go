package parts_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// byKey counts the writes of the log by partition key.
type byKey struct {
	store.Store
	bed    int
	writes map[string]int
}

func (b *byKey) note(ws ...store.Write) {
	for i := range ws {
		k := ws[i].Item.Key
		if k.Table != store.Log || ws[i].Op == store.Check {
			continue
		}
		key := k.Partition
		// IDs repeat from bed to bed
		if strings.HasPrefix(key, "runcounts#") || strings.Contains(key, string(testbed.Connection)) {
			key += fmt.Sprint(" of bed ", b.bed)
		}
		b.writes[string(k.Workspace)+"|"+key]++
	}
}

// Write implements store.Store.
func (b *byKey) Write(ctx context.Context, w store.Write) (int64, error) {
	b.note(w)
	return b.Store.Write(ctx, w)
}

// BatchWrite implements store.Store.
func (b *byKey) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	b.note(ws...)
	return b.Store.BatchWrite(ctx, ws)
}

// Transact implements store.Store.
func (b *byKey) Transact(ctx context.Context, ws []store.Write) error {
	b.note(ws...)
	return b.Store.Transact(ctx, ws)
}

// connections is how many share a workspace here. 500 writes of the log a
// second are about 170 changes a second that come one by one: an account
// stands for 10 calls a second and each change takes one of them at least, so
// it takes 17 connections at the least to make them.
const connections = 12

// TestP14_NoLogKeyIsHot has a dozen connections of one workspace work changes
// that come one by one, which is what makes many writes of the log, and counts
// what each partition key takes of them.
func TestP14_NoLogKeyIsHot(t *testing.T) {
	t.Parallel()
	lone, bulk := map[string]int{}, map[string]int{}
	for n := range connections {
		clock := testbed.NewClock()
		log := &byKey{Store: memstore.New(clock.Now), bed: n, writes: bulk}
		b, err := testbed.New(t.Context(), testbed.Options{People: 150, Store: log, Clock: clock}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection); err != nil {
			t.Fatal(err)
		}
		if err := b.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		log.writes = lone
		loneChanges(t, b, 20)
	}
	all, most, key := share(lone)
	t.Logf("%d lone changes: %d writes of the log, at most %d with the key %s", connections*20, all, most, key)
	if all < connections*20 || float64(most) > 0.1*float64(all) {
		t.Errorf("the key %s takes %d of %d writes, want at most a tenth", key, most, all)
	}
	// A run that lists everything writes its position after each page under the
	// one key of a workspace's runs: a write for each call of a page, and so no
	// more than the accounts' limits let through. All other keys spread.
	delete(bulk, string(testbed.Workspace)+"|runs")
	all, most, key = share(bulk)
	t.Logf("%d first syncs: %d writes beside the runs' own, at most %d with the key %s", connections, all, most, key)
	if float64(most) > 0.1*float64(all) {
		t.Errorf("the key %s takes %d of %d writes, want at most a tenth", key, most, all)
	}
}

func share(writes map[string]int) (all, most int, key string) {
	for k, n := range writes {
		if all += n; n > most {
			most, key = n, k
		}
	}
	return all, most, key
}

// loneChanges has each change come by a delivery of its own.
func loneChanges(t *testing.T, b *testbed.Bed, n int) {
	t.Helper()
	for i, r := range b.Hub.Core().Records("contacts")[:n] {
		if _, err := b.Hub.Core().UpdateRecord("contacts", r.ID, map[string]string{
			"lastname": fmt.Sprintf("Changed%d", i),
		}); err != nil {
			t.Fatal(err)
		}
		event := connector.Event{Kind: connector.EventChanged, Object: "contacts", ID: crm.RecordID(r.ID), At: b.Now()}
		if err := b.Engine.Webhook(t.Context(), testbed.Workspace, testbed.LeftAccount, []connector.Event{
			event,
		}); err != nil {
			t.Fatal(err)
		}
		if err := b.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
