package sim

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// noted is a small world beside world: HubSpot and Salesforce by their own
// connectors, people in both, and what users note about them. It has world's clock,
// processes, store, queue and their faults, and users and judges of its own, because
// activities are told apart by their links alone.
type noted struct {
	*world
	apps  [2]*realApp
	kinds [2]activityKind
	sync  crm.Sync // of the people, as the seed began
	links map[crm.SyncID]map[ref]linkView

	things   map[string]*thing
	order    []string                      // of things, by when they were made
	ever     map[crm.RecordID]map[ref]bool // contacts on the left, and whom each was ever linked to
	into     map[ref]crm.RecordID          // what users merged away, and the survivor
	apart    map[ref]bool                  // contacts that an admin took apart
	new      []time.Time                   // since when what is made is new, of all settings there were
	off      time.Time                     // since when activities are switched off; zero = they are on
	older    bool                          // those that were there before are synced, too
	peopleOf [2]map[crm.RecordID]bool      // live contacts
	staff    *staff                        // nil = nobody is anybody's
	firms    *employers                    // nil = nobody is with any company
}

// activityKind is an activity object of an app, and its fields.
type activityKind struct{ object, text, about string }

// activityKinds are the objects that are synced with each other.
var activityKinds = [][2]activityKind{
	{{"notes", "hs_note_body", "associations.contacts"}, {"Task", "Description", "WhoId"}},
	{{"tasks", "hs_task_body", "associations.contacts"}, {"Task", "Description", "WhoId"}},
}

// thing is something that a user noted, on one side. Its text begins with its token,
// wherever it comes.
type thing struct {
	token   string
	side    crm.Side
	made    time.Time
	about   [2]map[crm.RecordID]bool // contacts that it was ever about, survivors of merges too
	removed bool                     // a user deleted a record of it
	moved   bool                     // it was about somebody else once
}

// notedSync is the sync of the activities.
var notedSync = syncID.Activities()

func newNoted(w *world) *noted {
	n := &noted{
		world: w, kinds: pick(w.user, activityKinds...), things: map[string]*thing{},
		ever: map[crm.RecordID]map[ref]bool{}, into: map[ref]crm.RecordID{}, apart: map[ref]bool{},
		links: map[crm.SyncID]map[ref]linkView{syncID: {}, notedSync: {}},
	}
	for i, id := range w.set.pair {
		a, err := newReal(w, id)
		if err != nil {
			panic(err) // their settings are complete
		}
		n.apps[i], n.peopleOf[i] = a, map[crm.RecordID]bool{}
	}
	n.apps[0].core.SetLag(time.Duration(pick(w.user, 0, 0, 5))*time.Second, false)
	w.openAccount = func(id crm.AccountID) connector.Connector {
		for i := range accounts {
			if side := sideOf(i); accounts[i] == id {
				return jointIO{n.apps[i].open(), w, func(object string, x *connector.Write, out *connector.Written) {
					n.wrote(side, object, x, out)
				}}
			}
		}
		return nil
	}
	w.follow = n.follows
	n.staff, n.firms = n.hire(), n.found()
	n.sync = n.draw()
	return n
}

// draw makes the sync of a seed.
func (n *noted) draw() crm.Sync {
	c := n.user
	l, r := n.apps[0], n.apps[1]
	pair := func(id, left, right string) crm.Mapping {
		return crm.Mapping{ID: crm.MappingID(id), Left: []string{left}, Right: []string{right}}
	}
	s := crm.Sync{
		ID: syncID, Direction: pick(c, crm.DirectionBoth, crm.DirectionBoth, crm.DirectionToRight, crm.DirectionToLeft),
		Schedule: "manual", Conflict: pick(c, crm.ConflictLeft, crm.ConflictRight, crm.ConflictNewest),
		Left: crm.ObjectEnd{Object: l.object()}, Right: crm.ObjectEnd{Object: r.object()},
		Match: crm.SameMatch(crm.MatchStep{
			By: crm.MatchByAnyKey, Pairs: [][2]string{{l.field(modelapp.Email), r.field(modelapp.Email)}},
		}),
	}
	for _, name := range []string{modelapp.Email, modelapp.First, modelapp.Last} {
		s.Mappings = append(s.Mappings, pair(name, l.field(name), r.field(name)))
	}
	s.Mappings[0].Transform.Type = crm.TransformEmail
	if n.staff != nil {
		s.Mappings = append(s.Mappings, pair(string(ownerMapping), ownerFields[0], ownerFields[1]))
	}
	if n.firms != nil {
		s.Associations = []crm.Association{n.firms.association()}
	}
	made := pair("time", "hs_timestamp", "CreatedDate")
	made.Direction, made.WriteOnce, made.Transform.Type = crm.DirectionToLeft, true, crm.TransformDateTime
	a := crm.Activities{
		Enabled: c.in(800), Existing: c.in(400),
		Mappings: []crm.Mapping{pair("text", n.kinds[0].text, n.kinds[1].text), made},
	}
	for i, end := range []*crm.ActivityEnd{&a.Left, &a.Right} {
		end.Object, end.Parent = n.kinds[i].object, n.kinds[i].about
	}
	if c.in(250) {
		a.Behavior.ToRight = pick(c, crm.BehaviorCreateAndUpdate, crm.BehaviorCreateOnly, crm.BehaviorUpdateOnly)
		a.Behavior.ToLeft = pick(c, crm.BehaviorCreateAndUpdate, crm.BehaviorCreateOnly, crm.BehaviorUpdateOnly)
	}
	s.Activities, n.older = a, a.Existing
	return s
}

// live is one seed from beginning to end.
func (n *noted) live() {
	n.tell("notes, settings %+v", n.set)
	c := &crm.Connection{
		ID: connection, Name: "sim", Enabled: true, Status: crm.StatusDraft, Country: "US",
		Left: crm.End{Account: accounts[0]}, Right: crm.End{Account: accounts[1]}, Syncs: []crm.Sync{n.sync},
		Generation: 1, Version: 1,
	}
	if n.firms != nil {
		c.Syncs = append(c.Syncs, n.firms.document())
	}
	if _, err := store.SaveConnection(n.ctx, n.store, workspace, c, 0); err != nil {
		panic(err)
	}
	n.schedules = -1
	for range n.set.people {
		n.settler()
		if n.firms != nil {
			n.firms.settler()
			n.firms.moves(n.firms.by.n(2), false)
		}
	}
	for range 4 {
		n.userNotes(sideOf(n.user.n(2)))
	}
	n.now = n.now.Add(time.Minute)
	n.schedules = 0
	n.aside(func(ctx context.Context, e *engine.Engine) {
		if _, err := e.StartConnection(ctx, workspace, connection); err != nil {
			n.violated("S24", "the connection cannot be started: "+err.Error())
		}
	})
	n.settled()
	n.begin()
	n.run(n.now.Add(5 * time.Minute))
	n.hostile = !n.set.calm
	for n.changes < int64(n.set.changes) && n.failed() == "" {
		n.userDoes()
		if n.staff != nil {
			n.staff.does()
		}
		if n.firms != nil {
			n.firms.does()
		}
		n.run(n.now.Add(time.Second + n.user.upTo(2*n.set.pause)))
	}
	n.run(n.now.Add(10 * time.Minute)) // users finish what they began
	n.hostile = false
	n.schedules++
	n.save(func(a *crm.Activities) { a.Enabled = true })
	n.settle()
	for range 3 {
		n.round()
	}
	n.checkAll("after three rounds", false)
	for _, s := range append(n.syncs(), notedSync) {
		n.resync(s)
		n.settle()
	}
	n.checkAll("after a resync of each", true)
	n.quiet()
	n.checkAll("after quiet rounds", true)
	n.shut()
}

// follows keeps what is linked, as it is stored.
func (n *noted) follows(x *store.Write) {
	if x.Item.Table != store.Links || x.Op == store.Add || x.Op == store.Check {
		return
	}
	for sync, links := range n.links {
		if !strings.HasPrefix(x.Item.Partition, "l#"+string(connection)+"#"+string(sync)+"#") {
			continue
		}
		side, id, ok := strings.Cut(x.Item.Sort, "#")
		if !ok || side != "L" && side != "R" {
			continue
		}
		r := ref{crm.Left, crm.RecordID(id)}
		if side == "R" {
			r.side = crm.Right
		}
		if x.Op == store.Delete {
			delete(links, r)
			continue
		}
		var l linkView
		if err := json.Unmarshal(x.Item.Data, &l); err != nil {
			n.violated("S1", "a link cannot be read")
			return
		}
		links[r] = l
		if sync == syncID && r.side == crm.Left && l.paired() {
			if n.ever[l.Left] == nil {
				n.ever[l.Left] = map[ref]bool{}
			}
			n.ever[l.Left][ref{crm.Right, l.Right}] = true
		}
	}
}

// pairOf is the pair that a record belongs to.
func (n *noted) pairOf(sync crm.SyncID, r ref) (linkView, bool) {
	l := n.links[sync][r]
	if r.side == crm.Right && l.To != "" {
		l = n.links[sync][ref{crm.Left, l.To}]
	}
	return l, l.paired() && l.id(r.side) == r.id && l.State != crm.StateDeleted
}

// syncs are the syncs of a seed, in the order in which what one needs of another comes.
func (n *noted) syncs() []crm.SyncID {
	if n.firms != nil {
		return []crm.SyncID{firmsSync, syncID, notedSync}
	}
	return []crm.SyncID{syncID, notedSync}
}

// begin sets the schedules going.
func (n *noted) begin() {
	n.schedules++
	n.every(time.Minute, func() {
		if !n.strike("schedule_lost") {
			n.tick()
		}
	})
	for _, s := range n.syncs() {
		n.every(n.set.interval, func() {
			if !n.strike("schedule_lost") {
				n.pull(s)
			}
		})
	}
}

func (n *noted) pull(s crm.SyncID) {
	if p := n.idle(n.pullers); p != nil {
		n.spawn(p, "pull", func(ctx context.Context, e *engine.Engine) { _ = e.Pull(ctx, workspace, connection, s) })
	}
}

func (n *noted) resync(s crm.SyncID) {
	n.aside(func(ctx context.Context, e *engine.Engine) {
		if _, err := e.StartRun(ctx, workspace, connection, s, engine.RunResync); err != nil && n.failed() == "" {
			n.violated("S1", "the resync cannot be started: "+err.Error())
		}
	})
}

// round is one pull of people and one of what is noted about them.
func (n *noted) round() {
	for _, s := range n.syncs() {
		n.run(n.now.Add(2 * time.Minute)) // the index lag is over
		n.pull(s)
		n.settle()
	}
}

// settle lets time pass, with ticks, until nothing waits anywhere.
func (n *noted) settle() {
	n.drains(n.openWork, func(turn int) {
		if turn%20 == 10 { // what was given up after many deaths waits for an admin
			n.aside(func(ctx context.Context, e *engine.Engine) { _, _ = e.RedriveDead(ctx, workspace, connection) })
		}
	})
}

// openWork names what is left to do.
func (n *noted) openWork() string {
	if what := n.inQueue(); what != "" {
		return what
	}
	for _, s := range n.syncs() {
		if what := n.backlogOf(connection, s); what != "" {
			return what + " of " + string(s)
		}
	}
	return ""
}

// quiet runs two rounds in which nothing happens and nothing may be written.
func (n *noted) quiet() {
	n.stays(n.round)
}

// save changes the settings of the activities, for all.
func (n *noted) save(change func(*crm.Activities)) {
	was, _, err := store.LoadConnection(n.ctx, n.store, workspace, connection)
	if err != nil {
		return
	}
	c, at, err := store.LoadConnection(n.ctx, n.store, workspace, connection)
	if err != nil {
		return
	}
	change(&c.Syncs[0].Activities)
	c.Begin(was, n.now)
	c.Version++
	c.Changes, _ = was.Apply(c, c.Version, crm.Applying{})
	if _, err := store.SaveConnection(n.ctx, n.store, workspace, c, at); err != nil {
		return
	}
	n.tell("ADMIN saves activities %+v", c.Syncs[0].Activities)
	n.settled()
}

// settled notes since when what is made is new, under the settings of now.
func (n *noted) settled() {
	c, _, err := store.LoadConnection(n.ctx, n.store, workspace, connection)
	if err != nil {
		panic(err) // it is there
	}
	a := &c.Syncs[0].Activities
	n.new = append(n.new, a.Since)
	switch {
	case a.Enabled:
		n.off = time.Time{}
	case n.off.IsZero():
		n.off = n.now
	}
	n.older = n.older || a.Existing && a.Enabled
	n.sync.Activities = *a
}
