package api

import (
	"strconv"
	"testing"
	"time"
)

// TestTokensRememberedAreBounded: whoever sends ever new tokens fills no memory,
// good ones or wrong ones; what was forgotten by that is looked up once more,
// and nobody is let in or kept out by it for good.
func TestTokensRememberedAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	for name, good := range map[string]bool{"good": true, "wrong": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLogins(func() time.Time { return now })
			remembered := l.wrong
			if good {
				remembered = l.good
			}
			first, last := "token 0", "token "+strconv.Itoa(maxTokens-1)
			for i := range maxTokens {
				l.was(good, "192.0.2.1", "token "+strconv.Itoa(i))
			}
			if len(remembered) != maxTokens || l.known(first) == good || l.known(last) == good {
				t.Errorf("%d tokens are remembered, of the first it is known that it is wrong: %t", len(remembered), l.known(first))
			}
			l.was(good, "192.0.2.1", "one more")
			if len(remembered) != 1 || l.known(first) || l.known("one more") == good {
				t.Errorf("then %d are remembered; known to be wrong: the first %t, the one more %t", len(remembered),
					l.known(first), l.known("one more"))
			}
			if good && l.wait("192.0.2.1", first) != 0 {
				t.Error("a good token that was forgotten has to wait although its source sent nothing wrong")
			}
		})
	}
}
