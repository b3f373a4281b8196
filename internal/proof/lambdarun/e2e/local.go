package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	program "github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// Local says how the program on one machine is run: its data in a temporary
// folder, in this process.
type Local struct {
	AllowHosts []string // host:port of the apps
}

// local is a running Local.
type local struct {
	app   *program.App
	url   string
	pulls atomic.Int64
	late  atomic.Int64
	stops closers
}

// Open starts the program. The caller closes it.
func (l Local) Open(ctx context.Context) (_ Deployment, err error) {
	d := new(local)
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	folder, err := os.MkdirTemp("", "lockstep-e2e-")
	if err != nil {
		return nil, err
	}
	d.stops.add(func() { _ = os.RemoveAll(folder) }) // a folder for temporary files
	d.app, err = program.Open(ctx, program.Options{
		DataDir: folder, AllowHosts: l.AllowHosts, Log: slog.New(slog.DiscardHandler), Tuning: engine.Tuning{
			MaxRetry: retryTime,
		},
	})
	if err != nil {
		return nil, err
	}
	d.stops.add(func() { _ = d.app.Close() }) // its folder goes next
	url, stop, err := lambdarun.Serve(ctx, d.app.Handler())
	if err != nil {
		return nil, err
	}
	d.stops.add(stop)
	d.url = url
	return d, nil
}

// Address implements Deployment.
func (d *local) Address() (url, key string) {
	k, _ := d.app.AdminKey()
	return d.url, k.Reveal()
}

// Start implements Deployment.
func (d *local) Start(ctx context.Context) {
	d.stops.add(background(ctx, func(ctx context.Context) { _ = d.app.Run(ctx) })) // it returns no error
}

// Fire implements Deployment.
func (d *local) Fire(ctx context.Context, con crm.ConnectionID, sync crm.SyncID) error {
	d.pulls.Add(1)
	err := d.app.Engine.Pull(ctx, workspace, con, sync)
	if err == nil || fault.Is(err, fault.Conflict) {
		return nil // the tick was faster with the same run, and goes on with it
	}
	if fault.Is(err, fault.Other) || ctx.Err() != nil {
		return err
	}
	d.late.Add(1) // the program's own scheduler would come again: so does the next firing
	return nil
}

// Depth implements Deployment.
func (d *local) Depth(ctx context.Context) (queue.Depth, error) { return d.app.Queue.Depth(ctx) }

// Busy implements Deployment.
func (*local) Busy() bool { return false }

// Disturb implements Deployment: this process cannot be killed.
func (*local) Disturb(context.Context, Trouble) {}

// Troubled implements Deployment.
func (*local) Troubled() bool { return false }

// Report implements Deployment.
func (d *local) Report() ([]string, []Figure) {
	c := d.app.Queue.Counts()
	return []string{
		fmt.Sprintf("%d pulls, %d of them put off by a limit; %d messages", d.pulls.Load(), d.late.Load(), c.Received),
	}, nil
}

// Close implements Deployment.
func (d *local) Close() { d.stops.Close() }

// workspace is the one that exists without being made.
const workspace = crm.WorkspaceID("default")

// retryTime is the longest wait before something that failed is tried again:
// short, so that records which cannot be read are given up within the run.
const retryTime = time.Second

var _ Deployment = (*local)(nil)
