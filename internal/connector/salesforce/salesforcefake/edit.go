package salesforcefake

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// byUser is a change by somebody in the app.
var byUser = change{user: true}

func (f *org) editable(name string) (*object, error) {
	o, ok := find(f.objects, name)
	if !ok || o.readOnly {
		return nil, fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	return o, nil
}

// typedValues turns the knob's texts into a body; empty texts are null.
func typedValues(fields map[string]string) values {
	out := values{}
	for name, v := range fields {
		raw, err := json.Marshal(v)
		if v == "" || err != nil {
			raw = json.RawMessage("null")
		}
		out[name] = raw
	}
	return out
}

func edited(r *fakekit.Record, bad *refusal) (*fakekit.Record, error) {
	if bad == nil {
		return r, nil
	}
	if bad.status == http.StatusNotFound {
		return nil, fmt.Errorf("%w: %w", fakekit.ErrNotFound, bad)
	}
	return nil, bad
}

// Create implements fakekit.App.
func (f *org) Create(object string, fields map[string]string) (*fakekit.Record, error) {
	o, err := f.editable(object)
	if err != nil {
		return nil, err
	}
	return edited(f.create(o, typedValues(fields), byUser))
}

// Update implements fakekit.App.
func (f *org) Update(object, id string, fields map[string]string) (*fakekit.Record, error) {
	o, err := f.editable(object)
	if err != nil {
		return nil, err
	}
	return edited(f.update(o, id, typedValues(fields), byUser))
}

// Delete implements fakekit.App.
func (f *org) Delete(object, id string) error {
	o, err := f.editable(object)
	if err != nil {
		return err
	}
	_, err = edited(nil, f.remove(o, id, "", byUser))
	return err
}

// Restore implements fakekit.App.
func (f *org) Restore(object, id string) (*fakekit.Record, error) {
	o, err := f.editable(object)
	if err != nil {
		return nil, err
	}
	t := f.tables[o.name]
	old, ok := t.find(id)
	if !ok || !old.Deleted {
		return nil, fmt.Errorf("record in the recycle bin: %w", fakekit.ErrNotFound)
	}
	if old.MergedInto != "" {
		return nil, errors.New("the loser of a merge is not restored")
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt = false, time.Time{}
	if bad := f.check(o, r, byUser); bad != nil {
		return nil, bad
	}
	r.Modified, r.Extra = f.stamp(byUser, old), byUser.who()
	f.store(t, r)
	f.notify(o, r)
	return r, nil
}

// Merge implements fakekit.App: the survivor keeps its ID and its values, and
// takes what it lacks from the loser, and whatever names that one.
// atlas…/sforce_api_objects_lead.htm, MasterRecordId; …/sforce_api_calls_merge.htm.
func (f *org) Merge(object, id, into string) (*fakekit.Record, error) {
	o, err := f.editable(object)
	if err != nil {
		return nil, err
	}
	if !o.merges {
		return nil, fmt.Errorf("object %s has no merges", o.name)
	}
	t := f.tables[o.name]
	loser, ok := t.find(id)
	winner, found := t.find(into)
	if !ok || !found || loser.Deleted || winner.Deleted || loser.ID == winner.ID {
		return nil, fmt.Errorf("two live records to merge: %w", fakekit.ErrNotFound)
	}
	if bad := f.remove(o, loser.ID, winner.ID, byUser); bad != nil {
		return nil, bad
	}
	r := winner.Clone()
	r.TakeLacking(loser)
	r.Modified, r.Extra = f.stamp(byUser, winner), byUser.who()
	f.store(t, r)
	f.reparent(loser.ID, winner.ID)
	f.notify(o, r)
	return r, nil
}

// reparent lets whatever names the loser of a merge name the survivor. That those
// records count as changed by it is said nowhere, so their times stay.
func (f *org) reparent(loser, winner string) {
	for _, name := range slices.Sorted(maps.Keys(f.tables)) {
		t := f.tables[name]
		var moved []*fakekit.Record
		t.Each("", func(r *fakekit.Record) bool {
			for _, c := range t.object.columns {
				if !r.Deleted && c.kind == "reference" && r.Fields[c.name] == loser {
					moved = append(moved, r)
					break
				}
			}
			return true
		})
		for _, old := range moved {
			r := old.Clone()
			for _, c := range t.object.columns {
				if c.kind == "reference" && r.Fields[c.name] == loser {
					r.Set(c.name, winner)
				}
			}
			f.store(t, r)
		}
	}
}
