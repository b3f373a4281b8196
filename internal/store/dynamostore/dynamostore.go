package dynamostore

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TableNames are the names of the three tables in the account.
type TableNames map[store.Table]string

// Prefixed names the tables "<prefix>settings" and so on.
func Prefixed(prefix string) TableNames {
	names := TableNames{}
	for _, t := range store.Tables {
		names[t] = prefix + string(t)
	}
	return names
}

// Options of a Store.
type Options struct {
	// Parallel is how many requests one BatchWrite or BatchGet has open at a
	// time; 0 = 16. The HTTP client should keep that many connections.
	Parallel int
	// Retry caps the attempts of each call.
	Retry awscall.Policy
}

// Store is a store.Store in DynamoDB. Make it with New.
type Store struct {
	client *dynamodb.Client
	names  TableNames
	now    func() time.Time
	opts   Options
	meter  store.Meter
	units  unitMeter
}

// New returns the store in the tables of these names, which must exist; expiry
// goes by now. It makes no call. fault.Invalid when a table has no name.
func New(client *dynamodb.Client, names TableNames, now func() time.Time, opts Options) (*Store, error) {
	const op = "dynamostore: new"
	known := TableNames{}
	for _, t := range store.Tables {
		if names[t] == "" {
			return nil, fault.New(op, fault.Invalid, "table_unnamed", "the table for "+string(t)+" has no name")
		}
		known[t] = names[t]
	}
	if opts.Parallel <= 0 {
		opts.Parallel = 16
	}
	return &Store{client: client, names: known, now: now, opts: opts}, nil
}

// Counts returns what the store was asked for since it was made.
func (s *Store) Counts() store.Counts { return s.meter.Counts() }

// Backups implements store.BackedUp: what is deleted can be recovered to a point
// in time for as long as the tables are set up to keep it, 35 days at the most
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery.html).
func (s *Store) Backups() []store.Backup {
	out := make([]store.Backup, len(store.Tables))
	for i, t := range store.Tables {
		out[i] = store.Backup{Name: "point-in-time recovery of the table " + s.names[t], Days: recoveryDays}
	}
	return out
}

// recoveryDays is how far back DynamoDB recovers at the most.
const recoveryDays = 35

// Units returns what DynamoDB took for it, as its answers say.
func (s *Store) Units() Consumed { return s.units.copy() }

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (store.Item, error) {
	const op = "dynamostore: get"
	if err := store.CheckKey(op, key); err != nil {
		return store.Item{}, err
	}
	s.meter.Read(key.Table, 1)
	a, err := s.get(ctx, op, key)
	if err != nil {
		return store.Item{}, err
	}
	it, err := live(key, a, s.now())
	if err != nil {
		return store.Item{}, fault.Wrap(op, fault.Other, err)
	}
	if it.Version == 0 {
		return store.Item{}, fault.New(op, fault.NotFound, "", "there is no such item")
	}
	return it, nil
}

// get reads the attributes of an item, nil when it is absent.
func (s *Store) get(ctx context.Context, op string, key store.Key) (attributes, error) {
	var out *dynamodb.GetItemOutput
	err := s.call(ctx, op, awscall.Read, func(ctx context.Context) error {
		var err error
		out, err = s.client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: aws.String(s.names[key.Table]), Key: keyOf(key), ConsistentRead: aws.Bool(true),
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		}, once)
		return err
	})
	if err != nil {
		return nil, awscall.Classify(op, err, false)
	}
	s.read(one(out.ConsumedCapacity)...)
	if len(out.Item) == 0 {
		return nil, nil //nolint:nilnil // no attributes are how DynamoDB says that there is no item
	}
	return out.Item, nil
}

func (s *Store) call(ctx context.Context, op string, nature awscall.Nature, call func(context.Context) error) error {
	return awscall.Do(ctx, op, nature, s.opts.Retry, call)
}

// once switches the SDK's own repetitions off.
func once(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// malformed reports whether DynamoDB found a request invalid: for a write that
// passed our checks, because of what is stored already.
func malformed(err error) bool {
	code := awscall.Code(err)
	return code == "ValidationException" || code == "ValidationError"
}

var errContended = errors.New("the item changed with every attempt")

func contended(op string) error {
	return &fault.Error{
		Op: op, Kind: fault.Throttled, Code: "aws_throttled", Message: "too many writers want the same item",
		Err: errContended,
	}
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.BackedUp = (*Store)(nil)
)
