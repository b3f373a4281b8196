package lambdarun_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/memqueue"
)

// asFunction makes the test binary be a bootstrap: no second build is needed.
const asFunction = "LOCKSTEP_TEST_AS_FUNCTION"

func TestMain(m *testing.M) {
	switch os.Getenv(asFunction) {
	case "":
		os.Exit(m.Run())
	case "broken":
		os.Exit(3)
	default:
		lambda.Start(program)
	}
}

// order is what the program of these tests is told to do.
type order struct {
	Do   string `json:"do"`
	Text string `json:"text"`
}

// said is its answer.
type said struct {
	Text    string `json:"text"`
	Calls   int    `json:"calls"`
	Request bool   `json:"request"`
	Trace   bool   `json:"trace"`
	LeftMS  int64  `json:"left_ms"`
	Pid     int    `json:"pid"`
	Ticks   int    `json:"ticks"` // of a clock that runs between invocations
}

var (
	calls int
	mu    sync.Mutex
	ticks int
)

func program(ctx context.Context, o order) (said, error) {
	calls++
	switch o.Do {
	case "fail":
		return said{}, errors.New("it was told to fail")
	case "exit":
		os.Exit(1)
	case "hang":
		select {}
	case "tick":
		go func() {
			for range time.Tick(time.Millisecond) {
				mu.Lock()
				ticks++
				mu.Unlock()
			}
		}()
	}
	lc, _ := lambdacontext.FromContext(ctx)
	end, _ := ctx.Deadline()
	trace, _ := ctx.Value("x-amzn-trace-id").(string)
	mu.Lock()
	defer mu.Unlock()
	return said{
		Text: o.Text, Calls: calls, Request: lc != nil && lc.AwsRequestID != "", Trace: strings.HasPrefix(trace, "Root=1-"),
		LeftMS: time.Until(end).Milliseconds(), Pid: os.Getpid(), Ticks: ticks,
	}, nil
}

func function(t *testing.T, o lambdarun.Options) *lambdarun.Function {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Name, o.Program = "test", self
	if o.Env == nil {
		o.Env = []string{asFunction + "=yes"}
	}
	f := lambdarun.New(o)
	t.Cleanup(f.Close)
	return f
}

func invoke(t *testing.T, f *lambdarun.Function, o order) (said, error) {
	t.Helper()
	event, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var s said
	answer, err := f.Invoke(t.Context(), event)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(answer, &s); err != nil {
		t.Fatal(err)
	}
	return s, nil
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	f := function(t, lambdarun.Options{Timeout: 20 * time.Second})
	first, err := invoke(t, f, order{Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if first.Text != "hello" || !first.Request || !first.Trace || first.LeftMS <= 10_000 || first.LeftMS > 20_000 {
		t.Errorf("the first answer is %+v, want the text, a request, a trace and a deadline within 20 s", first)
	}
	second, err := invoke(t, f, order{Text: "again"})
	if err != nil || second.Pid != first.Pid || second.Calls != 2 {
		t.Errorf("the second answer is %+v, %v; want it from the same process", second, err)
	}
}

func TestFailureIsNoEnd(t *testing.T) {
	t.Parallel()
	f := function(t, lambdarun.Options{Timeout: 20 * time.Second})
	_, err := invoke(t, f, order{Do: "fail"})
	var failed *lambdarun.FunctionError
	if !errors.As(err, &failed) || failed.Message != "it was told to fail" {
		t.Errorf("got %v, want the handler's error", err)
	}
	s, err := invoke(t, f, order{})
	if err != nil || s.Calls != 2 {
		t.Errorf("after a failure: %+v, %v; want the same process", s, err)
	}
}

func TestExit(t *testing.T) {
	t.Parallel()
	f := function(t, lambdarun.Options{Timeout: 20 * time.Second})
	if _, err := invoke(t, f, order{Do: "exit"}); !errors.Is(err, lambdarun.ErrExited) {
		t.Errorf("a program that ends: %v", err)
	}
	if s, err := invoke(t, f, order{}); err != nil || s.Calls != 1 {
		t.Errorf("after an end: %+v, %v; want a new process", s, err)
	}
	if c := f.Counts(); c.Starts != 2 || c.Calls != 2 {
		t.Errorf("counts %+v, want 2 starts", c)
	}
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	f := function(t, lambdarun.Options{Timeout: 200 * time.Millisecond})
	if _, err := invoke(t, f, order{Do: "hang"}); !errors.Is(err, lambdarun.ErrTimeout) {
		t.Errorf("a program that hangs: %v", err)
	}
	if c := f.Counts(); c.Timeout != 1 {
		t.Errorf("counts %+v, want 1 time-out", c)
	}
}

func TestBrokenStart(t *testing.T) {
	t.Parallel()
	f := function(t, lambdarun.Options{Env: []string{asFunction + "=broken"}})
	if _, err := invoke(t, f, order{}); !errors.Is(err, lambdarun.ErrExited) {
		t.Errorf("a program that does not start: %v", err)
	}
}

// TestFrozen has a process count in the background; between invocations it
// must stand still.
func TestFrozen(t *testing.T) {
	t.Parallel()
	f := function(t, lambdarun.Options{Timeout: 20 * time.Second})
	before, err := invoke(t, f, order{Do: "tick"})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(300 * time.Millisecond) // real time, in which a process that is not stopped would count
	after, err := invoke(t, f, order{})
	if err != nil {
		t.Fatal(err)
	}
	if after.Pid != before.Pid || after.Ticks-before.Ticks > 100 {
		t.Errorf("the process counted to %d while it was stopped", after.Ticks-before.Ticks)
	}
}

func TestConcurrencyAndKill(t *testing.T) {
	t.Parallel()
	f := function(t, lambdarun.Options{Timeout: 20 * time.Second, Concurrency: 2})
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := f.Invoke(t.Context(), []byte(`{"do":"hang"}`))
			ended <- err
		}()
	}
	for f.Counts().Starts < 2 {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	for range 2 {
		for !f.Kill(true) {
			<-time.After(5 * time.Millisecond)
		}
		if err := <-ended; !errors.Is(err, lambdarun.ErrExited) {
			t.Errorf("a killed instance: %v", err)
		}
	}
}

func TestStall(t *testing.T) {
	t.Parallel()
	f := function(t, lambdarun.Options{Timeout: 500 * time.Millisecond})
	if f.Stall() || f.Kill(true) {
		t.Error("something was stopped where nothing worked")
	}
	ended := make(chan error, 1)
	go func() {
		_, err := f.Invoke(t.Context(), []byte(`{"do":"hang"}`))
		ended <- err
	}()
	for !f.Stall() {
		<-time.After(5 * time.Millisecond)
	}
	if f.Kill(true) {
		t.Error("a stalled instance was killed before its time")
	}
	if err := <-ended; !errors.Is(err, lambdarun.ErrTimeout) {
		t.Errorf("a stalled instance: %v", err)
	}
	if c := f.Counts(); c.Stalled != 1 || c.Timeout != 1 || c.Killed+c.Lost != 0 {
		t.Errorf("counts %+v, want one stall and its time-out", c)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	f := function(t, lambdarun.Options{})
	f.Close()
	if _, err := f.Invoke(t.Context(), []byte(`{}`)); !errors.Is(err, lambdarun.ErrClosed) {
		t.Errorf("a closed function: %v", err)
	}
	if _, err := f.Invoke(t.Context(), []byte(`{`)); err == nil {
		t.Error("an event that is no JSON was taken")
	}
}

// answers is an Invoker that answers by a function.
type answers func(event []byte) (string, error)

// Invoke implements lambdarun.Invoker.
func (a answers) Invoke(_ context.Context, event []byte) ([]byte, error) {
	s, err := a(event)
	return []byte(s), err
}

func TestGateway(t *testing.T) {
	t.Parallel()
	g := &lambdarun.Gateway{Routes: map[string]lambdarun.Invoker{
		"/hooks/": answers(func(event []byte) (string, error) {
			var e struct {
				RawPath, RawQueryString, Body string
				IsBase64Encoded               bool
				Cookies                       []string
			}
			if err := json.Unmarshal(event, &e); err != nil {
				return "", err
			}
			b, err := json.Marshal(e)
			if err != nil {
				return "", err
			}
			b, err = json.Marshal(map[string]any{
				"statusCode": 201, "body": string(b), "headers": map[string]string{"X-One": "1"}, "cookies": []string{"a=b", "c=d"},
			})
			return string(b), err
		}),
		"/v1/": answers(func([]byte) (string, error) { return "", errors.New("down") }),
	}}
	for name, tt := range map[string]struct {
		method, target string
		body           []byte
		status         int
		want           string
	}{
		"text": {
			"POST", "/hooks/a%2Fb?x=1&y=%20", []byte("hé"), 201,
			`{"RawPath":"/hooks/a%2Fb","RawQueryString":"x=1\u0026y=%20","Body":"hé","IsBase64Encoded":false,"Cookies":["k=v"]}`,
		},
		"bytes": {
			"POST", "/hooks/a", []byte{
				0xff, 0,
			}, 201, `{"RawPath":"/hooks/a","RawQueryString":"","Body":"/wA=","IsBase64Encoded":true,"Cookies":["k=v"]}`,
		},
		"failure": {"GET", "/v1/x", nil, 500, `{"message":"Internal Server Error"}`},
		"nowhere": {"GET", "/x", nil, 404, `{"message":"Not Found"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, tt.target, bytes.NewReader(tt.body))
			r.Header.Set("Cookie", "k=v")
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			got, err := io.ReadAll(w.Result().Body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" || w.Code != tt.status {
				t.Errorf("status %d, want %d; body (-want +got):\n%s", w.Code, tt.status, diff)
			}
			if tt.status == http.StatusCreated && len(w.Result().Cookies()) != 2 {
				t.Errorf("cookies %v, want two", w.Result().Cookies())
			}
		})
	}
}

func TestPollerRemovesWhatWasWorked(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	q := memqueue.New(func() time.Time { return now }, memqueue.Options{})
	for _, err := range q.Send(t.Context(), []queue.Message{
		{Group: "a", Dedup: "1", Body: []byte("one")}, {Group: "b", Dedup: "2", Body: []byte("two")},
	}) {
		t.Fatal(err)
	}
	fail := true
	p := &lambdarun.Poller{Queue: q, Visibility: time.Minute, Function: answers(func(event []byte) (string, error) {
		var e struct {
			Records []struct{ MessageID, Body string }
		}
		if err := json.Unmarshal(event, &e); err != nil {
			return "", err
		}
		for _, r := range e.Records {
			if r.Body == "two" && fail {
				return `{"batchItemFailures":[{"itemIdentifier":"` + r.MessageID + `"}]}`, nil
			}
		}
		return `{"batchItemFailures":[]}`, nil
	})}
	if n, err := p.Once(t.Context()); n != 2 || err != nil {
		t.Fatalf("Once = %d, %v; want both", n, err)
	}
	if n, err := p.Once(t.Context()); n != 0 || err != nil {
		t.Fatalf("Once = %d, %v; want nothing while hidden", n, err)
	}
	now, fail = now.Add(2*time.Minute), false
	if n, err := p.Once(t.Context()); n != 1 || err != nil {
		t.Fatalf("Once = %d, %v; want the one that failed", n, err)
	}
	d, err := q.Depth(t.Context())
	if err != nil || d.Visible+d.InFlight+d.Dead != 0 {
		t.Errorf("the queue holds %+v, %v; want nothing", d, err)
	}
}

// TestPollerRepeats hands batches in twice, beside and after later ones; what
// comes of the repetition does not matter.
func TestPollerRepeats(t *testing.T) {
	t.Parallel()
	q := memqueue.New(time.Now, memqueue.Options{})
	var ms []queue.Message
	for i := range 5 {
		ms = append(ms, queue.Message{Group: "g", Dedup: strconv.Itoa(i), Body: []byte{'a' + byte(i)}})
	}
	for _, err := range q.Send(t.Context(), ms) {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var order, bodies string
	plan := []lambdarun.Repeat{lambdarun.Later, lambdarun.Never, lambdarun.Beside, lambdarun.Never, lambdarun.Never}
	p := &lambdarun.Poller{Queue: q, Visibility: time.Minute, MaxBatch: 1, Repeat: func() lambdarun.Repeat {
		r := plan[0]
		plan = plan[1:]
		return r
	}, Function: answers(func(event []byte) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		var e struct {
			Records []struct{ MessageID, Body string }
		}
		if err := json.Unmarshal(event, &e); err != nil {
			return "", err
		}
		again := strings.Contains(bodies, e.Records[0].Body)
		bodies += e.Records[0].Body
		if again {
			order += strings.ToUpper(e.Records[0].Body)
			if e.Records[0].Body == "c" { // of two side by side either may come second
				return `{"batchItemFailures":[]}`, nil
			}
			return "", errors.New("a repetition that fails")
		}
		order += e.Records[0].Body
		return `{"batchItemFailures":[]}`, nil
	})}
	for range 5 {
		if n, err := p.Once(t.Context()); n != 1 || err != nil {
			t.Fatalf("Once = %d, %v; want one message", n, err)
		}
	}
	if order != "abcCdAe" {
		t.Errorf("handed in as %q, want the third twice and the first again after three more", order)
	}
	if c := p.Counts(); c.Batches != 5 || c.Beside != 1 || c.Later != 1 || c.Failed != 0 || p.Pending() != 0 {
		t.Errorf("counts %+v and %d pending, want five batches and two repetitions", c, p.Pending())
	}
	if d, err := q.Depth(t.Context()); err != nil || d.Visible+d.InFlight != 0 {
		t.Errorf("the queue holds %+v, %v; want nothing", d, err)
	}
}

func TestPollerKeepsBatchesThatFailed(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]answers{
		"error":          func([]byte) (string, error) { return "", errors.New("down") },
		"no JSON":        func([]byte) (string, error) { return "ok", nil },
		"foreign failed": func([]byte) (string, error) { return `{"batchItemFailures":[{"itemIdentifier":"x"}]}`, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := memqueue.New(time.Now, memqueue.Options{})
			for _, err := range q.Send(t.Context(), []queue.Message{{Group: "a", Dedup: "1", Body: []byte("one")}}) {
				t.Fatal(err)
			}
			p := &lambdarun.Poller{Queue: q, Visibility: time.Minute, Function: answer}
			if n, err := p.Once(t.Context()); n != 1 || err == nil {
				t.Errorf("Once = %d, %v; want an error", n, err)
			}
			if d, err := q.Depth(t.Context()); err != nil || d.InFlight != 1 {
				t.Errorf("the queue holds %+v, %v; want the message in flight", d, err)
			}
		})
	}
}
