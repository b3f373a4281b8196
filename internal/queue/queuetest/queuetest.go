// Package queuetest is the suite that every implementation of queue passes:
// the memory, the embedded and the SQS one alike. It asks for nothing that SQS
// does not promise: a Receive may return fewer messages than there are, and
// the order among groups is open.
package queuetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// Clock is the time a queue under test goes by.
type Clock interface {
	Now() time.Time
	Advance(d time.Duration)
}

// Open returns an empty queue that makes a message a dead letter after
// maxReceives receives, and the clock it goes by. The clock is nil for a
// service with a clock of its own: the cases then wait for real, a second at a
// time, and show of the days-long windows only what can be seen at once.
type Open func(t *testing.T, maxReceives int) (queue.Queue, Clock)

// maxReceives is the cap of every queue under test.
const maxReceives = 3

// Run runs the suite, one queue per case.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, run := range All(open) {
		t.Run(name, run)
	}
}

// All returns the cases by name, for callers that put something around each
// one, such as the virtual time of testing/synctest for a queue without a Clock.
func All(open Open) iter.Seq2[string, func(t *testing.T)] {
	return func(yield func(string, func(t *testing.T)) bool) {
		for _, c := range cases() {
			ok := yield(c.name, func(t *testing.T) {
				q, clock := open(t, maxReceives)
				c.run(&kit{T: t, q: q, clock: clock})
			})
			if !ok {
				return
			}
		}
	}
}

// Cases returns how many cases the suite has, for whoever counts them.
func Cases() int { return len(cases()) }

type testCase struct {
	name string
	run  func(k *kit)
}

func cases() []testCase {
	var all []testCase
	for _, part := range [][]testCase{
		sendCases, orderCases, visibilityCases, receiptCases, dedupCases,
		deadCases, limitCases, contentionCases, contextCases, edgeCases,
	} {
		all = append(all, part...)
	}
	return all
}

// kit is one case's queue, with the assertions in the port's own words.
type kit struct {
	*testing.T
	q     queue.Queue
	clock Clock
}

// hide is longer than any case runs.
const hide = 10 * time.Minute

// msg is a message that is no repetition of another.
func msg(group, body string) queue.Message {
	return queue.Message{Group: group, Dedup: rand.Text(), Body: []byte(body)}
}

func msgs(group string, bodies ...string) []queue.Message {
	var ms []queue.Message
	for _, b := range bodies {
		ms = append(ms, msg(group, b))
	}
	return ms
}

func (k *kit) send(ms ...queue.Message) {
	k.Helper()
	if errs := k.q.Send(k.Context(), ms); errs != nil {
		k.Fatalf("send: %v", errs)
	}
}

// pass lets time go by: for real when the queue has a clock of its own.
func (k *kit) pass(d time.Duration) {
	k.Helper()
	if k.clock != nil {
		k.clock.Advance(d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

func (k *kit) once(n int, visibility time.Duration) []queue.Delivery {
	k.Helper()
	ds, err := k.q.Receive(k.Context(), n, visibility)
	if err != nil {
		k.Fatalf("receive: %v", err)
	}
	if len(ds) > n {
		k.Fatalf("received %d messages, asked for %d", len(ds), n)
	}
	return ds
}

// one receives one message, whichever comes.
func (k *kit) one(visibility time.Duration) queue.Delivery {
	k.Helper()
	for range k.poll() {
		if ds := k.once(1, visibility); len(ds) == 1 {
			return ds[0]
		}
	}
	k.Fatal("received nothing, want a message")
	return queue.Delivery{}
}

// poll is how often to ask a queue that may answer with nothing although
// there is something. It waits between the rounds.
func (k *kit) poll() iter.Seq[int] {
	return func(yield func(int) bool) {
		rounds := 1
		if k.clock == nil {
			rounds = 50
		}
		for i := range rounds {
			if i > 0 {
				k.pass(100 * time.Millisecond)
			}
			if !yield(i) {
				return
			}
		}
	}
}

// drain receives and deletes until nothing comes, one message at a time, so
// that every message of a group comes before the next is asked for.
func (k *kit) drain() []queue.Delivery {
	k.Helper()
	var all []queue.Delivery
	for range 1000 {
		ds := k.once(1, hide)
		if len(ds) == 0 && k.clock == nil {
			k.pass(300 * time.Millisecond)
			ds = k.once(1, hide)
		}
		if len(ds) == 0 {
			return all
		}
		k.delete(ds...)
		all = append(all, ds...)
	}
	k.Fatal("the queue never empties")
	return nil
}

func (k *kit) delete(ds ...queue.Delivery) {
	k.Helper()
	if len(ds) == 0 {
		return
	}
	if errs := k.q.Delete(k.Context(), receipts(ds...)); errs != nil {
		k.Fatalf("delete: %v", errs)
	}
}

func (k *kit) setVisibility(d time.Duration, ds ...queue.Delivery) {
	k.Helper()
	if errs := k.q.SetVisibility(k.Context(), receipts(ds...), d); errs != nil {
		k.Fatalf("set visibility: %v", errs)
	}
}

func receipts(ds ...queue.Delivery) []string {
	var rs []string
	for _, d := range ds {
		rs = append(rs, d.Receipt)
	}
	return rs
}

func bodies(ds []queue.Delivery) []string {
	out := []string{}
	for _, d := range ds {
		out = append(out, string(d.Body))
	}
	return out
}

func (k *kit) wantBodies(ds []queue.Delivery, want ...string) {
	k.Helper()
	if d := cmp.Diff(append([]string{}, want...), bodies(ds)); d != "" {
		k.Errorf("bodies (-want +got):\n%s", d)
	}
}

func (k *kit) wantNothing() {
	k.Helper()
	if ds := k.once(queue.MaxBatch, hide); len(ds) > 0 {
		k.Errorf("received %v, want nothing", bodies(ds))
	}
}

func (k *kit) wantKind(err error, want fault.Kind) {
	k.Helper()
	if err == nil {
		k.Errorf("no error, want kind %v", want)
		return
	}
	var classified *fault.Error
	if !errors.As(err, &classified) {
		k.Errorf("error is not classified: %v", err)
	}
	if got := fault.KindOf(err); got != want {
		k.Errorf("kind = %v, want %v: %v", got, want, err)
	}
}

// wantDepth waits for the counts: they are approximate.
func (k *kit) wantDepth(want queue.Depth) {
	k.Helper()
	var got queue.Depth
	for range k.poll() {
		var err error
		if got, err = k.q.Depth(k.Context()); err != nil {
			k.Fatal(err)
		}
		if got == want {
			return
		}
	}
	k.Errorf("depth = %+v, want %+v", got, want)
}

func (k *kit) cancelled() context.Context {
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	return ctx
}

func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return out
}
