package salesforcefake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

const (
	writeRows    = 200  // per collection call: guide/resources-composite-sobjects-collections-upsert
	retrieveRows = 2000 // per retrieve by POST: guide/resources-composite-sobjects-collections-retrieve-post
	getRows      = 800  // by GET, where the URL ends it: guide/…-retrieve
)

// decode reads a JSON body strictly: unknown keys of a struct and trailing data
// are refused.
func decode(r *http.Request, v any) *refusal {
	broken := refuse(http.StatusBadRequest, "JSON_PARSER_ERROR",
		"The HTTP entity body is required, but this request has none or an invalid one")
	if ct := r.Header.Get("Content-Type"); ct != "" && !strings.HasPrefix(strings.ToLower(ct), "application/json") {
		return refuse(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content-Type not allowed: %s", ct)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return broken
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "Unrecognized field %s", field)
		}
		return broken
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return broken
	}
	return nil
}

// collection is the body of the collection writes.
type collection struct {
	AllOrNone bool     `json:"allOrNone"`
	Records   []values `json:"records"`
}

// rows reads a collection and checks its size.
func (f *org) rows(w http.ResponseWriter, r *http.Request) (collection, bool) {
	var in collection
	bad := decode(r, &in)
	if bad == nil {
		bad = tooMany(len(in.Records), writeRows)
	}
	if bad != nil {
		f.fail(w, bad)
		return collection{}, false
	}
	return in, true
}

func tooMany(n, most int) *refusal {
	if n > most {
		return refuse(http.StatusBadRequest, "EXCEEDED_ID_LIMIT",
			"record limit reached. cannot submit more than %d records into this call", most)
	}
	return nil
}

// typeOf takes the object's name out of a row.
func (f *org) typeOf(row values) (*object, *refusal) {
	var attributes struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(row["attributes"], &attributes); err != nil || attributes.Type == "" {
		return nil, refuse(http.StatusBadRequest, "INVALID_INPUT", "each record needs attributes with its type")
	}
	o, ok := find(f.objects, attributes.Type)
	if !ok || o.readOnly {
		return nil, refuse(http.StatusBadRequest, "INVALID_TYPE", "sObject type '%s' is not supported.", attributes.Type)
	}
	return o, nil
}

// idOf takes the record's ID out of a row, whose key may be written either way.
func idOf(row values) string {
	for name, raw := range row {
		if strings.EqualFold(name, "id") {
			var id string
			if json.Unmarshal(raw, &id) != nil {
				return ""
			}
			return id
		}
	}
	return ""
}

// bare is a row without its attributes and ID.
func bare(row values) values {
	out := maps.Clone(row)
	maps.DeleteFunc(out, func(name string, _ json.RawMessage) bool {
		return name == "attributes" || strings.EqualFold(name, "id")
	})
	return out
}

// each answers every row by its own. With allOrNone one bad row takes the
// others back.
func (f *org) each(w http.ResponseWriter, n int, allOrNone bool, row func(i int) (map[string]any, *refusal)) {
	out := make([]any, n)
	tx, outer := &transaction{}, f.tx
	f.tx = tx
	failed := false
	for i := range out {
		ok, bad := row(i)
		if bad != nil {
			failed, out[i] = true, bad.row()
			continue
		}
		out[i] = ok
	}
	f.tx = outer
	switch {
	case allOrNone && failed:
		tx.rollBack()
		for i, o := range out {
			if m, _ := o.(map[string]any); m["success"] == true {
				out[i] = refuse(http.StatusBadRequest, "ALL_OR_NONE_OPERATION_ROLLED_BACK",
					"Record rolled back because not all records were valid and the request was using AllOrNone header").row()
			}
		}
	case outer != nil: // a composite's, which decides about all
		outer.undo, outer.events = append(outer.undo, tx.undo...), append(outer.events, tx.events...)
	default:
		for _, e := range tx.events {
			f.core.Emit(e)
		}
	}
	f.write(w, http.StatusOK, out)
}

func (f *org) createMany(w http.ResponseWriter, r *http.Request) {
	in, ok := f.rows(w, r)
	if !ok {
		return
	}
	f.each(w, len(in.Records), in.AllOrNone, func(i int) (map[string]any, *refusal) {
		o, bad := f.typeOf(in.Records[i])
		if bad != nil {
			return nil, bad
		}
		if idOf(in.Records[i]) != "" {
			return nil, refuse(http.StatusBadRequest, "INVALID_FIELD_FOR_INSERT_UPDATE",
				"cannot specify Id in an insert call").about("Id")
		}
		rec, bad := f.create(o, bare(in.Records[i]), f.change(r))
		if bad != nil {
			return nil, bad
		}
		out := made(rec, true)
		delete(out, "created")
		return out, nil
	})
}

func (f *org) updateMany(w http.ResponseWriter, r *http.Request) {
	in, ok := f.rows(w, r)
	if !ok {
		return
	}
	seen := map[string]bool{}
	f.each(w, len(in.Records), in.AllOrNone, func(i int) (map[string]any, *refusal) {
		o, bad := f.typeOf(in.Records[i])
		if bad != nil {
			return nil, bad
		}
		id := full(idOf(in.Records[i]))
		if id == "" {
			return nil, refuse(http.StatusBadRequest, "MISSING_ARGUMENT", "Id not specified in an update call")
		}
		if seen[id] {
			return nil, refuse(http.StatusBadRequest, "DUPLICATE_VALUE", "duplicate id in list: %s", id)
		}
		seen[id] = true
		rec, bad := f.update(o, id, bare(in.Records[i]), f.change(r))
		if bad != nil {
			return nil, bad
		}
		out := made(rec, false)
		delete(out, "created")
		return out, nil
	})
}

// upsertMany: guide/resources-composite-sobjects-collections-upsert. All rows
// are of one type and found by one field.
func (f *org) upsertMany(w http.ResponseWriter, r *http.Request) {
	o, ok := f.object(w, r, true)
	if !ok {
		return
	}
	in, ok := f.rows(w, r)
	if !ok {
		return
	}
	c, known := o.column(r.PathValue("field"))
	if !known || !c.external && c.name != "Id" {
		f.fail(w, refuse(http.StatusNotFound, "NOT_FOUND",
			"Provided external ID field does not exist or is not accessible: %s", r.PathValue("field")))
		return
	}
	seen := map[string]bool{}
	f.each(w, len(in.Records), in.AllOrNone, func(i int) (map[string]any, *refusal) {
		row := in.Records[i]
		if t, bad := f.typeOf(row); bad != nil || t != o {
			return nil, refuse(http.StatusBadRequest, "INVALID_TYPE", "all records must be of type %s", o.name)
		}
		fields := maps.Clone(row)
		delete(fields, "attributes")
		value, bad := "", (*refusal)(nil)
		if c.name == "Id" {
			value, fields = idOf(row), bare(row)
		} else if value, bad = scalar(c, or(row[c.name], "null")); bad != nil {
			return nil, bad
		}
		if value != "" && seen[strings.ToLower(value)] {
			return nil, refuse(http.StatusBadRequest, "DUPLICATE_VALUE", "Duplicate external id specified: %s", value)
		}
		seen[strings.ToLower(value)] = true
		return f.upsertRow(o, c, value, fields, f.change(r))
	})
}

func or(raw json.RawMessage, instead string) json.RawMessage {
	if raw == nil {
		return json.RawMessage(instead)
	}
	return raw
}

func (f *org) upsertRow(o *object, c *column, value string, fields values, ch change) (map[string]any, *refusal) {
	var found []*fakekit.Record
	switch {
	case value == "" && c.name != "Id":
		return nil, refuse(http.StatusBadRequest, "MISSING_ARGUMENT", "%s not specified", c.name)
	case value != "":
		var bad *refusal
		if found, _, bad = f.byKey(o, c.name, value); bad != nil {
			return nil, bad
		}
		if c.name == "Id" && len(found) == 0 {
			return nil, refuse(http.StatusNotFound, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
		}
	}
	switch len(found) {
	case 0:
		rec, bad := f.create(o, fields, ch)
		if bad != nil {
			return nil, bad
		}
		return made(rec, true), nil
	case 1:
		rec, bad := f.update(o, found[0].ID, fields, ch)
		if bad != nil {
			return nil, bad
		}
		return made(rec, false), nil
	}
	ids := make([]string, len(found))
	for i, r := range found {
		ids[i] = r.ID
	}
	return nil, refuse(http.StatusBadRequest, "DUPLICATE_EXTERNAL_ID",
		"%s: more than one record found for external id field: [%s]", c.label, strings.Join(ids, ", "))
}

// deleteMany: guide/resources-composite-sobjects-collections-delete.
func (f *org) deleteMany(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	ids := strings.Split(q.Get("ids"), ",")
	if q.Get("ids") == "" {
		f.fail(w, refuse(http.StatusBadRequest, "MISSING_ARGUMENT", "ids not specified"))
		return
	}
	if bad := tooMany(len(ids), writeRows); bad != nil {
		f.fail(w, bad)
		return
	}
	f.each(w, len(ids), q.Get("allOrNone") == "true", func(i int) (map[string]any, *refusal) {
		id := full(strings.TrimSpace(ids[i]))
		if id == "" {
			return nil, refuse(http.StatusBadRequest, "MALFORMED_ID", "malformed id %s", ids[i])
		}
		for _, o := range f.objects {
			if !o.readOnly && strings.HasPrefix(id, o.prefix) {
				bad := f.remove(o, id, "", f.change(r))
				return map[string]any{"id": id, "success": true, "errors": []any{}}, bad
			}
		}
		return nil, refuse(http.StatusNotFound, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	})
}

// retrieve answers one record or null per ID, in order; a bad field fails all.
// Source: guide/resources-composite-sobjects-collections-retrieve-post.
func (f *org) retrieve(w http.ResponseWriter, r *http.Request) {
	o, ok := f.object(w, r, true)
	if !ok {
		return
	}
	var in struct {
		IDs    []string `json:"ids"`
		Fields []string `json:"fields"`
	}
	most := getRows
	if r.Method == http.MethodPost {
		most = retrieveRows
		if bad := decode(r, &in); bad != nil {
			f.fail(w, bad)
			return
		}
	} else if q := r.URL.Query(); q.Get("ids") != "" && q.Get("fields") != "" {
		in.IDs, in.Fields = strings.Split(q.Get("ids"), ","), strings.Split(q.Get("fields"), ",")
	}
	bad := tooMany(len(in.IDs), most)
	if bad == nil && (len(in.IDs) == 0 || len(in.Fields) == 0) {
		bad = refuse(http.StatusBadRequest, "MISSING_ARGUMENT", "ids and fields must be specified")
	}
	var cols []*column
	if bad == nil {
		cols, bad = fieldsOf(o, in.Fields)
	}
	if bad != nil {
		f.fail(w, bad)
		return
	}
	out := make([]any, len(in.IDs))
	for i, id := range in.IDs {
		if rec, ok := f.tables[o.name].find(id); ok && !rec.Deleted {
			row := show(o, rec, cols)
			if f.core.BrokenRow(rec.ID) {
				row["SystemModstamp"], row["LastModifiedDate"], row["CreatedDate"] = nil, nil, nil
			}
			out[i] = row
		}
	}
	f.write(w, http.StatusOK, out)
}
