package engine

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

func filledLink() *link {
	return &link{
		V: 1, Left: "l", Right: "r", State: crm.StateInSync, Code: "c", Detail: "d", Base: crm.Base{
			"m": crm.Agreed{Revision: "1", Items: []string{"i"}},
		},
		Reasons: []crm.Reason{"y"}, SeenL: "a", SeenR: "b", WroteL: "1.1", WroteR: "2.1", WasL: "-", WasR: "-", Settings: "s",
		Others: []crm.RecordID{"o"}, Claims: []string{"k"}, Claimed: crm.Left, Made: time.Unix(1, 0), By: "run", Joined: 6,
		Since: time.Unix(2, 0), Pages: []string{"p"}, AliasOf: "x", Merged: true, Once: true, ByHand: true,
		Awaits: map[crm.MappingID]awaited{"m": {crm.Left, "d"}},
		Loop: &loop{
			At: 3, N: 4, Fields: map[crm.MappingID]int{"m": 5}, Frozen: []crm.MappingID{"m"},
			Since: map[crm.MappingID]int64{"m": 6},
		},
	}
}

// TestLinkComparesAndClonesWhole: a field that is added later must not be
// forgotten where links are compared and copied.
func TestLinkComparesAndClonesWhole(t *testing.T) {
	t.Parallel()
	full := filledLink()
	if d := cmp.Diff(full, full.clone()); d != "" || !sameLink(full, full.clone()) {
		t.Errorf("a clone differs: %s", d)
	}
	for i := range reflect.TypeFor[link]().NumField() {
		name := reflect.TypeFor[link]().Field(i).Name
		if reflect.ValueOf(*full).Field(i).IsZero() {
			t.Errorf("%s is not filled", name)
		}
		other := full.clone()
		reflect.ValueOf(other).Elem().Field(i).SetZero()
		if seen := slices.Contains([]string{"V", "Reasons", "SeenL", "SeenR", "WroteL", "WroteR", "WasL", "WasR", "Pages"},
			name); sameLink(full, other) != seen {
			t.Errorf("a link without %s is taken for the same: %t", name, !seen)
		}
	}
	c := full.clone()
	c.Base["m"], c.Others[0], c.Claims[0], c.Pages[0] = crm.Agreed{}, "", "", ""
	c.await("m", crm.Right, "e")
	c.Loop.N, c.Loop.Fields["m"], c.Loop.Frozen[0], c.Loop.Since["m"] = 0, 0, "", 0
	if d := cmp.Diff(full, filledLink()); d != "" {
		t.Errorf("a change of the clone shows in the original: %s", d)
	}
}
