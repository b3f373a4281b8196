package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// stories plays pieces of work by name.
type stories struct {
	t   *testing.T
	out strings.Builder
}

func (s *stories) play(name string, lay func(d *desk), f func(d *desk) (string, error)) {
	s.t.Helper()
	fmt.Fprintf(&s.out, "# %s\n%s\n", name, plays(s.t, lay, f))
}

// TestS6_ContestsMayFail: whatever request of a contest for an identity fails, it
// is not taken for won, and when it comes again the same comes of it.
func TestS6_ContestsMayFail(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	for _, name := range sortedNames(contests) {
		c := contests[name]
		key := claimKey("ws", "acc_right", "Person", wanted)
		contest := func(d *desk) (string, error) {
			u := &unit{
				side: crm.Left, id: bobLeft, answered: answered{keys: keysOf(bobMail)}, verdict: verdict{
					claims: []string{bobMail, wanted},
				},
			}
			w := store.Write{Item: store.Item{Key: key, Data: []byte(`{"intent":"` + ourLot + `"}`)}}
			err := d.s.contest(t.Context(), &lot{id: ourLot}, u, w)
			return fmt.Sprintf("waits %s for %q, claims %v", u.fate.wait, u.fate.why, u.claims), err
		}
		s.play(name, func(d *desk) {
			d.sc = scope{"ws", "con", "people"}
			if c.before != nil {
				c.before(d.stillBed)
			}
			if c.claim != nil {
				d.putJSON(key, *c.claim)
			}
			if c.seen > 0 {
				_, err := contest(d)
				d.must(err)
				d.now = d.now.Add(c.seen)
				d.sit()
			}
		}, contest)
	}
	written.Check(t, "desk/contests.txt", s.out.String())
}

// TestClaimsOfALot: what a lot claims before it creates anybody, and which births
// wait because their records were made just now by another sync.
func TestClaimsOfALot(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	claim := func(d *desk) (string, error) {
		us := []*unit{d.newcomer(crm.Left, bobLeft, "bob@example.com"), d.newcomer(crm.Right, annRight, "ann@example.com")}
		us[0].claims, us[1].claims = []string{bobMail, wanted}, []string{annMail}
		us[0].lookups = []reconcile.Lookup{{Keys: []reconcile.Key{{Side: crm.Right, Field: "Email", Canonical: bobMail}}}}
		stopped := d.newcomer(crm.Left, "l_stopped", "stopped@example.com")
		stopped.claims = []string{"email:stopped@example.com"}
		stopped.deferFor(time.Second, "it waits")
		us = append(us, stopped)
		err := d.s.claim(t.Context(), &lot{id: ourLot, units: us})
		var said []string
		for _, u := range us {
			said = append(said, fmt.Sprintf("%s waits %s for %q", u.id, u.fate.wait, u.fate.why))
		}
		return strings.Join(said, ", "), err
	}
	made := func(c claimed, later time.Duration) func(d *desk) {
		return func(d *desk) {
			d.conn.Shared = true
			c := c
			c.At = d.now.Add(c.At.Sub(time.Time{}))
			d.putJSON(claimKey(d.sc.ws, d.conn.Left.Account, "person", bobMail), c)
			if later != 0 {
				_, err := claim(d)
				d.must(err)
				d.now = d.now.Add(later)
				d.sit()
			}
		}
	}
	ago := func(d time.Duration) time.Time { return time.Time{}.Add(d) }
	for _, c := range []struct {
		name string
		lay  func(d *desk)
	}{
		{"nobody else is there", func(*desk) {}},
		{"another lot has one of them", func(d *desk) {
			d.putJSON(claimKey(d.sc.ws, d.conn.Right.Account, "Person", wanted), claimed{
				V: 1, Scope: d.s.name(), Intent: "int_open", Side: crm.Left, Source: annLeft, Lag: 3 * time.Second,
			})
			d.put(d.sc.intent("int_open"), []byte("{}"), nil)
		}},
		{"shared, and nobody made them", func(d *desk) { d.conn.Shared = true }},
		{"shared, and made just now by another", made(claimed{Scope: strange}, 0)},
		{"shared, and made by another, longer than the index lags", made(claimed{Scope: strange}, deskLag)},
		{"shared, and made by another, almost so long ago", made(claimed{Scope: strange}, deskLag-time.Millisecond)},
		{"shared, and made by ourselves", made(claimed{Scope: ownScope}, 0)},
		{"shared, and made two days ago", made(claimed{Scope: strange, At: ago(-makerFor)}, 0)},
		{"shared, and made longer ago", made(claimed{Scope: strange, At: ago(-makerFor - 1)}, 0)},
		{"shared, and made by a clock that is ahead", made(claimed{Scope: strange, At: ago(makerFor)}, 0)},
		{"shared, and made by a clock that is further ahead", made(claimed{Scope: strange, At: ago(makerFor + 1)}, 0)},
		{"shared, and their claim cannot be read", func(d *desk) {
			d.conn.Shared = true
			d.put(claimKey(d.sc.ws, d.conn.Left.Account, "person", bobMail), []byte("{"), nil)
		}},
		{"with a sibling", func(d *desk) {
			other := d.conn.Syncs[0]
			other.ID = "other"
			d.conn.Syncs = append(d.conn.Syncs, other)
			d.s.conf = &d.conn.Syncs[0]
			d.lays = func(d *desk) { d.s.conf = &d.conn.Syncs[0] }
			d.putJSON(claimKey(d.sc.ws, d.conn.Left.Account, "person", bobMail), claimed{Scope: strange, At: d.now})
		}},
	} {
		s.play(c.name, c.lay, claim)
	}
	written.Check(t, "desk/claims.txt", s.out.String())
}

// TestAPlanIsAppliedPageByPage: which of the listed changes are sent, what a run
// remembers of them, and that a page which cannot be read ends it.
func TestAPlanIsAppliedPageByPage(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	page := func(d *desk, name string, p planned) {
		b, err := json.Marshal(p)
		d.must(err)
		b, err = pack(b)
		d.put(planPage(d.sc.ws, "pln", name), b, err)
	}
	pages := map[string]func(d *desk){
		"no page": func(*desk) {},
		"one page": func(d *desk) {
			page(d, "chk_1", planned{Side: crm.Right, Changes: []Change{
				{Record: "r_1", Partner: "l_1", Digest: "d1"}, {Record: "r_2", Digest: "d2"}, {Record: "r_3", Partner: "l_3"},
			}})
		},
		"two pages": func(d *desk) {
			page(d, "chk_1", planned{Side: crm.Left, Changes: []Change{{Record: "l_1", Digest: "d1"}}})
			page(d, "chk_2", planned{Side: crm.Right, Changes: []Change{{Record: "r_1", Digest: "d2"}}})
		},
		"garbage":        func(d *desk) { d.put(planPage(d.sc.ws, "pln", "chk_1"), []byte("{"), nil) },
		"packed garbage": func(d *desk) { d.put(planPage(d.sc.ws, "pln", "chk_1"), []byte{0, 1, 2}, nil) },
		"another plan's page": func(d *desk) {
			d.put(planPage(d.sc.ws, "pln_other", "chk_1"), []byte("{"), nil)
		},
	}
	for _, name := range sortedNames(pages) {
		s.play(name, func(d *desk) {
			pages[name](d)
			d.run = &storedRun{
				V: 1, Phase: phaseApply, Seq: 3, Listed: 4, Rest: []hint{{ID: "before"}},
				Run: Run{ID: "run", Kind: RunApply, Plan: "pln", Connection: d.sc.con, Sync: d.sc.sync, State: RunRunning},
			}
			d.must(d.saveRun(t.Context(), d.sc.ws, d.run))
			d.lays = func(d *desk) {
				var err error
				d.run, err = d.loadRun(t.Context(), d.sc.ws, "run")
				d.must(err)
			}
		}, func(d *desk) (string, error) {
			err := d.s.stepApply(t.Context(), d.run)
			r := d.run
			return fmt.Sprintf("%s at page %d %t, listed %d, of the %s: %s", r.Phase, r.Seq, r.Position != "", r.Listed,
				r.RestSide, compact(r.Rest)), err
		})
	}
	written.Check(t, "desk/apply.txt", s.out.String())
}

// TestRecoveryLogsWhatLost: which users' values the log tells of whose place a
// write took, once, and not of those that still stand.
func TestRecoveryLogsWhatLost(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	lost := func(side crm.Side, before string) []Diff {
		return []Diff{{
			Mapping: "city", Side: side, Field: deskFields[side.Index()][0], Before: crm.TextValue(before),
			After: crm.TextValue("Rome"), Rule: "conflict_newest",
		}}
	}
	both := func(now string) func(d *desk) *intent {
		return func(d *desk) *intent {
			d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateInSync})
			d.person(crm.Left, bobLeft, now, "bob@example.com")
			d.person(crm.Right, bobRight, now, "bob@example.com")
			return &intent{ID: "int_1", Entries: []intentEntry{
				{Side: crm.Left, Left: bobLeft, Right: bobRight, Lost: lost(crm.Left, "Oslo")},
				{Side: crm.Right, Left: bobLeft, Right: bobRight, Lost: lost(crm.Right, "Lund")},
			}}
		}
	}
	for _, c := range []struct {
		name string
		lay  func(d *desk) *intent
	}{
		{"written", both("Rome")},
		{"one of them still stands", both("Lund")},
		{"one of them still stands, as far as an app has told that only pushes", func(d *desk) *intent {
			d.lays = func(d *desk) { d.s.ends[1].app.Abilities = append(d.s.ends[1].app.Abilities, crm.AbilityPush) }
			d.lays(d)
			return both("Lund")(d)
		}},
		{"records that are gone", func(d *desk) *intent {
			in := both("Rome")(d)
			d.apps[0].rows, d.apps[1].rows = nil, nil
			return in
		}},
		{"nothing lost", func(d *desk) *intent {
			in := both("Rome")(d)
			in.Entries[0].Lost, in.Entries[1].Lost = nil, nil
			return in
		}},
		{"another behavior to the right", func(d *desk) *intent {
			d.s.conf.Behavior.ToRight = crm.BehaviorUpdateOnly
			return both("Rome")(d)
		}},
		{"a log that is kept for a week", func(d *desk) *intent {
			_, err := store.SaveWorkspace(t.Context(), d.mem, store.Workspace{ID: d.sc.ws, LogDays: 7}, 0)
			d.must(err)
			return both("Rome")(d)
		}},
	} {
		s.play(c.name, func(d *desk) { d.intended = c.lay(d) }, func(d *desk) (string, error) {
			_, err := d.s.lookAtPairs(t.Context(), d.intended)
			d.days.dropIf(func(crm.WorkspaceID, keptDays) bool { return true })
			var kept []string
			d.mem.Each(store.Log, func(it store.Item) bool {
				kept = append(kept, it.Sort+" "+it.Expires.Format(time.DateOnly))
				return true
			})
			return strings.Join(kept, ", "), err
		})
	}
	written.Check(t, "desk/lost.txt", s.out.String())
}

// TestUnfinishedUpdates: what is agreed on of updates whose worker ended.
func TestUnfinishedUpdates(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	rome, oslo, lund := crm.TextValue("Rome"), crm.TextValue("Oslo"), crm.TextValue("Lund")
	update := func(side crm.Side, version int64, both ...crm.MappingID) intentEntry {
		return intentEntry{
			Side: side, Left: bobLeft, Right: bobRight, Version: version, Both: both,
			Intended: map[crm.MappingID]string{"city": rome.Digest(), "gone": "of a mapping that was taken out"},
		}
	}
	// The pair agreed on Oslo; what both hold by now differs from case to case.
	pair := func(left, right crm.Value, entries ...intentEntry) func(d *desk) {
		return func(d *desk) {
			d.putLink(&link{
				Left: bobLeft, Right: bobRight, State: crm.StateInSync, SeenL: "l", SeenR: "r", Base: crm.Base{
					"city": crm.Agree(d.s.set.Mapping("city").Revision(), oslo),
				},
			})
			d.person(crm.Left, bobLeft, left.Text(), "bob@example.com")
			d.person(crm.Right, bobRight, right.Text(), "bob@example.com")
			d.intended = &intent{ID: "int_1", Entries: entries}
		}
	}
	for _, c := range []struct {
		name string
		lay  func(d *desk)
	}{
		{"landed on the right", pair(rome, rome, update(crm.Right, 1))},
		{"landed on the left", pair(rome, rome, update(crm.Left, 1))},
		{"landed on the right, and the left was edited since", pair(lund, rome, update(crm.Right, 1))},
		{"landed on the right as something else, by the app", func(d *desk) {
			pair(rome, crm.TextValue("ROME"), update(crm.Right, 1))(d)
			r := d.apps[1].rows[bobRight]
			r.ModifiedBy = ourUser
			d.apps[1].rows[bobRight] = r
			d.selves.put(recoverAcc, ourUser)
		}},
		{"did not land", pair(rome, oslo, update(crm.Right, 1))},
		{"both were to be written, and both were", pair(rome, rome, update(crm.Left, 1, "city"), update(crm.Right, 1, "city"))},
		{"both were to be written, and one was", pair(oslo, rome, update(crm.Left, 1, "city"), update(crm.Right, 1, "city"))},
		{"both were to be written, the other's is not in the intent", pair(oslo, rome, update(crm.Right, 1, "city"))},
		{"the link was stored since", pair(rome, rome, update(crm.Right, 7))},
		{"the pair was new", pair(rome, rome, update(crm.Right, 0))},
		{"edited since, by its history", func(d *desk) {
			pair(rome, lund, update(crm.Right, 1))(d)
			d.apps[1].past = map[crm.RecordID]map[string][]crm.Value{bobRight: {"City": {lund, rome, oslo}}}
		}},
		{"what its history held before the last agreement", func(d *desk) {
			pair(rome, lund, update(crm.Right, 1))(d)
			d.apps[1].past = map[crm.RecordID]map[string][]crm.Value{bobRight: {"City": {lund, oslo, rome}}}
		}},
		{"its record is gone", func(d *desk) {
			pair(rome, rome, update(crm.Right, 1))(d)
			delete(d.apps[1].rows, bobRight)
		}},
		{"its record is gone, and both were to be written", func(d *desk) {
			pair(rome, rome, update(crm.Right, 1, "city"), update(crm.Left, 1, "city"))(d)
			delete(d.apps[1].rows, bobRight)
		}},
		{"the pair has ended", func(d *desk) {
			pair(rome, rome, update(crm.Right, 1))(d)
			d.putLink(&link{Left: bobLeft, State: crm.StateExcluded, Code: "filtered"})
		}},
		{"the two are unknown", func(d *desk) {
			pair(rome, rome, update(crm.Right, 1))(d)
			d.intended.Entries[0].Left, d.intended.Entries[0].Right = annLeft, annRight
		}},
		{"nothing remembered of its fields", func(d *desk) {
			pair(rome, rome, update(crm.Right, 2))(d)
			d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateInSync})
		}},
		{"of two pairs", func(d *desk) {
			pair(rome, rome, update(crm.Right, 1))(d)
			d.putLink(&link{Left: annLeft, Right: annRight, State: crm.StateInSync})
			d.person(crm.Left, annLeft, "Rome", "ann@example.com")
			d.person(crm.Right, annRight, "Oslo", "ann@example.com")
			other := update(crm.Right, 1)
			other.Left, other.Right = annLeft, annRight
			d.intended.Entries = append(d.intended.Entries, other)
		}},
	} {
		s.play(c.name, c.lay, func(d *desk) (string, error) {
			rest, err := d.s.recoverEntries(t.Context(), d.intended)
			return fmt.Sprint(len(rest), " open"), err
		})
	}
	written.Check(t, "desk/updates.txt", s.out.String())
}

// TestWhatIsRecalled: what could not be told when a worker's intent was taken over
// is told when its fields, and its records, can be read again.
func TestWhatIsRecalled(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	rome, oslo, lund := crm.TextValue("Rome"), crm.TextValue("Oslo"), crm.TextValue("Lund")
	for _, c := range []struct {
		name   string
		right  crm.Value
		change func(d *desk, u *unit)
	}{
		{"it had landed", rome, func(*desk, *unit) {}},
		{"it had not", oslo, func(*desk, *unit) {}},
		{"it had, and was edited since", lund, func(d *desk, _ *unit) {
			d.apps[1].past = map[crm.RecordID]map[string][]crm.Value{bobRight: {"City": {lund, rome}}}
		}},
		{"nothing was agreed on before", rome, func(_ *desk, u *unit) { u.link.Base = nil }},
		{"its record cannot be read yet", rome, func(_ *desk, u *unit) { u.rec.Right = nil }},
		{"the other one cannot be read yet", rome, func(_ *desk, u *unit) { u.rec.Left = nil }},
		{"it is decided already", rome, func(_ *desk, u *unit) { u.decided = true }},
		{"nothing is awaited", rome, func(_ *desk, u *unit) { u.link.Awaits = nil }},
		{"of a mapping that was taken out", rome, func(_ *desk, u *unit) {
			u.link.Awaits = map[crm.MappingID]awaited{"gone": {crm.Right, rome.Digest()}}
		}},
		{"of the left", rome, func(_ *desk, u *unit) {
			u.link.Awaits = map[crm.MappingID]awaited{"city": {crm.Left, rome.Digest()}}
		}},
	} {
		s.play(c.name, func(d *desk) {
			l := &link{
				Left: bobLeft, Right: bobRight, State: crm.StateInSync, Awaits: map[crm.MappingID]awaited{
					"city": {crm.Right, rome.Digest()},
				}, Base: crm.Base{"city": crm.Agree(d.s.set.Mapping("city").Revision(), oslo)},
			}
			d.putLink(l)
			d.lays = func(d *desk) {
				u := &unit{side: crm.Left, id: bobLeft}
				d.must(d.s.loadLinks(t.Context(), []*unit{u}))
				u.link = u.link.clone()
				u.rec.Left = d.person(crm.Left, bobLeft, "Rome", "bob@example.com")
				u.rec.Right = d.person(crm.Right, bobRight, c.right.Text(), "bob@example.com")
				c.change(d, u)
				d.units = []*unit{u, {side: crm.Left, id: annLeft}}
			}
			d.lays(d)
		}, func(d *desk) (string, error) {
			if err := d.s.recall(t.Context(), d.units); err != nil {
				return "", err
			}
			err := d.s.storeRecalled(t.Context(), d.units)
			return fmt.Sprintf("recalled %t, version %d", d.units[0].recalled, d.units[0].versions.Left), err
		})
	}
	written.Check(t, "desk/recalled.txt", s.out.String())
}

// TestMergesAreFollowed: which link a survivor has after a merge, however the
// engine hears of it, whoever of them was linked, and through a chain of merges.
func TestMergesAreFollowed(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	link2 := func(d *desk, left, right crm.RecordID, city string) {
		d.putLink(&link{
			Left: left, Right: right, State: crm.StateInSync, Settings: d.s.set.Digest(), Base: crm.Base{
				"city": crm.Agree(d.s.set.Mapping("city").Revision(), crm.TextValue(city)),
			},
		})
		d.person(crm.Right, right, city, string(right)+"@example.com")
	}
	lost := func(d *desk, id, into crm.RecordID, more ...crm.RecordID) {
		d.apps[0].rows[id] = crm.Record{ID: id, Deleted: true, MergedInto: into, Merged: more}
	}
	told := func(h ...hint) []*job {
		return []*job{{chunk: &chunk{ID: "chk", Side: crm.Left, Kind: RunPull, Hints: h}}}
	}
	for _, c := range []struct {
		name string
		lay  func(d *desk) []*job
	}{
		{"the loser was linked", func(d *desk) []*job {
			link2(d, "l_a", "r_a", "Rome")
			lost(d, "l_a", "l_b")
			d.person(crm.Left, "l_b", "Rome", "b@example.com")
			return told(hint{ID: "l_a", Into: "l_b", Gone: true})
		}},
		{"both were linked, the primary is told", func(d *desk) []*job {
			link2(d, "l_a", "r_a", "Rome")
			link2(d, "l_b", "r_b", "Oslo")
			lost(d, "l_a", "l_b")
			d.person(crm.Left, "l_b", "Rome", "b@example.com")
			return told(hint{ID: "l_b", Merged: []crm.RecordID{"l_a"}, Primary: "l_a"})
		}},
		{"both were linked, their values tell", func(d *desk) []*job {
			link2(d, "l_a", "r_a", "Rome")
			link2(d, "l_b", "r_b", "Oslo")
			lost(d, "l_a", "l_c", "l_b")
			lost(d, "l_b", "l_c", "l_a")
			d.person(crm.Left, "l_c", "Oslo", "c@example.com")
			return told(hint{ID: "l_a", Gone: true})
		}},
		{"both were linked, one partner is gone", func(d *desk) []*job {
			link2(d, "l_a", "r_a", "Rome")
			link2(d, "l_b", "r_b", "Oslo")
			it, err := (&link{Left: "l_b", Right: "r_b", State: crm.StateDeleted, Code: "deleted_on_right"}).item(d.sc)
			d.put(it.Key, it.Data, err)
			lost(d, "l_a", "l_b")
			d.person(crm.Left, "l_b", "Oslo", "b@example.com")
			return told(hint{ID: "l_b", Merged: []crm.RecordID{"l_a"}})
		}},
		{"a chain", func(d *desk) []*job {
			link2(d, "l_a", "r_a", "Rome")
			link2(d, "l_b", "r_b", "Oslo")
			lost(d, "l_a", "l_b")
			lost(d, "l_b", "l_c", "l_x")
			lost(d, "l_c", "l_d")
			link2(d, "l_x", "r_x", "Lund")
			d.person(crm.Left, "l_d", "Oslo", "d@example.com")
			return told(hint{ID: "l_a", Into: "l_b", Gone: true})
		}},
		{"a survivor that is gone", func(d *desk) []*job {
			link2(d, "l_a", "r_a", "Rome")
			lost(d, "l_a", "l_b")
			return told(hint{ID: "l_a", Into: "l_b", Gone: true})
		}},
		{"a circle", func(d *desk) []*job {
			d.calm = true // it is gone round a dozen times
			link2(d, "l_a", "r_a", "Rome")
			lost(d, "l_a", "l_b")
			lost(d, "l_b", "l_a")
			return told(hint{ID: "l_a", Gone: true})
		}},
		{"followed before", func(d *desk) []*job {
			link2(d, "l_b", "r_a", "Rome")
			d.merged(crm.Left, "l_a", "l_b")
			lost(d, "l_a", "l_b")
			d.person(crm.Left, "l_b", "Rome", "b@example.com")
			return told(hint{ID: "l_b", Merged: []crm.RecordID{"l_a"}})
		}},
		{"nobody was linked", func(d *desk) []*job {
			d.putLink(&link{Left: "l_a", State: crm.StateExcluded, Code: "filtered"})
			lost(d, "l_a", "l_b")
			d.person(crm.Left, "l_b", "Rome", "b@example.com")
			return told(hint{ID: "l_b", Merged: []crm.RecordID{"l_a", "l_unknown"}})
		}},
		{"the partner's read tells", func(d *desk) []*job {
			link2(d, "l_a", "r_a", "Rome")
			lost(d, "l_a", "l_b")
			d.person(crm.Left, "l_b", "Rome", "b@example.com")
			return []*job{{chunk: &chunk{ID: "chk", Side: crm.Right, Kind: RunPull, Hints: []hint{{ID: "r_a", Force: true}}}}}
		}},
	} {
		for _, looks := range []bool{false, true} { // or only looks, and remembers nothing
			s.play(fmt.Sprintf("%s, only looks %t", c.name, looks), func(d *desk) {
				d.lays = func(d *desk) {
					if !looks {
						d.s.vacant = &lease{}
						if it, err := d.mem.Get(t.Context(), d.sc.lease()); err == nil {
							d.s.vacant, err = decodeLease(it)
							d.must(err)
						}
					}
				}
				d.lays(d)
				d.jobs = c.lay(d)
			}, func(d *desk) (string, error) {
				us, err := d.s.gather(t.Context(), d.jobs)
				if err != nil {
					return "", err
				}
				us, err = d.s.observe(t.Context(), us)
				said := "\n"
				for _, u := range us {
					said += fmt.Sprintf("    %s %s, linked %s=%s %s, own %t, partner %t, hint %s\n", u.side, u.id, u.recID(crm.Left),
						u.recID(crm.Right), stateOf(u.link), u.own() != nil, u.partner() != nil, compact(u.hint))
				}
				return said, err
			})
		}
	}
	written.Check(t, "desk/merges.txt", s.out.String())
}

func stateOf(l *link) string {
	if l == nil {
		return "unknown"
	}
	return strings.TrimSpace(string(l.State) + " " + l.Code)
}

// TestWhatBecomesOfARow: an app's answer to one write, by its kind.
func TestWhatBecomesOfARow(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	kinds := []fault.Kind{
		fault.Invalid, fault.Unsupported, fault.NotFound, fault.Conflict, fault.Denied, fault.Throttled, fault.Unavailable,
		fault.Other,
	}
	for _, kind := range kinds {
		for _, c := range []fault.Error{
			{},
			{Code: "already_exists"},
			{Code: "already_exists", Field: "Email"},
			{Code: "already_exists", Field: "City"},
			{Code: codeDuplicateRule},
			{Code: codeFieldMissing, Field: "city"},
			{Code: codeFieldMissing, Field: "Unknown"},
			{Field: "City"},
			{Fields: []fault.FieldFault{{Field: "City"}, {Field: "Tags"}}},
			{MayHaveLanded: true},
			{RetryAfter: time.Hour},
		} {
			for _, create := range []bool{false, true} {
				for _, tries := range []int{0, maxTries - 1, maxTries} {
					if tries > 0 && (c.Field != "" || c.Fields != nil) {
						continue
					}
					d := newDesk(t)
					u := d.newcomer(crm.Left, bobLeft, "bob@example.com")
					u.hint.Tries = tries
					d.s.decide([]*unit{u})
					w := u.decision.Write(crm.Right)
					w.Create = create
					op := connector.Update
					if create {
						op = connector.Create
					}
					c.Kind, c.Op, c.Message = kind, "desk: write", "no"
					answer := &connector.Written{Err: &c, Existing: "r_held", Exchange: &connector.Exchange{Status: 400}}
					d.s.landed(crm.Right, row{u, connector.Write{Op: op, ID: bobRight, Fields: w.Fields}}, answer)
					fmt.Fprintf(&out, "%v, field %q, create %t, try %d: %s", &c, c.Field, create, tries, d.met())
					say := func(is bool, format string, a ...any) {
						if is {
							fmt.Fprintf(&out, format, a...)
						}
					}
					say(c.MayHaveLanded, ", may have landed")
					say(u.failures.Right != nil, ", fails: %v", u.failures.Right)
					say(u.fate.wait > 0, ", waits %s for %q, blameless %t", u.fate.wait, u.fate.why, u.fate.blameless)
					say(u.fate.unknown, ", unknown")
					say(u.hint.Holder != "", ", held by %s", u.hint.Holder)
					say(u.narrowed.Right != 0, ", narrowed %d to %s", u.narrowed.Right, fieldsText(w.Fields))
					say(d.s.dropped.Right != nil, ", dropped %v", d.s.dropped.Right)
					fmt.Fprintln(&out)
				}
			}
		}
	}
	written.Check(t, "desk/rows.txt", out.String())
}

// TestPagesOfListings: what is kept of a listing is read as it was written, and a
// page that was cut off anywhere is an error.
func TestPagesOfListings(t *testing.T) {
	t.Parallel()
	digest := crm.Fields{"a": crm.TextValue("b")}.Digest([]string{"a"})
	long := make([]uint64, maxSeenKeys+1)
	for _, x := range []seenRecord{
		{id: "1"},
		{id: "2", gone: true},
		{id: "3", erased: true},
		{id: "4", into: "5", gone: true},
		{id: "6", digest: digest, keys: []uint64{1, 1 << 63}},
		{id: "7", digest: "no digest", keys: long},
		{id: "8", into: "9", gone: true, erased: true, digest: digest, keys: []uint64{7}},
	} {
		page := x.append([]byte{})
		var got []seenRecord
		if err := eachSeen(page, func(x *seenRecord) { got = append(got, *x) }); err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", x.id, got, err)
		}
		if x.digest == "no digest" {
			x.digest = ""
		}
		x.keys = x.keys[:min(len(x.keys), maxSeenKeys)]
		if fmt.Sprint(got[0]) != fmt.Sprint(x) {
			t.Errorf("%+v was read as %+v", x, got[0])
		}
		for cut := 1; cut < len(page); cut++ {
			if err := eachSeen(page[:cut], func(*seenRecord) {}); !errors.Is(err, errSeenPage) {
				t.Errorf("%s, %d of %d bytes: %v", x.id, cut, len(page), err)
			}
		}
	}
}

// TestMeetingsOfAListing: what is sent of a complete listing: each record with
// those of both sides that share a key with it, a few at most.
func TestMeetingsOfAListing(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	for _, force := range []bool{false, true} {
		s.play(fmt.Sprintf("forced %t", force), func(d *desk) {
			page := func(side crm.Side, seq int64, records ...seenRecord) {
				var b []byte
				for i := range records {
					b = records[i].append(b)
				}
				d.put(d.sc.seenPage("run", side, seq), b, nil)
			}
			digest := crm.Fields{"a": crm.TextValue("b")}.Digest([]string{"a"})
			first := seenRecord{id: "l_1", digest: digest, keys: []uint64{1, 2}}
			page(crm.Left, 1, first, seenRecord{id: "l_2", keys: []uint64{2}})
			page(crm.Left, 2, seenRecord{id: "l_3", gone: true}, seenRecord{id: "l_4", into: "l_1", gone: true}, seenRecord{
				id: "l_5", erased: true, keys: []uint64{1},
			})
			for i := range 6 {
				page(crm.Right, int64(i), seenRecord{id: crm.RecordID(fmt.Sprint("r_", i)), keys: []uint64{1}}, seenRecord{
					id: "r_twice", keys: []uint64{2, 2},
				})
			}
			d.lays = func(d *desk) {
				d.run = &storedRun{
					V: 1, Phase: phaseSendLeft, Force: force, Salt: "salt", Run: Run{ID: "run", Kind: RunResync, Connection: d.sc.con},
				}
			}
			d.lays(d)
		}, func(d *desk) (string, error) {
			err := d.s.stepSend(t.Context(), d.run)
			return fmt.Sprintf("%s %q %s: %s", d.run.Phase, d.run.Position, d.run.RestSide, compact(d.run.Rest)), err
		})
	}
	written.Check(t, "desk/meetings.txt", s.out.String())
}

// TestMessagesAreReadWhole: a message that lacks a part, or is of a later format,
// is none of ours.
func TestMessagesAreReadWhole(t *testing.T) {
	t.Parallel()
	whole := chunk{
		V: 1, ID: "chk", Workspace: "ws", Connection: "con", Sync: "sync", Side: crm.Left, Hints: []hint{{ID: "a"}},
	}
	for name, c := range map[string]struct {
		change func(c *chunk)
		code   string
	}{
		"whole":             {func(*chunk) {}, ""},
		"no workspace":      {func(c *chunk) { c.Workspace = "" }, "unreadable_message"},
		"no connection":     {func(c *chunk) { c.Connection = "" }, "unreadable_message"},
		"no sync":           {func(c *chunk) { c.Sync = "" }, "unreadable_message"},
		"no side":           {func(c *chunk) { c.Side = "" }, "unreadable_message"},
		"another side":      {func(c *chunk) { c.Side = "above" }, "unreadable_message"},
		"no hints":          {func(c *chunk) { c.Hints = nil }, "unreadable_message"},
		"no ID":             {func(c *chunk) { c.ID = "" }, "unreadable_message"},
		"of no format":      {func(c *chunk) { c.V = 0 }, "unknown_format"},
		"of a later format": {func(c *chunk) { c.V = chunkFormat + 1 }, "unknown_format"},
	} {
		mine := whole
		c.change(&mine)
		b, err := mine.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeChunk(b); (err == nil) != (c.code == "") || err != nil && fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
	if _, err := decodeChunk([]byte("{")); fault.CodeOf(err) != "unreadable_message" {
		t.Errorf("garbage: %v", err)
	}
}
