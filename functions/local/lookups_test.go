package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

var contactObjects = [2]string{"contacts", "Contact"}

// home is the default country of the connection.
const home = "US"

// numbers returns valid phone numbers of all the world, made of the library's
// examples by other last digits.
func numbers(n int) []*phonenumbers.PhoneNumber {
	regions := slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions()))
	seen := map[string]bool{}
	var out []*phonenumbers.PhoneNumber
	for i := 0; len(out) < n; i++ {
		region := regions[i%len(regions)]
		if i%3 == 0 {
			region = home
		}
		example := phonenumbers.GetExampleNumber(region)
		if example == nil {
			continue
		}
		e164 := phonenumbers.Format(example, phonenumbers.E164)
		if i >= len(regions) {
			e164 = e164[:len(e164)-3] + fmt.Sprintf("%03d", i%1000)
		}
		num, err := phonenumbers.Parse(e164, home)
		if err == nil && phonenumbers.IsValidNumber(num) && !seen[e164] {
			seen[e164] = true
			out = append(out, num)
		}
	}
	return out
}

// spellings are the ways in which people write a number down for somebody in
// the home country.
func spellings(n *phonenumbers.PhoneNumber) []string {
	international := phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
	e164 := phonenumbers.Format(n, phonenumbers.E164)
	out := []string{
		international, e164, phonenumbers.Format(n, phonenumbers.RFC3966), strings.ReplaceAll(international, " ", "."),
		strings.ReplaceAll(international, " ", "-"), "011 " + international[1:], "011" + e164[1:],
	}
	if phonenumbers.GetRegionCodeForNumber(n) == home {
		national := phonenumbers.Format(n, phonenumbers.NATIONAL)
		digits := phonenumbers.GetNationalSignificantNumber(n)
		out = append(out[:5], national, digits, "1"+digits, strings.ReplaceAll(national, " ", ""), digits[:3]+"."+digits[3:6]+
			"."+digits[6:], "1 ("+digits[:3]+") "+digits[3:6]+" - "+digits[6:])
	}
	return slices.DeleteFunc(out, func(s string) bool { // what is no spelling of it is not meant
		read, err := phonenumbers.Parse(s, home)
		return err != nil || phonenumbers.Format(read, phonenumbers.E164) != e164 || len(s) > 40
	})
}

// TestS38_NobodyIsDoubledByASpelling: people whose phone number is spelled in one
// way in one app and in another way in the other, known by nothing else. By the
// first sync, and by a webhook of either app about somebody whom the other has
// long had and Lockstep never listed, all of them meet.
func TestS38_NobodyIsDoubledByASpelling(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		each := 60 // webhooks one by one: HubSpot's searches are few
		if testing.Short() {
			each = 25
		}
		a := companyApps{newServed(t, 0, on), t, contactObjects}
		rng := rand.New(rand.NewPCG(1, 38))
		all := numbers(3 * each)
		written := 0
		person := func(side, i int) {
			t.Helper()
			ways := spellings(all[i])
			name, phone := [2]string{"lastname", "LastName"}[side], [2]string{"phone", "Phone"}[side]
			a.add(side, map[string]string{name: fmt.Sprintf("Person %d", i), phone: ways[rng.IntN(len(ways))]})
			written++
		}
		for i := range each {
			person(0, i)
			person(1, i)
		}
		a.connectContacts(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"phone", "Phone"}}})
		run := a.run(a.path("/start"))
		if run.State != engine.RunDone ||
			run.Outcomes[crm.Created]+run.Outcomes[crm.Duplicate]+run.Outcomes[crm.Failed] != 0 {
			t.Errorf("the first sync: %s, %v", run.State, run.Outcomes)
		}
		// From here on one app at a time tells, of people that nobody has listed.
		for i := each; i < 2*each; i++ {
			person(1, i)
		}
		for i := 2 * each; i < 3*each; i++ {
			person(0, i)
		}
		if err := a.hear(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := each; i < 2*each; i++ {
			person(0, i)
		}
		for i := 2 * each; i < 3*each; i++ {
			person(1, i)
		}
		if err := until(t.Context(), 2*time.Minute, "everybody linked", func(ctx context.Context) (bool, error) {
			pairs, err := a.linked(ctx)
			return len(pairs) >= 3*each, err
		}); err != nil {
			t.Error(err)
		}
		got := a.settled()
		t.Logf("%d spellings of %d numbers", written, len(all))
		for side := range got {
			if len(got[side]) != len(all) {
				t.Errorf("%d people in app %d, want %d: %v", len(got[side]), side, len(all), doubled(got[side]))
			}
		}
		a.stop(t)
	})
}

// doubled names those who stand twice in an app.
func doubled(all map[string]map[string]string) []string {
	phones := map[string][]string{}
	for _, f := range all {
		name := f["lastname"] + f["LastName"]
		phones[name] = append(phones[name], f["phone"]+f["Phone"])
	}
	var out []string
	for name, list := range phones {
		if len(list) > 1 {
			out = append(out, fmt.Sprint(name, list))
		}
	}
	slices.Sort(out)
	return out[:min(5, len(out))]
}

// connectContacts makes the connection of the demo with another ladder.
func (a companyApps) connectContacts(ladder ...crm.MatchStep) {
	a.t.Helper()
	ctx := a.t.Context()
	if err := a.connect(ctx); err != nil {
		a.t.Fatal(err)
	}
	a.sync.Match = crm.SameMatch(ladder...)
	head, err := a.api.Do(ctx, http.MethodGet, a.path(""), nil, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := a.api.Do(ctx, http.MethodPatch, a.path(""), map[string]any{"syncs": []crm.Sync{a.sync}}, &a.conn,
		"If-Match", head.Get("ETag")); err != nil {
		a.t.Fatal(err)
	}
}

// TestS38_SecondaryAddressesAreTheSamePerson: HubSpot keeps several addresses of
// a contact, Salesforce has it under one of the others. By the first sync and by
// webhook the two meet, neither primary address changes, and a later edit of one
// travels.
func TestS38_SecondaryAddressesAreTheSamePerson(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		a := companyApps{newServed(t, 0, on), t, contactObjects}
		hub := func(n string) map[string]string {
			return map[string]string{
				"lastname": n, "email": n + ".main@example.com", "hs_additional_emails": n + ".old@example.com;" + n +
					".work@example.com",
			}
		}
		force := func(n string) map[string]string {
			return map[string]string{"LastName": n, "Email": n + ".Work@Example.com"}
		}
		for _, n := range []string{"ann", "bob"} {
			a.add(0, hub(n))
			a.add(1, force(n))
		}
		a.connectContacts(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}})
		run := a.run(a.path("/start"))
		if run.State != engine.RunDone ||
			run.Outcomes[crm.Created]+run.Outcomes[crm.Duplicate]+run.Outcomes[crm.Failed]+run.Outcomes[crm.Conflict] != 0 {
			t.Errorf("the first sync: %s, %v", run.State, run.Outcomes)
		}
		a.add(1, force("cid"))
		a.add(0, hub("dan"))
		if err := a.hear(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.add(0, hub("cid"))
		a.add(1, force("dan"))
		if err := until(t.Context(), time.Minute, "everybody linked", func(ctx context.Context) (bool, error) {
			pairs, err := a.linked(ctx)
			return len(pairs) >= 4, err
		}); err != nil {
			t.Error(err)
		}
		got := a.settled()
		for side := range got {
			if len(got[side]) != 4 {
				t.Errorf("%d people in app %d, want 4: %v", len(got[side]), side, got[side])
			}
		}
		for _, f := range got[0] {
			if f["email"] != f["lastname"]+".main@example.com" {
				t.Errorf("HubSpot has %v", f)
			}
		}
		ann := ""
		for id, f := range got[1] {
			if !strings.EqualFold(f["Email"], f["LastName"]+".work@example.com") {
				t.Errorf("Salesforce has %v", f)
			}
			if f["LastName"] == "ann" {
				ann = id
			}
		}
		app := apiclient.New(a.fakes[1].url, "")
		if err := app.Call(t.Context(), http.MethodPatch, "/_fake/records/Contact/"+ann, map[string]any{
			"fields": map[string]string{"Email": "ann.new@example.com"},
		}, nil); err != nil {
			t.Fatal(err)
		}
		if err := until(t.Context(), time.Minute, "the edit on the other side", func(context.Context) (bool, error) {
			for _, f := range a.all(0) {
				if f["email"] == "ann.new@example.com" {
					return true, nil
				}
			}
			return false, nil
		}); err != nil {
			t.Error(err)
		}
		a.stop(t)
	})
}
