package pipedrivefake

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// assignable reports whether records can be given to a user.
func (f *company) assignable(id string) bool {
	return slices.ContainsFunc(f.users, func(u user) bool { return u.Active && strconv.FormatInt(u.ID, 10) == id })
}

// Knobs implements fakekit.Knobber.
func (f *company) Knobs() []fakekit.Knob {
	return []fakekit.Knob{fakekit.UserKnob(f.changeUser)}
}

// changeUser adds a user or changes one, as an admin of the company would.
func (f *company) changeUser(id string, in fakekit.UserChange) error {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 1 {
		return errors.New("a user's ID is a number")
	}
	f.Lock()
	defer f.Unlock()
	i := slices.IndexFunc(f.users, func(u user) bool { return u.ID == n })
	if i < 0 {
		if in.Email == "" {
			return errors.New("a new user needs an e-mail address")
		}
		f.users = append(f.users, user{n, in.Email, in.Email, in.Active, CompanyID, "made-up"})
		return nil
	}
	f.users[i].Active, f.users[i].Email = in.Active, cmp.Or(in.Email, f.users[i].Email)
	return nil
}

var _ fakekit.Knobber = (*company)(nil)
