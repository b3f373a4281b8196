package dynamostore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

// wire is an HTTP client with faults: what happens to a request is decided by
// the next of its faults, nil for none.
type wire struct {
	client aws.HTTPClient

	mu     sync.Mutex
	faults []trouble
	always trouble // when there are no more faults
	calls  []string
}

// trouble answers a request of an operation instead of, or after, going through.
type trouble func(operation string, through func() (*http.Response, error)) (*http.Response, error)

// Do implements the SDK's HTTP client.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.mu.Lock()
	w.calls = append(w.calls, operation)
	next := w.always
	if len(w.faults) > 0 {
		next, w.faults = w.faults[0], w.faults[1:]
	}
	w.mu.Unlock()
	through := func() (*http.Response, error) { return w.client.Do(r) }
	if next == nil {
		return through()
	}
	return next(operation, through)
}

// plan sets the faults of the requests to come and forgets the calls so far.
func (w *wire) plan(always trouble, faults ...trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.always, w.faults = nil, always, faults
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// lost lets the request through and loses the answer.
func lost(_ string, through func() (*http.Response, error)) (*http.Response, error) {
	answer, err := through()
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close()
	return nil, errors.New("connection reset by peer")
}

// refusedDial never reaches the service.
func refusedDial(string, func() (*http.Response, error)) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

// timeout never comes back; whether it landed nobody knows.
func timeout(string, func() (*http.Response, error)) (*http.Response, error) {
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: context.DeadlineExceeded}
}

// says answers with a service's error.
func says(status int, code string) trouble {
	return answers200or(status, `{"__type":"com.amazonaws.dynamodb.v20120810#`+code+
		`","message":"the key ada@example.com is special"}`)
}

// malformedAnswer is a 200 that is no JSON.
var malformedAnswer = answers200or(http.StatusOK, `<html>`)

func answers200or(status int, body string) trouble {
	return func(string, func() (*http.Response, error)) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"r1"}},
			Body:   io.NopCloser(bytes.NewReader([]byte(body))),
		}, nil
	}
}

// openFaulty is a store whose requests go over the wire; pauses take no time.
func openFaulty(t *testing.T) (*dynamostore.Store, *wire) {
	t.Helper()
	cfg := awslocal.DynamoDB(t).Config()
	names, err := dynamostore.CreateTables(t.Context(), dynamodb.NewFromConfig(cfg), "test-")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{client: cfg.HTTPClient}
	s, err := dynamostore.New(dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.HTTPClient = w }), names, time.Now,
		dynamostore.Options{
			Retry: awscall.Policy{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
		})
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

func key(sort string) store.Key {
	return store.Key{Table: store.Links, Workspace: "ws", Partition: "p", Sort: sort}
}

func put(sort string, c store.Condition) store.Write {
	return store.Write{Item: store.Item{Key: key(sort), Data: []byte("data")}, If: c}
}

func add(sort string, c store.Condition) store.Write {
	return store.Write{Op: store.Add, Item: store.Item{Key: key(sort), Counters: map[string]int64{"n": 1}}, If: c}
}

func remove(sort string, c store.Condition) store.Write {
	return store.Write{Op: store.Delete, Item: store.Item{Key: key(sort)}, If: c}
}
