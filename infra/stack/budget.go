package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsbudgets"
	"github.com/aws/jsii-runtime-go"
)

// budget warns when the month's bill passes 80 % of what was meant, is forecast
// to pass it, or has passed it. It counts the whole account: a filter by tag sees
// nothing before somebody activates the tag for billing, and a guard that is
// silently blind is worse than one that sees too much.
func (s *Stack) budget() {
	subscribers := []awsbudgets.CfnBudget_SubscriberProperty{
		{SubscriptionType: jsii.String("SNS"), Address: s.alerts.TopicArn()},
	}
	warning := func(kind string, percent float64) awsbudgets.CfnBudget_NotificationWithSubscribersProperty {
		return awsbudgets.CfnBudget_NotificationWithSubscribersProperty{
			Notification: &awsbudgets.CfnBudget_NotificationProperty{
				NotificationType: jsii.String(kind), ComparisonOperator: jsii.String("GREATER_THAN"),
				Threshold: jsii.Number(percent), ThresholdType: jsii.String("PERCENTAGE"),
			},
			Subscribers: &subscribers,
		}
	}
	b := awsbudgets.NewCfnBudget(s.stack, jsii.String("Budget"), &awsbudgets.CfnBudgetProps{
		Budget: &awsbudgets.CfnBudget_BudgetDataProperty{
			BudgetName: jsii.String(s.config.Name("monthly")), BudgetType: jsii.String("COST"), TimeUnit: jsii.String("MONTHLY"),
			BudgetLimit: &awsbudgets.CfnBudget_SpendProperty{Amount: jsii.Number(s.config.BudgetUSD), Unit: jsii.String("USD")},
		},
		NotificationsWithSubscribers: []awsbudgets.CfnBudget_NotificationWithSubscribersProperty{
			warning("ACTUAL", 80), warning("ACTUAL", 100), warning("FORECASTED", 100),
		},
	})
	b.Node().AddDependency(s.alerts)
}
