package sim

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// app is one of the two apps, model or fake, as its users and an audit see it.
type app interface {
	open() connector.Connector
	object() string
	field(logical string) string // "" when the app has none
	create(f crm.Fields) (crm.RecordID, error)
	edit(id crm.RecordID, f crm.Fields) error
	delete(id crm.RecordID) error
	restore(id crm.RecordID) error
	merge(id, into crm.RecordID) (crm.RecordID, error)
	archive(field string, away bool) bool // takes a field away, or brings it back; false = the app cannot tell
	get(id crm.RecordID) (row, bool)
	rows() []row
	expireToken()
	revoke(gone bool)
}

// row is a record as an audit sees it.
type row struct {
	id      crm.RecordID
	fields  crm.Fields // not to be changed
	deleted bool
	into    crm.RecordID
}

// appIO is the connector of one side as a process of the world meets it.
type appIO struct {
	connector.Connector
	w    *world
	side crm.Side
}

// call is one request to the app: faults before, the request, faults after.
func call[T any](c appIO, op uint64, write bool, do func() (T, error)) (T, error) {
	var zero T
	w := c.w
	if err := w.enter(op); err != nil {
		return zero, err
	}
	if w.cur == nil {
		return do()
	}
	w.calls[c.side.Index()]++
	w.cur.calls++
	if err := c.refused(write); err != nil {
		return zero, err
	}
	w.sleep(w.latency(c.side) / 2)
	if w.cur.dead {
		return zero, errDead
	}
	out, err := do()
	w.sleep(w.latency(c.side) / 2)
	if err := w.leave(op); err != nil {
		if rows := w.cur.rows; op == opAppWrite && len(rows) > 0 {
			w.editAfterCrash(c.side, rows)
		}
		return zero, err
	}
	if err == nil && w.strike("app_malformed") {
		return zero, &fault.Error{Op: "sim: app", Kind: fault.Unavailable, Code: "malformed_answer", MayHaveLanded: write}
	}
	if err == nil && write && w.strike("app_lost_reply") {
		return zero, unavailable("sim: app", true)
	}
	return out, err
}

// refused decides whether the app answers without doing anything.
func (c appIO) refused(write bool) error {
	w := c.w
	switch {
	case w.now.Before(w.quota[c.side.Index()]):
		return &fault.Error{
			Op: "sim: app", Kind: fault.Throttled, Code: "quota_exhausted", RetryAfter: w.quota[c.side.Index()].Sub(w.now),
		}
	case write && w.now.Before(w.denied[c.side.Index()].until):
		return &fault.Error{
			Op: "sim: app", Kind: fault.Denied, Code: "missing_permission", Message: "the app wants the scope to write",
		}
	case w.strike("app_429"):
		return &fault.Error{
			Op: "sim: app", Kind: fault.Throttled, Code: "rate_limited",
			RetryAfter: time.Duration(w.rng.between(1, 90)) * time.Second,
		}
	case w.strike("app_quota"):
		w.quota[c.side.Index()] = w.now.Add(time.Duration(w.rng.between(2, 40)) * time.Minute)
		return &fault.Error{
			Op: "sim: app", Kind: fault.Throttled, Code: "quota_exhausted", RetryAfter: w.quota[c.side.Index()].Sub(w.now),
		}
	case w.strike("app_5xx"):
		return unavailable("sim: app", write)
	case w.strike("app_timeout"):
		w.sleep(20 * time.Second)
		return unavailable("sim: app", write)
	case w.strike("token_expired"):
		w.apps[c.side.Index()].expireToken()
	}
	return nil
}

// Fields implements connector.Connector.
func (c appIO) Fields(ctx context.Context, object string) ([]crm.Field, error) {
	return call(c, opFields, false, func() ([]crm.Field, error) { return c.Connector.Fields(ctx, object) })
}

// Changes implements connector.Connector.
func (c appIO) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	return call(c, opChanges, false, func() (connector.ChangesPage, error) { return c.Connector.Changes(ctx, req) })
}

// BatchRead implements connector.Connector.
func (c appIO) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	return call(c, opRead, false, func() ([]connector.Read, error) {
		for _, id := range ids {
			if c.w.poisoned[ref{c.side, id}] && c.w.cur != nil {
				return nil, fault.New("sim: read", fault.Unavailable, "malformed_answer", "the answer makes no sense")
			}
		}
		out, err := c.Connector.BatchRead(ctx, object, ids, fields)
		if err == nil && c.w.strike("not_found_blip") {
			i := c.w.rng.n(len(out))
			if c.w.blipped[ref{c.side, ids[i]}] {
				return out, err // an app that denies a record twice in a row has lost it
			}
			c.w.blipped[ref{c.side, ids[i]}] = true
			out[i] = connector.Read{ID: ids[i], Err: fault.New("sim: read", fault.NotFound, "", "for a moment it is not there")}
		}
		if err == nil && len(out) > 0 && c.w.strike("row_unreadable") {
			i := c.w.rng.n(len(out))
			out[i] = connector.Read{
				ID: ids[i], Err: fault.New("sim: read", fault.Unavailable, "", "this row cannot be read just now"),
			}
		}
		for i := range out {
			if fault.Is(out[i].Err, fault.NotFound) {
				c.w.blipped[ref{c.side, ids[i]}] = true // rightly denied once, and once more after it came back, is twice as well
			}
		}
		c.w.reads++
		if err == nil && c.w.cur != nil {
			for _, id := range ids {
				if _, ok := c.w.cur.seen[ref{c.side, id}]; !ok {
					c.w.cur.seen[ref{c.side, id}] = c.w.moment()
				}
			}
			c.w.meddle(c.side, ids)
		}
		return out, err
	})
}

// BatchFind implements connector.Connector.
func (c appIO) BatchFind(
	ctx context.Context, object string, field crm.Field, values, fields []string,
) ([][]crm.Record, error) {
	return call(c, opFind, false, func() ([][]crm.Record, error) {
		out, err := c.Connector.BatchFind(ctx, object, field, values, fields)
		if err == nil && c.w.cur != nil {
			if c.w.cur.found[c.side.Index()].step == 0 {
				c.w.cur.found[c.side.Index()] = c.w.moment()
			}
		}
		return out, err
	})
}

// BatchWrite implements connector.Connector. The process may end while the
// request is on the wire: then it lands later, or never.
func (c appIO) BatchWrite(ctx context.Context, object string, ws []connector.Write) ([]connector.Written, error) {
	w := c.w
	t := w.cur
	if t != nil && !t.dead {
		w.checkWriteAllowed(t)
		switch {
		case w.strike("kill_on_wire"):
			w.landLater(t, c, object, ws)
			w.editAfterCrash(c.side, ws)
			w.kill(t.proc)
			return nil, errDead
		case w.strike("timeout_lands"):
			w.landLater(t, c, object, ws)
			w.sleep(20 * time.Second)
			return nil, unavailable("sim: app", true)
		}
	}
	return call(c, opAppWrite, true, func() ([]connector.Written, error) {
		if c.w.cur != nil && len(ws) > 1 && w.strike("rows_fail") {
			return c.writeSome(ctx, t, object, ws)
		}
		return w.land(ctx, t, c, object, ws)
	})
}

// writeSome lets some rows fail by themselves.
func (c appIO) writeSome(
	ctx context.Context, t *task, object string, ws []connector.Write,
) ([]connector.Written, error) {
	var good []connector.Write
	out := make([]connector.Written, len(ws))
	var at []int
	for i := range ws {
		switch c.w.rng.n(6) {
		case 0:
			out[i].Err = &fault.Error{Op: "sim: row", Kind: fault.Throttled, Code: "rate_limited", RetryAfter: 2 * time.Second}
		case 1:
			out[i].Err = fault.New("sim: row", fault.Conflict, "record_locked", "the record is locked")
		case 2:
			out[i].Err = unavailable("sim: row", false)
		default:
			good, at = append(good, ws[i]), append(at, i)
		}
	}
	if len(good) == 0 {
		return out, nil
	}
	got, err := c.w.land(ctx, t, c, object, good)
	if err != nil {
		return nil, err
	}
	for i, x := range got {
		out[at[i]] = x
		if x.Err == nil && c.w.strike("row_lost_reply") {
			out[at[i]] = connector.Written{Err: unavailable("sim: row", true)}
		}
	}
	return out, nil
}

// landLater lets a request whose sender is gone arrive at the app, within the
// time that any request may take.
func (w *world) landLater(t *task, c appIO, object string, ws []connector.Write) {
	if w.rng.in(300) {
		return
	}
	w.after(w.rng.upTo(19*time.Second), func() {
		w.fault("landed_late")
		_, _ = w.land(w.ctx, t, c, object, ws)
	})
}

// land makes the writes and holds each against what is allowed.
func (w *world) land(
	ctx context.Context, t *task, c appIO, object string, ws []connector.Write,
) ([]connector.Written, error) {
	a := w.apps[c.side.Index()]
	before := make([]crm.Fields, len(ws))
	for i := range ws {
		if r, ok := w.lastOf(a, ws[i].ID); ok {
			before[i] = r.fields
		}
	}
	out, err := c.Connector.BatchWrite(ctx, object, ws)
	if err != nil {
		return out, err
	}
	t.rows, t.rowsOn = ws, c.side
	for i := range before {
		if out[i].Err == nil {
			w.wrote(t, c.side, &ws[i], &out[i], before[i]) //nolint:gosec // answers have the places of what was written
		}
	}
	return out, nil
}

// lastOf is the record that a write to an ID lands in: of one that was merged
// away, the survivor, where the app sends the write on. (One that does not
// refuses it, and nothing is held against anything.)
func (w *world) lastOf(a app, id crm.RecordID) (row, bool) {
	r, ok := a.get(id)
	for ok && r.into != "" {
		r, ok = a.get(r.into)
	}
	return r, ok
}

// extraOps are the marks of the extras' calls.
var extraOps = map[string]uint64{
	"history": opHistory, "absorbed": opAbsorbed, "deleted": opDeleted, "self": opSelf,
	"create_field": opCreateField, "delete_field": opDeleteField,
	"owner_by_email": opOwnerByEmail, "owner_email": opOwnerEmail,
}

// Extras implements connector.Connector.
func (c appIO) Extras() connector.Extras {
	return c.Connector.Extras().Around(func(_ context.Context, method string, do func() error) error {
		_, err := call(c, extraOps[method], false, func() (struct{}, error) { return struct{}{}, do() })
		return err
	})
}

var _ connector.Connector = appIO{}
