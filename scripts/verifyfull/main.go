// Command verifyfull runs the long proofs and prints, for every figure of
// docs/invariants.md that applies to what is built, its target, what was
// measured and whether it passes, as a table in Markdown. It exits with 1 when
// one is missed.
//
// Each figure is read from what a command prints; a command that fails, or
// does not print the figure, misses it. What a proof took is printed and never
// decides; where the figure itself is a time, it wants an idle machine with two
// cores.
//
// With -traces N it runs N seeds of the simulation twice and compares them:
// one of the proofs.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// proof is a command and the figures it shows.
type proof struct {
	command []string
	env     []string
	figures []figure
	// beside says that the proof waits more than it computes: the next ones
	// start while it runs.
	beside bool
}

// table prints rows as they come, from several proofs at once.
type table struct {
	mu     sync.Mutex
	missed int
}

func main() {
	only := flag.String("only", "", "run the proofs whose command contains this text")
	list := flag.Bool("list", false, "list the proofs, run none")
	twice := flag.Int("traces", 0, "run so many seeds twice, compare their traces, and nothing else")
	flag.Parse()
	if *twice > 0 {
		os.Exit(traces(*twice))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var t table
	t.header()
	var beside sync.WaitGroup
	for _, p := range proofs {
		line := strings.Join(p.command, " ")
		switch {
		case !strings.Contains(line, *only):
		case *list:
			fmt.Fprintln(os.Stderr, line)
		case p.beside:
			fmt.Fprintln(os.Stderr, "== beside the next:", line)
			beside.Go(func() { p.run(ctx, &t) })
		default:
			fmt.Fprintln(os.Stderr, "==", line)
			p.run(ctx, &t)
		}
	}
	beside.Wait()
	if t.missed > 0 {
		fmt.Fprintf(os.Stderr, "verifyfull: %d figures missed\n", t.missed)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// run runs one proof and prints its rows.
func (p *proof) run(ctx context.Context, t *table) {
	if ctx.Err() != nil {
		return
	}
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), p.env...)
	if here, err := os.Getwd(); err == nil { // as make verify does
		cmd.Env = append(cmd.Env, "PATH="+filepath.Join(here, ".tools", "venv",
			"bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	t.rows(p, out.String(), err, time.Since(start))
}

func (*table) header() {
	fmt.Println("| goal | target | measured | pass | seconds |\n|---|---|---|---|---|")
}

// rows prints what a proof showed, and the end of its output when it did not.
func (t *table) rows(p *proof, out string, err error, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	missed := 0
	for _, f := range p.figures {
		measured, pass := f.read(out, err)
		verdict := "yes"
		if !pass {
			verdict = "NO"
			missed++
		}
		fmt.Printf("| %s | %s | %s | %s | %.0f |\n", cell(f.goal), cell(f.target), cell(measured), verdict, took.Seconds())
	}
	t.missed += missed
	if err != nil || missed > 0 {
		fmt.Fprintf(os.Stderr, "-- %s: %v\n%s\n", strings.Join(p.command, " "), err, tail(out))
	}
}

// cell makes a text fit into one cell.
func cell(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", `\|`)), " ")
}

// tail returns the last lines of an output.
func tail(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
