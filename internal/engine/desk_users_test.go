package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// assigns lets the desk's sync map who owns a record: by user on both sides, or on one by
// address.
func (d *desk) assigns(direction crm.Direction, fallback string, right crm.FieldType) {
	d.lays = func(d *desk) {
		owner := crm.Mapping{ID: "owner", Left: []string{"owner"}, Right: []string{"Owner"}, Direction: direction}
		if fallback != "" {
			owner.Default.ToRight = crm.TextValue(fallback)
		}
		conf := d.conn.Syncs[0]
		conf.Mappings = []crm.Mapping{conf.Mappings[0], owner}
		set, problems := reconcile.Compile(d.conn, &conf, []crm.Field{
			{Name: "email", Type: crm.TypeEmail}, {Name: "city", Type: crm.TypeText}, {Name: "owner", Type: crm.TypeOwner},
		}, []crm.Field{
			{Name: "Email", Type: crm.TypeEmail}, {Name: "City", Type: crm.TypeText}, {Name: "Owner", Type: right},
		})
		if len(problems) > 0 {
			d.t.Fatal(problems)
		}
		d.s.people = newPeople()
		d.s.set = set.WithUsers(d.s.people)
	}
	d.lays(d)
}

// TestUsersAreAskedFor: who owns a record is found in both apps, once for a while; whom
// an app does not have, or does not show, is nobody, and an app that does not answer is
// no reason to assign nobody.
func TestUsersAreAskedFor(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	began := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	people := func(d *desk) {
		d.brief = true
		d.apps[0].users = map[string]string{"u_ann": "ann@example.com", "u_bob": "bob@example.com", "u_odd": "no address"}
		d.apps[1].users = map[string]string{"U_ann": "ann@example.com", "U_cyd": "cyd@example.com"}
	}
	names := []string{"u_ann", " u_ann ", "u_bob", "u_none", "u_odd", "cyd@example.com", "", " "}
	known := func(d *desk) string {
		var out []string
		for i, side := range crm.Sides {
			for _, id := range sortedNames(d.s.people.emails[i]) {
				mail, ok := d.s.people.Email(side, id)
				out = append(out, fmt.Sprintf("%s %s is %q %t", side, id, mail, ok))
			}
			for _, mail := range sortedNames(d.s.people.ids[i]) {
				id, ok := d.s.people.ID(side, mail)
				out = append(out, fmt.Sprintf("%s %s is %q %t", side, mail, id, ok))
			}
		}
		return strings.Join(out, ", ")
	}
	for _, c := range []struct {
		name string
		lay  func(d *desk)
	}{
		{"both ways", func(d *desk) { d.assigns(crm.DirectionBoth, "", crm.TypeOwner) }},
		{"to the left alone", func(d *desk) { d.assigns(crm.DirectionToLeft, "", crm.TypeOwner) }},
		{"the right holds addresses", func(d *desk) { d.assigns(crm.DirectionBoth, "", crm.TypeEmail) }},
		{"the right cannot be asked", func(d *desk) {
			d.assigns(crm.DirectionBoth, "", crm.TypeOwner)
			d.apps[1].users = nil
		}},
		{"somebody is not shown", func(d *desk) {
			d.assigns(crm.DirectionBoth, "", crm.TypeOwner)
			d.apps[0].hides = map[string]error{
				"u_ann":  fault.New("desk", fault.Denied, codePermission, "you may not"),
				"u_bob":  fault.New("desk", fault.Unsupported, "unsupported", "no such thing"),
				"u_none": fault.New("desk", fault.Invalid, "invalid", "no such ID"),
			}
		}},
		{"the grant is gone", func(d *desk) {
			d.assigns(crm.DirectionBoth, "", crm.TypeOwner)
			d.apps[0].hides = map[string]error{"u_bob": fault.New("desk", fault.Denied, codeReauthorize, "no more")}
		}},
		{"nobody's owner is mapped", func(d *desk) { d.s.people = nil }},
	} {
		s.play(c.name, func(d *desk) {
			people(d)
			c.lay(d)
		}, func(d *desk) (string, error) {
			var said []string
			for _, later := range []time.Duration{0, 0, nobodyFor, userFor, userFor + nobodyFor - 1, -time.Hour} {
				d.now = began.Add(later)
				before := len(d.asked)
				if later != 0 {
					d.sit()
				}
				var records []*crm.Record
				for i, name := range names {
					r := &crm.Record{ID: crm.RecordID(fmt.Sprint(i)), Fields: crm.Fields{"owner": crm.TextValue(name)}}
					records = append(records, r, nil)
				}
				if err := d.s.meet(t.Context(), crm.Left, records...); err != nil {
					return "", err
				}
				said = append(said, fmt.Sprintf("after %s asks %s", later, strings.Join(d.asked[before:], "; ")))
			}
			if d.s.people != nil {
				said = append(said, known(d))
			}
			return "\n    " + strings.Join(said, "\n    "), nil
		})
	}
	for _, c := range []struct {
		name string
		ask  func(d *desk) error
	}{
		{"of the past", func(d *desk) error {
			past := []map[string][]crm.Value{
				{"owner": {crm.TextValue("u_ann"), crm.TextValue("u_bob")}, "city": {crm.TextValue("Rome")}}, nil,
			}
			return d.s.meetPast(t.Context(), crm.Left, past)
		}},
		{"chosen by a person, and by default", func(d *desk) error {
			chosen := func(m crm.MappingID, r Resolution) *unit {
				u := &unit{side: crm.Left}
				u.resolutions = map[crm.MappingID]Resolution{m: r}
				return u
			}
			ann, nobody, cyd := crm.TextValue("Ann@example.com"), crm.TextValue("nobody"), crm.TextValue("cyd@example.com")
			return d.s.meetNamed(t.Context(), []*unit{
				{},
				chosen("owner", Resolution{Value: &ann}), chosen("owner", Resolution{Value: &nobody}),
				chosen("city", Resolution{Value: &cyd}), chosen("owner", Resolution{Side: crm.Left}),
			})
		}},
	} {
		for _, mapped := range []bool{true, false} {
			s.play(fmt.Sprintf("%s, mapped %t", c.name, mapped), func(d *desk) {
				people(d)
				if mapped {
					d.assigns(crm.DirectionBoth, "dan@example.com", crm.TypeOwner)
				}
			}, func(d *desk) (string, error) {
				if err := c.ask(d); err != nil || !mapped {
					return strings.Join(d.asked, "; "), err
				}
				return known(d) + "; " + strings.Join(d.asked, "; "), nil
			})
		}
	}
	invalid := fault.New("desk: write", fault.Invalid, "rejected", "no such user")
	unsure := *invalid
	unsure.MayHaveLanded = true
	for _, c := range []struct {
		name  string
		err   error
		owner string
		lay   func(d *desk)
	}{
		{"a user who is there", invalid, "U_ann", func(*desk) {}},
		{"a user who is gone", invalid, "U_ann", func(d *desk) { d.apps[1].users = map[string]string{} }},
		{"a user who has another number", invalid, "U_ann", func(d *desk) {
			d.apps[1].users = map[string]string{"U_ann2": "ann@example.com"}
		}},
		{"a user whom nobody asked for", invalid, "U_x", func(*desk) {}},
		{"nobody", invalid, "", func(*desk) {}},
		{"it may have landed", &unsure, "U_ann", func(d *desk) { d.apps[1].users = nil }},
		{"for another reason", fault.New("desk", fault.Conflict, "x", ""), "U_ann", func(d *desk) { d.apps[1].users = nil }},
		{"nothing is refused", nil, "U_ann", func(d *desk) { d.apps[1].users = nil }},
	} {
		s.play("refused: "+c.name, func(d *desk) {
			people(d)
			d.assigns(crm.DirectionBoth, "", crm.TypeOwner)
		}, func(d *desk) (string, error) {
			people(d)
			_, err := d.s.userOf(t.Context(), crm.Right, "ann@example.com")
			if err != nil {
				return "", err
			}
			c.lay(d)
			r := row{&unit{}, connector.Write{Fields: crm.Fields{"Owner": crm.TextValue(c.owner), "City": crm.TextValue("x")}}}
			err = d.s.refusedUsers(t.Context(), crm.Right, r, &connector.Written{Err: c.err})
			return fmt.Sprintf("without %v; %s", r.u.unassigned.Right, known(d)), err
		})
	}
	written.Check(t, "desk/users.txt", s.out.String())
}
