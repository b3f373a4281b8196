package hubspot_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// outbound is a call that the suite does not cross with faults.
type outbound struct {
	write bool
	do    func(ctx context.Context, c connector.Connector, h *http.Client) error
}

func outbounds(id crm.RecordID, code string, refresh secret.Text) map[string]outbound {
	oauth := hubspot.Driver().OAuth
	return map[string]outbound{
		"upsert": {write: true, do: func(ctx context.Context, c connector.Connector, _ *http.Client) error {
			key := connector.Key{Field: hubspotfake.UniqueProperty, Value: "k"}
			out, err := c.BatchWrite(ctx, "contacts", []connector.Write{
				{Op: connector.Upsert, Key: key, Fields: crm.Fields{"lastname": crm.TextValue("x")}},
			})
			if err == nil {
				err = out[0].Err
			}
			return err
		}},
		"history": {do: func(ctx context.Context, c connector.Connector, _ *http.Client) error {
			_, err := c.Extras().History(ctx, "contacts", []crm.RecordID{id}, []string{"lastname"})
			return err
		}},
		"deleted": {do: func(ctx context.Context, c connector.Connector, _ *http.Client) error {
			_, err := c.Extras().Deleted(ctx, "contacts", "", "")
			return err
		}},
		"create field": {write: true, do: func(ctx context.Context, c connector.Connector, _ *http.Client) error {
			_, err := c.Extras().CreateField(ctx, "contacts", crm.Field{Label: "Made", Type: crm.TypeText})
			return err
		}},
		"delete field": {write: true, do: func(ctx context.Context, c connector.Connector, _ *http.Client) error {
			return c.Extras().DeleteField(ctx, "contacts", "interests")
		}},
		"owner's e-mail": {do: func(ctx context.Context, c connector.Connector, _ *http.Client) error {
			_, err := c.Extras().OwnerEmail(ctx, "7001")
			return err
		}},
		"find by search": {do: func(ctx context.Context, c connector.Connector, _ *http.Client) error {
			_, err := c.BatchFind(ctx, "contacts", crm.Field{Name: "phone"}, []string{"1"}, nil)
			return err
		}},
		"refresh": {do: func(ctx context.Context, _ connector.Connector, h *http.Client) error {
			_, err := oauth.Refresh(ctx, h, fakeBase, client(), refresh)
			return err
		}},
		"exchange": {do: func(ctx context.Context, _ connector.Connector, h *http.Client) error {
			_, err := oauth.Exchange(ctx, h, fakeBase, client(), code, "")
			return err
		}},
	}
}

// TestX13_EveryOtherCallTimesEveryFault crosses the calls of the extras and of
// OAuth with the faults: time-out, limit, refusals, nonsense, size, lost reply.
func TestX13_EveryOtherCallTimesEveryFault(t *testing.T) {
	t.Parallel()
	faults := map[string]struct {
		fault  fakekit.Fault
		kind   fault.Kind
		landed bool
		hang   bool
	}{
		"429": {fault: fakekit.Fault{Kind: fakekit.FaultFail, Status: 429}, kind: fault.Throttled},
		"400": {fault: fakekit.Fault{Kind: fakekit.FaultFail, Status: 400}, kind: fault.Invalid},
		"500": {fault: fakekit.Fault{Kind: fakekit.FaultFail, Status: 500}, kind: fault.Unavailable, landed: true},
		"504 landed": {
			fault: fakekit.Fault{Kind: fakekit.FaultFail, Status: 504, After: true}, kind: fault.Unavailable,
			landed: true,
		},
		"malformed":  {fault: fakekit.Fault{Kind: fakekit.FaultMalformed}, kind: fault.Unavailable, landed: true},
		"wrong type": {fault: fakekit.Fault{Kind: fakekit.FaultWrongType}, kind: fault.Unavailable, landed: true},
		"dropped":    {fault: fakekit.Fault{Kind: fakekit.FaultDrop}, kind: fault.Unavailable, landed: true},
		"timeout": {
			fault: fakekit.Fault{Kind: fakekit.FaultDelay, Delay: time.Hour}, kind: fault.Unavailable,
			landed: true, hang: true,
		},
		"stalled":    {fault: fakekit.Fault{Kind: fakekit.FaultSlow}, kind: fault.Unavailable, landed: true, hang: true},
		"lost reply": {fault: fakekit.Fault{Kind: fakekit.FaultLoseReply}, kind: fault.Unavailable, landed: true},
	}
	for name, f := range faults {
		for op := range outbounds("", "", secret.Text{}) {
			t.Run(name+"/"+op, func(t *testing.T) {
				t.Parallel()
				clock := connectortest.NewClock()
				fix, fake, heard := stalling(clock)
				core := fake.Core()
				r, err := core.CreateRecord("contacts", map[string]string{"lastname": "x"})
				if err != nil {
					t.Fatal(err)
				}
				core.Lock()
				grant := core.Tokens().Code(hubspotfake.ClientID, client().RedirectURI, "", hubspotfake.Scopes)
				core.Unlock()
				out := outbounds(crm.RecordID(r.ID), grant, secret.NewText(fake.OAuthToken().Refresh))[op]
				if f.fault.Kind == fakekit.FaultLoseReply && !out.write {
					return // nothing of a read can land
				}
				c := fix.Open(t, connectortest.Tools{Tokens: connectortest.NewTokens(fix.Token)})
				if err := core.Inject(f.fault); err != nil {
					t.Fatal(err)
				}
				ctx := t.Context()
				if f.hang {
					ctx = endingWith(ctx, heard)
				}
				err = out.do(ctx, c, fakekit.Client(fake))
				if !fault.Is(err, f.kind) {
					t.Fatalf("%v, want %s", err, f.kind)
				}
				var e *fault.Error
				if !errors.As(err, &e) || e.MayHaveLanded != (f.landed && out.write) {
					t.Errorf("%v: may have landed %t, want %t", err, fault.MayHaveLanded(err), f.landed && out.write)
				}
				if n := core.Requests().Total; n != 1 {
					t.Errorf("%d calls, want 1", n)
				}
			})
		}
	}
}

// stalling is a fixture whose fake never comes to the end of a wait; heard ends once it
// waits: a time of the test's own could be over before the call is made.
func stalling(clock *connectortest.Clock) (fix connectortest.Fixture, fake *hubspotfake.Fake, heard <-chan struct{}) {
	waits := make(chan struct{})
	once := sync.OnceFunc(func() { close(waits) })
	fix, fake = fixtureOf(clock, fakekit.Config{
		Sleep: func(ctx context.Context, d time.Duration) error {
			if d > 0 {
				once()
				<-ctx.Done()
			}
			return ctx.Err()
		},
	})
	return fix, fake, waits
}

// endingWith is a context that ends with what heard tells.
func endingWith(ctx context.Context, heard <-chan struct{}) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-heard:
		case <-ctx.Done():
		}
	}()
	return ctx
}
