package engine_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// The tests of what failures cost let the first and the last request of every
// kind fail in every scenario and write down what differs then from the
// undisturbed course: how long it took, what the apps were asked, and what people
// are told. The end is the same in all of them (S8); an error that is passed over
// shows in the way there.
func TestWhatFailuresCost_Edits(t *testing.T)   { t.Parallel(); struck(t, "edits") }
func TestWhatFailuresCost_Refused(t *testing.T) { t.Parallel(); struck(t, "specials-0") }
func TestWhatFailuresCost_Begin(t *testing.T)   { t.Parallel(); struck(t, "specials-1") }
func TestWhatFailuresCost_Gone(t *testing.T)    { t.Parallel(); struck(t, "specials-2") }
func TestWhatFailuresCost_Rest(t *testing.T)    { t.Parallel(); struck(t, "specials-3") }
func TestWhatFailuresCost_Plans(t *testing.T)   { t.Parallel(); struck(t, "plans") }
func TestWhatFailuresCost_ByHand(t *testing.T)  { t.Parallel(); struck(t, "by-hand") }
func TestWhatFailuresCost_Away(t *testing.T)    { t.Parallel(); struck(t, "away") }

// singleFile leaves a test out of the race detector's build, where it would take
// minutes: its requests come one after the other.
func singleFile(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("nothing here runs side by side: the plain build proves it whole")
	}
}

func struck(t *testing.T, name string) {
	t.Helper()
	singleFile(t)
	var out strings.Builder
	group := struckGroups()[name]
	if len(group) == 0 {
		t.Fatalf("there is no group %q", name)
	}
	for i := range group {
		group[i].struck(t, &out, strings.Contains(name, "s-") || name == "edits")
	}
	written.Check(t, "struck/"+name+".txt", out.String())
}

// struckGroups are the scenarios that differ in what they ask for: of the edits
// one for each way to hear of it.
func struckGroups() map[string][]scenario {
	out := map[string][]scenario{"plans": planDeeds(), "by-hand": byHandDeeds(), "away": awayDeeds()}
	// reads alone
	out["by-hand"] = slices.DeleteFunc(out["by-hand"], func(sc scenario) bool { return sc.name == "the log, narrowed" })
	for i, sc := range specials() {
		name := fmt.Sprintf("specials-%d", min(i/8, 3))
		out[name] = append(out[name], sc)
	}
	for i, edit := range sortedKeys(edits) {
		told := sortedKeys(news)[i%len(news)]
		out["edits"] = append(out["edits"], scenario{name: edit + ", " + told, act: func(b *crashBed) {
			side, id := edits[edit](b)
			news[told](b, side, id)
		}})
	}
	return out
}

// landing are requests that may have landed although nobody heard so.
var landing = regexp.MustCompile(`write|transact|send|Write|Upsert|Archive`)

// struck plays a scenario once for each kind of request, and how it may fail: the
// first of the kind, and the last where it is wanted.
func (sc *scenario) struck(t *testing.T, out *strings.Builder, last bool) {
	t.Helper()
	plain := newCrashBed(t, -1, failOnce, sc.change, sc.options)
	sc.playOn(plain)
	want := plain.course()
	fmt.Fprintf(out, "%s: %s\n", sc.name, want)
	for _, what := range slices.Sorted(maps.Keys(plain.seen)) {
		places := []int{0}
		if n := plain.seen[what]; last && n > 1 {
			places = append(places, n-1)
		}
		for _, nth := range places {
			for _, mode := range []crashMode{failOnce, loseReply, dieAfter, beaten} {
				if mode == beaten && (!strings.HasPrefix(what, "store write ") || strings.HasPrefix(what, "store write new ")) {
					continue // it says that the item is there
				}
				if mode != failOnce && !landing.MatchString(what) {
					continue // it is no other than a failure
				}
				if mode == dieAfter && !last {
					continue
				}
				b := newCrashBed(t, -1, mode, sc.change, sc.options)
				b.what, b.nth = what, nth
				sc.playOn(b)
				if got := b.course(); got != want {
					fmt.Fprintf(out, "  %s, %s %s: %s\n", mode, map[bool]string{true: "first", false: "last"}[nth == 0], what,
						differ(want, got))
				}
			}
		}
	}
}

// differ leaves out the words that stayed as they were.
func differ(want, got string) string {
	known := strings.Split(want, ", ")
	words := slices.DeleteFunc(strings.Split(got, ", "), func(w string) bool { return slices.Contains(known, w) })
	return strings.Join(words, ", ")
}

// course is how long everything took and what came of it, in short.
func (b *crashBed) course() string {
	ctx := b.t.Context()
	words := []string{
		"took " + b.now.Sub(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)).String(),
		fmt.Sprintf("calls %d+%d", b.apps[0].Calls(), b.apps[1].Calls()),
	}
	for _, r := range paged(b, func(cursor string) ([]engine.Run, string, error) {
		return b.eng.ListRuns(ctx, testbed.Workspace, testbed.Connection, 100, cursor)
	}) {
		words = append(words, fmt.Sprintf("%s %s %s %d/%d %v", r.Kind, r.State, r.Code, r.Done, r.Total, r.Outcomes))
	}
	told := map[string]int{}
	for _, e := range paged(b, func(cursor string) ([]engine.Entry, string, error) {
		return b.eng.ListLog(ctx, testbed.Workspace, engine.LogFilter{Connection: testbed.Connection}, 100, cursor)
	}) {
		told[fmt.Sprintf("%s %s", e.Outcome, e.Code)]++
	}
	for _, what := range sortedKeys(told) {
		words = append(words, fmt.Sprintf("log %s %d", what, told[what]))
	}
	status, err := b.eng.Status(ctx, testbed.Workspace, testbed.Connection)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, side := range crm.Sides {
		words = append(words, fmt.Sprintf("%s %v", side, status[0].States.Get(side)))
	}
	for _, w := range status[0].Warnings {
		words = append(words, "warning "+w)
	}
	for _, mark := range sortedKeys(b.marks) {
		words = append(words, "by "+mark)
	}
	for _, note := range b.notes {
		if len(note) < 60 {
			words = append(words, note)
		}
	}
	return strings.Join(words, ", ")
}
