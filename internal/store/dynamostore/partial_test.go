package dynamostore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

// script is a DynamoDB of our own that can fail in parts, which the stand-in
// cannot: it decides on every request by what is in it.
type script struct {
	answer func(operation string, in request) (status int, body any)

	mu       sync.Mutex
	requests []request
}

// request is what the tests look at of a request.
type request struct {
	Operation         string
	ConsistentRead    *bool
	ExclusiveStartKey map[string]attribute
	RequestItems      json.RawMessage
	TransactItems     []json.RawMessage
	TableName         string

	TimeToLiveSpecification struct {
		AttributeName string
		Enabled       bool
	}
}

type attribute struct{ S, N, B string }

// jsonKey writes an attribute as DynamoDB does.
func jsonKey(k store.Key) map[string]any {
	return map[string]any{
		"p": map[string]string{"S": string(k.Workspace) + "|" + k.Partition}, "s": map[string]string{"S": k.Sort},
	}
}

// jsonItem is a stored item at version 1 whose data are its sort text.
func jsonItem(k store.Key) map[string]any {
	it := jsonKey(k)
	it["v"], it["d"] = map[string]string{"N": "1"}, map[string]any{"B": []byte(k.Sort)}
	return it
}

// Do implements the SDK's HTTP client.
func (s *script) Do(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var in request
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	_, in.Operation, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, in)
	status, body := s.answer(in.Operation, in)
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"r1"}},
		Body:   io.NopCloser(bytes.NewReader([]byte(text))),
	}, nil
}

// asked counts the requests since it was asked last.
func (s *script) asked() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, s.requests = len(s.requests), nil
	return n
}

// scripted opens a store on a script; pauses take no time.
func scripted(
	t *testing.T, parallel int, answer func(operation string, in request) (int, any),
) (*dynamostore.Store, *script) {
	t.Helper()
	sc := &script{answer: answer}
	names := map[store.Table]string{}
	for _, table := range store.Tables {
		names[table] = "test-" + string(table)
	}
	client := dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", HTTPClient: sc, BaseEndpoint: aws.String("http://dynamodb.invalid"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}, nil
		}),
	})
	s, err := dynamostore.New(client, names, time.Now, dynamostore.Options{
		Parallel: parallel, Retry: awscall.Policy{
			Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, sc
}

func refusal(code string) (int, any) {
	return 400, `{"__type":"com.amazonaws.dynamodb.v20120810#` + code + `","message":"x"}`
}

// partial are the ways in which one request of several fails for good.
var partial = map[string]struct {
	answer func() (int, any)
	kind   fault.Kind
}{
	"throttled":     {func() (int, any) { return refusal("ProvisionedThroughputExceededException") }, fault.Throttled},
	"500":           {func() (int, any) { return 500, `{"__type":"InternalServerError"}` }, fault.Unavailable},
	"malformed":     {func() (int, any) { return 200, `<html>` }, fault.Unavailable},
	"no permission": {func() (int, any) { return refusal("AccessDeniedException") }, fault.Unavailable},
	"refused":       {func() (int, any) { return refusal("SerializationException") }, fault.Other},
}

// wanted are the keys that a BatchGetItem asks for, by table.
func wanted(t *testing.T, in request) map[string][]store.Key {
	t.Helper()
	var tables map[string]struct {
		ConsistentRead *bool
		Keys           []map[string]attribute
	}
	if err := json.Unmarshal(in.RequestItems, &tables); err != nil {
		t.Error(err)
	}
	out := map[string][]store.Key{}
	for table, ask := range tables {
		for _, k := range ask.Keys {
			ws, partition, _ := strings.Cut(k["p"].S, "|")
			out[table] = append(out[table], store.Key{
				Table: store.Table(strings.TrimPrefix(table, "test-")), Workspace: crm.WorkspaceID(ws), Partition: partition,
				Sort: k["s"].S,
			})
		}
	}
	return out
}

// found answers the keys of do, and leaves the others undone.
func found(tables map[string][]store.Key, do func(store.Key) bool) any {
	responses, undone := map[string]any{}, map[string]any{}
	for table, keys := range tables {
		items, left := []any{}, []any{}
		for _, k := range keys {
			if do(k) {
				items = append(items, jsonItem(k))
			} else {
				left = append(left, jsonKey(k))
			}
		}
		responses[table] = items
		if len(left) > 0 {
			undone[table] = map[string]any{"ConsistentRead": true, "Keys": left}
		}
	}
	return map[string]any{"Responses": responses, "UnprocessedKeys": undone}
}

func everything(store.Key) bool { return true }

// manyKeys are 250 keys of two tables, and one of them twice: three requests.
func manyKeys() []store.Key {
	var keys []store.Key
	for i := range 250 {
		k := key(fmt.Sprintf("k%03d", i))
		if i%2 == 1 {
			k.Table = store.Log
		}
		keys = append(keys, k)
	}
	return append(keys, keys[7])
}

func wantItems(t *testing.T, what string, keys []store.Key, items []store.Item, err error) {
	t.Helper()
	if err != nil || len(items) != len(keys) {
		t.Errorf("%s: %d items of %d, %v", what, len(items), len(keys), err)
		return
	}
	for i, it := range items {
		if it.Key != keys[i] || it.Version != 1 || string(it.Data) != keys[i].Sort {
			t.Fatalf("%s: item %d is %v at version %d with %q, want %v", what, i, it.Key, it.Version, it.Data, keys[i])
		}
	}
}

// TestPartOfABatchGetFails: whichever request of several fails, for good or at
// first, nothing is taken for absent that was not answered.
func TestPartOfABatchGetFails(t *testing.T) {
	t.Parallel()
	keys := manyKeys()
	for name, p := range partial {
		for _, parallel := range []int{1, 8} {
			for part := range 3 {
				first := keys[part*100] // is in that part only
				times := -1
				s, _ := scripted(t, parallel, func(_ string, in request) (int, any) {
					tables := wanted(t, in)
					if times != 0 && slices.Contains(slices.Concat(tables["test-links"], tables["test-log"]), first) {
						times--
						return p.answer()
					}
					return 200, found(tables, everything)
				})
				items, err := s.BatchGet(t.Context(), keys)
				if err == nil || fault.KindOf(err) != p.kind || items != nil {
					t.Errorf("%s, part %d, %d side by side: %d items, %v; want none and %v", name, part, parallel, len(items), err,
						p.kind)
				}
				if p.kind == fault.Throttled || p.kind == fault.Unavailable && name != "no permission" {
					times = 1
					items, err = s.BatchGet(t.Context(), keys)
					wantItems(t, name+" at first", keys, items, err)
				}
			}
		}
	}
}

// TestPartOfABatchGetIsLeftUndone: keys that DynamoDB leaves undone are asked
// for again, of whichever request and table; those that never come are an error.
func TestPartOfABatchGetIsLeftUndone(t *testing.T) {
	t.Parallel()
	keys := manyKeys()
	asked := map[store.Key]int{}
	s, sc := scripted(t, 8, func(_ string, in request) (int, any) {
		n := 0
		return 200, found(wanted(t, in), func(k store.Key) bool { // both tables' keys come late, one by one, the log's last
			asked[k]++
			n++
			return n%2 == 0 && (k.Table == store.Links || asked[k] > 1) || asked[k] > 3
		})
	})
	items, err := s.BatchGet(t.Context(), keys)
	wantItems(t, "bit by bit", keys, items, err)
	if n := sc.asked(); n < 6 || n > 18 {
		t.Errorf("%d requests", n)
	}
	for _, never := range []store.Key{keys[0], keys[1], keys[150], keys[249]} {
		s, sc := scripted(t, 8, func(_ string, in request) (int, any) {
			return 200, found(wanted(t, in), func(k store.Key) bool { return k != never })
		})
		items, err := s.BatchGet(t.Context(), keys)
		if !fault.Is(err, fault.Throttled) || items != nil {
			t.Errorf("%s never comes: %d items, %v; want throttled", never.Sort, len(items), err)
		}
		if n := sc.asked(); n > 3+8 {
			t.Errorf("%s never comes: %d requests", never.Sort, n)
		}
	}
}

// TestReadsSayHowFreshTheyAre: only the stale read may be answered by a copy.
func TestReadsSayHowFreshTheyAre(t *testing.T) {
	t.Parallel()
	var fresh []bool
	s, _ := scripted(t, 1, func(operation string, in request) (int, any) {
		if operation == "Query" {
			fresh = append(fresh, in.ConsistentRead != nil && *in.ConsistentRead)
			return 200, map[string]any{"Items": []any{}}
		}
		fresh = append(fresh, bytes.Contains(in.RequestItems, []byte(`"ConsistentRead":true`)))
		return 200, found(wanted(t, in), everything)
	})
	keys := []store.Key{key("a")}
	if _, err := s.BatchGet(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if _, err := s.BatchGetStale(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Query(t.Context(), store.Query{Table: store.Links, Workspace: "ws", Partition: "p"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Query(t.Context(), store.Query{
		Table: store.Links, Workspace: "ws", Partition: "p", OnIndex: true,
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(fresh, []bool{true, false, true, false}) {
		t.Errorf("consistent: %v, want batch get and query of the table only", fresh)
	}
}

// deleted are the sort texts that a BatchWriteItem deletes.
func deleted(t *testing.T, in request) (sorts []string) {
	t.Helper()
	var tables map[string][]struct {
		DeleteRequest struct{ Key map[string]attribute }
	}
	if err := json.Unmarshal(in.RequestItems, &tables); err != nil {
		t.Error(err)
	}
	for _, requests := range tables {
		for _, r := range requests {
			sorts = append(sorts, r.DeleteRequest.Key["s"].S)
		}
	}
	return sorts
}

func undone(sorts []string) any {
	var left []any
	for _, s := range sorts {
		left = append(left, map[string]any{"DeleteRequest": map[string]any{"Key": jsonKey(key(s))}})
	}
	if left == nil {
		return map[string]any{}
	}
	return map[string]any{"UnprocessedItems": map[string]any{"test-links": left}}
}

// TestPartOfABatchWriteFails: the deletes of the request that failed have its
// error, each of the others none; one that is left undone again and again has
// an error of its own.
func TestPartOfABatchWriteFails(t *testing.T) {
	t.Parallel()
	var ws []store.Write
	for i := range 60 {
		ws = append(ws, remove(fmt.Sprintf("k%02d", i), store.Always))
	}
	for name, p := range partial {
		for part := range 3 {
			first := ws[part*25].Item.Key.Sort
			s, _ := scripted(t, 8, func(_ string, in request) (int, any) {
				if slices.Contains(deleted(t, in), first) {
					return p.answer()
				}
				return 200, undone(nil)
			})
			_, errs := s.BatchWrite(t.Context(), ws)
			if len(errs) != len(ws) {
				t.Errorf("%s, part %d: %d errors", name, part, len(errs))
				continue
			}
			for i, err := range errs {
				if inside := i/25 == part; inside != (err != nil) || inside && fault.KindOf(err) != p.kind {
					t.Errorf("%s, part %d: delete %d: %v", name, part, i, err)
				}
			}
		}
	}
	never := []string{"k03", "k30", "k59"}
	s, _ := scripted(t, 8, func(_ string, in request) (int, any) {
		return 200, undone(slices.DeleteFunc(deleted(t, in), func(s string) bool { return !slices.Contains(never, s) }))
	})
	_, errs := s.BatchWrite(t.Context(), ws)
	if len(errs) != len(ws) {
		t.Fatalf("%d errors", len(errs))
	}
	for i, err := range errs {
		if want := slices.Contains(never, ws[i].Item.Key.Sort); want != fault.Is(err, fault.Throttled) ||
			!want && err != nil {
			t.Errorf("delete %s, which never comes = %t: %v", ws[i].Item.Key.Sort, want, err)
		}
	}
	later := map[string]int{}
	s, _ = scripted(t, 8, func(_ string, in request) (int, any) {
		var left []string
		for i, sort := range deleted(t, in) {
			if later[sort]++; later[sort] <= 2 && i%3 == 0 {
				left = append(left, sort)
			}
		}
		return 200, undone(left)
	})
	if _, errs := s.BatchWrite(t.Context(), ws); errs != nil {
		t.Errorf("undone at first: %v", errs)
	}
}

// TestPagesOfExpiredItemsAreReadOver: a page without a living item is no end,
// wherever it comes; after many the caller gets a cursor and goes on from there.
func TestPagesOfExpiredItemsAreReadOver(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]store.Query{
		"table":   {Table: store.Links, Workspace: "ws", Partition: "p", Limit: 2},
		"reverse": {Table: store.Links, Workspace: "ws", Partition: "p", Limit: 2, Reverse: true},
		"prefix":  {Table: store.Links, Workspace: "ws", Partition: "p", Limit: 2, Prefix: "k"},
		"index":   {Table: store.Links, Workspace: "ws", Partition: "p", Limit: 2, OnIndex: true},
	} {
		for _, empty := range []int{0, 1, 3, 9, 10, 25} {
			page := 0
			s, sc := scripted(t, 1, func(_ string, in request) (int, any) {
				if at := in.ExclusiveStartKey["s"].S; at != map[bool]string{
					true: "", false: fmt.Sprintf("k%03d", page),
				}[page == 0] {
					t.Errorf("%s, %d empty: page %d begins after %q", name, empty, page, at)
				}
				page++
				last := jsonKey(key(fmt.Sprintf("k%03d", page)))
				if q.OnIndex {
					last["i"], last["j"] = last["p"], last["s"]
				}
				out := map[string]any{"Items": []any{}}
				if page > empty {
					out["Items"] = []any{jsonItem(key(fmt.Sprintf("item%d", page)))}
				}
				if page < empty+2 {
					out["LastEvaluatedKey"] = last
				}
				return 200, out
			})
			var got []string
			calls := 1
			for ; ; calls++ {
				p, err := s.Query(t.Context(), q)
				if err != nil || calls > 30 {
					t.Fatalf("%s, %d empty: call %d: %v", name, empty, calls, err)
				}
				for _, it := range p.Items {
					got = append(got, it.Key.Sort)
				}
				if q.Cursor = p.Next; p.Next == "" {
					break
				}
			}
			q.Cursor = ""
			if len(got) != 2 || sc.asked() != empty+2 || calls != 2+empty/10 {
				t.Errorf("%s, %d empty pages: %v after %d calls", name, empty, got, calls)
			}
		}
	}
}

// TestPageFailsBehindAnEmptyOne: trouble on a later page is an error, and not
// the end of the list.
func TestPageFailsBehindAnEmptyOne(t *testing.T) {
	t.Parallel()
	for name, p := range partial {
		n := 0
		s, _ := scripted(t, 1, func(string, request) (int, any) {
			if n++; n > 2 {
				return p.answer()
			}
			return 200, map[string]any{"Items": []any{}, "LastEvaluatedKey": jsonKey(key(fmt.Sprint("k", n)))}
		})
		page, err := s.Query(t.Context(), store.Query{Table: store.Links, Workspace: "ws", Partition: "p"})
		if fault.KindOf(err) != p.kind || err == nil || page.Next != "" || page.Items != nil {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
	}
}

// TestTransactionsAreCancelledForReasons: each reason, at each place, beside
// others that say nothing.
func TestTransactionsAreCancelledForReasons(t *testing.T) {
	t.Parallel()
	ws := []store.Write{
		put("a", store.IfAbsent), put("b", store.IfVersion(3)), {
			Op: store.Check, Item: store.Item{Key: key("c")},
			If: store.IfExists,
		},
	}
	type reason struct {
		Code string
		Item map[string]any `json:",omitempty"`
	}
	none := reason{Code: "None"}
	other := func(i int) reason { // an item that the write's condition does not hold for
		if i == 2 {
			return reason{Code: "ConditionalCheckFailed"}
		}
		return reason{"ConditionalCheckFailed", jsonItem(ws[i].Item.Key)}
	}
	cancelled := func(reasons ...reason) (int, any) {
		return 400, map[string]any{
			"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "x",
			"CancellationReasons": reasons,
		}
	}
	at := func(i int, r reason) []reason {
		list := []reason{none, none, none}
		list[i] = r
		return list
	}
	for i := range ws {
		for name, c := range map[string]struct {
			reasons []reason
			kind    fault.Kind
		}{
			"condition": {at(i, other(i)), fault.Conflict},
			"rival":     {at(i, reason{Code: "TransactionConflict"}), fault.Throttled},
			"throttled": {at(i, reason{Code: "ThrottlingError"}), fault.Throttled},
			"capacity":  {at(i, reason{Code: "ProvisionedThroughputExceeded"}), fault.Throttled},
			"rival, and condition": {
				append(at(i, other(i))[:i:i], append([]reason{other(i)}, []reason{
					{Code: "TransactionConflict"}, {Code: "TransactionConflict"}, {Code: "TransactionConflict"},
				}[:2-i]...)...), fault.Conflict,
			},
			"more than there are": {append(at(i, other(i)), other(0)), fault.Conflict},
		} {
			s, sc := scripted(t, 1, func(string, request) (int, any) { return cancelled(c.reasons...) })
			err := s.Transact(t.Context(), ws)
			if fault.KindOf(err) != c.kind || err == nil || fault.MayHaveLanded(err) {
				t.Errorf("%s at %d: %v, want %v and that nothing landed", name, i, err, c.kind)
			}
			if n := sc.asked(); c.kind == fault.Conflict && n != 1 || n > 8 {
				t.Errorf("%s at %d: %d requests", name, i, n)
			}
		}
		once := false
		s, _ := scripted(t, 1, func(string, request) (int, any) {
			if !once {
				once = true
				return cancelled(at(i, reason{Code: "TransactionConflict"})...)
			}
			return 200, map[string]any{}
		})
		if err := s.Transact(t.Context(), ws); err != nil {
			t.Errorf("a rival at first, at %d: %v", i, err)
		}
	}
}
