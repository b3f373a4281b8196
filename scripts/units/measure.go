package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

const (
	people  = 1000 // on each side at first; 60 % are in both
	changed = 900  // in full chunks; as many as a run has in the queue at a time
	created = 900
	lone    = 20 // by webhook, one at a time
	rounds  = 10 // of what goes on when nothing happens
)

// bench is a bed on DynamoDB's stand-in.
type bench struct {
	*testbed.Bed
	store *linkReads
	lines []line
}

func measure(ctx context.Context) (lines []line, err error) {
	db, err := awslocal.StartDynamoDB(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	client := dynamodb.NewFromConfig(db.Config())
	tables, err := dynamostore.CreateTables(ctx, client, "units-")
	if err != nil {
		return nil, err
	}
	clock := testbed.NewClock()
	b := &bench{}
	s, err := dynamostore.New(client, tables, clock.Now, dynamostore.Options{})
	if err != nil {
		return nil, err
	}
	b.store = &linkReads{Store: s}
	if b.Bed, err = testbed.New(ctx, testbed.Options{People: people, Clock: clock, Store: b.store}, nil); err != nil {
		return nil, err
	}
	for _, f := range []func(context.Context) error{b.firstSync, b.changes, b.creates, b.loneChanges, b.resync, b.idle} {
		if err := f(ctx); err != nil {
			return b.lines, err
		}
	}
	return b.lines, nil
}

// count adds the line of what f consumes, divided by n.
func (b *bench) count(name string, n, limit float64, f func() error) error {
	before := b.store.Units().Total()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	after := b.store.Units().Total()
	b.lines = append(b.lines, line{
		name: name, read: (after.Read - before.Read) / n,
		write: (after.Write + after.Refused - before.Write - before.Refused) / n, limit: limit,
	})
	return nil
}

func (b *bench) firstSync(ctx context.Context) error {
	err := b.count(fmt.Sprintf("record of a first sync of %d and %d", people, people), 2*people, 0, func() error {
		_, err := b.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection)
		return errors.Join(err, b.Drain(ctx))
	})
	return errors.Join(err, b.Quiet(ctx))
}

// edit changes the jobs of the first n linked people, on one side, each to one of
// its own: one value for everybody would be a mass change.
func (b *bench) edit(ctx context.Context, side crm.Side, n int, job string) ([]crm.RecordID, error) {
	var ids []crm.RecordID
	for cursor := ""; len(ids) < n; {
		page, next, err := b.Engine.ListRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
			engine.RecordFilter{State: crm.StateInSync}, 200, cursor)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if page[i].Partner == "" || len(ids) == n {
				continue
			}
			own := fmt.Sprintf("%s %d", job, len(ids))
			if side == crm.Left {
				_, err = b.Hub.Core().UpdateRecord("contacts", string(page[i].ID), map[string]string{"jobtitle": own})
			} else {
				_, err = b.Force.Core().UpdateRecord("Contact", string(page[i].Partner), map[string]string{"Title": own})
			}
			if err != nil {
				return nil, err
			}
			b.Move(5 * time.Millisecond)
			ids = append(ids, page[i].ID)
		}
		if cursor = next; cursor == "" && len(ids) < n {
			return nil, fmt.Errorf("only %d linked pairs", len(ids))
		}
	}
	b.Move(time.Second)
	return ids, nil
}

func (b *bench) changes(ctx context.Context) error {
	for _, side := range crm.Sides {
		if _, err := b.edit(ctx, side, changed, "Cooper of "+string(side)); err != nil {
			return err
		}
		if err := b.count("changed record in full chunks, from the "+string(side), changed, 1.5, func() error {
			return b.Pull(ctx)
		}); err != nil {
			return err
		}
		if err := b.Quiet(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) creates(ctx context.Context) error {
	for i := range created {
		b.Move(5 * time.Millisecond)
		if _, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
			"email": fmt.Sprintf("new.%d@example.net", i), "firstname": "New", "lastname": fmt.Sprintf("Person %d", i),
		}); err != nil {
			return err
		}
	}
	b.Move(time.Second)
	return errors.Join(b.count("created record in full chunks", created, 4.5, func() error { return b.Pull(ctx) }),
		b.Quiet(ctx))
}

func (b *bench) loneChanges(ctx context.Context) error {
	ids, err := b.edit(ctx, crm.Left, lone+1, "Cooper, alone")
	if err != nil {
		return err
	}
	send := func(id crm.RecordID) error {
		b.Move(time.Second)
		event := connector.Event{Kind: connector.EventChanged, Object: "contacts", ID: id, At: b.Now()}
		if err := b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, []connector.Event{event}); err != nil {
			return err
		}
		for { // the queue alone: what ticks cost has a line of its own
			if n, err := b.Work(ctx); n == 0 || err != nil {
				return err
			}
		}
	}
	if err := send(ids[lone]); err != nil { // it also makes the day's run
		return err
	}
	return b.count("lone change by webhook", lone, 5, func() error {
		for _, id := range ids[:lone] {
			if err := send(id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) resync(ctx context.Context) error {
	if err := b.Quiet(ctx); err != nil {
		return err
	}
	n := crm.PerSide[float64]{
		Left: float64(len(b.Hub.Core().Records("contacts"))), Right: float64(len(b.Force.Core().Records("Contact"))),
	}
	b.store.units = crm.PerSide[float64]{}
	err := b.count("unchanged record of a resync", n.Left+n.Right, 0, func() error {
		_, err := b.Engine.StartRun(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
		return errors.Join(err, b.Drain(ctx))
	})
	for _, side := range crm.Sides {
		most := 0.5
		if side == crm.Right {
			most = 1
		}
		b.lines = append(b.lines, line{
			name: "its link, from the " + string(side), read: b.store.units.Get(side) / n.Get(side), readLimit: most,
		})
	}
	return err
}

// idle is what the schedules do when nothing happens, each alone.
func (b *bench) idle(ctx context.Context) error {
	if err := b.Quiet(ctx); err != nil {
		return err
	}
	for range 2 * 12 { // what was changed before is looked at once more
		b.Move(5 * time.Minute)
		if err := b.Pull(ctx); err != nil {
			return err
		}
	}
	for _, what := range []struct {
		name  string
		every time.Duration
		do    func() error
	}{
		{"pull with nothing changed", 5 * time.Minute, func() error {
			return b.Engine.Pull(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts)
		}},
		{"tick with nothing to do", time.Minute, func() error { return b.Engine.Tick(ctx, 0) }},
		{"hourly look at a sync's status", time.Hour, func() error {
			_, err := b.Engine.Status(ctx, testbed.Workspace, testbed.Connection)
			return err
		}},
	} {
		err := b.count(what.name, rounds, 0, func() error {
			for range rounds {
				b.Move(what.every)
				if err := what.do(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
