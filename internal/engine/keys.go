package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// scope names one sync of one connection; nearly every key starts with it.
type scope struct {
	ws   crm.WorkspaceID
	con  crm.ConnectionID
	sync crm.SyncID
}

// shards spread one busy sync's links over partitions.
const shards = 16

func (s scope) name() string { return string(s.con) + "#" + keyed(s.sync) }

// keyed is the ID of a sync as a part of keys. A draft may call its sync by what
// is no ID: too long for a key, or with the sign that parts keys.
func keyed(id crm.SyncID) string {
	if len(id) <= 40 && !strings.Contains(string(id), "#") {
		return string(id)
	}
	sum := sha256.Sum256([]byte(id))
	return "~" + hex.EncodeToString(sum[:16])
}

// key is the key of an item in the sync's own partition of a kind.
func (s scope) key(kind, sort string) store.Key {
	k := store.KindNamed(kind)
	return store.Key{Table: k.Table, Workspace: s.ws, Partition: k.Partition + s.name(), Sort: sort}
}

// partitions are those that hold the sync's items of a kind, or its connection's:
// of the log those of the days given. None of a kind that belongs to neither.
func (s scope) partitions(k *store.Kind, days []string) []string {
	owner := s.name()
	switch k.Owner {
	case store.OfSync:
	case store.OfConnection:
		owner = string(s.con)
	case store.OfItself:
		return nil
	}
	switch k.Split {
	case store.Whole:
		return []string{k.Partition + owner}
	case store.ByShard:
		out := make([]string, shards)
		for i := range out {
			out[i] = s.shardPartition(uint32(i))
		}
		return out
	case store.ByLogDay:
		out := make([]string, len(days))
		for i, day := range days {
			out[i] = logPartition(s.con, day)
		}
		return out
	}
	return nil
}

// logDays are the days of which a log may hold pages, the latest first: none is
// written for a day to come but by a clock that is ahead.
func (e *Engine) logDays(kept, ahead int) []string {
	var out []string
	for d := -ahead; d <= kept+1; d++ {
		out = append(out, e.Now().UTC().AddDate(0, 0, -d).Format(time.DateOnly))
	}
	return out
}

// group is the message group of everything that writes for the sync.
func (s scope) group() string { return s.name() }

// planGroup is the group of dry runs, which write nothing to the apps.
func (s scope) planGroup() string { return s.name() + "#plan" }

func shardOf(id crm.RecordID) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32() % shards
}

func (s scope) shardPartition(shard uint32) string {
	return fmt.Sprintf("l#%s#%02d", s.name(), shard)
}

// record is the key under which a record is looked up: the link item itself
// for a left record or an unpaired right one, an alias for a paired right one.
func (s scope) record(side crm.Side, id crm.RecordID) store.Key {
	prefix := "L#"
	if side == crm.Right {
		prefix = "R#"
	}
	return store.Key{
		Table: store.Links, Workspace: s.ws, Partition: s.shardPartition(shardOf(id)), Sort: prefix + string(id),
	}
}

func (s scope) lease() store.Key           { return s.key("lease", "lease") }
func (s scope) scan() store.Key            { return s.key("sync", "scan") }
func (s scope) halt() store.Key            { return s.key("sync", "halt") }
func (s scope) counts() store.Key          { return s.key("sync", "counts") }
func (s scope) intent(id string) store.Key { return s.key("intent", id) }
func (s scope) inbox(side crm.Side, id crm.RecordID) store.Key {
	return s.key("inbox", string(side)+"#"+string(id))
}

func (s scope) gone(side crm.Side, id crm.RecordID) store.Key {
	return s.key("gone", string(side)+"#"+string(id))
}

func (s scope) parked(at time.Time, id string) store.Key {
	return s.key("parked", fmt.Sprintf("%019d#%s", at.UnixNano(), id))
}
func (s scope) chunkDone(id string) store.Key { return s.key("told", id) }
func (s scope) chunkTold(id string) store.Key { return s.key("told", id+"#told") }
func (s scope) seenPage(run crm.RunID, side crm.Side, seq int64) store.Key {
	return store.Key{
		Table: store.Links, Workspace: s.ws, Partition: "e#" + string(run) + "#" + string(side),
		Sort: fmt.Sprintf("%010d", seq),
	}
}

// day holds a day's outcome counters of the sync.
func (s scope) day(t time.Time) store.Key {
	return s.key("day", t.UTC().Format(time.DateOnly))
}

// logPage is one compressed page of entries.
func (s scope) logPage(id string, t time.Time) store.Key {
	return store.Key{
		Table: store.Log, Workspace: s.ws, Partition: logPartition(s.con, t.UTC().Format(time.DateOnly)),
		Sort: id,
	}
}

func logPartition(con crm.ConnectionID, day string) string { return "g#" + string(con) + "#" + day }

func dead(ws crm.WorkspaceID, con crm.ConnectionID, id string) store.Key {
	return store.Key{Table: store.Links, Workspace: ws, Partition: "d#" + string(con), Sort: id}
}

func runKey(ws crm.WorkspaceID, id crm.RunID) store.Key {
	return store.Key{Table: store.Log, Workspace: ws, Partition: "runs", Sort: string(id)}
}

// runOf names a run under its connection, for the list of these. The run itself
// is not indexed: it is large while it lists, and stored with each page.
func runOf(ws crm.WorkspaceID, con crm.ConnectionID, id crm.RunID) store.Key {
	return store.Key{Table: store.Log, Workspace: ws, Partition: "runs#" + string(con), Sort: string(id)}
}

// runCounts is written with every chunk, so each run has a partition of its
// own: one for all would take a third of the writes of a workspace's log.
func runCounts(ws crm.WorkspaceID, id crm.RunID) store.Key {
	return store.Key{Table: store.Log, Workspace: ws, Partition: "runcounts#" + string(id), Sort: "counts"}
}

// tally is where a run is counted, under names that begin with prefix: a
// rolling run of webhooks with its sync's day, which each change of it changes
// too, any other by itself.
func (s scope) tally(id crm.RunID) (key store.Key, prefix string) {
	if rest, ok := strings.CutPrefix(string(id), hooksRun); ok {
		day, _, _ := strings.Cut(rest, "_")
		if t, err := time.Parse("20060102", day); err == nil {
			return s.day(t), "hooks:"
		}
	}
	return runCounts(s.ws, id), ""
}

// claimKey makes identity a primary key: per account and object, so that two
// connections on one account cannot double a person.
func claimKey(ws crm.WorkspaceID, acc crm.AccountID, object, identity string) store.Key {
	h := fnv.New32a()
	h.Write([]byte(identity))
	key := claimShard(ws, acc, object, h.Sum32()%shards)
	key.Sort = identity
	return key
}

func claimShard(ws crm.WorkspaceID, acc crm.AccountID, object string, shard uint32) store.Key {
	return store.Key{
		Table: store.Links, Workspace: ws, Partition: fmt.Sprintf("c#%s#%s#%02d", acc, object, shard),
		Sort: "x",
	}
}

func agendaKey(s scope) store.Key {
	return store.Key{Table: store.Links, Partition: "agenda", Sort: string(s.ws) + "#" + s.name()}
}

func schemaKey(ws crm.WorkspaceID, acc crm.AccountID, object string) store.Key {
	return store.Key{Table: store.Settings, Workspace: ws, Partition: "schema", Sort: string(acc) + "#" + object}
}

func planKey(ws crm.WorkspaceID, id crm.PlanID) store.Key {
	return store.Key{Table: store.Log, Workspace: ws, Partition: "plans", Sort: string(id)}
}

// planPage is one chunk's share of a plan.
func planPage(ws crm.WorkspaceID, id crm.PlanID, page string) store.Key {
	return store.Key{Table: store.Log, Workspace: ws, Partition: "plan#" + string(id), Sort: page}
}

// openRun makes the tick go on with a run beside the sync's listing: a plan
// that is being worked out, or records that a person asked for.
func (s scope) openRun(id crm.RunID) store.Key { return s.key("open_run", string(id)) }
