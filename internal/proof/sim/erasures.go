package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// forgotten are the people who were erased, as the world knows them.
type forgotten struct {
	since  map[ref]time.Time // their records
	emails map[string]bool   // canonical
	bore   map[ref]bool      // records that came later and had such an address for a while
	texts  []string          // what was ever typed of them, as it is stored
	typed  map[ref][]string  // what was typed of anybody, until they are erased
	serial int
}

func newForgotten() forgotten {
	return forgotten{
		since: map[ref]time.Time{}, emails: map[string]bool{}, bore: map[ref]bool{}, typed: map[ref][]string{},
	}
}

// erased reports whether a record is of a person who was erased.
func (w *world) erased(r ref) bool {
	if _, ok := w.forgotten.since[r]; ok {
		return true
	}
	x, _ := w.apps[r.side.Index()].get(r.id)
	email, ok := w.identity(r.side, x.fields)
	return ok && w.forgotten.emails[email]
}

// hears notes what is typed of a record: everything unique that may be stored.
func (w *world) hears(r ref, f crm.Fields) {
	if !w.set.erasing {
		return
	}
	for _, name := range []string{modelapp.Email, modelapp.First, modelapp.Last, modelapp.Phone, modelapp.City} {
		text := f[w.apps[r.side.Index()].field(name)].Text()
		if strings.TrimSpace(text) == "" {
			continue
		}
		for _, text := range []string{`"` + text + `"`, `"` + strings.TrimSpace(text) + `"`} {
			if !slices.Contains(w.forgotten.typed[r], text) {
				w.forgotten.typed[r] = append(w.forgotten.typed[r], text)
			}
		}
	}
	if w.erased(r) {
		w.forgotten.bore[r] = true
		w.forgotten.texts = append(w.forgotten.texts, w.forgotten.typed[r]...)
		delete(w.forgotten.typed, r)
	}
}

// forget enters the records of somebody who is being erased.
func (w *world) forget(rs ...ref) {
	for _, r := range rs {
		if email, ok := w.identity(r.side, w.row(r).fields); ok {
			w.forgotten.emails[email] = true
		}
	}
	for i, a := range w.apps {
		for _, x := range a.rows() {
			r := ref{sideOf(i), x.id}
			if !slices.Contains(rs, r) && !w.erased(r) {
				continue
			}
			if _, known := w.link(r); !known && !slices.Contains(rs, r) {
				w.forgotten.bore[r] = true // should it lose the address before it is read, nobody knew it for theirs
				continue
			}
			w.forgotten.since[r] = w.now
			w.forgotten.texts = append(w.forgotten.texts, w.forgotten.typed[r]...)
			delete(w.forgotten.typed, r)
		}
	}
	w.losers = slices.DeleteFunc(w.losers, func(l loser) bool { return w.erased(l.ref) }) // the log tells of them no more
}

func (w *world) row(r ref) row {
	x, _ := w.apps[r.side.Index()].get(r.id)
	return x
}

// somebodyErases has a person erased who has been in step for a while: an admin
// names an address or a record, or a user of an app deletes the person for good.
// Then what may come of a person later does come.
func (w *world) somebodyErases() {
	side := sideOf(w.user.n(2))
	r := ref{side, w.anyLive(side)}
	l, ok := w.link(r)
	other := ref{side.Other(), l.id(side.Other())}
	if !ok || !l.paired() || l.State != crm.StateInSync || w.erased(r) || w.erased(other) || !w.alive(other) ||
		w.now.Sub(w.born[r]) < 2*time.Minute || w.now.Sub(w.born[other]) < 2*time.Minute {
		return
	}
	email := w.row(r).fields[w.apps[side.Index()].field(modelapp.Email)]
	own, has := w.identity(side, w.row(r).fields)
	if twins, ok := w.identity(other.side, w.row(other).fields); !has || !ok || twins != own {
		return // an address that goes with its record before we have read it is known to nobody
	}
	w.tell("ERASE %s %s and %s %s", r.side, r.id, other.side, other.id)
	w.forget(r, other)
	if w.user.in(400) {
		w.mark("erased_by_an_app")
		w.act(side, r.id, connector.EventDeleted, func(a app) error { return a.delete(r.id) })
		w.post(side, []connector.Event{{Kind: connector.EventErased, Object: w.apps[side.Index()].object(), ID: r.id}}, 0)
	} else {
		w.adminErases(r, email)
	}
	w.after(w.user.upTo(30*time.Minute), func() { w.userEdits(other.side, other.id, w.anyField()) })
	w.after(w.user.upTo(time.Hour), func() {
		if w.user.in(500) {
			w.mark("erased_came_again")
			w.userCreates(side, email)
		}
	})
	w.after(w.user.upTo(time.Hour), func() { w.hook(side, connector.Event{Kind: connector.EventChanged, ID: r.id}) })
}

// adminErases asks until somebody says that it has begun.
func (w *world) adminErases(r ref, email crm.Value) {
	request := engine.ErasureRequest{Email: email.Text()}
	if w.user.in(300) {
		request = engine.ErasureRequest{
			Record: &engine.AppRecord{Account: accounts[r.side.Index()], Object: w.apps[r.side.Index()].object(), ID: r.id},
		}
	}
	w.mark("erased_by_an_admin")
	w.forgotten.serial++
	id := fmt.Sprintf("ers_%08d", w.forgotten.serial)
	var try func()
	try = func() {
		p := w.idle(w.intakes)
		if p == nil {
			w.after(time.Second, try)
			return
		}
		w.spawn(p, "erase", func(ctx context.Context, e *engine.Engine) {
			t := w.cur
			if _, err := e.Erase(ctx, workspace, id, request); err != nil || t.dead {
				w.after(5*time.Second, try)
			}
		})
	}
	try()
}

// erasing reports whether an erasure is not at its end.
func (w *world) erasing() bool {
	page, err := w.store.Query(w.ctx, store.Query{Table: store.Links, Partition: "erasing", Limit: 1})
	return err == nil && len(page.Items) > 0
}

// checkForgotten holds the world at rest to X11: nothing that was typed of an
// erased person stands in the store, nobody was made of them since, and every
// item is of a kind of which it is said what an erasure does with it.
func (w *world) checkForgotten(when string) {
	if !w.set.erasing || w.failed() != "" {
		return
	}
	for r, source := range w.made {
		since, ok := w.forgotten.since[ref{r.side.Other(), source}]
		if ok && w.born[r].Sub(since) > 10*time.Minute {
			w.violated("X11", fmt.Sprintf("%s: %s %s was made of %s, who was erased", when, r.side, r.id, source))
			return
		}
	}
	of := map[string]bool{} // what is typed of somebody else, too: an address that both had
	for _, texts := range w.forgotten.typed {
		for _, text := range texts {
			of[text] = true
		}
	}
	trace := engine.Tracer(slices.DeleteFunc(slices.Clone(w.forgotten.texts), func(text string) bool { return of[text] }))
	for _, table := range store.Tables {
		w.store.Each(table, func(it store.Item) bool {
			if _, ok := store.KindOf(it.Key); !ok {
				w.violated("X11", fmt.Sprintf("%s: no erasure knows of %s %s", when, it.Partition, it.Sort))
			} else if text := trace(it); text != "" {
				w.violated("X11", fmt.Sprintf("%s: %s of somebody who was erased is in %s %s", when, text, it.Partition, it.Sort))
			}
			return w.failed() == ""
		})
	}
	if len(w.forgotten.since) > 0 {
		w.mark("audited_erasure")
	}
}
