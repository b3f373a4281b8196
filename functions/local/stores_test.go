package main

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/awslocal"
	"github.com/lockstep-crm/lockstep/internal/lambdarun"
)

// onEachStore runs a test that speaks HTTP to a running program on both
// storages: a data folder, and stand-ins for DynamoDB, SQS and KMS. STORE=embedded
// or STORE=dynamo runs it on one.
func onEachStore(t *testing.T, test func(t *testing.T, on storage)) {
	t.Helper()
	all := map[string]func(t *testing.T) storage{
		storeEmbedded: func(*testing.T) storage { return storage{name: storeEmbedded} },
		storeDynamo:   standIns,
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

// storage is where a program under test keeps what it remembers.
type storage struct {
	name   string
	env    []string    // for a process; nil = the data folder
	remote *app.Remote // for this process; nil = the data folder
}

// standIns starts a storage in AWS for the length of a test.
func standIns(t *testing.T) storage {
	t.Helper()
	a, err := lambdarun.OpenAccount(context.WithoutCancel(t.Context())) // outlives the test's context
	awslocal.Missing(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	env := append([]string{
		"AWS_REGION=" + awslocal.Region, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}, a.Env...)
	e, err := cloud.Read(lookup(env), cloud.Nothing)
	if err != nil {
		t.Fatal(err)
	}
	return storage{name: storeDynamo, env: env, remote: &app.Remote{Storage: e.Storage, SDK: e.SDK}}
}

// lookup reads variables of a list.
func lookup(env []string) func(string) string {
	return func(name string) string {
		for _, v := range env {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// appTimeout is short on a remote storage: what a killed process held is waited
// out for as long as a call may take, and a little more.
func (s storage) appTimeout() string {
	if s.remote != nil {
		return "2s"
	}
	return "20s"
}
