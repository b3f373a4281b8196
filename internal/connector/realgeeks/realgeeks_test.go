package realgeeks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/realgeeks"
	"github.com/lockstep-crm/lockstep/internal/connector/realgeeks/realgeeksfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// site is the account's ID as deliveries are held against it.
var site = strings.ReplaceAll(realgeeksfake.Site, "-", "")

func fixture(_ testing.TB, clock *connectortest.Clock) (connectortest.Fixture, *realgeeksfake.Fake) {
	fake := realgeeksfake.New(fakekit.Config{Now: clock.Now})
	return connectortest.Fixture{
		Fake: connectortest.Kit(fake.Core()), ExternalID: site,
		Token: func() secret.Text { return secret.NewText(realgeeksfake.Password) },
		Open: func(t testing.TB, tools connectortest.Tools) connector.Connector {
			t.Helper()
			return opened(t, tools.Transport(fakekit.Transport(fake)), clock.Now)
		},
	}, fake
}

func config(rt http.RoundTripper, now func() time.Time, uuid string) connector.Config {
	return connector.Config{
		Kind: crm.AuthBasic, Now: now, HTTP: &http.Client{Transport: rt},
		Credentials: map[string]secret.Text{
			"username": secret.NewText(
				realgeeksfake.Username,
			), "password": secret.NewText(realgeeksfake.Password), "site_uuid": secret.NewText(uuid),
		},
	}
}

func opened(t testing.TB, rt http.RoundTripper, now func() time.Time) connector.Connector {
	t.Helper()
	c, err := realgeeks.Open(config(rt, now, strings.ToUpper(site)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func harness() connectortest.Harness {
	return connectortest.Harness{
		Driver: realgeeks.Driver(),
		New: func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			f, _ := fixture(t, clock)
			return f
		},
		Object: "leads", Email: "email", First: "first_name", Last: "last_name", Phone: "phone",
		PhoneOf:  func(i int) string { return fmt.Sprintf("808-555-%04d", i) },
		BadField: "role", Bad: crm.TextValue("Astronaut"),
		Fixed: true, Signs: &connectortest.Signs{Account: true},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, harness())
}

// TestAnswersAreAsWritten: what is made of each answer, as it is meant to be and
// otherwise, is in testdata.
func TestAnswersAreAsWritten(t *testing.T) {
	t.Parallel()
	h := harness()
	h.New = func(t testing.TB, clock *connectortest.Clock) connectortest.Fixture {
		f, fake := fixture(t, clock)
		f.Open = func(t testing.TB, tools connectortest.Tools) connector.Connector {
			t.Helper()
			cfg := config(tools.Transport(fakekit.Transport(fake)), clock.Now, site)
			cfg.Rand = &counting{}
			c, err := realgeeks.Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		return f
	}
	connectortest.Answers(t, h, "", written.Check)
}

// counting is a source of chance that can be told beforehand.
type counting struct{ n byte }

func (c *counting) Read(b []byte) (int, error) {
	c.n++
	for i := range b {
		b[i] = c.n
	}
	return len(b), nil
}

// TestInTrouble: whatever call fails, it shows.
func TestInTrouble(t *testing.T) {
	t.Parallel()
	f, fake := fixture(t, connectortest.NewClock())
	one, err := fake.Core().CreateRecord("leads", map[string]string{"email": "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	update := connector.Write{
		Op:     connector.Update,
		ID:     crm.RecordID(one.ID),
		Fields: crm.Fields{"last_name": crm.TextValue("Roe")},
	}
	connectortest.InTrouble(t, f, map[string]func(context.Context, connector.Connector) error{
		"test":   func(ctx context.Context, c connector.Connector) error { _, err := c.Test(ctx); return err },
		"fields": connectortest.Describing("leads"),
		"create": connectortest.Writing(
			"leads",
			connector.Write{Op: connector.Create, Fields: crm.Fields{"last_name": crm.TextValue("Roe")}},
		),
		"update": connectortest.Writing("leads", update),
	})
}

// TestWrites: a new lead has an ID of ours and a source; a blank clears; numbers are
// written as the site writes them; what is refused names its field.
func TestWrites(t *testing.T) {
	t.Parallel()
	f, fake := fixture(t, connectortest.NewClock())
	c := f.Open(t, connectortest.Tools{})
	write := func(op connector.Op, id crm.RecordID, fields crm.Fields) connector.Written {
		t.Helper()
		out, err := c.BatchWrite(t.Context(), "leads", []connector.Write{{Op: op, ID: id, Fields: fields}})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	made := write(
		connector.Create,
		"",
		crm.Fields{
			"email": crm.TextValue("a@example.com"),
			"phone": crm.TextValue("+18085550147"),
			"city":  {},
			"zip":   crm.NullValue(),
		},
	)
	again := write(
		connector.Create,
		"",
		crm.Fields{
			"email":  crm.TextValue("b@example.com"),
			"phone":  crm.TextValue("+49 30 901820"),
			"source": crm.TextValue("Fair"),
		},
	)
	if made.Err != nil || len(made.ID) != 32 || !made.Created || made.ID == again.ID {
		t.Fatalf("%+v and %+v", made, again)
	}
	live := f.Fake.Live("leads")
	if got := live[made.ID]; got["phone"] != "808-555-0147" || got["source"] != "Lockstep" || len(got) != 3 {
		t.Errorf("the lead holds %v", got)
	}
	if got := live[again.ID]; got["phone"] != "+49 30 901820" || got["source"] != "Fair" {
		t.Errorf("the lead holds %v", got)
	}
	dashed := crm.RecordID(
		string(
			made.ID[:8],
		) + "-" + string(
			made.ID[8:12],
		) + "-" + string(
			made.ID[12:16],
		) + "-" + string(
			made.ID[16:20],
		) + "-" + string(
			made.ID[20:],
		),
	)
	if w := write(connector.Update, dashed, crm.Fields{
		"phone": crm.TextValue(" "), "city": crm.TextValue("Hilo"),
	}); w.Err != nil ||
		w.ID != made.ID ||
		w.At.IsZero() {
		t.Errorf("%+v", w)
	}
	if got := f.Fake.Live("leads")[made.ID]; got["phone"] != "" || got["city"] != "Hilo" ||
		got["email"] != "a@example.com" {
		t.Errorf("after clearing the lead holds %v", got)
	}
	if w := write(connector.Update, made.ID, crm.Fields{"role": crm.TextValue("Astronaut")}); fault.CodeOf(
		w.Err,
	) != connector.CodeValue ||
		!strings.Contains(fmt.Sprint(fault.FieldFaults(w.Err)), "role") {
		t.Errorf("a role that is none: %v", w.Err)
	}
	if err := fake.Core().DeleteRecord("leads", string(made.ID)); err != nil {
		t.Fatal(err)
	}
	if w := write(connector.Update, made.ID, crm.Fields{"city": crm.TextValue("Kona")}); !fault.Is(w.Err, fault.NotFound) {
		t.Errorf("a lead that is gone: %v", w.Err)
	}
}

// noChance is a source of chance that has run dry.
type noChance struct{}

func (noChance) Read([]byte) (int, error) { return 0, errors.New("dry") }

// silent is an app that must not be called.
type silent struct{ testing.TB }

func (s silent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.Errorf("%s %s is sent", r.Method, r.URL)
	return nil, errors.New("not now")
}

// TestWritesThatAreNotSent: what can be no lead, no object, or has no ID is told
// without a call.
func TestWritesThatAreNotSent(t *testing.T) {
	t.Parallel()
	cfg := config(silent{t}, connectortest.NewClock().Now, site)
	cfg.Rand = noChance{}
	c, err := realgeeks.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	city := crm.Fields{"city": crm.TextValue("Hilo")}
	for name, w := range map[string]struct {
		object string
		write  connector.Write
		kind   fault.Kind
		whole  bool // the call fails, and not the write
	}{
		"another object":   {"deals", connector.Write{Op: connector.Create, Fields: city}, fault.NotFound, true},
		"an ID that isn't": {"leads", connector.Write{Op: connector.Update, ID: "7", Fields: city}, fault.NotFound, false},
		"no chance":        {"leads", connector.Write{Op: connector.Create, Fields: city}, fault.Unavailable, false},
		"a deletion":       {"leads", connector.Write{Op: connector.Archive, ID: "7"}, fault.Unsupported, true},
	} {
		out, err := c.BatchWrite(t.Context(), w.object, []connector.Write{w.write})
		if w.whole != (err != nil) {
			t.Errorf("%s: %+v, %v", name, out, err)
			continue
		}
		if !w.whole {
			err = out[0].Err
		}
		if !fault.Is(err, w.kind) || !w.whole && out[0].ID != w.write.ID {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
	if out, err := c.BatchWrite(t.Context(), "leads", nil); err != nil || len(out) != 0 {
		t.Errorf("no writes: %+v, %v", out, err)
	}
}

// TestOpen: a site that is none is told before any call; one that the integration may not
// touch by the first.
func TestOpen(t *testing.T) {
	t.Parallel()
	clock := connectortest.NewClock()
	_, fake := fixture(t, clock)
	if _, err := realgeeks.Open(config(fakekit.Transport(fake), clock.Now, "www.example.com")); fault.CodeOf(
		err,
	) != connector.CodeConfig {
		t.Errorf("a site that is none: %v", err)
	}
	c, err := realgeeks.Open(
		config(fakekit.Transport(fake), clock.Now, strings.Replace(realgeeksfake.Site, "0b5e", "0b5f", 1)),
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Test(t.Context()); !fault.Is(err, fault.Denied) || fault.CodeOf(err) != connector.CodePermission {
		t.Errorf("another site: %v", err)
	}
}
