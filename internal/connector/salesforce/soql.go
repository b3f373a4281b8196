package salesforce

import (
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// The columns that every read asks for besides the fields wanted.
const (
	colID       = "Id"
	colModified = "SystemModstamp"
	colModifier = "LastModifiedById"
	colCreated  = "CreatedDate"
	colDeleted  = "IsDeleted"
	colMaster   = "MasterRecordId"
)

// outLayout is how Salesforce writes a dateTime: atlas…/intro_valid_date_formats.htm.
const outLayout = "2006-01-02T15:04:05.000-0700"

var quoter = strings.NewReplacer(
	`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`)

// quote writes a text literal: soql-sosl/sforce-api-calls-soql-select-quotedstringescapes.
func quote(s string) string { return "'" + quoter.Replace(s) + "'" }

// stamp writes a dateTime literal, which carries no quotes:
// soql-sosl/sforce-api-calls-soql-select-dateformats.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z") }

// columns lists the system columns of an object and the fields wanted, each once.
func columns(object string, fields ...string) []string {
	cols := []string{colID, colModified, colModifier, colCreated, colDeleted}
	if mergeable[object] {
		cols = append(cols, colMaster)
	}
	for _, f := range fields {
		same := func(c string) bool { return strings.EqualFold(c, f) }
		if !slices.ContainsFunc(cols, same) {
			cols = append(cols, f)
		}
	}
	return cols
}

// names checks everything that goes into a query unquoted.
func names(op, object string, fields ...string) error {
	if !named(object) {
		return fault.New(op, fault.NotFound, connector.CodeObject, "Salesforce has no object of this name")
	}
	for _, f := range fields {
		if !named(f) {
			return &fault.Error{Op: op, Kind: fault.Invalid, Code: connector.CodeField, Field: f, Message: "this is not the API name of a field"}
		}
	}
	return nil
}

// record turns a row into a record with the wanted fields.
func (w row) record(r request, fields []string) (crm.Record, error) {
	id, ok := long(w.text(colID))
	if !ok {
		return crm.Record{}, malformed(r, "a record has no valid ID")
	}
	rec := crm.Record{ID: id, Fields: make(crm.Fields, len(fields)), Deleted: string(w[colDeleted]) == "true"}
	if rec.ModifiedAt, ok = w.time(colModified); !ok {
		return crm.Record{}, malformed(r, "a record has no valid time of modification")
	}
	if by, named := long(w.text(colModifier)); named {
		rec.ModifiedBy = string(by)
	}
	if rec.CreatedAt, ok = w.time(colCreated); !ok {
		return crm.Record{}, malformed(r, "a record has no valid time of creation")
	}
	if master := w.text(colMaster); master != "" {
		if rec.MergedInto, ok = long(master); !ok {
			return crm.Record{}, malformed(r, "a record was merged into something that is no ID")
		}
	}
	for _, f := range fields {
		raw, ok := w[f]
		if !ok {
			continue
		}
		var v crm.Value
		if err := v.UnmarshalJSON(raw); err != nil || v.Kind() == crm.List {
			return crm.Record{}, malformed(r, "the value of "+f+" is not a plain one")
		}
		rec.Fields[f] = v
	}
	return rec, nil
}

// text returns a column that is a text; "" otherwise.
func (w row) text(col string) string {
	var v crm.Value
	if v.UnmarshalJSON(w[col]) != nil || v.Kind() != crm.Text {
		return ""
	}
	return v.Text()
}

func (w row) time(col string) (time.Time, bool) {
	t, err := time.Parse(outLayout, w.text(col))
	return t.UTC(), err == nil
}

// records turns a page of rows into records.
func records(r request, rows []row, fields []string) ([]crm.Record, error) {
	out := make([]crm.Record, 0, len(rows))
	for _, w := range rows {
		rec, err := w.record(r, fields)
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return out, nil
}

// tooMany refuses a batch over the limit.
func tooMany(op string, n, limit int) error {
	if n <= limit {
		return nil
	}
	return fault.New(op, fault.Invalid, connector.CodeTooLarge, "the call holds more than the app takes at once")
}
