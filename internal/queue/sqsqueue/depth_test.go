package sqsqueue_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// attributes is an SQS that tells the attributes of two queues, or refuses to.
type attributes struct {
	queues  map[string]map[string]string // by the end of the URL
	refused string                       // the queue of which it says nothing
}

// Do implements the SDK's HTTP client.
func (a attributes) Do(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var in struct {
		QueueURL string `json:"QueueUrl"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	_, name, _ := strings.Cut(in.QueueURL, "/1/")
	if name == a.refused {
		return refuses("AccessDenied"), nil
	}
	body, err := json.Marshal(map[string]any{"Attributes": a.queues[name]})
	return says(http.StatusOK, string(body)), err
}

// TestDepthIsOfBothQueues: messages that died are counted whoever has them in hand,
// and a depth of which one queue says nothing is an error, not a small depth.
func TestDepthIsOfBothQueues(t *testing.T) {
	t.Parallel()
	told := func(visible, inFlight int) map[string]string {
		return map[string]string{
			"ApproximateNumberOfMessages":           fmt.Sprint(visible),
			"ApproximateNumberOfMessagesNotVisible": fmt.Sprint(inFlight),
		}
	}
	both := map[string]map[string]string{"q.fifo": told(5, 7), "dead.fifo": told(20, 300)}
	for _, c := range []struct {
		refused string
		want    queue.Depth
		code    string
	}{
		{want: queue.Depth{Visible: 5, InFlight: 7, Dead: 320}},
		{refused: "q.fifo", code: "aws_denied"},
		{refused: "dead.fifo", code: "aws_denied"},
	} {
		got, err := scripted(t, attributes{both, c.refused}).Depth(t.Context())
		if got != c.want || (err != nil) != (c.refused != "") || err != nil && fault.CodeOf(err) != c.code {
			t.Errorf("refused %q: %+v, %v, want %+v", c.refused, got, err, c.want)
		}
	}
}

// TestReceiptsThatSQSNeverGave are stale, and are not asked for: one of them would
// have the whole request refused. All others are.
func TestReceiptsThatSQSNeverGave(t *testing.T) {
	t.Parallel()
	receipts := []string{"good", "!~!", "a b", "a\n", "ü", "\x7f", "AQEB+/=="}
	stale := []bool{false, false, true, true, true, true, false}
	for name, call := range batchCalls {
		s := &script{verdict: func(entry) (string, bool) { return "", false }}
		errs := call(scripted(t, s), t.Context(), receipts)
		for i, bad := range stale {
			if bad != fault.Is(errs[i], fault.NotFound) || bad != (errs[i] != nil) {
				t.Errorf("%s: %q: %v", name, receipts[i], errs[i])
			}
		}
		if want := []string{"good", "!~!", "AQEB+/=="}; !slices.Equal(s.done, want) || len(s.requests) != 1 {
			t.Errorf("%s: asked for %q in %d requests, want %q in one", name, s.done, len(s.requests), want)
		}
	}
}
