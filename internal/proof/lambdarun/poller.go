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
//
// As SQS delivers at least once, Repeat may have a batch handed in again.
type Poller struct {
	Queue      queue.Queue
	Function   Invoker
	Visibility time.Duration
	Workers    int           // batches at a time; 0 = 1
	MaxBatch   int           // messages of a batch; 0 = queue.MaxBatch
	Repeat     func() Repeat // is asked about every batch; nil = never
	Trouble    func(error)   // is told of everything that went wrong; optional

	mu     sync.Mutex
	counts PollerCounts
	hand   int     // batches in hand, repetitions too
	later  []later // repetitions that wait
}

// Repeat says whether a batch is handed in again. What comes of the repetition
// does not matter: nothing is removed for it.
type Repeat int

// The ways to repeat a batch.
const (
	Never  Repeat = iota
	Beside        // at the same time
	Later         // after three more batches, or as soon as there are none
)

// laterBy is after how many more batches a late repetition comes.
const laterBy = 3

// later is a repetition that waits.
type later struct {
	event []byte
	due   int // number of the batch that it follows
}

// PollerCounts say what a Poller did so far.
type PollerCounts struct {
	Batches  int // handed in
	Messages int // in them
	Beside   int // of them handed in a second time at once
	Later    int // handed in a second time later, when newer ones had been
	Failed   int // whose invocation failed, repetitions left out
}

// Counts returns what was done so far.
func (p *Poller) Counts() PollerCounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// Pending returns how many batches are in hand, and repetitions that wait.
func (p *Poller) Pending() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hand + len(p.later)
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
	limit := p.MaxBatch
	if limit == 0 {
		limit = queue.MaxBatch
	}
	ds, err := p.Queue.Receive(ctx, limit, p.Visibility)
	ctx = context.WithoutCancel(ctx)
	if err != nil || len(ds) == 0 {
		p.overdue(ctx, true)
		return 0, err
	}
	p.working(1)
	defer p.working(-1)
	event, err := json.Marshal(QueueEvent(ds))
	if err != nil {
		return len(ds), err
	}
	var wg sync.WaitGroup
	if p.begin(event, len(ds)) == Beside {
		wg.Go(func() { p.again(ctx, event) })
	}
	err = p.work(ctx, ds, event)
	wg.Wait()
	if err != nil {
		p.mu.Lock()
		p.counts.Failed++
		p.mu.Unlock()
	}
	p.overdue(ctx, false)
	return len(ds), err
}

func (p *Poller) working(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hand += n
}

// begin counts a batch and decides whether it is to be repeated.
func (p *Poller) begin(event []byte, messages int) Repeat {
	r := Never
	if p.Repeat != nil {
		r = p.Repeat()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Batches++
	p.counts.Messages += messages
	switch r {
	case Never:
	case Beside:
		p.counts.Beside++
	case Later:
		p.counts.Later++
		p.later = append(p.later, later{event, p.counts.Batches + laterBy})
	}
	return r
}

// overdue hands in the repetitions whose time has come; all when idle.
func (p *Poller) overdue(ctx context.Context, idle bool) {
	p.mu.Lock()
	var due [][]byte
	for len(p.later) > 0 && (idle || p.later[0].due <= p.counts.Batches) {
		due = append(due, p.later[0].event)
		p.later = p.later[1:]
	}
	p.hand += len(due)
	p.mu.Unlock()
	defer p.working(-len(due))
	for _, event := range due {
		p.again(ctx, event)
	}
}

// again hands a batch in once more.
func (p *Poller) again(ctx context.Context, event []byte) {
	_, _ = p.Function.Invoke(ctx, event) // nothing hangs on it
}

// work hands one batch in and removes what was worked.
func (p *Poller) work(ctx context.Context, ds []queue.Delivery, event []byte) error {
	answer, err := p.Function.Invoke(ctx, event)
	if err != nil {
		return err
	}
	var resp events.SQSEventResponse
	if err := json.Unmarshal(answer, &resp); err != nil {
		return err
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
		return fmt.Errorf("lambdarun: %d failures of messages that were not in the batch", len(failed))
	}
	for _, err := range p.Queue.Delete(ctx, done) {
		if err != nil {
			return err
		}
	}
	return nil
}

// QueueEvent is the event that a queue's messages make.
func QueueEvent(ds []queue.Delivery) events.SQSEvent {
	e := events.SQSEvent{Records: []events.SQSMessage{}}
	for _, d := range ds {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: d.ID, ReceiptHandle: d.Receipt, Body: string(d.Body), AWSRegion: region, EventSource: "aws:sqs",
			EventSourceARN: "arn:aws:sqs:" + region + ":000000000000:changes.fifo",
			Attributes: map[string]string{
				"ApproximateReceiveCount": strconv.Itoa(d.Receives), "SentTimestamp": strconv.FormatInt(d.SentAt.UnixMilli(), 10),
				"MessageGroupId": d.Group,
			},
		})
	}
	return e
}
