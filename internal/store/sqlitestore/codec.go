package sqlitestore

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
)

var errCounters = errors.New("stored counters are damaged")

// encodeCounters writes names in order, each with its length, followed by the
// number; nil for none.
func encodeCounters(m map[string]int64) []byte {
	if len(m) == 0 {
		return nil
	}
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(m)) {
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
		b = binary.AppendVarint(b, m[name])
	}
	return b
}

func decodeCounters(b []byte) (map[string]int64, error) {
	if len(b) == 0 {
		return nil, nil
	}
	m := map[string]int64{}
	for len(b) > 0 {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return nil, errCounters
		}
		name := string(b[used : used+int(n)])
		b = b[used+int(n):]
		v, used := binary.Varint(b)
		if used <= 0 {
			return nil, errCounters
		}
		m[name] = v
		b = b[used:]
	}
	return m, nil
}

func encodeTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func decodeTime(sec int64) time.Time {
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0).UTC()
}

// orNull keeps items that are in no index out of the partial index.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// row is a stored item as its columns give it.
type row struct {
	id           int64
	exp          int64
	idx, idxsort *string
	counters     []byte
	item         store.Item
}

// finish fills in what needs decoding. Items hold slices of their own: the
// driver copies every blob it reads.
func (r *row) finish() error {
	if r.idx != nil {
		r.item.Index = *r.idx
	}
	if r.idxsort != nil {
		r.item.IndexSort = *r.idxsort
	}
	r.item.Expires = decodeTime(r.exp)
	var err error
	r.item.Counters, err = decodeCounters(r.counters)
	return err
}
