package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// company is one that both apps have, each with its own spelling.
type company struct{ domain, website, name, accountName string }

// sameCompanies are spelled as people and browsers spell them.
func sameCompanies() []company {
	sites := []func(string) string{
		func(d string) string { return d },
		func(d string) string { return "https://www." + d + "/" },
		func(d string) string { return "http://" + d },
		func(d string) string { return "www." + d },
		func(d string) string { return "https://" + d + "/" },
		func(d string) string { return "HTTP://WWW." + d },
		func(d string) string { return "http://" + strings.ToUpper(d) + "/de" },
	}
	var all []company
	for i := range 24 {
		d := fmt.Sprintf("firm%d.example", i)
		all = append(all, company{d, sites[i%len(sites)](d), fmt.Sprintf("Firm %d", i), fmt.Sprintf("FIRM %d, Inc.", i)})
	}
	return append(all,
		company{"xn--bcher-kva.example", "https://www.bücher.example/", "Bücher", "Buecher"},
		company{"müller.example", "http://xn--mller-kva.example", "Müller", "Mueller"},
		company{"www.Upper.EXAMPLE", "upper.example", "Upper", "Upper Case"},
		company{"shop.firm0.example", "https://shop.firm0.example", "Firm 0 shop", "Shop of firm 0"},
		company{"", "https://one.example", "One", "One"},
		company{"twins.example", "twins.example", "Twins North", "Twins North"},
		company{"twins.example", "www.twins.example", "Twins South", "Twins South"},
		company{"https://facebook.com/alpha", "facebook.com/alpha", "Alpha", "Alpha"},
		company{"https://facebook.com/beta", "https://www.facebook.com/beta/", "Beta", "Beta"},
	)
}

// companyApps are the two apps as their users see them.
type companyApps struct {
	*served
	t       *testing.T
	objects [2]string
}

var companyObjects = [2]string{"companies", "Account"}

func (a companyApps) add(side int, fields map[string]string) {
	a.t.Helper()
	a.addTo(side, a.objects[side], fields)
}

func (a companyApps) addTo(side int, object string, fields map[string]string) {
	a.t.Helper()
	for name, v := range fields {
		if v == "" {
			delete(fields, name)
		}
	}
	app := apiclient.New(a.fakes[side].url, "")
	if err := app.Call(a.t.Context(), http.MethodPost, "/_fake/records/"+object, map[string]any{"fields": fields},
		nil); err != nil {
		a.t.Fatal(err)
	}
}

// all are the living records of a side, by ID.
func (a companyApps) all(side int) map[string]map[string]string {
	a.t.Helper()
	return a.allOf(side, a.objects[side])
}

func (a companyApps) allOf(side int, object string) map[string]map[string]string {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.fakes[side].url+"/_fake/records/"+object,
		http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	out := map[string]map[string]string{}
	for sc := bufio.NewScanner(bytes.NewReader(body)); sc.Scan(); {
		var line fakekit.RecordLine
		if err := json.Unmarshal(sc.Bytes(), &line); err != nil {
			a.t.Fatal(err)
		}
		if !line.Deleted {
			out[line.ID] = line.Fields
		}
	}
	return out
}

func (a companyApps) run(path string) engine.Run {
	a.t.Helper()
	var begun struct {
		Runs []engine.Run `json:"runs"`
	}
	if err := a.api.Call(a.t.Context(), http.MethodPost, path, nil, &begun); err != nil || len(begun.Runs) != 1 {
		a.t.Fatalf("%s began %d runs: %v", path, len(begun.Runs), err)
	}
	run := begun.Runs[0]
	a.waitRun(a.t, &run, 0)
	return run
}

// TestRow96_CompaniesAreNotDoubled: the preset for companies, on data as people
// type it. Nobody is doubled, every company keeps each app's spelling of its
// domain, and two resyncs change nothing.
func TestRow96_CompaniesAreNotDoubled(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		a := companyApps{newServed(t, 0, on), t, companyObjects}
		companies := sameCompanies()
		for _, c := range companies {
			a.add(0, map[string]string{"name": c.name, "domain": c.domain})
			a.add(1, map[string]string{"Name": c.accountName, "Website": c.website})
		}
		before := [2]map[string]map[string]string{a.all(0), a.all(1)}
		if len(before[0]) != len(companies) || len(before[1]) != len(companies) {
			t.Fatalf("%d and %d companies, want %d", len(before[0]), len(before[1]), len(companies))
		}
		a.connectPreset("hubspot-salesforce-companies")
		run := a.run(a.path("/start"))
		if run.State != engine.RunDone || run.Outcomes[crm.Created] != 0 ||
			run.Outcomes[crm.Duplicate]+run.Outcomes[crm.Conflict]+run.Outcomes[crm.Failed] != 0 {
			t.Errorf("the first sync: %s, %v", run.State, run.Outcomes)
		}
		first := a.settled()
		for side, was := range before {
			field := [2]string{"domain", "Website"}[side]
			if len(first[side]) != len(companies) {
				t.Errorf("%d companies in app %d after the first sync, want %d", len(first[side]), side, len(companies))
			}
			for id, f := range was {
				if got := first[side][id][field]; got != f[field] && f[field] != "" {
					t.Errorf("%s of %s was %q and is %q", field, id, f[field], got)
				}
			}
		}
		for range 2 {
			var run engine.Run
			if err := a.api.Call(t.Context(), http.MethodPost, a.syncPath("/resync"), nil, &run); err != nil {
				t.Fatal(err)
			}
			a.waitRun(t, &run, 0)
			if n := run.Outcomes[crm.Created] + run.Outcomes[crm.Updated]; run.State != engine.RunDone || n != 0 {
				t.Errorf("a resync: %s, %v", run.State, run.Outcomes)
			}
			if again := a.settled(); fmt.Sprint(again) != fmt.Sprint(first) {
				t.Errorf("a resync changed the apps from\n%v\nto\n%v", first, again)
			}
		}
		a.stop(t)
	})
}

// settled are both apps once nothing is under way.
func (a companyApps) settled() [2]map[string]map[string]string {
	a.t.Helper()
	var got [2]map[string]map[string]string
	last := ""
	err := until(a.t.Context(), time.Minute, "quiet", func(context.Context) (bool, error) {
		got = [2]map[string]map[string]string{a.all(0), a.all(1)}
		now := fmt.Sprint(got)
		quiet := now == last
		last = now
		return quiet, nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return got
}

// connectPreset makes the accounts and the connection of a preset.
func (a companyApps) connectPreset(preset string) {
	a.t.Helper()
	ctx, accounts := a.t.Context(), a.accounts()
	in := map[string]any{
		"name": preset, "default_country": "US", "left": map[string]any{"account": accounts[0]}, "right": map[string]any{
			"account": accounts[1],
		},
	}
	if err := a.api.Call(ctx, http.MethodPost, "/v1/connections?preset="+preset, in, &a.conn); err != nil {
		a.t.Fatal(err)
	}
	if len(a.conn.Syncs) != 1 {
		a.t.Fatalf("the preset has %d syncs", len(a.conn.Syncs))
	}
	a.sync = a.conn.Syncs[0]
}

// accounts adds one of each app, called as the app is.
func (a companyApps) accounts() (accounts [2]crm.AccountID) {
	a.t.Helper()
	for i, f := range a.fakes {
		var made struct {
			ID crm.AccountID `json:"id"`
		}
		in := map[string]any{"app": demoApps[i], "name": f.kind.name, "base_url": f.url, "credentials": f.kind.Credentials}
		if err := a.api.Call(a.t.Context(), http.MethodPost, "/v1/accounts", in, &made); err != nil {
			a.t.Fatal(err)
		}
		accounts[i] = made.ID
	}
	return accounts
}
