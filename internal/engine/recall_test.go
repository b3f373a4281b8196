package engine

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestS8_WhatLandedIsRecalledWhenItsFieldIsBack: a write whose field was gone
// when its dead writer's work was taken over is agreed on once the field is
// back, if the app holds it or held it; anything else is left to the merge.
func TestS8_WhatLandedIsRecalledWhenItsFieldIsBack(t *testing.T) {
	t.Parallel()
	text := crm.TextValue
	for name, c := range map[string]struct {
		held crm.Value
		past []crm.Value
		want bool
	}{
		"held still": {held: text("Rome"), want: true},
		"replaced by a person": {
			held: text("Bergen"), past: []crm.Value{text("Bergen"), text("Rome"), text("Oslo")},
			want: true,
		},
		"replaced, without memory": {held: text("Bergen")},
		"never landed":             {held: text("Oslo"), past: []crm.Value{text("Oslo")}},
		"held before the last agreement": {
			held: text("Bergen"), past: []crm.Value{text("Bergen"), text("Oslo"), text("Rome")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := recovering(t)
			city := s.set.Mapping("city")
			sent, err := city.Canonical(crm.Left, crm.Fields{"city": text("Rome")})
			if err != nil {
				t.Fatal(err)
			}
			l := &link{Left: "L", Right: "R", Base: crm.Base{"city": crm.Agree(city.Revision(), text("Oslo"))}}
			l.await("city", crm.Right, sent.Digest())
			u := &unit{side: crm.Left, id: "L", link: l}
			u.rec.Set(crm.Left, &crm.Record{ID: "L", Fields: crm.Fields{"city": text("Rome")}})
			u.rec.Set(crm.Right, &crm.Record{ID: "R", Fields: crm.Fields{"City": c.held}})
			past := crm.PerSide[map[crm.RecordID]map[string][]crm.Value]{}
			past.Set(crm.Right, map[crm.RecordID]map[string][]crm.Value{"R": {"City": c.past}})
			s.recallOne(u, past)
			if got := u.link.Base["city"].Is(text("Rome")); got != c.want {
				t.Errorf("agreed on: %v, want %v", got, c.want)
			}
			if len(u.link.Awaits) != 0 || !u.recalled || len(l.Awaits) != 1 || !l.Base["city"].Is(text("Oslo")) {
				t.Errorf("the link awaits %v, and was changed in place: %+v", u.link.Awaits, l)
			}
		})
	}
}
