package app

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// onEachStore runs a test on a data folder and on stand-ins for AWS.
func onEachStore(t *testing.T, test func(t *testing.T, o Options)) {
	t.Helper()
	storages.Each(t, func(t *testing.T, on storages.Storage) { test(t, optionsOf(t, on)) })
}

func optionsOf(t *testing.T, on storages.Storage) Options {
	t.Helper()
	if on.Cloud == nil {
		return Options{DataDir: t.TempDir()}
	}
	return Options{
		Remote: &Remote{Storage: on.Cloud.Storage, SDK: on.Cloud.SDK}, AdminKey: secret.NewText("the-operator's-own-key"),
	}
}

// TestRemoteRefuses: each part of a remote storage is asked at the start, and
// the one that is not there is told.
func TestRemoteRefuses(t *testing.T) {
	t.Parallel()
	good := optionsOf(t, storages.StandIns(t))
	opened(t, good)
	for name, c := range map[string]struct {
		change func(*Options)
		kind   fault.Kind
		want   string
	}{
		"no admin key": {func(o *Options) { o.AdminKey = secret.Text{} }, fault.Invalid, "LOCKSTEP_ADMIN_KEY"},
		"no table": {
			func(o *Options) { o.Remote.Tables[store.Log] = "lockstep-none" }, fault.Unavailable, "the log table lockstep-none",
		},
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
	o := optionsOf(t, storages.StandIns(t))
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
