package account

import (
	"context"
	"encoding/json"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TryCredential opens the first credential of a workspace that holds a secret,
// and forgets it at once; found says whether there is one. With a nil sealer it
// only looks. Invalid when k is not what the secret was sealed by.
func TryCredential(ctx context.Context, s store.Store, k secret.Sealer, ws crm.WorkspaceID) (found bool, err error) {
	for cursor := ""; ; {
		q := store.Query{
			Table: store.Settings, Workspace: ws, Partition: credentialKey(ws, "").Partition, Prefix: credentialPrefix,
			Cursor: cursor,
		}
		page, err := s.Query(ctx, q)
		if err != nil {
			return false, err
		}
		for _, item := range page.Items {
			var c storedCredential
			if err := json.Unmarshal(item.Data, &c); err != nil || c.Fields == nil {
				continue // told where the account is used
			}
			if k == nil {
				return true, nil
			}
			id := crm.AccountID(item.Key.Sort[len(credentialPrefix):])
			plain, err := k.Open(ctx, credentialBinding(ws, id, purposeCredential), c.Fields)
			clear(plain)
			return true, err
		}
		if cursor = page.Next; cursor == "" {
			return false, nil
		}
	}
}
