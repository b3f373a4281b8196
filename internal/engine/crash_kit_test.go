package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/memqueue"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// crashMode is what happens at one I/O boundary.
type crashMode int

const (
	dieBefore crashMode = iota // the process ends before the request
	dieAfter                   // the request lands, then the process ends
	loseReply                  // the request lands, its answer is lost, the process goes on
	failOnce                   // the request does not land, and the process goes on
	crashModes
	beaten // a write finds that somebody was faster; not of every request
)

func (m crashMode) String() string {
	return [...]string{"die before", "die after", "lose the reply", "fail once", "", "beaten"}[m]
}

// crashBed is two model apps with an engine between them, whose every request
// to store, queue and apps passes one boundary. At request number at, once,
// the mode happens.
type crashBed struct {
	t     *testing.T
	now   time.Time
	ids   int
	store *memstore.Store
	queue *memqueue.Queue
	apps  [2]*modelapp.App
	eng   *engine.Engine
	open  func(crm.AccountID) (connector.Connector, error) // other apps than these; nil = these

	meanwhile func(at int)      // before each request; nil = nothing
	before    func(what string) // the same, by what it is
	live      bool              // count and strike
	count     int
	at        int            // -1 = never
	seen      map[string]int // requests by what they are
	what      string         // strike at a request that is this; "" = never
	nth       int            // of those, the first is 0
	later     map[string]int // requests after the process died
	then      string         // one of them fails, too
	thenNth   int
	rule      func(side crm.Side, call string) error // what an app says instead of an answer; nil = nothing
	trailed   bool                                   // keep where each request came from
	hooked    bool                                   // what the engine asks of its surroundings may fail, too
	trail     []request
	mode      crashMode
	dead      bool
	died      bool     // once
	lot       int      // records planned together; 0 = as it comes
	gone      []string // texts that an erasure must leave nothing of
	notes     []string // what calls answered, for the story
	mu        sync.Mutex
	marks     map[string]bool // rare states that were reached
	said      map[string]int  // what was logged, how often
}

func newCrashBed(
	t *testing.T, at int, mode crashMode, change func(*crm.Connection), options func(side int, o *modelapp.Options),
) *crashBed {
	b := &crashBed{
		t: t, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), at: at, mode: mode, seen: map[string]int{},
		marks: map[string]bool{}, later: map[string]int{}, said: map[string]int{},
	}
	b.store = memstore.New(b.clock)
	b.queue = memqueue.New(b.clock, memqueue.Options{MaxReceives: 100})
	for i := range b.apps {
		o := modelapp.Options{
			Now: b.clock, Prefix: []string{"l_", "r_"}[i], DeletedFeed: true, Merges: true, Archive: true,
			History: true, AnswerValues: i == 0, ID: crm.AppID([]string{"one", "two"}[i]),
		}
		if options != nil {
			options(i, &o)
		}
		b.apps[i] = modelapp.New(o)
	}
	b.eng = b.process()
	c := crashDocument()
	if change != nil {
		change(c)
	}
	if _, err := store.SaveConnection(t.Context(), b.store, testbed.Workspace, c, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func crashDocument() *crm.Connection {
	pair := func(name string) crm.Mapping {
		return crm.Mapping{ID: crm.MappingID(name), Left: []string{"l_" + name}, Right: []string{"r_" + name}}
	}
	c := testbed.Document()
	c.Syncs[0].Left.Object, c.Syncs[0].Right.Object = modelapp.Object, modelapp.Object
	c.Syncs[0].Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"l_email", "r_email"}}})
	tags := pair(modelapp.Tags)
	tags.Transform.Type = crm.TransformList
	c.Syncs[0].Mappings = []crm.Mapping{
		pair(modelapp.Email), pair(modelapp.First), pair(modelapp.Last), pair(modelapp.City), tags,
	}
	return c
}

func (b *crashBed) clock() time.Time { return b.now }

// process starts a process: an engine with empty caches.
func (b *crashBed) process() *engine.Engine {
	accounts := map[crm.AccountID]int{testbed.LeftAccount: 0, testbed.RightAccount: 1}
	e, err := engine.New(engine.Config{
		Store: crashStore{b.store, b}, Queue: crashQueue{b.queue, b}, Now: b.clock, Tuning: engine.Tuning{
			EraseAgain: 10 * time.Second, LotSize: b.lot,
		},
		Mark: func(name string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.marks[name] = true
		},
		Log:   slog.New(&diary{b}),
		NewID: func(prefix string) string { b.ids++; return fmt.Sprintf("%s_%08d", prefix, b.ids) },
		ErasureKey: func(context.Context, crm.WorkspaceID) ([]byte, error) {
			return []byte("a key of this world alone"), b.around("erasure key")
		},
		Audited: func(_ context.Context, _ crm.WorkspaceID, action, target string, after []byte) error {
			b.tells(fmt.Sprintf("audited %s %s, %d bytes", action, target, len(after)))
			return b.around("audited")
		},
		Refused: func(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) error {
			b.tells("refused by " + string(id))
			return b.around("refused")
		},
		Sleep: func(_ context.Context, d time.Duration) { b.now = b.now.Add(d) },
		Open: func(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) (connector.Connector, error) {
			if b.open != nil {
				return b.open(id)
			}
			return b.apps[accounts[id]].Open(nil, b.via(crm.Sides[accounts[id]])), b.around("open")
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// around is a request to the engine's surroundings.
func (b *crashBed) around(what string) error {
	if !b.hooked {
		return nil
	}
	return b.io("hook "+what, func() {})
}

func (b *crashBed) tells(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said[what]++
}

var errDead = errors.New("the process is dead")

func failed(what string) error {
	return &fault.Error{Op: "crash: " + what, Kind: fault.Unavailable, Message: "not now"}
}

func lost(what string) error {
	return &fault.Error{Op: "crash: " + what, Kind: fault.Unavailable, Message: "the answer was lost", MayHaveLanded: true}
}

// io is the boundary. It returns whether the caller may go on, or what it hears instead.
func (b *crashBed) io(what string, run func()) error {
	if b.dead {
		return errDead // deferred functions of the dead process still run; nothing they do has an effect
	}
	strike := false
	if b.live {
		strike = b.count == b.at || what == b.what && b.seen[what] == b.nth
		if b.trailed {
			b.trail = append(b.trail, request{what, b.seen[what], engineFrames()})
		}
		if b.meanwhile != nil {
			b.meanwhile(b.count)
		}
		if b.before != nil {
			b.before(what)
		}
		b.count++
		b.seen[what]++
		if b.died {
			n := b.later[what]
			b.later[what]++
			if what == b.then && n == b.thenNth {
				return failed(what)
			}
		}
	}
	if strike && b.mode == failOnce {
		return failed(what)
	}
	if strike && b.mode == beaten {
		return fault.New("crash: "+what, fault.Conflict, "", "somebody was faster")
	}
	if strike && b.mode == dieBefore {
		b.dead = true
		runtime.Goexit()
	}
	run()
	if strike && b.mode == dieAfter {
		b.dead = true
		runtime.Goexit()
	}
	if strike {
		return lost(what)
	}
	return nil
}

func (b *crashBed) via(side crm.Side) modelapp.Via {
	return func(_ context.Context, run func() (any, error)) (out any, err error) {
		what := appCall()
		e := b.io(what, func() {
			if b.rule != nil {
				err = b.rule(side, strings.TrimPrefix(what, "app "))
			}
			if err == nil {
				out, err = run()
			}
		})
		if e != nil {
			return nil, e
		}
		return out, err
	}
}

// appCall names the call to an app that is being made.
func appCall() string {
	callers := make([]uintptr, 12)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for {
		f, more := frames.Next()
		if _, name, ok := strings.Cut(f.Function, "modelapp."); ok && !strings.Contains(name, "[") {
			if _, method, ok := strings.Cut(name, ")."); ok {
				name = method
			}
			if _, method, ok := strings.Cut(name, "."); ok && !strings.HasPrefix(method, "func") {
				name = method
			}
			name, _, _ = strings.Cut(name, ".")
			return "app " + name
		}
		if !more {
			return "app"
		}
	}
}

// kindOf names what a request to the store is about: the first item.
func kindOf(what string, keys ...store.Key) string {
	if len(keys) == 0 {
		return "store " + what + " nothing"
	}
	kind, _ := store.KindOf(keys[0])
	return "store " + what + " " + kind.Name
}

func keysOf(ws []store.Write) []store.Key {
	out := make([]store.Key, len(ws))
	for i := range ws {
		out[i] = ws[i].Item.Key
	}
	return out
}

// run calls f in a process. It reports whether the process lived to the end;
// if not, another one takes its place.
func (b *crashBed) run(f func(*engine.Engine)) (lived bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(b.eng)
		lived = true
	}()
	<-done
	if b.dead {
		b.dead, b.died, lived = false, true, false
		b.eng = b.process()
	}
	return lived
}

// ask calls the engine as a client does that tries again until it hears success.
func (b *crashBed) ask(f func(*engine.Engine) error) {
	b.t.Helper()
	for range 20 {
		var err error
		if b.run(func(e *engine.Engine) { err = f(e) }) && err == nil {
			return
		}
		b.now = b.now.Add(time.Second)
	}
	b.t.Fatal("a call never succeeds")
}

// rest lets the system come to rest.
func (b *crashBed) rest() {
	quiet := 0
	for range 2000 {
		if b.turn() || !b.idle() {
			quiet = 0
			continue
		}
		if quiet++; quiet > 2 {
			return
		}
	}
	b.t.Fatal("the system does not come to rest")
}

// turn lets the system do what it can now, and five seconds pass. It reports
// whether there was something to do.
func (b *crashBed) turn() bool {
	worked, busy := b.works(), false
	b.run(func(e *engine.Engine) { busy, _ = e.Round(b.t.Context()) })
	b.now = b.now.Add(5 * time.Second)
	return worked > 0 || busy
}

// works lets the writer alone take what is on the queue, and counts it.
func (b *crashBed) works() (worked int) {
	ctx := b.t.Context()
	b.run(func(e *engine.Engine) {
		ds, err := crashQueue{b.queue, b}.Receive(ctx, 10, 2*time.Minute)
		if err != nil {
			return
		}
		worked = len(ds)
		for _, v := range e.Work(ctx, ds) {
			if v.Ack {
				crashQueue{b.queue, b}.Delete(ctx, []string{v.Receipt})
			} else {
				crashQueue{b.queue, b}.SetVisibility(ctx, []string{v.Receipt}, v.Retry)
			}
		}
	})
	return worked
}

func (b *crashBed) idle() bool {
	defer func(live bool) { b.live = live }(b.live)
	b.live = false // the test looks, not a process
	d, err := b.queue.Depth(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if d.Visible+d.InFlight > 0 {
		return false
	}
	waiting := false
	b.store.Each(store.Links, func(it store.Item) bool {
		for _, kind := range []string{"p#", "n#", "x#", "i#", "y#", "erasing"} {
			waiting = waiting || strings.HasPrefix(it.Partition, kind)
		}
		return !waiting
	})
	if waiting {
		return false
	}
	open, err := engine.RunIsOpen(b.t.Context(), b.eng, testbed.Workspace, testbed.Connection)
	return err == nil && !open
}

// pull makes the schedule fire.
func (b *crashBed) pull() {
	b.now = b.now.Add(5 * time.Minute)
	b.run(func(e *engine.Engine) {
		_ = e.Pull(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts) // the next firing tries again
	})
}

func (b *crashBed) hook(side crm.Side, kind connector.EventKind, id crm.RecordID) {
	account := testbed.LeftAccount
	if side == crm.Right {
		account = testbed.RightAccount
	}
	b.ask(func(e *engine.Engine) error {
		return e.Webhook(b.t.Context(), testbed.Workspace, account, []connector.Event{
			{Kind: kind, Object: modelapp.Object, ID: id},
		})
	})
}

// fields builds raw fields of a side: "email", "a@example.com", …
func (b *crashBed) fields(side crm.Side, kv ...string) crm.Fields {
	f := crm.Fields{}
	for i := 0; i < len(kv); i += 2 {
		f[b.apps[side.Index()].Name(kv[i])] = crm.TextValue(kv[i+1])
	}
	return f
}

func (b *crashBed) create(side crm.Side, kv ...string) crm.RecordID {
	b.t.Helper()
	id, err := b.apps[side.Index()].Create(b.fields(side, kv...))
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

func (b *crashBed) edit(side crm.Side, id crm.RecordID, kv ...string) {
	b.t.Helper()
	b.now = b.now.Add(time.Second)
	if err := b.apps[side.Index()].Edit(id, b.fields(side, kv...)); err != nil {
		b.t.Fatal(err)
	}
}

// byEmail returns the live record of a side with that address.
func (b *crashBed) byEmail(side crm.Side, email string) crm.RecordID {
	b.t.Helper()
	app := b.apps[side.Index()]
	for _, r := range app.Rows() {
		if !r.Deleted && r.Fields[app.Name(modelapp.Email)].Text() == email {
			return r.ID
		}
	}
	b.t.Fatalf("nobody on the %s has that address", side)
	return ""
}

// unbalanced describes the runs whose records did not each get one outcome (S28).
func (b *crashBed) unbalanced() (lines []string) {
	runs, _, err := b.eng.ListRuns(b.t.Context(), testbed.Workspace, "", 200, "")
	if err != nil {
		return []string{"runs: " + fault.CodeOf(err)}
	}
	for i := range runs {
		r, sum := &runs[i], int64(0)
		for _, n := range r.Outcomes {
			sum += n
		}
		if r.State == engine.RunQueued || r.State == engine.RunRunning {
			lines = append(lines, fmt.Sprintf("run %s is %s for ever", r.Kind, r.State))
		}
		if r.Kind != engine.RunWebhook && (sum != r.Done || r.State == engine.RunDone && r.Done != r.Total) {
			lines = append(lines, fmt.Sprintf("run %s, %s: %d entered, %d done, outcomes %v", r.Kind, r.State, r.Total, r.Done,
				r.Outcomes))
		}
	}
	return lines
}

// final describes what both apps hold and what is linked, by values, since IDs
// depend on the order of creation.
func (b *crashBed) final() string {
	ctx := b.t.Context()
	name := map[crm.RecordID]string{}
	lines := b.unbalanced()
	for i, app := range b.apps {
		for _, r := range app.Rows() {
			var parts []string
			for _, f := range []string{modelapp.Email, modelapp.First, modelapp.Last, modelapp.City, modelapp.Tags} {
				items := r.Fields[app.Name(f)].Items()
				slices.Sort(items)
				parts = append(parts, strings.Join(items, ";"))
			}
			who := strings.Join(parts, "|")
			name[r.ID] = who
			lines = append(lines, fmt.Sprintf("%s %s deleted=%v", crm.Sides[i], who, r.Deleted))
		}
	}
	for cursor := ""; ; {
		rs, next, err := b.eng.ListRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
			engine.RecordFilter{}, 200, cursor)
		if err != nil {
			lines = append(lines, "records: "+fault.CodeOf(err))
			break
		}
		for _, r := range rs {
			lines = append(lines, fmt.Sprintf("link %s %s = %s %s %s", r.Side, name[r.ID], name[r.Partner], r.State, r.Code))
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	lines = append(lines, b.traces()...)
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// crashStore passes the boundary at each request.
type crashStore struct {
	*memstore.Store
	b *crashBed
}

func (s crashStore) Get(ctx context.Context, k store.Key) (out store.Item, err error) {
	if e := s.b.io(kindOf("get", k), func() { out, err = s.Store.Get(ctx, k) }); e != nil {
		return store.Item{}, e
	}
	return out, err
}

func (s crashStore) BatchGet(ctx context.Context, ks []store.Key) (out []store.Item, err error) {
	if e := s.b.io(kindOf("batch get", ks...), func() { out, err = s.Store.BatchGet(ctx, ks) }); e != nil {
		return nil, e
	}
	return out, err
}

func (s crashStore) BatchGetStale(ctx context.Context, ks []store.Key) ([]store.Item, error) {
	return s.BatchGet(ctx, ks)
}

func (s crashStore) Write(ctx context.Context, w store.Write) (v int64, err error) {
	what := "write"
	if w.If == store.IfAbsent {
		what = "write new"
	}
	if e := s.b.io(kindOf(what, w.Item.Key), func() { v, err = s.Store.Write(ctx, w) }); e != nil {
		return 0, e
	}
	return v, err
}

func (s crashStore) BatchWrite(ctx context.Context, ws []store.Write) (vs []int64, errs []error) {
	if e := s.b.io(kindOf("batch write", keysOf(ws)...), func() { vs, errs = s.Store.BatchWrite(ctx, ws) }); e != nil {
		return make([]int64, len(ws)), slices.Repeat([]error{e}, len(ws))
	}
	return vs, errs
}

func (s crashStore) Transact(ctx context.Context, ws []store.Write) (err error) {
	if e := s.b.io(kindOf("transact", keysOf(ws)...), func() { err = s.Store.Transact(ctx, ws) }); e != nil {
		return e
	}
	return err
}

func (s crashStore) Query(ctx context.Context, q store.Query) (p store.Page, err error) {
	if e := s.b.io(kindOf("query", store.Key{Table: q.Table, Partition: q.Partition}), func() {
		p, err = s.Store.Query(ctx, q)
	}); e != nil {
		return store.Page{}, e
	}
	return p, err
}

// crashQueue passes the boundary at each request.
type crashQueue struct {
	*memqueue.Queue
	b *crashBed
}

func (q crashQueue) Send(ctx context.Context, ms []queue.Message) (errs []error) {
	if e := q.b.io("queue send", func() { errs = q.Queue.Send(ctx, ms) }); e != nil {
		return slices.Repeat([]error{e}, len(ms))
	}
	return errs
}

func (q crashQueue) Receive(ctx context.Context, n int, d time.Duration) (out []queue.Delivery, err error) {
	if e := q.b.io("queue receive", func() { out, err = q.Queue.Receive(ctx, n, d) }); e != nil {
		return nil, e
	}
	return out, err
}

func (q crashQueue) Delete(ctx context.Context, rs []string) (errs []error) {
	if e := q.b.io("queue delete", func() { errs = q.Queue.Delete(ctx, rs) }); e != nil {
		return slices.Repeat([]error{e}, len(rs))
	}
	return errs
}

func (q crashQueue) SetVisibility(ctx context.Context, rs []string, d time.Duration) (errs []error) {
	if e := q.b.io("queue set visibility", func() { errs = q.Queue.SetVisibility(ctx, rs, d) }); e != nil {
		return slices.Repeat([]error{e}, len(rs))
	}
	return errs
}

var (
	_ store.Store = crashStore{}
	_ queue.Queue = crashQueue{}
)
