package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// The bounds of a body (X7).
const (
	maxBody   = 1 << 20 // bytes
	maxDepth  = 32      // objects and lists within each other
	maxValues = 100_000 // keys, list items and single values together
	maxKey    = 1 << 10 // bytes; problems name keys
)

const tooManyValues = "more than 100,000 values"

// frame is one object or list that is open.
type frame struct {
	keys  map[string]struct{} // nil for a list
	key   string              // of the value that comes next
	named bool                // key is set
	index int
}

// strictJSON reads a body that must be exactly one JSON value: UTF-8 without
// broken escapes, no key twice in one object, no more than 32 levels, nothing
// behind it. Numbers stay as they are written (json.Number).
func strictJSON(body []byte) (any, *Problem) {
	if i := invalidUTF8(body); i >= 0 {
		return nil, malformed(CodeBadUTF8, "", "the body is not UTF-8 at byte "+strconv.Itoa(i))
	}
	if i := loneSurrogate(body); i >= 0 {
		return nil, malformed(CodeBadUTF8, "", "a \\u escape at byte "+strconv.Itoa(i)+" is half of a character")
	}
	if p := strictTokens(body); p != nil {
		return nil, p
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, malformed(CodeMalformedJSON, "", "the body is not JSON")
	}
	return v, nil
}

func malformed(code, pointer, detail string) *Problem {
	return problem(400, code, detail, ProblemItem{Pointer: pointer, Detail: detail, Code: code})
}

// strictTokens walks the tokens, keeping the pointer of where it is.
func strictTokens(body []byte) *Problem {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var open []*frame
	values, count := 0, 0
	for {
		tok, err := dec.Token()
		if count++; count > 2*maxValues { // an object or list has two
			return malformed(CodeTooManyValues, "", tooManyValues)
		}
		if errors.Is(err, io.EOF) && len(open) == 0 && values == 1 {
			return nil
		}
		if err != nil {
			return malformed(CodeMalformedJSON, at(open), "the body is not JSON: broken near byte "+
				strconv.FormatInt(dec.InputOffset(), 10))
		}
		if len(open) == 0 && values == 1 {
			return malformed(CodeTrailingData, "", "there is more after the JSON value")
		}
		if d, ok := tok.(json.Delim); ok {
			if d == '}' || d == ']' {
				open = open[:len(open)-1]
			} else {
				if len(open) == maxDepth {
					return malformed(CodeTooDeep, at(open), "more than 32 levels of objects and lists")
				}
				f := &frame{}
				if d == '{' {
					f.keys = map[string]struct{}{}
				}
				open = append(open, f)
				continue
			}
		} else if f := top(open); f != nil && f.keys != nil && !f.named {
			key, _ := tok.(string)
			if len(key) > maxKey {
				return malformed(CodeWrongLength, at(open), "a key is longer than 1,024 bytes")
			}
			f.key, f.named = key, true
			if _, twice := f.keys[key]; twice {
				return malformed(CodeDuplicateKey, at(open), "the key stands twice in one object")
			}
			f.keys[key] = struct{}{}
			continue
		}
		if f := top(open); f == nil {
			values++
		} else if f.keys != nil {
			f.named = false
		} else {
			f.index++
		}
	}
}

func top(open []*frame) *frame {
	if len(open) == 0 {
		return nil
	}
	return open[len(open)-1]
}

// at is the pointer of the value that is being read.
func at(open []*frame) string {
	var b []byte
	for _, f := range open {
		switch {
		case f.keys == nil:
			b = strconv.AppendInt(append(b, '/'), int64(f.index), 10)
		case f.named:
			b = append(append(b, '/'), escape(f.key)...)
		}
	}
	return string(b)
}

func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return -1
}

// loneSurrogate finds an escape such as \ud800 without its other half, which
// the decoder would replace in silence. A backslash is special only inside
// strings, and outside of them the decoder refuses it anyway.
func loneSurrogate(b []byte) int {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		r := escaped(b[i:])
		switch {
		case r >= 0xD800 && r < 0xDC00:
			low := escaped(b[min(i+6, len(b)):])
			if low < 0xDC00 || low > 0xDFFF {
				return i
			}
			i += 11
		case r >= 0xDC00 && r <= 0xDFFF:
			return i
		default:
			i++ // the escaped character
		}
	}
	return -1
}

// escaped reads \uXXXX at the start of b; -1 when it is something else.
func escaped(b []byte) int64 {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	r, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int64(r)
}
