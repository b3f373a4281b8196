package sqsqueue_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
)

// deviations are what fauxqs 1.9.2 is known to do unlike SQS, as far as the
// queue uses it. No case of the suite is passed over for one of them. Each is
// looked for, so that an update of the stand-in that mends one says so here.
var deviations = map[string]struct {
	aws   string // what SQS does, and what is done about it here
	still func(t *testing.T, c *sqs.Client, url, dead string) bool
}{
	"one message of a group per receive": {
		"SQS gives up to ten; the port allows both",
		func(t *testing.T, c *sqs.Client, url, _ string) bool {
			send(t, c, url, "g", "1", "2")
			return len(receive(t, c, url)) == 1
		},
	},
	"a stale receipt is deleted in silence": {
		"SQS refuses it in a FIFO queue; mended by asking for the visibility first, which fauxqs does refuse",
		func(t *testing.T, c *sqs.Client, url, _ string) bool {
			send(t, c, url, "g", "1")
			m := receive(t, c, url)[0]
			for _, r := range []*string{m.ReceiptHandle, m.ReceiptHandle, aws.String("nobody's")} {
				out, err := c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{
					QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: r}},
				})
				if err != nil || len(out.Failed) > 0 {
					return false
				}
			}
			return true
		},
	},
	"no message move tasks": {
		"SQS has them; the queue copies dead letters here, which it also does without the permission. The task is tested " +
			"against answers of our own and, in make verify, where a stand-in has it",
		func(t *testing.T, c *sqs.Client, _, _ string) bool {
			_, err := c.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{
				SourceArn: aws.String("arn:aws:sqs:us-east-1:000000000000:x"),
			})
			return awscall.Code(err) == "InvalidAction"
		},
	},
	"one deduplication scope per queue": {
		"SQS keeps one per message group, as asked for when the queue is made; our IDs are fresh for every send",
		func(t *testing.T, c *sqs.Client, url, _ string) bool {
			for _, group := range []string{"a", "b"} {
				_, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{
					QueueUrl: &url, MessageGroupId: &group, MessageDeduplicationId: aws.String("same"), MessageBody: &group,
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			return len(receive(t, c, url)) == 1
		},
	},
}

func TestDeviationsOfTheStandIn(t *testing.T) {
	t.Parallel()
	client := sqs.NewFromConfig(awslocal.SQS(t).Config())
	for name, d := range deviations {
		q := open(t, client, 3)
		url, dead := q.URLs()
		if !d.still(t, client, url, dead) {
			t.Errorf("%s: not any more; take it out of the table", name)
			continue
		}
		t.Logf("%s (%s)", name, d.aws)
	}
}

func send(t *testing.T, c *sqs.Client, url, group string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		_, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: &url, MessageGroupId: &group, MessageDeduplicationId: &body, MessageBody: &body,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func receive(t *testing.T, c *sqs.Client, url string) []types.Message {
	t.Helper()
	out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

// mended is a client of fauxqs that refuses stale receipts as SQS does.
func mended(cfg aws.Config) *sqs.Client {
	return sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.HTTPClient = mender{cfg.HTTPClient} })
}

type mender struct{ client aws.HTTPClient }

type batch struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []map[string]any
}

type result struct {
	Successful []map[string]any
	Failed     []map[string]any `json:",omitempty"`
}

// Do asks for the visibility of what is to be deleted, deletes what fauxqs
// knows, and answers for both.
func (m mender) Do(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DeleteMessageBatch") {
		return m.client.Do(r)
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var b batch
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, err
	}
	for i := range b.Entries {
		b.Entries[i]["VisibilityTimeout"] = 600
	}
	known, answer, err := m.ask(r, "ChangeMessageVisibilityBatch", b)
	if err != nil || answer.StatusCode != http.StatusOK {
		return answer, err
	}
	stale := map[any]bool{}
	for _, f := range known.Failed {
		stale[f["Id"]] = true
	}
	var left []map[string]any
	for _, e := range b.Entries {
		delete(e, "VisibilityTimeout")
		if !stale[e["Id"]] {
			left = append(left, e)
		}
	}
	if len(left) == 0 {
		return answer, nil // all failed, in the same words
	}
	done, answer, err := m.ask(r, "DeleteMessageBatch", batch{b.QueueURL, left})
	if err != nil || answer.StatusCode != http.StatusOK {
		return answer, err
	}
	done.Failed = append(done.Failed, known.Failed...)
	setBody(answer, done)
	return answer, nil
}

// ask makes one request to fauxqs in the name of r, which checks no signature.
func (m mender) ask(r *http.Request, operation string, b batch) (result, *http.Response, error) {
	body, err := json.Marshal(b)
	if err != nil {
		return result{}, nil, err
	}
	q := r.Clone(r.Context())
	q.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	q.GetBody = nil
	answer, err := m.client.Do(q)
	if err != nil {
		return result{}, nil, err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return result{}, nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(raw))
	var out result
	if answer.StatusCode == http.StatusOK {
		err = json.Unmarshal(raw, &out)
	}
	return out, answer, err
}

func setBody(answer *http.Response, v any) {
	raw, _ := json.Marshal(v) // maps of texts
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	answer.Header.Del("Content-Length")
}
