package scrape

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

// read are the metrics that are read from the store.
var read = []telemetry.Measured{
	telemetry.Overdue, telemetry.Unauthorized, telemetry.CallsUsed, telemetry.CallsLeft, telemetry.Connections,
	telemetry.Backlog, telemetry.Parked, telemetry.Oldest, telemetry.LatestPull, telemetry.States, telemetry.Dead,
	telemetry.AlertsOpen, telemetry.Age, telemetry.Queued,
}

var descriptions = func() map[string]*prometheus.Desc {
	out := map[string]*prometheus.Desc{}
	for i := range read {
		out[read[i].Name] = prometheus.NewDesc(read[i].Name, read[i].Help, read[i].Labels, nil)
	}
	return out
}()

// Describe implements prometheus.Collector.
func (l *look) Describe(to chan<- *prometheus.Desc) {
	for i := range read {
		to <- descriptions[read[i].Name]
	}
}

// Collect implements prometheus.Collector. It reads nothing: refresh did.
func (l *look) Collect(to chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		return // nobody has scraped yet
	}
	now := l.now()
	tell := func(d telemetry.Measured, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(descriptions[d.Name], prometheus.GaugeValue, value, labels...)
	}
	overdue, byStatus := 0, map[crm.Status]int{}
	for id, c := range l.connections {
		byStatus[c.status]++
		if !c.at.IsZero() {
			overdue += c.tell(tell, string(id), now)
		}
	}
	for status, n := range byStatus {
		tell(telemetry.Connections, float64(n), string(status))
	}
	unauthorized := 0
	for id, a := range l.accounts {
		if a.unauthorized {
			unauthorized++
		}
		if a.daily > 0 {
			tell(telemetry.CallsUsed, float64(a.used), string(id), string(a.app))
			tell(telemetry.CallsLeft, float64(max(a.daily-a.used, 0)), string(id), string(a.app))
		}
	}
	tell(telemetry.Overdue, float64(overdue))
	tell(telemetry.Unauthorized, float64(unauthorized))
	if l.depth != nil {
		tell(telemetry.Queued, float64(l.depth.Visible), "visible")
		tell(telemetry.Queued, float64(l.depth.InFlight), "in_flight")
		tell(telemetry.Queued, float64(l.depth.Dead), "dead")
	}
}

// tell tells of one connection, and returns how many of its syncs are overdue.
func (c *seenConnection) tell(
	tell func(telemetry.Measured, float64, ...string), id string, now time.Time,
) (overdue int) {
	tell(telemetry.Age, max(now.Sub(c.at).Seconds(), 0), id)
	tell(telemetry.Dead, float64(c.glance.Dead), id)
	for kind, n := range c.alerts {
		tell(telemetry.AlertsOpen, float64(n), id, string(kind))
	}
	for i := range c.glance.Syncs {
		s := &c.glance.Syncs[i]
		sync, waited := string(s.Sync), 0.0
		if s.Overdue {
			overdue++
		}
		if !s.Oldest.IsZero() {
			waited = max(now.Sub(s.Oldest).Seconds(), 0)
		}
		tell(telemetry.Backlog, float64(s.Backlog), id, sync)
		tell(telemetry.Parked, float64(s.Parked), id, sync)
		tell(telemetry.Oldest, waited, id, sync)
		if !s.LatestPull.IsZero() {
			tell(telemetry.LatestPull, float64(s.LatestPull.Unix()), id, sync)
		}
		for _, side := range crm.Sides {
			for state, n := range s.States.Get(side) {
				tell(telemetry.States, float64(n), id, sync, string(side), string(state))
			}
		}
	}
	return overdue
}

var _ prometheus.Collector = (*look)(nil)
