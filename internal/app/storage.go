package app

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/config"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqlitequeue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqsqueue"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/secret/kmskey"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
	"github.com/lockstep-crm/lockstep/internal/store/moving"
	"github.com/lockstep-crm/lockstep/internal/store/sqlitestore"
)

// RootKeyFile is where the key that seals credentials is kept in the data folder.
const RootKeyFile = "root.key"

// Remote is storage in an account of AWS in place of a data folder: what a
// deployment's functions keep, by the same names. Nothing of it is made here.
type Remote struct {
	cloud.Storage

	// SDK is the configuration of a client of a service, DYNAMODB, SQS or KMS:
	// region, credentials, and where it is asked if not at AWS.
	SDK func(service string) aws.Config
}

// Queue is the change queue, which also tells what it was asked for.
type Queue interface {
	queue.Queue
	Counts() queue.Counts
}

// kept is an open storage, and what only one kind of storage can do.
type kept struct {
	store  store.Store
	queue  Queue
	sealer secret.Sealer
	key    secret.Text // the operator's
	fresh  bool        // key was made just now

	look    time.Duration   // how often schedules are looked at
	news    <-chan struct{} // rings when the queue may have something; nil = Receive waits for that by itself
	release func(context.Context) (int, error)
	purge   func(context.Context, int) (int, error)      // nil = expired items go by themselves
	move    func(context.Context) (done bool, err error) // goes on with the move of secrets; nil = done before
	close   func() error
}

// openFolder opens a data folder. Its lock comes first: what belongs to another
// process is not touched.
func openFolder(ctx context.Context, o Options, now func() time.Time) (_ kept, err error) {
	if o.DataDir == "" {
		return kept{}, fault.New("app: open", fault.Invalid, "invalid_config", "no data folder is given")
	}
	db, s, err := openDatabase(ctx, o.DataDir, now)
	if err != nil {
		return kept{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	q, err := sqlitequeue.Open(ctx, db, now, sqlitequeue.Options{})
	if err != nil {
		return kept{}, err
	}
	k := kept{
		store: s, queue: q, key: o.AdminKey, look: lookSchedule, news: q.Notify(), release: q.Release,
		purge: s.Purge, close: db.Close,
	}
	if k.sealer, err = openRootKey(ctx, o.DataDir, s); err != nil {
		return kept{}, err
	}
	if k.key.Empty() {
		k.key, k.fresh, err = adminKey(o.DataDir)
	}
	return k, err
}

// openDatabase opens the database of a folder and the store in it.
func openDatabase(ctx context.Context, folder string, now func() time.Time) (*sqlitedb.DB, *sqlitestore.Store, error) {
	db, err := sqlitedb.Open(ctx, folder)
	if err != nil {
		return nil, nil, err
	}
	s, err := sqlitestore.Open(ctx, db, now)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, s, nil
}

const (
	// receiveWait is how long a worker waits at the queue for a message: the
	// longest that the client's time limit of a call allows with time to answer,
	// because each call costs.
	receiveWait = cloud.CallTime - time.Second
	// lookRemote is how often schedules are looked at where each look costs.
	lookRemote = 5 * time.Second
)

// openRemote opens a storage in AWS and has each part of it answer once, so that
// a wrong name is told now, and not to the first user.
func openRemote(ctx context.Context, o Options, now func() time.Time) (kept, error) {
	if o.AdminKey.Empty() {
		return kept{}, fault.New("app: open", fault.Invalid, "invalid_config", config.AdminKeyVariable+
			" is not set: without a data folder no admin key is generated and kept; set one of 16 to 512 characters")
	}
	r := o.Remote
	calls := cloud.HTTPClient()
	sdk := func(service string) aws.Config {
		c := r.SDK(service).Copy()
		c.HTTPClient = calls
		return c
	}
	s, err := dynamostore.New(dynamodb.NewFromConfig(sdk("DYNAMODB")), r.Tables, now, dynamostore.Options{})
	if err != nil {
		return kept{}, err
	}
	q, err := sqsqueue.New(sqs.NewFromConfig(sdk("SQS")), r.Queue, r.DeadQueue, sqsqueue.Options{Wait: receiveWait})
	if err != nil {
		return kept{}, err
	}
	sealer, err := kmskey.New(kms.NewFromConfig(sdk("KMS")), r.Key, now, kmskey.Options{})
	if err != nil {
		return kept{}, err
	}
	if err := answers(ctx, r.Storage, s, q, sealer); err != nil {
		return kept{}, err
	}
	m := moving.New(s, now)
	k := kept{store: m, queue: q, sealer: sealer, key: o.AdminKey, look: lookRemote, close: func() error { return nil }}
	done, err := m.Step(ctx, api.DefaultWorkspace)
	if !done {
		k.move = func(ctx context.Context) (bool, error) { return m.Step(ctx, api.DefaultWorkspace) }
	}
	return k, err
}

// answers asks every table, both queues and the key for something harmless.
func answers(ctx context.Context, names cloud.Storage, s store.Store, q queue.Queue, sealer secret.Sealer) error {
	const nobody = "start"
	for _, t := range store.Tables {
		_, err := s.Get(ctx, store.Key{Table: t, Workspace: nobody, Partition: nobody, Sort: nobody})
		if err != nil && !fault.Is(err, fault.NotFound) {
			return unusable("the "+string(t)+" table "+names.Tables[t], err)
		}
	}
	if _, err := q.Depth(ctx); err != nil {
		return unusable("the queue "+names.Queue+" or its dead-letter queue "+names.DeadQueue, err)
	}
	if _, err := sealer.Seal(ctx, secret.Binding{Workspace: nobody, Subject: nobody, Purpose: nobody},
		[]byte(nobody)); err != nil {
		return unusable("the key "+names.Key, err)
	}
	return nil
}

// unusable keeps kind and code of an error and says which part of the storage
// it is about.
func unusable(what string, err error) error {
	why := err.Error()
	if f := new(fault.Error); errors.As(err, &f) && f.Message != "" {
		why = f.Message
	}
	return &fault.Error{
		Op: "app: open", Kind: fault.KindOf(err), Code: fault.CodeOf(err), Err: err,
		Message: what + " cannot be used: " + why + "; look at the names in the environment, the region and the permissions",
	}
}
