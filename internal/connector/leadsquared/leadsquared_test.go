package leadsquared_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared/leadsquaredfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// lag is how long the fake's listings take in the suite.
const lag = 20 * time.Second

func fixture(_ testing.TB, clock *connectortest.Clock) (connectortest.Fixture, *leadsquaredfake.Fake) {
	fake := leadsquaredfake.New(fakekit.Config{Now: clock.Now, Lag: lag})
	return connectortest.Fixture{
		Fake:  connectortest.Kit(fake.Core()),
		Token: func() secret.Text { return secret.NewText(leadsquaredfake.SecretKey) },
		Open: func(t testing.TB, tools connectortest.Tools) connector.Connector {
			t.Helper()
			return opened(t, tools.Transport(fakekit.Transport(fake)), clock.Now)
		},
	}, fake
}

func opened(t testing.TB, rt http.RoundTripper, now func() time.Time) connector.Connector {
	t.Helper()
	c, err := leadsquared.Open(connector.Config{
		Kind: crm.AuthAPIKey, Now: now, BaseURL: "https://api-in21.leadsquared.com", HTTP: &http.Client{Transport: rt},
		Credentials: map[string]secret.Text{
			"access_key": secret.NewText(leadsquaredfake.AccessKey), "secret_key": secret.NewText(leadsquaredfake.SecretKey),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func harness() connectortest.Harness {
	return connectortest.Harness{
		Driver: leadsquared.Driver(),
		New: func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			f, _ := fixture(t, clock)
			return f
		},
		Object: "leads", Email: "EmailAddress", First: "FirstName", Last: "LastName", Phone: "Phone",
		BadField: "mx_Age", Bad: crm.TextValue("not a number"),
		Refusals: []string{
			`{"Status":"Error","ExceptionType":"MXDuplicateEntryException","ExceptionMessage":"Duplicate entry 'x' for key 'UQ_Prospect_Base_EmailAddress'"}`,
			`{"Status":"Error","ExceptionType":"MXInvalidAttributeException","ExceptionMessage":"Invalid attribute 'mx_Gone'"}`,
			`{"Status":"Error","ExceptionType":"MXInvalidEntityException","ExceptionMessage":"no such lead"}`,
			`{"Status":"Error","ExceptionType":"MXMandatoryAttributeMissingException","ExceptionMessage":"attribute LastName is missing"}`,
			`{"Status":"Error","ExceptionType":"MXNewException","ExceptionMessage":"use https://API-in21.leadsquared.com"}`,
			`{"Status":"Error"}`, `[]`, `<html>`,
		},
		Settle: 2 * time.Minute, Password: true, Fixed: true, Signs: &connectortest.Signs{Address: true, Time: true},
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
	one, err := fake.Core().CreateRecord("leads", map[string]string{"EmailAddress": "a@example.com", "LastName": "Doe"})
	if err != nil {
		t.Fatal(err)
	}
	id := crm.RecordID(one.ID)

	connectortest.InTrouble(t, f, map[string]func(context.Context, connector.Connector) error{
		"fields": connectortest.Describing("leads"),
		"list":   connectortest.Listing("leads", "FirstName"),
		"read":   connectortest.Reading("leads", id, "FirstName"),
		"find":   connectortest.Finding("leads", crm.Field{Name: "EmailAddress"}, "a@example.com", "FirstName"),
		"create": connectortest.Writing("leads", connector.Write{
			Op: connector.Create, Fields: crm.Fields{"LastName": crm.TextValue("Roe")},
		}),
		"update": connectortest.Writing("leads", connector.Write{
			Op: connector.Update, ID: id, Fields: crm.Fields{"LastName": crm.TextValue("Roe")},
		}),
	})
}

// TestAnswersAreAsWritten: what is made of each answer, as it is meant to be and
// otherwise, is in testdata.
func TestAnswersAreAsWritten(t *testing.T) {
	t.Parallel()
	connectortest.Answers(t, harness(), "", written.Check)
}
