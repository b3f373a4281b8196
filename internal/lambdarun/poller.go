package lambdarun

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/lockstep-crm/lockstep/internal/queue"
)

// Poller is an event source mapping: it takes batches from a queue, hands each
// to a function, and removes the messages that were not reported as failed. A
// batch whose invocation failed stays as a whole, until its visibility
// time-out is over.
type Poller struct {
	Queue      queue.Queue
	Function   Invoker
	Visibility time.Duration
	Workers    int                // batches at a time; 0 = 1
	Trouble    func(error)        // is told of everything that went wrong; optional
	Done       func(messages int) // is told of every batch; optional
}

const pollEvery = 20 * time.Millisecond

// Run polls until ctx ends; the batches in hand are finished.
func (p *Poller) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for range max(p.Workers, 1) {
		wg.Go(func() {
			t := time.NewTicker(pollEvery)
			defer t.Stop()
			for ctx.Err() == nil {
				n, err := p.Once(ctx)
				if err != nil && ctx.Err() == nil && p.Trouble != nil {
					p.Trouble(err)
				}
				if n > 0 && err == nil {
					continue
				}
				select {
				case <-t.C:
				case <-ctx.Done():
				}
			}
		})
	}
	wg.Wait()
}

// Once works one batch, and returns how many messages it held.
func (p *Poller) Once(ctx context.Context) (int, error) {
	ds, err := p.Queue.Receive(ctx, queue.MaxBatch, p.Visibility)
	if err != nil || len(ds) == 0 {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	event, err := json.Marshal(QueueEvent(ds))
	if err != nil {
		return len(ds), err
	}
	answer, err := p.Function.Invoke(ctx, event)
	if err != nil {
		return len(ds), err
	}
	var resp events.SQSEventResponse
	if err := json.Unmarshal(answer, &resp); err != nil {
		return len(ds), err
	}
	failed := map[string]bool{}
	for _, f := range resp.BatchItemFailures {
		failed[f.ItemIdentifier] = true
	}
	var done []string
	for _, d := range ds {
		if !failed[d.ID] {
			done = append(done, d.Receipt)
		}
		delete(failed, d.ID)
	}
	if len(failed) > 0 { // AWS takes the whole batch for failed then
		return len(ds), fmt.Errorf("lambdarun: %d failures of messages that were not in the batch", len(failed))
	}
	for _, err := range p.Queue.Delete(ctx, done) {
		if err != nil {
			return len(ds), err
		}
	}
	if p.Done != nil {
		p.Done(len(ds))
	}
	return len(ds), nil
}

// QueueEvent is the event that a queue's messages make.
func QueueEvent(ds []queue.Delivery) events.SQSEvent {
	e := events.SQSEvent{Records: []events.SQSMessage{}}
	for _, d := range ds {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: d.ID, ReceiptHandle: d.Receipt, Body: string(d.Body), AWSRegion: region, EventSource: "aws:sqs",
			EventSourceARN: "arn:aws:sqs:" + region + ":000000000000:changes.fifo",
			Attributes: map[string]string{
				"ApproximateReceiveCount": strconv.Itoa(d.Receives), "SentTimestamp": strconv.FormatInt(d.SentAt.UnixMilli(), 10), "MessageGroupId": d.Group,
			},
		})
	}
	return e
}
