package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// firstPairs are the first n linked people, by their ID in each app.
func (b bed) firstPairs(n int) (hubs, forces []string) {
	b.t.Helper()
	by := map[string]string{}
	for _, r := range b.Force.Core().Records("Contact") {
		by[r.Fields["Email"]] = r.ID
	}
	for _, r := range b.Hub.Core().Records("contacts") {
		if force := by[r.Fields["email"]]; r.Fields["email"] != "" && force != "" && len(hubs) < n {
			hubs, forces = append(hubs, r.ID), append(forces, force)
		}
	}
	if len(hubs) < n {
		b.t.Fatalf("%d pairs, want %d", len(hubs), n)
	}
	return hubs, forces
}

// waitsToRight reports whether the direction to Salesforce waits for a right.
func (b bed) waitsToRight() bool {
	for _, w := range b.status().Waiting {
		if w.Direction == crm.ToRight && w.Code == "missing_permission" {
			return true
		}
	}
	return false
}

// TestS34_ARecordThatMayNotBeEditedIsItsOwn: sharing keeps some records from us.
// They fail by themselves; whatever else goes to the app goes on.
func TestS34_ARecordThatMayNotBeEditedIsItsOwn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		locked []int // positions of the records that may not be edited
		edited [][]int
	}{
		"one alone":                     {[]int{0}, [][]int{{0}}},
		"one among others":              {[]int{0}, [][]int{{0, 1, 2}}},
		"two among others":              {[]int{0, 3}, [][]int{{0, 1, 2, 3}}},
		"two together, then another":    {[]int{0, 1}, [][]int{{0, 1}, {2}}},
		"one after the other, then two": {[]int{0, 1}, [][]int{{0}, {1}, {2, 3}}},
		"twelve together, then another": {
			[]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, [][]int{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {12}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 40, nil)
			b.start()
			b.must(b.Quiet(t.Context()))
			hubs, forces := b.firstPairs(13)
			var locked []string
			for _, i := range tc.locked {
				locked = append(locked, forces[i])
			}
			b.must(b.Force.TakeRights(salesforcefake.Rights{Records: locked}))
			for round, those := range tc.edited {
				for _, i := range those {
					b.editHub(hubs[i], "city", fmt.Sprintf("City%d", round))
				}
				b.pullLate()
				b.rounds(5)
			}
			for round, those := range tc.edited {
				for _, i := range those {
					got := b.get("Contact", forces[i])["MailingCity"]
					if slices.Contains(tc.locked, i) {
						v := b.record(crm.Left, hubs[i])
						if v.State != crm.StateFailing || v.Code != "missing_permission" {
							t.Errorf("record %d is %s, %s; want failing for want of a right", i, v.State, v.Code)
						}
					} else if got != fmt.Sprintf("City%d", round) {
						t.Errorf("record %d holds %q: it waits for others' rights", i, got)
					}
				}
			}
			if b.waitsToRight() {
				t.Errorf("the direction waits: %+v", b.status().Waiting)
			}
			b.pullLate()
			b.must(b.Force.TakeRights(salesforcefake.Rights{}))
			b.Move(25 * time.Hour)
			b.pullLate()
			b.pullLate()
			for _, i := range tc.locked {
				if v := b.record(crm.Left, hubs[i]); v.State != crm.StateInSync {
					t.Errorf("record %d is %s, %s a day after the right came back", i, v.State, v.Code)
				}
			}
		})
	}
}

// TestS34_LostRightsOfSalesforce: the right to edit or create an object, and to
// edit a field of it, are told apart.
func TestS34_LostRightsOfSalesforce(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]salesforcefake.Rights{
		"edit":   {Objects: []salesforcefake.ObjectRights{{Object: "Contact", Edit: true}}},
		"create": {Objects: []salesforcefake.ObjectRights{{Object: "Contact", Create: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 20, nil)
			b.start()
			b.must(b.Quiet(t.Context()))
			hubs, forces := b.firstPairs(4)
			b.must(b.Force.TakeRights(lost))
			for i := range 4 {
				b.editHub(hubs[i], "city", "Ghent")
				b.editForce(forces[i], "FirstName", "Ferdinand")
				b.must(createBoth(b, i))
			}
			b.pullLate()
			b.rounds(3)
			if !b.waitsToRight() {
				t.Fatalf("waiting: %+v, want the direction to Salesforce", b.status().Waiting)
			}
			for i := range 4 {
				if got := b.get("contacts", hubs[i])["firstname"]; got != "Ferdinand" {
					t.Errorf("HubSpot holds %q: the other direction waits too", got)
				}
			}
			if n := countNew(b, "contacts", "lastname"); n != 8 {
				t.Errorf("HubSpot holds %d of 8 new people", n)
			}
			b.must(b.Force.TakeRights(salesforcefake.Rights{}))
			b.rounds(2)
			for i := range 4 {
				if got := b.get("Contact", forces[i])["MailingCity"]; got != "Ghent" {
					t.Errorf("Salesforce holds %q two minutes after the right came back", got)
				}
			}
			if n := countNew(b, "Contact", "LastName"); n != 8 || b.waitsToRight() {
				t.Errorf("Salesforce holds %d of 8 new people, waiting %+v", n, b.status().Waiting)
			}
		})
	}
	t.Run("field", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, 20, nil)
		b.start()
		b.must(b.Quiet(t.Context()))
		hubs, forces := b.firstPairs(2)
		b.must(b.Force.TakeRights(salesforcefake.Rights{
			Fields: []salesforcefake.FieldRights{{Object: "Contact", Field: "Title"}},
		}))
		for i := range 2 {
			b.editHub(hubs[i], "city", "Ghent")
			b.editHub(hubs[i], "jobtitle", "Cooper")
		}
		b.pullLate()
		for i := range 2 {
			if got := b.get("Contact", forces[i]); got["MailingCity"] != "Ghent" || got["Title"] == "Cooper" {
				t.Errorf("Salesforce holds %q, %q; want the city alone", got["MailingCity"], got["Title"])
			}
			if entries := b.problems(crm.Left, hubs[i]); len(entries) != 1 || entries[0].Code != "read_only_field" {
				t.Errorf("the log tells %+v, want the field", entries)
			}
		}
		if b.waitsToRight() {
			t.Errorf("the direction waits for one field")
		}
	})
}

// TestPlansListBothSides: what only the right side's users changed is planned, too.
func TestPlansListBothSides(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, nil)
	b.start()
	b.must(b.Quiet(t.Context()))
	hubs, forces := b.firstPairs(3)
	b.editHub(hubs[0], "city", "Ghent")
	b.editForce(forces[1], "MailingCity", "Lund")
	b.editHub(hubs[2], "city", "Ghent")
	b.editForce(forces[2], "FirstName", "Ferdinand")
	b.Move(testbed.Overlap)
	p, err := b.Engine.CreatePlan(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
	b.must(err)
	b.drain()
	changes, _, err := b.Engine.PlanChanges(t.Context(), testbed.Workspace, p.ID, 100, "")
	b.must(err)
	listed := map[string]int{}
	for _, c := range changes {
		if c.Action == crm.Updated {
			listed[string(c.Record)] = len(c.Diffs)
		}
	}
	if want := map[string]int{hubs[0]: 1, forces[1]: 1, hubs[2]: 2}; !maps.Equal(listed, want) {
		t.Errorf("the plan lists %v, want %v", listed, want)
	}
	got, err := b.Engine.GetPlan(t.Context(), testbed.Workspace, p.ID)
	b.must(err)
	linked := b.status().States.Left[crm.StateInSync]
	if got.Totals[crm.Updated] != 3 || got.Totals[crm.Unchanged] != linked-3 {
		t.Errorf("the totals are %v, want 3 updated and %d unchanged", got.Totals, linked-3)
	}
	b.finished(b.Engine.ApplyPlan(t.Context(), testbed.Workspace, p.ID))
	if b.get("Contact", forces[0])["MailingCity"] != "Ghent" || b.get("contacts", hubs[1])["city"] != "Lund" ||
		b.get("contacts", hubs[2])["firstname"] != "Ferdinand" {
		t.Error("the plan was not carried out on both sides")
	}
}

// TestS33_ARowThatCannotBeRead: an app fails at single records of a batch read,
// and their batch mates are worked; each has an entry of its own, and is looked
// at again.
func TestS33_ARowThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides {
		t.Run(string(side), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 30, nil)
			b.start()
			b.must(b.Quiet(t.Context()))
			hubs, forces := b.firstPairs(6)
			ids, object := hubs, "contacts"
			if side == crm.Right {
				ids, object = forces, "Contact"
			}
			b.core(object).Break(ids[1], ids[4])
			for i := range hubs {
				b.editHub(hubs[i], "city", "Ghent")
			}
			b.pullLate()
			b.rounds(10)
			for i := range hubs {
				got, v := b.get("Contact", forces[i])["MailingCity"], b.record(crm.Left, hubs[i])
				if broken := i == 1 || i == 4; !broken && got != "Ghent" {
					t.Errorf("record %d holds %q: it failed with its batch mates", i, got)
				} else if broken && (v.State != crm.StateFailing || v.Code != "malformed_answer" ||
					len(b.problems(crm.Left, hubs[i])) != 1) {
					t.Errorf("record %d is %s, %s with %d entries; want failing, told once", i, v.State, v.Code,
						len(b.problems(crm.Left, hubs[i])))
				}
			}
			if st := b.status(); st.Dead != 0 || len(st.Waiting) != 0 {
				t.Errorf("%d dead items, waiting %+v", st.Dead, st.Waiting)
			}
			b.pullLate()
			b.core(object).Break()
			b.Move(25 * time.Hour)
			b.pullLate()
			b.rounds(2)
			b.pullLate()
			for _, i := range []int{1, 4} {
				if got := b.get("Contact", forces[i])["MailingCity"]; got != "Ghent" {
					t.Errorf("record %d holds %q a day after it can be read again", i, got)
				}
			}
		})
	}
}

// taken is a connector whose app has somebody's unique value already and says
// neither whose it is nor finds it.
type taken struct {
	connector.Connector
	who   string
	tried *int
}

// BatchWrite implements connector.Connector.
func (c taken) BatchWrite(ctx context.Context, object string, ws []connector.Write) ([]connector.Written, error) {
	var out []connector.Written
	for _, w := range ws {
		if w.Op == connector.Create && w.Fields["Email"].Text() == c.who && *c.tried >= 0 {
			*c.tried++
			out = append(out, connector.Written{Err: fault.New("app: create", fault.Conflict, "already_exists", "taken")})
			continue
		}
		got, err := c.Connector.BatchWrite(ctx, object, []connector.Write{w})
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return out, nil
}

// TestS33_ATakenValueOfNobody ends after a few tries, told once and with what to
// do, and is created when a person asks for it after the value is free.
func TestS33_ATakenValueOfNobody(t *testing.T) {
	t.Parallel()
	tried := 0
	b, err := testbed.New(t.Context(),
		testbed.Options{People: 10, Wrap: func(id crm.AccountID, c connector.Connector) connector.Connector {
			if id == testbed.RightAccount {
				return taken{c, "hub1@new.example", &tried}
			}
			return c
		}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := bed{b, t}
	x.start()
	x.must(x.Quiet(t.Context()))
	x.must(createBoth(x, 1))
	x.pullLate()
	x.rounds(10)
	var id string
	for _, r := range b.Hub.Core().Records("contacts") {
		if r.Fields["email"] == "hub1@new.example" {
			id = r.ID
		}
	}
	v := x.record(crm.Left, id)
	entries := x.problems(crm.Left, id)
	if tried > 9 || v.State != crm.StateFailing || v.Code != "already_exists" || len(entries) != 1 ||
		entries[0].Outcome != crm.Failed || !strings.Contains(entries[0].Message, "merge them in the app") {
		t.Fatalf("after %d tries it is %s, %s, told as %+v", tried, v.State, v.Code, entries)
	}
	tried = -1
	x.finished(b.Engine.RetryEntry(t.Context(), testbed.Workspace, entries[0].ID, nil))
	if v := x.record(crm.Left, id); v.State != crm.StateInSync {
		t.Errorf("after a retry it is %s, %s", v.State, v.Code)
	}
}
