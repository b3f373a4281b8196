package pipedrive

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchRead implements connector.Connector by a listing of IDs, which leaves out
// those that are not there. Source: openapi v2, getPersons.
func (a *account) BatchRead(
	ctx context.Context, name string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	op := "pipedrive: read"
	o, err := find(op, name, len(ids), readBatch)
	if err != nil {
		return nil, err
	}
	op += " " + o.id
	missing := fault.New(op, fault.NotFound, "", "Pipedrive has no such record")
	return rows.Read(ctx, ids, id, missing, func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error) {
		found, types, r, err := a.rows(ctx, op, o, asked, fields)
		if err != nil {
			return nil, err
		}
		out := make(map[crm.RecordID]connector.Read, len(found))
		for _, w := range found {
			rec, err := w.record(r, fields, types)
			one, ok := id(string(w["id"]))
			switch {
			case !ok:
				return nil, err
			case err != nil: // the others are as they should be
				out[one] = connector.Read{Err: err}
			case !rec.Deleted:
				out[one] = connector.Read{Record: &rec}
			}
		}
		return out, nil
	})
}

// rows lists records by their IDs, with the types of those wanted fields that need one.
func (a *account) rows(
	ctx context.Context, op string, o object, ids []crm.RecordID, fields []string,
) (found []row, types map[string]string, r rest.Request, err error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	q := url.Values{"ids": {strings.Join(texts, ",")}, "limit": {strconv.Itoa(readBatch)}}
	r = rest.Request{Op: op, Path: o.path(), Query: q}
	out, _, err := call[[]row](ctx, a, r)
	if err == nil {
		types, err = a.typesFor(ctx, op, o, out.Data, fields)
	}
	return out.Data, types, r, err
}
