package salesforcefake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// FieldChange is what ChangeField changes; nil and "" leave alone. A field that
// was deleted is restored with its values, as within the 15 days that Salesforce
// keeps them. A hidden one is withheld from the API's user by field-level
// security: other users go on seeing and editing it. Both are in no description
// and refused with INVALID_FIELD wherever they are named.
type FieldChange struct {
	Deleted *bool  `json:"deleted" doc:"true: delete the field; false: restore it with its values"`
	Hidden  *bool  `json:"hidden" doc:"true: take the API user's right to see it; false: give it back"`
	Rename  string `json:"rename" doc:"the field's API name from now on"`
}

// ChangeField takes a field away as an admin would, or brings it back. It
// returns fakekit.ErrNotFound when there is no such field.
func (f *Fake) ChangeField(objectName, name string, ch FieldChange) error {
	return f.org.changeField(objectName, name, ch)
}

func (f *org) changeField(objectName, name string, ch FieldChange) error {
	f.core.Lock()
	defer f.core.Unlock()
	o, err := f.editable(objectName)
	if err != nil {
		return err
	}
	for _, away := range []*bool{ch.Deleted, ch.Hidden} {
		if away == nil {
			continue
		}
		from, to := &o.columns, &o.gone
		if !*away {
			from, to = to, from
		}
		if !move(from, to, name) && !has(*to, name) {
			return fmt.Errorf("field %q: %w", name, fakekit.ErrNotFound)
		}
		if *away && ch.Deleted != nil {
			o.gone[len(o.gone)-1].readOnly = true // nobody can edit what is not there
		} else if !*away && ch.Deleted != nil {
			o.columns[len(o.columns)-1].readOnly = false
		}
	}
	if ch.Rename == "" {
		return nil
	}
	c, ok := o.column(name)
	if !ok {
		return fmt.Errorf("field %q: %w", name, fakekit.ErrNotFound)
	}
	if _, taken := o.column(ch.Rename); taken {
		return errors.New("there is a field of that name")
	}
	return f.rename(o, c, ch.Rename)
}

// rename gives a column another API name; the values stay with it.
func (f *org) rename(o *object, c *column, name string) error {
	if !strings.HasSuffix(c.name, "__c") || !strings.HasSuffix(name, "__c") {
		return errors.New("only a custom field can be renamed, to a name that ends in __c")
	}
	t := f.tables[o.name]
	var holding []*fakekit.Record
	t.Live.Ascend(time.Time{}, "", func(r *fakekit.Record) bool {
		if r.Fields[c.name] != "" {
			holding = append(holding, r)
		}
		return true
	})
	if c.lookup || c.unique {
		t.IndexOn(name, strings.ToLower)
	}
	for _, r := range holding {
		moved := r.Clone()
		moved.Set(name, r.Fields[c.name])
		moved.Set(c.name, "")
		t.Put(moved)
	}
	c.name = name
	return nil
}

func move(from, to *[]column, name string) bool {
	i := slices.IndexFunc(*from, func(c column) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return false
	}
	*to = append(*to, (*from)[i])
	*from = slices.Delete(*from, i, i+1)
	return true
}

func has(columns []column, name string) bool {
	return slices.ContainsFunc(columns, func(c column) bool { return strings.EqualFold(c.name, name) })
}

// unseen finds a column that only the API's user cannot see.
func (o *object) unseen(name string) (*column, bool) {
	i := slices.IndexFunc(o.gone, func(c column) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return nil, false
	}
	return &o.gone[i], true
}
