package sim

import (
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"time"
)

// Print writes what a run found: totals, how often each fault struck and each
// rare state was reached, and each violation with the way to replay it.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "%d seeds (%d with the real connectors), %d changes, %d steps, %d rows written in %d calls, %s\n",
		r.Seeds, r.Real, r.Changes, r.Steps, r.Writes, r.Calls, r.Took.Round(100*time.Millisecond))
	fmt.Fprintf(out, "edits between a read and its write on apps without conditional writes: %d; conflicts that no "+
		"history can prove: %d\n", r.Races, r.Unprovable)
	for _, id := range Names(r.Apps) {
		fmt.Fprintf(out, "app %-20s %6d seeds\n", id, r.Apps[id])
	}
	for _, id := range slices.Sorted(maps.Keys(exempt)) {
		fmt.Fprintf(out, "app %-20s not driven: %s\n", id, exempt[id])
	}
	table(out, "faults", r.Faults, faultsExpected())
	table(out, "rare states", r.Marks, marksExpected)
	if len(r.Strays) > 0 {
		fmt.Fprintf(out, "marks that no table names: %v\n", r.Strays)
	}
	if len(r.Unreached) > 0 {
		fmt.Fprintf(out, "NEVER REACHED: %v\n", r.Unreached)
	}
	fmt.Fprintf(out, "%d violations\n", len(r.Violations))
	for _, v := range r.Violations {
		fmt.Fprintf(out, "seed %d, commit %s: %s is broken: %s\n  replay: bin/%s\n", v.Seed, commit(), v.ID, v.Detail,
			v.Replay())
	}
}

// Replay is the command that shows it again.
func (v Violation) Replay() string {
	return fmt.Sprintf("lockstep sim --seed %d%s", v.Seed, v.workload())
}

func (v Violation) workload() string {
	if v.Workload == "" {
		return ""
	}
	return " --workload " + v.Workload
}

// table prints names and counts in three columns.
func table(out io.Writer, title string, counts map[string]int64, names []string) {
	fmt.Fprintf(out, "%s reached:\n", title)
	for i, n := range names {
		fmt.Fprintf(out, "  %-30s %9d", n, counts[n])
		if i%3 == 2 || i == len(names)-1 {
			fmt.Fprintln(out)
		}
	}
}

// commit names the commit that the program was built from.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return "unknown"
}

// Rare returns how often each rare state was reached that a run must reach.
func (r *Report) Rare() map[string]int64 {
	rare := maps.Clone(r.Marks)
	maps.DeleteFunc(rare, func(n string, _ int64) bool { _, beside := marksElsewhere[n]; return beside })
	return rare
}

// Beside returns the same of those that a run need not reach: others show them.
func (r *Report) Beside() map[string]int64 {
	beside := maps.Clone(r.Marks)
	maps.DeleteFunc(beside, func(n string, _ int64) bool { _, beside := marksElsewhere[n]; return !beside })
	return beside
}

// judge compares what was reached with what must be.
func (r *Report) judge() {
	for _, n := range faultsExpected() {
		if r.Faults[n] == 0 {
			r.Unreached = append(r.Unreached, "fault "+n)
		}
	}
	for _, n := range marksExpected {
		if r.Marks[n] == 0 {
			r.Unreached = append(r.Unreached, n)
		}
	}
	for _, id := range driven() {
		if n := r.Apps[string(id)]; n*appsShare < r.Seeds {
			r.Unreached = append(r.Unreached, fmt.Sprintf("two seeds of a hundred with %s: %d", id, n))
		}
	}
}

// name lists the marks that no table names, of the run of one workload too.
func (r *Report) name() {
	for _, n := range Names(r.Marks) {
		if _, known := marksElsewhere[n]; !known && !slices.Contains(marksExpected, n) {
			r.Strays = append(r.Strays, n)
		}
	}
}

// Good reports whether nothing was violated and everything was reached.
func (r *Report) Good() bool { return len(r.Violations) == 0 && len(r.Unreached) == 0 }

func faultsExpected() []string {
	all := append(slices.Concat(faultNames, laterFaults), "poison", "flood_of_deletions", "token_revoked", "mass_clearing",
		"broken_import")
	slices.Sort(all)
	return all
}
