package intercom

import (
	"context"
	"net/http"
	"regexp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// gone is how a record that is not there is said.
func gone(op string) error {
	return fault.New(op, fault.NotFound, "", "Intercom has no such record")
}

// canonical is the contact that another one was merged into.
var canonical = regexp.MustCompile(`</contacts/([0-9a-f]{24})>; *rel="canonical"`)

// BatchRead implements connector.Connector: one record a call. Of a contact that was
// merged Intercom names the survivor. Source: GET /contacts/{id} of 2.16 and later.
func (a *account) BatchRead(
	ctx context.Context, name string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	op := "intercom: read"
	o, err := find(op, name, len(ids), 1)
	if err != nil {
		return nil, err
	}
	op += " " + o.id
	return rows.Read(ctx, ids, id, gone(op), func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error) {
		one := asked[0]
		r := rest.Request{Op: op, Path: o.path() + "/" + string(one)}
		var w row
		got, err := a.client.Call(ctx, r, &w)
		if m := canonical.FindStringSubmatch(got.Header.Get("Link")); got.Status == http.StatusGone && m != nil {
			return map[crm.RecordID]connector.Read{
				one: {Record: &crm.Record{ID: one, Deleted: true, MergedInto: crm.RecordID(m[1])}},
			}, nil
		}
		if fault.Is(err, fault.NotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		rec, err := a.record(ctx, r, o, w, fields)
		if err == nil && rec.ID != one {
			err = rest.Malformed(r, "the answer is another record than was asked for")
		}
		if err != nil {
			return nil, err
		}
		return map[crm.RecordID]connector.Read{one: {Record: &rec}}, nil
	})
}
