package sim

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakes"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// exempt are the apps that no seed drives, with the reason that every report prints.
var exempt = map[crm.AppID]string{}

// mergedByHook are the apps that name the survivor of a merge in a delivery and nowhere
// else: to whoever missed that one, the loser is deleted.
var mergedByHook = map[crm.AppID]bool{pipedrive.ID: true}

// Exempt tells of each app that no seed drives why that is so.
func Exempt() map[crm.AppID]string { return maps.Clone(exempt) }

// driven are the apps that seeds drive.
func driven() []crm.AppID {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(apps.Drivers())), func(id crm.AppID) bool { return exempt[id] != "" })
}

// pairOf is the pair of apps of a seed: seeds in a row go through all apps, and in the
// end each has met each other one that it can, as often on either side.
func pairOf(seed uint64) [2]crm.AppID {
	all, c := driven(), newChance(seed^0x61707073)
	n := len(all)
	one := int(seed % uint64(n))
	other := (one + 1 + int(seed/uint64(n))%(n-1)) % n
	for !meet(all[one], all[other]) {
		other = (other + 1) % n
	}
	if c.in(500) {
		one, other = other, one
	}
	return [2]crm.AppID{all[one], all[other]}
}

// trait is what is asked of an app once: which fields of a person it demands, and by
// which of the two keys it looks people up.
type trait struct{ demands, finds []string }

var traitsOf = sync.OnceValue(func() map[crm.AppID]trait {
	out := map[crm.AppID]trait{}
	for _, id := range driven() {
		w := &world{ctx: context.Background(), now: epoch}
		a, err := newReal(w, id)
		if err != nil {
			panic(err) // a test opens each of them
		}
		var t trait
		for _, name := range personal {
			if a.wants(name) {
				t.demands = append(t.demands, name)
			}
		}
		for name, value := range map[string]string{modelapp.Email: "p@example.com", modelapp.Phone: "+14155550100"} {
			_, err := a.open().BatchFind(w.ctx, a.name, a.schema[a.fields[name]], []string{value}, []string{a.fields[name]})
			if fault.CodeOf(err) != connector.CodeKey {
				t.finds = append(t.finds, name)
			}
		}
		out[id] = t
	}
	return out
})

// meet reports whether two apps can be in step: each has what the other one demands of
// a person, and looks people up by the key that they have in common.
func meet(one, other crm.AppID) bool {
	kinds, traits := fakes.All(), traitsOf()
	has := func(id crm.AppID, names []string) bool {
		fields := fieldsOf(kinds[id].Person)
		return !slices.ContainsFunc(names, func(name string) bool { return fields[name] == "" })
	}
	key := keyOf(kinds[one].Person, kinds[other].Person)
	return one != other && has(one, traits[other].demands) && has(other, traits[one].demands) &&
		slices.Contains(traits[one].finds, key) && slices.Contains(traits[other].finds, key)
}

// keyOf is the field that the people of two apps are matched by.
func keyOf(one, other fakes.Person) string {
	if one.ByPhone || other.ByPhone {
		return modelapp.Phone
	}
	return modelapp.Email
}

// hookURL is where the apps deliver to.
const hookURL = "https://lockstep.example.com/hooks/acc"

// lags keeps changes out of the app's searches and listings for a while, never longer
// than its connector says that they may be.
func (a *realApp) lags(w *world, c *chance) {
	most := a.conn.App().Limits.IndexLag
	lag := pick(c, 0, min(most, 5*time.Second), most/2, most)
	a.core.SetLag(lag, true)
	w.set.listed = max(w.set.listed, lag)
}

// listens has the app deliver what happens there, as far as it calls anybody.
func (a *realApp) listens(w *world, secret string) {
	if a.driver.Webhooks == nil {
		return
	}
	who, err := a.conn.Test(w.ctx)
	if err != nil {
		panic(err) // its credentials open the fake
	}
	a.trust.ExternalID = who.ExternalID
	a.core.SetWebhooks(fakekit.Webhooks{URL: hookURL, Secret: secret})
}

// told are the events of the app's own deliveries since, checked and read as the program
// does it.
func (a *realApp) told(w *world) (out [][]connector.Event) {
	if a.driver.Webhooks == nil {
		return nil
	}
	for _, d := range a.core.Take() {
		header := d.Packed.Header.Clone()
		if header == nil {
			header = http.Header{}
		}
		req := connector.WebhookRequest{Method: d.Packed.Method, URL: d.Packed.URL, Header: header, Body: d.Packed.Body}
		if err := a.driver.Webhooks.Verify(req, a.trust, w.now); err != nil {
			w.violated("X1", fmt.Sprintf("a delivery of %s is refused: %v", a.driver.App.ID, err))
			return out
		}
		events, err := a.driver.Webhooks.Parse(req)
		if err != nil {
			w.violated("X1", fmt.Sprintf("a delivery of %s cannot be read: %v", a.driver.App.ID, err))
			return out
		}
		events = slices.DeleteFunc(events, func(e connector.Event) bool {
			return e.Object != a.name || e.ExternalID != "" && a.trust.ExternalID != "" && e.ExternalID != a.trust.ExternalID
		})
		if len(events) > 0 {
			out = append(out, events)
		}
	}
	return out
}
