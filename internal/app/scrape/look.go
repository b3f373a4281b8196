package scrape

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// How much a scrape costs.
const (
	// fresh is how long what was read is told again without reading.
	fresh = 10 * time.Second
	// lookMost is how many connections a scrape looks at, and workspaces.
	lookMost = 50
	lookPage = 10
	// readMost is how many items that wait it counts: no further connection is looked
	// at beyond.
	readMost = 5000
	// lookTime is how long a scrape may take to read.
	lookTime = 3 * time.Second
)

// Sources are what the store is read by. All are needed.
type Sources struct {
	Store  store.Store
	Glance func(context.Context, crm.WorkspaceID, *crm.Connection) (engine.Glance, error)
	Alerts func(context.Context, crm.WorkspaceID, crm.ConnectionID) (map[alert.Kind]int, error)
	// Account is an account, and Calls are what it has used of its daily calls; a daily of 0 = there is no limit.
	Account func(context.Context, crm.WorkspaceID, crm.AccountID) (account.Account, error)
	Calls   func(context.Context, crm.WorkspaceID, account.Account) (used, daily int, err error)
	Depth   func(context.Context) (queue.Depth, error)
	Home    crm.WorkspaceID // exists without an item
	Now     func() time.Time
	Log     *slog.Logger
}

// look is what is known from the store.
type look struct {
	one sync.Mutex // held while the store is read: others wait, and find it read

	mu          sync.Mutex
	at          time.Time // when the store was last read
	now         func() time.Time
	connections map[crm.ConnectionID]*seenConnection
	accounts    map[crm.AccountID]*seenAccount
	depth       *queue.Depth

	// where the round through all connections stands
	round    int
	todo     []crm.WorkspaceID
	nextPage string           // of workspaces
	cursor   string           // of the connections of todo[0]
	last     crm.ConnectionID // of these, looked at; they come by ID
}

// seenConnection is a connection as it was when it was looked at.
type seenConnection struct {
	round  int
	at     time.Time
	status crm.Status
	glance engine.Glance
	alerts map[alert.Kind]int
}

// seenAccount is an account of a connection.
type seenAccount struct {
	round        int
	app          crm.AppID
	unauthorized bool // and a connection waits for it
	used, daily  int
}

func (l *look) init() {
	l.connections, l.accounts = map[crm.ConnectionID]*seenConnection{}, map[crm.AccountID]*seenAccount{}
}

// refresh reads the next part of the store, unless that was done a moment ago.
func (m *Metrics) refresh(ctx context.Context, from Sources) {
	l := &m.look
	l.one.Lock()
	defer l.one.Unlock()
	l.mu.Lock()
	now := from.Now()
	known := !l.at.IsZero() && now.Sub(l.at) < fresh && !now.Before(l.at)
	l.now = from.Now
	l.mu.Unlock()
	if known {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	depth, err := from.Depth(ctx)
	if err != nil {
		m.trouble(ctx, from, "", err)
	}
	l.mu.Lock()
	l.at = now
	if err == nil {
		l.depth = &depth
	}
	l.mu.Unlock()
	if err := m.next(ctx, from); err != nil {
		m.trouble(ctx, from, "", err)
	}
}

// trouble counts what could not be read; what is known of it grows older.
func (m *Metrics) trouble(ctx context.Context, from Sources, con crm.ConnectionID, err error) {
	m.failed.Inc()
	from.Log.WarnContext(ctx, "not read for metrics; a later scrape reads it", "connection", con, "error", err)
}

// next goes on with the round through all connections, at most to its end.
func (m *Metrics) next(ctx context.Context, from Sources) error {
	l := &m.look
	if len(l.todo) == 0 {
		if err := l.workspaces(ctx, from); err != nil {
			return err
		}
	}
	read := int64(0)
	for left := lookMost; left > 0 && len(l.todo) > 0; {
		ws := l.todo[0]
		conns, next, err := store.ListConnections(ctx, from.Store, ws, min(left, lookPage), l.cursor)
		if err != nil {
			return err
		}
		for i := range conns {
			if conns[i].ID <= l.last {
				continue // looked at before the time was up
			}
			// Whatever comes of it: one that cannot be read is not in the way of the others.
			l.last = conns[i].ID
			n, err := m.connection(ctx, from, ws, &conns[i])
			if err != nil {
				m.trouble(ctx, from, conns[i].ID, err)
			}
			if read += n; read >= readMost || ctx.Err() != nil {
				return nil // the rest of the page comes with the next scrape
			}
		}
		left -= max(len(conns), 1)
		if l.cursor = next; next != "" {
			continue
		}
		l.last = ""
		if l.todo = l.todo[1:]; len(l.todo) == 0 && l.nextPage == "" {
			m.endRound()
		}
	}
	return nil
}

// workspaces lists the next ones of the round.
func (l *look) workspaces(ctx context.Context, from Sources) error {
	page, next, err := store.ListWorkspaces(ctx, from.Store, lookMost, l.nextPage)
	if err != nil {
		return err
	}
	if l.nextPage == "" {
		l.round++
		l.todo = append(l.todo, from.Home)
	}
	for _, w := range page {
		if w.ID != from.Home {
			l.todo = append(l.todo, w.ID)
		}
	}
	l.nextPage = next
	return nil
}

// endRound forgets what the round did not meet.
func (m *Metrics) endRound() {
	l := &m.look
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, c := range l.connections {
		if c.round != l.round {
			delete(l.connections, id)
			m.forget(id)
		}
	}
	for id, a := range l.accounts {
		if a.round != l.round {
			delete(l.accounts, id)
		}
	}
}

// connection looks at one connection and its accounts, and returns how many items
// that wait it read. What cannot be read stays as it was.
func (m *Metrics) connection(
	ctx context.Context, from Sources, ws crm.WorkspaceID, c *crm.Connection,
) (read int64, err error) {
	l := &m.look
	at := from.Now()
	g, err := from.Glance(ctx, ws, c)
	open, aerr := from.Alerts(ctx, ws, c.ID)
	err = errors.Join(err, aerr)
	l.mu.Lock()
	seen := l.connections[c.ID]
	if seen == nil {
		seen = &seenConnection{}
		l.connections[c.ID] = seen
	}
	seen.round, seen.status = l.round, c.Status
	if err == nil {
		seen.at, seen.glance, seen.alerts = at, g, open
	}
	l.mu.Unlock()
	if c.Status == crm.StatusDraft || c.Status == crm.StatusDeleting {
		return g.Read, err
	}
	for _, side := range crm.Sides {
		err = errors.Join(err, m.account(ctx, from, ws, c, c.Account(side)))
	}
	return g.Read, err
}

// account looks at an account once a round.
func (m *Metrics) account(
	ctx context.Context, from Sources, ws crm.WorkspaceID, c *crm.Connection, id crm.AccountID,
) error {
	l := &m.look
	waits := c.Status == crm.StatusNeedsAuth
	l.mu.Lock()
	seen := l.accounts[id]
	known := seen != nil && seen.round == l.round && !waits
	l.mu.Unlock()
	if known {
		return nil
	}
	a, err := from.Account(ctx, ws, id)
	if err != nil {
		return err
	}
	fresh := seenAccount{app: a.App, round: l.round, unauthorized: waits && a.Status == account.StatusNeedsAuth}
	if fresh.used, fresh.daily, err = from.Calls(ctx, ws, a); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts[id] = &fresh
	return nil
}
