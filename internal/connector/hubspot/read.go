package hubspot

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// objectPattern is what an object type may be called: a name, or a type ID such
// as 0-1 or 2-1234567.
var objectPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`)

// BatchRead implements connector.Connector.
// Source: POST …/batch/read, api-reference/…/objects/contacts/guide.
func (a *account) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	op := "hubspot: read " + object
	base, err := records(op, object, len(ids))
	if err != nil {
		return nil, err
	}
	fields, edges := apart(object, fields)
	missing := fault.New(op, fault.NotFound, "", "HubSpot has no such record")
	return rows.Read(ctx, ids, id, missing, func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error) {
		found, strange, bad, err := a.readRows(ctx, op, base, asked, batchReadBody{Properties: withMerged(fields)})
		if err != nil {
			return nil, err
		}
		out := make(map[crm.RecordID]connector.Read, len(asked))
		var live []*crm.Record
		for _, id := range asked {
			if r, ok := found[id]; ok && !r.Archived {
				rec, _ := r.record()
				takeMerged(&rec, fields)
				out[id] = connector.Read{Record: &rec}
				live = append(live, &rec)
			} else if bad[id] != nil {
				out[id] = connector.Read{Err: bad[id]}
			}
		}
		if err := a.tellEnds(ctx, op, object, live, edges); err != nil {
			return nil, err
		}
		for i := range strange { // records that were asked for and live on in others
			for _, id := range mergedIn(strange[i].merged(), crm.RecordID(strange[i].ID)) {
				if _, answered := found[id]; !answered && bad[id] == nil && !strange[i].Archived {
					out[id] = connector.Read{Record: merged(id, &strange[i])}
				}
			}
		}
		return out, nil
	})
}

// readRows reads records by ID. IDs that cannot be one are left out: HubSpot
// refuses the whole batch for them. strange are rows that it answered under
// other IDs: survivors of merges. bad are records that it could not show, by ID.
func (a *account) readRows(
	ctx context.Context, op, base string, ids []crm.RecordID, body batchReadBody,
) (found map[crm.RecordID]row, strange []row, bad map[crm.RecordID]error, err error) {
	asked := map[crm.RecordID]bool{}
	for _, id := range ids {
		if recordID(string(id)) && !asked[id] {
			asked[id] = true
			body.Inputs = append(body.Inputs, idBody{string(id)})
		}
	}
	if len(body.Inputs) == 0 {
		return nil, nil, nil, nil
	}
	rows, bad, err := a.rows(ctx, op, base, body)
	if err != nil {
		return nil, nil, nil, err
	}
	for id := range bad {
		if !asked[id] {
			return nil, nil, nil, bad[id] // of nobody: it may be anybody's
		}
	}
	found = make(map[crm.RecordID]row, len(rows))
	for _, row := range rows {
		id := crm.RecordID(row.ID)
		if asked[id] {
			found[id] = row
		}
		if !asked[id] || row.merged() != "" { // one that was asked for by its own ID too is answered once
			strange = append(strange, row)
		}
	}
	return found, strange, bad, nil
}

// rows makes a batch read. Records that are not there are no error of the call:
// HubSpot answers 207, or 404 when none of them is. bad are errors about single
// ones, by what was asked for; an error that names none is the call's.
func (a *account) rows(
	ctx context.Context, op, base string, body batchReadBody,
) (rows []row, bad map[crm.RecordID]error, err error) {
	r := rest.Request{Op: op, Method: http.MethodPost, Path: base + "/batch/read", Body: body.filled()}
	var out batchAnswer
	if _, err := a.client.Call(ctx, r, &out); err != nil {
		if fault.Is(err, fault.NotFound) && fault.CodeOf(err) != connector.CodeObject {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	bad = map[crm.RecordID]error{}
	for _, raw := range out.Errors {
		p := problemOf(raw)
		known := refusals.Known(op, p.problems())
		if known != nil && known.Kind == fault.NotFound {
			continue
		}
		e := rest.Malformed(r, "HubSpot reports an error without a reason")
		if known != nil {
			e = known
		}
		if len(p.Context["ids"]) == 0 {
			return nil, nil, e
		}
		for _, id := range p.Context["ids"] {
			bad[crm.RecordID(id)] = e
		}
	}
	return out.Results, bad, whole(r, out.Results)
}

// whole refuses an answer without rows, which is not one that found nobody, and rows
// that name no record.
func whole(r rest.Request, rows []row) error {
	if rows == nil {
		return rest.Malformed(r, "HubSpot's answer has no list of records")
	}
	for i := range rows {
		if !recordID(rows[i].ID) {
			return rest.Malformed(r, "HubSpot's answer has a record without an ID")
		}
	}
	return nil
}

// readAnew reads rows that were found, with all the properties wanted.
func (a *account) readAnew(ctx context.Context, op, base string, rows []row, asked []string) ([]row, error) {
	out := rows[:0:0]
	for part := range slices.Chunk(rows, batchSize) {
		ids := make([]crm.RecordID, len(part))
		for i, r := range part {
			ids[i] = crm.RecordID(r.ID)
		}
		got, _, bad, err := a.readRows(ctx, op, base, ids, batchReadBody{Properties: asked})
		for _, e := range bad { // one that was found and cannot be shown is not nobody
			err = cmp.Or(err, e)
		}
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if r, ok := got[id]; ok {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

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
func (r *row) merged() string { return value(r.Properties[mergedIDs]).Text() }

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

// History is one of connector.Extras.
func (a *account) History(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]map[string][]crm.Value, error) {
	op := "hubspot: history of " + object
	base, err := records(op, object, len(ids))
	if err != nil {
		return nil, err
	}
	fields, _ = apart(object, fields)
	rows, _, bad, err := a.readRows(ctx, op, base, ids, batchReadBody{WithHistory: fields})
	for _, e := range bad {
		err = cmp.Or(err, e)
	}
	if err != nil {
		return nil, err
	}
	out := make([]map[string][]crm.Value, len(ids))
	for i, id := range ids {
		out[i] = map[string][]crm.Value{}
		r := rows[id] // of one that is not there nothing is known
		for _, f := range fields {
			past := slices.Clone(r.History[f])
			slices.SortStableFunc(past, func(a, b oldValue) int { return b.Timestamp.Compare(a.Timestamp) })
			for _, v := range past {
				if v.Value == "" {
					out[i][f] = append(out[i][f], crm.NullValue())
				} else {
					out[i][f] = append(out[i][f], crm.TextValue(v.Value))
				}
			}
		}
	}
	return out, nil
}
