package alert

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Engine is what alerts ask of the engine; they change nothing in it.
type Engine interface {
	Status(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]engine.SyncStatus, error)
	ListRuns(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, limit int, cursor string) ([]engine.Run,
		string, error)
	GetRun(ctx context.Context, ws crm.WorkspaceID, run crm.RunID) (engine.Run, error)
}

// Accounts is what they ask of the accounts.
type Accounts interface {
	Get(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (account.Account, error)
	Refusals(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) ([]account.Refusal, error)
}

// Options are what a Service works with. All but Mailer, Users and Log are required.
type Options struct {
	Store    store.Store
	Engine   Engine
	Accounts Accounts
	Audit    *access.Audit
	// Users lists who may be told in a workspace; nil = whom keys act as.
	Users func(ctx context.Context, ws crm.WorkspaceID) ([]access.Person, error)
	// Mailer sends mail; nil = there is no mail server.
	Mailer Mailer
	// HTTP returns the guarded client for calls to a host; see egress.
	HTTP     func(app crm.App, base string) *http.Client
	CheckURL func(app crm.App, raw string) error
	Sealer   secret.Sealer
	Rand     io.Reader
	Now      func() time.Time
	NewID    func(prefix string) string
	Log      *slog.Logger
}

// Service looks, remembers and tells. Safe for concurrent use, by any number of
// processes on one store.
type Service struct{ o Options }

// New returns a service. Invalid, naming everything that is missing.
func New(o Options) (*Service, error) {
	var missing []string
	for _, need := range []struct {
		name   string
		absent bool
	}{
		{"Store", o.Store == nil},
		{"Engine", o.Engine == nil},
		{"Accounts", o.Accounts == nil},
		{"Audit", o.Audit == nil},
		{"HTTP", o.HTTP == nil},
		{"CheckURL", o.CheckURL == nil},
		{"Sealer", o.Sealer == nil},
		{"Rand", o.Rand == nil},
		{"Now", o.Now == nil},
		{"NewID", o.NewID == nil},
	} {
		if need.absent {
			missing = append(missing, need.name)
		}
	}
	if missing != nil {
		return nil, fault.New("alert: new", fault.Invalid, "invalid_config", "missing: "+strings.Join(missing, ", "))
	}
	if o.Users == nil {
		o.Users = access.NewKeys(o.Store, o.Now, o.NewID, secret.Text{}, "").People
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o}, nil
}

const (
	formatVersion = 1
	partition     = "alert"
	prefixState   = "state#"
	prefixOpen    = "open#"
	prefixPast    = "past#"
	// keptFor is how long an alert that is over can be listed.
	keptFor = 90 * 24 * time.Hour
	// maxChanges bounds the alerts that begin or end at one look, so that they fit
	// into a transaction; the next look goes on.
	maxChanges = 40
	// runPages of runsPage runs are looked at for those that are new.
	runPages, runsPage = 5, 100
)

func key(ws crm.WorkspaceID, sort string) store.Key {
	return store.Key{Table: store.Settings, Workspace: ws, Partition: partition, Sort: sort}
}

// load reads the memory of a connection.
func (s *Service) load(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID) (*memory, store.Item, error) {
	item, err := s.o.Store.Get(ctx, key(ws, prefixState+string(con)))
	if fault.Is(err, fault.NotFound) {
		return &memory{V: formatVersion}, item, nil
	}
	if err != nil {
		return nil, item, err
	}
	m := new(memory)
	if err := json.Unmarshal(item.Data, m); err != nil {
		return nil, item, fault.Wrap("alert: read memory", fault.Other, err)
	}
	if m.V != formatVersion {
		return nil, item, fault.New("alert: read memory", fault.Invalid, "unknown_format",
			"the alerts were written by a newer version of Lockstep")
	}
	return m, item, nil
}

// OpenKinds counts the open alerts of a connection by kind, as the last look left
// them. It reads one item.
func (s *Service) OpenKinds(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID) (map[Kind]int, error) {
	m, _, err := s.load(ctx, ws, con)
	if err != nil {
		return nil, err
	}
	out := map[Kind]int{}
	for _, a := range m.Alerts {
		kind, _, _ := strings.Cut(a.Key, "|") // see Condition.key
		out[Kind(kind)]++
	}
	return out, nil
}

func (m *memory) write(ws crm.WorkspaceID, con crm.ConnectionID, seen int64) (store.Write, error) {
	data, err := json.Marshal(m)
	return store.Write{Item: store.Item{Key: key(ws, prefixState+string(con)), Data: data}, If: store.IfVersion(seen)}, err
}

func alertWrite(ws crm.WorkspaceID, a *Alert, cond store.Condition) (store.Write, error) {
	data, err := json.Marshal(a)
	w := store.Write{Item: store.Item{Key: key(ws, prefixOpen+a.ID), Data: data}, If: cond}
	if a.State == Resolved {
		w.Item.Key, w.Item.Expires = key(ws, prefixPast+a.ID), a.Until.Add(keptFor)
	}
	return w, err
}

// Look finds out what is wrong with a connection, and stores what began and
// what ended together with the messages about it. It sends none: Send does. A
// look that meets another one leaves it to that.
func (s *Service) Look(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection) error {
	if c.Status == crm.StatusDraft {
		return nil // nothing has begun
	}
	c = c.Unfolded()
	m, item, err := s.load(ctx, ws, c.ID)
	if err != nil {
		return err
	}
	var conds []Condition
	if c.Status == crm.StatusDeleting {
		m.Syncs, m.Runs = nil, nil // all is over
	} else {
		f, err := s.gather(ctx, ws, c, m)
		if err != nil {
			return err
		}
		conds = conditions(f, m)
	}
	writes, err := s.changes(ctx, ws, c, m, conds)
	if err != nil {
		return err
	}
	w, err := m.write(ws, c.ID, item.Version)
	if err != nil {
		return fault.Wrap("alert: write memory", fault.Other, err)
	}
	if len(writes) == 0 && bytes.Equal(w.Item.Data, item.Data) {
		return nil
	}
	err = s.o.Store.Transact(ctx, append(writes, w))
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// gather asks for all that the conditions are told by.
func (s *Service) gather(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, m *memory) (*facts, error) {
	f := &facts{conn: c, now: s.o.Now().UTC()}
	var err error
	if f.syncs, err = s.o.Engine.Status(ctx, ws, c.ID); err != nil {
		return nil, err
	}
	for _, side := range crm.Sides {
		a, err := s.o.Accounts.Get(ctx, ws, c.Account(side))
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		l := &login{id: a.ID, status: a.Status}
		if l.refusals, err = s.o.Accounts.Refusals(ctx, ws, a.ID); err != nil {
			return nil, err
		}
		f.accounts.Set(side, l)
	}
	f.offBy = func(sync crm.SyncID) string { return s.offBy(ctx, ws, c, sync) }
	return f, s.runs(ctx, ws, c.ID, m, f)
}

// runs finds the runs that ended since the look before, and counts the records
// of those that are counted by the hour.
func (s *Service) runs(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, m *memory, f *facts) error {
	var all []engine.Run
	was := map[crm.RunID]openRun{}
	for _, r := range m.Runs {
		run, err := s.o.Engine.GetRun(ctx, ws, r.ID)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		was[r.ID] = r
		all = append(all, run)
	}
	first := m.Newest == ""
	newest, cursor := m.Newest, ""
	for n := 0; ; n++ {
		runs, next, err := s.o.Engine.ListRuns(ctx, ws, con, runsPage, cursor)
		if err != nil {
			return err
		}
		end := next == "" || first // with the newest page
		for i := range runs {
			if runs[i].ID <= m.Newest {
				end = true
				break
			}
			newest = max(newest, runs[i].ID)
			all = append(all, runs[i])
		}
		if end {
			break
		}
		if n == runPages-1 {
			s.o.Log.WarnContext(ctx, "more runs since the last look than are looked at for alerts", "connection", con)
			break
		}
		cursor = next
	}
	m.Newest, m.Runs = newest, nil
	for i := range all {
		r := &all[i]
		over := r.State != engine.RunQueued && r.State != engine.RunRunning
		failed, done := r.InError, r.Records
		seen := was[r.ID]
		if r.Kind == engine.RunWebhook || over && !sized(r) && r.Kind != engine.RunPlan {
			if !first || over && f.now.Sub(r.EndedAt) < rolling && r.Kind != engine.RunWebhook { // what was before is no news
				f.counted = append(f.counted, counted{r.Sync, max(failed-seen.Failed, 0), max(done-seen.All, 0)})
			}
			seen.Failed, seen.All = failed, done
		}
		if over {
			f.ended = append(f.ended, *r)
		} else {
			m.Runs = append(m.Runs, openRun{r.ID, seen.Failed, seen.All})
		}
	}
	slices.SortStableFunc(f.ended, func(a, b engine.Run) int {
		return cmp.Or(a.EndedAt.Compare(b.EndedAt), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(m.Runs, func(a, b openRun) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

// auditPages of auditPage entries are looked through for who switched off.
const auditPages, auditPage = 3, 100

// offBy finds in the audit trail who switched a connection off, or one of its
// syncs; "" when it does not say.
func (s *Service) offBy(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, sync crm.SyncID) string {
	cursor := ""
	for range auditPages {
		entries, next, err := s.o.Audit.List(ctx, ws, auditPage, cursor)
		if err != nil {
			s.o.Log.WarnContext(ctx, "audit trail not read for an alert", "connection", c.ID, "error", err)
			return ""
		}
		for i := range entries {
			if e := &entries[i]; e.Target == string(c.ID) && !e.Failed && switchesOff(e, sync) {
				return e.Actor.Key
			}
		}
		if cursor = next; cursor == "" {
			return ""
		}
	}
	return ""
}

// switchesOff reports whether a change switched off the connection, or with
// sync given one of its syncs.
func switchesOff(e *access.AuditEntry, sync crm.SyncID) bool {
	if sync == "" && e.Action == "connection.pause" {
		return true
	}
	return slices.ContainsFunc(e.Changes, func(ch access.AuditChange) bool {
		if sync == "" {
			return ch.Pointer == "/enabled" && string(ch.After) == "false"
		}
		return strings.HasPrefix(ch.Pointer, "/syncs/") && strings.HasSuffix(ch.Pointer, "/direction") &&
			string(ch.After) == `"off"`
	})
}

// changes brings the open alerts to what is wrong now.
func (s *Service) changes(
	ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, m *memory, conds []Condition,
) ([]store.Write, error) {
	var writes []store.Write
	now := map[string]*Condition{}
	for i := range conds {
		now[conds[i].key()] = &conds[i]
	}
	left := m.Alerts[:0:0]
	for _, k := range m.Alerts {
		cond := now[k.Key]
		delete(now, k.Key)
		if cond == nil && len(writes) >= maxChanges {
			left = append(left, k) // the next look ends it
			continue
		}
		a, seen, err := s.alert(ctx, ws, k.ID)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if cond == nil {
			ended, err := s.resolve(ws, c, m, a, seen)
			if err != nil {
				return nil, err
			}
			writes = append(writes, ended...)
			continue
		}
		left = append(left, k)
		if a.Count == cond.Count && a.Of == cond.Of && a.Run == cond.Run && a.ConnectionName == c.Name ||
			len(writes) >= maxChanges {
			continue
		}
		a.update(c, cond)
		w, err := alertWrite(ws, a, store.IfVersion(seen))
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	m.Alerts = left
	for i := range conds {
		cond := &conds[i]
		if now[cond.key()] != cond || len(writes) >= maxChanges {
			continue
		}
		a := describe(s.o.NewID("alt"), c, cond)
		s.tell(c, m, a, EventOpened)
		w, err := alertWrite(ws, a, store.IfAbsent)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
		m.Alerts = append(m.Alerts, kept{cond.key(), a.ID})
	}
	return writes, nil
}

// resolve ends an alert.
func (s *Service) resolve(
	ws crm.WorkspaceID, c *crm.Connection, m *memory, a *Alert, seen int64,
) ([]store.Write, error) {
	a.State, a.Until = Resolved, s.o.Now().UTC()
	if c.Status != crm.StatusDeleting { // who deletes a connection knows
		s.tell(c, m, a, EventResolved)
	}
	w, err := alertWrite(ws, a, store.IfAbsent)
	if err != nil {
		return nil, err
	}
	return []store.Write{
		w, {Op: store.Delete, Item: store.Item{Key: key(ws, prefixOpen+a.ID)}, If: store.IfVersion(seen)},
	}, nil
}

// alert reads an alert, open or over, and the version of its item.
func (s *Service) alert(ctx context.Context, ws crm.WorkspaceID, id string) (*Alert, int64, error) {
	for _, prefix := range []string{prefixOpen, prefixPast} {
		item, err := s.o.Store.Get(ctx, key(ws, prefix+id))
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		a, err := decode(item)
		return a, item.Version, err
	}
	return nil, 0, fault.New("alert: read", fault.NotFound, "not_found", "there is no such alert")
}

func decode(item store.Item) (*Alert, error) {
	a := new(Alert)
	if err := json.Unmarshal(item.Data, a); err != nil {
		return nil, fault.Wrap("alert: read", fault.Other, err)
	}
	if a.Deliveries == nil {
		a.Deliveries = []Delivery{}
	}
	return a, nil
}

// Forget removes what is remembered of connections that are gone, of those
// whose memory is in one page, and answers the next page's cursor.
func (s *Service) Forget(ctx context.Context, ws crm.WorkspaceID, cursor string) (next string, err error) {
	page, err := s.o.Store.Query(ctx, store.Query{
		Table: store.Settings, Workspace: ws, Partition: partition, Prefix: prefixState, Limit: 100, Cursor: cursor,
	})
	if err != nil {
		return "", err
	}
	for _, item := range page.Items {
		con := crm.ConnectionID(strings.TrimPrefix(item.Sort, prefixState))
		_, _, err := store.LoadConnection(ctx, s.o.Store, ws, con)
		if err == nil || !fault.Is(err, fault.NotFound) {
			continue // it is there, or nobody can tell
		}
		if err := s.forget(ctx, ws, con); err != nil {
			return "", fmt.Errorf("forget the alerts of %s: %w", con, err)
		}
	}
	return page.Next, nil
}

func (s *Service) forget(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID) error {
	m, item, err := s.load(ctx, ws, con)
	if err != nil {
		return err
	}
	gone := &crm.Connection{ID: con, Status: crm.StatusDeleting}
	writes, err := s.changes(ctx, ws, gone, m, nil)
	if err != nil {
		return err
	}
	if len(m.Alerts) > 0 { // more than fit into one transaction: the next time
		w, err := m.write(ws, con, item.Version)
		if err != nil {
			return err
		}
		return s.o.Store.Transact(ctx, append(writes, w))
	}
	writes = append(writes,
		store.Write{
			Op: store.Delete, Item: store.Item{Key: key(ws, prefixState+string(con))}, If: store.IfVersion(item.Version),
		},
		store.Write{Op: store.Delete, Item: store.Item{Key: secretKey(ws, con)}})
	return s.o.Store.Transact(ctx, writes)
}

// Round looks at every connection of a workspace once, and sends what is due.
// One connection's trouble is its own.
func (s *Service) Round(ctx context.Context, ws crm.WorkspaceID) error {
	for cursor := ""; ; {
		conns, next, err := store.ListConnections(ctx, s.o.Store, ws, 100, cursor)
		if err != nil {
			return err
		}
		for i := range conns {
			err := s.Look(ctx, ws, &conns[i])
			if serr := s.Send(ctx, ws, &conns[i]); err == nil {
				err = serr
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.o.Log.WarnContext(ctx, "alerts of a connection not looked after; the next round does it", "workspace", ws,
					"connection", conns[i].ID, "error", err)
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	for cursor := ""; ; {
		next, err := s.Forget(ctx, ws, cursor)
		if err != nil || next == "" {
			return err
		}
		cursor = next
	}
}

// Filter narrows the list. Zero fields do not filter.
type Filter struct {
	State      State
	Connection crm.ConnectionID
	Kind       Kind
	Sees       func(con crm.ConnectionID) bool // nil = all
}

// listPages bounds the pages that one call of List looks at.
const listPages = 5

// List returns one page: the open ones first, then those that are over, each
// newest first. A filtered page may hold few or none and still have a next.
func (s *Service) List(
	ctx context.Context, ws crm.WorkspaceID, f Filter, limit int, cursor string,
) (items []Alert, next string, err error) {
	prefix := prefixOpen
	if f.State == Resolved {
		prefix = prefixPast
	}
	if cursor != "" {
		part, rest, ok := strings.Cut(cursor, ".")
		switch {
		case ok && part == "o" && f.State != Resolved:
			prefix = prefixOpen
		case ok && part == "r" && f.State != Open:
			prefix = prefixPast
		default:
			return nil, "", fault.New("alert: list", fault.Invalid, "cursor_malformed",
				"the cursor does not belong to this query")
		}
		cursor = rest
	}
	for range listPages {
		page, err := s.o.Store.Query(ctx, store.Query{
			Table: store.Settings, Workspace: ws, Partition: partition, Prefix: prefix, Reverse: true, Limit: limit - len(items),
			Cursor: cursor,
		})
		if err != nil {
			return nil, "", err
		}
		for _, item := range page.Items {
			a, err := decode(item)
			if err != nil {
				return nil, "", err
			}
			if f.takes(a) {
				items = append(items, *a)
			}
		}
		cursor = page.Next
		if cursor == "" {
			if prefix == prefixPast || f.State == Open {
				return items, "", nil
			}
			prefix = prefixPast
		}
		if len(items) >= limit {
			break
		}
	}
	mark := "o."
	if prefix == prefixPast {
		mark = "r."
	}
	return items, mark + cursor, nil
}

func (f *Filter) takes(a *Alert) bool {
	return (f.Connection == "" || a.Connection == f.Connection) && (f.Kind == "" || a.Kind == f.Kind) &&
		(f.Sees == nil || f.Sees(a.Connection))
}
