package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// role is the one role of a function, with all that it may do.
func (s *Stack) role(spec *functionSpec, group awslogs.LogGroup) awsiam.Role {
	statements := []awsiam.PolicyStatement{
		// the ARN ends in ":*", its streams
		allow("Logs", []string{"logs:CreateLogStream", "logs:PutLogEvents"}, group.LogGroupArn()),
		// X-Ray knows no resources.
		allow("Traces", []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords"}, jsii.String("*")),
		s.tableKey(),
	}
	more := func(st ...awsiam.PolicyStatement) { statements = append(statements, st...) }
	if spec.async {
		more(allow("Undelivered", []string{"sqs:SendMessage"}, s.undelivered.QueueArn()))
	}
	more(s.items(spec.name)...)
	more(s.secrets(spec.name)...)
	switch spec.name {
	case webhook, pull:
		more(s.send(), s.depth())
	case sync: // never sends to the queue that triggers it (P6)
		more(allow("Work", []string{
			"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes",
		}, s.changes.QueueArn()))
	case api:
		more(s.send(), s.depth())
		more(s.changeSchedules()...)
		more(allow("AdminKey", []string{"ssm:GetParameter"}, s.arn("ssm", "parameter"+s.config.AdminKeyParameter)))
	case keeper:
		more(s.depth())
		more(s.changeSchedules()...)
		// A list is of the account; the group is a filter of the request.
		more(allow("ListSchedules", []string{"scheduler:ListSchedules"}, jsii.String("*")))
	}
	return awsiam.NewRole(s.stack, jsii.String(spec.id+"Role"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		Description: jsii.String("Lockstep " + s.config.Stage + ": what " + spec.name + " may do"),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"access": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
}

func allow(sid string, actions []string, resources ...*string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String(sid), Actions: jsii.Strings(actions...), Resources: &resources,
	})
}

// arn is an address in this account and region.
func (s *Stack) arn(service, resource string) *string {
	return jsii.String("arn:" + *awscdk.Aws_PARTITION() + ":" + service + ":" + *s.stack.Region() + ":" +
		*s.stack.Account() + ":" + resource)
}

func indexARN(t awsdynamodb.Table) *string { return jsii.String(*t.TableArn() + "/index/" + indexName) }

// tableKey lets DynamoDB use the key on behalf of the function, and nobody else.
func (s *Stack) tableKey() awsiam.PolicyStatement {
	st := allow("TableKey", []string{
		"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey",
	}, s.key.KeyArn())
	st.AddCondition(jsii.String("StringEquals"), map[string]any{
		"kms:ViaService": "dynamodb." + *s.stack.Region() + ".amazonaws.com",
	})
	return st
}

// secretContext is what every secret is bound to, beside where it belongs; see
// internal/secret/kmskey. With it the key opens nothing but secrets of ours.
const secretContext = "secret"

// openedBy and sealedBy are the purposes of secrets (internal/account) that a
// function opens and seals. Who hears apps needs what they sign with, and knows whom it must not keep; who calls
// them, what they are logged in by; keeper calls no app, and signs what it tells of.
var (
	everyPurpose = []string{
		"credential", "oauth_grant", "oauth_client", "oauth_state", "webhook_token", "erasure",
		"alert_webhook",
	}
	openedBy = map[string][]string{
		webhook: {"credential", "oauth_client", "erasure"},
		pull:    {"credential", "oauth_grant", "oauth_client", "erasure"},
		sync:    {"credential", "oauth_grant", "oauth_client", "erasure"},
		api:     everyPurpose,
		keeper:  {"alert_webhook"},
	}
	sealedBy = map[string][]string{
		pull: {"oauth_grant", "erasure"},
		sync: {"oauth_grant", "erasure"},
		api:  everyPurpose,
	}
)

// secrets are the two sides of the envelope.
func (s *Stack) secrets(function string) []awsiam.PolicyStatement {
	var out []awsiam.PolicyStatement
	for _, side := range []struct {
		sid, action string
		purposes    []string
	}{{"OpenSecrets", "kms:Decrypt", openedBy[function]}, {"SealSecrets", "kms:GenerateDataKey", sealedBy[function]}} {
		if side.purposes == nil {
			continue
		}
		st := allow(side.sid, []string{side.action}, s.key.KeyArn())
		st.AddCondition(jsii.String("StringEquals"), map[string]any{
			"kms:EncryptionContext:lockstep": secretContext, "kms:EncryptionContext:purpose": side.purposes,
		})
		out = append(out, st)
	}
	return out
}

func (s *Stack) send() awsiam.PolicyStatement {
	return allow("Send", []string{"sqs:SendMessage"}, s.changes.QueueArn())
}

func (s *Stack) depth() awsiam.PolicyStatement {
	return allow("Depth", []string{"sqs:GetQueueAttributes"}, queueARNs(s.changes, s.dead)...)
}

func queueARNs(qs ...awssqs.Queue) []*string {
	var arns []*string
	for _, q := range qs {
		arns = append(arns, q.QueueArn())
	}
	return arns
}

// changeSchedules allows to make, change and remove the schedules of syncs,
// which have their IDs in their names, and to hand them their role.
func (s *Stack) changeSchedules() []awsiam.PolicyStatement {
	pass := allow("PassScheduleRole", []string{"iam:PassRole"}, s.scheduleRole.RoleArn())
	pass.AddCondition(jsii.String("StringEquals"), map[string]any{"iam:PassedToService": "scheduler.amazonaws.com"})
	return []awsiam.PolicyStatement{
		allow("Schedules", []string{
			"scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule",
			"scheduler:GetSchedule",
		},
			s.arn("scheduler", "schedule/"+s.config.Name("syncs")+"/*")),
		pass,
	}
}
