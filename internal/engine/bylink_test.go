package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// TestS37_AMassChangeIsCountedByLink: however often a change of a pair is heard of before
// it is written, it is one: what is not many gets across unasked.
func TestS37_AMassChangeIsCountedByLink(t *testing.T) {
	t.Parallel()
	for how, arrive := range map[string]func(b bed, side int, pairs [][2]string, ids []string){
		"a resync": func(b bed, _ int, _ [][2]string, _ []string) {
			_, err := b.Engine.StartRun(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
			b.must(err)
		},
		"three events of each": func(b bed, side int, _ [][2]string, ids []string) {
			for range 3 {
				b.tell(side, ids, 10)
			}
		},
		"three events of each, one by one": func(b bed, side int, _ [][2]string, ids []string) {
			for range 3 {
				b.tell(side, ids, 1)
			}
		},
		"three events, far between": func(b bed, side int, _ [][2]string, ids []string) {
			for range 3 {
				b.tell(side, ids, 20)
				for range 3 {
					_, err := b.Work(b.t.Context())
					b.must(err)
				}
				b.Move(11 * time.Second)
			}
		},
		"events of both records": func(b bed, side int, pairs [][2]string, ids []string) {
			b.tell(side, ids, 10)
			var others []string
			for _, p := range pairs {
				others = append(others, p[1-side])
			}
			b.tell(1-side, others, 10)
		},
	} {
		for _, title := range []string{"", "Imported"} {
			for side, name := range [2]string{"HubSpot", "Salesforce"} {
				t.Run(fmt.Sprintf("%s/%q/%s", how, title, name), func(t *testing.T) {
					t.Parallel()
					b := massBed(t, 160, engine.Tuning{ChunkSize: 25, LotSize: 25, ChangeShare: 0.1})
					pairs := b.pairs()[:40] // and 50 are no mass
					arrive(b, side, pairs, b.massEdit(side, pairs, title))
					b.drain()
					b.settle(time.Hour / 3)
					if n, halts := b.titles(1-side, pairs, title), b.status().Changes; n != 40 || len(halts) > 0 {
						t.Errorf("%d of 40 titles got across, halts: %+v", n, halts)
					}
				})
			}
		}
	}
}

// TestGuards_ShareIsOfLinks: the share that may be replaced, or be gone, is one of the
// linked pairs: records that are known and linked with nobody allow for nothing.
func TestGuards_ShareIsOfLinks(t *testing.T) {
	t.Parallel()
	tuning := engine.Tuning{ChangeFloor: 5, ClearShare: 0.1, DeleteFloor: 5, DeleteShare: 0.1}
	for side, object := range [2]string{"contacts", "Contact"} {
		t.Run(object, func(t *testing.T) {
			t.Parallel()
			b := massBed(t, 80, tuning)
			core, name := b.Hub.Core(), "lastname"
			if side == 1 {
				core, name = b.Force.Core(), "LastName"
			}
			for i := range 400 {
				_, err := core.CreateRecord(object, map[string]string{name: fmt.Sprintf("Nobody %d", i)})
				b.must(err)
			}
			b.pull()
			b.drain()
			if st := b.status().States; st.Get(crm.Sides[side])[crm.StateExcluded] < 400 {
				t.Fatalf("who has no address is not left out: %+v", st)
			}
			pairs := b.pairs()
			many := len(pairs) / 4
			if many > 40 {
				t.Fatalf("%d pairs are too many", len(pairs))
			}
			b.massEdit(side, pairs[:many], "")
			b.pullLate()
			b.settle(time.Hour / 3)
			if n := b.titles(1-side, pairs[:many], ""); n != 0 {
				t.Errorf("a quarter of the titles was cleared before anybody was asked")
			}
			if h := b.status().Changes; len(h) != 1 || h[0].Links != int64(len(pairs)) {
				t.Errorf("halts %+v, want one of %d links", h, len(pairs))
			}
			for _, p := range pairs[:many] {
				b.must(core.DeleteRecord(object, p[side]))
			}
			_, err := b.Engine.StartRun(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
			b.must(err)
			b.settle(time.Hour / 3)
			if h := b.status().Halted; h == nil || h.Links != int64(len(pairs)) || h.Deletions != int64(many) {
				t.Errorf("with a quarter of the pairs gone, it stands for %+v, want %d of %d", h, many, len(pairs))
			}
		})
	}
}

// TestS16_APairIsDeletedOnce: a pair whose two records are gone is one deletion.
func TestS16_APairIsDeletedOnce(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"pull", "missing in a listing"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			g := newGoneBed(t, 120)
			both := func(ids []string) {
				gone := map[string]bool{}
				for _, r := range g.Force.Core().Records("Contact") {
					for _, id := range ids {
						if r.ID == id {
							gone[r.Fields["Email"]] = true
						}
					}
				}
				for _, r := range g.Hub.Core().Records("contacts") {
					if gone[r.Fields["email"]] {
						g.must(g.Hub.Core().DeleteRecord("contacts", r.ID))
					}
				}
				vanishings[how](g, ids)
				g.settle()
			}
			both(g.ids[:40])
			g.want("40 pairs, and 50 are no mass", 40, false)
			both(g.ids[40:55])
			g.want("55 within the hour", 40, true)
			st, err := g.Engine.Status(g.ctx, testbed.Workspace, testbed.Connection)
			g.must(err)
			if n := st[0].Halted.Deletions; n != 15 {
				t.Errorf("it says %d deletions, want 15", n)
			}
			g.must(g.Engine.ConfirmDeletions(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
			g.settle()
			g.want("confirmed", 55, false)
		})
	}
}
