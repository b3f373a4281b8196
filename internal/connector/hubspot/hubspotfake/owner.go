package hubspotfake

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// changeOwner adds an owner or changes one, as an admin of the account would.
func (f *account) changeOwner(id string, in fakekit.UserChange) error {
	if _, err := strconv.ParseUint(id, 10, 32); err != nil {
		return errors.New("an owner's ID is a number")
	}
	f.Lock()
	defer f.Unlock()
	i := slices.IndexFunc(f.owners, func(w owner) bool { return w.ID == id })
	if i < 0 {
		if in.Email == "" {
			return errors.New("a new owner needs an e-mail address")
		}
		f.owners = append(f.owners, owner{ID: id, Email: in.Email, archived: !in.Active})
		slices.SortFunc(f.owners, func(a, b owner) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	}
	f.owners[i].archived = !in.Active
	f.owners[i].Email = cmp.Or(in.Email, f.owners[i].Email)
	return nil
}
