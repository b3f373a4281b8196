package app

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// resolvedRecords is what a decision about many records comes to, as it is answered.
type resolvedRecords struct {
	DryRun    bool `json:"dry_run"`
	Decided   int
	Undecided int
	More      bool
	Sample    []engine.ChosenRecord
	Run       *engine.Run
}

// decide makes one choice for all records that a filter names, if not dry, and waits for
// what comes of it.
func (l *live) decide(choice string, filter map[string]string, dry bool) (r resolvedRecords) {
	l.t.Helper()
	status := 202
	if dry {
		status = 200
	}
	a := l.want(status, "POST", l.sync+"/records/resolve", map[string]any{
		"filter": filter, "choice": choice, "dry_run": dry,
	})
	a.into(&r)
	if r.DryRun != dry || (r.Run == nil) != dry {
		l.t.Errorf("%s: %s", choice, a.body)
	}
	if r.Run != nil {
		l.finished(*r.Run)
	}
	return r
}

// TestLive_ConflictsAreDecidedInBulk: one choice for all pairs that wait, of one field or
// of all: what was agreed on, was decided meanwhile or is of another field stays.
func TestLive_ConflictsAreDecidedInBulk(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		const people = 12
		var ids [people][2]string
		for i := range people {
			ids[i][0] = l.person(crm.Left, fmt.Sprint("p", i), "city", "Ghent", "jobtitle", "Cook")
		}
		l.connect()
		l.start()
		for i := range people {
			ids[i][1] = l.twin(crm.Right, fmt.Sprint("p", i))
			l.edit(crm.Left, ids[i][0], "city", "Antwerp")
			l.edit(crm.Right, ids[i][1], "MailingCity", "Liège")
			if i%2 == 0 {
				l.edit(crm.Left, ids[i][0], "jobtitle", "Baker")
				l.edit(crm.Right, ids[i][1], "Title", "Miller")
			}
		}
		l.pull()
		holds := func(i int, city, title string) {
			t.Helper()
			left, right := l.held(crm.Left, ids[i][0]), l.held(crm.Right, ids[i][1])
			if left["city"] != city || right["MailingCity"] != city || left["jobtitle"] != title || right["Title"] != title {
				t.Errorf("p%d: %s %s and %s %s, want %s %s", i, left["city"], left["jobtitle"], right["MailingCity"],
					right["Title"], city, title)
			}
		}
		conflict := map[string]string{"state": "conflict"}
		l.refused(422, "choice_unfit", "POST", l.sync+"/records/resolve", map[string]any{
			"filter": map[string]string{"state": "duplicate"}, "choice": "left",
		})
		l.refused(422, "choice_unfit", "POST", l.sync+"/records/resolve", map[string]any{
			"filter": map[string]string{"state": "conflict", "field": "city"}, "choice": "apart",
		})
		l.refused(400, "unknown_key", "POST", l.sync+"/records/resolve", map[string]any{
			"filter": map[string]string{"state": "conflict", "field": "shoe_size"}, "choice": "left",
		})
		l.refused(400, "unknown_value", "POST", l.sync+"/records/resolve", map[string]any{
			"filter": map[string]string{"state": "in_sync"}, "choice": "left",
		})

		before := l.writes(crm.Left) + l.writes(crm.Right)
		if r := l.decide("right", conflict, true); r.Decided != people || r.Undecided != 0 || r.More || len(r.Sample) != 10 {
			t.Errorf("a dry run: %+v", r)
		}
		if r := l.decide("link", conflict, true); r.Decided != 0 || r.Undecided != people {
			t.Errorf("pairs are linked: %+v", r)
		}
		if n := l.writes(crm.Left) + l.writes(crm.Right); n != before {
			t.Errorf("dry runs wrote %d times", n-before)
		}

		l.run("POST", l.record(crm.Left, ids[0][0])+"/resolve", map[string]any{"fields": map[string]string{"city": "left"}})
		l.edit(crm.Right, ids[1][1], "Title", "Pilot") // which is no conflict, and travels as ever
		cities := map[string]string{"state": "conflict", "field": "MailingCity"}
		if r := l.decide("right", cities, false); r.Decided != people { // of the first one only the title waits
			t.Errorf("cities: %+v", r)
		}
		for i := range people {
			if i%2 == 0 {
				if left := l.held(crm.Left, ids[i][0]); left["jobtitle"] != "Baker" {
					t.Errorf("p%d: the title was decided, too: %v", i, left)
				}
				continue
			}
			holds(i, "Liège", map[bool]string{true: "Pilot", false: "Cook"}[i == 1])
		}
		if got := l.held(crm.Right, ids[0][1])["MailingCity"]; got != "Antwerp" {
			t.Errorf("what was decided by hand is %q", got)
		}
		if r := l.decide("left", conflict, false); r.Decided != people/2 {
			t.Errorf("titles: %+v", r)
		}
		holds(0, "Antwerp", "Baker")
		for i := 2; i < people; i += 2 {
			holds(i, "Liège", "Baker")
		}
		for i := range people {
			if v := l.view(crm.Left, ids[i][0]); v.State != crm.StateInSync {
				t.Errorf("p%d stands %s %s", i, v.State, v.Code)
			}
		}
		if r := l.decide("left", conflict, false); r.Decided != 0 || r.Run.State != engine.RunDone {
			t.Errorf("nothing is left: %+v", r)
		}
		l.want(200, "POST", l.con+"/pause", nil)
		l.refused(409, "connection_paused", "POST", l.sync+"/records/resolve", map[string]any{
			"filter": conflict, "choice": "left",
		})
	})
}

// TestLive_DuplicatesAreDecidedInBulk: each is linked where there is one that it fits, and
// left for a person where there are several; or all are left alone from then on.
func TestLive_DuplicatesAreDecidedInBulk(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		for _, who := range []string{"ann", "bob", "cyd"} {
			l.person(crm.Left, who)
			l.person(crm.Right, who)
			l.person(crm.Right, who)
		}
		l.connect()
		l.start()
		duplicate := map[string]string{"state": "duplicate"}
		listed := func() (states map[crm.RecordID]string) {
			states = map[crm.RecordID]string{}
			for _, v := range each[engine.RecordView](l, l.sync+"/records") {
				states[v.ID] = fmt.Sprint(v.State, " ", v.Code)
			}
			return states
		}
		before := listed()
		if len(each[engine.RecordView](l, l.sync+"/records?state=duplicate")) < 6 {
			t.Fatalf("duplicates: %v", before)
		}
		if r := l.decide("link", duplicate, false); r.Decided != 0 || r.Undecided < 6 {
			t.Errorf("two fit each: %+v", r)
		}
		if after := listed(); !maps.Equal(before, after) {
			t.Errorf("they stand otherwise: %v, then %v", before, after)
		}

		// One of Ann's two is taken apart: the other is the only one that fits.
		var anns []crm.RecordID
		ann := l.twin(crm.Left, "ann")
		for _, v := range each[engine.RecordView](l, l.sync+"/records?state=duplicate") {
			if v.Side == crm.Right && l.held(crm.Right, string(v.ID))["Email"] == l.held(crm.Left, ann)["email"] {
				anns = append(anns, v.ID)
			}
		}
		slices.Sort(anns)
		if len(anns) != 2 {
			t.Fatalf("ann's: %v", anns)
		}
		l.run("POST", l.record(crm.Right, string(anns[0]))+"/unlink", nil)
		if v := l.view(crm.Right, string(anns[0])); v.State != crm.StateExcluded || v.Code != "unlinked" {
			t.Errorf("taken apart: %s %s", v.State, v.Code)
		}
		if r := l.decide("link", duplicate, false); r.Decided != 1 {
			t.Errorf("one fits ann: %+v", r)
		}
		if v := l.view(crm.Right, string(anns[1])); v.State != crm.StateInSync || string(v.Partner) != ann {
			t.Errorf("ann: %+v", v)
		}

		if r := l.decide("apart", duplicate, false); r.Decided < 4 || r.Undecided != 0 {
			t.Errorf("apart: %+v", r)
		}
		if left := each[engine.RecordView](l, l.sync+"/records?state=duplicate"); len(left) != 0 {
			t.Errorf("still duplicates: %+v", left)
		}
		l.run("POST", l.sync+"/resync", nil)
		l.edit(crm.Left, l.twin(crm.Left, "bob"), "city", "Oslo")
		l.pull()
		left := each[engine.RecordView](l, l.sync+"/records?state=duplicate")
		if len(left) != 0 || l.living(crm.Left) != 3 || l.living(crm.Right) != 6 {
			t.Errorf("after a resync: %+v, %d and %d people", left, l.living(crm.Left), l.living(crm.Right))
		}
		bobs := l.twin(crm.Left, "bob")
		if v := l.view(crm.Left, bobs); v.State != crm.StateExcluded || v.Code != "unlinked" || v.Partner != "" {
			t.Errorf("bob: %+v", v)
		}
	})
}

// TestLive_PairsAreTakenAlong: whoever leaves takes the pairs along, each once, in as many
// parts as it takes; who has no partner, or lost theirs, is not among them.
func TestLive_PairsAreTakenAlong(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		const people = 30
		for i := range people {
			l.person(crm.Left, fmt.Sprint("p", i))
		}
		if _, err := l.hub.Core().CreateRecord("contacts", map[string]string{"lastname": "No Address"}); err != nil {
			t.Fatal(err)
		}
		l.connect()
		l.start()
		l.run("POST", l.record(crm.Left, l.twin(crm.Left, "p7"))+"/unlink", nil)
		want := map[string]string{}
		for i := range people {
			if i != 7 {
				want[l.twin(crm.Left, fmt.Sprint("p", i))] = l.twin(crm.Right, fmt.Sprint("p", i))
			}
		}
		got := map[string]string{}
		for target := l.sync + "/links.csv"; target != ""; {
			a := l.want(200, "GET", target, nil)
			rows, err := csv.NewReader(bytes.NewReader(a.body)).ReadAll()
			if err != nil || fmt.Sprint(rows[0]) != "[left right state code since]" {
				t.Fatalf("%v: %s", err, a.body)
			}
			for _, row := range rows[1:] {
				if _, err := time.Parse(time.RFC3339Nano, row[4]); got[row[0]] != "" || row[2] != "in_sync" || err != nil {
					t.Errorf("%v", row)
				}
				got[row[0]] = row[1]
			}
			target, _, _ = strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d pairs, want %d: %v", len(got), len(want), got)
		}
		l.refused(400, "cursor_malformed", "GET", l.sync+"/links.csv?cursor=AAAA", nil)
	})
}

// TestLive_SomebodyArrives: people whom no key joins are linked by the IDs that another
// product had for them, before anybody is made: nobody is doubled, edits travel, and what
// cannot be linked is named pair by pair.
func TestLive_SomebodyArrives(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		const people = 12
		var pairs []map[string]string
		pair := func(left, right string) { pairs = append(pairs, map[string]string{"left": left, "right": right}) }
		for i := range people {
			pair(l.person(crm.Left, fmt.Sprint("l", i), "city", "Ghent"), l.person(crm.Right, fmt.Sprint("r", i)))
		}
		lonely := l.person(crm.Left, "lonely")
		l.person(crm.Left, "both")
		l.person(crm.Right, "both")
		type linked struct {
			DryRun bool `json:"dry_run"`
			Items  []engine.PairVerdict
			Run    *engine.Run
		}
		bring := func(dry bool) (out linked) {
			t.Helper()
			l.want(map[bool]int{true: 200, false: 202}[dry], "POST", l.sync+"/links", map[string]any{
				"pairs": pairs, "dry_run": dry,
			}).into(&out)
			if len(out.Items) != len(pairs) || out.DryRun != dry || (out.Run == nil) != dry {
				t.Fatalf("%+v", out)
			}
			return out
		}
		results := func(out linked) (said string) {
			for _, one := range out.Items[people:] {
				said += fmt.Sprintf("%s %s %s; ", one.Result, one.Code, one.Side)
			}
			return said
		}
		l.connect([2]string{`"schedule"`, `"behavior":{"to_right":"update_only","to_left":"update_only"},"schedule"`})
		l.start()
		pair(l.twin(crm.Left, "both"), l.twin(crm.Right, "both"))
		pair(lonely, "003000000000000AAA")
		pair("999999", l.twin(crm.Right, "r0"))
		pair(lonely, l.twin(crm.Right, "both"))
		want := "linked  ; refused pair_twice left; refused pair_twice right; refused pair_twice left; "
		for _, one := range bring(true).Items[1:people] {
			if one.Result != engine.PairLinks || one.Code != "" {
				t.Errorf("would be: %+v", one)
			}
		}
		if got := results(bring(true)); got != want {
			t.Errorf("the others: %s\nwant: %s", got, want)
		}
		if v := l.view(crm.Left, pairs[1]["left"]); v.Partner != "" {
			t.Errorf("a dry run linked: %+v", v)
		}
		pairs = append(pairs[:people+1], map[string]string{"left": lonely, "right": "003000000000000AAA"},
			map[string]string{"left": "999999", "right": "003000000000000AAB"})
		out := bring(false)
		if got := results(out); got != "linked  ; refused record_unknown right; refused record_unknown left; " {
			t.Errorf("the others: %s", got)
		}
		l.finished(*out.Run)
		l.patch(l.sync, `{"behavior":{"to_right":"create_and_update","to_left":"create_and_update"}}`)
		l.run("POST", l.sync+"/resync", nil)
		if left, right := l.living(crm.Left), l.living(crm.Right); left != people+2 || right != people+2 {
			t.Errorf("%d and %d people, want %d", left, right, people+2) // lonely is made, nobody else
		}
		for _, p := range pairs[:people] {
			if v := l.view(crm.Left, p["left"]); string(v.Partner) != p["right"] {
				t.Errorf("%v: %+v", p, v)
			}
			if got := l.held(crm.Right, p["right"])["MailingCity"]; got != "Ghent" {
				t.Errorf("%v: a blank is filled with %q", p, got)
			}
		}
		l.edit(crm.Right, pairs[3]["right"], "Title", "Pilot")
		l.pull()
		if got := l.held(crm.Left, pairs[3]["left"])["jobtitle"]; got != "Pilot" {
			t.Errorf("an edit: %q", got)
		}
		for _, one := range bring(false).Items[:people] { // once more changes nothing
			if one.Result != engine.PairLinked {
				t.Errorf("again: %+v", one)
			}
		}
		pairs = []map[string]string{{"left": lonely, "right": pairs[0]["right"]}}
		if one := bring(true).Items[0]; one.Result != engine.PairRefused || one.Code != "twin_taken" || one.Side != crm.Left {
			t.Errorf("of two pairs: %+v", one)
		}
	})
}

// TestLive_PairsAreBroughtToADraft: whoever arrives brings the pairs before anything runs:
// the draft's plan takes them for linked, and when it starts nobody is made twice, whoever
// is heard of meanwhile; a run that is cancelled takes its pairs back.
func TestLive_PairsAreBroughtToADraft(t *testing.T) {
	t.Parallel()
	for _, starts := range []string{"start", "the plan is applied"} {
		t.Run(starts, func(t *testing.T) {
			t.Parallel()
			onLive(t, engine.Tuning{ChunkSize: 5}, func(t *testing.T, l *live) {
				const people = 24
				var pairs []map[string]string
				for i := range people {
					pairs = append(pairs, map[string]string{
						"left":  l.person(crm.Left, fmt.Sprint("l", i), "city", "Ghent"),
						"right": l.person(crm.Right, fmt.Sprint("r", i)),
					})
				}
				lonely := l.person(crm.Left, "lonely")
				taken := map[string]string{"left": l.person(crm.Left, "back"), "right": l.person(crm.Right, "again")}
				l.connect()
				l.hooked(crm.Left, fakekit.Webhooks{})
				bring := func(pairs []map[string]string, dry bool) (items []engine.PairVerdict, run *engine.Run) {
					t.Helper()
					var out struct {
						Items []engine.PairVerdict
						Run   *engine.Run
					}
					l.want(map[bool]int{true: 200, false: 202}[dry], "POST", l.sync+"/links", map[string]any{
						"pairs": pairs, "dry_run": dry,
					}).into(&out)
					return out.Items, out.Run
				}
				if _, run := bring(pairs[:10], true); run != nil {
					t.Errorf("a dry run: %+v", run)
				}
				var first engine.Run
				for _, part := range [][]map[string]string{pairs[:10], pairs[10:], {taken}} {
					items, run := bring(part, false)
					for _, one := range items {
						if one.Result != engine.PairLinks {
							t.Errorf("brought: %+v", one)
						}
					}
					first = *run
				}
				other := []map[string]string{{"left": lonely, "right": pairs[3]["right"]}}
				if items, _ := bring(other, true); items[0].Code != "pair_twice" || items[0].Side != crm.Right {
					t.Errorf("with another one: %+v", items[0])
				}
				l.want(200, "POST", "/v1/runs/"+string(first.ID)+"/cancel", nil)
				l.round()
				if v := each[engine.RecordView](l, l.sync+"/records"); len(v) != 0 {
					t.Errorf("a draft linked %+v", v)
				}
				waits := each[engine.Run](l, "/v1/runs?connection="+strings.TrimPrefix(l.con, "/v1/connections/"))
				if len(waits) != 3 || waits[2].State != engine.RunRunning || len(waits[2].Waiting) == 0 ||
					waits[2].Waiting[0].Code != "connection_draft" {
					t.Errorf("runs of the draft: %+v", waits)
				}

				plan := l.planned(map[string]any{})
				if n := plan.Totals[crm.Conflict]; n != people { // about the addresses, as pairs
					t.Errorf("the plan pairs %d, want %d: %v", n, people, plan.Totals)
				}
				if n := plan.Totals[crm.Created]; n != 3 { // lonely, and the two whose run was cancelled
					t.Errorf("the plan makes %d, want 3: %v", n, plan.Totals)
				}
				if starts == "start" {
					l.want(202, "POST", l.con+"/start", nil)
				} else {
					l.want(202, "POST", "/v1/plans/"+string(plan.ID)+"/apply", nil)
				}
				l.edit(crm.Left, pairs[people-1]["left"], "jobtitle", "Cook")
				l.deliver(crm.Left) // before a tick has come by
				if got := l.held(crm.Right, pairs[people-1]["right"])["Title"]; got != "Cook" {
					t.Errorf("what was heard of meanwhile: %q", got)
				}
				if left, right := l.living(crm.Left), l.living(crm.Right); left != people+3 || right != people+3 {
					t.Errorf("%d and %d people, want %d", left, right, people+3)
				}
				for _, p := range pairs {
					if v := l.view(crm.Left, p["left"]); string(v.Partner) != p["right"] {
						t.Errorf("%v: %s %s %s", p, v.Partner, v.State, v.Code)
					}
					if got := l.held(crm.Right, p["right"])["MailingCity"]; got != "Ghent" {
						t.Errorf("%v: a blank is filled with %q", p, got)
					}
				}
				for _, r := range each[engine.Run](l, "/v1/runs?connection="+strings.TrimPrefix(l.con, "/v1/connections/")) {
					if r.Outcomes[crm.Stale] > 0 || r.State == engine.RunFailed || r.State == engine.RunRunning {
						t.Errorf("%+v", r)
					}
				}
				l.edit(crm.Right, pairs[3]["right"], "Title", "Pilot")
				l.pull()
				if got := l.held(crm.Left, pairs[3]["left"])["jobtitle"]; got != "Pilot" {
					t.Errorf("an edit: %q", got)
				}
			})
		})
	}
}
