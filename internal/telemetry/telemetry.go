// Package telemetry makes the logger of a program: structured, one line an
// event, to a writer that the program names. What is logged are identifiers,
// counts and codes; field values, e-mail addresses and secrets are nobody's to
// log, and types that hold secrets print themselves as "[redacted]".
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Format is how log lines look.
type Format string

// The formats.
const (
	Plain Format = "plain" // key=value text for people, with the time of day
	JSON  Format = "json"  // one JSON object a line, for collectors
)

// Formats lists both.
var Formats = []Format{Plain, JSON}

// Levels lists the names of levels, from the most talkative.
var Levels = []string{"debug", "info", "warn", "error"}

// ParseLevel reads one of Levels.
func ParseLevel(name string) (slog.Level, error) {
	var l slog.Level
	for _, known := range Levels {
		if name == known {
			err := l.UnmarshalText([]byte(strings.ToUpper(name)))
			return l, err
		}
	}
	return l, fmt.Errorf("%q is no log level; the levels are %s", name, strings.Join(Levels, ", "))
}

// New returns a logger that writes to w whatever is at least of level.
func New(w io.Writer, format Format, level slog.Leveler) *slog.Logger {
	if format == JSON {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: short}))
}

// short writes the time without date and zone: who reads plain lines sits in
// front of them.
func short(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.String(slog.TimeKey, a.Value.Time().Format("15:04:05.000"))
	}
	return a
}
