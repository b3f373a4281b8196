package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// value makes something that nobody has typed before.
func (w *world) value(name string) crm.Value {
	w.typing++
	n := w.typing
	switch name {
	case modelapp.Email:
		return crm.TextValue(fmt.Sprintf(pick(w.user, "p%d@example.com", "P%d@Example.com", "p%d@example.org"), n))
	case modelapp.Phone:
		format := pick(w.user, "+1415%07d", "+1 415 %07d", "(415) %07d")
		if w.set.key == modelapp.Phone {
			format = "+1415%07d" // most apps find a number as it is written, and by no other spelling
		}
		return crm.TextValue(fmt.Sprintf(format, 5000000+n%999999))
	case modelapp.Tags:
		return crm.ListValue(fmt.Sprintf("t%d", n), fmt.Sprintf("t%d", n%7))
	case modelapp.Rank:
		return crm.TextValue(pick(w.user, "gold", "silver", "bronze"))
	case modelapp.Score:
		return crm.NumberValue(fmt.Sprint(n))
	}
	text := fmt.Sprintf(pick(w.user, "%s %d", " %s %d", "%s %d ", "%s é %d"), name, n)
	if w.set.picky && w.user.in(250) {
		mark := pick(w.user, modelapp.MarkRefused, modelapp.MarkRefused, modelapp.MarkBent, modelapp.MarkBent,
			modelapp.MarkKept, modelapp.MarkRule)
		w.fault("value_" + strings.Trim(mark, "~"))
		text = mark + text
	}
	return crm.TextValue(text)
}

// person makes a new person's fields in one app; some are left blank.
func (w *world) person(side crm.Side, email crm.Value) crm.Fields {
	a := w.apps[side.Index()]
	f := crm.Fields{}
	for _, name := range w.set.logical() {
		switch {
		case w.gone(side, name): // nobody can type it
		case name == w.set.key:
			if !email.Blank() {
				f[a.field(name)] = email
			}
		case name == modelapp.Last || slices.Contains(w.set.needed, name) || !w.user.in(300):
			f[a.field(name)] = w.value(name)
		}
	}
	return f
}

// act does something as a user of one app, and tells the audit and the hooks.
func (w *world) act(side crm.Side, id crm.RecordID, kind connector.EventKind, do func(a app) error) bool {
	a := w.apps[side.Index()]
	before, _ := a.get(id)
	if do(a) != nil {
		w.mark("user_refused")
		return false
	}
	w.changes++
	delete(w.hands.spared, ref{side, id})
	delete(w.hands.unsure, ref{side, id})
	if _, ok := w.flooded[ref{side, id}]; ok && kind == connector.EventChanged {
		clear(w.flooded)
		w.unasked = 0 // fewer of them are gone now: they may be no mass deletion any more
	}
	w.acted[ref{side, id}] = w.now
	after, _ := a.get(id)
	r := ref{side, id}
	w.saves(r, before.fields)
	w.touched[r] = w.moment()
	w.tell("USER %s %s %s: %v -> %v", kind, side, id, shown(before.fields), shown(after.fields))
	if kind == connector.EventChanged {
		was := before.fields
		if before.deleted {
			was = nil
		}
		w.typed(r, was, after.fields)
		delete(w.removed, r)
		if before.deleted {
			w.restored[r] = w.moment()
		}
	} else {
		w.removed[r] = true
	}
	w.hook(side, connector.Event{Kind: kind, ID: id})
	return true
}

// userCreates makes a record and returns its ID, "" when the app refused it.
func (w *world) userCreates(side crm.Side, email crm.Value) crm.RecordID {
	a := w.apps[side.Index()]
	id, err := a.create(w.person(side, email))
	if err != nil {
		w.mark("user_refused")
		return ""
	}
	w.changes++
	r, _ := a.get(id)
	w.made[ref{side, id}], w.acted[ref{side, id}], w.born[ref{side, id}] = "", w.now, w.now
	w.tell("USER creates %s %s: %v", side, id, shown(r.fields))
	w.typed(ref{side, id}, nil, r.fields)
	w.hook(side, connector.Event{Kind: connector.EventChanged, ID: id})
	return id
}

func (w *world) userEdits(side crm.Side, id crm.RecordID, names ...string) bool {
	return w.act(side, id, connector.EventChanged, func(a app) error {
		f := crm.Fields{}
		for _, n := range names {
			f[a.field(n)] = w.value(n)
		}
		return a.edit(id, f)
	})
}

// anyLive picks a live record of a side; "" when there is none.
func (w *world) anyLive(side crm.Side) crm.RecordID {
	var ids []crm.RecordID
	for _, r := range w.apps[side.Index()].rows() {
		if !r.deleted {
			ids = append(ids, r.id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return ids[w.user.n(len(ids))]
}

// anyField picks a field that is not the key.
func (w *world) anyField() string {
	names := w.set.logical()
	return names[1+w.user.n(len(names)-1)]
}

// userDoes is one thing that some user does.
func (w *world) userDoes() {
	if w.set.impatient && w.user.in(400) {
		w.userMakesBoth()
		return
	}
	side := sideOf(w.user.n(2))
	id := w.anyLive(side)
	if w.set.impatient && id != "" && w.user.in(200) {
		w.userHandsOver(side, id)
		return
	}
	if w.set.further && w.user.in(300) && w.userKnowsAsFurther() {
		return
	}
	if w.set.further && w.user.in(150) && w.userGoesByFurther() {
		return
	}
	if w.set.slips && id != "" && w.user.in(900) {
		w.userSlips(side, id)
		return
	}
	if w.set.rules && id != "" && w.user.in(500) {
		if w.user.in(400) {
			w.userDoesTags(side, id)
		} else {
			w.userEdits(side, id, modelapp.Rank)
		}
		return
	}
	if w.set.policies && id != "" && w.user.in(150) {
		w.userDoesTags(side, id)
		return
	}
	n := w.user.n(100)
	if w.set.policies { // deletions and restores more often, and no merges: what lives on takes tags over
		n = pick(w.user, n, 26, 30)
		if n == 32 || n == 33 {
			n = 26
		}
	}
	if w.set.emptying && id != "" && w.user.in(500) {
		w.userClears(side, id)
		return
	}
	if w.set.merging && id != "" && w.user.in(250) {
		n = 33
	}
	if w.set.steady && n < 50 {
		n = 34 + w.user.n(10)
	}
	if w.set.newcomers && n >= 40 {
		n = 0
		if w.user.in(400) {
			n = 10 + w.user.n(6)
		}
	}
	switch {
	case n < 10 || id == "":
		email := w.value(w.set.key)
		w.userCreates(side, email)
		if w.set.newcomers && w.user.in(300) { // a form sent twice
			w.after(w.user.upTo(3*time.Second), func() { w.userCreates(side, email) })
		}
	case n < 16:
		email := w.value(w.set.key)
		w.userCreates(side, email)
		if w.pushed() {
			return // what is made where it is known already, and not told of, becomes that one in silence
		}
		w.after(w.user.upTo(pick(w.user, 0, 5*time.Second, 5*time.Minute)), func() { w.userCreates(side.Other(), email) })
	case n < 20:
		w.userEdits(side, id, w.set.key)
	case n < 24 && w.set.edits:
		w.userClears(side, id)
	case n < 29 && w.set.edits:
		w.act(side, id, connector.EventDeleted, func(a app) error { return a.delete(id) })
	case n < 32 && w.set.edits:
		w.userRestores(side)
	case n < 34 && w.set.edits:
		if w.user.in(300) {
			w.userMergesAChain(side, id)
		} else {
			w.userMerges(side, id, w.anyLive(side))
		}
	case n < 44:
		w.userConflict(side, id)
	case n < 47:
		w.userCreates(side, crm.NullValue())
	case n < 50:
		w.userCopies(side, id)
	default:
		w.userEdits(side, id, w.anyField())
	}
}

// userMakesBoth enters one person in both apps and goes on typing in both
// while they are matched.
func (w *world) userMakesBoth() {
	email := w.value(w.set.key)
	for _, side := range crm.Sides {
		w.after(w.user.upTo(20*time.Second), func() {
			id := w.userCreates(side, email)
			for range 3 {
				w.after(w.user.upTo(time.Minute), func() { w.userEdits(side, id, w.anyField()) })
			}
		})
	}
}

// userHandsOver gives a person another e-mail address and the old one to
// somebody new, before the first has come across.
func (w *world) userHandsOver(side crm.Side, id crm.RecordID) {
	a := w.apps[side.Index()]
	r, _ := a.get(id)
	email := r.fields[a.field(w.set.key)]
	if email.Blank() || !w.userEdits(side, id, w.set.key) {
		return
	}
	w.after(w.user.upTo(10*time.Second), func() { w.userCreates(side, email) })
}

func (w *world) userSets(side crm.Side, id crm.RecordID, name string, v crm.Value) {
	w.act(side, id, connector.EventChanged, func(a app) error { return a.edit(id, crm.Fields{a.field(name): v}) })
}

func (w *world) userBlanks(side crm.Side, id crm.RecordID, name string) {
	w.act(side, id, connector.EventChanged, func(a app) error {
		return a.edit(id, crm.Fields{a.field(name): crm.NullValue()})
	})
}

// userClears takes something away: a field, on one side or on both, for good or
// to type something else there later; the last tag; the key.
func (w *world) userClears(side crm.Side, id crm.RecordID) {
	name := w.anyField()
	switch n := w.user.n(10); {
	case n == 0:
		name = w.set.key
	case n < 3 && slices.Contains(w.set.logical(), modelapp.Tags):
		name = modelapp.Tags
	}
	a := w.apps[side.Index()]
	before, _ := a.get(id)
	was := before.fields[a.field(name)]
	w.userBlanks(side, id, name)
	switch n := w.user.n(10); {
	case name == w.set.key && n < 4 && !was.Blank(): // put back, after something else was typed on the other side
		if l, ok := w.link(ref{side, id}); ok && l.paired() {
			other := l.id(side.Other())
			w.after(w.user.upTo(5*time.Minute), func() { w.userEdits(side.Other(), other, w.anyField()) })
		}
		w.after(5*time.Minute+w.user.upTo(5*time.Minute), func() {
			w.act(side, id, connector.EventChanged, func(a app) error { return a.edit(id, crm.Fields{a.field(name): was}) })
		})
	case name == w.set.key && n < 7, n < 2: // typed anew, which for a key brings the pair back
		w.after(w.user.upTo(5*time.Minute), func() { w.userEdits(side, id, name) })
	case n < 4:
		if l, ok := w.link(ref{side, id}); ok && l.paired() {
			other := l.id(side.Other())
			w.after(w.user.upTo(time.Minute), func() { w.userBlanks(side.Other(), other, name) })
		}
	case n < 5:
		if l, ok := w.link(ref{side, id}); ok && l.paired() {
			other := l.id(side.Other())
			w.after(w.user.upTo(time.Minute), func() { w.userEdits(side.Other(), other, name) })
		}
	}
}

// userSlips fills a blank field and takes it back a moment later: the record is
// then as it was, and something else in between.
func (w *world) userSlips(side crm.Side, id crm.RecordID) {
	a, name := w.apps[side.Index()], w.anyField()
	if r, _ := a.get(id); !r.fields[a.field(name)].Blank() {
		w.userBlanks(side, id, name)
		return
	}
	w.userEdits(side, id, name)
	w.after(w.user.upTo(2*time.Minute), func() { w.userBlanks(side, id, name) })
}

func (w *world) userRestores(side crm.Side) {
	rows := w.apps[side.Index()].rows()
	rows = slices.DeleteFunc(rows, func(r row) bool { return !r.deleted || r.into != "" })
	if len(rows) > 0 {
		id := rows[w.user.n(len(rows))].id
		w.act(side, id, connector.EventChanged, func(a app) error { return a.restore(id) })
	}
}

// userConflict edits one field on both sides within moments.
func (w *world) userConflict(side crm.Side, id crm.RecordID) {
	name := w.anyField()
	w.userEdits(side, id, name)
	if l, ok := w.link(ref{side, id}); ok && l.paired() {
		other := l.id(side.Other())
		w.after(w.user.upTo(10*time.Second), func() { w.userEdits(side.Other(), other, name) })
	}
}

// userCopies makes a double: a record with the e-mail address of another one.
func (w *world) userCopies(side crm.Side, id crm.RecordID) {
	a := w.apps[side.Index()]
	r, _ := a.get(id)
	if email := r.fields[a.field(w.set.key)]; !email.Blank() && w.set.edits {
		w.userCreates(side, email)
	}
}

// editAfterCrash lets a user change what was just written by a process that may
// not have been able to remember it, on either side of the pair.
func (w *world) editAfterCrash(side crm.Side, rows []connector.Write) {
	if !w.strike("edit_after_crash") {
		return
	}
	x := rows[w.rng.n(len(rows))]
	r := ref{side, x.ID}
	if x.ID == "" {
		return
	}
	var names []string
	for _, n := range w.set.logical()[1:] {
		if _, ok := x.Fields[w.apps[side.Index()].field(n)]; ok {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return
	}
	name := names[w.rng.n(len(names))]
	if l, ok := w.link(r); ok && l.paired() && w.rng.in(300) {
		r = ref{side.Other(), l.id(side.Other())}
	}
	w.after(w.rng.upTo(30*time.Second), func() { w.userEdits(r.side, r.id, name) })
}

// userKnowsAsFurther enters a person of the left on the right, under an address
// that the left has as a further one.
func (w *world) userKnowsAsFurther() bool {
	var all []string
	for _, r := range w.apps[crm.Left.Index()].rows() {
		if further := w.addresses(crm.Left, r.fields); !r.deleted && len(further) > 1 {
			all = append(all, further[1:]...)
		}
	}
	if len(all) == 0 {
		return false
	}
	w.mark("user_knows_as_further")
	return w.userCreates(crm.Right, crm.TextValue(all[w.user.n(len(all))])) != ""
}

// userGoesByFurther lets a person of the right have an address that its twin has as
// a further one: by an edit, or made anew under it.
func (w *world) userGoesByFurther() bool {
	for _, r := range w.apps[crm.Left.Index()].rows() {
		further := w.addresses(crm.Left, r.fields)
		l, ok := w.link(ref{crm.Left, r.id})
		if r.deleted || len(further) < 2 || !ok || !l.paired() {
			continue
		}
		w.mark("user_goes_by_further")
		id, email := l.id(crm.Right), crm.TextValue(further[1])
		if w.user.in(500) {
			return w.act(crm.Right, id, connector.EventChanged, func(a app) error {
				return a.edit(id, crm.Fields{a.field(modelapp.Email): email})
			})
		}
		return w.act(crm.Right, id, connector.EventDeleted, func(a app) error { return a.delete(id) }) &&
			w.userCreates(crm.Right, email) != ""
	}
	return false
}

// meddle lets a user edit a record that a worker has just read.
func (w *world) meddle(side crm.Side, ids []crm.RecordID) {
	if !w.strike("edit_between") {
		return
	}
	id := ids[w.rng.n(len(ids))]
	if r, ok := w.apps[side.Index()].get(id); ok && !r.deleted {
		w.userEdits(side, id, w.anyField())
	}
}
