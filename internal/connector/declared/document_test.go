package declared_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/declared"
	"github.com/lockstep-crm/lockstep/internal/connector/declared/vendorsfake"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// driver reads a document.
func driver(t testing.TB, file string) connector.Driver {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := declared.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	return d.Driver()
}

// lag is how long the fakes' search indexes take in the suite.
const lag = 20 * time.Second

// fixture opens accounts of a fake by a key.
func fixture(
	d connector.Driver, cfg connector.Config, key string, start func(fakekit.Config) *restapp.Fake,
) func(testing.TB, *connectortest.Clock) connectortest.Fixture {
	return func(_ testing.TB, clock *connectortest.Clock) connectortest.Fixture {
		fake := start(fakekit.Config{Now: clock.Now, Lag: lag})
		return connectortest.Fixture{
			Fake: connectortest.Kit(fake.Core()), OwnerEmail: vendorsfake.ExampleUser,
			Token: func() secret.Text { return secret.NewText(key) },
			Open: func(t testing.TB, tools connectortest.Tools) connector.Connector {
				t.Helper()
				c := cfg
				c.Now, c.HTTP = clock.Now, &http.Client{Transport: tools.Transport(fakekit.Transport(fake))}
				opened, err := d.Open(c)
				if err != nil {
					t.Fatal(err)
				}
				return opened
			},
		}
	}
}

func keyed(kind crm.AuthKind, name, key string) connector.Config {
	return connector.Config{Kind: kind, Credentials: map[string]secret.Text{name: secret.NewText(key)}}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	d := driver(t, "example.yaml")
	open := fixture(d, keyed(crm.AuthAPIKey, "api_key", vendorsfake.ExampleKey), vendorsfake.ExampleKey,
		vendorsfake.Example)
	connectortest.Run(t, connectortest.Harness{
		Driver: d,
		New: func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			f := open(t, clock)
			f.ExternalID = vendorsfake.ExampleWorkspace
			return f
		},
		Object: "people", Email: "email", First: "first_name", Last: "last_name", Phone: "phone",
		BadField: "score", Bad: crm.TextValue("not a number"),
		Settle: 2 * time.Minute, Fixed: true,
	})
}
