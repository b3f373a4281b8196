package sim

import (
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// switchedOffFor is how long work that began before activities were switched off may
// still write: no task of the world takes longer.
const switchedOffFor = 5 * time.Minute

// wrote holds each write to the activities to what users asked for.
func (n *noted) wrote(side crm.Side, object string, w *connector.Write, out *connector.Written) {
	kind := n.kinds[side.Index()]
	if object != kind.object {
		if w.Op == connector.Create && object == n.apps[side.Index()].object() {
			n.peopleOf[side.Index()][out.ID] = true
		}
		if n.firms != nil {
			n.firms.wrote(side, object, w, out)
		}
		if n.staff != nil {
			n.staff.wrote(side, w, out)
		}
		return
	}
	if w.Op == connector.Archive {
		n.violated("S16", fmt.Sprintf("%s on the %s was deleted, which nothing asks for", out.ID, side))
		return
	}
	if !n.off.IsZero() && n.now.Sub(n.off) > switchedOffFor {
		n.violated("S24", fmt.Sprintf("%s was written while activities are switched off", out.ID))
		return
	}
	if !n.travels(side.Other()) {
		n.violated("S13", fmt.Sprintf("%s was written against the direction", out.ID))
		return
	}
	var x *thing
	for _, r := range n.rowsOf(side) {
		if r.id == out.ID {
			x = n.things[r.token]
		}
	}
	if x == nil {
		n.violated("S1", fmt.Sprintf("%s on the %s is nothing that a user noted", out.ID, side))
		return
	}
	if w.Op == connector.Create && !n.mayCome(x) {
		n.violated("S1", x.token+" is older than the switch, and came all the same")
		return
	}
	v, set := w.Fields[kind.about]
	if !set && w.Op != connector.Create {
		return
	}
	if v.Blank() || !n.follower(x, side, crm.RecordID(v.Text())) {
		n.violated("S1", fmt.Sprintf("%s on the %s is to be about %q, who is not the twin of whom it was noted about",
			x.token, side, v.Text()))
		return
	}
	for id := crm.RecordID(v.Text()); id != ""; id = n.into[ref{side, id}] { // an app takes the ID of who was merged away
		x.about[side.Index()][id] = true
	}
	n.mark("note_written")
}

// follower reports whether a contact was ever the twin of one that a thing was about.
func (n *noted) follower(x *thing, side crm.Side, id crm.RecordID) bool {
	if x.about[side.Index()][id] {
		return true // a user of this side chose them
	}
	for of := range x.about[side.Other().Index()] {
		for _, twin := range n.twins(ref{side.Other(), of}) {
			if n.survives(twin, id) {
				return true
			}
		}
	}
	return false
}

// twins are the contacts that a contact was ever linked to.
func (n *noted) twins(r ref) (out []ref) {
	for left, all := range n.ever {
		for right := range all {
			switch {
			case r == right:
				out = append(out, ref{crm.Left, left})
			case r.side == crm.Left && r.id == left:
				out = append(out, right)
			}
		}
	}
	return out
}

// survives reports whether a contact is another one, or what that was merged into.
func (n *noted) survives(r ref, id crm.RecordID) bool {
	for r.id != "" && r.id != id {
		r.id = n.into[r]
	}
	return r.id == id
}

// mayCome reports whether a thing was new at any time, or all came.
func (n *noted) mayCome(x *thing) bool {
	if n.older {
		return true
	}
	for _, since := range n.new {
		if !since.IsZero() && !x.made.Before(since.Truncate(time.Second)) {
			return true
		}
	}
	return false
}

// mustCome reports whether a thing has to be on the other side by now.
func (n *noted) mustCome(x *thing, about crm.RecordID) bool {
	a := &n.sync.Activities
	behavior := a.Behavior.ToRight
	if x.side == crm.Right {
		behavior = a.Behavior.ToLeft
	}
	_, linked := n.pairOf(syncID, ref{x.side, about})
	return linked && n.travels(x.side) && behavior != crm.BehaviorUpdateOnly && !x.removed &&
		(a.Existing || !x.made.Before(a.Since.Truncate(time.Second)))
}

// told reports whether a listing of changes shows all that happened to a thing. What it
// is about changes untold; and what is older than the switch comes with a resync alone.
func (n *noted) told(x *thing) bool {
	return !x.moved && !x.made.Before(n.sync.Activities.Since.Truncate(time.Second))
}

// abouts reads whom the live activities of a side are about.
func (n *noted) abouts(side crm.Side) map[crm.RecordID]crm.RecordID {
	kind, out := n.kinds[side.Index()], map[crm.RecordID]crm.RecordID{}
	for id, v := range n.listed(side, kind.object, kind.about) {
		out[id] = crm.RecordID(v.Text())
	}
	return out
}

// listed reads a field of all live records of an object.
func (n *noted) listed(side crm.Side, object, field string) map[crm.RecordID]crm.Value {
	out := map[crm.RecordID]crm.Value{}
	req := connector.ChangesRequest{Object: object, Fields: []string{field}, Full: true}
	for {
		page, err := n.apps[side.Index()].open().Changes(n.ctx, req)
		if err != nil {
			panic(err) // the apps are at peace
		}
		for i := range page.Records {
			out[page.Records[i].ID] = page.Records[i].Fields[field]
		}
		if req.Position = page.Next; page.Next == "" {
			return out
		}
	}
}

// checkAll holds the world at rest to what must be true of both apps together: nothing
// is there twice (S6), what is to come is there (S1), is the same, and is about twins.
// all says that everything was looked at once more.
func (n *noted) checkAll(when string, all bool) {
	if n.failed() != "" {
		return
	}
	var found [2]map[string]noteRow
	var about [2]map[crm.RecordID]crm.RecordID
	for i := range n.apps {
		side := sideOf(i)
		found[i], about[i] = map[string]noteRow{}, n.abouts(side)
		for _, r := range n.rowsOf(side) {
			if twice, ok := found[i][r.token]; ok {
				n.violated("S6", fmt.Sprintf("%s: %s and %s on the %s are both %s", when, twice.id, r.id, side, r.token))
				return
			}
			found[i][r.token] = r
		}
	}
	for _, token := range n.order {
		x := n.things[token]
		here, there := found[x.side.Index()], found[x.side.Other().Index()]
		at, ok := here[token]
		if !ok {
			n.violated("S1", fmt.Sprintf("%s: %s is gone where it was noted", when, token))
			return
		}
		other, came := there[token]
		if !came {
			if !at.deleted && (all || n.told(x)) && n.mustCome(x, about[x.side.Index()][at.id]) {
				n.violated("S1", fmt.Sprintf("%s: %s of the %s, about %s, did not come: it is %+v", when, token, x.side,
					about[x.side.Index()][at.id], n.links[notedSync][ref{x.side, at.id}]))
				return
			}
			n.mark("note_stays")
			continue
		}
		if at.deleted || other.deleted {
			n.mark("note_deleted")
			continue
		}
		l, linked := n.pairOf(notedSync, ref{x.side, at.id})
		if !linked || l.id(x.side.Other()) != other.id {
			if !x.removed {
				n.violated("S1", fmt.Sprintf("%s: %s is on both sides and not linked: %+v", when, token, l))
				return
			}
			continue
		}
		if all && !n.together(when, x, l, [2]noteRow{found[0][token], found[1][token]}, about) {
			return
		}
	}
	n.mark("noted_audited")
	if n.staff != nil && all {
		n.staff.check(when)
	}
	if n.firms != nil {
		n.firms.check(when, all)
	}
}

// together holds a pair to what travels between its two records.
func (n *noted) together(
	when string, x *thing, l linkView, rows [2]noteRow, about [2]map[crm.RecordID]crm.RecordID,
) bool {
	b := n.sync.Activities.Behavior
	updates := func(v crm.Behavior) bool { return v != crm.BehaviorCreateOnly }
	if !updates(b.ToRight) || !updates(b.ToLeft) || l.State != crm.StateInSync {
		n.mark("note_not_updated")
		return true
	}
	if rows[0].text != rows[1].text {
		n.violated("S1", fmt.Sprintf("%s: %s is %q and %q", when, x.token, rows[0].text, rows[1].text))
		return false
	}
	left, right := about[0][rows[0].id], about[1][rows[1].id]
	ll, lok := n.pairOf(syncID, ref{crm.Left, left})
	rl, rok := n.pairOf(syncID, ref{crm.Right, right})
	switch {
	case lok && rok && ll.Right != right:
		n.violated("S1", fmt.Sprintf("%s: %s is about %s, whose twin is %s, and about %s, whose twin is %s", when, x.token,
			left, ll.Right, right, rl.Left))
		return false
	case lok && rok:
		n.mark("note_about_twins")
	default:
		n.mark("note_about_unlinked")
	}
	return true
}
