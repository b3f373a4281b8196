package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// makesNotes is the request that makes notes in HubSpot.
const makesNotes = "app POST /crm/v3/objects/notes/batch/create"

// inStep starts with two people who are in step.
func (n *noteBed) inStep() {
	n.t.Helper()
	for _, side := range crm.Sides {
		n.person(side, ann)
		n.person(side, bob)
	}
	n.start()
	n.rest()
	n.pullAll()
}

// pullNotes makes the schedule of the activities alone fire.
func (n *noteBed) pullNotes() {
	n.now = n.now.Add(5 * time.Minute)
	n.run(func(e *engine.Engine) {
		if err := e.Pull(n.t.Context(), testbed.Workspace, testbed.Connection, notes); err != nil {
			n.t.Error(err)
		}
	})
	n.rest()
}

// demands holds the end to lines.
func (n *noteBed) demands(lines ...string) {
	n.t.Helper()
	end := n.end()
	for _, line := range lines {
		if !strings.Contains(end, line) {
			n.t.Errorf("ends with:\n%s\nwant %s", end, line)
		}
	}
}

// TestS1_ActivitiesOfTheFirstMomentsCome: what is noted between the moment in which
// activities are switched on and the one in which their first run begins is new.
func TestS1_ActivitiesOfTheFirstMomentsCome(t *testing.T) {
	t.Parallel()
	n := newNoteBed(t, -1, dieBefore, func(s *crm.Sync) { s.Activities.Enabled = false })
	for _, side := range crm.Sides {
		n.person(side, ann)
	}
	n.start()
	n.rest()
	n.note(crm.Left, "before", ann)
	n.now = n.now.Add(time.Minute)

	was, _, err := store.LoadConnection(t.Context(), n.store, testbed.Workspace, testbed.Connection)
	if err != nil {
		t.Fatal(err)
	}
	c, at, err := store.LoadConnection(t.Context(), n.store, testbed.Workspace, testbed.Connection)
	if err != nil {
		t.Fatal(err)
	}
	c.Syncs[0].Activities.Enabled = true
	c.Begin(was, n.now)
	c.Version++
	c.Changes, _ = was.Apply(c, c.Version, crm.Applying{})
	if _, err := store.SaveConnection(t.Context(), n.store, testbed.Workspace, c, at); err != nil {
		t.Fatal(err)
	}
	n.note(crm.Left, "from here", ann)
	n.note(crm.Right, "from there", ann)
	n.now = n.now.Add(10 * time.Minute)
	n.pullAll()
	n.demands(`right note "from here" about ann@example.com deleted=false`,
		`left note "from there" about ann@example.com deleted=false`)
	if end := n.end(); strings.Contains(end, `right note "before"`) {
		t.Errorf("what is older came as well:\n%s", end)
	}
}

// TestS1_NoActivityIsMadeAboutNobody: an app that would not make an activity about the
// twin of whom it is about makes none; as soon as the link follows the merge that took
// the twin away, the activity comes by itself.
func TestS1_NoActivityIsMadeAboutNobody(t *testing.T) {
	t.Parallel()
	n := newNoteBed(t, -1, dieBefore, nil)
	n.inStep()
	into := n.person(crm.Right, "")
	if _, err := n.force.Core().MergeRecord("Contact", string(n.contact(crm.Right, ann)), string(into)); err != nil {
		t.Fatal(err)
	}
	n.note(crm.Left, "hello", ann)
	n.pullNotes()
	n.demands(`link left "hello" = "" failing`)
	if end := n.end(); strings.Contains(end, "right note") {
		t.Errorf("it was made about nobody:\n%s", end)
	}

	n.pull()
	n.rest()
	n.now = n.now.Add(2 * time.Minute)
	n.rest()
	n.demands(`right note "hello" about ann@example.com deleted=false`, `link left "hello" = "hello" in_sync`)
	if got := n.contact(crm.Right, ann); got != into {
		t.Errorf("it is about %s, want the survivor %s", got, into)
	}
}

// TestS6_ALostAnswerAboutAMergedContactDoublesNothing: HubSpot makes a note that is to
// be about a contact which was merged away about the survivor. When the answer is lost
// the note is known for ours all the same, before and after the merge is heard of.
func TestS6_ALostAnswerAboutAMergedContactDoublesNothing(t *testing.T) {
	t.Parallel()
	for name, heard := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNoteBed(t, -1, dieAfter, nil)
			n.inStep()
			n.note(crm.Right, "hello", ann)
			merge := func(what string) {
				if what != makesNotes || n.seen[what] > 0 {
					return
				}
				into := n.person(crm.Left, "")
				if _, err := n.hub.Core().MergeRecord("contacts", string(n.contact(crm.Left, ann)), string(into)); err != nil {
					t.Error(err)
				}
			}
			n.live, n.before, n.what = true, merge, makesNotes
			n.now = n.now.Add(5 * time.Minute)
			n.run(func(e *engine.Engine) { _ = e.Pull(t.Context(), testbed.Workspace, testbed.Connection, notes) })
			for range 20 {
				if n.turn(); n.died {
					break
				}
			}
			if !n.died {
				t.Fatalf("no answer was lost: %v", n.seen)
			}
			n.live = false
			if heard {
				n.pull()
			}
			n.rest()
			n.pullAll()
			n.demands(`link left "hello" = "hello" in_sync`)
			if end := n.end(); strings.Count(end, `left note "hello"`) != 1 {
				t.Errorf("it is there twice:\n%s", end)
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			if !heard && !n.marks["made_about_survivor"] {
				t.Errorf("it came by %v", n.marks)
			}
		})
	}
}
