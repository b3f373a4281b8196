package fakekit

import "sort"

// chunkSize is how many keys one chunk of an order holds before it is split:
// inserting moves at most this many keys, seeking looks at n/chunkSize heads.
const chunkSize = 512

// key is a place in an order: a time in milliseconds, then an ID.
type key struct {
	at int64
	id string
}

// CompareID orders IDs by length, then by bytes: numbers without leading zeros
// sort by value, IDs of one length as text.
func CompareID(a, b string) int {
	switch {
	case len(a) != len(b):
		return len(a) - len(b)
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (k key) less(o key) bool {
	if k.at != o.at {
		return k.at < o.at
	}
	return CompareID(k.id, o.id) < 0
}

// order is a sorted set of keys in chunks, so that 200,000 records can change
// and be listed without sorting anything.
type order struct {
	chunks [][]key
	n      int
}

// seek returns chunk and index of the first key that is not less than k.
func (o *order) seek(k key) (chunk, index int) {
	c := sort.Search(len(o.chunks), func(i int) bool {
		last := o.chunks[i][len(o.chunks[i])-1]
		return !last.less(k)
	})
	if c == len(o.chunks) {
		return c, 0
	}
	return c, sort.Search(len(o.chunks[c]), func(i int) bool { return !o.chunks[c][i].less(k) })
}

func (o *order) insert(k key) {
	if len(o.chunks) == 0 {
		o.chunks = append(o.chunks, append(make([]key, 0, chunkSize), k))
		o.n++
		return
	}
	c, i := o.seek(k)
	if c == len(o.chunks) {
		c = len(o.chunks) - 1
		i = len(o.chunks[c])
	} else if o.chunks[c][i] == k {
		return
	}
	ch := append(o.chunks[c], key{})
	copy(ch[i+1:], ch[i:])
	ch[i] = k
	o.chunks[c] = ch
	o.n++
	if len(ch) < chunkSize {
		return
	}
	// Keys mostly arrive in ascending order: keep the old chunk nearly full.
	cut := len(ch) / 2
	if c == len(o.chunks)-1 {
		cut = len(ch) - len(ch)/8
	}
	right := append(make([]key, 0, chunkSize), ch[cut:]...)
	o.chunks[c] = ch[:cut]
	o.chunks = append(o.chunks, nil)
	copy(o.chunks[c+2:], o.chunks[c+1:])
	o.chunks[c+1] = right
}

func (o *order) remove(k key) {
	c, i := o.seek(k)
	if c == len(o.chunks) || o.chunks[c][i] != k {
		return
	}
	ch := o.chunks[c]
	copy(ch[i:], ch[i+1:])
	ch[len(ch)-1] = key{}
	o.chunks[c] = ch[:len(ch)-1]
	o.n--
	if len(o.chunks[c]) == 0 {
		o.chunks = append(o.chunks[:c], o.chunks[c+1:]...)
	}
}

// ascend calls f for each key from k on until f returns false.
func (o *order) ascend(k key, f func(key) bool) {
	c, i := o.seek(k)
	for ; c < len(o.chunks); c, i = c+1, 0 {
		for ; i < len(o.chunks[c]); i++ {
			if !f(o.chunks[c][i]) {
				return
			}
		}
	}
}

// descend calls f for each key less than k, last first, until f returns false.
func (o *order) descend(k key, f func(key) bool) {
	c, i := o.seek(k)
	for {
		if i == 0 {
			c--
			if c < 0 {
				return
			}
			i = len(o.chunks[c])
		}
		i--
		if !f(o.chunks[c][i]) {
			return
		}
	}
}

// rank returns how many keys are less than k.
func (o *order) rank(k key) int {
	c, i := o.seek(k)
	n := i
	for j := range c {
		n += len(o.chunks[j])
	}
	return n
}
