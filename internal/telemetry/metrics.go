package telemetry

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"time"
)

// Namespace is where our metrics are; their one dimension is the stage.
const Namespace = "Lockstep"

// The metrics. Alarms and the dashboard of the template watch them by name.
const (
	MetricOverdue      = "SyncsOverdue"        // by keeper: syncs whose last pull is more than three intervals old
	MetricUnauthorized = "AccountsToAuthorize" // by keeper: accounts that wait for a new authorisation
	MetricBudget       = "ApiBudgetUsed"       // by keeper: part of its daily calls that the busiest account has used
	MetricRecords      = "Records"             // records that were not left as they were
	MetricWritten      = "RecordsWritten"      // of these, created, updated or deleted in an app
	MetricFailed       = "RecordsFailed"
	MetricConflicts    = "RecordsInConflict"
	MetricCalls        = "AppCalls"
	MetricThrottled    = "AppCallsThrottled"
	MetricLag          = "ChangeLag" // from hearing of a change to the end of its work, the longest of a batch
)

// Unit is what a metric counts, in CloudWatch's words.
type Unit string

// The units that we use.
const (
	Count   Unit = "Count"
	Seconds Unit = "Seconds"
	Percent Unit = "Percent"
)

// Metric is one number.
type Metric struct {
	Name  string
	Unit  Unit
	Value float64
}

// WriteMetrics writes metrics in embedded metric format, as one line of the log from
// which CloudWatch makes them. Details stand in the line and are no metrics:
// they can be searched, and cost nothing each.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func WriteMetrics(w io.Writer, now time.Time, stage string, ms []Metric, details map[string]any) error {
	const dimension = "Stage"
	line := map[string]any{}
	maps.Copy(line, details)
	named := make([]map[string]string, len(ms))
	for i, m := range ms {
		named[i] = map[string]string{"Name": m.Name, "Unit": string(m.Unit)}
		line[m.Name] = m.Value
	}
	line[dimension] = stage
	line["_aws"] = map[string]any{
		"Timestamp": now.UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": Namespace, "Dimensions": [][]string{{dimension}}, "Metrics": named,
		}},
	}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("telemetry: metrics: %w", err)
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
