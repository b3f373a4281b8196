package e164

import (
	_ "embed" // for the plans
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed plans.txt
var plansText string

// The columns of plans.txt, which are separated by tabs.
const (
	colCode      = iota // country code
	colRegion           // ISO 3166-1 alpha-2; nowhere for codes of no country
	colIDD              // what is dialled to call abroad, a regular expression
	colPrefix           // what is dialled in front of a national number, a regular expression
	colTransform        // what takes the place of the prefix when its last group matched
	colPattern          // all national numbers, a regular expression
	colLengths          // their lengths, separated by commas
	colLocal            // lengths of numbers that only work within one area
	colLeading          // how all numbers of a region with a shared code begin, a regular expression
	colKinds            // national numbers that are given out, a regular expression
	columns
)

// nowhere is the region of codes that belong to no country.
const nowhere = "001"

// plan is the numbering plan of a region.
type plan struct {
	code, region         string
	idd, prefix, pattern *expression
	transform            string
	lengths, local       lengths
	leading, kinds       *expression // leading is nil where the code has one region or nothing tells it
}

// plans are those of the world. The first of a code's regions is the one whose
// plan holds for all of them.
type plans struct {
	regions map[string]*plan
	codes   map[string]*plan
	sharing map[string][]*plan // all plans of a code, in the library's order
}

// world reads the plans when the first number comes.
var world = sync.OnceValue(func() *plans {
	w := &plans{regions: map[string]*plan{}, codes: map[string]*plan{}, sharing: map[string][]*plan{}}
	for line := range strings.Lines(plansText) {
		col := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(col) != columns {
			continue // a comment
		}
		p := &plan{
			code: col[colCode], region: col[colRegion], transform: col[colTransform], lengths: readLengths(col[colLengths]),
			local: readLengths(col[colLocal]),
			idd:   &expression{source: col[colIDD]}, pattern: &expression{source: "^(?:" + col[colPattern] + ")$"},
		}
		p.kinds = &expression{source: "^(?:" + col[colKinds] + ")$"}
		if col[colLeading] != "" {
			p.leading = &expression{source: "^(?:" + col[colLeading] + ")"}
		}
		if col[colPrefix] != "" {
			p.prefix = &expression{source: "^(?:" + col[colPrefix] + ")"}
		}
		if p.region != nowhere {
			w.regions[p.region] = p
		}
		w.sharing[p.code] = append(w.sharing[p.code], p)
		if w.codes[p.code] == nil {
			w.codes[p.code] = p
		}
	}
	return w
})

// Known reports whether there is a plan for a region, given as ISO 3166-1 alpha-2.
func Known(region string) bool { return world().regions[region] != nil }

// expression is compiled when it is needed: hardly any program meets more than
// a few regions.
type expression struct {
	source string
	once   sync.Once
	re     *regexp.Regexp
}

func (e *expression) get() *regexp.Regexp {
	e.once.Do(func() { e.re = regexp.MustCompile(e.source) })
	return e.re
}

// lengths are lengths of numbers, in ascending order.
type lengths []int

func readLengths(s string) lengths {
	var out lengths
	for text := range strings.SplitSeq(s, ",") {
		if n, err := strconv.Atoi(text); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// fit is what a length says about a national number.
type fit uint8

const (
	possible  fit = iota
	localOnly     // works within one area
	tooShort
	tooLong
	neither // between lengths that occur
)

// fits compares a number with the lengths that occur.
func (p *plan) fits(national string) fit {
	n := len(national)
	switch {
	case slices.Contains(p.local, n):
		return localOnly
	case slices.Contains(p.lengths, n):
		return possible
	case n < p.lengths[0]:
		return tooShort
	case n > p.lengths[len(p.lengths)-1]:
		return tooLong
	}
	return neither
}
