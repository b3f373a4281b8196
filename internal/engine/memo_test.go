package engine

import "testing"

func TestMemo(t *testing.T) {
	t.Parallel()
	m := memo[string, int]{most: 2}
	if _, ok := m.get("a"); ok {
		t.Error("an empty memo knows a")
	}
	m.put("a", 1)
	m.put("b", 2)
	count := func() (n int) {
		m.each(func(string, int) { n++ })
		return n
	}
	if got := m.change("a", func(v int, ok bool) int {
		if !ok {
			t.Error("a is not known")
		}
		return v + 10
	}); got != 11 || count() != 2 {
		t.Errorf("changed to %d, %d entries", got, count())
	}
	m.put("c", 3) // it was full
	if _, ok := m.get("a"); ok || count() != 1 {
		t.Errorf("full, it still knows a, and %d entries", count())
	}
	m.put("d", 4)
	if !m.dropIf(func(k string, v int) bool { return v == 4 }) || m.dropIf(func(k string, v int) bool { return v == 4 }) {
		t.Error("d went not, or twice")
	}
	if v, ok := m.drop("c"); !ok || v != 3 || count() != 0 {
		t.Errorf("dropped %d, %t, %d left", v, ok, count())
	}
	if _, ok := m.drop("c"); ok {
		t.Error("c went twice")
	}
}
