package declared_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/declared/vendorsfake"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// tenDigits are phones as Mainstay takes them.
func tenDigits(i int) string { return fmt.Sprintf("4155%06d", i%1_000_000) }

// TestVendors runs the suite of all connectors for each document of a real app against
// its fake.
func TestVendors(t *testing.T) {
	t.Parallel()
	mautic := connector.Config{
		Kind: crm.AuthBasic, BaseURL: "https://mautic.example.com",
		Credentials: map[string]secret.Text{
			"username": secret.NewText(vendorsfake.MauticUser), "password": secret.NewText(vendorsfake.MauticPassword),
		},
	}
	espo := keyed(crm.AuthAPIKey, "api_key", vendorsfake.EspoCRMKey)
	espo.BaseURL = "https://crm.example.com"
	for name, v := range map[string]struct {
		cfg     connector.Config
		key     string
		account string
		start   func(fakekit.Config) *restapp.Fake
		h       connectortest.Harness
	}{
		"homestack": {
			keyed(crm.AuthToken, "token", vendorsfake.HomestackKey), vendorsfake.HomestackKey, "",
			vendorsfake.Homestack,
			connectortest.Harness{
				Object: "users", Email: "email", First: "agent_guid", Last: "name", Phone: "phone", BadField: "agent_guid",
				Bad:      long(61),
				Unsigned: true, OnePage: true, Signs: &connectortest.Signs{},
			},
		},
		"mainstay": {
			keyed(crm.AuthToken, "token", vendorsfake.MainstayKey), vendorsfake.MainstayKey, vendorsfake.MainstayOrg,
			vendorsfake.Mainstay,
			connectortest.Harness{
				Object: "contacts", Email: "crm_id", First: "first_name", Last: "last_name", Phone: "phone",
				BadField: "preferred_name", Bad: long(65),
				Nameless: true, PhoneOf: tenDigits, Settle: 10 * time.Minute,
			},
		},
		"clientsuccess": {
			keyed(crm.AuthToken, "token", vendorsfake.ClientSuccessKey), vendorsfake.ClientSuccessKey, "",
			vendorsfake.ClientSuccess,
			connectortest.Harness{
				Object: "contacts", Email: "email", First: "firstName", Last: "lastName", Phone: "phone", BadField: "city",
				Bad:      long(101),
				Nameless: true, Settle: 49 * time.Hour,
			},
		},
		"sierra": {
			keyed(crm.AuthAPIKey, "api_key", vendorsfake.SierraKey), vendorsfake.SierraKey, "", vendorsfake.Sierra,
			connectortest.Harness{
				Object: "leads", Email: "email", First: "firstName", Last: "lastName", Phone: "phone", BadField: "leadStatus",
				Bad:      crm.TextValue("Nonsense"),
				Nameless: true, Unsigned: true, Signs: &connectortest.Signs{},
			},
		},
		"espocrm": {espo, vendorsfake.EspoCRMKey, "", vendorsfake.EspoCRM, connectortest.Harness{
			Object: "Contact", Email: "emailAddress", First: "firstName", Last: "lastName", Phone: "phoneNumber",
			BadField: "cLevel", Bad: crm.TextValue("Brass"),
			Settle: 2 * time.Minute,
		}},
		"twenty": {
			keyed(crm.AuthToken, "token", vendorsfake.TwentyKey), vendorsfake.TwentyKey, "", vendorsfake.Twenty,
			connectortest.Harness{
				Object: "people", Email: "emails.primaryEmail", First: "name.firstName", Last: "name.lastName",
				Phone: "phones.primaryPhoneNumber", BadField: "jobTitle", Bad: long(301),
				Settle: 2 * time.Minute, Signs: &connectortest.Signs{Time: true},
			},
		},
		"mautic": {mautic, vendorsfake.MauticPassword, "", vendorsfake.Mautic, connectortest.Harness{
			Object: "contacts", Email: "email", First: "firstname", Last: "lastname", Phone: "phone", BadField: "score",
			Bad:    crm.TextValue("many"),
			Settle: 10 * time.Minute, Signs: &connectortest.Signs{},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v.h.Driver, v.h.Fixed = driver(t, "../apps/documents/"+name+".yaml"), true
			open := fixture(v.h.Driver, v.cfg, v.key, v.start)
			v.h.New = func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
				f := open(t, clock)
				f.ExternalID = v.account
				return f
			}
			connectortest.Run(t, v.h)
			connectortest.Answers(t, v.h, name, written.Check)
		})
	}
}

// long is a text of so many letters.
func long(n int) crm.Value {
	return crm.TextValue(strings.Repeat("x", n))
}

// TestClientSuccessLogin: a user and a password become a token, which goes bare.
func TestClientSuccessLogin(t *testing.T) {
	t.Parallel()
	fake := vendorsfake.ClientSuccess(fakekit.Config{Seed: 2})
	for password, want := range map[string]bool{vendorsfake.ClientSuccessPassword: true, "other": false} {
		c, err := driver(t, "../apps/documents/clientsuccess.yaml").Open(connector.Config{
			Kind: crm.AuthBasic, Now: time.Now, HTTP: &http.Client{Transport: fakekit.Transport(fake)},
			Credentials: map[string]secret.Text{
				"username": secret.NewText(vendorsfake.ClientSuccessUser), "password": secret.NewText(password),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		page, err := c.Changes(t.Context(), connector.ChangesRequest{Object: "contacts", Full: true})
		if want && (err != nil || len(page.Records) != 2) || !want && fault.CodeOf(err) != connector.CodeReauthorize {
			t.Errorf("with %q: %d contacts, %v", password, len(page.Records), err)
		}
	}
}

// TestSierraLead: a lead gets a password that nobody knows, and no mail about it.
func TestSierraLead(t *testing.T) {
	t.Parallel()
	var sent []string
	d := driver(t, "../apps/documents/sierra.yaml")
	cfg := keyed(crm.AuthAPIKey, "api_key", vendorsfake.SierraKey)
	cfg.Now, cfg.HTTP = time.Now, &http.Client{Transport: fakekit.Transport(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request,
	) {
		body, _ := io.ReadAll(r.Body)
		sent = append(sent, r.Header.Get("Sierra-OriginatingSystemName")+string(body))
		_, _ = w.Write([]byte(`{"success":true,"data":{"leadId":7,"agentUserId":1}}`))
	}))}
	c, err := d.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := c.BatchWrite(t.Context(), "leads", []connector.Write{
			{Op: connector.Create, Fields: crm.Fields{"email": crm.TextValue("a@example.com")}},
		})
		if err != nil || out[0].ID != "7" {
			t.Fatal(err, out)
		}
	}
	form := regexp.MustCompile(`^Lockstep\{"email":"a@example.com","password":"[A-Z2-7]{20,30}","sendRegistrationEmail":false\}$`)
	if !form.MatchString(sent[0]) || !form.MatchString(sent[1]) || sent[0] == sent[1] {
		t.Errorf("sent: %q", sent)
	}
}
