package googlecontacts

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchWrite implements connector.Connector by one of Google's batches. Changes and
// deletions read the contacts before: their etags are needed, and what stays as it is.
// Source: people.batchCreateContacts, batchUpdateContacts, batchDeleteContacts.
func (a *account) BatchWrite(ctx context.Context, name string, writes []connector.Write) ([]connector.Written, error) {
	const op = "googlecontacts: write"
	if err := check(op, name, 0); err != nil {
		return nil, err
	}
	b := batch{account: a, wanted: []string{}}
	var err error
	b.Batch, err = rows.Prepare(op, writes, batchSize, func(w connector.Write) (draft, crm.RecordID, error) {
		return prepare(op, w)
	})
	if err != nil {
		return nil, err
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	for _, row := range b.Rows {
		for field := range row.Body.fields {
			if t := top(field); !slices.Contains(b.masked, t) {
				b.masked = append(b.masked, t)
			}
			b.wanted = append(b.wanted, field)
		}
	}
	slices.Sort(b.masked)
	if err := b.compose(ctx); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(b.Rows, func(r *row) bool { return !r.Done() }) {
		return b.Out, ctx.Err()
	}
	return b.send(ctx)
}

// draft is what is sent of a write.
type draft struct {
	fields crm.Fields
	etag   string
	person map[string]any
}

type row = rows.Row[draft]

// batch is one call of BatchWrite.
type batch struct {
	*rows.Batch[draft]
	*account

	masked []string // the fields that it replaces
	wanted []string // what its answer is read for
	known  *wire.Labels
	call   rest.Request
	got    rest.Answer
}

// prepare checks a write: what Google would refuse the whole batch for is refused here.
func prepare(op string, w connector.Write) (d draft, one crm.RecordID, err error) {
	d = draft{fields: crm.Fields{}, etag: w.Etag}
	if w.Op == connector.Upsert {
		return d, "", fault.New(op, fault.Unsupported, connector.CodeUnsupported, "Google has no such write")
	}
	if w.Op != connector.Create {
		var ok bool
		if one, ok = id(string(w.ID)); !ok {
			return d, "", gone(op)
		}
	}
	for field, v := range w.Fields {
		keys, known := parts[top(field)]
		_, dated := birthday(spoken(v))
		bad := &fault.Error{Op: op, Kind: fault.Invalid, Code: connector.CodeValue, Field: field}
		switch {
		case v.Kind() == crm.Absent:
			continue
		case !known || strings.Contains(field, "/") && !slices.Contains(keys, part(field)):
			bad.Code, bad.Message = connector.CodeReadOnly, "Google Contacts has no such field, or works it out by itself"
			return d, one, bad
		case field == "birthdays" && !dated:
			bad.Message = "a birthday is a date such as 2001-02-03"
			return d, one, bad
		}
		d.fields[field] = v
	}
	return d, one, nil
}

// compose makes what is sent of each row. Rows whose contacts are gone, or were changed
// since they were looked at, have their outcome with that.
func (b *batch) compose(ctx context.Context) (err error) {
	found := map[crm.RecordID]got{}
	if ids := b.ids(); len(ids) > 0 && b.Kind != connector.Create {
		if found, _, err = b.people(ctx, b.Op, ids); err != nil {
			return err
		}
	}
	if b.known, err = b.labelled(ctx, b.Op, b.wanted, memberships(found)...); err != nil {
		return err
	}
	for _, r := range b.Rows {
		was := &person{fields: map[string][]entry{}}
		r.Body.person = map[string]any{}
		if b.Kind != connector.Create {
			g := found[r.ID]
			if g.Person == nil || g.Person.Name != resource(r.ID) {
				b.Settle(r, connector.Written{ID: r.ID, Err: gone(b.Op)})
				continue
			}
			from, own := g.Person.contact()
			if !own || r.Body.etag != "" && r.Body.etag != from.version() {
				b.Settle(r, connector.Written{ID: r.ID, Err: fault.New(b.Op, changed.Kind, changed.Code, changed.Text)})
				continue
			}
			was = g.Person
			r.Body.person["etag"], r.Body.person["metadata"] = was.Etag, metadata{Sources: was.Meta.Sources}
		}
		if err := b.fill(ctx, r, was); err != nil {
			if e, ofRow := rows.OfRow(err, b.Kind); ofRow {
				b.Settle(r, connector.Written{ID: r.ID, Err: e})
				continue
			}
			return err
		}
	}
	return nil
}

func (b *batch) ids() (out []crm.RecordID) {
	for _, r := range b.Rows {
		out = append(out, r.ID)
	}
	return out
}

// fill puts the fields of the mask into a row, each whole.
func (b *batch) fill(ctx context.Context, r *row, was *person) error {
	for _, field := range b.masked {
		list := slices.Clone(was.fields[field])
		for name, v := range r.Body.fields {
			switch {
			case top(name) != field:
			case name == labels:
				var err error
				if list, err = b.member(ctx, list, v.Items()); err != nil {
					return err
				}
			case name == "birthdays":
				list, _ = birthday(spoken(v)) // it was looked at
			default:
				list = changedEntries(field, list, part(name), spoken(v))
			}
		}
		if len(list) > 0 || b.Kind == connector.Update {
			r.Body.person[field] = append([]entry{}, list...)
		}
	}
	return nil
}

// myContacts is where a contact is that is nowhere else: one group it must have.
const myContacts = "contactGroups/myContacts"

// member are the memberships with other labels. Google's own groups stay.
func (b *batch) member(ctx context.Context, list []entry, wanted []string) ([]entry, error) {
	var out []entry
	for _, e := range list {
		if b.known.Name(groupOf(e)) == "" {
			out = append(out, entry{"contactGroupMembership": e["contactGroupMembership"]})
		}
	}
	if len(out) == 0 {
		out = append(out, membership(myContacts))
	}
	for _, label := range wanted {
		if strings.TrimSpace(label) == "" {
			continue
		}
		id, err := b.group(ctx, b.Op, b.known, strings.TrimSpace(label))
		if err != nil {
			return nil, err
		}
		if b.known.Name(id) == "" {
			b.known = b.known.With(id, strings.TrimSpace(label))
		}
		out = append(out, membership(id))
	}
	return out, nil
}

// paths are the batches of the writes that there are.
var paths = map[connector.Op]string{
	connector.Create: "/v1/people:batchCreateContacts", connector.Update: "/v1/people:batchUpdateContacts",
	connector.Archive: "/v1/people:batchDeleteContacts",
}

// send makes the call and gives every row its answer.
func (b *batch) send(ctx context.Context) ([]connector.Written, error) {
	var people []any
	byName, names := map[string]any{}, []string{}
	for _, r := range b.Rows {
		if !r.Done() {
			people = append(people, map[string]any{"contactPerson": r.Body.person})
			byName[resource(r.ID)] = r.Body.person
			names = append(names, resource(r.ID))
		}
	}
	b.call = rest.Request{Op: b.Op, Method: http.MethodPost, Path: paths[b.Kind], Write: true}
	switch b.Kind {
	case connector.Create:
		b.call.Body = map[string]any{"contacts": people, "readMask": mask, "sources": []string{contactSource}}
	case connector.Update:
		b.call.Body = map[string]any{
			"contacts": byName, "updateMask": strings.Join(b.masked, ","), "readMask": mask, "sources": []string{contactSource},
		}
	case connector.Archive:
		b.call.Body = map[string]any{"resourceNames": names}
	case connector.Upsert: // refused before
	}
	var ans struct {
		Created []got          `json:"createdPeople"`
		Updated map[string]got `json:"updateResult"`
	}
	var err error
	if b.got, err = b.client.Call(ctx, b.call, &ans); err != nil {
		return b.refused(err)
	}
	b.Receipt = b.client.Receipt(b.call, b.got)
	at := 0
	for _, r := range b.Rows {
		if r.Done() {
			continue
		}
		var g got
		switch {
		case b.Kind == connector.Archive:
			b.Settle(r, connector.Written{ID: r.ID})
			continue
		case b.Kind == connector.Update:
			g = ans.Updated[resource(r.ID)]
		case len(ans.Created) == len(people): // in the order of the request
			g = ans.Created[at]
		}
		at++
		if g.Person == nil {
			continue
		}
		rec, err := g.Person.record(b.call, b.wanted, b.known)
		if err == nil && (b.Kind == connector.Create || rec.ID == r.ID) {
			b.Settle(r, connector.Written{ID: rec.ID, Created: b.Kind == connector.Create, Record: &rec})
		}
	}
	return b.Finish("Google", func(r *row) *connector.Exchange { return b.exchange(r, nil) }), nil
}

// refused handles a batch that failed. What is wrong with single contacts is said by
// their number or name; what became of the others is not, and those that were to be made
// may have been.
func (b *batch) refused(err error) ([]connector.Written, error) {
	wrong := map[string]status{}
	for _, d := range refusalOf(b.got.Body).Error.Details {
		for name, s := range d.Rows {
			wrong[name] = s
		}
	}
	e, ofRow := rows.OfRow(err, b.Kind)
	alone := len(b.Rows) == 1 && ofRow
	if b.got.Status != http.StatusBadRequest || len(wrong) == 0 && !alone {
		return nil, err
	}
	at := 0
	for _, r := range b.Rows {
		if r.Done() {
			continue
		}
		name := resource(r.ID)
		if b.Kind == connector.Create {
			name = strconv.Itoa(at)
		}
		at++
		s, bad := wrong[name]
		switch {
		case bad:
			b.Settle(r, connector.Written{
				ID: r.ID, Err: refusals.Row(b.Op, b.Kind, s.problems()), Exchange: b.exchange(r, b.got.Body),
			})
		case alone:
			b.Settle(r, connector.Written{ID: r.ID, Err: e, Exchange: b.exchange(r, b.got.Body)})
		default:
			b.Settle(r, connector.Written{ID: r.ID, Exchange: b.exchange(r, nil), Err: &fault.Error{
				Op: b.Op, Kind: fault.Unavailable, Code: connector.CodeBatch, MayHaveLanded: b.Kind == connector.Create,
				Message: "Google refused the batch because of another contact",
			}})
		}
	}
	return b.Out, nil
}

func (b *batch) exchange(r *row, response []byte) *connector.Exchange {
	call := b.call
	call.Body = r.Body.person
	return b.client.Exchange(call, b.got, response)
}
