package app

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/fakes"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// TestRow18_EveryPresetSyncs starts a connection of each derived preset as it comes, with
// its apps in either order: somebody on each side gets to the other one, and then nobody is
// written any more. (The written ones tell their stories in functions/local.) On DynamoDB,
// where the same program runs, each app is met once.
func TestRow18_EveryPresetSyncs(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		all := fakes.All()
		var shops [2][]*third // two accounts of each app
		for _, app := range slices.Sorted(maps.Keys(all)) {
			for i := range shops {
				x := thirdOf(t, app, all[app].Start)
				o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(x.url, "http://"))
				shops[i] = append(shops[i], x)
			}
		}
		l := launched(t, o, engine.Tuning{})
		accounts := map[*third]crm.AccountID{}
		for _, x := range slices.Concat(shops[0], shops[1]) {
			accounts[x] = x.account(l)
		}
		var list struct {
			Items []struct {
				ID          string
				Left, Right crm.AppID
				Derived     bool
			}
		}
		l.want(http.StatusOK, "GET", "/v1/presets", nil).into(&list)
		met, told := map[crm.AppID]bool{}, 0
		for i, p := range list.Items {
			if !p.Derived || o.Remote != nil && met[p.Left] && met[p.Right] {
				continue
			}
			met[p.Left], met[p.Right] = true, true
			told++
			of := func(shop []*third, app crm.AppID) *third {
				return shop[slices.IndexFunc(shop, func(x *third) bool { return x.app == app })]
			}
			sides := [2]*third{of(shops[0], p.Left), of(shops[1], p.Right)}
			if i%2 == 1 {
				slices.Reverse(sides[:])
			}
			l.left, l.right = accounts[sides[0]], accounts[sides[1]]
			l.preset(p.ID)
			l.derived(p.ID, sides)
			l.want(http.StatusAccepted, "DELETE", l.con+"?confirm=Preset", nil, "If-Match", "*")
			l.drain()
		}
		if len(met) < len(all) {
			t.Errorf("derived presets join %d of %d apps", len(met), len(all))
		}
		t.Logf("%d presets", told)
	})
}

// derived plays a connection of two apps, in which nobody is, and leaves them empty.
func (l *live) derived(id string, apps [2]*third) {
	l.t.Helper()
	var sides [2]exampleSide
	for i, x := range apps {
		kind := fakes.All()[x.app]
		p := kind.Person
		sides[i] = exampleSide{naming{kind.Objects, p.Email, p.First, p.Last, p.Phone}, x.Core()}
		if p.First == "" {
			sides[i].first, sides[i].last = p.Last, ""
		}
		for _, r := range sides[i].Records(kind.Objects) { // those that the fake begins with
			if !r.Deleted {
				_ = sides[i].DeleteRecord(kind.Objects, r.ID)
			}
		}
	}
	deliver := l.pushed(apps)
	sides[0].person(l.t, "Ann", "2025550101")
	sides[1].person(l.t, "Bea", "2025550102")
	deliver()
	if a := l.do("POST", l.con+"/start", nil); a.status != http.StatusAccepted {
		l.t.Errorf("%s cannot be started as it comes: %s", id, a.body)
		return
	}
	l.drain()
	deliver()
	for i, s := range sides {
		for _, who := range []string{"Ann", "Bea"} {
			if got := s.name(l.t, who); got != who+" Roe" {
				l.t.Errorf("%s: %s of %s is called %q", id, who, apps[i].app, got)
			}
		}
	}
	for range 2 {
		if r := l.run("POST", l.sync+"/resync", nil); r.State != engine.RunDone || r.Outcomes[crm.Unchanged] != r.Done {
			l.t.Errorf("%s: a resync of whom nobody touched: %s %v", id, r.State, r.Outcomes)
		}
	}
}
