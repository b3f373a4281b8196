package salesforce

import (
	"encoding/json"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// queryPage is an answer of query and queryAll.
type queryPage struct {
	TotalSize *int   `json:"totalSize"`
	Done      *bool  `json:"done"`
	Next      string `json:"nextRecordsUrl"`
	Records   []row  `json:"records"`
}

// row is a record as Salesforce writes it: "attributes" and the fields asked for.
type row map[string]json.RawMessage

// sobject is an entry of the global list and the head of a description.
type sobject struct {
	Name       string  `json:"name"`
	Label      string  `json:"label"`
	Custom     bool    `json:"custom"`
	Createable bool    `json:"createable"`
	Updateable bool    `json:"updateable"`
	Queryable  bool    `json:"queryable"`
	Setting    bool    `json:"customSetting"`
	Fields     []field `json:"fields"`
}

// field is a field as describe tells it.
type field struct {
	Name              string   `json:"name"`
	Label             string   `json:"label"`
	Type              string   `json:"type"`
	Length            int      `json:"length"`
	Nillable          bool     `json:"nillable"`
	Createable        bool     `json:"createable"`
	Updateable        bool     `json:"updateable"`
	DefaultedOnCreate bool     `json:"defaultedOnCreate"`
	Unique            bool     `json:"unique"`
	ExternalID        bool     `json:"externalId"`
	Filterable        *bool    `json:"filterable"` // may stand in a WHERE; absent = it may
	Restricted        bool     `json:"restrictedPicklist"`
	ReferenceTo       []string `json:"referenceTo"`
	Compound          string   `json:"compoundFieldName"`
	Controller        string   `json:"controllerName"`
	Options           []option `json:"picklistValues"`
}

type option struct {
	Value  string `json:"value"`
	Label  string `json:"label"`
	Active bool   `json:"active"`
}

// written is a collection's answer for one row.
type written struct {
	ID      string          `json:"id"`
	Success *bool           `json:"success"`
	Created bool            `json:"created"`
	Errors  json.RawMessage `json:"errors"`
}

// deletedLog is the answer of getDeleted: guide/resources-getdeleted.
type deletedLog struct {
	Records []struct {
		ID string `json:"id"`
		At string `json:"deletedDate"`
	} `json:"deletedRecords"`
	Earliest string `json:"earliestDateAvailable"`
	Latest   string `json:"latestDateCovered"`
}

// record turns a row into a record with the wanted fields.
func (w row) record(r rest.Request, fields []string) (crm.Record, error) {
	id, ok := long(w.text(colID))
	if !ok {
		return crm.Record{}, rest.Malformed(r, "a record has no valid ID")
	}
	rec := crm.Record{ID: id, Fields: make(crm.Fields, len(fields)), Deleted: string(w[colDeleted]) == "true"}
	if rec.ModifiedAt, ok = w.time(colModified); !ok {
		return crm.Record{}, rest.Malformed(r, "a record has no valid time of modification")
	}
	if by, named := long(w.text(colModifier)); named {
		rec.ModifiedBy = string(by)
	}
	if rec.CreatedAt, ok = w.time(colCreated); !ok {
		return crm.Record{}, rest.Malformed(r, "a record has no valid time of creation")
	}
	if master := w.text(colMaster); master != "" {
		if rec.MergedInto, ok = long(master); !ok {
			return crm.Record{}, rest.Malformed(r, "a record was merged into something that is no ID")
		}
	}
	for _, f := range fields {
		raw, ok := w[f]
		if !ok {
			continue
		}
		var v crm.Value
		if err := v.UnmarshalJSON(raw); err != nil || v.Kind() == crm.List {
			return crm.Record{}, rest.Malformed(r, "the value of "+f+" is not a plain one")
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
func records(r rest.Request, rows []row, fields []string) ([]crm.Record, error) {
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

// An ID has 15 characters that differ by case; the 18-character form adds three
// that say which of them are capitals.
const (
	shortID = 15
	longID  = 18
)

// long returns the 18-character form of an ID, and whether s is an ID at all.
func long(s string) (crm.RecordID, bool) {
	if len(s) != shortID && len(s) != longID {
		return "", false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) {
			return "", false
		}
	}
	id := s[:shortID] + suffix(s)
	if len(s) == longID && s != id {
		return "", false
	}
	return crm.RecordID(id), true
}

// suffix computes the three characters: each stands for five of the ID, with a
// bit for each capital.
func suffix(s string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	out := make([]byte, 0, longID-shortID)
	for chunk := 0; chunk < shortID; chunk += 5 {
		bits := 0
		for i := range 5 {
			if c := s[chunk+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		out = append(out, digits[bits])
	}
	return string(out)
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// named reports whether s can be the API name of an object or field. Everything
// that goes into a query or a path unquoted passes through here first.
func named(s string) bool {
	if s == "" || len(s) > 80 || s[0] >= '0' && s[0] <= '9' || s[0] == '_' {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '_' {
			return false
		}
	}
	return true
}
