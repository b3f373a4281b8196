package fakekit

import (
	"reflect"
	"strings"
	"time"
)

// OpenAPI describes the knobs, as OpenAPI 3.1. It is made from the table that
// routes them.
func (c *Core) OpenAPI() map[string]any {
	paths := map[string]any{}
	for _, k := range c.knobs {
		item, _ := paths[k.Path].(map[string]any)
		if item == nil {
			item = map[string]any{}
			paths[k.Path] = item
		}
		item[strings.ToLower(k.Method)] = operation(k)
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title":       "Knobs of the fake " + c.app.Name(),
			"version":     "1",
			"description": "Sets up, spoils and looks at a fake app. The paths are the same for every app.",
		},
		"paths": paths,
	}
}

func operation(k Knob) map[string]any {
	op := map[string]any{"summary": k.Summary, "operationId": operationID(k)}
	var params []any
	for part := range strings.SplitSeq(k.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params = append(params, map[string]any{
				"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true,
				"schema": map[string]any{"type": "string"},
			})
		}
	}
	for _, p := range k.Query {
		params = append(params, map[string]any{
			"name": p.Name, "in": "query", "description": p.Doc, "schema": map[string]any{"type": p.Type},
		})
	}
	if params != nil {
		op["parameters"] = params
	}
	if k.In != nil {
		op["requestBody"] = map[string]any{"content": jsonContent(schema(reflect.TypeOf(k.In)))}
	}
	ok := map[string]any{"description": "done"}
	if k.Out != nil {
		content := jsonContent(schema(reflect.TypeOf(k.Out)))
		if k.Lines {
			content = map[string]any{
				"application/x-ndjson": content["application/json"],
				"application/json":     map[string]any{"schema": schema(reflect.TypeFor[Summary]())},
			}
		}
		ok["content"] = content
	}
	problem := jsonContent(map[string]any{
		"type": "object", "required": []string{"error"},
		"properties": map[string]any{"error": map[string]any{"type": "string"}},
	})
	op["responses"] = map[string]any{
		"200": ok,
		"400": map[string]any{"description": "refused; the error says why", "content": problem},
		"404": map[string]any{"description": "no such record or object", "content": problem},
	}
	return op
}

func operationID(k Knob) string {
	id := strings.ToLower(k.Method)
	for part := range strings.SplitSeq(strings.TrimPrefix(k.Path, "/_fake/"), "/") {
		id += "_" + strings.Trim(strings.ReplaceAll(part, ".", "_"), "{}")
	}
	return id
}

func jsonContent(schema map[string]any) map[string]any {
	return map[string]any{"application/json": map[string]any{"schema": schema}}
}

func schema(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[Duration]():
		return map[string]any{"type": "string", "examples": []string{"1.5s"}}
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schema(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schema(t.Elem())}
	case reflect.Pointer:
		return schema(t.Elem())
	case reflect.Struct:
		props := map[string]any{}
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			s := schema(f.Type)
			if doc := f.Tag.Get("doc"); doc != "" {
				s["description"] = doc
			}
			props[name] = s
		}
		return map[string]any{"type": "object", "properties": props, "additionalProperties": false}
	default:
		return map[string]any{}
	}
}
