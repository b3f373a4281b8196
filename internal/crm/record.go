package crm

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// Fields are the values of a record by the app's own field names. An app that
// sent nothing for a field has no entry.
type Fields map[string]Value

// Record is one object in one app, as last read.
type Record struct {
	ID         RecordID  `json:"id"`
	Fields     Fields    `json:"fields"`
	ModifiedAt time.Time `json:"modified_at,omitzero"`  // by the app's clock; zero when the app has none
	CreatedAt  time.Time `json:"created_at,omitzero"`   // by the app's clock; zero when unknown
	ModifiedBy string    `json:"modified_by,omitempty"` // the app's user who did; "" when the app does not say
	Deleted    bool      `json:"deleted,omitempty"`     // archived or in the recycle bin
	MergedInto RecordID  `json:"merged_into,omitempty"` // the survivor, when the app says this record lost a merge
	// Merged are the records that live on in this one, or, of a record that lost
	// a merge, in its survivor, where the app names them.
	Merged []RecordID `json:"merged,omitempty"`
	Etag   string     `json:"etag,omitempty"` // for apps that write conditionally; opaque
}

// Get returns a field's value; Absent when the record has none.
func (r *Record) Get(field string) Value { return r.Fields[field] }

// LogValue names the record without its values, which are personal data.
func (r *Record) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", string(r.ID)), slog.Int("fields", len(r.Fields)))
}

// Digest returns a one-way fingerprint of the named fields as the app sent
// them. Two equal digests mean that none of these fields looks different;
// the order of names does not matter. Absent and null fields count alike,
// because apps differ in which one they send for the same empty field.
func (f Fields) Digest(names []string) string {
	if !slices.IsSorted(names) {
		names = slices.Sorted(slices.Values(names))
	}
	var room [1024]byte
	b := room[:0]
	for i, n := range names {
		if i > 0 && n == names[i-1] {
			continue
		}
		v := f[n]
		if v.kind == Absent {
			v = NullValue()
		}
		b = v.appendDigest(append(append(b, n...), 0))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// Clone returns an own copy.
func (f Fields) Clone() Fields { return maps.Clone(f) }

// RecordRef names one record of a sync.
type RecordRef struct {
	Side Side     `json:"side"`
	ID   RecordID `json:"id"`
}
