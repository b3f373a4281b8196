package cloud

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

// Work is what a function has done.
type Work struct {
	Calls     map[crm.AppID]int64 // requests to apps that were answered, or got lost
	Throttled int64               // of these, refused for being too many
	Outcomes  map[crm.Outcome]int64
}

// Report is where a function tells its metrics; the zero Report tells nobody.
type Report struct {
	Take  func() Work
	To    io.Writer // takes lines in embedded metric format
	Stage string    // of the metrics
}

// Report writes the function's metrics to w.
func (c *Cloud) Report(w io.Writer) Report {
	return Report{Take: c.Meter.Take, To: w, Stage: c.Environment.Stage}
}

// Tell writes what there is to tell as metrics, and nothing when nothing was
// done: a metric costs by the hour in which it is written.
func (r Report) Tell(now time.Time, more ...telemetry.Metric) error {
	if r.To == nil {
		return nil
	}
	f := r.Take()
	var calls, records int64
	for _, n := range f.Calls {
		calls += n
	}
	for _, n := range f.Outcomes {
		records += n
	}
	ms := more
	if calls > 0 {
		ms = append(ms, count(telemetry.MetricCalls, calls), count(telemetry.MetricThrottled, f.Throttled))
	}
	if records > 0 {
		ms = append(ms, count(telemetry.MetricRecords, records), count(telemetry.MetricFailed, f.Outcomes[crm.Failed]),
			count(telemetry.MetricConflicts, f.Outcomes[crm.Conflict]),
			count(telemetry.MetricWritten, f.Outcomes[crm.Created]+f.Outcomes[crm.Updated]+f.Outcomes[crm.Deleted]))
	}
	if len(ms) == 0 {
		return nil
	}
	return telemetry.WriteMetrics(r.To, now, r.Stage, ms, map[string]any{"calls": f.Calls, "outcomes": f.Outcomes})
}

func count(name string, n int64) telemetry.Metric {
	return telemetry.Metric{Name: name, Unit: telemetry.Count, Value: float64(n)}
}

// Result is what came of a request to an app.
type Result string

// The results.
const (
	OK         Result = "ok"
	Throttled  Result = "throttled" // refused for being one too many
	Refused    Result = "refused"   // for any other reason of the request
	Failed     Result = "failed"    // by the app's own fault
	Unanswered Result = "unanswered"
)

// resultOf reads a status; 0 = there was no answer.
func resultOf(status int) Result {
	switch {
	case status == 0:
		return Unanswered
	case status == http.StatusTooManyRequests:
		return Throttled
	case status >= http.StatusInternalServerError:
		return Failed
	case status >= http.StatusBadRequest:
		return Refused
	}
	return OK
}

// Meter counts what goes by, and logs each request to an app without its
// address, which may hold values. The zero Meter is ready, but for its Log.
type Meter struct {
	Log *slog.Logger
	// Called and Booked are told of each request, and of each write that books
	// outcomes, in place of the sums that Take gives. Optional, both or none.
	Called func(app crm.AppID, r Result)
	Booked func(b engine.Booked)

	mu  sync.Mutex
	sum Work
}

// Take returns what was counted since it was last called.
func (m *Meter) Take() Work {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.sum
	m.sum = Work{}
	return out
}

func (m *Meter) called(app crm.AppID, r Result) {
	if m.Called != nil {
		m.Called(app, r)
		return
	}
	f := Work{Calls: map[crm.AppID]int64{app: 1}}
	if r == Throttled {
		f.Throttled = 1
	}
	m.add(f)
}

func (m *Meter) booked(b engine.Booked) {
	if m.Booked != nil {
		m.Booked(b)
		return
	}
	m.add(Work{Outcomes: b.Outcomes})
}

func (m *Meter) add(f Work) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sum.Calls == nil {
		m.sum.Calls, m.sum.Outcomes = map[crm.AppID]int64{}, map[crm.Outcome]int64{}
	}
	for k, n := range f.Calls {
		m.sum.Calls[k] += n
	}
	for k, n := range f.Outcomes {
		m.sum.Outcomes[k] += n
	}
	m.sum.Throttled += f.Throttled
}

// Client has the client of an app counted.
func (m *Meter) Client(client func(crm.App, string) *http.Client) func(crm.App, string) *http.Client {
	return func(app crm.App, base string) *http.Client {
		c := *client(app, base)
		c.Transport = &counted{next: c.Transport, app: app.ID, meter: m}
		return &c
	}
}

// counted is a transport whose requests are counted.
type counted struct {
	next  http.RoundTripper
	app   crm.AppID
	meter *Meter
}

// RoundTrip implements http.RoundTripper.
func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := c.next.RoundTrip(r)
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	c.meter.called(c.app, resultOf(status))
	c.meter.Log.InfoContext(r.Context(), "app called", "app", c.app, "method", r.Method, "status", status, "duration_ms",
		time.Since(began).Milliseconds())
	return resp, err
}

// Store has the outcomes that are booked in a store counted.
func (m *Meter) Store(s store.Store) store.Store { return &bookkeeper{s, m} }

type bookkeeper struct {
	store.Store
	meter *Meter
}

// Unwrap implements store.Wrapped.
func (b *bookkeeper) Unwrap() store.Store { return b.Store }

// Write implements store.Store. The counters of a lone change are written alone.
func (b *bookkeeper) Write(ctx context.Context, w store.Write) (int64, error) {
	version, err := b.Store.Write(ctx, w)
	if err == nil {
		b.count(&w)
	}
	return version, err
}

// BatchWrite implements store.Store.
func (b *bookkeeper) BatchWrite(ctx context.Context, ws []store.Write) (versions []int64, errs []error) {
	versions, errs = b.Store.BatchWrite(ctx, ws)
	for i := range ws {
		if errs == nil || errs[i] == nil {
			b.count(&ws[i])
		}
	}
	return versions, errs
}

// Transact implements store.Store.
func (b *bookkeeper) Transact(ctx context.Context, ws []store.Write) error {
	err := b.Store.Transact(ctx, ws)
	if err != nil {
		return err
	}
	for i := range ws {
		b.count(&ws[i])
	}
	return nil
}

// count counts what a write that was made books.
func (b *bookkeeper) count(w *store.Write) {
	if booked, ok := engine.BookedBy(w); ok {
		b.meter.booked(booked)
	}
}

var (
	_ http.RoundTripper = (*counted)(nil)
	_ store.Store       = (*bookkeeper)(nil)
)
