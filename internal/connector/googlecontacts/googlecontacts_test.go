package googlecontacts_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts/googlecontactsfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// lag is how long the fake's listings take in the suite.
const lag = 2 * time.Minute

func fixture(_ testing.TB, clock *connectortest.Clock) (connectortest.Fixture, *googlecontactsfake.Fake) {
	fake := googlecontactsfake.New(fakekit.Config{Now: clock.Now, Lag: lag})
	return connectortest.Fixture{
		Fake:       connectortest.Kit(fake.Core()),
		ExternalID: googlecontactsfake.UserID,
		Token:      func() secret.Text { return secret.NewText(fake.OAuthToken().Access) },
		Open: func(t testing.TB, tools connectortest.Tools) connector.Connector {
			t.Helper()
			c, err := googlecontacts.Open(connector.Config{
				Kind: crm.AuthOAuth2, Tokens: tools.Tokens, Now: clock.Now,
				HTTP: &http.Client{Transport: tools.Transport(fakekit.Transport(fake))},
			})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	}, fake
}

func harness() connectortest.Harness {
	return connectortest.Harness{
		Driver: googlecontacts.Driver(),
		New: func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			f, _ := fixture(t, clock)
			return f
		},
		Object: "contacts", Email: "emailAddresses", First: "names/givenName", Last: "names/familyName",
		Phone:    "phoneNumbers",
		BadField: "birthdays", Bad: crm.TextValue("2026-02-31"),
		Refusals: []string{
			`{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"changed"}}`,
			`{"error":{"code":400,"message":"Sync token is expired. Clear local cache and retry call without the sync token."}}`,
			`{"error":{"code":400,"details":[{"reason":"EXPIRED_SYNC_TOKEN"}]}}`,
			`{"error":{"code":403,"details":[{"reason":"OTHER"},{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}`,
			`{"error":{"code":400,"details":[{"contactErrors":{"0":{"code":5,"message":"gone"},"1":{"code":9}}}]}}`,
			`{"error":{"code":400,"details":[{"contactErrors":{"0":{"code":13}}}]}}`,
			`{"error":{"code":400,"details":[{"contactErrors":{"x":{"code":3}}}]}}`, `{"error":{}}`, `[]`, `<html>`,
			`{"responses":[{"httpStatusCode":404,"requestedResourceName":"people/c1","status":{"code":5}}]}`,
		},
		Settle: 3 * time.Minute, WriteCalls: 2, WriteAt: "POST /v1/people:batch", WholeBatches: true, NoMarks: true,
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
	one, err := fake.Core().CreateRecord("contacts", map[string]string{
		"emailAddresses": "a@example.com", "memberships": "VIP",
	})
	if err != nil {
		t.Fatal(err)
	}
	id := crm.RecordID(one.ID)

	connectortest.InTrouble(t, f, map[string]func(context.Context, connector.Connector) error{
		"fields": connectortest.Describing("contacts"),
		"list":   connectortest.Listing("contacts", "memberships"),
		"read":   connectortest.Reading("contacts", id, "memberships"),
		"find":   connectortest.Finding("contacts", crm.Field{Name: "emailAddresses"}, "a@example.com", "memberships"),
		"create": connectortest.Writing("contacts", connector.Write{
			Op: connector.Create, Fields: crm.Fields{"names/givenName": crm.TextValue("Bo")},
		}),
		"update": connectortest.Writing("contacts", connector.Write{
			Op: connector.Update, ID: id, Fields: crm.Fields{"memberships": crm.ListValue("VIP")},
		}),
	})
}

// TestAnswersAreAsWritten: what is made of each answer, as it is meant to be and
// otherwise, is in testdata.
func TestAnswersAreAsWritten(t *testing.T) {
	t.Parallel()
	connectortest.Answers(t, harness(), "", written.Check)
}
