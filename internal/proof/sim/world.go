package sim

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/queue/memqueue"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

const (
	workspace  crm.WorkspaceID  = "ws_sim"
	connection crm.ConnectionID = "con_sim"
)

var accounts = [2]crm.AccountID{"acc_left", "acc_right"}

var epoch = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// world is one seed under way.
type world struct {
	ctx  context.Context
	seed uint64
	rng  *chance // of the scheduler and the faults
	user *chance // of the users
	set  settings
	opts *Options

	now    time.Time
	seq    int64
	timers timers
	tasks  []*task
	rested []*coroutine // that have nothing to do
	taskID int
	cur    *task
	poked  time.Time
	conn   *crm.Connection // as of item version connOf
	connOf int64
	pages  map[pageKey][]engine.Entry // of the log, decoded
	former map[store.Key]formerItem   // of links, for reads that are stale
	serial int64

	store       *memstore.Store
	decoded     *engine.Decoded // of all processes: it tells nothing that their store does not
	queue       *memqueue.Queue
	apps        [2]app
	follow      func(*store.Write)                      // is told what is stored; nil = nobody is
	openAccount func(crm.AccountID) connector.Connector // as a process of the world meets it
	quota       [2]time.Time                            // an app refuses everything until then
	denied      [2]denial                               // an app lets us read and not write
	rounded     time.Time                               // when the last round in peace began
	acted       map[ref]time.Time                       // when a user last did something to a record
	workers     []*proc
	pullers     []*proc
	tickers     []*proc
	intakes     []*proc
	admin       *proc
	schedules   int
	rejoined    bool                 // the generation was raised
	arriving    int                  // events on their way
	merging     time.Time            // when the last event that tells of a merge arrives
	box         [2][]connector.Event // events that have come together
	boxed       [2]bool

	hostile      bool
	steps        int64
	instant      int64 // orders moments
	calls        [2]int64
	deliveries   int64
	acked        map[string]bool // messages whose work was done, or put aside in the store
	trace        uint64
	replacements map[massKey][]time.Time     // writes over values that were known
	let          map[cellKey]bool            // what waited when an admin decided about a mass change
	halted       map[ref]bool                // what was ever told to wait for one, until the next decision
	allowed      map[crm.MappingID]time.Time // when an admin last decided about a mass change
	discarded    map[crm.MappingID]bool      // mappings of which a mass change was discarded

	faults map[string]int64
	marks  map[string]int64
	broken []Violation
	history
}

func newWorld(seed uint64, o *Options) *world {
	w := &world{
		ctx: context.Background(), seed: seed, rng: newChance(seed), opts: o, now: epoch,
		replacements: map[massKey][]time.Time{}, acked: map[string]bool{}, allowed: map[crm.MappingID]time.Time{},
		let: map[cellKey]bool{}, halted: map[ref]bool{}, discarded: map[crm.MappingID]bool{},
		faults: map[string]int64{}, marks: map[string]int64{}, acted: map[ref]time.Time{}, history: newHistory(),
		pages: map[pageKey][]engine.Entry{}, former: map[store.Key]formerItem{},
	}
	w.user = newChance(w.rng.next())
	w.set = draw(w.rng, seed, o)
	w.hands = newHands(seed)
	w.store = memstore.New(func() time.Time { return w.now })
	w.store.Lend() // no engine changes what it stored or read
	w.decoded = engine.NewDecoded()
	w.queue = memqueue.New(func() time.Time { return w.now }, memqueue.Options{
		MaxReceives: w.receiveCap() + receiveSlack, OverlapGroups: w.set.overlap, Pick: w.rng.n,
	})
	w.openApps()
	w.openAccount = func(id crm.AccountID) connector.Connector {
		side := sideOf(slices.Index(accounts[:], id))
		io := appIO{w.apps[side.Index()].open(), w, side}
		if w.pushes(side) {
			return w.toldBy(io)
		}
		return io
	}
	w.set.mappings(w.rng, w.apps[0], w.apps[1])
	if w.set.rules {
		w.drawRules(newChance(seed ^ 0x72756c6573))
	}
	if w.set.policies {
		w.drawPolicies(newChance(seed ^ 0x706f6c6963))
	}
	n := 0
	procs := func(count int) (ps []*proc) {
		for range count {
			n++
			p := &proc{id: n}
			if w.set.skewed {
				p.skew = pick(w.rng, -24*time.Hour, 0, 24*time.Hour, time.Hour)
			}
			ps = append(ps, p)
		}
		return ps
	}
	w.workers, w.pullers, w.tickers, w.intakes = procs(w.set.workers), procs(2), procs(2), procs(3)
	w.admin = procs(1)[0]
	return w
}

// engineOf returns the engine of a process, a new one after its death.
func (w *world) engineOf(p *proc) *engine.Engine {
	if p.eng != nil {
		return p.eng
	}
	life := p.life
	var keeper engine.Keeper
	if w.pushed() {
		keeper = w.keeper()
	}
	e, err := engine.New(engine.Config{
		Keeper: keeper,
		Store:  storeIO{w}, Queue: queueIO{w}, Tuning: w.set.tuning, Log: slog.New(witness{w: w}),
		Open: func(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) (connector.Connector, error) {
			return w.openAccount(id), nil
		},
		Now: func() time.Time { return w.now.Add(p.skew) },
		NewID: func(prefix string) string {
			w.serial++
			return fmt.Sprintf("%s_%08d", prefix, w.serial)
		},
		Sleep:   func(_ context.Context, d time.Duration) { w.sleep(d) },
		Decoded: w.decoded,
		ErasureKey: func(context.Context, crm.WorkspaceID) ([]byte, error) {
			return []byte("a key of this world alone"), nil
		},
		Mark: func(name string) {
			if p.life == life {
				w.mark(name)
			}
		},
	})
	if err != nil {
		panic(err) // the configuration is complete
	}
	p.eng = e
	return e
}

func (w *world) mark(name string) {
	w.marks[name]++
	w.tell("mark %s", name)
}

// violated notes that a promise was broken; the first ends the seed.
func (w *world) violated(id, detail string) {
	w.broken = append(w.broken, Violation{
		Seed: w.seed, Workload: w.opts.Workload, ID: id, Detail: fmt.Sprintf("%s (at %s, step %d)", detail, w.now.Sub(epoch),
			w.steps),
	})
}

func (w *world) failed() string {
	if len(w.broken) > 0 {
		return w.broken[0].ID
	}
	return ""
}

// connect stores the connection, as an admin's draft.
func (w *world) connect() {
	c := &crm.Connection{
		ID: connection, Name: "sim", Enabled: true, Status: crm.StatusDraft, Country: "US",
		Left: crm.End{Account: accounts[0]}, Right: crm.End{Account: accounts[1]}, Syncs: []crm.Sync{w.set.sync},
		Generation: 1, Version: 1,
	}
	if _, err := store.SaveConnection(w.ctx, w.store, workspace, c, 0); err != nil {
		panic(err)
	}
	w.compiled = w.compile(c)
	w.inForceFrom(c)
}

// compile reads settings as the engine does.
func (w *world) compile(c *crm.Connection) *reconcile.Settings {
	var fields [2][]crm.Field
	for i, a := range w.apps {
		f, err := a.open().Fields(w.ctx, a.object())
		if err != nil {
			panic(err)
		}
		fields[i] = f
	}
	compiled, problems := reconcile.Compile(c, &c.Syncs[0], fields[0], fields[1])
	if len(problems) > 0 {
		panic(fmt.Sprint("the settings of the seed do not compile: ", problems))
	}
	return compiled
}

// shut ends every coroutine that is left.
func (w *world) shut() {
	for _, t := range w.tasks {
		t.dead = true
	}
	for n := 0; len(w.tasks) > 0 && n < 1_000_000; n++ {
		w.resume(w.tasks[0])
	}
	for _, c := range w.rested {
		c.stop()
	}
	w.rested = nil
}

func sideOf(i int) crm.Side { return crm.Sides[i] }

func cutRef(s string) (ref, bool) {
	side, id, ok := strings.Cut(s, ":")
	return ref{crm.Side(side), crm.RecordID(id)}, ok
}
