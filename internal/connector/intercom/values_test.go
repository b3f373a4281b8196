package intercom_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/intercom"
	"github.com/lockstep-crm/lockstep/internal/connector/intercom/intercomfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// space is a workspace of a fake, with a connector to it.
type space struct {
	connector.Connector

	t     *testing.T
	fake  *intercomfake.Fake
	clock *connectortest.Clock
}

func newSpace(t *testing.T) *space {
	t.Helper()
	clock := connectortest.NewClock()
	_, fake := fixture(t, clock)
	return &space{opened(t, fakekit.Transport(fake), clock.Now), t, fake, clock}
}

func (s *space) create(object string, fields map[string]string) crm.RecordID {
	s.t.Helper()
	r, err := s.fake.Core().CreateRecord(object, fields)
	if err != nil {
		s.t.Fatal(err)
	}
	return crm.RecordID(r.ID)
}

func (s *space) write(object string, op connector.Op, id crm.RecordID, fields crm.Fields) connector.Written {
	s.t.Helper()
	out, err := s.BatchWrite(s.t.Context(), object, []connector.Write{{Op: op, ID: id, Fields: fields}})
	if err != nil {
		s.t.Fatal(err)
	}
	return out[0]
}

// fields are those of a record as the fake keeps them.
func (s *space) fields(object string, id crm.RecordID) map[string]string {
	for _, r := range s.fake.Core().Records(object) {
		if r.ID == string(id) && !r.Deleted {
			return r.Fields
		}
	}
	return nil
}

func (s *space) read(object string, id crm.RecordID, fields ...string) connector.Read {
	s.t.Helper()
	out, err := s.BatchRead(s.t.Context(), object, []crm.RecordID{id}, fields)
	if err != nil {
		s.t.Fatal(err)
	}
	return out[0]
}

// TestValues: dates are seconds and owners numbers to Intercom; a contact without an
// e-mail is a lead; nothing clears.
func TestValues(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	w := s.write("contacts", connector.Create, "", crm.Fields{
		"name": crm.TextValue("Ann Roe"), "owner_id": crm.TextValue("1002"), intercomfake.Since: crm.TextValue("2026-03-02"),
		intercomfake.Score:         crm.NumberValue("12"),
		"unsubscribed_from_emails": crm.BoolValue(true), intercomfake.Nickname: crm.TextValue("2026-03-02"),
	})
	want := map[string]string{
		"name": "Ann Roe", "owner_id": "1002", "role": "lead", intercomfake.Since: "1772409600", intercomfake.Score: "12",
		"unsubscribed_from_emails": "true", intercomfake.Nickname: "2026-03-02",
	}
	if diff := cmp.Diff(want, s.fields("contacts", w.ID)); w.Err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", w.Err, diff)
	}
	got := map[string]string{}
	for name, v := range s.read("contacts", w.ID, "owner_id", intercomfake.Since, intercomfake.Score, "created_at",
		"email", "tags").Record.Fields {
		got[name] = fmt.Sprintf("%d %s", v.Kind(), v.Text())
	}
	if diff := cmp.Diff(map[string]string{
		"owner_id": "2 1002", intercomfake.Since: "2 2026-03-02", intercomfake.Score: "3 12",
		"created_at": "2 2026-03-02T09:30:00Z", "email": "1 ", "tags": "1 ",
	}, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if w := s.write("contacts", connector.Update, w.ID, crm.Fields{
		"owner_id": crm.NullValue(), intercomfake.Since: crm.NullValue(),
	}); w.Err != nil {
		t.Fatal(w.Err)
	}
	if f := s.fields("contacts", w.ID); f["owner_id"]+f[intercomfake.Since] != "" {
		t.Errorf("not cleared: %v", f)
	}
}

// TestTags: they are a list of names, more than a contact shows; what is missing is made,
// and what is taken out goes.
func TestTags(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	many := []string{"VIP"}
	for i := range 12 {
		many = append(many, fmt.Sprintf("Tag %02d", i))
	}
	w := s.write("contacts", connector.Create, "", crm.Fields{
		"email": crm.TextValue("a@example.com"), "tags": crm.ListValue(many...),
	})
	if w.Err != nil || len(strings.Split(s.fields("contacts", w.ID)["tags"], ";")) != 13 {
		t.Fatalf("%v: %v", w.Err, s.fields("contacts", w.ID))
	}
	s.clock.Advance(2 * time.Minute)
	if got := s.read("contacts", w.ID, "tags").Record.Fields["tags"].Items(); len(got) != 13 {
		t.Errorf("of 13 tags %v are read", got)
	}
	if w := s.write("contacts", connector.Update, w.ID, crm.Fields{
		"tags": crm.ListValue("vip", " ", "New"),
	}); w.Err != nil {
		t.Fatal(w.Err)
	}
	if got := s.fields("contacts", w.ID)["tags"]; got != "VIP;New" {
		t.Errorf("the tags are %q", got)
	}
	s.read("contacts", w.ID, "tags") // the tags are known
	s.clock.Advance(time.Second)
	if _, err := s.fake.Core().UpdateRecord("contacts", string(w.ID), map[string]string{
		"tags": "VIP;Just made",
	}); err != nil {
		t.Fatal(err)
	}
	if got := s.read("contacts", w.ID, "tags").Record.Fields["tags"].Text(); got != "Just made;VIP" {
		t.Errorf("with one that was made just now they are %q", got)
	}
	if err := s.fake.Core().Inject(fakekit.Fault{
		Kind: fakekit.FaultFail, Endpoint: "POST /tags", Status: 500,
	}); err != nil {
		t.Fatal(err)
	}
	_, err := s.BatchWrite(t.Context(), "contacts", []connector.Write{
		{Op: connector.Create, Fields: crm.Fields{"email": crm.TextValue("b@example.com"), "tags": crm.ListValue("Other")}},
	})
	if !fault.Is(err, fault.Unavailable) || !fault.MayHaveLanded(err) {
		t.Errorf("a contact whose tags failed: %v", err)
	}
}

// TestDoubles: a conflict names the twin; a company is looked for before it is made,
// because Intercom would change the one that is there.
func TestDoubles(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	id := s.create("contacts", map[string]string{"email": "a@example.com", "role": "user"})
	w := s.write("contacts", connector.Create, "", crm.Fields{"email": crm.TextValue("A@example.com")})
	if !fault.Is(w.Err, fault.Conflict) || fault.CodeOf(w.Err) != connector.CodeExists || w.Existing != id {
		t.Errorf("a double: %v, twin %q", w.Err, w.Existing)
	}
	s.create("companies", map[string]string{"company_id": "acme", "name": "Acme"})
	for own, code := range map[string]string{"acme": connector.CodeExists, "": connector.CodeRequired} {
		w := s.write("companies", connector.Create, "", crm.Fields{
			"name": crm.TextValue("Other"), "company_id": crm.TextValue(own),
		})
		if fault.CodeOf(w.Err) != code {
			t.Errorf("a company with the ID %q: %v, want %s", own, w.Err, code)
		}
	}
	if w := s.write("companies", connector.Create, "", crm.Fields{
		"name": crm.TextValue("Beta"), "company_id": crm.TextValue("beta"), "monthly_spend": crm.NumberValue("12.9"),
	}); w.Err != nil || s.fields("companies", w.ID)["monthly_spend"] != "12" {
		t.Errorf("a new company: %v, %v", w.Err, s.fields("companies", w.ID))
	}
}

// TestMerged: a contact that lost a merge names its survivor, read by ID and by webhook.
func TestMerged(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	from, into := s.create("contacts", map[string]string{"role": "lead", "name": "Ann"}),
		s.create("contacts", map[string]string{"email": "a@example.com"})
	s.fake.Core().SetWebhooks(fakekit.Webhooks{URL: "https://lockstep.example/hooks/t"})
	if _, err := s.fake.Core().MergeRecord("contacts", string(from), string(into)); err != nil {
		t.Fatal(err)
	}
	if r := s.read("contacts", from, "name"); r.Record == nil || !r.Record.Deleted || r.Record.MergedInto != into {
		t.Errorf("read: %+v", r)
	}
	d := s.fake.Core().Take()[0].Packed
	events, err := intercom.Driver().Webhooks.Parse(connector.WebhookRequest{
		Method: d.Method, URL: d.URL, Header: d.Header, Body: d.Body,
	})
	if err != nil || len(events) != 1 || events[0].Kind != connector.EventMerged || events[0].ID != from ||
		events[0].MergedInto != into {
		t.Errorf("told: %+v, %v", events, err)
	}
}

// TestVersion: with an older version than ours a search knows days, and today is lost.
func TestVersion(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	search := func(version, operator string, at time.Time) (int, string) {
		body := fmt.Sprintf(`{"query":{"field":"updated_at","operator":%q,"value":%d}}`, operator, at.Unix())
		req, w := httptest.NewRequestWithContext(t.Context(), "POST", "/contacts/search", strings.NewReader(body)),
			httptest.NewRecorder()
		req.Header.Set("Authorization", "Bearer "+intercomfake.AccessToken)
		req.Header.Set("Intercom-Version", version)
		s.fake.ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	id := s.create("contacts", map[string]string{"email": "a@example.com"})
	s.clock.Advance(time.Hour)
	nine := s.clock.Now().Add(-2 * time.Hour)
	if status, body := search("2.16", ">=", nine); status != 400 || !strings.Contains(body, "invalid_operator") {
		t.Errorf("2.16, or equal: %d %s", status, body)
	}
	if _, body := search("2.16", ">", nine); strings.Contains(body, string(id)) {
		t.Errorf("2.16 knows today: %s", body)
	}
	if _, body := search("2.17", ">=", nine); !strings.Contains(body, string(id)) {
		t.Errorf("2.17: %s", body)
	}
	page, err := s.Changes(t.Context(), connector.ChangesRequest{
		Object: "contacts", Cursor: "@" + fmt.Sprint(nine.UnixMilli()),
	})
	if err != nil || len(page.Records) != 1 {
		t.Errorf("%+v, %v", page.Records, err)
	}
}

// TestCompanies are listed each time, and what is as it was is left out; they are looked
// up by their name and their own ID.
func TestCompanies(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for i := range 70 {
		s.create("companies", map[string]string{
			"company_id": fmt.Sprint("c", i), "name": fmt.Sprint("Company ", i), "plan": "Pro",
		})
	}
	list := func(cursor string) (ids []crm.RecordID, next string) {
		req := connector.ChangesRequest{Object: "companies", Fields: []string{"name", "plan"}, Cursor: cursor}
		for {
			page, err := s.Changes(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				ids = append(ids, r.ID)
				if r.Fields["plan"].Text() != "Pro" {
					t.Errorf("the plan is %#v", r.Fields["plan"])
				}
			}
			if page.Next == "" {
				return ids, page.Cursor
			}
			req.Position = page.Next
		}
	}
	all, cursor := list("")
	if len(all) != 70 {
		t.Fatalf("%d of 70 companies", len(all))
	}
	if _, err := s.fake.Core().UpdateRecord("companies", string(all[65]), map[string]string{"name": "Acme"}); err != nil {
		t.Fatal(err)
	}
	if changed, _ := list(cursor); len(changed) != 1 || changed[0] != all[65] {
		t.Errorf("changed: %v", changed)
	}
	for field, value := range map[string]string{"name": "acme", "company_id": "c65", "website": "x"} {
		found, err := s.BatchFind(t.Context(), "companies", crm.Field{Name: field}, []string{value}, []string{"name"})
		if field == "website" {
			if fault.CodeOf(err) != connector.CodeKey {
				t.Errorf("by website: %v", err)
			}
		} else if err != nil || len(found[0]) != 1 || found[0][0].ID != all[65] {
			t.Errorf("%s: %v, %v", field, found, err)
		}
	}
}

// TestConsent: a token that does not end, and no refresh token.
func TestConsent(t *testing.T) {
	t.Parallel()
	_, fake := fixture(t, connectortest.NewClock())
	const base = "https://intercom.example.com"
	client := connector.Client{
		ID: intercomfake.ClientID, Secret: secret.NewText(intercomfake.ClientSecret),
		RedirectURI: "https://lockstep.example/v1/oauth/callback",
	}
	oauth, h := intercom.Driver().OAuth, fakekit.Client(fake)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, oauth.AuthorizeURL(base, client, "state", ""),
		http.NoBody)
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
	g, err := oauth.Exchange(t.Context(), h, base, client, back.Query().Get("code"), "")
	if err != nil || g.AccessToken.Empty() || !g.RefreshToken.Empty() || g.ExpiresIn != 0 {
		t.Errorf("%+v, %v", g, err)
	}
	if _, err := oauth.Refresh(t.Context(), h, base, client, secret.Text{}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("without a refresh token: %v", err)
	}
}

// TestDeliveries: what topics mean.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	const id = "6762f0dd1bb69f9f2193bb83"
	for topic, want := range map[string]string{
		"contact.user.updated": "changed contacts", "contact.lead.created": "changed contacts",
		"contact.deleted": "deleted contacts", "contact.archived": "deleted contacts",
		"contact.unarchived": "changed contacts", "company.deleted": "deleted companies",
		"company.updated": "changed companies", "ping": "", "conversation.user.created": "",
	} {
		events, err := intercom.Driver().Webhooks.Parse(connector.WebhookRequest{
			Body: []byte(`{"topic":"` + topic + `","app_id":"abc123","created_at":1772443800,"data":{"item":{"id":"` + id +
				`"}}}`),
		})
		got := ""
		for _, e := range events {
			if got = string(e.Kind) + " " + e.Object; e.At.Unix() != 1772443800 {
				t.Errorf("%s: at %v", topic, e.At)
			}
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", topic, got, err, want)
		}
	}
	tagged, err := intercom.Driver().Webhooks.Parse(connector.WebhookRequest{
		Body: []byte(`{"topic":"contact.user.tag.deleted","data":{"item":{"type":"contact_tag","contact":{"id":"` + id +
			`"}}}}`),
	})
	if err != nil || len(tagged) != 1 || tagged[0].Kind != connector.EventChanged || tagged[0].ID != id {
		t.Errorf("a tag: %+v, %v", tagged, err)
	}
	if _, err := intercom.Driver().Webhooks.Parse(connector.WebhookRequest{
		Body: []byte(`{"topic":"contact.user.updated","data":{"item":{}}}`),
	}); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a contact: %v", err)
	}
}
