package crm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind is the shape of a Value.
type Kind uint8

// The shapes. Absent, Null and a blank Text differ: an app that sent nothing,
// one that sent null, and one that sent an empty text.
const (
	Absent Kind = iota
	Null
	Text
	Number // exact decimal text as received
	Bool
	List
)

// Value is one field's value as an app sent it, or in canonical form. The zero
// value is Absent. Values are immutable; Items returns a copy.
type Value struct {
	kind  Kind
	fold  bool // of a list: items that differ in case alone are one
	text  string
	items []string
}

// NullValue is an explicit null.
func NullValue() Value { return Value{kind: Null} }

// TextValue returns a text.
func TextValue(s string) Value { return Value{kind: Text, text: s} }

// NumberValue returns a number, given as decimal text so that nothing is rounded.
func NumberValue(decimal string) Value { return Value{kind: Number, text: decimal} }

// BoolValue returns a boolean.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, text: "true"}
	}
	return Value{kind: Bool, text: "false"}
}

// ListValue returns a list of texts; the caller keeps its slice.
func ListValue(items ...string) Value { return Value{kind: List, items: slices.Clone(items)} }

// TagsValue returns a list whose items are compared without case, as people's
// tags are. Items that are one are given once.
func TagsValue(items ...string) Value { v := ListValue(items...); v.fold = true; return v }

// Folds reports whether the items of a list are compared without case.
func (v Value) Folds() bool { return v.fold }

// Kind returns the shape.
func (v Value) Kind() Kind { return v.kind }

// Text returns the value as one text: a list is joined with ";", null and
// absent are empty.
func (v Value) Text() string {
	if v.kind == List {
		return strings.Join(v.items, ";")
	}
	return v.text
}

// Bool returns the boolean, and whether the value is one.
func (v Value) Bool() (value, ok bool) { return v.text == "true", v.kind == Bool }

// Items returns a copy of a list's items; a scalar that is not blank is a list of one.
func (v Value) Items() []string {
	switch v.kind {
	case List:
		return slices.Clone(v.items)
	case Absent, Null:
		return nil
	case Text, Number, Bool:
		if v.Blank() {
			return nil
		}
		return []string{v.text}
	}
	return nil
}

// Blank reports whether the value is absent, null, only white space, or a list
// without items that are not blank.
func (v Value) Blank() bool {
	switch v.kind {
	case Absent, Null:
		return true
	case List:
		for _, s := range v.items {
			if strings.TrimSpace(s) != "" {
				return false
			}
		}
		return true
	case Text, Number, Bool:
		return strings.TrimSpace(v.text) == ""
	}
	return true
}

// Equal reports whether two values have the same kind and content; lists keep their
// order, but for those that are compared without case.
func (v Value) Equal(w Value) bool {
	if v.fold || w.fold {
		return v.kind == w.kind && slices.Equal(v.folded(), w.folded())
	}
	return v.kind == w.kind && v.text == w.text && slices.Equal(v.items, w.items)
}

// folded are the items without case, in order.
func (v Value) folded() []string {
	out := make([]string, len(v.items))
	for i, s := range v.items {
		out[i] = FoldCase(s)
	}
	slices.Sort(out)
	return out
}

// ItemKey is what tells an item of the list from others.
func (v Value) ItemKey(item string) string {
	if v.fold {
		return FoldCase(item)
	}
	return item
}

// FoldCase returns the form under which two texts are equal when they differ only
// in case (Unicode simple folding). The texts are in NFC.
func FoldCase(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return strings.ToLower(s)
	}
	return strings.Map(foldRune, s)
}

// foldRune returns the smallest rune of r's folding orbit, in lower case where
// that is ASCII, so that the Kelvin sign folds as strings.EqualFold sees it.
func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least >= 'A' && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

// Digest returns a short, stable, one-way fingerprint of kind and content.
func (v Value) Digest() string {
	var room [2 * digestBytes]byte
	return string(v.appendDigest(room[:0]))
}

// digestBytes is how much of the hash a digest keeps.
const digestBytes = 12

// appendDigest appends Digest. Every record that is listed or read is digested:
// what is short is put together, and hashed, without asking for memory.
func (v Value) appendDigest(to []byte) []byte {
	var room [256]byte
	b := append(append(room[:0], byte(v.kind)), v.text...)
	for _, s := range v.items {
		b = append(append(b, 0), s...)
	}
	sum := sha256.Sum256(b)
	return hex.AppendEncode(to, sum[:digestBytes])
}

// LogValue keeps field values, which are personal data, out of logs.
func (v Value) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// GoString keeps values readable in test failures only.
func (v Value) GoString() string {
	b, err := v.MarshalJSON()
	if err != nil {
		return fmt.Sprintf("crm.Value{%d, %q, %q}", v.kind, v.text, v.items)
	}
	return "crm:" + string(b)
}

// MarshalJSON writes the natural JSON of the value; Absent writes null, so
// leave absent values out of maps before encoding.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case Absent, Null:
		return []byte("null"), nil
	case Number:
		if !json.Valid([]byte(v.text)) {
			return json.Marshal(v.text)
		}
		return []byte(v.text), nil
	case Bool:
		return []byte(v.text), nil
	case List:
		if v.items == nil {
			return []byte("[]"), nil
		}
		return marshalText(v.items)
	case Text:
		return marshalText(v.text)
	}
	return nil, fmt.Errorf("crm: value of unknown kind %d", v.kind)
}

// marshalText encodes without HTML escapes, so that values stay readable.
func marshalText(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// ErrValue reports JSON that is no field value: objects and nested lists.
var ErrValue = errors.New("crm: a field value must be null, a text, a number, a boolean or a list of texts")

// UnmarshalJSON reads null, texts, numbers (kept exact), booleans and lists of scalars.
func (v *Value) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return ErrValue
	}
	switch b[0] {
	case 'n':
		*v = NullValue()
	case 't', 'f':
		*v = BoolValue(b[0] == 't')
	case '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*v = TextValue(s)
	case '[':
		var raw []Value
		if err := json.Unmarshal(b, &raw); err != nil {
			return err
		}
		items := make([]string, 0, len(raw))
		for _, r := range raw {
			if r.kind == List || r.kind == Null {
				return ErrValue
			}
			items = append(items, r.text)
		}
		*v = Value{kind: List, items: items}
	case '{':
		return ErrValue
	default:
		if !utf8.Valid(b) || !json.Valid(b) {
			return ErrValue
		}
		*v = NumberValue(string(b))
	}
	return nil
}

var (
	_ json.Marshaler   = Value{}
	_ json.Unmarshaler = (*Value)(nil)
	_ slog.LogValuer   = Value{}
)
