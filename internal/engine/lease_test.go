package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/store"
)

func (b bed) leaseItem() store.Item {
	b.t.Helper()
	it, err := b.Store.Get(b.t.Context(), store.Key{
		Table: store.Links, Workspace: testbed.Workspace, Partition: "h#" + string(testbed.Connection) + "#" +
			string(testbed.Contacts), Sort: "lease",
	})
	b.must(err)
	return it
}

// hear brings one webhook about a HubSpot contact and lets a worker look at it.
func (b bed) hear(id string) engine.Verdict {
	b.t.Helper()
	ctx := b.t.Context()
	b.Move(time.Second)
	b.must(b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, []connector.Event{
		{Kind: connector.EventChanged, Object: "contacts", ID: crm.RecordID(id), At: b.Now()},
	}))
	ds, err := b.Queue.Receive(ctx, queue.MaxBatch, time.Minute)
	b.must(err)
	if len(ds) != 1 {
		b.t.Fatalf("%d messages, want 1", len(ds))
	}
	v := b.Engine.Work(ctx, ds)[0]
	if v.Ack {
		b.must(errors.Join(b.Queue.Delete(ctx, []string{v.Receipt})...))
	} else {
		b.must(errors.Join(b.Queue.SetVisibility(ctx, []string{v.Receipt}, v.Retry)...))
	}
	return v
}

// TestLoneChangeTakesTheLeaseOnceItWrites: what turns out to be nothing new
// needs no lease; a change takes it and gives it back.
func TestLoneChangeTakesTheLeaseOnceItWrites(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, nil)
	b.start()
	hub, force := b.twins(t.Context())
	before := b.leaseItem().Version
	if v := b.hear(hub); !v.Ack || b.leaseItem().Version != before {
		t.Errorf("acknowledged %t, the lease went from %d to %d: for nothing new", v.Ack, before, b.leaseItem().Version)
	}
	b.editHub(hub, "city", "Ghent")
	if v := b.hear(hub); !v.Ack || b.get("Contact", force)["MailingCity"] != "Ghent" {
		t.Errorf("acknowledged %t, city %q", v.Ack, b.get("Contact", force)["MailingCity"])
	}
	if got := b.leaseItem().Version; got != before+2 {
		t.Errorf("the lease was written %d times, want 2", got-before)
	}
	if b.Marks["intent_in_lease"] != 1 {
		t.Errorf("%d intents with the lease, want 1", b.Marks["intent_in_lease"])
	}
}

// TestHeldLeaseIsAskedForAgainSoon: whoever holds it mostly lets go long before
// its time is up, and a change that a person made should not wait for that.
func TestHeldLeaseIsAskedForAgainSoon(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, nil)
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	free := b.leaseItem()
	held := free
	held.Data = []byte(`{"owner":"own_else","epoch":1000,"until":"2100-01-01T00:00:00Z"}`)
	_, err := b.Store.Write(ctx, store.Write{Item: held})
	b.must(err)
	b.editHub(hub, "city", "Ghent")
	v := b.hear(hub)
	if v.Ack || v.Retry <= 0 || v.Retry > time.Second {
		t.Fatalf("acknowledged %t, again in %s: want it back within a second", v.Ack, v.Retry)
	}
	_, err = b.Store.Write(ctx, store.Write{Item: free})
	b.must(err)
	b.Move(v.Retry)
	if _, err := b.Work(ctx); err != nil {
		t.Fatal(err)
	}
	if got := b.get("Contact", force)["MailingCity"]; got != "Ghent" {
		t.Errorf("city %q once the lease was free", got)
	}
}
