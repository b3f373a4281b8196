package sim

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// openApps makes the two apps of the seed.
func (w *world) openApps() {
	if w.set.real {
		w.openReal()
		return
	}
	for i := range w.apps {
		o := w.set.apps[i]
		o.Now = func() time.Time { return w.now }
		w.apps[i] = newModel(w, o)
	}
}

// Seed runs one seed and returns what it found.
func Seed(seed uint64, o *Options) *Report {
	w := newWorld(seed, o)
	func() {
		defer func() {
			if r := recover(); r != nil {
				w.violated("panic", fmt.Sprintf("%v\n%s", r, debug.Stack()))
			}
		}()
		if w.set.noting {
			newNoted(w).live()
			return
		}
		if w.set.joint {
			newJoint(w).live()
			return
		}
		w.live()
	}()
	r := &Report{
		Seeds: 1, Changes: w.changes, Steps: w.steps, Writes: w.writes, Calls: w.calls[0] + w.calls[1],
		Races: w.races, Unprovable: w.unprovable, Faults: w.faults, Marks: w.marks, Trace: w.trace,
	}
	if w.set.real || w.set.noting {
		r.Real, r.Apps = 1, map[string]int64{string(w.set.pair[0]): 1, string(w.set.pair[1]): 1}
	}
	if o.Workload != "" {
		r.Named, r.Workloads = 1, map[string]int64{o.Workload: 1}
	}
	if len(w.broken) > 0 {
		r.Violations = w.broken[:1]
	}
	return r
}

// Run runs many seeds side by side and prints what it found.
func Run(o Options) *Report {
	if o.Workers <= 0 {
		o.Workers = 2
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	defer debug.SetGCPercent(debug.SetGCPercent(3000)) // worlds are small and short-lived
	start := time.Now()
	total := &Report{
		Faults: map[string]int64{}, Marks: map[string]int64{}, Workloads: map[string]int64{}, Apps: map[string]int64{},
	}
	var mu sync.Mutex
	next := uint64(0)
	take := func() (seed uint64, of Options, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if o.Budget > 0 && time.Since(start) > o.Budget || o.Enough > 0 && len(total.Violations) >= o.Enough {
			return 0, o, false
		}
		next++
		return o.at(next - 1)
	}
	var wg sync.WaitGroup
	for range o.Workers {
		wg.Go(func() {
			for {
				seed, of, ok := take()
				if !ok {
					return
				}
				r := Seed(seed, &of)
				mu.Lock()
				total.add(r)
				for _, v := range r.Violations {
					fmt.Fprintf(o.Out, "seed %d%s: %s is broken: %s\n", v.Seed, v.workload(), v.ID, v.Detail)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	total.Took = time.Since(start)
	if total.name(); o.Workload == "" {
		total.judge()
	}
	slices.SortFunc(total.Violations, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Seed, b.Seed))
	})
	return total
}

// at is the n-th seed of a run: first those of the mix, then so many of each
// workload.
func (o Options) at(n uint64) (seed uint64, of Options, ok bool) {
	if o.Seeds == 0 || n < uint64(o.Seeds) {
		return o.From + n, o, true
	}
	n -= uint64(o.Seeds)
	if o.Workload != "" {
		return 0, o, false
	}
	names := Workloads()
	for _, name := range names {
		times := uint64(o.Each)
		if name == appsWorkload {
			times = uint64(o.Seeds+o.Each*len(names)) * appsOf / 100
		}
		if n < times {
			o.Workload = name
			return o.From + n, o, true
		}
		n -= times
	}
	return 0, o, false
}

func (r *Report) add(x *Report) {
	r.Seeds += x.Seeds
	r.Named += x.Named
	r.Real += x.Real
	r.Changes += x.Changes
	r.Steps += x.Steps
	r.Writes += x.Writes
	r.Calls += x.Calls
	r.Races += x.Races
	r.Unprovable += x.Unprovable
	for k, n := range x.Workloads {
		r.Workloads[k] += n
	}
	for k, n := range x.Apps {
		r.Apps[k] += n
	}
	for k, n := range x.Faults {
		r.Faults[k] += n
	}
	for k, n := range x.Marks {
		r.Marks[k] += n
	}
	r.Violations = append(r.Violations, x.Violations...)
}

// Names lists the keys of a table in order.
func Names(m map[string]int64) []string { return sortedKeys(m) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
