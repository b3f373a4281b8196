package salesforce

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

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

// Self implements connector.Selfer: the user that the token stands for.
// Source: help.salesforce.com, remoteaccess_using_userinfo_endpoint.
func (o *org) Self(ctx context.Context) (string, error) {
	r := request{op: "salesforce: read own user", method: http.MethodGet, path: "/services/oauth2/userinfo"}
	a, err := o.client.send(ctx, r)
	if err != nil {
		return "", err
	}
	var who struct {
		User string `json:"user_id"`
	}
	if err := a.decode(r, &who); err != nil {
		return "", err
	}
	id, ok := long(who.User)
	if !ok {
		return "", malformed(r, "the user has no valid ID")
	}
	return string(id), nil
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
	rows, r, err := o.retrieve(ctx, op, object, asked, fields)
	if err != nil {
		return nil, err
	}
	var gone []string
	for i, w := range rows {
		if w == nil {
			gone = append(gone, asked[i])
			continue
		}
		rec, err := w.record(r, fields)
		if err == nil && string(rec.ID) != asked[i] {
			return nil, malformed(r, "the answer has another record at a place than was asked for")
		}
		if err != nil { // the others of the call are as they should be
			reads[places[i]].Err = err
			continue
		}
		if !rec.Deleted {
			reads[places[i]].Record, reads[places[i]].Err = &rec, nil
		}
	}
	return reads, o.survivors(ctx, op, object, gone, reads)
}

// Absorbed implements connector.Absorber by the recycle bin.
func (o *org) Absorbed(ctx context.Context, object string, ids []crm.RecordID) ([][]crm.RecordID, error) {
	op := "salesforce: merged into " + label(object)
	if err := tooMany(op, len(ids), readBatch); err != nil {
		return nil, err
	}
	if err := names(op, object); err != nil {
		return nil, err
	}
	out := make([][]crm.RecordID, len(ids))
	if !mergeable[object] {
		return out, ctx.Err()
	}
	at := map[crm.RecordID]int{}
	var asked []string
	for i, id := range ids {
		if full, ok := long(string(id)); ok {
			at[full] = i
			asked = append(asked, string(full))
		}
	}
	pairs, err := o.merged(ctx, op, object, colMaster, asked)
	if err != nil {
		return nil, err
	}
	for loser, master := range pairs {
		if i, ok := at[master]; ok && loser != master {
			out[i] = append(out[i], loser)
		}
	}
	for i := range out {
		slices.Sort(out[i])
	}
	return out, nil
}

// merged asks for the losers of merges whose column is one of ids, with their survivors.
func (o *org) merged(ctx context.Context, op, object, column string, ids []string) (map[crm.RecordID]crm.RecordID, error) {
	out := map[crm.RecordID]crm.RecordID{}
	head := "SELECT " + colID + ", " + colMaster + " FROM " + object + " WHERE " + colDeleted + " = true AND " + colMaster + " != null AND " + column + " IN ("
	for len(ids) > 0 {
		list, _, n := literals(crm.Field{}, ids, false, maxURL-len(url.QueryEscape(head)))
		page, _, err := o.client.query(ctx, op, head+list+")", true, false)
		if err != nil {
			return nil, err
		}
		for _, w := range page.Records {
			id, okID := long(w.text(colID))
			master, ok := long(w.text(colMaster))
			if okID && ok { // a row without both says nothing of a merge
				out[id] = master
			}
		}
		ids = ids[n:]
	}
	return out, nil
}

// survivors asks of records that were not there whether they lost a merge: the
// recycle bin still knows in which record they live on.
// Source: atlas.en-us.object_reference…/sforce_api_objects_contact.htm, MasterRecordId.
func (o *org) survivors(ctx context.Context, op, object string, gone []string, reads []connector.Read) error {
	if !mergeable[object] || len(gone) == 0 {
		return nil
	}
	into, err := o.merged(ctx, op, object, colID, gone)
	if err != nil {
		return err
	}
	for i := range reads {
		full, _ := long(string(reads[i].ID))
		if master := into[full]; master != "" && master != full && reads[i].Record == nil {
			reads[i].Record, reads[i].Err = &crm.Record{ID: reads[i].ID, Deleted: true, MergedInto: master}, nil
		}
	}
	return nil
}

// retrieve reads one row per ID, nil for one that is not there.
func (o *org) retrieve(ctx context.Context, op, object string, ids, fields []string) ([]row, request, error) {
	r := request{
		op: op, method: http.MethodPost, path: dataPath + "/composite/sobjects/" + object,
		body: map[string]any{"ids": ids, "fields": columns(object, fields...)},
	}
	a, err := o.client.send(ctx, r)
	if err != nil {
		return nil, r, err
	}
	var rows []row
	if err := a.decode(r, &rows); err != nil {
		return nil, r, err
	}
	if len(rows) != len(ids) {
		return nil, r, malformed(r, "the answer has another number of records than were asked for")
	}
	return rows, r, nil
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
	maxURL      = 12_000 // of a query, encoded; with the headers Salesforce takes 16,384 bytes, and refuses more with 414 or 431
	maxFindMore = 10     // further pages of one find: 20,000 rows
)

// BatchFind implements connector.Connector by SOQL, which ignores case and sees
// all that is committed: IN for whole texts, LIKE for the digits of phone
// numbers and for web addresses, which the org keeps as they were typed. A
// record that cannot be told apart by its value is handed to every value asked
// for: callers compare again.
// Source: soql-sosl/guide/sforce-api-calls-soql-select-comparisonoperators.
func (o *org) BatchFind(ctx context.Context, object string, field crm.Field, values []string, fields []string) ([][]crm.Record, error) {
	op := "salesforce: find " + label(object)
	if err := tooMany(op, len(values), findBatch); err != nil {
		return nil, err
	}
	holding := append([]string{field.Name}, field.Also...)
	if err := names(op, object, append(holding, fields...)...); err != nil {
		return nil, err
	}
	asked := make([]string, 0, len(values))
	for _, v := range values {
		if strings.TrimSpace(v) != "" && len([]rune(v)) <= maxFindText {
			asked = append(asked, v)
		}
	}
	cols := columns(object, append(holding, fields...)...)
	wide := len(url.QueryEscape(strings.Join(cols, ", "))) > maxURL/2
	if wide {
		cols = columns(object, holding...)
	}
	rows, err := o.find(ctx, op, object, field, asked, cols)
	if err == nil && wide {
		rows, err = o.widen(ctx, op, object, rows, append(holding, fields...))
	}
	if err != nil {
		return nil, err
	}
	return share(request{op: op}, rows, field, values, fields)
}

// widen reads rows that were found anew, with all the fields wanted, which left
// no room for the values in a URL.
func (o *org) widen(ctx context.Context, op, object string, rows []row, fields []string) ([]row, error) {
	var ids []string
	for _, w := range rows {
		id, ok := long(w.text(colID))
		if !ok {
			return nil, malformed(request{op: op}, "a record has no valid ID")
		}
		if !slices.Contains(ids, string(id)) {
			ids = append(ids, string(id))
		}
	}
	out := rows[:0:0]
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
	case crm.FindText, crm.FindDigits:
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
			return nil, fault.New(op, fault.Invalid, connector.CodeMatches, "the values are held by more than 20,000 records")
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
func share(r request, rows []row, field crm.Field, values, fields []string) ([][]crm.Record, error) {
	at := make(map[string][]int, len(values))
	var all []int
	patterns := map[int]string{}
	for i, v := range values {
		k := loose(v)
		if k == "" {
			continue
		}
		all = append(all, i)
		at[k] = append(at[k], i)
		if pattern(field.Find, v) != "" {
			patterns[i] = k
		}
	}
	out := make([][]crm.Record, len(values))
	seen := map[crm.RecordID]bool{}
	for _, w := range rows {
		rec, err := w.record(r, fields)
		if err != nil {
			return nil, err
		}
		if seen[rec.ID] {
			continue // found by several requests
		}
		seen[rec.ID] = true
		var places []int
		for _, name := range append([]string{field.Name}, field.Also...) {
			var held crm.Value
			if held.UnmarshalJSON(w[name]) != nil {
				return nil, malformed(r, "the value of "+name+" is not a plain one")
			}
			text := loose(held.Text())
			places = append(places, at[text]...)
			for i, p := range patterns {
				if field.Find == crm.FindPart && strings.Contains(text, p) || field.Find == crm.FindWithin && inOrder(text, p) {
					places = append(places, i)
				}
			}
		}
		if places == nil {
			places = all
		}
		slices.Sort(places)
		for _, i := range slices.Compact(places) {
			out[i] = append(out[i], rec)
		}
	}
	return out, nil
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
