package hubspot_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// lag is how long the fakes' search index takes in the suite.
const lag = 20 * time.Second

func fixture(_ testing.TB, clock *connectortest.Clock) (connectortest.Fixture, *hubspotfake.Fake) {
	fake := hubspotfake.New(fakekit.Config{Now: clock.Now, Lag: lag})
	return connectortest.Fixture{
		Fake:       connectortest.Kit(fake.Core()),
		ExternalID: strconv.Itoa(hubspotfake.PortalID),
		OwnerEmail: "robin@example.com",
		Token:      func() secret.Text { return secret.NewText(fake.OAuthToken().Access) },
		Open: func(t testing.TB, tools connectortest.Tools) connector.Connector {
			t.Helper()
			c, err := hubspot.Open(connector.Config{
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
		Driver: hubspot.Driver(),
		New: func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			f, _ := fixture(t, clock)
			return f
		},
		Object: "contacts", Email: "email", First: "firstname", Last: "lastname", Phone: "phone",
		External: hubspotfake.UniqueProperty, BadField: "score", Bad: crm.TextValue("not a number"),
		Settle: 2 * time.Minute,
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, harness())
}

// TestAnswersAreAsWritten: what is made of each answer, as it is meant to be and
// otherwise, is in testdata.
func TestAnswersAreAsWritten(t *testing.T) {
	t.Parallel()
	connectortest.Answers(t, harness(), "", written.Check)
}
