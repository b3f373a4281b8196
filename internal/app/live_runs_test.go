package app

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// round is one round of the agenda, as the tick makes it.
func (l *live) round() {
	l.t.Helper()
	if _, err := l.app.Engine.Round(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// TestLive_CancelInTheMiddle: a run that is cancelled lists nothing more; what
// was not worked is found by the next one; cancelling again changes nothing.
func TestLive_CancelInTheMiddle(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{ChunkSize: 5, LotSize: 5, Window: 1}, func(t *testing.T, l *live) {
		for i := range 40 {
			l.person(crm.Left, fmt.Sprintf("p%d", i))
		}
		l.connect()
		var begun struct {
			Runs []engine.Run `json:"runs"`
		}
		l.want(202, "POST", l.con+"/start", nil).into(&begun)
		run := "/v1/runs/" + string(begun.Runs[0].ID)
		for range 4 {
			l.round()
			l.work()
		}
		made := l.living(crm.Right)
		if made == 0 || made >= 40 {
			t.Fatalf("%d people made: this is not the middle", made)
		}
		var r engine.Run
		l.want(200, "GET", run, nil).into(&r)
		if r.State != engine.RunRunning {
			t.Fatalf("the run is %s", r.State)
		}
		l.want(200, "POST", run+"/cancel", nil).into(&r)
		if r.State != engine.RunCancelled || r.EndedAt.IsZero() {
			t.Errorf("cancelled: %+v", r)
		}
		l.drain()
		if n := l.living(crm.Right); n > made+5 {
			t.Errorf("%d people after the run was cancelled at %d: it goes on", n, made)
		}
		ended := r.EndedAt
		l.move(time.Minute)
		l.want(200, "POST", run+"/cancel", nil).into(&r)
		if r.State != engine.RunCancelled || !r.EndedAt.Equal(ended) {
			t.Errorf("cancelled again: %+v", r)
		}
		l.refused(404, "not_found", "POST", "/v1/runs/run_none/cancel", nil)

		all := l.run("POST", l.sync+"/resync", nil)
		if l.living(crm.Right) != 40 || all.Outcomes[crm.Created] == 0 {
			t.Errorf("%d people after a resync, want 40: %v", l.living(crm.Right), all.Outcomes)
		}
		l.want(200, "POST", "/v1/runs/"+string(all.ID)+"/cancel", nil).into(&r)
		if r.State != engine.RunDone {
			t.Errorf("a run that was done is %s", r.State)
		}
		stream := l.want(200, "GET", run+"/events", nil)
		if !strings.HasPrefix(string(stream.body), "event: run\ndata: {") ||
			!strings.Contains(string(stream.body), `"cancelled"`) {
			t.Errorf("events: %s", stream.body)
		}
	})
}

// TestLive_CancelledPullLosesNothing: changes of either side that a cancelled
// pull had listed, and not sent, are found by the next one.
func TestLive_CancelledPullLosesNothing(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{ChunkSize: 5, LotSize: 5, Window: 1}, func(t *testing.T, l *live) {
		const people = 30
		for i := range people {
			l.person(crm.Left, fmt.Sprintf("p%d", i))
		}
		l.connect()
		l.start()
		field := map[crm.Side]string{crm.Left: "city", crm.Right: "MailingCity"}
		for _, side := range crm.Sides {
			city := "From " + string(side) // and a number: one value for everybody is another story
			for i := range people {
				l.edit(side, l.twin(side, fmt.Sprintf("p%d", i)), field[side], fmt.Sprint(city, i))
			}
			arrived := func() (n int) {
				core, object := l.core(side.Other())
				for _, r := range core.Records(object) {
					if strings.HasPrefix(r.Fields[field[side.Other()]], city) {
						n++
					}
				}
				return n
			}
			l.move(3 * time.Minute)
			r := l.begin("POST", l.sync+"/pull", nil)
			for arrived() == 0 {
				l.round()
				l.work()
			}
			if n := arrived(); n == people {
				t.Fatalf("all changes have travelled from the %s: this is not the middle", side)
			}
			l.want(200, "POST", "/v1/runs/"+string(r.ID)+"/cancel", nil).into(&r)
			l.drain()
			if n := arrived(); r.State != engine.RunCancelled || n > 10 {
				t.Fatalf("the run is %s, and %d changes have travelled from the %s: it was not cancelled in the middle", r.State, n,
					side)
			}
			l.move(30 * time.Minute) // past what a listing shows again, before the later look at what was indexed late
			l.pull()
			if n := arrived(); n != people {
				t.Errorf("%d of %d changes have travelled from the %s after the next pull", n, people, side)
			}
		}
	})
}

// TestLive_OneRunAtATime: a second pull answers the open one; runs are listed
// once each at every page size, newest first.
func TestLive_OneRunAtATime(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.person(crm.Left, "a")
		l.connect()
		l.refused(409, "connection_draft", "POST", l.sync+"/pull", nil)
		l.refused(409, "not_running", "POST", l.con+"/pause", nil)
		l.start()
		l.refused(404, "not_found", "POST", l.con+"/syncs/none/resync", nil)
		one, two := l.begin("POST", l.sync+"/resync", nil), l.begin("POST", l.sync+"/pull", nil)
		if one.ID != two.ID {
			t.Error("a second run was begun beside an open one")
		}
		l.finished(one)
		for range 3 {
			l.pull()
		}
		for _, list := range []string{"/v1/runs?", "/v1/runs?connection=" + l.id() + "&"} {
			runs := each[engine.Run](l, list+"limit=200")
			if len(runs) < 5 {
				t.Errorf("%s: %d runs", list, len(runs))
			}
			for _, limit := range []int{1, 2, 3} {
				again := each[engine.Run](l, fmt.Sprintf("%slimit=%d", list, limit))
				if fmt.Sprint(runIDs(again)) != fmt.Sprint(runIDs(runs)) {
					t.Errorf("%s by pages of %d: %v, want %v", list, limit, runIDs(again), runIDs(runs))
				}
			}
		}
		l.refused(404, "not_found", "GET", "/v1/runs?connection=con_none", nil)
		l.refused(404, "not_found", "GET", "/v1/runs/run_none", nil)
	})
}

// TestLive_AResyncFollowsALesserRun: who asks for a resync gets one, even while a run
// is open that looks at less; asked for twice, it is one.
func TestLive_AResyncFollowsALesserRun(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.person(crm.Left, "a")
		l.connect()
		l.start()
		status := func() (s engine.SyncStatus) {
			var st struct {
				Syncs []engine.SyncStatus `json:"syncs"`
			}
			l.want(200, "GET", l.con+"/status", nil).into(&st)
			return st.Syncs[0]
		}
		if next := status().NextRun; next != "" {
			t.Fatalf("%q follows at rest", next)
		}
		l.move(3 * time.Minute)
		pull := l.begin("POST", l.sync+"/pull", nil)
		for range 2 {
			if r := l.begin("POST", l.sync+"/resync", nil); r.ID != pull.ID {
				t.Fatalf("run %s of kind %s was begun beside %s", r.ID, r.Kind, pull.ID)
			}
			if s := status(); s.OpenRun != pull.ID || s.NextRun != engine.RunResync {
				t.Fatalf("open is %q, next is %q, want a resync after %q", s.OpenRun, s.NextRun, pull.ID)
			}
		}
		l.drain()
		if s := status(); s.OpenRun != "" || s.NextRun != "" {
			t.Errorf("at the end %q is open, and %q follows", s.OpenRun, s.NextRun)
		}
		kinds := map[engine.RunKind]int{}
		for _, r := range each[engine.Run](l, "/v1/runs?connection="+l.id()) {
			kinds[r.Kind]++
			if r.State != engine.RunDone {
				t.Errorf("run %s of kind %s is %s", r.ID, r.Kind, r.State)
			}
		}
		want := map[engine.RunKind]int{engine.RunInitial: 1, engine.RunPull: 1, engine.RunResync: 1}
		if !maps.Equal(kinds, want) {
			t.Errorf("runs by kind: %v, want %v", kinds, want)
		}
		one := l.begin("POST", l.sync+"/resync", nil)
		if two := l.begin("POST", l.sync+"/resync", nil); one.ID != two.ID || status().NextRun != "" {
			t.Errorf("pressed twice: %s, %s, and %q follows", one.ID, two.ID, status().NextRun)
		}
		l.finished(one)
	})
}

// TestLive_APullFollowsAnOpenRun: a pull that is asked for while a run is open begins when
// that has ended, once however often it is asked for; a resync asked for as well lists
// what it would, and stands for it.
func TestLive_APullFollowsAnOpenRun(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.person(crm.Left, "a")
		l.connect()
		l.want(202, "POST", l.con+"/start", nil)
		ask := func(kind string, open crm.RunID, next engine.RunKind) engine.Run {
			t.Helper()
			r := l.begin("POST", l.sync+"/"+kind, nil)
			if open != "" && r.ID != open || r.NextRun != next {
				t.Fatalf("%s: run %s is answered, and %q follows, want %s and %q", kind, r.ID, r.NextRun, open, next)
			}
			return r
		}
		made := func(want map[engine.RunKind]int) {
			t.Helper()
			l.drain()
			kinds := map[engine.RunKind]int{}
			for _, r := range each[engine.Run](l, "/v1/runs?connection="+l.id()) {
				if kinds[r.Kind]++; r.State != engine.RunDone || r.NextRun != "" {
					t.Errorf("run %s of kind %s is %s, and %q follows", r.ID, r.Kind, r.State, r.NextRun)
				}
			}
			if !maps.Equal(kinds, want) {
				t.Errorf("runs by kind: %v, want %v", kinds, want)
			}
		}
		open := ask("pull", "", engine.RunPull) // after the first run
		for range 9 {
			ask("pull", open.ID, engine.RunPull)
		}
		made(map[engine.RunKind]int{engine.RunInitial: 1, engine.RunPull: 1})
		l.move(3 * time.Minute)
		open = ask("pull", "", "")
		ask("pull", open.ID, engine.RunPull)
		ask("resync", open.ID, engine.RunResync)
		ask("pull", open.ID, engine.RunResync)
		made(map[engine.RunKind]int{engine.RunInitial: 1, engine.RunPull: 2, engine.RunResync: 1})
		open = ask("resync", "", "")
		ask("resync", open.ID, "")
		ask("pull", open.ID, engine.RunPull)
		ask("resync", open.ID, engine.RunPull) // everything is being compared already
		made(map[engine.RunKind]int{engine.RunInitial: 1, engine.RunPull: 3, engine.RunResync: 2})
	})
}

func runIDs(runs []engine.Run) (out []crm.RunID) {
	for _, r := range runs {
		out = append(out, r.ID)
	}
	return out
}

// TestLive_OneOfManyWritersWins: of writers that saw the same version exactly
// one is served, and it is its document that is stored; what the engine writes
// of the same connection in between costs nobody anything.
func TestLive_OneOfManyWritersWins(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.person(crm.Left, "a")
		l.connect()
		l.start()
		account, key := "/v1/accounts/"+string(l.left), "/v1/workspace"
		l.want(200, "PATCH", key, `{"name":"w"}`, "If-Match", "*", "Content-Type", "application/merge-patch+json")
		for _, c := range []struct {
			target, field string
			method        string
		}{
			{l.con, "description", "PUT"}, {l.con, "description", "PATCH"}, {account, "name", "PATCH"}, {key, "name", "PATCH"},
		} {
			tag := l.want(200, "GET", c.target, nil).header.Get("ETag")
			var answers [6]answer
			var wg sync.WaitGroup
			for i := range answers {
				wg.Go(func() {
					body := fmt.Sprintf(`{%q:"%s %d"}`, c.field, c.method, i)
					media := "application/merge-patch+json"
					if c.method == "PUT" {
						media = "application/json"
						body = strings.Replace(l.document("One"), `{"name"`, fmt.Sprintf(`{%q:"%s %d","name"`, c.field, c.method, i), 1)
					}
					answers[i] = l.do(c.method, c.target, body, "If-Match", tag, "Content-Type", media)
				})
			}
			wg.Wait()
			winner := ""
			for i, a := range answers {
				switch a.status {
				case http.StatusOK:
					if winner != "" {
						t.Errorf("%s %s: two writers were served", c.method, c.target)
					}
					winner = fmt.Sprintf("%s %d", c.method, i)
				case http.StatusPreconditionFailed:
				default:
					t.Errorf("%s %s: got %d: %s", c.method, c.target, a.status, a.body)
				}
			}
			got := l.want(200, "GET", c.target, nil)
			if winner == "" || got.object()[c.field] != winner {
				t.Errorf("%s %s: %q was served, %q is stored", c.method, c.target, winner, got.object()[c.field])
			}
			if got.header.Get("ETag") == tag {
				t.Errorf("%s %s: the version stands still", c.method, c.target)
			}
		}
		tag := l.want(200, "GET", l.con, nil).header.Get("ETag")
		l.want(200, "POST", l.con+"/pause", nil)
		got := l.must(200, "PATCH", l.con, `{"description":"paused"}`, "If-Match", tag, "Content-Type",
			"application/merge-patch+json")
		if got["status"] != "paused" || got["description"] != "paused" {
			t.Errorf("a change beside the engine's: %v", got)
		}
	})
}
