package api

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// TestRow175_DateRanges checks the words of the log's date filter in the
// workspace's time zone: whole days, half-open, over month ends, years and
// days of 23 and 25 hours.
func TestRow175_DateRanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now, zone, word string
		from, to        string
	}{
		"today": {
			"2026-03-31T12:00:00Z", "UTC", "today", "2026-03-31T00:00:00Z", "2026-04-01T00:00:00Z",
		},
		"today, already tomorrow": {
			"2026-03-31T23:30:00Z", "Europe/Berlin", "today", "2026-03-31T22:00:00Z", "2026-04-01T22:00:00Z",
		},
		"today, still yesterday": {
			"2026-03-31T03:00:00Z", "America/New_York", "today", "2026-03-30T04:00:00Z", "2026-03-31T04:00:00Z",
		},
		"first instant of the day": {
			"2026-03-31T00:00:00Z", "UTC", "today", "2026-03-31T00:00:00Z", "2026-04-01T00:00:00Z",
		},
		"day of 23 hours": {
			"2026-03-29T12:00:00Z", "Europe/Berlin", "today", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z",
		},
		"day of 25 hours": {
			"2026-10-25T12:00:00Z", "Europe/Berlin", "today", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z",
		},
		"seven days over a month end": {
			"2026-03-03T12:00:00Z", "UTC", "last_7_days", "2026-02-25T00:00:00Z", "2026-03-04T00:00:00Z",
		},
		"seven days over a time shift": {
			"2026-03-30T12:00:00Z", "Europe/Berlin", "last_7_days", "2026-03-23T23:00:00Z",
			"2026-03-30T22:00:00Z",
		},
		"this month": {
			"2026-02-10T12:00:00Z", "UTC", "this_month", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z",
		},
		"this month, last day": {
			"2026-12-31T23:59:59Z", "UTC", "this_month", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z",
		},
		"this month, other zone": {
			"2026-12-31T23:59:59Z", "Asia/Tokyo", "this_month", "2026-12-31T15:00:00Z", "2027-01-31T15:00:00Z",
		},
		"last month of January": {
			"2026-01-31T12:00:00Z", "UTC", "last_month", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z",
		},
		"last month after a long one": {
			"2026-03-31T12:00:00Z", "UTC", "last_month", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.connect("One")
			now, err := time.Parse(time.RFC3339, c.now)
			if err != nil {
				t.Fatal(err)
			}
			w.clock.Advance(now.Sub(w.now()))
			w.must(200, "PATCH", "/v1/workspace", `{"time_zone":"`+c.zone+`"}`, ifMatch("*"))
			w.must(200, "GET", "/v1/log?range="+c.word, "")
			f := w.engine.filters[0]
			got := []string{f.From.UTC().Format(time.RFC3339), f.To.UTC().Format(time.RFC3339)}
			if diff := cmp.Diff([]string{c.from, c.to}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// entriesOf is one entry of every outcome, in two runs, one of which failed.
func entriesOf(w *world, con crm.ConnectionID) {
	good, bad := w.engine.run(DefaultWorkspace, con, "contacts", engine.RunPull),
		w.engine.run(DefaultWorkspace, con, "contacts", engine.RunPull)
	good.State, bad.State = engine.RunDone, engine.RunFailed
	w.engine.runs[good.ID], w.engine.runs[bad.ID] = good, bad
	for i, o := range crm.Outcomes {
		run := good.ID
		if i%2 == 1 {
			run = bad.ID
		}
		w.engine.entries = append(w.engine.entries, engine.Entry{
			ID: "log_" + string(o), Connection: con, Run: run, Outcome: o, Side: crm.Left, Time: w.now(),
		})
	}
	w.engine.entries = append(w.engine.entries, engine.Entry{
		ID: "log_resolved", Connection: con, Run: good.ID, Outcome: crm.Failed, Resolved: true,
	})
}

// TestRow176_Row177_Row178_Row179_Row180_LogFilters checks tabs and statuses of the log.
func TestRow176_Row177_Row178_Row179_Row180_LogFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	con, _ := w.connect("One")
	entriesOf(w, crm.ConnectionID(con))
	for query, want := range map[string]string{
		"event=new":         "created",
		"event=updated":     "updated linked",
		"event=failed":      "duplicate conflict failed",
		"sync_status=error": "duplicate conflict failed resolved",
		"sync_status=success": "created updated unchanged linked excluded skipped deleted stale dropped " +
			"waiting",
		"sync_status=all&job_status=all": "created updated unchanged linked excluded skipped duplicate conflict " +
			"failed deleted stale dropped waiting resolved",
		"job_status=failure":                  "updated linked skipped conflict deleted dropped",
		"job_status=success":                  "created unchanged excluded duplicate failed stale waiting resolved",
		"job_status=failure&event=failed":     "conflict",
		"event=new&sync_status=error":         "",
		"event=failed&sync_status=error":      "duplicate conflict failed",
		"connection=con_none&sync_status=all": "404",
	} {
		r := w.do("GET", "/v1/log?"+query, "")
		if want == "404" {
			if r.status != 404 {
				t.Errorf("%s: got %d", query, r.status)
			}
			continue
		}
		var got []string
		for _, item := range r.json(t)["items"].([]any) {
			got = append(got, strings.TrimPrefix(item.(map[string]any)["id"].(string), "log_"))
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for _, bad := range []string{
		"range=yesterday", "event=x", "job_status=x", "sync_status=x", "side=top", "from=now",
		"range=today&from=2026-01-01T00:00:00Z",
		"from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "limit=0", "colour=red", "cursor=x",
	} {
		r := w.do("GET", "/v1/log?"+bad, "")
		if r.status != 400 {
			t.Errorf("%s: got %d: %s", bad, r.status, r.body)
			continue
		}
		r.problem(t)
	}
}

// TestRow185_Retry retries single entries and all that match filters.
func TestRow185_Retry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	entriesOf(w, crm.ConnectionID(id))
	w.must(202, "POST", "/v1/log/log_failed/retry", "")
	w.must(202, "POST", "/v1/log/log_failed/retry", `{"values":{"lastname":"New","score":1.10}}`)
	if v := w.engine.values["score"]; !v.Equal(crm.NumberValue("1.10")) {
		t.Errorf("got %#v", v)
	}
	w.must(409, "POST", "/v1/log/log_created/retry", "")
	w.must(404, "POST", "/v1/log/log_none/retry", "")
	w.must(400, "POST", "/v1/log/log_failed/retry", `{"values":{"a":{"b":1}}}`)
	w.must(202, "POST", "/v1/log/retry?connection="+id+"&range=today", "")
	w.must(202, "POST", "/v1/log/retry?event=failed", "")
	w.must(202, "POST", "/v1/log/retry?connection="+id+"&sync=contacts", "")
	w.must(404, "POST", "/v1/log/retry?connection="+id+"&sync=companies", "")
	w.must(400, "POST", "/v1/log/retry?event=new", "")
	w.must(400, "POST", "/v1/log/retry?job_status=failure", "")
	w.must(400, "POST", "/v1/log/retry?colour="+id, "")
	member := as(w.key(`{"name":"m","role":"member"}`))
	w.must(400, "POST", "/v1/log/retry", "", member)
	w.must(400, "POST", "/v1/dead-letters/redrive", "", member)
	calls := strings.Join(w.engine.called(), "\n")
	if strings.Count(calls, "retry all [failed conflict duplicate]") != 3 ||
		strings.Count(calls, "retry log_failed") != 2 {
		t.Errorf("calls:\n%s", calls)
	}
}

// TestRow195_X10_CSV exports hostile texts in several parts.
func TestRow195_X10_CSV(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	con := crm.ConnectionID(id)
	hostile := []string{
		"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\x00=1", "＝1", "＋1", "－1", "＠x",
		`"quoted"`, "a,b", "a\r\nb", "a\nb", " x ", "", "Ünï 😀", "'=1",
	}
	for i, s := range hostile {
		w.engine.entries = append(w.engine.entries, engine.Entry{
			ID: fmt.Sprintf("log_%03d", i), Connection: con, Message: s, Record: crm.RecordID(s), Outcome: crm.Failed,
			Time: w.now(),
		})
	}
	r := w.must(200, "GET", "/v1/log.csv", "")
	if ct := r.header.Get("Content-Type"); ct != "text/csv; charset=utf-8" {
		t.Errorf("media type %q", ct)
	}
	rows := parseCSV(t, string(r.body))
	if len(rows) != len(hostile)+1 {
		t.Fatalf("%d rows, want %d", len(rows), len(hostile)+1)
	}
	for i, s := range hostile {
		want := s
		if s != "" && strings.ContainsAny(string([]rune(s)[:1]), formulaStarts) {
			want = "'" + s
		}
		if got := rows[i+1][11]; got != want {
			t.Errorf("row %d: got %q, want %q", i, got, want)
		}
	}
	for range 25_000 {
		w.engine.entries = append(w.engine.entries, engine.Entry{
			ID: "log_more", Connection: con, Outcome: crm.Updated, Time: w.now(),
		})
	}
	total, target := 0, "/v1/log.csv?sync_status=all&side=left"
	for target != "" {
		r := w.must(200, "GET", target, "")
		n := len(parseCSV(t, string(r.body))) - 1
		if n > csvRows || len(r.body) > csvBytes {
			t.Fatalf("%d rows and %d bytes in one part", n, len(r.body))
		}
		total += n
		target = ""
		if link := r.header.Get("Link"); link != "" {
			target = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
			if u, err := url.Parse(target); err != nil || u.Query().Get("side") != "left" ||
				u.Query().Get("sync_status") != "all" {
				t.Fatalf("the filters are lost: %s", link)
			}
		}
	}
	if total != len(hostile)+25_000 {
		t.Errorf("%d rows in all", total)
	}
	if rows := parseCSV(t, string(w.must(200, "GET", "/v1/log.csv?event=new&sync_status=error",
		"").body)); len(rows) != 1 {
		t.Errorf("an empty range has %d rows", len(rows))
	}
}

// parseCSV reads CSV with the standard reader, which folds CR LF in cells to
// LF; cells that hold it are compared by writing them again.
func parseCSV(t *testing.T, body string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(strings.ReplaceAll(body, "a\r\nb", "a\x01b"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "a\x01b", "a\r\nb")
		}
	}
	return rows
}

// TestX10_CellsNeverStartAFormula checks any text.
func TestX10_CellsNeverStartAFormula(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune(formulaStarts+"\"', ")))).Draw(rt, "text")
		var b bytes.Buffer
		writeRow(&b, []string{"x", s})
		cell := strings.TrimSuffix(strings.TrimPrefix(b.String(), "x,"), "\r\n")
		if strings.HasPrefix(cell, `"`) {
			cell = strings.ReplaceAll(cell[1:len(cell)-1], `""`, `"`)
		}
		if cell != s && cell != "'"+s {
			rt.Fatalf("%q became %q", s, cell)
		}
		if cell != "" && strings.ContainsAny(string([]rune(cell)[:1]), formulaStarts) {
			rt.Fatalf("%q starts a formula", cell)
		}
	})
}

// TestLogOfAllConnections pages through the log of several connections and
// compares it with all their entries in order of time.
func TestLogOfAllConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, _ := w.connect("One")
	var cons []crm.ConnectionID
	for i := range 4 {
		if i == 0 {
			cons = append(cons, crm.ConnectionID(one))
			continue
		}
		off := edit(t, w.document("Other"), `"id":"contacts",`, `"id":"contacts","direction":"off",`)
		cons = append(cons, crm.ConnectionID(w.must(201, "POST", "/v1/connections", off).json(t)["id"].(string)))
	}
	rapid.Check(t, func(rt *rapid.T) {
		w.engine.entries = nil
		n := rapid.IntRange(0, 40).Draw(rt, "entries")
		var want []string
		for i := range n {
			e := engine.Entry{
				ID: fmt.Sprintf("log_%02d", i), Connection: rapid.SampledFrom(cons).Draw(rt, "connection"),
				Outcome: rapid.SampledFrom([]crm.Outcome{crm.Created, crm.Failed}).Draw(rt, "outcome"),
				Time:    w.now().Add(-time.Duration(i) * time.Second),
			}
			w.engine.entries = append(w.engine.entries, e)
			if e.Outcome == crm.Failed {
				want = append(want, e.ID)
			}
		}
		var got []string
		limit := rapid.IntRange(1, 10).Draw(rt, "limit")
		for cursor, pages := "", 0; ; pages++ {
			page := w.must(200, "GET", fmt.Sprintf("/v1/log?sync_status=error&limit=%d&cursor=%s", limit, cursor), "").json(t)
			items := page["items"].([]any)
			if len(items) > limit || pages > 200 {
				rt.Fatalf("%d items on page %d", len(items), pages)
			}
			for _, item := range items {
				got = append(got, item.(map[string]any)["id"].(string))
			}
			next, more := page["next"].(string)
			if !more {
				break
			}
			cursor = next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("(-want +got)\n%s", diff)
		}
	})
	if items := w.must(200, "GET", "/v1/dead-letters?limit=3", "").json(t); len(items["items"].([]any)) != 3 ||
		items["next"] == nil {
		t.Errorf("dead items: %v", items)
	}
	if sent := w.must(200, "POST", "/v1/dead-letters/redrive", "").json(t)["sent"]; sent != 4.0 {
		t.Errorf("sent %v", sent)
	}
}

// FuzzLogCursor sends any cursor and filter: an answer or a refusal, never our fault.
func FuzzLogCursor(f *testing.F) {
	w := newWorld(f)
	con, _ := w.connect("One")
	entriesOf(w, crm.ConnectionID(con))
	for _, s := range []string{"", "1", "0", "-1", "999", "AAAA", "\x00", "ÿ"} {
		f.Add(s, "all", "2026-01-01T00:00:00Z")
	}
	f.Fuzz(func(t *testing.T, cursor, status, from string) {
		w.t = t
		q := url.Values{"cursor": {cursor}, "sync_status": {status}, "from": {from}}
		for _, target := range []string{"/v1/log?", "/v1/log.csv?", "/v1/connections?", "/v1/keys?", "/v1/audit?"} {
			if !strings.HasPrefix(target, "/v1/log") {
				q = url.Values{"cursor": {cursor}}
			}
			if r := w.do("GET", target+q.Encode(), ""); r.status != 200 {
				if r.status != 400 {
					t.Fatalf("%s: got %d: %s", target, r.status, r.body)
				}
				r.problem(t)
			}
		}
	})
}
