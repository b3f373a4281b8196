package googlecontacts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts/googlecontactsfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// user is an account of a fake, with a connector to it.
type user struct {
	connector.Connector

	t     *testing.T
	fake  *googlecontactsfake.Fake
	clock *connectortest.Clock
	via   atomic.Pointer[func(*http.Request)] // sees each call before the fake does

	inside, most atomic.Int32 // writes under way, now and at most
}

func opened(t *testing.T) *user {
	t.Helper()
	clock := connectortest.NewClock()
	f, fake := fixture(t, clock)
	u := &user{t: t, fake: fake, clock: clock}
	u.Connector = f.Open(t, connectortest.Tools{
		Tokens: connectortest.NewTokens(f.Token),
		Wrap: func(rt http.RoundTripper) http.RoundTripper {
			return through(func(r *http.Request) (*http.Response, error) {
				if see := u.via.Load(); see != nil {
					(*see)(r)
				}
				if r.Method == http.MethodPost {
					u.most.Store(max(u.most.Load(), u.inside.Add(1)))
					defer u.inside.Add(-1)
					runtime.Gosched()
				}
				return rt.RoundTrip(r)
			})
		},
	})
	return u
}

type through func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f through) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (u *user) create(fields map[string]string) crm.RecordID {
	u.t.Helper()
	r, err := u.fake.Core().CreateRecord("contacts", fields)
	if err != nil {
		u.t.Fatal(err)
	}
	return crm.RecordID(r.ID)
}

func (u *user) write(w ...connector.Write) []connector.Written {
	u.t.Helper()
	out, err := u.BatchWrite(u.t.Context(), "contacts", w)
	if err != nil {
		u.t.Fatal(err)
	}
	return out
}

func (u *user) read(id crm.RecordID, fields ...string) connector.Read {
	u.t.Helper()
	reads, err := u.BatchRead(u.t.Context(), "contacts", []crm.RecordID{id}, fields)
	if err != nil {
		u.t.Fatal(err)
	}
	return reads[0]
}

func (u *user) knob(method, path, body string) string {
	u.t.Helper()
	w := httptest.NewRecorder()
	u.fake.ServeHTTP(w, httptest.NewRequestWithContext(u.t.Context(), method, path, strings.NewReader(body)))
	if w.Code != 200 {
		u.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// shown is a field of a contact as the API shows it, without what it works out.
func (u *user) shown(id crm.RecordID, field string) string {
	list, _ := u.fake.Person(string(id))[field].([]map[string]any)
	for _, e := range list {
		delete(e, "metadata")
	}
	b, _ := json.Marshal(list)
	return string(b)
}

// TestWholeFields: an update sends back what it does not change: further addresses, types,
// Google's own groups; labels are made by name, and a contact is never in no group.
func TestWholeFields(t *testing.T) {
	t.Parallel()
	u := opened(t)
	made := u.write(connector.Write{Op: connector.Create, Fields: crm.Fields{
		"names/givenName": crm.TextValue("Ann"), "emailAddresses": crm.TextValue("a@example.com"),
		"nicknames": crm.TextValue("Nan"),
		"birthdays": crm.TextValue("2001-02-03"), "addresses/city": crm.TextValue("Köln"),
		"addresses/postalCode": crm.TextValue("50667"),
		"memberships":          crm.ListValue("VIP", "No_CRM"),
	}})
	if made[0].Err != nil {
		t.Fatal(made[0].Err)
	}
	id := made[0].ID
	want := map[string]string{
		"names/givenName": "Ann", "emailAddresses": "a@example.com", "nicknames": "Nan", "birthdays": "2001-02-03",
		"addresses/city": "Köln", "addresses/postalCode": "50667", "memberships": "VIP;No_CRM",
	}
	if diff := cmp.Diff(want, u.fake.Core().Records("contacts")[0].Fields); diff != "" {
		t.Errorf("the new contact (-want +got):\n%s", diff)
	}
	if got := u.read(id, "birthdays").Record.Fields["birthdays"].Text(); got != "2001-02-03" {
		t.Errorf("the birthday is read as %q", got)
	}
	if got := made[0].Record.Fields["memberships"]; !got.Equal(crm.ListValue("No_CRM", "VIP")) {
		t.Errorf("its labels are %#v", got)
	}
	if _, err := u.fake.Core().UpdateRecord("contacts", string(id), map[string]string{
		"emailAddresses": "a@example.com;b@example.com", "phoneNumbers": "030 1;030 2",
	}); err != nil {
		t.Fatal(err)
	}
	if got := u.read(id, "emailAddresses/others").Record.Fields["emailAddresses/others"].Text(); got != "b@example.com" {
		t.Errorf("further e-mails: %q", got)
	}
	for _, step := range []struct {
		fields crm.Fields
		shown  map[string]string
	}{
		{
			crm.Fields{"emailAddresses": crm.TextValue("c@example.com"), "names/familyName": crm.TextValue("Roe")},
			map[string]string{
				"emailAddresses": `[{"value":"c@example.com"},{"value":"b@example.com"}]`,
				"names":          `[{"displayName":"Ann Roe","familyName":"Roe","givenName":"Ann"}]`,
			},
		},
		{
			crm.Fields{"emailAddresses": crm.NullValue(), "birthdays": crm.NullValue(), "phoneNumbers": crm.NullValue()},
			map[string]string{
				"emailAddresses": `[{"value":"b@example.com"}]`, "birthdays": "null", "phoneNumbers": `[{"value":"030 2"}]`,
			},
		},
		{crm.Fields{"addresses/city": crm.NullValue()}, map[string]string{"addresses": `[{"postalCode":"50667"}]`}},
		{crm.Fields{"addresses/postalCode": crm.NullValue(), "memberships": crm.ListValue("vip", " ")}, map[string]string{
			"addresses":   "null",
			"memberships": `[{"contactGroupMembership":{"contactGroupResourceName":"contactGroups/myContacts"}},{"contactGroupMembership":{"contactGroupResourceName":"contactGroups/7a"}}]`,
		}},
		{crm.Fields{"memberships": crm.NullValue()}, map[string]string{
			"memberships": `[{"contactGroupMembership":{"contactGroupResourceName":"contactGroups/myContacts"}}]`,
		}},
	} {
		if w := u.write(connector.Write{Op: connector.Update, ID: id, Fields: step.fields}); w[0].Err != nil {
			t.Fatalf("%#v: %v", step.fields, w[0].Err)
		}
		for field, want := range step.shown {
			if got := u.shown(id, field); got != want {
				t.Errorf("after %#v, %s is %s, want %s", step.fields, field, got, want)
			}
		}
	}
	for field, v := range map[string]string{
		"birthdays": "3.2.2001", "names/displayName": "Ann", "emailAddresses/others": "x@example.com", "photos": "x",
		"metadata": "x",
	} {
		w := u.write(connector.Write{Op: connector.Update, ID: id, Fields: crm.Fields{field: crm.TextValue(v)}})
		if !fault.Is(w[0].Err, fault.Invalid) {
			t.Errorf("%s = %q: %v, want invalid", field, v, w[0].Err)
		}
	}
	if w := u.write(connector.Write{
		Op: connector.Update, ID: id, Fields: crm.Fields{"memberships": crm.ListValue("starred")},
	}); !fault.Is(w[0].Err, fault.Invalid) {
		t.Errorf("a label with the name of a group of Google's: %v", w[0].Err)
	}
}

// TestNewLabelsAreRemoved: a label that is younger than what is known of labels is no
// group of Google's own: it is taken off like any other.
func TestNewLabelsAreRemoved(t *testing.T) {
	t.Parallel()
	u := opened(t)
	id := u.create(map[string]string{"emailAddresses": "a@example.com", "memberships": "VIP"})
	u.read(id, "memberships")
	u.clock.Advance(time.Second)
	if _, err := u.fake.Core().UpdateRecord("contacts", string(id), map[string]string{
		"memberships": "VIP;Fresh",
	}); err != nil {
		t.Fatal(err)
	}
	u.clock.Advance(time.Second)
	w := u.write(connector.Write{Op: connector.Update, ID: id, Fields: crm.Fields{"memberships": crm.ListValue("VIP")}})
	if got := u.fake.Core().Records("contacts")[0].Fields["memberships"]; w[0].Err != nil || got != "VIP" {
		t.Errorf("the labels are %q, %v", got, w[0].Err)
	}
}

// TestNewLabels: one that somebody made just now is read, though the labels are known, and
// others may read while one is made.
func TestNewLabels(t *testing.T) {
	t.Parallel()
	u := opened(t)
	id := u.create(map[string]string{"emailAddresses": "a@example.com", "memberships": "VIP"})
	other := u.create(map[string]string{"emailAddresses": "b@example.com", "memberships": "VIP"})
	for _, want := range []string{"VIP", "Fresh;VIP"} {
		if _, err := u.fake.Core().UpdateRecord("contacts", string(id), map[string]string{"memberships": want}); err != nil {
			t.Fatal(err)
		}
		u.clock.Advance(time.Second)
		if got := u.read(id, "memberships").Record.Fields["memberships"].Text(); got != want {
			t.Errorf("the labels are %q, want %q", got, want)
		}
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for range 10 {
			if r, err := u.BatchRead(t.Context(), "contacts", []crm.RecordID{other}, []string{"memberships"}); err != nil ||
				r[0].Err != nil {
				t.Errorf("read: %v, %v", r, err)
			}
		}
	})
	for i := range 10 {
		if w := u.write(connector.Write{
			Op: connector.Update, ID: id, Fields: crm.Fields{"memberships": crm.ListValue("VIP", fmt.Sprint("Label ", i))},
		}); w[0].Err != nil {
			t.Error(w[0].Err)
		}
	}
	reading.Wait()
}

// TestFindEverywhere: whoever holds a value is found, by a further e-mail and in another
// spelling of a phone number too, on any page.
func TestFindEverywhere(t *testing.T) {
	t.Parallel()
	u := opened(t)
	id := u.create(map[string]string{
		"emailAddresses": "a@example.com;Second@example.com", "phoneNumbers": "(202) 555-0147",
	})
	for i := range 1000 {
		u.create(map[string]string{"names/givenName": fmt.Sprint("Ann", i)})
	}
	u.clock.Advance(lag)
	fields, err := u.Fields(t.Context(), "contacts")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"emailAddresses": "second@example.com", "phoneNumbers": "2025550147", "names/givenName": "",
	} {
		for _, f := range fields {
			if f.Name != name {
				continue
			}
			got, err := u.BatchFind(t.Context(), "contacts", f, []string{value}, []string{"emailAddresses"})
			if err != nil || value != "" && (len(got[0]) != 1 || got[0][0].ID != id) || value == "" && len(got[0]) != 0 {
				t.Errorf("%s %q: %v, %v", name, value, got, err)
			}
		}
	}
}

// TestTokensExpire: whatever Google says of a token that is too old, everything is to be
// listed; until then a token tells of deletions, and of other names.
func TestTokensExpire(t *testing.T) {
	t.Parallel()
	u := opened(t)
	id := u.create(map[string]string{"names/givenName": "Ann"})
	u.clock.Advance(lag)
	ask := func(cursor string) (connector.ChangesPage, error) {
		return u.Changes(t.Context(), connector.ChangesRequest{
			Object: "contacts", Fields: []string{"names/givenName", "memberships"}, Cursor: cursor,
		})
	}
	first, err := ask("")
	if err != nil || len(first.Records) != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	var renamed struct{ ID crm.RecordID }
	if err := json.Unmarshal([]byte(u.knob("POST", "/_fake/google/rename", fmt.Sprintf(`{"id":%q}`, id))),
		&renamed); err != nil {
		t.Fatal(err)
	}
	u.clock.Advance(lag)
	page, err := ask(first.Cursor)
	if err != nil || len(page.Records) != 2 || page.Records[0].ID != id || page.Records[0].MergedInto != renamed.ID ||
		page.Records[1].ID != renamed.ID {
		t.Errorf("another name: %+v, %v", page.Records, err)
	}
	if r := u.read(id, "names/givenName"); r.Record == nil || r.Record.MergedInto != renamed.ID {
		t.Errorf("read by its old name: %+v", r)
	}
	if w := u.write(connector.Write{
		Op: connector.Update, ID: id, Fields: crm.Fields{"nicknames": crm.TextValue("Nan")},
	}); !fault.Is(w[0].Err, fault.NotFound) {
		t.Errorf("written by its old name: %v", w[0].Err)
	}
	u.clock.Advance(7 * 24 * time.Hour)
	for _, status := range []int{0, 410} {
		u.knob("PUT", "/_fake/google", fmt.Sprintf(`{"expired_status":%d}`, status))
		if _, err := ask(page.Cursor); fault.CodeOf(err) != connector.CodeExpired {
			t.Errorf("a token of last week, status %d: %v", status, err)
		}
	}
	if all, err := ask(""); err != nil || len(all.Records) != 1 || all.Cursor == "" {
		t.Errorf("everything: %+v, %v", all, err)
	}
}

// TestWritesOfAUser: one after the other, on what was looked at, and not over what
// somebody typed in between.
func TestWritesOfAUser(t *testing.T) {
	t.Parallel()
	u := opened(t)
	id := u.create(map[string]string{"names/givenName": "Ann"})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			out, err := u.BatchWrite(context.WithoutCancel(t.Context()), "contacts", []connector.Write{
				{Op: connector.Update, ID: id, Fields: crm.Fields{"nicknames": crm.TextValue(fmt.Sprint(i))}},
			})
			if err != nil || out[0].Err != nil {
				t.Errorf("%v %+v", err, out)
			}
		})
	}
	all.Wait()
	if n := u.most.Load(); n != 1 {
		t.Errorf("%d writes at a time", n)
	}
	stale := u.read(id, "nicknames").Record.Etag
	u.clock.Advance(time.Second)
	meddle := func(*http.Request) {
		if _, err := u.fake.Core().UpdateRecord("contacts", string(id), map[string]string{
			"names/givenName": "Bea",
		}); err != nil {
			t.Error(err)
		}
	}
	between := func(r *http.Request) {
		if r.Method == http.MethodPost {
			meddle(r)
		}
	}
	for name, see := range map[string]*func(*http.Request){"before": &meddle, "in between": &between} {
		u.via.Store(see)
		if name == "in between" {
			stale = ""
		}
		w := u.write(connector.Write{
			Op: connector.Update, ID: id, Etag: stale, Fields: crm.Fields{"names/givenName": crm.TextValue("Cay")},
		})
		if !fault.Is(w[0].Err, fault.Conflict) || fault.CodeOf(w[0].Err) != connector.CodeLocked {
			t.Errorf("changed %s: %v, want conflict, record_locked", name, w[0].Err)
		}
	}
	if got := u.fake.Core().Records("contacts")[0].Fields["names/givenName"]; got != "Bea" {
		t.Errorf("somebody's change is lost: %q", got)
	}
}

// TestBatchOfWhichSomeWereSaved: of a batch that fails, what is not named may have been
// made: it is looked for, and not made again.
func TestBatchOfWhichSomeWereSaved(t *testing.T) {
	t.Parallel()
	u := opened(t)
	u.knob("PUT", "/_fake/google", `{"partial_batches":true}`)
	w := u.write(
		connector.Write{Op: connector.Create, Fields: crm.Fields{"names/givenName": crm.TextValue("Ann")}},
		connector.Write{Op: connector.Create, Fields: crm.Fields{"birthdays": crm.TextValue("2001-02-31")}},
	)
	if !fault.Is(w[0].Err, fault.Unavailable) || !fault.MayHaveLanded(w[0].Err) || !fault.Is(w[1].Err, fault.Invalid) ||
		fault.MayHaveLanded(w[1].Err) {
		t.Errorf("%v, %v", w[0].Err, w[1].Err)
	}
	if n := len(u.fake.Core().Records("contacts")); n != 1 {
		t.Errorf("%d contacts", n)
	}
}

// TestConsent goes through the browser's round: a refresh token comes once and is kept,
// and a box that was not ticked is a missing right.
func TestConsent(t *testing.T) {
	t.Parallel()
	clock := connectortest.NewClock()
	_, fake := fixture(t, clock)
	const base = "https://google.example.com"
	client := connector.Client{
		ID: googlecontactsfake.ClientID, Secret: secret.NewText(googlecontactsfake.ClientSecret),
		RedirectURI: "https://lockstep.example/v1/oauth/callback",
	}
	oauth, h := googlecontacts.Driver().OAuth, fakekit.Client(fake)
	agreed := func(unticked string) (connector.Grant, error) {
		page := strings.Replace(oauth.AuthorizeURL(base, client, "state", ""), url.QueryEscape(unticked), "", 1)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := h.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		back, err := resp.Location()
		if err != nil {
			t.Fatal(err)
		}
		return oauth.Exchange(t.Context(), h, base, client, back.Query().Get("code"), "")
	}
	g, err := agreed("")
	if err != nil || g.RefreshToken.Empty() || g.ExpiresIn < 59*time.Minute {
		t.Fatalf("%+v, %v", g, err)
	}
	again, err := oauth.Refresh(t.Context(), h, base, client, g.RefreshToken)
	if err != nil || !again.RefreshToken.Empty() || again.AccessToken.Empty() {
		t.Errorf("%+v, %v", again, err)
	}
	less, err := agreed(googlecontactsfake.ScopeContacts)
	if err != nil {
		t.Fatal(err)
	}
	c, err := googlecontacts.Open(connector.Config{
		Kind: crm.AuthOAuth2, Now: clock.Now, HTTP: h, BaseURL: base,
		Tokens: connectortest.NewTokens(func() secret.Text { return less.AccessToken }),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Changes(t.Context(), connector.ChangesRequest{
		Object: "contacts",
	}); fault.CodeOf(err) != connector.CodePermission {
		t.Errorf("without the box ticked: %v", err)
	}
	fake.Core().RevokeTokens()
	if _, err := oauth.Refresh(t.Context(), h, base, client,
		g.RefreshToken); fault.CodeOf(err) != connector.CodeReauthorize {
		t.Errorf("a grant that is gone: %v", err)
	}
	if _, err := oauth.Refresh(t.Context(), h, base, client, secret.Text{}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("without a refresh token: %v", err)
	}
}
