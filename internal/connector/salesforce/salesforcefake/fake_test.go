package salesforcefake_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
)

const base = "https://made-up.my.salesforce.com"

// client talks to a fake the way a program does.
type client struct {
	t     *testing.T
	fake  *salesforcefake.Fake
	clock *connectortest.Clock
	token string
}

func newClient(t *testing.T) *client {
	t.Helper()
	clock := connectortest.NewClock()
	fake := salesforcefake.New(fakekit.Config{Now: clock.Now, BaseURL: base})
	token, _ := fake.Token()
	return &client{t, fake, clock, token}
}

// answer is a status and decoded JSON.
type answer struct {
	status int
	header http.Header
	body   any
	text   string
}

// call sends a request; body "" is none.
func (c *client) call(method, path, body string, header ...string) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := fakekit.Client(c.fake).Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(raw)}
	if len(raw) > 0 && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
	}
	return a
}

const data = "/services/data/v67.0"

func (c *client) query(soql string) answer {
	c.t.Helper()
	return c.call("GET", data+"/query?q="+url.QueryEscape(soql), "")
}

// at walks into JSON: at("records", 0, "Id").
func (a answer) at(path ...any) any {
	v := a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// contact makes one by the API and returns its ID.
func (c *client) contact(fields string) string {
	c.t.Helper()
	a := c.call("POST", data+"/sobjects/Contact", fields)
	id, _ := a.at("id").(string)
	if a.status != http.StatusCreated || len(id) != 18 || !strings.HasPrefix(id, "003") {
		c.t.Fatalf("creating %s: %d %s", fields, a.status, a.text)
	}
	return id
}

// TestRefusals asks for what Salesforce refuses, and compares status and code.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.contact(`{"LastName":"Roe","Lockstep_Id__c":"taken"}`)
	gone := c.contact(`{"LastName":"Gone"}`)
	if a := c.call("DELETE", data+"/sobjects/Contact/"+gone, ""); a.status != http.StatusNoContent {
		t.Fatal(a.status, a.text)
	}
	many := `{"allOrNone":false,"records":[` + strings.Repeat(`{"attributes":{"type":"Contact"},"LastName":"x"},`, 200) +
		`{"attributes":{"type":"Contact"},"LastName":"x"}]}`
	ids := strings.TrimSuffix(strings.Repeat(`"`+id+`",`, 2001), ",")
	now := c.clock.Now()
	window := func(from, to time.Duration) string {
		return "?start=" + url.QueryEscape(now.Add(from).Format(time.RFC3339)) + "&end=" +
			url.QueryEscape(now.Add(to).Format(time.RFC3339))
	}
	for name, r := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"unknown path":      {"GET", data + "/sobjekts", "", 404, "NOT_FOUND"},
		"unknown method":    {"PUT", data + "/sobjects/Contact/" + id, "{}", 405, "METHOD_NOT_ALLOWED"},
		"unknown parameter": {"GET", data + "/query?q=SELECT+Id+FROM+Contact&x=1", "", 400, "INVALID_INPUT"},
		"retired version":   {"GET", "/services/data/v20.0/limits", "", 410, "UNSUPPORTED_API_VERSION"},
		"version to come":   {"GET", "/services/data/v99.0/limits", "", 404, "NOT_FOUND"},
		"odd version":       {"GET", "/services/data/latest/limits", "", 404, "NOT_FOUND"},
		"unknown object":    {"GET", data + "/sobjects/Nothing/describe", "", 404, "NOT_FOUND"},
		"unknown column":    {"POST", data + "/sobjects/Contact", `{"LastName":"x","Foo":"y"}`, 400, "INVALID_FIELD"},
		"read-only column": {
			"PATCH", data + "/sobjects/Contact/" + id, `{"Name":"y"}`, 400, "INVALID_FIELD_FOR_INSERT_UPDATE",
		},
		"system column": {
			"PATCH", data + "/sobjects/Contact/" + id, `{"SystemModstamp":"2026-01-01T00:00:00Z"}`,
			400, "INVALID_FIELD_FOR_INSERT_UPDATE",
		},
		"required": {"POST", data + "/sobjects/Contact", `{"FirstName":"x"}`, 400, "REQUIRED_FIELD_MISSING"},
		"required nulled": {
			"PATCH", data + "/sobjects/Contact/" + id, `{"LastName":null}`, 400, "REQUIRED_FIELD_MISSING",
		},
		"required on Lead": {"POST", data + "/sobjects/Lead", `{"LastName":"x"}`, 400, "REQUIRED_FIELD_MISSING"},
		"required on deal": {
			"POST", data + "/sobjects/Opportunity", `{"Name":"x","StageName":"Prospecting"}`, 400,
			"REQUIRED_FIELD_MISSING",
		},
		"too long": {
			"POST", data + "/sobjects/Contact", `{"LastName":"` + strings.Repeat("x", 81) + `"}`, 400,
			"STRING_TOO_LONG",
		},
		"phone too long": {
			"POST", data + "/sobjects/Contact", `{"LastName":"x","Phone":"` + strings.Repeat("1", 41) + `"}`, 400,
			"STRING_TOO_LONG",
		},
		"odd e-mail": {
			"POST", data + "/sobjects/Contact", `{"LastName":"x","Email":"no address"}`, 400, "INVALID_EMAIL_ADDRESS",
		},
		"odd option": {
			"POST", data + "/sobjects/Contact", `{"LastName":"x","Level__c":"Nope"}`, 400,
			"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
		},
		"odd number": {
			"POST", data + "/sobjects/Contact", `{"LastName":"x","Score__c":"a lot"}`, 400, "JSON_PARSER_ERROR",
		},
		"odd boolean": {
			"POST", data + "/sobjects/Contact", `{"LastName":"x","DoNotCall":"maybe"}`, 400, "JSON_PARSER_ERROR",
		},
		"odd date": {
			"POST", data + "/sobjects/Contact", `{"LastName":"x","Birthdate":"28.2.1990"}`, 400,
			"JSON_PARSER_ERROR",
		},
		"list": {"POST", data + "/sobjects/Contact", `{"LastName":["x"]}`, 400, "JSON_PARSER_ERROR"},
		"odd reference": {
			"POST", data + "/sobjects/Contact", `{"LastName":"x","AccountId":"nobody"}`, 400, "MALFORMED_ID",
		},
		"reference of other": {
			"POST", data + "/sobjects/Contact", `{"LastName":"x","AccountId":"` + id + `"}`, 400,
			"MALFORMED_ID",
		},
		"reference to nothing": {
			"POST", data + "/sobjects/Contact", `{"LastName":"x","AccountId":"001Lk0000000099"}`, 400,
			"INVALID_CROSS_REFERENCE_KEY",
		},
		"taken key": {
			"POST", data + "/sobjects/Contact", `{"LastName":"x","Lockstep_Id__c":"TAKEN"}`, 400,
			"DUPLICATE_VALUE",
		},
		"no JSON":                {"POST", data + "/sobjects/Contact", `LastName=x`, 400, "JSON_PARSER_ERROR"},
		"data behind":            {"POST", data + "/sobjects/Contact", `{"LastName":"x"} {}`, 400, "JSON_PARSER_ERROR"},
		"record not there":       {"GET", data + "/sobjects/Contact/003Lk00000000zz", "", 404, "NOT_FOUND"},
		"record in the bin":      {"GET", data + "/sobjects/Contact/" + gone, "", 404, "NOT_FOUND"},
		"update in the bin":      {"PATCH", data + "/sobjects/Contact/" + gone, `{"LastName":"x"}`, 404, "ENTITY_IS_DELETED"},
		"delete twice":           {"DELETE", data + "/sobjects/Contact/" + gone, "", 404, "ENTITY_IS_DELETED"},
		"record of other object": {"PATCH", data + "/sobjects/Lead/" + id, `{"LastName":"x"}`, 404, "NOT_FOUND"},
		"external field":         {"PATCH", data + "/sobjects/Contact/Nope__c/1", `{"LastName":"x"}`, 404, "NOT_FOUND"},
		"no external field":      {"PATCH", data + "/sobjects/Contact/Phone/1", `{"LastName":"x"}`, 404, "NOT_FOUND"},
		"key in the body": {
			"PATCH", data + "/sobjects/Contact/Lockstep_Id__c/1", `{"LastName":"x","Lockstep_Id__c":"1"}`, 400, "INVALID_FIELD",
		},
		"update only": {
			"PATCH", data + "/sobjects/Contact/Lockstep_Id__c/none?updateOnly=true", `{"LastName":"x"}`, 404, "NOT_FOUND",
		},
		"unknown field shown": {"GET", data + "/sobjects/Contact/" + id + "?fields=Id,Foo", "", 400, "INVALID_FIELD"},
		"201 rows":            {"POST", data + "/composite/sobjects", many, 400, "EXCEEDED_ID_LIMIT"},
		"unknown body key": {
			"POST", data + "/composite/sobjects", `{"allOrNone":false,"rows":[]}`, 400, "JSON_PARSER_ERROR",
		},
		"2001 IDs": {
			"POST", data + "/composite/sobjects/Contact", `{"ids":[` + ids + `],"fields":["Id"]}`, 400,
			"EXCEEDED_ID_LIMIT",
		},
		"retrieve bad field": {
			"POST", data + "/composite/sobjects/Contact", `{"ids":["` + id + `"],"fields":["Foo"]}`,
			400, "INVALID_FIELD",
		},
		"retrieve nothing": {
			"POST", data + "/composite/sobjects/Contact", `{"ids":[],"fields":["Id"]}`, 400, "MISSING_ARGUMENT",
		},
		"delete nothing": {"DELETE", data + "/composite/sobjects", "", 400, "MISSING_ARGUMENT"},
		"long URL":       {"GET", data + "/query?q=" + strings.Repeat("x", 16_384), "", 414, "URI_TOO_LONG"},
		"long URL and headers": {
			"GET", data + "/query?q=" + strings.Repeat("x", 16_300), "", 431, "REQUEST_HEADER_FIELDS_TOO_LARGE",
		},
		"updated, no window": {"GET", data + "/sobjects/Contact/updated/", "", 400, "INVALID_REPLICATION_DATE"},
		"updated, 31 days": {
			"GET", data + "/sobjects/Contact/updated/" + window(-31*24*time.Hour, 0), "", 400,
			"INVALID_REPLICATION_DATE",
		},
		"deleted, 16 days": {
			"GET", data + "/sobjects/Contact/deleted/" + window(-16*24*time.Hour, 0), "", 400,
			"INVALID_REPLICATION_DATE",
		},
		"deleted, no span": {
			"GET", data + "/sobjects/Contact/deleted/" + window(0, 0), "", 400, "INVALID_REPLICATION_DATE",
		},
		"odd locator": {"GET", data + "/query/01gLk0000000001AAA-2000", "", 400, "INVALID_QUERY_LOCATOR"},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.call(r.method, r.path, r.body)
			if a.status != r.status || a.at(0, "errorCode") != r.code {
				t.Errorf("%d %s, want %d %s", a.status, a.text, r.status, r.code)
			}
			if m, _ := a.at(0, "message").(string); m == "" {
				t.Error("the refusal has no message")
			}
		})
	}
	if got := c.query("SELECT COUNT() FROM Contact").at("totalSize"); got != 1.0 {
		t.Errorf("%v contacts afterwards, want 1: a refused call had an effect", got)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for name, header := range map[string]string{
		"none": "", "unknown": "Bearer x", "basic": "Basic eDp5", "bare": c.token,
	} {
		a := c.call("GET", data+"/limits", "", "Authorization", header)
		if a.status != 401 || a.at(0, "errorCode") != "INVALID_SESSION_ID" {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	if a := c.call("GET", data+"/limits", ""); a.status != 200 {
		t.Fatal(a.status, a.text)
	}
	c.clock.Advance(25 * time.Hour)
	if a := c.call("GET", data+"/limits", ""); a.status != 401 {
		t.Errorf("a session of 25 hours: %d", a.status)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.fake.Core().SetLimits(fakekit.Limits{Daily: 2})
	for i, want := range []string{"api-usage=1/2", "api-usage=2/2"} {
		if got := c.call("GET", data+"/sobjects", "").header.Get("Sforce-Limit-Info"); got != want {
			t.Errorf("call %d: %q, want %q", i, got, want)
		}
	}
	a := c.call("GET", data+"/sobjects", "")
	if a.status != 403 || a.at(0, "errorCode") != "REQUEST_LIMIT_EXCEEDED" || a.header.Get("Retry-After") != "" {
		t.Errorf("over the limit: %d %s, Retry-After %q", a.status, a.text, a.header.Get("Retry-After"))
	}
	c.fake.Core().SetLimits(fakekit.Limits{Calls: 1, Window: time.Minute})
	c.call("GET", data+"/sobjects", "")
	if a = c.call("GET", data+"/sobjects", ""); a.status != 403 || !strings.Contains(a.text, "Concurrent") {
		t.Errorf("too many at once: %d %s", a.status, a.text)
	}
}

func TestUpsertByKey(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	path := data + "/sobjects/Contact/Lockstep_Id__c/k%2F1"
	first := c.call("PATCH", path, `{"LastName":"One"}`)
	again := c.call("PATCH", path, `{"FirstName":"Uno"}`)
	if first.status != 201 || first.at("created") != true || again.status != 200 || again.at("created") != false ||
		first.at("id") != again.at("id") {
		t.Fatalf("%d %s then %d %s", first.status, first.text, again.status, again.text)
	}
	shown := c.call("GET", path+"?fields=Id,Name,Lockstep_Id__c", "")
	if shown.at("Name") != "Uno One" || shown.at("Lockstep_Id__c") != "k/1" ||
		shown.at("attributes", "type") != "Contact" {
		t.Errorf("shown: %s", shown.text)
	}
	c.contact(`{"LastName":"A","HubSpot_Id__c":"7"}`)
	c.contact(`{"LastName":"B","HubSpot_Id__c":"7"}`)
	if a := c.call("PATCH", data+"/sobjects/Contact/HubSpot_Id__c/7", `{"FirstName":"x"}`); a.status != 300 ||
		len(a.body.([]any)) != 2 {
		t.Errorf("two matches: %d %s", a.status, a.text)
	}
}

// TestCollections checks the answers of rows, in order, with and without allOrNone.
func TestCollections(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	row := func(f string) string { return `{"attributes":{"type":"Contact"},` + f + `}` }
	send := func(method, path string, allOrNone bool, rows ...string) answer {
		return c.call(method, data+path, fmt.Sprintf(`{"allOrNone":%v,"records":[%s]}`, allOrNone, strings.Join(rows, ",")))
	}
	codes := func(a answer) []any {
		var out []any
		for i := range a.body.([]any) {
			if a.at(i, "success") == true {
				out = append(out, "ok")
			} else {
				out = append(out, a.at(i, "errors", 0, "statusCode"))
			}
		}
		return out
	}
	made := send("POST", "/composite/sobjects", false, row(`"LastName":"A"`), row(`"FirstName":"x"`),
		row(`"Foo":1,"LastName":"B"`), row(`"LastName":"C"`))
	if diff := cmp.Diff([]any{"ok", "REQUIRED_FIELD_MISSING", "INVALID_FIELD", "ok"}, codes(made)); made.status != 200 ||
		diff != "" {
		t.Fatalf("create (-want +got):\n%s", diff)
	}
	a, b := made.at(0, "id").(string), made.at(3, "id").(string)
	undone := send("POST", "/composite/sobjects", true, row(`"LastName":"D"`), row(`"FirstName":"x"`))
	if diff := cmp.Diff([]any{"ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"}, codes(undone)); diff != "" {
		t.Errorf("create, all or none (-want +got):\n%s", diff)
	}
	upd := send("PATCH", "/composite/sobjects", true, row(`"id":"`+a+`","LastName":"A2"`),
		row(`"Id":"`+b[:15]+`","Email":"bad"`))
	if diff := cmp.Diff([]any{"ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_EMAIL_ADDRESS"}, codes(upd)); diff != "" {
		t.Errorf("update, all or none (-want +got):\n%s", diff)
	}
	upd = send("PATCH", "/composite/sobjects", false, row(`"id":"`+a+`","LastName":"A2"`),
		row(`"id":"`+a+`","LastName":"A3"`), row(`"LastName":"x"`), row(`"id":"003Lk00000000zz","LastName":"x"`))
	if diff := cmp.Diff([]any{"ok", "DUPLICATE_VALUE", "MISSING_ARGUMENT", "INVALID_CROSS_REFERENCE_KEY"},
		codes(upd)); diff != "" {
		t.Errorf("update (-want +got):\n%s", diff)
	}
	ups := send("PATCH", "/composite/sobjects/Contact/Lockstep_Id__c", false, row(`"Lockstep_Id__c":"1","LastName":"U"`),
		row(`"Lockstep_Id__c":"1","LastName":"V"`), row(`"LastName":"W"`))
	if diff := cmp.Diff([]any{"ok", "DUPLICATE_VALUE", "MISSING_ARGUMENT"}, codes(ups)); diff != "" ||
		ups.at(0, "created") != true {
		t.Errorf("upsert (-want +got):\n%s", diff)
	}
	got := c.call("POST", data+"/composite/sobjects/Contact", `{"ids":["`+b+`","003Lk00000000zz","odd","`+a[:15]+
		`"],"fields":["Id","LastName"]}`)
	if got.at(0, "LastName") != "C" || got.at(1) != nil || got.at(2) != nil || got.at(3, "LastName") != "A2" ||
		len(got.body.([]any)) != 4 {
		t.Errorf("retrieve: %s", got.text)
	}
	del := c.call("DELETE", data+"/composite/sobjects?ids="+a+","+a+",odd&allOrNone=false", "")
	if diff := cmp.Diff([]any{"ok", "ENTITY_IS_DELETED", "MALFORMED_ID"}, codes(del)); diff != "" {
		t.Errorf("delete (-want +got):\n%s", diff)
	}
	if n := c.query("SELECT COUNT() FROM Contact").at("totalSize"); n != 2.0 {
		t.Errorf("%v contacts, want 2", n)
	}
}

func TestDuplicateRule(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.contact(`{"LastName":"One","Email":"one@example.com"}`)
	c.knob("PUT", "/_fake/duplicate_rule", `{"rule":"alert"}`)
	body := `{"LastName":"Two","Email":"One@Example.com"}`
	a := c.call("POST", data+"/sobjects/Contact", body)
	if a.status != 400 || a.at(0, "errorCode") != "DUPLICATES_DETECTED" ||
		a.at(0, "duplicateResult", "matchResults", 0, "matchRecords", 0, "record", "Id") != id {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a = c.call("POST", data+"/sobjects/Contact", body, "Sforce-Duplicate-Rule-Header",
		"allowSave=true"); a.status != 201 {
		t.Errorf("past an alert: %d %s", a.status, a.text)
	}
	c.knob("PUT", "/_fake/duplicate_rule", `{"rule":"block"}`)
	if a = c.call("POST", data+"/sobjects/Contact", body, "Sforce-Duplicate-Rule-Header",
		"allowSave=true"); a.status != 400 {
		t.Errorf("past a block: %d %s", a.status, a.text)
	}
}

// knob turns a knob.
func (c *client) knob(method, path, body string) {
	c.t.Helper()
	if a := c.call(method, path, body); a.status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s", method, path, a.status, a.text)
	}
}

func TestReplication(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	start := c.clock.Now()
	kept, gone := c.contact(`{"LastName":"Kept"}`), c.contact(`{"LastName":"Gone"}`)
	c.clock.Advance(5 * time.Minute)
	c.call("DELETE", data+"/sobjects/Contact/"+gone, "")
	c.clock.Advance(5 * time.Minute)
	window := "?start=" + url.QueryEscape(start.Format(time.RFC3339)) + "&end=" +
		url.QueryEscape(c.clock.Now().Format(time.RFC3339))
	up := c.call("GET", data+"/sobjects/Contact/updated/"+window, "")
	if diff := cmp.Diff([]any{kept}, up.at("ids")); diff != "" {
		t.Errorf("updated (-want +got):\n%s", diff)
	}
	del := c.call("GET", data+"/sobjects/Contact/deleted/"+window, "")
	if del.at("deletedRecords", 0, "id") != gone || del.at("deletedRecords", 1) != nil {
		t.Errorf("deleted: %s", del.text)
	}
	for _, a := range []answer{up, del} {
		if s, _ := a.at("latestDateCovered").(string); s != "2026-03-02T09:40:00.000+0000" {
			t.Errorf("latestDateCovered = %q", s)
		}
	}
}

func TestKnobsRefuseNonsense(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for path, body := range map[string]string{
		"/_fake/page_rows": `{"rows":0}`, "/_fake/late_commit": `{"by":"-1s"}`, "/_fake/duplicate_rule": `{"rule":"maybe"}`,
		"/_fake/deleted_log": `{"keep":"1000h"}`, "/_fake/session": `{"life":"0s"}`,
	} {
		if a := c.call("PUT", path, body); a.status != 400 {
			t.Errorf("%s %s: %d", path, body, a.status)
		}
	}
	a := c.call("GET", "/_fake/openapi.json", "")
	for _, path := range []string{
		"/_fake/page_rows", "/_fake/late_commit", "/_fake/duplicate_rule", "/_fake/deleted_log",
		"/_fake/empty_bin", "/_fake/session", "/_fake/fail",
	} {
		if a.at("paths", path) == nil {
			t.Errorf("the description lacks %s", path)
		}
	}
}

// TestSeed holds the people of the second side as contacts, each under an ID of
// its own.
func TestSeed(t *testing.T) {
	t.Parallel()
	clock := connectortest.NewClock()
	fake := salesforcefake.New(fakekit.Config{Now: clock.Now, Seed: 1000})
	records := fake.Core().Records("Contact")
	want := fakekit.Expected(1000).Records[1]
	if len(records) != want {
		t.Fatalf("%d contacts, want %d", len(records), want)
	}
	for i, r := range records {
		if i > 0 && r.ID <= records[i-1].ID || r.Fields["LastName"] == "" || len(r.ID) != 18 ||
			r.Modified.After(clock.Now()) {
			t.Fatalf("record %d: %s", i, r.ID)
		}
	}
}
