package awslocal_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
)

func TestStandInsAnswerAndEnd(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]struct {
		start func(context.Context) (*awslocal.Server, error)
		ask   func(t *testing.T, s *awslocal.Server) error
	}{
		"dynamodb": {awslocal.StartDynamoDB, func(t *testing.T, s *awslocal.Server) error {
			_, err := dynamodb.NewFromConfig(s.Config()).ListTables(t.Context(), new(dynamodb.ListTablesInput))
			return err
		}},
		"sqs": {awslocal.StartSQS, func(t *testing.T, s *awslocal.Server) error {
			_, err := sqs.NewFromConfig(s.Config()).ListQueues(t.Context(), new(sqs.ListQueuesInput))
			return err
		}},
		"sqs with move tasks": {awslocal.StartMovingSQS, func(t *testing.T, s *awslocal.Server) error {
			_, err := sqs.NewFromConfig(s.Config()).ListQueues(t.Context(), new(sqs.ListQueuesInput))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := start.start(t.Context())
			if errors.Is(err, awslocal.ErrMissing) && os.Getenv("CI") != "true" {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if !strings.HasPrefix(s.Endpoint, "http://127.0.0.1:") {
				t.Errorf("endpoint = %s, want this machine only", s.Endpoint)
			}
			if err := start.ask(t, s); err != nil {
				t.Error(err)
			}
			s.Close()
			s.Close()
			wantNobody(t, s.Endpoint)
		})
	}
}

// TestStandInEndsWithItsStarter: a test binary that is killed leaves nothing behind.
func TestStandInEndsWithItsStarter(t *testing.T) {
	if os.Getenv("AWSLOCAL_CHILD") != "" {
		s := awslocal.DynamoDB(t)
		_, _ = os.Stdout.WriteString("endpoint " + s.Endpoint + "\n")
		select {} // until it is killed
	}
	t.Parallel()
	awslocal.DynamoDB(t) // skips where it is not installed
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^TestStandInEndsWithItsStarter$")
	child.Env = append(os.Environ(), "AWSLOCAL_CHILD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, err := out.Read(b)
	endpoint, found := strings.CutPrefix(strings.TrimSpace(string(b[:n])), "endpoint ")
	if err != nil || !found {
		t.Errorf("child says %q, %v", b[:n], err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if found {
		wantNobody(t, endpoint)
	}
}

func TestMissingStandInIsTold(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("LOCKSTEP_DYNOXIDE", "")
	if _, err := awslocal.StartDynamoDB(t.Context()); !errors.Is(err, awslocal.ErrMissing) {
		t.Errorf("error = %v, want that it is missing", err)
	}
}

// TestProgramThatEndsAtOnce: its words are in the error.
func TestProgramThatEndsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dynoxide")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho no luck today\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOCKSTEP_DYNOXIDE", path)
	if _, err := awslocal.StartDynamoDB(t.Context()); err == nil || !strings.Contains(err.Error(), "no luck today") {
		t.Errorf("error = %v, want the program's words", err)
	}
}

// wantNobody waits until nobody listens any more.
func wantNobody(t *testing.T, endpoint string) {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 250 {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			return
		}
		_ = conn.Close()
		<-tick.C
	}
	t.Errorf("somebody still listens at %s", endpoint)
}
