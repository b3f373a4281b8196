package mapping_test

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

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
