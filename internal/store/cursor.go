package store

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Position is the last item of a page, after which the next page starts.
type Position struct {
	Sort      string // in the table, or in the index
	Partition string // of the item; only with OnIndex, where sort texts may repeat
	ItemSort  string // of the item; only with OnIndex
}

const (
	cursorVersion = 1
	digestBytes   = 12
	maxCursor     = 8 << 10 // far above what EncodeCursor makes of the longest keys
)

// EncodeCursor makes the cursor that continues q after p. It carries a digest
// of the query, so that a cursor cannot wander into another one; the page size
// is no part of it. It is no secret and no permission: whoever forges one only
// chooses another position of the same query.
func EncodeCursor(q *Query, p Position) string {
	d := queryDigest(q)
	b := make([]byte, 0, 1+len(d)+len(p.Sort)+len(p.Partition)+len(p.ItemSort)+12)
	b = append(b, cursorVersion)
	b = append(b, d[:]...)
	b = appendText(b, p.Sort)
	if q.OnIndex {
		b = appendText(b, p.Partition)
		b = appendText(b, p.ItemSort)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeCursor returns the position in q.Cursor; ok is false when q has none.
// fault.Invalid with code "cursor_malformed" when it is not one of EncodeCursor
// or belongs to another query.
func DecodeCursor(op string, q *Query) (p Position, ok bool, err error) {
	if q.Cursor == "" {
		return Position{}, false, nil
	}
	bad := invalid(op, "cursor_malformed", "the cursor does not belong to this query")
	if len(q.Cursor) > maxCursor {
		return Position{}, false, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.Cursor)
	if err != nil || len(b) < 1+digestBytes || b[0] != cursorVersion {
		return Position{}, false, bad
	}
	d := queryDigest(q)
	if subtle.ConstantTimeCompare(d[:], b[1:1+digestBytes]) != 1 {
		return Position{}, false, bad
	}
	rest, good := takeText(b[1+digestBytes:], &p.Sort, MaxSortBytes)
	if good && q.OnIndex {
		rest, good = takeText(rest, &p.Partition, MaxPartitionBytes)
		if good {
			rest, good = takeText(rest, &p.ItemSort, MaxSortBytes)
		}
	}
	if !good || len(rest) > 0 || !within(q, p.Sort) {
		return Position{}, false, bad
	}
	return p, true, nil
}

// within reports whether q could have listed sort: a forged position must not
// widen a query.
func within(q *Query, sort string) bool {
	return strings.HasPrefix(sort, q.Prefix) && sort >= q.From && (q.To == "" || sort < q.To)
}

// queryDigest covers everything that decides which items a query lists, and in which order.
func queryDigest(q *Query) [digestBytes]byte {
	b := make([]byte, 0, 256)
	for _, s := range []string{string(q.Table), string(q.Workspace), q.Partition, q.Prefix, q.From, q.To} {
		b = appendText(b, s)
	}
	var flags byte
	if q.OnIndex {
		flags |= 1
	}
	if q.Reverse {
		flags |= 2
	}
	sum := sha256.Sum256(append(b, flags))
	return [digestBytes]byte(sum[:digestBytes])
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func takeText(b []byte, into *string, limit int) ([]byte, bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n == 0 || n > uint64(limit) || n > uint64(len(b)-used) {
		return nil, false
	}
	text := b[used : used+int(n)]
	*into = string(text)
	return b[used+int(n):], utf8.Valid(text)
}
