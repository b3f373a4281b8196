package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/queue/sqlitequeue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/store/sqlitestore"
)

// writerPeople are on each side; 60 % of them are the same.
const writerPeople = 10_000

// writerRate is what one core has to get through: records a second of its time.
const writerRate = 1000

// measureWriter syncs two accounts for the first time in this process, on
// embedded storage on disk, with the real connectors over their fakes. The clock
// is a virtual one, so that waiting does not count, and the time is that of the
// whole process: the fakes' work, the collector's and the database's included.
func measureWriter(ctx context.Context) (figures []figure, err error) {
	dir, err := os.MkdirTemp("", "lockstep-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, os.RemoveAll(dir)) }()
	clock := testbed.NewClock()
	db, err := sqlitedb.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, db.Close()) }()
	store, err := sqlitestore.Open(ctx, db, clock.Now)
	if err != nil {
		return nil, err
	}
	queue, err := sqlitequeue.Open(ctx, db, clock.Now, sqlitequeue.Options{})
	if err != nil {
		return nil, err
	}
	bed, err := testbed.New(ctx, testbed.Options{People: writerPeople, Clock: clock, Store: store, Queue: queue}, nil)
	if err != nil {
		return nil, err
	}
	before, err := processTime()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	runs, err := bed.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection)
	if err != nil {
		return nil, err
	}
	if err := bed.Drain(ctx); err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := processTime()
	if err != nil {
		return nil, err
	}
	run, err := bed.Engine.GetRun(ctx, testbed.Workspace, runs[0].ID)
	if err != nil {
		return nil, err
	}
	if done := run.Outcomes[crm.Failed]; done > 0 || run.Done < 2*writerPeople {
		return nil, fmt.Errorf("the first sync went wrong: %d of %d records, outcomes %v", run.Done, run.Total, run.Outcomes)
	}
	cpu := (after - before).Seconds()
	return []figure{
		atLeast("records per second and core of a first sync of 10,000 + 10,000", writerRate, float64(run.Done)/cpu, "%.0f"),
		shown("records of it", float64(run.Done), "%.0f"),
		shown("processor seconds of it", cpu, "%.1f"),
		shown("seconds of it", took.Seconds(), "%.1f"),
	}, nil
}

// processTime is the processor time of this process so far.
func processTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
