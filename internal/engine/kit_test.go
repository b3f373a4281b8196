package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue/memqueue"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

const (
	ws   = crm.WorkspaceID("ws_test")
	con  = crm.ConnectionID("con_test")
	left = crm.AccountID("acc_left")
	rite = crm.AccountID("acc_right")
	sync = crm.SyncID("contacts")
)

// world is a HubSpot account and a Salesforce org with an engine between them,
// in one process, on a clock that stands still unless a test moves it.
type world struct {
	t     *testing.T
	now   time.Time
	ids   atomic.Int64
	store *memstore.Store
	queue *memqueue.Queue
	hub   *hubspotfake.Fake
	force *salesforcefake.Fake
	eng   *engine.Engine
	conns map[crm.AccountID]connector.Connector
	marks map[string]int
}

func (w *world) Now() time.Time { return w.now }

func newWorld(t *testing.T, people int) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), conns: map[crm.AccountID]connector.Connector{}, marks: map[string]int{}}
	w.store = memstore.New(w.Now)
	w.queue = memqueue.New(w.Now, memqueue.Options{})
	w.hub = hubspotfake.New(fakekit.Config{Now: w.Now, Seed: people})
	w.force = salesforcefake.New(fakekit.Config{Now: w.Now, Seed: people})
	access, _ := w.force.Token()
	w.conns[left] = w.open(hubspot.Driver(), w.hub, connector.Config{Kind: crm.AuthToken, Credentials: map[string]secret.Text{"token": secret.NewText(hubspotfake.PrivateToken)}})
	w.conns[rite] = w.open(salesforce.Driver(), w.force, connector.Config{Kind: crm.AuthOAuth2, BaseURL: "https://fake.my.salesforce.com", Tokens: fixedToken(access)})
	w.eng = w.engine()
	return w
}

func (w *world) engine() *engine.Engine {
	e, err := engine.New(engine.Config{Store: w.store, Queue: w.queue, Now: w.Now,
		Open: func(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) (connector.Connector, error) {
			if c := w.conns[id]; c != nil {
				return c, nil
			}
			return nil, fault.New("test: open", fault.NotFound, "not_found", "no such account")
		},
		NewID: func(prefix string) string { return fmt.Sprintf("%s_%010d", prefix, w.ids.Add(1)) },
		Sleep: func(_ context.Context, d time.Duration) { w.now = w.now.Add(d) },
		Mark:  func(name string) { w.marks[name]++ },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *world) open(d connector.Driver, h http.Handler, cfg connector.Config) connector.Connector {
	w.t.Helper()
	cfg.HTTP, cfg.Now = fakekit.Client(h), w.Now
	c, err := d.Open(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

type fixedToken string

func (f fixedToken) Token(context.Context) (secret.Text, error) {
	return secret.NewText(string(f)), nil
}
func (f fixedToken) Renew(context.Context, secret.Text) (secret.Text, error) {
	return secret.Text{}, fault.New("test: renew", fault.Denied, "reauthorization_required", "the test has one token")
}

// connect stores a draft connection of contacts.
func (w *world) connect(change func(*crm.Connection)) {
	w.t.Helper()
	email := crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}}
	pair := func(id, l, r string, tr crm.TransformType) crm.Mapping {
		return crm.Mapping{ID: crm.MappingID(id), Left: []string{l}, Right: []string{r}, Transform: crm.Transform{Type: tr}}
	}
	c := &crm.Connection{ID: con, Name: "test", Enabled: true, Status: crm.StatusDraft, Left: crm.End{Account: left}, Right: crm.End{Account: rite}, Country: "US", Version: 1, Generation: 1,
		Syncs: []crm.Sync{{ID: sync, Left: crm.ObjectEnd{Object: "contacts"}, Right: crm.ObjectEnd{Object: "Contact"}, Direction: crm.DirectionBoth, Schedule: "5m",
			Match: crm.SameMatch(email),
			Mappings: []crm.Mapping{
				pair("email", "email", "Email", crm.TransformEmail), pair("first", "firstname", "FirstName", ""), pair("last", "lastname", "LastName", ""),
				pair("phone", "phone", "Phone", crm.TransformPhone), pair("title", "jobtitle", "Title", ""), pair("city", "city", "MailingCity", ""),
			}}}}
	if change != nil {
		change(c)
	}
	if _, err := store.SaveConnection(w.t.Context(), w.store, ws, c, 0); err != nil {
		w.t.Fatal(err)
	}
}

// drain works the queue and ticks until nothing moves any more.
func (w *world) drain() {
	w.t.Helper()
	ctx := w.t.Context()
	for i := range 10000 {
		n := w.work()
		busy, err := w.eng.Round(ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 && !busy && w.idle() {
			return
		}
		if n == 0 {
			w.now = w.now.Add(time.Second)
		}
		if i > 9000 {
			w.t.Fatal("the system does not come to rest")
		}
	}
}

func (w *world) idle() bool {
	d, err := w.queue.Depth(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	st, err := w.eng.Status(w.t.Context(), ws, con)
	if err != nil {
		w.t.Fatal(err)
	}
	return d.Visible+d.InFlight == 0 && st[0].OpenRun == "" && st[0].Parked+st[0].Inbox == 0
}

// work receives and works messages until there are none.
func (w *world) work() int {
	w.t.Helper()
	ctx, n := w.t.Context(), 0
	for {
		ds, err := w.queue.Receive(ctx, 10, 6*time.Minute)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(ds) == 0 {
			return n
		}
		n += len(ds)
		for _, v := range w.eng.Work(ctx, ds) {
			if v.Ack {
				w.queue.Delete(ctx, []string{v.Receipt})
			} else {
				w.queue.SetVisibility(ctx, []string{v.Receipt}, v.Retry)
			}
		}
	}
}
