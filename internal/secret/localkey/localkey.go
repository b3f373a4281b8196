package localkey

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

const (
	formatVersion = 1
	keyBytes      = 32
	nonceBytes    = 12
	tagBytes      = 16
	wrappedBytes  = nonceBytes + keyBytes + tagBytes
)

// Sealer is a secret.Sealer whose root keys were read from a file. Make it with Open.
type Sealer struct {
	current string // ID of the key that seals
	keys    map[string]cipher.AEAD
}

// KeyID returns the ID of the root key that new blobs are sealed under.
func (s *Sealer) KeyID() string { return s.current }

// Seal implements secret.Sealer.
func (s *Sealer) Seal(ctx context.Context, b secret.Binding, plain []byte) ([]byte, error) {
	const op = "localkey: seal"
	if err := fault.Wrap(op, fault.Unavailable, ctx.Err()); err != nil {
		return nil, err
	}
	dataKey := make([]byte, keyBytes)
	fill(dataKey)
	defer clear(dataKey)
	aead, err := newAEAD(dataKey)
	if err != nil {
		return nil, fault.Wrap(op, fault.Other, err)
	}
	blob := make([]byte, 0, 2+len(s.current)+wrappedBytes+nonceBytes+len(plain)+tagBytes)
	blob = append(blob, formatVersion, byte(len(s.current)))
	blob = append(blob, s.current...)
	header := blob
	blob = seal(blob, s.keys[s.current], dataKey, associated("data key", header, b))
	return seal(blob, aead, plain, associated("secret", header, b)), nil
}

// Open implements secret.Sealer.
func (s *Sealer) Open(ctx context.Context, b secret.Binding, blob []byte) ([]byte, error) {
	const op = "localkey: open"
	if err := fault.Wrap(op, fault.Unavailable, ctx.Err()); err != nil {
		return nil, err
	}
	if len(blob) < 2 || blob[0] != formatVersion {
		return nil, fault.New(op, fault.Invalid, "blob_format", "the sealed secret is of an unknown format")
	}
	n := 2 + int(blob[1])
	if len(blob) < n+wrappedBytes+nonceBytes+tagBytes {
		return nil, fault.New(op, fault.Invalid, "blob_format", "the sealed secret is cut short")
	}
	header, rest := blob[:n], blob[n:]
	root, ok := s.keys[string(header[2:])]
	if !ok {
		return nil, fault.New(op, fault.Invalid, "root_key_unknown",
			"the root key of the sealed secret is not in the key file")
	}
	dataKey, ok := open(root, rest[:wrappedBytes], associated("data key", header, b))
	if !ok {
		return nil, sealBroken(op)
	}
	defer clear(dataKey)
	aead, err := newAEAD(dataKey)
	if err != nil {
		return nil, sealBroken(op)
	}
	plain, ok := open(aead, rest[wrappedBytes:], associated("secret", header, b))
	if !ok {
		return nil, sealBroken(op)
	}
	return plain, nil
}

func sealBroken(op string) error {
	return fault.New(op, fault.Invalid, "seal_broken", "the sealed secret was altered, or belongs elsewhere")
}

// seal appends nonce and sealed text to dst.
func seal(dst []byte, aead cipher.AEAD, plain, ad []byte) []byte {
	var nonce [nonceBytes]byte
	fill(nonce[:])
	dst = append(dst, nonce[:]...)
	return aead.Seal(dst, nonce[:], plain, ad)
}

func open(aead cipher.AEAD, sealed, ad []byte) ([]byte, bool) {
	plain, err := aead.Open([]byte{}, sealed[:nonceBytes], sealed[nonceBytes:], ad)
	return plain, err == nil
}

// associated is the data both seals are bound to. Lengths stand before the
// parts, so that no two bindings give the same bytes.
func associated(layer string, header []byte, b secret.Binding) []byte {
	ad := make([]byte, 0, 128)
	for _, part := range []string{"lockstep", layer, string(header), b.Workspace, b.Subject, b.Purpose} {
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

// fill fills b with random bytes; crypto/rand.Read never fails, it ends the program instead.
func fill(b []byte) { _, _ = rand.Read(b) }

var _ secret.Sealer = (*Sealer)(nil)
