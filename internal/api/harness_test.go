package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/egress"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
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
	clock   *testclock.Clock
	store   *ledger
	engine  *fakeEngine
	handler http.Handler
	server  *server
	drivers map[crm.AppID]connector.Driver
	log     *syncBuffer
	ids     atomic.Int64
	down    atomic.Bool                      // the apps do not answer
	removes func(object, field string) error // of the app that deletes fields; nil = none does
	gone    string                           // a field that apps do not have any more
	left    crm.AccountID
	right   crm.AccountID
}

// ledger is a store that counts what is asked of it, and in which one request
// may fail.
type ledger struct {
	*memstore.Store
	writes   atomic.Int64
	gets     atomic.Int64
	before   atomic.Value // func(store.Write), called before each write and the first of a transaction
	requests atomic.Int64
	failAt   atomic.Int64 // the number of the request that fails; 0 = none
}

// trouble is what the failing request hears.
func (l *ledger) trouble() error {
	if n := l.requests.Add(1); n == l.failAt.Load() {
		return fault.New("test: store", fault.Unavailable, "", "the store does not answer")
	}
	return nil
}

func (l *ledger) Get(ctx context.Context, key store.Key) (store.Item, error) {
	l.gets.Add(1)
	if err := l.trouble(); err != nil {
		return store.Item{}, err
	}
	return l.Store.Get(ctx, key)
}

func (l *ledger) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	if err := l.trouble(); err != nil {
		return nil, err
	}
	return l.Store.BatchGet(ctx, keys)
}

func (l *ledger) Query(ctx context.Context, q store.Query) (store.Page, error) {
	if err := l.trouble(); err != nil {
		return store.Page{}, err
	}
	return l.Store.Query(ctx, q)
}

func (l *ledger) Write(ctx context.Context, w store.Write) (int64, error) {
	l.writes.Add(1)
	if f, ok := l.before.Load().(func(store.Write)); ok {
		f(w)
	}
	if err := l.trouble(); err != nil {
		return 0, err
	}
	return l.Store.Write(ctx, w)
}

func (l *ledger) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	l.writes.Add(int64(len(ws)))
	if err := l.trouble(); err != nil {
		return make([]int64, len(ws)), slices.Repeat([]error{err}, len(ws))
	}
	return l.Store.BatchWrite(ctx, ws)
}

func (l *ledger) Transact(ctx context.Context, ws []store.Write) error {
	if f, ok := l.before.Load().(func(store.Write)); ok {
		f(ws[0])
	}
	l.writes.Add(int64(len(ws)))
	if err := l.trouble(); err != nil {
		return err
	}
	return l.Store.Transact(ctx, ws)
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

func (w *world) now() time.Time { return w.clock.Now() }

func (w *world) newID(prefix string) string { return fmt.Sprintf("%s_%012d", prefix, w.ids.Add(1)) }

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	start := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	w := &world{t: t, log: &syncBuffer{}, clock: testclock.At(start)}
	w.store = &ledger{Store: memstore.New(w.now)}
	sealer, err := localkey.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	w.drivers = map[crm.AppID]connector.Driver{"hubspot": w.driver(hubspotLike), "salesforce": w.driver(salesforceLike)}
	guard, err := egress.New(egress.Options{})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := account.New(account.Options{
		Store: w.store, Sealer: sealer, Drivers: w.drivers, Documents: apps.Reader{}, Now: w.now, NewID: w.newID,
		Rand:     rand.Reader,
		HTTP:     func(crm.App, string) *http.Client { return &http.Client{Transport: noNetwork{t}} },
		CheckURL: guard.CheckURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.engine = newFakeEngine(w)
	w.engine.open = accounts.Open
	alerts, err := alert.New(alert.Options{
		Store: w.store, Engine: w.engine, Accounts: accounts, Audit: access.NewAudit(w.store, w.now, w.newID),
		Mailer: noMail{t},
		HTTP:   guard.Client, CheckURL: guard.CheckURL, Sealer: sealer, Rand: rand.Reader, Now: w.now, NewID: w.newID,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Calls:  func(context.Context, crm.WorkspaceID, account.Account) (int, int, error) { return 7, 0, nil },
		Engine: w.engine, Accounts: accounts, Alerts: alerts, Store: w.store, Now: w.now, NewID: w.newID,
		Logger:   slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		AdminKey: secret.NewText(operatorKey),
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

// noMail fails the test when a mail is sent.
type noMail struct{ t testing.TB }

func (n noMail) Send(context.Context, alert.Mail) error {
	n.t.Error("a mail went out")
	return nil
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
	p, wrong := r.asProblem()
	if wrong != "" {
		t.Fatalf("answer %d: %s: %s", r.status, wrong, r.body)
	}
	return p
}

// asProblem reads a problem; wrong says why it is none, or not a complete one.
func (r reply) asProblem() (p Problem, wrong string) {
	if ct := r.header.Get("Content-Type"); ct != problemType {
		return p, fmt.Sprintf("the media type is %q", ct)
	}
	if err := json.Unmarshal(r.body, &p); err != nil {
		return p, err.Error()
	}
	if p.Status != r.status || p.Code == "" || p.Title == "" || p.Detail == "" || p.RequestID == "" ||
		p.Type != docsPath+"#"+p.Code {
		return p, "the problem is not complete"
	}
	if _, known := meanings[p.Code]; !known {
		return p, "the code is not in the dictionary"
	}
	if p.Remedy == "" || slices.ContainsFunc(p.Errors, func(e ProblemItem) bool {
		return e.Code != "" && e.Remedy == ""
	}) {
		return p, "the answer does not say what to do"
	}
	return p, ""
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
	got := reply{rec.Code, rec.Header(), rec.Body.Bytes()}
	if got.header.Get("Content-Type") == problemType {
		if _, wrong := got.asProblem(); wrong != "" {
			w.t.Errorf("%s %s: answer %d: %s: %s", method, target, got.status, wrong, got.body)
		}
	}
	return got
}

// on is the world as another process serves it.
func (w *world) on(h http.Handler) *world {
	return &world{t: w.t, handler: h}
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
	w.left = crm.AccountID(w.must(201, "POST", "/v1/accounts",
		`{"app":"hubspot","name":"Left","credentials":{"kind":"token","token":"pat-1"}}`).json(w.t)["id"].(string))
	w.right = crm.AccountID(w.must(201, "POST", "/v1/accounts",
		`{"app":"salesforce","name":"Right","credentials":{"kind":"token","token":"pat-2"}}`).json(w.t)["id"].(string))
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
			{"id":"score",
				"left":["score"],"right":["Score__c"],"transform":{"type":"number"},"default":{"to_right":1.10,"to_left":null}}
		]}]}`, name, w.left, w.right)
}

// connect stores a connection and returns its ID and ETag.
func (w *world) connect(name string) (id, tag string) {
	w.t.Helper()
	r := w.must(201, "POST", "/v1/connections", w.document(name))
	return r.json(w.t)["id"].(string), r.header.Get("ETag")
}

// started stores a connection and starts it.
func (w *world) started(name string) string {
	w.t.Helper()
	id, _ := w.connect(name)
	w.must(202, "POST", "/v1/connections/"+id+"/start", "")
	return id
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
		for _, partition := range []string{"workspace", "workspaces", "api_key", "key", "credential", "client", "webhook"} {
			page, err := w.store.Query(ctx, store.Query{
				Table: store.Settings, Workspace: ws, Partition: partition, Limit: store.MaxLimit,
			})
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
