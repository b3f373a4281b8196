package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/invocation"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

const (
	// reserve is kept back of the function's time: to give the lease back and
	// to hide messages until it is their turn again.
	reserve = 4 * time.Second
	// least is the time without which no work is begun.
	least = 6 * time.Second
)

// handler works a batch of the change queue.
type handler struct {
	work func(context.Context, []queue.Delivery) []engine.Verdict
	hide func(ctx context.Context, receipts []string, d time.Duration) []error
	now  func() time.Time
	log  *slog.Logger

	report cloud.Report // of what was done
}

// Handle works the messages and reports those that are to come again; the
// queue removes all others. It fails as a whole only for an event that is not
// the queue's: its messages then come again until they are dead letters.
func (h *handler) Handle(ctx context.Context, event json.RawMessage) (events.SQSEventResponse, error) {
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	ds, err := deliveries(event)
	if err != nil {
		h.log.ErrorContext(ctx, "event not readable", "error", err)
		return out, fmt.Errorf("sync: %w", err)
	}
	verdicts := h.verdicts(ctx, ds)
	later := map[time.Duration][]string{}
	held := map[string]*engine.Verdict{} // by group: its first message that stays
	for i := range ds {
		v := &verdicts[i]
		if first := held[ds[i].Group]; first != nil {
			v.Ack, v.Retry = false, first.Retry // what follows must not overtake
		}
		if v.Ack {
			continue
		}
		if held[ds[i].Group] == nil {
			held[ds[i].Group] = v
		}
		later[v.Retry] = append(later[v.Retry], ds[i].Receipt)
		out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: ds[i].ID})
	}
	h.tell(ctx, ds, verdicts)
	for wait, receipts := range later {
		for _, err := range h.hide(ctx, receipts, wait) {
			if err != nil && !fault.Is(err, fault.NotFound) { // then it comes when its time is over
				h.log.WarnContext(ctx, "message not hidden as long as it should be", "error", err)
			}
		}
	}
	return out, nil
}

// verdicts works the groups side by side, each in its own order, so that all of
// them fit into the function's time.
func (h *handler) verdicts(ctx context.Context, ds []queue.Delivery) []engine.Verdict {
	all := make([]engine.Verdict, len(ds))
	if invocation.Left(ctx, h.now(), time.Minute) < least {
		h.log.WarnContext(ctx, "batch handed back: no time to work it", "messages", len(ds))
		return all
	}
	ctx, cancel := invocation.Reserve(ctx, reserve)
	defer cancel()
	groups := map[string][]int{}
	for i := range ds {
		groups[ds[i].Group] = append(groups[ds[i].Group], i)
	}
	var wg sync.WaitGroup
	for _, at := range groups {
		wg.Go(func() {
			part := make([]queue.Delivery, len(at))
			var traces []string
			for n, i := range at {
				part[n] = ds[i]
				if trace := engine.OriginOf(ds[i].Body).Trace; trace != "" && !slices.Contains(traces, trace) {
					traces = append(traces, trace)
				}
			}
			for n, v := range h.work(invocation.WithOrigins(ctx, traces), part) {
				all[at[n]] = v
			}
		})
	}
	wg.Wait()
	return all
}

// tell logs what became of each message, with the trace of whoever queued it,
// and writes the metrics.
func (h *handler) tell(ctx context.Context, ds []queue.Delivery, verdicts []engine.Verdict) {
	var more []telemetry.Metric
	for i := range ds {
		from := engine.OriginOf(ds[i].Body)
		h.log.InfoContext(ctx, "message worked", "message_id", ds[i].ID, "chunk", from.Chunk, "origin", from.Trace,
			"connection", from.Connection, "sync", from.Sync,
			"receives", ds[i].Receives, "done", verdicts[i].Ack, "retry_s", verdicts[i].Retry.Seconds())
		if lag, known := from.Lag(h.now()); verdicts[i].Ack && known && (more == nil || lag.Seconds() > more[0].Value) {
			more = []telemetry.Metric{{Name: telemetry.MetricLag, Unit: telemetry.Seconds, Value: lag.Seconds()}}
		}
	}
	if err := h.report.Tell(h.now(), more...); err != nil {
		h.log.WarnContext(ctx, "metrics not written", "error", err)
	}
}

var errNotTheQueues = errors.New("a record of the event is no message of a queue")

// deliveries reads an event of the queue.
func deliveries(event []byte) ([]queue.Delivery, error) {
	var e struct {
		Records *[]events.SQSMessage
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, errors.New("the event is not the JSON that a queue sends")
	}
	if e.Records == nil {
		return nil, errors.New("the event has no records")
	}
	out := make([]queue.Delivery, 0, len(*e.Records))
	for _, m := range *e.Records {
		if m.MessageId == "" || m.ReceiptHandle == "" {
			return nil, errNotTheQueues
		}
		out = append(out, queue.Delivery{
			ID: m.MessageId, Receipt: m.ReceiptHandle, Body: []byte(m.Body), Group: m.Attributes["MessageGroupId"],
			Receives: max(int(number(m.Attributes["ApproximateReceiveCount"])), 1),
			SentAt:   time.UnixMilli(number(m.Attributes["SentTimestamp"])),
		})
	}
	return out, nil
}

// number reads an attribute; what is no number is 0, which delays nothing.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
