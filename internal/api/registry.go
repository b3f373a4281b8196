package api

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

const schemaPrefix = "#/components/schemas/"

// noBody is the schema of calls that take none: an empty object is let pass.
var noBody = &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false}

// valueSchema describes crm.Value, whose fields are its own business.
type valueSchema struct{}

// Schema implements huma.SchemaProvider.
func (valueSchema) Schema(huma.Registry) *huma.Schema {
	scalars := []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}, {Type: huma.TypeBoolean}}
	return &huma.Schema{
		Description: "A field's value: null, a text, a number (kept exact), a boolean or a list of texts",
		AnyOf: append(slices.Clone(scalars), &huma.Schema{Type: "null"},
			&huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{AnyOf: scalars}}),
	}
}

// matchSchema describes crm.Match, which has two forms.
type matchSchema struct{}

// Schema implements huma.SchemaProvider.
func (matchSchema) Schema(r huma.Registry) *huma.Schema {
	list := func() *huma.Schema {
		step := r.Schema(reflect.TypeFor[crm.MatchStep](), true, "")
		return &huma.Schema{Type: huma.TypeArray, MaxItems: bound(20), Items: step}
	}
	return &huma.Schema{
		Description: "Ordered match steps: one list for both ways, or one for each",
		AnyOf: []*huma.Schema{list(), {
			Type: huma.TypeObject, AdditionalProperties: false,
			Properties: map[string]*huma.Schema{"to_right": list(), "to_left": list()},
		}},
	}
}

func bound(n int) *int { return &n }

// newRegistry knows the types of the domain that describe themselves badly to
// reflection, and the two forms of the connection document.
func newRegistry() huma.Registry {
	r := huma.NewMapRegistry(schemaPrefix, huma.DefaultSchemaNamer)
	r.RegisterTypeAlias(reflect.TypeFor[crm.Value](), reflect.TypeFor[valueSchema]())
	r.RegisterTypeAlias(reflect.TypeFor[crm.Match](), reflect.TypeFor[matchSchema]())
	r.Schema(reflect.TypeFor[connection](), true, "")
	shapeDocument(r)
	draftForm(r, cloneInput(r, schemaPrefix+"Connection"))
	loosen(r, &huma.Schema{Ref: schemaPrefix + "Connection"}, map[string]bool{})
	return r
}

// draftInput is the schema of a document that may be half-finished.
func draftInput() *huma.Schema { return &huma.Schema{Ref: schemaPrefix + "ConnectionDraft"} }

// documentInput is the schema of a connection document as clients send it.
func documentInput() *huma.Schema { return &huma.Schema{Ref: schemaPrefix + "ConnectionInput"} }

// choices lists the enumerations of the connection document, by schema and
// property: the words of the vocabulary, and of the tables that give them meaning.
var choices = map[string]map[string][]string{
	"Connection": {"status": wordsOf(crm.Statuses)},
	"Access":     {"mode": access.Modes},
	"Sync": {
		"direction": wordsOf(crm.Directions),
		"schedule":  crm.Schedules,
		"initial":   crm.Initials,
		"conflict":  wordsOf(crm.ConflictPolicies),
	},
	"PerWayBehavior": {"to_right": wordsOf(crm.Behaviors), "to_left": wordsOf(crm.Behaviors)},
	"Deletes":        {"to_right": wordsOf(crm.Deletions), "to_left": wordsOf(crm.Deletions)},
	"Unsubscribes": {
		"to_right": {string(crm.DeleteIgnore), string(crm.DeleteTag)},
		"to_left":  {string(crm.DeleteIgnore), string(crm.DeleteTag)},
	},
	"MatchStep": {
		"by":              wordsOf(crm.MatchBys),
		"on_missing":      crm.MissingChoices,
		"on_disagreement": crm.DisagreementChoices,
	},
	"Rule":       {"direction": without(wordsOf(crm.Directions), string(crm.DirectionOff))}, // a rule has a switch
	"RuleAction": {"type": rule.Actions},
	"Filter":     {"op": each(rule.Operators(), func(o rule.Operator) string { return string(o.Word) })},
	"Mapping": {
		"direction": wordsOf(crm.Directions),
		"origin":    crm.Origins,
		"conflict":  wordsOf(crm.ConflictPolicies),
		"policy":    wordsOf(crm.MappingPolicies),
	},
	"Notify":    {"digest": wordsOf(crm.Digests)},
	"Transform": {"type": each(mapping.Transforms(), func(t mapping.Transform) string { return string(t.Word) })},
}

func wordsOf[T ~string](list []T) []string { return each(list, func(w T) string { return string(w) }) }

func each[T any](list []T, word func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = word(v)
	}
	return out
}

func without(list []string, word string) []string {
	return slices.DeleteFunc(list, func(w string) bool { return w == word })
}

// required lists what a client must send; everything else has a default.
var required = map[string][]string{
	"Connection":  {"name", "left", "right", "syncs"},
	"End":         {"account"},
	"Sync":        {"id"}, // the objects too have a default, where an app has but one
	"Rule":        {"id"},
	"RuleAction":  {"type", "field", "value"},
	"Exclude":     {"field", "value"},
	"Mapping":     {"id"},
	"Transform":   {"type"},
	"MatchStep":   {"by"},
	"Association": {"left", "right", "sync"},
	"ActivityEnd": {"object"},
	"QuietHours":  {"from", "to"},
}

// bounds limits lengths, by schema and property.
var bounds = map[string]map[string]int{
	"Connection": {"name": 200, "description": 2000, "default_country": 2, "syncs": maxSyncs},
	"Access":     {"attribute": 100, "roles": 50},
	"Notify":     {"user": 320, "webhook": 2000},
	"QuietHours": {"from": 5, "to": 5, "time_zone": 100},
	"Sync":       {"id": 40, "rules": 100, "mappings": maxMappings, "associations": 50},
	"ObjectEnd":  {"object": 200},
	"End":        {"account": 200},
	"Mapping":    {"id": 100, "left": 20, "right": 20},
	"Rule":       {"id": 100, "actions": 20},
	"MatchStep":  {"pairs": 20, "verify": 20, "protect": 100, "left": 200, "right": 200},
	"Filter":     {"all": 100, "any": 100, "field": 200},
	"Transform":  {"options": 1000},
	"Deletes":    {"tag": 200},

	"Association": {"left": 200, "right": 200, "sync": 40},
	"ActivityEnd": {"object": 200, "parent": 200},
	"Activities":  {"mappings": maxMappings},

	"Unsubscribes": {"tag": 200},
}

// ranges limits numbers of a sync; the least is 0.
var ranges = map[string]struct {
	most int
	say  string
}{
	"second_look": {crm.MaxSecondLook, "Minutes after which what was listed is listed once more, for what enters the " +
		"app's index late: 60 where it is left out, 0 = never"},
	"audit_hours": {crm.MaxAuditHours, "Hours in which every known record is read again, as far as the accounts' calls " +
		"allow: 24 where it is left out, 0 = never"},
}

const (
	maxSyncs    = 20
	maxMappings = 500
)

// shapeDocument adds to the connection's schemas what Go types cannot say.
func shapeDocument(r huma.Registry) {
	schemas := r.Map()
	for name, props := range choices {
		for prop, words := range props {
			s := schemas[name].Properties[prop]
			s.Enum = nil
			for _, w := range words {
				s.Enum = append(s.Enum, w)
			}
			if s.Nullable {
				s.Enum = append(s.Enum, nil)
			}
		}
	}
	for name, props := range bounds {
		for prop, n := range props {
			s := schemas[name].Properties[prop]
			switch {
			case s.Type == huma.TypeArray:
				s.MaxItems = bound(n)
			case s.Type == huma.TypeObject:
				s.MaxProperties = bound(n)
			default:
				s.MaxLength = bound(n)
			}
		}
	}
	for prop, r := range ranges {
		s := schemas["Sync"].Properties[prop]
		least, most := 0.0, float64(r.most)
		s.Minimum, s.Maximum, s.Description = &least, &most, r.say
	}
	orNull(schemas["Rule"], "filter")
	orNull(schemas["OtherWayAround"], "exclude")
	schemas["Sync"].Properties["id"].Pattern = syncIDPattern
	for _, prop := range []string{"id", "status", "created_at", "updated_at", "problems", "touches", "applied"} {
		schemas["Connection"].Properties[prop].ReadOnly = true
	}
	schemas["Connection"].Required = append(schemas["Connection"].Required, "id", "status", "created_at", "updated_at")
}

const syncIDPattern = `^[a-z0-9_-]{1,40}$`

func orNull(s *huma.Schema, prop string) {
	s.Properties[prop] = &huma.Schema{AnyOf: []*huma.Schema{s.Properties[prop], {Type: "null"}}}
}

// cloneInput makes the form of a schema that clients send: same names and
// bounds, but most keys may be left out.
func cloneInput(r huma.Registry, ref string) string {
	name := ref[len(schemaPrefix):]
	input := name + "Input"
	schemas := r.Map()
	if _, done := schemas[input]; done {
		return schemaPrefix + input
	}
	out := &huma.Schema{}
	schemas[input] = out
	*out = *cloneSchema(r, schemas[name])
	out.Required = required[name]
	return schemaPrefix + input
}

func cloneSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		return &huma.Schema{Ref: cloneInput(r, s.Ref), Description: s.Description}
	}
	c := *s
	c.Required = nil
	c.Items = cloneSchema(r, s.Items)
	c.AnyOf = cloneAll(r, s.AnyOf)
	if extra, ok := s.AdditionalProperties.(*huma.Schema); ok {
		c.AdditionalProperties = cloneSchema(r, extra)
		c.Nullable = true
	}
	if s.Properties != nil {
		c.Properties = make(map[string]*huma.Schema, len(s.Properties))
		for name, p := range s.Properties {
			c.Properties[name] = cloneSchema(r, p)
		}
	}
	return &c
}

func cloneAll(r huma.Registry, list []*huma.Schema) []*huma.Schema {
	if list == nil {
		return nil
	}
	out := make([]*huma.Schema, len(list))
	for i, s := range list {
		out[i] = cloneSchema(r, s)
	}
	return out
}

// finishSchemas lets maps be null in answers: a nil map of Go is null in JSON.
func finishSchemas(r huma.Registry) {
	for _, name := range slices.Sorted(maps.Keys(r.Map())) {
		if strings.HasSuffix(name, draftSuffix) {
			continue // has no bounds
		}
		for _, p := range r.Map()[name].Properties {
			if _, isMap := p.AdditionalProperties.(*huma.Schema); isMap && p.Ref == "" {
				p.Nullable = true
			}
			if p.Items != nil && p.Items.Type == huma.TypeString && p.Items.MaxLength == nil {
				p.Items.MaxLength = bound(200) // lists of texts are lists of names
			}
		}
	}
}

// jsonBody documents the body of a call that is decoded by hand.
func jsonBody(schema *huma.Schema, must bool) func(*huma.Operation) {
	return func(op *huma.Operation) {
		content := map[string]*huma.MediaType{bodyMedia(op.Method): {Schema: schema}}
		op.RequestBody = &huma.RequestBody{Required: must, Content: content}
	}
}

// patchBody documents a merge patch.
func patchBody(schema *huma.Schema) func(*huma.Operation) { return jsonBody(schema, true) }

// anyObject is a schema that only asks for an object.
func anyObject(description string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: description}
}

// mediaAnswer documents an answer that is no JSON.
func mediaAnswer(media string, schema *huma.Schema) func(*huma.Operation) {
	return func(op *huma.Operation) {
		op.Responses = map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{media: {Schema: schema}},
		}}
	}
}
