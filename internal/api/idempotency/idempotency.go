package idempotency

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	format    = 1 // of stored items
	partition = "idempotency"
	// kept is how long an answer is remembered.
	kept = 24 * time.Hour
	// running is after how long a request without an answer counts as dead:
	// longer than any request may take.
	running  = 2 * time.Minute
	maxClaim = store.MaxItemBytes - 4096 // bytes of a claim with its answer; the rest is the key's
)

// MaxKey is the length in bytes of the longest key accepted.
const MaxKey = 255

// The codes of refused repetitions.
const (
	CodeRunning  = "idempotency_running"  // the first request has not been answered yet
	CodeMismatch = "idempotency_mismatch" // the key was used for another request
	CodeLost     = "idempotency_lost"     // done, but the answer was too large to keep
)

// Answer is a response as it was given.
type Answer struct {
	Status int                 `json:"status"`
	Header map[string][]string `json:"header"`
	Body   []byte              `json:"body"`
}

// Memory remembers answers.
type Memory struct {
	store store.Store
	now   func() time.Time
}

// New returns the memory in s.
func New(s store.Store, now func() time.Time) *Memory {
	return &Memory{store: s, now: now}
}

// Request is one request that carries a key.
type Request struct {
	Workspace   crm.WorkspaceID
	Caller      string // ID of the caller's key: keys of two callers never meet
	Token       string // the caller's bearer token
	Key         string // Idempotency-Key
	Fingerprint []byte // of method, address and body
}

// claim is the stored item.
type claim struct {
	V           int    `json:"v"`
	Fingerprint string `json:"fingerprint"`
	Done        bool   `json:"done"`
	Lost        bool   `json:"lost,omitempty"`
	Sealed      []byte `json:"sealed,omitempty"`
}

// Claim is the right to carry out a request, once.
type Claim struct {
	owner   *Memory
	req     Request
	version int64
	until   time.Time // afterwards the claim may be somebody else's, at the same version
}

// Begin answers a repeated request with its first answer, or hands out the
// right to carry it out. Conflict with code "idempotency_running" or
// "idempotency_lost"; Invalid with "idempotency_mismatch".
func (m *Memory) Begin(ctx context.Context, r Request) (*Claim, *Answer, error) {
	const op = "idempotency: begin request"
	data, err := json.Marshal(claim{V: format, Fingerprint: hex.EncodeToString(r.Fingerprint)})
	if err != nil {
		return nil, nil, fault.Wrap(op, fault.Other, err)
	}
	until := m.now().Add(running)
	w := store.Write{Item: store.Item{Key: r.item(), Data: data, Expires: until}, If: store.IfAbsent}
	version, err := m.store.Write(ctx, w)
	if err == nil {
		return &Claim{owner: m, req: r, version: version, until: until}, nil, nil
	}
	if !fault.Is(err, fault.Conflict) {
		return nil, nil, err
	}
	item, err := m.store.Get(ctx, r.item())
	if fault.Is(err, fault.NotFound) { // ended between the two calls
		return nil, nil, fault.New(op, fault.Conflict, CodeRunning, "the same request is being carried out")
	}
	if err != nil {
		return nil, nil, err
	}
	var c claim
	if err := json.Unmarshal(item.Data, &c); err != nil {
		return nil, nil, fault.Wrap(op, fault.Other, err)
	}
	if c.V != format {
		return nil, nil, fault.New(op, fault.Other, "unknown_format", "the item was written by a newer version of Lockstep")
	}
	switch {
	case c.Fingerprint != hex.EncodeToString(r.Fingerprint):
		return nil, nil, fault.New(op, fault.Invalid, CodeMismatch,
			"the Idempotency-Key was used for another request")
	case !c.Done:
		return nil, nil, fault.New(op, fault.Conflict, CodeRunning, "the same request is being carried out")
	case c.Lost:
		return nil, nil, fault.New(op, fault.Conflict, CodeLost,
			"the request was carried out; its answer was too large to keep")
	}
	a, err := r.open(c.Sealed)
	if err != nil { // the caller's token was exchanged under the same key ID, or the item was damaged
		return nil, nil, fault.New(op, fault.Conflict, CodeLost, "the request was carried out; its answer cannot be repeated")
	}
	return nil, a, nil
}

// Finish remembers the answer for 24 hours. Conflict when the request took so
// long that it counts as dead.
func (c *Claim) Finish(ctx context.Context, a Answer) error {
	const op = "idempotency: finish request"
	if err := c.held(op); err != nil {
		return err
	}
	done := claim{V: format, Fingerprint: hex.EncodeToString(c.req.Fingerprint), Done: true}
	var err error
	if done.Sealed, err = c.req.seal(a); err != nil {
		return fault.Wrap(op, fault.Other, err)
	}
	data, err := json.Marshal(done)
	if err == nil && len(data) > maxClaim {
		done.Sealed, done.Lost = nil, true
		data, err = json.Marshal(done)
	}
	if err != nil {
		return fault.Wrap(op, fault.Other, err)
	}
	_, err = c.owner.store.Write(ctx, store.Write{
		Item: store.Item{Key: c.req.item(), Data: data, Expires: c.owner.now().Add(kept)},
		If:   store.IfVersion(c.version),
	})
	return err
}

// Abandon forgets the claim, because nothing lasting was done: the request may
// be repeated.
func (c *Claim) Abandon(ctx context.Context) error {
	if err := c.held("idempotency: abandon request"); err != nil {
		return err
	}
	_, err := c.owner.store.Write(ctx, store.Write{
		Op: store.Delete, Item: store.Item{Key: c.req.item()}, If: store.IfVersion(c.version),
	})
	return err
}

// held refuses a claim that has run out: an expired item starts again at
// version one, so the version alone cannot tell two claims apart.
func (c *Claim) held(op string) error {
	if c.owner.now().Before(c.until) {
		return nil
	}
	return fault.New(op, fault.Conflict, CodeLost, "the request took too long")
}

// item names the claim. The caller's own key is hashed: it may be any text.
func (r *Request) item() store.Key {
	sum := sha256.Sum256([]byte(r.Caller + "\x00" + r.Key))
	return store.Key{
		Table: store.Settings, Workspace: r.Workspace, Partition: partition, Sort: hex.EncodeToString(sum[:]),
	}
}

func (r *Request) cipher() (cipher.AEAD, error) {
	key := sha256.Sum256([]byte("lockstep answer\x00" + r.Token + "\x00" + r.Key))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (r *Request) seal(a Answer) ([]byte, error) {
	plain, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	gcm, err := r.cipher()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return gcm.Seal(nonce, nonce, plain, r.Fingerprint), nil
}

var errSealed = errors.New("the sealed answer is damaged")

func (r *Request) open(sealed []byte) (*Answer, error) {
	gcm, err := r.cipher()
	if err != nil {
		return nil, err
	}
	if len(sealed) < gcm.NonceSize() {
		return nil, errSealed
	}
	plain, err := gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], r.Fingerprint)
	if err != nil {
		return nil, errSealed
	}
	var a Answer
	return &a, json.Unmarshal(plain, &a)
}
