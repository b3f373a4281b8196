package intercom_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/intercom"
	"github.com/lockstep-crm/lockstep/internal/connector/intercom/intercomfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// lag is how long the fake's search index takes in the suite.
const lag = 3 * time.Minute

func fixture(_ testing.TB, clock *connectortest.Clock) (connectortest.Fixture, *intercomfake.Fake) {
	fake := intercomfake.New(fakekit.Config{Now: clock.Now, Lag: lag})
	return connectortest.Fixture{
		Fake:       connectortest.Kit(fake.Core()),
		ExternalID: intercomfake.AppID,
		OwnerEmail: "robin@example.com",
		Token:      func() secret.Text { return secret.NewText(intercomfake.AccessToken) },
		Open: func(t testing.TB, tools connectortest.Tools) connector.Connector {
			t.Helper()
			return opened(t, tools.Transport(fakekit.Transport(fake)), clock.Now)
		},
	}, fake
}

func opened(t testing.TB, rt http.RoundTripper, now func() time.Time) connector.Connector {
	t.Helper()
	c, err := intercom.Open(connector.Config{
		Kind: crm.AuthToken, Now: now, HTTP: &http.Client{Transport: rt},
		Credentials: map[string]secret.Text{"token": secret.NewText(intercomfake.AccessToken)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func harness() connectortest.Harness {
	return connectortest.Harness{
		Driver: intercom.Driver(),
		New: func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			f, _ := fixture(t, clock)
			return f
		},
		Object: "contacts", Email: "email", First: intercomfake.Nickname, Last: "name", Phone: "phone",
		BadField: intercomfake.Level, Bad: crm.TextValue("Bronze"),
		Refusals: []string{
			`{"errors":[{"code":"conflict","message":"A contact matching those details already exists with id=6329f0ea3cd7d8a8e1c1f2b3"}]}`,
			`{"errors":[{"code":"conflict","message":"Multiple existing users match this email address"}]}`,
			`{"errors":[{"code":"other","message":"id=6329f0ea3cd7d8a8e1c1f2b3"}]}`,
			`{"errors":[{"code":"parameter_invalid","field":"custom_attributes.level"},{"code":"parameter_not_found","field":"Bad Field!"}]}`,
			`{"errors":[{"code":"rate_limit_exceeded"}]}`, `{"errors":[{"code":"contact_merged"}]}`, `{"errors":[]}`, `[]`, `<html>`,
			`{"errors":[{"code":"invalid_field"}]}`, `{"errors":[{"code":"not_found"}]}`,
		},
		Settle: 12 * time.Minute, Fixed: true, Signs: &connectortest.Signs{Account: true},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, harness())
}

// TestInTrouble: whatever call fails, it shows.
func TestInTrouble(t *testing.T) {
	t.Parallel()
	clock := connectortest.NewClock()
	f, fake := fixture(t, clock)
	one, err := fake.Core().CreateRecord("contacts", map[string]string{"email": "a@example.com", "tags": "VIP;Old"})
	if err != nil {
		t.Fatal(err)
	}
	id := crm.RecordID(one.ID)

	connectortest.InTrouble(t, f, map[string]func(context.Context, connector.Connector) error{
		"fields":    connectortest.Describing("contacts"),
		"list":      connectortest.Listing("contacts", "tags", intercomfake.Since),
		"companies": connectortest.Listing("companies", "name"),
		"read":      connectortest.Reading("contacts", id, "tags", intercomfake.Since),
		"find":      connectortest.Finding("contacts", crm.Field{Name: "email"}, "a@example.com", "tags"),
		"create": connectortest.Writing("contacts", connector.Write{
			Op: connector.Create, Fields: crm.Fields{intercomfake.Since: crm.TextValue("2026-03-02")},
		}),
		"update": connectortest.Writing("contacts", connector.Write{
			Op: connector.Update, ID: id, Fields: crm.Fields{"tags": crm.ListValue("VIP", "Two")},
		}),
	})
}

// TestAnswersAreAsWritten: what is made of each answer, as it is meant to be and
// otherwise, is in testdata.
func TestAnswersAreAsWritten(t *testing.T) {
	t.Parallel()
	connectortest.Answers(t, harness(), "", written.Check)
}
