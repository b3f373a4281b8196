// Package fault gives every error that crosses a port one of a few kinds, so
// that nobody above an adapter reads status codes or message texts.
//
// An adapter classifies once, where it talks to the outside; the layers above
// add whom and what with fmt.Errorf("…: %w", err) and ask KindOf.
package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kind says what an error means to the caller, not where it came from.
type Kind uint8

// The kinds, from "a bug" to "try later".
const (
	// Other is an error nobody classified: a bug. Redelivered until the dead letter cap.
	Other Kind = iota
	// Invalid means the request can never succeed as it is.
	Invalid
	// Unsupported means the app cannot do this at all.
	Unsupported
	// NotFound means there is no such thing; by itself it is never a deletion.
	NotFound
	// Conflict means somebody else changed or took it: read again.
	Conflict
	// Denied means the credentials lack a right, or were revoked.
	Denied
	// Throttled means a limit or quota; RetryAfter says when it may pass, if known.
	Throttled
	// Unavailable means the other side is down, slow or talks nonsense: try again.
	Unavailable
)

var kindNames = [...]string{
	"other", "invalid", "unsupported", "not_found", "conflict", "denied", "throttled", "unavailable",
}

// String returns the kind as the word used in logs and answers.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Other]
}

// MarshalText makes kinds words in logs and JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the word that MarshalText wrote.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, n := range kindNames {
		if n == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("fault: unknown kind %q", b)
}

// Error is a classified error. The zero Kind is Other.
type Error struct {
	Op         string        // what was tried, for example "hubspot: read contacts"
	Kind       Kind          // what it means
	Code       string        // stable snake_case code of the error dictionary; may be empty
	Field      string        // the field at fault, in the app's own naming; may be empty
	Fields     []FieldFault  // all fields at fault, where the other side names several; Field is the first of them
	Message    string        // safe to show to an admin: no secrets, no personal data
	RetryAfter time.Duration // how long the other side asked us to wait; zero when it did not say
	// RetryAfter is ours: the other side does not say when the limit ends, so that asking is the only way to know
	Guessed       bool
	MayHaveLanded bool  // a write whose answer was lost: the effect is unknown
	Err           error // cause; may be nil
}

// FieldFault is one field at fault, with what is wrong with it.
type FieldFault struct {
	Field string // in the app's own naming
	Code  string // of the error dictionary
}

// FieldFaults returns the fields that err names, each once, with a code each.
func FieldFaults(err error) []FieldFault {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	out := make([]FieldFault, 0, len(e.Fields)+1)
	for _, f := range append([]FieldFault{{e.Field, e.Code}}, e.Fields...) {
		if f.Field == "" {
			continue
		}
		if f.Code == "" {
			f.Code = CodeOf(e)
		}
		if !slices.ContainsFunc(out, func(o FieldFault) bool { return o.Field == f.Field }) {
			out = append(out, f)
		}
	}
	return out
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Op + ": " + e.Kind.String()
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost *Error in err's chain. A context
// error that nobody classified counts as Unavailable; nil and everything else
// as Other.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Unavailable
	}
	return Other
}

// Is reports whether err is classified as k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// RetryAfter returns the wait the other side asked for, or zero.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// Guessed reports whether RetryAfter is a guess of ours.
func Guessed(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Guessed
}

// CodeOf returns the dictionary code of err, or the name of its kind.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Code != "" {
		return e.Code
	}
	return KindOf(err).String()
}

// MayHaveLanded reports whether err leaves open if the write took effect.
// An unclassified context error counts as open.
func MayHaveLanded(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.MayHaveLanded
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// New returns a classified error with a message that an admin may see.
func New(op string, kind Kind, code, message string) *Error {
	return &Error{Op: op, Kind: kind, Code: code, Message: message}
}

// Wrap classifies err; it returns nil when err is nil.
func Wrap(op string, kind Kind, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Kind: kind, Err: err}
}

var _ error = (*Error)(nil)
