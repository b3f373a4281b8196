package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdadestinations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdaeventsources"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
)

// The functions, by the name of their folder.
const (
	webhook = "webhook"
	pull    = "pull"
	sync    = "sync"
	api     = "api"
	keeper  = "keeper"
)

// functionSpec says what a function is given.
type functionSpec struct {
	id, name string
	does     string
	seconds  float64 // API Gateway gives up after 30, so those behind it end within 25 (P5)
	memory   float64 // MB; processor time comes with it
	async    bool    // fired by schedules: what fails for good goes to a queue
}

func functionSpecs() []functionSpec {
	return []functionSpec{
		{"Webhook", webhook, "verifies what apps send and queues the IDs of records", 10, 256, false},
		{"Pull", pull, "lists what changed, and wakes what waits", 14 * 60, 512, true},
		{"Sync", sync, "reads both sides, plans, writes, remembers", syncTimeout, 1024, false},
		{"Api", api, "settings, log, plans, retries", 25, 512, false},
		{"Keeper", keeper, "staleness, equality, tokens, schedules", 5 * 60, 512, true},
	}
}

// addFunctions are the five functions with their logs and roles.
func (s *Stack) addFunctions() {
	s.functions, s.roles = map[string]awslambda.Function{}, map[string]awsiam.Role{}
	if s.config.AppDocuments != "" {
		s.layers = &[]awslambda.ILayerVersion{awslambda.NewLayerVersion(s.stack, jsii.String("AppDocuments"),
			&awslambda.LayerVersionProps{
				Description:             jsii.String("Lockstep " + s.config.Stage + ": documents of apps"),
				Code:                    awslambda.Code_FromAsset(jsii.String(s.config.AppDocuments), nil),
				CompatibleArchitectures: &[]awslambda.Architecture{awslambda.Architecture_ARM_64()},
			})}
	}
	specs := functionSpecs()
	for i := range specs {
		s.function(&specs[i])
	}
	s.functions[sync].AddEventSource(awslambdaeventsources.NewSqsEventSource(s.changes,
		&awslambdaeventsources.SqsEventSourceProps{
			BatchSize:               jsii.Number(10),
			ReportBatchItemFailures: jsii.Bool(true),
			// A cap of the source and no reserved concurrency below it: a reserve
			// would throttle deliveries, and those count as receives (P4).
			MaxConcurrency: jsii.Number(float64(s.config.SyncConcurrency)),
		}))
}

func (s *Stack) function(spec *functionSpec) {
	group := s.logGroup(spec.id+"Logs", "/aws/lambda/"+s.config.Name(spec.name))
	role := s.role(spec, group)
	f := awslambda.NewFunction(s.stack, jsii.String(spec.id), &awslambda.FunctionProps{
		FunctionName: jsii.String(s.config.Name(spec.name)),
		Description:  jsii.String("Lockstep " + s.config.Stage + ": " + spec.does),
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: awslambda.Architecture_ARM_64(),
		Handler:      jsii.String("bootstrap"),
		Code:         awslambda.Code_FromAsset(jsii.String(s.config.asset(spec.name)), nil),
		Timeout:      awscdk.Duration_Seconds(jsii.Number(spec.seconds)),
		MemorySize:   jsii.Number(spec.memory),
		Environment:  s.environment(spec.name),
		Layers:       s.layers,
		// A view of the role that takes no further statements: what it may do
		// stands in access.go and nowhere else.
		Role:          role.WithoutPolicyUpdates(nil),
		LogGroup:      group,
		LoggingFormat: awslambda.LoggingFormat_JSON,
		Tracing:       awslambda.Tracing_ACTIVE,
	})
	if spec.async {
		f.ConfigureAsyncInvoke(&awslambda.EventInvokeConfigOptions{
			MaxEventAge:   awscdk.Duration_Minutes(jsii.Number(5)),
			RetryAttempts: jsii.Number(1), // the next firing does the work again anyway
			OnFailure:     awslambdadestinations.NewSqsDestination(s.undelivered),
		})
	}
	s.functions[spec.name], s.roles[spec.name] = f, role
}

// logGroup is one log group. CloudWatch encrypts every one with a key of its
// own; where the operator wants it, with the customer's. It may use that for
// groups of these names alone.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
func (s *Stack) logGroup(id, name string) awslogs.LogGroup {
	props := &awslogs.LogGroupProps{
		LogGroupName:  jsii.String(name),
		Retention:     retention(s.config.LogDays),
		RemovalPolicy: s.config.removal(),
	}
	if s.config.EncryptLogs {
		props.EncryptionKey = s.key
	}
	return awslogs.NewLogGroup(s.stack, jsii.String(id), props)
}

// environment is what internal/app reads at a cold start. None of it is secret.
func (s *Stack) environment(function string) *map[string]*string {
	env := map[string]*string{
		"LOCKSTEP_SETTINGS_TABLE": s.tables[settings].TableName(),
		"LOCKSTEP_LINKS_TABLE":    s.tables[links].TableName(),
		"LOCKSTEP_LOG_TABLE":      s.tables[logs].TableName(),
		"LOCKSTEP_QUEUE_URL":      s.changes.QueueUrl(),
		"LOCKSTEP_DEAD_QUEUE_URL": s.dead.QueueUrl(),
		"LOCKSTEP_KEY_ID":         s.key.KeyArn(),
		"LOCKSTEP_STAGE":          jsii.String(s.config.Stage),
	}
	if s.config.AllowHosts != "" {
		env["LOCKSTEP_ALLOW_HOSTS"] = jsii.String(s.config.AllowHosts)
	}
	if s.layers != nil {
		env["LOCKSTEP_APP_DOCUMENTS"] = jsii.String("/opt") // where Lambda puts layers
	}
	switch function {
	case webhook:
		env["LOCKSTEP_PUBLIC_URL"] = s.publicURL
	case api:
		env["LOCKSTEP_PUBLIC_URL"] = s.publicURL
		env["LOCKSTEP_ADMIN_KEY_PARAMETER"] = jsii.String(s.config.AdminKeyParameter)
	}
	if function == api || function == keeper {
		env["LOCKSTEP_SCHEDULE_GROUP"] = jsii.String(s.config.Name("syncs"))
		env["LOCKSTEP_SCHEDULE_ROLE_ARN"] = s.scheduleRole.RoleArn()
		env["LOCKSTEP_PULL_FUNCTION_ARN"] = s.functions[pull].FunctionArn()
		env["LOCKSTEP_UNDELIVERED_QUEUE_ARN"] = s.undelivered.QueueArn()
	}
	return &env
}

// retention is the shortest of CloudWatch's choices that holds days.
func retention(days int) awslogs.RetentionDays {
	for _, step := range []struct {
		days int
		is   awslogs.RetentionDays
	}{
		{1, awslogs.RetentionDays_ONE_DAY},
		{7, awslogs.RetentionDays_ONE_WEEK},
		{14, awslogs.RetentionDays_TWO_WEEKS},
		{30, awslogs.RetentionDays_ONE_MONTH},
		{90, awslogs.RetentionDays_THREE_MONTHS},
		{180, awslogs.RetentionDays_SIX_MONTHS},
		{365, awslogs.RetentionDays_ONE_YEAR},
		{731, awslogs.RetentionDays_TWO_YEARS},
		{1827, awslogs.RetentionDays_FIVE_YEARS},
	} {
		if days <= step.days {
			return step.is
		}
	}
	return awslogs.RetentionDays_TEN_YEARS
}
