package hubspotfake

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// maxLabels is how many labels a portal may make between two objects (G5).
const maxLabels = 50

// labelRoutes are the definitions of associations: the labels that a portal makes for
// itself, and how many of a kind a record may have (G5).
func (f *account) labelRoutes(add func(r fakekit.Route, scope string, e endpoint)) {
	const read, schema = "crm.objects.{type}.read|crm.schemas.{type}.read", "crm.schemas.{type}.write"
	for _, base := range []string{"/crm/v4/associations/{type}/{toType}", "/crm/associations/2026-03/{type}/{toType}"} {
		add(fakekit.Route{Pattern: "POST " + base + "/labels", Write: true}, schema, f.createLabel)
		add(fakekit.Route{Pattern: "DELETE " + base + "/labels/{typeID}", Write: true}, schema, f.dropLabel)
	}
	for _, base := range []string{"/crm/v4/associations", "/crm/associations/2026-03"} {
		base += "/definitions/configurations/{type}/{toType}"
		add(fakekit.Route{Pattern: "GET " + base}, read, f.listLimits)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/create", Write: true}, schema, f.setLimits)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/purge", Write: true}, schema, f.dropLimits)
	}
}

// createLabel makes a label, which holds in both directions: with inverseLabel by
// another word from the far end. Its answer lists both.
func (f *account) createLabel(c *call) (int, any, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return 0, nil, e
	}
	var in struct {
		Label   string `json:"label"`
		Name    string `json:"name"`
		Inverse string `json:"inverseLabel"`
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	mine := slices.DeleteFunc(f.between(c.o, to), func(k kind) bool { return k.id <= userDefined })
	switch {
	case in.Label == "" || !propertyName.MatchString(in.Name):
		return 0, nil, invalid("a label and a name of lower case letters, digits and underscores are needed")
	case slices.ContainsFunc(f.own, func(k kind) bool { return k.name == in.Name || k.name == in.Name+"_inverse" }):
		return 0, nil, invalid("an association definition named %s exists already", in.Name)
	case len(mine) >= maxLabels:
		return 0, nil, invalid("there are %d labels already", maxLabels)
	}
	f.lastLabel++
	k := kind{c.o.name, to.name, userDefined + f.lastLabel, userDefined + f.lastLabel, in.Label, in.Name}
	made := []kind{k}
	if in.Inverse != "" || c.o != to {
		f.lastLabel++
		word := in.Inverse
		if word == "" {
			word = in.Label
		}
		made[0].back = userDefined + f.lastLabel
		made = append(made, kind{to.name, c.o.name, made[0].back, k.id, word, in.Name + "_inverse"})
	}
	f.own = append(f.own, made...)
	out := []label{}
	for _, k := range made {
		out = append(out, k.shown())
	}
	return http.StatusOK, map[string]any{"results": out}, nil
}

// dropLabel ends a label with all associations that have it; the plain ones stay.
func (f *account) dropLabel(c *call) (int, any, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return 0, nil, e
	}
	i := slices.IndexFunc(f.between(c.o, to), func(k kind) bool {
		return k.id > userDefined && fmt.Sprint(k.shownID()) == c.PathValue("typeID")
	})
	if i < 0 {
		return 0, nil, notFound()
	}
	k := f.between(c.o, to)[i]
	gone := func(id int) bool { return id == k.id || id == k.back }
	f.own = slices.DeleteFunc(f.own, func(other kind) bool { return gone(other.id) })
	for _, edges := range f.edges {
		for i := range edges {
			edges[i].kinds = slices.DeleteFunc(edges[i].kinds, gone)
		}
	}
	return http.StatusNoContent, nil, nil
}

// limitBody says how many records one may be associated with by a kind (S).
type limitBody struct {
	Category string `json:"category"`
	Type     int    `json:"typeId"`
	Most     int    `json:"maxToObjectIds"`
}

// limitRow is such a limit in an answer (S).
type limitRow struct {
	Category string  `json:"category"`
	Type     int     `json:"typeId"`
	Most     int     `json:"userEnforcedMaxToObjectIds"`
	Label    *string `json:"label,omitempty"`
}

func (f *account) limit(k kind) limitRow {
	l := k.shown()
	return limitRow{l.Category, l.Type, f.limits[k.id], l.Label}
}

func (f *account) listLimits(c *call) (int, any, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return 0, nil, e
	}
	out := []limitRow{}
	for _, k := range f.between(c.o, to) {
		if f.limits[k.id] > 0 {
			out = append(out, f.limit(k))
		}
	}
	return http.StatusOK, map[string]any{"results": out}, nil
}

// limitInputs reads a batch of limits, with the kinds that they are about.
func (f *account) limitInputs(c *call) ([]limitBody, []kind, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return nil, nil, e
	}
	var in struct {
		Inputs []limitBody `json:"inputs"`
	}
	if e := c.decode(&in); e != nil {
		return nil, nil, e
	}
	var ks []kind
	for _, i := range in.Inputs {
		k, ok := f.kindOf(spec{i.Category, i.Type})
		if !ok || k.from != c.o.name || k.to != to.name {
			return nil, nil, invalid("there is no association type %d of the category %q", i.Type, i.Category)
		}
		ks = append(ks, k)
	}
	return in.Inputs, ks, manyAtMost(len(ks), batchMost)
}

// batchMost is the most limits of a batch (S).
const batchMost = 100

func (f *account) setLimits(c *call) (int, any, *apiError) {
	in, ks, e := f.limitInputs(c)
	if e != nil {
		return 0, nil, e
	}
	out := []limitRow{}
	for i, k := range ks {
		if in[i].Most < 1 {
			return 0, nil, invalid("maxToObjectIds must be at least 1")
		}
		f.limits[k.id] = in[i].Most
		out = append(out, f.limit(k))
	}
	return http.StatusCreated, f.together(out, nil), nil
}

func (f *account) dropLimits(c *call) (int, any, *apiError) {
	_, ks, e := f.limitInputs(c)
	if e != nil {
		return 0, nil, e
	}
	for _, k := range ks {
		delete(f.limits, k.id)
	}
	return http.StatusNoContent, nil, nil
}

// tooMany refuses one more association of a kind than either end may have. Which words
// HubSpot has for that is not documented.
func (f *account) tooMany(a, b end, k kind) *apiError {
	for _, way := range []struct {
		a, b end
		id   int
	}{{a, b, k.id}, {b, a, k.back}} {
		most, n := f.limits[way.id], 0
		for _, e := range f.edges[way.a] {
			switch has := slices.Contains(e.kinds, way.id); {
			case has && e.to == way.b: // it is one of them
				most = 0
			case has:
				n++
			}
		}
		if most > 0 && n >= most && k.label != primary {
			return overLimit(k, way.a.id, way.b.id, most)
		}
	}
	return nil
}

func overLimit(k kind, from, to string, most int) *apiError {
	e := invalid("The number of associations of the type %d would be more than its limit of %d", k.shownID(), most)
	e.Context = map[string][]string{"fromObjectId": {from}, "toObjectId": {to}}
	return e
}
