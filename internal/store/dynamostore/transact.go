package dynamostore

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Reasons for which DynamoDB cancels a transaction.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const (
	reasonNone      = "None"
	reasonCondition = "ConditionalCheckFailed"
	reasonInvalid   = "ValidationError"
)

// Transact implements store.Store. A lost answer is asked for again with the
// same ClientRequestToken.
func (s *Store) Transact(ctx context.Context, ws []store.Write) error {
	const op = "dynamostore: transact"
	if err := store.CheckTransaction(op, ws); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil || len(ws) == 0 {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	err := s.transact(ctx, op, ws)
	for i := range ws {
		s.meter.Wrote(&ws[i], err)
	}
	return err
}

// transact makes the transaction, anew as often as it met other items than it
// was built for.
func (s *Store) transact(ctx context.Context, op string, ws []store.Write) error {
	anew := make([]bool, len(ws))
	pauses := s.opts.Retry.Pauses()
	for range turns {
		err := s.sendTransaction(ctx, op, ws, anew)
		var cancelled *types.TransactionCanceledException
		switch {
		case err == nil:
			return nil
		case malformed(err):
			return s.explainAny(ctx, op, ws, err)
		case !errors.As(err, &cancelled):
			return awscall.Classify(op, err, false)
		}
		again, err := s.turn(ctx, op, ws, anew, cancelled, err)
		if err != nil {
			return err
		}
		if !again && pauses.Next(ctx) != nil {
			return contended(op)
		}
	}
	return contended(op)
}

// turn looks at why a transaction was cancelled: an error when it cannot
// succeed; else whether it was built for other items, which anew now says, or
// just met rivals.
func (s *Store) turn(
	ctx context.Context, op string, ws []store.Write, anew []bool, cancelled *types.TransactionCanceledException,
	cause error,
) (again bool, err error) {
	for i, reason := range cancelled.CancellationReasons {
		if i >= len(ws) {
			break
		}
		switch aws.ToString(reason.Code) {
		case reasonNone, "":
		case reasonCondition:
			s.units.refused(ws[i].Item.Table, reason.Item)
			if anew[i], err = s.met(op, &ws[i], reason.Item, cause); err != nil {
				return false, err
			}
			again = true
		case reasonInvalid:
			return false, s.explain(ctx, op, &ws[i], cause)
		}
	}
	return again, nil
}

// explainAny finds the write that makes DynamoDB refuse the whole.
func (s *Store) explainAny(ctx context.Context, op string, ws []store.Write, refusal error) error {
	for i := range ws {
		if ws[i].Op != store.Put && ws[i].Op != store.Add {
			continue
		}
		if err := s.explain(ctx, op, &ws[i], refusal); fault.Is(err, fault.Invalid) {
			return err
		}
	}
	return awscall.Classify(op, refusal, false)
}

func (s *Store) sendTransaction(ctx context.Context, op string, ws []store.Write, anew []bool) error {
	in := &dynamodb.TransactWriteItemsInput{
		TransactItems:          make([]types.TransactWriteItem, len(ws)),
		ClientRequestToken:     aws.String(rand.Text()),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
	}
	now := s.now()
	for i := range ws {
		r := build(&ws[i], now, anew[i], nil)
		in.TransactItems[i] = s.transactItem(&ws[i], &r)
	}
	return s.call(ctx, op, awscall.Idempotent, func(ctx context.Context) error {
		out, err := s.client.TransactWriteItems(ctx, in, once)
		if err != nil {
			return err
		}
		s.wrote(out.ConsumedCapacity...)
		return nil
	})
}

func (s *Store) transactItem(w *store.Write, r *request) types.TransactWriteItem {
	table, old := aws.String(s.names[w.Item.Table]), types.ReturnValuesOnConditionCheckFailureAllOld
	condition, names, values := r.conditionExpression(), r.namesOrNil(), r.valuesOrNil()
	switch {
	case w.Op == store.Check:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: table, Key: r.key, ConditionExpression: condition, ExpressionAttributeNames: names,
			ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: old,
		}}
	case w.Op == store.Delete:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: table, Key: r.key, ConditionExpression: condition, ExpressionAttributeNames: names,
			ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: old,
		}}
	case r.item != nil:
		return types.TransactWriteItem{Put: &types.Put{
			TableName: table, Item: r.item, ConditionExpression: condition, ExpressionAttributeNames: names,
			ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: old,
		}}
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName: table, Key: r.key, UpdateExpression: r.updateExpression(), ConditionExpression: condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: old,
	}}
}
