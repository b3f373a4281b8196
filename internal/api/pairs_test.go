package api

import (
	"slices"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestKnownPairsAreKnownAsTheyAre: a pair of objects is known in either order, and
// not when one of the apps or objects is another.
func TestKnownPairsAreKnownAsTheyAre(t *testing.T) {
	t.Parallel()
	all := slices.Concat(objectPairs, documentPairs)
	if len(all) == 0 {
		t.Fatal("there are none")
	}
	for i := range all {
		p := &all[i]
		for _, swapped := range []bool{false, true} {
			apps, objects := [2]crm.AppID{p.left, p.right}, [2]string{p.leftObject, p.rightObject}
			if swapped {
				slices.Reverse(apps[:])
				slices.Reverse(objects[:])
			}
			alike := p.left == p.right && p.leftObject == p.rightObject
			ask := func(apps [2]crm.AppID, objects [2]string) (objectPair, bool) {
				s := &crm.Sync{}
				s.Left.Object, s.Right.Object = objects[0], objects[1]
				return knownPair(apps, s)
			}
			got, turned := ask(apps, objects)
			if got.left != p.left || got.right != p.right || got.leftObject != p.leftObject ||
				got.rightObject != p.rightObject || turned != (swapped && !alike) {
				t.Errorf("%v %v: %v %v %v %v, turned %t", apps, objects, got.left, got.leftObject, got.right, got.rightObject,
					turned)
			}
			for n := range 2 {
				otherApps, otherObjects := apps, objects
				otherApps[n], otherObjects[n] = "nobody", "nothing"
				if got, _ := ask(otherApps, objects); got.left != "" {
					t.Errorf("%v %v is known", otherApps, objects)
				}
				if got, _ := ask(apps, otherObjects); got.left != "" {
					t.Errorf("%v %v is known", apps, otherObjects)
				}
			}
		}
	}
}
