package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Stack is one stage of Lockstep.
type Stack struct {
	config *Config
	stack  awscdk.Stack

	key                          awskms.Key
	tables                       map[string]awsdynamodb.Table
	changes, dead, undelivered   awssqs.Queue
	group, clock                 awsscheduler.CfnScheduleGroup
	scheduleRole                 awsiam.Role
	web                          awsapigatewayv2.HttpApi
	keys                         awsapigatewayv2.HttpApi // nil without users
	users                        awscognito.UserPool     // nil without users
	client                       awscognito.UserPoolClient
	functions                    map[string]awslambda.Function
	roles                        map[string]awsiam.Role
	layers                       *[]awslambda.ILayerVersion // of every function; nil = none
	alerts                       awssns.Topic
	publicURL, apiURL, dashboard *string
}

// New adds the stack of a stage to an app.
func New(scope constructs.Construct, c *Config) *Stack {
	props := &awscdk.StackProps{
		StackName:             jsii.String("lockstep-" + c.Stage),
		Description:           jsii.String("Lockstep " + c.Stage + ": two-way CRM sync"),
		TerminationProtection: jsii.Bool(c.prod()),
		Tags:                  &map[string]*string{"app": jsii.String("lockstep"), "stage": jsii.String(c.Stage)},
	}
	if c.Region != "" {
		props.Env = &awscdk.Environment{Region: jsii.String(c.Region)}
	}
	s := &Stack{config: c, stack: awscdk.NewStack(scope, jsii.String("Lockstep"), props)}
	s.data()
	s.queues()
	s.addresses()
	s.scheduleGroup()
	s.addFunctions()
	s.routes()
	s.schedules()
	s.alarms()
	s.budget()
	s.outputs()
	return s
}

// outputs name addresses and identifiers, never a secret.
func (s *Stack) outputs() {
	out := func(id, description string, value *string) {
		awscdk.NewCfnOutput(s.stack, jsii.String(id), &awscdk.CfnOutputProps{
			Value: value, Description: jsii.String(description),
		})
	}
	out("PublicUrl", "Where apps send webhooks (/hooks/…) and browsers come back to (/v1/oauth/callback)", s.publicURL)
	out("ApiUrl", "The REST surface for API keys", s.apiURL)
	out("AdminKeyParameter", "The SecureString that has to hold the operator's key",
		jsii.String(s.config.AdminKeyParameter))
	out("ChangeQueueUrl", "The change queue", s.changes.QueueUrl())
	out("DeadLetterQueueUrl", "Its dead-letter queue", s.dead.QueueUrl())
	out("ScheduleGroup", "The group that holds one schedule per sync", s.group.Ref())
	out("DashboardUrl", "The dashboard", s.dashboard)
	if s.users != nil {
		out("UserPoolId", "The user pool", s.users.UserPoolId())
		out("UserPoolClientId", "Its client for the console; it has no secret", s.client.UserPoolClientId())
	}
}
