package dynamostore_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
	"github.com/lockstep-crm/lockstep/internal/store/storetest"
)

// TestConformance is what dynamostore has to say as a store, over dynoxide.
func TestConformance(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	s := open(t, clock.Now)
	storetest.Run(t, func(*testing.T) (store.Store, storetest.Clock) { return s, clock })
	t.Logf("%d cases took %s", storetest.Cases(), units(s.Units().Total()))
}

// open returns a store in tables of its own, in a DynamoDB of its own.
func open(t testing.TB, now func() time.Time) *dynamostore.Store {
	t.Helper()
	client := dynamodb.NewFromConfig(awslocal.DynamoDB(t).Config())
	names, err := dynamostore.CreateTables(t.Context(), client, "test-")
	if err != nil {
		t.Fatal(err)
	}
	s, err := dynamostore.New(client, names, now, dynamostore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAWS is TestConformance on real tables, which it makes and deletes. It
// goes by DynamoDB's own clock and index lag, and costs a few cents.
func TestAWS(t *testing.T) {
	if os.Getenv("LOCKSTEP_TEST_AWS") == "" {
		t.Skip("needs an AWS account: make test-aws")
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := dynamodb.NewFromConfig(cfg)
	names, err := dynamostore.CreateTables(t.Context(), client,
		"lockstep-test-"+strings.ToLower(time.Now().UTC().Format("20060102t150405"))+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dynamostore.DeleteTables(t.Context(), client, names); err != nil {
			t.Errorf("tables %v are left behind: %v", names, err)
		}
	})
	s, err := dynamostore.New(client, names, time.Now, dynamostore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(*testing.T) (store.Store, storetest.Clock) { return s, nil })
	t.Logf("%d cases, %+v units", storetest.Cases(), s.Units().Total())
}

// TestSameAsMemstore holds it against the store that the simulation runs on.
func TestSameAsMemstore(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	storetest.Same(t, memstore.New(clock.Now), open(t, clock.Now), clock, storetest.AllPages)
}
