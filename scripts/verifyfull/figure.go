package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// figure is one line of the table.
type figure struct {
	goal   string
	target string
	find   string                 // expression whose groups are numbers; the last match counts
	holds  func(n []float64) bool // over the groups; nil = the command's success decides
	// look reads the figure in another way; find and holds are not used then.
	look func(out string) (measured string, pass bool)
}

// read takes a figure out of a command's output.
func (f *figure) read(out string, err error) (measured string, pass bool) {
	if f.look != nil {
		measured, pass = f.look(out)
		if measured == "" {
			return "not printed", false
		}
		return measured, pass && err == nil
	}
	all := regexp.MustCompile(f.find).FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return "not printed", false
	}
	last := all[len(all)-1]
	var n []float64
	for _, g := range last[1:] {
		v, ok := number(g)
		if !ok {
			return "not a number: " + g, false
		}
		n = append(n, v)
	}
	return last[0], err == nil && (f.holds == nil || f.holds(n))
}

// number reads "1,234.5".
func number(s string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", ""), 64)
	return v, err == nil
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

func atMost(limit float64) func([]float64) bool {
	return func(n []float64) bool { return n[0] <= limit }
}

func lastIsZero(n []float64) bool { return n[len(n)-1] == 0 }

// bench is a figure of scripts/bench, which knows the target itself.
func bench(name, target string) figure {
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `\s{2,}\S+ \S+\s{2,}([\d.]+)\s+(yes|NO)\s*$`)
	return figure{goal: name, target: target, look: func(out string) (string, bool) {
		m := line.FindStringSubmatch(out)
		if m == nil {
			return "", false
		}
		return m[1], m[2] == "yes"
	}}
}

var (
	testLine    = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \(`)
	packageLine = regexp.MustCompile(`^(ok|FAIL)\s+\S*?([^/\s]+)\s`)
)

// results sorts the tests of "go test -v" by package and verdict.
func results(out string) map[string]map[string][]string {
	all := map[string]map[string][]string{}
	open := map[string][]string{}
	for line := range strings.Lines(out) {
		if m := testLine.FindStringSubmatch(line); m != nil {
			open[m[1]] = append(open[m[1]], m[2])
		} else if m := packageLine.FindStringSubmatch(line); m != nil {
			all[m[2]] = open
			open = map[string][]string{}
		}
	}
	return all
}

// invariant counts the cases of an invariant's tests, which carry its number.
func invariant(id string) func(string) (string, bool) {
	return func(out string) (string, bool) {
		cases, failed, skipped, packages := 0, 0, 0, 0
		of := func(tests []string) (n int) {
			for _, t := range leaves(tests) {
				if strings.HasPrefix(t, "Test"+id+"_") {
					n++
				}
			}
			return n
		}
		for _, r := range results(out) {
			if n := of(r["PASS"]); n > 0 {
				cases, packages = cases+n, packages+1
			}
			failed, skipped = failed+of(r["FAIL"]), skipped+of(r["SKIP"])
		}
		return fmt.Sprintf("%d cases in %d packages, %d failed, %d skipped", cases, packages, failed, skipped), cases > 0 &&
			failed+skipped == 0
	}
}

// contracts counts the cases that an embedded store and the adapter of a cloud
// service both pass, pair by pair.
func contracts(pairs [][2]string, least int) func(string) (string, bool) {
	return func(out string) (string, bool) {
		all := results(out)
		total, pass := 0, true
		var said []string
		for _, pair := range pairs {
			var cases [2]map[string]bool
			for i, name := range pair {
				cases[i] = map[string]bool{}
				r, ran := all[name]
				pass = pass && ran && len(r["FAIL"])+len(r["SKIP"]) == 0
				for _, test := range leaves(r["PASS"]) {
					if c, ok := strings.CutPrefix(test, "TestConformance/"); ok {
						cases[i][strings.TrimPrefix(c, "all/")] = true
					}
				}
			}
			both := 0
			for c := range cases[0] {
				if cases[1][c] {
					both++
				}
			}
			total += both
			said = append(said, fmt.Sprintf("%d on %s and %s", both, pair[0], pair[1]))
		}
		return fmt.Sprintf("%d cases: %s", total, strings.Join(said, ", ")), pass && total >= least
	}
}

// leaves leaves out the tests that only hold others.
func leaves(tests []string) []string {
	slices.Sort(tests)
	return slices.DeleteFunc(slices.Clone(tests), func(test string) bool {
		i, _ := slices.BinarySearch(tests, test+"/")
		return i < len(tests) && strings.HasPrefix(tests[i], test+"/")
	})
}

// troubles counts the outbound calls of each connector that met each trouble.
func troubles(connectors, needed []string) func(string) (string, bool) {
	return func(out string) (string, bool) {
		all := results(out)
		pass := true
		var said []string
		for _, name := range connectors {
			met := map[string]map[string]bool{} // by call
			kinds := map[string]bool{}
			for _, test := range all[name]["PASS"] {
				parts := strings.Split(test, "/")
				if len(parts) != 4 || parts[1] != "Faults" || parts[2] == "huge" { // which only some calls meet
					continue
				}
				if met[parts[3]] == nil {
					met[parts[3]] = map[string]bool{}
				}
				met[parts[3]][parts[2]], kinds[parts[2]] = true, true
			}
			for _, by := range met {
				for _, n := range needed {
					pass = pass && by[n]
				}
			}
			pass = pass && len(met) > 0 && len(all[name]["FAIL"]) == 0
			said = append(said, fmt.Sprintf("%s: %d calls x %d troubles", name, len(met), len(kinds)))
		}
		return strings.Join(said, ", "), pass
	}
}

// laws reads how many values each property drew: two in each round, one a side.
func laws(each int) func(string) (string, bool) {
	passed := regexp.MustCompile(`\[rapid\] OK, passed (\d+) tests`)
	return func(out string) (string, bool) {
		all := passed.FindAllStringSubmatch(out, -1)
		least, sum := 0, 0
		for i, m := range all {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				return "not a number: " + m[1], false
			}
			sum += 2 * n
			if i == 0 || 2*n < least {
				least = 2 * n
			}
		}
		broken := strings.Count(out, "[rapid] failed")
		return fmt.Sprintf("%d transforms, at least %d values each, %d in all: %d law breaks", len(all), least, sum, broken),
			len(all) >= 20 && least >= each && broken == 0
	}
}

var markLine = regexp.MustCompile(`^  (\w+)\s+([\d,]+)\s*$`)

// marks counts the rare states that were reached ten times, and names those
// that were reached more rarely.
func marks(out string) (string, bool) {
	_, list, found := strings.Cut(out, "\nrare state ")
	if !found {
		return "", false
	}
	often, few := 0, map[string]string{}
	for line := range strings.Lines(list) {
		m := markLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			if often+len(few) > 0 {
				break
			}
			continue
		}
		if n, _ := number(m[2]); n >= 10 {
			often++
		} else {
			few[m[1]] = m[2]
		}
	}
	said := fmt.Sprintf("%d reached 10 times or more", often)
	for _, name := range slices.Sorted(maps.Keys(few)) {
		said += fmt.Sprintf(", %s %s", name, few[name])
	}
	return said, often >= 40 && len(few) == 0
}

var guardLine = regexp.MustCompile(`(\d+) of +(\d+) +seed \d`)

// guardShare is the smallest part of the seeds in which a guard's absence showed.
func guardShare(out string) (string, bool) {
	all := guardLine.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return "", false
	}
	least := 100.0
	for _, m := range all {
		caught, _ := number(m[1])
		seeds, _ := number(m[2])
		if seeds == 0 {
			return "no seeds: " + m[0], false
		}
		least = min(least, 100*caught/seeds)
	}
	return fmt.Sprintf("%d guards, the rarest by %.1f %% of %s seeds", len(all), least, all[0][2]), least >= 1 &&
		len(all) >= 20
}

// vulnerabilities tells one that was found from a database that is out of reach.
func vulnerabilities(out string) (string, bool) {
	if m := regexp.MustCompile(`not measured: [^;]*`).FindString(out); m != "" {
		return m + "; GOVULNDB names a copy", false
	}
	if m := regexp.MustCompile(`govulncheck: (0 reachable) vulnerabilities`).FindStringSubmatch(out); m != nil {
		return m[1], true
	}
	return regexp.MustCompile(`Your code is affected by \d+ vulnerabilit\w+`).FindString(out), false
}

var malformedLine = regexp.MustCompile(`([\d,]+) requests, ([\d,]+) clean 4xx, (\d+) x 5xx, p99 (\S+), heap (\d+) MiB`)

// malformed reads the time and memory that a hundred thousand broken requests took.
func malformed(out string) (string, bool) {
	m := malformedLine.FindStringSubmatch(out)
	if m == nil {
		return "", false
	}
	n, _ := number(m[1])
	heap, _ := number(m[5])
	p99, err := time.ParseDuration(m[4])
	return m[0], err == nil && n >= 100_000 && m[2] == m[1] && m[3] == "0" && p99 < 50*time.Millisecond && heap < 64
}
