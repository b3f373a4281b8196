package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/queue/memqueue"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// bench is a testbed whose store, queue and apps are counted.
type bench struct {
	*testbed.Bed
	tally *tally
	queue *memqueue.Queue
	rows  int // records written to both apps by the engine
}

func newBench(ctx context.Context, people int) (*bench, error) { return newBenchOf(ctx, people, nil) }

// newBenchOf is newBench of a connection that is changed first; nil = it is not.
func newBenchOf(ctx context.Context, people int, change func(*crm.Connection)) (*bench, error) {
	var b bench
	clock := testbed.NewClock()
	b.tally = newTally(memstore.New(clock.Now))
	b.queue = memqueue.New(clock.Now, memqueue.Options{})
	var err error
	b.Bed, err = testbed.New(ctx, testbed.Options{
		People: people, Clock: clock, Store: b.tally, Queue: b.queue, Wrap: b.countRows,
	}, change)
	if err != nil {
		return nil, err
	}
	if _, err := b.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection); err != nil {
		return nil, err
	}
	return &b, b.Drain(ctx)
}

// quiet is Quiet with the counts set back.
func (b *bench) quiet(ctx context.Context) error {
	defer b.reset()
	return b.Quiet(ctx)
}

func (b *bench) reset() {
	b.tally.reset()
	b.rows = 0
	b.Hub.Core().ResetRequests()
	b.Force.Core().ResetRequests()
}

// calls counts the requests to both apps.
func (b *bench) calls() int { return b.Hub.Core().Requests().Total + b.Force.Core().Requests().Total }

// countRows decorates a connector so that the records it writes are counted.
func (b *bench) countRows(_ crm.AccountID, c connector.Connector) connector.Connector {
	return &rowCounter{Connector: c, b: b}
}

// rowCounter counts the records written.
type rowCounter struct {
	connector.Connector
	b *bench
}

func (r *rowCounter) BatchWrite(
	ctx context.Context, object string, writes []connector.Write,
) ([]connector.Written, error) {
	r.b.rows += len(writes)
	return r.Connector.BatchWrite(ctx, object, writes)
}

// pairs lists n linked pairs.
func (b *bench) pairs(ctx context.Context, n int) ([]engine.RecordView, error) {
	return linked(ctx, b.Engine, n)
}

// linked lists n linked pairs of a bed.
func linked(ctx context.Context, e *engine.Engine, n int) ([]engine.RecordView, error) {
	var out []engine.RecordView
	for cursor := ""; len(out) < n; {
		page, next, err := e.ListRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
			engine.RecordFilter{State: crm.StateInSync}, 200, cursor)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			if r.Side == crm.Left && r.Partner != "" && len(out) < n {
				out = append(out, r)
			}
		}
		if cursor = next; cursor == "" && len(out) < n {
			return nil, fmt.Errorf("only %d linked pairs", len(out))
		}
	}
	return out, nil
}

// measure takes all counts.
func measure(ctx context.Context) ([]figure, error) {
	var out []figure
	for _, f := range []func(context.Context) ([]figure, error){
		measureChanges, measureLone, measureCreates, measureQuiet, measureResync, measureLooks,
	} {
		fs, err := f(ctx)
		if err != nil {
			return out, err
		}
		out = append(out, fs...)
	}
	return out, nil
}

// changed is how many linked records are edited.
const changed = 1000

// measureChanges edits a thousand linked records on one side and pulls.
func measureChanges(ctx context.Context) ([]figure, error) {
	var out []figure
	for _, side := range crm.Sides {
		b, err := newBench(ctx, 1000)
		if err != nil {
			return nil, err
		}
		if err := b.quiet(ctx); err != nil {
			return nil, err
		}
		way := string(side) + " to " + string(side.Other())
		pairs, err := b.pairs(ctx, changed)
		if err != nil {
			return nil, err
		}
		for i, p := range pairs {
			b.Move(5 * time.Millisecond)
			if side == crm.Left {
				_, err = b.Hub.Core().UpdateRecord("contacts", string(p.ID), map[string]string{
					"jobtitle": fmt.Sprintf("Cooper %d", i),
				})
			} else {
				_, err = b.Force.Core().UpdateRecord("Contact", string(p.Partner), map[string]string{
					"Title": fmt.Sprintf("Cooper %d", i),
				})
			}
			if err != nil {
				return nil, err
			}
		}
		b.Move(time.Second)
		b.reset()
		queued := b.queue.Counts()
		if err := b.Pull(ctx); err != nil {
			return nil, err
		}
		first := b.calls()
		requests := b.queue.Counts().Since(queued).Requests()
		rows, writes, gets := b.rows, float64(b.tally.total())/changed, float64(b.tally.gets)/changed
		b.Move(testbed.Overlap)
		if err := b.Pull(ctx); err != nil {
			return nil, err
		}
		out = append(out,
			atMost("calls per 1,000 changed records, "+way, 35, float64(first), "%.0f"),
			atMost("the same with the pull that meets our own writes, "+way, 40, float64(b.calls()), "%.0f"),
			exactly("records written per true change, "+way, 1, float64(rows)/changed, "%.2f"),
			exactly("echoes after a further pull, "+way, 0, float64(b.rows-rows), "%.0f"),
			atMost("store writes per changed record, "+way, 1.5, writes, "%.3f"),
			atMost("reads of single items per changed record, "+way, 0.2, gets, "%.3f"),
			atMost("queue requests per changed record, "+way, 0.035, float64(requests)/changed, "%.4f"))
	}
	return out, nil
}

// measureLone sends one change by webhook.
func measureLone(ctx context.Context) ([]figure, error) {
	b, err := newBench(ctx, 100)
	if err != nil {
		return nil, err
	}
	if err := b.quiet(ctx); err != nil {
		return nil, err
	}
	pairs, err := b.pairs(ctx, 2)
	if err != nil {
		return nil, err
	}
	for i, p := range pairs { // the first also makes the day's run
		if _, err := b.Hub.Core().UpdateRecord("contacts", string(p.ID), map[string]string{
			"jobtitle": "Cooper",
		}); err != nil {
			return nil, err
		}
		b.Move(time.Second)
		b.reset()
		if err := b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, []connector.Event{
			{Kind: connector.EventChanged, Object: "contacts", ID: p.ID},
		}); err != nil {
			return nil, err
		}
		if err := b.Drain(ctx); err != nil {
			return nil, err
		}
		if i == 1 {
			return []figure{
				shown("store writes of a lone change by webhook", float64(b.tally.total()), "%.0f"),
				shown("calls of a lone change by webhook", float64(b.calls()), "%.0f"),
			}, nil
		}
	}
	return nil, nil
}

// measureCreates makes a thousand people on one side.
func measureCreates(ctx context.Context) ([]figure, error) {
	b, err := newBench(ctx, 100)
	if err != nil {
		return nil, err
	}
	if err := b.quiet(ctx); err != nil {
		return nil, err
	}
	for i := range changed {
		b.Move(5 * time.Millisecond)
		if _, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
			"email": fmt.Sprintf("new.%d@example.net", i), "firstname": "New", "lastname": fmt.Sprintf("Person %d", i),
		}); err != nil {
			return nil, err
		}
	}
	b.Move(time.Second)
	b.reset()
	if err := b.Pull(ctx); err != nil {
		return nil, err
	}
	return []figure{
		atMost("store writes per created record", 4.5, float64(b.tally.total())/changed, "%.3f"),
		shown("calls per 1,000 created records", float64(b.calls()), "%.0f"),
	}, nil
}

// measureQuiet pulls with nothing changed.
func measureQuiet(ctx context.Context) ([]figure, error) {
	var out []figure
	for _, n := range []int{1000, 20000} {
		b, err := newBench(ctx, n)
		if err != nil {
			return nil, err
		}
		if err := b.quiet(ctx); err != nil {
			return nil, err
		}
		if err := b.Pull(ctx); err != nil {
			return nil, err
		}
		out = append(out, exactly(fmt.Sprintf("calls of a pull with nothing changed, %d people", n), 2, float64(b.calls()),
			"%.0f"))
	}
	return out, nil
}

// measureResync lists everything anew with nothing changed.
func measureResync(ctx context.Context) ([]figure, error) {
	b, err := newBench(ctx, 5000)
	if err != nil {
		return nil, err
	}
	if err := b.quiet(ctx); err != nil {
		return nil, err
	}
	if _, err := b.Engine.StartRun(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RunResync); err != nil {
		return nil, err
	}
	if err := b.Drain(ctx); err != nil {
		return nil, err
	}
	own := b.tally.total("links/l", "links/i", "links/c", "links/x", "links/n", "links/p", "links/d")
	return []figure{
		exactly("records written by an unchanged resync of 5,000 + 5,000", 0, float64(b.rows), "%.0f"),
		exactly("store writes of it beyond the run's own", 0, float64(own), "%.0f"),
		shown("calls of it", float64(b.calls()), "%.0f"),
	}, nil
}
