package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// staff are two users of each app; the last of the right one is not active.
type staff struct{}

func (staff) Email(side crm.Side, id string) (string, bool) {
	email, ok := map[crm.Side]map[string]string{
		crm.Left:  {"1": "Ann@Example.com", "2": "bob@example.com"},
		crm.Right: {"11": "ann@example.com", "12": "bob@example.com", "13": "no address"},
	}[side][id]
	return email, ok
}

func (staff) ID(side crm.Side, email string) (string, bool) {
	id, ok := map[crm.Side]map[string]string{
		crm.Left:  {"ann@example.com": "1", "bob@example.com": "2"},
		crm.Right: {"ann@example.com": "11"},
	}[side][email]
	return id, ok
}

// links are of one sync: a pair, and a left record that lost a merge.
type links struct{}

func (links) Asked(sync crm.SyncID, _ crm.Side, _ string) bool { return sync == "firms" }

func (links) Key(sync crm.SyncID, side crm.Side, id string) (string, bool) {
	if sync != "firms" {
		return "", false
	}
	if side == crm.Left {
		return map[string]string{"L1": "L1", "L0": "L1", "L3": "L4"}[id], id == "L1" || id == "L0"
	}
	return map[string]string{"R1": "L1"}[id], id == "R1"
}

func (links) Record(sync crm.SyncID, side crm.Side, key string) (string, bool) {
	if sync != "firms" || key != "L1" {
		return "", false
	}
	return map[crm.Side]string{crm.Left: "L1", crm.Right: "R1"}[side], true
}

func (links) Out(sync crm.SyncID, side crm.Side, id string) (string, bool) {
	return "filtered", sync == "firms" && side == crm.Left && id == "L9"
}

// TestPeopleAndPartnersAreAsWritten reads and writes values of every kind by mappings
// that are about users and about records of another sync, with somebody to ask and
// without; what comes of it is in testdata.
func TestPeopleAndPartnersAreAsWritten(t *testing.T) {
	t.Parallel()
	values := []crm.Value{
		{},
		crm.NullValue(), crm.TextValue(" "), crm.ListValue(),
	}
	for _, s := range []string{
		"1", "11", "12", "13", " Ann@Example.com ", "bob@example.com", "left user 1", "a@", "L0", "L1", "L3", "L9", "R1", "R2",
	} {
		values = append(values, crm.TextValue(s))
	}
	values = append(values, crm.NumberValue("1.0"), crm.ListValue("L1", "L3"),
		crm.ListValue("R2", "R1"))
	code := func(err error) string {
		if err == nil {
			return ""
		}
		return " " + fault.CodeOf(err)
	}
	var out strings.Builder
	for _, c := range []struct {
		name        string
		left, right crm.Field
		mapping     crm.Mapping
	}{
		{"users of both", crm.Field{Type: crm.TypeOwner}, crm.Field{Type: crm.TypeOwner}, crm.Mapping{}},
		{"users and addresses", crm.Field{Type: crm.TypeOwner}, crm.Field{Type: crm.TypeEmail}, crm.Mapping{}},
		{"addresses and users", crm.Field{Type: crm.TypeEmail}, crm.Field{Type: crm.TypeOwner}, crm.Mapping{}},
		{
			"records of both",
			crm.Field{Type: crm.TypeReference},
			crm.Field{Type: crm.TypeReference},
			crm.Mapping{Joins: "firms"},
		},
		{
			"records of a sync that is gone",
			crm.Field{Type: crm.TypeReference},
			crm.Field{Type: crm.TypeReference},
			crm.Mapping{Joins: "gone"},
		},
		{
			"a record and a text",
			crm.Field{Type: crm.TypeReference},
			crm.Field{Type: crm.TypeText},
			crm.Mapping{Joins: "firms"},
		},
		{"texts", crm.Field{Type: crm.TypeText}, crm.Field{Type: crm.TypeText}, crm.Mapping{}},
	} {
		c.left.Name, c.right.Name = "l", "r"
		m := c.mapping
		m.ID, m.Left, m.Right = "m", []string{"l"}, []string{"r"}
		plain, problems := mapping.Compile(m, mapping.Env{
			Left: map[string]crm.Field{"l": c.left}, Right: map[string]crm.Field{"r": c.right},
		})
		fmt.Fprintf(&out, "%s %v\n", c.name, problems)
		if problems != nil {
			continue
		}
		reason, word := plain.Lack()
		fmt.Fprintf(&out, "  assigns %t, joins %q, lacks %s %s: %s; %s\n", plain.Assigns(), plain.Joins(), reason, word,
			plain.LackRemark(crm.Left), plain.UserRemark(crm.Right))
		asked := plain.WithUsers(staff{}).WithPartners(links{})
		for _, side := range crm.Sides {
			name := map[crm.Side]string{crm.Left: "l", crm.Right: "r"}[side]
			fmt.Fprintf(&out, "  %s names users %t\n", side, plain.NamesUsers(side))
			for _, v := range values {
				tell := func(one *mapping.Compiled) string {
					read, err := one.Canonical(side, crm.Fields{name: v})
					fields, bad := one.Render(side, v, crm.Fields{})
					why, outside := one.Out(side, v)
					return fmt.Sprintf("reads %s%s, writes %s%s, knows %t, out %s %t", shown(read), code(err), shown(fields[name]),
						code(bad), one.Knows(side, v), why, outside)
				}
				alone, told := tell(plain), tell(asked)
				fmt.Fprintf(&out, "    %s: %s\n", shown(v), alone)
				if told != alone {
					fmt.Fprintf(&out, "      with somebody to ask: %s\n", told)
				}
			}
		}
	}
	for _, v := range values {
		fmt.Fprintf(&out, "%s names %q of %q\n", shown(v), mapping.RecordNamed(v), mapping.RecordsNamed(v))
	}
	written.Check(t, "people.txt", out.String())
}
