package access

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	chainPartition = "audit_head"
	chainFormat    = 1
	maxProblems    = 50 // told of one day
)

// auditHead is the end of a workspace's chain as it was after one entry. Every entry
// names the hash of the one before it, also over midnight, so that nothing before a
// head can be changed, removed or put in between without another hash of that head.
// Heads are numbered through and put only where there is none of the number: whoever
// appends at the same time takes another one.
type auditHead struct {
	V     int    `json:"v"`
	N     int64  `json:"n"` // number of the entry, from 1
	Day   string `json:"day"`
	Seq   int64  `json:"seq"`   // entries of the day so far
	Hash  string `json:"hash"`  // of the last of them
	First string `json:"first"` // the smallest ID among the day's entries
	Last  string `json:"last"`  // the greatest
}

func headKey(ws crm.WorkspaceID, n int64) store.Key {
	return store.Key{Table: store.Settings, Workspace: ws, Partition: chainPartition, Sort: fmt.Sprintf("%012d", n)}
}

// latest returns the end of a workspace's chain; empty before the first entry.
func (a *Audit) latest(ctx context.Context, ws crm.WorkspaceID) (auditHead, error) {
	return a.head(ctx, store.Query{
		Table: store.Settings, Workspace: ws, Partition: chainPartition, Reverse: true, Limit: 1,
	})
}

// headAt returns the end of the chain after an entry; empty when it is not there.
func (a *Audit) headAt(ctx context.Context, ws crm.WorkspaceID, n int64) (auditHead, error) {
	return a.head(ctx, store.Query{
		Table: store.Settings, Workspace: ws, Partition: chainPartition, Limit: 1, Prefix: headKey(ws, n).Sort,
	})
}

func (a *Audit) head(ctx context.Context, q store.Query) (h auditHead, err error) {
	const op = "access: read the end of the audit trail"
	page, err := a.store.Query(ctx, q)
	if err != nil || len(page.Items) == 0 {
		return h, err
	}
	if err := json.Unmarshal(page.Items[0].Data, &h); err != nil {
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
		V: chainFormat, N: h.N + 1, Day: e.Day, Seq: e.Seq, Hash: hash, First: min(h.First, e.ID), Last: max(h.Last, e.ID),
	}
}

// write stores the head, where nobody else has appended.
func (h auditHead) write(ws crm.WorkspaceID) (store.Write, error) {
	data, err := json.Marshal(h)
	return store.Write{Item: store.Item{Key: headKey(ws, h.N), Data: data}, If: store.IfAbsent}, err
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
// its hash held against what the next one and the day's head say. Invalid for a cursor
// that is none of this list's.
func (a *Audit) Days(ctx context.Context, ws crm.WorkspaceID, limit int, cursor string) ([]AuditDay, string, error) {
	head, err := a.latest(ctx, ws)
	if cursor != "" && err == nil {
		n, bad := strconv.ParseInt(cursor, 10, 64)
		if bad != nil || n < 1 || n >= head.N {
			return nil, "", fault.New("access: check the audit trail", fault.Invalid, "cursor_malformed",
				"the cursor is not one that this list returned")
		}
		head, err = a.gone(ctx, ws, n)
	}
	var out []AuditDay
	for err == nil && head.N > 0 && len(out) < limit {
		var before auditHead
		if n := head.N - head.Seq; n > 0 {
			before, err = a.gone(ctx, ws, n)
		}
		if err == nil {
			var d AuditDay
			d, err = a.day(ctx, ws, head, before.Hash, cursor == "" && len(out) == 0)
			out = append(out, d)
		}
		head = before
	}
	if err != nil || head.N == 0 {
		return out, "", err
	}
	return out, strconv.FormatInt(head.N, 10), nil
}

// gone is headAt for a head that must be there. In the place of one that is not stands
// one that fits nothing.
func (a *Audit) gone(ctx context.Context, ws crm.WorkspaceID, n int64) (auditHead, error) {
	h, err := a.headAt(ctx, ws, n)
	if err == nil && h.N != n {
		h = auditHead{N: n, Seq: n}
	}
	return h, err
}

// place is where an entry stands in its chain.
type place struct {
	id, prev, hash string
	seq            int64
}

// day checks the chain of one day, the newest or another one; before is the hash that
// its first entry names.
func (a *Audit) day(
	ctx context.Context, ws crm.WorkspaceID, head auditHead, before string, newest bool,
) (AuditDay, error) {
	d := AuditDay{Day: head.Day, Entries: head.Seq, Hash: head.Hash, Intact: true, Problems: []string{}}
	if head.Day == "" {
		d.find("the end of the chain after entry %d is gone, so that nothing up to it can be checked", head.N)
		return d, nil
	}
	var chain []place
	beyond := ""
	q := store.Query{
		Table: store.Settings, Workspace: ws, Partition: auditPartition, Limit: 1000,
		From: head.First, To: head.Last + "\x00",
	}
	if newest {
		q.To = ""
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
			case e.Day > head.Day, e.Day == head.Day && e.Seq > head.Seq:
				beyond = e.ID
			case e.Day == head.Day:
				chain = append(chain, place{e.ID, e.Prev, hash, e.Seq})
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	slices.SortStableFunc(chain, func(x, y place) int { return cmp.Compare(x.seq, y.seq) })
	d.follow(chain, before)
	if beyond == "" {
		return d, nil
	}
	next, err := a.headAt(ctx, ws, head.N+1)
	if err == nil && next.N == 0 { // else it came while we looked
		d.find("entry %s is behind the end of the chain", beyond)
	}
	return d, err
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
