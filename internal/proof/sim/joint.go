package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// joint is a small world beside world: three accounts, joined by connections
// that share some of them. It has world's clock, processes, store, queue and
// their faults, and users and judges of its own: what one connection writes is
// news to the next one, and all of it must come to rest.
type joint struct {
	*world
	shape string
	apps  []*model
	conns []crm.Connection
	syncs []jointSync     // of all of them
	parts bool            // a sync or a connection takes some of the people alone: see golden
	bare  bool            // nothing is matched by a key: who is new is made, and known by its IDs alone
	gone  map[string]bool // people of whom a user deleted a record, by address
}

// shapes are the ways in which three accounts are joined: each pair of numbers
// is the left and the right of a connection.
var shapes = map[string][][2]int{
	"star":     {{0, 1}, {0, 2}},
	"chain":    {{0, 1}, {1, 2}},
	"circle":   {{0, 1}, {1, 2}, {2, 0}},
	"siblings": {{0, 1}},         // two syncs over the same objects: the first takes golden people
	"double":   {{0, 1}, {0, 1}}, // two connections, likewise; the second takes everybody
}

// jointSync is a sync of a joint world.
type jointSync struct {
	conn int // the connection's place
	id   crm.SyncID
}

// goldenID is the sync of golden people, where a connection has one beside its own.
const goldenID crm.SyncID = "golden"

func newJoint(w *world) *joint {
	c := w.user
	j := &joint{world: w, parts: w.set.parts, gone: map[string]bool{}}
	if j.parts {
		j.shape = pick(c, "siblings", "siblings", "double")
	} else {
		j.shape = pick(c, "star", "chain", "circle", "circle")
	}
	unique, lag := c.in(300), time.Duration(pick(c, 0, 0, 5))*time.Second
	for i := range 3 {
		o := drawApp(c, 0)
		o.Prefix, o.Now = string(rune('a'+i))+"_", func() time.Time { return w.now }
		o.DeletedFeed, o.Sweep, o.History, o.Trim, o.Phones = true, false, false, false, false
		o.Merges, o.Absorbs, o.NewRecord = false, false, false
		o.Unique, o.Lag, o.PageSize = unique, lag, pick(c, 1, 2, 3, 20, 100)
		j.apps = append(j.apps, newModel(w, o))
	}
	switch {
	case j.parts:
		j.apps = j.apps[:2]
	case j.shape != "circle":
		j.bare = c.in(200)
	case c.in(600): // pulls alone, at the same moments of each minute: what goes round is not parted by chance
		w.set.hooks, w.set.interval = false, time.Minute
		delete(w.set.rate, "schedule_lost")
	}
	if j.bare { // of a birth whose answer is lost nobody can tell whether it happened
		w.set.rate = map[string]int{
			"hook_lost": 200, "hook_twice": 100, "delivered_twice": 60, "schedule_lost": 60, "app_429": 10,
		}
	}
	for n, ends := range shapes[j.shape] {
		j.conns = append(j.conns, j.connection(n, ends))
		for i := range j.conns[n].Syncs {
			j.syncs = append(j.syncs, jointSync{n, j.conns[n].Syncs[i].ID})
		}
	}
	w.openAccount = func(id crm.AccountID) connector.Connector {
		for i := range j.apps {
			if account(i) == id {
				return jointIO{j.apps[i].open(), w, func(_ string, _ *connector.Write, out *connector.Written) {
					j.hook(i, connector.EventChanged, out.ID) // the app tells of our own writes, too
				}}
			}
		}
		return nil
	}
	return j
}

func account(i int) crm.AccountID { return crm.AccountID("acc_" + string(rune('a'+i))) }

// connection is the n-th connection of the world.
func (j *joint) connection(n int, ends [2]int) crm.Connection {
	left, right := j.apps[ends[0]], j.apps[ends[1]]
	key := [][2]string{{left.field(modelapp.Email), right.field(modelapp.Email)}}
	sync := crm.Sync{
		ID: syncID, Direction: crm.DirectionBoth, Schedule: "manual",
		Conflict: pick(j.user, crm.ConflictLeft, crm.ConflictRight, crm.ConflictNewest),
		Left:     crm.ObjectEnd{Object: modelapp.Object}, Right: crm.ObjectEnd{Object: modelapp.Object},
		Match: crm.SameMatch(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: key}),
	}
	if j.bare {
		sync.Match, sync.AvoidDuplicates = crm.Match{}, ptr(false)
	}
	for _, name := range j.fields() {
		m := crm.Mapping{
			ID: crm.MappingID(name), Left: []string{left.field(name)}, Right: []string{right.field(name)},
			Direction: crm.DirectionBoth, Clear: crm.PerWay[bool]{ToRight: true, ToLeft: true},
		}
		switch name {
		case modelapp.Email:
			m.Transform.Type = crm.TransformEmail
		case modelapp.Tags:
			m.Transform.Type = crm.TransformList
		case modelapp.Score:
			m.Transform.Type = crm.TransformNumber
		}
		sync.Mappings = append(sync.Mappings, m)
	}
	syncs := []crm.Sync{sync}
	golden := []crm.Rule{golden("out", left, crm.DirectionToRight), golden("back", right, crm.DirectionToLeft)}
	switch {
	case j.shape == "siblings":
		first := sync
		first.ID, first.Rules = goldenID, golden
		syncs = []crm.Sync{first, sync}
	case j.shape == "double" && n == 0:
		syncs[0].Rules = golden
	}
	return crm.Connection{
		ID: crm.ConnectionID(fmt.Sprintf("con_%d", n+1)), Name: fmt.Sprint("sim ", n+1), Enabled: true,
		Left: crm.End{Account: account(ends[0])}, Right: crm.End{Account: account(ends[1])}, Shared: true,
		Status: crm.StatusDraft, Country: "US", Syncs: syncs, Generation: 1, Version: 1,
	}
}

var jointFields = []string{modelapp.Email, modelapp.First, modelapp.Last, modelapp.City, modelapp.Tags, modelapp.Score}

// fields names the fields that are mapped.
func (j *joint) fields() []string {
	if j.parts {
		return append(slices.Clone(jointFields), modelapp.Rank)
	}
	return jointFields
}

// gold is the rank of golden people.
const gold = "gold"

// golden lets golden people alone through.
func golden(id string, from *model, d crm.Direction) crm.Rule {
	f := &crm.Filter{Field: from.field(modelapp.Rank), Op: "equals", Value: crm.TextValue(gold)}
	return crm.Rule{ID: id, Direction: d, Filter: f}
}

// live is one seed from beginning to end.
func (j *joint) live() {
	j.tell("%s, settings %+v", j.shape, j.set)
	for i := range j.conns {
		if _, err := store.SaveConnection(j.ctx, j.store, workspace, &j.conns[i], 0); err != nil {
			panic(err)
		}
	}
	j.schedules = -1
	for range j.set.people {
		j.settler()
	}
	j.now = j.now.Add(time.Minute)
	j.schedules = 0
	for i := range j.conns {
		j.aside(func(ctx context.Context, e *engine.Engine) {
			if _, err := e.StartConnection(ctx, workspace, j.conns[i].ID); err != nil {
				j.violated("S24", "the connection cannot be started: "+err.Error())
			}
		})
	}
	j.begin()
	if j.set.settled {
		j.run(j.now.Add(10 * time.Minute))
	}
	j.hostile = !j.set.calm
	for j.changes < int64(j.set.changes) && j.failed() == "" {
		j.userDoes()
		if j.set.resyncs && j.rng.in(60) {
			j.resync(j.syncs[j.rng.n(len(j.syncs))])
		}
		j.run(j.now.Add(time.Second + j.user.upTo(2*j.set.pause)))
	}
	j.hostile = false
	j.comesToRest()
	j.schedules++
	j.settle()
	for range 4 { // what one connection brings is news to the next
		j.round()
	}
	j.checkAll("after four rounds")
	for _, s := range j.syncs {
		j.resync(s)
		j.settle()
	}
	j.checkAll("after a resync of each")
	j.quiet()
	j.peace()
	j.shut()
}

// begin sets the schedules going.
func (j *joint) begin() {
	j.schedules++
	j.every(time.Minute, func() {
		if !j.strike("schedule_lost") {
			j.tick()
		}
	})
	for _, s := range j.syncs {
		j.every(j.set.interval, func() {
			if !j.strike("schedule_lost") {
				j.pull(s)
			}
		})
	}
}

func (j *joint) pull(s jointSync) {
	if p := j.idle(j.pullers); p != nil {
		j.spawn(p, "pull", func(ctx context.Context, e *engine.Engine) {
			_ = e.Pull(ctx, workspace, j.conns[s.conn].ID, s.id)
		})
	}
}

func (j *joint) resync(s jointSync) {
	j.aside(func(ctx context.Context, e *engine.Engine) {
		_, _ = e.StartRun(ctx, workspace, j.conns[s.conn].ID, s.id, engine.RunResync)
	})
}

// round is one pull of each sync, one after the other.
func (j *joint) round() {
	for _, n := range j.order() {
		j.run(j.now.Add(time.Minute)) // the index lag is over
		j.pull(j.syncs[n])
		j.settle()
	}
}

// order is the syncs in an order of chance.
func (j *joint) order() []int {
	var out []int
	for n := range j.syncs {
		out = slices.Insert(out, j.rng.n(len(out)+1), n)
	}
	return out
}

// comesToRest lets time pass after the last thing that a user did, with
// everything side by side as it is: what was written must not go round for ever.
func (j *joint) comesToRest() {
	j.run(j.now.Add(time.Hour))
	before := j.writes
	j.run(j.now.Add(time.Hour / 2))
	if n := j.writes - before; n > 0 && j.failed() == "" {
		j.violated("S5", fmt.Sprintf("an hour after the last change a %s still writes: %d in half an hour", j.shape, n))
	}
}

// settle lets time pass, with ticks, until nothing waits anywhere.
func (j *joint) settle() {
	j.drains(j.backlog, nil)
}

func (j *joint) backlog() string {
	if what := j.inQueue(); what != "" {
		return what
	}
	for _, s := range j.syncs {
		if what := j.backlogOf(j.conns[s.conn].ID, s.id); what != "" {
			return what
		}
	}
	return ""
}

// quiet runs two rounds in which nothing happens and nothing may be written.
func (j *joint) quiet() {
	j.stays(j.round)
}

// peace lets a user change a field in each app in turn: it arrives everywhere,
// and costs one write for each connection at most. (In a circle two may bring the
// same value to one account at once.)
func (j *joint) peace() {
	for i, a := range j.apps {
		id := j.anyLive(i, func(who string) bool { return !j.gone[who] && !j.stopped(who) && !j.parted(who) })
		if id == "" || j.failed() != "" {
			continue
		}
		before := j.writes
		j.edit(i, id, modelapp.City, j.value(modelapp.City))
		j.round()
		j.round()
		r, _ := a.get(id)
		if n := j.writes - before; n > int64(len(j.conns)) && j.failed() == "" {
			j.violated("S5", fmt.Sprintf("an edit in peace of %s in account %d cost %d writes", r.id, i, n))
		}
	}
	j.checkAll("after edits in peace")
}

// who is the person that a record stands for.
func (j *joint) who(i int, f crm.Fields) string {
	return strings.ToLower(f[j.apps[i].field(modelapp.Email)].Text())
}
