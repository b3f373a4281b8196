package scrape

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

// lagBuckets are seconds: webhooks are worked within the first ones, work that waits
// for an app within the last.
var lagBuckets = []float64{1, 10, 60, 600, 3600}

// Metrics are what one process tells. Make them with New.
type Metrics struct {
	records, calls, deliveries *prometheus.CounterVec
	failed                     prometheus.Counter
	lag                        *prometheus.HistogramVec
	registry                   *prometheus.Registry
	look                       look
}

// New returns metrics that have counted nothing. version is that of the program.
func New(version string) *Metrics {
	m := &Metrics{
		records: counters(telemetry.Records), calls: counters(telemetry.Calls), deliveries: counters(telemetry.Deliveries),
		failed: prometheus.NewCounter(prometheus.CounterOpts(options(telemetry.LooksFailed))),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: telemetry.Lag.Name, Help: telemetry.Lag.Help, Buckets: lagBuckets,
		}, telemetry.Lag.Labels),
		registry: prometheus.NewRegistry(),
	}
	m.look.init()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts(options(telemetry.Build)), telemetry.Build.Labels)
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.records, m.calls, m.deliveries, m.failed, m.lag, &m.look, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func options(d telemetry.Measured) prometheus.Opts {
	return prometheus.Opts{Name: d.Name, Help: d.Help}
}

func counters(d telemetry.Measured) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts(options(d)), d.Labels)
}

// Meter returns a meter that counts into m.
func (m *Metrics) Meter() *cloud.Meter {
	return &cloud.Meter{
		Log: slog.New(slog.DiscardHandler), // a program on one machine says of calls what it said without metrics
		Called: func(app crm.AppID, r cloud.Result) {
			m.calls.WithLabelValues(string(app), string(r)).Inc()
		},
		Booked: func(b engine.Booked) {
			for o, n := range b.Outcomes {
				if n > 0 {
					m.records.WithLabelValues(string(b.Connection), string(b.Sync), string(o)).Add(float64(n))
				}
			}
		},
	}
}

// Delivered counts a delivery of a webhook.
func (m *Metrics) Delivered(app crm.AppID, result, code string) {
	m.deliveries.WithLabelValues(string(app), result, code).Inc()
}

// Worked measures how long after hearing of a change the work of a message has ended.
func (m *Metrics) Worked(message []byte, now time.Time) {
	from := engine.OriginOf(message)
	lag, known := from.Lag(now)
	if !known || !from.Side.Valid() {
		return
	}
	m.lag.WithLabelValues(string(from.Connection), string(from.Sync), string(crm.WayTo(from.Side.Other()))).
		Observe(lag.Seconds())
}

// forget drops what was counted of a connection that is gone.
func (m *Metrics) forget(id crm.ConnectionID) {
	of := prometheus.Labels{"connection": string(id)}
	m.records.DeletePartialMatch(of)
	m.lag.DeletePartialMatch(of)
}

// Handler answers scrapes, with what from says.
func (m *Metrics) Handler(from Sources) http.Handler {
	text := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.refresh(r.Context(), from)
		text.ServeHTTP(w, r)
	})
}
