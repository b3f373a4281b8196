package fakekit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/pause"
)

// MaxBody bounds the body of a request to a fake, in bytes.
const MaxBody = 16 << 20

// Config is how to start a fake. The zero Config is an empty app on real time.
type Config struct {
	Now     func() time.Time // nil = time.Now
	Seed    int              // people to start with, in the app's own slot
	Rand    uint64           // seed of every rate; equal seeds give equal runs
	Latency time.Duration    // added to every answer
	Lag     time.Duration    // until a change shows in the app's search
	BaseURL string           // as callers see it; "" = from each request's Host
	// Sleep waits for d or until ctx ends; nil waits in real time. A simulation
	// hands in one that moves its own clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// RetryScale shortens the app's waits between webhook attempts: 0.001 makes
	// a minute 60 ms. 0 = 1, the app's own.
	RetryScale float64
}

// Fake is a fake app.
type Fake interface {
	http.Handler
	// Core is the fake's knobs.
	Core() *Core
}

// App is what a fake app gives the core. All methods but Routes are called
// with the core's lock held; handlers of Routes are, too.
type App interface {
	// Name is the app's ID: "hubspot".
	Name() string
	// Routes lists the app's own endpoints.
	Routes() []Route
	// Seed adds the people of a slot: 0 or 1. See People.
	Seed(people []Person, at time.Time)
	// Slot is the slot that Config.Seed uses.
	Slot() int

	// Create, Update, Delete, Restore and Merge are user edits: by the app's own
	// rules, with its webhooks. A refusal is an error whose text says why.
	Create(object string, fields map[string]string) (*Record, error)
	Update(object, id string, fields map[string]string) (*Record, error)
	Delete(object, id string) error
	Restore(object, id string) (*Record, error)
	// Merge puts the record id into the record into, and returns the survivor.
	Merge(object, id, into string) (*Record, error)

	// Refuse writes the app's own error body for a status that was injected.
	Refuse(w http.ResponseWriter, r *http.Request, status int)
	// Throttle writes the app's own answer to a call above a limit.
	Throttle(w http.ResponseWriter, r *http.Request, kind LimitKind, retryAfter time.Duration)
	// Unknown writes the app's own answer to an unknown path (404) or method (405).
	Unknown(w http.ResponseWriter, r *http.Request, status int)

	// Pack makes the request that carries events of one delivery, signed as at now.
	Pack(hook Webhooks, events []Event, attempt int, now time.Time) Packed
	// PackLimit is how many events one delivery carries at most.
	PackLimit() int
	// Accepted reports whether the receiver's answer is a success.
	Accepted(status int, body []byte) bool
	// RetryIn is the wait after that many failed attempts; ok is false to give up.
	RetryIn(attempt int) (wait time.Duration, ok bool)
}

// Route is one endpoint of an app.
type Route struct {
	Pattern string // as http.ServeMux takes it: "POST /crm/v3/objects/{object}/search"
	Handler http.HandlerFunc
	Write   bool // has an effect: lose_reply applies to it
	Search  bool // counts against the search limit as well
	Free    bool // counts against no limit
	Cost    int  // of Limits.Daily, where an app counts more than calls; 0 = 1
}

// Core is a fake's pipeline and knobs. Safe for concurrent use: one lock covers
// the app's state, so that each request is one step.
type Core struct {
	app App
	cfg Config
	mux *http.ServeMux
	run map[string]*Route // by pattern

	mu      sync.Mutex
	rng     *rand.Rand
	offset  time.Duration
	lag     time.Duration
	jitter  bool
	latency time.Duration
	version int64
	tables  []*Table
	faults  []*Fault
	limits  limiter
	counts  counts
	conduct conduct
	hooks   hookState
	tokens  Tokens
	knobs   []Knob
	knobMux *http.ServeMux
}

// New returns the pipeline in front of app. The app creates its tables with
// NewTable first, and calls Start when it is ready.
func New(cfg Config) *Core {
	c := &Core{
		cfg: cfg, lag: cfg.Lag, latency: cfg.Latency,
		rng: rand.New(rand.NewPCG(cfg.Rand, 0x10c57e9)), //nolint:gosec // repeatable chance for tests
		run: map[string]*Route{},
	}
	if c.cfg.Now == nil {
		c.cfg.Now = time.Now
	}
	if c.cfg.Sleep == nil {
		c.cfg.Sleep = pause.For
	}
	if c.cfg.RetryScale == 0 {
		c.cfg.RetryScale = 1
	}
	c.tokens.core = c
	c.counts.reset()
	return c
}

// Start registers the app's routes and seeds its people.
func (c *Core) Start(app App) {
	c.app = app
	c.mux = http.NewServeMux()
	for _, r := range app.Routes() {
		c.mux.Handle(r.Pattern, r.Handler)
		c.run[r.Pattern] = &r
	}
	c.addKnobs()
	if c.cfg.Seed > 0 {
		c.Seed(c.cfg.Seed, app.Slot())
	}
}

// Core returns c, so that a fake may embed it.
func (c *Core) Core() *Core { return c }

// Now is the app's own time: Config.Now and the offset of the clock knob,
// without the monotonic part. Call it with the lock held or from a handler.
func (c *Core) Now() time.Time { return c.now() }

func (c *Core) now() time.Time { return c.cfg.Now().Add(c.offset).Round(0).UTC() }

// Tick returns the app's time in milliseconds for the next modification.
func (c *Core) Tick() time.Time { return c.now().Truncate(time.Millisecond) }

// Tokens is the fake's book of tokens, for handlers and knobs.
func (c *Core) Tokens() *Tokens { return &c.tokens }

// Chance returns a number in [0,1), for handlers.
func (c *Core) Chance() float64 { return c.rng.Float64() }

func (c *Core) indexLag() time.Duration {
	if c.jitter && c.lag > 0 {
		return time.Duration(c.rng.Int64N(int64(c.lag) + 1))
	}
	return c.lag
}

// BaseURL is the fake's address as the caller of r sees it, without a slash at the end.
func (c *Core) BaseURL(r *http.Request) string {
	if c.cfg.BaseURL != "" {
		return strings.TrimRight(c.cfg.BaseURL, "/")
	}
	scheme := "http"
	if r.TLS != nil || r.URL.Scheme == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// Table returns an object's table, by the app's own name of it.
func (c *Core) Table(object string) (*Table, bool) {
	for _, t := range c.tables {
		if strings.EqualFold(t.Object, object) {
			return t, true
		}
	}
	return nil, false
}

// Lock takes the core's lock for a caller that looks at tables itself.
func (c *Core) Lock() { c.mu.Lock() }

// Unlock gives it back.
func (c *Core) Unlock() { c.mu.Unlock() }

// ServeHTTP serves knobs and the app.
func (c *Core) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			http.Error(w, "request body too large", http.StatusRequestEntityTooLarge)
			return
		}
		panic(http.ErrAbortHandler) // the caller went away
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.URL.Path == "/_fake" || strings.HasPrefix(r.URL.Path, "/_fake/") {
		c.serveKnob(w, r)
		return
	}
	c.serveApp(w, r)
}

// serveApp is one call of the app: latency, faults, limits, the app itself, and
// what a fault does to the answer.
func (c *Core) serveApp(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	_, pattern := c.mux.Handler(r)
	route := c.run[pattern]

	c.mu.Lock()
	c.counts.add(c.endpoint(r, pattern))
	fault := c.matchFault(r, route)
	latency := c.latency
	c.mu.Unlock()

	if err := c.cfg.Sleep(ctx, latency); err != nil {
		panic(http.ErrAbortHandler)
	}
	if fault != nil && !c.before(ctx, w, r, fault) {
		return
	}
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	c.mu.Lock()
	switch {
	case route == nil:
		c.app.Unknown(rec, r, c.unknownStatus(r))
	default:
		if kind, wait, over := c.limits.take(c.now(), route); over {
			c.counts.throttled++
			c.app.Throttle(rec, r, kind, wait)
			break
		}
		c.mux.ServeHTTP(rec, r)
	}
	date := c.now()
	c.mu.Unlock()
	// Every answer tells the app's own time, which the clock knob may have moved.
	rec.header.Set("Date", date.Format(http.TimeFormat))
	if fault != nil && !c.after(ctx, w, r, fault, rec) {
		return
	}
	rec.copyTo(w)
}

// unknownStatus tells an unknown path from an unknown method of a known one.
func (c *Core) unknownStatus(r *http.Request) int {
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		probe := r.Clone(context.Background())
		probe.Method = m
		if _, p := c.mux.Handler(probe); c.run[p] != nil {
			return http.StatusMethodNotAllowed
		}
	}
	return http.StatusNotFound
}

func (c *Core) endpoint(r *http.Request, pattern string) string {
	if pattern == "" || c.run[pattern] == nil {
		return "unknown"
	}
	if strings.Contains(pattern, " ") {
		return pattern
	}
	return r.Method + " " + pattern
}

// recorder keeps an answer until the pipeline knows what to do with it.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.body.Write(b)
}

func (r *recorder) copyTo(w http.ResponseWriter) {
	for k, v := range r.header {
		w.Header()[k] = slices.Clone(v)
	}
	if r.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(r.body.Len()))
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes())
}

// Seed adds n people of a slot, the oldest modified n seconds ago and each a
// second after the one before.
func (c *Core) Seed(n, slot int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.app.Seed(People(n, slot), c.Tick().Add(-time.Duration(n)*time.Second))
}

// SetLag sets how long a change stays out of the app's search; with jitter each
// change takes a time of its own, up to lag.
func (c *Core) SetLag(lag time.Duration, jitter bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lag, c.jitter = lag, jitter
}

// SetLatency sets the time added to every answer.
func (c *Core) SetLatency(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latency = d
}

// SetClock sets how far the app's clock is off.
func (c *Core) SetClock(offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = offset
}

// CreateRecord makes a record as a user of the app would.
func (c *Core) CreateRecord(object string, fields map[string]string) (*Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.app.Create(object, fields)
}

// UpdateRecord edits a record as a user would; an empty value clears a field.
func (c *Core) UpdateRecord(object, id string, fields map[string]string) (*Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.app.Update(object, id, fields)
}

// DeleteRecord deletes a record as a user would.
func (c *Core) DeleteRecord(object, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.app.Delete(object, id)
}

// RestoreRecord takes a record back from the recycle bin.
func (c *Core) RestoreRecord(object, id string) (*Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.app.Restore(object, id)
}

// MergeRecord merges record id into record into, and returns the survivor.
func (c *Core) MergeRecord(object, id, into string) (*Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.app.Merge(object, id, into)
}

// Records returns all records of an object by ID, deleted ones too.
func (c *Core) Records(object string) []*Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.Table(object)
	if !ok {
		return nil
	}
	all := make([]*Record, 0, t.ids.n)
	t.Each("", func(r *Record) bool { all = append(all, r); return true })
	return all
}

var _ Fake = (*Core)(nil)
