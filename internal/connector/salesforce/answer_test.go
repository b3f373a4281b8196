package salesforce_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// openOn opens a connector whose every call gets the same answer.
func openOn(t testing.TB, rt http.RoundTripper) connector.Connector {
	t.Helper()
	c, err := salesforce.Open(connector.Config{
		BaseURL: instance, Kind: crm.AuthOAuth2, Now: time.Now, HTTP: &http.Client{Transport: rt},
		Tokens: connectortest.NewTokens(func() secret.Text { return secret.NewText("t") }),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const contactRow = `{"attributes":{"type":"Contact"},"Id":"003Lk0000000001IAA","SystemModstamp":"2026-01-02T03:04:05.000+0000","CreatedDate":"2026-01-02T03:04:05.000+0000","IsDeleted":false,"LastName":"Roe"}`

func queryAnswer(rows string) string {
	return `{"totalSize":1,"done":true,"records":[` + rows + `]}`
}

// TestX13_Answers gives wrong answers to a scan: each is malformed, none is an
// empty page.
func TestX13_Answers(t *testing.T) {
	t.Parallel()
	if _, err := openOn(t, tripper{200, queryAnswer(contactRow), nil}).Changes(t.Context(), connector.ChangesRequest{
		Object: "Contact", Fields: []string{"LastName"},
	}); err != nil {
		t.Fatalf("the right answer: %v", err)
	}
	replace := func(old, with string) string {
		return strings.Replace(queryAnswer(contactRow), old, with, 1)
	}
	for name, body := range map[string]string{
		"empty":                 "",
		"null":                  "null",
		"array":                 "[]",
		"no total":              replace(`"totalSize":1,`, ""),
		"no done":               replace(`"done":true,`, ""),
		"text total":            replace(`"totalSize":1`, `"totalSize":"1"`),
		"not done, and nothing": `{"totalSize":5,"done":false,"nextRecordsUrl":"/services/data/v67.0/query/x-1","records":[]}`,
		"row is null":           queryAnswer("null"),
		"row is text":           queryAnswer(`"x"`),
		"no ID":                 replace(`"Id":"003Lk0000000001IAA",`, ""),
		"odd ID":                replace("003Lk0000000001IAA", "003Lk0000000001IA'"),
		"wrong check part":      replace("003Lk0000000001IAA", "003Lk0000000001AAA"),
		"no stamp":              replace(`"SystemModstamp":"2026-01-02T03:04:05.000+0000",`, ""),
		"odd stamp":             replace(`"SystemModstamp":"2026-01-02T03:04:05.000+0000"`, `"SystemModstamp":"yesterday"`),
		"number stamp":          replace(`"SystemModstamp":"2026-01-02T03:04:05.000+0000"`, `"SystemModstamp":1767225600000`),
		"value is an object":    replace(`"Roe"`, `{"a":1}`),
		"value is a list":       replace(`"Roe"`, `["Roe"]`),
		"data behind":           queryAnswer(contactRow) + "x",
		"too many rows":         queryAnswer(strings.Repeat(contactRow+",", 2000) + contactRow),
		"deep":                  strings.Repeat("[", 100_000),
	} {
		_, err := openOn(t, tripper{200, body, nil}).Changes(t.Context(), connector.ChangesRequest{
			Object: "Contact", Fields: []string{"LastName"},
		})
		if !fault.Is(err, fault.Unavailable) || fault.CodeOf(err) != "malformed_answer" {
			t.Errorf("%s: %v, want unavailable, malformed_answer", name, err)
		}
	}
	for name, next := range map[string]string{
		"another host": "https://evil.example/x", "no path": "//evil.example/x", "another path": "/id/x",
		"dots": "/services/data/../../x", "query": "/services/data/v67.0/query/x?y",
	} {
		body := `{"totalSize":2,"done":false,"nextRecordsUrl":"` + next + `","records":[` + contactRow + `]}`
		_, err := openOn(t, tripper{200, body, nil}).BatchFind(t.Context(), "Contact", crm.Field{Name: "LastName"},
			[]string{"Roe"}, nil)
		if fault.CodeOf(err) != "malformed_answer" {
			t.Errorf("next page at %s: %v, want malformed_answer", name, err)
		}
	}
}

// TestX13_RowAnswers gives wrong answers to a write, whose effect is then unknown.
func TestX13_RowAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"fewer rows":       `[]`,
		"more rows":        `[{"id":"003Lk0000000001IAA","success":true},{"id":"003Lk0000000001IAA","success":true}]`,
		"no success":       `[{"id":"003Lk0000000001IAA"}]`,
		"text success":     `[{"id":"003Lk0000000001IAA","success":"true"}]`,
		"no ID":            `[{"success":true}]`,
		"another ID":       `[{"id":"003Lk0000000002IAA","success":true}]`,
		"null":             `[null]`,
		"an object":        `{"id":"003Lk0000000001IAA","success":true}`,
		"null altogether":  `null`,
		"a list in a list": `[[]]`,
	} {
		w := connector.Write{
			Op: connector.Update, ID: "003Lk0000000001IAA", Fields: crm.Fields{"LastName": crm.TextValue("x")}, Ref: "r",
		}
		out, err := openOn(t, tripper{200, body, nil}).BatchWrite(t.Context(), "Contact", []connector.Write{w})
		if fault.CodeOf(err) != "malformed_answer" || !fault.MayHaveLanded(err) || out != nil {
			t.Errorf("%s: %v, may have landed %v, want malformed_answer and true", name, err, fault.MayHaveLanded(err))
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	full := func() connector.Config {
		return connector.Config{
			BaseURL: instance, Kind: crm.AuthOAuth2, Now: time.Now, HTTP: http.DefaultClient,
			Tokens: connectortest.NewTokens(func() secret.Text { return secret.NewText("t") }),
		}
	}
	if _, err := salesforce.Open(full()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*connector.Config){
		"no base":    func(c *connector.Config) { c.BaseURL = "" },
		"bare host":  func(c *connector.Config) { c.BaseURL = "acme.my.salesforce.com" },
		"with path":  func(c *connector.Config) { c.BaseURL += "/services" },
		"with query": func(c *connector.Config) { c.BaseURL += "?a=b" },
		"kind":       func(c *connector.Config) { c.Kind = crm.AuthToken },
		"no tokens":  func(c *connector.Config) { c.Tokens = nil },
		"no client":  func(c *connector.Config) { c.HTTP = nil },
		"no clock":   func(c *connector.Config) { c.Now = nil },
	} {
		cfg := full()
		spoil(&cfg)
		if _, err := salesforce.Open(cfg); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	_, err := salesforce.Open(connector.Config{})
	if err == nil || strings.Count(err.Error(), ";") != 4 {
		t.Errorf("%v, want all five problems together", err)
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for object, want := range map[string]string{
		"Contact": "LastName", "Lead": "Company LastName", "Account": "Name", "Opportunity": "CloseDate Name StageName",
	} {
		fields, err := w.conn.Fields(t.Context(), object)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		byName := map[string]crm.Field{}
		for _, f := range fields {
			byName[f.Name] = f
			if f.Required {
				got[f.Name] = true
			}
		}
		for _, n := range strings.Fields(want) {
			if !got[n] {
				t.Errorf("%s: %s is not required", object, n)
			}
			delete(got, n)
		}
		if len(got) > 0 {
			t.Errorf("%s: required besides: %v", object, got)
		}
		if f := byName["SystemModstamp"]; !f.ReadOnly || f.Type != crm.TypeDateTime {
			t.Errorf("%s: SystemModstamp = %+v", object, f)
		}
		if f := byName["Email"]; f.Unique { // idLookup: it can be looked up by, and several records may share it
			t.Errorf("the e-mail is said to be unique: %+v", f)
		}
		if f := byName["Lockstep_Id__c"]; !f.External || !f.Unique || f.ReadOnly || f.MaxLength != 64 {
			t.Errorf("%s: Lockstep_Id__c = %+v", object, f)
		}
		if f := byName["Level__c"]; f.Type != crm.TypeOption || f.OpenOptions || len(f.Options) != 3 {
			t.Errorf("%s: Level__c = %+v", object, f)
		}
		if f := byName["OwnerId"]; f.Type != crm.TypeOwner || f.Required {
			t.Errorf("%s: OwnerId = %+v", object, f)
		}
		if f := byName["Tags__c"]; f.Type != crm.TypeOptions || !f.Multiple || !f.OpenOptions {
			t.Errorf("%s: Tags__c = %+v", object, f)
		}
		if f, ok := byName["MailingAddress"]; ok {
			t.Errorf("%s: the compound field %+v is offered", object, f)
		}
	}
}

// FuzzSalesforceAnswer gives arbitrary answers to every call: no panic, and
// either a whole result or a classified error.
func FuzzSalesforceAnswer(f *testing.F) {
	f.Add(200, queryAnswer(contactRow))
	f.Add(200, "["+contactRow+"]")
	f.Add(200, `[{"id":"003Lk0000000001IAA","success":true,"errors":[],"created":true}]`)
	f.Add(200, `[{"success":false,"errors":[{"statusCode":"DUPLICATE_VALUE","message":"record with id: 003Lk0000000001","fields":["Email"]}]}]`)
	f.Add(400, `[{"errorCode":"INVALID_FIELD","message":"No such column 'Foo' on sobject"}]`)
	f.Add(200, `{"deletedRecords":[{"id":"003Lk0000000001","deletedDate":"2026-01-02T03:04:05.000+0000"}],"earliestDateAvailable":"2026-01-02T03:04:05.000+0000","latestDateCovered":"2026-01-02T03:04:05.000+0000"}`)
	f.Add(200, `{"name":"Contact","fields":[{"name":"LastName","type":"string","label":"x","picklistValues":[{"value":"a","active":true}]}]}`)
	f.Add(200, `{"sobjects":[{"name":"Contact","label":"Contact","queryable":true}]}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c := openOn(t, tripper{status, body, nil})
		ctx := t.Context()
		ids := []crm.RecordID{"003Lk0000000001IAA"}
		reads, errRead := c.BatchRead(ctx, "Contact", ids, []string{"LastName"})
		found, errFind := c.BatchFind(ctx, "Contact", crm.Field{Name: "LastName"}, []string{"Roe"}, nil)
		wrote, errWrite := c.BatchWrite(ctx, "Contact", []connector.Write{
			{Op: connector.Create, Fields: crm.Fields{"LastName": crm.TextValue("x")}, Ref: "r"},
		})
		page, errScan := c.Changes(ctx, connector.ChangesRequest{Object: "Contact", Fields: []string{"LastName"}})
		_, errAll := c.Changes(ctx, connector.ChangesRequest{Object: "Contact", Full: true})
		_, errFields := c.Fields(ctx, "Contact")
		_, errObjects := c.Objects(ctx)
		_, errTest := c.Test(ctx)
		_, errGone := c.Extras().Deleted(ctx, "Contact", "", "")
		_, errOwner := c.Extras().OwnerByEmail(ctx, "a@example.com")
		for _, err := range []error{
			errRead, errFind, errWrite, errScan, errAll, errFields, errObjects, errTest, errGone,
			errOwner,
		} {
			if err != nil && fault.KindOf(err) == fault.Other {
				t.Fatalf("unclassified: %v", err)
			}
		}
		if errRead == nil && len(reads) != 1 || errFind == nil && len(found) != 1 || errWrite == nil && len(wrote) != 1 {
			t.Fatal("an answer has another number of entries than were asked for")
		}
		if errScan == nil && (page.Next == "") == (page.Cursor == "") {
			t.Fatal("a page has neither or both of position and cursor")
		}
		if status >= 300 && (errRead == nil || errScan == nil) {
			t.Fatal("an error status was taken for a result")
		}
	})
}

// TestTheOrgIsNamed: what the test of an account shows of the org that it is for.
func TestTheOrgIsNamed(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]string{
		`{"Id":"00D5g0000000001EAA","Name":"Acme","OrganizationType":"Developer Edition","IsSandbox":false,"InstanceName":"NA1"}`: "Developer Edition, instance NA1",
		`{"Id":"00D5g0000000001EAA","Name":"Acme","OrganizationType":"Enterprise Edition","IsSandbox":true,"InstanceName":null}`:  "Enterprise Edition, sandbox",
	} {
		got, err := openOn(t, tripper{200, queryAnswer(row), nil}).Test(t.Context())
		if err != nil || got.ExternalID != "00D5g0000000001EAA" || got.Name != "Acme" || got.Detail != want {
			t.Errorf("%+v, %v; want %q", got, err, want)
		}
	}
	for name, body := range map[string]string{
		"none": queryAnswer(""), "two": queryAnswer(contactRow + "," + contactRow),
		"no ID": queryAnswer(`{"Name":"Acme"}`),
	} {
		if _, err := openOn(t, tripper{200, body, nil}).Test(t.Context()); fault.CodeOf(err) != "malformed_answer" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestX13_ReadsAreAnsweredInTheirOrder: a retrieve answers row by row; one that
// holds another record at a place than was asked for is not handed out as it.
func TestX13_ReadsAreAnsweredInTheirOrder(t *testing.T) {
	t.Parallel()
	one, two := contactRow, strings.ReplaceAll(contactRow, "003Lk0000000001IAA", "003Lk0000000002IAA")
	ids := []crm.RecordID{"003Lk0000000001IAA", "003Lk0000000002IAA"}
	read := func(body string) ([]connector.Read, error) {
		return openOn(t, tripper{200, body, nil}).BatchRead(t.Context(), "Contact", ids, []string{"LastName"})
	}
	got, err := read("[" + one + "," + two + "]")
	if err != nil || got[0].Record == nil || got[0].Record.ID != ids[0] || got[1].Record == nil ||
		got[1].Record.ID != ids[1] {
		t.Fatalf("the right answer: %+v, %v", got, err)
	}
	for name, body := range map[string]string{
		"the other way round": "[" + two + "," + one + "]", "one twice": "[" + one + "," + one + "]",
		"one too few": "[" + one + "]",
	} {
		if _, err := read(body); fault.CodeOf(err) != "malformed_answer" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
