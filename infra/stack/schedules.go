package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/jsii-runtime-go"
)

// scheduleGroup are the group of the schedules of syncs, which keeper holds
// against the settings, a group for those of our own that it must not touch,
// and the role by which all of them fire. The functions' names are known before the functions are, which keeps the
// role from waiting for functions that wait for it.
func (s *Stack) scheduleGroup() {
	s.group = awsscheduler.NewCfnScheduleGroup(s.stack, jsii.String("Syncs"), &awsscheduler.CfnScheduleGroupProps{
		Name: jsii.String(s.config.Name("syncs")),
	})
	s.clock = awsscheduler.NewCfnScheduleGroup(s.stack, jsii.String("Clock"), &awsscheduler.CfnScheduleGroupProps{
		Name: jsii.String(s.config.Name("clock")),
	})
	statements := []awsiam.PolicyStatement{
		allow("Fire", []string{"lambda:InvokeFunction"},
			s.arn("lambda", "function:"+s.config.Name(pull)), s.arn("lambda", "function:"+s.config.Name(keeper))),
		allow("Undelivered", []string{"sqs:SendMessage"}, s.undelivered.QueueArn()),
	}
	s.scheduleRole = awsiam.NewRole(s.stack, jsii.String("ScheduleRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("scheduler.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": s.stack.Account()}},
		}),
		Description: jsii.String("Lockstep " + s.config.Stage + ": fires pull and keeper"),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"access": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
}

// schedules are those that do not belong to a sync. Those of syncs are made
// by api and rebuilt by keeper.
func (s *Stack) schedules() {
	s.schedule("Tick", "tick", "rate(1 minute)", pull, `{"tick":true}`)
	s.schedule("FewMinutes", "alerts", "rate(5 minutes)", keeper, `{"alerts":true}`)
	s.schedule("Hour", "hour", "rate(1 hour)", keeper, `{"hour":true}`)
}

// schedule fires a function. Its retries end before its next firing matters.
func (s *Stack) schedule(id, name, expression, function, input string) {
	awsscheduler.NewCfnSchedule(s.stack, jsii.String(id), &awsscheduler.CfnScheduleProps{
		Name:               jsii.String(name),
		GroupName:          s.clock.Ref(), // a reference, so that the group is there first
		ScheduleExpression: jsii.String(expression),
		State:              jsii.String("ENABLED"),
		FlexibleTimeWindow: &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
		Target: &awsscheduler.CfnSchedule_TargetProperty{
			Arn:              s.functions[function].FunctionArn(),
			RoleArn:          s.scheduleRole.RoleArn(),
			Input:            jsii.String(input),
			DeadLetterConfig: &awsscheduler.CfnSchedule_DeadLetterConfigProperty{Arn: s.undelivered.QueueArn()},
			RetryPolicy: &awsscheduler.CfnSchedule_RetryPolicyProperty{
				MaximumEventAgeInSeconds: jsii.Number(60), MaximumRetryAttempts: jsii.Number(1),
			},
		},
	})
}
