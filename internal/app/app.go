package app

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/app/parts"
	"github.com/lockstep-crm/lockstep/internal/app/scrape"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/paced"
	"github.com/lockstep-crm/lockstep/internal/console"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/egress"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Options say where the data are and how the program meets the world. Only
// DataDir is required, or Remote with AdminKey.
type Options struct {
	// DataDir is the folder with everything that is remembered; made when missing.
	DataDir string
	// Remote is where everything is remembered instead; nil = in DataDir.
	Remote *Remote
	// Now tells the time; nil = time.Now.
	Now func() time.Time
	// Sleep waits for an app's limits by the clock of Now; it may return early when ctx
	// ends. nil = it really waits.
	Sleep func(ctx context.Context, d time.Duration)
	// Log gets what the program has to say; nil = nothing.
	Log *slog.Logger
	// AllowHosts are hosts beside the apps' own that accounts may be at; see egress.
	AllowHosts []string
	// AppDocuments is a folder with documents of apps beside the program's own; "" = none.
	AppDocuments string
	// ServeHosts are names, without port, under which the surface is reached
	// beside loopback and the host of PublicURL.
	ServeHosts []string
	// PublicURL is how apps and browsers reach us: scheme://host[:port]. Empty =
	// as each request says.
	PublicURL string
	// TLS says that the listener itself ends TLS.
	TLS bool
	// Proxies are the networks of proxies whose word about who calls is taken.
	Proxies []netip.Prefix
	// AdminKey is the operator's key; empty = the one kept in the data folder,
	// which Remote has none of.
	AdminKey secret.Text
	// MetricsToken opens GET /metrics; empty = there is no such path.
	MetricsToken secret.Text
	// Tuning overrides LocalTuning field by field.
	Tuning engine.Tuning
	// Mailer sends mail about alerts; nil = none is sent, and no user can be chosen.
	Mailer alert.Mailer
	// Mark is told the name of every rare state that the engine reaches. Optional.
	Mark func(name string)
	// Version is shown in the OpenAPI document.
	Version string
}

// LocalTuning is what suits one process with a data folder: pieces of work are
// short, so that stopping is quick.
func LocalTuning() engine.Tuning {
	return engine.Tuning{
		HTTPDeadline: 20 * time.Second, Budget: 5 * time.Second, Lease: 26 * time.Second,
		ParkAfter: time.Second, // parking is cheap here, and what waits on the queue holds up what comes after it
	}
}

// App is Lockstep in one process. Make it with Open.
type App struct {
	Engine   *engine.Engine
	Accounts *account.Service
	Alerts   *alert.Service
	Store    store.Store
	Queue    Queue

	opts    Options
	tuning  engine.Tuning
	log     *slog.Logger
	now     func() time.Time
	kept    kept
	handler http.Handler
	tick    *bell
	metrics *scrape.Metrics // nil = nobody collects any
}

// Open opens the storage, wires the parts and frees what a process of the data
// folder that died in the middle left taken. Close the App in the end.
//
// Errors: fault.Conflict with code "data_folder_in_use" while another process
// has the folder; Invalid for a folder, key file or setting that cannot be
// used, with what to do about it; Unavailable when the folder cannot be read
// or written, or Remote does not answer; Denied when Remote refuses.
func Open(ctx context.Context, o Options) (*App, error) {
	a := &App{opts: o, tuning: merge(o.Tuning, LocalTuning()), log: o.Log, now: o.Now, tick: newBell()}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.opts.Sleep == nil {
		a.opts.Sleep = parts.Sleep
	}
	var err error
	if o.Remote != nil {
		a.kept, err = openRemote(ctx, o, a.now)
	} else {
		a.kept, err = openFolder(ctx, o, a.now)
	}
	if err != nil {
		return nil, err
	}
	a.Store, a.Queue = a.kept.store, a.kept.queue
	if !o.MetricsToken.Empty() {
		a.metrics = scrape.New(o.Version)
	}
	if err := a.wire(); err != nil {
		return nil, errors.Join(err, a.kept.close())
	}
	if err := a.takeOver(ctx); err != nil {
		return nil, errors.Join(err, a.kept.close())
	}
	return a, nil
}

// merge returns t with the times that the local program sets otherwise than the
// engine taken from def where they are zero. What else is zero has the engine's default.
func merge(t, def engine.Tuning) engine.Tuning {
	for _, f := range []struct{ p, d *time.Duration }{
		{&t.HTTPDeadline, &def.HTTPDeadline},
		{&t.Budget, &def.Budget},
		{&t.Lease, &def.Lease},
		{&t.ParkAfter, &def.ParkAfter},
	} {
		if *f.p == 0 {
			*f.p = *f.d
		}
	}
	return t
}

// wire makes the parts, from the inside out.
func (a *App) wire() error {
	guard, err := egress.New(egress.Options{
		Allow: a.opts.AllowHosts, Timeout: a.tuning.HTTPDeadline, HeaderTimeout: a.tuning.HTTPDeadline,
	})
	if err != nil {
		return err
	}
	client, counted := guard.Client, a.Store
	if a.metrics != nil {
		m := a.metrics.Meter()
		client, counted = m.Client(client), m.Store(counted)
	}
	newID := identifiers(a.now)
	drivers, err := parts.Drivers(a.opts.AppDocuments)
	if err != nil {
		return err
	}
	a.Accounts, err = account.New(account.Options{
		Store: a.Store, Sealer: a.kept.sealer, Drivers: drivers, Documents: parts.Documents{}, HTTP: client,
		CheckURL: guard.CheckURL,
		Now:      a.now, NewID: newID, Rand: rand.Reader, Sleep: a.opts.Sleep, Pace: a.pace,
	})
	if err != nil {
		return err
	}
	a.Engine, err = engine.New(engine.Config{
		Store: counted, Queue: a.Queue, Now: a.now, NewID: newID, Sleep: a.opts.Sleep, Log: a.log, Mark: a.opts.Mark,
		Tuning: a.tuning,
		Open: func(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (connector.Connector, error) {
			c, _, err := a.Accounts.Open(ctx, ws, id)
			return c, err
		},
		Refused: a.Accounts.Refused, Keeper: parts.Keeper(a.Store, a.now), ErasureKey: a.Accounts.ErasureKey,
		Audited: parts.Audited(a.Store, a.now, newID),
	})
	if err != nil {
		return err
	}
	a.Alerts, err = alert.New(alert.Options{
		Store: a.Store, Engine: a.Engine, Accounts: a.Accounts, Audit: access.NewAudit(a.Store, a.now, newID),
		Mailer: a.opts.Mailer,
		HTTP:   guard.Client, CheckURL: guard.CheckURL, Sealer: a.kept.sealer, Rand: rand.Reader, Now: a.now, NewID: newID,
		Log: a.log,
	})
	if err != nil {
		return err
	}
	options := api.Options{
		Engine: surface{a.Engine, a.tick}, Accounts: logins{a.Accounts, a}, Alerts: a.Alerts, Store: a.Store,
		Now: a.now, NewID: newID, Logger: a.log, PublicURL: a.opts.PublicURL, AllowHosts: a.opts.ServeHosts,
		Proxies: a.opts.Proxies, Budgets: api.NewBudgets(api.DefaultShares, time.Now),
		AdminKey: a.kept.key, Version: a.opts.Version, Calls: a.calls,
	}
	if a.metrics != nil {
		options.MetricsToken, options.Metrics = a.opts.MetricsToken, a.metrics.Handler(a.sources())
		options.Delivered = a.metrics.Delivered
	}
	rest, err := api.New(options)
	if err != nil {
		return err
	}
	a.handler = console.Over(rest, console.Built(), a.opts.TLS || strings.HasPrefix(a.opts.PublicURL, "https://"))
	return nil
}

// sources are what metrics are read by.
func (a *App) sources() scrape.Sources {
	return scrape.Sources{
		Store: a.Store, Glance: a.Engine.Glance, Alerts: a.Alerts.OpenKinds, Account: a.Accounts.Get, Depth: a.Queue.Depth,
		Home: api.DefaultWorkspace, Now: a.now, Log: a.log,
		Calls: a.calls,
	}
}

// maxWait is how long one call may wait for its turn in an account's budget;
// what has to wait longer is parked.
const maxWait = time.Second

// pace keeps an account's connector within its limits, and answers for one whose app
// cannot be asked.
func (a *App) pace(c connector.Connector, ws crm.WorkspaceID, acc account.Account) connector.Connector {
	b := a.budget(ws, acc)
	b.Sleep, b.MaxWait = a.opts.Sleep, maxWait
	return parts.Connector(c, b)
}

func (a *App) budget(ws crm.WorkspaceID, acc account.Account) paced.Budget {
	return paced.Budget{Store: a.Store, Workspace: ws, Account: acc.ID, Now: a.now, Allowed: acc.Budget}
}

// calls are how many calls an account has used of its day's, and how many it may.
func (a *App) calls(ctx context.Context, ws crm.WorkspaceID, acc account.Account) (used, daily int, err error) {
	d, err := a.Accounts.Driver(ctx, ws, acc)
	if err != nil {
		return 0, 0, err
	}
	return paced.Calls(ctx, a.budget(ws, acc), d.App.Limits)
}

// takeOver frees what the folder's former process held when it died. Nothing
// proves that of a remote storage: there it is waited out.
func (a *App) takeOver(ctx context.Context) error {
	if a.kept.release == nil {
		return nil
	}
	err := a.eachWorkspace(ctx, func(ws crm.WorkspaceID) error { return a.Engine.ForgetLeases(ctx, ws) })
	if err != nil {
		return err
	}
	n, err := a.kept.release(ctx)
	if n > 0 {
		a.log.Info("work that was under way is taken up again", "chunks", n)
	}
	return err
}

func (a *App) eachWorkspace(ctx context.Context, f func(crm.WorkspaceID) error) error {
	return eachWorkspace(ctx, a.Store, f)
}

// Handler is the REST surface, the webhooks and the console.
func (a *App) Handler() http.Handler { return a.handler }

// AdminKey returns the operator's key; fresh says that it was generated by this
// Open and shown to nobody yet.
func (a *App) AdminKey() (key secret.Text, fresh bool) { return a.kept.key, a.kept.fresh }

// Close waits for running calls to the database and gives the folder back. Call
// it after Run has returned and the last request was answered.
func (a *App) Close() error { return a.kept.close() }

// identifiers returns a maker of identifiers that sort by time.
func identifiers(now func() time.Time) func(prefix string) string { return parts.Identifiers(now) }

// OpenRuns lists the runs of all workspaces that are open, and those that ended
// after since, oldest first: what somebody who watches wants to see. It looks
// at the newest runs of each workspace only.
func (a *App) OpenRuns(ctx context.Context, since time.Time) ([]engine.Run, error) {
	const newest = 50
	var out []engine.Run
	err := a.eachWorkspace(ctx, func(ws crm.WorkspaceID) error {
		runs, _, err := a.Engine.ListRuns(ctx, ws, "", newest, "")
		for _, r := range slices.Backward(runs) {
			if r.State == engine.RunQueued || r.State == engine.RunRunning || r.EndedAt.After(since) {
				out = append(out, r)
			}
		}
		return err
	})
	return out, err
}
