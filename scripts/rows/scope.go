package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// inScope are the rows that work through the REST API and have a test.
const inScope = "7-20, 22-24, 26-41, 43-159, 164-172, 175-197, 200-209, 212"

// screens are the rows that are shown in a browser.
const screens = "15, 18, 21, 25, 29, 33, 87, 152, 173, 174, 211"

// The rows that need none. The lists are closed: nothing is added to them.
var beside = []struct{ why, rows string }{
	{"documented, not built", "4, 5, 58, 70, 91"},
	{"later: operate", "42, 160-163"},
	{"later: apps", "210, 213"},
}

// pending are the apps that a row names; where one is not there yet, the row's
// semantics are shown with the apps that are.
var pending = map[int][]crm.AppID{
	10: {"realgeeks"}, 64: {"homestack", "sierra"}, 101: {"mainstay"}, 102: {"mainstay"}, 106: {"mainstay"},
	124: {"homestack"}, 125: {"sierra"}, 126: {"mainstay"}, 133: {"homestack", "sierra"},
	135: {"homestack"}, 137: {"clientsuccess"}, 144: {"homestack", "sierra"}, 145: {
		"homestack", "sierra",
	},
}

// waitsFor lists the apps that a row names and that do not exist.
func waitsFor(row int) (out []string) {
	drivers := apps.Drivers()
	for _, app := range pending[row] {
		if _, there := drivers[app]; !there {
			out = append(out, string(app))
		}
	}
	return out
}

// numbers reads "7-20, 22".
func numbers(list string) (out []int, err error) {
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		first, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("%q is no list of rows such as 43-50,119", list)
		}
		last := first
		if isRange {
			if last, err = strconv.Atoi(to); err != nil || last < first {
				return nil, fmt.Errorf("%q is no list of rows such as 43-50,119", list)
			}
		}
		for n := first; n <= last; n++ {
			out = append(out, n)
		}
	}
	return out, nil
}

// chosen are the rows to look at; nil = all.
func chosen(only string) ([]int, error) {
	if only == "" {
		return nil, nil
	}
	return numbers(only)
}

// isScreen reports whether a row is shown in a browser.
func isScreen(row int) bool {
	list, err := numbers(screens)
	return err == nil && slices.Contains(list, row)
}

// why says why a row needs no test; "" = it does.
func why(row int) string {
	for _, list := range beside {
		if n, err := numbers(list.rows); err == nil && slices.Contains(n, row) {
			return list.why
		}
	}
	if n, err := numbers(inScope); err == nil && slices.Contains(n, row) || isScreen(row) {
		return ""
	}
	return "not asked for here"
}

var rowLine = regexp.MustCompile(`^\| (\d+) \| ([^|]+) \|`)

// readTitles reads the rows' titles.
func readTitles(page string) (map[int]string, error) {
	f, err := os.Open(page)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	out := map[int]string{}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if m := rowLine.FindStringSubmatch(sc.Text()); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				return nil, err
			}
			out[n] = strings.TrimSpace(m[2])
		}
	}
	return out, sc.Err()
}

// pattern selects the tests of some rows; nil = all.
func pattern(rows []int) string {
	if rows == nil {
		return "^TestRow"
	}
	words := make([]string, len(rows))
	for i, n := range rows {
		words[i] = strconv.Itoa(n)
	}
	return "^Test(Row[0-9]+_)*Row(" + strings.Join(words, "|") + ")_"
}

var rowName = regexp.MustCompile(`Row(\d+)_`)

// rowsOf reads the numbers in the name of a test.
func rowsOf(test string) (out []int) {
	if rows := screenRows(test); rows != nil {
		return rows
	}
	rest, ok := strings.CutPrefix(test, "Test")
	for ok {
		at := rowName.FindStringSubmatchIndex(rest)
		if at == nil || at[0] != 0 {
			break
		}
		if n, err := strconv.Atoi(rest[at[2]:at[3]]); err == nil {
			out = append(out, n)
		}
		rest = rest[at[1]:]
	}
	return out
}
