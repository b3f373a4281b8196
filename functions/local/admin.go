package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqsqueue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// adminCommand is what an operator does to a program's data folder, to a
// deployment's queue, or with a server's audit trail.
type adminCommand struct {
	Audit      auditCommand      `cmd:"" help:"The trail of who changed which setting."`
	Backup     backupCommand     `cmd:"" help:"Copy a data folder, keys included, into a new folder, also while the program runs; the copy is checked, and can be started on."`
	Redrive    redriveCommand    `cmd:"" help:"Send dead letters again: messages that died without a word. Of a data folder, whose program must be stopped, or of a queue in AWS."`
	NewRootKey newRootKeyCommand `cmd:"" name:"new-root-key" help:"Make a new root key in place of one that is lost. Credentials have to be entered again."`
}

type backupCommand struct {
	Data string `default:"./data" env:"LOCKSTEP_DATA" placeholder:"FOLDER" help:"The data folder (${default})."`
	To   string `required:"" placeholder:"FOLDER" help:"The folder to make; it must not be there."`
}

// Run makes the copy.
func (c *backupCommand) Run(ctx context.Context, w *world) error {
	if err := knownFolder(c.Data); err != nil {
		return err
	}
	if err := app.Backup(ctx, c.Data, c.To); err != nil {
		return err
	}
	newScreen(w).say("%s is a copy of %s, keys included, and opens: lockstep serve --data %s goes on from it", c.To,
		c.Data, c.To)
	return nil
}

type newRootKeyCommand struct {
	Data string `default:"./data" env:"LOCKSTEP_DATA" placeholder:"FOLDER" help:"The data folder (${default}) of a stopped program."`
}

// Run makes the key.
func (c *newRootKeyCommand) Run(ctx context.Context, w *world) error {
	if err := knownFolder(c.Data); err != nil {
		return err
	}
	if err := app.NewRootKey(ctx, c.Data); err != nil {
		return err
	}
	newScreen(w).say("%s has a new root key: enter the credentials of every account again", c.Data)
	return nil
}

type redriveCommand struct {
	Data  string `default:"./data" env:"LOCKSTEP_DATA" placeholder:"FOLDER" help:"The data folder (${default})."`
	Queue string `placeholder:"URL" help:"Instead of a folder: the change queue of a deployment, with credentials and region as the AWS tools find them."`
	Dead  string `name:"dead-queue" placeholder:"URL" help:"Its dead-letter queue."`
}

// Run sends all dead letters again.
func (c *redriveCommand) Run(ctx context.Context, w *world) (err error) {
	open := c.folder
	if c.Queue != "" || c.Dead != "" {
		open = c.deployed
	}
	q, done, err := open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	depth, err := q.Depth(ctx)
	if err != nil {
		return err
	}
	sent := 0
	if depth.Dead > 0 {
		if sent, err = q.RedriveDead(ctx, depth.Dead); err != nil {
			return err
		}
	}
	newScreen(w).say("%s dead letters are queued again", number(int64(sent)))
	return nil
}

// folder is the queue of a data folder.
func (c *redriveCommand) folder(ctx context.Context) (queue.Queue, func() error, error) {
	if err := knownFolder(c.Data); err != nil {
		return nil, nil, err
	}
	a, err := app.Open(ctx, app.Options{DataDir: c.Data})
	if err != nil {
		return nil, nil, err
	}
	return a.Queue, a.Close, nil
}

// deployed is the queue of a deployment.
func (c *redriveCommand) deployed(ctx context.Context) (queue.Queue, func() error, error) {
	const op = "admin: open the queue"
	if c.Queue == "" || c.Dead == "" {
		return nil, nil, fault.New(op, fault.Invalid, "invalid_config",
			"--queue and --dead-queue go together: the URLs of the change queue and of its dead-letter queue")
	}
	cfg, err := sdkConfig(ctx, op)
	if err != nil {
		return nil, nil, err
	}
	q, err := sqsqueue.New(sqs.NewFromConfig(cfg), c.Queue, c.Dead, sqsqueue.Options{})
	return q, func() error { return nil }, err
}

// knownFolder refuses a folder that holds no data: a mistyped name must not
// make a new one.
func knownFolder(folder string) error {
	if _, err := os.Stat(filepath.Join(folder, sqlitedb.FileName)); err != nil {
		return fault.New("admin: data folder", fault.Invalid, "no_data",
			folder+" is no data folder of Lockstep; name one with --data")
	}
	return nil
}
