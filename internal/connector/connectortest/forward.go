package connectortest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Unfounded lists the extras that an app claims and lacks, and those that it
// has and does not claim.
func Unfounded(app crm.App, x connector.Extras) []string {
	var out []string
	v := reflect.ValueOf(x)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		ability := crm.Ability(f.Tag.Get("ability"))
		if claimed, has := app.Can(ability), !v.Field(i).IsNil(); ability != "-" && claimed != has {
			out = append(out, fmt.Sprintf("ability %s: claimed %v, has Extras.%s %v", ability, claimed, f.Name, has))
		}
	}
	return out
}

// Forwards checks that a decorator passes on every extra of the connector
// inside, whatever they are: what is asked, what is answered, and an error; and
// that it makes none up. inner is asked for nothing but its extras, unless wrap
// does.
func Forwards(t *testing.T, inner connector.Connector, wrap func(connector.Connector) connector.Connector) {
	t.Helper()
	forwards(t, func(x connector.Extras) connector.Extras { return wrap(replaced{inner, x}).Extras() })
}

// replaced is a connector with other extras.
type replaced struct {
	connector.Connector
	extras connector.Extras
}

func (r replaced) Extras() connector.Extras { return r.extras }

func forwards(t *testing.T, wrap func(connector.Extras) connector.Extras) {
	t.Helper()
	none := reflect.ValueOf(wrap(connector.Extras{}))
	failed := errors.New("the app refused")
	for i := range none.NumField() {
		name := none.Type().Field(i).Name
		if !none.Field(i).IsNil() {
			t.Errorf("Extras.%s: made up, the connector inside has none", name)
		}
		for _, fails := range []error{nil, failed} {
			var x connector.Extras
			into := reflect.ValueOf(&x).Elem().Field(i)
			typ, asked := into.Type(), []reflect.Value(nil)
			out := make([]reflect.Value, typ.NumOut())
			for n := range out {
				out[n] = filled(typ.Out(n), fails)
			}
			into.Set(reflect.MakeFunc(typ, func(in []reflect.Value) []reflect.Value { asked = in; return out }))
			got := reflect.ValueOf(wrap(x)).Field(i)
			if got.IsNil() {
				t.Errorf("Extras.%s: the decorator forgets it", name)
				break
			}
			in := make([]reflect.Value, typ.NumIn())
			for n := range in {
				if in[n] = filled(typ.In(n), nil); typ.In(n) == reflect.TypeFor[context.Context]() {
					in[n] = reflect.ValueOf(t.Context())
				}
			}
			answer := got.Call(in)
			if len(asked) != len(in) {
				t.Errorf("Extras.%s: the connector inside was not asked", name)
				break
			}
			for n := range in {
				if typ.In(n) != reflect.TypeFor[context.Context]() && !reflect.DeepEqual(asked[n].Interface(), in[n].Interface()) {
					t.Errorf("Extras.%s: argument %d was %v, and passed on as %v", name, n, in[n], asked[n])
				}
			}
			for n := range out {
				want := out[n].Interface()
				if err, ok := answer[n].Interface().(error); ok || typ.Out(n) == reflect.TypeFor[error]() {
					if !errors.Is(err, fails) {
						t.Errorf("Extras.%s: the error %v became %v", name, fails, err)
					}
				} else if fails == nil && !reflect.DeepEqual(answer[n].Interface(), want) {
					t.Errorf("Extras.%s: answer %d was %v, and became %v", name, n, want, answer[n])
				}
			}
		}
	}
}

// filled is a value of a type that is not its zero one; an error is fails.
func filled(typ reflect.Type, fails error) reflect.Value {
	v := reflect.New(typ).Elem()
	switch typ.Kind() {
	case reflect.String:
		v.SetString("some " + typ.Name())
	case reflect.Int64: // a duration
		v.SetInt(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(typ, 1, 1))
		v.Index(0).Set(filled(typ.Elem(), nil))
	case reflect.Struct: // each has a text
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.String {
				f.Set(filled(f.Type(), nil))
			}
		}
	case reflect.Interface:
		if fails != nil && typ == reflect.TypeFor[error]() {
			v.Set(reflect.ValueOf(fails))
		}
	}
	return v
}
