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

// TestSourcesCountedAreBounded: so many sources that send wrong tokens are no longer
// counted one by one, and until then each of them has to wait on its own.
func TestSourcesCountedAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	l := newLogins(func() time.Time { return now })
	for range failBurst {
		l.was(false, "first", "wrong")
	}
	for i := range maxSources - 1 {
		l.was(false, "source "+strconv.Itoa(i), "wrong")
	}
	if len(l.failed) != maxSources || l.wait("first", "x") <= 0 || l.wait("source 1", "x") != 0 {
		t.Errorf("%d sources are counted; the first waits %s, the others %s", len(l.failed), l.wait("first", "x"),
			l.wait("source 1", "x"))
	}
	l.was(false, "first", "wrong")
	if len(l.failed) != maxSources {
		t.Errorf("one that is known makes %d of %d", len(l.failed), maxSources)
	}
	l.was(false, "one more", "wrong")
	if len(l.failed) != 1 || l.wait("first", "x") != 0 {
		t.Errorf("then %d are counted, and the first waits %s", len(l.failed), l.wait("first", "x"))
	}
}
