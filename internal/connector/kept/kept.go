package kept

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Keeper keeps what apps tell. Store and Now are required.
type Keeper struct {
	Store store.Store
	Now   func() time.Time
}

// ahead is how far a sender's clock may be ahead of ours. A word from further in the
// future would never be followed by a newer one.
const ahead = 5 * time.Minute

// tries bounds how often an item that others change at the same moment is read again.
const tries = 12

// Keep keeps the record of an event. An event without one changes nothing.
//
// Errors: those of the store. What was not kept has to be told again.
func (k Keeper) Keep(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, e connector.Event) error {
	if e.Record == nil || e.ID == "" {
		return nil
	}
	b := book{k, ws, account}
	return b.change(ctx, e.Object, e.ID, func(now *store.Kept) bool {
		return hear(now, e.Record, b.said(e.At))
	})
}

// Forget takes a record away.
func (k Keeper) Forget(
	ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, object string, id crm.RecordID,
) error {
	for range tries {
		it, err := k.Store.Get(ctx, store.KeptKey(ws, account, object, id))
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		r, _, err := store.DecodeKept(it)
		if err != nil {
			return err
		}
		if err = k.Store.Transact(ctx, r.Forget(ws, account, it.Version)); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return busy("kept: forget")
}

func busy(op string) error {
	return fault.New(op, fault.Unavailable, "", "others are changing the same record right now; try again")
}

// book is what is kept of one account.
type book struct {
	Keeper
	ws      crm.WorkspaceID
	account crm.AccountID
}

// said is when a word was said.
func (k Keeper) said(at time.Time) time.Time {
	if now := k.Now(); at.IsZero() || at.After(now.Add(ahead)) {
		return now.UTC()
	}
	return at.UTC()
}

// change lets f change a record and stores it, again if somebody was faster. f reports
// whether there is anything to store.
func (b book) change(ctx context.Context, object string, id crm.RecordID, f func(*store.Kept) bool) error {
	for range tries {
		it, err := b.Store.Get(ctx, store.KeptKey(b.ws, b.account, object, id))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		r, err := decoded(it, object, id)
		if err != nil {
			return err
		}
		if !f(&r) {
			return nil
		}
		if err = b.save(ctx, it.Version, &r); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return busy("kept: keep")
}

// decoded is the record of an item, empty where there is none yet.
func decoded(it store.Item, object string, id crm.RecordID) (store.Kept, error) {
	r := store.Kept{Object: object, ID: id, Fields: crm.Fields{}}
	if it.Version == 0 {
		return r, nil
	}
	r, _, err := store.DecodeKept(it)
	if r.Fields == nil {
		r.Fields = crm.Fields{}
	}
	return r, err
}

// save stores a record with what leads to it, together.
func (b book) save(ctx context.Context, version int64, r *store.Kept) error {
	before := r.Found
	r.Found = findable(r.Fields)
	now := b.Now()
	item, err := store.KeptItem(b.ws, b.account, r, now)
	if err != nil {
		return err
	}
	ws := []store.Write{{Item: item, If: store.IfVersion(version)}}
	for _, v := range r.Found {
		if !slices.Contains(before, v) {
			ws = append(
				ws,
				store.Write{Item: store.Item{Key: store.KeptValueKey(b.ws, b.account, r.Object, v, r.ID), Data: []byte(r.ID)}},
			)
		}
	}
	for _, v := range before {
		if !slices.Contains(r.Found, v) {
			ws = append(
				ws,
				store.Write{Op: store.Delete, Item: store.Item{Key: store.KeptValueKey(b.ws, b.account, r.Object, v, r.ID)}},
			)
		}
	}
	if version == 0 {
		if err := b.begin(ctx, r.Object, now); err != nil {
			return err
		}
	}
	if len(ws) == 1 {
		_, err = b.Store.Write(ctx, ws[0])
		return err
	}
	return b.Store.Transact(ctx, ws)
}

// begin notes when the first record of an object was kept.
func (b book) begin(ctx context.Context, object string, now time.Time) error {
	_, err := b.Store.Write(ctx, store.Write{
		Item: store.Item{
			Key:  store.KeptSinceKey(b.ws, b.account, object),
			Data: []byte(now.UTC().Format(time.RFC3339)),
		}, If: store.IfAbsent,
	})
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// hear takes in what was said of a record at a time, and reports whether that is news.
func hear(r *store.Kept, rec *crm.Record, at time.Time) bool {
	if r.Created.IsZero() {
		r.Created = rec.CreatedAt
	}
	said := make(map[string]time.Time, len(rec.Fields))
	for f, v := range rec.Fields {
		if _, known := r.Fields[f]; v.Kind() == crm.Absent || known && !at.After(r.FieldAt(f)) {
			continue
		}
		said[f] = at
	}
	return take(r, rec.Fields, said, at)
}

// take takes fields in, each as of its time, and reports whether there is any news.
func take(r *store.Kept, fields crm.Fields, said map[string]time.Time, at time.Time) bool {
	if len(said) == 0 && !at.After(r.At) {
		return false
	}
	times := maps.Clone(said)
	for f := range r.Fields {
		if _, told := times[f]; !told {
			times[f] = r.FieldAt(f)
		}
	}
	for f := range said {
		if r.Fields[f] = fields[f]; fields[f].Blank() {
			r.Fields[f] = crm.NullValue()
		}
		r.At = latest(r.At, said[f])
	}
	r.At, r.Older = latest(r.At, at), nil
	for f, t := range times {
		if t.Equal(r.At) {
			continue
		}
		if r.Older == nil {
			r.Older = map[string]time.Time{}
		}
		r.Older[f] = t
	}
	return true
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// wrote takes in what was written of a record, seen as it was before the call, and
// answered at a time. What was told meanwhile and said after the answer stays.
func wrote(r, seen *store.Kept, fields crm.Fields, at time.Time) bool {
	said := make(map[string]time.Time, len(fields))
	for f, v := range fields {
		if v.Kind() == crm.Absent {
			continue
		}
		held := time.Time{}
		if _, known := r.Fields[f]; known {
			held = r.FieldAt(f)
		}
		before := time.Time{}
		if _, known := seen.Fields[f]; known {
			before = seen.FieldAt(f)
		}
		if held.After(at) && !held.Equal(before) {
			continue
		}
		said[f] = latest(held, at)
	}
	return len(said) > 0 && take(r, fields, said, at)
}

// Wrap returns c where it can be asked, and otherwise a connector that answers from what
// is kept of the account.
func Wrap(c connector.Connector, k Keeper, ws crm.WorkspaceID, account crm.AccountID) connector.Connector {
	if !c.App().Can(crm.AbilityPush) {
		return c
	}
	return &conn{c, book{k, ws, account}}
}

// conn answers from what is kept.
type conn struct {
	connector.Connector
	book book
}

const (
	readBatch = 100
	findBatch = 25 // each value is a query
	pageSize  = 100
)

// App implements connector.Connector: what is kept is read in other batches than the app.
func (c *conn) App() crm.App {
	a := c.Connector.App()
	a.Limits.ReadBatch, a.Limits.FindBatch, a.Limits.PageSize = readBatch, findBatch, pageSize
	return a
}

// BatchRead implements connector.Connector.
func (c *conn) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	all, err := c.book.read(ctx, object, ids)
	if err != nil {
		return nil, err
	}
	out := make([]connector.Read, len(ids))
	for i, id := range ids {
		if out[i].ID = id; all[i] == nil {
			out[i].Err = fault.New("kept: read", fault.Unsupported, connector.CodeNotTold,
				c.Connector.App().Name+" cannot be asked for records, and has told nothing of this one")
			continue
		}
		r := record(all[i], fields)
		out[i].Record = &r
	}
	return out, nil
}

// read reads records; nil for those that are not kept.
func (b book) read(ctx context.Context, object string, ids []crm.RecordID) ([]*store.Kept, error) {
	keys := make([]store.Key, len(ids))
	for i, id := range ids {
		keys[i] = store.KeptKey(b.ws, b.account, object, id)
	}
	items, err := b.Store.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := make([]*store.Kept, len(ids))
	for i, it := range items {
		if it.Version == 0 {
			continue
		}
		r, err := decoded(it, object, ids[i])
		if err != nil {
			return nil, err
		}
		out[i] = &r
	}
	return out, nil
}

// record is a kept record as a connector reads it.
func record(r *store.Kept, fields []string) crm.Record {
	out := crm.Record{ID: r.ID, Fields: make(crm.Fields, len(fields)), ModifiedAt: r.At, CreatedAt: r.Created}
	for _, f := range fields {
		if v, told := r.Fields[f]; told {
			out.Fields[f] = v
		}
	}
	return out
}

// BatchWrite implements connector.Connector: what the app took is kept at once. A write
// that was not kept may have landed.
func (c *conn) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	ids := make([]crm.RecordID, 0, len(writes))
	for _, w := range writes {
		if w.ID != "" {
			ids = append(ids, w.ID)
		}
	}
	seen := map[crm.RecordID]*store.Kept{}
	if len(ids) > 0 {
		before, err := c.book.read(ctx, object, ids)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			seen[id] = before[i]
		}
	}
	out, err := c.Connector.BatchWrite(ctx, object, writes)
	if err != nil {
		return out, err
	}
	for i := range out {
		if out[i].Err != nil || out[i].ID == "" || i >= len(writes) {
			continue
		}
		before := seen[out[i].ID]
		if before == nil {
			before = &store.Kept{}
		}
		out[i].Err = c.book.written(ctx, object, before, &writes[i], &out[i])
	}
	return out, nil
}

// written keeps a write that the app took. The work is done whoever waits for it.
func (b book) written(
	ctx context.Context, object string, seen *store.Kept, w *connector.Write, done *connector.Written,
) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	if w.Op == connector.Archive {
		err = b.Forget(ctx, b.ws, b.account, object, done.ID)
	} else {
		fields := make(crm.Fields, len(w.Fields))
		maps.Copy(fields, w.Fields)
		if done.Record != nil {
			maps.Copy(fields, done.Record.Fields)
		}
		err = b.change(ctx, object, done.ID, func(now *store.Kept) bool { return wrote(now, seen, fields, b.said(done.At)) })
	}
	if err == nil {
		return nil
	}
	return &fault.Error{Op: "kept: write", Kind: fault.Unavailable, Code: fault.CodeOf(err), MayHaveLanded: true, Err: err}
}

var _ connector.Connector = (*conn)(nil)
