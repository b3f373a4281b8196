// Package secret is the port that seals credentials: envelope encryption bound
// to where a secret belongs.
package secret

import (
	"context"
	"log/slog"
)

// Binding says where a sealed secret belongs. A blob opened under another
// binding fails closed.
type Binding struct {
	Workspace string
	Subject   string // account or app the secret belongs to
	Purpose   string // "credential", "oauth_client", "webhook_secret"
}

// Sealer seals and opens secrets with AES-256-GCM under a data key that itself
// is wrapped by a root key (KMS, or a local key file). Blobs carry a format
// version and the ID of the root key.
//
// Errors: fault.Invalid for a blob that was altered, moved to another binding,
// or is of an unknown format; Unavailable when the root key cannot be reached.
// Errors never contain plain text.
type Sealer interface {
	Seal(ctx context.Context, b Binding, plain []byte) (blob []byte, err error)
	Open(ctx context.Context, b Binding, blob []byte) (plain []byte, err error)
}

// Text is a secret in memory. It prints and marshals as "[redacted]", so that
// a careless log line or error cannot spill it; Reveal is the one way out.
type Text struct{ s string }

// NewText wraps a secret.
func NewText(s string) Text { return Text{s} }

// Reveal returns the secret itself.
func (t Text) Reveal() string { return t.s }

// Empty reports whether there is no secret.
func (t Text) Empty() bool { return t.s == "" }

// String implements fmt.Stringer.
func (t Text) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (t Text) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

const redacted = "[redacted]"
