package salesforce

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	maxFindText = 255 // no field that can be filtered is longer
	// of a query, encoded; with the headers Salesforce takes 16,384 bytes, and refuses more with 414 or 431
	maxURL      = 12_000
	maxFindMore = 10 // further pages of one find: 20,000 rows
)

// BatchFind implements connector.Connector by SOQL, which ignores case and sees
// all that is committed: IN for whole texts, LIKE for the digits of phone
// numbers and for web addresses, which the org keeps as they were typed. A
// record that cannot be told apart by its value is handed to every value asked
// for: callers compare again.
// Source: soql-sosl/guide/sforce-api-calls-soql-select-comparisonoperators.
func (o *org) BatchFind(
	ctx context.Context, object string, field crm.Field, values []string, fields []string,
) ([][]crm.Record, error) {
	op := "salesforce: find " + label(object)
	holding := append([]string{field.Name}, field.Also...)
	wanted := append(slices.Clone(holding), fields...)
	if err := begin(op, object, len(values), findBatch, wanted...); err != nil {
		return nil, err
	}
	if field.Find == crm.FindNone {
		return nil, &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeKey, Field: field.Name,
			Message: "Salesforce does not search this field",
		}
	}
	asked := slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		return strings.TrimSpace(v) == "" || len([]rune(v)) > maxFindText
	})
	cols := columns(object, wanted...)
	wide := len(url.QueryEscape(strings.Join(cols, ", "))) > maxURL/2
	if wide {
		cols = columns(object, holding...)
	}
	got, err := o.find(ctx, op, object, field, asked, cols)
	if err == nil && wide {
		got, err = o.widen(ctx, op, object, got, wanted)
	}
	if err != nil {
		return nil, err
	}
	found := make([]rows.Found, len(got))
	for i, w := range got {
		if found[i].Record, err = w.record(rest.Request{Op: op}, fields); err != nil {
			return nil, err
		}
		for _, name := range holding {
			var held crm.Value
			if held.UnmarshalJSON(w[name]) != nil {
				return nil, rest.Malformed(rest.Request{Op: op}, "the value of "+name+" is not a plain one")
			}
			found[i].Holds = append(found[i].Holds, held.Text())
		}
	}
	like := func(value, held string) bool {
		switch {
		case pattern(field.Find, value) == "":
			return false
		case field.Find == crm.FindWithin:
			return inOrder(held, value)
		}
		return strings.Contains(held, value)
	}
	return rows.Match{Fold: loose, Like: like, Stray: true}.Hand(values, found), nil
}

// widen reads rows that were found anew, with all the fields wanted, which left
// no room for the values in a URL.
func (o *org) widen(ctx context.Context, op, object string, found []row, fields []string) ([]row, error) {
	var ids []crm.RecordID
	for _, w := range found {
		id, ok := long(w.text(colID))
		if !ok {
			return nil, rest.Malformed(rest.Request{Op: op}, "a record has no valid ID")
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	out := found[:0:0]
	for part := range slices.Chunk(ids, readBatch) {
		got, _, err := o.retrieve(ctx, op, object, part, fields)
		if err != nil {
			return nil, err
		}
		for _, w := range got {
			if w != nil && string(w[colDeleted]) != "true" { // gone since it was found
				out = append(out, w)
			}
		}
	}
	return out, nil
}

// find asks for the values, in more than one request when they do not fit into
// a URL, and with bare literals for a field of numbers.
func (o *org) find(ctx context.Context, op, object string, field crm.Field, values, cols []string) ([]row, error) {
	var rows []row
	head := "SELECT " + strings.Join(cols, ", ") + " FROM " + object + " WHERE "
	room := maxURL - len(url.QueryEscape(head))
	bare := field.Type == crm.TypeNumber
	for len(values) > 0 {
		where, n := wheres(field, values, bare, room)
		if where == "" { // nothing left that can be in such a field
			return rows, ctx.Err()
		}
		found, err := o.findPage(ctx, op, head+where)
		if !bare && bareWanted(err, field.Name) { // its type was not known
			bare = true
			continue
		}
		if err != nil {
			return nil, err
		}
		rows, values = append(rows, found...), values[n:]
	}
	return rows, nil
}

// wheres writes the condition for as many values as fit, and says how many it took.
func wheres(field crm.Field, values []string, bare bool, room int) (where string, taken int) {
	holding := append([]string{field.Name}, field.Also...)
	room /= len(holding)
	var parts []string
	switch list, like, n := literals(field, values, bare, room-len(url.QueryEscape(field.Name+" IN () OR "))); {
	case list == "" && like == nil:
		return "", n
	default:
		for _, name := range holding {
			if list != "" {
				parts = append(parts, name+" IN ("+list+")")
			}
			for _, pattern := range like {
				parts = append(parts, name+" LIKE "+pattern)
			}
		}
		return strings.Join(parts, " OR "), n
	}
}

// leastDigits is how many digits of a phone number are looked for wherever they
// stand: fewer are in too many numbers.
const leastDigits = 7

// pattern is the literal of a value in a field that is searched by LIKE; ""
// where it is asked for whole.
func pattern(find crm.Find, v string) string {
	switch find {
	case crm.FindWithin:
		if len(v) < leastDigits || strings.Trim(v, "0123456789") != "" {
			return ""
		}
		return "'%" + strings.Join(strings.Split(v, ""), "%") + "%'"
	case crm.FindPart:
		return "'%" + liker.Replace(quoter.Replace(v)) + "%'"
	case crm.FindText, crm.FindDigits, crm.FindNone:
	}
	return ""
}

// liker makes plain what LIKE takes for wildcards.
var liker = strings.NewReplacer("%", `\%`, "_", `\_`)

// literals writes as many values as fit, whole ones in a list and patterns by
// themselves, and says how many it took.
func literals(field crm.Field, values []string, bare bool, room int) (list string, like []string, taken int) {
	var whole []string
	used := 0
	for i, v := range values {
		lit, p := quote(v), pattern(field.Find, v)
		size := len(url.QueryEscape(lit)) + len(url.QueryEscape(", "))
		switch {
		case bare:
			if lit = strings.TrimSpace(v); !decimal(lit) {
				continue // cannot be in a field of numbers
			}
		case p != "":
			lit = p
			size = len(url.QueryEscape(field.Name+" LIKE "+lit)) + len(url.QueryEscape(" OR "))
		}
		if used+size > room && used > 0 {
			return strings.Join(whole, ", "), like, i
		}
		used += size
		if p != "" && !bare {
			like = append(like, lit)
		} else {
			whole = append(whole, lit)
		}
	}
	return strings.Join(whole, ", "), like, len(values)
}

// findPage reads all pages of a find, at most maxFindMore beyond the first.
func (o *org) findPage(ctx context.Context, op, soql string) ([]row, error) {
	page, _, err := o.page(ctx, query(op, soql, false))
	if err != nil {
		return nil, err
	}
	found := page.Records
	seen := map[string]bool{}
	for !*page.Done {
		if seen[page.Next] {
			return nil, rest.Malformed(rest.Request{Op: op}, "the app repeated a page position")
		}
		if len(seen) == maxFindMore {
			return nil, fault.New(op, fault.Invalid, connector.CodeMatches, "the values are held by more than 20,000 records")
		}
		seen[page.Next] = true
		if page, err = o.more(ctx, op, page.Next); err != nil {
			return nil, err
		}
		found = append(found, page.Records...)
	}
	return found, nil
}

// inOrder reports whether text holds the digits in their order.
func inOrder(text, digits string) bool {
	for i := 0; i < len(text) && digits != ""; i++ {
		if text[i] == digits[0] {
			digits = digits[1:]
		}
	}
	return digits == ""
}

// loose folds a value for handing out rows, not for deciding identity.
func loose(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// decimal reports whether s is a plain number: digits, one point, a sign.
func decimal(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	whole, frac, point := strings.Cut(digits, ".")
	only := func(p string) bool { return p != "" && strings.Trim(p, "0123456789") == "" }
	return only(whole) && (!point || only(frac))
}
