package sqsqueue

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// lane is what is left to send of one group, as places in the call's list.
type lane []int

// Send implements queue.Queue.
func (q *Queue) Send(ctx context.Context, ms []queue.Message) []error {
	const op = "sqsqueue: send"
	errs := make([]error, len(ms))
	lanes := lanesOf(ms)
	for len(lanes) > 0 {
		batch, later := wave(ms, lanes)
		q.sendWave(ctx, op, ms, batch, errs)
		lanes = nil
		for _, l := range batch {
			if errs[l[0]] != nil {
				for _, i := range l[1:] {
					errs[i] = queue.HeldBack(op)
				}
				continue
			}
			if len(l) > 1 {
				lanes = append(lanes, l[1:])
			}
		}
		lanes = append(later, lanes...)
	}
	for _, err := range errs {
		if err != nil {
			return errs
		}
	}
	return nil
}

// lanesOf sorts messages by group, in the order in which groups appear.
func lanesOf(ms []queue.Message) []lane {
	var lanes []lane
	at := map[string]int{}
	for i := range ms {
		n, ok := at[ms[i].Group]
		if !ok {
			n = len(lanes)
			at[ms[i].Group] = n
			lanes = append(lanes, nil)
		}
		lanes[n] = append(lanes[n], i)
	}
	return lanes
}

// wave splits off the lanes whose first messages go into one request.
func wave(ms []queue.Message, lanes []lane) (batch, later []lane) {
	heads := make([]queue.Message, 0, queue.MaxBatch)
	for _, l := range lanes[:min(len(lanes), queue.MaxBatch)] {
		heads = append(heads, ms[l[0]])
	}
	n := queue.Batch(heads)
	return lanes[:n], lanes[n:]
}

// sendWave sends the first message of each lane and sets its error.
func (q *Queue) sendWave(ctx context.Context, op string, ms []queue.Message, batch []lane, errs []error) {
	var left []int
	for _, l := range batch {
		if errs[l[0]] = queue.CheckMessage(op, &ms[l[0]]); errs[l[0]] == nil {
			left = append(left, l[0])
		}
	}
	pauses := q.opts.Retry.Pauses()
	for len(left) > 0 {
		again, err := q.sendBatch(ctx, op, ms, left, errs)
		if len(again) == 0 {
			return
		}
		if err != nil || pauses.Next(ctx) != nil {
			for _, i := range again {
				if errs[i] == nil || err != nil {
					errs[i] = err
				}
			}
			return
		}
		left = again
	}
}

// sendBatch makes one request. It returns the messages that may go through
// later, with their reasons in errs, and the error of the request as a whole.
func (q *Queue) sendBatch(
	ctx context.Context, op string, ms []queue.Message, left []int, errs []error,
) (again []int, err error) {
	in := &sqs.SendMessageBatchInput{QueueUrl: aws.String(q.url)}
	var system map[string]types.MessageSystemAttributeValue
	if q.opts.Trace != nil {
		if header := q.opts.Trace(ctx); header != "" {
			system = map[string]types.MessageSystemAttributeValue{
				string(types.MessageSystemAttributeNameForSendsAWSTraceHeader): {
					DataType: aws.String("String"), StringValue: aws.String(header),
				},
			}
		}
	}
	for _, i := range left {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(ms[i].Body)),
			MessageGroupId: aws.String(ms[i].Group), MessageDeduplicationId: aws.String(ms[i].Dedup),
			MessageSystemAttributes: system,
		})
	}
	var out *sqs.SendMessageBatchOutput
	err = q.call(ctx, op, awscall.Idempotent, &q.meter.Sends, func(ctx context.Context) error {
		var err error
		out, err = q.client.SendMessageBatch(ctx, in, once)
		return err
	})
	if err != nil {
		return left, awscall.Classify(op, err, false)
	}
	sent := map[string]bool{}
	for _, e := range out.Successful {
		sent[aws.ToString(e.Id)] = true
	}
	failed := map[string]types.BatchResultErrorEntry{}
	for _, e := range out.Failed {
		failed[aws.ToString(e.Id)] = e
	}
	for _, i := range left {
		id := strconv.Itoa(i)
		if e, bad := failed[id]; bad || !sent[id] { // one that is in neither list was not sent
			errs[i] = entryError(op, e, bad)
			if !e.SenderFault {
				again = append(again, i)
			}
			continue
		}
		errs[i] = nil
		q.meter.Sent.Add(1)
	}
	return again, nil
}

// entryError classifies what SQS says about one entry of a batch. Its message
// is dropped, since it may quote the body.
func entryError(op string, e types.BatchResultErrorEntry, told bool) error {
	code := aws.ToString(e.Code)
	switch {
	case !told:
		return fault.New(op, fault.Unavailable, "", "the service said nothing about a message")
	case code == "RequestThrottled" || code == "ThrottlingException" || code == "OverLimit" || code == "KmsThrottled" ||
		code == "AWS.SimpleQueueService.OverLimit":
		return fault.New(op, fault.Throttled, "aws_throttled", "the service limits our requests")
	case e.SenderFault:
		return &fault.Error{
			Op: op, Kind: fault.Invalid, Code: "message_refused", Message: "the service refused the message: " + code,
		}
	}
	return &fault.Error{Op: op, Kind: fault.Unavailable, Message: "the service did not take the message: " + code}
}
