// Package testbed puts a HubSpot account, a Salesforce org and an engine into
// one process, on a clock that stands still unless somebody moves it. Tests of
// the engine and the benchmarks measure on it; nothing in it is random.
package testbed

import (
	"context"
	"fmt"
	"net/http"
	"sync"
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
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/memqueue"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// The one connection of a bed.
const (
	Workspace    = crm.WorkspaceID("ws_bed")
	Connection   = crm.ConnectionID("con_bed")
	LeftAccount  = crm.AccountID("acc_left")
	RightAccount = crm.AccountID("acc_right")
	Contacts     = crm.SyncID("contacts")
)

// Clock is the clock of a bed.
type Clock struct{ *testclock.Clock }

// NewClock returns a clock that stands at a fixed day.
func NewClock() *Clock { return &Clock{testclock.At(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))} }

// Move moves it.
func (c *Clock) Move(d time.Duration) { c.Advance(d) }

// Bed is two apps with an engine between them.
type Bed struct {
	Store  store.Store
	Queue  queue.Queue
	Hub    *hubspotfake.Fake
	Force  *salesforcefake.Fake
	Engine *engine.Engine
	Marks  map[string]int // rare states reached, by name
	*Clock

	worked func(time.Duration)

	mu    sync.Mutex // of ids and Marks
	ids   int64
	conns map[crm.AccountID]connector.Connector
}

// Options choose what a bed is made of.
type Options struct {
	People int         // to begin with, on each side
	Store  store.Store // nil = in memory
	Queue  queue.Queue // nil = in memory
	Tuning engine.Tuning
	Clock  *Clock // nil = a new one
	// Latency is how long each request to an app takes; it moves the clock.
	Latency crm.PerSide[time.Duration]
	// Worked is told how long each call of Work took. Optional.
	Worked func(time.Duration)
	// Wrap may decorate each account's connector; nil = none.
	Wrap func(crm.AccountID, connector.Connector) connector.Connector
}

// New makes a bed with a stored draft connection of contacts, which change may alter first.
func New(ctx context.Context, o Options, change func(*crm.Connection)) (*Bed, error) {
	if o.Clock == nil {
		o.Clock = NewClock()
	}
	b := &Bed{
		Clock: o.Clock, worked: o.Worked, Store: o.Store, Queue: o.Queue, Marks: map[string]int{},
		conns: map[crm.AccountID]connector.Connector{},
	}
	if b.Store == nil {
		b.Store = memstore.New(b.Now)
	}
	if b.Queue == nil {
		b.Queue = memqueue.New(b.Now, memqueue.Options{})
	}
	slowly := func(_ context.Context, d time.Duration) error {
		b.Move(d)
		return nil
	}
	b.Hub = hubspotfake.New(fakekit.Config{Now: b.Now, Seed: o.People, Latency: o.Latency.Left, Sleep: slowly})
	b.Force = salesforcefake.New(fakekit.Config{Now: b.Now, Seed: o.People, Latency: o.Latency.Right, Sleep: slowly})
	if err := b.openApps(o.Wrap); err != nil {
		return nil, err
	}
	var err error
	b.Engine, err = engine.New(engine.Config{
		Store: b.Store, Queue: b.Queue, Open: b.Open, Now: b.Now, NewID: b.newID, Tuning: o.Tuning,
		Sleep: func(_ context.Context, d time.Duration) { b.Move(d) },
		ErasureKey: func(context.Context, crm.WorkspaceID) ([]byte, error) {
			return []byte("a key of this world alone"), nil
		},
		Mark: b.mark,
	})
	if err != nil {
		return nil, err
	}
	c := Document()
	if change != nil {
		change(c)
	}
	_, err = store.SaveConnection(ctx, b.Store, Workspace, c, 0)
	return b, err
}

// mark counts a rare state; groups of messages may be worked side by side.
func (b *Bed) mark(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Marks[name]++
}

func (b *Bed) newID(prefix string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ids++
	return fmt.Sprintf("%s_%010d", prefix, b.ids)
}

// Open is the engine's way to an account.
func (b *Bed) Open(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) (connector.Connector, error) {
	if c := b.conns[id]; c != nil {
		return c, nil
	}
	return nil, fault.New("testbed: open", fault.NotFound, "not_found", "no such account")
}

func (b *Bed) openApps(wrap func(crm.AccountID, connector.Connector) connector.Connector) error {
	access, _ := b.Force.Token()
	open := func(id crm.AccountID, d connector.Driver, h http.Handler, cfg connector.Config) error {
		cfg.HTTP, cfg.Now = fakekit.Client(h), b.Now
		c, err := d.Open(cfg)
		if err == nil && wrap != nil {
			c = wrap(id, c)
		}
		b.conns[id] = c
		return err
	}
	if err := open(LeftAccount, hubspot.Driver(), b.Hub, connector.Config{
		Kind:        crm.AuthToken,
		Credentials: map[string]secret.Text{"token": secret.NewText(hubspotfake.PrivateToken)},
	}); err != nil {
		return err
	}
	return open(RightAccount, salesforce.Driver(), b.Force, connector.Config{
		Kind: crm.AuthOAuth2, BaseURL: "https://fake.my.salesforce.com", Tokens: &grant{fake: b.Force, current: access},
	})
}

// grant is one that never ends; its tokens do.
type grant struct {
	mu      sync.Mutex
	fake    *salesforcefake.Fake
	current string
}

// Token implements connector.Tokens.
func (g *grant) Token(context.Context) (secret.Text, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return secret.NewText(g.current), nil
}

// Renew implements connector.Tokens.
func (g *grant) Renew(_ context.Context, stale secret.Text) (secret.Text, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if stale.Reveal() == g.current {
		g.current, _ = g.fake.Token()
	}
	return secret.NewText(g.current), nil
}

// Document is the bed's connection: contacts both ways, matched by e-mail.
func Document() *crm.Connection {
	pair := func(id, l, r string, tr crm.TransformType) crm.Mapping {
		return crm.Mapping{ID: crm.MappingID(id), Left: []string{l}, Right: []string{r}, Transform: crm.Transform{Type: tr}}
	}
	return &crm.Connection{
		ID: Connection, Name: "bed", Enabled: true, Status: crm.StatusDraft, Country: "US", Version: 1, Generation: 1,
		Left: crm.End{Account: LeftAccount}, Right: crm.End{Account: RightAccount},
		Syncs: []crm.Sync{{
			ID: Contacts, Left: crm.ObjectEnd{Object: "contacts"}, Right: crm.ObjectEnd{Object: "Contact"},
			Direction: crm.DirectionBoth, Schedule: "5m",
			Match: crm.SameMatch(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}}),
			Mappings: []crm.Mapping{
				pair("email", "email", "Email", crm.TransformEmail), pair("first", "firstname", "FirstName", ""),
				pair("last", "lastname", "LastName", ""),
				pair("phone", "phone", "Phone", crm.TransformPhone), pair("title", "jobtitle", "Title", ""),
				pair("city", "city", "MailingCity", ""),
			},
		}},
	}
}

// Overlap is longer than what any app's listing shows again.
const Overlap = 3 * time.Minute

// Pull is one firing of the sync's schedule, worked to its end.
func (b *Bed) Pull(ctx context.Context) error {
	if err := b.Engine.Pull(ctx, Workspace, Connection, Contacts); err != nil {
		return err
	}
	return b.Drain(ctx)
}

// Quiet pulls until the system has met all its own writes again.
func (b *Bed) Quiet(ctx context.Context) error {
	for range 2 {
		b.Move(Overlap)
		if err := b.Pull(ctx); err != nil {
			return err
		}
	}
	b.Move(Overlap)
	return nil
}

// Drain works the queue and goes round the agenda until nothing moves any
// more. It moves the clock only while work waits for a time.
func (b *Bed) Drain(ctx context.Context) error {
	for range 100_000 {
		n, err := b.Work(ctx)
		if err != nil {
			return err
		}
		busy, err := b.Engine.Round(ctx)
		if err != nil {
			return err
		}
		if n > 0 || busy {
			if n == 0 {
				b.Move(time.Second)
			}
			continue
		}
		idle, err := b.idle(ctx)
		if err != nil || idle {
			return err
		}
		b.Move(time.Second)
	}
	return fmt.Errorf("testbed: the system does not come to rest")
}

func (b *Bed) idle(ctx context.Context) (bool, error) {
	d, err := b.Queue.Depth(ctx)
	if err != nil {
		return false, err
	}
	st, err := b.Engine.Status(ctx, Workspace, Connection)
	if err != nil {
		return false, err
	}
	return d.Visible+d.InFlight == 0 && st[0].OpenRun == "" && st[0].Parked+st[0].Inbox == 0, nil
}

// Work receives and works messages until there are none, and returns how many.
func (b *Bed) Work(ctx context.Context) (n int, err error) {
	for {
		ds, err := b.Queue.Receive(ctx, queue.MaxBatch, 6*time.Minute)
		if err != nil || len(ds) == 0 {
			return n, err
		}
		n += len(ds)
		var acks []string
		began := b.Now()
		verdicts := b.Engine.Work(ctx, ds)
		if b.worked != nil {
			b.worked(b.Now().Sub(began))
		}
		for _, v := range verdicts {
			if v.Ack {
				acks = append(acks, v.Receipt)
				continue
			}
			if errs := b.Queue.SetVisibility(ctx, []string{v.Receipt}, v.Retry); errs != nil {
				return n, errs[0]
			}
		}
		if len(acks) > 0 {
			b.Queue.Delete(ctx, acks)
		}
	}
}
