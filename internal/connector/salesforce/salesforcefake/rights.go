package salesforcefake

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// Rights are what the API's user has lost. Profiles and permission sets give
// rights to an object and to its fields, sharing gives them to single records:
// a field that may be seen and not edited is refused with
// INVALID_FIELD_FOR_INSERT_UPDATE by name, an object or record that may be seen
// and not edited with INSUFFICIENT_ACCESS_OR_READONLY, row by row.
// Sources: atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
// (StatusCode), ayaninsights.com/?p=8313.
type Rights struct {
	Objects []ObjectRights `json:"objects" doc:"objects without the right to create or edit"`
	Fields  []FieldRights  `json:"fields" doc:"fields that may be seen and not edited"`
	Records []string       `json:"records" doc:"IDs of records that sharing shows and does not let edit"`
}

// ObjectRights are rights lost on an object.
type ObjectRights struct {
	Object string `json:"object"`
	Create bool   `json:"create" doc:"true: records of it cannot be created"`
	Edit   bool   `json:"edit" doc:"true: records of it cannot be edited"`
}

// FieldRights names a field that may be seen and not edited.
type FieldRights struct {
	Object string `json:"object"`
	Field  string `json:"field"`
}

const noAccess = "INSUFFICIENT_ACCESS_OR_READONLY"

// TakeRights replaces what the API's user has lost; the zero value gives all back.
func (f *Fake) TakeRights(r Rights) error { return f.org.takeRights(r) }

func (f *org) takeRights(r Rights) error {
	f.core.Lock()
	defer f.core.Unlock()
	for _, o := range r.Objects {
		if _, err := f.editable(o.Object); err != nil {
			return err
		}
	}
	for _, x := range r.Fields {
		o, err := f.editable(x.Object)
		if err != nil {
			return err
		}
		if _, ok := o.column(x.Field); !ok {
			return fmt.Errorf("field %q: %w", x.Field, fakekit.ErrNotFound)
		}
	}
	f.rights = r
	return nil
}

// mayCreate and mayEdit answer for the API's user.
func (f *org) mayCreate(o *object) *refusal {
	if slices.ContainsFunc(f.rights.Objects, func(r ObjectRights) bool {
		return r.Create && strings.EqualFold(r.Object, o.name)
	}) {
		return refuse(http.StatusBadRequest, noAccess, "insufficient access rights on entity: %s", o.name)
	}
	return nil
}

func (f *org) mayEdit(o *object, id string) *refusal {
	if slices.ContainsFunc(f.rights.Objects, func(r ObjectRights) bool {
		return r.Edit && strings.EqualFold(r.Object, o.name)
	}) ||
		slices.ContainsFunc(f.rights.Records, func(have string) bool { return full(have) == id }) {
		return refuse(http.StatusBadRequest, noAccess, "insufficient access rights on object id")
	}
	return nil
}

// fixed reports whether the API's user may see a field and not edit it.
func (f *org) fixed(o *object, c *column) bool {
	return slices.ContainsFunc(f.rights.Fields, func(r FieldRights) bool {
		return strings.EqualFold(r.Object, o.name) && strings.EqualFold(r.Field, c.name)
	})
}
