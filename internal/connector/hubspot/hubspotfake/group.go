package hubspotfake

import (
	"net/http"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// propertyGroup is a heading that properties stand under (S: properties.json).
type propertyGroup struct {
	Name     string `json:"name"`
	Label    string `json:"label"`
	Order    int    `json:"displayOrder"`
	Archived bool   `json:"archived"`
}

// schemaRoutes are the groups and the batches of properties.
func (f *account) schemaRoutes(add func(r fakekit.Route, scope string, e endpoint)) {
	const read, write = "crm.schemas.{type}.read|crm.objects.{type}.read", "crm.schemas.{type}.write"
	for _, base := range []string{"/crm/v3/properties/{type}", "/crm/properties/2026-03/{type}"} {
		add(fakekit.Route{Pattern: "PATCH " + base + "/{name}", Write: true}, write, f.changeDefinition)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/read"}, read, f.readDefinitions)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/create", Write: true}, write, f.createDefinitions)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/archive", Write: true}, write, f.archiveDefinitions)
		add(fakekit.Route{Pattern: "GET " + base + "/groups"}, read, f.listGroups)
		add(fakekit.Route{Pattern: "POST " + base + "/groups", Write: true}, write, f.createGroup)
		add(fakekit.Route{Pattern: "GET " + base + "/groups/{name}"}, read, f.onGroup(f.getGroup))
		add(fakekit.Route{Pattern: "PATCH " + base + "/groups/{name}", Write: true}, write, f.onGroup(f.changeGroup))
		add(fakekit.Route{Pattern: "DELETE " + base + "/groups/{name}", Write: true}, write, f.onGroup(f.dropGroup))
	}
}

func (o *object) hasGroup(name string) bool {
	return slices.ContainsFunc(o.groups, func(g *propertyGroup) bool { return g.Name == name })
}

func (f *account) onGroup(h func(c *call, g *propertyGroup) (int, any, *apiError)) endpoint {
	return func(c *call) (int, any, *apiError) {
		i := slices.IndexFunc(c.o.groups, func(g *propertyGroup) bool { return g.Name == c.PathValue("name") })
		if i < 0 {
			return 0, nil, notFound()
		}
		return h(c, c.o.groups[i])
	}
}

func (f *account) listGroups(c *call) (int, any, *apiError) {
	return http.StatusOK, map[string]any{"results": append([]*propertyGroup{}, c.o.groups...)}, nil
}

func (f *account) getGroup(_ *call, g *propertyGroup) (int, any, *apiError) {
	return http.StatusOK, g, nil
}

func (f *account) createGroup(c *call) (int, any, *apiError) {
	var in struct {
		Name  string `json:"name"`
		Label string `json:"label"`
		Order int    `json:"displayOrder"`
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	switch {
	case !propertyName.MatchString(in.Name):
		return 0, nil, invalid("Group names consist of lower case letters, digits and underscores")
	case in.Label == "":
		return 0, nil, invalid("label is required")
	case c.o.hasGroup(in.Name):
		return 0, nil, &apiError{
			status: http.StatusConflict, Category: "OBJECT_ALREADY_EXISTS", SubCategory: "Properties.OBJECT_ALREADY_EXISTS",
			Message: "A property group named '" + in.Name + "' already exists.",
		}
	}
	g := &propertyGroup{Name: in.Name, Label: in.Label, Order: in.Order}
	c.o.groups = append(c.o.groups, g)
	return http.StatusCreated, g, nil
}

func (f *account) changeGroup(c *call, g *propertyGroup) (int, any, *apiError) {
	var in struct {
		Label *string `json:"label"`
		Order *int    `json:"displayOrder"`
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if in.Label != nil && *in.Label == "" {
		return 0, nil, invalid("label is required")
	}
	if in.Label != nil {
		g.Label = *in.Label
	}
	if in.Order != nil {
		g.Order = *in.Order
	}
	return http.StatusOK, g, nil
}

func (f *account) dropGroup(c *call, g *propertyGroup) (int, any, *apiError) {
	if slices.ContainsFunc(c.o.props, func(p *property) bool { return p.Group == g.Name && !p.Archived }) {
		return 0, nil, invalid("The property group %q still has properties", g.Name)
	}
	c.o.groups = slices.DeleteFunc(c.o.groups, func(other *propertyGroup) bool { return other == g })
	return http.StatusNoContent, nil, nil
}

// definition changes a property's definition; what is not given stays (S).
type definition struct {
	Label     *string   `json:"label"`
	Type      *string   `json:"type"`
	FieldType *string   `json:"fieldType"`
	Group     *string   `json:"groupName"`
	Desc      *string   `json:"description"`
	Options   *[]option `json:"options"`
	Order     *int      `json:"displayOrder"`
	Hidden    *bool     `json:"hidden"`
	FormField *bool     `json:"formField"`
}

// changeDefinition is PATCH of a property. Of HubSpot's own ones only the
// options can change, where the definition is read only (S).
func (f *account) changeDefinition(c *call) (int, any, *apiError) {
	var in definition
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	p, ok := c.o.prop(c.PathValue("name"))
	if !ok {
		return 0, nil, notFound()
	}
	fixed := in
	fixed.Options = nil
	switch {
	case p.Metadata.ReadOnlyDefinition && fixed != definition{}:
		return 0, nil, invalid("The definition of %q is read only", p.Name)
	case in.Options != nil && (p.Metadata.ReadOnlyOptions || p.Reference != ""):
		return 0, nil, invalid("The options of %q are read only", p.Name)
	case in.Label != nil && *in.Label == "":
		return 0, nil, invalid("label is required")
	case in.Group != nil && !c.o.hasGroup(*in.Group):
		return 0, nil, invalid("Property group %q does not exist", *in.Group)
	}
	next := *p
	assign(&next.Label, in.Label)
	assign(&next.Type, in.Type)
	assign(&next.FieldType, in.FieldType)
	assign(&next.Group, in.Group)
	assign(&next.Desc, in.Desc)
	assign(&next.Options, in.Options)
	assign(&next.Order, in.Order)
	assign(&next.Hidden, in.Hidden)
	assign(&next.FormField, in.FormField)
	if !slices.Contains(fieldTypes[next.Type], next.FieldType) {
		return 0, nil, invalid("type %q and fieldType %q do not fit", next.Type, next.FieldType)
	}
	if next.Options == nil {
		next.Options = []option{}
	}
	c.o.props[slices.Index(c.o.props, p)] = &next
	return http.StatusOK, &next, nil
}

func assign[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

type propertyNames struct {
	Archived    bool   `json:"archived"`
	Sensitivity string `json:"dataSensitivity"`
	Inputs      []struct {
		Name string `json:"name"`
	} `json:"inputs"`
}

func (f *account) readDefinitions(c *call) (int, any, *apiError) {
	var in propertyNames
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if e := batchSize(len(in.Inputs)); e != nil {
		return 0, nil, e
	}
	found, errs := []*property{}, []*apiError(nil)
	for _, input := range in.Inputs {
		i := slices.IndexFunc(c.o.props, func(p *property) bool { return p.Name == input.Name && p.Archived == in.Archived })
		if i < 0 {
			e := notFound()
			e.Context = map[string][]string{"name": {input.Name}}
			errs = append(errs, e)
			continue
		}
		found = append(found, c.o.props[i])
	}
	return mixed(errs, http.StatusOK), f.together(found, errs), nil
}

func (f *account) createDefinitions(c *call) (int, any, *apiError) {
	var in struct {
		Inputs []newProperty `json:"inputs"`
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if e := batchSize(len(in.Inputs)); e != nil {
		return 0, nil, e
	}
	made, errs := []*property{}, []*apiError(nil)
	for _, input := range in.Inputs {
		p := input.property()
		if e := f.addProperty(c.o, p); e != nil {
			e.Context = map[string][]string{"name": {input.Name}}
			errs = append(errs, e)
			continue
		}
		made = append(made, p)
	}
	return mixed(errs, http.StatusCreated), f.together(made, errs), nil
}

func (f *account) archiveDefinitions(c *call) (int, any, *apiError) {
	var in propertyNames
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if e := batchSize(len(in.Inputs)); e != nil {
		return 0, nil, e
	}
	for _, input := range in.Inputs {
		if p, ok := c.o.prop(input.Name); ok && p.Defined {
			return 0, nil, invalid("HubSpot's own properties cannot be archived")
		}
	}
	for _, input := range in.Inputs {
		if p, ok := c.o.prop(input.Name); ok {
			p.Archived = true
		}
	}
	return http.StatusNoContent, nil, nil
}
