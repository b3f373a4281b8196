package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakes"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// third is a fake of a further app and where it listens. Its clock is the program's
// once that runs.
type third struct {
	fakekit.Fake

	app crm.AppID
	url string
	l   *live
}

func thirdOf(t *testing.T, app crm.AppID, start func(fakekit.Config) fakekit.Fake) *third {
	t.Helper()
	x := &third{app: app}
	x.Fake = start(fakekit.Config{Now: func() time.Time {
		if x.l == nil {
			return time.Now()
		}
		return x.l.now()
	}})
	s := httptest.NewServer(x.Fake)
	storages.AtEnd(t, s.Close)
	x.url = s.URL
	return x
}

// account adds an account of the app, through its consent page where there is no other way.
func (x *third) account(l *live) crm.AccountID {
	l.t.Helper()
	x.l = l
	kind := fakes.All()[x.app]
	driver := apps.Drivers()[x.app]
	if !kind.Consent {
		return l.account(string(x.app), x.url, kind.Credentials)
	}
	client := map[string]string{
		"client_id": kind.Credentials["client_id"], "client_secret": kind.Credentials["client_secret"],
		"redirect_uri": l.url + "/v1/oauth/callback",
	}
	l.want(204, "PUT", "/v1/apps/"+string(x.app)+"/client", client)
	begin := l.must(201, "POST", "/v1/oauth/"+string(x.app)+"/authorizations", map[string]any{
		"name": driver.App.Name, "base_url": x.url,
	})["url"].(string)
	begun := l.want(302, "GET", strings.TrimPrefix(begin, l.url), nil)
	cookie, _, _ := strings.Cut(begun.header.Get("Set-Cookie"), "; ")
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, begun.header.Get("Location"), http.NoBody)
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := fakekit.Client(x.Fake).Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusFound {
		l.t.Fatalf("the consent page answers %d, %v", resp.StatusCode, err)
	}
	before := accountsOf(l, x.app)
	l.want(200, "GET", "/v1/oauth/callback?"+back.RawQuery, nil, "Cookie", cookie)
	for _, id := range accountsOf(l, x.app) {
		if !slices.Contains(before, id) {
			return id
		}
	}
	l.t.Fatalf("nothing came of the consent, beside %v", before)
	return ""
}

// accountsOf are the accounts of an app.
func accountsOf(l *live, app crm.AppID) (ids []crm.AccountID) {
	l.t.Helper()
	var list struct{ Items []struct{ ID, App string } }
	l.want(200, "GET", "/v1/accounts", nil).into(&list)
	for _, a := range list.Items {
		if a.App == string(app) {
			ids = append(ids, crm.AccountID(a.ID))
		}
	}
	return ids
}

// with is the whole program with a third app and an account of it.
func with(
	t *testing.T, o Options, app crm.AppID, start func(fakekit.Config) fakekit.Fake,
) (*live, *fakekit.Core, crm.AccountID) {
	t.Helper()
	x := thirdOf(t, app, start)
	o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(x.url, "http://"))
	l := launched(t, o, engine.Tuning{})
	return l, x.Core(), x.account(l)
}

// byMail finds the living records of an app by their first e-mail address, in lower case.
func byMail(core *fakekit.Core, object, field string) map[string]*fakekit.Record {
	out := map[string]*fakekit.Record{}
	for _, r := range core.Records(object) {
		if first, _, _ := strings.Cut(r.Fields[field], ";"); !r.Deleted {
			out[strings.ToLower(first)] = r
		}
	}
	return out
}

// TestRow18_EveryPresetIsTaken makes a connection of each preset that is listed: its
// objects and fields are there, and each app has one for people with HubSpot.
func TestRow18_EveryPresetIsTaken(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: t.TempDir()}
	var more []*third
	for app, kind := range fakes.All() {
		if app != "hubspot" && app != "salesforce" {
			x := thirdOf(t, app, kind.Start)
			o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(x.url, "http://"))
			more = append(more, x)
		}
	}
	l := launched(t, o, engine.Tuning{})
	accounts, lacking := map[string]crm.AccountID{"hubspot": l.left, "salesforce": l.right}, map[string]bool{
		"salesforce": true,
	}
	twins := map[string]crm.AccountID{} // second accounts
	for _, x := range more {
		accounts[string(x.app)], lacking[string(x.app)] = x.account(l), true
		twins[string(x.app)] = x.account(l)
	}
	var list struct {
		Items []struct{ ID, Left, Right string }
	}
	l.want(200, "GET", "/v1/presets", nil).into(&list)
	for _, p := range list.Items {
		if l.left, l.right = accounts[p.Left], accounts[p.Right]; p.Left == p.Right {
			l.right = twins[p.Right]
		}
		l.preset(p.ID)
		l.want(202, "DELETE", l.con+"?confirm=Preset", nil, "If-Match", "*")
		l.drain() // two connections do not write one field
		if p.Left == "hubspot" && strings.HasSuffix(p.ID, "-contacts") {
			delete(lacking, p.Right)
		}
	}
	if len(lacking) > 0 {
		t.Errorf("no preset for people of HubSpot and %v: %+v", lacking, list.Items)
	}
}
