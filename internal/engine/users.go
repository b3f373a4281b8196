package engine

import (
	"context"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// How long a process trusts what an app said of a user: who was there, and who
// was not. An app that refuses one is asked again at once.
const (
	userFor   = time.Hour
	nobodyFor = 10 * time.Minute
)

// userKey is what an app was asked about a user.
type userKey struct {
	account crm.AccountID
	byEmail bool
	what    string // an ID, or an address in canonical form
}

// knownUser is what it answered: the address of an ID, the ID of an address; ""
// = there is none.
type knownUser struct {
	at   time.Time
	said string
}

func (k knownUser) fresh(now time.Time) bool {
	age, most := now.Sub(k.at), userFor
	if k.said == "" {
		most = nobodyFor
	}
	return age >= 0 && age < most
}

// people is what a session knows of the users of both apps. Nothing in it is
// forgotten before the session ends, so that one decision sees one state.
type people struct {
	emails, ids [2]map[string]string // by side; "" = asked for, and none
}

func newPeople() *people {
	return &people{emails: [2]map[string]string{{}, {}}, ids: [2]map[string]string{{}, {}}}
}

// Email implements mapping.Users.
func (p *people) Email(side crm.Side, id string) (string, bool) {
	email := p.emails[side.Index()][id]
	return email, email != ""
}

// ID implements mapping.Users.
func (p *people) ID(side crm.Side, email string) (string, bool) {
	id := p.ids[side.Index()][email]
	return id, id != ""
}

// meet asks the apps about the users that records of a side name, and about
// those of the other app with the same addresses. It is called with whatever was
// read, before anything is made of it. So it is with the links of the records that
// they name.
func (s *session) meet(ctx context.Context, side crm.Side, records ...*crm.Record) error {
	if err := s.meetPartners(ctx, side, records...); err != nil {
		return err
	}
	if s.people == nil {
		return nil
	}
	for _, f := range s.set.UserFields(side) {
		for _, r := range records {
			if r == nil {
				continue
			}
			if err := s.meetOne(ctx, side, r.Fields[f.Name], f.IDs, f.Goes); err != nil {
				return err
			}
		}
	}
	return nil
}

// meetPast is meet for the past values of records.
func (s *session) meetPast(ctx context.Context, side crm.Side, past []map[string][]crm.Value) error {
	if err := s.meetPastPartners(ctx, side, past); err != nil {
		return err
	}
	if s.people == nil {
		return nil
	}
	for _, f := range s.set.UserFields(side) {
		for i := range past {
			for _, v := range past[i][f.Name] {
				if err := s.meetOne(ctx, side, v, f.IDs, f.Goes); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// meetNamed is meet for users whom nobody's record names: those of default values,
// and those whom a person chose.
func (s *session) meetNamed(ctx context.Context, us []*unit) error {
	if err := s.meetChosen(ctx, us); err != nil {
		return err
	}
	if s.people == nil {
		return nil
	}
	for _, side := range crm.Sides {
		for _, email := range s.set.DefaultUsers(side) {
			if _, err := s.userOf(ctx, side, email); err != nil {
				return err
			}
		}
		for _, f := range s.set.UserFields(side) {
			for _, u := range us {
				r, chosen := u.resolutions[f.Mapping]
				if !chosen || r.Value == nil {
					continue
				}
				email, ok := mapping.CanonicalEmail(r.Value.Text())
				if !ok || !f.IDs {
					continue
				}
				if _, err := s.userOf(ctx, side, email); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// meetOne asks about one value of a field of users.
func (s *session) meetOne(ctx context.Context, side crm.Side, v crm.Value, isID, goes bool) error {
	text := mapping.CanonicalText(v.Text())
	if v.Blank() || text == "" {
		return nil
	}
	if isID && !strings.Contains(text, "@") {
		email, err := s.emailOf(ctx, side, text)
		if err != nil || email == "" {
			return err
		}
		text = email
	}
	email, ok := mapping.CanonicalEmail(text)
	if !ok || !goes {
		return nil
	}
	_, err := s.userOf(ctx, side.Other(), email)
	return err
}

// emailOf returns the address of a user, "" where there is none.
func (s *session) emailOf(ctx context.Context, side crm.Side, id string) (string, error) {
	known := s.people.emails[side.Index()]
	if email, ok := known[id]; ok {
		return email, nil
	}
	email, err := s.askUser(ctx, side, userKey{s.conn.Account(side), false, id}, s.end(side).Extras().OwnerEmail)
	if err == nil {
		known[id] = email
	}
	return email, err
}

// userOf returns the user of an address to whom records can be given, "" where
// there is none.
func (s *session) userOf(ctx context.Context, side crm.Side, email string) (string, error) {
	known := s.people.ids[side.Index()]
	if id, ok := known[email]; ok {
		return id, nil
	}
	id, err := s.askUser(ctx, side, userKey{s.conn.Account(side), true, email}, s.end(side).Extras().OwnerByEmail)
	if err != nil {
		return "", err
	}
	known[email] = id
	if id != "" { // what is written has to read back the same
		s.people.emails[side.Index()][id] = email
	}
	return id, nil
}

// askUser asks an app about a user, unless this process knows. Whom the app does
// not have, or does not show us, is nobody; an error is one of the moment.
func (s *session) askUser(
	ctx context.Context, side crm.Side, key userKey, ask func(context.Context, string) (string, error),
) (string, error) {
	if known, ok := s.users.get(key); ok && known.fresh(s.Now()) {
		return known.said, nil
	}
	if ask == nil {
		return "", nil
	}
	cctx, done, err := s.ask(ctx, side, askOne)
	if err != nil {
		return "", err
	}
	said, err := ask(cctx, key.what)
	done()
	switch {
	case err == nil:
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid), fault.Is(err, fault.Unsupported),
		fault.Is(err, fault.Denied) && fault.CodeOf(err) == codePermission:
		s.Mark("user_unknown")
		said = ""
	default:
		return "", atSide(side, "ask for a user", err)
	}
	s.users.put(key, knownUser{s.Now(), said})
	return said, nil
}

// refusedUsers finds out whether a row was refused because a user to be assigned
// is there no more: then that field is left out, and the record is written.
func (s *session) refusedUsers(ctx context.Context, side crm.Side, r row, w *connector.Written) error {
	if s.people == nil || w.Err == nil || fault.MayHaveLanded(w.Err) || !fault.Is(w.Err, fault.Invalid) {
		return nil
	}
	for _, f := range s.set.UserFields(side) {
		v, written := r.Fields[f.Name]
		if !written || v.Blank() || !f.IDs {
			continue
		}
		email, ok := s.people.Email(side, v.Text())
		if !ok {
			continue
		}
		s.users.drop(userKey{s.conn.Account(side), true, email})
		delete(s.people.ids[side.Index()], email)
		id, err := s.userOf(ctx, side, email)
		if err != nil {
			return err
		}
		if id != v.Text() {
			s.Mark("user_gone")
			r.u.unassigned.Set(side, append(r.u.unassigned.Get(side), f.Name))
		}
	}
	return nil
}
