package main

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// packages lists what a lock file installs, bundled packages included.
func packages(dir string) func(context.Context) ([]dependency, error) {
	return func(context.Context) ([]dependency, error) {
		text, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
		if err != nil {
			return nil, err
		}
		return locked(text)
	}
}

func locked(text []byte) ([]dependency, error) {
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
			License string `json:"license"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, err
	}
	var found []dependency
	for path, p := range lock.Packages {
		if path == "" { // our own
			continue
		}
		name := path[strings.LastIndex(path, "node_modules/")+len("node_modules/"):]
		d := dependency{name: name, version: p.Version, licence: p.License}
		if d.licence == "" {
			d.why = "the lock file names no licence"
		}
		found = append(found, d)
	}
	slices.SortFunc(found, func(a, b dependency) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.version, b.version))
	})
	return slices.Compact(found), nil
}
