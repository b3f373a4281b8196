package leadsquared

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// lead is a lead by the names of its fields, in whichever shape it came.
type lead map[string]json.RawMessage

// pair is an attribute of a lead, as writes send them and listings by date answer.
type pair struct {
	Attribute string          `json:"Attribute"`
	Value     json.RawMessage `json:"Value"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *lead) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	if raw, ok := all["LeadPropertyList"]; ok {
		var list []pair
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		all = make(map[string]json.RawMessage, len(list))
		for _, p := range list {
			if all[p.Attribute] = p.Value; p.Value == nil {
				all[p.Attribute] = json.RawMessage("null")
			}
		}
	}
	*l = all
	return nil
}

// text is an attribute that is a text.
func (l lead) text(name string) string {
	var s string
	_ = json.Unmarshal(l[name], &s) // what is none is blank
	return s
}

var idPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// id is a lead's ID in its one form.
func id(s string) (crm.RecordID, bool) {
	s = strings.ToLower(s)
	return crm.RecordID(s), idPattern.MatchString(s)
}

// layout is how LeadSquared writes times: in UTC, and without saying so. Some have
// milliseconds, which it leaves zero.
const layout = "2006-01-02 15:04:05"

var timePattern = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,7})?$`)

func moment(s string) (time.Time, bool) {
	if !timePattern.MatchString(s) {
		return time.Time{}, false
	}
	t, err := time.Parse(layout, s[:len(layout)])
	return t, err == nil
}

// record turns a lead into a record with the wanted fields.
func (l lead) record(r rest.Request, fields []string) (crm.Record, error) {
	bad := func(why string) (crm.Record, error) { return crm.Record{}, rest.Malformed(r, why) }
	one, ok := id(l.text("ProspectID"))
	if !ok {
		return bad("a lead has no valid ID")
	}
	rec := crm.Record{ID: one, Fields: make(crm.Fields, len(fields)), ModifiedBy: l.text("ModifiedBy")}
	if rec.ModifiedAt, ok = moment(l.text("ModifiedOn")); !ok {
		return bad("a lead has no valid ModifiedOn")
	}
	rec.CreatedAt, _ = moment(l.text("CreatedOn")) // it is no more than a help
	return rec, l.values(r, &rec, fields)
}

// values gives a record the wanted fields.
func (l lead) values(r rest.Request, rec *crm.Record, fields []string) error {
	for _, name := range fields {
		raw, ok := l[name]
		if !ok {
			continue
		}
		var v crm.Value
		if v.UnmarshalJSON(raw) != nil {
			return rest.Malformed(r, "the value of "+name+" is not what LeadSquared documents")
		}
		if v.Blank() {
			v = crm.NullValue()
		} else if t, ok := moment(v.Text()); ok {
			v = crm.TextValue(t.Format(time.RFC3339))
		}
		rec.Fields[name] = v
	}
	return nil
}

// attributes makes what is sent of the fields: texts all of them, and empty to clear.
func attributes(fields crm.Fields) []pair {
	out := []pair{}
	for _, name := range slices.Sorted(maps.Keys(fields)) { // the same write is the same request
		v := fields[name]
		text := v.Text()
		switch on, isBool := v.Bool(); {
		case v.Kind() == crm.Absent:
			continue
		case v.Blank():
			text = ""
		case isBool && on:
			text = "1"
		case isBool:
			text = "0"
		}
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			text = t.UTC().Format(layout)
		}
		raw, _ := json.Marshal(text) // a text can be written
		out = append(out, pair{name, raw})
	}
	return out
}

// columns are the fields to ask for.
func columns(fields []string) map[string]string {
	return map[string]string{
		"Include_CSV": strings.Join(append([]string{"ProspectID", "CreatedOn", "ModifiedOn", "ModifiedBy"}, fields...), ","),
	}
}

func paging(index, size int) map[string]int {
	return map[string]int{"PageIndex": index, "PageSize": size}
}
