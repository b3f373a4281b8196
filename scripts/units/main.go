// Command units measures what the product consumes of DynamoDB, on its
// stand-in, which says with each answer what it would be billed: capacity units
// for created, changed and unchanged records, for the first sync, and for what
// goes on when nothing happens. docs/cost.md turns them into money.
//
// It shows where the design's targets are missed and judges nothing by it: what
// must hold is held by make bench, as numbers of writes.
package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
)

// line is one line of the table: units for one of what it names.
type line struct {
	name        string
	read, write float64 // write holds the refused ones too: they are billed
	limit       float64 // of write; 0 = none
	readLimit   float64 // of read; 0 = none
}

func main() {
	lines, err := measure(context.Background())
	show(lines)
	if err != nil {
		fmt.Fprintln(os.Stderr, "units:", err)
		os.Exit(1)
	}
}

// show prints the table.
func show(lines []line) {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "for each\tread units\twrite units\ttarget\tpass")
	for _, l := range lines {
		target, verdict := "", ""
		if l.limit > 0 {
			target, verdict = fmt.Sprintf("<= %.1f written", l.limit), "yes"
			if l.write > l.limit+0.005 {
				verdict = "NO"
			}
		}
		if l.readLimit > 0 {
			target, verdict = fmt.Sprintf("<= %.1f read", l.readLimit), "yes"
			if l.read > l.readLimit+0.005 { // as it is printed
				verdict = "NO"
			}
		}
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%s\t%s\n", l.name, l.read, l.write, target, verdict)
	}
	if err := w.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "units:", err)
	}
}
