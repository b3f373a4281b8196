package hubspot

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// row is a record as HubSpot writes it. All values are texts or null.
type row struct {
	ID         string                `json:"id"`
	Properties map[string]*string    `json:"properties"`
	History    map[string][]oldValue `json:"propertiesWithHistory"`
	CreatedAt  time.Time             `json:"createdAt"`
	UpdatedAt  time.Time             `json:"updatedAt"`
	Archived   bool                  `json:"archived"`
	ArchivedAt time.Time             `json:"archivedAt"`
	TraceID    string                `json:"objectWriteTraceId"`
	New        bool                  `json:"new"`
}

type oldValue struct {
	Value     string    `json:"value"`
	Timestamp time.Time `json:"timestamp"`
}

// page is an answer of list and search.
type page struct {
	Total   *int   `json:"total"`
	Results []row  `json:"results"`
	Paging  paging `json:"paging"`
}

type paging struct {
	Next struct {
		After string `json:"after"`
	} `json:"next"`
}

// batchAnswer is an answer of any batch.
type batchAnswer struct {
	Results []row             `json:"results"`
	Errors  []json.RawMessage `json:"errors"`
}

type batchReadBody struct {
	IDProperty  string   `json:"idProperty,omitempty"`
	Properties  []string `json:"properties"`
	WithHistory []string `json:"propertiesWithHistory"`
	Inputs      []idBody `json:"inputs"`
}

type idBody struct {
	ID string `json:"id"`
}

// filled makes empty lists explicit: the specification requires them.
func (b batchReadBody) filled() batchReadBody {
	b.Properties = append([]string{}, b.Properties...)
	b.WithHistory = append([]string{}, b.WithHistory...)
	return b
}

type archiveBody struct {
	Inputs []idBody `json:"inputs"`
}

type batchWriteBody struct {
	Inputs []writeBody `json:"inputs"`
}

// writeBody is one row of a write.
type writeBody struct {
	ID         string            `json:"id,omitempty"`
	IDProperty string            `json:"idProperty,omitempty"`
	Properties map[string]string `json:"properties"`
	TraceID    string            `json:"objectWriteTraceId"`

	Associations []newAssociation `json:"associations,omitempty"` // of a create

	ends     map[edge][]string // the records that it is to be associated with
	upserted string            // the record that an upsert made or found
}

type searchBody struct {
	Groups     []groupBody `json:"filterGroups"`
	Sorts      []sortBody  `json:"sorts"`
	Properties []string    `json:"properties"`
	Limit      int         `json:"limit"`
	After      string      `json:"after,omitempty"`
}

type groupBody struct {
	Filters []filterBody `json:"filters"`
}

type filterBody struct {
	Property string   `json:"propertyName"`
	Operator string   `json:"operator"`
	Value    string   `json:"value,omitempty"`
	Values   []string `json:"values,omitempty"`
}

type sortBody struct {
	Property  string `json:"propertyName"`
	Direction string `json:"direction"`
}

type accountDetails struct {
	PortalID    int64  `json:"portalId"`
	AccountType string `json:"accountType"`
	TimeZone    string `json:"timeZone"`
}

type ownerRow struct {
	ID       string `json:"id"`
	Email    string `json:"email"`
	Archived bool   `json:"archived"`
}

type ownerPage struct {
	Results []ownerRow `json:"results"`
}

// recordID reports whether s looks like a record's ID: HubSpot answers 400 to a
// whole batch for one that does not.
func recordID(s string) bool {
	if s == "" || len(s) > 19 {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// id is a record's ID in its one form.
func id(s string) (crm.RecordID, bool) { return crm.RecordID(s), recordID(s) }

// record turns a row into a record; ok is false when the row has no proper ID.
func (r *row) record() (crm.Record, bool) {
	if !recordID(r.ID) {
		return crm.Record{}, false
	}
	out := crm.Record{
		ID: crm.RecordID(r.ID), Fields: make(crm.Fields, len(r.Properties)),
		ModifiedAt: r.UpdatedAt.UTC(), CreatedAt: r.CreatedAt.UTC(), Deleted: r.Archived,
	}
	for name, v := range r.Properties {
		out.Fields[name] = value(v)
	}
	return out, true
}

func value(v *string) crm.Value {
	if v == nil {
		return crm.NullValue()
	}
	return crm.TextValue(*v)
}

// texts writes values as HubSpot takes it: texts only, an empty one clears,
// several options are joined with ";", booleans are "true" and "false".
// Sources: docs/faq/how-do-i-set-multiple-values-for-checkbox-properties; dates
// and times go as ISO 8601, which docs/api/faq allows.
func texts(f crm.Fields) map[string]string {
	out := make(map[string]string, len(f))
	for name, v := range f {
		if v.Kind() != crm.Absent {
			out[name] = v.Text()
		}
	}
	return out
}

// modifiedProperty is the property with the time of the last change.
// Source: api-reference/search/guide.
func modifiedProperty(object string) string {
	if object == "contacts" || object == "0-1" {
		return "lastmodifieddate"
	}
	return "hs_lastmodifieddate"
}

func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
