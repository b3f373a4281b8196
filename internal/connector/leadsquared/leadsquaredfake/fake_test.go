package leadsquaredfake_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared/leadsquaredfake"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

const leads = "/v2/LeadManagement.svc/"

// account is a fake on a clock that tests move.
type account struct {
	*leadsquaredfake.Fake

	t     testing.TB
	clock *testclock.Clock
}

func newAccount(t testing.TB, lag time.Duration, seed int) account {
	clock := testclock.New()
	return account{leadsquaredfake.New(fakekit.Config{Now: clock.Now, Lag: lag, Seed: seed}), t, clock}
}

// wants makes a call with headers, by itself the user's keys, and holds the answer against
// a status and a part of what it says.
func (a account) wants(status int, part, call, body string, header ...string) string {
	a.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, w := httptest.NewRequestWithContext(a.t.Context(), method, path, strings.NewReader(body)), httptest.NewRecorder()
	if header = append(header, "x-LSQ-AccessKey", leadsquaredfake.AccessKey, "x-LSQ-SecretKey",
		leadsquaredfake.SecretKey); header[0] == "none" {
		header = nil
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	a.ServeHTTP(w, req)
	said := w.Body.String()
	if w.Code != status || !strings.Contains(said, part) {
		a.t.Errorf("%s %s: %d %s, want %d and %s", call, body, w.Code, said, status, part)
	}
	return said
}

// TestCalls: keys come in headers or in the address, at the account's own region; a
// limit has no Retry-After.
func TestCalls(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 0, 0)
	keys := "?accessKey=" + leadsquaredfake.AccessKey + "&secretKey=" + leadsquaredfake.SecretKey
	a.wants(200, `"LSQCommonServiceURLs"`, "GET /v2/Authentication.svc/UserByAccessKey.Get"+keys, "", "none")
	a.wants(401, "check your access key", "GET "+leads+"LeadsMetaData.Get", "", "none")
	a.wants(404, `"Status":"Error"`, "GET "+leads+"Leads.None", "")
	a.wants(200, `"Options"`, "GET "+leads+"LeadsMetaData.Get", "")
	if said := a.wants(200, `"SchemaName"`, "GET "+leads+"LeadsMetaData.Get?excludeOptionSets=1",
		""); strings.Contains(said, "Options") {
		t.Errorf("options are not left out: %s", said)
	}
	a.Core().SetLimits(leadsquaredfake.OwnLimits)
	for i := range 11 {
		a.wants(200+229*(i/10), map[bool]string{true: "limit of 10 in 5 second(s)"}[i == 10],
			"GET "+leads+"LeadsMetaData.Get", "")
	}
	a.Core().SetLimits(fakekit.Limits{})
	a.wants(200, "ok", "PUT /_fake/leadsquared/region", `{"host":"api-us11.leadsquared.com"}`)
	a.wants(401, "api-us11.leadsquared.com", "GET "+leads+"LeadsMetaData.Get", "")
}

// TestLeads: a double and an unknown lead have status 500; listings have two shapes,
// ranges are closed, and know of a change after the lag.
func TestLeads(t *testing.T) {
	t.Parallel()
	a := newAccount(t, time.Minute, 20)
	attribute := func(name, value string) string { return fmt.Sprintf(`[{"Attribute":%q,"Value":%q}]`, name, value) }
	a.wants(200, `"AffectedRows":1`, "POST "+leads+"Lead.Create", attribute("EmailAddress", "a@example.org"))
	id := "00000021-51aa-11e2-9e64-000000000021"
	for body, part := range map[string]string{
		attribute("EmailAddress", "A@example.org"): "UQ_Prospect_Base_EmailAddress",
		attribute("Company", "X"):                  "MXMandatoryAttributeMissingException",
		attribute("mx_None", "X"):                  "MXInvalidAttributeException",
		attribute("mx_Age", "X"):                   "MXInvalidAttributeValueException",
		attribute("ProspectID", "X"):               "cannot be updated",
	} {
		a.wants(500, part, "POST "+leads+"Lead.Create", body)
	}
	a.wants(400, "leadId", "POST "+leads+"Lead.Update", attribute("LastName", "X"))
	a.wants(500, "MXInvalidEntityException", "POST "+leads+"Lead.Update?leadId=1", attribute("LastName", "X"))
	a.wants(400, "not as per API", "POST "+leads+"Lead.Create", `{"LastName":"X"}`)
	a.wants(200, `"EmailAddress":"a@example.org"`, "POST "+leads+"Leads/Retrieve/ByIds",
		`{"SearchParameters":{"LeadIds":["`+id+
			`","1"]},"Columns":{"Include_CSV":"prospectid, EmailAddress, None"},"Paging":{"PageIndex":1,"PageSize":10}}`)
	search := func(how, value string) string {
		return fmt.Sprintf(`{"Parameter":{"LookupName":"EmailAddress","LookupValue":%q,"SqlOperator":%q},"Columns":{"Include_CSV":"ProspectID"},"Paging":{"PageIndex":1,"PageSize":10}}`, value, how)
	}
	a.wants(200, `[]`, "POST "+leads+"Leads.Get", search("=", "a@EXAMPLE.org"))
	a.clock.Advance(time.Minute)
	a.wants(200, id, "POST "+leads+"Leads.Get", search("=", "a@EXAMPLE.org"))
	a.wants(200, id, "POST "+leads+"Leads.Get", search("LIKE", "a@ex%org"))
	a.wants(200, `[]`, "POST "+leads+"Leads.Get", search("LIKE", "b@%"))
	a.wants(400, "SqlOperator", "POST "+leads+"Leads.Get", search("IS", "x"))
	created := a.clock.Now().Add(-time.Minute).Format("2006-01-02 15:04:05")
	list := func(from, to string, page int) string {
		return fmt.Sprintf(`{"Parameter":{"FromDate":%q,"ToDate":%q},"Columns":{"Include_CSV":"ProspectID,ModifiedOn"},"Paging":{"PageIndex":%d,"PageSize":8},"Sorting":{"ColumnName":"ModifiedOn","Direction":"0"}}`, from, to, page)
	}
	a.wants(200, `{"Leads":[{"LeadPropertyList":[{"Attribute":"ModifiedOn","Value":"`+created+`.000"}`,
		"POST "+leads+"Leads.RecentlyModified", list(created, created, 1))
	seen := 0
	for page := range 4 {
		seen += strings.Count(a.wants(200, `"RecordCount":21`, "POST "+leads+"Leads.RecentlyModified",
			list("1970-01-01 00:00:00", "2100-01-01 00:00:00", page+1)), "LeadPropertyList")
	}
	if seen != 21 {
		t.Errorf("%d of 21 leads", seen)
	}
	a.wants(400, "FromDate", "POST "+leads+"Leads.RecentlyModified", list("2026-01-01T00:00:00Z", created, 1))
	a.wants(400, "PageIndex", "POST "+leads+"Leads.RecentlyModified", list(created, created, 0))
	a.wants(200, "mx_My_Field", "POST "+leads+"CreateLeadField",
		`{"DisplayName":"My Field","DataType":"Text","RenderTypeTextValue":"Textbox"}`)
	a.wants(500, "MXDuplicateEntryException", "POST "+leads+"CreateLeadField",
		`{"DisplayName":"My Field","DataType":"Text","RenderTypeTextValue":"Textbox"}`)
	a.wants(400, "required", "POST "+leads+"CreateLeadField", `{"DisplayName":"Other","DataType":"text"}`)
}

// TestWebhooks: they say in the address what happened, carry a header, and go on until
// too many are not answered with 200.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 0, 3)
	a.Core().SetWebhooks(fakekit.Webhooks{URL: "https://hook.example.com/x", Secret: "pass"})
	id := a.Core().Records("leads")[0].ID
	if _, err := a.Core().UpdateRecord("leads", id, map[string]string{"Company": "Acme"}); err != nil {
		t.Fatal(err)
	}
	if err := a.Core().DeleteRecord("leads", id); err != nil {
		t.Fatal(err)
	}
	for i, d := range a.Core().Take() {
		said := fmt.Sprintf("%s %s %s", d.Packed.URL, d.Packed.Header, d.Packed.Body)
		for part := range strings.SplitSeq([]string{
			`eventType=Lead_Post_Update "Before":{ "After":{ "Company":"Acme"`, `eventType=Lead_Post_Delete`,
		}[i]+` X-Lockstep-Secret:[pass] "ProspectID":"`+id, " ") {
			if !strings.Contains(said, part) {
				t.Errorf("%s lacks %s", said, part)
			}
		}
	}
	for i := range 25 {
		if _, err := a.Core().CreateRecord("leads", map[string]string{"LastName": fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, _ = a.Core().Deliver(t.Context(), fakekit.Client(a)) // which has no such address
			a.clock.Advance(time.Minute)
		}
	}
	if all, _ := a.Core().Deliveries(); len(all) != 2+20 {
		t.Errorf("%d deliveries, want the two taken and twenty before the webhook is off", len(all))
	}
}
