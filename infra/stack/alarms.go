package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// Metrics that the functions write in embedded metric format, with the stage as
// their one dimension; a test holds them against internal/telemetry/metrics.go.
const (
	namespace          = "Lockstep"
	metricOverdue      = "SyncsOverdue" // these three by keeper, each hour
	metricUnauthorized = "AccountsToAuthorize"
	metricBudget       = "ApiBudgetUsed"
	metricRecords      = "Records" // these by sync and pull, when they do something
	metricWritten      = "RecordsWritten"
	metricFailed       = "RecordsFailed"
	metricConflicts    = "RecordsInConflict"
	metricCalls        = "AppCalls"
	metricThrottled    = "AppCallsThrottled"
	metricLag          = "ChangeLag"
)

const (
	oldestSeconds     = 900 // a change that waits longer is not fresh
	hour, fiveMinutes = 3600.0, 300.0
	maximum, sum      = "Maximum", "Sum"
)

// alarm is one thing that somebody should be told of.
type alarm struct {
	id, why   string
	metric    awscloudwatch.IMetric
	above     float64
	below     bool // instead: fires when the metric is below
	periods   float64
	noDataBad bool
}

// alarms tell a topic of what needs a person (P10), and the dashboard shows it.
func (s *Stack) alarms() {
	s.alerts = awssns.NewTopic(s.stack, jsii.String("Alerts"), &awssns.TopicProps{
		TopicName: jsii.String(s.config.Name("alerts")), MasterKey: s.key, EnforceSSL: jsii.Bool(true),
	})
	s.alerts.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("Publishers"),
		Principals: &[]awsiam.IPrincipal{
			awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil),
			awsiam.NewServicePrincipal(jsii.String("budgets.amazonaws.com"), nil),
		},
		Actions: jsii.Strings("sns:Publish"), Resources: &[]*string{s.alerts.TopicArn()},
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": s.stack.Account()}},
	}))
	if s.config.AlertEmail != "" {
		s.alerts.AddSubscription(awssnssubscriptions.NewEmailSubscription(jsii.String(s.config.AlertEmail),
			&awssnssubscriptions.EmailSubscriptionProps{DeadLetterQueue: s.undelivered}))
	}
	for _, a := range s.alarmList() {
		s.alarm(a)
	}
	s.board()
}

func (s *Stack) alarmList() []alarm {
	all := []alarm{
		{
			id: "DeadLetters", why: "changes died without a word; see the dead-letter queue, then lockstep admin redrive",
			metric: visible(s.dead), periods: 1,
		},
		{
			id: "Undelivered", why: "a schedule or an asynchronous call could not be delivered", metric: visible(s.undelivered),
			periods: 1,
		},
		{
			id: "OldestChange", why: "changes wait too long in the queue", above: oldestSeconds, periods: 3,
			metric: s.changes.MetricApproximateAgeOfOldestMessage(options(maximum, fiveMinutes)),
		},
		{id: "SyncsOverdue", why: "pulls are more than three intervals late", metric: s.own(metricOverdue), periods: 1},
		{
			id: "AccountsToAuthorize", why: "an account needs to be authorised again", metric: s.own(metricUnauthorized),
			periods: 1,
		},
		{
			id: "NoTick", why: "the tick has not fired for fifteen minutes: nothing that waits is woken", above: 1, below: true,
			noDataBad: true, periods: 3, metric: s.functions[pull].MetricInvocations(options(sum, fiveMinutes)),
		},
	}
	for _, spec := range functionSpecs() {
		f := s.functions[spec.name]
		all = append(all,
			alarm{
				id: spec.id + "Errors", why: spec.name + " fails", metric: f.MetricErrors(options(sum, fiveMinutes)),
				periods: 1,
			},
			alarm{
				id: spec.id + "Throttles", why: spec.name + " is throttled: raise the account's concurrency",
				metric: f.MetricThrottles(options(sum, fiveMinutes)), periods: 1,
			})
	}
	return all
}

func (s *Stack) alarm(a alarm) {
	compare, missing := awscloudwatch.ComparisonOperator_GREATER_THAN_THRESHOLD,
		awscloudwatch.TreatMissingData_NOT_BREACHING
	if a.below {
		compare = awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD
	}
	if a.noDataBad {
		missing = awscloudwatch.TreatMissingData_BREACHING
	}
	made := awscloudwatch.NewAlarm(s.stack, jsii.String(a.id+"Alarm"), &awscloudwatch.AlarmProps{
		AlarmName: jsii.String(s.config.Name(a.id)), AlarmDescription: jsii.String(a.why),
		Metric: a.metric, Threshold: jsii.Number(a.above), EvaluationPeriods: jsii.Number(a.periods),
		ComparisonOperator: compare, TreatMissingData: missing,
	})
	made.AddAlarmAction(awscloudwatchactions.NewSnsAction(s.alerts))
	made.AddOkAction(awscloudwatchactions.NewSnsAction(s.alerts))
}

func options(statistic string, seconds float64) *awscloudwatch.MetricOptions {
	return &awscloudwatch.MetricOptions{
		Statistic: jsii.String(statistic), Period: awscdk.Duration_Seconds(jsii.Number(seconds)),
	}
}

func visible(q awssqs.Queue) awscloudwatch.Metric {
	return q.MetricApproximateNumberOfMessagesVisible(options(maximum, fiveMinutes))
}

// own is a metric that keeper writes.
func (s *Stack) own(name string) awscloudwatch.Metric { return s.figure(name, maximum, hour) }

// figure is a metric of our own.
func (s *Stack) figure(name, statistic string, seconds float64) awscloudwatch.Metric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String(namespace), MetricName: jsii.String(name), Statistic: jsii.String(statistic),
		Period: awscdk.Duration_Seconds(jsii.Number(seconds)), DimensionsMap: &map[string]*string{
			"Stage": jsii.String(s.config.Stage),
		},
	})
}

// board is the dashboard: what comes in, what waits, what fails.
func (s *Stack) board() {
	graph := func(title string, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
		return awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
			Title: jsii.String(title), Width: jsii.Number(8), Left: &metrics,
		})
	}
	each := func(metric func(awslambda.Function) awscloudwatch.Metric) []awscloudwatch.IMetric {
		var all []awscloudwatch.IMetric
		for _, spec := range functionSpecs() {
			all = append(all, metric(s.functions[spec.name]))
		}
		return all
	}
	sums := func(names ...string) []awscloudwatch.IMetric {
		var all []awscloudwatch.IMetric
		for _, name := range names {
			all = append(all, s.figure(name, sum, fiveMinutes))
		}
		return all
	}
	d := awscloudwatch.NewDashboard(s.stack, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		DashboardName: jsii.String(s.config.Name("overview")),
		Widgets: &[]*[]awscloudwatch.IWidget{
			{
				graph("Changes waiting", visible(s.changes)),
				graph("Oldest change, seconds", s.changes.MetricApproximateAgeOfOldestMessage(options(maximum, fiveMinutes))),
				graph("Dead and undelivered", visible(s.dead), visible(s.undelivered)),
			},
			{
				graph("Invocations", each(func(f awslambda.Function) awscloudwatch.Metric {
					return f.MetricInvocations(options(sum, fiveMinutes))
				})...),
				graph("Errors", each(func(f awslambda.Function) awscloudwatch.Metric {
					return f.MetricErrors(options(sum, fiveMinutes))
				})...),
				graph("Duration, ms", each(func(f awslambda.Function) awscloudwatch.Metric {
					return f.MetricDuration(options(maximum, fiveMinutes))
				})...),
			},
			{
				graph("Records", sums(metricRecords, metricWritten, metricFailed, metricConflicts)...),
				graph("Calls to apps", sums(metricCalls, metricThrottled)...),
				graph("From hearing of a change to its end, seconds", s.figure(metricLag, maximum, fiveMinutes)),
			},
			{
				graph("Syncs overdue", s.own(metricOverdue)), graph("Accounts to authorise", s.own(metricUnauthorized)),
				graph("Daily calls used by the busiest account, %", s.own(metricBudget)),
			},
		},
	})
	s.dashboard = jsii.String("https://" + *s.stack.Region() + ".console.aws.amazon.com/cloudwatch/home?region=" +
		*s.stack.Region() + "#dashboards/dashboard/" + *d.DashboardName())
}
