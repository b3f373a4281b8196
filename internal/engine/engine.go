package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Config is what an engine is made of. All but Mark, Log and Tuning are required.
type Config struct {
	Store store.Store
	Queue queue.Queue
	// Open returns the connector of an account, paced by the account's budget.
	Open func(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (connector.Connector, error)
	Now  func() time.Time
	// NewID returns a fresh identifier that sorts by time, such as "run_…".
	NewID func(prefix string) string
	// Sleep waits inside long ticks; it returns early when ctx ends.
	Sleep func(ctx context.Context, d time.Duration)
	Log   *slog.Logger
	// Trace names what is under way, so that the work that it queues can be
	// followed; nil = a new name for each message.
	Trace func() string
	// Mark observes: it is told the name of every rare state reached, and nothing
	// hangs on it. The simulation counts what it met.
	Mark   func(name string)
	Tuning Tuning
	// ErasureKey returns a workspace's key of the hashes that stay of erased
	// people, the same for ever. Nil = nobody can be erased.
	ErasureKey func(ctx context.Context, ws crm.WorkspaceID) ([]byte, error)
	// Decoded is what was decoded already. Engines that share a store may share it;
	// nil = the engine has its own.
	Decoded *Decoded
	// Keeper keeps what apps tell that cannot be asked for their records. Nil = nothing is
	// kept, and their connectors have to answer by themselves.
	Keeper Keeper
	// Audited keeps what was done without a caller; after is JSON or nil. Optional.
	Audited func(ctx context.Context, ws crm.WorkspaceID, action, target string, after []byte) error
	// Refused is told once that an app refuses an account's credentials. Optional.
	Refused func(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) error
}

// Tuning holds sizes and times. The zero value of each field means its default.
type Tuning struct {
	ChunkSize    int           // records per message; 100
	LotSize      int           // records decided on and written together; 100
	Window       int           // chunks of one bulk run in the queue; 10
	InboxAfter   int           // messages in the queue beyond which webhook hints go to the inbox; 50
	ReceiveCap   int           // receives after which a chunk becomes a dead item; 10
	AloneAfter   int           // receives from which a message is worked alone; 3
	MaxRetry     time.Duration // longest redelivery delay; 30 s
	ParkAfter    time.Duration // waits longer than this are parked in the store; 5 s
	Lease        time.Duration // longer than any call to an app; it is renewed while the work goes on; 80 s
	HTTPDeadline time.Duration // longest request to an app; 20 s
	Budget       time.Duration // time after which Work and a run begin nothing new; 50 s
	Span         time.Duration // time after which Work asks the apps for nothing more; 275 s
	GroupFor     time.Duration // longest that chunks are read, decided on and written together; 215 s
	SchemaFor    time.Duration // how long a discovered schema is trusted; 24 h
	SweepEvery   time.Duration // listing of deletions by archive sweep; 24 h
	DeleteFloor  int64         // deletions in an hour always allowed; 50
	DeleteShare  float64       // share of links that may vanish in an hour; 0.10
	// how often refused fields are tried again although nothing changed: what was wrong may have been mended where we
	// cannot see it; 24 h
	AgainEvery  time.Duration
	GoneCount   time.Duration // how long deletions are counted before the first is applied; 10 s
	ChangeFloor int64         // values replaced alike in an hour always allowed; 50
	ClearShare  float64       // share of links of which an hour may clear a field; 0.10
	ChangeShare float64       // share of links to which an hour may give one same value; 0.50
	AgendaFor   time.Duration // how long an empty agenda entry is kept; 10 min
	// after which an erasure looks through everything once more: longer than any piece of work lasts; 15 min
	EraseAgain time.Duration
	StaleFor   time.Duration // longest that an eventually consistent read may lag behind; 1 min
}

func (t Tuning) withDefaults() Tuning {
	def(&t.ChunkSize, 100)
	def(&t.LotSize, 100)
	def(&t.Window, 10)
	def(&t.InboxAfter, 50)
	def(&t.ReceiveCap, 10)
	def(&t.AloneAfter, 3)
	def(&t.MaxRetry, 30*time.Second)
	def(&t.ParkAfter, 5*time.Second)
	def(&t.Lease, 80*time.Second)
	def(&t.HTTPDeadline, 20*time.Second)
	def(&t.Budget, 50*time.Second)
	def(&t.Span, 275*time.Second)
	def(&t.GroupFor, 215*time.Second)
	def(&t.SchemaFor, 24*time.Hour)
	def(&t.SweepEvery, 24*time.Hour)
	def(&t.DeleteFloor, 50)
	def(&t.DeleteShare, 0.10)
	def(&t.GoneCount, 10*time.Second)
	def(&t.ChangeFloor, 50)
	def(&t.ClearShare, 0.10)
	def(&t.ChangeShare, 0.50)
	def(&t.StaleFor, time.Minute)
	def(&t.EraseAgain, 15*time.Minute)
	def(&t.AgendaFor, 10*time.Minute)
	def(&t.AgainEvery, 24*time.Hour)
	return t
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Engine is the matcher and writer and everything around it. It keeps no state
// but caches; any number may run on one store and queue.
type Engine struct {
	Config
	schemas  memo[scope, usedSchemas]
	days     memo[crm.WorkspaceID, keptDays]
	tombs    memo[crm.WorkspaceID, *tombs]
	selves   memo[crm.AccountID, string] // our own users, as the apps name them
	users    memo[userKey, knownUser]    // of the apps
	awaiting memo[scope, string]         // how far the tick has come through those that wait for a partner
	hookRuns memo[crm.RunID, bool]
	depth    memo[struct{}, queueDepth]

	leases    memo[scope, firstSeenAt]   // of held leases
	written   memo[scope, firstSeenAt]   // of the epoch in which links were last written
	firstSeen memo[string, time.Time]    // when we first saw what waits for time to pass
	backoffs  memo[scope, syncBackoff]   // of syncs that could not be attended to
	paces     memo[paceKey, pace]        // how long calls take
	noted     memo[waitKey, time.Time]   // of causes of waiting that this process stored, and of what it tried
	limits    memo[waitKey, time.Time]   // waits for limits that this process noted, and their ends
	refusals  memo[outageKey, string]    // the last record that an app refused for want of a right, since it took a write
	outages   memo[outageKey, time.Time] // of apps that do not answer: when we last saw to it that it is stored
}

// New returns an engine. Invalid when a required part is missing.
func New(c Config) (*Engine, error) {
	if c.Store == nil || c.Queue == nil || c.Open == nil || c.Now == nil || c.NewID == nil || c.Sleep == nil {
		return nil, fault.New("engine: new", fault.Invalid, "incomplete_configuration",
			"Store, Queue, Open, Now, NewID and Sleep are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Trace == nil {
		newID := c.NewID
		c.Trace = func() string { return newID("trc") }
	}
	if c.Mark == nil {
		c.Mark = func(string) {}
	}
	if c.Decoded == nil {
		c.Decoded = NewDecoded()
	}
	c.Tuning = c.Tuning.withDefaults()
	e := &Engine{Config: c}
	e.schemas.most, e.days.most, e.tombs.most = memoLarge, memoLarge, memoLarge
	e.hookRuns.most = 1000
	return e, nil
}

// markIf tells of a rare state if it is one.
func (e *Engine) markIf(is bool, name string) {
	if is {
		e.Mark(name)
	}
}
