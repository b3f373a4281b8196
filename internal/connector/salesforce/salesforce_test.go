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
		Refusals: []string{
			`[{"errorCode":"INVALID_FIELD","message":"No such column 'Foo__c' on sobject of type Contact"}]`,
			`[{"errorCode":"INVALID_FIELD","message":"value should not be enclosed in quotes","fields":[]}]`,
			`[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`,
			`[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded."}]`,
			`[{"errorCode":"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY","message":"no","fields":["OwnerId"]}]`,
			`[{"errorCode":"MALFORMED_ID","message":"bad id","fields":["AccountId","Bad Name"]}]`, `[{"errorCode":"MALFORMED_ID"}]`,
			`[{"errorCode":"ENTITY_IS_DELETED","message":"entity is deleted"}]`, `[{"errorCode":"NEW_CODE"}]`, `[]`, `<html>`,
			`[{"errorCode":"INVALID_TYPE","message":"sObject type 'Things' is not supported."}]`,
			`[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`,
			`[{"success":false,"errors":[{"statusCode":"DUPLICATE_VALUE","message":"duplicate value found: Key__c duplicates value on record with id: 003000000000001"}]}]`,
			`[{"success":false,"errors":[{"statusCode":"DUPLICATE_VALUE","message":"duplicate value found: unknown"}]}]`,
			`[{"success":false,"errors":[{"statusCode":"DUPLICATES_DETECTED","duplicateResult":{"matchResults":[{"matchRecords":[{"record":{"Id":"003000000000001"}}]}]}}]}]`,
			`[{"success":false,"errors":[{"statusCode":"DUPLICATES_DETECTED","duplicateResult":{"matchResults":[{"matchRecords":[{"record":{"Id":"003000000000001"}},{"record":{"Id":"003000000000002"}}]}]}}]}]`,
			`[{"success":false,"errors":[{"statusCode":"DUPLICATES_DETECTED","duplicateResult":7}]}]`,
			`[{"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","fields":["LastName"]},{"statusCode":"STRING_TOO_LONG","fields":["FirstName"]}]}]`,
			`[{"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW"}]}]`, `[{"success":false,"errors":[]}]`,
			`[{"success":false,"errors":[{"statusCode":"NEW_CODE"}]}]`, `[{"success":true,"errors":[],"id":"bad"}]`,
		},
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
