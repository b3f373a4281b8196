package telemetry_test

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

func TestWriteMetrics(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	at := time.UnixMilli(1795251600123)
	err := telemetry.WriteMetrics(&b, at, "dev", []telemetry.Metric{
		{"Records", telemetry.Count, 3}, {"LagSeconds", telemetry.Seconds, 1.5},
	}, map[string]any{"outcomes": map[string]int{"created": 3}})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"Records": 3.0, "LagSeconds": 1.5, "Stage": "dev", "outcomes": map[string]any{"created": 3.0},
		"_aws": map[string]any{"Timestamp": 1795251600123.0, "CloudWatchMetrics": []any{map[string]any{
			"Namespace": "Lockstep", "Dimensions": []any{[]any{"Stage"}},
			"Metrics": []any{
				map[string]any{"Name": "Records", "Unit": "Count"}, map[string]any{"Name": "LagSeconds", "Unit": "Seconds"},
			},
		}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	if bytes.Count(b.Bytes(), []byte("\n")) != 1 {
		t.Error("more than one line")
	}
	if err := telemetry.WriteMetrics(&b, at, "dev", []telemetry.Metric{{"x", telemetry.Count, math.NaN()}},
		nil); err == nil {
		t.Error("a figure that is no number was written")
	}
}
