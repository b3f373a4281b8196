package access

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	auditPartition  = "audit"
	maxAuditChanges = 500      // of one entry; the rest is counted
	maxAuditBytes   = 64 << 20 // unpacked, against a damaged item
	appendTries     = 20       // of one entry, while others append
)

// AuditEntry is one line of the audit trail.
type AuditEntry struct {
	ID      string        `json:"id"`
	Time    time.Time     `json:"time"`
	Actor   Actor         `json:"actor"`
	Action  string        `json:"action"` // "connection.update", "key.create" …
	Target  string        `json:"target"` // ID of what was changed
	Request string        `json:"request_id"`
	Changes []AuditChange `json:"changes"`           // masked
	More    int           `json:"more,omitempty"`    // changes beyond the first 500
	Failed  bool          `json:"failed,omitempty"`  // the change announced by Refers did not happen
	Refers  string        `json:"refers,omitempty"`  // entry that this one is about
	Comment string        `json:"comment,omitempty"` // what a change list cannot say
	Day     string        `json:"day,omitempty"`     // of the chain, in UTC; "" = written before there was one
	Seq     int64         `json:"seq,omitempty"`     // number in the chain of its day, from 1
	Prev    string        `json:"prev,omitempty"`    // hash of the entry before it; "" = the first of all
}

// Actor is who did it.
type Actor struct {
	Key   string `json:"key"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"` // masked
	Role  Role   `json:"role"`
}

// AuditChange is one place of a document, before and after; null where it was
// not there.
type AuditChange struct {
	Pointer string          `json:"pointer"` // JSON Pointer
	Before  json.RawMessage `json:"before"`
	After   json.RawMessage `json:"after"`
}

// Audit is the append-only record of who changed what.
type Audit struct {
	store store.Store
	now   func() time.Time
	newID func(prefix string) string
}

// NewAudit returns the trail in s.
func NewAudit(s store.Store, now func() time.Time, newID func(prefix string) string) *Audit {
	return &Audit{store: s, now: now, newID: newID}
}

// Do records that p changes target from before to after (both JSON, nil for
// "not there"), and then lets change do it. The entry is written first, so
// that no change goes unrecorded; when change fails, a second entry says so.
func (a *Audit) Do(
	ctx context.Context, p Principal, request, action, target string, before, after []byte, change func() error,
) error {
	return a.DoSaying(ctx, p, AuditEntry{Action: action, Target: target, Request: request}, before, after, change)
}

// DoSaying is Do of an entry that says more than what was there before and after: its
// Action, Target, Request and Comment are kept as they are.
func (a *Audit) DoSaying(
	ctx context.Context, p Principal, e AuditEntry, before, after []byte, change func() error,
) error {
	e.Changes, e.More = Diff(before, after, maxAuditChanges)
	id, err := a.Record(ctx, p, e)
	if err != nil {
		return err
	}
	failed := change()
	if failed == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, err = a.Record(ctx, p, AuditEntry{
		Action: e.Action, Target: e.Target, Request: e.Request, Failed: true, Refers: id, Comment: fault.CodeOf(failed),
	})
	if err != nil {
		return fault.Wrap("access: audit a failed change", fault.KindOf(failed), failed)
	}
	return failed
}

// Record appends one entry and returns its ID. Time, ID, Actor and the place in the
// chain are set here. Unavailable when others append so fast that there is no getting in.
func (a *Audit) Record(ctx context.Context, p Principal, e AuditEntry) (string, error) {
	const op = "access: audit"
	e.Actor = Actor{Key: p.Key, Name: p.Name, Email: MaskEmail(p.User.Email), Role: p.Role}
	if e.Changes == nil {
		e.Changes = []AuditChange{}
	}
	for range appendTries {
		head, err := a.latest(ctx, p.Workspace)
		if err != nil {
			return "", err
		}
		e.ID, e.Time = a.newID("aud"), a.now().UTC()
		data, hash, err := e.chained(head)
		if err != nil {
			return "", fault.Wrap(op, fault.Other, err)
		}
		key := store.Key{Table: store.Settings, Workspace: p.Workspace, Partition: auditPartition, Sort: e.ID}
		end, err := head.after(&e, hash).write(p.Workspace)
		if err != nil {
			return "", fault.Wrap(op, fault.Other, err)
		}
		err = a.store.Transact(ctx, []store.Write{{Item: store.Item{Key: key, Data: data}, If: store.IfAbsent}, end})
		if !fault.Is(err, fault.Conflict) {
			return e.ID, err
		}
	}
	return "", fault.New(op, fault.Unavailable, "busy", "others are changing settings right now; try again")
}

// chained gives an entry its place after the head and returns it packed, with its hash.
func (e *AuditEntry) chained(head auditHead) (data []byte, hash string, err error) {
	e.Day, e.Seq, e.Prev = e.Time.Format(time.DateOnly), 1, head.Hash
	if e.Day <= head.Day { // also when another machine's clock is ahead of ours
		e.Day, e.Seq = head.Day, head.Seq+1
	}
	data, hash, err = pack(e)
	if err == nil && len(data) > store.MaxItemBytes-4096 { // incompressible beyond reason: keep who, when and how much
		e.More += len(e.Changes)
		e.Changes = []AuditChange{}
		data, hash, err = pack(e)
	}
	return data, hash, err
}

// List returns one page, newest first.
func (a *Audit) List(ctx context.Context, ws crm.WorkspaceID, limit int, cursor string) ([]AuditEntry, string, error) {
	page, err := a.store.Query(ctx, store.Query{
		Table: store.Settings, Workspace: ws, Partition: auditPartition, Reverse: true, Limit: limit, Cursor: cursor,
	})
	if err != nil {
		return nil, "", err
	}
	out := make([]AuditEntry, len(page.Items))
	for i, item := range page.Items {
		if _, err := unpack(item.Data, &out[i]); err != nil {
			return nil, "", fault.Wrap("access: read audit entry", fault.Other, err)
		}
	}
	return out, page.Next, nil
}

// packers are compressors at rest: each is 800 KB of tables, which made anew were
// most of what an entry cost.
var packers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// pack returns an entry as it is stored, and its hash.
func pack(e *AuditEntry) (data []byte, hash string, err error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	z, _ := packers.Get().(*gzip.Writer) // it holds nothing else
	defer packers.Put(z)
	z.Reset(&b)
	if _, err := z.Write(text); err != nil {
		return nil, "", err
	}
	if err := z.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), hashOf(text), nil
}

// unpack reads a stored entry and returns its hash.
func unpack(data []byte, into *AuditEntry) (hash string, err error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxAuditBytes))
	if err != nil {
		return "", err
	}
	return hashOf(text), json.Unmarshal(text, into)
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
