package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// modules lists the modules that the packages of a module are built from, its
// own apart. What a go.mod names beyond those is compiled by nobody.
func modules(dir string, args ...string) func(context.Context) ([]dependency, error) {
	return func(ctx context.Context) ([]dependency, error) {
		const format = `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}`
		cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-C", dir, "-deps", "-f", format}, args...)...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w: %s", err, said.String())
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		slices.Sort(lines)
		var found []dependency
		for _, line := range slices.Compact(lines) {
			name, rest, _ := strings.Cut(line, " ")
			version, folder, _ := strings.Cut(rest, " ")
			if name == "" {
				continue
			}
			d := dependency{name: name, version: version}
			d.licence, d.why = licenceIn(folder, name)
			found = append(found, d)
		}
		return found, nil
	}
}

// told are files that the scanner does not know, with what a person read there:
// the start of their SHA-256, so that another text has to be read again.
var told = map[string]struct{ sum, licence string }{
	// says which of the two other files is for what
	"github.com/aws/aws-lambda-go/LICENSE-SUMMARY": {"00c31061d11a", "Apache-2.0"},
	// Go (BSD-3-Clause), musl, go-netdb, nixpkgs (MIT)
	"modernc.org/libc/LICENSE-3RD-PARTY.md": {"f597097efe3d", "BSD-3-Clause AND MIT"},
	// where the picture of the page comes from
	"modernc.org/memory/LICENSE-LOGO":   {"5ae5bee3072a", "Apache-2.0"},
	"modernc.org/sqlite/LICENSE-SQLITE": {"8438c9c89b84", "Unlicense"}, // public domain
	// or Unlicense: both are beside it
	"github.com/alecthomas/go-check-sumtype/COPYING": {"01c266bced4a", "MIT"},
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-._].*)?$`)

// least is the part of a licence file, in per cent, that has to be text of
// licences that are known.
const least = 75

// licenceIn reads the licence files of a module. Those of several files, and
// several in one file, hold together. A module that has none may have them one
// folder down, beside the sources.
func licenceIn(dir, module string) (licence, why string) {
	files, err := licenceFiles(dir, "")
	if err != nil {
		return "", "the module cannot be read: " + err.Error()
	}
	if len(files) == 0 {
		return "", "there is no licence file"
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return "", err.Error()
		}
		sum := sha256.Sum256(text)
		if known, ok := told[path.Join(module, file)]; ok && known.sum == hex.EncodeToString(sum[:6]) {
			all = append(all, strings.Split(known.licence, " AND ")...)
			continue
		}
		found, err := licencesOf(text)
		if err != nil {
			return "", fmt.Sprintf("%s (%x): %v", file, sum[:6], err)
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " AND "), ""
}

func licenceFiles(dir, under string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, under))
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && licenceFile.MatchString(e.Name()) && filepath.Ext(e.Name()) != ".go" {
			files = append(files, path.Join(under, e.Name()))
		}
	}
	for _, e := range entries {
		if len(files) > 0 || under != "" {
			break
		}
		if e.IsDir() {
			if files, err = licenceFiles(dir, e.Name()); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

func licencesOf(text []byte) ([]string, error) {
	cov := licensecheck.Scan(text)
	if cov.Percent < least {
		return nil, fmt.Errorf("only %.0f %% of it is the text of known licences", cov.Percent)
	}
	var out []string
	for _, m := range cov.Match {
		if !m.IsURL {
			out = append(out, m.ID)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it holds links to licences only")
	}
	return out, nil
}
