// Command account runs another program with stand-ins for AWS behind it: tables,
// queue, key and schedules, empty at the start and gone at the end.
//
//	go run ./scripts/account bin/lockstep serve --store dynamo
//
// The program finds them by the variables that the deployed functions have. It
// ends when the program does, with its exit code; a signal to end is handed on.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(max(1, exit.ExitCode()))
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "account:", err)
		os.Exit(1)
	}
}

// patience is how long the program may take to end before it is killed.
const patience = 10 * time.Second

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("name the program to run")
	}
	account, err := lambdarun.OpenAccount(context.WithoutCancel(ctx)) // outlives the signal, for the program's last words
	if err != nil {
		return err
	}
	defer account.Close()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal to the group is handed on once, by us
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(),
		"AWS_REGION="+awslocal.Region, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_SESSION_TOKEN=",
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	cmd.Env = append(cmd.Env, account.Env...)
	err = cmd.Run()
	if ctx.Err() != nil && cmd.ProcessState != nil && cmd.ProcessState.Success() {
		return nil // it ended as it was told
	}
	return err
}
