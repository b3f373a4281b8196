package salesforce_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	org   = "00Dxx0000001gPLEAY"
	other = "00Dxx0000001gPMEAY"
)

// envelope writes an outbound message the way Salesforce documents it.
func envelope(org, notifications string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
 <notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>` + org + `</OrganizationId><ActionId>04kxx0000000001AAA</ActionId>
  <SessionId xsi:nil="true"/><EnterpriseUrl>https://x/c</EnterpriseUrl><PartnerUrl>https://x/u</PartnerUrl>` + notifications + `</notifications></soapenv:Body></soapenv:Envelope>`
}

func notification(object, id string) string {
	return `<Notification><Id>04lxx0000000001AAA</Id><sObject xsi:type="sf:` + object +
		`" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">` +
		`<sf:Id>` + id + `</sf:Id><sf:Email>a&amp;b@example.com</sf:Email><sf:SystemModstamp>2026-01-02T03:04:05.000Z</sf:SystemModstamp></sObject></Notification>`
}

func post(body string) connector.WebhookRequest {
	return connector.WebhookRequest{
		Method: "POST", URL: "https://lockstep.example/hooks/t", Header: http.Header{"Content-Type": {"text/xml"}},
		Body: []byte(body),
	}
}

func TestX1_OutboundMessage(t *testing.T) {
	t.Parallel()
	hooks := salesforce.Driver().Webhooks
	good := envelope(org, notification("Contact", "003Lk0000000001IAA"))
	for name, c := range map[string]struct {
		req   connector.WebhookRequest
		trust string
		ok    bool
	}{
		"genuine":          {post(good), org, true},
		"short org ID":     {post(envelope(org[:15], notification("Contact", "003Lk0000000001"))), org, true},
		"trusted by short": {post(good), org[:15], true},
		"another org":      {post(envelope(other, notification("Contact", "003Lk0000000001IAA"))), org, false},
		"org by other case": {
			post(envelope(strings.ToLower(org), notification("Contact", "003Lk0000000001IAA"))), org,
			false,
		},
		"no org to trust": {post(good), "", false},
		"no org in it":    {post(envelope("", notification("Contact", "003Lk0000000001IAA"))), org, false},
		"two orgs": {
			post(strings.Replace(good, "<ActionId>", "<OrganizationId>"+other+"</OrganizationId><ActionId>", 1)), org, false,
		},
		"org inside a field": {
			post(envelope(other, strings.Replace(notification("Contact", "003Lk0000000001IAA"), "<sf:Email>",
				"<sf:OrganizationId>"+org+"</sf:OrganizationId><sf:Email>", 1))), org, false,
		},
		"GET":             {connector.WebhookRequest{Method: "GET", Body: []byte(good)}, org, false},
		"empty":           {post(""), org, false},
		"JSON":            {post(`{"OrganizationId":"` + org + `"}`), org, false},
		"other namespace": {post(strings.Replace(good, "2005/09/outbound", "2005/09/other", 1)), org, false},
		"document type": {
			post(strings.Replace(good, "<soapenv:Envelope", `<!DOCTYPE x [<!ENTITY o "`+org+`">]><soapenv:Envelope`, 1)), org,
			false,
		},
		"entity":   {post(envelope("&o;", notification("Contact", "003Lk0000000001IAA"))), org, false},
		"cut off":  {post(good[:len(good)-30]), org, false},
		"too deep": {post(strings.Repeat("<a>", 200) + good), org, false},
		"too large": {
			post(envelope(org, notification("Contact", "003Lk0000000001IAA")) + strings.Repeat(" ", 1<<20)), org, false,
		},
		"too many": {
			post(envelope(org, strings.Repeat(notification("Contact", "003Lk0000000001IAA"), 101))), org,
			false,
		},
		"bad UTF-8": {post(strings.Replace(good, "a&amp;b", "\xff\xfe", 1)), org, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := hooks.Verify(c.req, connector.WebhookTrust{ExternalID: c.trust}, time.Now())
			if (err == nil) != c.ok || err != nil && !fault.Is(err, fault.Denied) {
				t.Errorf("Verify: %v, want allowed %v", err, c.ok)
			}
		})
	}
}

func TestParseOutboundMessage(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	event := func(object string, id crm.RecordID) connector.Event {
		return connector.Event{Kind: connector.EventChanged, Object: object, ID: id, At: at, ExternalID: org}
	}
	for name, c := range map[string]struct {
		body string
		want []connector.Event
	}{
		"one": {
			envelope(org, notification("Contact", "003Lk0000000001")), []connector.Event{event("Contact", "003Lk0000000001IAA")},
		},
		"several": {
			envelope(org, notification("Contact", "003Lk0000000001IAA")+notification("Own__c", "a00Lk0000000001")),
			[]connector.Event{event("Contact", "003Lk0000000001IAA"), event("Own__c", "a00Lk0000000001IAA")},
		},
		"repeated": {
			envelope(org, strings.Repeat(notification("Lead", "00QLk0000000001"), 3)), []connector.Event{
				event("Lead", "00QLk0000000001MAA"),
			},
		},
		"no ID":     {envelope(org, notification("Contact", "")), nil},
		"odd ID":    {envelope(org, notification("Contact", "../../etc")), nil},
		"no object": {envelope(org, notification("", "003Lk0000000001IAA")), nil},
		"none":      {envelope(org, ""), nil},
		"stray":     {"<Notification><Id>x</Id></Notification>", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := salesforce.Driver().Webhooks.Parse(post(c.body))
			if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != (c.want != nil) {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
			if err != nil && !fault.Is(err, fault.Invalid) {
				t.Errorf("%v, want invalid", err)
			}
		})
	}
}

// TestAcknowledged lets the fake send to a receiver that answers as we do: it is
// sent again, the same, until the acknowledgement is right.
func TestAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Fake.Hook("https://lockstep.example/hooks/t", "")
	id := w.person(t, "Heard")
	reply := salesforce.Driver().Webhooks.Reply()
	var bodies []string
	answers := []func(http.ResponseWriter){
		func(r http.ResponseWriter) { r.WriteHeader(http.StatusServiceUnavailable) },
		func(r http.ResponseWriter) { _, _ = fmt.Fprint(r, "ok") },
		func(r http.ResponseWriter) {
			_, _ = fmt.Fprint(r, strings.Replace(reply.Body, "true", "false", 1))
		},
		func(r http.ResponseWriter) {
			r.Header().Set("Content-Type", reply.ContentType)
			r.WriteHeader(reply.Status)
			_, _ = fmt.Fprint(r, reply.Body)
		},
	}
	receiver := http.HandlerFunc(func(r http.ResponseWriter, req *http.Request) {
		rec := httptest.NewRecorder()
		_, _ = rec.Body.ReadFrom(req.Body)
		bodies = append(bodies, rec.Body.String())
		answers[len(bodies)-1](r)
	})
	for i := range answers {
		taken, err := w.org.Core().Deliver(t.Context(), fakekit.Client(receiver))
		if last := i == len(answers)-1; err != nil || (taken == 1) != last {
			t.Errorf("attempt %d: taken %d, %v", i, taken, err)
		}
		w.clock.Advance(3 * time.Hour)
	}
	if _, err := w.org.Core().Deliver(t.Context(), fakekit.Client(receiver)); err != nil || len(bodies) != len(answers) {
		t.Errorf("%d deliveries, %v, want %d and no more", len(bodies), err, len(answers))
	}
	for i, b := range bodies {
		if b != bodies[0] || !strings.Contains(b, string(id)) {
			t.Errorf("attempt %d differs from the first", i)
		}
	}
}

func FuzzOutboundMessage(f *testing.F) {
	f.Add(envelope(org, notification("Contact", "003Lk0000000001IAA")))
	f.Add(envelope(org, notification("Contact", "003Lk0000000001IAA")+notification("Lead", "00QLk0000000001MAA")))
	f.Add("<notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\"><Notification/></notifications>")
	f.Add("<!DOCTYPE a><a>&b;</a>")
	hooks := salesforce.Driver().Webhooks
	f.Fuzz(func(t *testing.T, body string) {
		events, err := hooks.Parse(post(body))
		if err != nil && (len(events) > 0 || !fault.Is(err, fault.Invalid)) {
			t.Fatalf("%d events and %v", len(events), err)
		}
		if err == nil && (len(events) == 0 || len(events) > 1000) {
			t.Fatalf("%d events without error", len(events))
		}
		for _, e := range events {
			if len(e.ID) != 18 || e.Object == "" || len(e.ExternalID) != 18 {
				t.Fatalf("event %+v", e)
			}
			if hooks.Verify(post(body), connector.WebhookTrust{ExternalID: e.ExternalID}, time.Now()) != nil {
				t.Fatal("the org that it names is not let in")
			}
		}
		if hooks.Verify(post(body), connector.WebhookTrust{ExternalID: "00Dxx000000zzzz"}, time.Now()) == nil &&
			!strings.Contains(body, "00Dxx000000zzzz") {
			t.Fatal("a foreign message was let in")
		}
	})
}
