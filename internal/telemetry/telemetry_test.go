package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := telemetry.New(&b, telemetry.Plain, slog.LevelInfo)
	log.Debug("too quiet")
	log.Info("run started", "run", "run_1")
	line := b.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, `msg="run started" run=run_1`) {
		t.Errorf("got %q, want one line about the run", line)
	}
	if strings.Contains(line, "T") && strings.Contains(line, "Z ") {
		t.Errorf("got %q, want the time of day only", line)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	telemetry.New(&b, telemetry.JSON, slog.LevelWarn).Warn("pull failed", "code", "rate_limited")
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["msg"] != "pull failed" || got["code"] != "rate_limited" || got["level"] != "WARN" {
		t.Errorf("got %v, want the message with its code", got)
	}
}

func TestParseLevel(t *testing.T) {
	t.Parallel()
	for _, name := range telemetry.Levels {
		if l, err := telemetry.ParseLevel(name); err != nil || !strings.EqualFold(l.String(), name) {
			t.Errorf("ParseLevel(%q) = %v, %v", name, l, err)
		}
	}
	if _, err := telemetry.ParseLevel("loud"); err == nil {
		t.Error("an unknown level was accepted")
	}
}
