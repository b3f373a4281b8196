package leadsquared

import (
	"context"
	"net/http"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchFind implements connector.Connector by the search for one criterion, which ignores
// case: for whole values, and for the digits of a phone number in their order.
// Source: apidocs.leadsquared.com/search-by-lead-criteria.
func (a *account) BatchFind(
	ctx context.Context, name string, f crm.Field, values []string, fields []string,
) ([][]crm.Record, error) {
	const op = "leadsquared: find"
	of, err := check(op, name, len(values), 1)
	if err != nil {
		return nil, err
	}
	if of != "" {
		return nil, &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeKey, Field: f.Name, Message: "LeadSquared searches no activities",
		}
	}
	if len(values) == 0 || strings.TrimSpace(values[0]) == "" {
		return make([][]crm.Record, len(values)), ctx.Err()
	}
	value, how := values[0], "="
	if f.Find == crm.FindWithin && strings.Trim(value, "0123456789") == "" {
		value, how = "%"+strings.Join(strings.Split(value, ""), "%")+"%", "LIKE"
	}
	r := rest.Request{Op: op, Method: http.MethodPost, Path: leads + "Leads.Get", Body: map[string]any{
		"Parameter": map[string]string{"LookupName": f.Name, "LookupValue": value, "SqlOperator": how},
		"Columns":   columns(append([]string{f.Name}, fields...)), "Paging": paging(1, findPage),
		"Sorting": map[string]string{"ColumnName": "CreatedOn", "Direction": "0"},
	}}
	var got []lead
	if _, err := a.client.Call(ctx, r, &got); err != nil {
		return nil, err
	}
	if len(got) >= findPage {
		return nil, fault.New(op, fault.Invalid, connector.CodeMatches, "the value is held by a hundred leads or more")
	}
	found := make([]rows.Found, len(got))
	for i, l := range got {
		var err error
		if found[i].Record, err = l.record(r, fields); err != nil {
			return nil, err
		}
	}
	// One value was asked for, and callers compare again.
	return rows.Match{Fold: func(s string) string { return s }, Stray: true}.Hand(values, found), nil
}
