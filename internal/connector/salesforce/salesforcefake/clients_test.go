package salesforcefake_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestTrailingSlashes asks for the same things with a slash behind them, as
// simple-salesforce does.
func TestTrailingSlashes(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, path := range []string{
		"/services/data", data, data + "/limits", data + "/sobjects", data + "/sobjects/Contact",
		data + "/sobjects/Contact/describe",
	} {
		plain, slashed := c.call("GET", path, ""), c.call("GET", path+"/", "")
		if plain.status != http.StatusOK || slashed.status != plain.status ||
			(path != data+"/limits" && slashed.text != plain.text) {
			t.Errorf("%s: %d, with a slash %d %s", path, plain.status, slashed.status, slashed.text)
		}
	}
	if a := c.call("POST", data+"/sobjects/Contact/", `{"LastName":"Roe"}`); a.status != http.StatusCreated {
		t.Errorf("create: %d %s", a.status, a.text)
	}
	for _, path := range []string{"/query/", "/queryAll/"} {
		if a := c.call("GET", data+path+"?q="+url.QueryEscape("SELECT Id FROM Contact"), ""); a.at("totalSize") != 1.0 {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
}

// TestAggregates counts and groups.
func TestAggregates(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for i, source := range []string{"Web", "Web", "Other", ""} {
		c.contact(fmt.Sprintf(`{"LastName":"L%d","LeadSource":%q,"Score__c":%d,"MailingCity":"Lund"}`, i, source, i+1))
	}
	for soql, want := range map[string]string{
		"SELECT COUNT() FROM Contact WHERE LeadSource = 'Web'":                                                         `[]`,
		"SELECT COUNT(Id) FROM Contact":                                                                                `[{"expr0":4}]`,
		"SELECT COUNT(LeadSource) n, COUNT(Id) FROM Contact":                                                           `[{"expr0":4,"n":3}]`,
		"SELECT COUNT_DISTINCT(LeadSource) FROM Contact":                                                               `[{"expr0":2}]`,
		"SELECT COUNT(Id) FROM Contact WHERE LastName = 'none'":                                                        `[{"expr0":0}]`,
		"SELECT SUM(Score__c), AVG(Score__c) mean FROM Contact":                                                        `[{"expr0":10,"mean":2.5}]`,
		"SELECT MIN(LastName) a, MAX(Score__c) b FROM Contact":                                                         `[{"a":"L0","b":4}]`,
		"SELECT MailingCity FROM Contact GROUP BY MailingCity":                                                         `[{"MailingCity":"Lund"}]`,
		"SELECT MAX(Score__c) FROM Contact WHERE LastName = 'x'":                                                       `[{"expr0":null}]`,
		"SELECT LeadSource, COUNT(Id) n FROM Contact GROUP BY LeadSource ORDER BY LeadSource":                          `[{"LeadSource":null,"n":1},{"LeadSource":"Other","n":1},{"LeadSource":"Web","n":2}]`,
		"SELECT LeadSource s, COUNT(Id) FROM Contact GROUP BY LeadSource HAVING COUNT(Id) > 1":                         `[{"expr0":2,"s":"Web"}]`,
		"SELECT LeadSource FROM Contact GROUP BY LeadSource HAVING SUM(Score__c) >= 3 ORDER BY SUM(Score__c) DESC":     `[{"LeadSource":null},{"LeadSource":"Web"},{"LeadSource":"Other"}]`,
		"SELECT LeadSource FROM Contact GROUP BY LeadSource ORDER BY COUNT(Id) DESC, LeadSource DESC LIMIT 1":          `[{"LeadSource":"Web"}]`,
		"SELECT LeadSource FROM Contact GROUP BY LeadSource ORDER BY COUNT(Id) DESC, LeadSource DESC LIMIT 1 OFFSET 1": `[{"LeadSource":"Other"}]`,
	} {
		a := c.query(soql)
		records, _ := a.at("records").([]any)
		if a.status != http.StatusOK || records == nil {
			t.Errorf("%s: %d %s", soql, a.status, a.text)
			continue
		}
		for _, r := range records {
			row, _ := r.(map[string]any)
			if fmt.Sprint(row["attributes"]) != "map[type:AggregateResult]" {
				t.Errorf("%s: attributes %v", soql, row["attributes"])
			}
			delete(row, "attributes")
		}
		got, err := json.Marshal(records)
		if err != nil || string(got) != want {
			t.Errorf("%s:\n%s, want\n%s", soql, got, want)
		}
	}
	if n := c.query("SELECT COUNT() FROM Contact WHERE LeadSource = 'Web'").at("totalSize"); n != 2.0 {
		t.Errorf("COUNT() is %v, want 2", n)
	}
	for soql, code := range map[string]string{
		"SELECT LastName, COUNT(Id) FROM Contact":                                 "MALFORMED_QUERY",
		"SELECT LastName n FROM Contact":                                          "MALFORMED_QUERY",
		"SELECT SUM(LastName) FROM Contact":                                       "MALFORMED_QUERY",
		"SELECT COUNT(Nope) FROM Contact":                                         "INVALID_FIELD",
		"SELECT COUNT(Id) FROM Contact HAVING COUNT(Id) > 1":                      "MALFORMED_QUERY",
		"SELECT COUNT(Id) n, COUNT(LastName) n FROM Contact":                      "MALFORMED_QUERY",
		"SELECT Description FROM Contact GROUP BY Description":                    "MALFORMED_QUERY",
		"SELECT LeadSource FROM Contact GROUP BY LeadSource ORDER BY LastName":    "MALFORMED_QUERY",
		"SELECT LeadSource FROM Contact GROUP BY LeadSource HAVING LastName = ''": "MALFORMED_QUERY",
		"SELECT COUNT(Id FROM Contact":                                            "MALFORMED_QUERY",
	} {
		if a := c.query(soql); a.status != http.StatusBadRequest || a.at(0, "errorCode") != code {
			t.Errorf("%s: %d %s, want %s", soql, a.status, a.text, code)
		}
	}
}

// TestSearches finds records by words, once the index knows them.
func TestSearches(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	ann := c.contact(`{"FirstName":"Ann","LastName":"Roe-Smith","Email":"Ann.Roe@Example.com","Phone":"(212) 555-0122","Description":"likes chess"}`)
	bob := c.contact(`{"FirstName":"Bob","LastName":"Roe","Email":"bob@example.org"}`)
	search := func(sosl string) answer {
		return c.call("GET", data+"/search/?q="+url.QueryEscape(sosl), "")
	}
	for sosl, want := range map[string][]string{
		"FIND {Roe}":       {ann, bob},
		"FIND {roe ann}":   {ann},
		`FIND {"ann roe"}`: {ann},
		"FIND {chess OR bob} RETURNING Contact(Id, LastName)":          {ann, bob},
		"FIND {roe AND NOT chess} RETURNING Contact":                   {bob},
		"FIND {chess} IN NAME FIELDS RETURNING Contact":                {},
		"FIND {roe*} IN NAME FIELDS RETURNING Contact(Id)":             {ann, bob},
		"FIND {smi?h} IN NAME FIELDS RETURNING Contact(Id)":            {ann},
		"FIND {ann.roe@example.com} IN EMAIL FIELDS RETURNING Contact": {ann},
		"FIND {2125550122} IN PHONE FIELDS RETURNING Contact":          {ann},
		`FIND {Roe\-Smith} RETURNING Contact(Id)`:                      {ann},
		"FIND {roe} RETURNING Contact(Id WHERE FirstName = 'Bob')":     {bob},
		"FIND {roe} RETURNING Contact(Id ORDER BY LastName), Lead":     {bob, ann},
		"FIND {roe} RETURNING Contact(Id ORDER BY LastName LIMIT 1)":   {bob},
		"FIND {roe} RETURNING Lead, Contact(Id) LIMIT 1":               {ann},
		"FIND {roe} RETURNING Lead":                                    {},
	} {
		a := search(sosl)
		records, ok := a.at("searchRecords").([]any)
		got := make([]string, 0, len(records))
		for _, r := range records {
			row, _ := r.(map[string]any)
			got = append(got, fmt.Sprint(row["Id"]))
		}
		if !ok || a.status != http.StatusOK || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %d %v, want %v", sosl, a.status, got, want)
		}
	}
	for sosl, code := range map[string]string{
		"": "MALFORMED_SEARCH", "FIND Roe": "MALFORMED_SEARCH", "FIND {Roe": "MALFORMED_SEARCH",
		"FIND {a}": "MALFORMED_SEARCH", "FIND {*}": "MALFORMED_SEARCH",
		"FIND {roe} IN BODY FIELDS": "MALFORMED_SEARCH", "FIND {roe} RETURNING Nope": "INVALID_TYPE",
		"FIND {roe} RETURNING Contact(Nope)": "INVALID_FIELD",
		"FIND {roe} RETURNING Contact(Id":    "MALFORMED_QUERY", "FIND {roe} ALSO": "MALFORMED_QUERY",
	} {
		if a := search(sosl); a.status != http.StatusBadRequest || a.at(0, "errorCode") != code {
			t.Errorf("%q: %d %s, want %s", sosl, a.status, a.text, code)
		}
	}
	c.fake.Core().SetLag(time.Minute, false)
	c.contact(`{"LastName":"Late"}`)
	if a := search("FIND {late}"); len(a.at("searchRecords").([]any)) != 0 {
		t.Errorf("found before the index knew it: %s", a.text)
	}
	c.clock.Advance(time.Minute)
	if a := search("FIND {late}"); len(a.at("searchRecords").([]any)) != 1 {
		t.Errorf("not found afterwards: %s", a.text)
	}
}

// TestComposite makes records that refer to each other in one call, all or none.
func TestComposite(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	parts := `{"method":"POST","url":"` + data + `/sobjects/Account","referenceId":"acc","body":{"Name":"Acme"}},` +
		`{"method":"POST","url":"` + data +
		`/sobjects/Contact/","referenceId":"con","body":{"LastName":"Roe","AccountId":"@{acc.id}"}},` +
		`{"method":"GET","url":"` + data + `/sobjects/Contact/@{con.id}?fields=LastName,AccountId","referenceId":"read"}`
	a := c.call("POST", data+"/composite", `{"allOrNone":true,"compositeRequest":[`+parts+`]}`)
	if a.at("compositeResponse", 0, "httpStatusCode") != 201.0 ||
		a.at("compositeResponse", 2, "httpStatusCode") != 200.0 ||
		a.at("compositeResponse", 2, "body", "AccountId") != a.at("compositeResponse", 0, "body", "id") ||
		a.at("compositeResponse", 1, "referenceId") != "con" {
		t.Fatalf("%d %s", a.status, a.text)
	}
	count := func() any { return c.query("SELECT COUNT() FROM Account").at("totalSize") }
	bad := `{"method":"PATCH","url":"` + data +
		`/sobjects/Account/001Lk0000000099","referenceId":"bad","body":{"Name":"X"}}`
	fresh := func(name string) string {
		return `{"method":"POST","url":"` + data + `/sobjects/Account","referenceId":"` + name + `","body":{"Name":"Acme"}}`
	}
	a = c.call("POST", data+"/composite/", `{"allOrNone":true,"compositeRequest":[`+fresh("one")+`,`+bad+`,`+fresh("two")+
		`]}`)
	if a.at("compositeResponse", 0, "body", 0, "errorCode") != "PROCESSING_HALTED" ||
		a.at("compositeResponse", 1, "httpStatusCode") != 404.0 ||
		a.at("compositeResponse", 2, "body", 0, "errorCode") != "PROCESSING_HALTED" || count() != 1.0 {
		t.Errorf("all or none: %v accounts, %s", count(), a.text)
	}
	a = c.call("POST", data+"/composite", `{"allOrNone":false,"compositeRequest":[`+fresh("one")+`,`+bad+
		`,{"method":"GET","url":"`+data+`/sobjects/Account/@{bad.id}","referenceId":"after"}]}`)
	if a.at("compositeResponse", 0, "httpStatusCode") != 201.0 ||
		a.at("compositeResponse", 2, "body", 0, "errorCode") != "PROCESSING_HALTED" || count() != 2.0 {
		t.Errorf("some: %v accounts, %s", count(), a.text)
	}
	for name, body := range map[string]string{
		"none": `{"compositeRequest":[]}`, "26": `{"compositeRequest":[` + strings.Repeat(fresh("x")+",", 25) + fresh("y") +
			`]}`,
		"name used twice": `{"compositeRequest":[` + fresh("x") + `,` + fresh("x") + `]}`,
	} {
		if a := c.call("POST", data+"/composite", body); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	nested := c.call("POST", data+"/composite", `{"compositeRequest":[{"method":"POST","url":"`+data+
		`/composite/","referenceId":"in","body":{}}]}`)
	if nested.at("compositeResponse", 0, "body", 0, "errorCode") != "INVALID_INPUT" {
		t.Errorf("a composite in a composite: %s", nested.text)
	}
}

// TestCompositeKeepsCollectionsTogether takes back what a collection wrote when
// a later part of the same composite fails.
func TestCompositeKeepsCollectionsTogether(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	a := c.call("POST", data+"/composite", `{"allOrNone":true,"compositeRequest":[`+
		`{"method":"POST","url":"`+data+
		`/composite/sobjects","referenceId":"many","body":{"allOrNone":false,"records":[{"attributes":{"type":"Contact"},"LastName":"A"},{"attributes":{"type":"Contact"},"LastName":"B"}]}},`+
		`{"method":"DELETE","url":"`+data+`/sobjects/Contact/003Lk0000000099","referenceId":"bad"}]}`)
	if n := c.query("SELECT COUNT() FROM Contact").at("totalSize"); n != 0.0 ||
		a.at("compositeResponse", 1, "httpStatusCode") != 404.0 {
		t.Errorf("%v contacts, %s", n, a.text)
	}
}

// TestCompositeBatch runs calls that know nothing of each other.
func TestCompositeBatch(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.contact(`{"LastName":"Roe"}`)
	parts := `{"method":"PATCH","url":"v67.0/sobjects/Contact/` + id +
		`","richInput":{"LastName":"Doe"}},{"method":"GET","url":"v67.0/sobjects/Contact/` + id + `?fields=LastName"}`
	a := c.call("POST", data+"/composite/batch", `{"batchRequests":[`+parts+`]}`)
	if a.at("hasErrors") != false || a.at("results", 0, "statusCode") != 204.0 || a.at("results", 0, "result") != nil ||
		a.at("results", 1, "result", "LastName") != "Doe" {
		t.Errorf("%d %s", a.status, a.text)
	}
	bad := `{"method":"GET","url":"v67.0/sobjects/Contact/003Lk0000000099"}`
	a = c.call("POST", data+"/composite/batch/", `{"haltOnError":true,"batchRequests":[`+bad+`,`+parts+`]}`)
	if a.at("hasErrors") != true || a.at("results", 1, "statusCode") != 412.0 ||
		a.at("results", 1, "result", 0, "errorCode") != "BATCH_PROCESSING_HALTED" {
		t.Errorf("halted: %d %s", a.status, a.text)
	}
	a = c.call("POST", data+"/composite/batch", `{"batchRequests":[`+bad+`,`+parts+`]}`)
	if a.at("hasErrors") != true || a.at("results", 2, "statusCode") != 200.0 {
		t.Errorf("not halted: %d %s", a.status, a.text)
	}
	wrong := strings.Replace(parts, `"GET"`, `"TRACE"`, 1)
	a = c.call("POST", data+"/composite/batch", `{"batchRequests":[`+strings.Replace(wrong, "Doe", "Poe", 1)+`]}`)
	if name := c.call("GET", data+"/sobjects/Contact/"+id, "").at("LastName"); a.status != http.StatusBadRequest ||
		name != "Doe" {
		t.Errorf("a method that there is not: %d, and the name is %v", a.status, name)
	}
}
