package sqsqueue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqsqueue"
)

// wire is an HTTP client with faults, and a record of what was sent.
type wire struct {
	client aws.HTTPClient
	raw    *sqs.Client // without faults

	mu     sync.Mutex
	answer func(operation string, body []byte) *http.Response // nil, or a nil answer: goes through
	lose   int                                                // answers to lose, after the request went through
	sent   []string                                           // operation and body
}

// Do implements aws.HTTPClient.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.mu.Lock()
	w.sent = append(w.sent, operation+" "+string(body))
	answer, lose := w.answer, w.lose > 0
	if lose {
		w.lose--
	}
	w.mu.Unlock()
	if answer != nil {
		if a := answer(operation, body); a != nil {
			return a, nil
		}
	}
	a, err := w.client.Do(r)
	if lose && err == nil {
		_ = a.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	return a, err
}

func (w *wire) plan(answer func(operation string, body []byte) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent, w.answer = nil, answer
}

func (w *wire) requests(operation string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if strings.HasPrefix(s, operation+" ") {
			n++
		}
	}
	return n
}

func says(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

func refuses(code string) *http.Response {
	return says(400, `{"__type":"com.amazonaws.sqs#`+code+`","message":"about ada@example.com"}`)
}

func openFaulty(t *testing.T) (*sqsqueue.Queue, *wire) {
	t.Helper()
	cfg := awslocal.SQS(t).Config()
	url, dead, err := sqsqueue.Create(t.Context(), sqs.NewFromConfig(cfg), "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{client: cfg.HTTPClient, raw: sqs.NewFromConfig(cfg)}
	q, err := sqsqueue.New(sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.HTTPClient = w }), url, dead,
		sqsqueue.Options{
			Trace: func(ctx context.Context) string { s, _ := ctx.Value(traceKey{}).(string); return s },
			Retry: awscall.Policy{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
		})
	if err != nil {
		t.Fatal(err)
	}
	return q, w
}

func message(group, body string) queue.Message {
	return queue.Message{Group: group, Dedup: group + "-" + body, Body: []byte(body)}
}

func bodies(t *testing.T, q *sqsqueue.Queue) []string {
	t.Helper()
	var all []string
	for {
		ds, err := q.Receive(t.Context(), 10, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(ds) == 0 {
			return all
		}
		var receipts []string
		for _, d := range ds {
			all = append(all, string(d.Body))
			receipts = append(receipts, d.Receipt)
		}
		if errs := q.Delete(t.Context(), receipts); errs != nil {
			t.Fatal(errs)
		}
	}
}

// failing answers SendMessageBatch: entries with one of the bodies fail, the
// others are queued by hand.
func failing(code string, fault bool, times int, bad ...string) func(string, []byte) *http.Response {
	var mu sync.Mutex
	return func(operation string, body []byte) *http.Response {
		mu.Lock()
		defer mu.Unlock()
		if operation != "SendMessageBatch" || times == 0 {
			return nil
		}
		var in struct {
			Entries []struct {
				ID   string `json:"Id"`
				Body string `json:"MessageBody"`
			}
		}
		if json.Unmarshal(body, &in) != nil {
			return refuses("InvalidMessageContents")
		}
		var failed []string
		for _, e := range in.Entries {
			if slices.Contains(bad, e.Body) {
				failed = append(failed, fmt.Sprintf(`{"Id":%q,"Code":%q,"SenderFault":%v,"Message":"ada@example.com"}`, e.ID, code,
					fault))
			}
		}
		if len(failed) < len(in.Entries) || len(failed) == 0 {
			return nil
		}
		times--
		return says(200, `{"Successful":[],"Failed":[`+strings.Join(failed, ",")+`]}`)
	}
}

type traceKey struct{}

// TestMessagesCarryTheTrace of whoever sends them, each of them.
func TestMessagesCarryTheTrace(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	var got []string
	wire.plan(func(operation string, body []byte) *http.Response {
		var in struct {
			Entries []struct {
				MessageSystemAttributes map[string]struct{ DataType, StringValue string }
			}
		}
		if operation == "SendMessageBatch" && json.Unmarshal(body, &in) == nil {
			for _, e := range in.Entries {
				a := e.MessageSystemAttributes["AWSTraceHeader"]
				got = append(got, a.DataType+" "+a.StringValue)
			}
		}
		return nil
	})
	const header = "Root=1-65f1c0de-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1"
	if errs := q.Send(context.WithValue(t.Context(), traceKey{}, header), []queue.Message{
		message("g", "1"), message("h", "2"),
	}); errs != nil {
		t.Fatal(errs)
	}
	if errs := q.Send(t.Context(), []queue.Message{message("g", "3")}); errs != nil {
		t.Fatal(errs)
	}
	if want := []string{"String " + header, "String " + header, " "}; !slices.Equal(got, want) {
		t.Errorf("trace headers %q, want %q", got, want)
	}
	if n := len(bodies(t, q)); n != 3 {
		t.Errorf("%d messages arrived, want 3", n)
	}
}

// TestFailedEntriesAreSentAgain and keep the order of their group.
func TestFailedEntriesAreSentAgain(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	wire.plan(failing("InternalError", false, 3, "2"))
	if errs := q.Send(t.Context(), []queue.Message{message("g", "1"), message("g", "2"), message("g", "3")}); errs != nil {
		t.Fatal(errs)
	}
	if got := bodies(t, q); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("bodies = %v", got)
	}
}

// TestFailedEntryHoldsItsGroupBack: what follows in the group is not sent.
func TestFailedEntryHoldsItsGroupBack(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	for name, c := range map[string]struct {
		code   string
		sender bool
		want   fault.Kind
	}{
		"service":   {"InternalError", false, fault.Unavailable},
		"throttled": {"RequestThrottled", false, fault.Throttled},
		"refused":   {"InvalidMessageContents", true, fault.Invalid},
	} {
		bad := message("g", name+"2")
		wire.plan(failing(c.code, c.sender, -1, string(bad.Body)))
		errs := q.Send(t.Context(), []queue.Message{
			message("g", name+"1"), bad, message("g", name+"3"), message("h", name+"4"),
		})
		if len(errs) != 4 || errs[0] != nil || errs[3] != nil || !fault.Is(errs[1], c.want) ||
			!fault.Is(errs[2], fault.Unavailable) {
			t.Errorf("%s: %v", name, errs)
		}
		for _, err := range errs {
			if err != nil && strings.Contains(err.Error(), "ada@") {
				t.Errorf("%s: the error quotes the service: %v", name, err)
			}
		}
		got := bodies(t, q)
		slices.Sort(got)
		if !slices.Equal(got, []string{name + "1", name + "4"}) {
			t.Errorf("%s: queued %v, want the first of g and h", name, got)
		}
		if n := wire.requests("SendMessageBatch"); n > 8 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

// TestSharedRequestPartlyFails: messages of other groups are not sent twice.
func TestSharedRequestPartlyFails(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	first := true
	wire.plan(func(operation string, body []byte) *http.Response {
		if operation != "SendMessageBatch" || !first {
			return nil
		}
		first = false
		return says(200, `{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"c4ca4238a0b923820dcc509a6f75849b"}],"Failed":[{"Id":"1","Code":"InternalError","SenderFault":false}]}`)
	})
	if errs := q.Send(t.Context(), []queue.Message{message("a", "1"), message("b", "2"), message("c", "3")}); errs != nil {
		t.Fatal(errs)
	}
	got := bodies(t, q)
	slices.Sort(got)
	if !slices.Equal(got, []string{"2", "3"}) { // 1 was said to be queued; 3 was in neither list
		t.Errorf("sent again: %v, want 2 and 3", got)
	}
}

// TestLostAnswerOfASend: the deduplication ID makes the repetition harmless.
func TestLostAnswerOfASend(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	wire.lose = 2
	if errs := q.Send(t.Context(), []queue.Message{message("g", "1"), message("h", "2")}); errs != nil {
		t.Fatal(errs)
	}
	if got := bodies(t, q); len(got) != 2 {
		t.Errorf("bodies = %v, want each once", got)
	}
}

var calls = map[string]func(ctx context.Context, q *sqsqueue.Queue) error{
	"Send": func(ctx context.Context, q *sqsqueue.Queue) error {
		return first(q.Send(ctx, []queue.Message{message("g", fmt.Sprint(time.Now().UnixNano()))}))
	},
	"Receive": func(ctx context.Context, q *sqsqueue.Queue) error {
		_, err := q.Receive(ctx, 10, time.Minute)
		return err
	},
	"Delete": func(ctx context.Context, q *sqsqueue.Queue) error { return first(q.Delete(ctx, []string{"r", "s"})) },
	"SetVisibility": func(ctx context.Context, q *sqsqueue.Queue) error {
		return first(q.SetVisibility(ctx, []string{"r", "s"}, 0))
	},
	"Depth":       func(ctx context.Context, q *sqsqueue.Queue) error { _, err := q.Depth(ctx); return err },
	"RedriveDead": func(ctx context.Context, q *sqsqueue.Queue) error { _, err := q.RedriveDead(ctx, 10); return err },
}

func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestEveryCallUnderEveryFault crosses them: the kind, the words, a cap on requests.
func TestEveryCallUnderEveryFault(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	for fname, f := range map[string]struct {
		answer func() *http.Response
		kind   fault.Kind
		code   string
	}{
		"throttled": {func() *http.Response { return refuses("RequestThrottled") }, fault.Throttled, "aws_throttled"},
		"429":       {func() *http.Response { return says(429, `{}`) }, fault.Throttled, "aws_throttled"},
		"500": {
			func() *http.Response { return says(500, `{"__type":"InternalError"}`) }, fault.Unavailable,
			"unavailable",
		},
		"malformed":     {func() *http.Response { return says(200, `<html>`) }, fault.Unavailable, "unavailable"},
		"no queue":      {func() *http.Response { return refuses("QueueDoesNotExist") }, fault.Unavailable, "aws_missing"},
		"no permission": {func() *http.Response { return refuses("AccessDeniedException") }, fault.Unavailable, "aws_denied"},
		"other 4xx":     {func() *http.Response { return refuses("SomethingElse") }, fault.Other, "aws_refused"},
	} {
		for cname, call := range calls {
			wire.plan(func(string, []byte) *http.Response { return f.answer() })
			err := call(t.Context(), q)
			if fault.KindOf(err) != f.kind || fault.CodeOf(err) != f.code {
				t.Errorf("%s under %s: %v, want %v %s", cname, fname, err, f.kind, f.code)
			}
			if err != nil && strings.Contains(err.Error(), "ada@") {
				t.Errorf("%s under %s: the error quotes the service: %v", cname, fname, err)
			}
			if n := len(wire.sent); n > 6 {
				t.Errorf("%s under %s: %d requests, want at most 6", cname, fname, n)
			}
		}
	}
}

func TestNotReached(t *testing.T) {
	t.Parallel()
	q, err := sqsqueue.New(sqs.New(sqs.Options{
		Region: "eu-central-1", HTTPClient: nobody{}, BaseEndpoint: aws.String("http://127.0.0.1:1"),
		Credentials: aws.AnonymousCredentials{},
	}), "http://127.0.0.1:1/1/q.fifo", "http://127.0.0.1:1/1/d.fifo", sqsqueue.Options{
		Retry: awscall.Policy{Tries: 2, First: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		if err := call(t.Context(), q); !fault.Is(err, fault.Unavailable) || fault.MayHaveLanded(err) {
			t.Errorf("%s: %v, want unavailable without effect", name, err)
		}
	}
}

type nobody struct{}

// Do implements aws.HTTPClient.
func (nobody) Do(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

// moving answers for a service with move tasks: two looks, then the end.
func moving(dead int, statuses ...string) func(string, []byte) *http.Response {
	look := 0
	return func(operation string, _ []byte) *http.Response {
		switch operation {
		case "GetQueueAttributes":
			return says(200, fmt.Sprintf(`{"Attributes":{"QueueArn":"arn:aws:sqs:x:1:d.fifo","ApproximateNumberOfMessages":"%d","ApproximateNumberOfMessagesNotVisible":"0"}}`, dead))
		case "StartMessageMoveTask":
			return says(200, `{"TaskHandle":"h"}`)
		case "ListMessageMoveTasks":
			status := statuses[min(look, len(statuses)-1)]
			look++
			return says(200, fmt.Sprintf(`{"Results":[{"Status":%q,"SourceArn":"arn:aws:sqs:x:1:d.fifo","ApproximateNumberOfMessagesMoved":%d}]}`, status, look))
		}
		return refuses("UnexpectedCall")
	}
}

func TestRedriveByMoveTask(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	for name, c := range map[string]struct {
		limit, dead int
		statuses    []string
		moved       int
		code        string // of the error; "" = none
		started     bool
	}{
		"all":                   {10, 3, []string{"RUNNING", "RUNNING", "COMPLETED"}, 3, "", true},
		"exactly all":           {3, 3, []string{"COMPLETED"}, 1, "", true},
		"failed":                {10, 3, []string{"RUNNING", "FAILED"}, 2, "redrive_stopped", true},
		"cancelled":             {10, 3, []string{"CANCELLED"}, 1, "redrive_stopped", true},
		"fewer than there are":  {2, 3, nil, 0, "aws_refused", false}, // goes to copying, which these answers refuse
		"none asked for":        {0, 3, nil, 0, "", false},
		"nothing there to move": {10, 0, nil, 0, "aws_refused", false},
	} {
		wire.plan(moving(c.dead, c.statuses...))
		moved, err := q.RedriveDead(t.Context(), c.limit)
		if moved != c.moved || (err != nil) != (c.code != "") || err != nil && fault.CodeOf(err) != c.code {
			t.Errorf("%s: moved %d, %v; want %d, %q", name, moved, err, c.moved, c.code)
		}
		if started := wire.requests("StartMessageMoveTask") == 1; started != c.started {
			t.Errorf("%s: task started = %v", name, started)
		}
	}
}

// TestRedriveEndsWithItsCaller: the task goes on, the caller is told.
func TestRedriveEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	ctx, cancel := context.WithCancel(t.Context())
	answers := moving(3, "RUNNING")
	wire.plan(func(operation string, body []byte) *http.Response {
		if operation == "ListMessageMoveTasks" {
			defer cancel()
		}
		return answers(operation, body)
	})
	moved, err := q.RedriveDead(ctx, 10)
	if moved != 1 || !fault.Is(err, fault.Unavailable) || fault.CodeOf(err) != "redrive_running" {
		t.Errorf("moved %d, %v; want 1 and that it goes on", moved, err)
	}
}

// TestRedriveWithoutThePermission copies instead, for every way to say no.
func TestRedriveWithoutThePermission(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	for i, code := range []string{"AccessDeniedException", "UnsupportedOperation", "InvalidAction"} {
		body := fmt.Sprint(i)
		wire.plan(nil)
		kill(t, q, body)
		wire.plan(func(operation string, _ []byte) *http.Response {
			if operation == "StartMessageMoveTask" {
				return refuses(code)
			}
			return nil
		})
		if n, err := q.RedriveDead(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("%s: redriven %d, %v; want 1", code, n, err)
		}
		if got := bodies(t, q); !slices.Equal(got, []string{body}) {
			t.Errorf("%s: bodies = %v", code, got)
		}
	}
}

// TestRedriveAfterATaskThatMovesNothing copies what a task left, which ended as
// if all were done.
func TestRedriveAfterATaskThatMovesNothing(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	kill(t, q, "left")
	wire.plan(func(operation string, _ []byte) *http.Response {
		switch operation {
		case "StartMessageMoveTask":
			return says(200, `{"TaskHandle":"h"}`)
		case "ListMessageMoveTasks":
			return says(200, `{"Results":[{"Status":"COMPLETED","ApproximateNumberOfMessagesMoved":0}]}`)
		}
		return nil
	})
	if n, err := q.RedriveDead(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("redriven %d, %v; want 1", n, err)
	}
	if got := bodies(t, q); !slices.Equal(got, []string{"left"}) {
		t.Errorf("bodies = %v", got)
	}
}

// TestInterruptedCopySendsNothingTwice: the letter went back, its deletion failed.
func TestInterruptedCopySendsNothingTwice(t *testing.T) {
	t.Parallel()
	q, wire := openFaulty(t)
	kill(t, q, "1")
	var in struct {
		Entries []struct{ ReceiptHandle string }
	}
	wire.plan(func(operation string, body []byte) *http.Response {
		if operation == "DeleteMessageBatch" {
			if err := json.Unmarshal(body, &in); err != nil {
				t.Error(err)
			}
			return says(500, `{"__type":"InternalError"}`)
		}
		return nil
	})
	if _, err := q.RedriveDead(t.Context(), 10); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("error = %v, want unavailable", err)
	}
	wire.plan(nil)
	_, dead := q.URLs()
	if _, err := wire.raw.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &dead, ReceiptHandle: &in.Entries[0].ReceiptHandle,
	}); err != nil {
		t.Fatal(err) // it would come back by itself a minute later
	}
	if _, err := q.RedriveDead(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if got := bodies(t, q); !slices.Equal(got, []string{"1"}) {
		t.Errorf("bodies = %v, want one", got)
	}
	if d, err := q.Depth(t.Context()); err != nil || d.Dead != 0 {
		t.Errorf("depth = %+v, %v; want no dead letter", d, err)
	}
}

// kill makes a message a dead letter: queues here give one receive.
func kill(t *testing.T, q *sqsqueue.Queue, body string) {
	t.Helper()
	if errs := q.Send(t.Context(), []queue.Message{message("g", body)}); errs != nil {
		t.Fatal(errs)
	}
	for range 2 {
		if _, err := q.Receive(t.Context(), 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	if d, err := q.Depth(t.Context()); err != nil || d.Dead != 1 {
		t.Fatalf("depth = %+v, %v; want a dead letter", d, err)
	}
}

func TestNewWantsBothURLs(t *testing.T) {
	t.Parallel()
	for _, urls := range [][2]string{{"", "d"}, {"q", ""}} {
		if _, err := sqsqueue.New(nil, urls[0], urls[1], sqsqueue.Options{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want invalid", urls, err)
		}
	}
}
