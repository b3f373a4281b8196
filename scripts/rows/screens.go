package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Rows that are screens are shown by tests of the console in a browser, whose
// names begin with the numbers of their rows: "row 15: …", "row 29 211: …".

const (
	webFolder   = "internal/console/web"
	screenTests = "test/rows.test.mjs"
)

// screenName is how the name of a screen's test begins.
var screenName = regexp.MustCompile(`^row ((?:\d+ )*\d+): `)

// screenRows reads the numbers in the name of a screen's test.
func screenRows(test string) (out []int) {
	m := screenName.FindStringSubmatch(test)
	if m == nil {
		return nil
	}
	for word := range strings.FieldsSeq(m[1]) {
		if n, err := strconv.Atoi(word); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// noBrowser says why screens cannot be tried on this machine; "" = they can.
func noBrowser() string {
	if _, err := exec.LookPath("node"); err != nil {
		return "no Node"
	}
	places := []string{
		os.Getenv("CHROMIUM"), "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome",
	}
	if !slices.ContainsFunc(places, isFile) {
		return "no Chromium"
	}
	for _, built := range []string{"internal/console/static/app/index.html.br", "internal/console/static/app/index.html"} {
		if isFile(built) {
			return ""
		}
	}
	return "the console is not built: make console"
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return name != "" && err == nil && !info.IsDir()
}

// runScreens runs the tests of screens against a program that carries the console.
func runScreens(ctx context.Context, wanted []int) (map[string]*result, error) {
	dir, err := os.MkdirTemp("", "screens")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	program := filepath.Join(dir, "lockstep")
	if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./functions/local").
		CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the program does not build: %w\n%s", err, out)
	}
	args := []string{"--test", "--test-reporter=tap", "--test-timeout=600000"}
	if wanted != nil {
		words := make([]string, len(wanted))
		for i, n := range wanted {
			words[i] = strconv.Itoa(n)
		}
		args = append(args, "--test-name-pattern", `^row ([0-9]+ )*(`+strings.Join(words, "|")+`)[ :]`)
	}
	c := exec.CommandContext(ctx, "node", append(args, screenTests)...)
	c.Dir, c.Stderr = webFolder, os.Stderr
	c.Env = append(os.Environ(), "LOCKSTEP_BINARY="+program)
	out, err := c.Output()
	results := readTap(bytes.NewReader(out))
	if err != nil {
		fmt.Print(string(out))
		err = fmt.Errorf("%s/%s: %w", webFolder, screenTests, err)
	}
	return results, err
}

var tapLine = regexp.MustCompile(`^\s*(not ok|ok) \d+ - (.*?)( # SKIP.*)?$`)

// readTap counts the results of tests that name rows. Those that the pattern
// leaves out are told as skipped, and are none.
func readTap(r io.Reader) map[string]*result {
	out := map[string]*result{}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		m := tapLine.FindStringSubmatch(sc.Text())
		if m == nil || m[3] != "" || screenRows(m[2]) == nil {
			continue
		}
		if m[1] == "ok" {
			out[m[2]] = &result{passed: 1}
		} else {
			out[m[2]] = &result{failed: 1}
		}
	}
	return out
}
