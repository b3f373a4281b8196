package dynamostore_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

// TestLostAnswerOfAGuardedWrite: the first attempt lands and its answer is
// lost; the repetition meets its own effect and says so.
func TestLostAnswerOfAGuardedWrite(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	for name, c := range map[string]struct {
		before bool
		w      func(sort string) store.Write
		want   int64
	}{
		"put of a new item":   {false, func(sort string) store.Write { return put(sort, store.IfAbsent) }, 1},
		"put at a version":    {true, func(sort string) store.Write { return put(sort, store.IfVersion(1)) }, 2},
		"add to a new item":   {false, func(sort string) store.Write { return add(sort, store.IfAbsent) }, 1},
		"add at a version":    {true, func(sort string) store.Write { return add(sort, store.IfVersion(1)) }, 2},
		"put at version zero": {false, func(sort string) store.Write { return put(sort, store.IfVersion(0)) }, 1},
	} {
		for _, lose := range [][]trouble{
			{lost}, {lost, lost}, {says(500, "InternalServerError"), lost}, {
				refusedDial, lost, says(400, "ThrottlingException"),
				timeout,
			},
		} {
			sort := fmt.Sprintf("%s %d", name, len(lose))
			if c.before {
				wire.plan(nil)
				mustWrite(t, s, put(sort, store.Always))
			}
			wire.plan(nil, lose...)
			got, err := s.Write(t.Context(), c.w(sort))
			if err != nil || got != c.want {
				t.Errorf("%s: version %d, %v; want %d", sort, got, err, c.want)
			}
			wantVersion(t, s, key(sort), c.want)
			mustWrite(t, s, remove(sort, store.Always))
		}
	}
}

// TestLostAnswerThenARival: what became of the write cannot be known.
func TestLostAnswerThenARival(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	mustWrite(t, s, put("s", store.IfAbsent))
	rival := func(operation string, through func() (*http.Response, error)) (*http.Response, error) {
		_, err := lost(operation, through)
		wire.plan(nil)
		mustWrite(t, s, put("s", store.IfVersion(2)))
		return nil, err
	}
	wire.plan(nil, rival)
	_, err := s.Write(t.Context(), put("s", store.IfVersion(1)))
	if !fault.Is(err, fault.Unavailable) || !fault.MayHaveLanded(err) ||
		!strings.HasSuffix(err.Error(), ": the answer to the write was lost and the item has changed since") {
		t.Errorf("error = %v, want unavailable, may have landed, with the reason", err)
	}
	wantVersion(t, s, key("s"), 3)
}

// TestLostAnswerOfAnUnguardedWrite: a repetition could overwrite what a rival
// wrote in between, or count twice. The caller is told instead.
func TestLostAnswerOfAnUnguardedWrite(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	for name, w := range map[string]store.Write{
		"put":               put("s", store.Always),
		"put if it exists":  put("s", store.IfExists),
		"add":               add("s", store.Always),
		"delete":            remove("s", store.Always),
		"delete at version": remove("s", store.IfVersion(1)),
	} {
		for _, f := range []trouble{lost, says(500, "InternalServerError"), timeout} {
			wire.plan(nil)
			mustWrite(t, s, remove("s", store.Always))
			mustWrite(t, s, put("s", store.IfAbsent))
			wire.plan(nil, f)
			_, err := s.Write(t.Context(), w)
			if !fault.Is(err, fault.Unavailable) || !fault.MayHaveLanded(err) || wire.count() != 1 {
				t.Errorf("%s: %v after %d requests; want unavailable, may have landed, after one", name, err, wire.count())
			}
			wire.plan(nil, refusedDial, says(400, "ProvisionedThroughputExceededException"))
			if _, err := s.Write(t.Context(), w); err != nil && !fault.Is(err, fault.Conflict) {
				t.Errorf("%s: %v after what certainly did not happen", name, err)
			}
		}
	}
}

// TestLostAnswerOfATransaction: its token makes the repetition harmless, counters included.
func TestLostAnswerOfATransaction(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	wire.plan(nil, lost, says(400, "TransactionInProgressException"), lost)
	ws := []store.Write{
		add("n", store.Always), put("s", store.IfAbsent), {
			Op: store.Check, Item: store.Item{Key: key("x")},
			If: store.IfAbsent,
		},
	}
	if err := s.Transact(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	if n := wire.count(); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
	it, err := s.Get(t.Context(), key("n"))
	if err != nil || it.Counters["n"] != 1 || it.Version != 1 {
		t.Errorf("%v at version %d, %v; want one addition", it.Counters, it.Version, err)
	}
}

// calls are all calls of the port, each on items that are there.
var calls = map[string]func(ctx context.Context, s *dynamostore.Store) error{
	"Get": func(ctx context.Context, s *dynamostore.Store) error { _, err := s.Get(ctx, key("a")); return err },
	"BatchGet": func(ctx context.Context, s *dynamostore.Store) error {
		_, err := s.BatchGet(ctx, []store.Key{key("a"), key("b")})
		return err
	},
	"Query": func(ctx context.Context, s *dynamostore.Store) error {
		_, err := s.Query(ctx, store.Query{Table: store.Links, Workspace: "ws", Partition: "p"})
		return err
	},
	"Write/put": func(ctx context.Context, s *dynamostore.Store) error {
		_, err := s.Write(ctx, put("a", store.Always))
		return err
	},
	"Write/guarded": func(ctx context.Context, s *dynamostore.Store) error {
		_, err := s.Write(ctx, put(time.Now().String(), store.IfAbsent))
		return err
	},
	"Write/add": func(ctx context.Context, s *dynamostore.Store) error {
		_, err := s.Write(ctx, add("a", store.Always))
		return err
	},
	"Write/delete": func(ctx context.Context, s *dynamostore.Store) error {
		_, err := s.Write(ctx, remove("b", store.Always))
		return err
	},
	"Transact": func(ctx context.Context, s *dynamostore.Store) error {
		return s.Transact(ctx, []store.Write{put("a", store.Always), add("b", store.Always)})
	},
	"BatchWrite": func(ctx context.Context, s *dynamostore.Store) error {
		return first(s.BatchWrite(ctx, []store.Write{put("a", store.Always)}))
	},
	"BatchWrite/delete": func(ctx context.Context, s *dynamostore.Store) error {
		return first(s.BatchWrite(ctx, []store.Write{remove("a", store.Always), remove("b", store.Always)}))
	},
}

func first(_ []int64, errs []error) error {
	if errs == nil {
		return nil
	}
	return errs[0]
}

// reads cannot land.
func isRead(name string) bool { return name == "Get" || name == "BatchGet" || name == "Query" }

// TestEveryCallUnderEveryFault crosses them: the kind, whether it may have
// landed, and a cap on requests.
func TestEveryCallUnderEveryFault(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	for fname, f := range map[string]struct {
		trouble trouble
		kind    fault.Kind
		code    string
		lands   bool // a write may have
	}{
		"throttled":        {says(400, "ThrottlingException"), fault.Throttled, "aws_throttled", false},
		"capacity":         {says(400, "ProvisionedThroughputExceededException"), fault.Throttled, "aws_throttled", false},
		"account limit":    {says(400, "RequestLimitExceeded"), fault.Throttled, "aws_throttled", false},
		"429":              {says(429, "Whatever"), fault.Throttled, "aws_throttled", false},
		"in a transaction": {says(400, "TransactionConflictException"), fault.Throttled, "aws_throttled", false},
		"500":              {says(500, "InternalServerError"), fault.Unavailable, "unavailable", true},
		"503":              {says(503, "ServiceUnavailable"), fault.Unavailable, "unavailable", true},
		"timeout":          {timeout, fault.Unavailable, "unavailable", true},
		"reply lost":       {lost, fault.Unavailable, "unavailable", true},
		"malformed":        {malformedAnswer, fault.Unavailable, "unavailable", true},
		"not reached":      {refusedDial, fault.Unavailable, "unavailable", false},
		"no permission":    {says(400, "AccessDeniedException"), fault.Unavailable, "aws_denied", false},
		"no table":         {says(400, "ResourceNotFoundException"), fault.Unavailable, "aws_missing", false},
		"other 4xx":        {says(400, "SerializationException"), fault.Other, "aws_refused", false},
	} {
		for cname, call := range calls {
			wire.plan(nil)
			mustWrite(t, s, put("a", store.Always))
			mustWrite(t, s, put("b", store.Always))
			wire.plan(f.trouble)
			err := call(t.Context(), s)
			if fname == "reply lost" && cname == "Write/guarded" && err == nil {
				continue
			}
			if fault.KindOf(err) != f.kind || fault.CodeOf(err) != f.code {
				t.Errorf("%s under %s: %v, want %v %s", cname, fname, err, f.kind, f.code)
			}
			if want := f.lands && !isRead(cname); fault.MayHaveLanded(err) != want {
				t.Errorf("%s under %s: may have landed = %v, want %v: %v", cname, fname, !want, want, err)
			}
			if err != nil && strings.Contains(err.Error(), "ada@example.com") {
				t.Errorf("%s under %s: the error quotes the service: %v", cname, fname, err)
			}
			if n := wire.count(); n > 6 {
				t.Errorf("%s under %s: %d requests, want at most 6", cname, fname, n)
			}
			if f.kind == fault.Throttled && wire.count() < 2 {
				t.Errorf("%s under %s was not tried again", cname, fname)
			}
		}
	}
}

// TestThrottledAtFirst: a call that is throttled twice goes through.
func TestThrottledAtFirst(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	for name, call := range calls {
		wire.plan(nil)
		mustWrite(t, s, put("a", store.Always))
		wire.plan(nil, says(400, "ThrottlingException"), says(400, "ProvisionedThroughputExceededException"))
		if err := call(t.Context(), s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCancelledInFlight: the deadline of the caller ends the repetitions.
func TestCancelledInFlight(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	for name, call := range calls {
		ctx, cancel := context.WithCancel(t.Context())
		wire.plan(nil, func(string, func() (*http.Response, error)) (*http.Response, error) {
			cancel()
			return nil, context.Canceled
		})
		err := call(ctx, s)
		if !fault.Is(err, fault.Unavailable) || fault.MayHaveLanded(err) == isRead(name) || wire.count() != 1 {
			t.Errorf("%s: %v after %d requests", name, err, wire.count())
		}
		cancel()
	}
}

// TestUnprocessed: what DynamoDB leaves undone is asked for again, up to a cap.
func TestUnprocessed(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	const rest = `{"test-links":`
	someKey := `{"p":{"S":"ws|p"},"s":{"S":"a"}}`
	keys := answers200or(200, `{"Responses":{},"UnprocessedKeys":`+rest+`{"ConsistentRead":true,"Keys":[`+someKey+`]}}}`)
	items := answers200or(200, `{"UnprocessedItems":`+rest+`[{"DeleteRequest":{"Key":`+someKey+`}}]}}`)
	deletes := []store.Write{remove("a", store.Always), remove("b", store.Always)}

	mustWrite(t, s, put("a", store.Always))
	wire.plan(nil, keys, keys, keys)
	if got, err := s.BatchGet(t.Context(), []store.Key{key("a")}); err != nil || got[0].Version != 1 {
		t.Errorf("batch get = %v, %v; want the item", got, err)
	}
	wire.plan(keys)
	if _, err := s.BatchGet(t.Context(), []store.Key{key("a")}); !fault.Is(err, fault.Throttled) || wire.count() > 6 {
		t.Errorf("batch get: %v after %d requests, want throttled after at most 6", err, wire.count())
	}
	wire.plan(nil, items, items)
	if _, errs := s.BatchWrite(t.Context(), deletes); errs != nil {
		t.Errorf("batch write: %v", errs)
	}
	wantVersion(t, s, key("a"), 0)
	wire.plan(items)
	_, errs := s.BatchWrite(t.Context(), deletes)
	if len(errs) != 2 || !fault.Is(errs[0], fault.Throttled) || errs[1] != nil {
		t.Errorf("batch write: %v, want the first throttled only", errs)
	}
}

// TestTransactionMeetsRivals: cancelled for another transaction's sake it is
// made again, up to a cap.
func TestTransactionMeetsRivals(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	cancelled := answers200or(400,
		`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"x",`+
			`"CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"x"}]}`)
	ws := []store.Write{put("a", store.Always), put("b", store.Always)}
	wire.plan(nil, cancelled, cancelled)
	if err := s.Transact(t.Context(), ws); err != nil {
		t.Error(err)
	}
	wire.plan(cancelled)
	if err := s.Transact(t.Context(), ws); !fault.Is(err, fault.Throttled) || fault.MayHaveLanded(err) ||
		wire.count() > 8 {
		t.Errorf("error = %v after %d requests, want throttled", err, wire.count())
	}
	wire.plan(nil)
	wantVersion(t, s, key("a"), 1)
}

// TestUnconditionalDeletesShareRequests: erasing a connection costs few of them.
func TestUnconditionalDeletesShareRequests(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	var puts, deletes []store.Write
	for i := range 60 {
		puts = append(puts, put(fmt.Sprint(i), store.Always))
		deletes = append(deletes, remove(fmt.Sprint(i), store.Always))
	}
	if _, errs := s.BatchWrite(t.Context(), puts); errs != nil {
		t.Fatal(errs)
	}
	wire.plan(nil)
	if _, errs := s.BatchWrite(t.Context(), deletes); errs != nil {
		t.Fatal(errs)
	}
	if n := wire.count(); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	wantVersion(t, s, key("59"), 0)
}

func TestDamagedItemsAreOther(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	for name, item := range map[string]string{
		"no version":      `{"p":{"S":"ws|p"},"s":{"S":"a"}}`,
		"version a text":  `{"v":{"S":"1"}}`,
		"version no int":  `{"v":{"N":"1.5"}}`,
		"data a text":     `{"v":{"N":"1"},"d":{"S":"x"}}`,
		"expiry a text":   `{"v":{"N":"1"},"x":{"S":"x"}}`,
		"counter a text":  `{"v":{"N":"1"},"c_n":{"S":"x"}}`,
		"counter too big": `{"v":{"N":"1"},"c_n":{"N":"9223372036854775808"}}`,
	} {
		wire.plan(nil, answers200or(200, `{"Item":`+item+`}`))
		if _, err := s.Get(t.Context(), key("a")); fault.KindOf(err) != fault.Other || err == nil {
			t.Errorf("%s: %v, want other", name, err)
		}
	}
}

func TestNewWantsAllNames(t *testing.T) {
	t.Parallel()
	for _, table := range store.Tables {
		names := dynamostore.Prefixed("x-")
		delete(names, table)
		if _, err := dynamostore.New(nil, names, time.Now, dynamostore.Options{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("without %s: %v, want invalid", table, err)
		}
	}
}

func TestCountsAreThoseOfMemstore(t *testing.T) {
	t.Parallel()
	s, _ := openFaulty(t)
	if _, errs := s.BatchWrite(t.Context(), []store.Write{
		put("a", store.Always), put("b", store.Always), put("c", store.IfExists),
	}); errs == nil {
		t.Fatal("nothing refused")
	}
	check := store.Write{Op: store.Check, Item: store.Item{Key: key("b")}}
	if err := s.Transact(t.Context(), []store.Write{
		remove("a", store.Always), check, add("d", store.Always),
	}); err != nil {
		t.Fatal(err)
	}
	check.Item.Key, check.If = key("x"), store.IfExists
	if err := s.Transact(t.Context(), []store.Write{remove("b", store.Always), check}); err == nil {
		t.Fatal("not refused")
	}
	if _, err := s.Query(t.Context(), store.Query{Table: store.Links, Workspace: "ws", Partition: "p"}); err != nil {
		t.Fatal(err)
	}
	c := s.Counts()
	want := map[store.Op]int64{store.Put: 2, store.Delete: 1, store.Add: 1, store.Check: 1}
	if d := cmp.Diff(want, c.Writes[store.Links]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if c.Refused[store.Links] != 3 || c.Queries[store.Links] != 1 || c.Reads[store.Links] != 2 {
		t.Errorf("counts = %+v", c)
	}
}

func mustWrite(t *testing.T, s *dynamostore.Store, w store.Write) {
	t.Helper()
	if _, err := s.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

func wantVersion(t *testing.T, s *dynamostore.Store, k store.Key, want int64) {
	t.Helper()
	it, err := s.Get(t.Context(), k)
	if err != nil && !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	if it.Version != want {
		t.Errorf("version = %d, want %d", it.Version, want)
	}
}
