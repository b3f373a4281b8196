package reconcile

import (
	"fmt"
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
