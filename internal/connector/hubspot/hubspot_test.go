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
	return fixtureOf(clock, fakekit.Config{})
}

// fixtureOf is a fixture whose fake is set up so, with the clock and the lag of all.
func fixtureOf(clock *connectortest.Clock, cfg fakekit.Config) (connectortest.Fixture, *hubspotfake.Fake) {
	cfg.Now, cfg.Lag = clock.Now, lag
	fake := hubspotfake.New(cfg)
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
		Refusals: []string{
			`{"category":"VALIDATION_ERROR","message":"Property values were not valid: [{\"error\":\"INVALID_OPTION\",\"name\":\"score\"}]"}`,
			`{"category":"VALIDATION_ERROR","errors":[{"code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["score"]}},{"in":"lastname"}]}`,
			`{"category":"VALIDATION_ERROR","errors":[{"in":"lastname"}]}`, `{"category":"VALIDATION_ERROR"}`,
			`{"category":"VALIDATION_ERROR","message":"Unable to infer object type from: things"}`,
			`{"category":"VALIDATION_ERROR","errors":[{"code":"NEW_WORD","context":{"propertyName":["Bad Name"]}}]}`,
			`{"category":"CONFLICT","message":"Contact already exists. Existing ID: 901"}`,
			`{"category":"CONFLICT","errors":[{"code":"X","context":{"ids":["902"]}}]}`,
			`{"category":"CONFLICT","errors":[{"code":"X","context":{"ids":["902","903"]}}]}`,
			`{"category":"CONFLICT","errors":[{"code":"X","context":{"ids":"nine"}}]}`,
			`{"category":"RATE_LIMITS","policyName":"DAILY"}`, `{"category":"RATE_LIMITS","policyName":"SECONDLY"}`,
			`{"category":"RATE_LIMITS","message":"You have reached your daily limit."}`,
			`{"category":"RATE_LIMITS","message":"You have reached your secondly limit."}`,
			`{"category":"RATE_LIMITS","message":"You have reached your ten_secondly_rolling secondly limit."}`,
			`{"category":"RATE_LIMITS"}`,
			`{"category":"MISSING_SCOPES","errors":[{"context":{"requiredScopes":["crm.objects.contacts.read","Bad Scope"]}}]}`,
			`{"category":"MISSING_SCOPES","errors":[{"context":{"missingScopes":"a.b"}},{"context":{"requiredGranularScopes":["c.d","e.f"]}}]}`,
			`{"category":"OBJECT_NOT_FOUND"}`, `{"category":"NEW_CATEGORY","errors":[{"code":"INVALID_EMAIL"}]}`, `<html>`, `[]`,
			`{"status":"COMPLETE","results":[],"errors":[{"category":"RATE_LIMITS","context":{"ids":["1"]}}]}`,
			`{"status":"COMPLETE","results":[],"errors":[{"category":"VALIDATION_ERROR","context":{"ids":["1"]}}]}`,
			`{"status":"COMPLETE","results":[],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["1","2"]}}]}`,
			`{"status":"COMPLETE","results":[],"errors":[{"category":"VALIDATION_ERROR"}]}`,
			`{"status":"COMPLETE","results":[],"errors":[{"message":"what"}]}`, `{"status":"COMPLETE","results":[],"errors":[7]}`,
		},
		Settle: 2 * time.Minute, FieldCalls: 3,
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
