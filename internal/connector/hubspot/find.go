package hubspot

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	// maxSearchBody is the longest body of a search, in bytes: the guide says 3,000
	// characters, the specification means only the full text. The smaller holds.
	maxSearchBody = 3000
	// maxMatches is how many records one look-up reads before it gives up: that
	// many people with one value make the field useless as a key.
	maxMatches = 1000
)

// The other addresses of a contact are unique too, and a read by e-mail finds
// contacts by them.
const (
	contacts         = "contacts"
	emailProperty    = "email"
	additionalEmails = "hs_additional_emails"
)

// unique reports whether records can be read by the property without the
// search index: the e-mail of contacts, and properties with unique values.
func unique(object string, f crm.Field) bool {
	return f.Unique || f.Name == emailProperty && object == contacts
}

// FindLag is one of connector.Extras: none for unique properties, which
// are read by batch; the search index's for all others.
func (*account) FindLag(object string, field crm.Field) time.Duration {
	if unique(object, field) {
		return 0
	}
	return overlap
}

// BatchFind implements connector.Connector. Unique properties are looked up by
// one batch read; for others it is one search, or a few where a search would
// outgrow HubSpot's 3,000 characters or 200 results a page.
func (a *account) BatchFind(
	ctx context.Context, object string, field crm.Field, values []string, fields []string,
) ([][]crm.Record, error) {
	op := "hubspot: find " + object
	base, err := records(op, object, len(values))
	if err != nil {
		return nil, err
	}
	if !propertyPattern.MatchString(field.Name) {
		return nil, fault.New(op, fault.Invalid, connector.CodeField, "HubSpot has no such property")
	}
	wanted := distinct(values)
	if len(wanted) == 0 {
		return make([][]crm.Record, len(values)), ctx.Err()
	}
	holding := []string{field.Name} // properties that may hold a value asked for
	if field.Name == emailProperty && object == contacts {
		field.Also = append([]string{additionalEmails}, field.Also...)
	}
	holding = append(holding, field.Also...)
	if field.FindBy != "" {
		holding = append(holding, field.FindBy)
	}
	fields, edges := apart(object, fields)
	asked := append(slices.Clone(holding), fields...)
	slices.Sort(asked)
	asked = slices.Compact(asked)
	find := a.search
	if unique(object, field) {
		find = a.readBy
	}
	got, err := find(ctx, op, base, field, wanted, holding, asked)
	if err != nil {
		return nil, err
	}
	found := make([]rows.Found, len(got))
	for i := range got {
		rec, _ := got[i].record()
		found[i].Record = rec
		for n, name := range holding {
			held := rec.Fields[name].Text()
			found[i].Holds = append(found[i].Holds, held)
			if n > 0 {
				found[i].Holds = append(found[i].Holds, strings.Split(held, ";")...)
			}
			if !slices.Contains(fields, name) {
				delete(rec.Fields, name)
			}
		}
	}
	records := make([]*crm.Record, len(found))
	for i := range found {
		records[i] = &found[i].Record
	}
	if err := a.tellEnds(ctx, op, object, records, edges); err != nil {
		return nil, err
	}
	return rows.Match{Fold: fold}.Hand(values, found), nil
}

// distinct returns the values that are not blank, once each, whatever their case.
func distinct(values []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		k := fold(v)
		drop := strings.TrimSpace(v) == "" || seen[k]
		seen[k] = true
		return drop
	})
}

// fold is HubSpot's comparison of texts, near enough: callers compare again.
func fold(s string) string { return strings.ToLower(s) }

// readBy reads records by a unique property.
func (a *account) readBy(
	ctx context.Context, op, base string, field crm.Field, values, _, asked []string,
) ([]row, error) {
	body := batchReadBody{IDProperty: field.Name, Properties: asked}
	for _, v := range values {
		body.Inputs = append(body.Inputs, idBody{v})
	}
	out, bad, err := a.rows(ctx, op, base, body)
	for _, e := range bad { // somebody of that key may be there: whoever asks must not think that nobody is
		err = cmp.Or(err, e)
	}
	return out, err
}

// search finds the records whose property is one of values. Where the properties
// wanted leave too little room for the values, they are read afterwards.
func (a *account) search(
	ctx context.Context, op, base string, field crm.Field, values, holding, asked []string,
) ([]row, error) {
	wide := len(strings.Join(asked, `","`)) > maxSearchBody/2
	shown := asked
	if wide {
		shown = holding
	}
	var all []row
	for len(values) > 0 {
		n := len(values)
		body := valuesSearch(field, values, shown)
		for ; n > 1 && size(body) > maxSearchBody; body = valuesSearch(field, values[:n], shown) {
			n = max(1, n*9/10)
		}
		values = values[n:]
		got, err := a.searchPages(ctx, op, base, field, body, maxMatches-len(all))
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	if wide {
		return a.readAnew(ctx, op, base, all, asked)
	}
	return all, nil
}

// searchPages reads all pages of a search; another one after room records is too many.
func (a *account) searchPages(
	ctx context.Context, op, base string, field crm.Field, body searchBody, room int,
) (all []row, err error) {
	for {
		var out page
		r := rest.Request{Op: op, Method: http.MethodPost, Path: base + "/search", Body: body}
		if _, err := a.client.Call(ctx, r, &out); err != nil {
			return nil, err
		}
		if err := whole(r, out.Results); err != nil {
			return nil, err
		}
		all = append(all, out.Results...)
		next := out.Paging.Next.After
		switch {
		case next == "" || len(out.Results) == 0:
			return all, nil
		case len(all) >= room:
			return nil, &fault.Error{
				Op: op, Kind: fault.Invalid, Code: connector.CodeMatches, Field: field.Name,
				Message: "too many records share the values looked for",
			}
		case next == body.After:
			return nil, rest.Malformed(r, "HubSpot repeats a page")
		}
		body.After = next
	}
}

// valuesSearch asks for the records with one of the values. IN wants texts in
// lower case, enumerations as they are: both are given. Of phone numbers the
// digits are looked for in the property that HubSpot keeps for searches, in
// which a number has no country code, and the rest as it was typed.
// Source: api-reference/search/guide.
func valuesSearch(field crm.Field, values, asked []string) searchBody {
	in := map[string][]string{}
	for _, v := range values {
		by := field.Name
		if field.Find == crm.FindDigits && digitsOnly(v) {
			by = field.FindBy
		}
		in[by] = append(in[by], fold(v))
		if v != fold(v) {
			in[by] = append(in[by], v)
		}
	}
	out := searchBody{
		Sorts: []sortBody{{Property: "hs_object_id", Direction: "ASCENDING"}}, Properties: asked, Limit: pageSize,
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		out.Groups = append(out.Groups, groupBody{Filters: []filterBody{{Property: name, Operator: "IN", Values: in[name]}}})
	}
	return out
}

func digitsOnly(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func size(body searchBody) int {
	b, _ := rest.Encode(body) // texts can be written
	return len(b)
}
