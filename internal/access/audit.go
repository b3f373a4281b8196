package access

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	auditPartition  = "audit"
	maxAuditChanges = 500      // of one entry; the rest is counted
	maxAuditBytes   = 64 << 20 // unpacked, against a damaged item
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
	e := AuditEntry{Action: action, Target: target, Request: request}
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
		Action: action, Target: target, Request: request, Failed: true, Refers: id, Comment: fault.CodeOf(failed),
	})
	if err != nil {
		return fault.Wrap("access: audit a failed change", fault.KindOf(failed), failed)
	}
	return failed
}

// Record appends one entry and returns its ID. Time, ID and Actor are set here.
func (a *Audit) Record(ctx context.Context, p Principal, e AuditEntry) (string, error) {
	const op = "access: audit"
	e.ID, e.Time = a.newID("aud"), a.now().UTC()
	e.Actor = Actor{Key: p.Key, Name: p.Name, Email: MaskEmail(p.User.Email), Role: p.Role}
	if e.Changes == nil {
		e.Changes = []AuditChange{}
	}
	data, err := pack(e)
	if err != nil {
		return "", fault.Wrap(op, fault.Other, err)
	}
	if len(data) > store.MaxItemBytes-4096 { // incompressible beyond reason: keep who, when and how much
		e.More += len(e.Changes)
		e.Changes = []AuditChange{}
		if data, err = pack(e); err != nil {
			return "", fault.Wrap(op, fault.Other, err)
		}
	}
	key := store.Key{Table: store.Settings, Workspace: p.Workspace, Partition: auditPartition, Sort: e.ID}
	_, err = a.store.Write(ctx, store.Write{Item: store.Item{Key: key, Data: data}, If: store.IfAbsent})
	return e.ID, err
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
		if err := unpack(item.Data, &out[i]); err != nil {
			return nil, "", fault.Wrap("access: read audit entry", fault.Other, err)
		}
	}
	return out, page.Next, nil
}

func pack(v any) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func unpack(data []byte, into any) error {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return json.NewDecoder(io.LimitReader(z, maxAuditBytes)).Decode(into)
}
