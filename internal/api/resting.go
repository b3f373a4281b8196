package api

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// resting tells apart what rests in a sync from what is wrong with it: a part
// that was saved while the app had all its fields, and is as it was saved, is
// held since one of them is gone. That it names this field refuses no edit of
// something else. What is new or was changed has to name fields that exist.
func (v *validation) resting(i int, set *reconcile.Settings, problems []mapping.Problem) []mapping.Problem {
	now := &v.c.Syncs[i]
	was := v.savedSync(now)
	if was == nil {
		return problems
	}
	type rest struct {
		root    string
		changed bool
	}
	var rests []rest
	for _, h := range set.Held() {
		root := partOf(h.Pointer)
		if !samePart(was, now, &h) {
			continue
		}
		rests = append(rests, rest{root, h.Code != ""})
		v.held = append(v.held, v.heldPart(i, &h))
	}
	return slices.DeleteFunc(slices.Clone(problems), func(p mapping.Problem) bool {
		return slices.ContainsFunc(rests, func(r rest) bool {
			return (p.Code == mapping.CodeUnknownField || r.changed && reconcile.Drifts(p.Code)) &&
				(p.Pointer == r.root || strings.HasPrefix(p.Pointer, r.root+"/"))
		})
	})
}

// savedSync is the sync as it is stored, if it was running with these objects of
// these accounts; nil otherwise. A draft is still being made: whoever starts it
// has to know what is missing.
func (v *validation) savedSync(now *crm.Sync) *crm.Sync {
	if v.old == nil || v.old.Status == crm.StatusDraft || v.old.Left != v.c.Left || v.old.Right != v.c.Right {
		return nil
	}
	was := v.old.Sync(now.ID)
	if was == nil || was.Left != now.Left || was.Right != now.Right {
		return nil
	}
	return was
}

// heldPart says of a held part what the status says, where the engine knows it.
func (v *validation) heldPart(i int, h *reconcile.Held) engine.HeldPart {
	part := engine.NewHeldPart(h)
	for _, known := range v.known[v.c.Syncs[i].ID] {
		if known.Side == part.Side && known.Field == part.Field {
			part.Since, part.Was, part.Is, part.Repair = known.Since, known.Was, known.Is, known.Repair
		}
	}
	part.Pointer = "/syncs/" + strconv.Itoa(i) + part.Pointer
	return part
}

// partOf is the pointer of the part that a pointer leads into: a mapping, a
// rule, a match step, a stamped field.
func partOf(pointer string) string {
	at := strings.Split(pointer, "/") // "", "mappings", index, …
	n := 3
	if len(at) > 2 && (at[1] == "stamp" || at[1] == "match" && (at[2] == string(crm.ToRight) ||
		at[2] == string(crm.ToLeft))) {
		n = 4
	}
	return strings.Join(at[:min(n, len(at))], "/")
}

// samePart reports whether a held part of a sync is as it was saved, wherever it
// stands in its list.
func samePart(was, now *crm.Sync, h *reconcile.Held) bool {
	switch h.Kind {
	case reconcile.HeldMapping:
		return sameIn(was.Lines(), now.Lines(), func(m *crm.Mapping) bool { return string(m.ID) == h.ID })
	case reconcile.HeldRule, reconcile.HeldAction:
		return sameIn(was.Rules, now.Rules, func(r *crm.Rule) bool { return r.ID == h.ID })
	case reconcile.HeldStamp:
		way := crm.WayTo(h.Side)
		old, ok := was.Stamp.Get(way)[h.ID]
		return ok && sameJSON(old, now.Stamp.Get(way)[h.ID])
	case reconcile.HeldMatch:
		for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
			if now.Match.Split() && !strings.HasPrefix(h.Pointer, "/match/"+string(way)+"/") {
				continue
			}
			steps := now.Match.Get(way)
			for n := range steps {
				if strconv.Itoa(n) == h.ID && !slices.ContainsFunc(was.Match.Get(way), func(m crm.MatchStep) bool {
					return sameJSON(m, steps[n])
				}) {
					return false
				}
			}
		}
		return true
	}
	return false
}

func sameIn[T any](was, now []T, is func(*T) bool) bool {
	at := func(list []T) *T {
		for i := range list {
			if is(&list[i]) {
				return &list[i]
			}
		}
		return nil
	}
	old, fresh := at(was), at(now)
	return old != nil && fresh != nil && sameJSON(old, fresh)
}
