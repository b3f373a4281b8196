package salesforcefake

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// changeUser adds a user or changes one, as an admin of the org would.
func (f *org) changeUser(id string, in fakekit.UserChange) error {
	if full(id) != id || !strings.HasPrefix(id, "005") {
		return errors.New("a user's ID has 18 characters and begins with 005")
	}
	f.core.Lock()
	defer f.core.Unlock()
	all := f.virtual["User"]
	i := slices.IndexFunc(all, func(r *fakekit.Record) bool { return r.ID == id })
	if i < 0 {
		if in.Email == "" {
			return errors.New("a new user needs an e-mail address")
		}
		now := f.core.Now()
		name, _, _ := strings.Cut(in.Email, "@")
		all = append(all, &fakekit.Record{ID: id, Created: now, Fields: map[string]string{
			"Name": name, "Username": in.Email + "." + id, "UserType": "Standard",
		}})
		i = len(all) - 1
		f.virtual["User"] = all
	}
	u := all[i].Clone()
	if in.Email != "" {
		u.Fields["Email"] = in.Email
	}
	u.Fields["IsActive"], u.Modified = strconv.FormatBool(in.Active), f.core.Now()
	all[i] = u
	return nil
}

// inactive reports whether records can be given to a user no more.
func (f *org) inactive(id string) bool {
	return slices.ContainsFunc(f.virtual["User"], func(r *fakekit.Record) bool {
		return r.ID == id && r.Fields["IsActive"] != "true"
	})
}
