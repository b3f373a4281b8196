package awslocal

import (
	"context"
	"errors"
	"os"
	"testing"
)

// DynamoDB starts a DynamoDB for the length of a test. Where the stand-in is
// not installed the test is skipped, and fails when CI=true.
func DynamoDB(t testing.TB) *Server {
	t.Helper()
	return forTest(t, StartDynamoDB)
}

// SQS starts an SQS for the length of a test. Where the stand-in is not
// installed the test is skipped, and fails when CI=true.
func SQS(t testing.TB) *Server {
	t.Helper()
	return forTest(t, StartSQS)
}

// MovingSQS starts an SQS whose message move tasks work, for the length of a
// test; see StartMovingSQS. Where it is not installed the test is skipped, and
// fails when CI=true.
func MovingSQS(t testing.TB) *Server {
	t.Helper()
	return forTest(t, StartMovingSQS)
}

func forTest(t testing.TB, start func(context.Context) (*Server, error)) *Server {
	t.Helper()
	s, err := start(t.Context())
	if errors.Is(err, ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
