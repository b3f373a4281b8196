package memqueue_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/memqueue"
	"github.com/lockstep-crm/lockstep/internal/queue/queuetest"
)

// TestConformance is what memqueue has to say as a queue.
func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(_ *testing.T, maxReceives int) (queue.Queue, queuetest.Clock) {
		clock := testclock.New()
		return memqueue.New(clock.Now, memqueue.Options{MaxReceives: maxReceives}), clock
	})
}

// TestConformanceInAnyOrderOfGroups shows that the suite leans on no order
// among groups, which SQS does not promise.
func TestConformanceInAnyOrderOfGroups(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(_ *testing.T, maxReceives int) (queue.Queue, queuetest.Clock) {
		clock := testclock.New()
		last := func(n int) int { return n - 1 }
		return memqueue.New(clock.Now, memqueue.Options{MaxReceives: maxReceives, Pick: last}), clock
	})
}

// TestConformanceByItsOwnClock shows that the suite needs no clock to turn: it
// waits where it must, here in virtual time.
func TestConformanceByItsOwnClock(t *testing.T) {
	t.Parallel()
	for name, run := range queuetest.All(func(_ *testing.T, maxReceives int) (queue.Queue, queuetest.Clock) {
		return memqueue.New(time.Now, memqueue.Options{MaxReceives: maxReceives}), nil
	}) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, run) })
	}
}

func TestOneReceiveTakesTheNextOfAGroup(t *testing.T) {
	t.Parallel()
	q := memqueue.New(testclock.New().Now, memqueue.Options{})
	send(t, q, "g", "1", "2", "3")
	if got := receive(t, q, 2); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("received %v, want 1 and 2", got)
	}
}

func TestOverlapGroupsHandsOneGroupToTwo(t *testing.T) {
	t.Parallel()
	q := memqueue.New(testclock.New().Now, memqueue.Options{OverlapGroups: true})
	send(t, q, "g", "1", "2", "3")
	var got []string
	for range 4 {
		got = append(got, receive(t, q, 1)...)
	}
	if d := cmp.Diff([]string{"1", "2", "3"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDefaultCapIsTen(t *testing.T) {
	t.Parallel()
	q := memqueue.New(testclock.New().Now, memqueue.Options{})
	send(t, q, "g", "1")
	n := 0
	for {
		ds, err := q.Receive(t.Context(), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(ds) == 0 {
			break
		}
		n++
	}
	if n != queue.DefaultMaxReceives {
		t.Errorf("received %d times, want %d", n, queue.DefaultMaxReceives)
	}
}

func TestSnapshotIsIndependent(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	q := memqueue.New(clock.Now, memqueue.Options{MaxReceives: 1})
	send(t, q, "a", "1", "2")
	send(t, q, "b", "3")
	receive(t, q, 1)
	before, snap := state(q), q.Snapshot()
	clock.Advance(2 * time.Minute)
	send(t, q, "c", "4")
	receive(t, q, 10)
	if d := cmp.Diff(before, state(q)); d == "" {
		t.Fatal("nothing changed after the snapshot")
	}
	for range 2 {
		q.Restore(snap)
		clock.Advance(-2 * time.Minute)
		if d := cmp.Diff(before, state(q)); d != "" {
			t.Errorf("(-before +restored):\n%s", d)
		}
		clock.Advance(2 * time.Minute)
		receive(t, q, 10)
	}
}

func TestCountsAreInRequestsAndMessages(t *testing.T) {
	t.Parallel()
	q := memqueue.New(testclock.New().Now, memqueue.Options{MaxReceives: 1})
	before := q.Counts()
	m := make([]queue.Message, 25)
	for i := range m {
		m[i] = queue.Message{Group: "g", Dedup: fmt.Sprint(i % 24), Body: []byte("x")}
	}
	if errs := q.Send(t.Context(), m); errs != nil {
		t.Fatal(errs)
	}
	ds, err := q.Receive(t.Context(), 10, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	q.SetVisibility(t.Context(), []string{ds[0].Receipt}, 0)
	for _, d := range ds[1:] {
		q.Delete(t.Context(), []string{d.Receipt})
	}
	receive(t, q, 1)
	want := queue.Counts{
		Sends: 3, Receives: 2, Deletes: 9, Visibilities: 1, Sent: 24, Dropped: 1, Received: 11,
		Deleted: 9, Died: 1,
	}
	if d := cmp.Diff(want, q.Counts().Since(before)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if n := want.Requests(); n != 15 {
		t.Errorf("requests = %d, want 15", n)
	}
}

func state(q *memqueue.Queue) []string {
	var out []string
	q.Each(func(h memqueue.Held) bool {
		out = append(out, fmt.Sprintf("%s %s receives=%d inflight=%v dead=%v", h.Group, h.Body, h.Receives, h.InFlight,
			h.Dead))
		return true
	})
	return out
}

func send(t *testing.T, q queue.Queue, group string, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if errs := q.Send(t.Context(), []queue.Message{{Group: group, Dedup: group + b, Body: []byte(b)}}); errs != nil {
			t.Fatal(errs)
		}
	}
}

func receive(t *testing.T, q queue.Queue, n int) []string {
	t.Helper()
	ds, err := q.Receive(t.Context(), n, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range ds {
		out = append(out, string(d.Body))
	}
	return out
}

func TestReadyCountsWhatReceiveWouldFind(t *testing.T) {
	now := time.Unix(0, 0)
	for _, overlap := range []bool{false, true} {
		q := memqueue.New(func() time.Time { return now }, memqueue.Options{OverlapGroups: overlap})
		send(t, q, "a", "1", "2")
		send(t, q, "b", "3")
		found := 0
		for want := q.Ready(); ; want = q.Ready() {
			if got := len(receive(t, q, 1)); (got > 0) != (want > 0) {
				t.Fatalf("overlap %v: ready %d, received %d", overlap, want, got)
			} else if got == 0 {
				break
			}
			found++
		}
		if want := map[bool]int{false: 2, true: 3}[overlap]; found != want {
			t.Errorf("overlap %v: found %d, want %d", overlap, found, want)
		}
	}
}

// TestEachShowsAllThatIsHeld: in the order of sending, dead letters last, without
// what has vanished; and no further than is wanted.
func TestEachShowsAllThatIsHeld(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	start := clock.Now()
	q := memqueue.New(clock.Now, memqueue.Options{MaxReceives: 1})
	send(t, q, "dies", "1")
	send(t, q, "waits", "2")
	send(t, q, "held", "3")
	for range 2 { // the second look takes 1 for dead
		if _, err := q.Receive(t.Context(), 1, 0); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Second)
	}
	send(t, q, "waits", "4")
	receive(t, q, 10) // takes 2 for dead, and hides 3 and 4
	send(t, q, "idle", "5")
	held := func(id, group string, sent, receives int, inFlight, dead bool) memqueue.Held {
		return memqueue.Held{
			ID: "m" + id, Group: group, Body: []byte(id), SentAt: start.Add(time.Duration(sent) * time.Second),
			Receives: receives, InFlight: inFlight, Dead: dead,
		}
	}
	want := []memqueue.Held{
		held("3", "held", 0, 1, true, false), held("4", "waits", 2, 1, true, false), held("5", "idle", 2, 0, false, false),
		held("1", "dies", 0, 1, false, true), held("2", "waits", 0, 1, false, true),
	}
	check := func(when string, want ...memqueue.Held) {
		t.Helper()
		var got []memqueue.Held
		q.Each(func(h memqueue.Held) bool {
			got = append(got, h)
			return true
		})
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", when, d)
		}
	}
	check("at first", want...)
	if d := cmp.Diff([]string{"m1", "m2"}, q.DeadIDs()); d != "" {
		t.Errorf("dead (-want +got):\n%s", d)
	}
	seen := 0
	q.Each(func(memqueue.Held) bool {
		seen++
		return seen < 2
	})
	if seen != 2 {
		t.Errorf("%d were shown to who wanted two", seen)
	}
	want[0].InFlight, want[1].InFlight = false, false
	clock.Advance(queue.Retention - 2*time.Second - 1)
	check("before the retention ends", want...)
	clock.Advance(1)
	check("when the first one's ends", want[1:]...)
	clock.Advance(2 * time.Second)
	check("when all others' do", want[3:]...)
	clock.Advance(queue.DeadRetention - queue.Retention - 2*time.Second)
	check("before the dead one's ends", want[3:]...)
	clock.Advance(time.Second)
	check("when the first dead one's ends", want[4:]...)
	clock.Advance(time.Second)
	check("in the end")
}

// TestDefaultsOfNonsense: a cap below one is none.
func TestDefaultsOfNonsense(t *testing.T) {
	t.Parallel()
	q := memqueue.New(testclock.New().Now, memqueue.Options{MaxReceives: -1})
	send(t, q, "g", "1")
	if got := receive(t, q, 1); len(got) != 1 {
		t.Errorf("received %v", got)
	}
}
