package pipedrive_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive/pipedrivefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// lag is how long the fake's search index takes in the suite.
const lag = 20 * time.Second

func fixture(_ testing.TB, clock *connectortest.Clock) (connectortest.Fixture, *pipedrivefake.Fake) {
	fake := pipedrivefake.New(fakekit.Config{Now: clock.Now, Lag: lag})
	return connectortest.Fixture{
		Fake:       connectortest.Kit(fake.Core()),
		ExternalID: strconv.Itoa(pipedrivefake.CompanyID),
		OwnerEmail: "robin@example.com",
		Token:      func() secret.Text { return secret.NewText(fake.OAuthToken().Access) },
		Open: func(t testing.TB, tools connectortest.Tools) connector.Connector {
			t.Helper()
			c, err := pipedrive.Open(connector.Config{
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
		Driver: pipedrive.Driver(),
		New: func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			f, _ := fixture(t, clock)
			return f
		},
		Object: "persons", Email: "emails", First: pipedrivefake.Nickname, Last: "name", Phone: "phones",
		BadField: pipedrivefake.Score, Bad: crm.TextValue("not a number"),
		Refusals: []string{
			`{"success":false,"error":"Scope and URL mismatch"}`, `{"success":false,"code":"feature_capping_deals_limit"}`,
			`{"success":false,"error":"feature_capping_persons","code":"x"}`, `<html>blocked</html>`, `{}`, `7`,
			`{"success":true,"data":null}`, `{"success":false,"data":{"id":1}}`,
		},
		Settle: 2 * time.Minute, Password: true, WriteCalls: 2,
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
