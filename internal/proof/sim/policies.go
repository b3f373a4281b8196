package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// goneTag is what the policy of deletions tags the twin of a deleted record with.
const goneTag = "gone"

// tagging reports whether the tags of this world belong to rules or policies.
func (s *settings) tagging() bool { return s.rules || s.policies }

// ownTag is the tag that Lockstep puts in this world.
func (s *settings) ownTag() string {
	if s.policies {
		return goneTag
	}
	return ruleTag
}

// drawPolicies says what becomes of the twin of a deleted record, in at least one
// direction something.
func (w *world) drawPolicies(c *chance) {
	d := &w.set.sync.Deletes
	d.ToRight = pick(c, crm.DeleteTag, crm.DeleteArchive)
	d.ToLeft = pick(c, crm.DeleteTag, crm.DeleteArchive, crm.DeleteIgnore)
	d.Tag = goneTag
	d.Field = crm.PerSide[string]{
		Left: w.apps[0].field(modelapp.Tags), Right: w.apps[1].field(modelapp.Tags),
	}
}

// onDelete is what the settings say of the twin, on a side, of a deleted record.
func (w *world) onDelete(target crm.Side) crm.Deletion {
	if target == crm.Left {
		return w.set.sync.Deletes.ToLeft
	}
	return w.set.sync.Deletes.ToRight
}

// wasGone reports whether a record was deleted at any time since a task may have read it.
func (w *world) wasGone(t *task, r ref) bool {
	return !w.alive(r) || w.restored[r].step > readAt(t, r).step
}

// archived holds the deletion of a record by us to S16: its twin was deleted, the
// policy says so, and nobody had changed it since both agreed.
func (w *world) archived(t *task, r ref, x *connector.Write, before crm.Fields) {
	if x.Op != connector.Archive || w.failed() != "" {
		return
	}
	l, ok := w.link(r)
	if !ok || !l.paired() {
		w.violated("S16", fmt.Sprintf("%s %s was deleted by us and is nobody's twin", r.side, r.id))
		return
	}
	source := ref{r.side.Other(), l.id(r.side.Other())}
	switch {
	case w.onDelete(r.side) != crm.DeleteArchive:
		w.violated("S16", fmt.Sprintf("%s %s was deleted by us against the policy", r.side, r.id))
	case !w.wasGone(t, source):
		w.violated("S16", fmt.Sprintf("%s %s was deleted by us, and %s lives", r.side, r.id, source.id))
	case w.touched[r].step < readAt(t, r).step && w.strayed(r, l, before):
		w.violated("S16", fmt.Sprintf("%s %s was deleted by us with what its user had typed", r.side, r.id))
	}
	w.mark("policy_archived")
	w.removed[r] = true
	w.acted[r] = w.now
}

// strayed reports whether a record holds anything else than was agreed on.
func (w *world) strayed(r ref, l linkView, f crm.Fields) bool {
	return slices.ContainsFunc(w.set.sync.Mappings, func(m crm.Mapping) bool {
		agreed, ok := l.Base[m.ID]
		v := w.canonical(r.side, m.ID, f)
		return ok && agreed.Settled == nil && !agreed.Is(v) || !ok && !v.Blank()
	})
}

// checkGoneTag holds what we do to tags where they belong to the policy of deletions.
func (w *world) checkGoneTag(t *task, r, source ref, met bool, x tagged, added bool) {
	switch {
	case !met:
	case added && (w.onDelete(r.side) != crm.DeleteTag || !w.wasGone(t, source)):
		w.violated("S16", fmt.Sprintf("%s %s was tagged as one whose twin is deleted, and %s lives", r.side, r.id, source.id))
	case !added && !w.alive(source):
		w.violated("S16", fmt.Sprintf("the tag of %s %s went, and %s is still deleted", r.side, r.id, source.id))
	case !added && !x.byRule && !x.again:
		w.violated("S16", fmt.Sprintf("the tag of %s %s went, which a person had put there", r.side, r.id))
	}
	w.mark("policy_tagged")
}

// checkPolicy holds a record at rest to what became of its twin.
func (w *world) checkPolicy(when string, r ref, x row, l linkView, full bool) {
	if !w.set.policies || w.failed() != "" || !l.paired() || !full {
		return
	}
	tag := w.tagged[r]
	has := slices.Contains(tagsOf(x.fields, w.apps[r.side.Index()]), goneTag)
	by, ended := strings.CutPrefix(l.Code, "deleted_on_")
	other := ref{r.side.Other(), l.id(r.side.Other())}
	switch {
	case l.State == crm.StateInSync && has && tag.byRule && !tag.early:
		w.violated("S16", fmt.Sprintf("%s: %s %s is in step and tagged as one whose twin is deleted", when, r.side, r.id))
	case l.State != crm.StateDeleted || !ended || crm.Side(by) == r.side || w.alive(other) || w.restored[r].step > 0:
	case w.onDelete(r.side) == crm.DeleteTag && !has && !tag.ever:
		w.violated("S16", fmt.Sprintf("%s: the twin of %s %s is deleted, and it is not tagged", when, r.side, r.id))
	case w.onDelete(r.side) == crm.DeleteArchive && !w.strayed(r, l, x.fields) && !w.acted[r].After(w.acted[other]):
		w.violated("S16", fmt.Sprintf("%s: the twin of %s %s is deleted, and it lives", when, r.side, r.id))
	default:
		w.mark("audited_policy")
	}
}

// deleting lets users delete and restore records whose twins are tagged or archived then.
func (s *settings) deleting() {
	s.model()
	s.policies, s.edits, s.settled, s.people, s.changes, s.hands = true, true, true, 20, 80, false
	s.poison, s.revokes, s.floods, s.newcomers, s.generations, s.mass, s.rights, s.archives = false, false, false, false,
		false, false, false, false
	s.hooks, s.interval, s.pause, s.admin, s.resyncs = true, time.Minute, 8*time.Second, 0, true
	s.tuning.DeleteFloor = 50
	s.rate = map[string]int{
		"hook_lost": 200, "kill_after": 3, "delivered_twice": 60, "edit_between": 30, "app_lost_reply": 20, "rows_fail": 60,
	}
	for i := range s.apps {
		a := &s.apps[i]
		a.Trim, a.Phones, a.Archive, a.DeletedFeed = false, false, true, true
	}
}
