package sqsqueue

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// Options of a Queue.
type Options struct {
	// Wait is how long Receive may wait for a message, up to 20 s in whole
	// seconds; 0 asks only some of SQS's servers and may miss a message that is
	// there.
	Wait time.Duration
	// Trace returns the X-Ray header of what is under way, which messages carry
	// on; "" or nil = none.
	// https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html
	Trace func(ctx context.Context) string
	// Retry caps the attempts of each call.
	Retry awscall.Policy
}

// Queue is a queue.Queue in SQS. Make it with New.
type Queue struct {
	client    *sqs.Client
	url, dead string
	opts      Options
	meter     queue.Meter
}

// New returns the queue with this URL, whose dead letters go to the queue with
// the other one. It makes no call. fault.Invalid when a URL is missing.
func New(client *sqs.Client, url, dead string, opts Options) (*Queue, error) {
	if url == "" || dead == "" {
		return nil, fault.New("sqsqueue: new", fault.Invalid, "queue_unnamed",
			"the URL of the queue, or of its dead-letter queue, is missing")
	}
	return &Queue{client: client, url: url, dead: dead, opts: opts}, nil
}

// Counts returns what the queue was asked for since it was made. Dropped and
// Died stay zero: SQS does not tell.
func (q *Queue) Counts() queue.Counts { return q.meter.Counts() }

// Depth implements queue.Queue.
func (q *Queue) Depth(ctx context.Context) (queue.Depth, error) {
	const op = "sqsqueue: depth"
	main, err := q.attributes(ctx, op, q.url, visible, inFlight)
	if err != nil {
		return queue.Depth{}, err
	}
	dead, err := q.attributes(ctx, op, q.dead, visible, inFlight)
	if err != nil {
		return queue.Depth{}, err
	}
	return queue.Depth{
		Visible: number(main, visible), InFlight: number(main, inFlight),
		Dead: number(dead, visible) + number(dead, inFlight),
	}, nil
}

const (
	visible  = types.QueueAttributeNameApproximateNumberOfMessages
	inFlight = types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
)

func number(attributes map[string]string, name types.QueueAttributeName) int {
	n, _ := strconv.Atoi(attributes[string(name)])
	return n
}

func (q *Queue) attributes(
	ctx context.Context, op, url string, names ...types.QueueAttributeName,
) (map[string]string, error) {
	var out *sqs.GetQueueAttributesOutput
	err := q.call(ctx, op, awscall.Read, &q.meter.Others, func(ctx context.Context) error {
		var err error
		out, err = q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: aws.String(url), AttributeNames: names,
		}, once)
		return err
	})
	if err != nil {
		return nil, awscall.Classify(op, err, false)
	}
	return out.Attributes, nil
}

// call makes one call and counts each of its requests.
func (q *Queue) call(
	ctx context.Context, op string, nature awscall.Nature, requests interface{ Add(int64) int64 },
	call func(context.Context) error,
) error {
	return awscall.Do(ctx, op, nature, q.opts.Retry, func(ctx context.Context) error {
		requests.Add(1)
		return call(ctx)
	})
}

// once switches the SDK's own repetitions off.
func once(o *sqs.Options) { o.Retryer = aws.NopRetryer{} }

// seconds rounds up: a message must not come back before its time.
func seconds(d time.Duration) int32 {
	return int32((d + time.Second - 1) / time.Second)
}

var _ queue.Queue = (*Queue)(nil)
