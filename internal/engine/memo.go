package engine

import "sync"

// memo is what a process keeps in mind of what it read or met, so that it need not
// ask again, or can tell how long something has stood. It is bounded: once full it
// forgets everything, which costs calls or waiting and never a wrong answer. The
// zero memo is ready.
type memo[K comparable, V any] struct {
	most int // entries; 0 = memoMost

	mu sync.Mutex
	m  map[K]V
}

// memoMost is how many entries a memo of small things holds, and memoLarge one of
// whole documents.
const memoMost, memoLarge = 10_000, 256

func (m *memo[K, V]) get(k K) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok = m.m[k]
	return v, ok
}

func (m *memo[K, V]) put(k K, v V) {
	m.change(k, func(V, bool) V { return v })
}

// change puts what f makes of an entry, alone with it, and returns that.
func (m *memo[K, V]) change(k K, f func(v V, ok bool) V) V {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.m[k]
	v := f(old, ok)
	most := m.most
	if most == 0 {
		most = memoMost
	}
	if m.m == nil || !ok && len(m.m) >= most {
		m.m = map[K]V{}
	}
	m.m[k] = v
	return v
}

// drop forgets an entry and returns it.
func (m *memo[K, V]) drop(k K) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok = m.m[k]
	delete(m.m, k)
	return v, ok
}

// dropIf forgets the entries that f names, and says whether there were any.
func (m *memo[K, V]) dropIf(f func(K, V) bool) (some bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, v := range m.m {
		if f(k, v) {
			delete(m.m, k)
			some = true
		}
	}
	return some
}

// each calls f with every entry; f uses no memo.
func (m *memo[K, V]) each(f func(K, V)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, v := range m.m {
		f(k, v)
	}
}
