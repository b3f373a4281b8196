package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/pause"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/roles"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// Functions are the names of the functions, which are those of their folders.
var Functions = []string{"api", "keeper", "pull", "sync", "webhook"}

// Times of the functions in a run: as short as they may be, because a sync
// whose function was killed stands still for the visibility time-out of its
// message and then for the length of its lease.
const (
	syncTime   = 8 * time.Second
	appTime    = time.Second
	visibility = syncTime // the least that SQS lets a function of that time limit have
	tickEvery  = time.Second
	keepEvery  = 10 * time.Second
	fireAgain  = time.Second // until Scheduler's second try
)

// Cloud says how the deployed functions are run on this machine.
type Cloud struct {
	Programs   string // folder with <function>/bootstrap
	AllowHosts []string
	Account    lambdarun.AccountOptions
	Share      float64 // of batches and firings that are handed in twice
	Seed       uint64  // of all chance
	Patient    bool    // time limits as deployed, for apps that are slow
	Rights     string  // file that says what each function's role may do; "" = everything
}

// times are the limits of one invocation of sync and pull and of a call to an app.
func (o Cloud) times() (sync, pull, app time.Duration) {
	if o.Patient {
		return 5 * time.Minute, 14 * time.Minute, 20 * time.Second
	}
	return syncTime, 26 * time.Second, appTime
}

// Running is a Cloud that runs.
type Running struct {
	Account *lambdarun.Account

	o         Cloud
	env       []string
	functions map[string]*lambdarun.Function
	poller    *lambdarun.Poller
	sync      release
	url       string
	said      *listener
	stops     closers

	asked    asked
	troubles atomic.Int64 // still to be made
	guards   []*roles.Guard
	fired    atomic.Int64
	refired  atomic.Int64 // a second time, because the first failed
	doubled  atomic.Int64 // twice at once

	mu    sync.Mutex
	rng   *rand.Rand
	share float64 // batches that are to be repeated so far
}

// Open starts the stand-ins, and no function yet. The caller closes it.
// awslocal.ErrMissing when a stand-in is not installed.
func (o Cloud) Open(ctx context.Context) (_ *Running, err error) {
	d := &Running{
		//nolint:gosec // repeatable chance
		o: o, share: 1 - o.Share, functions: map[string]*lambdarun.Function{}, rng: rand.New(rand.NewPCG(o.Seed, 20)),
	}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if d.Account, err = o.Account.Open(ctx); err != nil {
		return nil, err
	}
	d.stops.add(d.Account.Close)
	d.said = &listener{secrets: []string{"@example.", d.Account.AdminKey}}
	gateway := &lambdarun.Gateway{Routes: map[string]lambdarun.Invoker{}}
	url, stop, err := lambdarun.Serve(ctx, gateway)
	if err != nil {
		return nil, err
	}
	d.stops.add(stop)
	d.url = url
	syncTime, pullTime, appTime := o.times()
	d.env = append([]string{
		cloud.EnvPublicURL + "=" + d.url, cloud.EnvAllowHosts + "=" + strings.Join(o.AllowHosts, ","),
		cloud.EnvSyncTimeout + "=" + syncTime.String(), cloud.EnvAppTimeout + "=" + appTime.String(),
		cloud.EnvMaxRetry + "=" + retryTime.String(),
	}, d.Account.Env...)
	for name, f := range map[string]lambdarun.Options{
		"webhook": {Timeout: 10 * time.Second, Concurrency: 3}, "api": {Timeout: 15 * time.Second, Concurrency: 2},
		"pull": {Timeout: pullTime, Concurrency: 3}, "sync": {Timeout: syncTime, Concurrency: 3},
		"keeper": {Timeout: 15 * time.Second},
	} {
		env, err := d.guarded(ctx, name)
		if err != nil {
			return nil, err
		}
		d.functions[name] = d.function(name, f, env)
	}
	d.sync.set(d.functions["sync"])
	gateway.Routes["/hooks/"], gateway.Routes["/v1/"] = d.functions["webhook"], d.functions["api"]
	d.poller = &lambdarun.Poller{
		Queue: d.Account.Queue, Function: &d.sync, Visibility: max(visibility, syncTime),
		Workers: 2, Repeat: d.repeat,
	}
	return d, nil
}

// guarded is the environment of a function that does what its role may, and no more.
func (d *Running) guarded(ctx context.Context, name string) ([]string, error) {
	if d.o.Rights == "" {
		return d.env, nil
	}
	table, err := roles.Read(d.o.Rights)
	if err != nil {
		return nil, err
	}
	env := slices.Clone(d.env)
	for i, v := range env {
		for _, service := range []string{"DYNAMODB", "KMS"} {
			endpoint, ok := strings.CutPrefix(v, cloud.EnvEndpoint+service+"=")
			if !ok {
				continue
			}
			g, err := table.NewGuard(name, endpoint)
			if err != nil {
				return nil, err
			}
			url, stop, err := lambdarun.Serve(ctx, g)
			if err != nil {
				return nil, err
			}
			d.stops.add(stop)
			d.guards = append(d.guards, g)
			env[i] = cloud.EnvEndpoint + service + "=" + url
		}
	}
	return env, nil
}

// rights lists what was refused to the functions, and counts the rights they used.
func (d *Running) rights() (refused []string, used int) {
	for _, g := range d.guards {
		refused = append(refused, g.Refused()...)
		used += g.Used()
	}
	return refused, used
}

func (d *Running) function(name string, o lambdarun.Options, env []string) *lambdarun.Function {
	o.Name, o.Program, o.Env, o.Log = "lockstep-"+name, filepath.Join(d.o.Programs, name, "bootstrap"), env, d.said
	f := lambdarun.New(o)
	d.stops.add(f.Close)
	return f
}

// repeat decides about one batch: a share of them, evenly spread, beside and
// later by turns. A little more than is asked for, because a repetition may be
// lost with its instance.
func (d *Running) repeat() lambdarun.Repeat {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := int(d.share)
	if d.share += 1.25 * d.o.Share; int(d.share) == before {
		return lambdarun.Never
	}
	return lambdarun.Beside + lambdarun.Repeat(before%2)
}

// chance returns a number in [0,1).
func (d *Running) chance() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Float64()
}

// Address implements Deployment.
func (d *Running) Address() (url, key string) { return d.url, d.Account.AdminKey }

// Start implements Deployment: the queue, the tick and keeper's hour, which
// comes every few seconds here.
func (d *Running) Start(ctx context.Context) {
	d.stops.add(background(ctx, d.poller.Run))
	d.stops.add(background(ctx, func(ctx context.Context) { d.every(ctx, tickEvery, "pull", `{"tick":true}`) }))
	d.stops.add(background(ctx, func(ctx context.Context) { d.every(ctx, keepEvery, "keeper", `{"hour":true}`) }))
}

// every has a function invoked until ctx ends. One that fails is invoked again
// the next time.
func (d *Running) every(ctx context.Context, rest time.Duration, name, event string) {
	for ctx.Err() == nil {
		_, _ = d.functions[name].Invoke(context.WithoutCancel(ctx), []byte(event)) // counted by the function
		if pause.For(ctx, rest) != nil {
			return
		}
	}
}

// Fire implements Deployment: the schedule that the functions made for the sync
// fires as Scheduler does it, at least once, and a second time when the
// function failed.
func (d *Running) Fire(ctx context.Context, con crm.ConnectionID, sync crm.SyncID) error {
	event, err := d.schedule(con, sync)
	if err != nil {
		return err
	}
	d.fired.Add(1)
	if d.chance() < d.o.Share {
		d.doubled.Add(1)
		// nothing hangs on it
		wait := background(ctx, func(ctx context.Context) {
			_, _ = d.functions["pull"].Invoke(context.WithoutCancel(ctx), event)
		})
		defer wait()
	}
	if _, err = d.functions["pull"].Invoke(ctx, event); err == nil {
		return nil
	}
	d.refired.Add(1)
	if err := pause.For(ctx, fireAgain); err != nil {
		return err
	}
	_, _ = d.functions["pull"].Invoke(ctx, event) // goes to the queue of undelivered firings; the next one does its work
	return ctx.Err()
}

// schedule is what the schedule of a sync sends; an error when there is none, or
// none that fires.
func (d *Running) schedule(con crm.ConnectionID, sync crm.SyncID) ([]byte, error) {
	for _, name := range d.Account.Schedules.Names() {
		s := d.Account.Schedules.Schedule(name)
		target, _ := s["Target"].(map[string]any)
		input, _ := target["Input"].(string)
		var f struct{ Connection, Sync string }
		if json.Unmarshal([]byte(input), &f) == nil && f.Connection == string(con) && f.Sync == string(sync) {
			if s["State"] != "ENABLED" {
				return nil, fmt.Errorf("the schedule of %s is %v", sync, s["State"])
			}
			return []byte(input), nil
		}
	}
	return nil, fmt.Errorf("%s has no schedule", sync)
}

// Depth implements Deployment.
func (d *Running) Depth(ctx context.Context) (queue.Depth, error) { return d.Account.Queue.Depth(ctx) }

// Busy implements Deployment.
func (d *Running) Busy() bool { return d.poller.Pending() > 0 }

// Break replaces sync by a release that does not start; Mend takes it back.
func (d *Running) Break() {
	d.sync.set(d.function("sync", lambdarun.Options{Timeout: syncTime}, nil))
}

// Mend puts the working release of sync back.
func (d *Running) Mend() { d.sync.set(d.functions["sync"]) }

// Close implements Deployment.
func (d *Running) Close() { d.stops.Close() }

// Log is the end of what the functions printed.
func (d *Running) Log() string {
	if d.said == nil {
		return ""
	}
	return d.said.end()
}

// release is the function that the queue feeds, which may be replaced.
type release struct {
	f atomic.Pointer[lambdarun.Function]
}

func (r *release) set(f *lambdarun.Function) { r.f.Store(f) }

// Invoke implements lambdarun.Invoker.
func (r *release) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	return r.f.Load().Invoke(ctx, event)
}

var (
	_ Deployment        = (*Running)(nil)
	_ lambdarun.Invoker = (*release)(nil)
)
