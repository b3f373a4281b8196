package engine

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// ListDead returns one page of a connection's dead items.
func (e *Engine) ListDead(
	ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, limit int, cursor string,
) ([]DeadItem, string, error) {
	page, err := e.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: ws, Partition: dead(ws, con, "x").Partition,
		Limit: limit, Cursor: cursor,
	})
	if err != nil {
		return nil, "", err
	}
	out := make([]DeadItem, 0, len(page.Items))
	for _, it := range page.Items {
		var d deadItem
		if err := json.Unmarshal(it.Data, &d); err != nil {
			return nil, "", fault.Wrap("engine: decode dead item", fault.Other, err)
		}
		item := DeadItem{
			ID: d.Chunk.ID, Connection: con, Sync: d.Chunk.Sync, Side: d.Chunk.Side, Code: d.Code, Reason: d.Reason,
			Receives: d.Receives, Since: d.At, Run: d.Chunk.Run,
		}
		for _, h := range d.Chunk.Hints {
			item.Records = append(item.Records, h.ID)
		}
		out = append(out, item)
	}
	return out, page.Next, nil
}

// RedriveDead sends a connection's dead items again, and returns how many. The
// records are read anew, so nothing newer is rolled back.
func (e *Engine) RedriveDead(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID) (int, error) {
	n := 0
	err := e.eachItem(ctx, store.Query{
		Table: store.Links, Workspace: ws, Partition: dead(ws, con, "x").Partition, Limit: 100,
	}, func(it store.Item) error {
		var d deadItem
		if err := json.Unmarshal(it.Data, &d); err != nil {
			return fault.Wrap("engine: decode dead item", fault.Other, err)
		}
		conn, _, err := e.loadConnection(ctx, ws, con)
		if err != nil {
			return err
		}
		d.Chunk.Generation = conn.Generation
		for i := range d.Chunk.Hints {
			d.Chunk.Hints[i].Digest = ""
		}
		if err := e.send(ctx, []*chunk{&d.Chunk}); err != nil {
			return err
		}
		n++
		_, err = e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}})
		return err
	})
	return n, err
}

// RetryEntry works one problem entry's record again under the present settings,
// once values were written to it in its own app, as if a person had corrected them
// there. They are named by that app's fields, or by those of the other app that are
// to be written. Errors besides those of the app: Invalid (unknown_field,
// read_only_field, or why a value does not fit) names the field; Unsupported
// (direction_closed) when the sync does not write that app; NotFound (record_gone).
// Where an error may have landed, asking again does no harm.
func (e *Engine) RetryEntry(ctx context.Context, ws crm.WorkspaceID, id string, values crm.Fields) (Run, error) {
	en, err := e.GetEntry(ctx, ws, id)
	if err != nil {
		return Run{}, err
	}
	if !en.Problem() {
		return Run{}, fault.New("engine: retry", fault.Invalid, "not_retryable",
			"only failed, conflicting and duplicate entries can be retried")
	}
	sc := scope{ws, en.Connection, en.Sync}
	conn, _, err := e.loadConnection(ctx, ws, sc.con)
	if err != nil {
		return Run{}, err
	}
	if err := en.aboutNow("engine: retry", conn); err != nil {
		return Run{}, err
	}
	if len(values) > 0 {
		if err := e.amend(ctx, sc, en.Side, en.Record, values); err != nil {
			return Run{}, err
		}
	}
	return e.recordRun(ctx, sc, RunRetry, []crm.RecordRef{{Side: en.Side, ID: en.Record}}, hint{Force: true})
}

// amend writes values to a record that a sync has seen.
func (e *Engine) amend(ctx context.Context, sc scope, side crm.Side, rec crm.RecordID, values crm.Fields) error {
	const op = "engine: correct record"
	ctx = connector.Foreground(ctx)
	s, u, err := e.look(ctx, sc, side, rec)
	if err != nil {
		return err
	}
	if ok, code := runnable(s.conn, s.sync); !ok {
		return fault.New(op, fault.Conflict, code, "the sync is not running; start the connection first")
	}
	if !s.conf.Direction.Allows(crm.WayTo(side)) {
		return fault.New(op, fault.Unsupported, reconcile.CodeDirection,
			"the sync does not write this app: correct the value there, then retry without values")
	}
	if err := s.readAll(ctx, side, []*unit{u}, func(u *unit) crm.RecordID { return u.id }); err != nil {
		return err
	}
	now := u.rec.Get(side)
	if now == nil || s.buried(side, u.id) {
		return fault.New(op, fault.NotFound, codeRecordGone, "the record is no longer in the app")
	}
	w := connector.Write{Op: connector.Update, ID: u.id}
	if w.Fields, err = s.corrections(op, side, now.Fields, values); err != nil {
		return err
	}
	if s.end(side).app.Can(crm.AbilityConditional) {
		w.Etag = now.Etag
	}
	if err := s.mayWrite(ctx); err != nil {
		return err
	}
	cctx, done := s.timed(ctx, side, askOne, s.Tuning.HTTPDeadline)
	defer done()
	got, err := s.end(side).BatchWrite(cctx, s.end(side).object, []connector.Write{w})
	switch {
	case err != nil:
		return atSide(side, "correct record", err)
	case len(got) != 1:
		return &fault.Error{Op: op, Kind: fault.Unavailable, Code: codeMalformed, MayHaveLanded: true}
	}
	return got[0].Err
}

// corrections are the fields of a record that make it hold the values: its own, and
// those that the other app's fields come from. Of a mapping of several fields those
// that are not named stay what they would be written as.
func (s *session) corrections(op string, side crm.Side, now, values crm.Fields) (crm.Fields, error) {
	out := crm.Fields{}
	there := map[crm.MappingID]crm.Fields{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		if s.schemas[side.Index()].has(name) {
			out[name] = v
			continue
		}
		lines := s.conf.Lines()
		i := slices.IndexFunc(lines, func(m crm.Mapping) bool {
			return m.On() && slices.Contains(m.Names(side.Other()), name) && s.set.Mapping(m.ID) != nil
		})
		if i < 0 {
			return nil, &fault.Error{
				Op: op, Kind: fault.Invalid, Code: "unknown_field", Field: name,
				Message: "the object has no such field, and no mapping writes one of that name to the other app",
			}
		}
		if there[lines[i].ID] == nil {
			there[lines[i].ID] = crm.Fields{}
		}
		there[lines[i].ID][name] = v
	}
	for _, id := range slices.Sorted(maps.Keys(there)) {
		given := there[id]
		m := s.set.Mapping(id)
		written := crm.Fields{}
		if v, err := m.Canonical(side, now); err == nil { // else nothing of it is fit to be written
			if raw, err := m.Render(side.Other(), v, nil); err == nil {
				written = raw
			}
		}
		maps.Copy(written, given)
		v, err := m.Canonical(side.Other(), written)
		if err != nil {
			return nil, err
		}
		raw, err := m.Render(side, v, now)
		if err != nil {
			return nil, err
		}
		maps.Copy(out, raw)
	}
	for i := range s.schemas[side.Index()].Fields {
		f := &s.schemas[side.Index()].Fields[i]
		switch v, written := out[f.Name]; {
		case !written:
		case f.ReadOnly:
			return nil, &fault.Error{
				Op: op, Kind: fault.Invalid, Code: "read_only_field", Field: f.Name, Message: "the app refuses to write the field",
			}
		case v.Kind() == crm.List && !f.Multiple && f.Type != crm.TypeList && f.Type != crm.TypeOptions:
			return nil, &fault.Error{
				Op: op, Kind: fault.Invalid, Code: mapping.CodeDoesNotFit, Field: f.Name, Message: "the field holds one value",
			}
		}
	}
	return out, nil
}

// maxRetried bounds the records of one retry by filter.
const maxRetried = 5000

// RetryFailed works the records of all problem entries that fit the filter again.
func (e *Engine) RetryFailed(ctx context.Context, ws crm.WorkspaceID, f LogFilter) (Run, error) {
	if f.Sync == "" {
		return Run{}, fault.New("engine: retry", fault.Invalid, "sync_required",
			"name the sync whose failures are to be retried")
	}
	if len(f.Outcomes) == 0 {
		f.Outcomes = []crm.Outcome{crm.Failed}
	}
	seen := map[crm.RecordRef]bool{}
	var refs []crm.RecordRef
	for cursor := ""; len(refs) < maxRetried; {
		entries, next, err := e.ListLog(ctx, ws, f, 200, cursor)
		if err != nil {
			return Run{}, err
		}
		for _, en := range entries {
			ref := crm.RecordRef{Side: en.Side, ID: en.Record}
			if en.Problem() && !en.Resolved && !seen[ref] {
				seen[ref] = true
				refs = append(refs, ref)
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return e.recordRun(ctx, scope{ws, f.Connection, f.Sync}, RunRetry, refs, hint{Force: true})
}
