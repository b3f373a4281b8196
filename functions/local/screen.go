package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/lockstep-crm/lockstep/internal/config"
	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

// screen keeps lines that stay and lines that are redrawn apart. On a terminal
// the live lines stand below everything else, logs included; elsewhere there
// are none. Safe for concurrent use.
type screen struct {
	mu       sync.Mutex
	out, err io.Writer
	live     bool // out is a terminal
	shared   bool // err is one, too: logs would run into the live lines
	lines    []string
}

func newScreen(w *world) *screen {
	s := &screen{out: w.out, err: w.err, live: isTerminal(w.out)}
	s.shared = s.live && isTerminal(w.err)
	return s
}

// logger writes to standard error, above the live lines.
func (s *screen) logger(c config.Checked) *slog.Logger {
	level, err := telemetry.ParseLevel(c.LogLevel)
	if err != nil {
		level = slog.LevelInfo // checked before
	}
	return telemetry.New(logLines{s}, telemetry.Format(c.LogFormat), level)
}

// say prints a line that stays.
func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.above(s.out, []byte(fmt.Sprintf(format, args...)+"\n"))
}

// draw replaces the live lines. Not on a terminal it does nothing.
func (s *screen) draw(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return
	}
	var b bytes.Buffer
	s.erase(&b)
	s.lines = lines
	s.put(&b)
	_, _ = s.out.Write(b.Bytes()) // nobody watches any more: work goes on
}

// above writes text over the live lines.
func (s *screen) above(w io.Writer, text []byte) {
	if len(s.lines) == 0 {
		_, _ = w.Write(text)
		return
	}
	var b bytes.Buffer
	s.erase(&b)
	b.Write(text)
	s.put(&b)
	_, _ = s.out.Write(b.Bytes())
}

// erase moves up over the live lines and clears from there on.
func (s *screen) erase(b *bytes.Buffer) {
	if n := len(s.lines); n > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r\x1b[J", n)
	}
}

// width is what fits on every terminal; a line that wraps could not be erased.
const width = 79

func (s *screen) put(b *bytes.Buffer) {
	for _, l := range s.lines {
		if r := []rune(l); len(r) > width {
			l = string(r[:width-1]) + "…"
		}
		b.WriteString(l + "\n")
	}
}

// logLines is the screen as a logger writes to it.
type logLines struct{ s *screen }

// Write implements io.Writer.
func (l logLines) Write(p []byte) (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if !l.s.shared {
		return l.s.err.Write(p)
	}
	l.s.above(l.s.err, p)
	return len(p), nil
}

// number writes 12345 as 12,345.
func number(n int64) string {
	s := fmt.Sprint(n)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && c != '-' && s[i-1] != '-' && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
