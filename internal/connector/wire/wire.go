// Package wire turns an app's words for types and values into the vocabulary's.
package wire

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Types is what an app's types of fields are to us. The first word that it has
// counts, so that the more telling ones are asked for first.
type Types map[string]crm.FieldType

// Of returns the type of the first word that is known, and other when none is.
func (t Types) Of(other crm.FieldType, words ...string) crm.FieldType {
	for _, w := range words {
		if typ, ok := t[w]; ok {
			return typ
		}
	}
	return other
}

// Groups lists fields of each object that mean something only with each other.
type Groups map[string][][]string

// With returns the others of a field's group.
func (g Groups) With(object, name string) []string {
	for _, group := range g[object] {
		if slices.Contains(group, name) {
			return slices.DeleteFunc(slices.Clone(group), func(n string) bool { return n == name })
		}
	}
	return nil
}

// Choice fills a field's options, if it has a type with some, of the app's own list.
func Choice[O any](f *crm.Field, list []O, option func(O) (crm.Option, bool)) {
	f.Multiple = f.Type == crm.TypeOptions
	if f.Type != crm.TypeOption && f.Type != crm.TypeOptions {
		return
	}
	f.Options = make([]crm.Option, 0, len(list))
	for _, o := range list {
		if one, ok := option(o); ok {
			f.Options = append(f.Options, one)
		}
	}
}

// At returns what stands at a JSON pointer (RFC 6901) below a decoded document.
func At(doc any, pointer string) (any, bool) {
	if pointer == "" {
		return doc, true
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch in := doc.(type) {
		case map[string]any:
			v, ok := in[part]
			if !ok {
				return nil, false
			}
			doc = v
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			doc = in[i]
		default:
			return nil, false
		}
	}
	return doc, true
}
