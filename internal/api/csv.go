package api

import (
	"bytes"
	"encoding/csv"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// csvSlack leaves room for one more page of rows below the limit.
const csvSlack = 512 << 10

var csvHeader = []string{
	"time", "id", "run", "connection", "sync", "direction", "side", "record", "partner", "outcome", "code",
	"message", "behavior", "fields", "response_status", "api_url", "resolved",
}

func csvCells(e *engine.Entry) []string {
	fields := make([]string, len(e.Diffs))
	for i, d := range e.Diffs {
		fields[i] = string(d.Side) + "." + d.Field
	}
	status := ""
	if e.Status != 0 {
		status = strconv.Itoa(e.Status)
	}
	return []string{
		e.Time.UTC().Format(time.RFC3339Nano), e.ID, string(e.Run), string(e.Connection), string(e.Sync),
		direction(e.Way), string(e.Side), string(e.Record), string(e.Partner), string(e.Outcome), e.Code,
		e.Message, string(e.Behavior), strings.Join(fields, " "), status, e.URL, strconv.FormatBool(e.Resolved),
	}
}

// direction names a way as seen from the left side, which is where the
// settings start.
func direction(w crm.Way) string { return string(w) }

// writeRow adds a row of RFC 4180 to b: CRLF at its end, line breaks inside of
// cells as they are. The writer's own CRLF would change those, so it ends rows
// with LF, which is exchanged.
func writeRow(b *bytes.Buffer, cells []string) {
	safe := make([]string, len(cells))
	for i, c := range cells {
		safe[i] = safeCell(c)
	}
	w := csv.NewWriter(b)
	_ = w.Write(safe) // a buffer takes everything, and the comma is a fit separator
	w.Flush()
	b.Truncate(b.Len() - 1)
	b.WriteString("\r\n")
}

// formulaStarts are what spreadsheets take for the start of a formula, with
// their full-width forms, and what they skip before one (X10).
const formulaStarts = "=+-@\t\r\n\x00＝＋－＠"

// safeCell puts an apostrophe before a cell that a spreadsheet would run.
func safeCell(s string) string {
	if s != "" && strings.ContainsAny(s[:firstRune(s)], formulaStarts) {
		return "'" + s
	}
	return s
}

func firstRune(s string) int {
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}

// nextPart is the address of the part behind cursor, with the same filters.
func nextPart(q LogQuery, cursor string) string {
	v := url.Values{"cursor": {cursor}}
	for name, value := range map[string]string{
		"connection": string(q.Connection), "sync": string(q.Sync), "range": q.Range, "event": q.Event,
		"job_status": q.JobStatus, "sync_status": q.SyncStatus, "side": string(q.Side),
		"record": string(q.Record), "run": string(q.Run), "code": q.Code,
		"mapping": string(q.Mapping),
		"from":    timeText(q.From), "to": timeText(q.To),
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return "/v1/log.csv?" + v.Encode()
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
