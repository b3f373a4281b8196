package salesforce

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Test implements connector.Connector by asking for the org itself, which every
// user with the API right may read.
func (o *org) Test(ctx context.Context) (connector.Identity, error) {
	const op = "salesforce: test account"
	page, _, err := o.client.query(ctx, op, "SELECT Id, Name, OrganizationType, IsSandbox, InstanceName FROM Organization", false, true)
	if err != nil {
		return connector.Identity{}, err
	}
	r := request{op: op}
	if len(page.Records) != 1 {
		return connector.Identity{}, malformed(r, "there is not exactly one organization")
	}
	w := page.Records[0]
	id, ok := long(w.text(colID))
	if !ok {
		return connector.Identity{}, malformed(r, "the organization has no valid ID")
	}
	detail := w.text("OrganizationType")
	if string(w["IsSandbox"]) == "true" {
		detail += ", sandbox"
	}
	if i := w.text("InstanceName"); i != "" {
		detail += ", instance " + i
	}
	return connector.Identity{ExternalID: string(id), Name: w.text("Name"), Detail: detail}, nil
}

// BatchRead implements connector.Connector by one retrieve with a body. A
// record that is gone, not visible or in the recycle bin is NotFound; an ID
// that cannot be one is so without asking.
// Source: guide/resources-composite-sobjects-collections-retrieve-post.
func (o *org) BatchRead(ctx context.Context, object string, ids []crm.RecordID, fields []string) ([]connector.Read, error) {
	op := "salesforce: read " + label(object)
	if err := tooMany(op, len(ids), readBatch); err != nil {
		return nil, err
	}
	if err := names(op, object, fields...); err != nil {
		return nil, err
	}
	reads := make([]connector.Read, len(ids))
	asked, places := make([]string, 0, len(ids)), make([]int, 0, len(ids))
	for i, id := range ids {
		reads[i] = connector.Read{ID: id, Err: missing(op)}
		if full, ok := long(string(id)); ok {
			asked, places = append(asked, string(full)), append(places, i)
		}
	}
	if len(asked) == 0 {
		return reads, ctx.Err()
	}
	r := request{
		op: op, method: http.MethodPost, path: dataPath + "/composite/sobjects/" + object,
		body: map[string]any{"ids": asked, "fields": columns(object, fields...)},
	}
	a, err := o.client.send(ctx, r)
	if err != nil {
		return nil, err
	}
	var rows []row
	if err := a.decode(r, &rows); err != nil {
		return nil, err
	}
	if len(rows) != len(asked) {
		return nil, malformed(r, "the answer has another number of records than were asked for")
	}
	for i, w := range rows {
		if w == nil {
			continue
		}
		rec, err := w.record(r, fields)
		if err != nil {
			return nil, err
		}
		if string(rec.ID) != asked[i] {
			return nil, malformed(r, "the answer has another record at a place than was asked for")
		}
		if !rec.Deleted {
			reads[places[i]].Record, reads[places[i]].Err = &rec, nil
		}
	}
	return reads, nil
}

func missing(op string) error {
	return fault.New(op, fault.NotFound, "", "Salesforce has no such record, or does not show it")
}

// label keeps an unchecked name out of error texts.
func label(object string) string {
	if named(object) {
		return object
	}
	return "unknown object"
}

const (
	maxFindText = 255    // no field that can be filtered is longer
	maxURL      = 12_000 // of a query, encoded; Salesforce refuses longer ones at about 16,000 with 414 or 431
	maxFindMore = 10     // further pages of one find: 20,000 rows
)

// BatchFind implements connector.Connector by SOQL's IN, which ignores case and
// sees all that is committed. A record that cannot be told apart by its value
// is handed to every value asked for: callers compare again.
func (o *org) BatchFind(ctx context.Context, object, field string, values []string, fields []string) ([][]crm.Record, error) {
	op := "salesforce: find " + label(object)
	if err := tooMany(op, len(values), findBatch); err != nil {
		return nil, err
	}
	if err := names(op, object, append([]string{field}, fields...)...); err != nil {
		return nil, err
	}
	asked := make([]string, 0, len(values))
	for _, v := range values {
		if strings.TrimSpace(v) != "" && len([]rune(v)) <= maxFindText {
			asked = append(asked, v)
		}
	}
	rows, err := o.find(ctx, op, object, field, asked, columns(object, append([]string{field}, fields...)...))
	if err != nil {
		return nil, err
	}
	return share(request{op: op}, rows, field, values, fields)
}

// find asks for the values, in more than one request when they do not fit into
// a URL, and with bare literals for a field of numbers.
func (o *org) find(ctx context.Context, op, object, field string, values, cols []string) ([]row, error) {
	var rows []row
	head := "SELECT " + strings.Join(cols, ", ") + " FROM " + object + " WHERE " + field + " IN ("
	for len(values) > 0 {
		bare := o.typed.has(object, field)
		list, n := literals(values, bare, maxURL-len(url.QueryEscape(head)))
		if list == "" { // nothing left that can be in such a field
			return rows, ctx.Err()
		}
		found, err := o.findPage(ctx, op, head+list+")")
		if !bare && bareWanted(err, field) {
			o.typed.add(object, field)
			continue
		}
		if err != nil {
			return nil, err
		}
		rows, values = append(rows, found...), values[n:]
	}
	return rows, nil
}

// literals writes as many values as fit, and says how many it took.
func literals(values []string, bare bool, room int) (list string, taken int) {
	var b strings.Builder
	used := 0
	for i, v := range values {
		lit := quote(v)
		if bare {
			if lit = strings.TrimSpace(v); !decimal(lit) {
				continue // cannot be in a field of numbers
			}
		}
		size := len(url.QueryEscape(lit)) + len(url.QueryEscape(", "))
		if used+size > room && b.Len() > 0 {
			return b.String(), i
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(lit)
		used += size
	}
	return b.String(), len(values)
}

// findPage reads all pages of a find, at most maxFindMore beyond the first.
func (o *org) findPage(ctx context.Context, op, soql string) ([]row, error) {
	page, _, err := o.client.query(ctx, op, soql, false, false)
	if err != nil {
		return nil, err
	}
	rows := page.Records
	seen := map[string]bool{}
	for !*page.Done {
		if seen[page.Next] {
			return nil, malformed(request{op: op}, "the app repeated a page position")
		}
		if len(seen) == maxFindMore {
			return nil, fault.New(op, fault.Invalid, "too_many_matches", "the values are held by more than 20,000 records")
		}
		seen[page.Next] = true
		if page, err = o.client.more(ctx, op, page.Next); err != nil {
			return nil, err
		}
		rows = append(rows, page.Records...)
	}
	return rows, nil
}

// share hands each row to the values it may belong to.
func share(r request, rows []row, field string, values, fields []string) ([][]crm.Record, error) {
	at := make(map[string][]int, len(values))
	var all []int
	for i, v := range values {
		if k := loose(v); k != "" {
			at[k], all = append(at[k], i), append(all, i)
		}
	}
	out := make([][]crm.Record, len(values))
	for _, w := range rows {
		rec, err := w.record(r, fields)
		if err != nil {
			return nil, err
		}
		var held crm.Value
		if held.UnmarshalJSON(w[field]) != nil {
			return nil, malformed(r, "the value of "+field+" is not a plain one")
		}
		places, ok := at[loose(held.Text())]
		if !ok {
			places = all
		}
		for _, i := range places {
			out[i] = append(out[i], rec)
		}
	}
	return out, nil
}

// loose folds a value for handing out rows, not for deciding identity.
func loose(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// typedFields remembers the fields whose literals carry no quotes. Salesforce
// says so when it is asked the wrong way.
type typedFields struct{ m sync.Map }

func (t *typedFields) has(object, field string) bool {
	_, ok := t.m.Load(object + "." + field)
	return ok
}

func (t *typedFields) add(object, field string) { t.m.Store(object+"."+field, true) }

// decimal reports whether s is a plain number: digits, one point, a sign.
func decimal(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	whole, frac, point := strings.Cut(digits, ".")
	only := func(p string) bool { return p != "" && strings.Trim(p, "0123456789") == "" }
	return only(whole) && (!point || only(frac))
}

// OwnerByEmail implements connector.OwnerFinder for active users. Where several
// share an address, the one with the lowest ID answers, always the same.
func (o *org) OwnerByEmail(ctx context.Context, email string) (string, error) {
	const op = "salesforce: find user"
	if strings.TrimSpace(email) == "" {
		return "", missing(op)
	}
	w, err := o.user(ctx, op, "Email = "+quote(email)+" AND IsActive = true")
	if err != nil {
		return "", err
	}
	id, ok := long(w.text(colID))
	if !ok {
		return "", malformed(request{op: op}, "a user has no valid ID")
	}
	return string(id), nil
}

// OwnerEmail implements connector.OwnerFinder, for inactive users too.
func (o *org) OwnerEmail(ctx context.Context, id string) (string, error) {
	const op = "salesforce: read user"
	full, ok := long(id)
	if !ok {
		return "", missing(op)
	}
	w, err := o.user(ctx, op, "Id = "+quote(string(full)))
	if err != nil {
		return "", err
	}
	email := w.text("Email")
	if email == "" {
		return "", missing(op)
	}
	return email, nil
}

func (o *org) user(ctx context.Context, op, where string) (row, error) {
	page, _, err := o.client.query(ctx, op, "SELECT Id, Email FROM User WHERE "+where+" ORDER BY Id LIMIT 1", false, false)
	if err != nil {
		return nil, err
	}
	if len(page.Records) == 0 {
		return nil, missing(op)
	}
	return page.Records[0], nil
}
