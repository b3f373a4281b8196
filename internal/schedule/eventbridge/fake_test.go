package eventbridge_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"github.com/lockstep-crm/lockstep/internal/proof/awslocal/schedulerfake"
)

// fakeScheduler is a scheduler that a client reaches.
type fakeScheduler struct {
	*schedulerfake.Fake
	url string
}

func newFake(t testing.TB) *fakeScheduler {
	t.Helper()
	f := &fakeScheduler{Fake: &schedulerfake.Fake{Group: "syncs"}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fakeScheduler) client() *scheduler.Client {
	return scheduler.New(scheduler.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(f.url),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "fake", SecretAccessKey: "fake"}, nil
		}),
	})
}
