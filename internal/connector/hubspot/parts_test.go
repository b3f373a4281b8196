package hubspot_test

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
	var values []string
	for i := range 60 {
		values = append(values, fmt.Sprintf("%s %d", strings.Repeat("long street name ", 6), i))
		if _, err := fake.Core().CreateRecord("contacts", map[string]string{
			"email": fmt.Sprintf("p%d@example.com", i), "address": values[i],
		}); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := fake.Core().CreateRecord("contacts", map[string]string{"email": "gone@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(lag)
	open := func(through func(http.RoundTripper) http.RoundTripper) connector.Connector {
		return f.Open(t, connectortest.Tools{Tokens: connectortest.NewTokens(f.Token), Wrap: through})
	}
	all, err := open(func(rt http.RoundTripper) http.RoundTripper { return rt }).Fields(t.Context(), "contacts")
	if err != nil {
		t.Fatal(err)
	}
	var every []string
	for _, field := range all {
		every = append(every, field.Name)
	}
	for len(every) < 400 { // more than a search has room for
		name := fmt.Sprintf("made_up_property_%d", len(every))
		if _, err := open(func(rt http.RoundTripper) http.RoundTripper { return rt }).Extras().CreateField(t.Context(),
			"contacts", crm.Field{Name: name, Label: name, Type: crm.TypeText}); err != nil {
			t.Fatal(err)
		}
		every = append(every, name)
	}
	find := func(fields []string) func(context.Context, connector.Connector) (int, error) {
		return func(ctx context.Context, c connector.Connector) (n int, err error) {
			got, err := c.BatchFind(ctx, "contacts", crm.Field{Name: "address"}, values, fields)
			for _, records := range got {
				n += len(records)
			}
			return n, err
		}
	}
	t.Run("a look-up in several searches", func(t *testing.T) { connectortest.Parts(t, 3, open, find(nil)) })
	t.Run("a look-up of more fields than a search takes", func(t *testing.T) {
		connectortest.Parts(t, 4, open, find(every))
	})
	t.Run("a read", func(t *testing.T) {
		connectortest.Parts(t, 1, open, func(ctx context.Context, c connector.Connector) (n int, err error) {
			got, err := c.BatchRead(ctx, "contacts", []crm.RecordID{crm.RecordID(gone.ID)}, []string{"email"})
			for _, r := range got {
				if r.Record != nil {
					n++
				}
			}
			return n, err
		})
	})
	t.Run("a listing of more fields than a search takes", func(t *testing.T) {
		connectortest.Parts(t, 2, open, func(ctx context.Context, c connector.Connector) (int, error) {
			page, err := c.Changes(ctx, connector.ChangesRequest{Object: "contacts", Fields: every})
			return len(page.Records), err
		})
	})
}
