package sim

import (
	"context"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// settler makes a person that was there before us, in one app or several.
func (j *joint) settler() {
	email, first := j.value(modelapp.Email), j.user.n(len(j.apps))
	for i := range j.apps {
		if i == first || !j.bare && j.user.in(400) {
			j.create(i, email)
		}
	}
}

func (j *joint) create(i int, email crm.Value) {
	a, f := j.apps[i], crm.Fields{}
	for _, name := range j.fields() {
		switch {
		case name == modelapp.Email:
			f[a.field(name)] = email
		case name == modelapp.Last || !j.user.in(300):
			f[a.field(name)] = j.value(name)
		}
	}
	id, err := a.create(f)
	if err != nil {
		j.mark("user_refused")
		return
	}
	j.changes++
	j.tell("USER creates %s: %v", id, shown(f))
	j.hook(i, connector.EventChanged, id)
	if j.parts && j.schedules >= 0 && j.user.in(600) { // while the twin is being made
		j.after(j.user.upTo(20*time.Second), func() { j.rerank(email) })
	}
}

func (j *joint) edit(i int, id crm.RecordID, name string, v crm.Value) {
	a := j.apps[i]
	if a.edit(id, crm.Fields{a.field(name): v}) != nil {
		j.mark("user_refused")
		return
	}
	j.changes++
	j.tell("USER changes %s: %s = %s", id, name, v.Text())
	j.hook(i, connector.EventChanged, id)
}

// anyLive picks a live record of somebody who fits; "" when there is none.
func (j *joint) anyLive(i int, fits func(who string) bool) crm.RecordID {
	var ids []crm.RecordID
	for _, r := range j.apps[i].rows() {
		if !r.deleted && fits(j.who(i, r.fields)) {
			ids = append(ids, r.id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return ids[j.user.n(len(ids))]
}

// userDoes is one thing that some user does.
func (j *joint) userDoes() {
	i := j.user.n(len(j.apps))
	id := j.anyLive(i, func(string) bool { return true })
	name := j.fields()[1+j.user.n(len(j.fields())-1)]
	if j.parts && id != "" && j.user.in(250) {
		r, _ := j.apps[i].get(id)
		j.rerank(r.fields[j.apps[i].field(modelapp.Email)])
		return
	}
	switch n := j.user.n(100); {
	case n < 15 || id == "":
		j.create(i, j.value(modelapp.Email))
	case n < 20:
		j.userDeletes(i)
	case n < 30:
		j.edit(i, id, name, crm.NullValue())
	case n < 50: // the same field in every app within moments
		r, _ := j.apps[i].get(id)
		for at := range j.apps {
			if twin := j.anyLive(at, func(who string) bool { return who == j.who(i, r.fields) }); twin != "" && j.user.in(700) {
				j.after(j.user.upTo(20*time.Second), func() { j.edit(at, twin, name, j.value(name)) })
			}
		}
		j.changes++
	default:
		j.edit(i, id, name, j.value(name))
	}
}

// rerank gives a person another rank in every account where they are: another sync
// takes them from then on.
func (j *joint) rerank(email crm.Value) {
	rank := j.value(modelapp.Rank)
	for i := range j.apps {
		id := j.anyLive(i, func(who string) bool { return who == strings.ToLower(email.Text()) })
		if id != "" {
			j.edit(i, id, modelapp.Rank, rank)
		}
	}
}

// userDeletes deletes the record of somebody whom every connection has linked:
// nothing of them is made again. (One that takes them later only never had them.)
func (j *joint) userDeletes(i int) {
	id := j.anyLive(i, func(who string) bool {
		return !j.gone[who] && j.linkedEverywhere(who) && (j.shape != "double" || j.goldIn(0, who))
	})
	if id == "" {
		return
	}
	r, _ := j.apps[i].get(id)
	if j.apps[i].delete(id) == nil {
		j.changes++
		j.gone[j.who(i, r.fields)] = true
		j.tell("USER deletes %s", id)
		j.hook(i, connector.EventDeleted, id)
	}
}

// hook sends an event of an app on its way: now, late, twice or never.
func (j *joint) hook(i int, kind connector.EventKind, id crm.RecordID) {
	if !j.set.hooks || j.schedules < 0 || j.strike("hook_lost") {
		return
	}
	times := 1
	if j.strike("hook_twice") {
		times = 2
	}
	for range times {
		j.after(time.Duration(j.rng.between(100, 4000))*time.Millisecond, func() {
			j.post(i, connector.Event{Kind: kind, ID: id, Object: modelapp.Object}, 0)
		})
	}
}

// post makes one delivery; an app tries again for a while when it is refused.
func (j *joint) post(i int, ev connector.Event, tries int) {
	again := func() {
		if tries < 8 {
			j.after(5*time.Second<<tries, func() { j.post(i, ev, tries+1) })
		}
	}
	p := j.idle(j.intakes)
	if p == nil {
		again()
		return
	}
	j.spawn(p, "hook", func(ctx context.Context, e *engine.Engine) {
		t := j.cur
		if err := e.Webhook(ctx, workspace, account(i), []connector.Event{ev}); err != nil || t.dead {
			again()
		}
	})
}
