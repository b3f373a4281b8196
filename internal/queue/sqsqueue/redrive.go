package sqsqueue

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/pause"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

const (
	redriveHide = 60          // seconds a dead letter is hidden while it is copied
	taskPause   = time.Second // between two looks at a move task
	taskLooks   = 600         // looks at most: SQS moves some hundred messages a second
)

// RedriveDead implements queue.Queue: by a message move task when all dead
// letters may go, else, or where there are no such tasks, one by one. Counts
// are SQS's approximate ones when a task moved them.
func (q *Queue) RedriveDead(ctx context.Context, limit int) (int, error) {
	const op = "sqsqueue: redrive"
	attributes, err := q.attributes(ctx, op, q.dead, visible, inFlight, types.QueueAttributeNameQueueArn)
	if err != nil {
		return 0, err
	}
	if limit <= 0 {
		return 0, nil
	}
	if n := number(attributes, visible) + number(attributes, inFlight); n > 0 && n <= limit {
		moved, started, err := q.moveAll(ctx, op, attributes[string(types.QueueAttributeNameQueueArn)])
		// A task may end as if all were done, and have moved nothing: ElasticMQ's
		// do in FIFO queues.
		if err != nil || started && moved > 0 {
			return moved, err
		}
	}
	return q.copyDead(ctx, op, limit)
}

// moveAll starts a move task and waits for its end. started is false when the
// service, or its permissions, know no such task; nothing was moved then.
func (q *Queue) moveAll(ctx context.Context, op, arn string) (moved int, started bool, err error) {
	err = q.call(ctx, op, awscall.Once, &q.meter.Others, func(ctx context.Context) error {
		_, err := q.client.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn)}, once)
		return err
	})
	if err != nil {
		if noTasks[awscall.Code(err)] {
			return 0, false, nil
		}
		return 0, false, awscall.Classify(op, err, false)
	}
	for range taskLooks {
		task, err := q.task(ctx, op, arn)
		if err != nil {
			return moved, true, err
		}
		moved = int(task.ApproximateNumberOfMessagesMoved)
		switch aws.ToString(task.Status) {
		case "COMPLETED":
			return moved, true, nil
		case "FAILED", "CANCELLED":
			return moved, true, fault.New(op, fault.Unavailable, "redrive_stopped",
				"the move of dead letters ended before all were moved")
		}
		if err := q.pause(ctx, taskPause); err != nil {
			break
		}
	}
	return moved, true, &fault.Error{
		Op: op, Kind: fault.Unavailable, Code: "redrive_running", Message: "the move of dead letters goes on by itself",
		MayHaveLanded: true,
	}
}

// noTasks are codes of a service without move tasks, of one where another task
// is at work, and of a missing permission.
var noTasks = map[string]bool{
	"InvalidAction": true, "UnknownOperationException": true, "UnknownOperation": true, "UnsupportedOperation": true,
	"AWS.SimpleQueueService.UnsupportedOperation": true, "NotImplemented": true, "AccessDenied": true,
	"AccessDeniedException": true,
}

// task is the newest move task of a dead-letter queue.
func (q *Queue) task(ctx context.Context, op, arn string) (types.ListMessageMoveTasksResultEntry, error) {
	var out *sqs.ListMessageMoveTasksOutput
	err := q.call(ctx, op, awscall.Read, &q.meter.Others, func(ctx context.Context) error {
		var err error
		out, err = q.client.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{
			SourceArn: aws.String(arn), MaxResults: aws.Int32(1),
		}, once)
		return err
	})
	if err != nil {
		return types.ListMessageMoveTasksResultEntry{}, awscall.Classify(op, err, true)
	}
	if len(out.Results) == 0 {
		return types.ListMessageMoveTasksResultEntry{Status: aws.String("COMPLETED")}, nil
	}
	return out.Results[0], nil
}

// pause waits between two looks.
func (q *Queue) pause(ctx context.Context, d time.Duration) error {
	if q.opts.Retry.Wait != nil {
		return q.opts.Retry.Wait(ctx, d)
	}
	return pause.For(ctx, d)
}

// copyDead sends dead letters back and deletes those that were sent.
func (q *Queue) copyDead(ctx context.Context, op string, limit int) (int, error) {
	total := 0
	for total < limit {
		ds, err := q.receive(ctx, op, q.dead, min(limit-total, queue.MaxBatch), redriveHide, time.Second)
		if err != nil || len(ds) == 0 {
			return total, err
		}
		n, err := q.copyBatch(ctx, op, ds)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// copyBatch returns how many of the letters went back, and the first error.
func (q *Queue) copyBatch(ctx context.Context, op string, ds []queue.Delivery) (int, error) {
	ms := make([]queue.Message, len(ds))
	for i := range ds {
		ms[i] = queue.Message{Group: ds[i].Group, Dedup: "redrive-" + ds[i].ID, Body: ds[i].Body}
	}
	errs := q.Send(ctx, ms)
	var sent []queue.Delivery
	var first error
	for i := range ds {
		switch {
		case errs == nil || errs[i] == nil:
			sent = append(sent, ds[i])
		case first == nil:
			first = errs[i]
		}
	}
	for _, err := range q.deleteFrom(ctx, op, q.dead, receiptsOf(sent)) {
		if err != nil && first == nil {
			first = err
		}
	}
	return len(sent), first
}
