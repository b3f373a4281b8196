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
)

// goneBed is a bed with people in step, some of whom vanish.
type goneBed struct {
	*testbed.Bed
	t   *testing.T
	ctx context.Context
	ids []string // of the Salesforce records
}

func newGoneBed(t *testing.T, people int) *goneBed {
	t.Helper()
	// Small chunks and lots, so that what vanished is noticed in portions.
	b, err := testbed.New(t.Context(), testbed.Options{Tuning: engine.Tuning{ChunkSize: 13, LotSize: 13, Window: 2}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := &goneBed{Bed: b, t: t, ctx: t.Context()}
	for i := range people {
		r, err := b.Force.Core().CreateRecord("Contact", map[string]string{
			"LastName": fmt.Sprintf("Roe %d", i), "Email": fmt.Sprintf("roe%d@example.com", i),
		})
		g.must(err)
		g.ids = append(g.ids, r.ID)
	}
	g.must(startBed(g.ctx, b))
	return g
}

func (g *goneBed) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *goneBed) delete(ids []string) {
	g.t.Helper()
	for _, id := range ids {
		g.must(g.Force.Core().DeleteRecord("Contact", id))
	}
}

func (g *goneBed) hook(ids []string) {
	g.t.Helper()
	var events []connector.Event
	for _, id := range ids {
		events = append(events, connector.Event{Kind: connector.EventDeleted, Object: "Contact", ID: crm.RecordID(id)})
	}
	g.must(g.Engine.Webhook(g.ctx, testbed.Workspace, testbed.RightAccount, events))
}

func (g *goneBed) settle() {
	g.t.Helper()
	g.must(g.Drain(g.ctx))
	for range 30 {
		g.Move(time.Second)
		_, err := g.Engine.Round(g.ctx)
		g.must(err)
		_, err = g.Work(g.ctx)
		g.must(err)
	}
}

// applied is how many pairs count as deleted, and whether the sync is halted.
func (g *goneBed) applied() (int64, bool) {
	g.t.Helper()
	st, err := g.Engine.Status(g.ctx, testbed.Workspace, testbed.Connection)
	g.must(err)
	return st[0].States.Left[crm.StateDeleted], st[0].Halted != nil
}

func (g *goneBed) want(what string, applied int64, halted bool) {
	g.t.Helper()
	n, h := g.applied()
	if n != applied || h != halted {
		g.t.Errorf("%s: %d applied, halted %v; want %d, %v", what, n, h, applied, halted)
	}
}

// vanishings are the ways in which many deletions reach the engine.
var vanishings = map[string]func(g *goneBed, ids []string){
	"one webhook": func(g *goneBed, ids []string) {
		g.delete(ids)
		g.hook(ids)
	},
	"a webhook each": func(g *goneBed, ids []string) {
		for _, id := range ids {
			g.delete([]string{id})
			g.hook([]string{id})
			_, err := g.Work(g.ctx)
			g.must(err)
			_, err = g.Engine.Round(g.ctx)
			g.must(err)
			g.Move(100 * time.Millisecond)
		}
	},
	"pull": func(g *goneBed, ids []string) {
		g.delete(ids)
		g.Move(testbed.Overlap)
		g.must(g.Engine.Pull(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
	},
	"missing in a listing": func(g *goneBed, ids []string) {
		g.delete(ids)
		g.resync()
	},
}

func (g *goneBed) resync() {
	g.t.Helper()
	_, err := g.Engine.StartRun(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
	g.must(err)
}

// TestS16_HaltsBeforeTheFirst: of a mass deletion none is applied, however it
// is heard of and in whatever portions it is noticed; what was discarded stays
// so, also when only a part of it is noticed again.
func TestS16_HaltsBeforeTheFirst(t *testing.T) {
	t.Parallel()
	for _, how := range sortedKeys(vanishings) {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			g := newGoneBed(t, 80)
			vanishings[how](g, g.ids[:60])
			g.settle()
			g.want("60 of 80 vanished", 0, true)
			g.must(g.Engine.DiscardDeletions(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
			g.settle()
			g.want("discarded", 0, false)
			g.hook(g.ids[:7])
			g.settle()
			g.want("seven of them noticed again", 0, true)
			g.must(g.Engine.DiscardDeletions(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
			g.delete(g.ids[70:72])
			g.hook(g.ids[70:72])
			g.settle()
			g.want("two others deleted", 2, false)
			g.resync()
			g.settle()
			g.want("all found missing by a resync", 2, true)
			g.must(g.Engine.ConfirmDeletions(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
			g.settle()
			g.want("confirmed", 62, false)
		})
	}
}

// TestS16_PortionsOfAnHour: deletions that trickle in are applied up to the
// limit of the hour; the one that crosses it halts, and the next hour begins anew.
func TestS16_PortionsOfAnHour(t *testing.T) {
	t.Parallel()
	g := newGoneBed(t, 120)
	part := func(from, to int) {
		g.delete(g.ids[from:to])
		g.hook(g.ids[from:to])
		g.settle()
		g.Move(10 * time.Minute)
	}
	part(0, 30)
	g.want("30", 30, false)
	part(30, 48)
	g.want("48", 48, false)
	part(48, 53)
	g.want("53 within the hour", 48, true)
	g.must(g.Engine.ConfirmDeletions(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
	g.settle()
	g.want("confirmed", 53, false)
	part(53, 54)
	g.want("one more, which nobody confirmed", 53, true)
	g.must(g.Engine.DiscardDeletions(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
	g.Move(time.Hour)
	part(60, 80)
	g.want("the next hour", 73, false)
}

// TestS16_AnEmptiedSideHalts: when every record of a side that had five or more
// is gone, the sync halts far below the floor; with fewer it does not.
func TestS16_AnEmptiedSideHalts(t *testing.T) {
	t.Parallel()
	for _, how := range sortedKeys(vanishings) {
		for people, halts := range map[int]bool{4: false, 5: true, 12: true} {
			t.Run(fmt.Sprintf("%s, %d", how, people), func(t *testing.T) {
				t.Parallel()
				g := newGoneBed(t, people)
				vanishings[how](g, g.ids)
				g.settle()
				if halts {
					g.want("everybody", 0, true)
				} else {
					g.want("everybody", int64(people), false)
				}
			})
		}
	}
	t.Run("in two portions", func(t *testing.T) {
		t.Parallel()
		g := newGoneBed(t, 9)
		g.delete(g.ids[:5])
		g.hook(g.ids[:5])
		g.settle()
		g.want("five of nine", 5, false)
		g.delete(g.ids[5:])
		g.hook(g.ids[5:])
		g.settle()
		g.want("the other four", 5, true)
	})
}

// TestS16_DiscardedStaysSoWhenItIsLittle: what halted together with what the
// hour had brought before is not applied later, when it alone would be few.
func TestS16_DiscardedStaysSoWhenItIsLittle(t *testing.T) {
	t.Parallel()
	g := newGoneBed(t, 80)
	g.delete(g.ids[:40])
	g.hook(g.ids[:40])
	g.settle()
	g.want("40 of 80 vanished", 40, false)
	g.delete(g.ids[40:60])
	g.hook(g.ids[40:60])
	g.settle()
	g.want("20 more within the hour", 40, true)
	g.must(g.Engine.DiscardDeletions(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
	g.Move(2 * time.Hour)
	g.resync()
	g.settle()
	g.want("the 20 noticed again hours later", 40, true)
	g.must(g.Engine.ConfirmDeletions(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
	g.settle()
	g.want("confirmed after all", 60, false)
}

// TestS16_AConfirmationIsForWhatWasShown: what vanishes while a halted sync waits
// for its admin was not shown, and is not confirmed with the rest.
func TestS16_AConfirmationIsForWhatWasShown(t *testing.T) {
	t.Parallel()
	g := newGoneBed(t, 200)
	vanishings["one webhook"](g, g.ids[:60])
	g.settle()
	g.want("60 of 200 vanished", 0, true)
	vanishings["one webhook"](g, g.ids[60:120]) // kept until the sync is on again
	confirm := func() {
		t.Helper()
		g.must(g.Engine.ConfirmDeletions(g.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
		for range 60 { // it may halt again with work in hand, and then never rests
			g.Move(time.Second)
			_, err := g.Engine.Round(g.ctx)
			g.must(err)
			_, err = g.Work(g.ctx)
			g.must(err)
		}
	}
	confirm()
	if n, halted := g.applied(); n > 60 || !halted {
		t.Fatalf("60 were confirmed: %d are applied, halted %t", n, halted)
	}
	confirm()
	g.want("the others are confirmed, too", 120, false)
}
