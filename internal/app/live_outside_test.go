package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// rests demands that two pulls do nothing more, and that a resync writes nothing.
func (l *live) rests() {
	l.t.Helper()
	for range 2 {
		r := l.pull()
		if n := r.Outcomes[crm.Created] + r.Outcomes[crm.Updated] + r.Outcomes[crm.Failed]; n != 0 {
			l.t.Errorf("a pull still does something: %v", r.Outcomes)
		}
	}
	before := [2]int{l.writes(crm.Left), l.writes(crm.Right)}
	l.run("POST", l.sync+"/resync", nil)
	if after := [2]int{l.writes(crm.Left), l.writes(crm.Right)}; after != before {
		l.t.Errorf("a resync writes: %v calls, were %v", after, before)
	}
}

// TestS2_ValuesAsPeopleTypeThem: leading zeros, digits that are no number, emoji,
// right-to-left text, markup, quotes, line ends, words that look like nothing:
// each arrives as it was typed, stays so at its source, and comes to rest.
func TestS2_ValuesAsPeopleTypeThem(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		values := []string{
			"01234", "007", "+1e5", "1,234.50", "🦄 Cook 👩‍👩‍👧", "مدير \u200fتسويق", "<b>Boss</b> &amp; <i>x</i>",
			`O'Neil "x" \ y`, "=1+1", "100% %20",
			"null", "undefined", "N/A", "-", "true", "0", "Ünïcödé GmbH & Co. KG", "日本語 テスト", "a  b", "A\u00a0B", "line\nbreak",
			"𝔘𝔫𝔦", "İstanbul", "ß",
		}
		ids := map[string][2]string{}
		for i, v := range values {
			for side, s := range crm.Sides {
				who := fmt.Sprintf("%s%d", s, i)
				l.person(s, who, texts[side][3], v)
			}
		}
		l.connect(withTexts)
		l.start()
		check := func(when string) {
			t.Helper()
			for i, v := range values {
				for _, s := range crm.Sides {
					who := fmt.Sprintf("%s%d", s, i)
					if _, known := ids[who]; !known {
						ids[who] = l.ids(who)
					}
					for side, id := range ids[who] {
						if got := l.held(crm.Sides[side], id)[texts[side][3]]; got != v {
							t.Errorf("%s: %q from the %s is %q on the %s", when, v, s, got, crm.Sides[side])
						}
					}
				}
			}
		}
		check("created")
		l.rests()
		check("at rest")
		for _, id := range ids { // the same again, as an update
			l.edit(crm.Left, id[0], texts[0][1], l.held(crm.Left, id[0])[texts[0][3]])
		}
		l.pull()
		for _, id := range ids {
			if l.held(crm.Right, id[1])[texts[1][1]] != l.held(crm.Left, id[0])[texts[0][3]] {
				t.Errorf("%q arrived as %q by an update", l.held(crm.Left, id[0])[texts[0][3]],
					l.held(crm.Right, id[1])[texts[1][1]])
			}
		}
		l.rests()
	})
}

// TestS35_AppsRoundAndCutOverTheAPI: one app rounds a number and cuts a text. The
// other one keeps what its users typed, nothing goes to and fro, and what a user
// of the first types afterwards travels.
func TestS35_AppsRoundAndCutOverTheAPI(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.person(crm.Left, "a", "score", "10.4")
		l.connect(withTexts, [2]string{
			`"mappings":[`, `"mappings":[{"id":"score","left":["score"],"right":["Score__c"],"transform":{"type":"number"}},`,
		})
		rules := []fakekit.Rewrite{
			{Object: "Contact", Field: "Score__c", How: "round"}, {
				Object: "Contact", Field: "Description", How: "cut",
				Value: "10",
			},
		}
		if err := l.force.Core().SetRewrites(rules); err != nil {
			t.Fatal(err)
		}
		l.start()
		ids := l.ids("a")
		l.edit(crm.Left, ids[0], "notes_text", "A very long text indeed")
		l.pull()
		l.pull()
		l.is(crm.Left, ids[0], "score", "10.4")
		l.is(crm.Left, ids[0], "notes_text", "A very long text indeed")
		l.is(crm.Right, ids[1], "Score__c", "10")
		l.is(crm.Right, ids[1], "Description", "A very lon")
		l.rests()
		l.edit(crm.Right, ids[1], "Score__c", "12")
		l.edit(crm.Right, ids[1], "Description", "Mine")
		l.pull()
		l.is(crm.Left, ids[0], "score", "12")
		l.is(crm.Left, ids[0], "notes_text", "Mine")
		l.rests()
	})
}

// TestS35_KeptValuesAreAskedAbout: an app says yes to a value and keeps its own,
// or its blank. The pair is in conflict, both values stay as they are, nothing is
// written again, and a person decides.
func TestS35_KeptValuesAreAskedAbout(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides {
		for _, old := range []string{"Old", ""} {
			t.Run(fmt.Sprintf("%s keeps %q", side, old), func(t *testing.T) {
				t.Parallel()
				onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
					l.person(crm.Left, "a", "jobtitle", old)
					l.connect()
					l.start()
					ids, source := l.ids("a"), side.Other()
					core, object := l.core(side)
					from, to := texts[source.Index()][0], texts[side.Index()][0]
					if err := core.SetRewrites([]fakekit.Rewrite{
						{Object: object, Field: to, How: "keep", APIOnly: true},
					}); err != nil {
						t.Fatal(err)
					}
					l.edit(source, ids[source.Index()], from, "New")
					l.pull()
					l.pull() // what Salesforce stored shows in its next listing
					v := l.view(source, ids[source.Index()])
					if v.State != crm.StateConflict || v.Code != "changed_by_app" ||
						l.settledAs(source, ids[source.Index()], "title") != crm.ReasonChangedByApp {
						t.Errorf("the pair is %s, %s: %+v; want a conflict about what the app kept", v.State, v.Code, v.Settled)
					}
					l.is(source, ids[source.Index()], from, "New")
					l.is(side, ids[side.Index()], to, old)
					if n := len(each[engine.Entry](l, "/v1/log?code=changed_by_app")); n != 1 {
						t.Errorf("%d entries tell of it, want 1", n)
					}
					before := l.writes(side)
					l.pull()
					l.run("POST", l.sync+"/resync", nil)
					if l.writes(side) != before {
						t.Error("it is written again")
					}
					l.run("POST", l.record(source, ids[source.Index()])+"/resolve", map[string]any{
						"fields": map[string]string{"title": string(side)},
					})
					l.is(source, ids[source.Index()], from, old)
					if v := l.view(source, ids[source.Index()]); v.State != crm.StateInSync {
						t.Errorf("resolved, the pair is %s, %s", v.State, v.Code)
					}
				})
			})
		}
	}
}

// TestS16_DeletedAndMadeAgain: somebody is deleted and added anew under the
// same address, and no app tells of the deletion. The new record is linked to the
// twin of the old one, which is looked at because it stands in the way.
func TestS16_DeletedAndMadeAgain(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides {
		t.Run(string(side), func(t *testing.T) {
			t.Parallel()
			onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
				for i := range 10 {
					l.person(side, fmt.Sprintf("p%d", i))
				}
				l.connect()
				l.start()
				l.pull()
				core, object := l.core(side)
				twin := l.twin(side.Other(), "p1")
				if err := core.DeleteRecord(object, l.twin(side, "p1")); err != nil {
					t.Fatal(err)
				}
				fresh := l.person(side, "p1", [2]string{"jobtitle", "Title"}[side.Index()], "Fresh")
				for range 2 {
					l.pull()
					l.move(time.Minute) // deletions are weighed before they are applied
					l.round()
					l.drain()
				}
				if v := l.view(side, fresh); v.State != crm.StateInSync || string(v.Partner) != twin {
					t.Errorf("the new one is %s, %s, with %q; want %s", v.State, v.Code, v.Partner, twin)
				}
				l.is(side.Other(), twin, [2]string{"jobtitle", "Title"}[side.Other().Index()], "Fresh")
				if n := l.living(side.Other()); n != 10 {
					t.Errorf("%d people on the other side, want 10", n)
				}
				l.rests()
			})
		})
	}
}
