package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// tardy is an app whose listing of changes shows some records long after they
// were modified, as where a transaction commits late.
type tardy struct {
	connector.Connector
	until map[crm.RecordID]time.Time
	now   func() time.Time
}

// Changes implements connector.Connector.
func (l *tardy) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	page, err := l.Connector.Changes(ctx, req)
	shown := page.Records[:0]
	for _, r := range page.Records {
		if l.now().Before(l.until[r.ID]) && !req.Full {
			continue
		}
		shown = append(shown, r)
	}
	page.Records = shown
	return page, err
}

// TestS11_ALateCommitArrivesByTheSecondLook lets a change of a Salesforce record
// show in the listing a quarter of an hour late, and edits another one in the
// ordinary way: the second look finds the first, and only that.
func TestS11_ALateCommitArrivesByTheSecondLook(t *testing.T) {
	t.Parallel()
	ctx, clock := t.Context(), testbed.NewClock()
	app := &tardy{until: map[crm.RecordID]time.Time{}, now: clock.Now}
	never := 0
	b, err := testbed.New(ctx, testbed.Options{
		People: 30, Clock: clock,
		Wrap: func(id crm.AccountID, c connector.Connector) connector.Connector {
			if id != testbed.RightAccount {
				return c
			}
			app.Connector = c
			return app
		},
	}, func(c *crm.Connection) { c.Syncs[0].AuditHours = &never })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	_, err = b.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection)
	must(err)
	must(b.Drain(ctx))
	must(b.Quiet(ctx))
	records, _, err := b.Engine.ListRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RecordFilter{State: crm.StateInSync}, 200, "")
	must(err)
	var pairs [][2]crm.RecordID
	for _, r := range records {
		if r.Side == crm.Left && r.Partner != "" && len(pairs) < 2 {
			pairs = append(pairs, [2]crm.RecordID{r.ID, r.Partner})
		}
	}
	app.until[pairs[0][1]] = b.Now().Add(15 * time.Minute)
	for _, p := range pairs {
		_, err := b.Force.Core().UpdateRecord("Contact", string(p[1]), map[string]string{"Title": "Smith"})
		must(err)
	}
	title := func(p [2]crm.RecordID) string {
		for _, r := range b.Hub.Core().Records("contacts") {
			if r.ID == string(p[0]) {
				return r.Fields["jobtitle"]
			}
		}
		return ""
	}
	arrived := map[int]time.Duration{}
	for after := 5 * time.Minute; after <= 2*time.Hour; after += 5 * time.Minute {
		b.Move(5 * time.Minute)
		must(b.Pull(ctx))
		for i, p := range pairs {
			if _, ok := arrived[i]; !ok && title(p) == "Smith" {
				arrived[i] = after
			}
		}
	}
	if arrived[1] != 5*time.Minute || arrived[0] < time.Hour || arrived[0] > 90*time.Minute {
		t.Errorf("the changes arrived after %s and %s, want an hour to an hour and a half, and five minutes", arrived[0],
			arrived[1])
	}
	if n := b.Marks["seen_late"]; n != 1 {
		t.Errorf("%d records were sent by the second look, want the one that nobody had seen", n)
	}
}

// TestS5_LookingAgainWritesNothing pulls for two days with nothing changed: both
// ways to look again come round, and the store is written as often as without
// them, in items of one unit.
func TestS5_LookingAgainWritesNothing(t *testing.T) {
	t.Parallel()
	written := map[bool]int64{}
	for _, looks := range []bool{false, true} {
		ctx, clock := t.Context(), testbed.NewClock()
		st := memstore.New(clock.Now)
		b, err := testbed.New(ctx, testbed.Options{People: 150, Clock: clock, Store: st}, func(c *crm.Connection) {
			if never := 0; !looks {
				c.Syncs[0].SecondLook, c.Syncs[0].AuditHours = &never, &never
			}
		})
		if err == nil {
			_, err = b.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection)
		}
		if err == nil {
			err = b.Drain(ctx)
		}
		if err == nil {
			err = b.Quiet(ctx)
		}
		before, largest := st.Counts(), 0
		for i := 0; i < 2*24*12 && err == nil; i++ {
			b.Move(5 * time.Minute)
			err = b.Pull(ctx)
			key := store.Key{
				Table: store.Links, Workspace: testbed.Workspace, Partition: fmt.Sprintf("h#%s#%s", testbed.Connection,
					testbed.Contacts), Sort: "scan",
			}
			if it, gerr := st.Get(ctx, key); gerr == nil {
				largest = max(largest, len(it.Data))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		d := st.Counts().Since(before)
		written[looks] = d.Written()
		if largest == 0 || largest > 900 {
			t.Errorf("looking again %t: where the listing stands takes up to %d bytes, want at most 900", looks, largest)
		}
		status, err := b.Engine.Status(ctx, testbed.Workspace, testbed.Connection)
		if err != nil {
			t.Fatal(err)
		}
		e := status[0].Equality
		if looks && (b.Marks["looked_again"] == 0 || e == nil || e.LastRound == nil || *e.Share != 1) {
			t.Errorf("nothing was looked at again: %v, %+v", b.Marks["looked_again"], e)
		}
		if n := b.Marks["seen_late"] + b.Marks["audit_found"]; n > 0 {
			t.Errorf("%d records are said to have changed", n)
		}
	}
	if written[true] != written[false] {
		t.Errorf("%d items were written with looking again, %d without it", written[true], written[false])
	}
}
