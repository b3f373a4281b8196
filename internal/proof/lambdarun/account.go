package lambdarun

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/proof/awslocal/schedulerfake"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqsqueue"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

// Account is what the functions find in an account of AWS: empty tables, the
// change queue with its dead-letter queue, a key, and the operator's key as a
// parameter. All of it runs here and is gone after Close.
type Account struct {
	Env       []string // for functions; see internal/app/cloud for the variables
	Store     store.Store
	Queue     queue.Queue
	Services  *Services
	Schedules *schedulerfake.Fake
	AdminKey  string

	SQS      string // endpoint of the queue's service
	QueueURL string
	DeadURL  string // of its dead-letter queue

	queues  *sqs.Client
	closers []func()
}

// AccountOptions say what an Account is made of. The zero value is what
// OpenAccount makes.
type AccountOptions struct {
	SQS func(context.Context) (*awslocal.Server, error) // nil = awslocal.StartSQS
	// SQS returns a server that other accounts use, too: the account has queues of its
	// own there, and deletes them at its end.
	SharedSQS bool
	// of a message before it is a dead letter; 0 = queue.DefaultMaxReceives
	MaxReceives int
}

const keyARN = "arn:aws:kms:" + region + ":000000000000:key/00000000-0000-4000-8000-000000000000"

// OpenAccount starts the stand-ins. awslocal.ErrMissing when one of them is not
// installed. The caller closes the account.
func OpenAccount(ctx context.Context) (*Account, error) { return AccountOptions{}.Open(ctx) }

// Open is OpenAccount with options.
func (o AccountOptions) Open(ctx context.Context) (_ *Account, err error) {
	if o.SQS == nil {
		o.SQS = awslocal.StartSQS
	}
	a := &Account{AdminKey: "local-" + newID()}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	db, err := awslocal.StartDynamoDB(ctx)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, db.Close)
	mq, err := o.SQS(ctx)
	if err != nil {
		return nil, err
	}
	if !o.SharedSQS {
		a.closers = append(a.closers, mq.Close)
	}
	tables, err := dynamostore.CreateTables(ctx, dynamodb.NewFromConfig(db.Config()), "lockstep-")
	if err != nil {
		return nil, err
	}
	if a.Store, err = dynamostore.New(dynamodb.NewFromConfig(db.Config()), tables, time.Now,
		dynamostore.Options{}); err != nil {
		return nil, err
	}
	client := sqs.NewFromConfig(mq.Config())
	url, dead, err := sqsqueue.Create(ctx, client, "changes-"+newID(), o.MaxReceives)
	if err != nil {
		return nil, err
	}
	if o.SharedSQS {
		a.closers = append(a.closers, func() {
			for _, u := range []string{url, dead} { // what is left of them dies with the server
				_, _ = client.DeleteQueue(context.WithoutCancel(ctx), &sqs.DeleteQueueInput{QueueUrl: &u})
			}
		})
	}
	if a.Queue, err = sqsqueue.New(client, url, dead, sqsqueue.Options{}); err != nil {
		return nil, err
	}
	a.SQS, a.QueueURL, a.DeadURL, a.queues = mq.Endpoint, url, dead, client
	services, err := a.serve(ctx)
	if err != nil {
		return nil, err
	}
	a.Schedules = &schedulerfake.Fake{Group: "lockstep-local-syncs"}
	clock, stop, err := Serve(ctx, a.Schedules)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, stop)
	a.Env = []string{
		"AWS_ENDPOINT_URL_DYNAMODB=" + db.Endpoint, "AWS_ENDPOINT_URL_SQS=" + mq.Endpoint,
		"AWS_ENDPOINT_URL_KMS=" + services, "AWS_ENDPOINT_URL_SSM=" + services, "AWS_ENDPOINT_URL_SCHEDULER=" + clock,
		"LOCKSTEP_SETTINGS_TABLE=" + tables[store.Settings], "LOCKSTEP_LINKS_TABLE=" + tables[store.Links],
		"LOCKSTEP_LOG_TABLE=" + tables[store.Log],
		"LOCKSTEP_QUEUE_URL=" + url, "LOCKSTEP_DEAD_QUEUE_URL=" + dead, "LOCKSTEP_KEY_ID=" + keyARN, "LOCKSTEP_STAGE=local",
		"LOCKSTEP_ADMIN_KEY_PARAMETER=" + adminParameter,
		"LOCKSTEP_SCHEDULE_GROUP=" + a.Schedules.Group,
		"LOCKSTEP_SCHEDULE_ROLE_ARN=arn:aws:iam::000000000000:role/lockstep-local-schedule",
		"LOCKSTEP_PULL_FUNCTION_ARN=arn:aws:lambda:" + region + ":000000000000:function:lockstep-pull",
		"LOCKSTEP_UNDELIVERED_QUEUE_ARN=arn:aws:sqs:" + region + ":000000000000:undelivered",
	}
	return a, nil
}

// SetMaxReceives changes after how many receives a message becomes a dead
// letter, as an operator may.
func (a *Account) SetMaxReceives(ctx context.Context, n int) error {
	arn, err := a.queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(a.DeadURL), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return err
	}
	policy, err := json.Marshal(map[string]any{
		"deadLetterTargetArn": arn.Attributes[string(types.QueueAttributeNameQueueArn)], "maxReceiveCount": n,
	})
	if err != nil {
		return err
	}
	_, err = a.queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(a.QueueURL), Attributes: map[string]string{
			string(types.QueueAttributeNameRedrivePolicy): string(policy),
		},
	})
	return err
}

const adminParameter = "/lockstep/local/admin-key"

// serve starts the stand-ins for KMS and the parameters, and returns their address.
func (a *Account) serve(ctx context.Context) (string, error) {
	a.Services = &Services{KeyID: keyARN, Parameters: map[string]string{adminParameter: a.AdminKey}}
	url, stop, err := Serve(ctx, a.Services)
	if err == nil {
		a.closers = append(a.closers, stop)
	}
	return url, err
}

// Close stops everything, the last started first.
func (a *Account) Close() {
	for len(a.closers) > 0 {
		n := len(a.closers) - 1
		a.closers[n]()
		a.closers = a.closers[:n]
	}
}

// Serve serves h on a free port of 127.0.0.1 until stop is called, which cuts
// off what is under way.
func Serve(ctx context.Context, h http.Handler) (url string, stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: initTime}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // a listener of our own does not fail by itself
		}
	}()
	return "http://" + l.Addr().String(), func() {
		_ = s.Close()
		<-ended
	}, nil
}
