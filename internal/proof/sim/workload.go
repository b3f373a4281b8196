package sim

import (
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// workloads narrow a seed's settings to where one thing goes wrong often.
var workloads = map[string]func(s *settings){
	// One new person reaches us by webhook, pull and resync, eight workers at
	// once, with an index that lags and creates whose answer is lost.
	"crowd": func(s *settings) {
		s.model()
		s.people, s.workers, s.receive, s.overlap, s.yields = 3, 8, 1, true, 400
		s.hooks, s.interval, s.resyncs, s.newcomers = true, time.Minute, true, true
		s.changes = 30
		s.rate = map[string]int{
			"app_lost_reply": 200, "kill_on_wire": 80, "timeout_lands": 80, "kill_after": 10, "delivered_twice": 100,
			"rows_fail": 60, "row_lost_reply": 300, "hook_twice": 300,
		}
		for i := range s.apps {
			s.apps[i].Lag, s.apps[i].Unique, s.apps[i].FindNow, s.apps[i].Jitter = 5*time.Second, false, false, false
		}
		s.sync.Behavior = crm.PerWay[crm.Behavior]{}
		s.sync.Direction = crm.DirectionBoth
	},
	// Processes die and calls take long; nothing else goes wrong.
	"crash": func(s *settings) {
		s.model()
		s.rate = map[string]int{
			"kill": 5, "kill_after": 25, "kill_on_wire": 120, "timeout_lands": 60, "landed_late": 0, "edit_between": 60,
			"stall": 4, "stall_before_links": 60, "edit_after_crash": 700, "app_slow": 60, "delivered_twice": 60,
		}
		s.workers, s.overlap, s.receive, s.pause = 4, true, 3, 3*time.Second
		for i := range s.apps {
			s.apps[i].History, s.apps[i].Conditional = true, false
		}
	},
	// Calls take nearly as long as they may.
	"slow": func(s *settings) {
		s.model()
		s.rate = map[string]int{"app_slow": 600, "edit_between": 100, "delivered_twice": 200}
		s.newcomers, s.hooks, s.interval = true, false, time.Minute
		s.workers, s.overlap, s.receive, s.people, s.pause = 4, true, 10, 30, 4*time.Second
		s.tuning.LotSize, s.tuning.ChunkSize = 100, 100
		for i := range s.apps {
			s.apps[i].WriteBatch, s.apps[i].ReadBatch, s.apps[i].FindBatch = 1, 100, 100
			s.apps[i].Conditional, s.apps[i].Lag = false, time.Second
		}
	},
	// Every call takes seconds, on one app or on both, and nothing goes wrong.
	"sluggish": func(s *settings) {
		s.model()
		s.rate, s.hooks, s.interval = map[string]int{}, false, 5*time.Minute
		s.workers, s.people, s.changes, s.pause = 2, 60, 30, 20*time.Second
		s.tuning.ChunkSize, s.tuning.LotSize, s.tuning.Window = 100, 100, 10
		s.crawl()
	},
	// The connection is paused and resumed, and joined anew.
	"switch": func(s *settings) {
		s.model()
		s.admin, s.generations = 250, true
		s.rate = map[string]int{"app_slow": 200, "hook_twice": 200}
		s.workers, s.overlap, s.people = 4, true, 20
		for i := range s.apps {
			s.apps[i].WriteBatch = 3
		}
	},
	// Users take away what is there: fields, last tags, keys, on one side or both.
	"emptying": func(s *settings) {
		s.model()
		s.edits, s.emptying, s.settled, s.people, s.changes = true, true, true, 15, 120
		s.hooks, s.interval, s.resyncs = true, time.Minute, true
		s.rate = map[string]int{
			"hook_lost": 200, "kill_after": 8, "kill_on_wire": 60, "delivered_twice": 60, "edit_between": 60,
		}
		s.sync.Direction, s.sync.Behavior = crm.DirectionBoth, crm.PerWay[crm.Behavior]{}
	},
	// Users delete a lot, at once and one by one, and take back.
	"deletions": func(s *settings) {
		s.model()
		s.edits, s.floods, s.resyncs, s.people = true, true, true, 25
		s.hooks, s.interval, s.pause, s.settled = false, time.Minute, 8*time.Second, true
		s.tuning.DeleteFloor = 3
		s.rate = map[string]int{"hook_lost": 500, "not_found_blip": 60, "kill_after": 5, "schedule_lost": 100}
		for i := range s.apps {
			s.apps[i].DeletedFeed = i == 0
			s.apps[i].Sweep = false
		}
	},
	// The apps soon forget what was deleted, while nobody looks for longer.
	"forgetful": func(s *settings) {
		s.model()
		s.edits, s.settled, s.people, s.admin = true, true, 15, 150
		s.hooks, s.interval, s.pause = false, time.Minute, 8*time.Second
		s.rate = map[string]int{"kill": 3, "kill_after": 5, "send_unavailable": 30, "schedule_lost": 200}
		for i := range s.apps {
			a := &s.apps[i]
			a.Memory, a.DeletedFeed, a.Sweep, a.Merges, a.Absorbs, a.NewRecord = 3*time.Minute, true, false, false, false, false
		}
	},
	// An admin makes plans and applies them, at once or when users have gone on.
	"plans": func(s *settings) {
		s.model()
		s.planning, s.people, s.changes, s.pause, s.interval, s.hooks = true, 12, 90, 8*time.Second, 5*time.Minute, false
		s.resyncs, s.settled = true, true
		s.rate = map[string]int{"kill_after": 3, "delivered_twice": 60, "edit_between": 30}
	},
	// An admin joins records and takes pairs apart, decides about conflicts,
	// cancels runs, tries failures again, and keeps what seems to be deleted.
	"hands": func(s *settings) {
		s.model()
		s.hands, s.edits, s.floods, s.settled, s.people, s.changes = true, true, true, true, 14, 90
		s.hooks, s.interval, s.pause, s.resyncs, s.admin = true, time.Minute, 8*time.Second, true, 100
		s.tuning.DeleteFloor = 3
		if s.sync.Conflict == crm.ConflictRight {
			s.sync.Conflict = crm.ConflictReview
		}
		s.rate = map[string]int{
			"hook_lost": 200, "kill_after": 3, "delivered_twice": 60, "edit_between": 30, "app_lost_reply": 20, "rows_fail": 60,
		}
	},
	// Only webhooks tell of changes, none is lost, and what they brought is judged
	// before anything looks at everything.
	"told": func(s *settings) {
		s.unhealed()
		s.hooks, s.interval = true, 0
	},
	// Only pulls tell of changes, likewise.
	"asked": func(s *settings) {
		s.unhealed()
		s.hooks, s.interval = false, time.Minute
		s.rate["row_unreadable"] = 60
	},
	// The apps' searches find only what is written letter by letter as they are
	// asked for it; everybody is there before us.
	"blind": func(s *settings) {
		s.model()
		s.settled, s.steady, s.people, s.changes, s.edits, s.newcomers, s.floods = true, true, 40, 40, false, false, false
		s.hooks, s.interval, s.resyncs = true, time.Minute, true
		s.admin, s.generations = 0, false
		for i := range s.apps {
			s.apps[i].Literal, s.apps[i].Trim, s.apps[i].Unique = true, false, false
		}
	},
	// The mix between HubSpot and Salesforce.
	"pair": func(s *settings) { s.real = true },
	// Any two apps of the list, each behind its own connector and its own fake.
	appsWorkload: func(s *settings) {
		s.real, s.every, s.plain, s.settled, s.edits, s.interval = true, true, true, true, true, time.Minute
		for _, name := range []string{
			"kill_after", "kill_on_wire", "timeout_lands", "app_429", "app_5xx", "app_lost_reply", "app_malformed",
			"token_expired", "edit_between", "edit_after_crash", "hook_lost", "hook_twice", "hook_delayed", "delivered_twice",
			"not_found_blip",
		} {
			s.rate[name] = max(s.rate[name], usual[name])
		}
	},
	// Users of HubSpot merge contacts, which keep the addresses of both.
	"further": func(s *settings) {
		s.real, s.plain, s.merging, s.further, s.edits = true, true, true, true, true
		s.settled = s.apps[0].History // or they merge whom nothing has joined yet
		s.sync.Direction, s.sync.Behavior, s.sync.FillBlanksOnly = crm.DirectionBoth, crm.PerWay[crm.Behavior]{},
			crm.PerWay[bool]{}
		s.pause, s.interval, s.hooks, s.resyncs = 8*time.Second, time.Minute, true, true
		s.rate = map[string]int{"hook_lost": 400, "edit_between": 30}
	},
	// People who are in step are erased, and come again by every way there is.
	"erasures": func(s *settings) {
		s.model()
		s.erasing, s.settled, s.people, s.changes, s.plain = true, true, 15, 80, true
		s.edits, s.poison, s.revokes, s.floods, s.generations, s.mass = false, false, false, false, false, false
		s.hooks, s.interval, s.pause, s.resyncs = true, time.Minute, 20*time.Second, true
		s.tuning.EraseAgain = 5 * time.Minute
		s.rate = map[string]int{
			"kill": 3, "kill_after": 3, "hook_lost": 200, "hook_delayed": 100, "delivered_twice": 60,
			"edit_between": 60, "store_unavailable": 3,
		}
		for i := range s.apps {
			s.apps[i].Unique = false
		}
	},
	// Admins archive mapped fields and bring them back, while users go on typing.
	"archive": func(s *settings) {
		s.model()
		s.archives, s.steady, s.settled, s.clears, s.people, s.changes = true, true, true, true, 12, 80
		s.edits, s.poison, s.revokes, s.floods, s.newcomers, s.generations, s.admin = false, false, false, false, false,
			false, 0
		s.hooks, s.interval, s.pause, s.resyncs = true, time.Minute, 20*time.Second, true
		s.rate = map[string]int{}
		for i := range s.apps {
			s.apps[i].Trim, s.apps[i].Phones = false, false
		}
	},
	// Changes enter an app's index long after they were made, and nothing else
	// tells of them.
	"late": func(s *settings) {
		s.unheard(map[string]int{"index_late": 300, "schedule_lost": 60, "kill_after": 2, "edit_between": 30})
		s.sync.AuditHours = ptr(0)
	},
	// Some changes never enter the index, and nothing else tells of them.
	"unlisted": func(s *settings) {
		s.unheard(map[string]int{"index_never": 150, "schedule_lost": 60, "kill_after": 2, "edit_between": 30})
		s.newcomers, s.steady = false, true
	},
	// Users merge records, in chains too, and go on typing on both sides; most
	// are heard of late or by accident.
	"merges": func(s *settings) {
		s.model()
		s.edits, s.merging, s.settled, s.people, s.changes = true, true, true, 20, 60
		s.pause = 8 * time.Second
		s.rate = map[string]int{
			"hook_lost": 400, "hook_delayed": 200, "kill_after": 5, "edit_between": 60, "delivered_twice": 100,
		}
		for i := range s.apps {
			a := &s.apps[i]
			a.Absorbs = i == 0
			a.Merges, a.NewRecord = !a.Absorbs, a.Absorbs && a.History
		}
	},
	// Somebody clears a field of everybody, or gives all one value.
	"mass": func(s *settings) {
		s.model()
		s.mass, s.steady, s.settled, s.people, s.changes = true, true, true, 25, 150
		s.hooks, s.interval, s.pause = true, time.Minute, 8*time.Second
		s.tuning.ChangeFloor, s.tuning.ClearShare, s.tuning.ChangeShare = 3, 0.01, 0.01
		s.rate = map[string]int{"hook_lost": 200, "hook_twice": 100, "delivered_twice": 60, "edit_between": 30}
	},
	// Only pulls tell of changes, and their processes die or cannot send.
	"pull": func(s *settings) {
		s.model()
		s.sync.SecondLook, s.sync.AuditHours = ptr(0), ptr(0) // what they find would hide what is missed
		s.hooks, s.interval, s.pause, s.people = false, time.Minute, 8*time.Second, 30
		s.rate = map[string]int{
			"kill": 25, "kill_after": 25, "send_unavailable": 250, "send_partial": 200, "send_lost_reply": 50,
			"store_unavailable": 80, "schedule_twice": 200,
		}
		for i := range s.apps {
			s.apps[i].PageSize = 100
		}
	},
	// Limits, quotas and poisoned records.
	"limits": func(s *settings) {
		s.model()
		s.poison = true
		s.tuning.ReceiveCap = 4
		s.rate = map[string]int{
			"app_429": 250, "app_quota": 20, "rows_fail": 300, "store_unavailable": 15, "store_throttled": 10,
			"delivered_twice": 100,
		}
		s.pause = 8 * time.Second
	},
	// One app takes the right to write away for a while; nothing else goes wrong.
	"rights": func(s *settings) {
		s.model()
		s.rights, s.settled, s.steady, s.sync.Conflict = true, true, true, crm.ConflictLeft
		s.edits, s.poison, s.revokes, s.floods, s.resyncs, s.newcomers, s.generations, s.admin = false, false, false, false,
			false, false, false, 0
		s.hooks, s.interval, s.pause, s.people, s.changes = true, time.Minute, 15*time.Second, 12, 90
		s.rate = map[string]int{}
		for i := range s.apps {
			s.apps[i].Trim, s.apps[i].Phones, s.apps[i].Unique = false, false, false
		}
	},
	// The apps refuse rows of a batch, and some records make them fail.
	"refusals": func(s *settings) {
		s.model()
		s.poison, s.toxic, s.people, s.pause = true, true, 12, 8*time.Second
		s.hooks, s.interval = false, time.Minute
		s.tuning.ReceiveCap, s.tuning.ChunkSize, s.tuning.LotSize = 4, 20, 100
		s.rate = map[string]int{"rows_fail": 800, "row_lost_reply": 50}
		for i := range s.apps {
			s.apps[i].WriteBatch, s.apps[i].Conditional = 100, false
		}
	},
	// A worker falls asleep between writing to an app and remembering it, and
	// wakes up when another one has long gone on.
	"asleep": func(s *settings) {
		s.asleep()
		s.settled, s.steady = true, true
	},
	// As asleep, while people come and go.
	"newborn": (*settings).asleep,
	// The apps refuse values and records, change what is written, and say yes to
	// what they do not keep.
	"picky": func(s *settings) {
		s.model()
		s.picky, s.people, s.pause = true, 12, 8*time.Second
		s.rate = map[string]int{"edit_between": 60, "hook_twice": 100, "delivered_twice": 60}
	},
	// Three accounts are joined by several connections: what one writes is news to
	// the next.
	"shared": (*settings).sharing,
	// Two syncs of one connection, or of two, share the people of two accounts, who
	// change from one to the other while they are being made.
	"siblings": func(s *settings) {
		s.sharing()
		s.parts, s.resyncs = true, true
	},
	// Users of HubSpot and Salesforce note things about people, who are merged and taken
	// apart meanwhile.
	"notes": (*settings).taking,
	// Every message comes several times, and nothing else goes wrong.
	"twice": func(s *settings) {
		s.model()
		s.rate = map[string]int{
			"delivered_twice": 700, "hook_twice": 500, "hook_delayed": 200, "delete_failed": 300,
			"schedule_twice": 300,
		}
		s.workers, s.overlap, s.receive, s.resyncs = 4, true, 3, true
		for i := range s.apps {
			s.apps[i].Trim, s.apps[i].Phones = false, false
		}
	},
	// The store's copies differ for a while after each write, and users take
	// back what they typed.
	"copies": func(s *settings) {
		s.model()
		s.people, s.changes, s.slips, s.plain = 12, 90, true, true
		s.hooks, s.interval, s.relook, s.pause = false, 0, time.Minute, 20*time.Second
		s.tuning.StaleFor = 4 * time.Minute // several pulls
		s.rate = map[string]int{"stale_read": 700}
		for i := range s.apps {
			s.apps[i].PageSize, s.apps[i].ReadBatch, s.apps[i].WriteBatch, s.apps[i].Lag = 100, 100, 100, 0
		}
	},
	// Users delete and restore, and what becomes of the twins is said by policies.
	"policies": (*settings).deleting,
	// Users cross filters, and an admin changes rules and switches while they do.
	"rules": (*settings).filtering,
	// Searches are as old as their index may be while users edit.
	"stale": func(s *settings) {
		s.model()
		s.people, s.changes, s.newcomers, s.edits, s.impatient = 10, 60, true, true, true
		s.hooks, s.interval = false, time.Minute
		s.rate = map[string]int{"edit_between": 150, "hook_twice": 200, "delivered_twice": 60}
		for i := range s.apps {
			s.apps[i].Lag, s.apps[i].FindNow, s.apps[i].Jitter, s.apps[i].Conditional, s.apps[i].Unique = 10*time.Second, false,
				false, false, false
		}
		s.sync.Behavior, s.sync.Direction = crm.PerWay[crm.Behavior]{}, crm.DirectionBoth
	},
}

// laterWorkloads are drawn apart, so that seeds without them stay as they were.
var laterWorkloads = []string{"archive", "late", "plans", "unlisted"}

// apartWorkloads have a run of their own, and are not drawn.
var apartWorkloads = []string{
	appsWorkload, "asked", "blind", "erasures", "further", "hands", "newborn", "notes", "pair", "policies",
	"rules", "shared", "siblings", "told",
}

// appsWorkload draws two of all apps: it has as many seeds as it takes to have each app
// in two of a hundred of a run's seeds.
const (
	appsWorkload = "apps"
	appsOf       = 21 // per cent of the other seeds
	appsShare    = 50 // one seed of so many, at least
)

// longWorkloads need all of a seed's changes until what they are about is reached.
var longWorkloads = []string{"deletions", "hands", "pair", "plans"}

// Workloads names the special workloads.
func Workloads() []string { return sortedKeys(workloads) }

// mixed names the workloads that every run has some seeds of.
func mixed() []string {
	return slices.DeleteFunc(Workloads(), func(n string) bool {
		return slices.Contains(laterWorkloads, n) || slices.Contains(apartWorkloads, n)
	})
}

// unhealed lets things go wrong, but nothing get lost that is told, and nobody
// look at everything.
func (s *settings) unhealed() {
	s.model()
	s.prompt, s.settled, s.changes = 20*time.Minute, true, 80
	s.admin, s.resyncs, s.floods, s.revokes, s.generations, s.poison, s.rights, s.archives, s.planning, s.hands = 0, false,
		false, false, false, false, false, false, false, false
	for _, lost := range []string{
		"hook_lost", "hook_delayed", "schedule_lost", "app_quota", "stall", "stall_before_links",
	} {
		delete(s.rate, lost)
	}
}

// sharing is a small world of several connections.
func (s *settings) sharing() {
	s.model()
	s.joint, s.people, s.changes, s.interval, s.pause = true, 8, 60, time.Minute, 8*time.Second
	s.tuning.DeleteFloor = 50
	s.rate = map[string]int{
		"kill": 1, "kill_after": 2, "app_5xx": 10, "app_429": 5, "app_lost_reply": 30, "store_unavailable": 2,
		"hook_lost": 200, "hook_twice": 100, "delivered_twice": 60, "send_partial": 20, "schedule_lost": 60,
	}
}

// taking is a small world of HubSpot and Salesforce in which notes are taken.
func (s *settings) taking() {
	s.sharing()
	s.noting, s.pair, s.people, s.changes, s.hooks = true, [2]crm.AppID{"hubspot", "salesforce"}, 5, 60, false
	s.workers, s.pause = min(s.workers, 2), 20*time.Second
	s.rate = map[string]int{
		"kill": 1, "kill_after": 3, "app_5xx": 10, "app_429": 5, "app_lost_reply": 40, "store_unavailable": 2,
		"delivered_twice": 60, "send_partial": 20, "schedule_lost": 60,
	}
}

func (s *settings) asleep() {
	s.model()
	s.people, s.workers, s.receive, s.overlap, s.hooks, s.interval = 5, 4, 3, true, true, time.Minute
	s.pause = 5 * time.Second
	s.rate = map[string]int{"stall_before_links": 150, "edit_after_crash": 1000}
	for i := range s.apps {
		s.apps[i].History, s.apps[i].Conditional = true, false
	}
}

// unheard leaves pulls alone to tell of changes, with look-ups that know
// everything at once: what is late is the listing.
func (s *settings) unheard(rate map[string]int) {
	s.model()
	s.hooks, s.interval, s.pause, s.settled, s.people, s.changes = false, 5*time.Minute, 20*time.Second, true, 15, 60
	s.rate = rate
	for i := range s.apps {
		s.apps[i].FindNow, s.apps[i].Unique = true, false
	}
}

// lateness reports whether changes may enter the index late.
func (s *settings) lateness() bool { return s.rate["index_late"] > 0 || s.rate["index_never"] > 0 }

// crawl lets each call take from a second to a quarter of a minute, on the left,
// the right or both, by what was drawn for the apps.
func (s *settings) crawl() {
	slow := time.Second
	for i, many := range []bool{s.apps[0].WriteBatch == 100, s.apps[1].WriteBatch == 100} {
		if many {
			slow *= []time.Duration{2, 8}[i]
		}
	}
	slow = min(slow, 15*time.Second)
	s.latency = [2]time.Duration{slow, slow}
	switch s.apps[0].PageSize {
	case 5:
		s.latency[0] = 200 * time.Millisecond
	case 20:
		s.latency[1] = 200 * time.Millisecond
	}
}

// model makes the seed one of model apps where everything travels both ways.
func (s *settings) model() {
	s.real, s.calm, s.skewed, s.plain = false, false, false, true
	s.sync.FillBlanksOnly, s.sync.AvoidDuplicates = crm.PerWay[bool]{}, nil
	s.sync.Behavior, s.sync.Direction = crm.PerWay[crm.Behavior]{}, crm.DirectionBoth
	if s.sync.Conflict == crm.ConflictReview {
		s.sync.Conflict = crm.ConflictLeft
	}
}
