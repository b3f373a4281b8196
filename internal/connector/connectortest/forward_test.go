package connectortest

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestExtrasKnowTheirAbility: every extra says which claim goes with it, so that
// a new one cannot be had unclaimed for want of a tag.
func TestExtrasKnowTheirAbility(t *testing.T) {
	t.Parallel()
	for i := range reflect.TypeFor[connector.Extras]().NumField() {
		f := reflect.TypeFor[connector.Extras]().Field(i)
		if f.Tag.Get("ability") == "" || f.Type.Kind() != reflect.Func {
			t.Errorf("Extras.%s is no func with a tag \"ability\"; \"-\" is for one that nobody claims", f.Name)
		}
	}
	app := crm.App{Abilities: []crm.Ability{crm.AbilityOwners, crm.AbilityHistory}}
	x := connector.Extras{
		OwnerByEmail: func(context.Context, string) (string, error) { return "", nil },
		CreateField:  func(context.Context, string, crm.Field) (crm.Field, error) { return crm.Field{}, nil },
	}
	if got := Unfounded(app, x); len(got) != 3 { // one half of the owners, the history; and a field that nobody claims
		t.Errorf("found %q", got)
	}
}

// TestAroundForgetsNoExtra: Around goes around each call by a name of its own,
// passes everything on, and its answer is the caller's.
func TestAroundForgetsNoExtra(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	forwards(t, func(x connector.Extras) connector.Extras {
		return x.Around(func(_ context.Context, method string, call func() error) error {
			seen[method]++
			return call()
		})
	})
	calls := 0
	for i := range reflect.TypeFor[connector.Extras]().NumField() {
		if f := reflect.TypeFor[connector.Extras]().Field(i); f.Type.In(0) == reflect.TypeFor[context.Context]() {
			calls++
		}
	}
	if len(seen) != calls {
		t.Errorf("went around %q, want each of %d extras that make calls, by its own name",
			slices.Sorted(maps.Keys(seen)), calls)
	}
	for method, n := range seen {
		if n != 2 {
			t.Errorf("%s: went around %d of 2 calls", method, n)
		}
	}
	lost := errors.New("lost on the way back")
	x := connector.Extras{Self: func(context.Context) (string, error) { return "u1", nil }}
	x = x.Around(func(_ context.Context, _ string, call func() error) error { return errors.Join(call(), lost) })
	if got, err := x.Self(t.Context()); got != "" || !errors.Is(err, lost) {
		t.Errorf("an answer that was lost: %q, %v", got, err)
	}
}
