package pipedrive_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive/pipedrivefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// open returns a connector by an API token, on a fake whose search lags by nothing.
func open(t *testing.T) (connector.Connector, *fakekit.Core) {
	t.Helper()
	fake := pipedrivefake.New(fakekit.Config{Now: connectortest.NewClock().Now})
	return opened(t, fake), fake.Core()
}

// opened returns a connector by an API token on what h answers.
func opened(t testing.TB, h http.Handler) connector.Connector {
	t.Helper()
	key := map[string]secret.Text{"token": secret.NewText(pipedrivefake.APIToken)}
	cfg := connector.Config{Kind: crm.AuthToken, Credentials: key, HTTP: fakekit.Client(h), Now: time.Now}
	c, err := pipedrive.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTheOtherAddressesAreKept: a write replaces the primary entry of a list, and the
// app takes lists whole.
func TestTheOtherAddressesAreKept(t *testing.T) {
	t.Parallel()
	c, core := open(t)
	ann := map[string]string{"name": "Ann Roe", "emails": "ann@example.com;ann@example.org", "phones": ""}
	id := connectortest.Made(t, core, "persons", ann)
	for _, step := range []struct {
		field string
		value crm.Value
		want  string // as the fake keeps it
		shown crm.Value
	}{
		{"emails", crm.TextValue("new@example.com"), "new@example.com;ann@example.org", crm.TextValue("new@example.com")},
		{"phones", crm.TextValue("+1 202 555 0100"), "+1 202 555 0100", crm.TextValue("+1 202 555 0100")},
		{"emails", crm.NullValue(), "ann@example.org", crm.TextValue("ann@example.org")},
		{"emails", crm.NullValue(), "", crm.NullValue()},
		{"phones", crm.NullValue(), "", crm.NullValue()},
		{"phones", crm.NullValue(), "", crm.NullValue()},
	} {
		shown := connectortest.Save(t, c, "persons", id, crm.Fields{step.field: step.value}).Record.Fields[step.field]
		if got := core.Records("persons")[0].Fields[step.field]; got != step.want || !shown.Equal(step.shown) {
			t.Errorf("after %v: %q is kept and %q shown, want %q", step.value.Text(), got, shown.Text(), step.want)
		}
	}
}

// TestValuesHaveTheTypesOfTheirFields: texts of options, numbers and lists go as the
// numbers that the app wants, and come back as the words that they were.
func TestValuesHaveTheTypesOfTheirFields(t *testing.T) {
	t.Parallel()
	c, core := open(t)
	fields := crm.Fields{
		"name": crm.TextValue("12"), "owner_id": crm.TextValue("4"), "label_ids": crm.ListValue("1", "2"),
		pipedrivefake.Nickname: crm.TextValue("007"), pipedrivefake.Score: crm.TextValue("12.50"),
		pipedrivefake.Level: crm.TextValue("13"), pipedrivefake.Tags: crm.ListValue("21"),
	}
	before := core.Requests().Total
	w, again := connectortest.Save(t, c, "persons", "", fields), connectortest.Save(t, c, "persons", "", fields)
	if n := core.Requests().Total - before; n != 3 {
		t.Errorf("two writes took %d calls, want one more for the types of fields", n)
	}
	want := map[string]string{
		"name": "12", "first_name": "12", "owner_id": "4", "label_ids": "1;2", pipedrivefake.Nickname: "007",
		pipedrivefake.Score: "12.50", pipedrivefake.Level: "13", pipedrivefake.Tags: "21",
	}
	if diff := cmp.Diff(want, core.Records("persons")[0].Fields); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	reread := connectortest.Held(t, c, "persons", again.ID, slices.Collect(maps.Keys(fields))...)
	for how, got := range map[string]crm.Fields{"answered": w.Record.Fields, "read": reread} {
		for name, v := range fields {
			kind := v.Kind()
			if name == pipedrivefake.Score {
				kind = crm.Number
			}
			if got[name].Text() != v.Text() || got[name].Kind() != kind {
				t.Errorf("%s, %s: %#v, want %q", how, name, got[name], v.Text())
			}
		}
	}
	none := crm.Fields{pipedrivefake.Tags: crm.NullValue(), pipedrivefake.Level: crm.NullValue()}
	connectortest.Save(t, c, "persons", w.ID, none)
	if diff := cmp.Diff(none, connectortest.Held(t, c, "persons", w.ID, pipedrivefake.Tags,
		pipedrivefake.Level)); diff != "" {
		t.Errorf("after clearing (-want +got):\n%s", diff)
	}
}

// TestPartsOfAFieldAreRead: an amount and its currency are two fields, which are read only.
func TestPartsOfAFieldAreRead(t *testing.T) {
	t.Parallel()
	c, core := open(t)
	id := connectortest.Made(t, core, "deals", map[string]string{"title": "Big"})
	with := core.Records("deals")[0].Clone()
	with.Set(pipedrivefake.Budget, "12.5 EUR")
	core.Lock()
	table, _ := core.Table("deals")
	table.Put(with)
	core.Unlock()
	amount, currency := pipedrivefake.Budget+"/value", pipedrivefake.Budget+"/currency"
	got := connectortest.Held(t, c, "deals", id, amount, currency, "title", "value")
	want := crm.Fields{amount: crm.NumberValue("12.5"), currency: crm.TextValue("EUR")}
	want["title"], want["value"] = crm.TextValue("Big"), crm.NullValue()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	fields, err := c.Fields(t.Context(), "deals")
	if err != nil {
		t.Fatal(err)
	}
	about := map[string]crm.Field{}
	for _, f := range fields {
		about[f.Name] = f
	}
	part, v := about[amount], about["value"]
	if !part.ReadOnly || part.Type != crm.TypeNumber || part.Label != "Budget: Amount" || v.ReadOnly ||
		v.Type != crm.TypeNumber || !slices.Equal(v.With, []string{"currency"}) ||
		!about["title"].Required || !about["update_time"].ReadOnly || about["owner_id"].Type != crm.TypeOwner ||
		len(about[pipedrivefake.Level].Options) != 2 {
		t.Errorf("%+v", about)
	}
}

func TestTooManyMatches(t *testing.T) {
	t.Parallel()
	c, core := open(t)
	for range 101 {
		connectortest.Made(t, core, "organizations", map[string]string{"name": "Acme"})
	}
	// The second is not searched at all.
	for field, want := range map[string]string{"name": connector.CodeMatches, "owner_id": connector.CodeKey} {
		_, err := c.BatchFind(t.Context(), "organizations", crm.Field{Name: field}, []string{"acme"}, nil)
		if fault.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", field, err, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const capped = `{"success":false,"error":"x","code":"feature_capping_deals_limit"}`
	for name, c := range map[string]struct {
		fault fakekit.Fault
		kind  fault.Kind
		code  string
		wait  time.Duration
	}{
		"kept out":       {fakekit.Fault{Status: 403, Body: "<html>"}, fault.Throttled, connector.CodeRate, time.Minute},
		"cap of a plan":  {fakekit.Fault{Status: 403, Body: capped}, fault.Invalid, connector.CodeStorage, 0},
		"not paid":       {fakekit.Fault{Status: 402}, fault.Denied, connector.CodePermission, 0},
		"a limit":        {fakekit.Fault{Status: 429}, fault.Throttled, connector.CodeRate, 2 * time.Second},
		"token withdrew": {fakekit.Fault{Status: 401}, fault.Denied, connector.CodeReauthorize, 0},
	} {
		conn, core := open(t)
		c.fault.Kind = fakekit.FaultFail
		if err := core.Inject(c.fault); err != nil {
			t.Fatal(err)
		}
		_, err := conn.BatchRead(t.Context(), "persons", []crm.RecordID{"7"}, nil)
		if !fault.Is(err, c.kind) || fault.CodeOf(err) != c.code || fault.RetryAfter(err) != c.wait {
			t.Errorf("%s: %v after %s, want %s, %s after %s", name, err, fault.RetryAfter(err), c.kind, c.code, c.wait)
		}
	}
	conn, core := open(t)
	core.SetLimits(fakekit.Limits{Calls: 1, Window: 8 * time.Second})
	for range 2 {
		_, err := conn.Test(t.Context())
		if err != nil && fault.RetryAfter(err) != 8*time.Second {
			t.Errorf("%v after %s, want the seconds of x-ratelimit-reset", err, fault.RetryAfter(err))
		}
	}
}

func TestOAuthRound(t *testing.T) {
	t.Parallel()
	fake := pipedrivefake.New(fakekit.Config{Now: connectortest.NewClock().Now})
	h, auth := fakekit.Client(fake), pipedrive.Driver().OAuth
	const base = "https://made-up.pipedrive.com"
	key := secret.NewText(pipedrivefake.ClientSecret)
	client := connector.Client{ID: pipedrivefake.ClientID, Secret: key, RedirectURI: "https://lockstep.example/back"}
	resp, err := h.Get(auth.AuthorizeURL(base, client, "st&te", ""))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := resp.Location()
	if err != nil || back.Query().Get("state") != "st&te" {
		t.Fatalf("the browser was sent to %v, %v", back, err)
	}
	g, err := auth.Exchange(t.Context(), h, base, client, back.Query().Get("code"), "")
	if err != nil || g.BaseURL != base || g.ExpiresIn < 59*time.Minute || g.RefreshToken.Empty() || len(g.Scopes) == 0 {
		t.Errorf("grant %+v, %v", g, err)
	}
	next, err := auth.Refresh(t.Context(), h, base, client, g.RefreshToken)
	if err != nil || next.AccessToken.Reveal() == g.AccessToken.Reveal() {
		t.Errorf("refreshed: %+v, %v", next, err)
	}
}

// TestDeliveries reads what the fake sends of a merge, and what it never would.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	fake := pipedrivefake.New(fakekit.Config{Now: connectortest.NewClock().Now})
	core, hooks := fake.Core(), pipedrive.Driver().Webhooks
	core.SetWebhooks(fakekit.Webhooks{URL: "https://lockstep.example/hooks/x"})
	for _, name := range []string{"Ann", "Anne"} {
		connectortest.Made(t, core, "persons", map[string]string{"name": name})
	}
	if _, err := core.MergeRecord("persons", "2", "1"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range core.Take() {
		events, err := hooks.Parse(connector.WebhookRequest{Method: d.Packed.Method, Body: d.Packed.Body})
		if err != nil || len(events) != 1 || events[0].At.IsZero() || events[0].ExternalID != "31" {
			t.Fatalf("%s: %+v, %v", d.Packed.Body, events, err)
		}
		got = append(got, strings.TrimSpace(string(events[0].Kind)+" "+string(events[0].ID)+" "+string(events[0].MergedInto)))
	}
	if diff := cmp.Diff([]string{"changed 1", "changed 2", "merged 2 1", "changed 1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for body, want := range map[string]int{
		`{"meta":{"action":"change","entity":"product","entity_id":"7","company_id":"31"}}`: 0,
		`{"meta":{"action":"archive","entity":"person","entity_id":"7","company_id":"31"}}`: 0,
		`{"meta":{"action":"delete","entity":"deal","entity_id":"7","company_id":"31"}}`:    1,
		`{"meta":{"action":"change","entity":"person","entity_id":"-7","company_id":"31"}}`: -1,
		`{"meta":{"action":"change","entity":"person","entity_id":7,"company_id":"31"}}`:    -1,
		`{"data":{"id":7}}`: -1,
	} {
		events, err := hooks.Parse(connector.WebhookRequest{Method: "POST", Body: []byte(body)})
		if (err != nil) != (want < 0) || err == nil && len(events) != want ||
			err != nil && fault.CodeOf(err) != connector.CodeDelivery {
			t.Errorf("%s: %+v, %v", body, events, err)
		}
	}
}
