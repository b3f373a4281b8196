package engine_test

import (
	"encoding/json"
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

// swapped is the crash document with first and last name mapped crosswise, one way.
func swapped(c *crm.Connection) {
	s := &c.Syncs[0]
	s.Direction, s.Mappings = crm.DirectionToRight, slices.Clone(s.Mappings)
	for i := range s.Mappings {
		switch m := &s.Mappings[i]; m.ID {
		case modelapp.First:
			m.Right = []string{"r_" + modelapp.Last}
		case modelapp.Last:
			m.Right = []string{"r_" + modelapp.First}
		}
	}
}

// saves changes what is stored of the connection, as the API does.
func (b *crashBed) saves(fromNowOn bool, change func(*crm.Connection)) {
	b.t.Helper()
	c, at, err := store.LoadConnection(b.t.Context(), b.store, testbed.Workspace, testbed.Connection)
	if err != nil {
		b.t.Fatal(err)
	}
	next := *c
	next.Syncs = slices.Clone(c.Syncs)
	change(&next)
	next.Version++
	next.Changes, _ = c.Apply(&next, next.Version, crm.Applying{FromNowOn: fromNowOn})
	if _, err := store.SaveConnection(b.t.Context(), b.store, testbed.Workspace, &next, at); err != nil {
		b.t.Fatal(err)
	}
}

// names are first and last name of a record as its app holds them.
func (b *crashBed) names(side crm.Side, id crm.RecordID) string {
	app := b.apps[side.Index()]
	for _, r := range app.Rows() {
		if r.ID == id {
			return r.Fields[app.Name(modelapp.First)].Text() + " " + r.Fields[app.Name(modelapp.Last)].Text()
		}
	}
	return "nobody"
}

// revisions are what the links remember of first and last name, by revision: a
// pair of them for each link.
func (b *crashBed) revisions() (out []string) {
	b.t.Helper()
	for shard := range 16 {
		q := store.Query{
			Table: store.Links, Workspace: testbed.Workspace, Limit: 100,
			Partition: fmt.Sprintf("l#%s#%s#%02d", testbed.Connection, testbed.Contacts, shard),
		}
		page, err := b.store.Query(b.t.Context(), q)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, it := range page.Items {
			var l struct {
				Base map[crm.MappingID]struct {
					R string `json:"r"`
				} `json:"b"`
			}
			if json.Unmarshal(it.Data, &l) == nil && len(l.Base) > 0 {
				out = append(out, l.Base[modelapp.First].R+" "+l.Base[modelapp.Last].R)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestS26_OneRecordIsWorkedUnderOneVersion saves crossed mappings at every request
// of a lot in which both names of a record travel, with and without the worker's
// death at a later one. Whatever the record holds at any moment, and whatever is
// remembered of it, comes from one version of the settings.
func TestS26_OneRecordIsWorkedUnderOneVersion(t *testing.T) {
	t.Parallel()
	reached := 0
	for _, fromNowOn := range []bool{false, true} {
		for _, dies := range []int{-1, 2} {
			for at := 0; ; at++ {
				b := newCrashBed(t, -1, dieAfter, func(c *crm.Connection) { c.Syncs[0].Direction = crm.DirectionToRight }, nil)
				b.begin(false)
				straight := b.revisions()
				if len(straight) != 1 {
					t.Fatalf("the links remember %v", straight)
				}
				id, twin := b.byEmail(crm.Left, ann), b.byEmail(crm.Right, ann)
				b.count = 0
				saved := false
				var mixed []string
				look := func() {
					for _, side := range []crm.RecordID{twin} {
						got := b.names(crm.Right, side)
						if !slices.Contains([]string{"Ann Roe", "Nan Loe", "Loe Nan", "Roe Ann"}, got) {
							mixed = append(mixed, got)
						}
					}
					for _, r := range b.revisions() {
						own := r == straight[0]
						first, last, _ := strings.Cut(r, " ")
						was, is, _ := strings.Cut(straight[0], " ")
						if !own && (first == was || last == is) {
							mixed = append(mixed, "revisions "+r)
						}
					}
				}
				b.meanwhile = func(n int) {
					look()
					if n == at && !saved {
						saved = true
						b.saves(fromNowOn, swapped)
						if dies >= 0 {
							b.at = n + dies
						}
					}
				}
				b.edit(crm.Left, id, "first", "Nan", "last", "Loe")
				b.hook(crm.Left, connector.EventChanged, id)
				b.rest()
				look()
				b.meanwhile = nil
				if !saved {
					break
				}
				reached++
				b.resync()
				b.rest()
				if len(mixed) > 0 {
					t.Fatalf("saved before request %d, from now on %t, died %d later: %v", at, fromNowOn, dies, mixed)
				}
				if got := b.names(crm.Right, twin); !fromNowOn && got != "Loe Nan" {
					t.Fatalf("saved before request %d for all, died %d later: in the end it is %q", at, dies, got)
				}
			}
		}
	}
	if reached < 100 {
		t.Errorf("only %d moments were looked at", reached)
	}
}

// TestS26_WhatWasMadeUnderOtherSettingsIsFound: a record without a key is made, its
// maker dies, and the settings are changed before somebody looks what landed. It is
// not made once more because its names mean something else by now.
func TestS26_WhatWasMadeUnderOtherSettingsIsFound(t *testing.T) {
	t.Parallel()
	reached := 0
	for at := 0; ; at++ {
		b := newCrashBed(t, at, dieAfter, func(c *crm.Connection) {
			c.Syncs[0].Direction, c.Syncs[0].AvoidDuplicates = crm.DirectionToRight, new(false)
		}, nil)
		b.begin(false)
		b.count = 0
		saved := false
		b.meanwhile = func(int) {
			if b.died && !saved {
				saved = true
				b.saves(false, swapped)
			}
		}
		id := b.create(crm.Left, "first", "Zed", "last", "Zee", "city", "Ghent")
		b.hook(crm.Left, connector.EventChanged, id)
		b.rest()
		b.resync()
		b.rest()
		if !b.died {
			break
		}
		reached++
		n := 0
		for _, r := range b.apps[1].Rows() {
			name := b.names(crm.Right, r.ID)
			if name == "Zed Zee" || name == "Zee Zed" {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("after a death at request %d it is there %d times", at, n)
		}
	}
	if reached < 10 {
		t.Errorf("only %d deaths were looked at", reached)
	}
}

// TestS26_NobodyWorksUnderOlderSettingsAfterNewer: a worker read the connection, and
// before it takes the sync's lease somebody else has worked under newer settings.
// It begins anew under those.
func TestS26_NobodyWorksUnderOlderSettingsAfterNewer(t *testing.T) {
	t.Parallel()
	b := newCrashBed(t, -1, dieAfter, func(c *crm.Connection) { c.Syncs[0].Direction = crm.DirectionToRight }, nil)
	b.begin(false)
	id, twin := b.byEmail(crm.Left, ann), b.byEmail(crm.Right, ann)
	saved := false
	var wrong []string
	b.meanwhile = func(int) {
		if saved && b.names(crm.Right, twin) == "Nan Loe" {
			wrong = append(wrong, b.names(crm.Right, twin))
		}
	}
	b.before = func(what string) {
		if what != "store get lease" || saved {
			return
		}
		saved = true
		b.saves(false, swapped)
		key := store.Key{
			Table: store.Links, Workspace: testbed.Workspace, Sort: "lease",
			Partition: fmt.Sprintf("h#%s#%s", testbed.Connection, testbed.Contacts),
		}
		item, err := b.store.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		var l map[string]any
		if err := json.Unmarshal(item.Data, &l); err != nil {
			t.Fatal(err)
		}
		l["cfg"] = 2
		if item.Data, err = json.Marshal(l); err != nil {
			t.Fatal(err)
		}
		if _, err := b.store.Write(t.Context(), store.Write{Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	b.edit(crm.Left, id, "first", "Nan", "last", "Loe")
	b.hook(crm.Left, connector.EventChanged, id)
	b.rest()
	if !saved || !b.marks["settings_outdated"] {
		t.Fatalf("nobody met newer settings: %v", saved)
	}
	if got := b.names(crm.Right, twin); len(wrong) > 0 || got != "Loe Nan" {
		t.Errorf("it was written under the older settings: %v, %q", wrong, got)
	}
}

// TestASaveNamesTheRunsOfItsSettings: whoever was faster, and whether the run is
// over by then; never one of another kind.
func TestASaveNamesTheRunsOfItsSettings(t *testing.T) {
	t.Parallel()
	for _, fromNowOn := range []bool{false, true} {
		want := map[bool]engine.RunKind{false: engine.RunResync, true: engine.RunChange}[fromNowOn]
		for _, before := range []string{"nothing", "the tick", "the run", "a pull"} {
			b := newCrashBed(t, -1, dieAfter, func(c *crm.Connection) { c.Syncs[0].Direction = crm.DirectionToRight }, nil)
			b.begin(false)
			if before == "a pull" {
				if _, err := b.eng.StartRun(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
					engine.RunPull); err != nil {
					t.Fatal(err)
				}
			}
			b.saves(fromNowOn, swapped)
			switch before {
			case "the tick":
				if err := b.eng.Tick(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
			case "the run":
				b.rest()
			}
			runs, err := b.eng.SettingsChanged(t.Context(), testbed.Workspace, testbed.Connection)
			if before == "a pull" {
				if err != nil || len(runs) != 0 {
					t.Errorf("%t, after %s: named %+v, %v, want none: it begins after that", fromNowOn, before, runs, err)
				}
				continue
			}
			if err != nil || len(runs) != 1 || runs[0].Kind != want {
				t.Errorf("%t, after %s: named %+v, %v, want a %s", fromNowOn, before, runs, err, want)
			}
		}
	}
}
