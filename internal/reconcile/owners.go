package reconcile

import (
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// WithUsers returns the settings with somebody to ask about users, which is to
// know the users of every record that a decision is made of. Settings that map
// none are returned as they are.
func (s *Settings) WithUsers(u mapping.Users) *Settings {
	if !s.Assigns() {
		return s
	}
	out := *s
	out.specs = slices.Clone(s.specs)
	for i := range out.specs {
		if m := out.specs[i].m; m != nil && m.Assigns() {
			out.specs[i].m = m.WithUsers(u)
		}
	}
	return &out
}

// Assigns reports whether a mapping is about users.
func (s *Settings) Assigns() bool {
	return slices.ContainsFunc(s.specs, func(one spec) bool { return one.m != nil && one.m.Assigns() })
}

// UserField is a field of a side that a mapping of users reads.
type UserField struct {
	Mapping crm.MappingID
	Name    string
	IDs     bool // it holds users, else addresses
	Goes    bool // whom it names is assigned in the other app
}

// UserFields lists the fields of a side by which users are known.
func (s *Settings) UserFields(side crm.Side) []UserField {
	var out []UserField
	for i := range s.specs {
		if one := &s.specs[i]; one.m != nil && one.m.Assigns() {
			other := side.Other()
			out = append(out, UserField{
				one.id, one.names[side.Index()][0], one.m.NamesUsers(side), one.open[other.Index()] && one.m.NamesUsers(other),
			})
		}
	}
	return out
}

// DefaultUsers lists the addresses of users who are assigned where nobody is, by
// the side written.
func (s *Settings) DefaultUsers(side crm.Side) []string {
	var out []string
	for i := range s.specs {
		one := &s.specs[i]
		if d := one.fallback[side.Index()]; one.m != nil && one.m.NamesUsers(side) && !d.Blank() {
			out = append(out, d.Text())
		}
	}
	return out
}

// Assignable reports whether a user or the twin of a record that the other app did
// not have when the pair was looked at is there by now.
func (s *Settings) Assignable(side crm.Side, r *crm.Record, base crm.Base) bool {
	for i := range s.specs {
		one := &s.specs[i]
		d := base[one.id].Settled
		if one.m == nil || d == nil || !d.Reason.Lacks() || d.Side != side.Other() {
			continue
		}
		if v, err := one.m.Canonical(side, r.Fields); err == nil && !v.Blank() && one.m.Knows(d.Side, v) {
			return true
		}
	}
	return false
}
