package carddavfake_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-vcard"

	"github.com/lockstep-crm/lockstep/internal/connector/carddav/carddavfake"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

// client is another client of the user's.
type client struct {
	*carddavfake.Fake

	t        testing.TB
	clock    *testclock.Clock
	password string
}

func newClient(t testing.TB, seed int) *client {
	clock := testclock.New()
	return &client{carddavfake.New(fakekit.Config{Now: clock.Now, Seed: seed}), t, clock, carddavfake.Password}
}

// wants makes a call and holds the answer against a status and a part of what it says.
func (c *client) wants(status int, part, call, body string, header ...string) *httptest.ResponseRecorder {
	c.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	r, w := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body)), httptest.NewRecorder()
	r.SetBasicAuth(carddavfake.Username, c.password)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	c.ServeHTTP(w, r)
	if said := w.Body.String(); w.Code != status || !strings.Contains(said, part) {
		c.t.Errorf("%s %s %v: %d %s, want %d and %s", call, body, header, w.Code, said, status, part)
	}
	return w
}

const spaces = ` xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"`

// TestWayToTheBook: each step of discovery, and who is let in.
func TestWayToTheBook(t *testing.T) {
	t.Parallel()
	c := newClient(t, 1)
	find := func(prop string) string { return `<propfind` + spaces + `><prop>` + prop + `</prop></propfind>` }
	if w := c.wants(301, "", "PROPFIND /.well-known/carddav", ""); w.Header().Get("Location") != "/dav/" {
		t.Errorf("well-known leads to %q", w.Header().Get("Location"))
	}
	c.wants(207, "/dav/principals/ada/", "PROPFIND /dav/", find("<current-user-principal/>"), "Depth", "0")
	c.wants(207, "<d:href>/dav/addressbooks/ada/</d:href>", "PROPFIND /dav/principals/ada/",
		find("<C:addressbook-home-set/>"), "Depth", "0")
	c.wants(207, "<d:collection/><c:addressbook/>", "PROPFIND /dav/addressbooks/ada/", find("<resourcetype/>"),
		"Depth", "1")
	c.wants(207, "404 Not Found", "PROPFIND "+carddavfake.Book, find(`<x xmlns="y"/>`), "Depth", "0")
	c.wants(207, "u1001.vcf", "PROPFIND "+carddavfake.Book, find("<getetag/>"), "Depth", "1")
	c.wants(400, "", "PROPFIND "+carddavfake.Book, find("<getetag/>"), "Depth", "infinity")
	c.wants(404, "", "PROPFIND /dav/addressbooks/ada/none/", find("<getetag/>"), "Depth", "1")
	c.wants(404, "<title>", "GET /other", "")
	c.password = "wrong"
	c.wants(401, "", "GET "+carddavfake.Book+"u1001.vcf", "")
}

const body = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:a\r\nFN:A\r\nN:;A;;;\r\n" +
	"PHOTO;ENCODING=b:AA\r\n AA\r\nX-Y;z=1:q\r\nEND:VCARD\r\n"

// TestCards: what is kept byte for byte, on which conditions, and what is no card.
func TestCards(t *testing.T) {
	t.Parallel()
	c := newClient(t, 0)
	card := "PUT " + carddavfake.Book + "a.vcf"
	put := func(status int, part, body string, header ...string) string {
		t.Helper()
		return c.wants(status, part, card, body, append(header, "Content-Type", "text/vcard")...).Header().Get("ETag")
	}
	for what, bad := range map[string]string{
		"no card":      "<html>",
		"no version":   strings.Replace(body, "VERSION:3.0\r\n", "", 1),
		"no UID":       strings.Replace(body, "UID:a\r\n", "", 1),
		"no N":         strings.Replace(body, "N:;A;;;\r\n", "", 1),
		"a long line":  strings.Replace(body, "X-Y", "X-"+strings.Repeat("Y", 80), 1),
		"no date":      strings.Replace(body, "X-Y", "BDAY:2026-02-31\r\nX-Y", 1),
		"two of them":  body + body,
		"a blank name": strings.Replace(body, "FN:A", "FN: ", 1),
	} {
		put(403, "valid-address-data", bad)
		if c.Card("a.vcf") != "" {
			t.Errorf("%s was kept", what)
		}
	}
	c.wants(415, "supported-address-data", card, body, "Content-Type", "text/plain")
	first := put(201, "", body, "If-None-Match", "*")
	w := c.wants(200, body, "GET "+carddavfake.Book+"a.vcf", "")
	if w.Header().Get("ETag") != first || w.Body.String() != body {
		t.Errorf("it is %s as %q", w.Header().Get("ETag"), w.Body)
	}
	put(412, "", body, "If-None-Match", "*")
	if second := put(204, "", body, "If-Match", first); second == first {
		t.Error("an edit has the etag of what was before")
	}
	put(412, "", body, "If-Match", first)
	c.wants(403, "no-uid-conflict", "PUT "+carddavfake.Book+"b.vcf", body, "Content-Type", "text/vcard")
	c.wants(412, "", "DELETE "+carddavfake.Book+"a.vcf", "", "If-Match", first)
	c.wants(204, "", "DELETE "+carddavfake.Book+"a.vcf", "")
	c.wants(404, "", "DELETE "+carddavfake.Book+"a.vcf", "")
}

// TestReports: multiget, query and sync-collection.
func TestReports(t *testing.T) {
	t.Parallel()
	c := newClient(t, 3)
	report := func(status int, part, body, depth string) string {
		t.Helper()
		return c.wants(status, part, "REPORT "+carddavfake.Book, body, "Depth", depth).Body.String()
	}
	get := `<C:addressbook-multiget` + spaces + `><prop><getetag/><C:address-data><C:prop name="FN"/></C:address-data></prop>` +
		`<href>` + carddavfake.Book + `u1001.vcf</href><href>` + carddavfake.Book + `none.vcf</href></C:addressbook-multiget>`
	report(207, "404 Not Found", get, "0")
	if said := report(207, "FN:", get, "0"); strings.Contains(said, "EMAIL") {
		t.Errorf("more than was asked for: %s", said)
	}
	query := func(prop, how, text, more string) string {
		return `<C:addressbook-query` + spaces + `><prop><getetag/></prop><C:filter test="anyof"><C:prop-filter name="` + prop +
			`"><C:text-match ` + more + ` match-type="` + how + `">` + text + `</C:text-match></C:prop-filter></C:filter></C:addressbook-query>`
	}
	mail := c.Core().Records("contacts")[1].Fields["EMAIL"]
	said := report(207, "u1002.vcf", query("EMAIL", "equals", strings.ToUpper(mail), ""), "1")
	if strings.Count(said, "u100") != 1 {
		t.Errorf("found %s", said)
	}
	report(403, "supported-collation", query("EMAIL", "equals", "x", `collation="i;odd"`), "1")
	report(403, "valid-filter", query("EMAIL", "equals", "x", ""), "0")
	sync := func(token string) string {
		return `<sync-collection` + spaces + `><sync-token>` + token + `</sync-token><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`
	}
	token := func(said string) string {
		_, rest, _ := strings.Cut(said, "<d:sync-token>")
		value, _, _ := strings.Cut(rest, "<")
		return value
	}
	first := token(report(207, "u1003.vcf", sync(""), "0"))
	if err := c.Core().DeleteRecord("contacts", "u1001.vcf"); err != nil {
		t.Fatal(err)
	}
	if said := report(207, "404 Not Found", sync(first), "0"); strings.Contains(said, "u1002") {
		t.Errorf("what did not change: %s", said)
	}
	report(403, "valid-sync-token", sync("x"), "0")
	c.wants(200, "ok", "PUT /_fake/carddav", `{"sync_page":1,"token_life":"1h"}`)
	report(207, "507 Insufficient Storage", sync(""), "0")
	c.clock.Advance(time.Hour)
	report(403, "valid-sync-token", sync(first), "0")
	c.wants(200, "ok", "PUT /_fake/carddav", `{"no_sync":true}`)
	report(403, "supported-report", sync(""), "0")
}

// TestLibraryReads holds the cards of the fake's users against the library for vCards.
func TestLibraryReads(t *testing.T) {
	t.Parallel()
	c := newClient(t, 200)
	for _, r := range c.Core().Records("contacts") {
		card, err := vcard.NewDecoder(strings.NewReader(c.Card(r.ID))).Decode()
		if err != nil || card.Value("EMAIL") != r.Fields["EMAIL"] || card.Value("TEL") != r.Fields["TEL"] ||
			card.Name().GivenName != r.Fields["N/given"] || card.Name().FamilyName != r.Fields["N/family"] {
			t.Errorf("%s: %v, %v, want %v", r.ID, err, card, r.Fields)
		}
	}
}
