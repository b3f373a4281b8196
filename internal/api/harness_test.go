package api

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/egress"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/secret/localkey"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

const operatorKey = "lsk_operator-key-of-the-tests-with-more-than-160-bits"

// world is a surface over a memory store, the real account service, connectors
// that answer from tables, and an engine that remembers what it was asked.
type world struct {
	t       testing.TB
	clock   atomic.Int64
	store   *memstore.Store
	engine  *fakeEngine
	handler http.Handler
	server  *server
	log     *syncBuffer
	ids     atomic.Int64
	down    atomic.Bool // the apps do not answer
	left    crm.AccountID
	right   crm.AccountID
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (w *world) now() time.Time { return time.Unix(0, w.clock.Load()).UTC() }

func (w *world) newID(prefix string) string { return fmt.Sprintf("%s_%012d", prefix, w.ids.Add(1)) }

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, log: &syncBuffer{}}
	w.clock.Store(time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC).UnixNano())
	w.store = memstore.New(w.now)
	sealer, err := localkey.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	drivers := map[crm.AppID]connector.Driver{"hubspot": w.driver(hubspotLike), "salesforce": w.driver(salesforceLike)}
	guard, err := egress.New(egress.Options{})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := account.New(account.Options{
		Store: w.store, Sealer: sealer, Drivers: drivers, Now: w.now, NewID: w.newID, Rand: rand.Reader,
		HTTP:     func(crm.App, string) *http.Client { return &http.Client{Transport: noNetwork{t}} },
		CheckURL: guard.CheckURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.engine = newFakeEngine(w)
	w.engine.open = accounts.Open
	o := Options{
		Engine: w.engine, Accounts: accounts, Store: w.store, Drivers: drivers, Now: w.now, NewID: w.newID,
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), AdminKey: secret.NewText(operatorKey),
	}
	for _, f := range change {
		f(&o)
	}
	if w.handler, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.server = w.handler.(*server)
	return w
}

// noNetwork fails the test when anything is sent.
type noNetwork struct{ t testing.TB }

func (n noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("a request went out to %s", r.URL.Host)
	return nil, io.ErrUnexpectedEOF
}

// answer is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) json(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.body, &m); err != nil {
		t.Fatalf("answer %d is no JSON object: %s", r.status, r.body)
	}
	return m
}

func (r reply) problem(t testing.TB) Problem {
	t.Helper()
	var p Problem
	if ct := r.header.Get("Content-Type"); ct != problemType {
		t.Fatalf("answer %d has media type %q: %s", r.status, ct, r.body)
	}
	if err := json.Unmarshal(r.body, &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != r.status || p.Code == "" || p.Title == "" || p.Detail == "" || p.RequestID == "" || p.Type != docsPath+"#"+p.Code {
		t.Errorf("the problem is not complete: %s", r.body)
	}
	if _, known := meanings[p.Code]; !known {
		t.Errorf("the code %q is not in the dictionary", p.Code)
	}
	return p
}

type option func(*http.Request)

func header(name, value string) option { return func(r *http.Request) { r.Header.Set(name, value) } }
func as(token string) option           { return header("Authorization", "Bearer "+token) }
func ifMatch(tag string) option        { return header("If-Match", tag) }

// do sends a request as the operator, unless an option says otherwise.
func (w *world) do(method, target, body string, options ...option) reply {
	w.t.Helper()
	r := httptest.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
	if body == "" {
		r.Body = http.NoBody
	}
	r.Header.Set("Authorization", "Bearer "+operatorKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
		if method == http.MethodPatch {
			r.Header.Set("Content-Type", mergePatch)
		}
	}
	for _, f := range options {
		f(r)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return reply{rec.Code, rec.Header(), rec.Body.Bytes()}
}

// must is do with the status expected.
func (w *world) must(status int, method, target, body string, options ...option) reply {
	w.t.Helper()
	r := w.do(method, target, body, options...)
	if r.status != status {
		w.t.Fatalf("%s %s: got %d, want %d: %s", method, target, r.status, status, r.body)
	}
	return r
}

// accounts makes the two accounts that documents name.
func (w *world) accounts() {
	w.t.Helper()
	if w.left != "" {
		return
	}
	w.left = crm.AccountID(w.must(201, "POST", "/v1/accounts", `{"app":"hubspot","name":"Left","credentials":{"kind":"token","token":"pat-1"}}`).json(w.t)["id"].(string))
	w.right = crm.AccountID(w.must(201, "POST", "/v1/accounts", `{"app":"salesforce","name":"Right","credentials":{"kind":"token","token":"pat-2"}}`).json(w.t)["id"].(string))
}

// document is a complete, valid connection of the two accounts.
func (w *world) document(name string) string {
	w.t.Helper()
	w.accounts()
	return fmt.Sprintf(`{"name":%q,"left":{"account":%q},"right":{"account":%q},"default_country":"US","syncs":[{
		"id":"contacts","left":{"object":"contacts"},"right":{"object":"Contact"},"conflict":"newest",
		"match":[{"by":"any_key","pairs":[["email","Email"]]}],
		"mappings":[
			{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}},
			{"id":"last","left":["lastname"],"right":["LastName"]},
			{"id":"score","left":["score"],"right":["Score__c"],"transform":{"type":"number"},"default":{"to_right":1.10,"to_left":null}}
		]}]}`, name, w.left, w.right)
}

// connect stores a connection and returns its ID and ETag.
func (w *world) connect(name string) (id, tag string) {
	w.t.Helper()
	r := w.must(201, "POST", "/v1/connections", w.document(name))
	return r.json(w.t)["id"].(string), r.header.Get("ETag")
}

// key makes an API key and returns its token.
func (w *world) key(body string, options ...option) string {
	w.t.Helper()
	return w.must(201, "POST", "/v1/keys", body, options...).json(w.t)["key"].(string)
}

// stored is a picture of everything that is stored, without idle bookkeeping.
func (w *world) stored() string {
	w.t.Helper()
	ctx := context.Background()
	var b strings.Builder
	for _, ws := range []crm.WorkspaceID{"", DefaultWorkspace} {
		for _, partition := range []string{"workspace", "workspaces", "api_key"} {
			page, err := w.store.Query(ctx, store.Query{Table: store.Settings, Workspace: ws, Partition: partition, Limit: store.MaxLimit})
			if err != nil {
				w.t.Fatal(err)
			}
			for _, item := range page.Items {
				fmt.Fprintf(&b, "%s %s %s %d %s\n", ws, partition, item.Sort, item.Version, item.Data)
			}
		}
	}
	return b.String()
}

// appTable is an app as the tests know it.
type appTable struct {
	id      crm.AppID
	host    string
	objects map[string][]crm.Field
}

var (
	hubspotLike = appTable{id: "hubspot", host: "api.hubspot.example.com", objects: map[string][]crm.Field{
		"contacts": {
			{Name: "email", Label: "Email", Type: crm.TypeEmail, Unique: true},
			{Name: "firstname", Label: "First name", Type: crm.TypeText},
			{Name: "lastname", Label: "Last name", Type: crm.TypeText},
			{Name: "phone", Label: "Phone", Type: crm.TypePhone},
			{Name: "score", Label: "Score", Type: crm.TypeNumber},
			{Name: "vip", Label: "VIP", Type: crm.TypeBoolean},
			{Name: "createdate", Label: "Created", Type: crm.TypeDateTime, ReadOnly: true},
		},
		"companies": {{Name: "name", Label: "Name", Type: crm.TypeText}, {Name: "domain", Label: "Domain", Type: crm.TypeText}},
	}}
	salesforceLike = appTable{id: "salesforce", host: "login.salesforce.example.com", objects: map[string][]crm.Field{
		"Contact": {
			{Name: "Email", Label: "Email", Type: crm.TypeEmail},
			{Name: "FirstName", Label: "First Name", Type: crm.TypeText},
			{Name: "LastName", Label: "Last Name", Type: crm.TypeText, Required: true},
			{Name: "Phone", Label: "Phone", Type: crm.TypePhone},
			{Name: "Score__c", Label: "Score", Type: crm.TypeNumber},
			{Name: "VIP__c", Label: "VIP", Type: crm.TypeBoolean},
			{Name: "Id", Label: "ID", Type: crm.TypeText, ReadOnly: true},
		},
		"Account": {{Name: "Name", Label: "Name", Type: crm.TypeText, Required: true}, {Name: "Website", Label: "Website", Type: crm.TypeURL}},
	}}
)

func (w *world) driver(a appTable) connector.Driver {
	app := crm.App{
		ID: a.id, Name: string(a.id), Hosts: []string{a.host},
		Auth:      []crm.AuthMethod{{Kind: crm.AuthToken, Fields: []crm.AuthField{{Name: "token", Label: "Token", Secret: true, Required: true}}}, {Kind: crm.AuthOAuth2}},
		Abilities: []crm.Ability{crm.AbilityWebhooks},
	}
	return connector.Driver{
		App: app,
		Open: func(connector.Config) (connector.Connector, error) {
			return &tableConnector{w: w, app: app, table: a}, nil
		},
		Webhooks: testHooks{},
	}
}

// tableConnector answers discovery from a table; it holds no records.
type tableConnector struct {
	connector.Connector
	w     *world
	app   crm.App
	table appTable
}

func (c *tableConnector) App() crm.App { return c.app }

func (c *tableConnector) reach() error {
	if c.w.down.Load() {
		return fault.New("test: call", fault.Unavailable, "", "the app does not answer")
	}
	return nil
}

func (c *tableConnector) Test(context.Context) (connector.Identity, error) {
	return connector.Identity{ExternalID: "portal-1", Name: "Portal"}, c.reach()
}

func (c *tableConnector) Objects(context.Context) ([]crm.Object, error) {
	var out []crm.Object
	for id := range c.table.objects {
		out = append(out, crm.Object{ID: id, Label: id})
	}
	slices.SortFunc(out, func(a, b crm.Object) int { return strings.Compare(a.ID, b.ID) })
	return out, c.reach()
}

func (c *tableConnector) Fields(_ context.Context, object string) ([]crm.Field, error) {
	if err := c.reach(); err != nil {
		return nil, err
	}
	fields, ok := c.table.objects[object]
	if !ok {
		return nil, fault.New("test: fields", fault.NotFound, "unknown_object", "there is no such object")
	}
	return slices.Clone(fields), nil
}

// testHooks checks an HMAC over address, time and body.
type testHooks struct{}

func signHook(trust secret.Text, url string, at time.Time, body []byte) string {
	m := hmac.New(sha256.New, []byte(trust.Reveal()))
	fmt.Fprintf(m, "%s\n%d\n", url, at.Unix())
	m.Write(body)
	return strconv.FormatInt(at.Unix(), 10) + " " + hex.EncodeToString(m.Sum(nil))
}

func (testHooks) Verify(req connector.WebhookRequest, trust connector.WebhookTrust, now time.Time) error {
	denied := fault.New("test: verify", fault.Denied, "forged_webhook", "")
	stamp, _, _ := strings.Cut(req.Header.Get("X-Signature"), " ")
	sec, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(sec, 0)).Abs() > 5*time.Minute {
		return denied
	}
	if !hmac.Equal([]byte(req.Header.Get("X-Signature")), []byte(signHook(trust.Secret, req.URL, time.Unix(sec, 0), req.Body))) {
		return denied
	}
	return nil
}

func (testHooks) Parse(req connector.WebhookRequest) ([]connector.Event, error) {
	var ids []crm.RecordID
	if err := json.Unmarshal(req.Body, &ids); err != nil {
		return nil, fault.New("test: parse", fault.Invalid, "malformed_webhook", "the delivery is no list of IDs")
	}
	events := make([]connector.Event, len(ids))
	for i, id := range ids {
		events[i] = connector.Event{Kind: connector.EventChanged, Object: "contacts", ID: id}
	}
	return events, nil
}

func (testHooks) Reply() connector.Reply { return connector.Reply{Status: 204} }

// fakeEngine remembers calls and answers from maps.
type fakeEngine struct {
	w *world

	mu      sync.Mutex
	calls   []string
	runs    map[crm.RunID]engine.Run
	plans   map[crm.PlanID]engine.PlanView
	entries []engine.Entry
	filters []engine.LogFilter
	events  []connector.Event
	resolve map[crm.MappingID]engine.Resolution
	values  crm.Fields
	hookErr error
	startOK func(context.Context) error // runs inside StartConnection
	open    func(context.Context, crm.WorkspaceID, crm.AccountID) (connector.Connector, crm.App, error)
}

func newFakeEngine(w *world) *fakeEngine {
	return &fakeEngine{w: w, runs: map[crm.RunID]engine.Run{}, plans: map[crm.PlanID]engine.PlanView{}}
}

func (f *fakeEngine) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fakeEngine) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fakeEngine) run(ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, kind engine.RunKind) engine.Run {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := engine.Run{ID: crm.RunID(f.w.newID("run")), Kind: kind, Connection: id, Sync: sync, State: engine.RunQueued, CreatedAt: f.w.now(), Outcomes: map[crm.Outcome]int64{}}
	f.runs[r.ID] = r
	_ = ws
	return r
}

func (f *fakeEngine) setStatus(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, status crm.Status) error {
	c, seen, err := store.LoadConnection(ctx, f.w.store, ws, id)
	if err != nil {
		return err
	}
	c.Status = status
	_, err = store.SaveConnection(ctx, f.w.store, ws, c, seen)
	return err
}

func (f *fakeEngine) StartConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]engine.Run, error) {
	f.note("start %s", id)
	if f.startOK != nil {
		if err := f.startOK(ctx); err != nil {
			return nil, err
		}
	}
	return []engine.Run{f.run(ws, id, "contacts", engine.RunInitial)}, f.setStatus(ctx, ws, id, crm.StatusActive)
}

func (f *fakeEngine) PauseConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) error {
	f.note("pause %s", id)
	return f.setStatus(ctx, ws, id, crm.StatusPaused)
}

func (f *fakeEngine) DeleteConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) error {
	f.note("delete %s", id)
	return f.setStatus(ctx, ws, id, crm.StatusDeleting)
}

func (f *fakeEngine) Status(context.Context, crm.WorkspaceID, crm.ConnectionID) ([]engine.SyncStatus, error) {
	return []engine.SyncStatus{{Sync: "contacts"}}, nil
}

func (f *fakeEngine) StartRun(_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, kind engine.RunKind) (engine.Run, error) {
	f.note("%s %s", kind, sync)
	return f.run(ws, id, sync, kind), nil
}

func (f *fakeEngine) GetRun(_ context.Context, ws crm.WorkspaceID, run crm.RunID) (engine.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.runs[run]
	if !ok || ws != DefaultWorkspace {
		return r, fault.New("test: run", fault.NotFound, "", "there is no such run")
	}
	return r, nil
}

func (f *fakeEngine) ListRuns(_ context.Context, ws crm.WorkspaceID, con crm.ConnectionID, _ int, _ string) ([]engine.Run, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []engine.Run
	for _, r := range f.runs {
		if ws == DefaultWorkspace && (con == "" || con == r.Connection) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b engine.Run) int { return strings.Compare(string(b.ID), string(a.ID)) })
	return out, "", nil
}

func (f *fakeEngine) CancelRun(ctx context.Context, ws crm.WorkspaceID, run crm.RunID) (engine.Run, error) {
	r, err := f.GetRun(ctx, ws, run)
	if err != nil {
		return r, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.State = engine.RunCancelled
	f.runs[run] = r
	return r, nil
}

func (f *fakeEngine) CreatePlan(_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, records []crm.RecordRef) (engine.PlanView, error) {
	f.note("plan %s %v", sync, records)
	r := f.run(ws, id, sync, engine.RunPlan)
	f.mu.Lock()
	defer f.mu.Unlock()
	p := engine.PlanView{ID: crm.PlanID(f.w.newID("pln")), Kind: "dry_run", Run: r.ID, Connection: id, Sync: sync, State: engine.RunQueued, CreatedAt: f.w.now()}
	f.plans[p.ID] = p
	return p, nil
}

func (f *fakeEngine) GetPlan(_ context.Context, ws crm.WorkspaceID, plan crm.PlanID) (engine.PlanView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.plans[plan]
	if !ok || ws != DefaultWorkspace {
		return p, fault.New("test: plan", fault.NotFound, "", "there is no such plan")
	}
	return p, nil
}

func (f *fakeEngine) PlanChanges(context.Context, crm.WorkspaceID, crm.PlanID, int, string) ([]engine.Change, string, error) {
	return []engine.Change{{Action: crm.Updated, Side: crm.Left, Record: "1", Diffs: canaryDiffs(), Digest: "d"}}, "", nil
}

func (f *fakeEngine) ApplyPlan(_ context.Context, ws crm.WorkspaceID, plan crm.PlanID) (engine.Run, error) {
	f.note("apply %s", plan)
	return f.run(ws, f.plans[plan].Connection, "contacts", engine.RunApply), nil
}

// canary is a field value that viewers, logs and problems must never show.
const canary = "Zuzana Kanárik"

func canaryDiffs() []engine.Diff {
	return []engine.Diff{{Side: crm.Right, Field: "LastName", Before: crm.NullValue(), After: crm.TextValue(canary), Rule: "left_changed"}}
}

func canaryFields() crm.PerSide[crm.Fields] {
	f := crm.Fields{"lastname": crm.TextValue(canary), "phone": crm.NullValue()}
	return crm.PerSide[crm.Fields]{Left: f, Right: f}
}

func canaryEntry() engine.Entry {
	return engine.Entry{
		ID: "log_1", Connection: "con_x", Run: "run_x", Side: crm.Left, Record: "1", Outcome: crm.Failed, Code: "invalid_value",
		Diffs: canaryDiffs(), URL: "https://api.example.com/x?q=" + canary, Request: canary, Response: canary,
	}
}

func (f *fakeEngine) ListRecords(context.Context, crm.WorkspaceID, crm.ConnectionID, crm.SyncID, crm.State, string, int, string) ([]engine.RecordView, string, error) {
	return []engine.RecordView{{Side: crm.Left, ID: "1", State: crm.StateInSync, Values: canaryFields()}}, "", nil
}

func (f *fakeEngine) GetRecord(_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, _ crm.SyncID, side crm.Side, rec crm.RecordID) (engine.RecordView, error) {
	if rec == "missing" {
		return engine.RecordView{}, fault.New("test: record", fault.NotFound, "", "there is no such record")
	}
	return engine.RecordView{Side: side, ID: rec, State: crm.StateInSync, Values: canaryFields(), Base: map[crm.MappingID]any{"last": canary}, History: []engine.Entry{canaryEntry()}}, nil
}

func (f *fakeEngine) Explain(_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, _ crm.SyncID, side crm.Side, rec crm.RecordID) (engine.Explanation, error) {
	v := crm.TextValue(canary)
	return engine.Explanation{
		Side: side, ID: rec, Filters: []engine.FilterClause{{Rule: "r", Field: "f", Value: v, Wanted: crm.TextValue("x")}},
		Fields: []engine.FieldVerdict{{Mapping: "last", Left: v, Right: v, After: v}},
	}, nil
}

func (f *fakeEngine) SyncRecord(_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, _ crm.Side, rec crm.RecordID) (engine.Run, error) {
	f.note("sync %s", rec)
	return f.run(ws, id, sync, engine.RunRecord), nil
}

func (f *fakeEngine) LinkRecords(_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, _ crm.Side, rec, partner crm.RecordID) (engine.Run, error) {
	f.note("link %s %s", rec, partner)
	return f.run(ws, id, sync, engine.RunRecord), nil
}

func (f *fakeEngine) UnlinkRecord(_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, _ crm.Side, rec crm.RecordID) (engine.Run, error) {
	f.note("unlink %s", rec)
	return f.run(ws, id, sync, engine.RunRecord), nil
}

func (f *fakeEngine) ResolveRecord(_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, _ crm.Side, rec crm.RecordID, fields map[crm.MappingID]engine.Resolution) (engine.Run, error) {
	f.note("resolve %s", rec)
	f.resolve = fields
	return f.run(ws, id, sync, engine.RunRecord), nil
}

func (f *fakeEngine) ListLog(_ context.Context, ws crm.WorkspaceID, filter engine.LogFilter, limit int, cursor string) ([]engine.Entry, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filters = append(f.filters, filter)
	if ws != DefaultWorkspace || filter.Connection == "" {
		return nil, "", fault.New("test: log", fault.Invalid, "connection_required", "name a connection")
	}
	start, err := strconv.Atoi("0" + cursor)
	if err != nil || start > len(f.entries) {
		return nil, "", fault.New("test: log", fault.Invalid, "malformed_cursor", "the cursor does not belong to this list")
	}
	end := min(len(f.entries), start+limit)
	var out []engine.Entry
	for _, e := range f.entries[start:end] {
		if (filter.Outcomes == nil || slices.Contains(filter.Outcomes, e.Outcome)) && (filter.Connection == "" || filter.Connection == e.Connection) {
			out = append(out, e)
		}
	}
	if end == len(f.entries) {
		return out, "", nil
	}
	return out, strconv.Itoa(end), nil
}

func (f *fakeEngine) GetEntry(_ context.Context, ws crm.WorkspaceID, id string) (engine.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.entries {
		if e.ID == id && ws == DefaultWorkspace {
			return e, nil
		}
	}
	return engine.Entry{}, fault.New("test: entry", fault.NotFound, "", "there is no such entry")
}

func (f *fakeEngine) RetryEntry(_ context.Context, ws crm.WorkspaceID, id string, values crm.Fields) (engine.Run, error) {
	f.note("retry %s", id)
	f.values = values
	return f.run(ws, "con_x", "contacts", engine.RunRetry), nil
}

func (f *fakeEngine) RetryFailed(_ context.Context, ws crm.WorkspaceID, filter engine.LogFilter) (engine.Run, error) {
	if filter.Connection == "" || filter.Sync == "" {
		return engine.Run{}, fault.New("test: retry", fault.Invalid, "sync_required", "name a sync")
	}
	f.note("retry all %v", filter.Outcomes)
	return f.run(ws, filter.Connection, "contacts", engine.RunRetry), nil
}

func (f *fakeEngine) ListDead(_ context.Context, ws crm.WorkspaceID, con crm.ConnectionID, _ int, _ string) ([]engine.DeadItem, string, error) {
	if ws != DefaultWorkspace {
		return nil, "", nil
	}
	if con == "" {
		return nil, "", fault.New("test: dead items", fault.Invalid, "connection_required", "name a connection")
	}
	return []engine.DeadItem{{ID: "dead_1", Connection: con, Side: crm.Left, Code: "internal_error"}}, "", nil
}

func (f *fakeEngine) RedriveDead(_ context.Context, _ crm.WorkspaceID, con crm.ConnectionID) (int, error) {
	f.note("redrive %s", con)
	return 1, nil
}

func (f *fakeEngine) ConfirmDeletions(_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, sync crm.SyncID) error {
	f.note("confirm %s", sync)
	return nil
}

func (f *fakeEngine) Fields(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, object string, _ bool) ([]crm.Field, error) {
	c, _, err := f.open(ctx, ws, account)
	if err != nil {
		return nil, err
	}
	return c.Fields(ctx, object)
}

func (f *fakeEngine) AccountAuthorized(_ context.Context, _ crm.WorkspaceID, account crm.AccountID) error {
	f.note("authorized %s", account)
	return nil
}

func (f *fakeEngine) DiscardDeletions(_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, sync crm.SyncID) error {
	f.note("discard %s", sync)
	return nil
}

func (f *fakeEngine) Webhook(_ context.Context, _ crm.WorkspaceID, _ crm.AccountID, events []connector.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hookErr != nil {
		return f.hookErr
	}
	f.events = append(f.events, events...)
	return nil
}

var (
	_ Engine               = (*fakeEngine)(nil)
	_ access.Authenticator = (*access.Keys)(nil)
)
