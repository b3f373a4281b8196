package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// settler makes a person that was there before us, on one side or on both.
func (n *noted) settler() {
	email, first := n.value(modelapp.Email), n.user.n(3)
	for i := range n.apps {
		if first == 2 || first == i {
			n.userMeets(sideOf(i), email)
		}
	}
}

// userMeets enters a person.
func (n *noted) userMeets(side crm.Side, email crm.Value) {
	a, f := n.apps[side.Index()], crm.Fields{}
	f[a.field(modelapp.Email)], f[a.field(modelapp.Last)] = email, n.value(modelapp.Last)
	id, err := a.create(f)
	if err != nil {
		n.mark("user_refused")
		return
	}
	n.changes++
	n.peopleOf[side.Index()][id] = true
	n.tell("USER creates %s: %v", id, shown(f))
}

// somebody is a live contact who fits; "" when there is none.
func (n *noted) somebody(side crm.Side, fits func(id crm.RecordID) bool) crm.RecordID {
	var ids []crm.RecordID
	for id := range n.peopleOf[side.Index()] {
		if fits(id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids)
	return ids[n.user.n(len(ids))]
}

func anybody(crm.RecordID) bool { return true }

// linked reports whether a contact is linked now.
func (n *noted) linked(side crm.Side) func(id crm.RecordID) bool {
	return func(id crm.RecordID) bool { _, ok := n.pairOf(syncID, ref{side, id}); return ok }
}

// userNotes notes something new.
func (n *noted) userNotes(side crm.Side) {
	about := n.somebody(side, anybody)
	if n.user.in(50) {
		about = "" // it is about nobody
	}
	n.typing++
	x := &thing{token: fmt.Sprintf("n%d.", n.typing), side: side, made: n.now}
	kind := n.kinds[side.Index()]
	f := map[string]string{kind.text: x.token + " as it was", kind.about: string(about)}
	if side == crm.Left {
		f["hs_timestamp"] = n.now.UTC().Format(time.RFC3339)
	}
	r, err := n.apps[side.Index()].core.CreateRecord(kind.object, f)
	if err != nil {
		n.mark("user_refused")
		return
	}
	for i := range x.about {
		x.about[i] = map[crm.RecordID]bool{}
	}
	if about != "" {
		x.about[side.Index()][about] = true
	}
	n.changes++
	n.things[x.token], n.order = x, append(n.order, x.token)
	n.tell("USER notes %s %s about %s: %s", side, r.ID, about, x.token)
}

// anything picks a live activity that a user of its app may change, and what it is of.
func (n *noted) anything(side crm.Side) (noteRow, *thing) {
	var all []noteRow
	for _, r := range n.rowsOf(side) {
		if x := n.things[r.token]; x != nil && !r.deleted && !n.unknown(side, r) && (n.travels(side) || x.side == side) {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return noteRow{}, nil
	}
	r := all[n.user.n(len(all))]
	return r, n.things[r.token]
}

// unknown reports whether an activity was made by us and is not linked: its worker died,
// or its answer was lost. What users do to it then nothing can tell from what they do
// to their own, so that they wait a little.
func (n *noted) unknown(side crm.Side, r noteRow) bool {
	if x := n.things[r.token]; x == nil || x.side == side {
		return false
	}
	_, linked := n.pairOf(notedSync, ref{side, r.id})
	return !linked
}

// travels reports whether what is changed on a side travels to the other one. (Of the
// other side of a sync of one way, users leave what we made alone.)
func (n *noted) travels(from crm.Side) bool {
	switch n.sync.Direction {
	case crm.DirectionToRight:
		return from == crm.Left
	case crm.DirectionToLeft:
		return from == crm.Right
	case crm.DirectionBoth, crm.DirectionOff:
	}
	return true
}

// userDoes is one thing that some user or admin does.
func (n *noted) userDoes() {
	side := sideOf(n.user.n(2))
	switch k := n.user.n(100); {
	case k < 8:
		n.userMeets(side, n.value(modelapp.Email))
	case k < 14:
		email := n.value(modelapp.Email)
		n.userMeets(side, email)
		n.after(n.user.upTo(time.Minute), func() { n.userMeets(side.Other(), email) })
	case k < 22:
		n.userMergesPeople(side)
	case k < 26:
		n.adminParts(side)
	case k < 30:
		n.adminSwitches()
	case k < 60:
		n.userNotes(side)
	case k < 74:
		n.userRewrites(side)
	case k < 88:
		n.userMoves(side)
	case k < 94:
		n.userRemoves(side)
	default:
		n.userRestoresOne(side)
	}
}

// changed makes a user's change to an activity.
func (n *noted) changed(side crm.Side, r noteRow, field, value string) bool {
	kind := n.kinds[side.Index()]
	_, err := n.apps[side.Index()].core.UpdateRecord(kind.object, string(r.id), map[string]string{field: value})
	if err != nil {
		n.mark("user_refused")
		return false
	}
	n.changes++
	n.tell("USER changes %s %s: %s = %s", side, r.id, field, value)
	return true
}

func (n *noted) userRewrites(side crm.Side) {
	r, x := n.anything(side)
	if x == nil {
		return
	}
	n.typing++
	n.changed(side, r, n.kinds[side.Index()].text, fmt.Sprintf("%s as of %d", x.token, n.typing))
}

// userMoves lets an activity be about somebody else, who is linked.
func (n *noted) userMoves(side crm.Side) {
	r, x := n.anything(side)
	to := n.somebody(side, n.linked(side))
	if x == nil || to == "" {
		return
	}
	if n.changed(side, r, n.kinds[side.Index()].about, string(to)) {
		x.about[side.Index()][to], x.moved = true, true
		n.mark("note_moved")
	}
}

func (n *noted) userRemoves(side crm.Side) {
	r, x := n.anything(side)
	if x == nil || n.apps[side.Index()].core.DeleteRecord(n.kinds[side.Index()].object, string(r.id)) != nil {
		return
	}
	n.changes++
	x.removed = true
	n.tell("USER deletes %s %s", side, r.id)
}

func (n *noted) userRestoresOne(side crm.Side) {
	for _, r := range n.rowsOf(side) {
		if r.deleted && n.things[r.token] != nil && n.user.in(500) {
			if _, err := n.apps[side.Index()].core.RestoreRecord(n.kinds[side.Index()].object, string(r.id)); err == nil {
				n.changes++
				n.mark("note_restored")
				n.tell("USER restores %s %s", side, r.id)
			}
			return
		}
	}
}

// userMergesPeople merges two contacts; what is noted about either is about the
// survivor then.
func (n *noted) userMergesPeople(side crm.Side) {
	a := n.somebody(side, anybody)
	b := n.somebody(side, func(id crm.RecordID) bool { return id != a })
	open := slices.ContainsFunc(n.rowsOf(side), func(r noteRow) bool { return !r.deleted && n.unknown(side, r) })
	if a == "" || b == "" || open || len(n.peopleOf[side.Index()]) < 4 {
		return
	}
	into, err := n.apps[side.Index()].merge(a, b)
	if err != nil {
		n.mark("user_refused")
		return
	}
	n.changes++
	n.tell("USER merges %s %s and %s into %s", side, a, b, into)
	for _, id := range []crm.RecordID{a, b} {
		if id == into {
			continue
		}
		delete(n.peopleOf[side.Index()], id)
		n.into[ref{side, id}] = into
		if n.firms != nil {
			n.firms.merged(side, id, into)
		}
		for _, x := range n.things {
			if x.about[side.Index()][id] {
				x.about[side.Index()][into], x.moved = true, true
				n.mark("noted_about_merged")
			}
		}
	}
	n.peopleOf[side.Index()][into] = true
}

// adminParts takes a pair of contacts apart by hand, and mostly joins it again.
func (n *noted) adminParts(side crm.Side) {
	id := n.somebody(side, n.linked(side))
	l, ok := n.pairOf(syncID, ref{side, id})
	if !ok {
		return
	}
	n.changes++
	n.tell("ADMIN unlinks %s and %s", l.Left, l.Right)
	n.ask("unlink", func(ctx context.Context, e *engine.Engine) {
		if _, err := e.UnlinkRecord(ctx, workspace, connection, syncID, side, id); err == nil {
			n.apart[ref{crm.Left, l.Left}], n.apart[ref{crm.Right, l.Right}] = true, true
			n.mark("parent_unlinked")
		}
	})
	if n.user.in(700) {
		n.after(2*time.Minute+n.user.upTo(5*time.Minute), func() {
			n.ask("link", func(ctx context.Context, e *engine.Engine) {
				if _, err := e.LinkRecords(ctx, workspace, connection, syncID, crm.Left, l.Left, l.Right); err == nil {
					n.mark("parent_linked_again")
				}
			})
		})
	}
}

// adminSwitches switches activities off or on, or lets those come that are older.
func (n *noted) adminSwitches() {
	n.changes++
	if !n.off.IsZero() {
		n.save(func(a *crm.Activities) { a.Enabled = true })
		return
	}
	if n.user.in(300) {
		n.save(func(a *crm.Activities) { a.Existing = true })
		return
	}
	n.save(func(a *crm.Activities) { a.Enabled = false })
	n.mark("notes_switched_off")
}

// noteRow is an activity as an audit sees it.
type noteRow struct {
	id      crm.RecordID
	token   string
	text    string
	deleted bool
}

// rowsOf lists the activities of a side.
func (n *noted) rowsOf(side crm.Side) []noteRow {
	kind := n.kinds[side.Index()]
	all := n.apps[side.Index()].core.Records(kind.object)
	out := make([]noteRow, len(all))
	for i, r := range all {
		out[i] = noteRow{id: crm.RecordID(r.ID), text: strings.TrimSpace(r.Fields[kind.text]), deleted: r.Deleted}
		out[i].token, _, _ = strings.Cut(out[i].text, " ")
	}
	return out
}
