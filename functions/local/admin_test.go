package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqsqueue"
)

// TestRedrive: a message that died without a word is queued again, once; a
// folder without data is refused and not made.
//
// Not parallel: a process that another test forks has our lock, too, until it
// has become the program.
func TestRedrive(t *testing.T) { //nolint:paralleltest // see above
	dir := t.TempDir()
	now := time.Now()
	a, err := app.Open(t.Context(), app.Options{DataDir: dir, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if errs := a.Queue.Send(t.Context(), []queue.Message{
		{Group: "g", Dedup: "d", Body: []byte("not one of ours")},
	}); errs != nil {
		t.Fatal(errs)
	}
	for range queue.DefaultMaxReceives + 1 {
		if _, err := a.Queue.Receive(t.Context(), 1, time.Second); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Second)
	}
	if d, err := a.Queue.Depth(t.Context()); err != nil || d.Dead != 1 {
		t.Fatalf("%d dead letters, %v; want 1", d.Dead, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 dead letters", "0 dead letters"} {
		out, code := said(t, "admin", "redrive", "--data", dir)
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("code %d, said %q; want %q", code, out, want)
		}
	}
	missing := filepath.Join(dir, "missing")
	if out, code := said(t, "admin", "redrive", "--data", missing); code != 2 ||
		!strings.Contains(out, "is no data folder") {
		t.Errorf("code %d, said %q about a folder that is not there", code, out)
	}
	if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

// TestRedriveDeployed: the same for a queue in AWS, found as the AWS tools find
// it: by a message move task where the service has them, letter by letter where
// not. A setting that is missing is named.
func TestRedriveDeployed(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "local")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	for name, tt := range map[string]struct {
		server *awslocal.Server
		task   bool // a message move task did it
	}{
		"with move tasks":    {awslocal.MovingSQS(t), true},
		"without move tasks": {awslocal.SQS(t), false},
	} {
		t.Setenv("AWS_ENDPOINT_URL_SQS", tt.server.Endpoint)
		t.Setenv("AWS_REGION", awslocal.Region)
		client := sqs.NewFromConfig(tt.server.Config())
		url, dead, err := sqsqueue.Create(t.Context(), client, "changes", 1)
		if err != nil {
			t.Fatal(err)
		}
		q, err := sqsqueue.New(client, url, dead, sqsqueue.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if errs := q.Send(t.Context(), []queue.Message{
			{Group: "g", Dedup: "d", Body: []byte("not one of ours")},
		}); errs != nil {
			t.Fatal(errs)
		}
		for range 2 { // the second look finds that it was received often enough
			if _, err := q.Receive(t.Context(), 1, 0); err != nil {
				t.Fatal(err)
			}
		}
		if d, err := q.Depth(t.Context()); err != nil || d.Dead != 1 {
			t.Fatalf("%s: %d dead letters, %v; want 1", name, d.Dead, err)
		}
		for _, want := range []string{"1 dead letters", "0 dead letters"} {
			out, code := said(t, "admin", "redrive", "--queue", url, "--dead-queue", dead)
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("%s: code %d, said %q; want %q", name, code, out, want)
			}
		}
		if d, err := q.Depth(t.Context()); err != nil || d.Visible != 1 || d.Dead != 0 {
			t.Errorf("%s: the queue holds %+v, %v; want the message visible again", name, d, err)
		}
		if moved := movedByTask(t, client, dead); moved != tt.task {
			t.Errorf("%s: moved by a task: %t, want %t", name, moved, tt.task)
		}
		if out, code := said(t, "admin", "redrive", "--queue", url); code != 2 || !strings.Contains(out, "--dead-queue") {
			t.Errorf("code %d, said %q about a queue without its dead-letter queue", code, out)
		}
		t.Setenv("AWS_REGION", "")
		t.Setenv("AWS_DEFAULT_REGION", "")
		if out, code := said(t, "admin", "redrive", "--queue", url, "--dead-queue", dead); code != 2 ||
			!strings.Contains(out, "AWS_REGION") {
			t.Errorf("code %d, said %q without a region", code, out)
		}
	}
}

// movedByTask reports whether a move task moved one dead letter.
func movedByTask(t *testing.T, client *sqs.Client, dead string) bool {
	t.Helper()
	q, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &dead, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	arn := q.Attributes[string(types.QueueAttributeNameQueueArn)]
	tasks, err := client.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &arn})
	return err == nil && len(tasks.Results) == 1 && tasks.Results[0].ApproximateNumberOfMessagesMoved == 1
}

// said runs a command line and returns all that it printed.
func said(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	code := run(t.Context(), args, &world{out: &out, err: &out, env: func(string) string { return "" }})
	return out.String(), code
}

// TestBackupCommand copies the folder of a program that runs, and refuses what is
// no data folder, or a copy over another.
func TestBackupCommand(t *testing.T) { //nolint:paralleltest // as TestRedrive
	dir, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	a, err := app.Open(t.Context(), app.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }() // nothing was written that could be lost
	for _, c := range []struct {
		data, want string
		code       int
	}{
		{t.TempDir(), "is no data folder", 2}, {dir, "is a copy of", 0}, {dir, "is there already", 2},
	} {
		if out, code := said(t, "admin", "backup", "--data", c.data, "--to", to); code != c.code ||
			!strings.Contains(out, c.want) {
			t.Errorf("exit code %d, said %q; want %d and %q", code, out, c.code, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(to, app.RootKeyFile)); err != nil {
		t.Error(err)
	}
}
