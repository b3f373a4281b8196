package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakes"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

type fakeCommand struct {
	App     string        `arg:"" enum:"${apps}" help:"One of ${enum}."`
	Addr    string        `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Address to listen on (${default}); port 0 takes a free one."`
	Seed    int           `default:"0" placeholder:"N" help:"Made-up people to start with; of two fakes with the same N, 60 % are shared."`
	Latency time.Duration `default:"0s" placeholder:"DURATION" help:"Added to every answer."`
	Lag     time.Duration `default:"0s" placeholder:"DURATION" help:"Until a change shows in the app's search."`
}

// Run serves one fake until ctx ends.
func (c *fakeCommand) Run(ctx context.Context, w *world) error {
	if c.Seed < 0 || c.Seed > 1_000_000 || c.Latency < 0 || c.Lag < 0 {
		return fault.New("fake: settings", fault.Invalid, "invalid_config",
			"--seed is 0 to 1000000; --latency and --lag cannot be negative")
	}
	f, err := startFake(ctx, c.App, c.Addr, fakekit.Config{Seed: c.Seed, Latency: c.Latency, Lag: c.Lag})
	if err != nil {
		return err
	}
	screen := newScreen(w)
	screen.say("fake %s with %s people of %s", f.kind.name, number(int64(c.Seed)), f.kind.Objects)
	screen.say("address      %s", f.url)
	for _, name := range slices.Sorted(maps.Keys(f.kind.Credentials)) {
		screen.say("%-12s %s", name, f.kind.Credentials[name])
	}
	screen.say("knobs        %s/_fake/openapi.json", f.url)
	<-ctx.Done()
	return f.stop()
}

// fakeKind is a fake app with its name.
type fakeKind struct {
	fakes.Kind

	name string
}

func kindOf(app crm.AppID) fakeKind { return fakeKind{fakes.All()[app], apps.Drivers()[app].App.Name} }

// appNames lists the apps for the command line.
func appNames() string {
	var ids []string
	for id := range fakes.All() {
		ids = append(ids, string(id))
	}
	slices.Sort(ids)
	return strings.Join(ids, ",")
}

// fakeServer is a fake that listens.
type fakeServer struct {
	kind fakeKind
	fake fakekit.Fake
	url  string
	host string // host:port
	http *http.Server
	quit context.CancelFunc
	done chan error
}

// startFake serves a fake app and sends its webhooks, until stop.
func startFake(ctx context.Context, app, addr string, c fakekit.Config) (*fakeServer, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fault.New("fake: listen", fault.Unavailable, "address_in_use",
			fmt.Sprintf("cannot listen on %s: %v; choose another --addr", addr, errors.Unwrap(err)))
	}
	kind := kindOf(crm.AppID(app))
	f := &fakeServer{kind: kind, host: reachable(l.Addr().String()), done: make(chan error, 2)}
	f.url = "http://" + f.host
	f.fake = kind.Start(c)
	f.http = &http.Server{
		Handler: f.fake, ReadHeaderTimeout: headTime, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	ctx, f.quit = context.WithCancel(context.WithoutCancel(ctx))
	go func() { f.done <- f.http.Serve(l) }()
	go func() { f.done <- f.fake.Core().Run(ctx, &http.Client{Timeout: fakekit.HookTimeout}) }()
	return f, nil
}

// stop ends the fake. What it held is gone.
func (f *fakeServer) stop() error {
	f.quit()
	err := f.http.Close()
	for range 2 {
		if e := <-f.done; e != nil && !errors.Is(e, http.ErrServerClosed) && !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	return err
}
