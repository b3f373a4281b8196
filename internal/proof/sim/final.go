package sim

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// aside runs something as a call of the admin's process and waits for it.
func (w *world) aside(f func(ctx context.Context, e *engine.Engine)) {
	done := false
	w.spawn(w.admin, "admin", func(ctx context.Context, e *engine.Engine) {
		defer func() { done = true }()
		f(ctx, e)
	})
	for n := 0; !done && n < 100_000 && len(w.tasks) > 0; n++ {
		w.turn(time.Time{})
	}
}

// live is one seed from beginning to end.
func (w *world) live() {
	w.connect()
	w.tell("settings %+v", w.set)
	w.schedules = -1 // nobody listens to webhooks yet
	for range w.set.people {
		w.settler()
	}
	if w.pushed() { // what was there before us is told before we start: nobody could ask for it later
		w.run(w.now.Add(time.Minute))
	}
	w.now = epoch.Add(time.Minute)
	w.schedules = 0
	w.hostile = !w.set.calm && !w.set.settled
	for n := 0; n < 50; n++ { // an admin presses the button until it works
		started := false
		w.aside(func(ctx context.Context, e *engine.Engine) {
			_, err := e.StartConnection(ctx, workspace, connection)
			started = err == nil
		})
		if started {
			break
		}
	}
	w.start()
	w.watchBacklog()
	if w.set.settled {
		w.run(w.now.Add(5 * time.Minute))
		w.hostile = !w.set.calm
	}
	for w.changes < int64(w.set.changes) && w.failed() == "" {
		w.userDoes()
		if w.rng.in(w.set.admin) {
			w.adminDoes()
		}
		w.upsets()
		w.run(w.now.Add(time.Second + w.user.upTo(2*w.set.pause)))
	}
	w.beforeHealing()
	w.run(w.now.Add(2 * time.Minute))
	w.calmDown()
	w.lookAgain()
	for round := 0; round < 3 && w.failed() == ""; round++ {
		w.round()
	}
	w.checkAll("after three rounds", false)
	w.resync()
	if len(w.survivors) > 0 {
		// the first may have learned of merges, and given records new identities; others are looked at with the next
		w.resync()
	}
	w.checkAll("after a full resync", true)
	w.quiet()
	w.edit()
	w.shut()
}

// beforeHealing holds a world to its promises in which nothing but webhooks, or
// nothing but pulls, tells of changes, after the delivery time alone: nobody has
// looked at everything by then. What was given up, after many deaths, is on the
// admin's list and waits for its redrive.
func (w *world) beforeHealing() {
	if w.set.prompt == 0 || w.failed() != "" {
		return
	}
	w.run(w.now.Add(10 * time.Minute)) // users finish what they began
	w.hostile = false
	w.run(w.now.Add(w.set.prompt))
	if w.failed() == "" && w.status() == crm.StatusActive && !w.gaveUp {
		w.mark("judged_before_healing")
		w.checkAll("after the delivery time alone", false)
	}
}

// upsets are things that happen now and then beside what users and admins do.
func (w *world) upsets() {
	if w.set.resyncs && w.rng.in(60) {
		w.ask("resync", func(ctx context.Context, e *engine.Engine) {
			_, _ = e.StartRun(ctx, workspace, connection, syncID, engine.RunResync)
		})
	}
	if w.set.generations && w.rng.in(15) {
		w.reconnect()
	}
	if w.set.poison && w.rng.in(60) {
		side := sideOf(w.rng.n(2))
		if id := w.anyLive(side); id != "" {
			w.fault("poison")
			w.poisoned[ref{side, id}] = true
			if w.set.toxic {
				w.userEdits(side, id, w.anyField()) // so that somebody has to look
			}
		}
	}
	if w.set.planning && w.user.in(150) {
		w.planner()
	}
	if w.set.hands && w.hands.chance.in(200) {
		w.adminActs()
	}
	if w.set.erasing && w.user.in(150) {
		w.somebodyErases()
	}
	if w.set.archives && w.rng.in(80) {
		w.archiveForAWhile()
	}
	if w.set.rules && w.user.in(60) {
		w.saveSettings()
	}
	if w.set.rights && w.rng.in(60) {
		w.denyForAWhile()
	}
	if w.set.mass && w.rng.in(40) {
		w.massEdit()
	}
	if w.set.floods && w.rng.in(15) {
		w.flood()
		if w.set.resyncs { // the admin looks what is left
			w.ask("resync", func(ctx context.Context, e *engine.Engine) {
				_, _ = e.StartRun(ctx, workspace, connection, syncID, engine.RunResync)
			})
		}
	}
}

// flood deletes most of one side's records, or all of them.
func (w *world) flood() {
	w.fault("flood_of_deletions")
	side := sideOf(w.user.n(2))
	share := pick(w.user, 700, 1000)
	var gone []ref
	for _, r := range w.apps[side.Index()].rows() {
		if !r.deleted && w.user.in(share) {
			id := r.id
			if w.act(side, id, connector.EventDeleted, func(a app) error { return a.delete(id) }) {
				gone = append(gone, ref{side, id})
			}
		}
	}
	w.expectHalt(gone)
}

// expectHalt notes a mass deletion that pulls will tell of as one: an admin is
// asked before the first of it is applied.
func (w *world) expectHalt(gone []ref) {
	linked := slices.DeleteFunc(gone, func(r ref) bool {
		l, ok := w.link(r)
		return !ok || !l.paired() || l.State == crm.StateDeleted
	})
	if len(linked) <= w.massLimit() || !w.tellsDeletions(linked[0].side) {
		return
	}
	w.unasked = 0
	for _, r := range linked {
		w.flooded[r] = w.moment()
	}
}

// tellsDeletions reports whether all deletions of a side are told, and none
// long before or after the others: by webhooks that come, or by pulls alone.
func (w *world) tellsDeletions(side crm.Side) bool {
	if w.set.hooks {
		return w.set.rate["hook_lost"] == 0 && w.set.rate["hook_delayed"] == 0
	}
	return w.set.apps[side.Index()].DeletedFeed
}

// massLimit is how many deletions an hour may bring.
func (w *world) massLimit() int {
	pairs := 0
	for _, l := range w.links {
		if l.paired() && l.State != crm.StateDeleted {
			pairs++
		}
	}
	return max(int(w.floor()), pairs/10)
}

// settler makes a person that was there before us, on either side or on both.
func (w *world) settler() {
	email := w.value(w.set.key)
	spelled := email // on the other side
	if w.set.apps[0].Literal {
		spelled = crm.TextValue(strings.ToUpper(email.Text()))
	}
	switch n := w.user.n(10); {
	case n < 3:
		w.userCreates(crm.Left, email)
	case n < 5:
		w.userCreates(crm.Right, email)
	default:
		w.userCreates(crm.Left, email)
		w.userCreates(crm.Right, spelled)
	}
}

// start sets the schedules going.
func (w *world) start() {
	w.schedules++
	w.every(time.Minute, func() {
		if !w.strike("schedule_lost") {
			w.tick()
		}
		if w.strike("schedule_twice") {
			w.tick()
		}
	})
	if w.set.relook > 0 {
		w.every(w.set.relook, func() {
			w.ask("resync", func(ctx context.Context, e *engine.Engine) {
				_, _ = e.StartRun(ctx, workspace, connection, syncID, engine.RunResync)
			})
		})
	}
	if w.set.interval > 0 {
		w.every(w.set.interval, func() {
			if !w.strike("schedule_lost") {
				w.pull()
			}
			if w.strike("schedule_twice") {
				w.pull()
			}
		})
	}
}

// calmDown ends all faults and puts right what only an admin can.
func (w *world) calmDown() {
	w.hostile = false
	w.schedules++
	w.quota, w.denied = [2]time.Time{}, [2]denial{}
	clear(w.poisoned)
	w.allBack()
	w.allOn()
	if s := w.status(); s == crm.StatusPaused || s == crm.StatusNeedsAuth {
		w.putRight()
	}
	for _, a := range w.apps {
		a.revoke(false)
	}
	if w.rejoined { // what was dropped with the old generation is looked at anew, and its intents with it
		w.aside(func(ctx context.Context, e *engine.Engine) {
			_, _ = e.StartRun(ctx, workspace, connection, syncID, engine.RunResync)
		})
	}
	w.settle()
	w.checkDeadLetters()
	w.putRight()
	w.settle()
	if w.rejoined {
		w.resync()
	}
}

// putRight lets the connection run again whatever stopped it, and redrives.
func (w *world) putRight() {
	w.aside(func(ctx context.Context, e *engine.Engine) {
		c := w.connection()
		if c == nil {
			w.violated("S28", "the connection is gone")
			return
		}
		if c.Status == crm.StatusHalted {
			w.confirmed = w.now
			if err := e.ConfirmDeletions(ctx, workspace, connection, syncID); err != nil {
				w.violated("S16", "a halt cannot be confirmed: "+err.Error())
			}
		}
		if _, err := e.StartConnection(ctx, workspace, connection); err != nil {
			w.violated("S24", "the connection cannot be started: "+err.Error())
		}
		w.isPaused = false
		if _, err := e.RedriveDead(ctx, workspace, connection); err != nil {
			w.violated("S23", "the redrive failed: "+err.Error())
		}
	})
}

// settle lets time pass, with ticks, until nothing waits anywhere.
func (w *world) settle() {
	step := time.Minute
	for n := 0; n < 200 && w.failed() == ""; n++ {
		w.tick()
		w.run(w.now.Add(step))
		if len(w.tasks) == 0 && !w.waiting() {
			if w.status() != crm.StatusHalted {
				return
			}
			w.putRight() // an admin confirms the deletions
		} else if n > 5 && w.changesHalt() {
			w.aside(w.decideChanges)
		}
		if n > 20 {
			step = min(step*3/2, time.Hour)
		}
	}
	if w.failed() == "" {
		w.violated("S30", "without faults the backlog does not drain: "+w.backlog()+" ("+string(w.status())+")")
	}
}

// round is one pull and all that follows from it.
func (w *world) round() {
	w.run(w.now.Add(max(time.Minute, w.set.listed))) // the index lag is over
	w.rounded = w.now
	w.pull()
	w.settle()
}

// resync looks at everything once more.
func (w *world) resync() {
	if w.failed() != "" {
		return
	}
	w.putRight()
	w.settle()
	w.aside(func(ctx context.Context, e *engine.Engine) {
		if _, err := e.StartRun(ctx, workspace, connection, syncID, engine.RunResync); err != nil {
			w.violated("S1", "the resync cannot be started: "+err.Error())
		}
	})
	w.settle()
	w.putRight() // the resync may have found too many deletions
	w.settle()
}

// quiet runs two rounds in which nothing happens and nothing may be written. A
// merge that only a webhook tells of is news, however late it comes: what was one
// person's may be another's, so that these come in before.
func (w *world) quiet() {
	if w.failed() != "" {
		return
	}
	if w.merging.After(w.now) {
		w.run(w.merging.Add(time.Minute))
		w.settle()
	}
	before := w.writes
	w.round()
	w.run(w.now.Add(73 * time.Hour)) // late webhooks come in
	w.settle()
	w.round()
	if n := w.writes - before; n > 0 && w.failed() == "" {
		w.violated("S5", "quiet rounds wrote to the apps")
	}
}

// pullReadsNothing edits once more and holds the pull that meets our own write
// to S5: what we wrote is known as seen, and not read again. Apps that rewrite
// values are looked at, because something else than was meant may have come back.
func (w *world) pullReadsNothing() {
	if w.set.apps[0].Memory > 0 {
		return // the pull may list everything, and looks again at what is not settled
	}
	if w.failed() != "" || w.set.picky || w.set.apps[0].Trim || w.set.apps[1].Trim || w.set.apps[0].Phones ||
		w.set.apps[1].Phones || w.set.real {
		return
	}
	side := crm.Left
	for _, r := range w.apps[0].rows() {
		l, ok := w.link(ref{side, r.id})
		if r.deleted || !ok || l.State != crm.StateInSync || l.Code != "" || !w.set.plain {
			continue
		}
		hooks := w.set.hooks
		w.set.hooks = false
		w.userEdits(side, r.id, "city")
		w.round()
		w.run(w.now.Add(5 * time.Minute))
		before, writes := w.reads, w.writes
		w.set.hooks = hooks
		w.round()
		if w.reads != before && w.writes == writes && w.failed() == "" {
			w.violated("S5", "a pull read again what we had written ourselves")
		}
		return
	}
}

// edit makes a few edits in peace: each costs at most one write on the other
// side. A record that was alone may find its twin by it, and one that failed may
// go on: then either may hold what the other lacks.
func (w *world) edit() {
	if w.failed() != "" {
		return
	}
	before, edits := w.writes, int64(0)
	for range 5 {
		side := sideOf(w.user.n(2))
		id := w.anyLive(side)
		l, known := w.link(ref{side, id})
		if id != "" && w.userEdits(side, id, w.anyField()) {
			if edits++; !known || !l.paired() || l.State == crm.StateFailing {
				edits++
			}
		}
		w.run(w.now.Add(time.Minute))
	}
	w.round()
	w.round()
	if w.set.rules {
		edits *= 2 // what a filter lets through brings all that differs, and tags come and go
	}
	if w.set.picky {
		edits *= 2 // what was refused with the field that is edited goes with it, in either direction
	}
	if n := w.writes - before; n > edits && w.failed() == "" {
		w.violated("S5", "edits in peace cost more than one write each")
	}
	w.pullReadsNothing()
	if w.set.picky {
		w.round() // what an app made of the last write is seen now
	}
	w.checkAll("after edits in peace", false)
}
