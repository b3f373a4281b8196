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
	Missing(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Missing skips a test for which a stand-in is not installed; with CI=true it
// fails. Any other error, or none, is left to the caller.
func Missing(t testing.TB, err error) {
	t.Helper()
	switch {
	case !errors.Is(err, ErrMissing):
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}
