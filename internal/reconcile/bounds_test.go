package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestKeysAreComparedAsWritten: as what each pair of fields is compared, for every
// two types and for names that tell, with a mapping of the two that says so, that
// is off, or that is of other fields.
func TestKeysAreComparedAsWritten(t *testing.T) {
	t.Parallel()
	types := []crm.FieldType{"", crm.TypeText, crm.TypeEmail, crm.TypePhone, crm.TypeURL, crm.TypeNumber, crm.TypeOption}
	off := false
	mappings := map[string]func(m *crm.Mapping){
		"none": nil, "of domains": func(m *crm.Mapping) { m.Transform.Type = crm.TransformDomain },
		"of domains, off": func(m *crm.Mapping) { m.Transform.Type, m.Enabled = crm.TransformDomain, &off },
		"of domains, other fields": func(m *crm.Mapping) {
			m.Transform.Type, m.Right = crm.TransformDomain, []string{"Other"}
		},
		"of other fields, domains": func(m *crm.Mapping) {
			m.Transform.Type, m.Left = crm.TransformDomain, []string{"other"}
		},
	}
	var out strings.Builder
	for _, name := range []string{
		"none", "of domains", "of domains, off", "of domains, other fields", "of other fields, domains",
	} {
		for _, fields := range [][2]string{{"f", "F"}, {"website", "F"}, {"f", "MobilePhone"}, {"f", "E-Mail"}} {
			for _, left := range types {
				for _, right := range types {
					m := one("m", fields[0], fields[1])
					var ms []crm.Mapping
					if change := mappings[name]; change != nil {
						change(&m)
						ms = []crm.Mapping{m}
					}
					sync := baseSync(ms...)
					known := func(name string, typ crm.FieldType) []crm.Field {
						if typ == "" {
							return nil
						}
						return []crm.Field{{Name: name, Type: typ}}
					}
					s, _ := Compile(conn(), &sync, known(fields[0], left), known(fields[1], right))
					p := s.identity(fields[0], fields[1])
					fmt.Fprintf(&out, "%s %s+%s %q %q: %s %s\n", name, fields[0], fields[1], left, right, p.form, p.prefix)
				}
			}
		}
	}
	written.Check(t, "forms.txt", out.String())
}

// TestRingsAreFound: a mapping that reads what another writes on the way back, and
// so on, closes a ring; mappings side by side do not.
func TestRingsAreFound(t *testing.T) {
	t.Parallel()
	to := func(m crm.Mapping, d crm.Direction) crm.Mapping {
		m.Direction = d
		return m
	}
	for name, c := range map[string]struct {
		ms   []crm.Mapping
		want bool
	}{
		"side by side": {[]crm.Mapping{one("a", "first", "Title"), one("b", "last", "Note")}, false},
		"one writes what two reads back": {[]crm.Mapping{
			to(one("a", "first", "Title"), crm.DirectionToRight), to(one("b", "last", "Title"), crm.DirectionToLeft),
			to(one("c", "last", "Note"), crm.DirectionToRight), to(one("d", "first", "Note"), crm.DirectionToLeft),
		}, true},
		"the same, behind one that is no part of it": {[]crm.Mapping{
			one("x", "phone", "Phone"),
			to(one("a", "first", "Title"), crm.DirectionToRight), to(one("b", "last", "Title"), crm.DirectionToLeft),
			to(one("c", "last", "Note"), crm.DirectionToRight), to(one("d", "first", "Note"), crm.DirectionToLeft),
		}, true},
		"two ends of one field": {[]crm.Mapping{
			to(one("a", "first", "Title"), crm.DirectionToRight), to(one("b", "first", "Title"), crm.DirectionToLeft),
		}, true},
		"a way that ends": {[]crm.Mapping{
			to(one("a", "first", "Title"), crm.DirectionToRight), to(one("b", "last", "Title"), crm.DirectionToLeft),
			to(one("c", "last", "Note"), crm.DirectionToRight),
		}, false},
	} {
		sync := baseSync(c.ms...)
		s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
		said := slices.ContainsFunc(problems, func(p mapping.Problem) bool { return p.Code == CodeMappingCycle })
		if said != c.want {
			t.Errorf("%s: a ring %t, %v", name, said, problems)
		}
		if at, found := findCycle(s.specs); found {
			t.Errorf("%s: what closes a ring at %d is still at work", name, at)
		}
	}
}

// TestMergedListsAreAsWritten: every merge of small lists with every memory.
func TestMergedListsAreAsWritten(t *testing.T) {
	t.Parallel()
	lists := []crm.Value{
		crm.NullValue(), crm.ListValue("a"), crm.ListValue("b"), crm.ListValue("a", "b"), crm.ListValue("a", "c"),
		crm.ListValue("b", "c", "d"),
	}
	var out strings.Builder
	for _, base := range lists {
		for _, had := range []bool{false, true} {
			for _, left := range lists {
				for _, right := range lists {
					m := memory{had: had, entry: crm.Agree("r", base)}
					v := mergeSets(m, [2]crm.Value{left, right})
					fmt.Fprintf(&out, "%q %t %q %q: %v %q\n", base.Items(), had, left.Items(), right.Items(), v.Kind(), v.Items())
				}
			}
		}
	}
	written.Check(t, "merges.txt", out.String())
}

// TestWhatIsWrittenTogether: the fields that go with one, whichever of them is asked.
func TestWhatIsWrittenTogether(t *testing.T) {
	t.Parallel()
	name := crm.Mapping{
		ID: "name", Left: []string{"first", "last"}, Right: []string{"Name"}, Transform: crm.Transform{
			Type: crm.TransformFullName,
		},
	}
	sync := baseSync(name, one("city", "city", "City"))
	left := []crm.Field{
		{Name: "first", Type: crm.TypeText}, {Name: "last", Type: crm.TypeText}, {
			Name: "city", Type: crm.TypeText, With: []string{"zip"},
		}, {Name: "zip", Type: crm.TypeText}, {Name: "street", Type: crm.TypeText, With: []string{"city"}},
	}
	right := []crm.Field{{Name: "Name", Type: crm.TypeText}, {Name: "City", Type: crm.TypeText}}
	s, _ := Compile(conn(), &sync, left, right)
	for field, want := range map[string][]string{
		"first": {"last"}, "last": {"first"}, "city": {"street", "zip"}, "zip": {"city"}, "street": {"city"}, "nothing": nil,
	} {
		if got := s.Mates(crm.Left, field); !slices.Equal(got, want) {
			t.Errorf("with %s go %q, want %q", field, got, want)
		}
	}
	if got := s.Mates(crm.Right, "Name"); len(got) != 0 {
		t.Errorf("with the full name go %q", got)
	}
}
