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
	sessionPrefix = "lss_"
	sessions      = "session" // top-level partition of session digests
	// SessionFor is how long a session lasts, at most as long as its key.
	SessionFor = 12 * time.Hour
)

// storedSession is the item of a session, under the digest of its token. It
// names the key and holds nothing that could stand in for it.
type storedSession struct {
	V         int             `json:"v"`
	Workspace crm.WorkspaceID `json:"workspace"`
	Key       string          `json:"key"`
	Operator  string          `json:"operator,omitempty"` // mark of the operator's key at that time
	Until     time.Time       `json:"until"`
}

// IsSession tells a session's token from an API key.
func IsSession(token string) bool { return strings.HasPrefix(token, sessionPrefix) }

// Open begins a session of the caller whom an API key has let in. Its token is
// good until SessionFor has passed or the key is gone, whichever is first.
func (k *Keys) Open(ctx context.Context, who Principal) (token secret.Text, until time.Time, err error) {
	const op = "access: open session"
	s := storedSession{V: format, Workspace: who.Workspace, Key: who.Key, Until: k.now().Add(SessionFor).UTC()}
	if who.Operator {
		s.Operator = k.operatorMark()
	} else if _, err := k.load(ctx, who.Workspace, who.Key); err != nil {
		if fault.Is(err, fault.NotFound) {
			err = fault.New(op, fault.Denied, CodeUnauthorized, "only an API key opens a session")
		}
		return secret.Text{}, time.Time{}, err
	}
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	token = secret.NewText(sessionPrefix + base64.RawURLEncoding.EncodeToString(b[:]))
	data, err := json.Marshal(s)
	if err != nil {
		return secret.Text{}, time.Time{}, fault.Wrap(op, fault.Other, err)
	}
	_, err = k.store.Write(ctx, store.Write{
		Item: store.Item{Key: sessionKey(token.Reveal()), Data: data, Expires: s.Until}, If: store.IfAbsent,
	})
	return token, s.Until, err
}

// Resume is Authenticate for the token of a session: the key is looked at each
// time, so that who ends a key ends its sessions.
func (k *Keys) Resume(ctx context.Context, token string) (Principal, error) {
	const op = "access: resume session"
	denied := fault.New(op, fault.Denied, CodeUnauthorized, "the session has ended")
	if !IsSession(token) || len(token) > maxToken {
		return Principal{}, denied
	}
	item, err := k.store.Get(ctx, sessionKey(token))
	if fault.Is(err, fault.NotFound) {
		return Principal{}, denied
	}
	if err != nil {
		return Principal{}, err
	}
	var s storedSession
	if err := decode(op, item.Data, &s, &s.V); err != nil {
		return Principal{}, err
	}
	if !k.now().Before(s.Until) {
		return Principal{}, denied
	}
	if s.Operator != "" {
		if mark := k.operatorMark(); mark == "" || subtle.ConstantTimeCompare([]byte(mark), []byte(s.Operator)) != 1 {
			return Principal{}, denied
		}
		return k.operator(), nil
	}
	sk, err := k.load(ctx, s.Workspace, s.Key)
	if fault.Is(err, fault.NotFound) {
		return Principal{}, denied
	}
	if err != nil {
		return Principal{}, err
	}
	return k.principal(op, sk.Key)
}

// End ends a session; one that is not there has ended already.
func (k *Keys) End(ctx context.Context, token string) error {
	if !IsSession(token) || len(token) > maxToken {
		return nil
	}
	return k.store.Transact(ctx, []store.Write{{Op: store.Delete, Item: store.Item{Key: sessionKey(token)}}})
}

// operatorMark tells the operator's key from another one without being of use
// to anybody who reads it; "" without such a key.
func (k *Keys) operatorMark() string {
	if k.admin == nil {
		return ""
	}
	sum := sha256.Sum256(append([]byte("session of the operator\x00"), k.admin[:]...))
	return hex.EncodeToString(sum[:])
}

func (k *Keys) operator() Principal {
	return Principal{Workspace: k.home, Key: "operator", Name: "operator key", Role: Admin, Operator: true}
}

// principal is whom a stored key lets in. Denied once it has expired.
func (k *Keys) principal(op string, key Key) (Principal, error) {
	if e := key.ExpiresAt; !e.IsZero() && !k.now().Before(e) {
		return Principal{}, fault.New(op, fault.Denied, CodeTokenExpired, "the key has expired")
	}
	return Principal{Workspace: key.Workspace, Key: key.ID, Name: key.Name, Role: key.Role, User: key.User}, nil
}

func sessionKey(token string) store.Key {
	sum := sha256.Sum256([]byte(token))
	return store.Key{Table: store.Settings, Partition: sessions, Sort: hex.EncodeToString(sum[:])}
}
