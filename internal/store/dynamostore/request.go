package dynamostore

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// request is one write in DynamoDB's words: single writes and transactions are
// made of it alike.
type request struct {
	item      attributes // of a PutItem; nil for all others
	key       attributes
	update    []string // clauses of an UpdateItem
	condition []string // all must hold; none = unconditional
	names     map[string]string
	values    attributes
	version   int64 // of the item afterwards, where the condition settles it; else 0
}

// Conditions. What is expired counts as absent, by our own clock: DynamoDB
// deletes it days later.
const (
	notExpired = "(attribute_not_exists(#x) OR #x > :now)"
	absent     = "(attribute_not_exists(#p) OR #x <= :now)"
	present    = "attribute_exists(#p)"
	always     = "(attribute_exists(#p) OR attribute_not_exists(#p))"
	atVersion  = "#v = :at"
)

// build makes the request of a write. anew says that the item is thought to be
// absent or expired, so that the write starts it; that is for writes whose own
// condition allows it. The token, if any, is stamped on the item.
func build(w *store.Write, now time.Time, anew bool, token []byte) request {
	r := request{key: keyOf(w.Item.Key), names: map[string]string{}, values: attributes{}}
	switch {
	case w.Op == store.Delete, w.Op == store.Check:
		r.demand(w, now)
	case anew || w.If.Absent:
		r.item = freshItem(w)
		if token != nil {
			r.item[tokenAttribute] = blob(token)
		}
		r.version = 1
		r.when(absent, now)
	case w.Op == store.Add:
		r.add(w, now, token)
	default:
		r.put(w, now, token)
	}
	return r
}

// demand is the write's own condition.
func (r *request) demand(w *store.Write, now time.Time) {
	switch {
	case w.If.Absent:
		r.when(absent, now)
	case w.If.Version > 0:
		r.values[":at"] = number(w.If.Version)
		r.version = w.If.Version + 1
		r.when(atVersion, now)
		r.when(notExpired, now)
	case w.If.Exists:
		r.when(present, now)
		r.when(notExpired, now)
	case w.Op == store.Check:
		r.when(always, now)
	}
}

// demandLive is the write's own condition, and that the item is not expired: an
// expired one must be started anew.
func (r *request) demandLive(w *store.Write, now time.Time) {
	if w.If == store.Always {
		r.when(notExpired, now)
		return
	}
	r.demand(w, now)
}

// put replaces everything but counters.
func (r *request) put(w *store.Write, now time.Time, token []byte) {
	a := freshItem(w)
	if token != nil {
		a[tokenAttribute] = blob(token)
	}
	var set, remove []string
	for _, name := range []string{dataAttribute, IndexPartitionKey, IndexSortKey, TTLAttribute, tokenAttribute} {
		switch v := a[name]; {
		case v != nil:
			set = append(set, r.name(name)+" = :"+name)
			r.values[":"+name] = v
		case name != tokenAttribute:
			remove = append(remove, r.name(name))
		}
	}
	r.clause("SET", set)
	r.clause("REMOVE", remove)
	r.clause("ADD", []string{r.increment()})
	r.demandLive(w, now)
}

// add changes counters and the version. With an expiry, which is for new items
// only, it wants the item to be there; else it makes one as it is.
func (r *request) add(w *store.Write, now time.Time, token []byte) {
	sum := []string{r.increment()}
	n := 0
	for name, d := range w.Item.Counters {
		n++
		k := strconv.Itoa(n)
		r.names["#c"+k] = counterPrefix + name
		r.values[":c"+k] = number(d)
		sum = append(sum, "#c"+k+" :c"+k)
		r.inRange(k, d)
	}
	if token != nil {
		r.values[":"+tokenAttribute] = blob(token)
		r.clause("SET", []string{r.name(tokenAttribute) + " = :" + tokenAttribute})
	}
	r.clause("ADD", sum)
	if w.If == store.Always && !w.Item.Expires.IsZero() {
		r.when(present, now)
		r.when(notExpired, now)
		return
	}
	r.demandLive(w, now)
}

// inRange keeps a counter within 64 bits. An absent one compares false.
func (r *request) inRange(k string, d int64) {
	switch {
	case d > 0:
		r.values[":m"+k] = number(math.MaxInt64 - d)
		r.condition = append(r.condition, "NOT #c"+k+" > :m"+k)
	case d < 0:
		r.values[":m"+k] = number(math.MinInt64 - d)
		r.condition = append(r.condition, "NOT #c"+k+" < :m"+k)
	}
}

func (r *request) increment() string {
	r.values[":one"] = number(1)
	return r.name(versionAttribute) + " :one"
}

func (r *request) clause(verb string, parts []string) {
	if len(parts) > 0 {
		r.update = append(r.update, verb+" "+strings.Join(parts, ", "))
	}
}

// when adds a condition, with the names and values it speaks of.
func (r *request) when(condition string, now time.Time) {
	r.condition = append(r.condition, condition)
	for _, name := range []string{PartitionKey, TTLAttribute, versionAttribute} {
		if strings.Contains(condition, "#"+name) {
			r.name(name)
		}
	}
	if strings.Contains(condition, ":now") {
		r.values[":now"] = number(now.Unix())
	}
}

// name returns the placeholder of an attribute: names of one letter may be
// reserved words some day.
func (r *request) name(attribute string) string {
	r.names["#"+attribute] = attribute
	return "#" + attribute
}

func (r *request) updateExpression() *string { return joined(r.update, " ") }

func (r *request) conditionExpression() *string { return joined(r.condition, " AND ") }

func joined(parts []string, by string) *string {
	if len(parts) == 0 {
		return nil
	}
	s := strings.Join(parts, by)
	return &s
}

// namesOrNil and valuesOrNil leave out what DynamoDB refuses when empty.
func (r *request) namesOrNil() map[string]string {
	if len(r.names) == 0 {
		return nil
	}
	return r.names
}

func (r *request) valuesOrNil() attributes {
	if len(r.values) == 0 {
		return nil
	}
	return r.values
}
