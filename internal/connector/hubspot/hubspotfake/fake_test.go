package hubspotfake_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
)

// portal is a fake on a clock that tests move.
type portal struct {
	*hubspotfake.Fake
	t   testing.TB
	now time.Time
}

func newPortal(t testing.TB, cfg fakekit.Config) *portal {
	p := &portal{t: t, now: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)}
	cfg.Now = func() time.Time { return p.now }
	p.Fake = hubspotfake.New(cfg)
	return p
}

// do makes a call with the private app's token.
func (p *portal) do(method, path, body string) (int, map[string]any) {
	p.t.Helper()
	status, out, _ := p.as(hubspotfake.PrivateToken, method, path, body)
	return status, out
}

func (p *portal) as(token, method, path, body string) (int, map[string]any, http.Header) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, "https://api.example.com"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := fakekit.Transport(p).RoundTrip(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]any{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			p.t.Fatalf("%s %s answered %d and no JSON object: %v", method, path, resp.StatusCode, err)
		}
	}
	return resp.StatusCode, out, resp.Header
}

// contact makes a contact as a user would.
func (p *portal) contact(fields map[string]string) string {
	p.t.Helper()
	r, err := p.Core().CreateRecord("contacts", fields)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.ID
}

func resultIDs(out map[string]any) []string {
	got := []string{}
	results, _ := out["results"].([]any)
	for _, r := range results {
		row, _ := r.(map[string]any)
		id, _ := row["id"].(string)
		got = append(got, id)
	}
	return got
}

// TestRefusals tries what HubSpot refuses: status, category and, where HubSpot
// gives one, the code of the first detail.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	a := p.contact(map[string]string{
		"email": "a@example.com", "lifecyclestage": "customer", hubspotfake.UniqueProperty: "k",
	})
	gone := p.contact(map[string]string{"email": "gone@example.com"})
	if err := p.Core().DeleteRecord("contacts", gone); err != nil {
		t.Fatal(err)
	}
	const contacts = "/crm/v3/objects/contacts"
	props := func(s string) string { return `{"properties":{` + s + `}}` }
	inputs := func(n int, s string) string {
		return `{"inputs":[` + strings.TrimSuffix(strings.Repeat(s+",", n), ",") + `]}`
	}
	filter := func(s string) string { return `{"filterGroups":[{"filters":[` + s + `]}]}` }
	if status, _ := p.do("PUT", "/_fake/lifecycle", `{"refuse":true}`); status != 200 {
		t.Fatalf("the knob: %d", status)
	}
	tests := map[string]struct {
		call, body     string
		status         int
		category, code string
	}{
		"unknown path":        {"GET /crm/v3/nothing", "", 404, "", ""},
		"unknown method":      {"PUT " + contacts, "{}", 405, "", ""},
		"unknown object type": {"GET /crm/v3/objects/people", "", 400, "VALIDATION_ERROR", ""},
		"unknown parameter":   {"GET " + contacts + "?first=1", "", 400, "VALIDATION_ERROR", ""},
		"list limit":          {"GET " + contacts + "?limit=101", "", 400, "VALIDATION_ERROR", ""},
		"list position":       {"GET " + contacts + "?after=x", "", 400, "VALIDATION_ERROR", ""},
		"unknown record":      {"GET " + contacts + "/999", "", 404, "OBJECT_NOT_FOUND", ""},
		"archived record":     {"GET " + contacts + "/" + gone, "", 404, "OBJECT_NOT_FOUND", ""},
		"key not unique":      {"GET " + contacts + "/x?idProperty=city", "", 400, "VALIDATION_ERROR", ""},
		"not JSON":            {"POST " + contacts, "{", 400, "VALIDATION_ERROR", ""},
		"unknown key":         {"POST " + contacts, `{"fields":{}}`, 400, "VALIDATION_ERROR", ""},
		"trailing data":       {"POST " + contacts, props(`"lastname":"x"`) + "{}", 400, "VALIDATION_ERROR", ""},
		"value no text":       {"POST " + contacts, props(`"lastname":5`), 400, "VALIDATION_ERROR", ""},
		"unknown property": {
			"POST " + contacts, props(`"lastname":"x","colour":"red"`), 400, "VALIDATION_ERROR",
			"PROPERTY_DOESNT_EXIST",
		},
		"read-only property": {
			"POST " + contacts, props(`"lastname":"x","createdate":"0"`), 400, "VALIDATION_ERROR",
			"READ_ONLY_VALUE",
		},
		"nothing needed given": {
			"POST " + contacts, props(`"city":"x"`), 400, "VALIDATION_ERROR", "MISSING_REQUIRED_PROPERTY",
		},
		"company without name": {
			"POST /crm/v3/objects/companies", props(`"city":"x"`), 400, "VALIDATION_ERROR", "MISSING_REQUIRED_PROPERTY",
		},
		"deal without stage": {
			"POST /crm/v3/objects/deals", props(`"dealname":"x"`), 400, "VALIDATION_ERROR", "MISSING_REQUIRED_PROPERTY",
		},
		"bad e-mail": {
			"POST " + contacts, props(`"email":"no at"`), 400, "VALIDATION_ERROR", "INVALID_EMAIL",
		},
		"e-mail with a name": {
			"POST " + contacts, props(`"email":"A <a@example.com>"`), 400, "VALIDATION_ERROR",
			"INVALID_EMAIL",
		},
		"e-mail without a dot": {
			"POST " + contacts, props(`"email":"a@localhost"`), 400, "VALIDATION_ERROR", "INVALID_EMAIL",
		},
		"bad number": {
			"POST " + contacts, props(`"lastname":"x","score":"many"`), 400, "VALIDATION_ERROR",
			"INVALID_NUMBER",
		},
		"bad boolean": {
			"POST " + contacts, props(`"lastname":"x","newsletter":"yes"`), 400, "VALIDATION_ERROR", "INVALID_OPTION",
		},
		"date not midnight": {
			"POST " + contacts, props(`"lastname":"x","birthday":"1430438400001"`), 400, "VALIDATION_ERROR", "INVALID_DATE",
		},
		"no date": {
			"POST " + contacts, props(`"lastname":"x","birthday":"2026-02-30"`), 400, "VALIDATION_ERROR", "INVALID_DATE",
		},
		"no time": {
			"POST " + contacts, props(`"lastname":"x","last_visit":"noon"`), 400, "VALIDATION_ERROR", "INVALID_DATE",
		},
		"option by label": {
			"POST " + contacts, props(`"lastname":"x","hs_lead_status":"New"`), 400, "VALIDATION_ERROR", "INVALID_OPTION",
		},
		"one bad option of several": {
			"POST " + contacts, props(`"lastname":"x","interests":"tea;coffee"`), 400, "VALIDATION_ERROR", "INVALID_OPTION",
		},
		"unknown owner": {
			"POST " + contacts, props(`"lastname":"x","hubspot_owner_id":"1"`), 400, "VALIDATION_ERROR", "INVALID_OPTION",
		},
		"stage backwards": {
			"PATCH " + contacts + "/" + a, props(`"lifecyclestage":"lead"`), 400, "VALIDATION_ERROR", "INVALID_LIFECYCLE_STAGE",
		},
		"e-mail taken": {"POST " + contacts, props(`"email":"A@Example.com"`), 409, "CONFLICT", ""},
		"unique value taken": {
			"POST " + contacts, props(`"lastname":"x","lockstep_key":"K"`), 400, "VALIDATION_ERROR", "CONFLICTING_UNIQUE_VALUE",
		},
		"update of nobody":   {"PATCH " + contacts + "/999", props(`"city":"x"`), 404, "OBJECT_NOT_FOUND", ""},
		"update of archived": {"PATCH " + contacts + "/" + gone, props(`"city":"x"`), 404, "OBJECT_NOT_FOUND", ""},
		"empty batch": {
			"POST " + contacts + "/batch/read", `{"properties":[],"inputs":[]}`, 400, "VALIDATION_ERROR", "",
		},
		"batch of 101 reads": {
			"POST " + contacts + "/batch/read", inputs(101, `{"id":"1"}`), 400, "VALIDATION_ERROR",
			"",
		},
		"batch of 101 writes": {
			"POST " + contacts + "/batch/update", inputs(101, `{"id":"1","properties":{}}`), 400,
			"VALIDATION_ERROR", "",
		},
		"batch of 101 deletions": {
			"POST " + contacts + "/batch/archive", inputs(101, `{"id":"1"}`), 400, "VALIDATION_ERROR", "",
		},
		"batch read of an odd ID": {
			"POST " + contacts + "/batch/read", inputs(1, `{"id":"x"}`), 400, "VALIDATION_ERROR",
			"",
		},
		"one trace ID twice": {
			"POST " + contacts + "/batch/create", inputs(2, `{"objectWriteTraceId":"1","properties":{"lastname":"x"}}`), 400,
			"VALIDATION_ERROR", "",
		},
		"batch without trace IDs": {
			"POST " + contacts + "/batch/create", inputs(2, `{"properties":{"email":"twice@example.com"}}`), 409, "CONFLICT", "",
		},
		"upsert by a plain property": {
			"POST " + contacts + "/batch/upsert", inputs(1, `{"id":"x","idProperty":"city","properties":{}}`), 400,
			"VALIDATION_ERROR", "",
		},
		"upsert by e-mail, bad row": {
			"POST " + contacts + "/batch/upsert",
			inputs(1, `{"id":"x@example.com","idProperty":"email","properties":{"score":"x"}}`), 400, "VALIDATION_ERROR",
			"INVALID_NUMBER",
		},
		"merge with itself": {
			"POST " + contacts + "/merge", `{"primaryObjectId":"` + a + `","objectIdToMerge":"` + a + `"}`, 400,
			"VALIDATION_ERROR", "",
		},
		"search limit": {"POST " + contacts + "/search", `{"limit":201}`, 400, "VALIDATION_ERROR", ""},
		"search beyond 10,000": {
			"POST " + contacts + "/search", `{"limit":200,"after":"9801"}`, 400, "VALIDATION_ERROR", "",
		},
		"search position": {"POST " + contacts + "/search", `{"after":"-1"}`, 400, "VALIDATION_ERROR", ""},
		"search, two sorts": {
			"POST " + contacts + "/search", `{"sorts":["email","city"]}`, 400, "VALIDATION_ERROR",
			"",
		},
		"search, unknown sort": {"POST " + contacts + "/search", `{"sorts":["colour"]}`, 400, "VALIDATION_ERROR", ""},
		"search, unknown property": {
			"POST " + contacts + "/search", filter(`{"propertyName":"colour","operator":"EQ","value":"red"}`), 400,
			"VALIDATION_ERROR", "",
		},
		"search, unknown operator": {
			"POST " + contacts + "/search", filter(`{"propertyName":"city","operator":"LIKE","value":"x"}`), 400,
			"VALIDATION_ERROR", "",
		},
		"search without a value": {
			"POST " + contacts + "/search", filter(`{"propertyName":"city","operator":"EQ"}`), 400,
			"VALIDATION_ERROR", "",
		},
		"search without values": {
			"POST " + contacts + "/search", filter(`{"propertyName":"city","operator":"IN"}`), 400,
			"VALIDATION_ERROR", "",
		},
		"search for no time": {
			"POST " + contacts + "/search", filter(`{"propertyName":"lastmodifieddate","operator":"GTE","value":"noon"}`), 400,
			"VALIDATION_ERROR", "",
		},
		"search, seven filters": {
			"POST " + contacts + "/search",
			filter(strings.TrimSuffix(strings.Repeat(`{"propertyName":"city","operator":"HAS_PROPERTY"},`, 7), ",")), 400,
			"VALIDATION_ERROR", "",
		},
		"search, too long": {
			"POST " + contacts + "/search", filter(`{"propertyName":"city","operator":"EQ","value":"` +
				strings.Repeat("x", 3000) + `"}`), 400, "VALIDATION_ERROR", "",
		},
		"property twice": {
			"POST /crm/v3/properties/contacts",
			`{"name":"city","label":"City","type":"string","fieldType":"text","groupName":"contactinformation"}`, 409,
			"OBJECT_ALREADY_EXISTS", "",
		},
		"property in no group": {
			"POST /crm/v3/properties/contacts",
			`{"name":"x","label":"X","type":"string","fieldType":"text","groupName":"nowhere"}`, 400, "VALIDATION_ERROR", "",
		},
		"property of two types": {
			"POST /crm/v3/properties/contacts",
			`{"name":"x","label":"X","type":"number","fieldType":"text","groupName":"contactinformation"}`, 400,
			"VALIDATION_ERROR", "",
		},
		"property badly named": {
			"POST /crm/v3/properties/contacts",
			`{"name":"X y","label":"X","type":"string","fieldType":"text","groupName":"contactinformation"}`, 400,
			"VALIDATION_ERROR", "",
		},
		"own property archived":   {"DELETE /crm/v3/properties/contacts/email", "", 400, "VALIDATION_ERROR", ""},
		"unknown owner asked for": {"GET /crm/owners/2026-03/1", "", 404, "OBJECT_NOT_FOUND", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before, _ := p.Core().Summary("contacts", true, nil)
			method, path, _ := strings.Cut(tc.call, " ")
			status, out := p.do(method, path, tc.body)
			category, _ := out["category"].(string)
			code := ""
			if details, ok := out["errors"].([]any); ok && len(details) > 0 {
				first, _ := details[0].(map[string]any)
				code, _ = first["code"].(string)
			}
			if status != tc.status || category != tc.category || tc.code != "" && code != tc.code || out["status"] != "error" ||
				out["correlationId"] == "" {
				t.Errorf("got %d %s %s, want %d %s %s; %v", status, category, code, tc.status, tc.category, tc.code, out)
			}
			if after, _ := p.Core().Summary("contacts", true, nil); after != before {
				t.Error("a refused call changed something")
			}
		})
	}
}

func TestBothVersionsAnswer(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{Seed: 3})
	for _, path := range []string{
		"/crm/v3/objects/contacts", "/crm/objects/2026-03/contacts", "/crm/v3/objects/0-1", "/crm/v3/properties/contacts",
		"/crm/properties/2026-03/contacts", "/crm/v3/owners", "/crm/v3/owners/", "/crm/owners/2026-03",
		"/account-info/2026-03/details", "/account-info/v3/details",
	} {
		if status, _ := p.do("GET", path, ""); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestScopesAndTokens(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{Seed: 3})
	reader := p.TokenWith("crm.objects.contacts.read").Access
	grant := p.OAuthToken()
	for name, tc := range map[string]struct {
		token, call string
		status      int
		category    string
	}{
		"nobody":        {"", "GET /crm/v3/objects/contacts", 401, "INVALID_AUTHENTICATION"},
		"unknown":       {"pat-x", "GET /crm/v3/objects/contacts", 401, "INVALID_AUTHENTICATION"},
		"reader reads":  {reader, "GET /crm/v3/objects/contacts", 200, ""},
		"reader fields": {reader, "GET /crm/v3/properties/contacts", 200, ""},
		"reader writes": {reader, "DELETE /crm/v3/objects/contacts/1", 403, "MISSING_SCOPES"},
		"reader, deals": {reader, "GET /crm/v3/objects/deals", 403, "MISSING_SCOPES"},
		"grant":         {grant.Access, "GET /crm/v3/objects/deals", 200, ""},
	} {
		method, path, _ := strings.Cut(tc.call, " ")
		status, out, _ := p.as(tc.token, method, path, "")
		if category, _ := out["category"].(string); status != tc.status || category != tc.category {
			t.Errorf("%s: %d %v, want %d %s", name, status, out["category"], tc.status, tc.category)
		}
	}
	p.now = p.now.Add(30 * time.Minute)
	if status, out, _ := p.as(grant.Access, "GET", "/crm/v3/objects/contacts", ""); status != 401 ||
		out["category"] != "EXPIRED_AUTHENTICATION" {
		t.Errorf("after half an hour: %d %v", status, out)
	}
	p.Core().RevokeTokens()
	if status, _ := p.do("GET", "/crm/v3/objects/contacts", ""); status != 401 {
		t.Errorf("a revoked private app: %d", status)
	}
	p.Core().AllowTokens()
	if status, _ := p.do("GET", "/crm/v3/objects/contacts", ""); status != 200 {
		t.Errorf("a private app that is back: %d", status)
	}
}

func TestSearchOperators(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	var ids []string
	for _, f := range []map[string]string{
		{"email": "a@example.com", "city": "Köln", "score": "9", "hs_lead_status": "NEW", "birthday": "2000-01-01"},
		{
			"email": "b@example.com", "city": "Bonn am Rhein", "score": "10", "hs_lead_status": "OPEN",
			"birthday": "2001-01-01",
		},
		{"email": "c@example.com", "score": "-1.5"},
	} {
		ids = append(ids, p.contact(f))
		p.now = p.now.Add(time.Second)
	}
	a, b, c := ids[0], ids[1], ids[2]
	for name, tc := range map[string]struct {
		filter string
		want   []string
	}{
		"EQ, other case":  {`{"propertyName":"city","operator":"EQ","value":"KÖLN"}`, []string{a}},
		"EQ on an index":  {`{"propertyName":"email","operator":"EQ","value":"B@example.com"}`, []string{b}},
		"EQ, enumeration": {`{"propertyName":"hs_lead_status","operator":"EQ","value":"new"}`, []string{}},
		"NEQ":             {`{"propertyName":"city","operator":"NEQ","value":"köln"}`, []string{b, c}},
		"GT by number":    {`{"propertyName":"score","operator":"GT","value":"9"}`, []string{b}},
		"LTE by number":   {`{"propertyName":"score","operator":"LTE","value":"9.0"}`, []string{a, c}},
		"BETWEEN dates": {
			`{"propertyName":"birthday","operator":"BETWEEN","value":"946684800000","highValue":"2000-06-01"}`, []string{a},
		},
		"IN, lower case": {`{"propertyName":"city","operator":"IN","values":["köln"]}`, []string{a}},
		"IN, upper case": {`{"propertyName":"city","operator":"IN","values":["Köln"]}`, []string{}},
		"IN, enumeration": {
			`{"propertyName":"hs_lead_status","operator":"IN","values":["NEW","OPEN"]}`, []string{a, b},
		},
		"NOT_IN":             {`{"propertyName":"city","operator":"NOT_IN","values":["köln"]}`, []string{b, c}},
		"HAS_PROPERTY":       {`{"propertyName":"city","operator":"HAS_PROPERTY"}`, []string{a, b}},
		"NOT_HAS_PROPERTY":   {`{"propertyName":"city","operator":"NOT_HAS_PROPERTY"}`, []string{c}},
		"CONTAINS_TOKEN":     {`{"propertyName":"city","operator":"CONTAINS_TOKEN","value":"rhei*"}`, []string{b}},
		"NOT_CONTAINS_TOKEN": {`{"propertyName":"city","operator":"NOT_CONTAINS_TOKEN","value":"rhein"}`, []string{a}},
		"modified, half open": {
			`{"propertyName":"lastmodifieddate","operator":"GT","value":"2026-03-02T09:30:00Z"}`,
			[]string{b, c},
		},
		"record ID": {`{"propertyName":"hs_object_id","operator":"GT","value":"` + a + `"}`, []string{b, c}},
		"both of a group": {
			`{"propertyName":"score","operator":"GT","value":"0"},{"propertyName":"city","operator":"EQ","value":"köln"}`,
			[]string{a},
		},
		"either of two groups": {
			`{"propertyName":"email","operator":"EQ","value":"a@example.com"}]},{"filters":[{"propertyName":"email","operator":"EQ","value":"c@example.com"}`, []string{a, c},
		},
		"index and plain group": {
			`{"propertyName":"email","operator":"EQ","value":"a@example.com"}]},{"filters":[{"propertyName":"score","operator":"EQ","value":"10.0"}`, []string{a, b},
		},
	} {
		status, out := p.do("POST", "/crm/v3/objects/contacts/search", `{"filterGroups":[{"filters":[`+tc.filter+`]}]}`)
		got := resultIDs(out)
		slices.Sort(got)
		if diff := cmp.Diff(tc.want, got); diff != "" || status != 200 {
			t.Errorf("%s: status %d (-want +got):\n%s", name, status, diff)
		}
	}
	_, out := p.do("POST", "/crm/v3/objects/contacts/search", `{"query":"BONN","limit":1}`)
	if got := resultIDs(out); len(got) != 0 {
		t.Errorf("full text looks at the city: %v", got)
	}
	_, out = p.do("POST", "/crm/v3/objects/contacts/search", `{"query":"b@ex","sorts":["-score"]}`)
	if diff := cmp.Diff([]string{b}, resultIDs(out)); diff != "" {
		t.Errorf("full text (-want +got):\n%s", diff)
	}
}

// TestSearchLags shows old versions, missing records and deleted ones until the
// index has caught up; reads by ID and by e-mail see everything at once.
func TestSearchLags(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{Lag: 10 * time.Second})
	a := p.contact(map[string]string{"email": "a@example.com", "city": "Old"})
	find := func() []string {
		_, out := p.do("POST", "/crm/v3/objects/contacts/search", `{"properties":["city"]}`)
		var got []string
		results, _ := out["results"].([]any)
		for _, r := range results {
			shown := r.(map[string]any)["properties"].(map[string]any) //nolint:forcetypeassert // the fake's own answer
			b, _ := json.Marshal(shown["city"])
			got = append(got, string(b))
		}
		return got
	}
	if got := find(); got != nil {
		t.Errorf("found at once: %v", got)
	}
	if status, _ := p.do("GET", "/crm/v3/objects/contacts/a@example.com?idProperty=email", ""); status != 200 {
		t.Errorf("read by e-mail: %d", status)
	}
	p.now = p.now.Add(10 * time.Second)
	if diff := cmp.Diff([]string{`"Old"`}, find()); diff != "" {
		t.Error(diff)
	}
	if _, err := p.Core().UpdateRecord("contacts", a, map[string]string{"city": "New"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`"Old"`}, find()); diff != "" {
		t.Error(diff)
	}
	p.now = p.now.Add(10 * time.Second)
	if diff := cmp.Diff([]string{`"New"`}, find()); diff != "" {
		t.Error(diff)
	}
	if err := p.Core().DeleteRecord("contacts", a); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`"New"`}, find()); diff != "" {
		t.Error(diff)
	}
	p.now = p.now.Add(10 * time.Second)
	if got := find(); got != nil {
		t.Errorf("found though deleted: %v", got)
	}
}

func TestMergeMakesANewRecord(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	a := p.contact(map[string]string{"email": "a@example.com", "city": "A"})
	b := p.contact(map[string]string{"email": "b@example.com", "city": "B", "phone": "1"})
	status, out := p.do("POST", "/crm/v3/objects/contacts/merge",
		fmt.Sprintf(`{"primaryObjectId":%q,"objectIdToMerge":%q}`, a, b))
	survivor, _ := out["id"].(string)
	if status != 200 || survivor == a || survivor == b {
		t.Fatalf("status %d, survivor %q", status, survivor)
	}
	live := map[string]map[string]string{}
	for _, r := range p.Core().Records("contacts") {
		if r.Deleted {
			if r.MergedInto != survivor {
				t.Errorf("%s merged into %q", r.ID, r.MergedInto)
			}
			continue
		}
		live[r.ID] = r.Fields
	}
	want := map[string]map[string]string{
		survivor: {
			"email": "a@example.com", "city": "A", "phone": "1", "hs_additional_emails": "b@example.com",
			"hs_merged_object_ids": a + ";" + b,
		},
	}
	if diff := cmp.Diff(want, live); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if status, out := p.do("POST", "/crm/v3/objects/contacts",
		`{"properties":{"email":"b@example.com"}}`); status != 409 ||
		!strings.HasSuffix(fmt.Sprint(out["message"]), survivor) {
		t.Errorf("the other address: %d %v", status, out)
	}
	if status, _ := p.do("POST", "/crm/v3/objects/contacts/gdpr-delete",
		fmt.Sprintf(`{"objectId":%q}`, survivor)); status != 204 {
		t.Errorf("privacy deletion: %d", status)
	}
	if n := len(p.Core().Records("contacts")); n != 2 {
		t.Errorf("%d records left, want the two archived", n)
	}
}

func TestLimitsAndHeaders(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{Seed: 1})
	p.Core().SetLimits(hubspotfake.OwnLimits)
	_, _, h := p.as(hubspotfake.PrivateToken, "GET", "/crm/v3/objects/contacts", "")
	if h.Get("X-HubSpot-RateLimit-Max") != "100" || h.Get("X-HubSpot-RateLimit-Remaining") != "99" ||
		h.Get("X-HubSpot-RateLimit-Daily-Remaining") != "249999" {
		t.Errorf("headers %v", h)
	}
	for range 99 {
		p.do("GET", "/crm/v3/objects/contacts", "")
	}
	status, out := p.do("GET", "/crm/v3/objects/contacts", "")
	if status != 429 || out["policyName"] != "TEN_SECONDLY_ROLLING" || out["errorType"] != "RATE_LIMIT" {
		t.Errorf("call 101: %d %v", status, out)
	}
	for i := range 6 {
		status, out, h := p.as(hubspotfake.PrivateToken, "POST", "/crm/v3/objects/contacts/search", `{}`)
		if want := map[bool]int{true: 200, false: 429}[i < 5]; status != want || h.Get("X-HubSpot-RateLimit-Max") != "" {
			t.Errorf("search %d: %d %v", i, status, out)
		}
		if i == 5 && out["policyName"] != "SECONDLY" {
			t.Errorf("search %d: %v", i, out)
		}
	}
	p.now = p.now.Add(10 * time.Second)
	if status, _ := p.do("GET", "/crm/v3/objects/contacts", ""); status != 200 {
		t.Errorf("ten seconds later: %d", status)
	}
	p.Core().SetLimits(fakekit.Limits{Daily: 1})
	p.do("GET", "/crm/v3/objects/contacts", "")
	if status, out := p.do("GET", "/crm/v3/objects/contacts", ""); status != 429 || out["policyName"] != "DAILY" {
		t.Errorf("over the day's: %d %v", status, out)
	}
}

func TestSchemaDrift(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	a := p.contact(map[string]string{"lastname": "x", "interests": "tea"})
	for _, tc := range []struct{ knob, write, code string }{
		{`{"options":["chess"]}`, `{"properties":{"interests":"tea"}}`, "INVALID_OPTION"},
		{`{"read_only":true}`, `{"properties":{"interests":"chess"}}`, "READ_ONLY_VALUE"},
		{`{"archived":true}`, `{"properties":{"interests":"chess"}}`, "PROPERTY_DOESNT_EXIST"},
	} {
		if status, out := p.do("PATCH", "/_fake/properties/contacts/interests", tc.knob); status != 200 {
			t.Fatalf("%s: %d %v", tc.knob, status, out)
		}
		status, out := p.do("PATCH", "/crm/v3/objects/contacts/"+a, tc.write)
		if status != 400 || !strings.Contains(fmt.Sprint(out), tc.code) {
			t.Errorf("%s: %d %v, want %s", tc.knob, status, out, tc.code)
		}
	}
	_, out := p.do("GET", "/crm/v3/objects/contacts/"+a+"?properties=interests", "")
	if strings.Contains(fmt.Sprint(out["properties"]), "interests") {
		t.Error("a property that is gone still shows")
	}
}

// TestSeededPeople has what Expected promises, under one second apart.
func TestSeededPeople(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{Seed: 1000})
	want := fakekit.Expected(1000)
	blank, last := 0, time.Time{}
	records := p.Core().Records("contacts")
	for _, r := range records {
		if r.Fields["email"] == "" {
			blank++
		}
		if !r.Modified.After(last) || r.Modified.After(p.now) {
			t.Fatalf("record %s was modified at %s, after %s", r.ID, r.Modified, last)
		}
		last = r.Modified
	}
	if len(records) != want.Records[0] || blank != want.NoEmail[0] {
		t.Errorf("%d records, %d without e-mail; want %d and %d", len(records), blank, want.Records[0], want.NoEmail[0])
	}
}

// TestEqualSeedsGiveEqualRuns drives two fakes alike and compares all they say.
func TestEqualSeedsGiveEqualRuns(t *testing.T) {
	t.Parallel()
	run := func() string {
		p := newPortal(t, fakekit.Config{Seed: 50, Rand: 7})
		p.Core().SetLag(time.Second, true)
		p.Core().SetWebhooks(fakekit.Webhooks{URL: "http://x", Drop: 0.2, Duplicate: 0.2, Reorder: 0.5, Delay: time.Second})
		var b strings.Builder
		for i := range 60 {
			p.now = p.now.Add(100 * time.Millisecond)
			_, out := p.do("POST", "/crm/v3/objects/contacts/batch/update",
				fmt.Sprintf(`{"inputs":[{"id":"%d","properties":{"city":"c%d","state":"s"}}]}`, 1000001+i%20, i))
			_, found := p.do("POST", "/crm/v3/objects/contacts/search", `{"sorts":["-lastmodifieddate"],"limit":5}`)
			_, _ = fmt.Fprintln(&b, out, found, p.OAuthToken().Access)
		}
		for _, d := range p.Core().Take() {
			_, _ = fmt.Fprintln(&b, string(d.Packed.Body), d.Packed.Header)
		}
		return b.String()
	}
	if diff := cmp.Diff(run(), run()); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
}

// BenchmarkSearch is an incremental pull's page among 200,000 contacts.
func BenchmarkSearch(b *testing.B) {
	p := newPortal(b, fakekit.Config{Seed: 200_000})
	from := p.now.Add(-100_000 * time.Second).UnixMilli()
	body := fmt.Sprintf(`{"filterGroups":[{"filters":[{"propertyName":"lastmodifieddate","operator":"GTE","value":"%d"}]}],"sorts":[{"propertyName":"lastmodifieddate","direction":"ASCENDING"}],"limit":200,"properties":["email"]}`, from)
	b.ResetTimer()
	for b.Loop() {
		if status, _ := p.do("POST", "/crm/v3/objects/contacts/search", body); status != 200 {
			b.Fatal(status)
		}
	}
}

// TestOldIDsOfMergedRecords reads and writes by the IDs of merged records, in
// every form that a merge can have.
func TestOldIDsOfMergedRecords(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]hubspotfake.Merges{
		"new record": {}, "primary keeps its ID": {KeepID: true}, "old IDs are gone": {OldIDsGone: true},
		"untold": {Untold: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPortal(t, fakekit.Config{})
			p.SetMerges(form)
			a, b, c := p.contact(map[string]string{"email": "a@example.com"}),
				p.contact(map[string]string{"email": "b@example.com"}), p.contact(map[string]string{"email": "c@example.com"})
			first, err := p.Core().MergeRecord("contacts", a, b)
			if err != nil {
				t.Fatal(err)
			}
			last, err := p.Core().MergeRecord("contacts", first.ID, c)
			if err != nil {
				t.Fatal(err)
			}
			if kept := last.ID == c; kept != form.KeepID {
				t.Errorf("the survivor is %s, the primary was %s", last.ID, c)
			}
			want := []string{a, b, c, first.ID}
			switch {
			case form.Untold:
				want = nil
			case form.KeepID:
				want = []string{a, b}
			}
			got := strings.FieldsFunc(last.Fields["hs_merged_object_ids"], func(r rune) bool { return r == ';' })
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("merged %q, want %q", got, want)
			}
			for _, id := range []string{a, b} {
				status, out := p.do("GET", "/crm/v3/objects/contacts/"+id, "")
				if form.OldIDsGone != (status == 404) || !form.OldIDsGone && out["id"] != last.ID {
					t.Errorf("%s: %d %v", id, status, out["id"])
				}
			}
			status, out := p.do("POST", "/crm/v3/objects/contacts/batch/read",
				fmt.Sprintf(`{"inputs":[{"id":%q},{"id":%q}],"properties":["email"],"propertiesWithHistory":[]}`, a, last.ID))
			rows, _ := out["results"].([]any)
			if wantStatus := map[bool]int{false: 200, true: 207}[form.OldIDsGone]; status != wantStatus || len(rows) != 1 {
				t.Errorf("batch: %d, %d rows", status, len(rows))
			}
			if extra := last.Fields["hs_additional_emails"]; !strings.Contains(extra, "a@example.com") ||
				!strings.Contains(extra, "b@example.com") || strings.Contains(extra, "c@example.com") {
				t.Errorf("additional addresses %q", extra)
			}
		})
	}
}

// TestArchivedRecordsAreForgotten looks for an archived record after HubSpot's memory.
func TestArchivedRecordsAreForgotten(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	id := p.contact(map[string]string{"email": "a@example.com"})
	if err := p.Core().DeleteRecord("contacts", id); err != nil {
		t.Fatal(err)
	}
	listed := func() int {
		_, out := p.do("GET", "/crm/v3/objects/contacts?archived=true", "")
		rows, _ := out["results"].([]any)
		return len(rows)
	}
	p.now = p.now.Add(89 * 24 * time.Hour)
	if n := listed(); n != 1 {
		t.Errorf("%d listed after 89 days", n)
	}
	p.now = p.now.Add(2 * 24 * time.Hour)
	if n := listed(); n != 0 {
		t.Errorf("%d listed after 91 days", n)
	}
}
