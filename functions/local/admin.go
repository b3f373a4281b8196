package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// adminCommand is what an operator does to a stopped program's data folder.
type adminCommand struct {
	Redrive redriveCommand `cmd:"" help:"Send dead letters again: messages that died without a word. The program must be stopped."`
}

type redriveCommand struct {
	Data string `default:"./data" env:"LOCKSTEP_DATA" placeholder:"FOLDER" help:"The data folder (${default})."`
}

// Run sends all dead letters of the folder's queue again.
func (c *redriveCommand) Run(ctx context.Context, w *world) (err error) {
	if err := knownFolder(c.Data); err != nil {
		return err
	}
	a, err := app.Open(ctx, app.Options{DataDir: c.Data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	depth, err := a.Queue.Depth(ctx)
	if err != nil {
		return err
	}
	sent := 0
	if depth.Dead > 0 {
		if sent, err = a.Queue.RedriveDead(ctx, depth.Dead); err != nil {
			return err
		}
	}
	newScreen(w).say("%s dead letters are queued again", number(int64(sent)))
	return nil
}

// knownFolder refuses a folder that holds no data: a mistyped name must not
// make a new one.
func knownFolder(folder string) error {
	if _, err := os.Stat(filepath.Join(folder, sqlitedb.FileName)); err != nil {
		return fault.New("admin: data folder", fault.Invalid, "no_data", folder+" is no data folder of Lockstep; name one with --data")
	}
	return nil
}
