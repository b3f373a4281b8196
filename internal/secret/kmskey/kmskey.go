package kmskey

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

const (
	formatVersion = 2 // 1 is localkey's
	keyBytes      = 32
	nonceBytes    = 12
	tagBytes      = 16
	maxKeyID      = 255
	maxWrapped    = 1024 // KMS makes about 200 of 32 bytes
)

// Options of a Sealer.
type Options struct {
	// Others are ARNs of keys that blobs may still be sealed under.
	Others []string
	// MaxUses is how many secrets one data key seals; 0 = 100.
	MaxUses int
	// MaxAge is how long a data key stays in memory; 0 = 5 minutes.
	MaxAge time.Duration
	// MaxKeys is how many data keys stay in memory; 0 = 1,000.
	MaxKeys int
	// Retry caps the attempts of each call.
	Retry awscall.Policy
}

// Sealer is a secret.Sealer whose root key is in KMS. Make it with New.
type Sealer struct {
	client *kms.Client
	key    string
	known  map[string]bool
	cache  cache
	retry  awscall.Policy
}

// New returns a sealer under the key with this ARN; ages of data keys go by
// now. It makes no call. fault.Invalid when an ARN is none of a key: an alias
// may point elsewhere tomorrow.
func New(client *kms.Client, key string, now func() time.Time, opts Options) (*Sealer, error) {
	known := map[string]bool{}
	for _, arn := range append([]string{key}, opts.Others...) {
		if !strings.HasPrefix(arn, "arn:") || !strings.Contains(arn, ":key/") || len(arn) > maxKeyID {
			return nil, fault.New("kmskey: new", fault.Invalid, "root_key_malformed", "a root key is named by its key ARN")
		}
		known[arn] = true
	}
	return &Sealer{client: client, key: key, known: known, cache: newCache(now, opts), retry: opts.Retry}, nil
}

// KeyID returns the ARN of the root key that new blobs are sealed under.
func (s *Sealer) KeyID() string { return s.key }

// Seal implements secret.Sealer.
func (s *Sealer) Seal(ctx context.Context, b secret.Binding, plain []byte) ([]byte, error) {
	const op = "kmskey: seal"
	if err := fault.Wrap(op, fault.Unavailable, ctx.Err()); err != nil {
		return nil, err
	}
	k := s.cache.toSeal(b)
	if k == nil {
		var err error
		if k, err = s.generate(ctx, op, b); err != nil {
			return nil, err
		}
		s.cache.keepSealing(b, k)
		s.cache.keepOpening(name(s.key, k.wrapped, b), k)
	}
	blob := make([]byte, 0, 4+len(s.key)+len(k.wrapped)+nonceBytes+len(plain)+tagBytes)
	blob = append(blob, formatVersion, byte(len(s.key)))
	blob = append(blob, s.key...)
	blob = binary.BigEndian.AppendUint16(blob, uint16(len(k.wrapped)))
	blob = append(blob, k.wrapped...)
	header := blob
	var nonce [nonceBytes]byte
	_, _ = rand.Read(nonce[:]) // never fails, it ends the program instead
	blob = append(blob, nonce[:]...)
	return k.aead.Seal(blob, nonce[:], plain, associated(header, b)), nil
}

// Open implements secret.Sealer.
func (s *Sealer) Open(ctx context.Context, b secret.Binding, blob []byte) ([]byte, error) {
	const op = "kmskey: open"
	if err := fault.Wrap(op, fault.Unavailable, ctx.Err()); err != nil {
		return nil, err
	}
	p, err := s.parse(op, blob)
	if err != nil {
		return nil, err
	}
	id := name(p.key, p.wrapped, b)
	k := s.cache.toOpen(id)
	if k == nil {
		if k, err = s.unwrap(ctx, op, b, p); err != nil {
			return nil, err
		}
		s.cache.keepOpening(id, k)
	}
	plain, err := k.aead.Open([]byte{}, p.nonce, p.sealed, associated(p.header, b))
	if err != nil {
		return nil, sealBroken(op)
	}
	return plain, nil
}

// parts of a blob.
type parts struct {
	key                            string
	header, wrapped, nonce, sealed []byte
}

// parse takes a blob apart. A blob that names another key than ours is refused
// before KMS is asked: its answer for a foreign key is about permissions.
func (s *Sealer) parse(op string, blob []byte) (parts, error) {
	if len(blob) < 2 || blob[0] != formatVersion {
		return parts{}, fault.New(op, fault.Invalid, "blob_format", "the sealed secret is of an unknown format")
	}
	short := fault.New(op, fault.Invalid, "blob_format", "the sealed secret is cut short")
	at := 2 + int(blob[1])
	if len(blob) < at+2 {
		return parts{}, short
	}
	p := parts{key: string(blob[2:at])}
	if !s.known[p.key] {
		return parts{}, fault.New(op, fault.Invalid, "root_key_unknown", "the sealed secret names another root key")
	}
	n := int(binary.BigEndian.Uint16(blob[at:]))
	at += 2
	if n == 0 || n > maxWrapped || len(blob) < at+n+nonceBytes+tagBytes {
		return parts{}, short
	}
	p.wrapped = blob[at : at+n]
	p.header = blob[:at+n]
	p.nonce = blob[at+n : at+n+nonceBytes]
	p.sealed = blob[at+n+nonceBytes:]
	return p, nil
}

func sealBroken(op string) error {
	return fault.New(op, fault.Invalid, "seal_broken", "the sealed secret was altered, or belongs elsewhere")
}

// associated is what the seal is bound to. Lengths stand before the parts, so
// that no two bindings give the same bytes.
func associated(header []byte, b secret.Binding) []byte {
	ad := make([]byte, 0, 512)
	for _, part := range []string{"lockstep", "secret", string(header), b.Workspace, b.Subject, b.Purpose} {
		ad = binary.AppendUvarint(ad, uint64(len(part)))
		ad = append(ad, part...)
	}
	return ad
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

var _ secret.Sealer = (*Sealer)(nil)
