// Command invoke runs the real bootstrap of a function on this machine and
// hands it one event, as Lambda would: "make invoke FN=webhook
// EVENT=events/webhook-check.json". Tables, queue and keys are stand-ins,
// empty at the start and gone at the end. The answer goes to standard output,
// the function's log to standard error.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "invoke:", err)
		os.Exit(1) //nolint:gocritic // the signal's handler ends with the process
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	f := flag.NewFlagSet("invoke", flag.ContinueOnError)
	f.SetOutput(log)
	program := f.String("program", "", "path of the bootstrap")
	name := f.String("name", "lockstep", "name of the function in its log")
	event := f.String("event", "", "file with the event")
	timeout := f.Duration("timeout", time.Minute, "time limit of the invocation")
	times := f.Int("times", 1, "how often the event is handed in")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *program == "" || *event == "" || *times < 1 {
		return errors.New("-program and -event are required: make invoke FN=webhook EVENT=events/webhook-check.json")
	}
	payload, err := os.ReadFile(*event)
	if err != nil {
		return err
	}
	account, err := lambdarun.OpenAccount(ctx)
	if err != nil {
		return err
	}
	defer account.Close()
	payload = bytes.ReplaceAll(payload, []byte("API_KEY"), []byte(account.AdminKey)) // as in the samples
	function := lambdarun.New(lambdarun.Options{
		Name: *name, Program: *program, Timeout: *timeout, Log: log,
		Env: append(account.Env, "LOCKSTEP_PUBLIC_URL=https://hooks.example.com"),
	})
	defer function.Close()
	for range *times {
		start := time.Now()
		answer, err := function.Invoke(ctx, payload)
		_, _ = fmt.Fprintf(log, "invoke: %s after %s\n", *name, time.Since(start).Round(100*time.Microsecond))
		if err != nil {
			return err
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, answer, "", "  "); err != nil {
			pretty.Reset()
			pretty.Write(answer)
		}
		if _, err := fmt.Fprintln(out, pretty.String()); err != nil {
			return err
		}
	}
	return nil
}
