package access

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	chainPartition = "audit_head"
	latestHead     = "latest"
	chainFormat    = 1
	maxProblems    = 50 // told of one day
)

// auditHead is where the chain ends: of a workspace, under the name latest, and of
// each of its days, under the day. Every entry names the hash of the one before it,
// also over midnight, so that nothing before a head can be changed, removed or put
// in between without another hash of that head.
type auditHead struct {
	V     int    `json:"v"`
	Day   string `json:"day"`
	Seq   int64  `json:"seq"`   // entries of the day
	Hash  string `json:"hash"`  // of the last of them
	First string `json:"first"` // the smallest ID among the day's entries
	Last  string `json:"last"`  // the greatest
}

func headKey(ws crm.WorkspaceID, sort string) store.Key {
	return store.Key{Table: store.Settings, Workspace: ws, Partition: chainPartition, Sort: sort}
}

// latest returns the end of a workspace's chain; empty, at version 0, before the first entry.
func (a *Audit) latest(ctx context.Context, ws crm.WorkspaceID) (auditHead, int64, error) {
	item, err := a.store.Get(ctx, headKey(ws, latestHead))
	if fault.Is(err, fault.NotFound) {
		return auditHead{}, 0, nil
	}
	if err != nil {
		return auditHead{}, 0, err
	}
	h, err := decodeHead(item)
	return h, item.Version, err
}

func decodeHead(item store.Item) (h auditHead, err error) {
	const op = "access: read the end of the audit trail"
	if err := json.Unmarshal(item.Data, &h); err != nil {
		return h, fault.Wrap(op, fault.Other, err)
	}
	if h.V != chainFormat {
		return h, fault.New(op, fault.Invalid, "unknown_format", "it was written by a newer version of Lockstep")
	}
	return h, nil
}

// after is the head once an entry was appended.
func (h auditHead) after(e *AuditEntry, hash string) auditHead {
	if e.Day != h.Day {
		h.First, h.Last = e.ID, e.ID
	}
	return auditHead{
		V: chainFormat, Day: e.Day, Seq: e.Seq, Hash: hash, First: min(h.First, e.ID), Last: max(h.Last, e.ID),
	}
}

// writes stores the head as the latest, where it is still at the version, and as its day's.
func (h auditHead) writes(ws crm.WorkspaceID, version int64) ([]store.Write, error) {
	data, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return []store.Write{
		{Item: store.Item{Key: headKey(ws, latestHead), Data: data}, If: store.IfVersion(version)},
		{Item: store.Item{Key: headKey(ws, h.Day), Data: data}},
	}, nil
}

// AuditDay is what a look at the chain of one day found.
type AuditDay struct {
	Day      string   `json:"day" doc:"In UTC"`
	Entries  int64    `json:"entries"`
	Hash     string   `json:"hash" doc:"Of the day's last entry. Whoever keeps it elsewhere can tell later that nothing up to it was changed"`
	Intact   bool     `json:"intact"`
	Problems []string `json:"problems" nullable:"false" doc:"What does not fit, the first 50"`
}

// Days checks the chain of each day of a page, newest first: every entry is read, and
// its hash held against what the next one and the day's head say.
func (a *Audit) Days(ctx context.Context, ws crm.WorkspaceID, limit int, cursor string) ([]AuditDay, string, error) {
	before, _, err := a.latest(ctx, ws)
	if err != nil {
		return nil, "", err
	}
	days := store.Query{
		Table: store.Settings, Workspace: ws, Partition: chainPartition, To: latestHead, Reverse: true, Limit: limit,
		Cursor: cursor,
	}
	heads, next, err := a.heads(ctx, days)
	if err != nil || len(heads) == 0 {
		return nil, next, err
	}
	days.To, days.Limit, days.Cursor = heads[len(heads)-1].Day, 1, ""
	older, _, err := a.heads(ctx, days)
	if err != nil {
		return nil, "", err
	}
	out := make([]AuditDay, len(heads))
	heads = append(heads, append(older, auditHead{})[0])
	for i := range out {
		if out[i], err = a.day(ctx, ws, heads[i], heads[i+1].Hash); err != nil {
			return nil, "", err
		}
	}
	after, _, err := a.latest(ctx, ws)
	// The trail may have grown while we looked.
	if newest := heads[0]; cursor == "" && (newest.compare(before) < 0 || newest.compare(after) > 0 ||
		newest.compare(after) == 0 && newest != after) {
		out[0].find("the whole trail ends at entry %d of %s, which is another place", after.Seq, after.Day)
	}
	return out, next, err
}

// heads are the days' heads that a query finds.
func (a *Audit) heads(ctx context.Context, q store.Query) ([]auditHead, string, error) {
	page, err := a.store.Query(ctx, q)
	if err != nil {
		return nil, "", err
	}
	out := make([]auditHead, len(page.Items))
	for i, item := range page.Items {
		if out[i], err = decodeHead(item); err != nil {
			return nil, "", err
		}
	}
	return out, page.Next, nil
}

// compare says which of two heads is further on.
func (h auditHead) compare(o auditHead) int {
	return cmp.Or(cmp.Compare(h.Day, o.Day), cmp.Compare(h.Seq, o.Seq))
}

// place is where an entry stands in its chain.
type place struct {
	id, prev, hash string
	seq            int64
}

// day checks the chain of one day; before is the hash that its first entry names.
func (a *Audit) day(ctx context.Context, ws crm.WorkspaceID, head auditHead, before string) (AuditDay, error) {
	d := AuditDay{Day: head.Day, Entries: head.Seq, Hash: head.Hash, Intact: true, Problems: []string{}}
	var chain []place
	q := store.Query{
		Table: store.Settings, Workspace: ws, Partition: auditPartition, Limit: 1000,
		From: head.First, To: head.Last + "\x00",
	}
	for {
		page, err := a.store.Query(ctx, q)
		if err != nil {
			return d, err
		}
		for _, item := range page.Items {
			var e AuditEntry
			hash, err := unpack(item.Data, &e)
			switch {
			case err != nil || e.ID != item.Key.Sort:
				d.find("entry %s cannot be read as what was written", item.Key.Sort)
			case e.Day == "":
				d.find("entry %s is in no chain", e.ID)
			case e.Day == head.Day && e.Seq <= head.Seq: // what came while we looked is left for the next look
				chain = append(chain, place{e.ID, e.Prev, hash, e.Seq})
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	slices.SortStableFunc(chain, func(x, y place) int { return cmp.Compare(x.seq, y.seq) })
	d.follow(chain, before)
	return d, nil
}

// follow goes along a day's chain.
func (d *AuditDay) follow(chain []place, hash string) {
	seq, last := int64(0), "the last entry of the day before"
	for _, p := range chain {
		switch {
		case p.seq == seq:
			d.find("entry %s has the number %d, as %s has", p.id, p.seq, last)
			continue
		case p.seq > seq+1:
			d.find("%d entries are missing before %s", p.seq-seq-1, p.id)
		case p.prev != hash:
			d.find("entry %s follows another one than %s, as it is now", p.id, last)
		}
		seq, hash, last = p.seq, p.hash, "entry "+p.id
	}
	switch {
	case seq < d.Entries:
		d.find("%d entries are missing at the end", d.Entries-seq)
	case hash != d.Hash:
		d.find("%s, the last of the day, is not as it was written", last)
	}
}

func (d *AuditDay) find(format string, args ...any) {
	d.Intact = false
	if len(d.Problems) < maxProblems {
		d.Problems = append(d.Problems, fmt.Sprintf(format, args...))
	}
}
