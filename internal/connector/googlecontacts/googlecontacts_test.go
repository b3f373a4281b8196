package googlecontacts_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts/googlecontactsfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
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

func TestConformance(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, connectortest.Harness{
		Driver: googlecontacts.Driver(),
		New: func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			f, _ := fixture(t, clock)
			return f
		},
		Object: "contacts", Email: "emailAddresses", First: "names/givenName", Last: "names/familyName", Phone: "phoneNumbers",
		BadField: "birthdays", Bad: crm.TextValue("2026-02-31"),
		Settle: 3 * time.Minute, WriteCalls: 2, WriteAt: "POST /v1/people:batch", WholeBatches: true, NoMarks: true,
	})
}
