package access

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Person is a user of a workspace, as the keys that act as one know them.
type Person struct {
	Email      string   `json:"email"`
	Roles      []string `json:"roles" nullable:"false" doc:"Of all their keys that are valid, with the roles that connections ask for"`
	Attributes []string `json:"attributes" nullable:"false" doc:"The boolean attributes that are true"`
	Active     bool     `json:"active" doc:"Whether one of their keys is valid"`
}

// People lists the users of a workspace by address: whoever a key acts as that
// has an e-mail address. Somebody all of whose keys have expired is listed and
// not active.
func (k *Keys) People(ctx context.Context, ws crm.WorkspaceID) ([]Person, error) {
	byMail := map[string]*Person{}
	for cursor := ""; ; {
		keys, next, err := k.List(ctx, ws, peoplePage, cursor)
		if err != nil {
			return nil, err
		}
		for i := range keys {
			k.person(byMail, &keys[i])
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	out := make([]Person, 0, len(byMail))
	for _, mail := range slices.Sorted(maps.Keys(byMail)) {
		p := byMail[mail]
		for _, list := range []*[]string{&p.Roles, &p.Attributes} {
			slices.Sort(*list)
			*list = slices.Compact(*list)
		}
		out = append(out, *p)
	}
	return out, nil
}

const peoplePage = 200

func (k *Keys) person(byMail map[string]*Person, key *Key) {
	if key.User.Email == "" {
		return
	}
	mail := strings.ToLower(key.User.Email)
	p := byMail[mail]
	if p == nil {
		p = &Person{Email: key.User.Email, Roles: []string{}, Attributes: []string{}}
		byMail[mail] = p
	}
	if !key.ExpiresAt.IsZero() && !k.now().Before(key.ExpiresAt) {
		return
	}
	p.Active = true
	p.Roles = append(append(p.Roles, string(key.Role)), key.User.Roles...)
	for name, v := range key.User.Attributes {
		if yes, ok := v.Bool(); ok && yes {
			p.Attributes = append(p.Attributes, name)
		}
	}
}
