package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// savesFor stores changed settings, as the API does, and lets what follows begin. Who dies
// at that is not asked again: the tick and the pulls see to it.
func (b *crashBed) savesFor(fromNowOn bool, change func(*crm.Sync)) {
	b.t.Helper()
	was, _, err := store.LoadConnection(b.t.Context(), b.store, testbed.Workspace, testbed.Connection)
	if err != nil {
		b.t.Fatal(err)
	}
	c, at, err := store.LoadConnection(b.t.Context(), b.store, testbed.Workspace, testbed.Connection)
	if err != nil {
		b.t.Fatal(err)
	}
	s := &c.Syncs[0]
	s.Mappings = slices.Clone(s.Mappings)
	change(s)
	c.Version++
	c.Changes, _ = was.Apply(c, c.Version, crm.Applying{FromNowOn: fromNowOn})
	if _, err := store.SaveConnection(b.t.Context(), b.store, testbed.Workspace, c, at); err != nil {
		b.t.Fatal(err)
	}
	b.run(func(e *engine.Engine) {
		_, _ = e.SettingsChanged(b.t.Context(), testbed.Workspace, testbed.Connection) // the tick does what it does not
	})
}

// withCity switches the mapping of the city on.
func withCity(s *crm.Sync) {
	for i := range s.Mappings {
		if s.Mappings[i].ID == modelapp.City {
			s.Mappings[i].Enabled = nil
		}
	}
}

// withoutCity are settings without it.
func withoutCity(c *crm.Connection) {
	for i := range c.Syncs[0].Mappings {
		if c.Syncs[0].Mappings[i].ID == modelapp.City {
			c.Syncs[0].Mappings[i].Enabled = new(bool)
		}
	}
}

// cities gives two people who are in step other cities on either side.
func (b *crashBed) cities() {
	b.aside(func() {
		b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", "Ghent")
		b.edit(crm.Right, b.byEmail(crm.Right, ann), "city", "Lund")
		b.edit(crm.Right, b.byEmail(crm.Right, bob), "city", "Oslo")
		b.pull()
	})
}

func changings() []scenario {
	changesOnly := func(c *crm.Connection) {
		withoutCity(c)
		c.Syncs[0].Conflict = crm.ConflictLeft
	}
	return []scenario{
		{name: "from now on", change: withoutCity, act: func(b *crashBed) {
			b.cities()
			b.savesFor(true, withCity)
		}},
		{name: "from now on, and an edit after it", change: withoutCity, act: func(b *crashBed) {
			b.cities()
			b.savesFor(true, withCity)
			b.rest()
			id := b.byEmail(crm.Left, ann)
			b.edit(crm.Left, id, "city", "Bern")
			b.hook(crm.Left, connector.EventChanged, id)
		}},
		{name: "from now on, and then for all", change: changesOnly, act: func(b *crashBed) {
			b.cities()
			b.savesFor(true, withCity)
			b.rest()
			b.savesFor(false, func(s *crm.Sync) { s.Initial = "changes_only" })
			b.savesFor(false, func(s *crm.Sync) {
				for i := range s.Mappings {
					if s.Mappings[i].ID == modelapp.City {
						s.Mappings[i].Clear = crm.PerWay[bool]{ToRight: true}
					}
				}
			})
		}},
		{name: "for all that is known", change: func(c *crm.Connection) {
			changesOnly(c)
			c.Syncs[0].Initial = "changes_only"
		}, act: func(b *crashBed) {
			b.aside(func() { // they are known by their changes alone
				for side, email := range []string{ann, ann, bob} {
					side := crm.Sides[side%2]
					if email == bob {
						side = crm.Right
					}
					id := b.byEmail(side, email)
					b.edit(side, id, "first", "Of "+email)
					b.hook(side, connector.EventChanged, id)
				}
			})
			b.cities()
			b.savesFor(false, withCity)
		}},
	}
}

// changeEnds are what changings have to come to.
var changeEnds = map[string][]string{
	"from now on": {
		"left ann@example.com|Ann|Roe|Ghent|a;b deleted=false", "right ann@example.com|Ann|Roe|Lund|a;b deleted=false",
		"left bob@example.com|Bob|Doe|| deleted=false", "left city of ann@example.com: from_now_on",
		"left city of bob@example.com: from_now_on",
	},
	"from now on, and an edit after it": {
		"left ann@example.com|Ann|Roe|Bern|a;b deleted=false", "right ann@example.com|Ann|Roe|Bern|a;b deleted=false",
		"left city of bob@example.com: from_now_on",
	},
	"from now on, and then for all": {
		"right ann@example.com|Ann|Roe|Ghent|a;b deleted=false",
	},
	"for all that is known": {
		"right ann@example.com|Of ann@example.com|Roe|Ghent|a;b deleted=false",
		"left bob@example.com|Of bob@example.com|Doe|Oslo| deleted=false",
	},
}

// apartCities names the cities that are left apart, and why.
func (b *crashBed) apartCities() string {
	var lines []string
	for _, email := range []string{ann, bob} {
		id := b.byEmail(crm.Left, email)
		v, err := b.eng.GetRecord(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, id)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, f := range v.Settled {
			lines = append(lines, fmt.Sprintf("left %s of %s: %s", f.Mapping, email, f.Reason))
		}
	}
	return strings.Join(lines, "\n")
}

// TestS8_ARunOfChangedSettingsStopsAnywhereAndResumes: what differs when a mapping
// begins to hold from now on is noted, and settings are applied to all, the same
// wherever a process stops, a request fails or an answer is lost.
func TestS8_ARunOfChangedSettingsStopsAnywhereAndResumes(t *testing.T) {
	t.Parallel()
	stride := 1
	if testing.Short() {
		stride = 11
	}
	for _, sc := range changings() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			play := func(at int, mode crashMode) (end string, requests int) {
				b := newCrashBed(t, at, mode, sc.change, sc.options)
				requests = sc.playOn(b)
				runs, _, err := b.eng.ListRuns(t.Context(), testbed.Workspace, testbed.Connection, 50, "")
				if err != nil {
					t.Fatal(err)
				}
				changed := false
				for _, r := range runs {
					changed = changed || r.Kind == engine.RunChange && r.State == engine.RunDone
				}
				return fmt.Sprintf("%s\n%s\nby a run of changed settings: %v", b.final(), b.apartCities(), changed), requests
			}
			want, requests := play(-1, dieBefore)
			for _, end := range append(slices.Clone(changeEnds[sc.name]), "by a run of changed settings: true") {
				if !strings.Contains(want, end) {
					t.Errorf("ends with:\n%s\nwant %s", want, end)
				}
			}
			points, survived := everywhere(t, want, requests, stride, func(at int, mode crashMode) string {
				got, _ := play(at, mode)
				return got
			})
			t.Logf("%d of %d stops survived", survived, points)
		})
	}
}
