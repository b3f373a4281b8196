package hubspotfake_test

import (
	"strconv"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/vendorclient"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
)

// TestVendorClient runs HubSpot's own client library against the fake.
func TestVendorClient(t *testing.T) {
	t.Parallel()
	fake := hubspotfake.New(fakekit.Config{RetryScale: 0.001})
	vendorclient.Run(t, fake, "@hubspot/api-client", "hubspot.test.mjs", 11, func(base string) []string {
		return []string{
			"LOCKSTEP_FAKE_HUBSPOT=" + base, "FAKE_TOKEN=" + hubspotfake.PrivateToken, "FAKE_CLIENT_ID=" + hubspotfake.ClientID,
			"FAKE_CLIENT_SECRET=" + hubspotfake.ClientSecret, "FAKE_REFRESH_TOKEN=" + fake.OAuthToken().Refresh,
			"FAKE_PORTAL_ID=" + strconv.Itoa(hubspotfake.PortalID), "FAKE_UNIQUE_PROPERTY=" + hubspotfake.UniqueProperty,
		}
	})
}
