package hubspotfake

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// mergedIDs names the records that were merged into a record, those of earlier
// merges too: knowledge.hubspot.com/records/merge-records.
const mergedIDs = "hs_merged_object_ids"

// Merges say in which of its forms HubSpot merges. The zero value is today's.
type Merges struct {
	// KeepID lets the primary record keep its ID, as merges did before they made
	// a new record (W1).
	KeepID bool `json:"keep_id" doc:"the survivor keeps the primary record's ID, as merges did before 2025"`
	// OldIDsGone answers 404 to the IDs of merged records instead of with the survivor.
	OldIDsGone bool `json:"old_ids_gone" doc:"the IDs of merged records are not found any more, instead of answering with the survivor"`
	// Untold leaves hs_merged_object_ids empty.
	Untold bool `json:"untold" doc:"survivors do not name the records merged into them"`
}

// SetMerges sets in which form merges are made and told of from now on.
func (f *Fake) SetMerges(m Merges) {
	f.account.Lock()
	defer f.account.Unlock()
	f.account.merges = m
}

// merge puts two records into one: a new one with a new ID, or the primary one;
// the primary's values win, its blanks are filled (W1).
func (f *account) merge(o *object, primary, loser string, by source) (*fakekit.Record, *apiError) {
	a, okA := o.table.Get(f.lives(o, primary))
	b, okB := o.table.Get(f.lives(o, loser))
	if !okA || !okB || a.Deleted || b.Deleted {
		return nil, notFound()
	}
	if a.ID == b.ID {
		return nil, invalid("a record cannot be merged with itself")
	}
	now := f.Tick()
	r := &fakekit.Record{ID: a.ID, Fields: maps.Clone(b.Fields), Created: a.Created, Modified: now}
	lost := []*fakekit.Record{b}
	if !f.merges.KeepID {
		r.ID, lost = f.newID(), []*fakekit.Record{a, b}
	}
	maps.Copy(r.Fields, a.Fields)
	r.Set(mergedIDs, union(a.Fields[mergedIDs], b.Fields[mergedIDs], ids(lost)))
	if f.merges.Untold {
		r.Set(mergedIDs, "")
	}
	if o.name == "contacts" {
		other := union(a.Fields["hs_additional_emails"], b.Fields["email"], b.Fields["hs_additional_emails"])
		r.Set("hs_additional_emails", without(other, r.Fields["email"]))
	}
	for _, old := range lost {
		gone := old.Clone()
		gone.Deleted, gone.DeletedAt, gone.MergedInto = true, now, r.ID
		o.table.Put(gone)
		f.moveEdges(o, old.ID, r.ID)
	}
	o.table.Put(r)
	f.event(o, "merge", r.ID, by, map[string]any{
		"primaryObjectId": number(a.ID), "mergedObjectIds": []json.Number{number(b.ID)}, "newObjectId": number(r.ID),
		"numberOfPropertiesMoved": len(b.Fields),
	})
	return r, nil
}

// lives is the ID under which a record lives on, after any number of merges.
func (f *account) lives(o *object, id string) string {
	for !f.merges.OldIDsGone {
		r, ok := o.table.Get(id)
		if !ok || r.MergedInto == "" {
			break
		}
		id = r.MergedInto
	}
	return id
}

func ids(rs []*fakekit.Record) string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = r.ID
	}
	return strings.Join(out, ";")
}

// union joins lists, each value once.
func union(lists ...string) string {
	var out []string
	for _, l := range lists {
		for v := range strings.SplitSeq(l, ";") {
			if v != "" && !slices.Contains(out, v) {
				out = append(out, v)
			}
		}
	}
	return strings.Join(out, ";")
}

func without(list, value string) string {
	parts := slices.DeleteFunc(strings.Split(list, ";"), func(v string) bool { return v == value })
	return strings.Join(parts, ";")
}

type retentionIn struct {
	Keep fakekit.Duration `json:"keep" doc:"how long archived records are listed; 0 = 2160h, as HubSpot does"`
}

// archiveDays is how long archived records can be seen and restored:
// knowledge.hubspot.com/records/restore-deleted-records.
const archiveDays = 90 * 24 * time.Hour

// forgotten reports whether an archived record is older than HubSpot remembers.
func (f *account) forgotten(r *fakekit.Record) bool {
	keep := f.keep
	if keep == 0 {
		keep = archiveDays
	}
	return r.Deleted && f.Now().Sub(r.DeletedAt) > keep
}

func (f *account) setRetention(in retentionIn) error {
	if in.Keep < 0 {
		return errors.New("keep cannot be negative")
	}
	f.Lock()
	defer f.Unlock()
	f.keep = time.Duration(in.Keep)
	return nil
}
