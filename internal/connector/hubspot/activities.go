package hubspot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Notes, tasks, calls and meetings are objects like others, but that what they are
// about stands in no property: it is an association. Here each object that they may
// be about is a field of theirs, which names one record, or lists several by their
// IDs, the lowest first. A write says all that are to be left.
//
// Sources: docs/api-reference/crm-notes-v3/guide and its siblings of tasks, calls and
// meetings; …/associations/associate-records/guide for the types.

// associationsPath is the batch of associations between two objects.
const associationsPath = "/crm/associations/2026-03/"

// associationField begins the names of these fields: a property's name has no dot.
const associationField = "associations."

// aboutObjects are the objects that activities may be about, in the order shown to admins.
var aboutObjects = []crm.Object{
	{ID: contacts, Label: "Contact"}, {ID: "companies", Label: "Company"}, {ID: "deals", Label: "Deal"},
}

// activityTypes is the type of the association from an activity to a record.
var activityTypes = map[string]map[string]int{
	"notes":    {"contacts": 202, "companies": 190, "deals": 214},
	"tasks":    {"contacts": 204, "companies": 192, "deals": 216},
	"calls":    {"contacts": 194, "companies": 182, "deals": 206},
	"meetings": {"contacts": 200, "companies": 188, "deals": 212},
}

var activityLabels = map[string]string{"notes": "Notes", "tasks": "Tasks", "calls": "Calls", "meetings": "Meetings"}

// activities are the activity objects, in the order shown to admins.
func activities() []crm.Object {
	of := &crm.ActivityObject{}
	for _, to := range aboutObjects {
		of.Parents = append(of.Parents, crm.ActivityParent{Object: to.ID, Field: associationField + to.ID})
	}
	var out []crm.Object
	for _, id := range []string{"notes", "tasks", "calls", "meetings"} {
		out = append(out, crm.Object{ID: id, Label: activityLabels[id], Activity: of})
	}
	return out
}

// reminding are properties that make HubSpot remind people, which no sync does.
var reminding = []string{"hs_task_reminders"}

// aboutFields are the fields of an activity object that are associations.
func aboutFields(object string) []crm.Field {
	if activityTypes[object] == nil {
		return nil
	}
	var out []crm.Field
	for _, to := range aboutObjects {
		out = append(out, crm.Field{
			Name: associationField + to.ID, Label: to.Label, Type: crm.TypeReference, ReferenceTo: to.ID, Find: crm.FindNone,
		})
	}
	return out
}

// apart takes the fields that are associations out of those wanted of an object, and
// returns the objects at their far ends.
func apart(object string, fields []string) (properties, about []string) {
	for _, f := range fields {
		to, is := strings.CutPrefix(f, associationField)
		if is && activityTypes[object][to] != 0 {
			about = append(about, to)
		} else {
			properties = append(properties, f)
		}
	}
	return properties, about
}

// endID is an ID of v4 and later, which some answers write as a number.
type endID string

// UnmarshalJSON implements json.Unmarshaler.
func (id *endID) UnmarshalJSON(b []byte) error {
	*id = endID(strings.Trim(string(b), `"`))
	return nil
}

type associatedRow struct {
	From struct {
		ID endID `json:"id"`
	} `json:"from"`
	To []struct {
		ID endID `json:"toObjectId"`
	} `json:"to"`
}

type associatedAnswer struct {
	Results []associatedRow   `json:"results"`
	Errors  []json.RawMessage `json:"errors"`
}

// about reads with which records of an object each activity is associated, the lowest
// ID first; one that is associated with none is not in the answer.
func (a *account) about(
	ctx context.Context, op, object, to string, ids []crm.RecordID,
) (map[crm.RecordID][]string, error) {
	out := make(map[crm.RecordID][]string, len(ids))
	for part := range slices.Chunk(ids, batchSize) {
		r := rest.Request{Op: op, Method: http.MethodPost, Path: associationsPath + object + "/" + to + "/batch/read"}
		in := archiveBody{}
		for _, id := range part {
			in.Inputs = append(in.Inputs, idBody{string(id)})
		}
		r.Body = in
		var got associatedAnswer
		if _, err := a.client.Call(ctx, r, &got); err != nil {
			return nil, err
		}
		for _, raw := range got.Errors { // of an activity without such an association there is one
			p := problemOf(raw)
			if known := refusals.Known(op, p.problems()); known == nil || known.Kind != fault.NotFound {
				return nil, rest.Malformed(r, "HubSpot reports an error of an association")
			}
		}
		for _, row := range got.Results {
			id := crm.RecordID(row.From.ID)
			for _, far := range row.To {
				if !recordID(string(far.ID)) {
					return nil, rest.Malformed(r, "an association names no record")
				}
				out[id] = append(out[id], string(far.ID))
			}
			slices.SortFunc(out[id], asNumbers)
			out[id] = slices.Compact(out[id])
		}
	}
	return out, nil
}

// asNumbers compares two IDs as the numbers that they are.
func asNumbers(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) }

// tellAbout gives records the fields that are associations.
func (a *account) tellAbout(ctx context.Context, op, object string, records []*crm.Record, about []string) error {
	records = slices.DeleteFunc(records, func(r *crm.Record) bool { return r.Deleted })
	if len(records) == 0 {
		return nil
	}
	ids := make([]crm.RecordID, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	for _, to := range about {
		found, err := a.about(ctx, op, object, to, ids)
		if err != nil {
			return err
		}
		for _, r := range records {
			r.Fields[associationField+to] = aboutValue(found[r.ID])
		}
	}
	return nil
}

// aboutValue is what a field says of the records that an activity is about.
func aboutValue(all []string) crm.Value {
	switch len(all) {
	case 0:
		return crm.NullValue()
	case 1:
		return crm.TextValue(all[0])
	}
	return crm.ListValue(slices.SortedFunc(slices.Values(all), asNumbers)...)
}

// pointers are records in place.
func pointers(records []crm.Record) []*crm.Record {
	out := make([]*crm.Record, len(records))
	for i := range records {
		out[i] = &records[i]
	}
	return out
}

// newAssociation is one that a create makes.
type newAssociation struct {
	To    idBody     `json:"to"`
	Types []typeBody `json:"types"`
}

type typeBody struct {
	Category string `json:"associationCategory"`
	Type     int    `json:"associationTypeId"`
}

// takeAbout moves the fields that are associations out of a write.
func takeAbout(op, object string, w connector.Write, row *writeBody) error {
	_, about := apart(object, names(w.Fields))
	for _, to := range about {
		name := associationField + to
		v := w.Fields[name]
		delete(row.Properties, name)
		if v.Kind() == crm.Absent {
			continue
		}
		all := v.Items()
		if slices.ContainsFunc(all, func(id string) bool { return !recordID(id) }) {
			return &fault.Error{
				Op: op, Kind: fault.Invalid, Code: connector.CodeValue, Field: name, Message: "this is no ID of a record",
			}
		}
		if w.Op == connector.Upsert {
			return &fault.Error{
				Op: op, Kind: fault.Unsupported, Code: connector.CodeUnsupported, Field: name,
				Message: "HubSpot associates nothing with an upsert",
			}
		}
		if row.about == nil {
			row.about = map[string][]string{}
		}
		row.about[to] = all
		for _, id := range all {
			if w.Op != connector.Create {
				break
			}
			row.Associations = append(row.Associations, newAssociation{
				idBody{id}, []typeBody{{"HUBSPOT_DEFINED", activityTypes[object][to]}},
			})
		}
	}
	return nil
}

func names(f crm.Fields) []string {
	out := make([]string, 0, len(f))
	for name := range f {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// pairBody is an association to make or to end.
type pairBody struct {
	From idBody `json:"from"`
	To   any    `json:"to"` // idBody, or a list of them
}

// relate makes and ends associations of activities that are updated, before their
// properties are written. A row whose association is refused fails with that field,
// and nothing of it is written.
func (b *batch) relate(ctx context.Context, a *account, object string) error {
	for i := range aboutObjects {
		to := aboutObjects[i].ID
		var ids []crm.RecordID
		for _, row := range b.Rows {
			if _, set := row.Body.about[to]; set && !row.Done() {
				ids = append(ids, crm.RecordID(row.Body.ID))
			}
		}
		if len(ids) == 0 {
			continue
		}
		held, err := a.about(ctx, b.Op, object, to, ids)
		if err != nil {
			return err
		}
		if err := b.move(ctx, object, to, held); err != nil {
			return err
		}
	}
	return nil
}

// move brings the associations with one object from what is held to what is wanted:
// the new ones first, so that an end in between leaves an activity about more records
// and not about none.
func (b *batch) move(ctx context.Context, object, to string, held map[crm.RecordID][]string) error {
	var fresh, gone []any
	at := map[string]*batchRow{}
	for _, row := range b.Rows {
		want, set := row.Body.about[to]
		if !set || row.Done() {
			continue
		}
		has := held[crm.RecordID(row.Body.ID)]
		for _, id := range want {
			if !slices.Contains(has, id) {
				at[row.Body.ID] = row
				fresh = append(fresh, pairBody{idBody{row.Body.ID}, idBody{id}})
			}
		}
		ended := slices.DeleteFunc(slices.Clone(has), func(id string) bool { return slices.Contains(want, id) })
		if len(ended) > 0 {
			at[row.Body.ID] = row
			var ids []idBody
			for _, id := range ended {
				ids = append(ids, idBody{id})
			}
			gone = append(gone, pairBody{idBody{row.Body.ID}, ids})
		}
	}
	base := associationsPath + object + "/" + to + "/batch/"
	if len(fresh) > 0 {
		r := rest.Request{
			Op: b.Op, Method: http.MethodPost, Path: base + "associate/default", Write: true,
			Body: map[string]any{"inputs": fresh},
		}
		var got struct {
			Errors []json.RawMessage `json:"errors"`
		}
		ans, err := b.client.Call(ctx, r, &got)
		if err != nil {
			return err
		}
		b.moved = true
		for _, raw := range got.Errors {
			b.refuse(r, ans, raw, to, at)
		}
	}
	gone = slices.DeleteFunc(gone, func(p any) bool {
		pair, is := p.(pairBody)
		return is && at[pair.From.ID].Done()
	})
	if len(gone) == 0 {
		return nil
	}
	_, err := b.client.Call(ctx, rest.Request{
		Op: b.Op, Method: http.MethodPost, Path: base + "archive", Write: true, Body: map[string]any{"inputs": gone},
	}, nil)
	b.moved = b.moved || err == nil
	return err
}

// inPart is the error of a call that came behind others of the same batch: what they
// wrote has landed, however surely this one was refused.
func (b *batch) inPart(err error) error {
	var e *fault.Error
	if !b.moved || !errors.As(err, &e) {
		return err
	}
	part := *e
	part.MayHaveLanded = true
	return &part
}

// refuse fails the rows that an error of a batch of associations is about: by the
// record that it names, at either end; all of the batch where it names none.
func (b *batch) refuse(r rest.Request, ans rest.Answer, raw json.RawMessage, to string, at map[string]*batchRow) {
	p := problemOf(raw)
	named := slices.Concat(p.Context["objectId"], p.Context["fromObjectId"], p.Context["toObjectId"], p.Context["ids"])
	about := func(row *batchRow) bool {
		return slices.Contains(named, row.Body.ID) || slices.ContainsFunc(row.Body.about[to], func(id string) bool {
			return slices.Contains(named, id)
		})
	}
	some := false
	for _, row := range at {
		some = some || about(row)
	}
	for _, row := range at {
		if row.Done() || some && !about(row) {
			continue
		}
		b.Settle(row, connector.Written{ID: row.ID, Err: &fault.Error{
			Op: b.Op, Kind: fault.Invalid, Code: connector.CodeValue, Field: associationField + to,
			Message: "HubSpot does not associate the activity with this record",
		}, Exchange: b.client.Exchange(r, ans, raw)})
	}
}

// related answers the rows of which nothing but associations was to be written, as
// HubSpot shows the records now.
func (b *batch) related(ctx context.Context, a *account, object string) error {
	var ids []crm.RecordID
	for _, row := range b.Rows {
		if !row.Done() && len(row.Body.Properties) == 0 && row.Body.about != nil {
			ids = append(ids, crm.RecordID(row.Body.ID))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	reads, err := a.BatchRead(ctx, object, ids, nil)
	if err != nil {
		return err
	}
	for i := range reads {
		for _, row := range b.Rows {
			if !row.Done() && row.Body.ID == string(ids[i]) {
				w := connector.Written{ID: row.ID, Record: reads[i].Record, Err: reads[i].Err}
				row.Body.stored(&w)
				b.Settle(row, w)
			}
		}
	}
	return nil
}

// stored adds to an answer the associations that were written with it.
func (row *writeBody) stored(w *connector.Written) {
	for to, all := range row.about {
		if w.Record != nil {
			w.Record.Fields[associationField+to] = aboutValue(all)
		}
	}
}
