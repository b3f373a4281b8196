// Command verifyfull runs the long proofs and prints, for every figure of
// docs/invariants.md that applies to what is built, its target, what was
// measured and whether it passes. It exits with 1 when one is missed.
//
// Each figure is read from what a command prints; a command that fails, or
// does not print the figure, misses it. Times are printed and never decide.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one line of the table.
type figure struct {
	goal   string
	target string
	find   string                 // expression whose groups are numbers
	holds  func(n []float64) bool // over the groups; nil = the command's success decides
}

// proof is a command and the figures it shows.
type proof struct {
	command []string
	env     []string
	figures []figure
}

func atLeast(limits ...float64) func([]float64) bool {
	return func(n []float64) bool {
		for i, l := range limits {
			if n[i] < l {
				return false
			}
		}
		return true
	}
}

func zero(n []float64) bool { return n[len(n)-1] == 0 }

func main() {
	only := flag.String("only", "", "run the proofs whose command contains this text")
	flag.Parse()
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "goal\ttarget\tmeasured\tpass\tseconds")
	missed := 0
	for _, p := range proofs {
		line := strings.Join(p.command, " ")
		if !strings.Contains(line, *only) {
			continue
		}
		fmt.Fprintln(os.Stderr, "==", line)
		missed += p.run(context.Background(), w)
	}
	if err := w.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "verifyfull:", err)
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "verifyfull: %d figures missed\n", missed)
		os.Exit(1)
	}
}

// run runs one proof and prints its lines.
func (p *proof) run(ctx context.Context, w *tabwriter.Writer) (missed int) {
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	seconds := time.Since(start).Seconds()
	for _, f := range p.figures {
		measured, pass := f.read(out.String(), err)
		verdict := "yes"
		if !pass {
			verdict = "NO"
			missed++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0f\n", f.goal, f.target, measured, verdict, seconds)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s\n%s\n", err, tail(out.String()))
	}
	return missed
}

// read takes a figure out of a command's output.
func (f *figure) read(out string, err error) (measured string, pass bool) {
	all := regexp.MustCompile(f.find).FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return "not printed", false
	}
	last := all[len(all)-1]
	var n []float64
	for _, g := range last[1:] {
		v, perr := strconv.ParseFloat(strings.ReplaceAll(g, ",", ""), 64)
		if perr != nil {
			return "not a number: " + g, false
		}
		n = append(n, v)
	}
	measured = strings.Join(strings.Fields(last[0]), " ")
	return measured, err == nil && (f.holds == nil || f.holds(n))
}

// tail returns the last lines of a failed command's output.
func tail(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
