package salesforce_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestX13_EveryPartOfACall: where a call takes several requests, one that fails
// fails it whole.
func TestX13_EveryPartOfACall(t *testing.T) {
	t.Parallel()
	clock := connectortest.NewClock()
	f, fake := fixture(t, clock)
	var ids []crm.RecordID
	for i := range 100 {
		r, err := fake.Core().CreateRecord("Contact", map[string]string{
			"LastName": "Roe", "Department": fmt.Sprintf("D%d", i),
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, crm.RecordID(r.ID))
	}
	if err := fake.Core().DeleteRecord("Contact", string(ids[3])); err != nil {
		t.Fatal(err)
	}
	open := func(through func(http.RoundTripper) http.RoundTripper) connector.Connector {
		return f.Open(t, connectortest.Tools{Tokens: connectortest.NewTokens(f.Token), Wrap: through})
	}
	t.Run("a look-up in several queries", func(t *testing.T) {
		connectortest.Parts(t, 2, open, func(ctx context.Context, c connector.Connector) (n int, err error) {
			names := make([]string, 0, len(ids))
			for i := range ids { // more than a URL holds; every second is somebody's
				names = append(names, fmt.Sprintf("D%d%s", i, strings.Repeat("x", 240*(i%2))))
			}
			got, err := c.BatchFind(ctx, "Contact", crm.Field{Name: "Department"}, names, nil)
			for _, records := range got {
				n += len(records)
			}
			return n, err
		})
	})
	t.Run("a read of one that is gone", func(t *testing.T) {
		connectortest.Parts(t, 2, open, func(ctx context.Context, c connector.Connector) (n int, err error) {
			got, err := c.BatchRead(ctx, "Contact", ids[:10], []string{"LastName"})
			if err != nil {
				return 0, err // what was read is in the answer too, and nobody looks at it
			}
			for _, r := range got {
				if r.Record != nil {
					n++
				}
			}
			return n, nil
		})
	})
}
