package engine

import (
	"context"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Keeper keeps the records that apps tell which cannot be asked for them; their
// connectors answer from there. Package kept is one.
type Keeper interface {
	// Keep keeps the record of an event; newest wins by the event's time.
	Keep(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, e connector.Event) error
	// Forget takes a record away. One that is not there is no error.
	Forget(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, object string, id crm.RecordID) error
}

// keep keeps the records that events carry, as far as a connection syncs their object,
// before anybody is sent to look at them. It returns the events that are to be worked:
// of an erased person nothing is kept, and one who is known by what was told alone is
// not even named.
func (e *Engine) keep(
	ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, events []connector.Event,
) (rest, kept []connector.Event, err error) {
	if e.Keeper == nil || !slices.ContainsFunc(events, func(ev connector.Event) bool { return ev.Record != nil }) {
		return events, nil, nil
	}
	countries, err := e.listeners(ctx, ws, account)
	if err != nil {
		return nil, nil, err
	}
	t, err := e.tombsOf(ctx, ws, 0, false)
	if err != nil {
		return nil, nil, err
	}
	for _, ev := range events {
		synced := len(countries[ev.Object]) > 0
		named := t.record(account, ev.Object, ev.ID)
		if ev.Record != nil && synced && !named && !t.none() && t.keys(toldKeys(ev.Record.Fields, countries[ev.Object])) {
			e.Mark("erased_not_kept")
			continue
		}
		rest = append(rest, ev)
		if ev.Record == nil || !synced || named {
			continue
		}
		if err := e.Keeper.Keep(ctx, ws, account, ev); err != nil {
			return nil, nil, err
		}
		kept = append(kept, ev)
	}
	return rest, kept, nil
}

// unkeep takes away what was kept while the last connection of its account was deleted.
func (e *Engine) unkeep(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, kept []connector.Event) error {
	if len(kept) == 0 {
		return nil
	}
	countries, err := e.listeners(ctx, ws, account)
	if err != nil {
		return err
	}
	for i := range kept {
		if len(countries[kept[i].Object]) > 0 {
			continue
		}
		e.Mark("kept_too_late")
		if err := e.Keeper.Forget(ctx, ws, account, kept[i].Object, kept[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// listeners lists the objects of an account that connections sync, drafts too, with the
// countries of their phone numbers.
func (e *Engine) listeners(
	ctx context.Context, ws crm.WorkspaceID, account crm.AccountID,
) (map[string][]string, error) {
	out := map[string][]string{}
	return out, e.eachConnection(ctx, ws, func(c *crm.Connection) error {
		if c.Status == crm.StatusDeleting {
			return nil
		}
		for i := range c.Syncs {
			for _, o := range ends(c, &c.Syncs[i]) {
				if o.account == account && !slices.Contains(out[o.object], c.Country) {
					out[o.object] = append(out[o.object], c.Country)
				}
			}
		}
		return nil
	})
}

// toldKeys are the addresses and numbers that stand in fields of which nothing is known
// but what was told, canonical.
func toldKeys(fields crm.Fields, countries []string) (out []string) {
	for _, v := range fields {
		for _, text := range v.Items() {
			one := crm.TextValue(text)
			if key, ok := mapping.FormEmail.Key(one, ""); ok {
				out = append(out, string(mapping.FormEmail)+":"+key)
			}
			for _, country := range countries {
				if key, ok := mapping.FormPhone.Key(one, country); ok {
					out = append(out, string(mapping.FormPhone)+":"+key)
				}
			}
		}
	}
	return out
}

// forgetTold takes away what is kept of the accounts of a deleted connection that no
// other one uses.
func (e *Engine) forgetTold(ctx context.Context, ws crm.WorkspaceID, conn *crm.Connection) (more bool, err error) {
	if conn == nil {
		return false, nil
	}
	accounts := []crm.AccountID{conn.Left.Account, conn.Right.Account}
	for _, f := range conn.Former {
		accounts = append(accounts, f.Account.Left, f.Account.Right)
	}
	slices.Sort(accounts)
	return e.forgetToldOf(ctx, ws, conn.ID, slices.Compact(accounts))
}

// forgetToldOf takes away what is kept of accounts that none but one connection used.
func (e *Engine) forgetToldOf(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, accounts []crm.AccountID,
) (more bool, err error) {
	if e.Keeper == nil {
		return false, nil
	}
	for _, account := range accounts {
		others, err := e.usedByOthers(ctx, ws, id, account)
		if err != nil {
			return true, err
		}
		if others || account == "" {
			continue
		}
		for _, q := range store.KeptQueries(ws, account) {
			some, err := e.forgetPage(ctx, q)
			if err != nil {
				return true, err
			}
			more = more || some
		}
	}
	return more, nil
}

// usedByOthers reports whether another connection uses an account.
func (e *Engine) usedByOthers(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, account crm.AccountID,
) (others bool, err error) {
	return others, e.eachConnection(ctx, ws, func(c *crm.Connection) error {
		others = others ||
			c.ID != id && c.Status != crm.StatusDeleting && (c.Left.Account == account || c.Right.Account == account)
		return nil
	})
}

// forgetPage deletes some of what a query finds, each by itself: whoever deletes drafts
// may not delete in batches. It reports whether there may be more.
func (e *Engine) forgetPage(ctx context.Context, q store.Query) (more bool, err error) {
	q.Limit = 500
	page, err := e.Store.Query(ctx, q)
	if err != nil {
		return true, err
	}
	if len(page.Items) == 0 {
		return page.Next != "", nil
	}
	ws := make([]store.Write, len(page.Items))
	for i, it := range page.Items {
		ws[i] = store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version)}
	}
	_, errs := e.Store.BatchWrite(ctx, ws)
	more = page.Next != ""
	for _, err := range errs {
		if fault.Is(err, fault.Conflict) { // told once more
			more = true
		} else if err != nil {
			return true, err
		}
	}
	return more, nil
}

// keptStations are the partitions of what apps told that cannot be asked.
func (w *eraser) keptStations(add func(string, store.Query, func(context.Context, store.Item) error)) {
	countries := map[crm.AccountID][]string{}
	for _, c := range w.conns {
		for _, side := range crm.Sides {
			if account := c.Account(side); !slices.Contains(countries[account], c.Country) {
				countries[account] = append(countries[account], c.Country)
			}
		}
	}
	for account := range countries {
		for _, q := range store.KeptQueries(w.ws, account) {
			q.Limit = 500
			add("1 "+q.Partition, q, func(ctx context.Context, it store.Item) error {
				return w.keptRecord(ctx, account, countries[account], it)
			})
		}
	}
}

// keptRecord takes what was told of the person away, with what leads to it.
func (w *eraser) keptRecord(ctx context.Context, account crm.AccountID, countries []string, it store.Item) error {
	k, ok, err := store.DecodeKept(it)
	if err != nil || !ok {
		return err
	}
	keys := toldKeys(k.Fields, countries)
	if !w.t.record(account, k.Object, k.ID) && !w.t.keys(keys) {
		return nil
	}
	if w.bury(keys, []AppRecord{{account, k.Object, k.ID}}) { // what leads to the record leads to the person
		w.x.Work.More = true
		if err := w.saveTombs(ctx); err != nil {
			return err
		}
	}
	if err := w.Store.Transact(ctx, k.Forget(w.ws, account, it.Version)); err != nil {
		return err // Conflict: more was told, and it is looked at once more
	}
	w.count("kept")
	return nil
}

// CodeToldOnly says that an app cannot be asked for its records.
const CodeToldOnly = "told_only"

// fromToldOnly is what a run says that looked at everything, where that is what is kept.
func fromToldOnly(side crm.Side) string {
	return CodeToldOnly + ": the " + string(
		side,
	) + " app cannot be asked for its records, so what it has told and what was written to it was looked at"
}

// Told is a side whose app cannot be asked for its records.
type Told struct {
	Side    crm.Side      `json:"side"`
	Account crm.AccountID `json:"account"`
	Since   time.Time     `json:"since,omitzero" doc:"When the first record was told or written; absent while nothing was"`
}

// ToldSince is when the first record of an object of an app that cannot be asked for it
// was told or written; zero while nothing was.
func (e *Engine) ToldSince(
	ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, object string,
) (time.Time, error) {
	it, err := e.Store.Get(ctx, store.KeptSinceKey(ws, account, object))
	if fault.Is(err, fault.NotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339, string(it.Data))
	if err != nil {
		return at, fault.Wrap("engine: told since", fault.Other, err)
	}
	return at, nil
}
