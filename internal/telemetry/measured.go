package telemetry

// Kind is what a number does over time, in Prometheus's words.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Measured is something that is measured, whichever system it is told to. Labels
// hold IDs of connections, syncs and accounts, and words of closed lists: never a name or
// anything of a person.
type Measured struct {
	Name   string   // in Prometheus
	Kind   Kind     // in Prometheus
	Labels []string // in Prometheus; a metric in CloudWatch has the stage alone
	Cloud  []string // its metrics in CloudWatch, each for some of the labels' values or all; none = only Prometheus has it
	Help   string
}

// What is counted as it happens, by the process in which it does.
var (
	Records = Measured{
		"lockstep_records_total", Counter,
		[]string{"connection", "sync", "outcome"},
		[]string{MetricRecords, MetricWritten, MetricFailed, MetricConflicts},
		"Records that were not left as they were, by what became of them.",
	}
	Calls = Measured{
		"lockstep_app_calls_total", Counter,
		[]string{"app", "result"},
		[]string{MetricCalls, MetricThrottled},
		"Requests to apps: ok, throttled (429), refused (any other 4xx), failed (5xx) or unanswered.",
	}
	Lag = Measured{
		"lockstep_change_lag_seconds", Histogram,
		[]string{"connection", "sync", "direction"},
		[]string{MetricLag},
		"From hearing of a change to the end of its work.",
	}
	Deliveries = Measured{
		"lockstep_webhook_deliveries_total", Counter,
		[]string{"app", "result", "code"},
		nil,
		"Deliveries of webhooks: accepted, refused with a code, failed for a reason of our own; unknown ones have no app.",
	}
	LooksFailed = Measured{
		"lockstep_looks_failed_total", Counter, nil, nil,
		"Times that the store could not be read for these metrics; what was known stays, and grows older.",
	}
)

// What is read from the store, a part of it at a time.
var (
	Overdue = Measured{
		"lockstep_syncs_overdue", Gauge, nil,
		[]string{MetricOverdue},
		"Syncs whose last pull is more than three intervals old.",
	}
	Unauthorized = Measured{
		"lockstep_accounts_to_authorize", Gauge, nil,
		[]string{MetricUnauthorized},
		"Accounts that wait for a new authorisation.",
	}
	CallsUsed = Measured{
		"lockstep_account_calls_used", Gauge,
		[]string{"account", "app"},
		[]string{MetricBudget},
		"Calls of the last day that an account has used, or set aside; of apps that have a daily limit.",
	}
	CallsLeft = Measured{
		"lockstep_account_calls_left", Gauge,
		[]string{"account", "app"},
		nil,
		"Calls that an account has left of those of a day; of apps that have a daily limit.",
	}
	Connections = Measured{
		"lockstep_connections", Gauge,
		[]string{"status"},
		nil,
		"Connections by status.",
	}
	Backlog = Measured{
		"lockstep_sync_backlog", Gauge,
		[]string{"connection", "sync"},
		nil,
		"Records that a sync has still to do: those of the open run, those that came while it was off, and those that " +
			"wait for a right; of the latter two a thousand are counted at most.",
	}
	Parked = Measured{
		"lockstep_sync_parked", Gauge,
		[]string{"connection", "sync"},
		nil,
		"Pieces of work of a sync that are put aside until a time; two thousand are counted at most.",
	}
	Oldest = Measured{
		"lockstep_sync_oldest_waiting_seconds", Gauge,
		[]string{"connection", "sync"},
		nil,
		"Since when what has waited longest of a sync waits, 0 = nothing does.",
	}
	LatestPull = Measured{
		"lockstep_sync_latest_pull_timestamp_seconds", Gauge,
		[]string{"connection", "sync"},
		nil,
		"When a sync last looked for changes; absent before the first time.",
	}
	States = Measured{
		"lockstep_sync_records", Gauge,
		[]string{"connection", "sync", "side", "state"},
		nil,
		"Records that a sync knows, by side and state.",
	}
	Dead = Measured{
		"lockstep_connection_dead_items", Gauge,
		[]string{"connection"},
		nil,
		"Pieces of work that were given up; a thousand are counted at most.",
	}
	AlertsOpen = Measured{
		"lockstep_connection_open_alerts", Gauge,
		[]string{"connection", "code"},
		nil,
		"Alerts that are open, by kind.",
	}
	Age = Measured{
		"lockstep_connection_look_age_seconds", Gauge,
		[]string{"connection"},
		nil,
		"How old the numbers of a connection are that come from the store.",
	}
	Queued = Measured{
		"lockstep_queue_messages", Gauge,
		[]string{"state"},
		nil,
		"Messages of the change queue, about: visible, in flight, dead.",
	}
	Build = Measured{
		"lockstep_build_info", Gauge,
		[]string{"version"},
		nil,
		"Always 1; the label is the version that runs.",
	}
)

// AllMeasured lists all that Prometheus is told beside what its library tells of the
// process.
var AllMeasured = []Measured{
	Records, Calls, Lag, Deliveries, LooksFailed, Overdue, Unauthorized, CallsUsed, CallsLeft, Connections, Backlog,
	Parked, Oldest, LatestPull, States, Dead, AlertsOpen, Age, Queued, Build,
}
