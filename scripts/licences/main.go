// Command licences lists the licence of every Go module and npm package that we
// build with, and fails on one that is not allowed or cannot be told:
//
//	go run ./scripts/licences          # check
//	go run ./scripts/licences -list    # the listing
//
// Of Go modules it reads the licence files in the module cache, of npm packages
// what the lock files say. Nothing is asked of the network, but for modules that
// are not in the cache yet.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

// part is a set of modules or packages and what their licences may be.
type part struct {
	name    string
	allowed []string
	read    func(context.Context) ([]dependency, error)
}

// dependency is one module or package.
type dependency struct {
	name, version string
	licence       string // an SPDX expression; "" when it cannot be told
	why           string // what was seen instead of a licence
}

// permissive may be in what we hand on: they ask for a notice at most. MPL asks
// for the sources of its own files when those are changed, and we change none.
var permissive = []string{
	"MIT", "MIT-0", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "MPL-2.0",
	"BlueOak-1.0.0", "Unlicense", "CC0-1.0", "Zlib",
}

// tools may also be under these: they are run beside the sources, never linked
// into anything and never handed on.
var tools = append([]string{"GPL-3.0", "GPL-3.0-or-later", "LGPL-3.0", "OFL-1.1"}, permissive...)

// building is of the console: what lands in its pages is permissive; argparse,
// by which the types of its client are made, is under Python's own licence.
var building = append([]string{"Python-2.0"}, permissive...)

var parts = []part{
	{"the programs (go.mod)", permissive, modules(".", "-test", "./...")},
	{"the infrastructure (infra/go.mod)", permissive, modules("infra", "-test", "./...")},
	{"tools that are only run (scripts/tools/go.mod)", tools, modules("scripts/tools", "tool")},
	{"the console, and what builds and tests it (internal/console/web)", building, packages("internal/console/web")},
	{"clients of the apps' makers, for tests (scripts/clients)", permissive, packages("scripts/clients")},
	{"stand-ins for AWS, for tests (scripts/standins)", permissive, packages("scripts/standins")},
	{"the CDK's command line (infra/_tools)", permissive, packages("infra/_tools")},
}

func main() {
	list := flag.Bool("list", false, "print every dependency with its licence")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	wrong, err := run(ctx, parts, *list)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
	if wrong > 0 {
		fmt.Fprintf(os.Stderr, "licences: %d are not allowed or cannot be told: leave the dependency out, or say in "+
			"scripts/licences why it may stay\n", wrong)
		os.Exit(1)
	}
}

// run checks every part and says how many dependencies are wrong.
func run(ctx context.Context, parts []part, list bool) (wrong int, err error) {
	for _, p := range parts {
		found, err := p.read(ctx)
		if err != nil {
			return wrong, fmt.Errorf("%s: %w", p.name, err)
		}
		if len(found) == 0 {
			return wrong, fmt.Errorf("%s: nothing was found", p.name)
		}
		if list {
			fmt.Printf("\n%s\n", p.name)
		}
		count := map[string]int{}
		for _, d := range found {
			count[cmp.Or(d.licence, "?")]++
			ok := allowed(d.licence, p.allowed)
			if !ok {
				wrong++
			}
			if list || !ok {
				line := fmt.Sprintf("  %-28s %s %s", cmp.Or(d.licence, "?"), d.name, d.version)
				if !ok {
					line += "  NOT ALLOWED " + d.why
				}
				fmt.Println(line)
			}
		}
		if !list {
			fmt.Printf("%-58s %3d: %s\n", p.name, len(found), counted(count))
		}
	}
	return wrong, nil
}

func counted(count map[string]int) string {
	var out []string
	for licence, n := range count {
		out = append(out, fmt.Sprintf("%d %s", n, licence))
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[after(b)], count[after(a)]), cmp.Compare(a, b))
	})
	return strings.Join(out, ", ")
}

func after(s string) string { _, licence, _ := strings.Cut(s, " "); return licence }

// allowed judges an SPDX expression as package managers write them: of
// alternatives one is enough, of what holds together each has to be allowed.
func allowed(expression string, list []string) bool {
	expression = strings.TrimSpace(expression)
	for strings.HasPrefix(expression, "(") && strings.HasSuffix(expression, ")") &&
		!strings.Contains(expression[1:len(expression)-1], "(") {
		expression = strings.TrimSpace(expression[1 : len(expression)-1])
	}
	if strings.ContainsAny(expression, "()") { // nested: nobody here writes that
		return false
	}
	for either := range strings.SplitSeq(expression, " OR ") {
		all := true
		for one := range strings.SplitSeq(either, " AND ") {
			all = all && slices.Contains(list, strings.TrimSpace(one))
		}
		if all {
			return true
		}
	}
	return false
}
