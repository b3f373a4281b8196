package sqsqueue

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// visibilityTimeout is the queue's own, in seconds: six times the function's.
const visibilityTimeout = 360

// Create makes a queue "<name>.fifo" with a dead-letter queue
// "<name>-dead.fifo" and returns their URLs. It is for tests and local
// stand-ins: a deployment gets its queues from its template. maxReceives is how
// often a message is received before it is a dead letter; 0 =
// queue.DefaultMaxReceives.
func Create(ctx context.Context, client *sqs.Client, name string, maxReceives int) (url, dead string, err error) {
	const op = "sqsqueue: create"
	if maxReceives <= 0 {
		maxReceives = queue.DefaultMaxReceives
	}
	made, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String(name + "-dead.fifo"), Attributes: attributes(int(queue.DeadRetention.Seconds())),
	})
	if err != nil {
		return "", "", awscall.Classify(op, err, true)
	}
	dead = aws.ToString(made.QueueUrl)
	got, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: made.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return "", "", awscall.Classify(op, err, true)
	}
	policy, err := json.Marshal(map[string]any{
		"deadLetterTargetArn": got.Attributes[string(types.QueueAttributeNameQueueArn)], "maxReceiveCount": maxReceives,
	})
	if err != nil {
		return "", "", err
	}
	all := attributes(int(queue.Retention.Seconds()))
	all[string(types.QueueAttributeNameRedrivePolicy)] = string(policy)
	if made, err = client.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String(name + ".fifo"), Attributes: all,
	}); err != nil {
		return "", "", awscall.Classify(op, err, true)
	}
	return aws.ToString(made.QueueUrl), dead, nil
}

// attributes are what both queues need: a template must say the same.
func attributes(retention int) map[string]string {
	return map[string]string{
		string(types.QueueAttributeNameFifoQueue):              "true",
		string(types.QueueAttributeNameDeduplicationScope):     "messageGroup",
		string(types.QueueAttributeNameFifoThroughputLimit):    "perMessageGroupId",
		string(types.QueueAttributeNameVisibilityTimeout):      strconv.Itoa(visibilityTimeout),
		string(types.QueueAttributeNameMessageRetentionPeriod): strconv.Itoa(retention),
		string(types.QueueAttributeNameMaximumMessageSize):     strconv.Itoa(queue.MaxBodyBytes),
	}
}
