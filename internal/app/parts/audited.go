package parts

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Audited returns a way to keep what the engine did by itself in the audit trail.
func Audited(
	s store.Store, now func() time.Time, newID func(prefix string) string,
) func(context.Context, crm.WorkspaceID, string, string, []byte) error {
	audit := access.NewAudit(s, now, newID)
	return func(ctx context.Context, ws crm.WorkspaceID, action, target string, after []byte) error {
		e := access.AuditEntry{Action: action, Target: target}
		e.Changes, e.More = access.Diff(nil, after, 500)
		_, err := audit.Record(ctx, access.Principal{Workspace: ws, Key: "lockstep", Name: "Lockstep", Role: access.Admin}, e)
		return err
	}
}
