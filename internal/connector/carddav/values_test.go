package carddav_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/carddav"
	"github.com/lockstep-crm/lockstep/internal/connector/carddav/carddavfake"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// user is an account of a fake, with a connector to its address book.
type user struct {
	connector.Connector

	t     *testing.T
	fake  *carddavfake.Fake
	clock *connectortest.Clock
	via   atomic.Pointer[func(*http.Request)] // sees each call before the fake does
	calls []string
}

// opened is an account whose address book the settings say, and the server's address.
func opened(t *testing.T, base, book string) *user {
	t.Helper()
	clock := connectortest.NewClock()
	u := &user{t: t, clock: clock, fake: carddavfake.New(fakekit.Config{Now: clock.Now})}
	c, err := carddav.Open(connector.Config{
		Kind: crm.AuthBasic, BaseURL: base, Credentials: credentials(book), Now: clock.Now,
		HTTP: &http.Client{Transport: through(func(r *http.Request) (*http.Response, error) {
			u.calls = append(u.calls, r.Method+" "+r.URL.Scheme+"://"+r.URL.Host+r.URL.Path)
			if see := u.via.Load(); see != nil {
				(*see)(r)
			}
			return fakekit.Transport(u.fake).RoundTrip(r)
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	u.Connector = c
	return u
}

type through func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f through) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// call makes one as another client of the user's.
func (u *user) call(method, path, body string) {
	u.t.Helper()
	r, w := httptest.NewRequestWithContext(u.t.Context(), method, path, strings.NewReader(body)), httptest.NewRecorder()
	r.SetBasicAuth(carddavfake.Username, carddavfake.Password)
	r.Header.Set("Content-Type", "text/vcard")
	if u.fake.ServeHTTP(w, r); w.Code >= 300 {
		u.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
}

func (u *user) create(fields map[string]string) crm.RecordID {
	u.t.Helper()
	r, err := u.fake.Core().CreateRecord("contacts", fields)
	if err != nil {
		u.t.Fatal(err)
	}
	return crm.RecordID(r.ID)
}

func (u *user) write(w connector.Write) connector.Written {
	u.t.Helper()
	out, err := u.BatchWrite(u.t.Context(), "contacts", []connector.Write{w})
	if err != nil {
		u.t.Fatal(err)
	}
	return out[0]
}

// listed is a whole listing: the IDs, "-" before those that are gone, and where it ended.
func (u *user) listed(cursor string, full bool) (ids []string, end string, pages int) {
	u.t.Helper()
	req := connector.ChangesRequest{Object: "contacts", Fields: []string{"FN"}, Cursor: cursor, Full: full}
	for {
		page, err := u.Changes(u.t.Context(), req)
		if err != nil {
			u.t.Fatal(err)
		}
		for _, r := range page.Records {
			id := string(r.ID)
			if r.Deleted {
				id = "-" + id
			}
			ids = append(ids, id)
		}
		pages++
		if page.Next == "" {
			return ids, page.Cursor, pages
		}
		req.Position = page.Next
	}
}

// TestDiscovery: where the address book is, as the server says or the settings do.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		base, book, rules string
		want, says        string
	}{
		"the only one":       {base: address, want: address + carddavfake.Book},
		"by its name":        {address, "contacts 3", `{"books":3}`, address + "/dav/addressbooks/ada/book3/", ""},
		"by its last part":   {address, "book2", `{"books":3}`, address + "/dav/addressbooks/ada/book2/", ""},
		"by its path":        {address, "/dav/addressbooks/ada/contacts", "", address + carddavfake.Book, ""},
		"one of several":     {address, "", `{"books":2}`, "", "choose one: Contacts, Contacts 2"},
		"of another name":    {address, "Work", `{"books":2}`, "", "but: Contacts, Contacts 2"},
		"at another address": {address, "/nowhere/", "", "", "not there, or was renamed"},
		"what is none":       {address, "/dav/", "", "", "is no address book"},
		"at a provider":      {"https://contacts.icloud.com", "", "", "https://contacts.icloud.com" + carddavfake.Book, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := opened(t, c.base, c.book)
			if c.rules != "" {
				u.call("PUT", "/_fake/carddav", c.rules)
			}
			who, err := u.Test(t.Context())
			said := fmt.Sprint(err)
			if who.ExternalID != c.want || (err == nil) != (c.says == "") || !strings.Contains(said, c.says) {
				t.Errorf("%+v, %v", who, err)
			}
		})
	}
}

// says answers with a multistatus about one resource.
func says(at, prop string) string {
	return `<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav"><d:response><d:href>` + at +
		`</d:href><d:propstat><d:prop>` + prop + `</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>`
}

// TestOtherHosts: credentials go to another host of the provider's, and nowhere else.
func TestOtherHosts(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://contacts.icloud.com":  "https://p42-contacts.icloud.com/1/home/book/",
		"https://dav.example.com":      "https://dav.example.com/1/home/book/",
		"https://carddav.fastmail.com": "https://carddav.fastmail.com/1/home/book/",
	} {
		var asked []string
		c, err := carddav.Open(connector.Config{
			Kind: crm.AuthBasic, BaseURL: base, Credentials: credentials(""), Now: connectortest.NewClock().Now,
			HTTP: &http.Client{Transport: through(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.Host)
				w := httptest.NewRecorder()
				body := map[string]string{
					"/.well-known/carddav": says("/", `<d:current-user-principal><d:href>/1/</d:href></d:current-user-principal>`),
					"/1/": says("/1/", `<c:addressbook-home-set><d:href>https://p42-contacts.icloud.com:443/1/home/</d:href>`+
						`</c:addressbook-home-set>`),
					"/1/home/":      says("book/", `<d:resourcetype><d:collection/><c:addressbook/></d:resourcetype>`),
					"/1/home/book/": says("/1/home/book/", `<d:resourcetype><d:collection/><c:addressbook/></d:resourcetype>`),
				}[r.URL.Path]
				w.WriteHeader(http.StatusMultiStatus)
				_, _ = w.WriteString(body)
				return w.Result(), nil
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		if who, err := c.Test(t.Context()); err != nil || who.ExternalID != want {
			t.Errorf("%s: %+v, %v, want %s", base, who, err, want)
		}
		for _, host := range asked {
			if host != "p42-contacts.icloud.com" && "https://"+host != base {
				t.Errorf("%s: asked %s", base, host)
			}
		}
	}
}

// TestSomebodyElse: who changes or deletes a card in between wins, on its way to the
// server too.
func TestSomebodyElse(t *testing.T) {
	t.Parallel()
	u := opened(t, address, carddavfake.Book)
	id := u.create(map[string]string{"FN": "Ann", "TITLE": "Cook"})
	read, err := u.BatchRead(t.Context(), "contacts", []crm.RecordID{id}, []string{"TITLE"})
	if err != nil || read[0].Record == nil {
		t.Fatal(err, read)
	}
	update := connector.Write{
		Op: connector.Update, ID: id, Etag: read[0].Record.Etag, Fields: crm.Fields{"TITLE": crm.TextValue("Baker")},
	}
	edit := func() {
		if _, err := u.fake.Core().UpdateRecord("contacts", string(id), map[string]string{"NOTE": "new"}); err != nil {
			t.Error(err)
		}
	}
	between := func(r *http.Request) {
		if r.Method == http.MethodPut {
			edit()
		}
	}
	u.via.Store(&between)
	locked := func(what string, w connector.Written) {
		t.Helper()
		if !fault.Is(w.Err, fault.Conflict) || fault.CodeOf(w.Err) != connector.CodeLocked {
			t.Errorf("%s: %v, want a conflict", what, w.Err)
		}
	}
	locked("an edit on the way", u.write(update))
	u.via.Store(nil)
	locked("an edit before", u.write(update))
	locked("a deletion of what was edited", u.write(connector.Write{Op: connector.Archive, ID: id, Etag: update.Etag}))
	if title := u.fake.Core().Records("contacts")[0].Fields["TITLE"]; title != "Cook" {
		t.Errorf("the title is %q", title)
	}
	update.Etag = ""
	if w := u.write(update); w.Err != nil {
		t.Error(w.Err)
	}
	gone := func(r *http.Request) {
		if r.Method == http.MethodPut {
			_ = u.fake.Core().DeleteRecord("contacts", string(id))
		}
	}
	u.via.Store(&gone)
	locked("a deletion on the way", u.write(update))
	if w := u.write(update); !fault.Is(w.Err, fault.NotFound) {
		t.Errorf("what is gone: %v", w.Err)
	}
	if w := u.write(connector.Write{Op: connector.Archive, ID: id}); !fault.Is(w.Err, fault.NotFound) {
		t.Errorf("deleting what is gone: %v", w.Err)
	}
}

// TestListings: answers that the server cuts off, a token that is forgotten, a server that has
// no sync-collection, or no more; groups are in no listing.
func TestListings(t *testing.T) {
	t.Parallel()
	u := opened(t, address, carddavfake.Book)
	var all []string
	for i := range 7 {
		all = append(all, string(u.create(map[string]string{"FN": fmt.Sprint("p", i)})))
	}
	u.call("PUT", carddavfake.Book+"group.vcf",
		"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:group\r\nKIND:group\r\nFN:All\r\nEND:VCARD\r\n")
	u.call("PUT", "/_fake/carddav", `{"sync_page":3,"token_life":"1h"}`)
	ids, end, pages := u.listed("", true)
	if diff := cmp.Diff(all, ids); diff != "" || pages != 3 {
		t.Errorf("all in %d pages (-want +got):\n%s", pages, diff)
	}
	if err := u.fake.Core().DeleteRecord("contacts", all[1]); err != nil {
		t.Fatal(err)
	}
	for _, id := range all[3:] {
		if _, err := u.fake.Core().UpdateRecord("contacts", id, map[string]string{"NOTE": "x"}); err != nil {
			t.Fatal(err)
		}
	}
	want := append([]string{"-" + all[1]}, all[3:]...)
	if ids, _, pages = u.listed(end, false); pages != 2 || !cmp.Equal(want, ids) {
		t.Errorf("changes in %d pages: %v, want %v", pages, ids, want)
	}
	u.clock.Advance(2 * time.Hour)
	expired := func(what, cursor string) {
		t.Helper()
		_, err := u.Changes(t.Context(), connector.ChangesRequest{Object: "contacts", Cursor: cursor})
		if fault.CodeOf(err) != connector.CodeExpired {
			t.Errorf("%s: %v, want cursor_expired", what, err)
		}
	}
	expired("a token that is forgotten", end)
	_, end, _ = u.listed("", true)
	u.call("PUT", "/_fake/carddav", `{"no_sync":true}`)
	expired("no sync-collection any more", end)
	live := append([]string{all[0]}, all[2:]...)
	if ids, end, _ = u.listed("", true); !cmp.Equal(live, ids) {
		t.Errorf("without sync-collection: %v, want %v", ids, live)
	}
	if ids, end, _ = u.listed(end, false); len(ids) > 0 {
		t.Errorf("nothing changed: %v", ids)
	}
	if _, err := u.fake.Core().UpdateRecord("contacts", all[4], map[string]string{"NOTE": "y"}); err != nil {
		t.Fatal(err)
	}
	if ids, _, _ = u.listed(end, false); !cmp.Equal([]string{all[4]}, ids) {
		t.Errorf("one changed: %v, want %s", ids, all[4])
	}
}

// TestTimes: when a card was changed, as the server says, or else the card.
func TestTimes(t *testing.T) {
	t.Parallel()
	u := opened(t, address, carddavfake.Book)
	u.call("PUT", carddavfake.Book+"a.vcf",
		"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:a\r\nFN:A\r\nREV:2020-02-03T04:05:06Z\r\nEND:VCARD\r\n")
	at := func() time.Time {
		t.Helper()
		read, err := u.BatchRead(t.Context(), "contacts", []crm.RecordID{"a.vcf"}, []string{"FN"})
		if err != nil || read[0].Record == nil {
			t.Fatal(err, read)
		}
		return read[0].Record.ModifiedAt
	}
	if got := at(); !got.Equal(u.clock.Now()) {
		t.Errorf("changed at %s, want %s", got, u.clock.Now())
	}
	u.call("PUT", "/_fake/carddav", `{"no_times":true}`)
	if got := at(); !got.Equal(time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)) {
		t.Errorf("changed at %s, want what REV says", got)
	}
}

// TestPhones: numbers are found whatever stands between their digits, in all lines.
func TestPhones(t *testing.T) {
	t.Parallel()
	u := opened(t, address, carddavfake.Book)
	for _, phones := range []string{"+1 (202) 555-0100", "1;202.555.01 00", "+12025550101"} {
		u.create(map[string]string{"FN": phones, "TEL": phones})
	}
	found, err := u.BatchFind(t.Context(), "contacts", crm.Field{Name: "TEL"}, []string{"2025550100", "", "999"},
		[]string{"FN"})
	if err != nil || len(found[0]) != 2 || len(found[1])+len(found[2]) > 0 {
		t.Errorf("found %v, %v", found, err)
	}
}

// TestRefusals: what the server does not take, and what is not sent.
func TestRefusals(t *testing.T) {
	t.Parallel()
	u := opened(t, address, carddavfake.Book)
	for name, c := range map[string]struct {
		status int
		body   string
		kind   fault.Kind
		code   string
	}{
		"full":      {507, "", fault.Invalid, connector.CodeStorage},
		"over":      {403, `<error xmlns="DAV:"><quota-not-exceeded/></error>`, fault.Invalid, connector.CodeStorage},
		"large":     {413, "<html>", fault.Invalid, connector.CodeTooLong},
		"too large": {403, `<error xmlns="DAV:"><x:max-resource-size xmlns:x="x"/></error>`, fault.Invalid, connector.CodeTooLong},
		"locked":    {423, "", fault.Conflict, connector.CodeLocked},
		"a type":    {415, "", fault.Invalid, connector.CodeValue},
		"a UID":     {409, `<error xmlns="DAV:"><no-uid-conflict/></error>`, fault.Conflict, connector.CodeExists},
	} {
		spoil := fakekit.Fault{Kind: fakekit.FaultFail, Endpoint: "PUT", Status: c.status, Body: c.body}
		if err := u.fake.Core().Inject(spoil); err != nil {
			t.Fatal(err)
		}
		w := u.write(connector.Write{Op: connector.Create, Fields: crm.Fields{"FN": crm.TextValue("A")}})
		if !fault.Is(w.Err, c.kind) || fault.CodeOf(w.Err) != c.code || fault.MayHaveLanded(w.Err) {
			t.Errorf("%s: %v", name, w.Err)
		}
	}
	for field, v := range map[string]string{
		"UID": "x", "EMAIL/others": "x", "X-ODD": "x", "BDAY": "soon", "NOTE": "a\x00b",
	} {
		before := len(u.calls)
		w := u.write(connector.Write{Op: connector.Create, Fields: crm.Fields{field: crm.TextValue(v)}})
		if !fault.Is(w.Err, fault.Invalid) || len(u.calls) != before {
			t.Errorf("%s: %v after %d calls", field, w.Err, len(u.calls)-before)
		}
	}
}
