package app

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/awslocal"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/lambdarun"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// onEachStore runs a test on both storages: a data folder, and stand-ins for
// DynamoDB, SQS and KMS. STORE=embedded or STORE=dynamo runs it on one.
func onEachStore(t *testing.T, test func(t *testing.T, o Options)) {
	t.Helper()
	all := map[string]func(t *testing.T) Options{
		"embedded": func(t *testing.T) Options { t.Helper(); return Options{DataDir: t.TempDir()} },
		"dynamo":   standIns,
	}
	names := slices.Sorted(maps.Keys(all))
	if only := os.Getenv("STORE"); only != "" {
		if all[only] == nil {
			t.Fatalf("STORE=%s is none of %v", only, names)
		}
		names = []string{only}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, all[name](t))
		})
	}
}

// standIns starts a storage in AWS for the length of a test.
func standIns(t *testing.T) Options {
	t.Helper()
	a, err := lambdarun.OpenAccount(context.WithoutCancel(t.Context())) // outlives the test's context
	awslocal.Missing(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	env := append([]string{cloud.EnvRegion + "=" + awslocal.Region, cloud.EnvAccessKey + "=local", cloud.EnvSecretKey + "=local"}, a.Env...)
	e, err := cloud.Read(func(name string) string {
		for _, v := range env {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value
			}
		}
		return ""
	}, cloud.Nothing)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Remote: &Remote{Storage: e.Storage, SDK: e.SDK}, AdminKey: secret.NewText("the-operator's-own-key")}
}

// TestRemoteRefuses: each part of a remote storage is asked at the start, and
// the one that is not there is told.
func TestRemoteRefuses(t *testing.T) {
	t.Parallel()
	good := standIns(t)
	opened(t, good)
	for name, c := range map[string]struct {
		change func(*Options)
		kind   fault.Kind
		want   string
	}{
		"no admin key": {func(o *Options) { o.AdminKey = secret.Text{} }, fault.Invalid, "LOCKSTEP_ADMIN_KEY"},
		"no table":     {func(o *Options) { o.Remote.Tables[store.Log] = "lockstep-none" }, fault.Unavailable, "the log table lockstep-none"},
		"no queue":     {func(o *Options) { o.Remote.Queue += "-none" }, fault.Unavailable, "-none or its dead-letter queue"},
		"no key":       {func(o *Options) { o.Remote.Key += "0" }, fault.Unavailable, "the key arn:"},
		"no key ARN":   {func(o *Options) { o.Remote.Key = "alias/lockstep" }, fault.Invalid, "ARN"},
		"no queue URL": {func(o *Options) { o.Remote.Queue = "" }, fault.Invalid, "URL"},
	} {
		o, r := good, *good.Remote
		r.Tables = maps.Clone(r.Tables)
		o.Remote = &r
		c.change(&o)
		a, err := Open(t.Context(), o)
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want kind %v and %q", name, err, c.kind, c.want)
		}
		if a != nil {
			t.Errorf("%s: it is open", name)
		}
	}
}

// TestRemoteTakesNothingOver: nothing proves that whoever works a message of a
// queue in AWS is dead, so a process that starts leaves it where it is.
func TestRemoteTakesNothingOver(t *testing.T) {
	t.Parallel()
	o := standIns(t)
	a := opened(t, o)
	if errs := a.Queue.Send(t.Context(), []queue.Message{{Group: "g", Dedup: "d", Body: []byte("{}")}}); errs != nil {
		t.Fatal(errs)
	}
	if ds, err := a.Queue.Receive(t.Context(), 1, time.Hour); err != nil || len(ds) != 1 {
		t.Fatalf("received %d, %v", len(ds), err)
	}
	b := opened(t, o)
	if d, err := b.Queue.Depth(t.Context()); err != nil || d.Visible != 0 || d.InFlight != 1 {
		t.Errorf("depth %+v, %v; want one in flight", d, err)
	}
}
