package salesforce_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

const instance = "https://made-up.my.salesforce.com"

// fixture is a fake org on the test's clock.
func fixture(t testing.TB, clock *connectortest.Clock) (connectortest.Fixture, *salesforcefake.Fake) {
	t.Helper()
	fake := salesforcefake.New(fakekit.Config{Now: clock.Now, BaseURL: instance})
	return connectortest.Fixture{
		Fake:       connectortest.Kit(fake.Core()),
		ExternalID: fake.OrgID(),
		OwnerEmail: fake.OwnerEmail(),
		Token: func() secret.Text {
			access, _ := fake.Token()
			return secret.NewText(access)
		},
		Open: func(t testing.TB, tools connectortest.Tools) connector.Connector {
			t.Helper()
			c, err := salesforce.Open(connector.Config{
				BaseURL: instance, Kind: crm.AuthOAuth2, Tokens: tools.Tokens, Now: clock.Now,
				HTTP: &http.Client{Transport: tools.Transport(fakekit.Transport(fake))},
			})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	}, fake
}

func harness(object string) connectortest.Harness {
	return connectortest.Harness{
		Driver: salesforce.Driver(),
		New: func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			f, _ := fixture(t, clock)
			return f
		},
		Object: object, Email: "Email", First: "FirstName", Last: "LastName", Phone: "Phone",
		External: "Lockstep_Id__c", BadField: "Level__c", Bad: crm.TextValue("No such level"),
		Settle: 2 * time.Minute, Unsigned: true,
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, harness("Contact"))
}

// TestAnswersAreAsWritten: what is made of each answer, as it is meant to be and
// otherwise, is in testdata.
func TestAnswersAreAsWritten(t *testing.T) {
	t.Parallel()
	connectortest.Answers(t, harness("Contact"), "", written.Check)
}
