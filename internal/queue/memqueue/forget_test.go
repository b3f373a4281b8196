package memqueue

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/queue"
)

// TestWindowsThatAreOverAreForgotten: what is remembered of repetitions does not
// grow for ever, and what is sent anew is remembered anew.
func TestWindowsThatAreOverAreForgotten(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	q := New(func() time.Time { return now }, Options{})
	send := func(dedup string) {
		t.Helper()
		if errs := q.Send(t.Context(), []queue.Message{{Group: "g", Dedup: dedup, Body: []byte("x")}}); errs != nil {
			t.Fatal(errs)
		}
	}
	for i := range 10 {
		send(fmt.Sprint(i))
		now = now.Add(time.Minute)
	}
	if n, m := len(q.state.dedup), len(q.state.recent); n != 5 || m != 5 {
		t.Errorf("%d and %d are remembered of ten minutes, want those of the last five", n, m)
	}
	send("9")
	send("0") // its first window is over
	if n, m := len(q.state.dedup), len(q.state.recent); n != 5 || m != 5 {
		t.Errorf("%d and %d are remembered, want five", n, m)
	}
	now = now.Add(queue.DedupWindow)
	send("last")
	if n, m := len(q.state.dedup), len(q.state.recent); n != 1 || m != 1 {
		t.Errorf("%d and %d are remembered, want the last one", n, m)
	}
}
