package dynamostore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

// TestTablesAreMade: each of them, and of each its TTL, unless that is on already; a
// table that is there is left as it is, and any other refusal ends it.
func TestTablesAreMade(t *testing.T) {
	t.Parallel()
	exists := func() (int, any) { return refusal("ResourceInUseException") }
	denied := func() (int, any) { return refusal("AccessDeniedException") }
	for name, c := range map[string]struct {
		answers map[string]func() (int, any)
		ttl     string // as it is described
		enabled int
		fails   bool
	}{
		"fresh":                   {ttl: `{"TimeToLiveStatus":"DISABLED"}`, enabled: 3},
		"nothing said of its TTL": {ttl: `{}`, enabled: 3},
		"no description":          {ttl: `null`, enabled: 3},
		"on already":              {ttl: `{"TimeToLiveStatus":"ENABLED"}`},
		"being switched on":       {ttl: `{"TimeToLiveStatus":"ENABLING"}`},
		"there already": {
			answers: map[string]func() (int, any){"CreateTable": exists}, ttl: `{"TimeToLiveStatus":"ENABLED"}`,
		},
		"may not be made":          {answers: map[string]func() (int, any){"CreateTable": denied}, fails: true},
		"may not be looked at":     {answers: map[string]func() (int, any){"DescribeTable": denied}, fails: true},
		"TTL may not be looked at": {answers: map[string]func() (int, any){"DescribeTimeToLive": denied}, fails: true},
		"TTL may not be switched": {
			answers: map[string]func() (int, any){"UpdateTimeToLive": denied}, ttl: `{}`, enabled: 1, fails: true,
		},
	} {
		enabled := map[string]bool{}
		var made []string
		sc := &script{answer: func(operation string, in request) (int, any) {
			switch operation {
			case "CreateTable":
				made = append(made, in.TableName)
			case "UpdateTimeToLive":
				enabled[in.TableName] = in.TimeToLiveSpecification.Enabled &&
					in.TimeToLiveSpecification.AttributeName == dynamostore.TTLAttribute
			}
			if answer := c.answers[operation]; answer != nil {
				return answer()
			}
			switch operation {
			case "DescribeTable":
				return 200, `{"Table":{"TableStatus":"ACTIVE"}}`
			case "DescribeTimeToLive":
				return 200, `{"TimeToLiveDescription":` + c.ttl + `}`
			}
			return 200, `{}`
		}}
		client := dynamodb.New(dynamodb.Options{
			Region: "eu-central-1", HTTPClient: sc, BaseEndpoint: aws.String("http://dynamodb.invalid"), RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}, nil
			}),
		})
		names, err := dynamostore.CreateTables(t.Context(), client, "test-")
		var f *fault.Error
		if c.fails != (err != nil) || c.fails && (names != nil || !errors.As(err, &f) ||
			!strings.HasPrefix(err.Error(), "dynamostore: create tables")) {
			t.Errorf("%s: %v, %v", name, names, err)
		}
		if !c.fails && (len(names) != 3 || len(made) != 3 || len(slices.Compact(slices.Sorted(slices.Values(made)))) != 3) {
			t.Errorf("%s: %v of %v are made", name, made, names)
		}
		if len(enabled) != c.enabled || strings.Contains(fmt.Sprint(enabled), "false") {
			t.Errorf("%s: TTL is switched on of %v, want %d", name, enabled, c.enabled)
		}
	}
}
