package declared

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// choices are the words that a key may have, by the structure of the grammar that it
// stands in. "" among them means that the key may be left out.
var choices = map[string][]string{
	"appPart.blank":       slices.Sorted(maps.Keys(blanks)),
	"object.blank":        slices.Sorted(maps.Keys(blanks)),
	"authPart.kind":       {string(crm.AuthToken), string(crm.AuthAPIKey), string(crm.AuthBasic)},
	"authPart.send":       {"bearer", "header", "basic", "query"},
	"idPart.form":         append([]string{""}, slices.Sorted(maps.Keys(forms))...),
	"timePart.format":     timeFormats,
	"field.type":          types(),
	"typePart.other":      types(),
	"field.codec":         codecs,
	"pagePart.kind":       {"cursor", "number", "offset"},
	"sincePart.format":    timeFormats,
	"sincePart.order":     {"time", "other"},
	"findPart.as":         slices.Sorted(maps.Keys(finds)),
	"writePart.clear":     {"null", "empty"},
	"textPart.code":       slices.Sorted(maps.Keys(kinds)),
	"verifyPart.kind":     {"hmac", "secret", "basic", "none"},
	"verifyPart.hash":     slices.Sorted(maps.Keys(hashes)),
	"verifyPart.encoding": slices.Sorted(maps.Keys(texts)),
	"verifyPart.format":   timeFormats,
	"meansPart.kind":      {string(connector.EventChanged), string(connector.EventDeleted), string(connector.EventErased)},
}

func types() (out []string) {
	for _, t := range crm.FieldTypes {
		out = append(out, string(t))
	}
	return out
}

// JSONSchema is the grammar's shape for editors: keys, words and forms. What keys have to
// do with each other, Parse checks alone.
func JSONSchema() ([]byte, error) {
	defs := map[string]any{}
	root := define(reflect.TypeFor[Document](), defs)
	return json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "An app as a document of Lockstep",
		"$ref":    root["$ref"],
		"$defs":   defs,
	}, "", "  ")
}

// define describes a type; structures become definitions.
func define(t reflect.Type, defs map[string]any) map[string]any {
	switch {
	case t == durations:
		return map[string]any{"type": "string", "pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$`}
	case t == reflect.TypeFor[pointer]():
		return map[string]any{"type": "string", "pattern": "^(/.*|@key)?$"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return define(t.Elem(), defs)
	case reflect.Struct:
		if defs[t.Name()] == nil {
			defs[t.Name()] = true // before its parts
			keys := map[string]any{}
			describe(t, keys, defs)
			defs[t.Name()] = map[string]any{"type": "object", "additionalProperties": false, "properties": keys}
		}
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": define(t.Elem(), defs)}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": define(t.Elem(), defs)}
	case reflect.Int:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Interface:
		return map[string]any{}
	}
	return map[string]any{"type": []string{"string", "number", "boolean"}} // a word, however YAML reads it
}

// describe collects the keys of a structure, inlined ones too.
func describe(t reflect.Type, keys, defs map[string]any) {
	for i := range t.NumField() {
		f := t.Field(i)
		switch tag := f.Tag.Get("yaml"); tag {
		case ",inline":
			describe(f.Type, keys, defs)
		case "", "-":
		default:
			keys[tag] = define(f.Type, defs)
			if of := slices.DeleteFunc(slices.Clone(choices[t.Name()+"."+tag]), func(s string) bool {
				return s == ""
			}); len(of) > 0 {
				keys[tag] = map[string]any{"enum": of}
			}
		}
	}
}
