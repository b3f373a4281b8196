package salesforcefake_test

import "testing"

// TestValuesThatTheOrgChanges shows what a write that succeeds may leave
// behind, what no write may touch, and rules that name fields or none.
func TestValuesThatTheOrgChanges(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.contact(`{"LastName":"Roe","Salutation":"Dr.","Email":"Ann.Roe@Example.COM"}`)
	read := func() answer {
		return c.call("GET", data+"/sobjects/Contact/"+id+"?fields=Email,Score__c,MailingCity,Salutation_Line__c", "")
	}
	if got := read(); got.at("Email") != "ann.roe@example.com" || got.at("Salutation_Line__c") != "Dear Dr. Roe" {
		t.Errorf("the org holds %s", got.text)
	}
	write := func(body string) answer { return c.call("PATCH", data+"/sobjects/Contact/"+id, body) }
	if a := write(`{"Salutation_Line__c":"x"}`); a.at(0, "errorCode") != "INVALID_FIELD_FOR_INSERT_UPDATE" ||
		a.at(0, "fields", 0) != "Salutation_Line__c" {
		t.Errorf("a formula field: %s", a.text)
	}
	c.knob("PUT", "/_fake/rewrites",
		`{"rules":[{"object":"Contact","field":"Score__c","how":"round"},{"object":"Contact","field":"MailingCity","how":"set","value":"Kiel","api_only":true}]}`)
	if a := write(`{"Score__c":2.6,"MailingCity":"Lund"}`); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	if got := read(); got.at("Score__c") != 3.0 || got.at("MailingCity") != "Kiel" {
		t.Errorf("the org holds %s", got.text)
	}
	c.knob("PUT", "/_fake/rewrites", `{"rules":[]}`)
	for names, want := range map[string]int{`["MailingCity","Score__c"]`: 2, `[]`: 0} {
		c.knob("PUT", "/_fake/validations", `{"rules":[{"object":"Contact","field":"MailingCity","contains":"Lund","names":`+
			names+`}]}`)
		a := c.call("PATCH", data+"/composite/sobjects",
			`{"allOrNone":false,"records":[{"attributes":{"type":"Contact"},"id":"`+id+`","MailingCity":"Lund"}]}`)
		fields, _ := a.at(0, "errors", 0, "fields").([]any)
		if a.at(0, "errors", 0, "statusCode") != "FIELD_CUSTOM_VALIDATION_EXCEPTION" || len(fields) != want {
			t.Errorf("names %s: %s", names, a.text)
		}
	}
}
