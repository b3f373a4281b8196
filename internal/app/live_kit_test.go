package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// live is the whole program in this process, spoken to over HTTP: the surface,
// the engine, a storage, and both fakes behind sockets. Nothing works by itself:
// a test says when the queue is worked, so that it can look in between.
type live struct {
	t     *testing.T
	app   *App
	hub   *hubspotfake.Fake
	force *salesforcefake.Fake
	skip  atomic.Int64 // nanoseconds that the clock is ahead
	url   string
	token string // of the calls, unless one says otherwise

	mu    sync.Mutex
	calls []called

	before atomic.Pointer[func()] // runs before HubSpot answers anything

	told  told // about alerts
	said  said // by the program, from warnings up
	heard said // all that it says

	left, right crm.AccountID
	objects     [2]string // that the test is about; none = people
	con         string    // address of the connection
	sync        string    // address of its sync
}

// said keeps what a program logs.
type said struct {
	mu  sync.Mutex
	all []byte
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, p...)
	return len(p), nil
}

func (s *said) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.all)
}

// called is one call and what it was answered.
type called struct {
	call   string // method and path without query
	status int
}

func (l *live) now() time.Time { return time.Now().Add(time.Duration(l.skip.Load())) }

// move moves the clock of the program and of both apps.
func (l *live) move(d time.Duration) { l.skip.Add(int64(d)) }

// onLive runs a test on the whole program, on either storage.
func onLive(t *testing.T, tuning engine.Tuning, test func(t *testing.T, l *live)) {
	t.Helper()
	onEachStore(t, func(t *testing.T, o Options) { test(t, launched(t, o, tuning)) })
}

// launched is the whole program with two apps and their accounts.
func launched(t *testing.T, o Options, tuning engine.Tuning) *live {
	t.Helper()
	l := &live{t: t}
	l.hub = hubspotfake.New(fakekit.Config{Now: l.now})
	l.force = salesforcefake.New(fakekit.Config{Now: l.now})
	var base [2]string
	for i, h := range []http.Handler{l.hub, l.force} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f := l.before.Load(); f != nil && i == 0 {
				(*f)()
			}
			h.ServeHTTP(w, r)
		}))
		storages.AtEnd(t, s.Close)
		base[i] = s.URL
		o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(s.URL, "http://"))
	}
	receiver := httptest.NewServer(&l.told)
	storages.AtEnd(t, receiver.Close)
	l.told.url = receiver.URL + "/lockstep"
	o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(receiver.URL, "http://"))
	o.Now, o.Tuning, o.Mailer = l.now, tuning, &l.told
	o.Log = slog.New(slog.NewMultiHandler(
		slog.NewTextHandler(&l.said, &slog.HandlerOptions{Level: slog.LevelWarn}),
		slog.NewTextHandler(&l.heard, &slog.HandlerOptions{Level: slog.LevelDebug}),
	))
	o.Sleep = func(_ context.Context, d time.Duration) { l.move(d) } // limits of the apps cost no time here
	l.app = opened(t, o)
	s := httptest.NewServer(l.app.Handler())
	storages.AtEnd(t, s.Close)
	key, _ := l.app.AdminKey()
	l.url, l.token = s.URL, key.Reveal()
	l.left = l.account("hubspot", base[0], map[string]string{
		"kind": "token", "token": hubspotfake.PrivateToken, "webhook_secret": hubspotfake.ClientSecret,
	})
	l.right = l.account("salesforce", base[1], map[string]string{
		"kind": "oauth2", "client_id": salesforcefake.ClientID, "client_secret": salesforcefake.ClientSecret,
	})
	return l
}

// account adds an account of an app and returns its ID.
func (l *live) account(app, base string, credentials map[string]string) crm.AccountID {
	l.t.Helper()
	body := map[string]any{"app": app, "name": app, "base_url": base, "credentials": credentials}
	return crm.AccountID(l.must(201, "POST", "/v1/accounts", body)["id"].(string))
}

// answer is what came back.
type answer struct {
	t      *testing.T
	call   string
	status int
	header http.Header
	body   []byte
}

// object reads a JSON object.
func (a answer) object() map[string]any {
	a.t.Helper()
	var out map[string]any
	if err := json.Unmarshal(a.body, &out); err != nil {
		a.t.Fatalf("%s: %d is no JSON object: %s", a.call, a.status, a.body)
	}
	return out
}

// code is the code of a problem.
func (a answer) code() string {
	a.t.Helper()
	code, ok := a.object()["code"].(string)
	if !ok {
		a.t.Fatalf("%s: %d is no problem: %s", a.call, a.status, a.body)
	}
	return code
}

// into reads a JSON answer into out.
func (a answer) into(out any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, out); err != nil {
		a.t.Fatalf("%s: %d: %v: %s", a.call, a.status, err, a.body)
	}
}

// do makes one call. Body is JSON as text or as a value; header come in pairs.
func (l *live) do(method, path string, body any, header ...string) answer {
	l.t.Helper()
	var r io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			l.t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.url+path, r)
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := stay.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	bare, _, _ := strings.Cut(path, "?")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, called{method + " " + bare, resp.StatusCode})
	return answer{l.t, method + " " + path, resp.StatusCode, resp.Header, text}
}

// want is do with the status expected.
func (l *live) want(status int, method, path string, body any, header ...string) answer {
	l.t.Helper()
	a := l.do(method, path, body, header...)
	if a.status != status {
		l.t.Fatalf("%s: got %d, want %d: %s\nthe program's log:\n%s", a.call, a.status, status, a.body, l.said.text())
	}
	return a
}

// must is want whose answer is a JSON object.
func (l *live) must(status int, method, path string, body any, header ...string) map[string]any {
	l.t.Helper()
	return l.want(status, method, path, body, header...).object()
}

// refused asserts that a call is refused with a status and a code.
func (l *live) refused(status int, code, method, path string, body any, header ...string) {
	l.t.Helper()
	a := l.do(method, path, body, header...)
	if a.status != status || a.code() != code {
		l.t.Errorf("%s: got %d %s, want %d %s: %s", a.call, a.status, a.code(), status, code, a.body)
	}
	if remedy, _ := a.object()["remedy"].(string); remedy == "" {
		l.t.Errorf("%s: the refusal does not say what to do: %s", a.call, a.body)
	}
}

// run begins a run by a call and works it to its end.
func (l *live) run(method, path string, body any) engine.Run {
	l.t.Helper()
	return l.finished(l.begin(method, path, body))
}

// begin begins a run by a call.
func (l *live) begin(method, path string, body any) engine.Run {
	l.t.Helper()
	var r engine.Run
	a := l.want(202, method, path, body)
	a.into(&r)
	if a.header.Get("Location") != "/v1/runs/"+string(r.ID) {
		l.t.Errorf("%s: Location %q, want that of the run %s", a.call, a.header.Get("Location"), r.ID)
	}
	return r
}

// finished works everything that there is to do and returns the run as it is then.
func (l *live) finished(r engine.Run) engine.Run {
	l.t.Helper()
	l.drain()
	l.want(200, "GET", "/v1/runs/"+string(r.ID), nil).into(&r)
	if r.State != engine.RunDone {
		l.t.Fatalf("run %s of kind %s is %s (%s %s), want done", r.ID, r.Kind, r.State, r.Code, r.Detail)
	}
	return r
}

// connect makes the one connection of a test, a draft: contacts both ways,
// matched by e-mail. Each change replaces a part of its JSON.
func (l *live) connect(changes ...[2]string) {
	l.t.Helper()
	text := l.document("One")
	for _, c := range changes {
		if !strings.Contains(text, c[0]) {
			l.t.Fatalf("the document has no %s", c[0])
		}
		text = strings.Replace(text, c[0], c[1], 1)
	}
	l.con = "/v1/connections/" + l.must(201, "POST", "/v1/connections", text)["id"].(string)
	l.sync = l.con + "/syncs/contacts"
}

func (l *live) document(name string) string {
	return fmt.Sprintf(`{"name":%q,"left":{"account":%q},"right":{"account":%q},"default_country":"US","syncs":[{
		"id":"contacts","left":{"object":"contacts"},"right":{"object":"Contact"},"schedule":"manual","conflict":"review",
		"match":[{"by":"any_key","pairs":[["email","Email"]]}],
		"mappings":[
			{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}},
			{"id":"first","left":["firstname"],"right":["FirstName"]},
			{"id":"last","left":["lastname"],"right":["LastName"]},
			{"id":"title","left":["jobtitle"],"right":["Title"]},
			{"id":"city","left":["city"],"right":["MailingCity"]}
		]}]}`, name, l.left, l.right)
}

// start starts the connection and works its first sync.
func (l *live) start() engine.Run {
	l.t.Helper()
	var begun struct {
		Status crm.Status   `json:"status"`
		Runs   []engine.Run `json:"runs"`
	}
	l.want(202, "POST", l.con+"/start", nil).into(&begun)
	if begun.Status != crm.StatusActive || len(begun.Runs) != 1 {
		l.t.Fatalf("start: %+v", begun)
	}
	return l.finished(begun.Runs[0])
}

// person adds somebody to an app; who is their e-mail's local part.
func (l *live) person(side crm.Side, who string, more ...string) string {
	l.t.Helper()
	names, core, object := []string{"email", "lastname"}, l.hub.Core(), "contacts"
	if side == crm.Right {
		names, core, object = []string{"Email", "LastName"}, l.force.Core(), "Contact"
	}
	fields := map[string]string{names[0]: who + "@example.com", names[1]: "Of " + who}
	for i := 0; i+1 < len(more); i += 2 {
		fields[more[i]] = more[i+1]
	}
	r, err := core.CreateRecord(object, fields)
	if err != nil {
		l.t.Fatal(err)
	}
	return r.ID
}

// edit changes a field as a user of the app does.
func (l *live) edit(side crm.Side, id, field, value string) {
	l.t.Helper()
	l.move(time.Second)
	core, object := l.core(side)
	if _, err := core.UpdateRecord(object, id, map[string]string{field: value}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) core(side crm.Side) (core *fakekit.Core, object string) {
	objects := l.objects
	if objects[0] == "" {
		objects = [2]string{"contacts", "Contact"}
	}
	if side == crm.Left {
		return l.hub.Core(), objects[0]
	}
	return l.force.Core(), objects[1]
}

// held are the fields of a living record, nil when there is none.
func (l *live) held(side crm.Side, id string) map[string]string {
	core, object := l.core(side)
	for _, r := range core.Records(object) {
		if r.ID == id && !r.Deleted {
			return r.Fields
		}
	}
	return nil
}

// living counts the records of a side.
func (l *live) living(side crm.Side) (n int) {
	core, object := l.core(side)
	for _, r := range core.Records(object) {
		if !r.Deleted {
			n++
		}
	}
	return n
}

// twin is the record on the other side with that e-mail.
func (l *live) twin(side crm.Side, who string) string {
	l.t.Helper()
	field := map[crm.Side]string{crm.Left: "email", crm.Right: "Email"}[side]
	core, object := l.core(side)
	for _, r := range core.Records(object) {
		if !r.Deleted && strings.EqualFold(r.Fields[field], who+"@example.com") {
			return r.ID
		}
	}
	l.t.Fatalf("%s is not on the %s side", who, side)
	return ""
}

// record is the address of a record.
func (l *live) record(side crm.Side, id string) string {
	return l.sync + "/records/" + string(side) + "/" + id
}

// view reads a record.
func (l *live) view(side crm.Side, id string) engine.RecordView {
	l.t.Helper()
	var v engine.RecordView
	l.want(200, "GET", l.record(side, id), nil).into(&v)
	return v
}

// pull looks for changes a while after the last ones, and works them.
func (l *live) pull() engine.Run {
	l.t.Helper()
	l.move(3 * time.Minute)
	return l.run("POST", l.sync+"/pull", nil)
}

// each reads a whole list, a page at a time.
func each[T any](l *live, path string) []T {
	l.t.Helper()
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	var out []T
	for cursor := ""; ; {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		next := path
		if cursor != "" {
			next += sep + "cursor=" + cursor
		}
		l.want(200, "GET", next, nil).into(&page)
		out = append(out, page.Items...)
		if page.Next == "" {
			return out
		}
		if page.Next == cursor {
			l.t.Fatalf("%s does not come to its end", path)
		}
		cursor = page.Next
	}
}

// work takes one batch from the queue and works it; false when nothing of it was
// done: there was none, or all of it waits for a time.
func (l *live) work() bool {
	l.t.Helper()
	ctx := l.t.Context()
	if d, err := l.app.Queue.Depth(ctx); err != nil {
		l.t.Fatal(err)
	} else if d.Visible == 0 {
		return false // a queue in AWS would wait for something to come
	}
	ds, err := l.app.Queue.Receive(ctx, queue.MaxBatch, l.app.visibility())
	if err != nil {
		l.t.Fatal(err)
	}
	if len(ds) == 0 {
		return false
	}
	verdicts := l.app.Engine.Work(ctx, ds)
	done := false
	for i, v := range verdicts {
		verdicts[i].Retry = 0 // the test does not wait
		done = done || v.Ack
	}
	l.app.settle(ctx, verdicts)
	return done
}

// drain works until nothing moves any more. The clock moves only while work
// waits for a time.
func (l *live) drain() {
	l.t.Helper()
	for range 3000 {
		worked := l.work()
		busy, err := l.app.Engine.Round(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		if worked {
			continue
		}
		if !busy && l.idle() {
			return
		}
		l.move(time.Second)
	}
	d, err := l.app.Queue.Depth(l.t.Context())
	status := l.do("GET", l.con+"/status", nil).body
	l.t.Fatalf("the program does not come to rest: %+v in the queue (%v), status: %s", d, err, status)
}

// idle reports whether nothing is queued, parked or open.
func (l *live) idle() bool {
	l.t.Helper()
	d, err := l.app.Queue.Depth(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	if d.Visible+d.InFlight > 0 {
		return false
	}
	if l.con == "" {
		return true
	}
	a := l.do("GET", l.con+"/status", nil)
	if a.status == http.StatusNotFound {
		return true
	}
	var st struct {
		Syncs []engine.SyncStatus `json:"syncs"`
	}
	a.into(&st)
	for _, s := range st.Syncs {
		if s.OpenRun != "" || s.Parked+s.Inbox > 0 {
			return false
		}
	}
	return true
}

// id is the connection's ID.
func (l *live) id() string { return strings.TrimPrefix(l.con, "/v1/connections/") }

// syncsWith are the syncs of the document with one part replaced.
func (l *live) syncsWith(old, fresh string) string {
	l.t.Helper()
	var doc struct {
		Syncs json.RawMessage `json:"syncs"`
	}
	text := l.document("One")
	if !strings.Contains(text, old) {
		l.t.Fatalf("the document has no %s", old)
	}
	if err := json.Unmarshal([]byte(strings.Replace(text, old, fresh, 1)), &doc); err != nil {
		l.t.Fatal(err)
	}
	return string(doc.Syncs)
}
