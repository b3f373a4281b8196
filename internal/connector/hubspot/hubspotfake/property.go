package hubspotfake

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// fieldTypes lists the field types of each type (S: properties.json).
var fieldTypes = map[string][]string{
	"bool":         {"booleancheckbox", "calculation_equation"},
	"date":         {"date"},
	"datetime":     {"date"},
	"enumeration":  {"booleancheckbox", "checkbox", "radio", "select", "calculation_equation"},
	"number":       {"number", "calculation_equation"},
	"phone_number": {"phonenumber"},
	"string":       {"file", "html", "phonenumber", "text", "textarea", "calculation_equation"},
}

var propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

// maxUnique is how many unique properties an object may have (S).
const maxUnique = 10

func (f *account) listProperties(c *call) (int, any, *apiError) {
	if e := c.allow("archived", "dataSensitivity", "properties"); e != nil {
		return 0, nil, e
	}
	archived := c.flag("archived")
	out := struct {
		Results []*property `json:"results"`
	}{[]*property{}}
	for _, p := range c.o.props {
		if p.Archived == archived {
			out.Results = append(out.Results, p)
		}
	}
	return http.StatusOK, out, nil
}

func (f *account) getProperty(c *call) (int, any, *apiError) {
	if e := c.allow("archived", "dataSensitivity", "properties"); e != nil {
		return 0, nil, e
	}
	archived := c.flag("archived")
	i := slices.IndexFunc(c.o.props, func(p *property) bool {
		return p.Name == c.PathValue("name") && p.Archived == archived
	})
	if i < 0 {
		return 0, nil, notFound()
	}
	return http.StatusOK, c.o.props[i], nil
}

// newProperty is what makes a property (S).
type newProperty struct {
	Name      string   `json:"name"`
	Label     string   `json:"label"`
	Type      string   `json:"type"`
	FieldType string   `json:"fieldType"`
	Group     string   `json:"groupName"`
	Desc      string   `json:"description"`
	Options   []option `json:"options"`
	Unique    bool     `json:"hasUniqueValue"`
	Hidden    bool     `json:"hidden"`
	FormField bool     `json:"formField"`
	Order     int      `json:"displayOrder"`
}

func (in newProperty) property() *property {
	return &property{
		Name: in.Name, Label: in.Label, Type: in.Type, FieldType: in.FieldType, Group: in.Group, Desc: in.Desc,
		Options: in.Options, Unique: in.Unique, Hidden: in.Hidden, FormField: in.FormField, Order: in.Order,
		Metadata: metadata{Archivable: true},
	}
}

func (f *account) createProperty(c *call) (int, any, *apiError) {
	var in newProperty
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	p := in.property()
	if e := f.addProperty(c.o, p); e != nil {
		return 0, nil, e
	}
	return http.StatusCreated, p, nil
}

func (f *account) addProperty(o *object, p *property) *apiError {
	uniques := 0
	for _, q := range o.props {
		if q.Unique {
			uniques++
		}
		if q.Name == p.Name && !q.Archived {
			// A second property of the name is a conflict of this sub-category (O).
			return &apiError{
				status: http.StatusConflict, Category: "OBJECT_ALREADY_EXISTS", SubCategory: "Properties.OBJECT_ALREADY_EXISTS",
				Message: fmt.Sprintf("A property named %q already exists.", p.Name),
			}
		}
	}
	switch {
	case !propertyName.MatchString(p.Name):
		return invalid("Property names consist of lower case letters, digits and underscores")
	case p.Label == "":
		return invalid("label is required")
	case !slices.Contains(fieldTypes[p.Type], p.FieldType):
		return invalid("type %q and fieldType %q do not fit", p.Type, p.FieldType)
	case !o.hasGroup(p.Group):
		return invalid("Property group %q does not exist", p.Group)
	case p.Unique && uniques >= maxUnique:
		return invalid("at most %d properties can have unique values", maxUnique)
	}
	if p.Options == nil {
		p.Options = []option{}
	}
	if p.Unique {
		p.unique = true
		o.table.IndexOn(p.Name, strings.ToLower)
	}
	o.props = slices.DeleteFunc(o.props, func(q *property) bool { return q.Name == p.Name })
	o.props = append(o.props, p)
	return nil
}

func (f *account) archiveProperty(c *call) (int, any, *apiError) {
	p, ok := c.o.prop(c.PathValue("name"))
	if !ok {
		return 0, nil, notFound()
	}
	if p.Defined {
		return 0, nil, invalid("HubSpot's own properties cannot be archived")
	}
	p.Archived = true
	return http.StatusNoContent, nil, nil
}

// ChangeProperty changes a property as an admin of the account would, to let
// the schema drift: label, options, read-only, archived. It returns
// fakekit.ErrNotFound when there is no such property.
func (f *Fake) ChangeProperty(objectName, name string, ch PropertyChange) error {
	return f.account.changeProperty(objectName, name, ch)
}

func (f *account) changeProperty(objectName, name string, ch PropertyChange) error {
	f.Lock()
	defer f.Unlock()
	o, ok := f.object(objectName)
	if !ok {
		return fmt.Errorf("object %q: %w", objectName, fakekit.ErrNotFound)
	}
	i := slices.IndexFunc(o.props, func(p *property) bool { return p.Name == name })
	if i < 0 {
		return fmt.Errorf("property %q: %w", name, fakekit.ErrNotFound)
	}
	p := *o.props[i]
	if ch.Label != "" {
		p.Label = ch.Label
	}
	if ch.Options != nil {
		if p.Type != "enumeration" {
			return errors.New("only an enumeration has options")
		}
		p.Options = []option{}
		for n, v := range ch.Options {
			p.Options = append(p.Options, option{Label: v, Value: v, Order: n})
		}
	}
	if ch.ReadOnly != nil {
		p.Metadata.ReadOnlyValue = *ch.ReadOnly
	}
	if ch.Archived != nil {
		p.Archived = *ch.Archived
	}
	o.props[i] = &p
	return nil
}

// PropertyChange is what ChangeProperty changes; zero and nil leave alone.
type PropertyChange struct {
	Label    string   `json:"label"`
	Options  []string `json:"options" doc:"values that are allowed from now on"`
	ReadOnly *bool    `json:"read_only"`
	Archived *bool    `json:"archived"`
}

type domainsIn struct {
	Keep string `json:"keep" doc:"address (no scheme, www., port and slash at the end; as at the start), host (no path either) or typed"`
}

type lifecycleIn struct {
	Refuse bool `json:"refuse" doc:"true: 400 INVALID_LIFECYCLE_STAGE; false: 200, and the old stage is kept"`
}

// Knobs implements fakekit.Knobber: what only HubSpot has.
func (f *account) Knobs() []fakekit.Knob {
	type done = fakekit.Done
	return []fakekit.Knob{
		fakekit.NewKnob("PUT", "/_fake/lifecycle", "Choose what becomes of a lifecycle stage that would move backwards.",
			func(_ *http.Request, in lifecycleIn) (done, error) {
				f.Lock()
				defer f.Unlock()
				f.refuseStages = in.Refuse
				return done{OK: true}, nil
			}),
		fakekit.NewKnob("PUT", "/_fake/merges", "Choose in which of its forms HubSpot merges records.",
			func(_ *http.Request, in Merges) (done, error) {
				f.Lock()
				defer f.Unlock()
				f.merges = in
				return done{OK: true}, nil
			}),
		fakekit.NewKnob("PUT", "/_fake/archive", "Set how long archived records are remembered.",
			func(_ *http.Request, in retentionIn) (done, error) {
				return done{OK: true}, f.setRetention(in)
			}),
		fakekit.NewKnob("PATCH", "/_fake/properties/{object}/{name}", "Change a property as an admin would.",
			func(r *http.Request, in PropertyChange) (done, error) {
				return done{OK: true}, f.changeProperty(r.PathValue("object"), r.PathValue("name"), in)
			}),
		fakekit.UserKnob(f.changeOwner),
		fakekit.NewKnob("PUT", "/_fake/portal", "Be another account of the same login, from the next call on.",
			func(_ *http.Request, in portalIn) (done, error) {
				if in.ID <= 0 {
					return done{}, errors.New("a portal has a positive ID")
				}
				f.Lock()
				defer f.Unlock()
				f.portal = in.ID
				return done{OK: true}, nil
			}),
		fakekit.NewKnob("PUT", "/_fake/scopes",
			"Take scopes from every grant, as an admin of the portal can; an empty list gives all back.",
			func(_ *http.Request, in scopesIn) (done, error) {
				for _, s := range in.Without {
					if !slices.Contains(Scopes, s) {
						return done{}, fmt.Errorf("there is no scope %s", s)
					}
				}
				f.Lock()
				defer f.Unlock()
				f.without = in.Without
				return done{OK: true}, nil
			}),
		fakekit.NewKnob("POST", "/_fake/records/{object}/{id}/erase", "Forget a record for good, as a privacy deletion does.",
			func(r *http.Request, _ fakekit.None) (done, error) {
				return done{OK: true}, f.erase(r.PathValue("object"), r.PathValue("id"))
			}),
		fakekit.NewKnob("PUT", "/_fake/domains", "Choose what is kept of the domain of a company.",
			func(_ *http.Request, in domainsIn) (done, error) {
				if !slices.Contains([]string{"address", domainHost, domainTyped}, in.Keep) {
					return done{}, errors.New("keep must be address, host or typed")
				}
				f.Lock()
				defer f.Unlock()
				f.domains = in.Keep
				return done{OK: true}, nil
			}),
	}
}

// portalIn is the account that the fake is.
type portalIn struct {
	ID int `json:"id" doc:"the account's own ID, a portal's"`
}

// scopesIn names the scopes that no grant has any more.
type scopesIn struct {
	Without []string `json:"without"`
}

// WithoutScopes takes scopes from every grant, until it is called again.
func (f *Fake) WithoutScopes(scopes ...string) {
	f.account.Lock()
	defer f.account.Unlock()
	f.account.without = scopes
}
