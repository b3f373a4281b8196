package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/declared"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// appCommand is for documents of apps.
type appCommand struct {
	Validate validateCommand `cmd:"" help:"Check documents of apps: every problem with its line."`
	Test     appTestCommand  `cmd:"" help:"Try a document on a real account: list, create, read, change, clear, find and delete a record of its own."`
}

type validateCommand struct {
	Files []string `arg:"" placeholder:"FILE" help:"Documents, as --app-documents takes them."`
}

// Run checks each file and tells all that is wrong.
func (c *validateCommand) Run(w *world) error {
	var problems []string
	screen := newScreen(w)
	for _, file := range c.Files {
		text, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			problems = append(problems, file+": it cannot be read")
			continue
		}
		d, err := declared.Parse(file, text)
		if err != nil {
			problems = append(problems, message(err))
			continue
		}
		screen.say("%s: %s, %s", file, d.App.Name, strings.Join(slices.Sorted(maps.Keys(d.Objects)), ", "))
	}
	if problems != nil {
		return fault.New("app: validate", fault.Invalid, "invalid_config", strings.Join(problems, "\n"))
	}
	return nil
}
