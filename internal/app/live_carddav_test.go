package app

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/carddav/carddavfake"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// foreign are lines of a card that nobody here knows, folded as another client does it.
const foreign = "item1.X-ABLabel:_$!<HomePage>!$_\r\nX-SPIN;X-A=\"b:c;d\";TYPE=x:one\\,two;three\r\n" +
	"PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAAgGBgcGBQ\r\n" +
	"\tgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4z\r\n NDL/2wBD\r\n  AQkJCQwLDBgNDRgyIRwhMjIy\r\n"

// TestLive_CardDAVStaysInStep: contacts of HubSpot and of an address book through the
// whole program: what the preset maps and categories, a first sync, edits and deletions that
// come by sync token, a token that is forgotten, a server without sync-collection, and
// a resync that finds nothing to do. What is not synced stays byte for byte.
func TestLive_CardDAVStaysInStep(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		var fake *carddavfake.Fake
		l, core, book := with(t, o, "carddav", func(c fakekit.Config) fakekit.Fake {
			fake = carddavfake.New(c)
			return fake
		})
		call := func(method, path, body string) {
			t.Helper()
			r, w := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)), httptest.NewRecorder()
			r.SetBasicAuth(carddavfake.Username, carddavfake.Password)
			r.Header.Set("Content-Type", "text/vcard")
			if fake.ServeHTTP(w, r); w.Code >= 300 {
				t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
		by := func() map[string]*fakekit.Record { return byMail(core, "contacts", "EMAIL") }
		for i := range 12 {
			who := fmt.Sprintf("p%d", i)
			if i < 8 {
				l.person(crm.Left, who, "firstname", "Ann "+who, "phone", fmt.Sprintf("(202) 555-01%02d", i), "city", "Lund",
					"interests", "sailing;chess")
			}
			if i >= 4 {
				if _, err := core.CreateRecord("contacts", map[string]string{
					"N/given": "Ann " + who, "N/family": "Of " + who, "CATEGORIES": "tea",
					"EMAIL": strings.ToUpper(who) + "@example.com;" + who + "@example.net",
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		call("PUT", carddavfake.Book+"photo.vcf", "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:photo\r\n"+
			"FN:Photo Roe\r\nN:Roe;Photo;;;\r\n"+foreign+"EMAIL;PREF=1;X-OWN=y:photo@example.com\r\nTEL;VALUE=uri:tel:+1-202-555-0170\r\nEND:VCARD\r\n")
		call("PUT", carddavfake.Book+"group.vcf",
			"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:group\r\nKIND:group\r\nFN:Everybody\r\nEMAIL:all@example.com\r\nEND:VCARD\r\n")
		call("PUT", "/_fake/carddav", `{"books":2}`)
		account := map[string]any{
			"app": "carddav", "name": "Second", "base_url": l.must(200, "GET", "/v1/accounts/"+string(book), nil)["base_url"],
			"credentials": map[string]string{
				"kind": "basic", "username": carddavfake.Username, "password": carddavfake.Password,
			},
		}
		for chosen, want := range map[string]string{
			"": "choose one: Contacts, Contacts 2", "contacts 2": "Address book Contacts 2", "Work": "but: Contacts, Contacts 2",
		} {
			account["credentials"].(map[string]string)["address_book"] = chosen
			id := l.must(201, "POST", "/v1/accounts", account)["id"].(string)
			if said := l.want(200, "POST", "/v1/accounts/"+id+"/test", nil); !strings.Contains(string(said.body), want) {
				t.Errorf("address book %q of two: %s, want %q", chosen, said.body, want)
			}
		}
		call("PUT", "/_fake/carddav", `{}`)
		l.move(time.Hour)
		l.right = book
		l.preset("hubspot-carddav-contacts")
		sync := l.must(200, "GET", l.con, nil)["syncs"].([]any)[0].(map[string]any)
		sync["schedule"], sync["conflict"] = "manual", "newest"
		sync["mappings"] = append(sync["mappings"].([]any),
			map[string]any{"id": "categories", "left": []string{"interests"}, "right": []string{"CATEGORIES"}})
		l.must(200, "PATCH", l.con, map[string]any{"syncs": []any{sync}}, "If-Match", "*", "Content-Type", mergePatch)
		if run := l.start(); run.Outcomes[crm.Failed] != 0 {
			t.Errorf("the first sync: %v", run.Outcomes)
		}
		if people := by(); len(people) != 14 || l.living(crm.Left) != 13 {
			t.Fatalf("%d cards with the group, and %d contacts of HubSpot, want 14 and 13", len(people), l.living(crm.Left))
		}
		if p := by()["p1@example.com"]; p.Fields["N/family"] != "Of p1" || p.Fields["ADR/locality"] != "Lund" ||
			p.Fields["FN"] != "Ann p1 Of p1" ||
			p.Fields["CATEGORIES"] != "chess;sailing" && p.Fields["CATEGORIES"] != "sailing;chess" {
			t.Errorf("a new card holds %v", p.Fields)
		}
		change := func(who string, fields map[string]string) {
			t.Helper()
			l.move(time.Second)
			if _, err := core.UpdateRecord("contacts", by()[who+"@example.com"].ID, fields); err != nil {
				t.Fatal(err)
			}
		}
		l.edit(crm.Left, l.twin(crm.Left, "p1"), "lastname", "Changed")
		l.edit(crm.Left, l.twin(crm.Left, "p5"), "email", "p5@example.org")
		l.edit(crm.Left, l.twin(crm.Left, "photo"), "jobtitle", "Baker")
		l.edit(crm.Left, l.twin(crm.Left, "photo"), "phone", "+1 202 555 0171")
		change("p9", map[string]string{"TITLE": "Nurse"})
		l.pull()
		people := by()
		if p := people["p1@example.com"]; p.Fields["N/family"] != "Changed" || p.Fields["FN"] != "Ann p1 Changed" {
			t.Errorf("p1 is %v", p.Fields)
		}
		if p := people["p5@example.org"]; p == nil || p.Fields["EMAIL"] != "p5@example.org;p5@example.net" ||
			!strings.Contains(p.Fields["CATEGORIES"], "tea") {
			t.Errorf("p5 is %+v", p)
		}
		if c := l.held(crm.Left, l.twin(crm.Left, "p9")); c["jobtitle"] != "Nurse" || c["interests"] != "tea" {
			t.Errorf("p9 is %q and likes %q", c["jobtitle"], c["interests"])
		}
		if card := fake.Card("photo.vcf"); !strings.Contains(card, foreign+"EMAIL;PREF=1;X-OWN=y:photo@example.com\r\n") ||
			!strings.Contains(card, "\r\nTITLE:Baker\r\n") || !strings.Contains(card, "\r\nTEL:") {
			t.Errorf("the card with a photo is now:\n%s", card)
		}

		gone := l.twin(crm.Left, "p10")
		l.move(time.Second)
		if err := core.DeleteRecord("contacts", by()["p10@example.com"].ID); err != nil {
			t.Fatal(err)
		}
		l.pull()
		if state := l.must(200, "GET", l.record(crm.Left, gone), nil)["state"]; state != string(crm.StateDeleted) {
			t.Errorf("the twin of a deleted card is %v", state)
		}

		call("PUT", "/_fake/carddav", `{"token_life":"1h"}`)
		l.move(2 * time.Hour)
		change("p11", map[string]string{"TITLE": "Cook"})
		l.pull()
		l.drain()
		if c := l.held(crm.Left, l.twin(crm.Left, "p11")); c["jobtitle"] != "Cook" {
			t.Errorf("p11's title is %q after the token was forgotten", c["jobtitle"])
		}
		call("PUT", "/_fake/carddav", `{"no_sync":true}`)
		for _, title := range []string{"Chef", "Owner"} {
			change("p11", map[string]string{"TITLE": title})
			l.pull()
			l.drain()
			if c := l.held(crm.Left, l.twin(crm.Left, "p11")); c["jobtitle"] != title {
				t.Errorf("p11's title is %q without sync-collection, want %q", c["jobtitle"], title)
			}
		}
		l.move(time.Hour)
		if run := l.run("POST", l.sync+"/resync",
			nil); run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed] != 0 {
			t.Errorf("a resync: %v", run.Outcomes)
		}
	})
}
