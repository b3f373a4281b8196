package realgeeks_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/realgeeks"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// A delivery of our own making in the form of the vendor's receiver, and the signature
// that it has under the secret, worked out apart from this program with
// openssl dgst -sha256 -hmac.
const (
	sample = `{"id":"3f0c2b9e7d514c3aa1d8e4f60b725c19","action":"created","created":"2026-03-02T09:30:00Z","site_uuid":"0b5e1d20-7c41-4a0f-9d7e-2f6a1c9b3e58",` +
		`"site_domain":"www.example.com","partner_id":"lockstep","source":"Website","first_name":"Ann","email":"ann@example.com","phone":"808-555-0147",` +
		`"phone2":"+49 30 901820","role":"Buyer","zip":null,"agent_name":"Alex Agent","activities":[{"type":"visited"}]}`
	vectorSecret = "a-secret-of-the-vector"
	signed       = "0e21de6b293c8ee1cefb06fcce475a7c64cf24ce4b18f24a459ec681b3a42b2f"
	header       = "X-Lead-Router-Signature"
)

func delivered(body string, header ...string) connector.WebhookRequest {
	r := connector.WebhookRequest{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body)}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// TestVerify holds the signature against the vector. The age of a delivery refuses none:
// nobody can ask for its lead again.
func TestVerify(t *testing.T) {
	t.Parallel()
	hooks, trust := realgeeks.Driver().Webhooks, connector.WebhookTrust{
		Secret:     secret.NewText(vectorSecret),
		ExternalID: site,
	}
	for _, at := range []time.Time{{}, time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if err := hooks.Verify(delivered(sample, header, signed), trust, at); err != nil {
			t.Fatal(err)
		}
	}
	other := trust
	other.ExternalID = "00000000000040008000000000000001"
	for name, c := range map[string]struct {
		req   connector.WebhookRequest
		trust connector.WebhookTrust
	}{
		"unsigned":      {delivered(sample), trust},
		"signed twice":  {delivered(sample, header, signed, header, signed), trust},
		"final newline": {delivered(sample+"\n", header, signed), trust},
		"another site":  {delivered(sample, header, signed), other},
	} {
		if err := hooks.Verify(c.req, c.trust, time.Now()); !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v, want Denied", name, err)
		}
	}
}

// TestParse reads the lead out of the delivery: IDs without dashes, the header's word and
// time before the body's, numbers with their country, what is empty as unset.
func TestParse(t *testing.T) {
	t.Parallel()
	hooks := realgeeks.Driver().Webhooks
	parse := func(body string, header ...string) connector.Event {
		t.Helper()
		events, err := hooks.Parse(delivered(body, header...))
		if err != nil || len(events) != 1 || events[0].Record == nil {
			t.Fatalf("%+v, %v", events, err)
		}
		return events[0]
	}
	e := parse(sample, "X-Lead-Router-Timestamp", "2026-03-02T09:31:02.123456789Z", "X-Lead-Router-Action", "updated")
	if e.ID != "3f0c2b9e7d514c3aa1d8e4f60b725c19" || e.ExternalID != site || e.Object != "leads" ||
		e.Kind != connector.EventChanged ||
		e.At.Nanosecond() != 123456789 {
		t.Errorf("the event is %+v", e)
	}
	for f, want := range map[string]string{
		"first_name": "Ann", "phone": "+1 808-555-0147", "phone2": "+49 30 901820",
		"role": "Buyer", "agent_name": "Alex Agent",
	} {
		if got := e.Record.Fields[f]; got.Text() != want {
			t.Errorf("%s is %q, want %q", f, got.Text(), want)
		}
	}
	if f := e.Record.Fields; f["city"].Kind() != crm.Absent || f["zip"].Kind() != crm.Null {
		t.Errorf("what was not sent is %v, what is null %v", f["city"].Kind(), f["zip"].Kind())
	}
	unset := string(bytes.Replace([]byte(sample), []byte(`"Ann"`), []byte(`""`), 1))
	if e := parse(unset); e.Record.Fields["first_name"].Kind() != crm.Null ||
		!e.At.Equal(time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)) {
		t.Errorf("an empty value: %+v", e)
	}
	if events, err := hooks.Parse(delivered(sample, "X-Lead-Router-Action",
		"potential_seller_lead_created")); err != nil ||
		len(events) != 0 {
		t.Errorf("of another action: %v, %v; the header's counts first", events, err)
	}
	odd := string(bytes.Replace([]byte(sample), []byte(`"Ann"`), []byte(`{"a":1}`), 1))
	for _, body := range []string{``, `null`, `[]`, `{"id":"7","action":"created"}`, odd} {
		if _, err := hooks.Parse(delivered(body)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want Invalid", body, err)
		}
	}
}
