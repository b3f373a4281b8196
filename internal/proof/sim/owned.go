package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// staff are the users of both apps of noted, in some of its seeds: people are theirs,
// and they come and go while the seed runs. Two have an account in both apps, one in
// the left one alone, one in the right one alone.
type staff struct {
	*noted
	by     *chance              // beside what other users do, so that seeds without staff stay as they were
	ids    [2]map[string]string // users by their address
	active [2]map[string]bool
	lacked [2]map[string]bool // addresses that an app had no active user of, now or once
}

// ownerMapping is the mapping of users, and ownerFields are its fields.
const ownerMapping crm.MappingID = "owner"

var ownerFields = [2]string{"hubspot_owner_id", "OwnerId"}

// orgUser is to whom Salesforce gives what names no owner: the user of its API.
const orgUser = "ada@example.com"

// hire gives the apps of a seed their users, if it is one of those that have some.
func (n *noted) hire() *staff {
	s := &staff{noted: n, by: newChance(n.seed ^ 0x6f776e6572)}
	if !s.by.in(400) {
		return nil
	}
	s.ids = [2]map[string]string{
		{"alex@example.com": "7001", "robin@example.com": "7002", "kim@example.org": "7003"},
		{
			"alex@example.com": "005Lk0000000011IAA", "robin@example.com": "005Lk0000000012IAA",
			"sam@example.com": "005Lk0000000013IAA",
		},
	}
	for i, ids := range s.ids {
		s.active[i], s.lacked[i] = map[string]bool{}, map[string]bool{"kim@example.org": true, "sam@example.com": true}
		for email := range ids {
			delete(s.lacked[i], email)
			s.employ(i, email, true)
		}
	}
	s.lacked[0][orgUser] = true
	return s
}

// employ lets somebody work in an app, or no more.
func (s *staff) employ(app int, email string, active bool) {
	body, err := json.Marshal(fakekit.UserChange{Email: email, Active: active})
	if err != nil {
		panic(err) // two plain values
	}
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPut, "https://crm.example.com/_fake/users/"+s.ids[app][email],
		bytes.NewReader(body))
	if err != nil {
		panic(err) // the address is well formed
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := fakekit.Client(s.apps[app].core).Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		panic(fmt.Sprint("a user of the fake: ", resp, err))
	}
	_ = resp.Body.Close()
	if s.active[app][email] = active; !active {
		s.lacked[app][email] = true
	}
}

// does is one thing that happens among the users: a person is given to one of them,
// or one of them goes, or comes back.
func (s *staff) does() {
	app := s.by.n(2)
	emails := slices.Sorted(maps.Keys(s.ids[app]))
	email := emails[s.by.n(len(emails))]
	if s.by.in(150) {
		s.employ(app, email, !s.active[app][email])
		s.tell("ADMIN of the %s lets %s work: %t", sideOf(app), email, s.active[app][email])
		s.markIf(!s.active[app][email], "owner_left")
		return
	}
	var all []crm.RecordID
	for id := range s.peopleOf[app] {
		all = append(all, id)
	}
	slices.Sort(all)
	if !s.active[app][email] || len(all) == 0 || !s.by.in(400) || !s.travels(sideOf(app)) {
		return
	}
	id := all[s.by.n(len(all))]
	_, err := s.apps[app].core.UpdateRecord(s.apps[app].object(), string(id),
		map[string]string{ownerFields[app]: s.ids[app][email]})
	if err != nil {
		s.mark("user_refused")
		return
	}
	s.changes++
	s.mark("owner_assigned")
	s.tell("USER gives %s %s to %s", sideOf(app), id, email)
}

func (s *staff) markIf(holds bool, name string) {
	if holds {
		s.mark(name)
	}
}

// wrote holds each write to a person to the users of its app.
func (s *staff) wrote(side crm.Side, w *connector.Write, out *connector.Written) {
	app := side.Index()
	v, set := w.Fields[ownerFields[app]]
	if !set || out.Err != nil {
		return
	}
	if email := s.address(app, v.Text()); v.Blank() || s.ids[app][email] != v.Text() {
		s.violated("S1", fmt.Sprintf("%s on the %s is given to %q, who is no user there that a person chose", out.ID, side,
			v.Text()))
	}
}

// address is that of a user of an app, by ID.
func (s *staff) address(app int, id string) string {
	for email, known := range s.ids[app] {
		if known == id {
			return email
		}
	}
	if id != "" {
		return orgUser
	}
	return ""
}

// check holds the people of a world at rest to their users: both sides name the same
// one, or the record says that one app has had nobody of the other's address. Nobody
// is a reason for a record to fail.
func (s *staff) check(when string) {
	var owners [2]map[crm.RecordID]string
	for i := range s.apps {
		owners[i] = map[crm.RecordID]string{}
		for _, r := range s.apps[i].core.Records(s.apps[i].object()) {
			if !r.Deleted && r.MergedInto == "" {
				owners[i][crm.RecordID(r.ID)] = s.address(i, r.Fields[ownerFields[i]])
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(owners[0])) {
		l, linked := s.pairOf(syncID, ref{crm.Left, id})
		right, there := owners[1][l.Right]
		if !linked || !there {
			continue
		}
		d := l.Base[ownerMapping].Settled
		if d != nil && d.Reason == crm.ReasonRefused ||
			l.State == crm.StateFailing && strings.Contains(l.Detail, ownerFields[0]) {
			s.violated("S33", fmt.Sprintf("%s: %s, of %q and %q, fails: %+v", when, id, owners[0][id], right, l))
			return
		}
		if l.State != crm.StateInSync {
			continue
		}
		if !s.explains(d, [2]string{owners[0][id], right}, l.Code) {
			s.violated("S1", fmt.Sprintf("%s: %s is of %q and its twin of %q: %+v", when, id, owners[0][id], right, d))
			return
		}
	}
	s.mark("owners_audited")
}

// explains reports whether two records may be of two users.
func (s *staff) explains(d *crm.Difference, owners [2]string, code string) bool {
	same := owners[0] == owners[1]
	switch {
	case d == nil:
		return same || owners[0] == "" || owners[1] == orgUser // what no user chose travels nowhere
	case d.Reason != crm.ReasonUnknownOwner:
		return true // an undo, an edit while it was not linked: not about users
	}
	s.mark("owner_unknown")
	named := owners[d.Side.Other().Index()]
	return code == "unknown_owner" && s.lacked[d.Side.Index()][named]
}
