package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// TestS16_LongPauseOverTheAPI: nobody looked for 20 days, because the connection
// was paused or the sync is only pulled by hand. What was deleted meanwhile, and
// forgotten by its app, is found by a listing of everything, and the run says why.
func TestS16_LongPauseOverTheAPI(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides {
		for _, how := range []string{"paused", "by hand"} {
			t.Run(how+", "+string(side), func(t *testing.T) {
				t.Parallel()
				onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
					for i := range 8 {
						l.person(side, fmt.Sprintf("p%d", i))
					}
					l.connect()
					l.start()
					if how == "paused" {
						l.want(200, "POST", l.con+"/pause", nil)
					}
					l.move(24 * time.Hour)
					gone := l.twin(side, "p3")
					core, object := l.core(side)
					if err := core.DeleteRecord(object, gone); err != nil {
						t.Fatal(err)
					}
					l.edit(side, l.twin(side, "p4"), [2]string{"city", "MailingCity"}[side.Index()], "Ghent")
					l.move(19 * 24 * time.Hour)
					if side == crm.Right {
						l.knob(side, http.MethodPost, "/_fake/empty_bin", `{}`)
					} else if err := l.hub.Erase(object, gone); err != nil {
						t.Fatal(err)
					}
					if how == "paused" {
						l.want(202, "POST", l.con+"/start", nil)
					} else {
						l.begin("POST", l.sync+"/pull", nil)
					}
					l.drain()
					l.move(5 * time.Minute) // deletions are weighed before they are applied
					l.round()
					l.drain()
					if v := l.view(side, gone); v.State != crm.StateDeleted {
						t.Errorf("the deleted one is %s, %s", v.State, v.Code)
					}
					l.is(side.Other(), l.twin(side.Other(), "p4"), [2]string{"city", "MailingCity"}[side.Other().Index()], "Ghent")
					if n := l.living(side.Other()); n != 8 {
						t.Errorf("%d people are left on the other side, want 8", n)
					}
					said := false
					for _, r := range each[engine.Run](l, "/v1/runs?connection="+l.id()) {
						said = said || r.Kind == engine.RunPull && strings.Contains(r.Detail, "long_pause")
					}
					if !said {
						t.Error("no run says that everything was listed, and why")
					}
				})
			})
		}
	}
}

// TestS16_EmptiedSideOverTheAPI: everybody of a small side is gone at once. The
// connection halts before the first pair is ended, however that is heard of; what
// is discarded stays as it is.
func TestS16_EmptiedSideOverTheAPI(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides {
		for _, how := range []string{"pull", "resync", "webhooks"} {
			if how == "webhooks" && side == crm.Right {
				continue // Salesforce sends none of deletions
			}
			t.Run(how+", "+string(side), func(t *testing.T) {
				t.Parallel()
				onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
					for i := range 6 {
						l.person(side, fmt.Sprintf("p%d", i))
					}
					l.connect()
					l.start()
					if how == "webhooks" {
						l.hooked(side, fakekit.Webhooks{})
					}
					core, object := l.core(side)
					for _, r := range core.Records(object) {
						if err := core.DeleteRecord(object, r.ID); err != nil {
							t.Fatal(err)
						}
					}
					l.move(3 * time.Minute)
					if how == "webhooks" {
						l.deliver(side)
					} else {
						l.begin("POST", l.sync+"/"+how, nil)
					}
					l.drain()
					l.round()
					l.drain()
					status, st := l.standing()
					if status != crm.StatusHalted || st.Halted == nil || st.Halted.Deletions != 6 || l.deleted() != 0 {
						t.Fatalf("the connection is %s (%+v) with %d pairs ended, want halted with none", status, st.Halted, l.deleted())
					}
					l.want(200, "POST", l.sync+"/deletions/discard", nil)
					l.drain()
					if status, _ := l.standing(); status != crm.StatusActive || l.deleted() != 0 || l.living(side.Other()) != 6 {
						t.Errorf("after the discard: %s, %d pairs ended, %d people left", status, l.deleted(), l.living(side.Other()))
					}
				})
			})
		}
	}
}

// TestS31_MatchFieldsVanishOverTheAPI: the field that records are matched by is
// taken away. Nobody is made because of it, by a pull, a resync or a plan; what
// is linked goes on; what waits is worked when the field is back.
func TestS31_MatchFieldsVanishOverTheAPI(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides {
		t.Run(string(side), func(t *testing.T) {
			t.Parallel()
			onThings(t, nil, func(t *testing.T, l *thingsLive) {
				linked := l.add(crm.Left, "linked", "first", "1")
				l.join()
				twin := l.partner(crm.Left, linked)
				away := func(gone bool) {
					t.Helper()
					object, field := l.thing.objects[side.Index()], l.key[side.Index()]
					err := l.force.ChangeField(object, field, salesforcefake.FieldChange{Hidden: &gone})
					if side == crm.Left {
						err = l.hub.ChangeProperty(object, field, hubspotfake.PropertyChange{Archived: &gone})
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				away(true)
				fresh := l.add(side.Other(), "fresh", "second", "2")
				l.edit(crm.Left, linked, l.note[0], "edited")
				l.move(10 * time.Minute)
				if run := l.pull(); len(run.Held) == 0 {
					t.Error("the run does not say what is held")
				}
				l.is(crm.Right, twin, l.note[1], "edited")
				l.run("POST", l.live.sync+"/resync", nil)
				if p := l.planned(nil); p.Totals[crm.Created] != 0 || len(p.Held) == 0 {
					t.Errorf("the plan: %v, held %+v", p.Totals, p.Held)
				}
				if v := l.view(side.Other(), fresh); v.State != crm.StateWaiting || v.Code != "field_missing" || v.Partner != "" {
					t.Errorf("the new one is %s, %s, with %q", v.State, v.Code, v.Partner)
				}
				if n := l.living(side); n != 1 {
					t.Errorf("%d records on the side without its field, want 1", n)
				}
				away(false)
				l.move(6 * time.Minute)
				l.round()
				l.drain()
				l.pull()
				l.partner(side.Other(), fresh)
				if n := [2]int{l.living(crm.Left), l.living(crm.Right)}; n != [2]int{2, 2} {
					t.Errorf("%v records in the end, want two each", n)
				}
				l.rests()
			})
		})
	}
}
