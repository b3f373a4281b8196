package dynamostore

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// emptyRounds is how many pages of expired items alone one Query reads over
// before it returns an empty page with a cursor.
const emptyRounds = 10

// Query implements store.Store.
func (s *Store) Query(ctx context.Context, q store.Query) (store.Page, error) {
	const op = "dynamostore: query"
	if err := store.CheckQuery(op, &q); err != nil {
		return store.Page{}, err
	}
	after, resumed, err := store.DecodeCursor(op, &q)
	if err != nil {
		return store.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Page{}, fault.Wrap(op, fault.Unavailable, err)
	}
	if q.To != "" && q.From >= q.To {
		return store.Page{}, nil // DynamoDB refuses an empty range
	}
	in := s.queryInput(&q, s.now())
	if resumed {
		in.ExclusiveStartKey = startKey(&q, after)
	}
	page, err := s.rounds(ctx, op, &q, in)
	if err != nil {
		return store.Page{}, err
	}
	s.meter.Queried(q.Table, len(page.Items))
	return page, nil
}

// rounds reads until there is an item, or the end.
func (s *Store) rounds(ctx context.Context, op string, q *store.Query, in *dynamodb.QueryInput) (store.Page, error) {
	for round := 1; ; round++ {
		var out *dynamodb.QueryOutput
		err := s.call(ctx, op, awscall.Read, func(ctx context.Context) error {
			var err error
			out, err = s.client.Query(ctx, in, once)
			return err
		})
		if err != nil {
			return store.Page{}, awscall.Classify(op, err, false)
		}
		s.read(one(out.ConsumedCapacity)...)
		page, err := pageOf(q, out)
		if err != nil {
			return store.Page{}, fault.Wrap(op, fault.Other, err)
		}
		if len(page.Items) > 0 || page.Next == "" || round == emptyRounds {
			return page, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func pageOf(q *store.Query, out *dynamodb.QueryOutput) (store.Page, error) {
	var page store.Page
	for _, a := range out.Items {
		key := store.Key{
			Table: q.Table, Workspace: q.Workspace,
			Partition: strings.TrimPrefix(textOf(a[PartitionKey]), prefix(q.Workspace)), Sort: textOf(a[SortKey]),
		}
		it, err := decode(key, a)
		if err != nil {
			return store.Page{}, err
		}
		page.Items = append(page.Items, it)
	}
	if last := out.LastEvaluatedKey; len(last) > 0 {
		page.Next = store.EncodeCursor(q, position(q, last))
	}
	return page, nil
}

// position and startKey turn DynamoDB's last key into the port's position, and back.
func position(q *store.Query, last attributes) store.Position {
	if !q.OnIndex {
		return store.Position{Sort: textOf(last[SortKey])}
	}
	return store.Position{
		Sort:      textOf(last[IndexSortKey]),
		Partition: strings.TrimPrefix(textOf(last[PartitionKey]), prefix(q.Workspace)),
		ItemSort:  textOf(last[SortKey]),
	}
}

func startKey(q *store.Query, p store.Position) attributes {
	own := prefix(q.Workspace)
	if !q.OnIndex {
		return attributes{PartitionKey: text(own + q.Partition), SortKey: text(p.Sort)}
	}
	return attributes{
		IndexPartitionKey: text(own + q.Partition), IndexSortKey: text(p.Sort),
		PartitionKey: text(own + p.Partition), SortKey: text(p.ItemSort),
	}
}

// queryInput leaves out expired items. An index cannot be read consistently.
func (s *Store) queryInput(q *store.Query, now time.Time) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{
		TableName: aws.String(s.names[q.Table]), Limit: aws.Int32(int32(store.PageLimit(q))),
		ScanIndexForward: aws.Bool(!q.Reverse), ConsistentRead: aws.Bool(!q.OnIndex),
		FilterExpression:          aws.String("attribute_not_exists(#x) OR #x > :now"),
		ExpressionAttributeNames:  map[string]string{"#x": TTLAttribute, "#p": PartitionKey},
		ExpressionAttributeValues: attributes{":p": text(prefix(q.Workspace) + q.Partition), ":now": number(now.Unix())},
		ReturnConsumedCapacity:    types.ReturnConsumedCapacityTotal,
	}
	sort := SortKey
	if q.OnIndex {
		in.IndexName, in.ConsistentRead = aws.String(IndexName), nil
		in.ExpressionAttributeNames["#p"], sort = IndexPartitionKey, IndexSortKey
	}
	where := "#p = :p"
	if span, bounds := spanOf(q); span != "" {
		where += " AND " + span
		in.ExpressionAttributeNames["#s"] = sort
		for name, bound := range bounds {
			in.ExpressionAttributeValues[name] = text(bound)
		}
	}
	in.KeyConditionExpression = &where
	return in
}

// spanOf is the condition on sort texts. DynamoDB takes one only, and BETWEEN
// includes its upper bound.
func spanOf(q *store.Query) (condition string, bounds map[string]string) {
	switch {
	case q.Prefix != "":
		return "begins_with(#s, :from)", map[string]string{":from": q.Prefix}
	case q.From != "" && q.To != "":
		return "#s BETWEEN :from AND :to", map[string]string{":from": q.From, ":to": predecessor(q.To)}
	case q.From != "":
		return "#s >= :from", map[string]string{":from": q.From}
	case q.To != "":
		return "#s < :to", map[string]string{":to": q.To}
	}
	return "", nil
}
