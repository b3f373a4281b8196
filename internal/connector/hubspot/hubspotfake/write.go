package hubspotfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// create makes a record by HubSpot's rules.
func (f *account) create(o *object, given map[string]string, by source) (*fakekit.Record, *apiError) {
	fields, bad := f.values(o, given, nil)
	if len(bad) > 0 {
		return nil, invalidProperties(bad)
	}
	for _, any := range o.needed { // G2
		if !slices.ContainsFunc(any, func(n string) bool { return fields[n] != "" }) {
			e := invalid("Error creating %s. One of these properties is required: %v", strings.ToUpper(o.singular), any)
			e.Errors = []detail{
				{Message: "required", Code: "MISSING_REQUIRED_PROPERTY", In: any[0], Context: map[string][]string{
					"propertyName": {any[0]},
				}},
			}
			return nil, e
		}
	}
	f.rewrite(o, fields, nil, by)
	if e := f.broken(o, fields, nil, by); e != nil {
		return nil, e
	}
	if e := f.taken(o, fields, ""); e != nil {
		return nil, e
	}
	now := f.Tick()
	r := &fakekit.Record{ID: f.newID(), Fields: map[string]string{}, Created: now, Modified: now}
	for k, v := range fields {
		r.Set(k, v)
	}
	if by != sourceUser {
		o.makers[r.ID] = by
	}
	o.table.Put(r)
	f.event(o, "creation", r.ID, by, nil)
	return r, nil
}

// rewrite does to values what the account's workflows do, and what HubSpot does
// by itself to a lifecycle stage that would move backwards: it keeps the old one
// and says nothing (G1; portals that answer 400 have the knob).
func (f *account) rewrite(o *object, fields map[string]string, old *fakekit.Record, by source) {
	for name, v := range fields {
		before := ""
		if old != nil {
			before = old.Fields[name]
		}
		if name == "lifecyclestage" && f.backwards(o, v, before) {
			v = before
		}
		fields[name] = f.Rewritten(o.name, name, v, before, by == sourceUser)
	}
}

// broken refuses what a validation rule of the account does not let through.
func (f *account) broken(o *object, fields map[string]string, old *fakekit.Record, by source) *apiError {
	now := map[string]string{}
	if old != nil {
		now = maps.Clone(old.Fields)
	}
	maps.Copy(now, fields)
	rule, bad := f.Broken(o.name, now, by == sourceUser)
	if !bad {
		return nil
	}
	if len(rule.Names) == 0 {
		return invalid("The record does not meet the account's validation rules")
	}
	var ds []detail
	for _, name := range rule.Names {
		ds = append(ds, detail{
			Message: "the value does not meet a validation rule", Code: "INVALID_VALUE", In: name,
			Context: map[string][]string{"propertyName": {name}},
		})
	}
	return invalidProperties(ds)
}

// taken refuses a unique value that another record has. E-mails of contacts,
// additional ones too, are unique; domains of companies are not (G1).
func (f *account) taken(o *object, fields map[string]string, self string) *apiError {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		p, _ := o.prop(name)
		if fields[name] == "" || !p.Unique && !(name == "email" && o.name == "contacts") {
			continue
		}
		for _, other := range f.holders(o, name, fields[name]) {
			if other.ID != self {
				return exists(o, name, fields[name], other.ID)
			}
		}
	}
	return nil
}

// update changes a record by HubSpot's rules. Properties that already have the
// value do not move the modification time (O).
func (f *account) update(o *object, id string, given map[string]string, by source) (*fakekit.Record, *apiError) {
	old, ok := o.table.Get(id)
	if !ok || old.Deleted {
		return nil, notFound()
	}
	fields, bad := f.values(o, given, old)
	if len(bad) > 0 {
		return nil, invalidProperties(bad)
	}
	f.rewrite(o, fields, old, by)
	if e := f.broken(o, fields, old, by); e != nil {
		return nil, e
	}
	if e := f.taken(o, fields, id); e != nil {
		return nil, e
	}
	r := old.Clone()
	r.Modified = f.Tick()
	var changed []string
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if old.Fields[k] == fields[k] {
			continue
		}
		f.remember(o, old, k)
		r.Set(k, fields[k])
		o.history[id] = append(o.history[id], change{k, fields[k], r.Modified, by})
		changed = append(changed, k)
	}
	if len(changed) == 0 {
		return old, nil
	}
	o.table.Put(r)
	for _, k := range changed {
		f.event(o, "propertyChange", id, by, map[string]any{"propertyName": k, "propertyValue": fields[k]})
	}
	return r, nil
}

// remember starts a property's history with the value it was created with.
func (f *account) remember(o *object, old *fakekit.Record, property string) {
	if old.Fields[property] == "" ||
		slices.ContainsFunc(o.history[old.ID], func(c change) bool { return c.property == property }) {
		return
	}
	o.history[old.ID] = append(o.history[old.ID], change{property, old.Fields[property], old.Created, o.maker(old.ID)})
}

func (f *account) archive(o *object, id string, by source) bool {
	old, ok := o.table.Get(id)
	if !ok || old.Deleted {
		return false
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt = true, f.Tick()
	o.table.Put(r)
	f.event(o, "deletion", id, by, nil)
	return true
}

func number(id string) json.Number { return json.Number(id) }

// writeInput is one record to write (S).
type writeInput struct {
	ID           string           `json:"id"`
	IDProperty   string           `json:"idProperty"`
	Properties   json.RawMessage  `json:"properties"`
	Associations []newAssociation `json:"associations"` // of a create
	TraceID      string           `json:"objectWriteTraceId"`
}

// make creates a record with its associations: both or neither.
func (f *account) make(o *object, in writeInput, fields map[string]string) (*fakekit.Record, *apiError) {
	associate, e := f.checked(o, in.Associations)
	if e != nil {
		return nil, e
	}
	r, e := f.create(o, fields, sourceAPI)
	if e == nil {
		associate(r.ID)
	}
	return r, e
}

// written names the properties an answer to a write shows: those that were
// written, and the usual ones.
func written(o *object, fields map[string]string) []string {
	return append(slices.Sorted(maps.Keys(fields)), o.defaults...)
}

func (f *account) createOne(c *call) (int, any, *apiError) {
	var in writeInput
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	fields, e := decodeProperties(in.Properties)
	if e != nil {
		return 0, nil, e
	}
	r, e := f.make(c.o, in, fields)
	if e != nil {
		return 0, nil, e
	}
	return http.StatusCreated, c.o.show(r, written(c.o, fields)), nil
}

func (f *account) updateOne(c *call) (int, any, *apiError) {
	var in writeInput
	if e := c.allow("idProperty"); e != nil {
		return 0, nil, e
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	fields, e := decodeProperties(in.Properties)
	if e != nil {
		return 0, nil, e
	}
	old, e := f.find(c.o, c.URL.Query().Get("idProperty"), c.PathValue("id"))
	if e != nil {
		return 0, nil, e
	}
	r, e := f.update(c.o, old.ID, fields, sourceAPI)
	if e != nil {
		return 0, nil, e
	}
	return http.StatusOK, c.o.show(r, written(c.o, fields)), nil
}

// archiveOne answers 204 for a record that is gone already, too (S).
func (f *account) archiveOne(c *call) (int, any, *apiError) {
	f.archive(c.o, c.PathValue("id"), sourceAPI)
	return http.StatusNoContent, nil, nil
}

// batch decodes the inputs of a write batch.
func (f *account) batch(c *call) ([]writeInput, []map[string]string, *apiError) {
	var in struct {
		Inputs []writeInput `json:"inputs"`
	}
	if e := c.decode(&in); e != nil {
		return nil, nil, e
	}
	if e := batchSize(len(in.Inputs)); e != nil {
		return nil, nil, e
	}
	traces := map[string]bool{}
	all := make([]map[string]string, len(in.Inputs))
	for i, input := range in.Inputs {
		var e *apiError
		if all[i], e = decodeProperties(input.Properties); e != nil {
			return nil, nil, e
		}
		if input.TraceID != "" && traces[input.TraceID] {
			return nil, nil, invalid("Duplicate objectWriteTraceId %q", input.TraceID)
		}
		traces[input.TraceID] = true
	}
	return in.Inputs, all, nil
}

// rowError is a row's refusal, marked with the trace ID that its input had (E1).
func rowError(e *apiError, in writeInput) *apiError {
	row := *e
	row.Context = maps.Clone(e.Context)
	if row.Context == nil {
		row.Context = map[string][]string{}
	}
	if in.ID != "" {
		row.Context["ids"] = []string{in.ID}
	}
	if in.TraceID != "" {
		row.Context["objectWriteTraceId"] = []string{in.TraceID}
	}
	return &row
}

// batchCreate fails as a whole for one bad row, unless every input has a trace
// ID of its own (E2).
func (f *account) batchCreate(c *call) (int, any, *apiError) {
	inputs, fields, e := f.batch(c)
	if e != nil {
		return 0, nil, e
	}
	partial := !slices.ContainsFunc(inputs, func(i writeInput) bool { return i.TraceID == "" })
	if !partial {
		for _, in := range inputs {
			if _, e := f.checked(c.o, in.Associations); e != nil {
				return 0, nil, e
			}
		}
		if e := f.wouldFail(c.o, fields); e != nil {
			return 0, nil, e
		}
	}
	var results []row
	var errs []*apiError
	for i, in := range inputs {
		r, e := f.make(c.o, in, fields[i])
		if e != nil {
			errs = append(errs, rowError(e, in))
			continue
		}
		shown := c.o.show(r, written(c.o, fields[i]))
		shown.TraceID = in.TraceID
		results = append(results, shown)
	}
	slices.Reverse(results) // no order is promised
	return f.answer(results, errs, http.StatusCreated)
}

// wouldFail returns the first refusal that creating the rows would meet.
func (f *account) wouldFail(o *object, rows []map[string]string) *apiError {
	mails := map[string]bool{}
	for _, given := range rows {
		fields, bad := f.values(o, given, nil)
		if len(bad) > 0 {
			return invalidProperties(bad)
		}
		for _, any := range o.needed {
			if !slices.ContainsFunc(any, func(n string) bool { return fields[n] != "" }) {
				return invalid("Error creating %s. One of these properties is required: %v", strings.ToUpper(o.singular), any)
			}
		}
		if e := f.taken(o, fields, ""); e != nil {
			return e
		}
		if m := fields["email"]; m != "" && o.name == "contacts" {
			if mails[m] {
				return &apiError{status: http.StatusConflict, Category: catConflict, Message: "Duplicate emails in the batch"}
			}
			mails[m] = true
		}
	}
	return nil
}

func (f *account) batchUpdate(c *call) (int, any, *apiError) {
	inputs, fields, e := f.batch(c)
	if e != nil {
		return 0, nil, e
	}
	var results []row
	var errs []*apiError
	for i, in := range inputs {
		old, e := f.find(c.o, in.IDProperty, in.ID)
		var r *fakekit.Record
		if e == nil {
			r, e = f.update(c.o, old.ID, fields[i], sourceAPI)
		}
		if e != nil {
			errs = append(errs, rowError(e, in))
			continue
		}
		shown := c.o.show(r, written(c.o, fields[i]))
		shown.TraceID = in.TraceID
		results = append(results, shown)
	}
	slices.Reverse(results)
	return f.answer(results, errs, http.StatusOK)
}

func (f *account) batchUpsert(c *call) (int, any, *apiError) {
	inputs, fields, e := f.batch(c)
	if e != nil {
		return 0, nil, e
	}
	var results []row
	var errs []*apiError
	for i, in := range inputs {
		if e := c.o.keyProperty(in.IDProperty); e != nil {
			return 0, nil, e
		}
		r, fresh, e := f.upsert(c.o, in, fields[i])
		if e != nil && in.IDProperty == "email" {
			return 0, nil, e // no partial upsert by e-mail (G1)
		}
		if e != nil {
			errs = append(errs, rowError(e, in))
			continue
		}
		shown := c.o.show(r, append(written(c.o, fields[i]), in.IDProperty))
		shown.TraceID, shown.New = in.TraceID, &fresh
		results = append(results, shown)
	}
	slices.Reverse(results)
	return f.answer(results, errs, http.StatusOK)
}

func (f *account) upsert(
	o *object, in writeInput, fields map[string]string,
) (r *fakekit.Record, fresh bool, e *apiError) {
	if in.ID == "" {
		return nil, false, invalid("id must not be empty")
	}
	if found := f.holders(o, in.IDProperty, in.ID); len(found) > 0 {
		r, e = f.update(o, found[0].ID, fields, sourceAPI)
		return r, false, e
	}
	fields = maps.Clone(fields)
	fields[in.IDProperty] = in.ID
	r, e = f.create(o, fields, sourceAPI)
	return r, true, e
}

func (f *account) batchArchive(c *call) (int, any, *apiError) {
	var in struct {
		Inputs []struct {
			ID string `json:"id"`
		} `json:"inputs"`
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if e := batchSize(len(in.Inputs)); e != nil {
		return 0, nil, e
	}
	for _, i := range in.Inputs {
		f.archive(c.o, i.ID, sourceAPI)
	}
	return http.StatusNoContent, nil, nil
}

func (f *account) mergeTwo(c *call) (int, any, *apiError) {
	var in struct {
		Primary string `json:"primaryObjectId"`
		Loser   string `json:"objectIdToMerge"`
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	r, e := f.merge(c.o, in.Primary, in.Loser, sourceAPI)
	if e != nil {
		return 0, nil, e
	}
	return http.StatusOK, c.o.show(r, nil), nil
}

// forget deletes for good; it sends a deletion and a privacy deletion (W1).
func (f *account) forget(c *call) (int, any, *apiError) {
	var in struct {
		ID         string `json:"objectId"`
		IDProperty string `json:"idProperty"`
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if r, e := f.find(c.o, in.IDProperty, in.ID); e == nil {
		f.purge(c.o, r.ID, sourceAPI)
	}
	return http.StatusNoContent, nil, nil
}

func (f *account) purge(o *object, id string, by source) {
	o.table.Purge(id)
	delete(o.history, id)
	delete(o.makers, id)
	f.forgetEdges(o, id)
	f.event(o, "privacyDeletion", id, by, nil)
	f.event(o, "deletion", id, by, nil)
}

// Erase forgets a record for good, as a user's privacy deletion does.
func (f *Fake) Erase(name, id string) error { return f.account.erase(name, id) }

func (f *account) erase(name, id string) error {
	f.Lock()
	defer f.Unlock()
	o, ok := f.object(name)
	if !ok {
		return fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	if _, ok := o.table.Get(id); !ok {
		return fmt.Errorf("record: %w", fakekit.ErrNotFound)
	}
	f.purge(o, id, sourceUser)
	return nil
}
