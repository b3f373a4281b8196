package hubspot

import (
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// mergedIDs names the records that were merged into a record, those of earlier
// merges too. HubSpot answers to their IDs with the survivor.
//
// Source: https://knowledge.hubspot.com/records/merge-records
const mergedIDs = "hs_merged_object_ids"

// withMerged asks for mergedIDs besides the wanted properties.
func withMerged(fields []string) []string {
	if slices.Contains(fields, mergedIDs) {
		return fields
	}
	return append(slices.Clone(fields), mergedIDs)
}

// takeMerged moves mergedIDs out of the record's properties, unless it was
// wanted as one of them.
func takeMerged(rec *crm.Record, fields []string) {
	rec.Merged = mergedIn(rec.Fields[mergedIDs].Text(), rec.ID)
	if !slices.Contains(fields, mergedIDs) {
		delete(rec.Fields, mergedIDs)
	}
}

// merged is the row's list of the records merged into it.
func (r *row) merged() string {
	if v := r.Properties[mergedIDs]; v != nil {
		return *v
	}
	return ""
}

func mergedIn(list string, survivor crm.RecordID) []crm.RecordID {
	var out []crm.RecordID
	for part := range strings.SplitSeq(list, ";") {
		id := crm.RecordID(strings.TrimSpace(part))
		if recordID(string(id)) && id != survivor && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// merged reports a record that HubSpot answered with its survivor.
func merged(id crm.RecordID, survivor *row) *crm.Record {
	rec, _ := survivor.record()
	takeMerged(&rec, nil)
	return &crm.Record{ID: id, Deleted: true, MergedInto: rec.ID, Merged: rec.Merged, ModifiedAt: rec.ModifiedAt}
}

// survivors finds the rows in which records live on that were asked for and not
// answered under their own IDs.
func survivors(ids []crm.RecordID, rows []row) map[crm.RecordID]*row {
	out := map[crm.RecordID]*row{}
	for i := range rows {
		for _, id := range mergedIn(rows[i].merged(), crm.RecordID(rows[i].ID)) {
			if slices.Contains(ids, id) && !rows[i].Archived {
				out[id] = &rows[i]
			}
		}
	}
	return out
}
