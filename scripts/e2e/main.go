// Command e2e proves the functions as they are deployed: it runs their
// bootstraps as Lambda runs them, with stand-ins for DynamoDB and SQS and fakes
// as CRMs, kills them at random, and holds what both CRMs end with against what
// was typed into them. Beside it the program with its embedded stores goes
// through the same scenario and has to end with the same people.
//
// It prints what happened and a table of targets, and exits with 1 when one is
// missed: "make e2e".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/e2e"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	missed, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	if missed > 0 {
		_, _ = fmt.Fprintf(os.Stderr, "e2e: %d targets missed\n", missed)
		os.Exit(1)
	}
}

// limit bounds the whole.
const limit = 15 * time.Minute

// outcome is what came of one deployment.
type outcome struct {
	name   string
	result *e2e.Result
	err    error
}

func run(ctx context.Context, args []string, out, log io.Writer) (missed int, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	f := flag.NewFlagSet("e2e", flag.ContinueOnError)
	f.SetOutput(log)
	programs := f.String("programs", "dist/amd64", "folder with <function>/bootstrap")
	rights := f.String("rights", "infra/stack/testdata/rights.txt",
		"file that says what each function's role may do; empty = everything")
	seed := f.Uint64("seed", 1, "of the chance of kills and repetitions")
	var s e2e.Scenario
	f.IntVar(&s.People, "people", 2000, "people in each CRM at first")
	f.IntVar(&s.Edits, "edits", 500, "edits on each side, half by schedule, half by webhook")
	f.IntVar(&s.Newcomers, "newcomers", 20, "people made on each side meanwhile")
	f.IntVar(&s.Poisoned, "poisoned", 2, "records that cannot be read for a while")
	f.Float64Var(&s.Share, "share", 0.1, "of deliveries that are doubled, and as many late")
	f.IntVar(&s.Trouble.Kills, "kills", 20, "instances killed at random")
	f.IntVar(&s.Trouble.Syncs, "sync-kills", 7, "of them, of the function that writes: each holds the run up for 17 s")
	f.IntVar(&s.Trouble.Stalls, "stalls", 1, "instances of it stalled until their time limit")
	service := f.String("queue", "fauxqs", "what stands in for SQS: fauxqs or elasticmq")
	binary := f.String("redrive", "",
		"path of lockstep: after the edits sync has an outage, and lockstep admin redrive brings back what died")
	stack := f.String("stack", "",
		"folder that synth wrote: its template is deployed to ministack instead of running the functions ourselves; "+
			"nothing is killed then")
	if err := f.Parse(args); err != nil {
		return 0, err
	}
	if *stack != "" && (s.Trouble != e2e.Trouble{} || s.Poisoned > 0) {
		return 0, errors.New("-stack goes with -kills 0 -sync-kills 0 -stalls 0 -poisoned 0: the deployed times would " +
			"make it last for hours")
	}
	var account lambdarun.AccountOptions
	switch *service {
	case "fauxqs":
	case "elasticmq":
		account.SQS = awslocal.StartElasticMQ
	default:
		return 0, errors.New("-queue is fauxqs or elasticmq")
	}
	start := time.Now()
	var mu sync.Mutex
	say := func(name string) func(string, ...any) {
		return func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			_, _ = fmt.Fprintf(log, "%-9s %s\n", name, fmt.Sprintf(format, args...))
		}
	}
	var running *e2e.Running
	all := []*outcome{{name: "functions"}}
	if *binary == "" {
		all = append(all, &outcome{name: "embedded"})
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		o, mine := all[0], s
		mine.Say = say(o.name)
		if *binary != "" {
			mine.Outage = func(ctx context.Context, r *e2e.Run) error {
				return running.Outage(func(ctx context.Context) (int, error) { return redrive(ctx, *binary, running.Account) })(ctx,
					r)
			}
		}
		o.result, o.err = mine.Play(ctx, func(ctx context.Context, hosts []string) (e2e.Deployment, error) {
			if *stack != "" {
				return e2e.Stack{Cloud: *stack, Programs: *programs, AllowHosts: hosts}.Open(ctx)
			}
			var err error
			running, err = e2e.Cloud{
				Programs: *programs, AllowHosts: hosts, Account: account, Share: s.Share, Seed: *seed,
				Rights: *rights,
			}.Open(ctx)
			return running, err
		})
	})
	wg.Go(func() {
		if len(all) == 1 {
			return // an outage types what the other run does not
		}
		o, mine := all[1], s
		mine.Say = say(o.name)
		o.result, o.err = mine.Play(ctx, func(ctx context.Context, hosts []string) (e2e.Deployment, error) {
			return e2e.Local{AllowHosts: hosts}.Open(ctx)
		})
	})
	wg.Wait()
	for _, o := range all {
		err = errors.Join(err, o.err)
	}
	if err != nil {
		if running != nil {
			_, _ = fmt.Fprintf(log, "the functions said in the end:\n%s", running.Log())
		}
		return 0, err
	}
	missed, err = report(out, all, time.Since(start))
	if missed > 0 && running != nil {
		_, _ = fmt.Fprintf(log, "the functions said in the end:\n%s", running.Log())
	}
	return missed, err
}

// said is what lockstep admin redrive prints.
var said = regexp.MustCompile(`(?m)^([0-9,]+) dead letters are queued again`)

// redrive has the operator's command move the dead letters of an account's
// queue, and returns how many it says there were.
func redrive(ctx context.Context, binary string, a *lambdarun.Account) (int, error) {
	cmd := exec.CommandContext(ctx, binary, "admin", "redrive", "--queue", a.QueueURL, "--dead-queue", a.DeadURL)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL_SQS="+a.SQS, "AWS_REGION="+awslocal.Region, "AWS_ACCESS_KEY_ID=local",
		"AWS_SECRET_ACCESS_KEY=local", "AWS_CONFIG_FILE="+os.DevNull)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("lockstep admin redrive: %w: %s", err, text)
	}
	n := said.FindSubmatch(text)
	if n == nil {
		return 0, fmt.Errorf("lockstep admin redrive said %q", text)
	}
	return strconv.Atoi(strings.ReplaceAll(string(n[1]), ",", ""))
}

// report prints what happened and the table, and counts the targets missed.
func report(out io.Writer, all []*outcome, took time.Duration) (missed int, err error) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, o := range all {
		_, _ = fmt.Fprintf(w, "\n%s, %.0f s\n", o.name, o.result.Took.Seconds())
		for _, line := range o.result.Happened {
			_, _ = fmt.Fprintf(w, "  %s\n", line)
		}
	}
	_, _ = fmt.Fprintln(w, "\nrun\tfigure\ttarget\tmeasured\tpass")
	line := func(run string, f e2e.Figure) {
		pass := "yes"
		if !f.Pass {
			pass = "NO"
			missed++
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", run, f.Goal, f.Target, f.Measured, pass)
	}
	for _, o := range all {
		for _, f := range o.result.Figures {
			line(o.name, f)
		}
	}
	for i, side := range []string{"left", "right"} {
		if len(all) == 1 {
			break
		}
		a, b := all[0].result.People[i], all[1].result.People[i]
		n := differing(a, b)
		line("both", e2e.Figure{
			Goal: side + ": records of one run that the other has not", Target: "0",
			Measured: fmt.Sprintf("%d of %d", n, len(a)), Pass: n == 0 && len(a) > 0,
		})
	}
	_, _ = fmt.Fprintf(w, "\n%.0f s in all, %d targets missed\n", took.Seconds(), missed)
	return missed, w.Flush()
}

// differing counts the lines of two sorted lists that are in one of them only.
func differing(a, b []string) (n int) {
	for len(a) > 0 && len(b) > 0 {
		switch c := slices.Compare(a[:1], b[:1]); {
		case c == 0:
			a, b = a[1:], b[1:]
		case c < 0:
			a, n = a[1:], n+1
		default:
			b, n = b[1:], n+1
		}
	}
	return n + len(a) + len(b)
}
