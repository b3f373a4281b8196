package engine

import (
	"context"
	"encoding/json"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
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

// RetryEntry works one problem entry's record again under the present settings.
func (e *Engine) RetryEntry(ctx context.Context, ws crm.WorkspaceID, id string, values crm.Fields) (Run, error) {
	en, err := e.GetEntry(ctx, ws, id)
	if err != nil {
		return Run{}, err
	}
	if !en.Problem() {
		return Run{}, fault.New("engine: retry", fault.Invalid, "not_retryable",
			"only failed, conflicting and duplicate entries can be retried")
	}
	if len(values) > 0 {
		return Run{}, fault.New("engine: retry", fault.Unsupported, "values_unsupported",
			"correct the value in the app, or resolve the record's fields, then retry without values")
	}
	return e.recordRun(ctx, scope{ws, en.Connection, en.Sync}, RunRetry, []crm.RecordRef{{Side: en.Side, ID: en.Record}},
		hint{Force: true})
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
