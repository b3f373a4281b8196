package googlecontacts

import (
	"context"
	"net/url"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// contactSource leaves out what Google merges in from profiles.
const contactSource = "READ_SOURCE_TYPE_CONTACT"

// got is one row of a batch.
type got struct {
	Asked  string  `json:"requestedResourceName"`
	Status status  `json:"status"`
	HTTP   int     `json:"httpStatusCode"`
	Person *person `json:"person"`
}

// gone is how a contact that is not there is said.
func gone(op string) error {
	return fault.New(op, fault.NotFound, "", "Google has no such contact")
}

// BatchRead implements connector.Connector by batchGet, whose rows have a status each and
// may come under another name than was asked for. Source: people.getBatchGet.
func (a *account) BatchRead(
	ctx context.Context, name string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	const op = "googlecontacts: read"
	if err := check(op, name, len(ids)); err != nil {
		return nil, err
	}
	return rows.Read(ctx, ids, id, gone(op), func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error) {
		found, r, err := a.people(ctx, op, asked)
		if err != nil {
			return nil, err
		}
		known, err := a.labelled(ctx, op, fields, memberships(found)...)
		if err != nil {
			return nil, err
		}
		out := make(map[crm.RecordID]connector.Read, len(found))
		for one, g := range found {
			if g.Person == nil {
				if e := refusals.Row(op, connector.Update, g.Status.problems()); e.Kind != fault.NotFound {
					e.Kind = fault.Unavailable // a read cannot be refused for good
					out[one] = connector.Read{Err: e}
				}
				continue
			}
			rec, err := g.Person.record(r, fields, known)
			switch {
			case err != nil:
				out[one] = connector.Read{Err: err}
			case rec.Deleted:
			case rec.ID != one:
				out[one] = connector.Read{Record: &crm.Record{ID: one, Deleted: true, MergedInto: rec.ID}}
			default:
				out[one] = connector.Read{Record: &rec}
			}
		}
		return out, nil
	})
}

// people reads contacts by name.
func (a *account) people(
	ctx context.Context, op string, ids []crm.RecordID,
) (map[crm.RecordID]got, rest.Request, error) {
	q := url.Values{"personFields": {mask}, "sources": {contactSource}}
	for _, id := range ids {
		q.Add("resourceNames", resource(id))
	}
	r := rest.Request{Op: op, Path: "/v1/people:batchGet", Query: q}
	var ans struct {
		Responses []got `json:"responses"`
	}
	if _, err := a.client.Call(ctx, r, &ans); err != nil {
		return nil, r, err
	}
	out := make(map[crm.RecordID]got, len(ans.Responses))
	for _, g := range ans.Responses {
		one, ok := idOf(g.Asked)
		if !ok || g.Person == nil && g.Status.Code == 0 {
			return nil, r, rest.Malformed(r, "a row of the answer names no contact, or has none")
		}
		out[one] = g
	}
	if len(out) == 0 {
		return nil, r, rest.Malformed(r, "the answer has no rows")
	}
	return out, r, nil
}

// memberships are those of everybody who was found.
func memberships(found map[crm.RecordID]got) (all []entry) {
	for _, g := range found {
		if g.Person != nil {
			all = append(all, g.Person.fields[labels]...)
		}
	}
	return all
}
