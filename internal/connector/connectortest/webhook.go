package connectortest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

const hookSecret = "a-signing-secret-of-the-suite"

// testWebhooks makes the fake send, and then tampers with what it sent.
func testWebhooks(t *testing.T, s *suite) {
	hooks := s.Driver.Webhooks
	if hooks == nil {
		t.Skip("the app does not call; that it does not claim to is checked under Abilities")
	}
	url := s.HookURL
	if url == "" {
		url = "https://lockstep.example/hooks/token"
	}
	s.Fake.Hook(url, hookSecret)
	ids := s.must(t, 0, 3)
	if err := s.Fake.Update(s.Object, ids[1], map[string]string{s.First: "Heard"}); err != nil {
		t.Fatal(err)
	}
	trust := connector.WebhookTrust{Secret: secret.NewText(hookSecret), ExternalID: s.ExternalID}
	deliveries := s.Fake.Deliveries()
	if len(deliveries) == 0 {
		t.Fatal("the fake sent nothing")
	}
	heard := map[crm.RecordID]bool{}
	for i, d := range deliveries {
		if err := hooks.Verify(d, trust, s.clock.Now()); err != nil {
			t.Fatalf("delivery %d: %v", i, err)
		}
		events, err := hooks.Parse(d)
		if err != nil {
			t.Fatalf("delivery %d: %v", i, err)
		}
		for _, e := range events {
			if e.Object != s.Object || e.ID == "" || e.Kind == "" || e.ExternalID != s.ExternalID {
				t.Errorf("event %+v names another object or account", e)
			}
			heard[e.ID] = true
		}
	}
	for _, id := range ids {
		if !heard[id] {
			t.Errorf("record %s was created, and no event says so", id)
		}
	}
	if r := hooks.Reply(); r.Status < 200 || r.Status > 299 {
		t.Errorf("the reply has status %d", r.Status)
	}
	s.forged(t, hooks, deliveries[0], trust)
}

// forged tries what must not get in: each must fail in Verify, or for what only
// the content tells, in Parse or by the account that the events name.
func (s *suite) forged(
	t *testing.T, hooks connector.Webhooks, genuine connector.WebhookRequest, trust connector.WebhookTrust,
) {
	now := s.clock.Now()
	clone := func() connector.WebhookRequest {
		d := genuine
		d.Body, d.Header = slices.Clone(genuine.Body), genuine.Header.Clone()
		return d
	}
	cases := map[string]func() (connector.WebhookRequest, connector.WebhookTrust, time.Time){
		"another method": func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			d := clone()
			d.Method = "GET"
			return d, trust, now
		},
		"no body": func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			d := clone()
			d.Body = nil
			return d, trust, now
		},
		"another account": func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			other := trust
			other.ExternalID = string(bytes.Map(func(r rune) rune {
				if r >= '0' && r <= '9' {
					return '0' + (r-'0'+1)%10
				}
				return r
			}, []byte(trust.ExternalID)))
			return clone(), other, now
		},
		"no account to trust": func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			other := trust
			other.ExternalID = ""
			return clone(), other, now
		},
	}
	proves := Signs{Address: true, Time: true, Account: true}
	if s.Signs != nil {
		proves = *s.Signs
	}
	if !proves.Account {
		delete(cases, "another account")
		delete(cases, "no account to trust")
	}
	if !s.Unsigned && !s.Password {
		cases["altered body"] = func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			d := clone()
			d.Body[len(d.Body)/2] ^= 1
			return d, trust, now
		}
	}
	if !s.Unsigned && !s.Password && proves.Address {
		cases["another URL"] = func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			d := clone()
			d.URL += "x"
			return d, trust, now
		}
	}
	if !s.Unsigned && !s.Password && proves.Time {
		cases["too old"] = func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			return clone(), trust, now.Add(5*time.Minute + 2*time.Second)
		}
		cases["from the future"] = func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			return clone(), trust, now.Add(-6 * time.Minute)
		}
	}
	if !s.Unsigned {
		cases["another secret"] = func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			other := trust
			other.Secret = secret.NewText("another")
			return clone(), other, now
		}
		cases["no secret"] = func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			other := trust
			other.Secret = secret.Text{}
			return clone(), other, now
		}
		cases["no headers"] = func() (connector.WebhookRequest, connector.WebhookTrust, time.Time) {
			d := clone()
			d.Header = nil
			return d, trust, now
		}
	}
	for name, make := range cases {
		d, trust, now := make()
		err := hooks.Verify(d, trust, now)
		if err == nil && name == "another account" {
			err = s.foreign(hooks, d, trust)
		}
		if err == nil && name == "no account to trust" {
			err = s.foreign(hooks, d, trust)
		}
		if !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v, want denied", name, err)
		}
	}
	for name, body := range map[string]string{
		"empty": "", "garbage": "\x00\xff garbage", "json of another shape": `{"a":[1,2`,
		"deep":     string(bytes.Repeat([]byte("["), 100_000)),
		"deep xml": string(bytes.Repeat([]byte("<a>"), 100_000)),
		"entities": `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>`,
	} {
		d := clone()
		d.Body = []byte(body)
		if events, err := hooks.Parse(d); err == nil || len(events) > 0 || !fault.Is(err, fault.Invalid) {
			t.Errorf("parsing %s: %d events, %v, want invalid", name, len(events), err)
		}
	}
}

// foreign is Denied when no event names the trusted account: for apps where one
// delivery holds events of several.
func (s *suite) foreign(hooks connector.Webhooks, d connector.WebhookRequest, trust connector.WebhookTrust) error {
	events, err := hooks.Parse(d)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.ExternalID == trust.ExternalID || e.ExternalID == "" {
			return nil
		}
	}
	return fault.New("connectortest", fault.Denied, "", "no event is of this account")
}
