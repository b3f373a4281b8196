package engine_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// latest returns the newest run of a kind, which nothing comes in the way of.
func (b *crashBed) latest(kind engine.RunKind) crm.RunID {
	b.t.Helper()
	defer func(live bool) { b.live = live }(b.live)
	b.live = false
	runs, _, err := b.eng.ListRuns(b.t.Context(), testbed.Workspace, testbed.Connection, 50, "")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, r := range runs {
		if r.Kind == kind {
			return r.ID
		}
	}
	b.t.Fatalf("no %s", kind)
	return ""
}

// aside lets f happen without anything in its way.
func (b *crashBed) aside(f func()) {
	defer func(live bool) { b.live = live }(b.live)
	b.live = false
	f()
	b.rest()
}

// takeBack plans to undo a run and carries that out.
func (b *crashBed) takeBack(run crm.RunID) {
	b.t.Helper()
	var p engine.PlanView
	b.ask(func(e *engine.Engine) (err error) {
		p, err = e.UndoRun(b.t.Context(), testbed.Workspace, run)
		return err
	})
	b.rest()
	b.ask(func(e *engine.Engine) error {
		_, err := e.ApplyPlan(b.t.Context(), testbed.Workspace, p.ID)
		return err
	})
	b.rest()
}

// busyPull is a pull that updates, creates and joins.
func busyPull(b *crashBed) {
	b.aside(func() {
		b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", "Ghent", "tags", "a;c")
		b.create(crm.Left, "email", "cyd@example.com", "first", "Cyd")
		b.create(crm.Left, "email", "eve@example.com", "first", "Eve", "city", "Ghent")
		b.create(crm.Right, "email", "eve@example.com", "first", "Eve")
		b.pull()
	})
}

func undoings() []scenario {
	return []scenario{
		{name: "a run undone", act: func(b *crashBed) {
			busyPull(b)
			b.takeBack(b.latest(engine.RunPull))
		}},
		{name: "a run undone in an app that answers nothing", options: func(_ int, o *modelapp.Options) {
			o.AnswerValues, o.History = false, false
		}, act: func(b *crashBed) {
			busyPull(b)
			b.takeBack(b.latest(engine.RunPull))
		}},
		{name: "an undo undone", act: func(b *crashBed) {
			busyPull(b)
			b.aside(func() { b.takeBack(b.latest(engine.RunPull)) })
			b.takeBack(b.latest(engine.RunApply))
		}},
		{name: "an undo of what was written on both sides", act: func(b *crashBed) {
			b.aside(func() {
				edits["lists on both"](b)
				b.pull()
			})
			b.takeBack(b.latest(engine.RunPull))
		}},
		{name: "a field restored", act: func(b *crashBed) {
			b.aside(func() {
				b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", "Ghent", "last", "Loe")
				b.pull()
				b.rest()
				b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", "Lund")
				b.pull()
			})
			id, entry := b.byEmail(crm.Left, ann), ""
			b.aside(func() {
				got, _, err := b.eng.FieldHistory(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
					id, []crm.MappingID{"city"}, 50, "")
				if err != nil || len(got) != 2 {
					b.t.Fatalf("the history is %v, %v", got, err)
				}
				entry = got[1].Entry
			})
			b.ask(func(e *engine.Engine) error {
				_, err := e.RestoreRecord(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, id,
					[]crm.MappingID{"city"}, entry)
				return err
			})
		}},
	}
}

// undoEnds are what the apps hold in the end of undoings.
var undoEnds = map[string][]string{
	"a run undone": {
		"left ann@example.com|Ann|Roe|Ghent|a;c deleted=false", "right ann@example.com|Ann|Roe||a;b deleted=false",
		"right cyd@example.com|Cyd||| deleted=true", "right eve@example.com|Eve||| deleted=false",
	},
	"an undo undone": {
		"right ann@example.com|Ann|Roe|Ghent|a;c deleted=false", "right cyd@example.com|Cyd||| deleted=true",
		"right eve@example.com|Eve||Ghent| deleted=false",
	},
	"an undo of what was written on both sides": {
		"left ann@example.com|Ann|Roe||b;d deleted=false", "right ann@example.com|Ann|Roe||a;b;c deleted=false",
	},
	"a field restored": {
		"left ann@example.com|Ann|Loe|Lund|a;b deleted=false", "right ann@example.com|Ann|Loe||a;b deleted=false",
	},
}

// TestS8_AnUndoStopsAnywhereAndResumes: an undo ends the same wherever a process
// stops, a request fails or an answer is lost while it is planned and carried out.
func TestS8_AnUndoStopsAnywhereAndResumes(t *testing.T) {
	t.Parallel()
	stride := 1
	if testing.Short() {
		stride = 11
	}
	var mu sync.Mutex
	met := map[string]bool{}
	t.Cleanup(func() {
		marks := []string{"put_back", "create_undone", "link_undone", "unlink_undone"}
		if !testing.Short() { // which looks at few requests
			marks = append(marks, "undo_landed", "burial_landed")
		}
		for _, mark := range marks {
			if !met[mark] && !t.Failed() {
				t.Errorf("nothing came by %s", mark)
			}
		}
	})
	for _, sc := range undoings() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			play := func(at int, mode crashMode) (end string, requests int) {
				b := newCrashBed(t, at, mode, sc.change, sc.options)
				requests = sc.playOn(b)
				mu.Lock()
				defer mu.Unlock()
				maps.Copy(met, b.marks)
				lines := strings.Split(b.final(), "\n") // a plan that was asked for twice is there twice
				lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "run plan, done:") })
				return strings.Join(lines, "\n"), requests
			}
			want, requests := play(-1, dieBefore)
			for name, ends := range undoEnds {
				for _, end := range ends {
					if strings.HasPrefix(sc.name, name) && !strings.Contains(want, end) {
						t.Errorf("ends with:\n%s\nwant %s", want, end)
					}
				}
			}
			everywhere(t, want, requests, stride, func(at int, mode crashMode) string {
				got, _ := play(at, mode)
				return got
			})
		})
	}
}
