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

// A tick looks through this many pages of claims, each this large, for those that go.
const claimPages, claimPage = 40, 500

// leftClaims are claims that nobody stands for any more: they are addresses and numbers
// in clear, and lie among those of every connection of an account.
type leftClaims struct {
	in     []appObject
	of     func(scope string) bool
	deadly bool // all of the connection goes, not a sync of it
}

// claimsOf are those of a connection that is being deleted, as far as the ends of one of
// its syncs have them: the document goes after the claims of all of its syncs.
func claimsOf(sc scope, conn *crm.Connection) leftClaims {
	x := leftClaims{deadly: true, of: func(scope string) bool { return strings.HasPrefix(scope, string(sc.con)+"#") }}
	if conn == nil {
		return x
	}
	x.in = formerEnds(conn.Leaving(sc.sync))
	if conf := conn.Sync(sc.sync); conf != nil {
		both := ends(conn, conf)
		x.in = append(x.in, both[:]...)
	}
	return x
}

// eraseClaims takes claims away. How far it came is kept with the sync's entry of the
// agenda, so that the next tick goes on there, in any process. It is over when all were
// looked through; until then busy says whether there is something to do at once.
func (e *Engine) eraseClaims(
	ctx context.Context, sc scope, conn *crm.Connection, x leftClaims, a agendaItem, version int64,
) (over, busy bool, err error) {
	if len(x.in) == 0 {
		return true, false, nil
	}
	// A place is one among the ends of this generation: others begin anew.
	of := fmt.Sprintf("g%d ", conn.Generation)
	var shard uint32 // of all ends, one after the other
	cursor := ""
	if place, ok := strings.CutPrefix(a.Claims, of); ok {
		at, rest, _ := strings.Cut(place, " ")
		if _, err := fmt.Sscanf(at, "%d", &shard); err != nil {
			shard, rest = 0, ""
		}
		cursor = rest
	}
	for range claimPages {
		if int(shard) >= len(x.in)*shards {
			return true, false, nil
		}
		o := x.in[shard/shards]
		wait, next, err := e.eraseClaimPage(ctx, sc, x, o, claimShard(sc.ws, o.account, o.object, shard%shards), cursor)
		if err != nil || wait {
			return false, false, err
		}
		if cursor = next; cursor == "" {
			shard++
		}
	}
	a.Claims = fmt.Sprintf("%s%d %s", of, shard, cursor)
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

// eraseClaimPage takes claims of one page away. It waits where one of them still keeps
// somebody else from making a record a second time that the app does not find yet.
func (e *Engine) eraseClaimPage(
	ctx context.Context, sc scope, x leftClaims, o appObject, shard store.Key, cursor string,
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
		if json.Unmarshal(it.Data, &c) != nil || !x.of(c.Scope) {
			continue // another one's, or nothing that can be read
		}
		young = young || c.At.Add(c.Lag).After(e.Now())
		ws = append(ws, store.Write{
			Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version),
		})
	}
	if young && !x.deadly {
		return true, "", nil // of the connection's own syncs, too
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
		if !fault.Is(err, fault.Conflict) { // somebody else has taken it over
			failed = append(failed, err)
		}
	}
	return false, page.Next, errors.Join(failed...)
}
