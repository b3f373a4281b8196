package hubspot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Which records one is associated with stands in no property. Here it is shown by
// fields: "associations.companies" lists the companies of a contact, whatever their
// labels, and "associations.companies.user_7" those with label 7 of the portal's own.
// A field names one record or lists several by their IDs, the lowest first, and a
// write says all that are to be left. An association is shown at one of its ends.
//
// Sources: …/associations/associate-records/guide for the calls and types,
// …/associations/associations-schema/guide for labels and limits.

// associationsPath is the batch of associations between two objects, and what defines them.
const associationsPath = "/crm/associations/2026-03/"

// associationField begins the names of these fields: a property's name has no dot.
const associationField = "associations."

// The most inputs of a batch of associations: …/associate-records/guide.
const (
	maxAssociationReads  = 1000
	maxAssociationWrites = 2000
)

// plainTypes is the type of the association without a label from a record to one of
// another object. What is not here is not shown.
var plainTypes = map[string]map[string]int{
	contacts:   {"companies": 279},
	"deals":    {contacts: 3, "companies": 341},
	"notes":    {contacts: 202, "companies": 190, "deals": 214},
	"tasks":    {contacts: 204, "companies": 192, "deals": 216},
	"calls":    {contacts: 194, "companies": 182, "deals": 206},
	"meetings": {contacts: 200, "companies": 188, "deals": 212},
}

// typeBody is a type of association. HubSpot counts the types of each category by
// themselves.
type typeBody struct {
	Category string `json:"associationCategory"`
	Type     int    `json:"associationTypeId"`
}

const (
	byHubSpot = "HUBSPOT_DEFINED"
	// defined ends the words for who made a type, in lower case; the beginning is ours.
	defined = "_defined"
)

// primaries are the types of the label that one company of a record has at most:
// given to another one, it leaves the first.
var primaries = map[string]typeBody{contacts: {byHubSpot, 1}, "deals": {byHubSpot, 5}}

// edge is a field that shows associations with records of an object.
type edge struct {
	to    string
	label typeBody // zero = all, whatever their labels
}

func (e edge) field() string {
	name := associationField + e.to
	if e.label != (typeBody{}) {
		name += "." + strings.TrimSuffix(strings.ToLower(e.label.Category), defined) + "_" + strconv.Itoa(e.label.Type)
	}
	return name
}

// edgePattern is how such a field is named: the far object and, of a label, who made
// it and its number.
var edgePattern = regexp.MustCompile(`^associations\.([a-z]+)(?:\.(hubspot|user|integrator)_([1-9][0-9]{0,8}))?$`)

// edgeOf reads the name of a field of an object, if it is one of associations.
func edgeOf(object, field string) (edge, bool) {
	m := edgePattern.FindStringSubmatch(field)
	if m == nil || plainTypes[object][m[1]] == 0 || m[2] != "" && activityLabels[object] != "" {
		return edge{}, false
	}
	e := edge{to: m[1]}
	if m[2] != "" {
		n, _ := strconv.Atoi(m[3]) // digits, and not too many
		e.label = typeBody{strings.ToUpper(m[2] + defined), n}
	}
	return e, true
}

// apart takes the fields that are associations out of those wanted of an object.
func apart(object string, fields []string) (properties []string, edges []edge) {
	for _, f := range fields {
		if e, is := edgeOf(object, f); is {
			edges = append(edges, e)
		} else {
			properties = append(properties, f)
		}
	}
	return properties, edges
}

// edgeFields are the fields of an object that are associations. Those of contacts and
// deals list any number of records, but where there can be one only: the primary
// company, and what the portal limits to one. A portal whose far object is not for
// this token shows none.
func (a *account) edgeFields(ctx context.Context, object string) ([]crm.Field, error) {
	var out []crm.Field
	for i := range aboutObjects {
		to := &aboutObjects[i]
		if plainTypes[object][to.ID] == 0 {
			continue
		}
		if activityLabels[object] != "" {
			out = append(out, crm.Field{
				Name: edge{to: to.ID}.field(), Label: to.Label, Type: crm.TypeReference, ReferenceTo: to.ID, Find: crm.FindNone,
			})
			continue
		}
		fields, err := a.labelFields(ctx, object, to)
		if err != nil && fault.CodeOf(err) != connector.CodePermission {
			return nil, err
		}
		out = append(out, fields...)
	}
	return out, nil
}

// labelFields are the fields of the associations with one object.
func (a *account) labelFields(ctx context.Context, object string, to *crm.Object) ([]crm.Field, error) {
	type definition struct {
		Category string `json:"category"`
		Type     int    `json:"typeId"`
		Label    string `json:"label"` // null = the plain one
		Most     int    `json:"userEnforcedMaxToObjectIds"`
	}
	var labels, limits struct {
		Results []definition `json:"results"`
	}
	r := rest.Request{
		Op: "hubspot: fields of " + object, Method: http.MethodGet, Path: associationsPath + object + "/" + to.ID + "/labels",
	}
	if _, err := a.client.Call(ctx, r, &labels); err != nil {
		return nil, err
	}
	r.Path = associationsPath + "definitions/configurations/" + object + "/" + to.ID
	if _, err := a.client.Call(ctx, r, &limits); err != nil {
		return nil, err
	}
	if len(labels.Results) == 0 || limits.Results == nil {
		return nil, rest.Malformed(r, "HubSpot lists no associations")
	}
	one := map[typeBody]bool{primaries[object]: true}
	for _, l := range limits.Results {
		one[typeBody{l.Category, l.Type}] = l.Most == 1
	}
	var out []crm.Field
	add := func(e edge, label string, single bool) {
		out = append(out, crm.Field{
			Name: e.field(), Label: label, Type: crm.TypeReference, ReferenceTo: to.ID, Find: crm.FindNone, Multiple: !single,
		})
	}
	add(edge{to: to.ID}, to.Label, one[typeBody{byHubSpot, plainTypes[object][to.ID]}])
	for _, l := range labels.Results {
		e := edge{to.ID, typeBody{l.Category, l.Type}}
		if _, known := edgeOf(object, e.field()); known && l.Label != "" {
			add(e, to.Label+": "+l.Label, one[e.label])
		}
	}
	return out, nil
}

// endID is an ID of v4 and later, which some answers write as a number.
type endID string

// UnmarshalJSON implements json.Unmarshaler.
func (id *endID) UnmarshalJSON(b []byte) error {
	*id = endID(strings.Trim(string(b), `"`))
	return nil
}

// far is a record at the other end of an association.
type far struct {
	ID    endID `json:"toObjectId"`
	Types []struct {
		Category string `json:"category"`
		Type     int    `json:"typeId"`
	} `json:"associationTypes"`
}

// shows reports whether a field lists the record.
func (f *far) shows(e edge) bool {
	if e.label == (typeBody{}) {
		return true
	}
	for _, t := range f.Types {
		if e.label == (typeBody{t.Category, t.Type}) {
			return true
		}
	}
	return false
}

type associatedRow struct {
	From struct {
		ID endID `json:"id"`
	} `json:"from"`
	To     []far  `json:"to"`
	Paging paging `json:"paging"`
}

type associatedAnswer struct {
	Results []associatedRow   `json:"results"`
	Errors  []json.RawMessage `json:"errors"`
}

// associationInput asks for the associations of a record, from a page on.
type associationInput struct {
	ID    string `json:"id"`
	After string `json:"after,omitempty"`
}

// ends are what records are associated with, by their IDs.
type ends map[crm.RecordID][]far

// of are the IDs that a field of a record lists, the lowest first.
func (all ends) of(id crm.RecordID, e edge) []string {
	var out []string
	for i := range all[id] {
		if f := &all[id][i]; f.shows(e) {
			out = append(out, string(f.ID))
		}
	}
	slices.SortFunc(out, asNumbers)
	return slices.Compact(out)
}

// ends reads with which records of an object each record is associated; one that is
// associated with none is not in the answer. Of one that has very many HubSpot shows a
// page, and is asked for the next.
func (a *account) ends(ctx context.Context, op, object, to string, ids []crm.RecordID) (ends, error) {
	out := make(ends, len(ids))
	asked := make([]associationInput, len(ids))
	for i, id := range ids {
		asked[i].ID = string(id)
	}
	for len(asked) > 0 {
		part := asked[:min(len(asked), maxAssociationReads)]
		asked = slices.Clone(asked[len(part):])
		r := rest.Request{
			Op: op, Method: http.MethodPost, Path: associationsPath + object + "/" + to + "/batch/read",
			Body: map[string]any{"inputs": part},
		}
		var got associatedAnswer
		if _, err := a.client.Call(ctx, r, &got); fault.Is(err, fault.NotFound) {
			return nil, rest.Malformed(r, "HubSpot has no associations of these objects") // the records were read
		} else if err != nil {
			return nil, err
		}
		for _, raw := range got.Errors { // of a record without such an association there is one
			p := problemOf(raw)
			if known := refusals.Known(op, p.problems()); known == nil || known.Kind != fault.NotFound {
				return nil, rest.Malformed(r, "HubSpot reports an error of an association")
			}
		}
		if got.Results == nil { // which is not that nothing is associated
			return nil, rest.Malformed(r, "HubSpot's answer has no list of associations")
		}
		for i := range got.Results {
			row := &got.Results[i]
			if next := row.Paging.Next.After; next != "" {
				in := associationInput{ID: string(row.From.ID), After: next}
				if slices.Contains(part, in) || len(row.To) == 0 {
					return nil, rest.Malformed(r, "HubSpot repeats a page")
				}
				asked = append(asked, in)
			}
			for _, f := range row.To {
				if !recordID(string(f.ID)) {
					return nil, rest.Malformed(r, "an association names no record")
				}
			}
			id := crm.RecordID(row.From.ID)
			out[id] = append(out[id], row.To...)
		}
	}
	return out, nil
}

// asNumbers compares two IDs as the numbers that they are.
func asNumbers(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) }

// farObjects are the objects that fields of associations are about, each once.
func farObjects(edges []edge) []string {
	var out []string
	for _, e := range edges {
		if !slices.Contains(out, e.to) {
			out = append(out, e.to)
		}
	}
	return out
}

// tellEnds gives records the fields that are associations: by one call for each far
// object, however many of its labels are asked for.
func (a *account) tellEnds(ctx context.Context, op, object string, records []*crm.Record, edges []edge) error {
	records = slices.DeleteFunc(records, func(r *crm.Record) bool { return r.Deleted })
	if len(records) == 0 {
		return nil
	}
	ids := make([]crm.RecordID, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	for _, to := range farObjects(edges) {
		found, err := a.ends(ctx, op, object, to, ids)
		if err != nil {
			return err
		}
		for _, e := range edges {
			for _, r := range records {
				if e.to == to {
					r.Fields[e.field()] = endsValue(found.of(r.ID, e))
				}
			}
		}
	}
	return nil
}

// endsValue is what a field says of the records that it lists.
func endsValue(all []string) crm.Value {
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

// takeEdges moves the fields that are associations out of a write. A create makes
// them by itself.
func takeEdges(op, object string, w connector.Write, row *writeBody) error {
	_, edges := apart(object, slices.Sorted(maps.Keys(w.Fields)))
	for _, e := range edges {
		name := e.field()
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
		if row.ends == nil {
			row.ends = map[edge][]string{}
		}
		row.ends[e] = all
		if w.Op == connector.Create {
			for _, id := range all {
				row.associate(object, e, id)
			}
		}
	}
	return nil
}

// associate adds an association to a create.
func (row *writeBody) associate(object string, e edge, id string) {
	one := newAssociation{idBody{id}, []typeBody{e.label}}
	if e.label == (typeBody{}) {
		one.Types[0] = typeBody{byHubSpot, plainTypes[object][e.to]}
	}
	row.Associations = append(row.Associations, one)
}

// pairBody is an association to make or to end.
type pairBody struct {
	From  idBody     `json:"from"`
	To    any        `json:"to"` // idBody, or a list of them
	Types []typeBody `json:"types,omitempty"`
}

// relate makes and ends associations of records that are there: of those that are
// updated before their properties are written. A row whose association is refused
// fails with that field, and nothing else of it is written.
func (b *batch) relate(ctx context.Context, a *account, object string) error {
	var edges []edge
	for _, row := range b.Rows {
		for e := range row.Body.ends {
			if !slices.Contains(edges, e) {
				edges = append(edges, e)
			}
		}
	}
	// Plain ones first: their end takes the labels along.
	slices.SortFunc(edges, func(a, b edge) int { return strings.Compare(a.field(), b.field()) })
	for _, to := range farObjects(edges) {
		var ids []crm.RecordID
		for _, row := range b.Rows {
			if row.Body.edgesTo(to) && row.Body.holder() != "" && !row.Done() {
				ids = append(ids, crm.RecordID(row.Body.holder()))
			}
		}
		if len(ids) == 0 {
			continue
		}
		held, err := a.ends(ctx, b.Op, object, to, ids)
		if err != nil {
			return err
		}
		for _, e := range edges {
			if e.to != to {
				continue
			}
			if err := b.move(ctx, object, e, held); err != nil {
				return err
			}
		}
	}
	return nil
}

func (row *writeBody) edgesTo(to string) bool {
	for e := range row.ends {
		if e.to == to {
			return true
		}
	}
	return false
}

// holder is the record that a row writes; "" = an upsert did not make or find one.
func (row *writeBody) holder() string {
	if row.IDProperty != "" {
		return row.upserted
	}
	return row.ID
}

// refusedEdge is the field of a create that lists a record which its refusal names;
// "" = none does.
func (row *writeBody) refusedEdge(p problem) string {
	for e, all := range row.ends {
		if slices.ContainsFunc(all, func(id string) bool {
			return slices.Contains(p.Context["objectId"], id) || slices.Contains(p.Context["toObjectId"], id)
		}) {
			return e.field()
		}
	}
	return ""
}

// move brings the associations that a field shows from what is held to what is wanted.
// Plain ones are made before others end, so that an end in between leaves a record with
// more of them and not with none. Labels end first: the portal may allow so many only.
func (b *batch) move(ctx context.Context, object string, e edge, held ends) error {
	var fresh, gone []pairBody
	at := map[string]*batchRow{}
	plain := e.label == (typeBody{})
	for _, row := range b.Rows {
		want, set := row.Body.ends[e]
		id := row.Body.holder()
		if !set || id == "" || row.Done() {
			continue
		}
		has := held.of(crm.RecordID(id), e)
		for _, far := range want {
			if !slices.Contains(has, far) {
				at[id] = row
				one := pairBody{From: idBody{id}, To: idBody{far}}
				if !plain {
					one.Types = []typeBody{e.label}
				}
				fresh = append(fresh, one)
			}
		}
		stays := want
		if whole, both := row.Body.ends[edge{to: e.to}]; both && !plain { // what ended took its labels along
			has = slices.DeleteFunc(has, func(far string) bool { return !slices.Contains(whole, far) })
		}
		ended := slices.DeleteFunc(has, func(far string) bool { return slices.Contains(stays, far) })
		switch {
		case len(ended) == 0 || e.label == primaries[object] && !plain && len(want) > 0: // it moves by itself
		case plain:
			at[id] = row
			var all []idBody
			for _, far := range ended {
				all = append(all, idBody{far})
			}
			gone = append(gone, pairBody{From: idBody{id}, To: all})
		default:
			at[id] = row
			for _, far := range ended {
				gone = append(gone, pairBody{idBody{id}, idBody{far}, []typeBody{e.label}})
			}
		}
	}
	base := associationsPath + object + "/" + e.to + "/batch/"
	if !plain {
		if err := b.endAll(ctx, base+"labels/archive", gone, at); err != nil {
			return err
		}
		return b.makeAll(ctx, base+"create", e, fresh, at)
	}
	if err := b.makeAll(ctx, base+"associate/default", e, fresh, at); err != nil {
		return err
	}
	return b.endAll(ctx, base+"archive", gone, at)
}

// makeAll makes associations, and fails the rows of those that are refused.
func (b *batch) makeAll(ctx context.Context, path string, e edge, all []pairBody, at map[string]*batchRow) error {
	for part := range slices.Chunk(all, maxAssociationWrites) {
		r := rest.Request{
			Op: b.Op, Method: http.MethodPost, Path: path, Write: true, Body: map[string]any{"inputs": part},
		}
		var got struct {
			Errors []json.RawMessage `json:"errors"`
		}
		ans, err := b.client.Call(ctx, r, &got)
		if err != nil {
			return err
		}
		b.moved, b.Receipt = true, b.client.Receipt(r, ans)
		for _, raw := range got.Errors {
			b.refuse(r, ans, raw, e, at)
		}
	}
	return nil
}

// endAll ends associations, or labels of them. What a refused row was to end is left.
func (b *batch) endAll(ctx context.Context, path string, all []pairBody, at map[string]*batchRow) error {
	all = slices.DeleteFunc(all, func(p pairBody) bool { return at[p.From.ID].Done() })
	for part := range slices.Chunk(all, maxAssociationWrites) {
		r := rest.Request{
			Op: b.Op, Method: http.MethodPost, Path: path, Write: true, Body: map[string]any{"inputs": part},
		}
		ans, err := b.client.Call(ctx, r, nil)
		if err != nil {
			return err
		}
		b.moved, b.Receipt = true, b.client.Receipt(r, ans)
	}
	return nil
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
func (b *batch) refuse(r rest.Request, ans rest.Answer, raw json.RawMessage, e edge, at map[string]*batchRow) {
	p := problemOf(raw)
	named := p.named()
	about := func(row *batchRow) bool {
		if from := p.Context["fromObjectId"]; len(from) > 0 && from[0] != "" {
			return slices.Contains(from, row.Body.holder())
		}
		return slices.Contains(named, row.Body.holder()) || slices.ContainsFunc(row.Body.ends[e], func(id string) bool {
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
		b.Settle(row, connector.Written{ID: crm.RecordID(row.Body.holder()), Err: &fault.Error{
			Op: b.Op, Kind: fault.Invalid, Code: connector.CodeValue, Field: e.field(),
			Message: "HubSpot does not associate the record with this one",
		}, Exchange: b.client.Exchange(r, ans, raw)})
	}
}

// named are the records that an error of associations names, at either end.
func (p problem) named() []string {
	return slices.Concat(p.Context["objectId"], p.Context["fromObjectId"], p.Context["toObjectId"], p.Context["ids"])
}

// related answers the rows of which nothing but associations was to be written, as
// HubSpot shows the records now.
func (b *batch) related(ctx context.Context, a *account, object string) error {
	var ids []crm.RecordID
	for _, row := range b.Rows {
		if !row.Done() && len(row.Body.Properties) == 0 && row.Body.ends != nil {
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
	for e, all := range row.ends {
		if w.Record != nil {
			w.Record.Fields[e.field()] = endsValue(all)
		}
	}
}
