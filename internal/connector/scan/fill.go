package scan

import (
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Fill gives records of a listing, which brought no more than ID and time, the
// values that read finds, size of them at once. One record's values come from
// one read. The time stays that of the listing: who edits the record in between
// makes it be listed again. Deleted records, those that are gone by now and those
// that cannot be read stay without values: whoever works them finds out.
func Fill(records []crm.Record, size int, read func([]crm.RecordID) ([]connector.Read, error)) error {
	var live []*crm.Record
	for i := range records {
		if !records[i].Deleted {
			live = append(live, &records[i])
		}
	}
	for part := range slices.Chunk(live, max(size, 1)) {
		ids := make([]crm.RecordID, len(part))
		for i, r := range part {
			ids[i] = r.ID
		}
		reads, err := read(ids)
		if err != nil {
			return err
		}
		for i := range min(len(reads), len(part)) {
			if reads[i].Err == nil && reads[i].Record != nil {
				part[i].Fields = reads[i].Record.Fields
			} else {
				part[i].Fields = nil
			}
		}
	}
	return nil
}
