package app

import (
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// texts are mapped texts, by side, in the order of the mappings below.
var texts = [2][]string{
	{"jobtitle", "company", "zip", "notes_text", "city"}, {
		"Title", "Company__c", "MailingPostalCode", "Description",
		"MailingCity",
	},
}

// withTexts adds mappings of some more texts to the document.
var withTexts = [2]string{`"mappings":[`, `"mappings":[
	{"id":"company","left":["company"],"right":["Company__c"]},
	{"id":"zip","left":["zip"],"right":["MailingPostalCode"]},
	{"id":"notes","left":["notes_text"],"right":["Description"]},`}

// is demands what a record holds in a field.
func (l *live) is(side crm.Side, id, field, want string) {
	l.t.Helper()
	if got := l.held(side, id)[field]; got != want {
		l.t.Errorf("%s %s: %s is %q, want %q", side, id, field, got, want)
	}
}

// settledAs is the reason for which a mapping of a record is settled.
func (l *live) settledAs(side crm.Side, id string, m crm.MappingID) crm.Reason {
	l.t.Helper()
	for _, s := range l.view(side, id).Settled {
		if s.Mapping == m {
			return s.Reason
		}
	}
	return ""
}

// ids are somebody's records on both sides.
func (l *live) ids(who string) (ids [2]string) {
	l.t.Helper()
	return [2]string{l.twin(crm.Left, who), l.twin(crm.Right, who)}
}

// writes counts the calls that changed records of an app.
func (l *live) writes(side crm.Side) (n int) {
	core, _ := l.core(side)
	for path, count := range core.Requests().ByEndpoint {
		if strings.Contains(path, "/batch/update") || strings.HasPrefix(path, "PATCH ") {
			n += count
		}
	}
	return n
}

// TestS33_RefusedOneAfterTheOtherOverTheAPI: an app names one bad value at a
// time, more than a row is written anew for. All else of the record gets across
// with the same pull, each bad value is found in the log by itself, nothing is
// tried again by itself before a day is over, and then everything arrives.
func TestS33_RefusedOneAfterTheOtherOverTheAPI(t *testing.T) {
	t.Parallel()
	for _, target := range crm.Sides {
		t.Run("to the "+string(target), func(t *testing.T) {
			t.Parallel()
			onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
				source := target.Other()
				from, to := source.Index(), target.Index()
				l.person(crm.Left, "a")
				l.connect(withTexts)
				l.start()
				ids := l.ids("a")
				core, object := l.core(target)
				var rules []fakekit.Validation
				for _, f := range texts[to][:3] {
					rules = append(rules, fakekit.Validation{Object: object, Field: f, Contains: "Nope", Names: []string{f}})
				}
				if err := core.SetValidations(rules); err != nil {
					t.Fatal(err)
				}
				for _, f := range texts[from][:3] {
					l.edit(source, ids[from], f, "Nope")
				}
				l.edit(source, ids[from], texts[from][3], "Fine")
				l.edit(target, ids[to], texts[to][4], "Ghent")
				l.pull()
				for _, f := range texts[to][:3] {
					l.is(target, ids[to], f, "")
				}
				l.is(target, ids[to], texts[to][3], "Fine")
				l.is(source, ids[from], texts[from][4], "Ghent")
				told := map[crm.MappingID]bool{}
				for _, e := range each[engine.Entry](l, "/v1/log?event=failed&record="+ids[from]) {
					for _, d := range e.Diffs {
						if d.Rule == "refused" {
							told[d.Mapping] = true
						}
					}
				}
				for _, m := range []crm.MappingID{"title", "company", "zip"} {
					if why := l.settledAs(source, ids[from], m); why != crm.ReasonRefused || !told[m] {
						t.Errorf("%s is settled as %q, in the log: %t", m, why, told[m])
					}
				}
				if v := l.view(source, ids[from]); v.State != crm.StateFailing || v.Code != "field_failed" {
					t.Errorf("the record is %s, %s", v.State, v.Code)
				}
				before := l.writes(target)
				l.pull()
				l.pull()
				l.run("POST", l.sync+"/resync", nil)
				if n := l.writes(target) - before; n > 0 {
					t.Errorf("%d more writes without a reason", n)
				}
				if err := core.SetValidations(nil); err != nil {
					t.Fatal(err)
				}
				l.move(25 * time.Hour)
				l.pull()
				l.pull()
				for _, f := range texts[to][:3] {
					l.is(target, ids[to], f, "Nope")
				}
				if v := l.view(source, ids[from]); v.State != crm.StateInSync {
					t.Errorf("in the end the record is %s, %s", v.State, v.Code)
				}
			})
		})
	}
}

// TestS33_ExchangedAddressesOverTheAPI: two linked people exchange an address or
// come to share one. Both say so, all else of them goes on, nobody is made, and
// it mends itself when the address is free.
func TestS33_ExchangedAddressesOverTheAPI(t *testing.T) {
	t.Parallel()
	for name, share := range map[string]bool{"exchanged": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
				l.person(crm.Left, "a")
				l.person(crm.Left, "b")
				l.connect()
				l.start()
				a, b := l.ids("a"), l.ids("b")
				l.edit(crm.Right, a[1], "Email", "b@example.com")
				if !share {
					l.edit(crm.Right, b[1], "Email", "a@example.com")
				}
				l.edit(crm.Right, a[1], "Title", "Cooper")
				l.edit(crm.Right, b[1], "Title", "Weaver")
				l.pull()
				l.is(crm.Left, a[0], "jobtitle", "Cooper")
				l.is(crm.Left, b[0], "jobtitle", "Weaver")
				if v := l.view(crm.Left, a[0]); v.State != crm.StateFailing || !strings.Contains(v.Detail, "already_exists") {
					t.Errorf("the first is %s, %s, %q; want failing for a taken address", v.State, v.Code, v.Detail)
				}
				l.edit(crm.Left, a[0], "city", "Lund")
				l.edit(crm.Right, b[1], "MailingCity", "Kiel")
				l.pull()
				l.is(crm.Right, a[1], "MailingCity", "Lund")
				l.is(crm.Left, b[0], "city", "Kiel")
				l.is(crm.Right, a[1], "Email", "b@example.com")
				l.edit(crm.Right, b[1], "Email", "c@example.com")
				l.pull()
				l.move(25 * time.Hour)
				l.pull()
				l.pull()
				for side, field := range []string{"email", "Email"} {
					l.is(crm.Sides[side], a[side], field, "b@example.com")
					l.is(crm.Sides[side], b[side], field, "c@example.com")
				}
				if n := [2]int{l.living(crm.Left), l.living(crm.Right)}; n != [2]int{2, 2} {
					t.Errorf("%v people, want two each", n)
				}
				for _, id := range []string{a[0], b[0]} {
					if v := l.view(crm.Left, id); v.State != crm.StateInSync {
						t.Errorf("%s is %s, %s", id, v.State, v.Code)
					}
				}
			})
		})
	}
}
