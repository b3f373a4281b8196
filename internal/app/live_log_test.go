package app

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// refuse lets Salesforce refuse whole records whose last name has this in it;
// "" = none any more.
func (l *live) refuse(part string) {
	l.t.Helper()
	var rules []fakekit.Validation
	if part != "" {
		rules = append(rules, fakekit.Validation{Object: "Contact", Field: "LastName", Contains: part, APIOnly: true})
	}
	if err := l.force.Core().SetValidations(rules); err != nil {
		l.t.Fatal(err)
	}
}

func ids(entries []engine.Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.ID)
	}
	return out
}

// TestLive_TheLogIsWholeAtEveryPageSize: entries of several days, several to a
// stored page, are listed once each and in the same order whatever the page
// size and filter; so says the CSV.
func TestLive_TheLogIsWholeAtEveryPageSize(t *testing.T) {
	t.Parallel()
	// Of one entry a stored page there are more than one call looks at.
	for _, size := range []int{1, 3} {
		onLive(t, engine.Tuning{ChunkSize: size, LotSize: size}, theLogIsWhole)
	}
}

func theLogIsWhole(t *testing.T, l *live) {
	t.Helper()
	l.refuse("Of bad")
	l.person(crm.Left, "bad1")
	l.connect()
	l.start()
	for day := range 3 {
		for i := range 5 + 40*(day/2) {
			l.person(crm.Left, fmt.Sprintf("d%dp%d", day, i))
		}
		l.pull()
		l.move(26 * time.Hour)
	}
	list := "/v1/log?connection=" + l.id()
	whole := each[engine.Entry](l, list+"&limit=200")
	if len(whole) != 5+5+45+1 {
		t.Fatalf("%d entries, want 56", len(whole))
	}
	if !slices.IsSortedFunc(whole, func(a, b engine.Entry) int { return b.Time.Compare(a.Time) }) {
		t.Error("the log is not newest first")
	}
	want := ids(whole)
	for _, limit := range []int{1, 2, 3, 4, 7, 10, 50} {
		if got := ids(each[engine.Entry](l, fmt.Sprintf("%s&limit=%d", list, limit))); !slices.Equal(got, want) {
			t.Errorf("by pages of %d: %d entries, want the %d of the whole in their order", limit, len(got), len(want))
		}
	}
	for filter, n := range map[string]int{
		"event=new": 55, "event=failed": 1, "sync_status=success": 55, "sync_status=error": 1, "side=right": 0,
		"code=nothing": 0, "job_status=success": 56,
	} {
		for _, limit := range []int{1, 3, 200} {
			got := each[engine.Entry](l, fmt.Sprintf("%s&%s&limit=%d", list, filter, limit))
			unique := map[string]bool{}
			for _, e := range got {
				unique[e.ID] = true
			}
			if len(got) != n || len(unique) != n {
				t.Errorf("%s by pages of %d: %d entries, %d of them different; want %d", filter, limit, len(got), len(unique), n)
			}
		}
	}
	// The days of both ends belong to a range, which is half-open.
	oldest, newest := whole[len(whole)-1].Time, whole[0].Time
	for span, n := range map[string]int{
		"from=" + stamp(oldest): 56, "from=" + stamp(oldest.Add(time.Second)): 55, "to=" + stamp(oldest): 0,
		"to=" + stamp(oldest.Add(time.Second)):                            1,
		"from=" + stamp(oldest) + "&to=" + stamp(newest.Add(time.Second)): 56, "from=" + stamp(newest.Add(time.Second)): 0,
	} {
		if got := each[engine.Entry](l, list+"&"+span); len(got) != n {
			t.Errorf("%s: %d entries, want %d", span, len(got), n)
		}
	}
	for _, e := range whole[:3] {
		var one engine.Entry
		l.want(200, "GET", "/v1/log/"+e.ID, nil).into(&one)
		if one.ID != e.ID || one.Record != e.Record || one.Outcome != e.Outcome {
			t.Errorf("alone: %+v, in the list: %+v", one, e)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(string(l.want(200, "GET", "/v1/log.csv?connection="+l.id(),
		nil).body))).ReadAll()
	if err != nil || len(rows) != len(want)+1 {
		t.Errorf("the CSV has %d rows (%v), want a head and %d", len(rows), err, len(want))
	}
	l.refused(400, "cursor_malformed", "GET", list+"&cursor=AAAA", nil)
	l.refused(404, "not_found", "GET", "/v1/log/log_none", nil)
	l.bothLogs(whole)
	last := whole[len(whole)-1].ID
	for _, none := range []string{
		last + "9", strings.Replace(last, "log_", "log_x", 1), last[:strings.LastIndex(last, "~")] + "~-1",
	} {
		l.refused(404, "not_found", "GET", "/v1/log/"+none, nil)
	}
}

// stamp is a time as a query takes it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// TestLive_TheLogOfARecordHasBothSides: what is logged of a pair is found by
// either of its records, and by no other one.
func TestLive_TheLogOfARecordHasBothSides(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		left := l.person(crm.Left, "a", "city", "Ghent")
		l.person(crm.Left, "b")
		l.connect()
		l.start()
		l.edit(crm.Left, left, "city", "Lund")
		l.pull()
		right := l.twin(crm.Right, "a")
		own := each[engine.Entry](l, "/v1/log?connection="+l.id()+"&record="+left)
		theirs := each[engine.Entry](l, "/v1/log?connection="+l.id()+"&record="+right)
		if len(own) < 2 || !slices.Equal(ids(own), ids(theirs)) {
			t.Errorf("by the left record %v, by the right one %v", ids(own), ids(theirs))
		}
		for _, e := range own {
			if string(e.Record) != left && string(e.Partner) != left {
				t.Errorf("another record's: %+v", e)
			}
		}
	})
}

// bothLogs adds a connection, and lists the log of both at every page size.
func (l *live) bothLogs(first []engine.Entry) {
	l.t.Helper()
	one := l.con
	text := strings.NewReplacer(`"contacts","left"`, `"leads","left"`, `"object":"Contact"`, `"object":"Lead"`,
		`"schedule"`, `"direction":"to_right","schedule"`,
		`{"id":"city","left":["city"],"right":["MailingCity"]}`,
		`{"id":"city","left":["city"],"right":["City"]},{"id":"company","left":["company"],"right":["Company"],"default":{"to_right":"None"}}`).Replace(l.document("Leads"))
	l.con = "/v1/connections/" + l.must(201, "POST", "/v1/connections", text)["id"].(string)
	l.start()
	second := each[engine.Entry](l, "/v1/log?connection="+l.id())
	l.con = one
	if len(second) < 50 {
		l.t.Fatalf("%d entries of the second connection", len(second))
	}
	want := ids(slices.Concat(first, second))
	slices.Sort(want)
	for _, limit := range []int{1, 3, 10, 50, 200} {
		all := each[engine.Entry](l, fmt.Sprintf("/v1/log?limit=%d", limit))
		if !slices.IsSortedFunc(all, func(a, b engine.Entry) int { return b.Time.Compare(a.Time) }) {
			l.t.Errorf("the log of both by pages of %d is not newest first", limit)
		}
		got := ids(all)
		if slices.Sort(got); !slices.Equal(got, want) {
			l.t.Errorf("both by pages of %d: %d entries, want %d", limit, len(got), len(want))
		}
	}
}

// TestLive_RetryWorksTheRecordAgain: a failure is logged with what was said, can
// be retried from its entry and by filter, is resolved when it came right, and
// then there is nothing to retry.
func TestLive_RetryWorksTheRecordAgain(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.refuse("Of bad")
		for _, who := range []string{"good", "bad1", "bad2", "bad3"} {
			l.person(crm.Left, who)
		}
		l.connect()
		first := l.start()
		if first.Outcomes[crm.Failed] != 3 || first.Outcomes[crm.Created] != 1 {
			t.Fatalf("outcomes: %v, want 3 failed and 1 created", first.Outcomes)
		}
		failed := "/v1/log?connection=" + l.id() + "&event=failed"
		list := each[engine.Entry](l, failed)
		if len(list) != 3 {
			t.Fatalf("%d failed entries, want 3", len(list))
		}
		var e engine.Entry
		l.want(200, "GET", "/v1/log/"+list[0].ID, nil).into(&e)
		if list[0].Request != "" || e.Request == "" || e.Response == "" || e.Status < 200 || e.Code == "" || e.Resolved {
			t.Errorf("the entry alone: %+v", e)
		}
		retry := "/v1/log/" + e.ID + "/retry"
		l.refused(400, "unknown_field", "POST", retry, map[string]any{"values": map[string]string{"nonsense": "X"}})
		l.refused(404, "not_found", "POST", "/v1/log/log_none/retry", nil)
		if r := l.run("POST", retry, nil); r.Kind != engine.RunRetry || r.Outcomes[crm.Failed] != 1 || r.Done != 1 {
			t.Errorf("retried too early: %+v", r)
		}

		l.refuse("")
		if r := l.run("POST", retry, nil); r.Outcomes[crm.Created] != 1 {
			t.Errorf("retried: %v, want 1 created", r.Outcomes)
		}
		l.want(200, "GET", "/v1/log/"+e.ID, nil).into(&e)
		if !e.Resolved || l.living(crm.Right) != 2 {
			t.Errorf("resolved: %t, %d people; want it resolved and 2", e.Resolved, l.living(crm.Right))
		}
		for _, x := range each[engine.Entry](l, failed) {
			if x.Record == e.Record {
				t.Errorf("what was repaired still stands among the failed: %+v", x)
			}
		}
		if r := l.run("POST", retry, nil); r.Outcomes[crm.Created]+r.Outcomes[crm.Updated] != 0 || l.living(crm.Right) != 2 {
			t.Errorf("retried once more: %v, %d people", r.Outcomes, l.living(crm.Right))
		}
		for _, x := range each[engine.Entry](l, "/v1/log?connection="+l.id()+"&event=new") {
			l.refused(409, "conflict", "POST", "/v1/log/"+x.ID+"/retry", nil)
		}

		l.refused(404, "not_found", "POST", "/v1/log/retry?connection=con_none", nil)
		var all struct {
			engine.Run
			Runs []engine.Run `json:"runs"`
		}
		l.want(202, "POST", "/v1/log/retry?connection="+l.id(), nil).into(&all)
		if len(all.Runs) != 1 || all.Runs[0].ID != all.ID {
			t.Fatalf("runs: %+v", all)
		}
		if r := l.finished(all.Run); r.Outcomes[crm.Created] != 2 || r.Done != 2 || l.living(crm.Right) != 4 {
			t.Errorf("all retried: %+v, %d people; want the 2 that were left", r, l.living(crm.Right))
		}
		l.want(202, "POST", "/v1/log/retry?connection="+l.id(), nil).into(&all)
		if r := l.finished(all.Run); r.Done != 0 {
			t.Errorf("nothing is left, and %d were worked", r.Done)
		}
	})
}

// TestLive_RetryGoesThroughTheWholeLog: more failures than one look at the log finds.
func TestLive_RetryGoesThroughTheWholeLog(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{ChunkSize: 1, LotSize: 1}, func(t *testing.T, l *live) {
		l.refuse("Of bad")
		for i := range 50 {
			l.person(crm.Left, fmt.Sprintf("bad%d", i))
		}
		l.connect()
		if first := l.start(); first.Outcomes[crm.Failed] != 50 {
			t.Fatalf("outcomes: %v, want 50 failed", first.Outcomes)
		}
		l.refuse("")
		if r := l.run("POST", "/v1/log/retry?connection="+l.id(), nil); r.Outcomes[crm.Created] != 50 ||
			l.living(crm.Right) != 50 {
			t.Errorf("retried: %v, %d people; want 50", r.Outcomes, l.living(crm.Right))
		}
	})
}

// TestLive_DeadItemsAreListedAndSentAgain: work that was given up is listed page
// by page with its reason, and goes through once it is sent again.
func TestLive_DeadItemsAreListedAndSentAgain(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{ChunkSize: 1, LotSize: 1, ReceiveCap: 2}, func(t *testing.T, l *live) {
		var people []string
		for i := range 4 {
			people = append(people, l.person(crm.Left, fmt.Sprintf("p%d", i)))
		}
		l.connect()
		l.start()
		for _, p := range people {
			l.edit(crm.Left, p, "jobtitle", "Cooper")
		}
		// Whatever is about records fails over there, so often that it is given up.
		fault := fakekit.Fault{
			Kind: fakekit.FaultFail, Endpoint: "/services/data/v67.0/composite", Status: 503, Times: 1_000_000,
		}
		if err := l.force.Core().Inject(fault); err != nil {
			t.Fatal(err)
		}
		l.move(3 * time.Minute)
		l.begin("POST", l.sync+"/pull", nil)
		for range 30 {
			l.work()
			l.round()
			l.move(time.Minute)
		}
		dead := each[engine.DeadItem](l, "/v1/dead-letters?limit=1&connection="+l.id())
		if len(dead) == 0 {
			t.Fatal("nothing was given up")
		}
		records := map[crm.RecordID]bool{}
		for _, d := range dead {
			if d.Code == "" || d.Reason == "" || d.Receives < 2 || string(d.Connection) != l.id() {
				t.Errorf("a dead item without its story: %+v", d)
			}
			for _, r := range d.Records {
				records[r] = true
			}
		}
		if all := each[engine.DeadItem](l, "/v1/dead-letters"); len(all) != len(dead) {
			t.Errorf("%d dead items of all connections, want %d", len(all), len(dead))
		}
		l.force.Core().ClearFaults()
		if sent := l.must(200, "POST", "/v1/dead-letters/redrive?connection="+l.id(),
			nil)["sent"]; sent != float64(len(dead)) {
			t.Errorf("sent %v, want %d", sent, len(dead))
		}
		l.drain()
		for _, p := range people {
			if records[crm.RecordID(p)] && l.view(crm.Left, p).State != crm.StateInSync {
				t.Errorf("%s is %s", p, l.view(crm.Left, p).State)
			}
		}
		if left := each[engine.DeadItem](l, "/v1/dead-letters?connection="+l.id()); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
		if sent := l.must(200, "POST", "/v1/dead-letters/redrive", nil)["sent"]; sent != float64(0) {
			t.Errorf("sent again: %v", sent)
		}
		l.refused(404, "not_found", "GET", "/v1/dead-letters?connection=con_none", nil)
		l.refused(404, "not_found", "POST", "/v1/dead-letters/redrive?connection=con_none", nil)
	})
}
