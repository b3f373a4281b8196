// Command bench measures what the product costs in calls, writes and requests:
// counts, which are the same on every machine, beside their targets. It exits
// with 1 when one is missed.
//
// With -functions it also looks at the built functions: their size, and the time
// from their start to their first answer, which wants an idle machine.
//
// With -memory it also runs the built program over 20,000 and 200,000 people
// and compares its peak memory; that takes some minutes.
//
// With -only it takes the parts named, and nothing else: counts, memory, flow
// (how fast the program takes deliveries in), writer (records a second and
// core), freshness (from an edit to its arrival, in simulated time).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"text/tabwriter"
)

// figure is one line of the table.
type figure struct {
	name     string
	target   string
	measured string
	pass     bool
}

// atMost is a figure that must not exceed limit.
func atMost(name string, limit, got float64, format string) figure {
	return figure{name, fmt.Sprintf("<= "+format, limit), fmt.Sprintf(format, got), got <= limit}
}

// exactly is a figure that must be want.
func exactly(name string, want, got float64, format string) figure {
	return figure{name, fmt.Sprintf("= "+format, want), fmt.Sprintf(format, got), got == want}
}

// shown is a figure without a target.
func shown(name string, got float64, format string) figure {
	return figure{name, "", fmt.Sprintf(format, got), true}
}

func main() {
	memory := flag.Bool("memory", false, "also compare the peak memory of the program at 20,000 and 200,000 people")
	binary := flag.String("binary", "bin/lockstep", "the built program, for -memory and for flow")
	functions := flag.String("functions", "", "folder with the built functions; empty = leave them out")
	only := flag.String("only", "", "take these parts alone, separated by commas: counts, memory, flow, writer, freshness")
	flag.Parse()
	wanted := "counts"
	if *only != "" {
		wanted = *only
	} else if *memory {
		wanted = "counts,memory"
	}
	ctx := context.Background()
	figures, err := measureParts(ctx, wanted, *binary)
	if err == nil && *functions != "" {
		var more []figure
		more, err = measureFunctions(ctx, *functions)
		figures = append(figures, more...)
	}
	missed := show(figures)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "bench: %d figures missed\n", missed)
		os.Exit(1)
	}
}

// show prints the table and returns how many figures were missed.
func show(figures []figure) (missed int) {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "figure\ttarget\tmeasured\tpass")
	for _, f := range figures {
		verdict := "yes"
		switch {
		case f.target == "":
			verdict = ""
		case !f.pass:
			verdict = "NO"
			missed++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.name, f.target, f.measured, verdict)
	}
	if err := w.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	return missed
}
