package engine

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// connection reads a connection for somebody who does not change it. Wherever the
// engine reads one, the syncs of its activities are among its syncs. The switch
// is looked at before every write to an app; the document is decoded only when
// its bytes differ from those read last.
func (e *Engine) connection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) (*crm.Connection, error) {
	conn, _, err := e.connectionAt(ctx, ws, id)
	return conn, err
}

// connectionAt also returns the version of the item that was read.
func (e *Engine) connectionAt(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID,
) (*crm.Connection, int64, error) {
	item, err := e.Store.Get(ctx, store.ConnectionKey(ws, id))
	if err != nil {
		return nil, 0, err
	}
	conn, err := e.decodeConnection(item)
	return conn, item.Version, err
}

// eachConnection calls f for every connection of a workspace; f changes none.
func (e *Engine) eachConnection(ctx context.Context, ws crm.WorkspaceID, f func(*crm.Connection) error) error {
	return e.eachItem(ctx, store.ConnectionsQuery(ws), func(item store.Item) error {
		conn, err := e.decodeConnection(item)
		if err != nil {
			return err
		}
		return f(conn)
	})
}

func (e *Engine) decodeConnection(item store.Item) (*crm.Connection, error) {
	return recall(&e.Decoded.conns, item, func(it store.Item) (*crm.Connection, error) {
		conn, err := store.DecodeConnection(it)
		if err != nil {
			return nil, err
		}
		return conn.Unfolded(), nil
	})
}

// loadConnection reads a connection as it stands now, whatever was read last, for
// somebody who does not store it.
func (e *Engine) loadConnection(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID,
) (*crm.Connection, int64, error) {
	conn, version, err := store.LoadConnection(ctx, e.Store, ws, id)
	if err != nil {
		return nil, 0, err
	}
	return conn.Unfolded(), version, nil
}
