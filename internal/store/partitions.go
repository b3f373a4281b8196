package store

import (
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// settingsPartition is where those settings of a workspace stand that every
// function reads: connections, accounts, locks.
const settingsPartition = "workspace"

// apart are the settings that stand in a partition of their own, by the
// beginning of their sort text up to "#": secrets, and what the function that
// hears apps writes. Rights are given by partition and by nothing finer
// (dynamodb:LeadingKeys), so that only what stands apart can be kept from a role.
var apart = map[string]string{
	"credential": "credential",
	"client":     "client",
	"webhook":    "webhook",
	"key":        "key",
	"erasure":    "erasure_key",
	"delivery":   "delivery",
	"refused":    "refused",
}

// SettingsKey names a setting of a workspace by its sort text.
func SettingsKey(ws crm.WorkspaceID, sort string) Key {
	k := Key{Table: Settings, Workspace: ws, Partition: settingsPartition, Sort: sort}
	kind, _, _ := strings.Cut(sort, "#")
	if own := apart[kind]; own != "" {
		k.Partition = own
	}
	return k
}

// Former names the place where what k names stood before it had a partition of
// its own; ok is false where it never moved.
func Former(k Key) (old Key, ok bool) {
	if k.Table != Settings || SettingsKey(k.Workspace, k.Sort) != k || k.Partition == settingsPartition {
		return k, false
	}
	k.Partition = settingsPartition
	return k, true
}

// FormerQuery is q, of a partition whose items stood elsewhere before, for where
// they stood. Its bounds are a range; its cursor is left out.
func FormerQuery(q Query) (old Query, ok bool) {
	if q.Table != Settings || q.OnIndex {
		return q, false
	}
	for kind, own := range apart {
		if q.Partition != own {
			continue
		}
		q.Partition, q.Cursor = settingsPartition, ""
		first, last := kind+"#", kind+"$" // "$" follows "#"
		if q.Prefix != "" {
			q.From, q.To, q.Prefix = q.Prefix, after(q.Prefix), ""
		}
		q.From = max(q.From, first)
		if q.To == "" || q.To > last {
			q.To = last
		}
		return q, true
	}
	return q, false
}

// after is the first text behind all that begin with prefix, whose last byte is
// one of ASCII.
func after(prefix string) string {
	n := len(prefix) - 1
	return prefix[:n] + string(prefix[n]+1)
}

// Apart lists the queries of all settings of a workspace that stand in
// partitions of their own.
func Apart(ws crm.WorkspaceID) []Query {
	var out []Query
	for _, kind := range Kinds {
		if kind.Table == Settings && kind.Sort == "" {
			if q := (Query{Table: Settings, Workspace: ws, Partition: kind.Partition}); formerly(q) {
				out = append(out, q)
			}
		}
	}
	return out
}

func formerly(q Query) bool {
	_, ok := FormerQuery(q)
	return ok
}
