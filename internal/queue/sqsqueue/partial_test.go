package sqsqueue_test

import (
	"bytes"
	"context"
	"crypto/md5" // the digest that SQS answers with
	"encoding/hex"
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
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqsqueue"
)

// entry is one entry of a batch, by what tells it apart: its body or receipt.
type entry struct {
	ID            string `json:"Id"`
	MessageBody   string
	ReceiptHandle string
	Visibility    *int `json:"VisibilityTimeout"`
}

func (e entry) what() string { return e.MessageBody + e.ReceiptHandle }

// script is an SQS of our own that can fail in parts: it decides on every entry.
type script struct {
	// verdict is the code of an entry's failure; "" = done, "silent" = in neither list.
	verdict func(e entry) (code string, sender bool)
	// whole refuses a request as one; nil, or "" = not.
	whole func(entries []entry) (status int, code string)

	mu       sync.Mutex
	requests [][]entry
	done     []string // what went through, in order
}

// Do implements the SDK's HTTP client.
func (s *script) Do(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var in struct{ Entries []entry }
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, in.Entries)
	if s.whole != nil {
		if status, code := s.whole(in.Entries); code != "" {
			return says(status, `{"__type":"com.amazonaws.sqs#`+code+`","message":"x"}`), nil
		}
	}
	successful, failed := []map[string]any{}, []map[string]any{}
	for _, e := range in.Entries {
		switch code, sender := s.verdict(e); code {
		case "":
			sum := md5.Sum([]byte(e.MessageBody)) // as SQS does
			successful = append(successful, map[string]any{
				"Id": e.ID, "MessageId": "m" + e.ID, "MD5OfMessageBody": hex.EncodeToString(sum[:]),
			})
			s.done = append(s.done, e.what())
		case "silent":
		default:
			failed = append(failed, map[string]any{
				"Id": e.ID, "Code": code, "SenderFault": sender, "Message": "about ada@example.com",
			})
		}
	}
	body, err := json.Marshal(map[string]any{"Successful": successful, "Failed": failed})
	if err != nil {
		return nil, err
	}
	a := says(http.StatusOK, "")
	a.Body = io.NopCloser(bytes.NewReader(body))
	return a, nil
}

func scripted(t *testing.T, s sqs.HTTPClient) *sqsqueue.Queue {
	t.Helper()
	client := sqs.New(sqs.Options{
		Region: "eu-central-1", HTTPClient: s, BaseEndpoint: aws.String("http://sqs.invalid"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}, nil
		}),
	})
	q, err := sqsqueue.New(client, "http://sqs.invalid/1/q.fifo", "http://sqs.invalid/1/dead.fifo",
		sqsqueue.Options{Retry: awscall.Policy{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// batchCalls are the two calls about receipts.
var batchCalls = map[string]func(*sqsqueue.Queue, context.Context, []string) []error{
	"Delete": (*sqsqueue.Queue).Delete,
	"SetVisibility": func(q *sqsqueue.Queue, ctx context.Context, receipts []string) []error {
		return q.SetVisibility(ctx, receipts, 90*time.Second)
	},
}

// TestPartOfAReceiptBatchFails: each receipt has its own answer: one that fails
// at first is asked for again alone, one that fails for good has an error, and
// the others none.
func TestPartOfAReceiptBatchFails(t *testing.T) {
	t.Parallel()
	receipts := []string{"r0", "r1", "r2", "r3", "r4", "r5"}
	for name, call := range batchCalls {
		for bad := range receipts {
			for _, c := range []struct {
				code   string
				sender bool
				times  int // of failures; -1 = always
				kind   fault.Kind
				ok     bool
			}{
				{"InternalError", false, 2, 0, true},
				{"InternalError", false, -1, fault.Unavailable, false},
				{"RequestThrottled", false, -1, fault.Throttled, false},
				{"RequestThrottled", false, 1, 0, true},
				{"ReceiptHandleIsInvalid", true, -1, fault.NotFound, false},
				{"MessageNotInflight", true, -1, fault.NotFound, false},
				{"InvalidMessageContents", true, -1, fault.Invalid, false},
			} {
				left := c.times
				s := &script{}
				s.verdict = func(e entry) (string, bool) {
					if e.what() != receipts[bad] || left == 0 {
						return "", false
					}
					left--
					return c.code, c.sender
				}
				errs := call(scripted(t, s), t.Context(), receipts)
				if c.ok && errs != nil || !c.ok && len(errs) != len(receipts) {
					t.Errorf("%s, %s at %d: %v", name, c.code, bad, errs)
					continue
				}
				for i, err := range errs {
					if inside := i == bad; inside != (err != nil) || inside && fault.KindOf(err) != c.kind {
						t.Errorf("%s, %s at %d: receipt %d: %v", name, c.code, bad, i, err)
					}
				}
				if n := len(s.requests); c.sender && n != 1 || n > 6 {
					t.Errorf("%s, %s at %d: %d requests", name, c.code, bad, n)
				}
				for _, again := range s.requests[1:] {
					if len(again) != 1 || again[0].what() != receipts[bad] {
						t.Errorf("%s, %s at %d: asked again for %v", name, c.code, bad, again)
					}
				}
				if name == "SetVisibility" && (s.requests[0][0].Visibility == nil || *s.requests[0][0].Visibility != 90) {
					t.Errorf("visibility %v, want 90 s", s.requests[0][0].Visibility)
				}
			}
		}
		// Refused as a whole nobody knows which one it was.
		s := &script{whole: func([]entry) (int, string) { return 400, "ReceiptHandleIsInvalid" }}
		for i, err := range call(scripted(t, s), t.Context(), receipts) {
			if err == nil || fault.Is(err, fault.NotFound) {
				t.Errorf("%s, refused as a whole: receipt %d: %v", name, i, err)
			}
		}
		if errs := call(scripted(t, s), t.Context(), receipts[:1]); len(errs) != 1 || !fault.Is(errs[0], fault.NotFound) {
			t.Errorf("%s, refused alone: %v", name, errs)
		}
	}
}

// TestPartOfASendFails: of many messages of many groups, in several requests,
// whichever entry or request fails: what is said to be queued is, in the order
// of its group, and what is not has an error.
func TestPartOfASendFails(t *testing.T) {
	t.Parallel()
	var ms []queue.Message
	for i := range 36 { // 12 groups of 3: two requests a wave
		ms = append(ms, message(fmt.Sprintf("g%02d", i%12), fmt.Sprintf("b%02d", i)))
	}
	for _, c := range []struct {
		code   string
		sender bool
		times  int
	}{
		{"InternalError", false, -1},
		{"RequestThrottled", false, -1},
		{"InvalidMessageContents", true, -1},
		{"silent", false, -1},
		{"InternalError", false, 2},
		{"silent", false, 2},
	} {
		for bad := range ms {
			left := c.times
			s := &script{}
			s.verdict = func(e entry) (string, bool) {
				if e.MessageBody != string(ms[bad].Body) || left == 0 {
					return "", false
				}
				left--
				return c.code, c.sender
			}
			what := fmt.Sprintf("%s of %s", c.code, ms[bad].Body)
			holdsWhatItSays(t, what, s, ms, c.times < 0, func(i int) bool { return i == bad })
			asked := 0
			for _, r := range s.requests {
				if slices.ContainsFunc(r, func(e entry) bool { return e.MessageBody == string(ms[bad].Body) }) {
					asked++
				}
			}
			if c.sender && asked != 1 || c.times < 0 && !c.sender && asked < 2 || asked > 6 {
				t.Errorf("%s: sent %d times", what, asked)
			}
		}
	}
	for _, code := range []string{"ServiceUnavailable", "RequestThrottled", "AccessDenied"} {
		for bad := range ms {
			s := &script{verdict: func(entry) (string, bool) { return "", false }}
			s.whole = func(entries []entry) (int, string) {
				if slices.ContainsFunc(entries, func(e entry) bool { return e.MessageBody == string(ms[bad].Body) }) {
					return 400, code
				}
				return 0, ""
			}
			holdsWhatItSays(t, code+" of the request with "+string(ms[bad].Body), s, ms, true, func(i int) bool {
				return i == bad
			})
		}
	}
}

// holdsWhatItSays sends and compares the errors with what went through.
func holdsWhatItSays(t *testing.T, what string, s *script, ms []queue.Message, fails bool, bad func(i int) bool) {
	t.Helper()
	errs := scripted(t, s).Send(t.Context(), ms)
	if fails != (errs != nil) {
		t.Errorf("%s: errors %v", what, errs)
		return
	}
	broken := map[string]bool{} // groups
	order := map[string][]string{}
	for i := range ms {
		sent := slices.Contains(s.done, string(ms[i].Body))
		err := error(nil)
		if errs != nil {
			err = errs[i]
		}
		if sent != (err == nil) {
			t.Errorf("%s: message %s is queued = %t, with %v", what, ms[i].Body, sent, err)
		}
		if fails && bad(i) && err == nil {
			t.Errorf("%s: it has no error", what)
		}
		if broken[ms[i].Group] && sent {
			t.Errorf("%s: %s went out behind one of its group that did not", what, ms[i].Body)
		}
		broken[ms[i].Group] = broken[ms[i].Group] || err != nil
		if err != nil && strings.Contains(err.Error(), "ada@") {
			t.Errorf("%s: the error quotes the service: %v", what, err)
		}
	}
	for _, body := range s.done {
		i := slices.IndexFunc(ms, func(m queue.Message) bool { return string(m.Body) == body })
		order[ms[i].Group] = append(order[ms[i].Group], body)
	}
	for group, sent := range order {
		if !slices.IsSorted(sent) || len(slices.Compact(slices.Clone(sent))) != len(sent) {
			t.Errorf("%s: %s got %v", what, group, sent)
		}
	}
}
