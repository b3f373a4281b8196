package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// lines are the sync's mappings and, after them, its associations. A reference
// that an app does not let us write is read only: the other way is off.
func (s *Settings) lines() []crm.Mapping {
	lines := slices.Clone(s.sync.Lines())
	for i := range lines {
		m := &lines[i]
		if m.Joins == "" {
			continue
		}
		switch left, right := s.schema[0][m.Left[0]].ReadOnly, s.schema[1][m.Right[0]].ReadOnly; {
		case left && !right:
			m.Direction = crm.DirectionToRight
		case right && !left:
			m.Direction = crm.DirectionToLeft
		}
	}
	return lines
}

func syncsOf(c *crm.Connection) map[crm.SyncID]*crm.Sync {
	out := make(map[crm.SyncID]*crm.Sync, len(c.Syncs))
	for i := range c.Syncs {
		out[c.Syncs[i].ID] = &c.Syncs[i]
	}
	return out
}

// checkAssociations holds the associations against the connection. Its pointers
// count them as lines, see pointer.
func (s *Settings) checkAssociations() []mapping.Problem {
	if s.joined == nil {
		return nil
	}
	var problems []mapping.Problem
	for i := range s.sync.Associations {
		a := &s.sync.Associations[i]
		at := "/mappings/" + strconv.Itoa(len(s.sync.Mappings)+i)
		parent := s.joined[a.Sync]
		if parent == nil {
			problems = append(problems, mapping.Problem{
				Pointer: at + "/sync", Code: CodeUnknownSync,
				Detail: fmt.Sprintf("the connection has no sync %q: set the one whose records these fields name", a.Sync),
			})
			continue
		}
		for n, side := range crm.Sides {
			name := [2]string{a.Left, a.Right}[n]
			to := s.schema[n][name].ReferenceTo
			if to == "" || to == parent.Object(side) {
				continue
			}
			problems = append(problems, mapping.Problem{
				Pointer: at + "/" + string(side) + "/0", Code: CodeOtherObject,
				Detail: fmt.Sprintf("the %s field %q names records of %q, and the sync %q is about %q: set another field or "+
					"sync", side, name, to, a.Sync, parent.Object(side)),
			})
		}
	}
	return problems
}

// pointer turns the pointer of a line into one of the document: those after the
// mappings are associations, whose sides name one field each.
func (s *Settings) pointer(at string) string {
	part := strings.Split(at, "/") // "", "mappings", index, side, …
	if len(part) < 3 || part[1] != "mappings" {
		return at
	}
	i, err := strconv.Atoi(part[2])
	if err != nil || i < len(s.sync.Mappings) {
		return at
	}
	out := "/associations/" + strconv.Itoa(i-len(s.sync.Mappings))
	if len(part) > 3 && part[3] != "id" {
		out += "/" + part[3]
	}
	return out
}

// WithPartners returns the settings with somebody to ask about the links of other
// syncs, which is to know what the references of every record name that a
// decision is made of. Settings without associations are returned as they are.
func (s *Settings) WithPartners(p mapping.Partners) *Settings {
	if !s.Refers() {
		return s
	}
	out := *s
	out.specs = slices.Clone(s.specs)
	for i := range out.specs {
		if m := out.specs[i].m; m != nil && m.Joins() != "" {
			out.specs[i].m = m.WithPartners(p)
		}
	}
	return &out
}

// Refers reports whether there is an association that works.
func (s *Settings) Refers() bool {
	return slices.ContainsFunc(s.specs, func(one spec) bool { return one.m != nil && one.m.Joins() != "" })
}

// chooseOne lets a reference that names several records name the one of them that was
// agreed on, so that one that was added beside it moves nobody, and a move that stopped
// half-way is seen as one that has not been made; or else one that the other side names
// as well, or the first.
func (c *cell) chooseOne() {
	if c.m.JoinsSeveral() {
		c.shown = c.raw
		return
	}
	for side, word := range crm.Sides {
		there := namedThere(c.m, crm.Sides[1-side], c.raw[1-side])
		c.shown[side], c.others[side] = oneNamed(c.m, word, c.raw[side],
			func(v crm.Value) bool { return c.base.had && c.base.entry.Is(v) },
			func(v crm.Value) bool { return slices.ContainsFunc(there, v.Equal) })
	}
}

// namedThere are the records that a reference of a side names, in canonical form.
func namedThere(m *mapping.Compiled, side crm.Side, raw crm.Fields) (out []crm.Value) {
	if m.Joins() == "" {
		return nil
	}
	name := m.Names(side)[0]
	for _, id := range mapping.RecordsNamed(raw[name]) {
		v, err := m.Canonical(side, crm.Fields{name: crm.TextValue(id)})
		if err != nil {
			v = crm.NullValue() // which is nobody
		}
		out = append(out, v)
	}
	return out
}

// oneNamed are the fields of a side as a mapping reads them: where a reference names
// several records one of them, and the others beside. It is the first that the first of
// the wishes is true of that is true of any, or the first of all.
func oneNamed(
	m *mapping.Compiled, side crm.Side, raw crm.Fields, wishes ...func(crm.Value) bool,
) (crm.Fields, []string) {
	if m.Joins() == "" || m.JoinsSeveral() {
		return raw, nil
	}
	name := m.Names(side)[0]
	all := mapping.RecordsNamed(raw[name])
	if len(all) < 2 {
		return raw, nil
	}
	chosen := -1
	for _, is := range wishes {
		if chosen < 0 {
			chosen = slices.IndexFunc(namedThere(m, side, raw), is)
		}
	}
	chosen = max(0, chosen)
	out := maps.Clone(raw)
	out[name] = crm.TextValue(all[chosen])
	return out, slices.Delete(all, chosen, chosen+1)
}

// unlinked are the records that a reference of a side names, to any number, and that
// wait for a twin before the other side can name it.
func (one *spec) unlinked(side int, f crm.Fields) []string {
	if !one.open[1-side] || !one.m.JoinsSeveral() {
		return nil
	}
	return one.m.Unlinked(crm.Sides[side], f[one.names[side][0]])
}

// await remembers beside what both sides name that one of them names records without a
// twin, so that the record is looked at again when there is one. It changes nothing of
// what was decided: what has no twin stays where it is.
func (c *cell) await() {
	if c.keep || c.differs || c.filtered || !c.m.JoinsSeveral() {
		return
	}
	for side := range c.raw {
		if len(c.unlinked(side, c.raw[side])) == 0 {
			continue
		}
		rest := c.v
		for i := range rest {
			if c.write[i] {
				rest[i] = c.after
			}
		}
		if !c.write[0] && !c.write[1] {
			c.rule = RuleSettled
		}
		c.lacks = crm.Sides[1-side]
		why, _ := c.m.Lack()
		c.differ(why, rest)
		return
	}
}

// besides adds to what is written of a reference the other records that it names, which
// stay.
func (c *cell) besides(raw crm.Fields, side int) {
	all := slices.Concat(c.uncovered(side), c.others[side])
	if len(all) == 0 {
		return
	}
	name := c.names[side][0]
	v, written := raw[name]
	if !written {
		return
	}
	if id := v.Text(); id != "" && !slices.Contains(all, id) {
		all = append([]string{id}, all...)
	}
	raw[name] = crm.ListValue(all...)
	if len(all) == 1 {
		raw[name] = crm.TextValue(all[0])
	}
}

// uncovered is the record that a reference to one of several shows although it was never
// agreed on: the one that was is gone, and this stood beside it. A record that the other
// side names now is written beside it, too, and takes nobody's place.
func (c *cell) uncovered(side int) []string {
	if !c.write[side] || c.after.Blank() || c.blank[side] || !c.m.HoldsSeveral(crm.Sides[side]) ||
		c.base.had && c.base.entry.Is(c.v[side]) {
		return nil
	}
	return mapping.RecordsNamed(c.shown[side][c.names[side][0]])
}

// Reference is a field of a side that an association reads.
type Reference struct {
	Mapping crm.MappingID // the association's line
	Name    string
	Sync    crm.SyncID // whose links join what it names
}

// References lists the fields of a side that name records of a sync.
func (s *Settings) References(side crm.Side) []Reference {
	var out []Reference
	for i := range s.specs {
		if one := &s.specs[i]; one.m != nil && one.m.Joins() != "" {
			out = append(out, Reference{one.id, one.names[side.Index()][0], one.m.Joins()})
		}
	}
	return out
}
