package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// checkAll holds the world at rest to what must be true of all apps together:
// nobody is there twice (S6), everybody is everywhere, and is the same (S1).
func (j *joint) checkAll(when string) {
	if j.failed() != "" {
		return
	}
	people := map[string]bool{}
	var found [3]map[string]row
	for i, a := range j.apps {
		found[i] = map[string]row{}
		for _, r := range a.rows() {
			who := j.who(i, r.fields)
			if r.deleted {
				continue
			}
			if twice, ok := found[i][who]; ok {
				j.violated("S6", fmt.Sprintf("%s: %s and %s of account %d are one person", when, twice.id, r.id, i))
				return
			}
			found[i][who], people[who] = r, true
		}
	}
	for _, who := range sortedKeys(people) {
		if j.gone[who] {
			continue
		}
		for i := range j.apps {
			if _, ok := found[i][who]; !ok {
				j.violated("S1", fmt.Sprintf("%s: %s is not in account %d", when, who, i))
				return
			}
		}
		if j.stopped(who) {
			j.mark("joint_stopped")
			continue
		}
		if j.parted(who) {
			j.mark("joint_parted")
			continue
		}
		first := j.shown(0, found[0][who])
		for i := 1; i < len(j.apps); i++ {
			if other := j.shown(i, found[i][who]); other != first {
				j.violated("S1", fmt.Sprintf("%s: %s is %s in one account and %s in account %d", when, who, first, other, i))
				return
			}
		}
		if !j.linkedEverywhere(who) {
			j.violated("S1", fmt.Sprintf("%s: %s is the same everywhere and not linked", when, who))
			return
		}
	}
	for who := range j.gone {
		n := 0
		for i := range j.apps {
			if _, ok := found[i][who]; ok {
				n++
			}
		}
		if n == len(j.apps) {
			j.violated("S16", fmt.Sprintf("%s: %s was deleted in one account and is in all again", when, who))
			return
		}
	}
	j.mark("joint_audited")
}

// shown is a record as all apps show it.
func (j *joint) shown(i int, r row) string {
	var parts []string
	for _, name := range j.fields() {
		v := r.fields[j.apps[i].field(name)]
		text := strings.TrimSpace(v.Text())
		if name == modelapp.Tags {
			text = strings.Join(slices.Compact(slices.Sorted(slices.Values(v.Items()))), ";")
		}
		parts = append(parts, name+"="+text)
	}
	return strings.ToLower(strings.Join(parts, " "))
}

// linkedEverywhere reports whether every connection that takes a person has them as
// a pair in step.
func (j *joint) linkedEverywhere(who string) bool {
	for n := range j.conns {
		if j.shape == "double" && n == 0 && !j.goldIn(0, who) {
			continue
		}
		if !j.among(n, who, crm.StateInSync, "") {
			return false
		}
	}
	return true
}

// stopped reports whether a field of a person went round in a circle for so long
// that an admin is asked: then the apps differ in it, and the record says so.
func (j *joint) stopped(who string) bool {
	for n := range j.conns {
		if j.among(n, who, crm.StateConflict, "write_loop") {
			return true
		}
	}
	return false
}

// among reports whether a sync of a connection has a person as a pair in a state.
func (j *joint) among(n int, who string, state crm.State, code string) bool {
	is := func(v engine.RecordView) bool { return v.Code == code && j.pairOf(n, v, who) }
	return slices.ContainsFunc(j.syncs, func(s jointSync) bool {
		return s.conn == n && slices.ContainsFunc(j.records(s, state), is)
	})
}

// parted reports whether a person is golden in one account and not in another:
// then no sync, or only one way of it, takes the pair, which is left as it is.
func (j *joint) parted(who string) bool {
	return j.parts && j.goldIn(0, who) != j.goldIn(1, who)
}

// goldIn reports whether a person is golden in an account.
func (j *joint) goldIn(i int, who string) bool {
	return slices.ContainsFunc(j.apps[i].rows(), func(r row) bool {
		return !r.deleted && j.who(i, r.fields) == who && r.fields[j.apps[i].field(modelapp.Rank)].Text() == gold
	})
}

// pairOf reports whether a record of a connection is a pair of a person.
func (j *joint) pairOf(n int, v engine.RecordView, who string) bool {
	i := shapes[j.shape][n][v.Side.Index()]
	r, ok := j.apps[i].get(v.ID)
	return ok && !r.deleted && v.Partner != "" && j.who(i, r.fields) == who
}

// records are those of a sync that stand in a state.
func (j *joint) records(s jointSync, state crm.State) (out []engine.RecordView) {
	for cursor := ""; ; {
		rs, next, err := j.engineOf(j.admin).ListRecords(j.ctx, workspace, j.conns[s.conn].ID, s.id,
			engine.RecordFilter{State: state}, 200, cursor)
		if out = append(out, rs...); err != nil || next == "" {
			return out
		}
		cursor = next
	}
}
