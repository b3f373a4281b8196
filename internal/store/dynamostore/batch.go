package dynamostore

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	keysPerRequest    = 100 // of a BatchGetItem
	deletesPerRequest = 25  // of a BatchWriteItem
)

// sideBySide runs n tasks, some at a time, and waits for all.
func (s *Store) sideBySide(n int, task func(i int)) {
	if n == 1 {
		task(0)
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, s.opts.Parallel) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				task(i)
			}
		})
	}
	wg.Wait()
}

// BatchWrite implements store.Store. Every change is a request of its own,
// some at a time, because BatchWriteItem knows neither conditions nor
// counters; only deletes without a condition share requests.
func (s *Store) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	const op = "dynamostore: batch write"
	versions, errs := make([]int64, len(ws)), make([]error, len(ws))
	if err := store.CheckBatch(op, ws); err != nil {
		for i := range errs {
			errs[i] = err
		}
		return versions, errs
	}
	tasks := s.batchTasks(ctx, op, ws, versions, errs)
	s.sideBySide(len(tasks), func(i int) { tasks[i]() })
	if !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return versions, nil
	}
	return versions, errs
}

// batchTasks are the requests of a BatchWrite. Each fills in entries of its own.
func (s *Store) batchTasks(ctx context.Context, op string, ws []store.Write, versions []int64, errs []error) []func() {
	var tasks []func()
	var deletes []int
	for i := range ws {
		w := &ws[i]
		if errs[i] = store.CheckWrite(op, w, false); errs[i] != nil {
			continue
		}
		if w.Op == store.Delete && w.If == store.Always {
			deletes = append(deletes, i)
			continue
		}
		tasks = append(tasks, func() {
			versions[i], errs[i] = s.write(ctx, op, w)
			s.meter.Wrote(w, errs[i])
		})
	}
	for some := range slices.Chunk(deletes, deletesPerRequest) {
		tasks = append(tasks, func() { s.deleteSome(ctx, op, ws, some, errs) })
	}
	return tasks
}

// deleteSome deletes items without a condition.
func (s *Store) deleteSome(ctx context.Context, op string, ws []store.Write, some []int, errs []error) {
	left := map[string][]types.WriteRequest{}
	at := map[placed]int{}
	for _, i := range some {
		key, table := keyOf(ws[i].Item.Key), s.names[ws[i].Item.Table]
		left[table] = append(left[table], types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key}})
		at[place(table, key)] = i
	}
	left, err := s.deleteRounds(ctx, op, left)
	for table, requests := range left {
		for _, r := range requests {
			errs[at[place(table, r.DeleteRequest.Key)]] = err
		}
	}
	for _, i := range some {
		s.meter.Wrote(&ws[i], errs[i])
	}
}

// deleteRounds asks until nothing is left undone, and returns what is, with
// the reason.
func (s *Store) deleteRounds(
	ctx context.Context, op string, left map[string][]types.WriteRequest,
) (map[string][]types.WriteRequest, error) {
	pauses := s.opts.Retry.Pauses()
	for {
		var out *dynamodb.BatchWriteItemOutput
		err := s.call(ctx, op, awscall.Once, func(ctx context.Context) error {
			var err error
			out, err = s.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
				RequestItems: left, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
			}, once)
			return err
		})
		if err != nil {
			return left, awscall.Classify(op, err, false)
		}
		s.wrote(out.ConsumedCapacity...)
		if left = out.UnprocessedItems; len(left) == 0 {
			return nil, nil
		}
		if pauses.Next(ctx) != nil {
			return left, unprocessed(op)
		}
	}
}

func unprocessed(op string) error {
	return fault.New(op, fault.Throttled, "aws_throttled", "the service left a part of our requests undone")
}

// placed names an item by what DynamoDB calls it.
type placed struct{ table, partition, sort string }

func place(table string, a attributes) placed {
	return placed{table, textOf(a[PartitionKey]), textOf(a[SortKey])}
}

// BatchGet implements store.Store.
func (s *Store) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return s.batchGet(ctx, "dynamostore: batch get", keys, true)
}

// BatchGetStale implements store.Store.
func (s *Store) BatchGetStale(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return s.batchGet(ctx, "dynamostore: batch get stale", keys, false)
}

func (s *Store) batchGet(ctx context.Context, op string, keys []store.Key, consistent bool) ([]store.Item, error) {
	if err := store.CheckKeys(op, keys); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err)
	}
	found, err := s.getAll(ctx, op, keys, consistent)
	if err != nil {
		return nil, err
	}
	now := s.now()
	items := make([]store.Item, len(keys))
	for i, key := range keys {
		s.meter.Read(key.Table, 1)
		if items[i], err = live(key, found[place(s.names[key.Table], keyOf(key))], now); err != nil {
			return nil, fault.Wrap(op, fault.Other, err)
		}
		items[i].Data = slices.Clone(items[i].Data) // a key may come twice
	}
	return items, nil
}

// getAll reads the attributes of all keys, each once.
func (s *Store) getAll(
	ctx context.Context, op string, keys []store.Key, consistent bool,
) (map[placed]attributes, error) {
	var distinct []store.Key
	seen := make(map[store.Key]bool, len(keys))
	for _, key := range keys {
		if !seen[key] {
			seen[key] = true
			distinct = append(distinct, key)
		}
	}
	var mu sync.Mutex
	var failed error
	found := make(map[placed]attributes, len(distinct))
	parts := slices.Collect(slices.Chunk(distinct, keysPerRequest))
	s.sideBySide(len(parts), func(i int) {
		err := s.getSome(ctx, op, parts[i], consistent, func(table string, a attributes) {
			mu.Lock()
			defer mu.Unlock()
			found[place(table, a)] = a
		})
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed = err
		}
	})
	return found, failed
}

// getSome reads up to 100 keys. An answer holds at most 16 MB; what did not fit
// is asked for at once, what was throttled after a pause.
func (s *Store) getSome(
	ctx context.Context, op string, keys []store.Key, consistent bool, found func(table string, a attributes),
) error {
	left := map[string]types.KeysAndAttributes{}
	for _, key := range keys {
		table := s.names[key.Table]
		ask := left[table]
		ask.ConsistentRead = aws.Bool(consistent)
		ask.Keys = append(ask.Keys, keyOf(key))
		left[table] = ask
	}
	pauses := s.opts.Retry.Pauses()
	for len(left) > 0 {
		var out *dynamodb.BatchGetItemOutput
		err := s.call(ctx, op, awscall.Read, func(ctx context.Context) error {
			var err error
			out, err = s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
				RequestItems: left, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
			}, once)
			return err
		})
		if err != nil {
			return awscall.Classify(op, err, false)
		}
		s.read(out.ConsumedCapacity...)
		progress := false
		for table, items := range out.Responses {
			for _, a := range items {
				progress = true
				found(table, a)
			}
		}
		if left = out.UnprocessedKeys; len(left) > 0 && !progress && pauses.Next(ctx) != nil {
			return unprocessed(op)
		}
	}
	return nil
}
