package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

func event(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fire hands a payload to the handler as the runtime does.
func fire(t *testing.T, h *handler, payload []byte) error {
	t.Helper()
	_, err := lambda.NewHandler(h.Handle).Invoke(t.Context(), payload)
	return err
}

// bed is a connection of 20 and 20 people at rest, with a handler.
func bed(t *testing.T) (*testbed.Bed, *handler) {
	t.Helper()
	b, err := testbed.New(t.Context(), testbed.Options{People: 20}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection); err != nil {
		t.Fatal(err)
	}
	return b, &handler{pull: b.Engine.Pull, tick: b.Engine.Tick, now: time.Now, log: slog.New(slog.DiscardHandler)}
}

func TestTickGoesOnWithRuns(t *testing.T) {
	t.Parallel()
	b, h := bed(t)
	depth := func() int {
		d, err := b.Queue.Depth(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return d.Visible
	}
	before := depth()
	if err := fire(t, h, event(t, "pull-tick")); err != nil {
		t.Fatal(err)
	}
	if after := depth(); after <= before {
		t.Errorf("the queue held %d, then %d messages; want the first sync to go on", before, after)
	}
}

func TestPullQueuesWhatChanged(t *testing.T) {
	t.Parallel()
	b, h := bed(t)
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Move(10 * time.Minute)
	rec := b.Hub.Core().Records("contacts")[0]
	if _, err := b.Hub.Core().UpdateRecord("contacts", rec.ID, map[string]string{"jobtitle": "Pilot"}); err != nil {
		t.Fatal(err)
	}
	b.Move(time.Minute)
	if err := fire(t, h, event(t, "pull-sync")); err != nil {
		t.Fatal(err)
	}
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.Force.Core().Records("Contact") {
		if r.Fields["Title"] == "Pilot" {
			return
		}
	}
	t.Error("the edit did not come over")
}

func TestFiringsOfWhatIsGone(t *testing.T) {
	t.Parallel()
	_, h := bed(t)
	var said bytes.Buffer
	h.log = slog.New(slog.NewTextHandler(&said, nil))
	if err := fire(t, h, event(t, "pull-gone")); err != nil {
		t.Errorf("a schedule without a sync: %v, want no error: it would be fired again and again", err)
	}
	if !strings.Contains(said.String(), "gone") {
		t.Errorf("the log says %q, want what became of the firing", said.String())
	}
}

func TestMalformedFirings(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string][]byte{
		"foreign event": event(t, "pull-malformed"), "nothing": []byte(`{}`), "an array": []byte(`[]`),
		"a number": []byte(`1`), "half": []byte(`{"workspace":"w"}`),
		"both":    []byte(`{"tick":true,"workspace":"w","connection":"c","sync":"s"}`),
		"no sync": []byte(`{"workspace":"w","connection":"c"}`), "no connection": []byte(`{"workspace":"w","sync":"s"}`),
		"no workspace": []byte(`{"connection":"c","sync":"s"}`), "a tick of 7": []byte(`{"tick":true,"workspace":7}`),
	} {
		var said bytes.Buffer
		h := &handler{
			pull: func(context.Context, crm.WorkspaceID, crm.ConnectionID, crm.SyncID) error { panic("pulled") },
			tick: func(context.Context, time.Duration) error { panic("ticked") },
			now:  time.Now, log: slog.New(slog.NewTextHandler(&said, nil)),
		}
		if err := fire(t, h, payload); err != nil {
			t.Errorf("%s: %v, want it logged only: it would be no better the next time", name, err)
		}
		if !strings.Contains(said.String(), "level=ERROR") {
			t.Errorf("%s: the log says %q, want an error", name, said.String())
		}
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	bug := errors.New("a bug")
	for name, tt := range map[string]struct {
		err  error
		want bool // an error of the function
		said string
	}{
		"throttled":   {fault.New("x", fault.Throttled, "", ""), false, "level=WARN msg=\"firing not finished"},
		"unavailable": {fault.New("x", fault.Unavailable, "", ""), false, "level=WARN msg=\"firing not finished"},
		"denied":      {fault.New("x", fault.Denied, "", ""), false, "level=WARN msg=\"firing not finished"},
		"conflict":    {fault.New("x", fault.Conflict, "", ""), false, "level=WARN msg=\"firing not finished"},
		"gone":        {fault.New("x", fault.NotFound, "", ""), false, "level=INFO msg=\"the schedule is of"},
		"bug":         {bug, true, "level=ERROR msg=\"firing failed\""},
		"fine":        {nil, false, ""},
	} {
		var said bytes.Buffer
		h := &handler{
			pull: func(context.Context, crm.WorkspaceID, crm.ConnectionID, crm.SyncID) error { return tt.err },
			tick: func(context.Context, time.Duration) error { return tt.err }, now: time.Now,
			log: slog.New(slog.NewTextHandler(&said, nil)),
		}
		for _, e := range []string{"pull-sync", "pull-tick"} {
			said.Reset()
			if err := fire(t, h, event(t, e)); (err != nil) != tt.want {
				t.Errorf("%s, %s: %v, want an error: %v", name, e, err, tt.want)
			}
			if got := said.String(); !strings.Contains(got, tt.said) || tt.said == "" && got != "" {
				t.Errorf("%s, %s: said %q, want %q", name, e, got, tt.said)
			}
		}
	}
}

// full is where nothing can be written.
type full struct{}

// Write implements io.Writer.
func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

// TestTellsWhatWasDone by metrics; that they cannot be written is said, and no
// failure of the firing.
func TestTellsWhatWasDone(t *testing.T) {
	t.Parallel()
	var said, metrics bytes.Buffer
	h := &handler{
		pull: func(context.Context, crm.WorkspaceID, crm.ConnectionID, crm.SyncID) error { return nil },
		now:  time.Now, log: slog.New(slog.NewTextHandler(&said, nil)), report: cloud.Report{
			Take: func() cloud.Work { return cloud.Work{Calls: map[crm.AppID]int64{"hubspot": 3}} }, To: &metrics, Stage: "test",
		},
	}
	if err := fire(t, h, event(t, "pull-sync")); err != nil || said.Len() > 0 ||
		!strings.Contains(metrics.String(), `"AppCalls":3`) {
		t.Errorf("%v; log %q, metrics %q", err, said.String(), metrics.String())
	}
	h.report.To = full{}
	if err := fire(t, h, event(t, "pull-sync")); err != nil || !strings.Contains(said.String(), "metrics not written") {
		t.Errorf("%v; log %q", err, said.String())
	}
}

func TestStopsBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	limit, _ := ctx.Deadline()
	var budget time.Duration
	var end time.Time
	var given context.Context
	h := &handler{tick: func(ctx context.Context, b time.Duration) error {
		budget, given = b, ctx
		end, _ = ctx.Deadline()
		return nil
	}, now: time.Now, log: slog.New(slog.DiscardHandler)}
	if err := h.Handle(ctx, event(t, "pull-tick")); err != nil {
		t.Fatal(err)
	}
	if got := limit.Sub(end); got != reserve {
		t.Errorf("the tick may go on until %s before the deadline, want %s", got, reserve)
	}
	if given.Err() == nil {
		t.Error("what the tick was given goes on after it")
	}
	if most := time.Minute - reserve - round; budget > most || budget < most-10*time.Second {
		t.Errorf("the tick's budget is %s, want about %s", budget, most)
	}
	long, cancel := context.WithTimeout(t.Context(), 14*time.Minute)
	defer cancel()
	if err := h.Handle(long, event(t, "pull-tick")); err != nil || budget != tickMost {
		t.Errorf("with much time the tick's budget is %s, %v; want %s: the next one comes then", budget, err, tickMost)
	}
	// Cut off in the middle, it goes on at the next tick and is no failure.
	cut, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	h.tick = func(ctx context.Context, _ time.Duration) error {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := h.Handle(cut, event(t, "pull-tick")); err != nil {
		t.Errorf("a tick that was cut off: %v", err)
	}
}
