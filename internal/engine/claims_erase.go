package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// A tick looks through this many pages of claims, each this large, for those of a deleted connection.
const claimPages, claimPage = 40, 500

// eraseClaims takes away the identities that a deleted connection claimed: they are
// addresses and numbers in clear, and lie among those of every connection of its
// accounts. How far it came is kept with the sync's entry of the agenda, so that the next
// tick goes on there, in any process. It is over when all were looked through; until
// then busy says whether there is something to do at once.
func (e *Engine) eraseClaims(
	ctx context.Context, sc scope, conn *crm.Connection, a agendaItem, version int64,
) (over, busy bool, err error) {
	if conn == nil || conn.Sync(sc.sync) == nil {
		return true, false, nil // the document goes after the claims of all of its syncs
	}
	var shard uint32 // of both sides, one after the other
	cursor := ""
	if at, rest, ok := strings.Cut(a.Claims, " "); ok {
		if _, err := fmt.Sscanf(at, "%d", &shard); err != nil {
			shard, rest = 0, ""
		}
		cursor = rest
	}
	both := ends(conn, conn.Sync(sc.sync))
	for range claimPages {
		if shard >= 2*shards {
			return true, false, nil
		}
		o := both[shard/shards]
		wait, next, err := e.eraseClaimPage(ctx, sc, o, claimShard(sc.ws, o.account, o.object, shard%shards), cursor)
		if err != nil || wait {
			return false, false, err
		}
		if cursor = next; cursor == "" {
			shard++
		}
	}
	a.Claims = fmt.Sprintf("%d %s", shard, cursor)
	b, err := json.Marshal(a)
	if err != nil {
		return false, false, err
	}
	_, err = e.Store.Write(ctx, store.Write{
		Item: store.Item{Key: agendaKey(sc), Data: b}, If: store.IfVersion(version),
	})
	if fault.Is(err, fault.Conflict) {
		err = nil // something was queued for it meanwhile: the place is lost, what was taken away is not
	}
	return false, true, err
}

// eraseClaimPage takes a deleted connection's claims of one page away. It waits where one
// of them still keeps another connection from making a record a second time that the app
// does not find yet.
func (e *Engine) eraseClaimPage(
	ctx context.Context, sc scope, o appObject, shard store.Key, cursor string,
) (wait bool, next string, err error) {
	page, err := e.Store.Query(ctx, store.Query{
		Table: shard.Table, Workspace: shard.Workspace, Partition: shard.Partition, Limit: claimPage, Cursor: cursor,
	})
	if fault.CodeOf(err) == "key_too_long" {
		return false, "", nil // a draft of which nothing could ever be stored
	}
	if err != nil {
		return false, "", err
	}
	var ws []store.Write
	young := false
	for _, it := range page.Items {
		var c claimed
		if json.Unmarshal(it.Data, &c) != nil || !strings.HasPrefix(c.Scope, string(sc.con)+"#") {
			continue // another one's, or nothing that can be read
		}
		young = young || c.At.Add(c.Lag).After(e.Now())
		ws = append(ws, store.Write{
			Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version),
		})
	}
	if young {
		if wait, err = e.usedByOthers(ctx, sc.ws, sc.con, o.account); err != nil || wait {
			return wait, "", err
		}
	}
	if len(ws) == 0 {
		return false, page.Next, nil
	}
	e.Mark("claims_erased")
	_, errs := e.Store.BatchWrite(ctx, ws)
	var failed []error
	for _, err := range errs {
		if !fault.Is(err, fault.Conflict) { // another connection has taken it over
			failed = append(failed, err)
		}
	}
	return false, page.Next, errors.Join(failed...)
}
