package carddav

import (
	"context"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// BatchRead implements connector.Connector by addressbook-multiget, whose rows have a
// status each. Source: RFC 6352 section 8.7.
func (a *account) BatchRead(
	ctx context.Context, name string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	const op = "carddav: read"
	if err := check(op, name, len(ids), batchSize); err != nil {
		return nil, err
	}
	return rows.Read(ctx, ids, id, gone(op), func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error) {
		found, r, err := a.cards(ctx, op, asked)
		if err != nil {
			return nil, err
		}
		out := make(map[crm.RecordID]connector.Read, len(found))
		for one, got := range found {
			switch {
			case got.card != nil:
				rec := got.record(one, fields)
				out[one] = connector.Read{Record: &rec}
			case got.status == "404" || got.status == "410" || got.status == "": // or is no contact
			default:
				out[one] = connector.Read{Err: rest.Malformed(r, "the server does not show the contact")}
			}
		}
		return out, nil
	})
}

// cards reads cards by name. What is said of none is malformed, not missing.
func (a *account) cards(
	ctx context.Context, op string, ids []crm.RecordID,
) (map[crm.RecordID]row, rest.Request, error) {
	at, err := a.found(ctx, op)
	if err != nil {
		return nil, rest.Request{}, err
	}
	var hrefs strings.Builder
	for _, one := range ids {
		hrefs.WriteString("<D:href>" + quoted(escaped(at.path+string(one))) + "</D:href>")
	}
	r := request(op, "REPORT", at, "0", "C:addressbook-multiget", synced+hrefs.String())
	out, err := a.inBook(ctx, r)
	if err != nil {
		return nil, r, err
	}
	found := out.cards()
	for _, one := range ids {
		if _, said := found[one]; !said {
			found[one] = row{status: "none"}
		}
	}
	return found, r, nil
}
