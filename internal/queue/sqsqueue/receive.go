package sqsqueue

import (
	"context"
	"crypto/rand"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// Receive implements queue.Queue. A lost answer is asked for again under the
// same attempt ID, so that its messages are not hidden for nothing.
func (q *Queue) Receive(ctx context.Context, limit int, visibility time.Duration) ([]queue.Delivery, error) {
	const op = "sqsqueue: receive"
	if err := queue.CheckReceive(op, limit, visibility); err != nil {
		return nil, err
	}
	// The SDK leaves out a zero, which would mean the queue's own time-out.
	ds, err := q.receive(ctx, op, q.url, limit, max(seconds(visibility), 1), q.opts.Wait)
	if err != nil {
		return nil, err
	}
	q.meter.Received.Add(int64(len(ds)))
	if visibility == 0 && len(ds) > 0 {
		q.SetVisibility(ctx, receiptsOf(ds), 0) // whatever fails comes back a second later
	}
	return ds, nil
}

func (q *Queue) receive(
	ctx context.Context, op, url string, limit int, visibility int32, wait time.Duration,
) ([]queue.Delivery, error) {
	in := &sqs.ReceiveMessageInput{
		QueueUrl: aws.String(url), MaxNumberOfMessages: int32(limit), VisibilityTimeout: visibility,
		WaitTimeSeconds: seconds(wait), ReceiveRequestAttemptId: aws.String(rand.Text()),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
			types.MessageSystemAttributeNameMessageGroupId,
		},
	}
	var out *sqs.ReceiveMessageOutput
	err := q.call(ctx, op, awscall.Read, &q.meter.Receives, func(ctx context.Context) error {
		var err error
		out, err = q.client.ReceiveMessage(ctx, in, once)
		return err
	})
	if err != nil {
		return nil, awscall.Classify(op, err, false)
	}
	ds := make([]queue.Delivery, len(out.Messages))
	for i := range out.Messages {
		ds[i] = delivery(&out.Messages[i])
	}
	return ds, nil
}

func delivery(m *types.Message) queue.Delivery {
	attribute := func(name types.MessageSystemAttributeName) int64 {
		n, _ := strconv.ParseInt(m.Attributes[string(name)], 10, 64)
		return n
	}
	return queue.Delivery{
		ID: aws.ToString(m.MessageId), Body: []byte(aws.ToString(m.Body)), Receipt: aws.ToString(m.ReceiptHandle),
		Group:    m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)],
		Receives: int(attribute(types.MessageSystemAttributeNameApproximateReceiveCount)),
		SentAt:   time.UnixMilli(attribute(types.MessageSystemAttributeNameSentTimestamp)).UTC(),
	}
}

func receiptsOf(ds []queue.Delivery) []string {
	receipts := make([]string, len(ds))
	for i := range ds {
		receipts[i] = ds[i].Receipt
	}
	return receipts
}

// Delete implements queue.Queue.
func (q *Queue) Delete(ctx context.Context, receipts []string) []error {
	return q.deleteFrom(ctx, "sqsqueue: delete", q.url, receipts)
}

func (q *Queue) deleteFrom(ctx context.Context, op, url string, receipts []string) []error {
	return q.each(ctx, op, receipts, func(ctx context.Context, left []int) ([]types.BatchResultErrorEntry, error) {
		in := &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(url)}
		for _, i := range left {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipts[i]),
			})
		}
		var out *sqs.DeleteMessageBatchOutput
		err := q.call(ctx, op, awscall.Idempotent, &q.meter.Deletes, func(ctx context.Context) error {
			var err error
			out, err = q.client.DeleteMessageBatch(ctx, in, once)
			return err
		})
		if err != nil {
			return nil, err
		}
		q.meter.Deleted.Add(int64(len(left) - len(out.Failed)))
		return out.Failed, nil
	})
}

// SetVisibility implements queue.Queue. SQS counts in whole seconds; a part of
// one is rounded up.
func (q *Queue) SetVisibility(ctx context.Context, receipts []string, d time.Duration) []error {
	const op = "sqsqueue: set visibility"
	if err := queue.CheckVisibility(op, d); err != nil {
		return queue.All(len(receipts), err)
	}
	return q.each(ctx, op, receipts, func(ctx context.Context, left []int) ([]types.BatchResultErrorEntry, error) {
		in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: aws.String(q.url)}
		for _, i := range left {
			in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(receipts[i]), VisibilityTimeout: seconds(d),
			})
		}
		var out *sqs.ChangeMessageVisibilityBatchOutput
		err := q.call(ctx, op, awscall.Idempotent, &q.meter.Visibilities, func(ctx context.Context) error {
			var err error
			out, err = q.client.ChangeMessageVisibilityBatch(ctx, in, once)
			return err
		})
		if err != nil {
			return nil, err
		}
		return out.Failed, nil
	})
}

// each asks for something to be done with every receipt, the failed ones again
// where that may help.
func (q *Queue) each(
	ctx context.Context, op string, receipts []string,
	ask func(ctx context.Context, left []int) ([]types.BatchResultErrorEntry, error),
) []error {
	err := fault.Wrap(op, fault.Unavailable, ctx.Err())
	if err == nil {
		err = queue.CheckReceipts(op, receipts)
	}
	if err != nil {
		return queue.All(len(receipts), err)
	}
	errs := make([]error, len(receipts))
	var left []int
	for i, r := range receipts {
		if !plausible(r) {
			errs[i] = queue.Stale(op)
			continue
		}
		left = append(left, i)
	}
	pauses := q.opts.Retry.Pauses()
	for len(left) > 0 {
		failed, err := ask(ctx, left)
		if err != nil { // then none failed by itself
			q.whole(op, left, err, errs)
		}
		if left = sort(op, failed, errs); len(left) > 0 && pauses.Next(ctx) != nil {
			break
		}
		for _, i := range left {
			errs[i] = nil
		}
	}
	for _, err := range errs {
		if err != nil {
			return errs
		}
	}
	return nil
}

// whole gives all entries the error of their request.
func (q *Queue) whole(op string, left []int, err error, errs []error) {
	for _, i := range left {
		if errs[i] = awscall.Classify(op, err, false); staleCodes[awscall.Code(err)] && len(left) == 1 {
			errs[i] = queue.Stale(op)
		}
	}
}

// sort sets the errors of failed entries and returns those worth another try.
func sort(op string, failed []types.BatchResultErrorEntry, errs []error) (again []int) {
	for _, e := range failed {
		i, err := strconv.Atoi(aws.ToString(e.Id))
		if err != nil || i < 0 || i >= len(errs) {
			continue
		}
		switch {
		case staleCodes[aws.ToString(e.Code)]:
			errs[i] = queue.Stale(op)
		default:
			errs[i] = entryError(op, e, true)
			if !e.SenderFault {
				again = append(again, i)
			}
		}
	}
	return again
}

// staleCodes say that a receipt is malformed, of an earlier receive, or of a
// message that is gone.
var staleCodes = map[string]bool{
	"ReceiptHandleIsInvalid": true, "InvalidParameterValue": true, "InvalidIdFormat": true, "MessageNotInflight": true,
	"AWS.SimpleQueueService.MessageNotInflight": true, "InvalidParameterValueException": true,
}

// plausible reports whether SQS could have given that receipt: a request with
// other characters would fail as a whole.
func plausible(receipt string) bool {
	for i := range len(receipt) {
		if receipt[i] < '!' || receipt[i] > '~' {
			return false
		}
	}
	return receipt != ""
}
