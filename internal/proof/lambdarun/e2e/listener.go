package e2e

import (
	"bytes"
	"strings"
	"sync"
)

// listener takes what the functions print: it keeps the end of it, counts
// errors, and looks for what must never be printed.
type listener struct {
	secrets []string // texts that must not be printed

	mu     sync.Mutex
	tail   bytes.Buffer
	lines  int
	errors int
	leaked []string // lines with a secret, some
}

// keep is how much of the end is kept, in bytes.
const keep = 32 << 10

// Write implements io.Writer. Functions print whole lines.
func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		l.lines++
		if strings.Contains(line, `"level":"ERROR"`) {
			l.errors++
		}
		for _, s := range l.secrets {
			if strings.Contains(line, s) && len(l.leaked) < 3 {
				l.leaked = append(l.leaked, strings.TrimSpace(line))
			}
		}
	}
	if l.tail.Len() > 2*keep {
		l.tail.Next(l.tail.Len() - keep)
	}
	// the judge asks for the status all the time
	if !bytes.Contains(p, []byte(`"message":"request"`)) || bytes.Contains(p, []byte(`"status":5`)) {
		l.tail.Write(p)
	}
	return len(p), nil
}

// counts returns how many lines there were, and how many of them errors.
func (l *listener) counts() (lines, errors int, leaked []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines, l.errors, l.leaked
}

// end is the last of what was printed.
func (l *listener) end() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.tail.Bytes()
	return string(b[max(0, len(b)-8<<10):])
}
