package engine

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// filled sets one field of a hint to something, the nth of its kind.
func (h *hint) filled(field, n int) {
	v := reflect.ValueOf(h).Elem().Field(field)
	text := fmt.Sprint("v", n)
	switch p := v.Addr().Interface().(type) {
	case *bool:
		*p = true
	case *int:
		*p = n
	case *string:
		*p = text
	case *crm.RecordID:
		*p = crm.RecordID(text)
	case *crm.RunID:
		*p = crm.RunID(text)
	case *crm.MappingID:
		*p = crm.MappingID(text)
	case *crm.Side:
		*p = crm.Sides[n%2]
	case *[]crm.RecordID:
		*p = []crm.RecordID{"v0", crm.RecordID(text)}
	case *[]crm.MappingID:
		*p = []crm.MappingID{"v0", crm.MappingID(text)}
	case *map[crm.MappingID]Resolution:
		*p = map[crm.MappingID]Resolution{"city": {Side: crm.Sides[n%2]}}
	default:
		panic(fmt.Sprintf("no value for %T", p))
	}
}

// gathered tells of the units that were made of hints.
func gathered(us []*unit, order map[*job]int) string {
	var out strings.Builder
	for _, u := range us {
		var jobs []int
		for _, j := range u.jobs {
			jobs = append(jobs, order[j])
		}
		fmt.Fprintf(&out, "    %s %s named %s of %v both %t beside %t told %s hint %s\n", u.side, u.id, u.named, jobs, u.both,
			u.beside, compact(u.told), compact(u.hint))
	}
	return out.String()
}

func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestHintsAreMerged: two hints about one record, and about the two ends of one
// pair, become one piece of work that forgets nothing of either: for each field
// of a hint, where the first has it, the second, both or each its own.
func TestHintsAreMerged(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for field := range reflect.TypeFor[hint]().NumField() {
		name := reflect.TypeFor[hint]().Field(field).Name
		if name == "ID" {
			continue
		}
		for _, ends := range []string{"one record", "two ends of a pair", "one end, twice and the other"} {
			for _, values := range [][2]int{{1, 0}, {0, 1}, {1, 1}, {1, 2}} {
				d := newDesk(t)
				d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateInSync})
				var jobs []*job
				order := map[*job]int{}
				tell := func(side crm.Side, id crm.RecordID, n int) {
					h := hint{ID: id}
					if n > 0 {
						h.filled(field, n)
					}
					j := &job{chunk: &chunk{ID: fmt.Sprint(len(jobs)), Side: side, Kind: RunPull, Hints: []hint{h}}}
					order[j] = len(jobs)
					jobs = append(jobs, j)
				}
				switch tell(crm.Left, bobLeft, values[0]); ends {
				case "one record":
					tell(crm.Left, bobLeft, values[1])
				case "two ends of a pair":
					tell(crm.Right, bobRight, values[1])
				default:
					tell(crm.Left, bobLeft, 0)
					tell(crm.Right, bobRight, values[1])
				}
				us, err := d.s.gather(t.Context(), jobs)
				fmt.Fprintf(&out, "%s %v of %s, %v:\n%s", name, values, ends, err, gathered(us, order))
			}
		}
	}
	written.Check(t, "desk/hints.txt", out.String())
}

// TestLooksAtLinks: what is looked up with eventual consistency, and what of it is
// read again: what is not as before, and the other end of a pair that is looked at.
func TestLooksAtLinks(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, c := range []struct {
		name string
		lay  func(d *desk) []*job
	}{
		{"as before", func(d *desk) []*job { return d.resynced(crm.Left, annLeft, bobLeft) }},
		{"one is not as before", func(d *desk) []*job {
			jobs := d.resynced(crm.Left, annLeft, bobLeft)
			jobs[0].chunk.Hints[0].Digest = "otherwise"
			return jobs
		}},
		{"both ends, one not as before", func(d *desk) []*job {
			jobs := append(d.resynced(crm.Left, annLeft, bobLeft), d.resynced(crm.Right, annRight, bobRight)...)
			jobs[1].chunk.Hints[0].Digest = "otherwise"
			return jobs
		}},
		{"both ends of a pair, one told by a webhook", func(d *desk) []*job {
			jobs := append(d.resynced(crm.Left, annLeft, bobLeft), d.resynced(crm.Right, bobRight)...)
			jobs[1].chunk.Kind = RunWebhook
			return jobs
		}},
		{"without a digest", func(d *desk) []*job {
			jobs := d.resynced(crm.Left, annLeft, bobLeft)
			jobs[0].chunk.Hints[1].Digest = ""
			return jobs
		}},
		{"a merge was followed", func(d *desk) []*job {
			d.merged(crm.Left, "l_lost", annLeft)
			jobs := d.resynced(crm.Left, "l_lost", bobLeft)
			jobs[0].chunk.Hints[0].Digest = "seen left"
			return jobs
		}},
		{"links were written just now", func(d *desk) []*job {
			d.s.lease.Wrote = d.s.lease.Epoch
			return d.resynced(crm.Left, annLeft)
		}},
		{"links were written not long ago", func(d *desk) []*job {
			d.now = d.now.Add(-time.Second)
			return d.resynced(crm.Left, annLeft)
		}},
		{"without a lease", func(d *desk) []*job {
			d.s.lease = nil
			return d.resynced(crm.Left, annLeft)
		}},
	} {
		story := plays(t, func(d *desk) {
			for _, l := range []*link{{Left: annLeft, Right: annRight}, {Left: bobLeft, Right: bobRight}} {
				l.State, l.SeenL, l.SeenR, l.Settings = crm.StateInSync, "seen left", "seen right", d.s.set.Digest()
				d.putLink(l)
			}
			d.lays = func(d *desk) {
				d.s.lease = &lease{Owner: "own", Epoch: 2, Wrote: 1, Until: d.now.Add(time.Hour)}
			}
			d.lays(d)
			d.s.mayReadStale()
			d.now = d.now.Add(d.Tuning.StaleFor)
			d.jobs = c.lay(d)
		}, func(d *desk) (string, error) {
			us, err := d.s.gather(t.Context(), d.jobs)
			order := map[*job]int{}
			for i, j := range d.jobs {
				order[j] = i
			}
			return "\n" + gathered(us, order), err
		})
		fmt.Fprintf(&out, "# %s\n%s\n", c.name, story)
	}
	written.Check(t, "desk/links.txt", out.String())
}

// resynced is a chunk of a resync whose records look as they were last seen.
func (d *desk) resynced(side crm.Side, ids ...crm.RecordID) []*job {
	c := &chunk{ID: "chk", Side: side, Kind: RunResync}
	for _, id := range ids {
		c.Hints = append(c.Hints, hint{ID: id, Digest: "seen " + string(side)})
	}
	return []*job{{chunk: c}}
}

// TestPlacesOfSecondLooks plays pulls every five minutes: which marks they leave,
// and what is looked at again and when, also where a pull lists one side alone or
// nothing, where none comes through for long, and where the clock is set back.
func TestPlacesOfSecondLooks(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, c := range []struct {
		name  string
		after int // minutes; negative = as it is by default
		steps int
		move  func(i int) time.Duration
		mark  func(i int) crm.PerSide[string]
	}{
		{name: "both sides", after: -1, steps: 40},
		{name: "after 20 minutes", after: 20, steps: 24},
		{name: "never", after: 0, steps: 3},
		{name: "the left alone, then the right alone", after: 20, steps: 20, mark: func(i int) crm.PerSide[string] {
			if i < 8 {
				return crm.PerSide[string]{Left: fmt.Sprint("l", i)}
			}
			return crm.PerSide[string]{Right: fmt.Sprint("r", i)}
		}},
		{name: "nothing told", after: 20, steps: 4, mark: func(int) crm.PerSide[string] { return crm.PerSide[string]{} }},
		{name: "the same told", after: 20, steps: 12, mark: func(i int) crm.PerSide[string] {
			return crm.PerSide[string]{Left: fmt.Sprint("l", i/6), Right: fmt.Sprint("r", i/9)}
		}},
		{name: "a clock set back", after: 20, steps: 12, move: func(i int) time.Duration {
			if i == 6 {
				return -3 * time.Hour
			}
			return 5 * time.Minute
		}},
		{name: "every minute", after: 20, steps: 30, move: func(int) time.Duration { return time.Minute }},
	} {
		fmt.Fprintf(&out, "# %s\n", c.name)
		for _, looks := range []bool{true, false} { // or nobody comes to look again
			d := newDesk(t)
			if c.after >= 0 {
				d.s.conf.SecondLook = &c.after
			}
			st, begin := &scanState{}, d.now
			for i := range c.steps {
				r := &storedRun{Mark: crm.PerSide[string]{Left: fmt.Sprint("l", i), Right: fmt.Sprint("r", i)}}
				if c.mark != nil {
					r.Mark = c.mark(i)
				}
				if r.Again = d.lookAgain(d.s.conf, st); !looks {
					r.Again = nil
				}
				d.s.leaveMarks(st, r)
				fmt.Fprintf(&out, "%s:", d.now.Sub(begin))
				for _, m := range st.Marks {
					fmt.Fprintf(&out, " %s %s/%s,", time.Unix(m.At, 0).Sub(begin), m.Left, m.Right)
				}
				if a := r.Again; a != nil {
					fmt.Fprintf(&out, " looked from %s/%s until %s/%s", a.From.get(crm.Left), a.From.get(crm.Right),
						a.Until.get(crm.Left), a.Until.get(crm.Right))
				}
				fmt.Fprintln(&out)
				if c.move == nil {
					d.now = d.now.Add(5 * time.Minute)
				} else {
					d.now = d.now.Add(c.move(i))
				}
			}
		}
	}
	written.Check(t, "desk/marks.txt", out.String())
}

// TestWhatASecondLookSends: of what it lists, whatever is not as it is known.
func TestWhatASecondLookSends(t *testing.T) {
	t.Parallel()
	gone := func(id crm.RecordID) crm.Record { return crm.Record{ID: id, Deleted: true} }
	var out strings.Builder
	for _, c := range []struct {
		name   string
		link   func(d *desk) *link
		record func(d *desk) crm.Record
	}{
		{"unknown", nil, func(d *desk) crm.Record { return *d.person(crm.Left, bobLeft, "Rome", "bob@example.com") }},
		{"unknown, and gone", nil, func(*desk) crm.Record { return gone(bobLeft) }},
		{"unknown, and merged", nil, func(*desk) crm.Record { return crm.Record{ID: bobLeft, MergedInto: annLeft} }},
		{"gone", (*desk).known, func(*desk) crm.Record { return gone(bobLeft) }},
		{"merged", (*desk).known, func(*desk) crm.Record { return crm.Record{ID: bobLeft, MergedInto: annLeft} }},
		{"merged, as is known", (*desk).known, func(d *desk) crm.Record {
			d.merged(crm.Left, "l_lost", bobLeft)
			return crm.Record{ID: "l_lost", MergedInto: bobLeft}
		}},
		{"gone, as is known", func(d *desk) *link {
			l := d.known()
			l.State = crm.StateDeleted
			return l
		}, func(*desk) crm.Record { return gone(bobLeft) }},
		{"deleted, and back", func(d *desk) *link {
			l := d.known()
			l.State = crm.StateDeleted
			return l
		}, (*desk).bob},
		{"as it was seen", (*desk).known, (*desk).bob},
		{"as it was agreed", func(d *desk) *link {
			l := d.known()
			l.SeenL = "otherwise"
			return l
		}, (*desk).bob},
		{"in conflict, as it was agreed", func(d *desk) *link {
			l := d.known()
			l.SeenL, l.State = "otherwise", crm.StateConflict
			return l
		}, (*desk).bob},
		{"with a remark, as it was agreed", func(d *desk) *link {
			l := d.known()
			l.SeenL, l.Code = "otherwise", "remark"
			return l
		}, (*desk).bob},
		{"edited", (*desk).known, func(d *desk) crm.Record {
			return *d.person(crm.Left, bobLeft, "Oslo", "bob@example.com")
		}},
		{"of other settings, as it was agreed", func(d *desk) *link {
			l := d.known()
			l.Settings, l.SeenL = "others", "otherwise"
			return l
		}, (*desk).bob},
		{"of other settings, edited", func(d *desk) *link {
			l := d.known()
			l.Settings = "others"
			return l
		}, func(d *desk) crm.Record { return *d.person(crm.Left, bobLeft, "Oslo", "bob@example.com") }},
		{"of other settings, in conflict", func(d *desk) *link {
			l := d.known()
			l.Settings, l.State = "others", crm.StateConflict
			return l
		}, (*desk).bob},
	} {
		for _, span := range [][2]string{{"a", "b"}, {"a", "a"}, {"", "b"}, {"a", ""}} {
			if span != [2]string{"a", "b"} && c.name != "edited" {
				continue
			}
			story := plays(t, func(d *desk) {
				if c.link != nil {
					d.putLink(c.link(d))
				}
				r := c.record(d)
				d.apps[0].rows[r.ID], d.apps[0].order = r, []crm.RecordID{r.ID}
			}, func(d *desk) (string, error) {
				r := &storedRun{Phase: phaseAgainLeft, Again: &secondLook{
					From: lookMark{Left: span[0]}, Until: lookMark{Left: span[1]},
				}}
				page, side, err := d.s.listAgain(t.Context(), r)
				var ids []crm.RecordID
				for _, r := range page.Records {
					ids = append(ids, r.ID)
				}
				return fmt.Sprint(side, " ", ids, page.Next, page.Cursor), err
			})
			fmt.Fprintf(&out, "# %s, from %q until %q\n%s\n", c.name, span[0], span[1], story)
		}
	}
	story := plays(t, func(d *desk) { d.apps[1].old = true }, func(d *desk) (string, error) {
		r := &storedRun{Phase: phaseAgainRight, Again: &secondLook{
			From: lookMark{Right: "a"}, Until: lookMark{Right: "b"},
		}, Position: "1"}
		page, side, err := d.s.listAgain(t.Context(), r)
		return fmt.Sprint(side, " ", page), err
	})
	fmt.Fprintf(&out, "# the app has forgotten the place\n%s\n", story)
	written.Check(t, "desk/seen-late.txt", out.String())
}

func (d *desk) bob() crm.Record { return *d.person(crm.Left, bobLeft, "Rome", "bob@example.com") }

// known is Bob's pair as it is after a sync.
func (d *desk) known() *link {
	bob := d.bob()
	return &link{
		Left: bobLeft, Right: bobRight, State: crm.StateInSync, Settings: d.s.set.Digest(),
		SeenL: bob.Fields.Digest(deskFields[0]), Base: crm.Base{
			"city": crm.Agree(d.s.set.Mapping("city").Revision(), crm.TextValue("Rome")),
			"tags": crm.Agree(d.s.set.Mapping("tags").Revision(), crm.ListValue()),
		},
	}
}

// TestRecordsAreCountedOnce: what is counted of a chunk that comes again, and of the
// pieces that it is cut into.
func TestRecordsAreCountedOnce(t *testing.T) {
	t.Parallel()
	hints := []hint{
		{ID: "a", Told: true}, {ID: "b"}, {ID: "c", Into: "d", Told: true}, {ID: "d"}, {ID: "e"}, {ID: "e"}, {ID: "f"},
	}
	var out strings.Builder
	for name, stored := range map[string]store.Item{
		"nothing": {}, "some": {Version: 3, Data: []byte(`{"v":1,"ids":["b","e"]}`)},
		"garbage": {Version: 3, Data: []byte(`[`)},
	} {
		got, err := toldOf(&chunk{Hints: hints}, stored)
		if name == "garbage" {
			if err == nil {
				t.Error("garbage was read")
			}
			continue
		}
		if want := map[string]int{"nothing": 2, "some": 4}[name]; err != nil || len(got.ids) != want ||
			!got.ids["a"] || !got.ids["d"] || got.ids["c"] || got.version != stored.Version {
			t.Errorf("%s stored: %+v, %v", name, got, err)
		}
		var marked []string
		for i, h := range got.mark(hints) {
			if h.Told {
				marked = append(marked, fmt.Sprint(i))
			}
		}
		want := map[string]string{"nothing": "0 2", "some": "0 1 2 4"}[name]
		if text := strings.Join(marked, " "); text != want {
			t.Errorf("%s stored: hints %s are marked, want %s", name, text, want)
		}
		if !hints[0].Told || hints[1].Told {
			t.Error("the hints themselves were changed")
		}
	}
	for _, counted := range []bool{true, false} {
		for _, unfinished := range []bool{true, false} {
			for _, version := range []int64{0, 3} {
				d := newDesk(t)
				j, other := &job{chunk: &chunk{ID: "chk", Counted: counted, Run: "run", Hints: hints}},
					&job{chunk: &chunk{ID: "other"}}
				if version > 0 {
					j.told = told{ids: map[crm.RecordID]bool{"b": true}, version: version}
				}
				l := &lot{jobs: []*job{j, other}, unfinished: unfinished}
				b := &books{s: d.s, lot: l, outcomes: map[*unit]crm.Outcome{}, runs: map[crm.RunID]map[string]int64{}}
				for i, id := range []crm.RecordID{"a", "b", "d", "e", "f"} {
					u := &unit{named: id, id: id, jobs: []*job{j}}
					if id != "f" {
						b.outcomes[u] = []crm.Outcome{crm.Updated, crm.Created, crm.Unchanged, crm.Failed}[i]
					}
					l.units = append(l.units, u)
				}
				l.units = append(l.units, &unit{named: "x", jobs: []*job{other, j}}, &unit{
					named: "y", jobs: []*job{j}, into: l.units[0],
				})
				ws, err := b.tellJob(j)
				fmt.Fprintf(&out, "counted %t, unfinished %t, version %d: %s, %v, %v\n", counted, unfinished, version,
					writesOf(ws), b.runs, err)
				for _, w := range ws {
					fmt.Fprintf(&out, "  %s expires %s\n", w.Item.Data, w.Item.Expires)
				}
			}
		}
	}
	written.Check(t, "desk/counted.txt", out.String())
}
