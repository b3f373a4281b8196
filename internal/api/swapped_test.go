package api

import (
	"slices"
	"testing"
)

// TestMappingsOfAPresetFitWhicheverAppIsOnTheLeft: with the apps exchanged each field
// stands on the side of its own app.
func TestMappingsOfAPresetFitWhicheverAppIsOnTheLeft(t *testing.T) {
	t.Parallel()
	for _, p := range objectPairs {
		as, swapped := p.mappings(false), p.mappings(true)
		for i := range as {
			if !slices.Equal(as[i].Left, swapped[i].Right) || !slices.Equal(as[i].Right, swapped[i].Left) {
				t.Errorf("%s: %v ↔ %v is %v ↔ %v", as[i].ID, as[i].Left, as[i].Right, swapped[i].Left, swapped[i].Right)
			}
		}
		if len(as) == 0 {
			t.Errorf("no mapping for %s", p.sync)
		}
	}
}
