package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// HeldItem is a part of a sync that stands still while the rest goes on, with what waits.
type HeldItem struct {
	HeldPart

	// Of a field that is gone or changed nothing is counted: once it is released, all
	// pairs are looked at.
	Waiting int64       `json:"waiting" doc:"Records that wait for a decision about a mass change; of a field that is gone or changed none is counted: all are looked at once it is released"`
	Change  *ChangeHalt `json:"change,omitempty" doc:"The mass change that stopped the mapping"`
}

// codeNotHeld refuses to release what works.
const codeNotHeld = "not_held"

// ListHeld lists what of a sync stands still because a field is gone or changed, or
// because a mass change awaits a decision. No app is asked.
func (e *Engine) ListHeld(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID,
) ([]HeldItem, error) {
	conn, _, err := e.connectionAt(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	conf := conn.Sync(sync)
	if conf == nil {
		return nil, fault.New("engine: list held", fault.NotFound, "sync_not_found", "the connection has no such sync")
	}
	sc := scope{ws, id, sync}
	parts, err := e.heldNow(ctx, sc, conn, conf)
	if err != nil {
		return nil, err
	}
	out := []HeldItem{}
	for i := range parts {
		out = append(out, HeldItem{HeldPart: parts[i]})
	}
	var st SyncStatus
	if err := e.statusChanges(ctx, sc, conf, &st); err != nil {
		return nil, err
	}
	for i := range st.Changes {
		h := &st.Changes[i]
		at := slices.IndexFunc(conf.Lines(), func(m crm.Mapping) bool { return m.ID == h.Mapping })
		out = append(out, HeldItem{Waiting: h.Waiting, Change: h, HeldPart: HeldPart{
			Kind: reconcile.HeldMapping, ID: string(h.Mapping), Pointer: fmt.Sprintf("/mappings/%d", at), Side: h.Side,
			Field: h.Field, Since: h.Since, Code: reconcile.CodeMassChange, Remedy: h.Remedy,
			Detail: fmt.Sprintf("%d changes of %d links alike within an hour", h.Count, h.Links),
		}})
	}
	return out, nil
}

// ReleaseHeld asks the apps at once whether what holds a part of a sync is over. If it is,
// everything is compared, so that what was edited meanwhile travels; the run is the one
// that does it, or the open one that it follows. Conflict when the part is not held, when
// what holds it is not over, and while a mass change of it awaits a decision.
func (e *Engine) ReleaseHeld(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, part string,
) (Run, error) {
	const op = "engine: release"
	items, err := e.ListHeld(ctx, ws, id, sync)
	if err != nil {
		return Run{}, err
	}
	items = slices.DeleteFunc(items, func(h HeldItem) bool { return h.ID != part })
	sc := scope{ws, id, sync}
	st, err := e.loadScan(ctx, sc)
	if err != nil {
		return Run{}, err
	}
	if len(items) == 0 && !st.noted(part) {
		return Run{}, e.nothingHeld(ctx, op, ws, id, sync, part)
	}
	if slices.ContainsFunc(items, func(h HeldItem) bool { return h.Change != nil }) {
		return Run{}, fault.New(op, fault.Conflict, reconcile.CodeMassChange,
			"a mass change of the mapping awaits a decision: confirm or discard it")
	}
	conn, _, err := e.loadConnection(ctx, ws, id)
	if err != nil {
		return Run{}, err
	}
	if ok, code := runnable(conn, sync); !ok {
		return Run{}, fault.New(op, fault.Conflict, code, "the sync is not running; start the connection first")
	}
	s, err := e.open(ctx, sc, conn)
	if err != nil {
		return Run{}, err
	}
	if err := s.askAgain(ctx); err != nil {
		return Run{}, err
	}
	for _, h := range heldParts(s.set, s.conf, s.schemas) {
		if h.ID == part {
			return Run{}, fault.New(op, fault.Conflict, h.Code, strings.TrimPrefix(h.Detail+"; ", "; ")+
				"the "+string(h.Side)+" field "+h.Field+": "+h.Remedy)
		}
	}
	run, err := e.StartRun(ctx, ws, id, sync, RunResync)
	if err != nil {
		return Run{}, err
	}
	e.Mark("held_released_by_hand")
	return run, s.forgetHeld(ctx)
}

// nothingHeld says why a part cannot be released that is not held.
func (e *Engine) nothingHeld(
	ctx context.Context, op string, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, part string,
) error {
	conn, _, err := e.connectionAt(ctx, ws, id)
	if err != nil {
		return err
	}
	conf := conn.Sync(sync)
	known := conf != nil && (lineOf(conf, crm.MappingID(part)) != nil ||
		slices.ContainsFunc(conf.Rules, func(r crm.Rule) bool { return r.ID == part }))
	if !known {
		return fault.New(op, fault.NotFound, "part_not_found", "the sync has no mapping or rule of that ID")
	}
	return fault.New(op, fault.Conflict, codeNotHeld, "nothing holds it: what it maps travels")
}

// askAgain reads the fields of both objects from the apps.
func (s *session) askAgain(ctx context.Context) error {
	for _, side := range crm.Sides {
		i := side.Index()
		cs, err := s.schema(ctx, s.ws, s.conn.Account(side), s.ends[i].Connector, s.ends[i].object, fromAppWhole)
		if err != nil {
			return atSide(side, "discover fields", err)
		}
		s.schemas[i] = cs
	}
	s.rememberSchemas(s.scope, s.conn, s.schemas)
	s.use(s.schemas)
	s.listFields()
	return nil
}

// noted reports whether a part was held when the sync was last looked at: it is over by
// now, and what waited was not looked at yet.
func (st *scanState) noted(part string) bool {
	return slices.ContainsFunc(st.Held, func(name string) bool {
		at := strings.Split(name, "/")
		return len(at) > 1 && at[1] == part
	})
}
