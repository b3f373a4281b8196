package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestSuggestionsAreAsWritten suggests mappings of fields of every pair of types,
// names and labels, and of the ends of a table of our own; what comes of it is in testdata.
func TestSuggestionsAreAsWritten(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	tell := func(what string, l, r crm.Field) {
		all := candidates([2][]crm.Field{{l}, {r}})
		fmt.Fprintf(&out, "%s:", what)
		for _, c := range all {
			fmt.Fprintf(&out, " %s %s %.2f %s", c.Mapping.Direction, c.Mapping.Transform.Type, c.Confidence, c.Reason)
		}
		fmt.Fprintln(&out)
	}
	for _, l := range crm.FieldTypes {
		for _, r := range crm.FieldTypes {
			if l == crm.TypeReference || r == crm.TypeReference {
				continue // these are associated
			}
			left, right := crm.Field{Name: "f", Type: l}, crm.Field{Name: "f", Type: r}
			tell(string(l)+" and "+string(r), left, right)
			left.ReadOnly = true
			tell("  from it", left, right)
			left.ReadOnly, right.ReadOnly = false, true
			tell("  to it", left, right)
		}
	}
	words := [][2]string{
		{"", ""}, {"city", ""}, {"City__c", ""}, {"c i-t.y", ""}, {"town", ""}, {"x", "City"}, {"x", "town"}, {"y", "CITY"}, {"x", "fax"},
	}
	for _, a := range words {
		for _, b := range words {
			tell(fmt.Sprintf("%q and %q", a, b), crm.Field{Name: a[0], Label: a[1], Type: crm.TypeText},
				crm.Field{Name: b[0], Label: b[1], Type: crm.TypeText})
		}
	}
	tell("numbers of one label", crm.Field{Name: "a", Label: "Length", Type: crm.TypeNumber},
		crm.Field{Name: "b", Label: "length", Type: crm.TypeNumber})
	tell("a number and a text of one label", crm.Field{Name: "a", Label: "Length", Type: crm.TypeNumber},
		crm.Field{Name: "b", Label: "length", Type: crm.TypeText})
	written.Check(t, "suggested.txt", out.String())
}

// TestSuggestionsOfASync: what is known of two apps comes first, then what fields are
// called, each once; fields that an app demands and nothing fills are told, and how
// the options fit of all that is mapped, once.
func TestSuggestionsOfASync(t *testing.T) {
	t.Parallel()
	options := func(words ...string) (out []crm.Option) {
		for _, w := range words {
			value, label, _ := strings.Cut(w, "=")
			out = append(out, crm.Option{Value: value, Label: label})
		}
		return out
	}
	fields := [2][]crm.Field{
		{
			{Name: "note", Type: crm.TypeText},
			{Name: "mail", Type: crm.TypeEmail},
			{Name: "other", Type: crm.TypeEmail},
			{Name: "stage", Type: crm.TypeOption, Options: options("a=Alpha", "b=Beta", "c", "d=Delta")},
			{Name: "kind", Type: crm.TypeOption, Options: options("x", "y"), OpenOptions: true},
			{Name: "size", Type: crm.TypeOption, Options: options("1", "2")},
			{Name: "colour", Type: crm.TypeOption, Options: options("red", "blue")},
			{Name: "must", Type: crm.TypeText, Required: true},
			{Name: "made", Type: crm.TypeDateTime, Required: true, ReadOnly: true},
			{Name: "stamp", Type: crm.TypeText, Required: true},
			{Name: "given", Type: crm.TypeText, Required: true},
		},
		{
			{Name: "Note", Type: crm.TypeText, Required: true},
			{Name: "Mail", Type: crm.TypeEmail, Required: true, ReadOnly: true},
			{Name: "Stage", Type: crm.TypeOption, Options: options("A", "2=beta", "C.", "E=Epsilon")},
			{Name: "Kind", Type: crm.TypeOption, Options: options("X", "z")},
			{Name: "Groesse", Type: crm.TypeOption, Options: options("2", "3")},
			{Name: "Farbe", Type: crm.TypeOption, Label: "Colour", Options: options("red", "green")},
			{Name: "Extra", Type: crm.TypeText, Required: true},
			{Name: "Given", Type: crm.TypeText},
		},
	}
	sync := crm.Sync{
		ID: "s", Left: crm.ObjectEnd{Object: "l"}, Right: crm.ObjectEnd{Object: "r"},
		Mappings: []crm.Mapping{
			{
				ID: "size", Left: []string{"size"}, Right: []string{"Groesse"}, Transform: crm.Transform{
					Type: crm.TransformOptions, Options: map[string]string{"1": "3", "2": "3"},
				},
			},
			{ID: "size_again", Left: []string{"size"}, Right: []string{"Groesse"}},
			{ID: "two", Left: []string{"size", "kind"}, Right: []string{"Kind"}},
			{ID: "two_right", Left: []string{"size"}, Right: []string{"Kind", "Stage"}},
			{ID: "plain", Left: []string{"note"}, Right: []string{"Kind"}},
			{ID: "plain_right", Left: []string{"kind"}, Right: []string{"Note"}},
		},
		Stamp: crm.PerWay[crm.Fields]{ToLeft: crm.Fields{"stamp": crm.TextValue("x")}},
	}
	got, err := json.MarshalIndent(suggest(&sync, [2]crm.AppID{"acme", "other"}, fields), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	written.Check(t, "suggestion.json", string(got)+"\n")
}
