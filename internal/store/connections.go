package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// connectionFormat is the version of the stored form.
const connectionFormat = 1

// storedConnection is the document with what clients never send.
type storedConnection struct {
	V          int            `json:"v"`
	Generation int64          `json:"generation"`
	Version    int64          `json:"version"`
	StatusAt   time.Time      `json:"status_at,omitzero"`
	Document   crm.Connection `json:"document"`
	// Since is when the activities of a sync were switched on.
	Since map[crm.SyncID]time.Time `json:"activities_since,omitempty"`

	Changes map[crm.SyncID]crm.Changes `json:"changes,omitempty"`
	Former  []crm.Former               `json:"former,omitempty"`

	Arriving []crm.SyncID `json:"arriving,omitempty"`
}

// ConnectionKey names a connection's item.
func ConnectionKey(ws crm.WorkspaceID, id crm.ConnectionID) Key {
	return Key{Table: Settings, Workspace: ws, Partition: settingsPartition, Sort: connectionPrefix + string(id)}
}

const connectionPrefix = "connection#"

// LoadConnection reads a connection. It returns the item's own version too,
// for SaveConnection. Errors: NotFound; Invalid for an unknown format.
func LoadConnection(
	ctx context.Context, s Store, ws crm.WorkspaceID, id crm.ConnectionID,
) (*crm.Connection, int64, error) {
	item, err := s.Get(ctx, ConnectionKey(ws, id))
	if err != nil {
		return nil, 0, err
	}
	c, err := DecodeConnection(item)
	return c, item.Version, err
}

// SaveConnection stores c if the item is still at version seen (0 = new) and
// returns the new item version. Conflict when somebody else was faster.
func SaveConnection(ctx context.Context, s Store, ws crm.WorkspaceID, c *crm.Connection, seen int64) (int64, error) {
	w, err := ConnectionWrite(ws, c, seen)
	if err != nil {
		return 0, err
	}
	return s.Write(ctx, w)
}

// ConnectionWrite is the write of [SaveConnection], for a transaction with others.
func ConnectionWrite(ws crm.WorkspaceID, c *crm.Connection, seen int64) (Write, error) {
	sc := storedConnection{
		V: connectionFormat, Generation: c.Generation, Version: c.Version, StatusAt: c.StatusAt, Document: *c,
		Changes: c.Changes, Former: c.Former, Arriving: c.Arriving,
	}
	for i := range c.Syncs {
		if at := c.Syncs[i].Activities.Since; !at.IsZero() {
			if sc.Since == nil {
				sc.Since = map[crm.SyncID]time.Time{}
			}
			sc.Since[c.Syncs[i].ID] = at
		}
	}
	b, err := json.Marshal(sc)
	if err != nil {
		return Write{}, fault.Wrap("store: encode connection", fault.Invalid, err)
	}
	return Write{Item: Item{Key: ConnectionKey(ws, c.ID), Data: b}, If: IfVersion(seen)}, nil
}

// ConnectionsQuery asks for a workspace's connections, by ID, still encoded.
func ConnectionsQuery(ws crm.WorkspaceID) Query {
	return Query{Table: Settings, Workspace: ws, Partition: settingsPartition, Prefix: connectionPrefix, Limit: 100}
}

// ListConnections returns one page of a workspace's connections, by ID.
func ListConnections(
	ctx context.Context, s Store, ws crm.WorkspaceID, limit int, cursor string,
) ([]crm.Connection, string, error) {
	q := ConnectionsQuery(ws)
	q.Limit, q.Cursor = limit, cursor
	page, err := s.Query(ctx, q)
	if err != nil {
		return nil, "", err
	}
	out := make([]crm.Connection, 0, len(page.Items))
	for _, item := range page.Items {
		c, err := DecodeConnection(item)
		if err != nil {
			return nil, "", err
		}
		out = append(out, *c)
	}
	return out, page.Next, nil
}

// DecodeConnection reads a stored connection. Invalid for an unknown format.
func DecodeConnection(item Item) (*crm.Connection, error) {
	var sc storedConnection
	if err := json.Unmarshal(item.Data, &sc); err != nil {
		return nil, fault.Wrap("store: decode connection", fault.Other, err)
	}
	if sc.V != connectionFormat {
		return nil, fault.New("store: decode connection", fault.Invalid, "unknown_format",
			"the connection was written by a newer version of Lockstep")
	}
	c := sc.Document
	c.Generation, c.Version, c.StatusAt, c.Changes = sc.Generation, sc.Version, sc.StatusAt, sc.Changes
	c.Former, c.Arriving = sc.Former, sc.Arriving
	for i := range c.Syncs {
		c.Syncs[i].Activities.Since = sc.Since[c.Syncs[i].ID]
	}
	return &c, nil
}

// Workspace is a tenant.
type Workspace struct {
	ID        crm.WorkspaceID `json:"id"`
	Name      string          `json:"name"`
	TimeZone  string          `json:"time_zone"` // IANA name; "" = UTC
	LogDays   int             `json:"log_days"`  // retention of the log; 0 = 90, at least 62
	CreatedAt time.Time       `json:"created_at,omitzero"`
}

// WorkspaceKey names a workspace's top-level item.
func WorkspaceKey(id crm.WorkspaceID) Key {
	return Key{Table: Settings, Partition: "workspaces", Sort: string(id)}
}

// LoadWorkspace reads a workspace and its item version. NotFound when there is none.
func LoadWorkspace(ctx context.Context, s Store, id crm.WorkspaceID) (Workspace, int64, error) {
	var w Workspace
	item, err := s.Get(ctx, WorkspaceKey(id))
	if err != nil {
		return w, 0, err
	}
	err = json.Unmarshal(item.Data, &w)
	return w, item.Version, err
}

// SaveWorkspace stores w if its item is still at version seen (0 = new).
func SaveWorkspace(ctx context.Context, s Store, w Workspace, seen int64) (int64, error) {
	b, err := json.Marshal(w)
	if err != nil {
		return 0, err
	}
	return s.Write(ctx, Write{Item: Item{Key: WorkspaceKey(w.ID), Data: b}, If: IfVersion(seen)})
}

// ListWorkspaces returns one page of all workspaces, by ID.
func ListWorkspaces(ctx context.Context, s Store, limit int, cursor string) ([]Workspace, string, error) {
	page, err := s.Query(ctx, Query{Table: Settings, Partition: "workspaces", Limit: limit, Cursor: cursor})
	if err != nil {
		return nil, "", err
	}
	out := make([]Workspace, len(page.Items))
	for i, item := range page.Items {
		if err := json.Unmarshal(item.Data, &out[i]); err != nil {
			return nil, "", err
		}
	}
	return out, page.Next, nil
}
