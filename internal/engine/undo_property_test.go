package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// undoWorld is a random history of two apps with an undo in it.
type undoWorld struct {
	*crashBed
	*rand.Rand
	n int
}

var undoFields = []string{modelapp.First, modelapp.Last, modelapp.City, modelapp.Tags}

// held is what every living record holds, by side, ID and field.
func (w *undoWorld) held() map[string]string {
	out := map[string]string{}
	for i, app := range w.apps {
		for _, r := range app.Rows() {
			for _, f := range undoFields {
				if !r.Deleted {
					out[fmt.Sprintf("%s %s %s", crm.Sides[i], r.ID, f)] = r.Fields[app.Name(f)].Text()
				}
			}
		}
	}
	return out
}

// people are the IDs of a side's living records.
func (w *undoWorld) people(side crm.Side) (out []crm.RecordID) {
	for _, r := range w.apps[side.Index()].Rows() {
		if !r.Deleted {
			out = append(out, r.ID)
		}
	}
	return out
}

// edits lets people type, and returns what they typed.
func (w *undoWorld) edits(n int) map[string]string {
	out := map[string]string{}
	for range n {
		side := crm.Sides[w.IntN(2)]
		ids := w.people(side)
		id, field := ids[w.IntN(len(ids))], undoFields[w.IntN(len(undoFields))]
		w.n++
		value := fmt.Sprintf("%s %d", field, w.n)
		switch {
		case w.IntN(6) == 0:
			value = ""
		case field == modelapp.Tags:
			value = fmt.Sprintf("%c;t%d", 'a'+rune(w.IntN(3)), w.n)
		}
		w.edit(side, id, field, value)
		out[fmt.Sprintf("%s %s %s", side, id, field)] = value
	}
	return out
}

// twinOf is the other end of a pair, by what is linked now.
func (w *undoWorld) twinOf() map[string]string {
	out := map[string]string{}
	records, _, err := w.eng.ListRecords(w.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RecordFilter{}, 200, "")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range records {
		if r.Partner != "" {
			a, b := fmt.Sprintf("%s %s", r.Side, r.ID), fmt.Sprintf("%s %s", r.Side.Other(), r.Partner)
			out[a], out[b] = b, a
		}
	}
	return out
}

// takesBack undoes a run and returns the run that did.
func (w *undoWorld) takesBack(run crm.RunID) crm.RunID {
	w.takeBack(run)
	return w.latest(engine.RunApply)
}

// TestProperty_UndoOfUndoIsIdentity: over random histories the undo of an undo
// gives every field back what the run had written, but for those that somebody
// edited in between; these keep the edit, on both sides. And what was undone is as
// it was before the run, on the side that the run wrote.
func TestProperty_UndoOfUndoIsIdentity(t *testing.T) {
	t.Parallel()
	worlds := 60
	if testing.Short() {
		worlds = 12
	}
	var back, kept int
	for seed := range worlds {
		b := newCrashBed(t, -1, dieBefore, nil, func(side int, o *modelapp.Options) { o.AnswerValues = seed%2 == side })
		w := &undoWorld{crashBed: b, Rand: rand.New(rand.NewPCG(uint64(seed), 1))}
		for i := range 4 {
			for _, side := range crm.Sides {
				w.create(side, "email", fmt.Sprintf("p%d@example.com", i), "first", "P", "last", fmt.Sprint("L", i), "tags", "a;b")
			}
		}
		w.start()
		w.rest()
		for range w.IntN(3) {
			w.edits(1 + w.IntN(4))
			w.pull()
			w.rest()
		}
		before := w.held()
		typed := w.edits(1 + w.IntN(6))
		w.pull()
		w.rest()
		run, after := w.latest(engine.RunPull), w.held()
		undo := w.takesBack(run)
		undone := w.held()
		for k, v := range after {
			want := v
			if _, own := typed[k]; !own {
				want = before[k]
			}
			if _, own := typed[k]; own && v != typed[k] {
				continue // both sides were typed: the loser's value was written over, and is back
			}
			if undone[k] != want {
				t.Fatalf("seed %d: undone, %s is %q, want %q (before %q, after %q)", seed, k, undone[k], want, before[k], v)
			}
			if want != v {
				back++
			}
		}
		later := w.edits(w.IntN(4))
		if w.IntN(2) == 0 {
			w.pull()
			w.rest()
		}
		twins := w.twinOf()
		w.takesBack(undo)
		check := func(when string) {
			now := w.held()
			for k, v := range after {
				touched := false
				for e := range later {
					var side, id, field string
					_, _ = fmt.Sscan(e, &side, &id, &field)
					touched = touched || k == e || k == twins[side+" "+id]+" "+field
				}
				if touched {
					kept++
					continue
				}
				if now[k] != v {
					t.Fatalf("seed %d: %s, %s is %q, want %q (before %q, undone %q; later %v)", seed, when, k, now[k], v, before[k],
						undone[k], later)
				}
			}
			for k, v := range later {
				if now[k] != v && when != "undone twice" {
					var side, id, field string
					_, _ = fmt.Sscan(k, &side, &id, &field)
					if _, both := later[twins[side+" "+id]+" "+field]; !both && field != modelapp.Tags {
						t.Fatalf("seed %d: %s, %s lost its edit %q: %q", seed, when, k, v, now[k])
					}
				}
			}
		}
		check("undone twice")
		for range 2 {
			w.pull()
			w.rest()
		}
		check("looked at again")
	}
	if back < worlds/2 || kept == 0 {
		t.Errorf("%d fields were put back, %d kept", back, kept)
	}
}
