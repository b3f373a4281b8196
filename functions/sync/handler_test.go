package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// event reads a sample; replace gives pairs of what stands in it and what is meant.
func event(t *testing.T, name string, replace ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.NewReplacer(replace...).Replace(string(b)))
}

// hidden notes what a handler hid.
type hidden struct {
	mu   sync.Mutex
	wait map[string]time.Duration
	err  error
}

func (h *hidden) hide(_ context.Context, receipts []string, d time.Duration) []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range receipts {
		h.wait[r] = d
	}
	return []error{h.err}
}

func plain(work func(context.Context, []queue.Delivery) []engine.Verdict) (*handler, *hidden) {
	h := &hidden{wait: map[string]time.Duration{}}
	return &handler{work: work, hide: h.hide, now: time.Now, log: slog.New(slog.DiscardHandler)}, h
}

func failures(r events.SQSEventResponse) []string {
	ids := []string{}
	for _, f := range r.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

// bed is a running connection of 20 and 20 people.
func bed(t *testing.T) (*testbed.Bed, *handler, *hidden) {
	t.Helper()
	b, err := testbed.New(t.Context(), testbed.Options{People: 20}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection); err != nil {
		t.Fatal(err)
	}
	h, hid := plain(b.Engine.Work)
	return b, h, hid
}

// drain lets the handler work the bed's queue as an event source mapping does.
func drain(t *testing.T, b *testbed.Bed, h *handler) (batches int) {
	t.Helper()
	h.hide = b.Queue.SetVisibility
	p := &lambdarun.Poller{Queue: b.Queue, Function: lambda.NewHandler(h.Handle), Visibility: 6 * time.Minute}
	for range 10_000 {
		n, err := p.Once(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		busy, err := b.Engine.Round(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			batches++
			continue
		}
		if !busy {
			return batches
		}
		b.Move(time.Second)
	}
	t.Fatal("the bed does not come to rest")
	return 0
}

func TestWorksTheQueue(t *testing.T) {
	t.Parallel()
	b, h, _ := bed(t)
	if batches := drain(t, b, h); batches == 0 {
		t.Fatal("nothing came by the queue")
	}
	st, err := b.Engine.Status(t.Context(), testbed.Workspace, testbed.Connection)
	if err != nil {
		t.Fatal(err)
	}
	if st[0].States.Left[crm.StateInSync] == 0 ||
		st[0].States.Left[crm.StateInSync] != st[0].States.Right[crm.StateInSync] {
		t.Errorf("states %+v, want as many in sync on both sides", st[0].States)
	}
	left, right := b.Hub.Core().Records("contacts")[0].ID, b.Force.Core().Records("Contact")[0].ID
	got, err := h.Handle(t.Context(), event(t, "sync-batch", "RECORD_LEFT", left, "RECORD_RIGHT", right))
	if err != nil || got.BatchItemFailures == nil || len(got.BatchItemFailures) != 0 {
		t.Errorf("the sample batch: %+v, %v; want no failures, and not nil", got, err)
	}
}

// TestUnreadableMessages has a message that nobody can read block its own
// group only, and hides it for a while.
func TestUnreadableMessages(t *testing.T) {
	t.Parallel()
	b, h, hid := bed(t)
	left := b.Hub.Core().Records("contacts")[0].ID
	got, err := h.Handle(t.Context(), event(t, "sync-unreadable", "RECORD_LEFT", left))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"059f36b4-87a3-44ab-83d2-661970000001", "059f36b4-87a3-44ab-83d2-661970000002"}
	if diff := cmp.Diff(want, failures(got)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]time.Duration{
		"AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a0001": 30 * time.Second,
		"AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a0002": 30 * time.Second,
	}, hid.wait); diff != "" {
		t.Errorf("hidden (-want +got):\n%s", diff)
	}
}

// TestMalformedEvents fails as a whole, so that the messages come again and
// end as dead letters; the process goes on.
func TestMalformedEvents(t *testing.T) {
	t.Parallel()
	h, _ := plain(func(context.Context, []queue.Delivery) []engine.Verdict {
		t.Error("something was worked")
		return nil
	})
	for name, e := range map[string][]byte{
		"foreign record": event(t, "sync-malformed"), "no records": []byte(`{}`), "an array": []byte(`[]`),
		"null records": []byte(`{"Records":null}`), "a number": []byte(`1`),
		"an odd body": []byte(`{"Records":[{"messageId":"1","receiptHandle":"r","body":7}]}`),
	} {
		var said bytes.Buffer
		h.log = slog.New(slog.NewTextHandler(&said, nil))
		if _, err := lambda.NewHandler(h.Handle).Invoke(t.Context(), e); err == nil {
			t.Errorf("%s: no error; the queue would remove the messages", name)
		}
		if !strings.Contains(said.String(), "event not readable") {
			t.Errorf("%s: the log says %q", name, said.String())
		}
	}
	if got, err := h.Handle(t.Context(), []byte(`{"Records":[]}`)); err != nil || got.BatchItemFailures == nil {
		t.Errorf("an empty batch: %+v, %v; want no failures, and not nil", got, err)
	}
}

func TestOrderOfGroups(t *testing.T) {
	t.Parallel()
	// Verdicts by body: a = acknowledged, 0 and 9 = again after so many seconds.
	for name, tt := range map[string]struct {
		messages string // group and body of each
		want     []string
		hidden   map[string]time.Duration
	}{
		"all worked": {"xa xa ya", nil, map[string]time.Duration{}},
		"one fails":  {"xa x9 ya", []string{"1"}, map[string]time.Duration{"r1": 9 * time.Second}},
		"later ones stay": {
			"x9 xa x0 ya", []string{"0", "1", "2"}, map[string]time.Duration{
				"r0": 9 * time.Second, "r1": 9 * time.Second, "r2": 9 * time.Second,
			},
		},
		"earlier ones go": {"xa xa x0", []string{"2"}, map[string]time.Duration{"r2": 0}},
		"groups are on their own": {
			"x0 ya x0 y9 ya", []string{"0", "2", "3", "4"}, map[string]time.Duration{
				"r0": 0, "r2": 0, "r3": 9 * time.Second, "r4": 9 * time.Second,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, hid := plain(func(_ context.Context, ds []queue.Delivery) []engine.Verdict {
				var out []engine.Verdict
				for _, d := range ds {
					if d.Group != ds[0].Group || d.Receives != 3 {
						t.Errorf("a call has messages of groups %s and %s, received %d times", d.Group, ds[0].Group, d.Receives)
					}
					out = append(out, engine.Verdict{
						Receipt: d.Receipt, Ack: d.Body[0] == 'a', Retry: time.Duration(d.Body[0]-'0') % 10 * time.Second,
					})
				}
				return out
			})
			var ds []queue.Delivery
			for i, m := range strings.Fields(tt.messages) {
				n := string(rune('0' + i))
				ds = append(ds, queue.Delivery{
					ID: n, Receipt: "r" + n, Group: m[:1], Body: []byte(m[1:]), Receives: 3, SentAt: time.UnixMilli(1),
				})
			}
			e, err := json.Marshal(lambdarun.QueueEvent(ds))
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.Handle(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			if ids := failures(got); !slices.Equal(ids, tt.want) {
				t.Errorf("failures %v, want %v", ids, tt.want)
			}
			if diff := cmp.Diff(tt.hidden, hid.wait); diff != "" {
				t.Errorf("hidden (-want +got):\n%s", diff)
			}
		})
	}
}

// full is where nothing can be written.
type full struct{}

// Write implements io.Writer.
func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

// TestLagIsThatOfTheOldestChange of those that were worked, and of none that
// stays; that metrics cannot be written is said, and no failure of the batch.
func TestLagIsThatOfTheOldestChange(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	message := func(ago time.Duration) []byte {
		since := ""
		if ago != 0 {
			since = fmt.Sprintf(`,"since":%q`, now.Add(-ago).Format(time.RFC3339))
		}
		return fmt.Appendf(nil, `{"trace":"t"%s}`, since)
	}
	for name, tt := range map[string]struct {
		ago  []time.Duration
		stay int // the message that stays; -1 = none
		want string
	}{
		"the oldest":       {[]time.Duration{3 * time.Second, 9 * time.Second, 4 * time.Second}, -1, `"ChangeLag":9`},
		"not what stays":   {[]time.Duration{3 * time.Second, 9 * time.Second, 4 * time.Second}, 1, `"ChangeLag":4`},
		"of a fast clock":  {[]time.Duration{-3 * time.Second}, -1, `"ChangeLag":0`},
		"nothing to tell":  {[]time.Duration{0}, -1, ""},
		"nothing was done": {[]time.Duration{time.Second}, 0, ""},
	} {
		var said, metrics bytes.Buffer
		h, _ := plain(func(_ context.Context, ds []queue.Delivery) []engine.Verdict {
			out := make([]engine.Verdict, len(ds))
			for i, d := range ds {
				out[i].Ack = d.ID != strconv.Itoa(tt.stay)
			}
			return out
		})
		h.now, h.log = func() time.Time { return now }, slog.New(slog.NewTextHandler(&said, nil))
		h.report = cloud.Report{Take: func() cloud.Work { return cloud.Work{} }, To: &metrics, Stage: "test"}
		var ds []queue.Delivery
		for i, ago := range tt.ago {
			n := strconv.Itoa(i)
			ds = append(ds, queue.Delivery{ID: n, Receipt: "r" + n, Group: "g" + n, Body: message(ago)})
		}
		e, err := json.Marshal(lambdarun.QueueEvent(ds))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if got := metrics.String(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: the metrics are %q, want %s", name, got, tt.want)
		}
		if n := strings.Count(said.String(), "message worked"); n != len(ds) {
			t.Errorf("%s: %d lines, want one of each message", name, n)
		}
		h.report.To = full{}
		_, err = h.Handle(t.Context(), e)
		if err != nil || strings.Contains(said.String(), "not written") != (tt.want != "") {
			t.Errorf("%s: %v; log %s", name, err, said.String())
		}
	}
}

// TestAttributesThatAreNoNumbers are none, and hold nothing up.
func TestAttributesThatAreNoNumbers(t *testing.T) {
	t.Parallel()
	ds, err := deliveries([]byte(`{"Records":[
		{"messageId":"1","receiptHandle":"r","body":"b","attributes":{
			"ApproximateReceiveCount":"x","SentTimestamp":"","MessageGroupId":"g"}},
		{"messageId":"2","receiptHandle":"s","body":"c","attributes":{
			"ApproximateReceiveCount":"7","SentTimestamp":"1500"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]queue.Delivery{
		{ID: "1", Receipt: "r", Body: []byte("b"), Group: "g", Receives: 1, SentAt: time.UnixMilli(0)},
		{ID: "2", Receipt: "s", Body: []byte("c"), Receives: 7, SentAt: time.UnixMilli(1500)},
	}, ds); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, e := range []string{
		`{"Records":[{"messageId":"1"}]}`, `{"Records":[{"receiptHandle":"r"}]}`,
		`{"Records":[{"messageId":"1","receiptHandle":"r"},{}]}`,
	} {
		if _, err := deliveries([]byte(e)); !errors.Is(err, errNotTheQueues) {
			t.Errorf("%s: %v", e, err)
		}
	}
}

func TestStopsBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	var end time.Time
	var given context.Context
	h, _ := plain(func(ctx context.Context, ds []queue.Delivery) []engine.Verdict {
		given = ctx
		end, _ = ctx.Deadline()
		return make([]engine.Verdict, len(ds))
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	limit, _ := ctx.Deadline()
	e := event(t, "sync-batch")
	if _, err := h.Handle(ctx, e); err != nil {
		t.Fatal(err)
	}
	if got := limit.Sub(end); got != reserve {
		t.Errorf("work may go on until %s before the deadline, want %s", got, reserve)
	}
	if given.Err() == nil {
		t.Error("what the work was given goes on after it")
	}
	short, cancel := context.WithTimeout(t.Context(), least-time.Second)
	defer cancel()
	h.work = func(context.Context, []queue.Delivery) []engine.Verdict {
		t.Error("work was begun without time for it")
		return nil
	}
	got, err := h.Handle(short, e)
	if err != nil || len(got.BatchItemFailures) != 2 {
		t.Errorf("without time: %+v, %v; want all handed back", got, err)
	}
	// Just enough is enough.
	worked := false
	h.now = func() time.Time { return limit.Add(-least) }
	h.work = func(_ context.Context, ds []queue.Delivery) []engine.Verdict {
		worked = true
		return make([]engine.Verdict, len(ds))
	}
	if _, err := h.Handle(ctx, e); err != nil || !worked {
		t.Errorf("with %s left: worked %v, %v", least, worked, err)
	}
}

// TestHidingIsAHelp has trouble with a visibility change nobody's answer.
func TestHidingIsAHelp(t *testing.T) {
	t.Parallel()
	for _, trouble := range []error{errors.New("down"), fault.New("x", fault.NotFound, "receipt_stale", "")} {
		h, hid := plain(func(_ context.Context, ds []queue.Delivery) []engine.Verdict {
			return make([]engine.Verdict, len(ds))
		})
		hid.err = trouble
		var said bytes.Buffer
		h.log = slog.New(slog.NewTextHandler(&said, nil))
		if got, err := h.Handle(t.Context(), event(t, "sync-batch")); err != nil || len(got.BatchItemFailures) != 2 {
			t.Errorf("%v: %+v, %v; want both failed", trouble, got, err)
		}
		if is := strings.Contains(said.String(), "message not hidden"); is == fault.Is(trouble, fault.NotFound) {
			t.Errorf("%v: said %v; want only that of a queue that is down", trouble, is)
		}
	}
}
