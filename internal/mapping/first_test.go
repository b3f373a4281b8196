package mapping_test

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// TestAFieldThatHoldsLittle: a text is counted in characters, and is refused where it
// is longer than the field; a field that says nothing takes any.
func TestAFieldThatHoldsLittle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		most int
		text string
		fits bool
	}{
		{0, "abc", true}, {1, "a", true}, {1, "é", true}, {1, "ab", false}, {2, "日本", true}, {2, "abc", false},
	} {
		m, problems := mapping.Compile(crm.Mapping{ID: "m", Left: []string{"l"}, Right: []string{"r"}}, mapping.Env{
			Left:  map[string]crm.Field{"l": {Name: "l", Type: crm.TypeText}},
			Right: map[string]crm.Field{"r": {Name: "r", Type: crm.TypeText, MaxLength: c.most}},
		})
		if problems != nil {
			t.Fatal(problems)
		}
		_, err := m.Render(crm.Right, crm.TextValue(c.text), crm.Fields{})
		if (err == nil) != c.fits || !c.fits && fault.CodeOf(err) != mapping.CodeTooLong {
			t.Errorf("%q into %d characters: %v", c.text, c.most, err)
		}
	}
}

// TestTheFirstOfAListIsWhatItsTargetTakes: the first item of several goes into a text
// as a text, letter for letter, and into a choice as one of its options.
func TestTheFirstOfAListIsWhatItsTargetTakes(t *testing.T) {
	t.Parallel()
	options := []crm.Option{{Value: "VIP", Label: "Very important"}, {Value: "b"}}
	several := crm.Field{Name: "l", Type: crm.TypeOptions, Options: options}
	for name, c := range map[string]struct {
		target crm.Field
		held   string // what the target holds
		read   string // as
		alike  bool   // as the list's VIP
	}{
		"a text":                     {crm.Field{Name: "r", Type: crm.TypeText}, "VIP", "VIP", true},
		"a text in other letters":    {crm.Field{Name: "r", Type: crm.TypeText}, "vip", "vip", false},
		"a choice":                   {crm.Field{Name: "r", Type: crm.TypeOption, Options: options}, "VIP", "VIP", true},
		"a choice in other letters":  {crm.Field{Name: "r", Type: crm.TypeOption, Options: options}, "vip", "VIP", true},
		"a choice by another option": {crm.Field{Name: "r", Type: crm.TypeOption, Options: options}, "b", "b", false},
	} {
		m, problems := mapping.Compile(crm.Mapping{
			ID: "m", Left: []string{"l"}, Right: []string{"r"}, Direction: crm.DirectionToRight,
		}, mapping.Env{Left: map[string]crm.Field{"l": several}, Right: map[string]crm.Field{"r": c.target}})
		if problems != nil {
			t.Errorf("%s: %v", name, problems)
			continue
		}
		source, err := m.Canonical(crm.Left, crm.Fields{"l": crm.ListValue("VIP", "b")})
		if err != nil || source.Text() != "VIP" {
			t.Errorf("%s: the list reads %q, %v", name, source.Text(), err)
		}
		held, err := m.Canonical(crm.Right, crm.Fields{"r": crm.TextValue(c.held)})
		if err != nil || held.Text() != c.read || held.Equal(source) != c.alike {
			t.Errorf("%s: %q reads %q, %v", name, c.held, held.Text(), err)
		}
		fields, err := m.Render(crm.Right, source, crm.Fields{})
		if err != nil || fields["r"].Text() != "VIP" {
			t.Errorf("%s: writes %q, %s", name, fields["r"].Text(), fault.CodeOf(err))
		}
	}
}
