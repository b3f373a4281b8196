package engine_test

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// otherSettings are scenarios of one busy day under settings that the others do
// not have.
func otherSettings() []scenario {
	day := func(b *crashBed) {
		b.busy()
		edits["double"](b)
		b.pull()
		b.rest()
		for side, email := range []string{ann, bob} {
			side := crm.Sides[side]
			id := b.byEmail(side, email)
			if err := b.apps[side.Index()].Delete(id); err != nil {
				b.t.Fatal(err)
			}
			b.hook(side, "deleted", id)
		}
		b.rest()
		edits["create on both"](b)
		b.resync()
	}
	email := crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"l_email", "r_email"}}}
	byID := crm.MatchStep{By: crm.MatchByID, Left: "l_key", Right: "$id", WriteBack: true}
	matched := func(steps ...crm.MatchStep) func(c *crm.Connection) {
		return func(c *crm.Connection) { c.Syncs[0].Match = crm.SameMatch(steps...) }
	}
	gold := &crm.Filter{Field: "l_rank", Op: "equals", Value: crm.TextValue("gold")}
	ranked := func(b *crashBed) {
		b.edit(crm.Left, b.byEmail(crm.Left, ann), "rank", "gold")
		b.pull()
		b.rest()
		b.edit(crm.Left, b.byEmail(crm.Left, ann), "rank", "silver", "city", "Oslo")
		b.pull()
		b.rest()
		day(b)
	}
	return []scenario{
		{name: "matched by ID, which is written back", change: matched(byID, email), act: func(b *crashBed) {
			day(b)
			b.create(crm.Left, "key", string(b.create(crm.Right, "first", "Gus")), "first", "Gustav")
			b.create(crm.Left, "key", "r_nobody", "email", "hal@example.com")
			b.pull()
		}},
		{
			name:   "matched by an ID that must be there",
			change: matched(crm.MatchStep{By: crm.MatchByID, Left: "l_key", Right: "$id", OnMissing: "error"}, email), act: day,
		},
		{name: "matched by all keys, verified", change: matched(
			crm.MatchStep{
				By: crm.MatchByAllKeys, Pairs: [][2]string{{"l_first", "r_first"}, {"l_last", "r_last"}},
				Verify: [][2]string{{"l_city", "r_city"}},
			}, email), act: func(b *crashBed) {
			b.create(crm.Left, "first", "Ivy", "last", "Poe", "city", "Ghent")
			b.create(crm.Right, "first", "Ivy", "last", "Poe", "city", "Ghent")
			b.create(crm.Right, "first", "Ivy", "last", "Poe", "city", "Lund")
			day(b)
		}},
		{name: "keys that disagree", change: matched(crm.MatchStep{
			By: crm.MatchByAnyKey, Pairs: [][2]string{{"l_email", "r_email"}, {"l_phone", "r_phone"}}, OnDisagreement: "error",
			Protect: []string{"l_email"},
		}), act: func(b *crashBed) {
			b.create(crm.Right, "email", "jo@example.com", "first", "Jo")
			b.create(crm.Right, "phone", "+12125550100", "first", "Joe")
			b.create(crm.Left, "email", "jo@example.com", "phone", "+12125550100", "last", "Moe")
			day(b)
		}},
		{name: "deletions travel", change: func(c *crm.Connection) {
			c.Syncs[0].Deletes = crm.Deletes{ToRight: crm.DeleteArchive, ToLeft: crm.DeleteArchive}
		}, act: day},
		{name: "deletions are marked by a tag", change: func(c *crm.Connection) {
			c.Syncs[0].Deletes = crm.Deletes{ToRight: crm.DeleteTag, ToLeft: crm.DeleteTag, Tag: "gone"}
		}, act: day},
		{name: "the newest wins", change: func(c *crm.Connection) { c.Syncs[0].Conflict = crm.ConflictNewest }, act: day},
		{name: "updates alone to the right, creates alone to the left", change: func(c *crm.Connection) {
			c.Syncs[0].Behavior = crm.PerWay[crm.Behavior]{ToRight: crm.BehaviorUpdateOnly, ToLeft: crm.BehaviorCreateOnly}
		}, act: day},
		{name: "a rule that takes back", change: func(c *crm.Connection) {
			c.Syncs[0].Rules = []crm.Rule{
				{ID: "gold", Direction: crm.DirectionToRight, Filter: gold, Undo: true, Actions: []crm.RuleAction{
					{Type: "add_tag", Field: "r_tags", Value: "gold"},
				}},
			}
		}, act: ranked},
		{name: "a rule for one way", change: func(c *crm.Connection) {
			c.Syncs[0].Rules = []crm.Rule{{ID: "gold", Direction: crm.DirectionToRight, Filter: gold}}
		}, act: ranked},
		{name: "an app with upserts and versions", options: func(_ int, o *modelapp.Options) {
			o.Upsert, o.Conditional, o.History = true, true, false
		}, act: day},
		{name: "apps that tell little", options: func(side int, o *modelapp.Options) {
			o.DeletedFeed, o.Merges, o.Archive, o.History, o.Sweep = false, false, false, false, side == 0
		}, act: func(b *crashBed) {
			day(b)
			b.rest()
			b.now = b.now.Add(25 * time.Hour)
			b.pull()
		}},
	}
}
