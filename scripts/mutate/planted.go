package main

import (
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/proof/weave"
)

// plantedText are bugs that a person would write, as weave.Patches reads them: what
// goes wrong, the package and the function, the lines as they are and as they would
// be.
//
//go:embed planted.txt
var plantedText string

// plantedBugs reads them against the sources. One whose lines were changed since
// has to be written anew: until then there is an error.
func plantedBugs(text string) ([]mutant, error) {
	patches, err := weave.Patches(text)
	if err != nil {
		err = fmt.Errorf("planted.txt: %w", err)
	}
	var out []mutant
	for _, p := range patches {
		if len(p.Hunks) != 1 {
			err = errors.Join(err, fmt.Errorf("planted.txt: %s: a bug is in one place", p.Name))
			continue
		}
		h := &p.Hunks[0]
		out = append(out, mutant{
			pkg: "./" + filepath.ToSlash(h.Dir), file: filepath.ToSlash(h.File), line: h.Line, end: h.End, function: p.Name,
			was: h.Was, is: strings.ReplaceAll(h.Is, "planted", "true"), from: h.From, to: h.To, weave: h.Place(),
		})
	}
	return out, err
}
