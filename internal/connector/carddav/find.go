package carddav

import (
	"context"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchFind implements connector.Connector by addressbook-query, with a filter for each value.
// A phone is asked for by its last two digits, which hardly anybody writes apart, and
// compared here. Source: RFC 6352 sections 8.6 and 10.5.
func (a *account) BatchFind(
	ctx context.Context, name string, f crm.Field, values []string, fields []string,
) ([][]crm.Record, error) {
	const op = "carddav: find"
	if err := check(op, name, len(values), findSize); err != nil {
		return nil, err
	}
	if of, ok := known[f.Name]; !ok || of.Find == crm.FindNone {
		return nil, &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeKey, Field: f.Name,
			Message: "contacts are not looked up by this field",
		}
	}
	match := rows.Match{Fold: fold}
	if f.Name == "TEL" {
		match = rows.Match{Fold: digits, Like: func(value, held string) bool { return strings.Contains(held, value) }}
	}
	var filters strings.Builder
	for _, v := range values {
		how, text := "equals", v
		if f.Name == "TEL" {
			how, text = "contains", digits(v)[max(0, len(digits(v))-2):]
		}
		if match.Fold(v) != "" {
			filters.WriteString(`<C:prop-filter name="` + f.Name + `"><C:text-match collation="i;unicode-casemap" match-type="` +
				how + `">` + quoted(text) + `</C:text-match></C:prop-filter>`)
		}
	}
	if filters.Len() == 0 {
		return make([][]crm.Record, len(values)), ctx.Err()
	}
	at, err := a.found(ctx, op)
	if err != nil {
		return nil, err
	}
	r := request(op, "REPORT", at, "1", "C:addressbook-query", synced+`<C:filter test="anyof">`+filters.String()+"</C:filter>")
	out, err := a.inBook(ctx, r)
	switch {
	case err != nil:
		return nil, err
	case out.cut():
		return nil, fault.New(op, many.Kind, many.Code, many.Text)
	}
	var found []rows.Found
	for one, got := range out.cards() {
		if got.card == nil {
			continue // of a group, or gone by now
		}
		holds := append(got.card.each(f.Name, -1), got.card.value(f.Name))
		found = append(found, rows.Found{Record: got.record(one, fields), Holds: holds})
	}
	return match.Hand(values, found), nil
}

// fold makes values that are the same in all but case and blanks alike.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// digits are those of a phone number.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
