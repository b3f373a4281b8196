package sim

import (
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// faultNames lists every fault that the world can strike with by itself.
var faultNames = []string{
	"kill", "kill_after", "kill_on_wire", "timeout_lands", "landed_late",
	"store_unavailable", "store_throttled", "store_lost_reply", "store_partial_batch", "store_transaction_cancelled",
	"send_unavailable", "send_partial", "send_lost_reply", "receive_unavailable", "delivered_twice", "delete_failed",
	"app_429", "app_quota", "app_5xx", "app_timeout", "app_slow", "app_malformed", "app_lost_reply", "rows_fail",
	"row_lost_reply",
	"token_expired", "edit_between", "hook_lost", "hook_twice", "hook_delayed", "schedule_lost", "schedule_twice",
	"stall", "stall_before_links", "not_found_blip", "row_unreadable", "edit_after_crash", "stale_read",
}

// laterFaults came to the world later and strike in workloads of their own only.
var laterFaults = []string{"index_late", "index_never"}

// usual is how often each fault strikes, in thousandths of its chances, where a
// seed has it at all.
var usual = map[string]int{
	"kill": 2, "kill_after": 4, "kill_on_wire": 60, "timeout_lands": 40,
	"store_unavailable": 4, "store_throttled": 3, "store_lost_reply": 8, "store_partial_batch": 30,
	"store_transaction_cancelled": 15,
	"send_unavailable":            30, "send_partial": 40, "send_lost_reply": 30, "receive_unavailable": 10,
	"delivered_twice": 60,
	"delete_failed":   30,
	"app_429":         15, "app_quota": 3, "app_5xx": 20, "app_timeout": 8, "app_slow": 20, "app_malformed": 10,
	"app_lost_reply": 60,
	"rows_fail":      120, "row_lost_reply": 200, "token_expired": 15, "edit_between": 60,
	"hook_lost": 300, "hook_twice": 200, "hook_delayed": 200, "schedule_lost": 100, "schedule_twice": 100,
	"stall": 1, "stall_before_links": 20, "not_found_blip": 10, "row_unreadable": 10, "edit_after_crash": 500,
	"stale_read": 300,
}

// settings is what a seed is about.
type settings struct {
	real     bool // connectors on their apps' fakes
	every    bool // any two apps, which tell of changes as they do
	calm     bool // no faults at all
	people   int
	changes  int
	workers  int
	receive  int // messages a worker takes at once
	overlap  bool
	yields   int // thousandths of boundaries where others get a turn
	rate     map[string]int
	pause    time.Duration // mean time between edits
	interval time.Duration // of scheduled pulls; 0 = never
	relook   time.Duration // between full resyncs; 0 = never
	hooks    bool
	skewed   bool
	apps     [2]modelapp.Options
	sync     crm.Sync
	tuning   engine.Tuning
	phones   bool // phone numbers are slow to read, so not every seed has them
	plain    bool // every record and field travels both ways
	edits    bool // users delete, restore and merge too

	pair    [2]crm.AppID     // of a real seed
	listed  time.Duration    // how long a change may be in no listing of a real app
	key     string           // the field that people are matched by
	fields  []string         // that both have, by logical name
	needed  []string         // of them, those that nobody may leave blank
	latency [2]time.Duration // of each call to an app; 0 = short, and now and then long

	emptying  bool // users empty fields, lists and keys, and fill them again
	slips     bool // users mostly fill in a field and take it back
	newcomers bool // users mostly make new people, on both sides and twice
	further   bool // users enter people under addresses that are further ones elsewhere
	picky     bool // users type what the other app refuses, changes or keeps out
	mass      bool // users clear a field of everybody, or give all one value
	floods    bool // users delete many records at once
	merging   bool // users merge records again and again
	resyncs   bool // an admin looks at everything again and again
	admin     int  // thousandths of users' turns at which an admin does something
	revokes   bool // grants are taken away
	archives  bool // admins archive fields and bring them back
	// how long a change may take to the other app when nothing heals: it is judged then; 0 = not judged
	prompt      time.Duration
	hands       bool // an admin links, unlinks, resolves, retries, cancels and discards
	planning    bool // an admin makes plans and applies them, fresh or stale
	erasing     bool // people are erased, by an admin or by a user of an app
	clears      bool // every mapping clears
	rights      bool // the right to write is taken away on one side
	poison      bool // some records make the app fail
	toxic       bool // and are edited then
	impatient   bool // users edit what they have just made
	settled     bool // everybody is linked before anything goes wrong
	steady      bool // nobody comes or goes
	joint       bool // several connections share accounts: see joint
	parts       bool // several syncs share people: see joint
	noting      bool // users note things about people: see noted
	generations bool // the connection is joined to other accounts
	policies    bool // the twins of deleted records are tagged or archived: see policies.go
	rules       bool // users cross filters, and an admin changes rules and switches: see rules.go
}

const syncID crm.SyncID = "people"

// draw makes the settings of a seed.
func draw(c *chance, seed uint64, o *Options) settings {
	world := newChance(^seed) // of what came to the world later, so that seeds stay as they were without it
	s := settings{
		real: c.in(280), calm: c.in(100), people: c.between(3, 40), changes: 114, workers: c.between(1, 4),
		receive: pick(c, 1, 3, 10), overlap: c.in(400), yields: pick(c, 20, 100, 400), rate: map[string]int{},
		pause:    pick(c, 500*time.Millisecond, time.Second, time.Second, 3*time.Second, 20*time.Second),
		interval: pick(c, time.Minute, time.Minute, 5*time.Minute, 0),
		hooks:    c.in(750), skewed: c.in(150), edits: c.in(600), phones: c.in(300), key: modelapp.Email,
	}
	if c.in(80) {
		s.people = c.between(40, 150)
	}
	if s.interval == 0 {
		s.hooks = true
	}
	if !s.calm {
		s.drawFaults(c)
	}
	for i := range s.apps {
		s.apps[i] = drawApp(c, i)
	}
	s.tuning = engine.Tuning{
		StaleFor:  time.Minute,
		ChunkSize: pick(c, 5, 20, 100), LotSize: pick(c, 7, 30, 100), Window: pick(c, 2, 10), InboxAfter: pick(c, 3, 50),
		DeleteFloor: pick[int64](c, 3, 50),
	}
	s.drawSync(c)
	if !s.calm {
		s.admin, s.revokes, s.poison, s.resyncs = pick(c, 0, 20, 60), c.in(300), c.in(150), c.in(100)
		s.floods, s.newcomers, s.generations = c.in(80), c.in(100), c.in(100)
		s.rights = c.in(150)
	}
	blank, gone := s.drawSchemas(world)
	s.hands = newChance(seed^0x616374).in(60) && !s.calm
	name := o.Workload
	if name == "" && c.in(220) {
		name = pick(c, mixed()...)
	}
	if o.Workload == "" && world.in(25) {
		name = pick(world, laterWorkloads...)
	}
	if narrow := workloads[name]; narrow != nil {
		narrow(&s)
	}
	for i := range s.apps {
		s.apps[i].Picky = s.picky
		s.apps[i].Blank, s.apps[i].RefuseGone = blank[i], gone[i]
	}
	s.drawSizes(newChance(seed^0x73697a6573), name == "")
	if o.Workload != "" && !slices.Contains(longWorkloads, o.Workload) {
		// what it is about comes often: more seeds tell more than longer ones
		s.changes = s.changes * 11 / 20
	}
	if s.real {
		s.changes, s.people = 30, min(s.people, 25) // each request costs several times what a model app's does
		// what two days between two clocks add is seen without the apps' own clocks
		s.skewed = false
		if s.pair = [2]crm.AppID{"hubspot", "salesforce"}; s.every {
			s.pair, s.people, s.changes = pairOf(seed), min(s.people, 10), 12
		}
	}
	return s
}

func (s *settings) drawFaults(c *chance) {
	share := pick(c, 150, 400, 800)
	for _, name := range faultNames {
		if c.in(share) {
			s.rate[name] = usual[name] * pick(c, 1, 1, 3)
		}
	}
}

// drawSchemas says how each app shows blanks and fields that are gone, and
// whether any goes.
func (s *settings) drawSchemas(c *chance) (blank [2]crm.Blank, gone [2]bool) {
	for i := range blank {
		blank[i], gone[i] = pick(c, crm.BlankOmitted, crm.BlankNull, crm.BlankEmpty), c.in(500)
	}
	s.archives, s.planning = c.in(100) && !s.calm, c.in(100) && !s.calm
	return blank, gone
}

// drawSizes makes some seeds ones of many people, or, where nothing goes wrong, of
// many pages.
func (s *settings) drawSizes(c *chance, mixed bool) {
	switch n := c.n(1000); {
	case !mixed || s.real:
	case n < 1:
		s.people, s.changes, s.poison = c.between(1000, 3000), 20, false
		s.tuning.ChunkSize, s.tuning.LotSize = 100, 100
		for i := range s.apps {
			s.apps[i].PageSize, s.apps[i].ReadBatch, s.apps[i].FindBatch, s.apps[i].WriteBatch = 100, 100, 100, 100
		}
	case n < 400:
		for i := range s.apps {
			s.apps[i].PageSize = c.between(1, 3)
		}
	}
}

func drawApp(c *chance, side int) modelapp.Options {
	half := func() bool { return c.in(500) }
	o := modelapp.Options{
		ID: pick[crm.AppID](c, "model"), History: half(), Upsert: c.in(300), Conditional: c.in(300), AnswerValues: half(),
		DeletedFeed: half(), Merges: half(), Unique: c.in(300), FindNow: c.in(300), Trim: half(), Phones: half(),
		Coarse: pick(c, time.Millisecond, time.Second), Jitter: half(), PageSize: pick(c, 5, 20, 100),
		WriteBatch: pick(c, 3, 100),
		ReadBatch:  pick(c, 4, 100), FindBatch: pick(c, 4, 100), Prefix: [2]string{"l_", "r_"}[side],
	}
	o.Sweep = !o.DeletedFeed && half()
	if o.Merges { // told by the deletions, or by the survivor
		o.Absorbs = half()
		o.Merges, o.NewRecord = !o.Absorbs, o.Absorbs && half()
	}
	o.Lag = time.Duration(pick(c, 0, 0, 1, 5, 10)) * time.Second
	return o
}

func ptr[T any](v T) *T { return &v }

// drawSync makes the sync; in half of the seeds everything travels both ways.
func (s *settings) drawSync(c *chance) {
	s.plain = c.in(500)
	s.sync = crm.Sync{
		ID: syncID, Direction: crm.DirectionBoth, Schedule: "manual",
		Conflict: pick(c, crm.ConflictLeft, crm.ConflictRight, crm.ConflictNewest),
	}
	if s.plain {
		return
	}
	way := func(p *crm.PerWay[crm.Behavior]) {
		p.ToRight = pick(c, crm.BehaviorCreateAndUpdate, crm.BehaviorCreateAndUpdate, crm.BehaviorUpdateOnly,
			crm.BehaviorCreateOnly, crm.BehaviorNothing)
		p.ToLeft = pick(c, crm.BehaviorCreateAndUpdate, crm.BehaviorCreateAndUpdate, crm.BehaviorUpdateOnly,
			crm.BehaviorCreateOnly)
	}
	if c.in(300) {
		way(&s.sync.Behavior)
	}
	if c.in(150) {
		s.sync.FillBlanksOnly.ToRight = true
	}
	if c.in(150) {
		s.sync.FillBlanksOnly.ToLeft = true
	}
	if c.in(200) {
		s.sync.Direction = pick(c, crm.DirectionToRight, crm.DirectionToLeft)
	}
	if c.in(200) {
		s.sync.Conflict = crm.ConflictReview
	}
	if c.in(150) {
		s.sync.AvoidDuplicates = ptr(false)
	}
}

// logical names the fields that are mapped, the key first.
func (s *settings) logical() []string {
	if s.real {
		return s.fields
	}
	names := []string{modelapp.Email, modelapp.First, modelapp.Last, modelapp.City}
	if s.phones {
		names = append(names, modelapp.Phone)
	}
	if s.tagging() { // the tags are ours
		return append(names, modelapp.Rank, modelapp.Score)
	}
	return append(names, modelapp.Tags, modelapp.Rank, modelapp.Score)
}

// mappings fills in the mappings for the two apps' field names.
func (s *settings) mappings(c *chance, left, right app) {
	s.sync.Left.Object, s.sync.Right.Object = left.object(), right.object()
	s.sync.Match = crm.SameMatch(crm.MatchStep{
		By: crm.MatchByAnyKey, Pairs: [][2]string{{left.field(s.key), right.field(s.key)}},
	})
	for _, name := range s.logical() {
		m := crm.Mapping{
			ID: crm.MappingID(name), Left: []string{left.field(name)}, Right: []string{right.field(name)},
			Direction: crm.DirectionBoth,
		}
		switch name {
		case modelapp.Email:
			m.Transform.Type = crm.TransformEmail
		case modelapp.Phone:
			m.Transform.Type = crm.TransformPhone
		case modelapp.Tags:
			m.Transform.Type = crm.TransformList
		case modelapp.Score:
			m.Transform.Type = crm.TransformNumber
		}
		if !s.plain && name != s.key && !slices.Contains(s.needed, name) {
			drawMode(c, &m)
		}
		if s.clears || s.mass && name == modelapp.Rank {
			m.Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true}
		}
		s.sync.Mappings = append(s.sync.Mappings, m)
	}
}

// drawMode gives one mapping a way of its own.
func drawMode(c *chance, m *crm.Mapping) {
	switch c.n(8) {
	case 0:
		m.Direction = crm.DirectionToRight
	case 1:
		m.Direction = crm.DirectionToLeft
	case 2:
		m.WriteOnce = true
	case 3:
		m.Conflict = ptr(pick(c, crm.ConflictLeft, crm.ConflictRight, crm.ConflictNewest, crm.ConflictReview))
	}
	if c.in(300) {
		m.Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true}
	}
}
