package connectortest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// lines writes an answer down, one value a line, without what is zero.
func lines(v any, err error) []string {
	var out []string
	if err != nil {
		out = append(out, "error: "+trouble(err))
	}
	tell(&out, "", reflect.ValueOf(v))
	if out == nil {
		return []string{"nothing"}
	}
	return out
}

// trouble is everything that callers go by in an error.
func trouble(err error) string {
	text := fmt.Sprintf("%s %s", fault.KindOf(err), fault.CodeOf(err))
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, field := range fault.FieldFaults(err) {
			text += fmt.Sprintf(" field %s %s", field.Field, field.Code)
		}
		if f.Guessed {
			text += " guessed"
		}
	}
	if d := fault.RetryAfter(err); d != 0 {
		text += " after " + d.String()
	}
	if fault.MayHaveLanded(err) {
		text += " may have landed"
	}
	return text + ": " + err.Error()
}

func tell(out *[]string, at string, v reflect.Value) {
	if !v.IsValid() {
		return
	}
	if err, ok := v.Interface().(error); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		*out = append(*out, at+" "+trouble(err))
		return
	}
	switch t := v.Interface().(type) {
	case time.Time:
		if !t.IsZero() {
			*out = append(*out, at+" "+t.Format(time.RFC3339Nano))
		}
		return
	case json.Marshaler:
		if v.Kind() != reflect.Pointer || !v.IsNil() {
			text, err := json.Marshal(t)
			if err != nil {
				text = []byte(err.Error())
			}
			*out = append(*out, at+" "+string(text))
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			tell(out, at, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				tell(out, at+"."+f.Name, v.Field(i))
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Len() == 0 {
			*out = append(*out, at+" []")
		}
		for i := range v.Len() {
			tell(out, at+"["+strconv.Itoa(i)+"]", v.Index(i))
		}
		if v.Len() > 0 && v.Index(0).Kind() == reflect.Pointer {
			*out = append(*out, at+" "+strconv.Itoa(v.Len()))
		}
	case reflect.Map:
		byName := map[string]reflect.Value{}
		for _, k := range v.MapKeys() {
			byName[fmt.Sprint(k.Interface())] = v.MapIndex(k)
		}
		for _, k := range slices.Sorted(maps.Keys(byName)) {
			tell(out, at+"/"+k, byName[k])
		}
	default:
		*out = append(*out, fmt.Sprintf("%s %v", at, v.Interface()))
	}
}

// place is a spot of a document, and the documents in which it is left out, or
// something stands in its stead that is not meant to be there.
type place struct {
	at       string
	variants []variant
}

type variant struct{ name, body string }

// mostOfAList is how many elements of a list are looked at.
const mostOfAList = 2

// places are those of a document.
func places(doc any) (out []place) {
	others := []struct {
		name string
		v    any
	}{
		{"null", nil},
		{"7", json.Number("7")},
		{"words", "no such"},
		{"a list", []any{"x"}},
		{"an object", map[string]any{"x": json.Number("1")}},
		{"yes", true},
		{"no", false},
		{"empty", ""},
		{"nothing in a list", []any{}},
		{"below zero", json.Number("-1")},
	}
	root := doc
	render := func() string {
		text, _ := json.Marshal(root) // it came from JSON
		return string(text)
	}
	var walk func(at string, v any, set func(any), drop func() func())
	walk = func(at string, v any, set func(any), drop func() func()) {
		here := place{at: at}
		if back := drop(); back != nil {
			here.variants = append(here.variants, variant{"left out", render()})
			back()
		}
		for _, o := range others {
			set(o.v)
			here.variants = append(here.variants, variant{o.name, render()})
		}
		set(v)
		out = append(out, here)
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(at+"/"+strings.ReplaceAll(k, "/", "~1"), v[k], func(x any) { v[k] = x }, func() func() {
					old := v[k]
					delete(v, k)
					return func() { v[k] = old }
				})
			}
		case []any:
			for i := range min(len(v), mostOfAList) {
				walk(at+"/"+strconv.Itoa(i), v[i], func(x any) { v[i] = x }, func() func() { return nil })
			}
		}
	}
	walk("", doc, func(x any) { root = x }, func() func() { return nil })
	return out
}
