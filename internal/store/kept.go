package store

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Kept is a record of an app that cannot be asked for it: all that was told of it
// and written to it. Its item is the only copy that we can look at.
type Kept struct {
	V       int                  `json:"v"`
	Object  string               `json:"object"`
	ID      crm.RecordID         `json:"id"`
	Fields  crm.Fields           `json:"fields"`          // Null = was unset; what was never told is not there
	At      time.Time            `json:"at"`              // by the app's clock, of the newest word
	Older   map[string]time.Time `json:"older,omitempty"` // fields whose last word is older than At
	Created time.Time            `json:"created,omitzero"`
	Found   []string             `json:"found,omitempty"` // the values that it can be found by
}

const (
	keptFormat = 1
	keptShards = 16
	// The sort texts of an account's items begin with one of these and an object.
	keptRecord = "r#"
	keptValue  = "v#"
	keptSince  = "since#"
)

// FieldAt is when the last word about a field was said.
func (k *Kept) FieldAt(name string) time.Time {
	if at, older := k.Older[name]; older {
		return at
	}
	return k.At
}

// keptPartition spreads an account's items, so that no partition is busier than others.
func keptPartition(account crm.AccountID, shard uint32) string {
	return fmt.Sprintf("o#%s#%02d", account, shard)
}

func keptShard(text string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text)) // never fails
	return h.Sum32() % keptShards
}

// KeptKey names the item of a record.
func KeptKey(ws crm.WorkspaceID, account crm.AccountID, object string, id crm.RecordID) Key {
	return Key{
		Table:     Links,
		Workspace: ws,
		Partition: keptPartition(account, keptShard(string(id))),
		Sort:      keptRecord + object + "#" + string(id),
	}
}

// KeptValueQuery lists the items that lead from a value to the records that hold it.
// The value itself is in none of them.
func KeptValueQuery(ws crm.WorkspaceID, account crm.AccountID, object, value string) Query {
	sum := sha256.Sum256([]byte(value))
	name := base64.RawURLEncoding.EncodeToString(sum[:])
	return Query{
		Table:     Links,
		Workspace: ws,
		Partition: keptPartition(account, keptShard(name)),
		Prefix:    keptValue + object + "#" + name + "#",
	}
}

// KeptValueKey names the item that leads from a value to a record.
func KeptValueKey(ws crm.WorkspaceID, account crm.AccountID, object, value string, id crm.RecordID) Key {
	q := KeptValueQuery(ws, account, object, value)
	return Key{Table: q.Table, Workspace: ws, Partition: q.Partition, Sort: q.Prefix + string(id)}
}

// KeptSinceKey names the item that says when the first record of an object was kept.
func KeptSinceKey(ws crm.WorkspaceID, account crm.AccountID, object string) Key {
	return Key{Table: Links, Workspace: ws, Partition: keptPartition(account, 0), Sort: keptSince + object}
}

// KeptQueries list all that is kept of an account.
func KeptQueries(ws crm.WorkspaceID, account crm.AccountID) []Query {
	out := make([]Query, keptShards)
	for i := range out {
		out[i] = Query{Table: Links, Workspace: ws, Partition: keptPartition(account, uint32(i))}
	}
	return out
}

// KeptRecords list the records of an object.
func KeptRecords(ws crm.WorkspaceID, account crm.AccountID, object string) []Query {
	out := KeptQueries(ws, account)
	for i := range out {
		out[i].Prefix = keptRecord + object + "#"
	}
	return out
}

// KeptIndex lists the records of an object in the order in which they were last kept,
// by our clock: since is the beginning of that.
func KeptIndex(ws crm.WorkspaceID, account crm.AccountID, object string, since time.Time) Query {
	return Query{Table: Links, Workspace: ws, OnIndex: true, Partition: keptIndex(account, object), From: keptTime(since)}
}

func keptIndex(account crm.AccountID, object string) string {
	return "o#" + string(account) + "#" + object
}

// keptTime sorts like the time.
func keptTime(t time.Time) string { return fmt.Sprintf("%019d", max(t.UnixNano(), 0)) }

// KeptItem is the item of a record that is kept now.
func KeptItem(ws crm.WorkspaceID, account crm.AccountID, k *Kept, now time.Time) (Item, error) {
	k.V = keptFormat
	data, err := json.Marshal(k)
	if err != nil {
		return Item{}, fault.Wrap("store: encode kept record", fault.Other, err)
	}
	return Item{
		Key: KeptKey(ws, account, k.Object, k.ID), Data: data,
		Index: keptIndex(account, k.Object), IndexSort: keptTime(now) + "#" + string(k.ID),
	}, nil
}

// DecodeKept returns the record of an item; ok is false for an item that only leads to
// one, or says since when there are some.
//
// Errors: Invalid for an unknown format.
func DecodeKept(it Item) (k Kept, ok bool, err error) {
	if len(it.Sort) < len(keptRecord) || it.Sort[:len(keptRecord)] != keptRecord {
		return k, false, nil
	}
	if err := json.Unmarshal(it.Data, &k); err != nil {
		return k, false, fault.Wrap("store: decode kept record", fault.Other, err)
	}
	if k.V != keptFormat {
		return k, false, fault.New("store: decode kept record", fault.Invalid, "unknown_format",
			"the record was kept by a newer version of Lockstep")
	}
	return k, true, nil
}

// Forget are the writes that take a kept record away, with what leads to it, if it
// still is as it was read.
func (k *Kept) Forget(ws crm.WorkspaceID, account crm.AccountID, version int64) []Write {
	out := []Write{{Op: Delete, Item: Item{Key: KeptKey(ws, account, k.Object, k.ID)}, If: IfVersion(version)}}
	for _, v := range k.Found {
		out = append(out, Write{Op: Delete, Item: Item{Key: KeptValueKey(ws, account, k.Object, v, k.ID)}})
	}
	return out
}
