package lambdarun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Options say which program a Function is and how it is run.
type Options struct {
	Name        string        // of the function, as its log sees it
	Program     string        // path of the bootstrap
	Env         []string      // "NAME=value"; the only environment that it gets besides Lambda's own
	Timeout     time.Duration // of one invocation; 0 = 3 s, Lambda's own default
	Concurrency int           // instances at a time; 0 = 1
	Log         io.Writer     // gets what the program prints; nil = nothing
}

// Errors of an invocation that the program did not answer.
var (
	ErrTimeout = errors.New("lambdarun: the time limit is over; the instance was killed")
	ErrExited  = errors.New("lambdarun: the program ended")
	ErrClosed  = errors.New("lambdarun: the function is closed")
)

// FunctionError is the answer of a handler that returned an error.
type FunctionError struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Error implements error.
func (e *FunctionError) Error() string { return "lambdarun: " + e.Type + ": " + e.Message }

// Function is a function with its instances. Make it with New; close it.
type Function struct {
	o     Options
	slots chan struct{}

	mu     sync.Mutex
	idle   []*instance
	all    map[*instance]bool
	closed bool
	counts Counts
}

// Counts say what was done so far.
type Counts struct {
	Starts  int // instances started
	Calls   int // events handed to an instance
	Failed  int // answers that were errors
	Timeout int // instances killed at the time limit
	Killed  int // instances killed by Kill
	Stalled int // instances stopped by Stall
	Lost    int // events whose instance ended before it answered, not by the time limit
}

// New returns a function without instances; the first event starts one.
func New(o Options) *Function {
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 1
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return &Function{o: o, slots: make(chan struct{}, o.Concurrency), all: map[*instance]bool{}}
}

// Invoke hands one event to an instance and returns its answer. It waits while
// all instances are busy. Errors: *FunctionError when the handler failed;
// ErrTimeout; ErrExited when the program ended before it answered.
func (f *Function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	if !json.Valid(event) {
		return nil, errors.New("lambdarun: the event is no JSON")
	}
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	i, err := f.take(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := i.invoke(ctx, event, f.o.Timeout)
	f.give(i, err)
	return answer, err
}

// take returns an idle instance, or a new one.
func (f *Function) take(ctx context.Context) (*instance, error) {
	if i, err := f.rested(); i != nil || err != nil {
		return i, err
	}
	i, err := start(ctx, &f.o)
	if err != nil {
		return nil, fmt.Errorf("lambdarun: start %s: %w", f.o.Program, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Starts++
	if f.closed {
		i.close()
		return nil, ErrClosed
	}
	f.all[i] = true
	return i, nil
}

// rested returns an idle instance, nil when there is none.
func (f *Function) rested() (*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	f.counts.Calls++
	for n := len(f.idle); n > 0; n = len(f.idle) {
		i := f.idle[n-1]
		f.idle = f.idle[:n-1]
		if i.alive() {
			return i, nil
		}
		delete(f.all, i)
	}
	return nil, nil //nolint:nilnil // none is no error: one is started then
}

// give takes an instance back after an invocation.
func (f *Function) give(i *instance, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failed *FunctionError
	switch {
	case errors.As(err, &failed):
		f.counts.Failed++
	case errors.Is(err, ErrTimeout):
		f.counts.Timeout++
	case err != nil:
		f.counts.Lost++
	}
	if i.alive() && !f.closed {
		f.idle = append(f.idle, i)
		return
	}
	delete(f.all, i)
}

// Kill ends one instance at once, as a crash of its machine would: a busy one
// if there is any, else, unless busyOnly, an idle one. It reports whether there
// was one.
func (f *Function) Kill(busyOnly bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	victim := f.busy()
	if victim == nil && !busyOnly && len(f.idle) > 0 {
		victim = f.idle[0]
	}
	if victim == nil || !victim.alive() {
		return false
	}
	f.counts.Killed++
	victim.kill()
	return true
}

// Busy reports whether an instance has an event in hand.
func (f *Function) Busy() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.busy() != nil
}

// Stall stops a busy instance in the middle of its work, as a machine that
// hangs would, until the time limit ends it. It reports whether there was one.
func (f *Function) Stall() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	victim := f.busy()
	if victim == nil {
		return false
	}
	f.counts.Stalled++
	victim.stalled = true
	victim.freeze()
	return true
}

// busy returns an instance that has an event in hand and has not been stalled;
// nil when there is none. The lock is held.
func (f *Function) busy() *instance {
	for i := range f.all {
		if !i.stalled && i.alive() && !slices.Contains(f.idle, i) {
			return i
		}
	}
	return nil
}

// Counts returns what was done so far.
func (f *Function) Counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}

// Close ends all instances and waits for their end.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	all := f.all
	f.all, f.idle = map[*instance]bool{}, nil
	f.mu.Unlock()
	for i := range all {
		i.close()
	}
}
