package sim

import "time"

// chance is a source of chance that is the same everywhere: splitmix64.
type chance struct{ state uint64 }

func newChance(seed uint64) *chance { return &chance{seed*0x9e3779b97f4a7c15 + 0x1234567} }

func (c *chance) next() uint64 {
	c.state += 0x9e3779b97f4a7c15
	z := c.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Read implements io.Reader.
func (c *chance) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(c.next() >> 11)
	}
	return len(b), nil
}

// n returns a number from 0 to n-1.
func (c *chance) n(n int) int { return int(c.next() >> 11 % uint64(n)) }

// between returns a number from lo to hi.
func (c *chance) between(lo, hi int) int { return lo + c.n(hi-lo+1) }

// in reports true in k of a thousand cases.
func (c *chance) in(k int) bool { return k > 0 && int(c.next()>>11%1000) < k }

// upTo returns a time from 0 to d.
func (c *chance) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(c.next() >> 1 % uint64(d+1))
}

func pick[T any](c *chance, from ...T) T { return from[c.n(len(from))] }
