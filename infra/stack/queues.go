package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

const (
	// syncTimeout is how long one invocation of sync may take, in seconds: a
	// hundred records at an app that takes its full time for each call (ADR 10).
	syncTimeout = 300
	// visibility hides a message for six times that, as AWS recommends for
	// event sources: throttled deliveries are not delivered twice (P1).
	visibility = 6 * syncTimeout
	// receiveCap is two above the engine's own cap of ten: at its tenth receive
	// the engine buries a chunk itself, with the reason, where its owner sees it.
	// The queue only takes what died twice more without a word.
	receiveCap = 12
	// sourceDays is shorter than deadDays, so that a letter never expires in the
	// dead-letter queue before it would have in the queue it came from (P2).
	sourceDays = 4
	deadDays   = 14
	// largest message, in bytes: internal/queue counts on it.
	messageSize = 1 << 20
)

// queues are the change queue, its dead letters, and what a schedule or an
// asynchronous invocation could not deliver.
func (s *Stack) queues() {
	s.dead = awssqs.NewQueue(s.stack, jsii.String("DeadLetters"), &awssqs.QueueProps{
		QueueName:           jsii.String(s.config.Name("dead") + ".fifo"),
		Fifo:                jsii.Bool(true),
		DeduplicationScope:  awssqs.DeduplicationScope_MESSAGE_GROUP,
		FifoThroughputLimit: awssqs.FifoThroughputLimit_PER_MESSAGE_GROUP_ID,
		VisibilityTimeout:   awscdk.Duration_Seconds(jsii.Number(visibility)),
		MaxMessageSizeBytes: jsii.Number(messageSize),
		RetentionPeriod:     awscdk.Duration_Days(jsii.Number(deadDays)),
		Encryption:          awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:          jsii.Bool(true),
		RemovalPolicy:       s.config.removal(),
	})
	s.changes = awssqs.NewQueue(s.stack, jsii.String("Changes"), &awssqs.QueueProps{
		QueueName: jsii.String(s.config.Name("changes") + ".fifo"),
		Fifo:      jsii.Bool(true),
		// High throughput: limits and de-duplication hold per message group.
		DeduplicationScope:  awssqs.DeduplicationScope_MESSAGE_GROUP,
		FifoThroughputLimit: awssqs.FifoThroughputLimit_PER_MESSAGE_GROUP_ID,
		VisibilityTimeout:   awscdk.Duration_Seconds(jsii.Number(visibility)),
		MaxMessageSizeBytes: jsii.Number(messageSize),
		RetentionPeriod:     awscdk.Duration_Days(jsii.Number(sourceDays)),
		DeadLetterQueue:     &awssqs.DeadLetterQueue{Queue: s.dead, MaxReceiveCount: jsii.Number(receiveCap)},
		Encryption:          awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:          jsii.Bool(true),
		RemovalPolicy:       s.config.removal(),
	})
	s.undelivered = awssqs.NewQueue(s.stack, jsii.String("Undelivered"), &awssqs.QueueProps{
		QueueName:       jsii.String(s.config.Name("undelivered")),
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(deadDays)),
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
		RemovalPolicy:   awscdk.RemovalPolicy_DESTROY, // schedules fire again: nothing in it is lost work
	})
}
