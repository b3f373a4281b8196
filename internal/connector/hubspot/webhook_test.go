package hubspot_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

const hookURL = "https://lockstep.example/hooks/t0ken?x=1"

var hookNow = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// delivery signs a body as HubSpot does.
func delivery(body string, at time.Time) connector.WebhookRequest {
	ms := strconv.FormatInt(at.UnixMilli(), 10)
	h := http.Header{}
	h.Set("X-HubSpot-Request-Timestamp", ms)
	h.Set("X-HubSpot-Signature-v3", hubspotfake.Sign("s3cret", "POST", hookURL, []byte(body), ms))
	return connector.WebhookRequest{Method: "POST", URL: hookURL, Header: h, Body: []byte(body)}
}

func trust(portal string) connector.WebhookTrust {
	return connector.WebhookTrust{Secret: secret.NewText("s3cret"), ExternalID: portal}
}

const oneEvent = `[{"eventId":1,"portalId":33,"subscriptionType":"contact.creation","objectId":1246,"occurredAt":1767225600000}]`

// TestX1_ForgedDeliveries tries what must not get in.
func TestX1_ForgedDeliveries(t *testing.T) {
	t.Parallel()
	hooks := hubspot.Driver().Webhooks
	if err := hooks.Verify(delivery(oneEvent, hookNow), trust("33"), hookNow); err != nil {
		t.Fatalf("the genuine delivery: %v", err)
	}
	set := func(name, value string) func(*connector.WebhookRequest) {
		return func(d *connector.WebhookRequest) { d.Header.Set(name, value) }
	}
	for name, change := range map[string]func(*connector.WebhookRequest){
		"altered body":         func(d *connector.WebhookRequest) { d.Body[10] ^= 1 },
		"longer body":          func(d *connector.WebhookRequest) { d.Body = append(d.Body, ' ') },
		"another method":       func(d *connector.WebhookRequest) { d.Method = "PUT" },
		"another host":         func(d *connector.WebhookRequest) { d.URL = strings.Replace(d.URL, "lockstep.", "evil.", 1) },
		"another scheme":       func(d *connector.WebhookRequest) { d.URL = strings.Replace(d.URL, "https", "http", 1) },
		"another query":        func(d *connector.WebhookRequest) { d.URL += "&y=2" },
		"another time":         set("X-HubSpot-Request-Timestamp", strconv.FormatInt(hookNow.UnixMilli()+1, 10)),
		"time in words":        set("X-HubSpot-Request-Timestamp", "now"),
		"no signature":         func(d *connector.WebhookRequest) { d.Header.Del("X-HubSpot-Signature-v3") },
		"no time":              func(d *connector.WebhookRequest) { d.Header.Del("X-HubSpot-Request-Timestamp") },
		"empty signature":      set("X-HubSpot-Signature-v3", ""),
		"short signature":      set("X-HubSpot-Signature-v3", "AAAA"),
		"signature no base64":  set("X-HubSpot-Signature-v3", "!!"),
		"signature twice":      func(d *connector.WebhookRequest) { d.Header.Add("X-HubSpot-Signature-v3", "AAAA") },
		"signature of v1 only": func(d *connector.WebhookRequest) { d.Header = http.Header{"X-Hubspot-Signature": {"00"}} },
	} {
		d := delivery(oneEvent, hookNow)
		change(&d)
		if err := hooks.Verify(d, trust("33"), hookNow); !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v, want denied", name, err)
		}
	}
}

// TestX1_OldAndFutureDeliveries keeps the window of five minutes, either way.
func TestX1_OldAndFutureDeliveries(t *testing.T) {
	t.Parallel()
	hooks := hubspot.Driver().Webhooks
	for age, ok := range map[time.Duration]bool{
		0: true, 5 * time.Minute: true, 5*time.Minute + time.Millisecond: false, 24 * time.Hour: false,
		-5 * time.Minute: true, -5*time.Minute - time.Millisecond: false, -24 * time.Hour: false,
	} {
		err := hooks.Verify(delivery(oneEvent, hookNow.Add(-age)), trust("33"), hookNow)
		if (err == nil) != ok || err != nil && !fault.Is(err, fault.Denied) {
			t.Errorf("age %s: %v, want accepted %t", age, err, ok)
		}
	}
}

// TestX1_TrustIsComplete accepts nothing without a secret, nor for another account.
func TestX1_TrustIsComplete(t *testing.T) {
	t.Parallel()
	hooks := hubspot.Driver().Webhooks
	mixed := `[{"portalId":44,"subscriptionType":"contact.creation","objectId":1},{"portalId":33,"subscriptionType":"contact.creation","objectId":2}]`
	for name, tc := range map[string]struct {
		body  string
		trust connector.WebhookTrust
		ok    bool
	}{
		"ours":            {oneEvent, trust("33"), true},
		"mixed":           {mixed, trust("33"), true},
		"another account": {oneEvent, trust("34"), false},
		"no account":      {oneEvent, trust(""), false},
		"no secret":       {oneEvent, connector.WebhookTrust{ExternalID: "33"}, false},
		"another secret":  {oneEvent, connector.WebhookTrust{Secret: secret.NewText("other"), ExternalID: "33"}, false},
	} {
		if err := hooks.Verify(delivery(tc.body, hookNow), tc.trust, hookNow); (err == nil) != tc.ok {
			t.Errorf("%s: %v, want accepted %t", name, err, tc.ok)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1767225600000).UTC()
	ev := func(kind connector.EventKind, object, id, into string) connector.Event {
		return connector.Event{
			Kind: kind, Object: object, ID: crm.RecordID(id), MergedInto: crm.RecordID(into), At: at,
			ExternalID: "33",
		}
	}
	lost := func(id, into, primary string) connector.Event {
		e := ev("merged", "contacts", id, into)
		e.Primary = crm.RecordID(primary)
		return e
	}
	one := func(rest string) string {
		return `[{"portalId":33,"occurredAt":1767225600000,` + rest + `}]`
	}
	tests := map[string]struct {
		body string
		want []connector.Event
		bad  bool
	}{
		"creation": {
			body: one(`"subscriptionType":"contact.creation","objectId":1`), want: []connector.Event{
				ev("changed", "contacts", "1", ""),
			},
		},
		"change": {
			body: one(`"subscriptionType":"company.propertyChange","objectId":1,"propertyName":"name","propertyValue":"x"`),
			want: []connector.Event{ev("changed", "companies", "1", "")},
		},
		"restore": {
			body: one(`"subscriptionType":"deal.restore","objectId":1`), want: []connector.Event{
				ev("changed", "deals", "1", ""),
			},
		},
		"deletion": {
			body: one(`"subscriptionType":"contact.deletion","objectId":1`), want: []connector.Event{
				ev("deleted", "contacts", "1", ""),
			},
		},
		"privacy": {
			body: one(`"subscriptionType":"contact.privacyDeletion","objectId":1`), want: []connector.Event{
				ev("erased", "contacts", "1", ""),
			},
		},
		"generic": {
			body: one(`"subscriptionType":"object.creation","objectTypeId":"0-3","objectId":1`), want: []connector.Event{
				ev("changed", "deals", "1", ""),
			},
		},
		"association": {
			body: one(`"subscriptionType":"contact.associationChange","fromObjectId":1,"toObjectId":2`),
			want: []connector.Event{ev("changed", "contacts", "1", "")},
		},
		"merge, new ID": {
			body: one(`"subscriptionType":"contact.merge","objectId":3,"primaryObjectId":1,"mergedObjectIds":[2],"newObjectId":3`), want: []connector.Event{lost("2", "3", "1"), lost("1", "3", "1"), ev("changed", "contacts", "3", "")},
		},
		"merge, primary named among the merged": {
			body: one(`"subscriptionType":"contact.merge","objectId":3,"primaryObjectId":1,"mergedObjectIds":[1,2],"newObjectId":3`), want: []connector.Event{lost("1", "3", "1"), lost("2", "3", "1"), ev("changed", "contacts", "3", "")},
		},
		"merge, the other ID is kept": {
			body: one(`"subscriptionType":"contact.merge","objectId":2,"primaryObjectId":1,"mergedObjectIds":[2],"newObjectId":2`), want: []connector.Event{lost("1", "2", "1"), ev("changed", "contacts", "2", "")},
		},
		"merge of three": {
			body: one(`"subscriptionType":"company.merge","objectId":1,"primaryObjectId":1,"mergedObjectIds":[2,3],"newObjectId":1`), want: []connector.Event{ev("merged", "companies", "2", "1"), ev("merged", "companies", "3", "1"), ev("changed", "companies", "1", "")},
		},
		"merge, old ID": {
			body: one(`"subscriptionType":"contact.merge","objectId":1,"primaryObjectId":1,"mergedObjectIds":[2]`),
			want: []connector.Event{ev("merged", "contacts", "2", "1"), ev("changed", "contacts", "1", "")},
		},
		"other object": {body: one(`"subscriptionType":"ticket.creation","objectId":1`)},
		"custom object": {
			body: one(`"subscriptionType":"object.creation","objectTypeId":"2-77","objectId":1`),
		},
		"new verb": {body: one(`"subscriptionType":"contact.applauded","objectId":1`)},
		"nothing":  {body: `[]`},
		"huge ID": {
			body: one(`"subscriptionType":"contact.creation","objectId":9007199254740993`), want: []connector.Event{
				ev("changed", "contacts", "9007199254740993", ""),
			},
		},
		"no time": {
			body: `[{"portalId":33,"subscriptionType":"contact.creation","objectId":1}]`, want: []connector.Event{
				{Kind: "changed", Object: "contacts", ID: "1", ExternalID: "33"},
			},
		},
		"object":        {body: `{"portalId":33}`, bad: true},
		"trailing data": {body: `[] []`, bad: true},
		"no record":     {body: one(`"subscriptionType":"contact.creation"`), bad: true},
		"odd record": {
			body: one(`"subscriptionType":"contact.creation","objectId":"../1"`), bad: true,
		},
		"negative": {
			body: one(`"subscriptionType":"contact.creation","objectId":-1`), bad: true,
		},
		"fraction": {
			body: one(`"subscriptionType":"contact.creation","objectId":1.5`), bad: true,
		},
		"no portal":     {body: `[{"subscriptionType":"contact.creation","objectId":1}]`, bad: true},
		"no type":       {body: one(`"objectId":1`), bad: true},
		"merge of whom": {body: one(`"subscriptionType":"contact.merge","objectId":1`), bad: true},
		"too many": {
			body: "[" + strings.Repeat(`{"portalId":33,"subscriptionType":"contact.creation","objectId":1},`, 1000) +
				`{"portalId":33,"subscriptionType":"contact.creation","objectId":1}]`, bad: true,
		},
		"too many merged": {
			body: one(`"subscriptionType":"contact.merge","newObjectId":3,"mergedObjectIds":[` + strings.Repeat("1,", 1000) +
				`2]`), bad: true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := hubspot.Driver().Webhooks.Parse(delivery(tc.body, hookNow))
			if (err != nil) != tc.bad || err != nil && !fault.Is(err, fault.Invalid) {
				t.Fatalf("%v, want an error %t", err, tc.bad)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestParseMergesHints has one record changed in many properties.
func TestParseMergesHints(t *testing.T) {
	t.Parallel()
	e := func(ms string) string {
		return `{"portalId":33,"subscriptionType":"contact.propertyChange","objectId":1,"occurredAt":` + ms + `}`
	}
	got, err := hubspot.Driver().Webhooks.Parse(delivery("["+e("2000")+","+e("3000")+","+e("1000")+"]", hookNow))
	if err != nil || len(got) != 1 || got[0].At.UnixMilli() != 3000 {
		t.Errorf("%+v, %v, want one hint of the latest time", got, err)
	}
}

// TestHearsTheFake merges, deletes, restores and erases in the fake and hears of it.
func TestHearsTheFake(t *testing.T) {
	t.Parallel()
	fake := hubspotfake.New(fakekit.Config{Now: func() time.Time { return hookNow }})
	core, hooks := fake.Core(), hubspot.Driver().Webhooks
	core.SetWebhooks(fakekit.Webhooks{URL: hookURL, Secret: "s3cret"})
	a, _ := core.CreateRecord("contacts", map[string]string{"lastname": "A"})
	b, _ := core.CreateRecord("contacts", map[string]string{"lastname": "B"})
	d, _ := core.CreateRecord("contacts", map[string]string{"lastname": "D"})
	core.Take()
	survivor, err := core.MergeRecord("contacts", b.ID, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{core.DeleteRecord("contacts", survivor.ID), fake.Erase("contacts", d.ID)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := core.RestoreRecord("contacts", survivor.ID); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, out := range core.Take() {
		req := connector.WebhookRequest{
			Method: out.Packed.Method, URL: out.Packed.URL, Header: out.Packed.Header, Body: out.Packed.Body,
		}
		if err := hooks.Verify(req, trust(strconv.Itoa(hubspotfake.PortalID)), hookNow); err != nil {
			t.Fatal(err)
		}
		events, err := hooks.Parse(req)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			kinds[string(e.Kind)+" "+string(e.ID)+" "+string(e.MergedInto)] = true
		}
	}
	for _, want := range []string{
		"merged " + a.ID + " " + survivor.ID, "merged " + b.ID + " " + survivor.ID, "changed " + survivor.ID + " ",
		"deleted " + survivor.ID + " ", "erased " + d.ID + " ", "deleted " + d.ID + " ",
	} {
		if !kinds[want] {
			t.Errorf("nobody told: %s; told were %v", want, kinds)
		}
	}
}

// FuzzHubSpotWebhook feeds deliveries of any content: no panic, no event
// without a proper record, nothing foreign let in.
func FuzzHubSpotWebhook(f *testing.F) {
	f.Add([]byte(oneEvent), "")
	f.Add([]byte(`[{"portalId":33,"subscriptionType":"contact.merge","primaryObjectId":1,"mergedObjectIds":[2,3],"newObjectId":4}]`), "x")
	f.Add([]byte(`[{"portalId":33,"subscriptionType":"object.deletion","objectTypeId":"0-2","objectId":1}]`), "1")
	f.Add([]byte(`[[[[`), "AAAA")
	f.Fuzz(func(t *testing.T, body []byte, signature string) {
		hooks := hubspot.Driver().Webhooks
		d := delivery(string(body), hookNow)
		events, err := hooks.Parse(d)
		if err != nil && (len(events) > 0 || !fault.Is(err, fault.Invalid)) {
			t.Errorf("%d events and %v", len(events), err)
		}
		if len(events) > 1000 {
			t.Errorf("%d events", len(events))
		}
		for _, e := range events {
			if _, err := strconv.ParseUint(string(e.ID), 10, 64); err != nil || e.Object == "" || e.ExternalID == "" {
				t.Errorf("event %+v", e)
			}
			if (e.Kind == connector.EventMerged) != (e.MergedInto != "") || e.ID == e.MergedInto {
				t.Errorf("event %+v", e)
			}
		}
		if signature != d.Header.Get("X-HubSpot-Signature-v3") {
			d.Header.Set("X-HubSpot-Signature-v3", signature)
			if err := hooks.Verify(d, trust("33"), hookNow); !fault.Is(err, fault.Denied) {
				t.Errorf("a forged signature: %v", err)
			}
		}
	})
}

// FuzzHubSpotAnswer feeds every call answers of any content: an answer or a
// classified error, and never a record without a proper ID.
func FuzzHubSpotAnswer(f *testing.F) {
	f.Add(200, `{"total":1,"results":[{"id":"1","properties":{"email":null},"updatedAt":"2026-03-01T00:00:00Z"}],"paging":{"next":{"after":"1"}}}`)
	f.Add(207, `{"results":[{"id":"1","objectWriteTraceId":"0"}],"errors":[{"category":"CONFLICT","message":"Existing ID: 5","context":{"objectWriteTraceId":["1"]}}]}`)
	f.Add(409, `{"category":"CONFLICT","message":"Contact already exists. Existing ID: 3401"}`)
	f.Add(429, `{"policyName":"DAILY"}`)
	f.Add(400, `{"errors":[{"context":{"propertyName":["email"]},"code":"INVALID_EMAIL"}]}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = 200 + (status%400+400)%400
		c := hostile(status, body)
		check := func(what string, err error) {
			if err != nil && fault.KindOf(err) == fault.Other {
				t.Errorf("%s: %v is not classified", what, err)
			}
		}
		proper := func(id crm.RecordID) {
			if _, err := strconv.ParseUint(string(id), 10, 64); err != nil {
				t.Errorf("record ID %q", id)
			}
		}
		for _, full := range []bool{false, true} {
			page, err := c.Changes(t.Context(), connector.ChangesRequest{Object: "contacts", Full: full})
			check("changes", err)
			for _, r := range page.Records {
				proper(r.ID)
			}
		}
		reads, err := c.BatchRead(t.Context(), "contacts", []crm.RecordID{"1", "2"}, nil)
		check("read", err)
		for _, r := range reads {
			check("row", r.Err)
			if (r.Record == nil) == (r.Err == nil) {
				t.Errorf("read %+v", r)
			}
		}
		_, err = c.BatchFind(t.Context(), "contacts", crm.Field{Name: "email"}, []string{"a@example.com"}, nil)
		check("find", err)
		for _, op := range []connector.Op{connector.Create, connector.Update, connector.Upsert, connector.Archive} {
			w := connector.Write{
				Op: op, ID: "1", Key: connector.Key{Field: "k", Value: "v"}, Fields: crm.Fields{"city": crm.TextValue("x")},
			}
			w2 := w
			w2.ID, w2.Key.Value = "2", "w"
			out, err := c.BatchWrite(t.Context(), "contacts", []connector.Write{w, w2})
			check(string(op), err)
			for _, o := range out {
				check(string(op), o.Err)
				if o.Err == nil {
					proper(o.ID)
				}
				if o.Existing != "" {
					proper(o.Existing)
				}
			}
		}
		_, err = c.Fields(t.Context(), "contacts")
		check("fields", err)
		_, err = c.Test(t.Context())
		check("test", err)
	})
}
