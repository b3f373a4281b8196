package hubspot

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// objectPattern is what an object type may be called: a name, or a type ID such
// as 0-1 or 2-1234567.
var objectPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`)

// path returns base + object, or NotFound for what can be no object.
func path(op, base, object string) (string, error) {
	if !objectPattern.MatchString(object) {
		return "", fault.New(op, fault.NotFound, connector.CodeObject, "HubSpot has no such object")
	}
	return base + object, nil
}

// tooMany is the refusal of a call above a limit of the port.
func tooMany(op string, limit int) error {
	return fault.New(op, fault.Invalid, connector.CodeTooLarge, "more than "+strconv.Itoa(limit)+" in one call")
}

// BatchRead implements connector.Connector.
// Source: POST …/batch/read, api-reference/…/objects/contacts/guide.
func (a *account) BatchRead(ctx context.Context, object string, ids []crm.RecordID, fields []string) ([]connector.Read, error) {
	op := "hubspot: read " + object
	out := make([]connector.Read, len(ids))
	rows, strange, bad, err := a.readRows(ctx, op, object, ids, batchReadBody{Properties: withMerged(fields)})
	if err != nil {
		return nil, err
	}
	var missing []crm.RecordID
	for _, id := range ids {
		if _, ok := rows[id]; !ok && bad[id] == nil && recordID(string(id)) {
			missing = append(missing, id)
		}
	}
	lives := survivors(missing, strange)
	for i, id := range ids {
		out[i].ID = id
		if r, ok := rows[id]; ok && !r.Archived {
			rec, _ := r.record()
			takeMerged(&rec, fields)
			out[i].Record = &rec
			continue
		}
		if r := lives[id]; r != nil {
			out[i].Record = merged(id, r)
			continue
		}
		if out[i].Err = bad[id]; out[i].Err != nil {
			continue
		}
		out[i].Err = fault.New("hubspot: read "+object, fault.NotFound, "", "HubSpot has no such record")
	}
	return out, nil
}

// readRows reads records by ID. IDs that cannot be one are left out: HubSpot
// refuses the whole batch for them. strange are rows that it answered under
// other IDs: survivors of merges. bad are records that it could not show, by ID.
func (a *account) readRows(ctx context.Context, op, object string, ids []crm.RecordID, body batchReadBody) (found map[crm.RecordID]row, strange []row, bad map[crm.RecordID]error, err error) {
	if len(ids) > batchSize {
		return nil, nil, nil, tooMany(op, batchSize)
	}
	base, err := path(op, objectsPath, object)
	if err != nil {
		return nil, nil, nil, err
	}
	asked := map[crm.RecordID]bool{}
	for _, id := range ids {
		if recordID(string(id)) && !asked[id] {
			asked[id] = true
			body.Inputs = append(body.Inputs, idBody{string(id)})
		}
	}
	if len(body.Inputs) == 0 {
		return nil, nil, nil, nil
	}
	r := request{op: op, method: http.MethodPost, path: base + "/batch/read", body: body.filled()}
	rows, bad, err := a.rows(ctx, r)
	if err != nil {
		return nil, nil, nil, err
	}
	for id := range bad {
		if !asked[id] {
			return nil, nil, nil, bad[id] // of nobody: it may be anybody's
		}
	}
	found = make(map[crm.RecordID]row, len(rows))
	for _, row := range rows {
		id := crm.RecordID(row.ID)
		if asked[id] {
			found[id] = row
		}
		if !asked[id] || row.merged() != "" { // one that was asked for by its own ID too is answered once
			strange = append(strange, row)
		}
	}
	return found, strange, bad, nil
}

// filled makes empty lists explicit: the specification requires them.
func (b batchReadBody) filled() batchReadBody {
	b.Properties = append([]string{}, b.Properties...)
	b.WithHistory = append([]string{}, b.WithHistory...)
	return b
}

// rows makes a batch read. Records that are not there are no error of the call:
// HubSpot answers 207, or 404 when none of them is. bad are errors about single
// ones, by what was asked for; an error that names none is the call's.
func (a *account) rows(ctx context.Context, r request) (rows []row, bad map[crm.RecordID]error, err error) {
	var out batchAnswer
	if _, err := a.client.call(ctx, r, &out); err != nil {
		if fault.Is(err, fault.NotFound) && fault.CodeOf(err) != connector.CodeObject {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	bad = map[crm.RecordID]error{}
	for _, raw := range out.Errors {
		var p problem
		_ = json.Unmarshal(raw, &p) // what is no object gives no reason
		var e error
		if known := fromProblem(r.op, p); known == nil {
			e = malformed(r, "HubSpot reports an error without a reason")
		} else if known.Kind == fault.NotFound {
			continue
		} else {
			e = known
		}
		if len(p.Context["ids"]) == 0 {
			return nil, nil, e
		}
		for _, id := range p.Context["ids"] {
			bad[crm.RecordID(id)] = e
		}
	}
	for i := range out.Results {
		if _, ok := out.Results[i].record(); !ok {
			return nil, nil, malformed(r, "HubSpot's answer has a record without an ID")
		}
	}
	return out.Results, bad, nil
}

// unique reports whether records can be read by the property without the
// search index: the e-mail of contacts, and properties with unique values.
func unique(object string, f crm.Field) bool {
	return f.Unique || f.Name == emailProperty && object == contacts
}

// FindLag implements connector.FindLagger: none for unique properties, which
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
func (a *account) BatchFind(ctx context.Context, object string, field crm.Field, values []string, fields []string) ([][]crm.Record, error) {
	op := "hubspot: find " + object
	if len(values) > batchSize {
		return nil, tooMany(op, batchSize)
	}
	base, err := path(op, objectsPath, object)
	if err != nil {
		return nil, err
	}
	if !propertyPattern.MatchString(field.Name) {
		return nil, &fault.Error{Op: op, Kind: fault.Invalid, Code: connector.CodeField, Message: "HubSpot has no such property"}
	}
	wanted := distinct(values)
	if len(wanted) == 0 {
		return make([][]crm.Record, len(values)), nil
	}
	holding := []string{field.Name} // properties that may hold a value asked for
	if field.Name == emailProperty && object == contacts {
		field.Also = append([]string{additionalEmails}, field.Also...)
	}
	holding = append(holding, field.Also...)
	if field.FindBy != "" {
		holding = append(holding, field.FindBy)
	}
	asked := append(slices.Clone(holding), fields...)
	slices.Sort(asked)
	asked = slices.Compact(asked)
	var rows []row
	if unique(object, field) {
		body := batchReadBody{IDProperty: field.Name, Properties: asked}
		for _, v := range wanted {
			body.Inputs = append(body.Inputs, idBody{v})
		}
		var bad map[crm.RecordID]error
		rows, bad, err = a.rows(ctx, request{op: op, method: http.MethodPost, path: base + "/batch/read", body: body.filled()})
		for _, e := range bad { // somebody of that key may be there: whoever asks must not think that nobody is
			err = cmp.Or(err, e)
		}
	} else {
		rows, err = a.searchRows(ctx, op, object, field, wanted, holding, asked)
	}
	if err != nil {
		return nil, err
	}
	return assign(values, holding, rows, fields), nil
}

// The other addresses of a contact are unique too, and a read by e-mail finds
// contacts by them.
const (
	contacts         = "contacts"
	emailProperty    = "email"
	additionalEmails = "hs_additional_emails"
)

// distinct returns the values that are not blank, once each, whatever their case.
func distinct(values []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, v := range values {
		k := fold(v)
		if strings.TrimSpace(v) == "" || seen[k] {
			continue
		}
		seen[k] = true
		out = append(out, v)
	}
	return out
}

// fold is HubSpot's comparison of texts, near enough: callers compare again.
func fold(s string) string { return strings.ToLower(s) }

// assign hands the rows to the values they answer to. Only the fields wanted
// are shown.
func assign(values, holding []string, rows []row, fields []string) [][]crm.Record {
	by := map[string][]crm.Record{}
	seen := map[string]bool{}
	for i := range rows {
		rec, _ := rows[i].record()
		if rec.Deleted || seen[rows[i].ID] {
			continue
		}
		seen[rows[i].ID] = true
		var keys []string
		for n, name := range holding {
			held := fold(rec.Fields[name].Text())
			keys = append(keys, held)
			if n > 0 {
				keys = append(keys, strings.Split(held, ";")...)
			}
			if !slices.Contains(fields, name) {
				delete(rec.Fields, name)
			}
		}
		slices.Sort(keys)
		for _, k := range slices.Compact(keys) {
			if k != "" {
				by[k] = append(by[k], rec)
			}
		}
	}
	out := make([][]crm.Record, len(values))
	for i, v := range values {
		for _, rec := range by[fold(v)] {
			rec.Fields = rec.Fields.Clone()
			out[i] = append(out[i], rec)
		}
	}
	return out
}

// maxSearchBody is the longest body of a search, in bytes: the guide says 3,000
// characters, the specification means only the full text. The smaller holds.
const maxSearchBody = 3000

// maxMatches is how many records one look-up reads before it gives up: that
// many people with one value make the field useless as a key.
const maxMatches = 1000

// searchRows is searchValues for any number of properties.
func (a *account) searchRows(ctx context.Context, op, object string, field crm.Field, values, holding, asked []string) ([]row, error) {
	base, err := path(op, objectsPath, object)
	if err != nil {
		return nil, err
	}
	if !wideFind(asked) {
		return a.searchValues(ctx, op, base, field, values, asked)
	}
	rows, err := a.searchValues(ctx, op, base, field, values, holding)
	if err != nil {
		return nil, err
	}
	return a.widen(ctx, op, object, rows, asked)
}

// searchValues finds the records whose property is one of values.
func (a *account) searchValues(ctx context.Context, op, base string, field crm.Field, values, asked []string) ([]row, error) {
	var all []row
	for len(values) > 0 {
		n := len(values)
		body := valuesSearch(field, values, asked)
		for ; n > 1 && size(body) > maxSearchBody; body = valuesSearch(field, values[:n], asked) {
			n = max(1, n*9/10)
		}
		values = values[n:]
		for {
			var out page
			r := request{op: op, method: http.MethodPost, path: base + "/search", body: body}
			if _, err := a.client.call(ctx, r, &out); err != nil {
				return nil, err
			}
			for i := range out.Results {
				if _, ok := out.Results[i].record(); !ok {
					return nil, malformed(r, "HubSpot's answer has a record without an ID")
				}
			}
			all = append(all, out.Results...)
			if out.Paging.Next.After == "" || len(out.Results) == 0 {
				break
			}
			if len(all) >= maxMatches {
				return nil, &fault.Error{Op: op, Kind: fault.Invalid, Code: connector.CodeMatches, Field: field.Name, Message: "too many records share the values looked for"}
			}
			if out.Paging.Next.After == body.After {
				return nil, malformed(r, "HubSpot repeats a page")
			}
			body.After = out.Paging.Next.After
		}
	}
	return all, nil
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
	out := searchBody{Sorts: []sortBody{{Property: "hs_object_id", Direction: "ASCENDING"}}, Properties: asked, Limit: pageSize}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		out.Groups = append(out.Groups, groupBody{Filters: []filterBody{{Property: name, Operator: "IN", Values: in[name]}}})
	}
	return out
}

func digitsOnly(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func size(body searchBody) int {
	b, err := encode(body)
	if err != nil {
		return 0
	}
	return len(b)
}

// History implements connector.Historian.
func (a *account) History(ctx context.Context, object string, ids []crm.RecordID, fields []string) ([]map[string][]crm.Value, error) {
	rows, _, bad, err := a.readRows(ctx, "hubspot: history of "+object, object, ids, batchReadBody{WithHistory: fields})
	for _, e := range bad {
		err = cmp.Or(err, e)
	}
	if err != nil {
		return nil, err
	}
	out := make([]map[string][]crm.Value, len(ids))
	for i, id := range ids {
		out[i] = map[string][]crm.Value{}
		r, ok := rows[id]
		if !ok {
			continue
		}
		for _, f := range fields {
			past := slices.Clone(r.History[f])
			slices.SortStableFunc(past, func(a, b oldValue) int { return b.Timestamp.Compare(a.Timestamp) })
			for _, v := range past {
				if v.Value == "" {
					out[i][f] = append(out[i][f], crm.NullValue())
				} else {
					out[i][f] = append(out[i][f], crm.TextValue(v.Value))
				}
			}
		}
	}
	return out, nil
}
