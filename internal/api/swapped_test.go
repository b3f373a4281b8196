package api

import (
	"slices"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestMappingsOfAPresetFitWhicheverAppIsOnTheLeft: with the apps exchanged each field
// stands on the side of its own app, goes the way that it went, and is asked for there.
func TestMappingsOfAPresetFitWhicheverAppIsOnTheLeft(t *testing.T) {
	t.Parallel()
	back := map[crm.Direction]crm.Direction{
		crm.DirectionToRight: crm.DirectionToLeft, crm.DirectionToLeft: crm.DirectionToRight,
	}
	oneWay := 0
	for _, p := range slices.Concat(objectPairs, activityPairs) {
		as, swapped := p.mappings(false), p.mappings(true)
		for i := range as {
			if !slices.Equal(as[i].Left, swapped[i].Right) || !slices.Equal(as[i].Right, swapped[i].Left) {
				t.Errorf("%s: %v ↔ %v is %v ↔ %v", as[i].ID, as[i].Left, as[i].Right, swapped[i].Left, swapped[i].Right)
			}
			want := as[i].Direction
			if turned, ok := back[want]; ok {
				oneWay++
				want = turned
			}
			if swapped[i].Direction != want {
				t.Errorf("%s of %s goes %s, and exchanged %s", as[i].ID, p.leftObject, as[i].Direction, swapped[i].Direction)
			}
		}
		if len(as) == 0 {
			t.Errorf("no mapping for %s", p.sync)
		}
		asked, there := p.steps(false), p.steps(true)
		for i := range asked {
			for n, pair := range asked[i].Pairs {
				if there[i].Pairs[n] != [2]string{pair[1], pair[0]} {
					t.Errorf("%s is matched by %v, and exchanged by %v", p.sync, pair, there[i].Pairs[n])
				}
			}
		}
	}
	if oneWay == 0 {
		t.Error("no mapping goes one way")
	}
}

// TestTurnedTwiceIsAsItWas: a direction between sides that changed places and back.
func TestTurnedTwiceIsAsItWas(t *testing.T) {
	t.Parallel()
	for d, want := range map[crm.Direction]crm.Direction{
		crm.DirectionToRight: crm.DirectionToLeft, crm.DirectionBoth: crm.DirectionBoth, crm.DirectionOff: crm.DirectionOff,
		"": "",
	} {
		if there := turned(d); there != want || turned(there) != d {
			t.Errorf("%q turned is %q, and back %q", d, there, turned(there))
		}
	}
}
