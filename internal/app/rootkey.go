package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/secret/localkey"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// rootKeyProof is the item that tells whether the root key beside a database is
// the one that its secrets were sealed under: a text that is known, sealed.
var (
	rootKeyProof   = store.Key{Table: store.Settings, Partition: "root_key", Sort: "proof"}
	rootKeyBinding = secret.Binding{Workspace: "-", Subject: "root_key", Purpose: "proof"}
)

// openRootKey reads the root key of a folder. A new one is made only where
// nothing is sealed yet: beside secrets that it could not open it would hide
// that the right one is missing, until the first app refuses.
func openRootKey(ctx context.Context, folder string, s store.Store) (*localkey.Sealer, error) {
	const op = "app: root key"
	path := filepath.Join(folder, RootKeyFile)
	proof, err := s.Get(ctx, rootKeyProof)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	proven := err == nil
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		sealed, err := anySealed(ctx, s, nil)
		if err != nil {
			return nil, err
		}
		if proven || sealed {
			return nil, fault.New(op, fault.Invalid, "root_key_missing",
				path+" is missing, and the database beside it holds secrets sealed under it: restore it from the backup; "+
					`if it is lost for good, run "lockstep admin new-root-key" and enter the accounts' credentials again`)
		}
	}
	k, err := localkey.Open(path)
	if err != nil {
		return nil, err
	}
	if proven {
		_, err = k.Open(ctx, rootKeyBinding, proof.Data)
	} else {
		_, err = anySealed(ctx, s, k) // a folder from before there was a proof
	}
	if fault.Is(err, fault.Invalid) {
		return nil, fault.New(op, fault.Invalid, "root_key_wrong",
			path+" is another root key than the one that the secrets in the database were sealed under: restore the right "+
				"one from the backup; "+
				`if it is lost for good, run "lockstep admin new-root-key" and enter the accounts' credentials again`)
	}
	if err != nil || proven {
		return k, err
	}
	return k, prove(ctx, s, k)
}

func prove(ctx context.Context, s store.Store, k *localkey.Sealer) error {
	blob, err := k.Seal(ctx, rootKeyBinding, []byte("proof"))
	if err != nil {
		return err
	}
	_, err = s.Write(ctx, store.Write{Item: store.Item{Key: rootKeyProof, Data: blob}})
	return err
}

// anySealed tells whether some workspace has a credential, and opens one of each
// unless k is nil.
func anySealed(ctx context.Context, s store.Store, k secret.Sealer) (found bool, err error) {
	err = eachWorkspace(ctx, s, func(ws crm.WorkspaceID) error {
		some, err := account.TryCredential(ctx, s, k, ws)
		found = found || some
		return err
	})
	return found, err
}

// NewRootKey puts a new root key into the folder of a stopped program whose own
// is lost. What was sealed under that one stays unreadable: the accounts'
// credentials have to be entered again. Conflict when the key that is there fits.
func NewRootKey(ctx context.Context, folder string) (err error) {
	const op = "app: new root key"
	db, s, err := openDatabase(ctx, folder, time.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	path := filepath.Join(folder, RootKeyFile)
	_, err = openRootKey(ctx, folder, s)
	switch code := fault.CodeOf(err); {
	case err == nil:
		return fault.New(op, fault.Conflict, "root_key_fits", path+" fits the database: nothing was changed")
	case code != "root_key_missing" && code != "root_key_wrong" && code != "key_file_malformed":
		return err
	}
	if err := os.Rename(path, path+".unfit"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	k, err := localkey.Open(path)
	if err != nil {
		return err
	}
	return prove(ctx, s, k)
}

// eachWorkspace calls f for the home workspace, which exists without an item,
// and all others.
func eachWorkspace(ctx context.Context, s store.Store, f func(crm.WorkspaceID) error) error {
	if err := f(api.DefaultWorkspace); err != nil {
		return err
	}
	for cursor := ""; ; {
		page, next, err := store.ListWorkspaces(ctx, s, 100, cursor)
		if err != nil {
			return err
		}
		for _, w := range page {
			if w.ID == api.DefaultWorkspace {
				continue
			}
			if err := f(w.ID); err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}
