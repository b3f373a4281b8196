package leadsquared

import (
	"context"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// gone is how a lead that is not there is said.
func gone(op string) error {
	return fault.New(op, fault.NotFound, "", "LeadSquared has no such lead")
}

// list is an answer with leads.
type list struct {
	Count int    `json:"RecordCount"`
	Leads []lead `json:"Leads"`
	List  []lead `json:"List"` // of activities
}

func (l *list) rows() []lead {
	if l.List != nil {
		return l.List
	}
	return l.Leads
}

// BatchRead implements connector.Connector by the bulk reading of IDs, which leaves out
// leads that are not there. Source: apidocs.leadsquared.com/get-leads-in-bulk-by-ids.
func (a *account) BatchRead(
	ctx context.Context, name string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	const op = "leadsquared: read"
	most := readBatch
	if name != object {
		most = 1
	}
	of, err := check(op, name, len(ids), most)
	if err != nil {
		return nil, err
	}
	if of != "" {
		return rows.Read(ctx, ids, id, gone(op), func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error) {
			read, err := a.readActivity(ctx, op, asked[0], fields)
			if fault.Is(err, fault.NotFound) {
				return nil, nil
			}
			return map[crm.RecordID]connector.Read{asked[0]: read}, err
		})
	}
	return rows.Read(ctx, ids, id, gone(op), func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error) {
		r := rest.Request{Op: op, Method: http.MethodPost, Path: leads + "Leads/Retrieve/ByIds", Body: map[string]any{
			"SearchParameters": map[string]any{"LeadIds": asked}, "Columns": columns(fields), "Paging": paging(1, readBatch),
		}}
		var ans list
		if _, err := a.client.Call(ctx, r, &ans); err != nil {
			return nil, err
		}
		if ans.Leads == nil && ans.Count != 0 {
			return nil, rest.Malformed(r, "the answer has no leads")
		}
		out := make(map[crm.RecordID]connector.Read, len(ans.Leads))
		for _, l := range ans.Leads {
			one, ok := id(l.text("ProspectID"))
			rec, err := l.record(r, fields)
			switch {
			case !ok:
				return nil, err
			case err != nil: // the others are as they should be
				out[one] = connector.Read{Err: err}
			default:
				out[one] = connector.Read{Record: &rec}
			}
		}
		return out, nil
	})
}
