// Package storages runs a test on each of the storages that the program can
// keep its memory in: a data folder, and stand-ins for DynamoDB, SQS and KMS.
package storages

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
)

// The storages, as the flag --store names them.
const (
	Embedded = "embedded"
	Dynamo   = "dynamo"
)

// Storage is where a program under test keeps what it remembers.
type Storage struct {
	Name string
	// Env are the variables of a process in "name=value" form, and Cloud is what
	// they say to this process; nil = a data folder.
	Env   []string
	Cloud *cloud.Environment
}

// Each runs a test on both, side by side. With STORE=embedded or STORE=dynamo
// in the environment it runs on one.
func Each(t *testing.T, test func(t *testing.T, on Storage)) {
	t.Helper()
	all := map[string]func(t *testing.T) Storage{
		Embedded: func(*testing.T) Storage { return Storage{Name: Embedded} },
		Dynamo:   StandIns,
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

// StandIns starts a storage in AWS for the length of a test. Where the
// stand-ins are not installed the test is skipped, and fails when CI=true.
func StandIns(t *testing.T) Storage {
	t.Helper()
	s, stop, err := Start(context.WithoutCancel(t.Context())) // outlives the test's context
	awslocal.Missing(t, err)
	if err != nil {
		t.Fatal(err)
	}
	AtEnd(t, stop)
	return s
}

// AtEnd is t.Cleanup for what holds much, such as a whole program: the testing
// package keeps what was called at the end of a parallel test, and all that it
// holds, until the last of its siblings has ended.
func AtEnd(t *testing.T, end func()) {
	t.Helper()
	t.Cleanup(func() {
		f := end
		end = nil
		f()
	})
}

// queues is the one SQS of all tests of a program, each with queues of its own:
// Node takes longer to start than most of them take. Main stops it.
var (
	startedQueues atomic.Pointer[awslocal.Server]
	queues        = sync.OnceValues(func() (*awslocal.Server, error) {
		s, err := awslocal.StartSQS(context.Background())
		startedQueues.Store(s)
		return s, err
	})
)

// Main is the tests of a program that stops at the end what its tests share.
type Main struct{ *testing.M }

// Run runs the tests and returns the exit code.
func (m Main) Run() int {
	code := m.M.Run()
	if s := startedQueues.Load(); s != nil {
		s.Close()
	}
	return code
}

// Start is StandIns for more than one test: the caller stops it.
// awslocal.ErrMissing when the stand-ins are not installed.
func Start(ctx context.Context) (s Storage, stop func(), err error) {
	a, err := lambdarun.AccountOptions{
		SQS: func(context.Context) (*awslocal.Server, error) { return queues() }, SharedSQS: true,
	}.Open(ctx)
	if err != nil {
		return Storage{}, nil, err
	}
	s = Storage{Name: Dynamo, Env: append([]string{
		cloud.EnvRegion + "=" + awslocal.Region, cloud.EnvAccessKey + "=local", cloud.EnvSecretKey + "=local",
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}, a.Env...)}
	e, err := cloud.Read(s.Var, cloud.Nothing)
	if err != nil {
		a.Close()
		return Storage{}, nil, err
	}
	s.Cloud = &e
	return s, a.Close, nil
}

// Var returns the value of a variable; "" = it is not set.
func (s Storage) Var(name string) string {
	for _, v := range s.Env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
