package salesforce

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// begin checks a call about n of something of an object before anything is sent.
func begin(op, object string, n, limit int, fields ...string) error {
	if err := rows.Limit(op, n, limit); err != nil {
		return err
	}
	return names(op, object, fields...)
}

// BatchRead implements connector.Connector by one retrieve with a body. A
// record that is gone, not visible or in the recycle bin is NotFound; an ID
// that cannot be one is so without asking.
// Source: guide/resources-composite-sobjects-collections-retrieve-post.
func (o *org) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	op := "salesforce: read " + label(object)
	if err := begin(op, object, len(ids), readBatch, fields...); err != nil {
		return nil, err
	}
	return rows.Read(ctx, ids, long, missing(op), func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error) {
		got, r, err := o.retrieve(ctx, op, object, asked, fields)
		if err != nil {
			return nil, err
		}
		out := make(map[crm.RecordID]connector.Read, len(asked))
		var gone []crm.RecordID
		for i, w := range got {
			if w == nil {
				gone = append(gone, asked[i])
				continue
			}
			rec, err := w.record(r, fields)
			switch {
			case err != nil: // the others of the call are as they should be
				out[asked[i]] = connector.Read{Err: err}
			case rec.ID != asked[i]:
				return nil, rest.Malformed(r, "the answer has another record at a place than was asked for")
			case !rec.Deleted:
				out[rec.ID] = connector.Read{Record: &rec}
			}
		}
		// Of a record that lost a merge the recycle bin still knows in which one it lives on.
		// Source: atlas.en-us.object_reference…/sforce_api_objects_contact.htm, MasterRecordId.
		into, err := o.merged(ctx, op, object, colID, gone)
		for id, master := range into {
			if master != id {
				out[id] = connector.Read{Record: &crm.Record{ID: id, Deleted: true, MergedInto: master}}
			}
		}
		return out, err
	})
}

// Absorbed is one of connector.Extras, by the recycle bin.
func (o *org) Absorbed(ctx context.Context, object string, ids []crm.RecordID) ([][]crm.RecordID, error) {
	op := "salesforce: merged into " + label(object)
	if err := begin(op, object, len(ids), readBatch); err != nil {
		return nil, err
	}
	out := make([][]crm.RecordID, len(ids))
	at := map[crm.RecordID]int{}
	var asked []crm.RecordID
	for i, id := range ids {
		if full, ok := long(string(id)); ok {
			at[full] = i
			asked = append(asked, full)
		}
	}
	pairs, err := o.merged(ctx, op, object, colMaster, asked)
	if err != nil {
		return nil, err
	}
	for loser, master := range pairs {
		if i, ok := at[master]; ok && loser != master {
			out[i] = append(out[i], loser)
		}
	}
	for i := range out {
		slices.Sort(out[i])
	}
	return out, ctx.Err()
}

// merged asks for the losers of merges whose column is one of ids, with their survivors.
func (o *org) merged(
	ctx context.Context, op, object, column string, ids []crm.RecordID,
) (map[crm.RecordID]crm.RecordID, error) {
	out := map[crm.RecordID]crm.RecordID{}
	head := "SELECT " + colID + ", " + colMaster + " FROM " + object + " WHERE " + colDeleted + " = true AND " +
		colMaster + " != null AND " + column + " IN ("
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	for mergeable[object] && len(texts) > 0 {
		list, _, n := literals(crm.Field{}, texts, false, maxURL-len(url.QueryEscape(head)))
		page, _, err := o.page(ctx, query(op, head+list+")", true))
		if err != nil {
			return nil, err
		}
		for _, w := range page.Records {
			id, okID := long(w.text(colID))
			master, ok := long(w.text(colMaster))
			if okID && ok { // a row without both says nothing of a merge
				out[id] = master
			}
		}
		texts = texts[n:]
	}
	return out, nil
}

// retrieve reads one row per ID, nil for one that is not there.
func (o *org) retrieve(
	ctx context.Context, op, object string, ids []crm.RecordID, fields []string,
) ([]row, rest.Request, error) {
	r := rest.Request{
		Op: op, Method: http.MethodPost, Path: dataPath + "/composite/sobjects/" + object,
		Body: map[string]any{"ids": ids, "fields": columns(object, fields...)},
	}
	var got []row
	if _, err := o.client.Call(ctx, r, &got); err != nil {
		return nil, r, err
	}
	if len(got) != len(ids) {
		return nil, r, rest.Malformed(r, "the answer has another number of records than were asked for")
	}
	return got, r, nil
}

func missing(op string) error {
	return fault.New(op, fault.NotFound, "", "Salesforce has no such record, or does not show it")
}

// label keeps an unchecked name out of error texts.
func label(object string) string {
	if named(object) {
		return object
	}
	return "unknown object"
}
