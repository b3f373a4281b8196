package dynamostore

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// request is one write in DynamoDB's words; single writes and transactions are
// made of it alike.
type request struct {
	op        store.Op
	item      attributes // of a PutItem; nil for the others
	key       attributes
	update    []string // clauses of an UpdateItem
	condition []string // all must hold
	names     map[string]string
	values    attributes
	version   int64 // after the write, when the condition settles it; else 0
}

// condition expressions. What is expired counts as absent; readers and
// conditions go by our own clock, never by DynamoDB's deletions.
const (
	notExpired = "(attribute_not_exists(#x) OR #x > :now)"
	absent     = "(attribute_not_exists(#p) OR #x <= :now)"
	present    = "attribute_exists(#p)"
	always     = "(attribute_exists(#p) OR attribute_not_exists(#p))"
)

// build makes the request of a write. anew says that the item is known to be
// absent or expired, so that the write starts it; it is for writes whose
// condition allows that.
func build(w *store.Write, now time.Time, anew bool, token []byte) request {
	r := request{op: w.Op, key: keyOf(w.Item.Key), names: map[string]string{}, values: attributes{}}
	starts := anew || w.If.Absent
	switch {
	case w.Op == store.Delete, w.Op == store.Check:
		r.demand(w.If, now)
	case starts:
		r.item = freshItem(w)
		r.version = 1
		if token != nil {
			r.item[tokenAttribute] = blob(token)
		}
		r.when(now, absent)
	case w.Op == store.Add:
		r.add(w, now, token)
	default:
		r.put(w, now, token)
	}
	return r
}

// put changes everything but counters.
func (r *request) put(w *store.Write, now time.Time, token []byte) {
	it := &w.Item
	var set, remove []string
	keep := func(name string, v any, a attributes) {
		if v == nil {
			remove = append(remove, r.name(name))
			return
		}
		set = append(set, r.name(name)+" = :"+name)
		r.values[":"+name] = a[name]
	}
	a := freshItem(w)
	if token != nil {
		a[tokenAttribute] = blob(token)
	}
	for _, name := range []string{dataAttribute, IndexPartitionKey, IndexSortKey, TTLAttribute, tokenAttribute} {
		if a[name] == nil && name == tokenAttribute {
			continue
		}
		keep(name, a[name], a)
	}
	r.clause("SET ", set)
	r.clause("REMOVE ", remove)
	r.clause("ADD ", []string{r.name(versionAttribute) + " " + r.one()})
	r.demandLive(w.If, now)
}
