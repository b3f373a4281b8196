package engine_test

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// TestS36_SetAsideOutlivesTheRecycleBin: a record that a person took apart from
// its twin is still apart when it comes back from the recycle bin.
func TestS36_SetAsideOutlivesTheRecycleBin(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, nil)
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	b.finished(b.Engine.UnlinkRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(hub)))
	people := len(b.live("Contact"))
	b.must(b.Hub.Core().DeleteRecord("contacts", hub))
	b.settle(20 * time.Minute)
	if x := b.record(crm.Left, hub); x.State != crm.StateDeleted {
		t.Fatalf("the deleted record is %s %s", x.State, x.Code)
	}
	_, err := b.Hub.Core().RestoreRecord("contacts", hub)
	b.must(err)
	b.editHub(hub, "jobtitle", "Cooper")
	b.settle(20 * time.Minute)
	if x := b.record(crm.Left, hub); x.State != crm.StateExcluded || x.Code != "unlinked" || x.Partner != "" {
		t.Errorf("the restored record is %s %s, with %q", x.State, x.Code, x.Partner)
	}
	if got := b.get("Contact", force)["Title"]; got == "Cooper" || len(b.live("Contact")) != people {
		t.Errorf("its former twin is a %q, and there are %d people, want %d", got, len(b.live("Contact")), people)
	}
	b.finished(b.Engine.LinkRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(hub), crm.RecordID(force)))
	if got := b.get("Contact", force)["Title"]; got != "Cooper" {
		t.Errorf("after linking by hand the title is %q, want Cooper", got)
	}
}
