package sqsqueue_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/queuetest"
	"github.com/lockstep-crm/lockstep/internal/queue/sqsqueue"
)

// TestMain lets more cases run side by side than there are cores: they spend
// their time waiting for time-outs.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "24"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestConformance is what sqsqueue has to say as a queue, over fauxqs with its
// deviations mended. The stand-in has a clock of its own: cases wait for real,
// side by side.
func TestConformance(t *testing.T) {
	t.Parallel()
	client := mended(awslocal.SQS(t).Config())
	conformance(t, func(t *testing.T, maxReceives int) (queue.Queue, queuetest.Clock) {
		return open(t, client, maxReceives), nil
	})
}

func conformance(t *testing.T, open queuetest.Open) {
	t.Helper()
	t.Run("all", func(t *testing.T) { // returns when the parallel ones are done
		for name, run := range queuetest.All(open) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t)
			})
		}
	})
	t.Logf("%d cases", queuetest.Cases())
}

var opened atomic.Int64

// open makes an empty queue.
func open(t testing.TB, client *sqs.Client, maxReceives int) *sqsqueue.Queue {
	t.Helper()
	url, dead, err := sqsqueue.Create(t.Context(), client, fmt.Sprintf("lockstep-test-%d-%d", os.Getpid(), opened.Add(1)),
		maxReceives)
	if err != nil {
		t.Fatal(err)
	}
	q, err := sqsqueue.New(client, url, dead, sqsqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestAWS is TestConformance on real queues, which it makes and deletes.
func TestAWS(t *testing.T) {
	if os.Getenv("LOCKSTEP_TEST_AWS") == "" {
		t.Skip("needs an AWS account: make test-aws")
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := sqs.NewFromConfig(cfg)
	conformance(t, func(t *testing.T, maxReceives int) (queue.Queue, queuetest.Clock) {
		name := "lockstep-test-" + strings.ToLower(time.Now().UTC().Format("20060102t150405")) + fmt.Sprint(opened.Add(1))
		url, dead, err := sqsqueue.Create(t.Context(), client, name, maxReceives)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			for _, u := range []string{url, dead} {
				if _, err := client.DeleteQueue(context.WithoutCancel(t.Context()), &sqs.DeleteQueueInput{
					QueueUrl: aws.String(u),
				}); err != nil {
					t.Errorf("queue %s is left behind: %v", u, err)
				}
			}
		})
		q, err := sqsqueue.New(client, url, dead, sqsqueue.Options{Wait: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return q, nil
	})
}
