package fakekit

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOrderAgainstSort(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var o order
	model := map[key]bool{}
	for range 6000 {
		k := key{int64(rng.IntN(20)), fmt.Sprint(rng.IntN(200))}
		if rng.IntN(3) == 0 {
			o.remove(k)
			delete(model, k)
		} else {
			o.insert(k)
			model[k] = true
		}
	}
	want := slices.SortedFunc(maps.Keys(model), func(a, b key) int {
		if a.less(b) {
			return -1
		}
		return 1
	})
	var up, down []key
	o.ascend(key{at: -1}, func(k key) bool { up = append(up, k); return true })
	o.descend(key{at: 1000}, func(k key) bool { down = append(down, k); return true })
	slices.Reverse(down)
	same := cmp.Comparer(func(a, b key) bool { return a == b })
	if diff := cmp.Diff(want, up, same); diff != "" {
		t.Errorf("ascending (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, down, same); diff != "" {
		t.Errorf("descending (-want +got):\n%s", diff)
	}
	for _, i := range []int{0, len(want) / 3, len(want) - 1} {
		if got := o.rank(want[i]); got != i {
			t.Errorf("rank %d, want %d", got, i)
		}
	}
	if o.n != len(want) {
		t.Errorf("length %d, want %d", o.n, len(want))
	}
}
