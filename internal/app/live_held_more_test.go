package app

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// archived archives a property of HubSpot's contacts, or brings it back.
func (l *live) archived(name string, gone bool) {
	l.t.Helper()
	if err := vanishings["HubSpot archived"].do(l, name, gone); err != nil {
		l.t.Fatal(err)
	}
}

// TestS31_FirstSyncWithoutAField: a connection is started after a field of it is
// gone, with mappings that clear, and hears of an edit by webhook. The other
// side keeps its values, and everything else is synced.
func TestS31_FirstSyncWithoutAField(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		for _, who := range []string{"a", "b", "c"} {
			l.person(crm.Left, who, "city", "Ghent")
			l.person(crm.Right, who, "MailingCity", "Bruges")
		}
		l.connect(mapEach(everyType[:1], `,"clear":{"to_right":true,"to_left":true}`))
		l.archived("city", true)
		l.start()
		keeps := func(when string) {
			t.Helper()
			for id, city := range l.column(1, "MailingCity") {
				if city != "Bruges" {
					t.Errorf("%s: the city of %s is %q", when, id, city)
				}
			}
		}
		keeps("after the first sync")
		l.round()
		l.drain()
		l.heldSaid(0, []string{"city"})
		var hooks struct {
			Items []struct {
				URL string `json:"url"`
			} `json:"items"`
		}
		l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
		l.hub.Core().SetWebhooks(fakekit.Webhooks{URL: hooks.Items[0].URL, Secret: hubspotfake.ClientSecret})
		l.edit(crm.Left, l.twin(crm.Left, "a"), "lastname", "By hook")
		l.move(10 * time.Second)
		if _, err := l.hub.Core().Deliver(context.WithoutCancel(t.Context()), http.DefaultClient); err != nil {
			t.Fatal(err)
		}
		l.drain()
		if got := l.held(crm.Right, l.twin(crm.Right, "a"))["LastName"]; got != "By hook" {
			t.Errorf("the surname arrived as %q", got)
		}
		keeps("after a webhook")
	})
}

// TestS31_AFilterWithoutItsField: a rule that filters by a property which is
// archived lets nobody new through and throws nobody out; what waits goes
// through when it is back.
func TestS31_AFilterWithoutItsField(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		old := l.person(crm.Left, "old", "state", "in")
		l.person(crm.Left, "kept", "state", "out")
		l.connect([2]string{`"mappings":[`, `"rules":[{"id":"in","direction":"to_right","filter":{"field":"state","op":"equals","value":"in"}}],
			"mappings":[`})
		l.start()
		if n := l.living(crm.Right); n != 1 {
			t.Fatalf("%d people on the right before anything vanished, want 1", n)
		}
		l.archived("state", true)
		l.move(6 * time.Minute)
		l.refreshed(0)
		l.person(crm.Left, "fresh")
		l.edit(crm.Left, old, "lastname", "Edited")
		l.pull()
		l.run("POST", l.sync+"/resync", nil)
		if n := l.living(crm.Right); n != 1 {
			t.Errorf("%d people on the right while the filter rests, want 1", n)
		}
		if v := l.view(crm.Left, old); v.Partner == "" || v.State == crm.StateExcluded {
			t.Errorf("the pair was thrown out: %s %s, partner %q", v.State, v.Code, v.Partner)
		}
		l.heldSaid(0, []string{"state"})
		fresh := l.twin(crm.Left, "fresh")
		l.archived("state", false)
		l.edit(crm.Left, fresh, "state", "in")
		l.refreshed(0)
		l.round()
		l.drain()
		l.twin(crm.Right, "fresh") // fails when there is none
		if got := l.held(crm.Right, l.twin(crm.Right, "old"))["LastName"]; got != "Edited" {
			t.Errorf("what was edited meanwhile arrived as %q", got)
		}
		if n := l.living(crm.Right); n != 2 {
			t.Errorf("%d people on the right when the field is back, want 2", n)
		}
		l.heldSaid(0, nil)
	})
}

// TestS31_BroughtBackOverTheAPI: a field vanishes just after the app was asked for
// its fields, and whoever brings it back asks for a resync at once: nobody has to
// wait for the next look, however short ago the last one was.
func TestS31_BroughtBackOverTheAPI(t *testing.T) {
	t.Parallel()
	for name, v := range vanishings {
		if name == "Salesforce renamed" {
			continue // standard fields, as these here, keep their names
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
				city := [2]string{"city", "MailingCity"}
				var ids [2]string
				ids[v.side] = l.person(crm.Sides[v.side], "ann", city[v.side], "Ghent")
				l.connect()
				l.start()
				ids[1-v.side] = l.twin(crm.Sides[v.side].Other(), "ann")
				for _, gone := range []bool{true, false, true, false} {
					if err := v.do(l, city[v.side], gone); err != nil {
						t.Fatal(err)
					}
					l.edit(crm.Sides[v.side], ids[v.side], [2]string{"lastname", "LastName"}[v.side], fmt.Sprintf("Lee %v", gone))
					if gone {
						l.pull()
						l.edit(crm.Sides[1-v.side], ids[1-v.side], city[1-v.side], "Liège")
						l.pull()
						continue
					}
					l.run("POST", l.sync+"/resync", nil)
					l.heldSaid(v.side, nil)
					if got := l.held(crm.Sides[v.side], ids[v.side])[city[v.side]]; got != "Liège" {
						t.Errorf("%s holds %q, want what was edited meanwhile", city[v.side], got)
					}
				}
			})
		})
	}
}
