package googlecontacts

import (
	"context"
	"net/url"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// BatchFind implements connector.Connector by a listing of all contacts, the last changed
// ones first: Google's search finds beginnings of words, thirty of them, in a cache that is
// as old as the last search. Source: people.searchContacts, people.connections.list.
func (a *account) BatchFind(
	ctx context.Context, name string, f crm.Field, values []string, fields []string,
) ([][]crm.Record, error) {
	const op = "googlecontacts: find"
	if err := check(op, name, len(values)); err != nil {
		return nil, err
	}
	match := rows.Match{Fold: fold, Like: func(value, held string) bool {
		return f.Find == crm.FindWithin && digits(value) != "" && strings.Contains(digits(held), digits(value))
	}}
	wanted := false
	for _, v := range values {
		wanted = wanted || fold(v) != ""
	}
	if !wanted {
		return make([][]crm.Record, len(values)), ctx.Err()
	}
	known, err := a.labelled(ctx, op, append([]string{f.Name}, fields...))
	if err != nil {
		return nil, err
	}
	var found []rows.Found
	for after, page := "", 1; ; page++ {
		list, r, err := a.list(ctx, op, url.Values{"sortOrder": {"LAST_MODIFIED_DESCENDING"}}, after)
		if err != nil {
			return nil, err
		}
		for i := range list.People {
			one, err := list.People[i].record(r, append([]string{f.Name}, f.Also...), known)
			if err != nil {
				return nil, err
			}
			var holds []string
			for _, v := range one.Fields {
				holds = append(holds, strings.Split(v.Text(), ";")...)
			}
			rec, _ := list.People[i].record(r, fields, known) // which went well a moment ago
			found = append(found, rows.Found{Record: rec, Holds: append(holds, one.Fields[f.Name].Text())})
		}
		if list.Next == "" {
			return match.Hand(values, found), nil
		}
		if list.Next == after || page == maxPages {
			return nil, rest.Malformed(r, "Google repeats a page")
		}
		after = list.Next
	}
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
