// Command lockstep is Lockstep whole on one machine: everything that runs in
// the cloud in one process, on embedded storage or the cloud's own, with fake
// CRMs to try it on.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// version is set by the linker for releases.
var version = "dev"

const description = `Keeps the people of two CRM accounts in step, both ways, and can say why it did what it did.

Start with "lockstep demo". Settings are flags or, where named, environment variables; LOCKSTEP_ADMIN_KEY holds the
admin's API key (16 to 512 characters) and has no flag, because the arguments of a process can be read by others.
Without it a key is generated at the first start, printed once, and kept in the data folder.`

// commands is the command line.
type commands struct {
	Serve serveCommand `cmd:"" help:"Run Lockstep on a data folder, with real apps."`
	Demo  demoCommand  `cmd:"" help:"Show it: two fake CRMs with made-up people, kept in step until Ctrl-C."`
	Fake  fakeCommand  `cmd:"" help:"Run one fake CRM."`
	App   appCommand   `cmd:"" help:"Documents of apps."`

	Connect connectCommand `cmd:"" help:"Make a connection of a preset between two accounts of a server."`

	Validate connectionsValidate `cmd:"" help:"Check connections in files against a server: every problem with its place."`
	Plan     connectionsPlan     `cmd:"" help:"Say what applying files would change on a server, and what that touches. Exit code 0: nothing, 2: changes, 1: failed."`
	Apply    connectionsApply    `cmd:"" help:"Make the connections of a server like their files. Exit code 0: nothing to do, 2: changed, 1: failed."`
	Export   connectionsExport   `cmd:"" help:"Write connections of a server as files."`

	Admin adminCommand `cmd:"" help:"What an operator does: to a data folder, to the queue of a deployment, with the audit trail of a server."`
	Sim   simCommand   `cmd:"" help:"Prove it: the engine in a world of faults, crashes and users, seed by seed."`

	Version kong.VersionFlag `help:"Print the version."`
}

// world is what the program meets: handed in, so that tests can stand in for it.
type world struct {
	out, err io.Writer
	env      func(string) string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once; nothing is lost by that.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], &world{out: os.Stdout, err: os.Stderr, env: os.Getenv}))
}

// run carries out one command line and returns the exit code: 0, 1 for a
// failure, 2 for a command line or setting that cannot be used. For commands
// about connections in files 2 means changes, and every failure is 1.
func run(ctx context.Context, args []string, w *world) int {
	var c commands
	exit := -1
	parser, err := kong.New(&c, kong.Name("lockstep"), kong.Description(description), kong.Vars{
		"version": version, "apps": appNames(), "credentials": credentialsHelp,
	},
		kong.Writers(w.out, w.err), kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(w))
	if err != nil {
		return failed(w, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // --help and --version have said what there is to say
		return exit
	}
	files := slices.Contains(filesOnly, args[0])
	if err != nil {
		_, _ = fmt.Fprintf(w.err, "lockstep: %v\nlockstep --help lists commands and flags\n", err)
		if files {
			return exitFailed
		}
		return 2
	}
	err = parsed.Run()
	switch {
	case err == nil:
		return exitNothing
	case errors.Is(err, errChanges):
		return exitChanges
	case files:
		_ = failed(w, err) // its code is another one here
		return exitFailed
	}
	return failed(w, err)
}

// message is what is wrong and what to do, without the trail of the program's parts.
func message(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Message != "" {
		return f.Message
	}
	return err.Error()
}

// failed prints an error as its reader needs it: what is wrong and what to do,
// without the trail of the program's own parts.
func failed(w *world, err error) int {
	for line := range strings.Lines(message(err)) {
		_, _ = fmt.Fprintf(w.err, "lockstep: %s\n", strings.TrimSuffix(line, "\n"))
	}
	if fault.Is(err, fault.Invalid) {
		return 2
	}
	return 1
}
