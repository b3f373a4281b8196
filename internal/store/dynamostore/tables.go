package dynamostore

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// tableWait is how long a table may take to come or go.
const tableWait = 3 * time.Minute

// CreateTables makes the three tables with the given prefix of their names, on
// demand, with index and TTL, and returns their names once they can be used.
// It is for tests and local stand-ins: a deployment gets its tables, with
// recovery and deletion protection, from its template. A table that is there
// already stays as it is.
func CreateTables(ctx context.Context, client *dynamodb.Client, prefix string) (TableNames, error) {
	const op = "dynamostore: create tables"
	names := Prefixed(prefix)
	for _, t := range store.Tables {
		_, err := client.CreateTable(ctx, TableInput(names[t]))
		var exists *types.ResourceInUseException
		if err != nil && !errors.As(err, &exists) {
			return nil, awscall.Classify(op, err, true)
		}
	}
	for _, t := range store.Tables {
		name := aws.String(names[t])
		if err := dynamodb.NewTableExistsWaiter(client, quickly).Wait(ctx, &dynamodb.DescribeTableInput{TableName: name},
			tableWait); err != nil {
			return nil, awscall.Classify(op, err, true)
		}
		if err := enableTTL(ctx, client, name); err != nil {
			return nil, awscall.Classify(op, err, true)
		}
	}
	return names, nil
}

func enableTTL(ctx context.Context, client *dynamodb.Client, table *string) error {
	now, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: table})
	if err != nil {
		return err
	}
	if d := now.TimeToLiveDescription; d != nil && d.TimeToLiveStatus != types.TimeToLiveStatusDisabled &&
		d.TimeToLiveStatus != "" {
		return nil
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(TTLAttribute), Enabled: aws.Bool(true),
		},
	})
	return err
}

// DeleteTables removes tables that CreateTables made, with everything in them.
func DeleteTables(ctx context.Context, client *dynamodb.Client, names TableNames) error {
	var all error
	for _, name := range names {
		_, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(name)})
		all = errors.Join(all, awscall.Classify("dynamostore: delete tables", err, true))
	}
	return all
}

// quickly asks often: local stand-ins make a table at once.
func quickly(o *dynamodb.TableExistsWaiterOptions) {
	o.MinDelay, o.MaxDelay = 50*time.Millisecond, 5*time.Second
}

// TableInput is a table as the store needs it: what a template must say too.
func TableInput(name string) *dynamodb.CreateTableInput {
	textual := func(names ...string) []types.AttributeDefinition {
		var all []types.AttributeDefinition
		for _, n := range names {
			all = append(all, types.AttributeDefinition{AttributeName: aws.String(n), AttributeType: types.ScalarAttributeTypeS})
		}
		return all
	}
	keys := func(hash, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{
			{AttributeName: aws.String(hash), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(sort), KeyType: types.KeyTypeRange},
		}
	}
	return &dynamodb.CreateTableInput{
		TableName:            aws.String(name),
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: textual(PartitionKey, SortKey, IndexPartitionKey, IndexSortKey),
		KeySchema:            keys(PartitionKey, SortKey),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName:  aws.String(IndexName),
			KeySchema:  keys(IndexPartitionKey, IndexSortKey),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	}
}
