package salesforcefake_test

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/vendorclient"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
)

// TestVendorClient runs jsforce, which Salesforce's own tools stand on, against
// the fake.
func TestVendorClient(t *testing.T) {
	t.Parallel()
	fake := salesforcefake.New(fakekit.Config{})
	access, refresh := fake.Token()
	vendorclient.Run(t, fake, "jsforce", "jsforce.test.mjs", 10, func(base string) []string {
		return []string{
			"LOCKSTEP_FAKE_SALESFORCE=" + base, "FAKE_TOKEN=" + access, "FAKE_REFRESH_TOKEN=" + refresh,
			"FAKE_ORG_ID=" + fake.OrgID(),
			"FAKE_CLIENT_ID=" + salesforcefake.ClientID, "FAKE_CLIENT_SECRET=" + salesforcefake.ClientSecret,
			"FAKE_KEY_FIELD=Lockstep_Id__c",
		}
	})
}
