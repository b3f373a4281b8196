package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	tokenPrefix = "lsk_"
	tokenBytes  = 32 // random; an attacker has to guess 256 bits
	maxToken    = 512
	format      = 1 // of stored items
	keyPrefix   = "key#"
	hashes      = "api_key" // top-level partition of token digests
)

// The codes of refused tokens.
const (
	CodeUnauthorized = "unauthorized"
	CodeTokenExpired = "token_expired"
)

// Key describes an API key; the token itself is nowhere in it.
type Key struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Role      Role            `json:"role"`
	Workspace crm.WorkspaceID `json:"workspace"`
	User      User            `json:"user"`
	CreatedAt time.Time       `json:"created_at"`
	CreatedBy string          `json:"created_by"`          // ID of the key that made it
	ExpiresAt time.Time       `json:"expires_at,omitzero"` // zero = never
}

// storedKey is the item of a key in its workspace.
type storedKey struct {
	V    int    `json:"v"`
	Key  Key    `json:"key"`
	Hash string `json:"hash"`
}

// pointer is the top-level item of a token's digest.
type pointer struct {
	V         int             `json:"v"`
	Workspace crm.WorkspaceID `json:"workspace"`
	Key       string          `json:"key"`
}

// Authenticator turns a bearer token into a caller. Denied with code
// "unauthorized" or "token_expired"; Unavailable when it cannot tell.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (Principal, error)
}

// Keys keeps the API keys.
type Keys struct {
	store store.Store
	now   func() time.Time
	newID func(prefix string) string
	admin *[sha256.Size]byte // digest of the operator's key; nil = none
	home  crm.WorkspaceID    // workspace of the operator's key
}

// NewKeys returns the keys in s. adminKey, when not empty, is an admin of
// workspace home and operator; it is compared, never stored.
func NewKeys(
	s store.Store, now func() time.Time, newID func(prefix string) string, adminKey secret.Text, home crm.WorkspaceID,
) *Keys {
	k := &Keys{store: s, now: now, newID: newID, home: home}
	if !adminKey.Empty() {
		sum := sha256.Sum256([]byte(adminKey.Reveal()))
		k.admin = &sum
	}
	return k
}

// NewToken makes a token of 256 random bits.
func NewToken() secret.Text {
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	return secret.NewText(tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:]))
}

// Authenticate implements Authenticator.
func (k *Keys) Authenticate(ctx context.Context, token string) (Principal, error) {
	const op = "access: authenticate"
	denied := fault.New(op, fault.Denied, CodeUnauthorized, "the token is not known")
	if len(token) > maxToken {
		return Principal{}, denied
	}
	sum := sha256.Sum256([]byte(token))
	if k.admin != nil && subtle.ConstantTimeCompare(sum[:], k.admin[:]) == 1 {
		return k.operator(), nil
	}
	if !strings.HasPrefix(token, tokenPrefix) {
		return Principal{}, denied
	}
	item, err := k.store.Get(ctx, hashKey(hex.EncodeToString(sum[:])))
	if fault.Is(err, fault.NotFound) {
		return Principal{}, denied
	}
	if err != nil {
		return Principal{}, err
	}
	var p pointer
	if err := decode(op, item.Data, &p, &p.V); err != nil {
		return Principal{}, err
	}
	sk, err := k.load(ctx, p.Workspace, p.Key)
	if fault.Is(err, fault.NotFound) {
		return Principal{}, denied
	}
	if err != nil {
		return Principal{}, err
	}
	return k.principal(op, sk.Key)
}

// Create stores a key and returns its token, which cannot be had again. Name,
// Role, Workspace, User and ExpiresAt are taken from want.
func (k *Keys) Create(ctx context.Context, want Key) (Key, secret.Text, error) {
	const op = "access: create key"
	if !want.Role.Valid() || want.Workspace == "" {
		return Key{}, secret.Text{}, fault.New(op, fault.Invalid, "invalid_document", "a key needs a role and a workspace")
	}
	token := NewToken()
	sum := sha256.Sum256([]byte(token.Reveal()))
	want.ID, want.CreatedAt = k.newID("key"), k.now().UTC()
	hash := hex.EncodeToString(sum[:])
	own, err := json.Marshal(storedKey{V: format, Key: want, Hash: hash})
	if err != nil {
		return Key{}, secret.Text{}, fault.Wrap(op, fault.Other, err)
	}
	top, err := json.Marshal(pointer{V: format, Workspace: want.Workspace, Key: want.ID})
	if err != nil {
		return Key{}, secret.Text{}, fault.Wrap(op, fault.Other, err)
	}
	err = k.store.Transact(ctx, []store.Write{
		{Item: store.Item{Key: keyItem(want.Workspace, want.ID), Data: own}, If: store.IfAbsent},
		{Item: store.Item{Key: hashKey(hash), Data: top}, If: store.IfAbsent},
	})
	return want, token, err
}

// Get returns one key of a workspace. NotFound.
func (k *Keys) Get(ctx context.Context, ws crm.WorkspaceID, id string) (Key, error) {
	sk, err := k.load(ctx, ws, id)
	return sk.Key, err
}

// List returns one page of a workspace's keys, oldest first.
func (k *Keys) List(ctx context.Context, ws crm.WorkspaceID, limit int, cursor string) ([]Key, string, error) {
	page, err := k.store.Query(ctx, store.Query{
		Table: store.Settings, Workspace: ws, Partition: keyItem(ws, "").Partition,
		Prefix: keyPrefix, Limit: limit, Cursor: cursor,
	})
	if err != nil {
		return nil, "", err
	}
	keys := make([]Key, 0, len(page.Items))
	for _, item := range page.Items {
		var sk storedKey
		if err := decode("access: list keys", item.Data, &sk, &sk.V); err != nil {
			return nil, "", err
		}
		keys = append(keys, sk.Key)
	}
	return keys, page.Next, nil
}

// Delete ends a key at once. NotFound.
func (k *Keys) Delete(ctx context.Context, ws crm.WorkspaceID, id string) error {
	sk, err := k.load(ctx, ws, id)
	if err != nil {
		return err
	}
	return k.store.Transact(ctx, []store.Write{
		{Op: store.Delete, Item: store.Item{Key: keyItem(ws, id)}},
		{Op: store.Delete, Item: store.Item{Key: hashKey(sk.Hash)}},
	})
}

func (k *Keys) load(ctx context.Context, ws crm.WorkspaceID, id string) (storedKey, error) {
	var sk storedKey
	item, err := k.store.Get(ctx, keyItem(ws, id))
	if err != nil {
		return sk, err
	}
	return sk, decode("access: read key", item.Data, &sk, &sk.V)
}

func keyItem(ws crm.WorkspaceID, id string) store.Key {
	return store.SettingsKey(ws, keyPrefix+id)
}

func hashKey(hash string) store.Key {
	return store.Key{Table: store.Settings, Partition: hashes, Sort: hash}
}

// decode reads a stored item and refuses formats that this release does not know.
func decode(op string, data []byte, into any, version *int) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fault.Wrap(op, fault.Other, err)
	}
	if *version != format {
		return fault.New(op, fault.Other, "unknown_format", "the item was written by a newer version of Lockstep")
	}
	return nil
}

var _ Authenticator = (*Keys)(nil)
