package cloud

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/app/parts"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/paced"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/egress"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/invocation"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqsqueue"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/secret/kmskey"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
	"github.com/lockstep-crm/lockstep/internal/store/moving"
)

// maxWait is how long one call may wait for its turn in an account's budget;
// what has to wait longer is parked.
const maxWait = time.Second

// Cloud is Lockstep as one function sees it. Make it with Open.
type Cloud struct {
	Engine      *engine.Engine
	Accounts    *account.Service
	Store       store.Store
	Moving      *moving.Store // the tables behind Store, while secrets move in them
	Queue       queue.Queue
	Drivers     map[crm.AppID]connector.Driver
	Sealer      secret.Sealer
	Guard       *egress.Guard // of calls to hosts that an admin named
	NewID       func(prefix string) string
	Log         *slog.Logger
	Environment Environment
	Meter       *Meter
	Trace       func() string // names the invocation under way; nil = nothing does
}

// Open makes a function's parts of what its environment names. It calls
// nobody. Each of with may change Store and Queue before others build on them.
//
// Errors: fault.Invalid, naming every variable that is missing or cannot be used.
func Open(env func(string) string, serves Serves, log *slog.Logger, with ...func(*Cloud) error) (*Cloud, error) {
	e, err := Read(env, serves)
	if err != nil {
		return nil, err
	}
	drivers, err := parts.Drivers(e.AppDocuments)
	if err != nil {
		return nil, err
	}
	c := &Cloud{Environment: e, Log: log, Meter: &Meter{Log: log}, Drivers: drivers, NewID: parts.Identifiers(time.Now)}
	tables, err := dynamostore.New(dynamodb.NewFromConfig(e.SDK("DYNAMODB")), e.Tables, time.Now, dynamostore.Options{})
	if err != nil {
		return nil, err
	}
	c.Moving = moving.New(tables, time.Now)
	c.Store = c.Moving
	if c.Queue, err = sqsqueue.New(sqs.NewFromConfig(e.SDK("SQS")), e.Queue, e.DeadQueue, sqsqueue.Options{
		Trace: invocation.TraceHeader,
	}); err != nil {
		return nil, err
	}
	for _, change := range with {
		if err := change(c); err != nil {
			return nil, err
		}
	}
	sealer, err := kmskey.New(kms.NewFromConfig(e.SDK("KMS")), e.Key, time.Now, kmskey.Options{})
	if err != nil {
		return nil, err
	}
	return c, c.assemble(sealer)
}

// assemble makes the use cases on the adapters.
func (c *Cloud) assemble(sealer secret.Sealer) error {
	tuning := c.Environment.Times.Tuning()
	c.Store = c.Meter.Store(c.Store)
	var err error
	c.Guard, err = egress.New(egress.Options{
		Allow: c.Environment.AllowHosts, Strict: c.Environment.Strict(), Timeout: tuning.HTTPDeadline,
	})
	if err != nil {
		return err
	}
	c.Sealer = sealer
	c.Accounts, err = account.New(account.Options{
		Store: c.Store, Sealer: sealer, Drivers: c.Drivers, Documents: parts.Documents{},
		HTTP: c.Meter.Client(c.Guard.Client), CheckURL: c.Guard.CheckURL,
		Now: time.Now, NewID: c.NewID, Rand: rand.Reader, Sleep: parts.Sleep, Pace: c.pace,
	})
	if err != nil {
		return err
	}
	c.Engine, err = engine.New(engine.Config{
		Store: c.Store, Queue: c.Queue, Now: time.Now, NewID: c.NewID, Sleep: parts.Sleep, Log: c.Log, Tuning: tuning,
		Trace: c.messageTrace,
		Open: func(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (connector.Connector, error) {
			conn, _, err := c.Accounts.Open(ctx, ws, id)
			return conn, err
		},
		Refused: c.Accounts.Refused, Keeper: parts.Keeper(c.Store, time.Now), ErasureKey: c.Accounts.ErasureKey,
		Audited: parts.Audited(c.Store, time.Now, c.NewID),
	})
	return err
}

// BudgetUsed is the part of its daily calls that an account has used.
func (c *Cloud) BudgetUsed(ctx context.Context, ws crm.WorkspaceID, a account.Account) (float64, error) {
	d, err := c.Accounts.Driver(ctx, ws, a)
	if err != nil {
		return 0, err
	}
	return paced.Used(ctx, c.budget(ws, a), d.App.Limits)
}

// Calls are how many calls an account has used of its day's, and how many it may.
func (c *Cloud) Calls(ctx context.Context, ws crm.WorkspaceID, a account.Account) (used, daily int, err error) {
	d, err := c.Accounts.Driver(ctx, ws, a)
	if err != nil {
		return 0, 0, err
	}
	return paced.Calls(ctx, c.budget(ws, a), d.App.Limits)
}

// messageTrace names the invocation that queues a message, so that the log of
// whoever works it, at once or days later, leads back here.
func (c *Cloud) messageTrace() string {
	if c.Trace != nil {
		if trace := c.Trace(); trace != "" {
			return trace
		}
	}
	return c.NewID("trc")
}

// Follow has messages name the invocation that calls follows.
func Follow(calls *invocation.Calls) func(*Cloud) error {
	return func(c *Cloud) error {
		c.Trace = calls.Trace
		return nil
	}
}

// pace keeps an account's connector within its limits, across all functions, and answers
// for one whose app cannot be asked.
func (c *Cloud) pace(conn connector.Connector, ws crm.WorkspaceID, a account.Account) connector.Connector {
	b := c.budget(ws, a)
	b.Sleep, b.MaxWait = parts.Sleep, maxWait
	return parts.Connector(conn, b)
}

func (c *Cloud) budget(ws crm.WorkspaceID, a account.Account) paced.Budget {
	return paced.Budget{Store: c.Store, Workspace: ws, Account: a.ID, Now: time.Now, Allowed: a.Budget}
}
