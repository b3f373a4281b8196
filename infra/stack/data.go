package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"
)

// The schema of every table, as the store's adapter reads and writes it; a
// test holds it against internal/store/dynamostore/keys.go.
const (
	partitionKey      = "p"
	sortKey           = "s"
	indexName         = "index"
	indexPartitionKey = "i"
	indexSortKey      = "j"
	ttlAttribute      = "x"
)

// The tables.
const (
	settings = "settings"
	links    = "links"
	logs     = "log"
)

// data are the key and the tables.
func (s *Stack) data() {
	s.key = awskms.NewKey(s.stack, jsii.String("Key"), &awskms.KeyProps{
		Alias:             jsii.String("alias/" + s.config.Name("data")),
		Description:       jsii.String("Lockstep " + s.config.Stage + ": credentials, tables and alarms"),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     s.config.removal(),
		PendingWindow:     awscdk.Duration_Days(jsii.Number(30)),
	})
	// Alarms and budget warnings go through a topic that is sealed with the key.
	s.key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("PublishersOfAlarms"),
		Principals: &[]awsiam.IPrincipal{
			awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil),
			awsiam.NewServicePrincipal(jsii.String("budgets.amazonaws.com"), nil),
		},
		Actions:    jsii.Strings("kms:Decrypt", "kms:GenerateDataKey"),
		Resources:  jsii.Strings("*"), // in the policy of a key this is the key
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": s.stack.Account()}},
	}), nil)

	if s.config.EncryptLogs {
		s.key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        jsii.String("Logs"),
			Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("logs.amazonaws.com"), nil)},
			Actions: jsii.Strings("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey",
				"kms:DescribeKey"),
			Resources: jsii.Strings("*"), // in the policy of a key this is the key
			Conditions: &map[string]any{"ArnLike": map[string]any{"kms:EncryptionContext:aws:logs:arn": []*string{
				s.arn("logs", "log-group:/aws/lambda/"+s.config.Name("*")),
				s.arn("logs", "log-group:/lockstep/"+s.config.Stage+"/access/*"),
			}}},
		}), nil)
	}
	s.tables = map[string]awsdynamodb.Table{}
	s.tables[settings] = s.table("Settings", settings)
	s.tables[links] = s.table("Links", links)
	s.tables[logs] = s.table("Log", logs)
}

// table is one table, billed by the request. Expiry is an attribute that only
// items of the log, of de-duplication and other short-lived ones carry.
func (s *Stack) table(id, name string) awsdynamodb.Table {
	text := func(name string) *awsdynamodb.Attribute {
		return &awsdynamodb.Attribute{Name: jsii.String(name), Type: awsdynamodb.AttributeType_STRING}
	}
	t := awsdynamodb.NewTable(s.stack, jsii.String(id), &awsdynamodb.TableProps{
		TableName:           jsii.String(s.config.Name(name)),
		PartitionKey:        text(partitionKey),
		SortKey:             text(sortKey),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: jsii.String(ttlAttribute),
		Encryption:          awsdynamodb.TableEncryption_CUSTOMER_MANAGED,
		EncryptionKey:       s.key,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
			RecoveryPeriodInDays:       jsii.Number(35),
		},
		DeletionProtection: jsii.Bool(s.config.prod()),
		RemovalPolicy:      s.config.removal(),
	})
	t.AddGlobalSecondaryIndex(&awsdynamodb.GlobalSecondaryIndexProps{
		IndexName:      jsii.String(indexName),
		PartitionKey:   text(indexPartitionKey),
		SortKey:        text(indexSortKey),
		ProjectionType: awsdynamodb.ProjectionType_ALL,
	})
	return t
}
