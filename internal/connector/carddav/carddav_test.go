package carddav_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/carddav"
	"github.com/lockstep-crm/lockstep/internal/connector/carddav/carddavfake"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// address is where the fake is said to be.
const address = "https://dav.example.com"

// credentials open the fake's address book.
func credentials(book string) map[string]secret.Text {
	return map[string]secret.Text{
		"username": secret.NewText(carddavfake.Username), "password": secret.NewText(carddavfake.Password),
		"address_book": secret.NewText(book),
	}
}

func fixture(_ testing.TB, clock *connectortest.Clock) (connectortest.Fixture, *carddavfake.Fake) {
	fake, chance := carddavfake.New(fakekit.Config{Now: clock.Now}), &counting{}
	return connectortest.Fixture{
		Fake:       connectortest.Kit(fake.Core()),
		ExternalID: address + carddavfake.Book,
		Token:      func() secret.Text { return secret.NewText(carddavfake.Password) },
		Open: func(t testing.TB, tools connectortest.Tools) connector.Connector {
			t.Helper()
			c, err := carddav.Open(connector.Config{
				Kind: crm.AuthBasic, BaseURL: address, Credentials: credentials(carddavfake.Book), Now: clock.Now,
				HTTP: &http.Client{Transport: tools.Transport(fakekit.Transport(fake))}, Rand: chance,
			})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	}, fake
}

// counting makes bytes that are others each time, and the same in each run.
type counting struct{ n atomic.Uint64 }

// Read implements io.Reader.
func (c *counting) Read(p []byte) (int, error) {
	copy(p, fmt.Sprintf("%016x", c.n.Add(1)))
	return len(p), nil
}

func harness() connectortest.Harness {
	return connectortest.Harness{
		Driver: carddav.Driver(),
		New: func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			f, _ := fixture(t, clock)
			return f
		},
		Object: "contacts", Email: "EMAIL", First: "N/given", Last: "N/family", Phone: "TEL",
		BadField: "BDAY", Bad: crm.TextValue("2026-02-31"),
		Refusals: []string{
			`<d:error xmlns:d="DAV:"><d:valid-sync-token/></d:error>`,
			`<d:error xmlns:d="DAV:"><d:supported-report/></d:error>`,
			`<d:error xmlns:d="DAV:"><d:number-of-matches-within-limits/></d:error>`,
			`<d:error xmlns:d="DAV:"><d:need-privileges><d:resource/></d:need-privileges></d:error>`,
			`<d:error xmlns:d="DAV:"><d:quota-not-exceeded/></d:error>`,
			`<d:error xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav"><c:valid-address-data/></d:error>`,
			`<d:error xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav"><c:max-resource-size/></d:error>`,
			`<d:error xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav"><c:no-uid-conflict><d:href>/x.vcf</d:href></c:no-uid-conflict></d:error>`,
			`<d:error xmlns:d="DAV:"/>`, `<html>`, `{"error":"x"}`,
		},
		WriteCalls: 2, WriteAt: "PUT", ArchiveAt: "DELETE", Fixed: true, Nameless: true, NoMarks: true,
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, harness())
}

// TestInTrouble: whatever call fails, it shows.
func TestInTrouble(t *testing.T) {
	t.Parallel()
	clock := connectortest.NewClock()
	f, fake := fixture(t, clock)
	one, err := fake.Core().CreateRecord("contacts", map[string]string{"EMAIL": "a@example.com", "CATEGORIES": "VIP"})
	if err != nil {
		t.Fatal(err)
	}
	id := crm.RecordID(one.ID)
	things := map[string]func(context.Context, connector.Connector) error{
		"fields": connectortest.Describing("contacts"),
		"list":   connectortest.Listing("contacts", "CATEGORIES"),
		"read":   connectortest.Reading("contacts", id, "CATEGORIES"),
		"find":   connectortest.Finding("contacts", crm.Field{Name: "EMAIL"}, "a@example.com", "CATEGORIES"),
		"create": connectortest.Writing("contacts", connector.Write{
			Op: connector.Create, Fields: crm.Fields{"N/given": crm.TextValue("Bo")},
		}),
		"update": connectortest.Writing("contacts", connector.Write{
			Op: connector.Update, ID: id, Fields: crm.Fields{"CATEGORIES": crm.ListValue("VIP", "New")},
		}),
	}
	connectortest.InTrouble(t, f, things)
	f.Open = func(t testing.TB, tools connectortest.Tools) connector.Connector {
		t.Helper()
		c, err := carddav.Open(connector.Config{
			Kind: crm.AuthBasic, BaseURL: address, Credentials: credentials(""), Now: clock.Now,
			HTTP: &http.Client{Transport: tools.Transport(fakekit.Transport(fake))},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	connectortest.InTrouble(t, f, things)
}

// TestAnswersAreAsWritten: what is made of each answer, as it is meant to be and
// otherwise, is in testdata.
func TestAnswersAreAsWritten(t *testing.T) {
	t.Parallel()
	connectortest.Answers(t, harness(), "", written.Check)
}
