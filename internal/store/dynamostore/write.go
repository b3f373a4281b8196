package dynamostore

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// turns is how often a write is made again because it met another item than
// it was built for: absent, live and expired ones take different requests.
const turns = 8

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, w store.Write) (int64, error) {
	const op = "dynamostore: write"
	if err := store.CheckWrite(op, &w, false); err != nil {
		return 0, err
	}
	v, err := s.write(ctx, op, &w)
	s.meter.Wrote(&w, err)
	return v, err
}

// write makes one checked change and returns the new version.
func (s *Store) write(ctx context.Context, op string, w *store.Write) (int64, error) {
	token := tokenFor(w)
	anew := false
	for range turns {
		now := s.now()
		r := build(w, now, anew, token)
		version, err := s.send(ctx, op, w, &r)
		if err == nil {
			return version, nil
		}
		var failed *types.ConditionalCheckFailedException
		switch {
		case errors.As(err, &failed):
			s.units.refused(w.Item.Table, failed.Item)
			if stamped(failed.Item, token) {
				return r.version, nil // our own attempt, whose answer was lost
			}
			if anew, err = s.met(op, w, failed.Item, err); err != nil {
				return 0, err
			}
		case malformed(err):
			return 0, s.explain(ctx, op, w, err)
		default:
			return 0, awscall.Classify(op, err, false)
		}
	}
	return 0, contended(op)
}

// met says what a refusal means, by the item that the write met: an error, or,
// when the write's own condition holds, whether to start the item anew.
func (s *Store) met(op string, w *store.Write, old attributes, refusal error) (anew bool, err error) {
	if len(old) == 0 {
		old = nil
	}
	cur, err := live(w.Item.Key, old, s.now())
	if err != nil {
		return false, fault.Wrap(op, fault.Other, err)
	}
	if _, err = store.Next(op, &cur, w); err != nil {
		return false, afterLoss(err, refusal)
	}
	return cur.Version == 0, nil
}

// afterLoss keeps open whether a write landed that was refused only after an
// attempt without an answer: the item may have been ours in between.
func afterLoss(err, refusal error) error {
	var after awscall.Refused
	var f *fault.Error
	if !errors.As(refusal, &after) || !errors.As(err, &f) {
		return err
	}
	open := *f
	open.Kind, open.Code, open.MayHaveLanded = fault.Unavailable, "", true
	open.Message = "the answer to the write was lost and the item has changed since"
	return &open
}

// explain finds out why DynamoDB refuses a write that passed our checks: with
// what is stored, mostly counters, the item would be too large.
func (s *Store) explain(ctx context.Context, op string, w *store.Write, refusal error) error {
	a, err := s.get(ctx, op, w.Item.Key)
	if err != nil {
		return err
	}
	cur, err := live(w.Item.Key, a, s.now())
	if err != nil {
		return fault.Wrap(op, fault.Other, err)
	}
	if _, err = store.Next(op, &cur, w); err != nil {
		return err
	}
	return awscall.Classify(op, refusal, false)
}

// tokenFor returns a fresh token for writes that may be repeated by it: those
// that their condition lets happen once. Nil for others.
func tokenFor(w *store.Write) []byte {
	if w.Op == store.Delete || !w.If.Absent && w.If.Version == 0 {
		return nil
	}
	token := make([]byte, 8)
	_, _ = rand.Read(token) // never fails, it ends the program instead
	return token
}

func stamped(old attributes, token []byte) bool {
	b, ok := old[tokenAttribute].(*types.AttributeValueMemberB)
	return ok && token != nil && subtle.ConstantTimeCompare(b.Value, token) == 1
}

// send makes the request and returns the new version.
func (s *Store) send(ctx context.Context, op string, w *store.Write, r *request) (version int64, err error) {
	nature := awscall.Once
	if tokenFor(w) != nil {
		nature = awscall.Idempotent
	}
	err = s.call(ctx, op, nature, func(ctx context.Context) error {
		var err error
		switch {
		case w.Op == store.Delete:
			err = s.deleteItem(ctx, w, r)
		case r.item != nil:
			version, err = r.version, s.putItem(ctx, w, r)
		default:
			version, err = s.updateItem(ctx, w, r)
		}
		return err
	})
	return version, err
}

func (s *Store) deleteItem(ctx context.Context, w *store.Write, r *request) error {
	out, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: aws.String(s.names[w.Item.Table]), Key: r.key,
		ConditionExpression: r.conditionExpression(), ExpressionAttributeNames: r.namesOrNil(),
		ExpressionAttributeValues:           r.valuesOrNil(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		ReturnConsumedCapacity:              types.ReturnConsumedCapacityIndexes,
	}, once)
	if err != nil {
		return err
	}
	s.wrote(one(out.ConsumedCapacity)...)
	return nil
}

func (s *Store) putItem(ctx context.Context, w *store.Write, r *request) error {
	out, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(s.names[w.Item.Table]), Item: r.item,
		ConditionExpression: r.conditionExpression(), ExpressionAttributeNames: r.namesOrNil(),
		ExpressionAttributeValues:           r.valuesOrNil(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		ReturnConsumedCapacity:              types.ReturnConsumedCapacityIndexes,
	}, once)
	if err != nil {
		return err
	}
	s.wrote(one(out.ConsumedCapacity)...)
	return nil
}

// updateItem asks for the new version only where the condition does not
// settle it: DynamoDB sends all changed attributes along.
func (s *Store) updateItem(ctx context.Context, w *store.Write, r *request) (int64, error) {
	want := types.ReturnValueUpdatedNew
	if r.version > 0 {
		want = types.ReturnValueNone
	}
	out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(s.names[w.Item.Table]), Key: r.key, UpdateExpression: r.updateExpression(),
		ConditionExpression: r.conditionExpression(), ExpressionAttributeNames: r.namesOrNil(),
		ExpressionAttributeValues: r.valuesOrNil(),
		ReturnValues:              want, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
	}, once)
	if err != nil {
		return 0, err
	}
	s.wrote(one(out.ConsumedCapacity)...)
	if r.version > 0 {
		return r.version, nil
	}
	return integer(out.Attributes[versionAttribute])
}
