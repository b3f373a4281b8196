package app

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// mergeForm is an app that merges in one of its forms.
type mergeForm struct {
	side   crm.Side
	merges hubspotfake.Merges
}

var liveMergeForms = map[string]mergeForm{
	"HubSpot, new record":               {crm.Left, hubspotfake.Merges{}},
	"HubSpot, new record, old IDs gone": {crm.Left, hubspotfake.Merges{OldIDsGone: true}},
	"HubSpot, same ID":                  {crm.Left, hubspotfake.Merges{KeepID: true}},
	"HubSpot, same ID, old IDs gone":    {crm.Left, hubspotfake.Merges{KeepID: true, OldIDsGone: true}},
	"Salesforce":                        {crm.Right, hubspotfake.Merges{}},
}

// mergeTold are the ways in which the program hears of a merge.
var mergeTold = []string{"webhooks", "webhooks out of order", "a pull", "both", "a resync"}

// eachLiveMerge runs a test for everything that can be merged, in every form and
// with every way to hear of it: people in all of them, other things told of in
// both ways. The storage matters little: people who are told of in both ways
// are merged on either.
func eachLiveMerge(t *testing.T, test func(l *thingsLive, side crm.Side, tell func())) {
	for _, form := range slices.Sorted(maps.Keys(liveMergeForms)) {
		f := liveMergeForms[form]
		for _, how := range mergeTold {
			if testing.Short() && how != "both" {
				continue // how it is told changes nothing about which goroutines meet
			}
			t.Run("people, "+form+", "+how, func(t *testing.T) {
				t.Parallel()
				one := func(t *testing.T, o Options) {
					mergedLive(launched(t, o, engine.Tuning{}).about("people"), f, how, test)
				}
				if how == "both" {
					onEachStore(t, one)
				} else {
					one(t, Options{DataDir: t.TempDir()})
				}
			})
		}
		for _, name := range []string{"companies", "deals"} {
			if name == "deals" && f.side == crm.Right {
				continue // Salesforce merges no opportunities
			}
			t.Run(name+", "+form, func(t *testing.T) {
				t.Parallel()
				mergedLive(launched(t, Options{DataDir: t.TempDir()}, engine.Tuning{}).about(name), f, "both", test)
			})
		}
	}
}

func mergedLive(l *thingsLive, f mergeForm, how string, test func(l *thingsLive, side crm.Side, tell func())) {
	l.t.Helper()
	l.hub.SetMerges(f.merges)
	l.join()
	if how != "a pull" && how != "a resync" {
		w := fakekit.Webhooks{}
		if how == "webhooks out of order" {
			w.Reorder, w.Duplicate = 0.9, 0.5
		}
		l.hooked(f.side, w)
		l.hooked(f.side.Other(), fakekit.Webhooks{})
	}
	test(l, f.side, func() {
		switch how {
		case "a resync":
			l.run("POST", l.live.sync+"/resync", nil)
		case "a pull":
			l.pull()
		case "both":
			l.deliver(f.side)
			l.pull()
		default:
			l.deliver(f.side)
			l.deliver(f.side.Other())
		}
	})
}

// merge merges loser into primary as a user does, and returns the survivor.
func (l *thingsLive) merge(side crm.Side, loser, primary string) string {
	l.t.Helper()
	core, object := l.core(side)
	r, err := core.MergeRecord(object, loser, primary)
	if err != nil {
		l.t.Fatal(err)
	}
	return r.ID
}

// rests demands that nothing more is written or made.
func (l *thingsLive) rests() {
	l.t.Helper()
	for range 2 {
		r := l.pull()
		if n := r.Outcomes[crm.Created] + r.Outcomes[crm.Updated] + r.Outcomes[crm.Failed]; n != 0 {
			l.t.Errorf("a pull still does something: %v", r.Outcomes)
		}
	}
	r := l.run("POST", l.live.sync+"/resync", nil)
	if n := r.Outcomes[crm.Created] + r.Outcomes[crm.Updated] + r.Outcomes[crm.Failed]; n != 0 {
		l.t.Errorf("a resync still does something: %v", r.Outcomes)
	}
}

// linked makes something on a side and has it synced; told whether webhooks say so.
func (l *thingsLive) linked(side crm.Side, who, note, more string) (id, twin string) {
	l.t.Helper()
	id = l.add(side, who, note, more)
	l.deliver(side)
	l.pull()
	return id, l.partner(side, id)
}

// together demands that the survivor and a twin are in step and hold notes.
func (l *thingsLive) together(side crm.Side, survivor, twin, note string) {
	l.t.Helper()
	if got := l.partner(side, survivor); got != twin {
		l.t.Errorf("the survivor is linked to %s, want %s", got, twin)
	}
	for _, r := range []struct {
		side crm.Side
		id   string
	}{{side, survivor}, {side.Other(), twin}} {
		if got := l.held(r.side, r.id)[l.note[r.side.Index()]]; got != note {
			l.t.Errorf("the note of %s %s is %q, want %q", r.side, r.id, got, note)
		}
	}
}

// TestS36_LinkedMergedOverTheAPI: two linked records are merged. The primary's
// twin stays with its values, that of the other is left as it is and listed, and
// all old IDs lead to the survivor's pair.
func TestS36_LinkedMergedOverTheAPI(t *testing.T) {
	t.Parallel()
	eachLiveMerge(t, func(l *thingsLive, side crm.Side, tell func()) {
		loser, lost := l.linked(side, "loser", "of the loser", "1")
		primary, twin := l.linked(side, "primary", "of the primary", "2")
		before, n := l.held(side.Other(), lost), l.living(side.Other())
		survivor := l.merge(side, loser, primary)
		l.edit(side.Other(), twin, l.more[side.Other().Index()], "3") // between the merge and the news of it
		tell()
		l.pull()
		l.together(side, survivor, twin, "of the primary")
		if got := l.held(side, survivor)[l.more[side.Index()]]; got != "3" {
			l.t.Errorf("what was edited meanwhile arrived as %q", got)
		}
		if got := l.held(side.Other(), lost); fmt.Sprint(got) != fmt.Sprint(before) || l.living(side.Other()) != n {
			l.t.Errorf("the loser's partner is %v, was %v; %d of %d records", got, before, l.living(side.Other()), n)
		}
		if v := l.view(side.Other(), lost); v.State != crm.StateDuplicate ||
			!slices.Equal(v.Others, []crm.RecordID{crm.RecordID(twin)}) {
			l.t.Errorf("the loser's partner is %s (%s) of %v, want a duplicate of %s", v.State, v.Code, v.Others, twin)
		}
		for _, id := range []string{loser, primary} {
			if got := l.partner(side, id); got != twin {
				l.t.Errorf("%s leads to %s, want %s", id, got, twin)
			}
			if got := l.must(200, "GET", l.record(side, id)+"/explain", nil); got["partner"] != twin {
				l.t.Errorf("explain of %s: %v", id, got)
			}
			found := 0
			for _, v := range each[map[string]any](l.live, l.live.sync+"/records?q="+id) {
				if v["partner"] == twin {
					found++
				}
			}
			if found == 0 {
				l.t.Errorf("records?q=%s does not find the survivor's pair", id)
			}
		}
		l.rests()
	})
}

// TestS36_OneLinkedMergedOverTheAPI: one of the two has a twin, which follows
// the survivor with its base, whichever of them it was.
func TestS36_OneLinkedMergedOverTheAPI(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"the loser", "the primary"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			eachLiveMerge(t, func(l *thingsLive, side crm.Side, tell func()) {
				linked, twin := l.linked(side, "linked", "of the linked", "1")
				other := l.add(side, "other", "of the other", "")
				n := l.living(side.Other())
				loser, primary, note := linked, other, "of the other"
				if which == "the primary" {
					loser, primary, note = other, linked, "of the linked"
				}
				survivor := l.merge(side, loser, primary)
				l.edit(side.Other(), twin, l.more[side.Other().Index()], "3")
				tell()
				l.pull()
				l.together(side, survivor, twin, note)
				if m := l.living(side.Other()); m != n {
					l.t.Errorf("%d records on the other side, want %d", m, n)
				}
				l.rests()
			})
		})
	}
}

// TestS36_ChainsOverTheAPI: C is merged into B and B into A, or two into one.
func TestS36_ChainsOverTheAPI(t *testing.T) {
	t.Parallel()
	for _, shape := range []string{"a chain", "three into one"} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			eachLiveMerge(t, func(l *thingsLive, side crm.Side, tell func()) {
				a, twin := l.linked(side, "a", "of a", "1")
				b, lostB := l.linked(side, "b", "of b", "2")
				c, lostC := l.linked(side, "c", "of c", "3")
				var survivor string
				if shape == "a chain" {
					survivor = l.merge(side, l.merge(side, c, b), a)
				} else {
					survivor = l.merge(side, c, l.merge(side, b, a))
				}
				tell()
				l.pull()
				l.together(side, survivor, twin, "of a")
				for id, note := range map[string]string{lostB: "of b", lostC: "of c"} {
					if got := l.held(side.Other(), id)[l.note[side.Other().Index()]]; got != note {
						l.t.Errorf("the partner %s of a loser has the note %q, want %q", id, got, note)
					}
					if v := l.view(side.Other(), id); v.State != crm.StateDuplicate ||
						!slices.Equal(v.Others, []crm.RecordID{crm.RecordID(twin)}) {
						l.t.Errorf("the partner %s of a loser is %s (%s) of %v, want a duplicate of %s", id, v.State, v.Code, v.Others,
							twin)
					}
				}
				for _, id := range []string{a, b, c} {
					if got := l.partner(side, id); got != twin {
						l.t.Errorf("%s leads to %s, want %s", id, got, twin)
					}
				}
				l.rests()
			})
		})
	}
}
