package fakekit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// diary is the smallest app there is: notes that can be written and read.
type diary struct {
	*Core
	notes *Table
	n     int
}

func newDiary(cfg Config) *diary {
	d := &diary{Core: New(cfg)}
	d.notes = d.NewTable("notes")
	d.notes.IndexOn("word", strings.ToLower)
	d.Start(d)
	return d
}

func (d *diary) Name() string { return "diary" }
func (d *diary) Slot() int    { return 0 }
func (d *diary) Routes() []Route {
	return []Route{
		{Pattern: "GET /notes/{id}", Handler: func(w http.ResponseWriter, r *http.Request) {
			n, ok := d.notes.Get(r.PathValue("id"))
			if !ok {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			_ = json.NewEncoder(w).Encode(n.Fields)
		}},
		{Pattern: "POST /notes", Write: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			n, _ := d.Create("notes", map[string]string{"word": string(b)})
			_, _ = fmt.Fprintf(w, "made %s", n.ID)
		}},
		{Pattern: "GET /find", Search: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			found, _ := d.notes.Indexed().Lookup("word", r.URL.Query().Get("q"))
			_, _ = fmt.Fprint(w, len(found))
		}},
	}
}

func (d *diary) Seed(people []Person, at time.Time) {
	for _, p := range people {
		d.put(map[string]string{"word": p.Email}, at)
	}
}

func (d *diary) put(f map[string]string, at time.Time) *Record {
	d.n++
	r := &Record{ID: fmt.Sprint(d.n), Fields: maps.Clone(f), Created: at, Modified: at}
	d.notes.Put(r)
	return r
}

func (d *diary) Create(_ string, f map[string]string) (*Record, error) {
	r := d.put(f, d.Tick())
	d.Emit(Event{Object: "notes", ID: r.ID, Kind: "made", At: r.Modified})
	return r, nil
}

func (d *diary) Update(_, id string, f map[string]string) (*Record, error) {
	old, ok := d.notes.Get(id)
	if !ok {
		return nil, ErrNotFound
	}
	r := old.Clone()
	for k, v := range f {
		r.Set(k, v)
	}
	r.Modified = d.Tick()
	d.notes.Put(r)
	return r, nil
}

func (d *diary) Delete(_, id string) error {
	r, ok := d.notes.Get(id)
	if !ok {
		return ErrNotFound
	}
	r = r.Clone()
	r.Deleted, r.DeletedAt = true, d.Tick()
	d.notes.Put(r)
	return nil
}

func (d *diary) Restore(_, id string) (*Record, error) {
	return nil, errors.New("notes stay deleted")
}

func (d *diary) Merge(_, _, _ string) (*Record, error) {
	return nil, errors.New("notes do not merge")
}

func (d *diary) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "refused with %d", status)
}

func (d *diary) Throttle(w http.ResponseWriter, _ *http.Request, kind LimitKind, _ time.Duration) {
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = fmt.Fprint(w, kind)
}

func (d *diary) Unknown(w http.ResponseWriter, _ *http.Request, status int) { w.WriteHeader(status) }

func (d *diary) Pack(hook Webhooks, events []Event, attempt int, now time.Time) Packed {
	ids := []string{}
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return Packed{
		Method: "POST", URL: hook.URL, Header: http.Header{"X-Attempt": {fmt.Sprint(attempt)}, "X-At": {now.Format(time.RFC3339)}},
		Body: []byte(strings.Join(ids, ",")),
	}
}
func (d *diary) PackLimit() int                        { return 3 }
func (d *diary) Accepted(status int, body []byte) bool { return status == 200 }
func (d *diary) RetryIn(n int) (time.Duration, bool)   { return time.Minute, n < 3 }

// clock is time that stands still until it is moved.
type clock struct{ t time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.t }

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.t = c.t.Add(d)
	return ctx.Err()
}

func call(t *testing.T, h http.Handler, method, path, body string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://diary.example.com"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := Transport(h).RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), nil
}

func TestFaultsSpoilCallsInOrder(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault   Fault
		method  string
		status  int
		body    string
		dropped bool
		landed  int
	}{
		"fail":               {fault: Fault{Kind: FaultFail, Status: 503}, status: 503, body: "refused with 503"},
		"fail with body":     {fault: Fault{Kind: FaultFail, Status: 429, Body: "slow down"}, status: 429, body: "slow down"},
		"fail after landing": {fault: Fault{Kind: FaultFail, Status: 502, After: true}, status: 502, body: "refused with 502", landed: 1},
		"lose reply":         {fault: Fault{Kind: FaultLoseReply}, dropped: true, landed: 1},
		"drop":               {fault: Fault{Kind: FaultDrop}, dropped: true},
		"malformed":          {fault: Fault{Kind: FaultMalformed}, status: 200, body: "mad", landed: 1},
		"wrong type":         {fault: Fault{Kind: FaultWrongType}, status: 200, body: `[[1,"two",{"results":3}]]`, landed: 1},
		"slow":               {fault: Fault{Kind: FaultSlow}, dropped: true, landed: 1},
		"delay":              {fault: Fault{Kind: FaultDelay, Delay: time.Hour}, status: 200, body: "made 1", landed: 1},
		"by method and path": {fault: Fault{Kind: FaultFail, Status: 500, Endpoint: "POST /no"}, status: 500, body: "refused with 500"},
		"by path":            {fault: Fault{Kind: FaultFail, Status: 500, Endpoint: "/notes"}, status: 500, body: "refused with 500"},
		"of another method":  {fault: Fault{Kind: FaultFail, Status: 500, Endpoint: "GET /notes"}, status: 200, body: "made 1", landed: 1},
		"of another path":    {fault: Fault{Kind: FaultFail, Status: 500, Endpoint: "/find"}, status: 200, body: "made 1", landed: 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			d := newDiary(Config{Now: c.now, Sleep: c.sleep})
			if err := d.Inject(tc.fault); err != nil {
				t.Fatal(err)
			}
			status, body, err := call(t, d, "POST", "/notes", "hello")
			if errors.Is(err, ErrDropped) != tc.dropped || status != tc.status || body != tc.body {
				t.Errorf("got %d %q, error %v; want %d %q, dropped %t", status, body, err, tc.status, tc.body, tc.dropped)
			}
			if n := len(d.Records("notes")); n != tc.landed {
				t.Errorf("%d notes landed, want %d", n, tc.landed)
			}
			d.ClearFaults()
			if status, _, err := call(t, d, "POST", "/notes", "again"); status != 200 || err != nil {
				t.Errorf("next call: %d, %v", status, err)
			}
		})
	}
}

func TestLoseReplySparesReads(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	if err := d.Inject(Fault{Kind: FaultLoseReply}); err != nil {
		t.Fatal(err)
	}
	if status, _, err := call(t, d, "GET", "/notes/1", ""); status != 404 || err != nil {
		t.Errorf("read: %d, %v", status, err)
	}
	if _, _, err := call(t, d, "POST", "/notes", "x"); !errors.Is(err, ErrDropped) {
		t.Errorf("write: %v, want dropped", err)
	}
}

func TestDroppedConnectionsOverHTTP(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	if err := d.Inject(Fault{Kind: FaultLoseReply}); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(srv.URL+"/notes", "text/plain", strings.NewReader("x"))
	if err == nil {
		_ = resp.Body.Close()
		t.Fatalf("status %d, want a closed connection", resp.StatusCode)
	}
	if n := len(d.Records("notes")); n != 1 {
		t.Errorf("%d notes, want 1", n)
	}
}

func TestTransportHonoursContext(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	if err := d.Inject(Fault{Kind: FaultDelay, Delay: time.Hour, After: true}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "POST", "http://d/notes", strings.NewReader("x"))
	_, err := Transport(d).RoundTrip(req)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
	if n := len(d.Records("notes")); n != 1 {
		t.Errorf("%d notes, want 1: the effect lands before the delay", n)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	for path, want := range map[string]int{"GET /nothing": 404, "PUT /notes": 405, "DELETE /notes/1": 405, "GET /_fake/nothing": 404, "PUT /_fake/seed": 405} {
		m, p, _ := strings.Cut(path, " ")
		if got, _, _ := call(t, d, m, p, ""); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := newDiary(Config{Now: c.now})
	d.SetLimits(Limits{Calls: 2, Window: 10 * time.Second, SearchCalls: 1, SearchWindow: time.Second, Daily: 5})
	steps := []struct {
		path string
		wait time.Duration
		want string
	}{
		{path: "/notes/1", want: ""},
		{path: "/notes/1", want: ""},
		{path: "/notes/1", want: "burst"},
		{path: "/find?q=x", want: "0"},
		{path: "/find?q=x", want: "search"},
		{path: "/find?q=x", wait: time.Second, want: "0"},
		{path: "/notes/1", wait: 9 * time.Second, want: ""},
		{path: "/notes/1", want: "daily"},
		{path: "/notes/1", wait: 24 * time.Hour, want: ""},
	}
	for i, s := range steps {
		c.t = c.t.Add(s.wait)
		if _, got, _ := call(t, d, "GET", s.path, ""); got != s.want {
			t.Errorf("step %d: %q, want %q", i, got, s.want)
		}
	}
	if got := d.Requests(); got.Total != 9 || got.Throttled != 3 || got.ByEndpoint["GET /find"] != 3 {
		t.Errorf("requests: %+v", got)
	}
}

func TestIndexLag(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := newDiary(Config{Now: c.now, Lag: 5 * time.Second})
	if _, err := d.CreateRecord("notes", map[string]string{"word": "Tree"}); err != nil {
		t.Fatal(err)
	}
	find := func() string { _, got, _ := call(t, d, "GET", "/find?q=tree", ""); return got }
	if got := find(); got != "0" {
		t.Errorf("found %s at once, want 0", got)
	}
	c.t = c.t.Add(5 * time.Second)
	if got := find(); got != "1" {
		t.Errorf("found %s after the lag, want 1", got)
	}
	if err := d.DeleteRecord("notes", "1"); err != nil {
		t.Fatal(err)
	}
	if got := find(); got != "1" {
		t.Errorf("found %s right after the deletion, want 1 still", got)
	}
	c.t = c.t.Add(5 * time.Second)
	if got := find(); got != "0" {
		t.Errorf("found %s at last, want 0", got)
	}
}

func TestWebhooksAreDeliveredAndRetried(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := newDiary(Config{Now: c.now})
	d.SetWebhooks(Webhooks{URL: "http://receiver.example.com/hook"})
	var got []string
	status := 500
	receiver := Client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = append(got, r.Header.Get("X-Attempt")+":"+string(b))
		w.WriteHeader(status)
	}))
	for range 4 {
		if _, err := d.CreateRecord("notes", nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second finds nothing due
		if n, err := d.Deliver(t.Context(), receiver); n != 0 || err != nil {
			t.Fatalf("delivered %d, %v", n, err)
		}
	}
	status = 200
	c.t = c.t.Add(time.Minute)
	if n, err := d.Deliver(t.Context(), receiver); n != 2 || err != nil {
		t.Fatalf("delivered %d, %v", n, err)
	}
	if diff := cmp.Diff([]string{"0:1,2,3", "0:4", "1:1,2,3", "1:4"}, got); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	status = 500
	_, _ = d.CreateRecord("notes", nil)
	for range 4 {
		_, _ = d.Deliver(t.Context(), receiver)
		c.t = c.t.Add(time.Minute)
	}
	all, _ := d.Deliveries()
	if last := all[len(all)-1]; last.Status != DeliveryGivenUp || last.Attempt != 3 {
		t.Errorf("last delivery is %s after %d attempts, want given up after 3", last.Status, last.Attempt)
	}
}

func TestWebhookRatesAreRepeatable(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		d := newDiary(Config{Now: newClock().now, Rand: seed})
		d.SetWebhooks(Webhooks{URL: "http://r", Drop: 0.3, Duplicate: 0.3, Reorder: 0.3})
		for range 100 {
			_, _ = d.CreateRecord("notes", nil)
		}
		var b strings.Builder
		for _, out := range d.Take() {
			b.Write(out.Packed.Body)
			b.WriteByte(' ')
		}
		if again := d.Take(); len(again) != 0 {
			t.Errorf("%d deliveries taken twice", len(again))
		}
		return b.String()
	}
	first, again := run(1), run(1)
	if first != again {
		t.Error("one seed gave two sequences")
	}
	if first == run(2) {
		t.Error("two seeds gave one sequence")
	}
}

func TestRunDeliversForReal(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{RetryScale: 0.0001})
	d.SetWebhooks(Webhooks{URL: "http://r"})
	taken := make(chan string, 10)
	calls := 0
	receiver := Client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			w.WriteHeader(503)
			return
		}
		b, _ := io.ReadAll(r.Body)
		taken <- string(b)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, receiver) }()
	if _, err := d.CreateRecord("notes", nil); err != nil {
		t.Fatal(err)
	}
	if got := <-taken; got != "1" {
		t.Errorf("delivered %q, want 1", got)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("run ended with %v", err)
	}
}

func TestKnobsRefuse(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	tests := map[string]struct{ method, path, body, want string }{
		"unknown key":     {"POST", "/_fake/fail", `{"state":500}`, "unknown field"},
		"trailing data":   {"POST", "/_fake/fail", `{"status":500} {}`, "data after"},
		"status":          {"POST", "/_fake/fail", `{"status":99}`, "between 200 and 599"},
		"duration":        {"PUT", "/_fake/lag", `{"lag":"soon"}`, "a duration is a text"},
		"rate":            {"PUT", "/_fake/webhooks", `{"drop":1.5}`, "between 0 and 1"},
		"url":             {"PUT", "/_fake/webhooks", `{"url":"ftp://x"}`, "http or https"},
		"people":          {"POST", "/_fake/seed", `{"people":0}`, "between 1 and"},
		"limits":          {"PUT", "/_fake/limits", `{"calls":1}`, "need a window"},
		"answer":          {"POST", "/_fake/answer", `{"kind":"fail"}`, "one of malformed"},
		"body not wanted": {"POST", "/_fake/tokens/expire", `{"x":1}`, "takes no body"},
		"unknown object":  {"GET", "/_fake/records/poems", ``, "there are notes"},
		"unknown record":  {"GET", "/_fake/records/notes/7", ``, "not found"},
		"unknown query":   {"GET", "/_fake/records/notes?first=1", ``, "unknown parameter"},
		"app's own rule":  {"POST", "/_fake/records/notes/1/restore", ``, "stay deleted"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body, err := call(t, d, tc.method, tc.path, tc.body)
			if err != nil || status != 400 && status != 404 || !strings.Contains(body, tc.want) {
				t.Errorf("got %d %s, error %v; want %q", status, body, err, tc.want)
			}
		})
	}
}

func TestDumpPagesCountsAndDigests(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{Now: newClock().now, Seed: 2500})
	if err := d.DeleteRecord("notes", "7"); err != nil {
		t.Fatal(err)
	}
	ids := func(query string) []string {
		status, body, err := call(t, d, "GET", "/_fake/records/notes"+query, "")
		if status != 200 || err != nil {
			t.Fatalf("%s: %d, %v", query, status, err)
		}
		var out []string
		dec := json.NewDecoder(strings.NewReader(body))
		for dec.More() {
			var l RecordLine
			if err := dec.Decode(&l); err != nil {
				t.Fatal(err)
			}
			out = append(out, l.ID)
		}
		return out
	}
	if n := len(ids("")); n != 2500 {
		t.Errorf("%d lines, want 2500", n)
	}
	if diff := cmp.Diff([]string{"6", "8", "9"}, ids("?deleted=false&after=5&limit=3")); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"7"}, ids("?deleted=true")); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	before, _ := d.Summary("notes", true, nil)
	if before.Live != 2499 || before.Deleted != 1 || before.Total != 2500 {
		t.Errorf("summary %+v", before)
	}
	if _, err := d.UpdateRecord("notes", "9", map[string]string{"word": "new"}); err != nil {
		t.Fatal(err)
	}
	if after, _ := d.Summary("notes", true, nil); after.Digest == before.Digest {
		t.Error("an edit does not change the digest")
	}
	if other, _ := d.Summary("notes", true, []string{"colour"}); other.Digest == before.Digest {
		t.Error("the digest ignores its fields")
	}
}

func TestOpenAPIDescribesEveryKnob(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	status, body, err := call(t, d, "GET", "/_fake/openapi.json", "")
	if status != 200 || err != nil {
		t.Fatal(status, err)
	}
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Summary, OperationID string
			Responses            map[string]any
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q", doc.OpenAPI)
	}
	ids := map[string]bool{}
	for _, k := range d.knobs {
		op, ok := doc.Paths[k.Path][strings.ToLower(k.Method)]
		if !ok || op.Summary == "" || op.Responses["200"] == nil || ids[op.OperationID] {
			t.Errorf("%s %s is not described properly: %+v", k.Method, k.Path, op)
		}
		ids[op.OperationID] = true
	}
}

func TestOrderAgainstSort(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var o order
	model := map[key]bool{}
	for range 6000 {
		k := key{int64(rng.IntN(20)), fmt.Sprint(rng.IntN(200))}
		if rng.IntN(3) == 0 {
			o.remove(k)
			delete(model, k)
		} else {
			o.insert(k)
			model[k] = true
		}
	}
	want := slices.SortedFunc(maps.Keys(model), func(a, b key) int {
		if a.less(b) {
			return -1
		}
		return 1
	})
	var up, down []key
	o.ascend(key{at: -1}, func(k key) bool { up = append(up, k); return true })
	o.descend(key{at: 1000}, func(k key) bool { down = append(down, k); return true })
	slices.Reverse(down)
	same := cmp.Comparer(func(a, b key) bool { return a == b })
	if diff := cmp.Diff(want, up, same); diff != "" {
		t.Errorf("ascending (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, down, same); diff != "" {
		t.Errorf("descending (-want +got):\n%s", diff)
	}
	for _, i := range []int{0, len(want) / 3, len(want) - 1} {
		if got := o.rank(want[i]); got != i {
			t.Errorf("rank %d, want %d", got, i)
		}
	}
	if o.n != len(want) {
		t.Errorf("length %d, want %d", o.n, len(want))
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := newDiary(Config{Now: c.now})
	d.Lock()
	defer d.Unlock()
	code := d.tokens.Code("app", "https://us.example.com/cb", "", []string{"read"})
	if _, err := d.tokens.Redeem(code, "other", "https://us.example.com/cb", ""); !errors.Is(err, ErrGrant) {
		t.Errorf("another client's code: %v", err)
	}
	if _, err := d.tokens.Redeem(code, "app", "https://us.example.com/cb", ""); !errors.Is(err, ErrGrant) {
		t.Errorf("a code tried twice: %v", err)
	}
	tok := d.tokens.Issue("t-", "app", time.Minute, []string{"read"}, true)
	if _, s := d.tokens.Check(tok.Access); s != TokenValid {
		t.Errorf("fresh token is %s", s)
	}
	c.t = c.t.Add(time.Minute)
	if _, s := d.tokens.Check(tok.Access); s != TokenExpired {
		t.Errorf("old token is %s", s)
	}
	d.tokens.rotate = true
	next, err := d.tokens.Renew("t-", "app", tok.Refresh, time.Minute)
	if err != nil || next.Refresh == tok.Refresh {
		t.Fatalf("renewed: %v", err)
	}
	if _, err := d.tokens.Renew("t-", "app", tok.Refresh, time.Minute); !errors.Is(err, ErrGrant) {
		t.Errorf("a rotated refresh token: %v", err)
	}
	if !d.tokens.Revoke(next.Refresh) {
		t.Error("nothing revoked")
	}
	if _, s := d.tokens.Check(next.Access); s != TokenRevoked {
		t.Errorf("token of a revoked grant is %s", s)
	}
}
