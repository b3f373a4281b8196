package engine_test

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

func TestS1_FirstSyncOfTwoRealApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1000)
	w.connect(nil)
	runs, err := w.eng.StartConnection(t.Context(), ws, con)
	if err != nil {
		t.Fatal(err)
	}
	w.drain()
	run, err := w.eng.GetRun(t.Context(), ws, runs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("run %+v", run)
	t.Logf("marks %v", w.marks)
	st, err := w.eng.Status(t.Context(), ws, con)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("status %+v", st)
	want := fakekit.Expected(1000)
	t.Logf("want %+v", want)
	if got := st[0].States.Left[crm.StateInSync]; got != int64(want.Linked) {
		t.Errorf("linked on the left: got %d, want %d", got, want.Linked)
	}
}
