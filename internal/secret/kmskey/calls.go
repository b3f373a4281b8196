package kmskey

import (
	"bytes"
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// generate asks KMS for a new data key of a binding.
func (s *Sealer) generate(ctx context.Context, op string, b secret.Binding) (*dataKey, error) {
	var out *kms.GenerateDataKeyOutput
	err := awscall.Do(ctx, op, awscall.Read, s.retry, func(ctx context.Context) error {
		var err error
		out, err = s.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
			KeyId: aws.String(s.key), KeySpec: types.DataKeySpecAes256, EncryptionContext: contextOf(b),
		}, once)
		return err
	})
	if err != nil {
		return nil, classify(op, err)
	}
	return newKey(op, out.Plaintext, out.CiphertextBlob)
}

// unwrap asks KMS for the data key of a blob.
func (s *Sealer) unwrap(ctx context.Context, op string, b secret.Binding, p parts) (*dataKey, error) {
	var out *kms.DecryptOutput
	err := awscall.Do(ctx, op, awscall.Read, s.retry, func(ctx context.Context) error {
		var err error
		out, err = s.client.Decrypt(ctx, &kms.DecryptInput{
			KeyId: aws.String(p.key), CiphertextBlob: p.wrapped, EncryptionContext: contextOf(b),
		}, once)
		return err
	})
	if err != nil && broken[awscall.Code(err)] {
		return nil, sealBroken(op)
	}
	if err != nil {
		return nil, classify(op, err)
	}
	return newKey(op, out.Plaintext, p.wrapped)
}

// newKey keeps a data key as a cipher and wipes its bytes.
func newKey(op string, plain, wrapped []byte) (*dataKey, error) {
	defer clear(plain)
	if len(plain) != keyBytes || len(wrapped) == 0 || len(wrapped) > maxWrapped {
		return nil, &fault.Error{
			Op: op, Kind: fault.Unavailable, Code: "root_key_unusable", Message: "the key service gave no data key of ours",
		}
	}
	aead, err := newAEAD(plain)
	if err != nil {
		return nil, fault.Wrap(op, fault.Other, err)
	}
	return &dataKey{aead: aead, wrapped: bytes.Clone(wrapped)}, nil
}

// contextOf is the binding as KMS's encryption context. Empty parts are left
// out; each part has a name of its own, so that nothing is lost.
func contextOf(b secret.Binding) map[string]string {
	c := map[string]string{"lockstep": "secret"}
	for name, part := range map[string]string{"workspace": b.Workspace, "subject": b.Subject, "purpose": b.Purpose} {
		if part != "" {
			c[name] = part
		}
	}
	return c
}

// broken are codes for a wrapped key that is none, or is bound to something else.
var broken = map[string]bool{
	"InvalidCiphertextException": true, "IncorrectKeyException": true, "ValidationException": true,
}

// unusable are codes for a root key that cannot be used as it is.
var unusable = map[string]bool{
	"DisabledException": true, "KMSInvalidStateException": true, "KeyUnavailableException": true,
	"InvalidKeyUsageException": true,
}

// classify knows one kind only: without its root key nothing can be sealed or
// opened, whatever the reason.
func classify(op string, err error) error {
	if unusable[awscall.Code(err)] {
		return &fault.Error{
			Op: op, Kind: fault.Unavailable, Code: "root_key_unusable",
			Message: "the root key is disabled or on its way to deletion",
		}
	}
	err = awscall.Classify(op, err, false)
	var f *fault.Error
	if errors.As(err, &f) && f.Kind != fault.Unavailable {
		unavailable := *f
		unavailable.Kind = fault.Unavailable
		return &unavailable
	}
	return err
}

// once switches the SDK's own repetitions off.
func once(o *kms.Options) { o.Retryer = aws.NopRetryer{} }
