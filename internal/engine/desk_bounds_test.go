package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestTimesAndBounds: what the engine waits for, keeps and takes at most. Each is
// chosen with others in mind, of the apps, the stores and the functions' times.
func TestTimesAndBounds(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	fmt.Fprintln(&out, strings.ReplaceAll(fmt.Sprintf("%+v", Tuning{}.withDefaults()), " ", "\n"))
	some := Tuning{ChunkSize: 1, Lease: time.Second, DeleteShare: 0.5}.withDefaults()
	if some.ChunkSize != 1 || some.Lease != time.Second || some.DeleteShare != 0.5 {
		t.Errorf("what is set was replaced: %+v", some)
	}
	bounds := map[string]any{
		"a run is listed for": listFor, "failures sampled": againSample, "failures at most": againMost,
		"audit slice": auditSlice, "audit at most": auditMost, "audit pace": auditPace, "audit wait": auditWait,
		"asked for authorization": backoffAsked, "app down": backoffDown, "free conflicts": freeConflicts, "bar": barFor,
		"probes": probeSample, "a decision counts": decidedFor, "a maker's claim": makerFor, "tries": maxTries,
		"wait for a sibling": besideWait, "decided values": valuesFor, "leased": leasedRetry, "erased at a time": eraseFor,
		"apps asked for an erasure": askFor, "erasure rounds": findRounds, "seen pages": seenKept,
		"erasure rests":       erasureRest,
		"cursors are trusted": rememberedFor, "discards": discardedFor, "discards at most": maxDiscarded, "all gone": allGone,
		"schema again": schemaAgain, "held": heldFor, "unseen": unseenFor, "gone fields": maxGone, "rested parts": maxRested,
		"backlog": backlogFor, "intent in lease": maxInLease, "intent": maxIntent, "shards": shards,
		"log pages of a link": maxPages,
		"aliases":             maxAliases, "page": maxPageBytes, "log days": logDays, "log pages looked at": maxLogPages,
		"log days kept in mind": logDaysFor, "rounds": maxRounds, "rounds for": roundsFor, "rounds from": roundsFrom,
		"mass slot": massSlot, "mass slots": massSlots, "mass kept": massKept, "mass room": massRoom, "mass look": massLook,
		"mass wait": massWait, "mass alike": massAlike, "mass queued": massQueued, "merge rounds": mergeRounds,
		"merged long ago": longAgo, "missing": maxMissing, "outage noted": outageNotedFor, "long outage": longOutage,
		"read tries": readTries, "slow call": slowCall, "parts": maxParts, "pack from": packFrom, "pack alone": packAloneFrom,
		"unpacked": maxUnpacked, "plans": planRetention, "preview": previewLooked, "unstored pages": unstoredPages,
		"narrowed": maxNarrowed, "retried": maxRetried, "runs": runRetention, "schemas": schemasFor, "marks": maxMarks,
		"seen keys": maxSeenKeys, "seen page": maxSeenPage, "send group": sendGroup, "named": maxNamed, "frozen": maxFrozen,
		"round pause": roundPause, "worth awaiting": worthAwaiting, "told": toldRetention, "tombs": tombsFor,
		"last tries": lastTries, "wait grace": waitGrace, "long wait": longWait, "probe": probeEvery, "long lease": longLease,
		"memo": memoMost, "memo of documents": memoLarge,
	}
	for _, name := range sortedNames(bounds) {
		fmt.Fprintf(&out, "%s: %v\n", name, bounds[name])
	}
	for i := range 12 {
		fmt.Fprintf(&out, "a record's wait %d: %s, a sync's: %s\n", i, recordWaits.After(i), syncWaits.After(i))
	}
	written.Check(t, "desk/bounds.txt", out.String())
	if len(massPrint(crm.TextValue("x"))) != 8 || massPrint(crm.TextValue(" ")) != "" ||
		massPrint(crm.TextValue("x")) == massPrint(crm.TextValue("y")) {
		t.Errorf("fingerprints %q, %q", massPrint(crm.TextValue("x")), massPrint(crm.TextValue("y")))
	}
}

// TestPaces: what is known of how long calls take, what of it a lease tells the
// next process, and how much work is begun at a time by it.
func TestPaces(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	k := d.s.paceKey(crm.Left)
	if _, known := d.paceOf(k); known || d.s.tellPace() != nil {
		t.Error("a pace is known that nobody took")
	}
	for _, c := range []struct{ took, want time.Duration }{
		{0, time.Millisecond},
		{8 * time.Second, 8 * time.Second},
		{4 * time.Second, 7 * time.Second},
		{7 * time.Second, 7 * time.Second},
		{9 * time.Second, 9 * time.Second},
		{time.Second, 7 * time.Second},
	} {
		d.took(k, askOne, c.took)
		if p, known := d.paceOf(k); !known || p[askOne] != c.want || p[askFind] != c.want {
			t.Errorf("after a call of %s: %v, want %s", c.took, p, c.want)
		}
	}
	d.took(k, askFind, 50*time.Millisecond)
	d.took(d.s.paceKey(crm.Right), askOne, 101*time.Millisecond)
	told := fmt.Sprint(d.s.tellPace())
	if told != "[70 1 2 2]" {
		t.Errorf("the lease tells %s", told)
	}
	var out strings.Builder
	for _, lesson := range [][]int64{{70, 1, 2, 2}, {70, 1, 2}, {0, 0, 2, 2}, {36_000, 1, 2, 2}, {35_999, 1, 2, 2}} {
		next := newDesk(t)
		next.s.learnPace(lesson)
		left, _ := next.paceOf(next.s.paceKey(crm.Left))
		right, _ := next.paceOf(next.s.paceKey(crm.Right))
		fmt.Fprintf(&out, "told %v: %v and %v, slow %t, lots of %d\n", lesson, left, right, next.s.slow(), next.s.lotSize())
		next.s.learnPace([]int64{1, 1, 1, 1})
		again, _ := next.paceOf(next.s.paceKey(crm.Left))
		fmt.Fprintf(&out, "  and told again: %v\n", again)
	}
	kinds := map[string]crm.Limits{
		"batches":            {ReadBatch: 100, FindBatch: 50, WriteBatch: 10},
		"one by one":         {ReadBatch: 1, FindBatch: 1, WriteBatch: 1, BurstCalls: 100, BurstWindow: time.Hour},
		"few searches":       {ReadBatch: 1, FindBatch: 1, WriteBatch: 1, SearchCalls: 100, SearchWindow: time.Hour},
		"few calls a second": {BurstCalls: 100, BurstWindow: time.Second},
	}
	for _, name := range sortedNames(kinds) {
		limits := kinds[name]
		for _, pace := range []time.Duration{10 * time.Millisecond, time.Second, 10 * time.Second} {
			d := newDesk(t)
			for _, side := range crm.Sides {
				d.s.end(side).app.Limits = limits
				d.took(d.s.paceKey(side), askOne, pace)
			}
			for _, n := range []int{1, 2, 10, 99, 100, 500} {
				var jobs []*job
				var us []*unit
				for j := range 3 {
					one := &job{chunk: &chunk{Side: crm.Sides[j%2], Hints: make([]hint, n)}}
					jobs = append(jobs, one)
					for i := range n {
						u := &unit{side: one.chunk.Side, id: crm.RecordID(fmt.Sprint(j, " ", i)), jobs: []*job{one}}
						if i%2 == 0 {
							u.link = &link{Left: "l", Right: "r"}
						}
						us = append(us, u)
					}
				}
				most, sure := d.s.most(jobs)
				size, long := d.s.tooLong(jobs[0], us[:n])
				l := loadOf(us)
				fmt.Fprintf(&out, "%s, calls of %s, 3 chunks of %d: %v lasts %s, %v and %v, %.3f pieces; "+
					"%d begin, sure %t; %d of them fit; cut %t to %d\n", name, pace, n, l, d.s.lasts(l),
					d.s.calls(l, crm.Left, 1), d.s.calls(l, crm.Right, 2), d.s.pieces(l), most, sure, d.s.cut(jobs, us), long, size)
			}
		}
	}
	written.Check(t, "desk/paces.txt", out.String())
}

// TestFailuresAreTriedAgain: which failing records another look is asked for, when,
// and what is remembered of that.
func TestFailuresAreTriedAgain(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	refused := func(tries int) crm.Base {
		why := &crm.Difference{Reason: crm.ReasonRefused, Code: "too_long", Tries: tries}
		return crm.Base{"city": {Revision: "r", Settled: why}}
	}
	for _, c := range []struct {
		name string
		st   func(d *desk) scanState
		lay  func(d *desk)
	}{
		{"nobody failed", func(*desk) scanState { return scanState{V: 1} }, func(d *desk) {
		}},
		{"never looked before", func(*desk) scanState { return scanState{V: 1} }, (*desk).failed},
		{"looked just now", func(d *desk) scanState {
			return scanState{V: 1, AgainAt: d.now, AgainSet: d.s.set.Digest()}
		}, (*desk).failed},
		{"looked almost a day ago", func(d *desk) scanState {
			return scanState{V: 1, AgainAt: d.now.Add(1 - 24*time.Hour), AgainSet: d.s.set.Digest()}
		}, (*desk).failed},
		{"looked a day ago", func(d *desk) scanState {
			return scanState{V: 1, AgainAt: d.now.Add(-24 * time.Hour), AgainSet: d.s.set.Digest()}
		}, (*desk).failed},
		{"looked by a clock that is ahead", func(d *desk) scanState {
			return scanState{V: 1, AgainAt: d.now.Add(1), AgainSet: d.s.set.Digest()}
		}, (*desk).failed},
		{"under other settings", func(d *desk) scanState {
			return scanState{V: 1, AgainAt: d.now, AgainSet: "others"}
		}, (*desk).failed},
		{"a refusal ended", func(d *desk) scanState {
			return scanState{V: 1, AgainAt: d.now, AgainSet: d.s.set.Digest()}
		}, func(d *desk) {
			d.failed()
			d.put(d.sc.refusalOver(failedAs{"city", "too_long"}), nil, nil)
			d.put(d.sc.refusalOver(failedAs{code: "other"}), nil, nil)
		}},
	} {
		s.play(c.name, func(d *desk) {
			d.runs(crm.StatusActive)
			d.conn.Syncs[0].Mappings = d.conn.Syncs[0].Mappings[:1]
			if c.lay(d); c.name != "nobody failed" {
				for i := range againSample + 2 {
					d.putListed(&link{
						Left: crm.RecordID(fmt.Sprintf("l_field_%02d", i)), Right: crm.RecordID(fmt.Sprintf("r_field_%02d", i)),
						State: crm.StateFailing, Code: "fields_refused", Base: refused(i % 4),
					})
				}
			}
			d.putJSON(d.sc.scan(), c.st(d))
		}, func(d *desk) (string, error) {
			st, err := d.loadScan(t.Context(), d.sc)
			if err == nil {
				err = d.s.tryAgain(t.Context(), st)
			}
			return d.queued(), err
		})
	}
	written.Check(t, "desk/again.txt", s.out.String())
}

// failed are records that failed in every way.
func (d *desk) failed() {
	for _, l := range []*link{
		{Left: "l_locked", State: crm.StateFailing, Code: codeLocked},
		{Right: "r_locked", State: crm.StateFailing, Code: codeLocked},
		{Left: "l_once", State: crm.StateFailing, Code: "rejected", Once: true},
		{Right: "r_once", State: crm.StateFailing, Code: "rejected", Once: true},
		{Left: "l_given_up", State: crm.StateFailing, Code: "no_answer"},
		{Left: "l_fine", State: crm.StateInSync},
	} {
		d.putListed(l)
	}
}

// putListed is putLink with the index by which rare states are listed.
func (d *desk) putListed(l *link) {
	d.t.Helper()
	it, err := l.item(d.sc)
	d.must(err)
	_, err = d.mem.Write(d.t.Context(), store.Write{Item: it})
	d.must(err)
}

// TestWhatParkedWorkIsSaidToWaitFor: what takes longer than a moment, each cause once.
func TestWhatParkedWorkIsSaidToWaitFor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i, c := range []struct {
		why   string
		since time.Duration
		until time.Duration
	}{
		{"", 0, time.Hour},
		{"moment", 0, d.Tuning.ParkAfter},
		{"long", 0, d.Tuning.ParkAfter + 1},
		{"over", -time.Hour, -1},
		{"over now", -time.Hour, 0},
		{"said", 0, time.Hour},
		{"long", 0, 2 * time.Hour},
	} {
		ch := d.newChunk(d.sc, d.conn, RunPull, "run", crm.Left, make([]hint, i+1))
		ch.Parked, ch.Why = d.now.Add(c.since), c.why
		for k := range ch.Hints {
			ch.Hints[k].ID = bobLeft
		}
		b, err := ch.encode()
		d.put(d.sc.parked(d.now.Add(c.until), fmt.Sprint(i)), b, err)
	}
	d.put(d.sc.parked(d.now.Add(time.Hour), "garbage"), []byte("{"), nil)
	got, err := d.parkedFor(t.Context(), d.sc, []Waiting{{Code: "said"}})
	if text := fmt.Sprint(len(got), " ", compact(got)); err != nil || len(got) != 2 || got[0].Code != "over now" ||
		got[1].Code != "long" || got[1].Records != 3 || got[0].Records != 5 {
		t.Errorf("%s, %v", text, err)
	}
}
