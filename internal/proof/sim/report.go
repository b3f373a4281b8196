package sim

import (
	"io"
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// Options say what to run.
type Options struct {
	Seeds   int           // how many; 0 = until Budget is over
	From    uint64        // the first
	Budget  time.Duration // stop starting seeds after this; 0 = none
	Workers int           // seeds side by side; 0 = 2
	Out     io.Writer     // nil = nothing is printed
	Verbose bool
	Enough  int // stop after this many violations; 0 = never

	// Touched is called for every item that a task reads, lists or writes: with the
	// task's name, the method of the store, and the change, of which a reading has
	// the key alone. Workers call it side by side. Optional.
	Touched func(task, method string, w store.Write)
	// Workload narrows every seed to one of Workloads; "" = as drawn.
	Workload string
	// Each is how many seeds of every workload are run after the mix.
	Each int
}

// Violation is a promise that was broken.
type Violation struct {
	Seed   uint64
	ID     string // of docs/invariants.md
	Detail string

	Workload string
}

// Report is what a run found.
type Report struct {
	Seeds, Real, Named                int64
	Changes, Steps, Writes, Calls     int64
	Races, Unprovable                 int64 // overwritten between read and write; conflicts without history
	Faults, Marks                     map[string]int64
	Workloads                         map[string]int64 // seeds that were asked for by name
	Apps                              map[string]int64 // seeds with the real connector of an app
	Violations                        []Violation
	Trace                             uint64 // of one seed
	Took                              time.Duration
	Unreached, UnreachedMarks, Strays []string
}
