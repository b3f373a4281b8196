package roles

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Guard stands before a stand-in for DynamoDB or KMS and lets through what the
// role of one function may do. Make it with NewGuard.
type Guard struct {
	function string
	table    *Table
	next     http.Handler

	mu      sync.Mutex
	used    map[string]bool
	refused []string
}

// NewGuard returns the guard of a function before the service at endpoint.
func (t *Table) NewGuard(function, endpoint string) (*Guard, error) {
	at, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	return &Guard{function: function, table: t, next: httputil.NewSingleHostReverseProxy(at), used: map[string]bool{}}, nil
}

// Refused lists what was refused: function, action and kind.
func (g *Guard) Refused() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.refused)
}

// Used counts the rights that were used.
func (g *Guard) Used() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.used)
}

// ServeHTTP implements http.Handler.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if refused := g.judge(r.Header.Get("X-Amz-Target"), body); refused != "" {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "User is not authorized to perform: " +
				refused,
		})
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	g.next.ServeHTTP(w, r)
}

// judge returns the first right of a request that the role lacks; "" = none.
func (g *Guard) judge(target string, body []byte) string {
	service, operation, _ := strings.Cut(target, ".")
	if service == "AmazonSSM" { // shares its stand-in with KMS
		return ""
	}
	asks := []asked{{action: operation}} // of nothing: refused
	switch service {
	case "TrentService":
		var in struct{ EncryptionContext map[string]string }
		if json.Unmarshal(body, &in) == nil && in.EncryptionContext["lockstep"] == "secret" {
			asks = []asked{{operation, "kms", in.EncryptionContext["purpose"]}}
		}
	default:
		if strings.HasPrefix(service, "DynamoDB_") {
			asks = asksOf(operation, body)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range asks {
		kind := g.table.Kind(a.table, a.key)
		right := g.function + " " + a.action + " " + a.table + " " + kind
		if !g.table.Allows(g.function, a.action, a.table, a.key) {
			if kind == "" || kind == "purpose" {
				right += " " + a.key
			}
			g.refused = append(g.refused, right)
			return right
		}
		g.used[right] = true
	}
	return ""
}

// asked is one right that a request takes.
type asked struct{ action, table, key string }

type attributes map[string]struct{ S string }

// single is a request about one item, alone or in a transaction.
type single struct {
	TableName                 string
	IndexName                 string
	Key, Item                 attributes
	ExpressionAttributeValues attributes
}

// asksOf are the rights that a request to DynamoDB takes. One that is not known
// takes a right that nobody has.
func asksOf(operation string, body []byte) []asked {
	unknown := []asked{{action: operation}}
	var in struct {
		single
		RequestItems  map[string]json.RawMessage
		TransactItems []map[string]single
	}
	if json.Unmarshal(body, &in) != nil {
		return unknown
	}
	switch operation {
	case "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query":
		return []asked{in.ask(operation)}
	case "TransactWriteItems":
		var out []asked
		for _, part := range in.TransactItems {
			for name, one := range part {
				action := map[string]string{
					"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
				}[name]
				out = append(out, one.ask(action))
			}
		}
		return out
	case "BatchGetItem", "BatchWriteItem":
		return batchAsks(operation, in.RequestItems)
	}
	return unknown
}

func (s *single) ask(action string) asked {
	key := s.Key["p"].S + s.Item["p"].S
	if action == "Query" {
		if key = s.ExpressionAttributeValues[":p"].S; s.IndexName != "" {
			key = "index"
		}
	}
	return asked{action, tableOf(s.TableName), key}
}

// tableOf is what a table is called without what stands before it.
func tableOf(name string) string { return name[strings.LastIndex(name, "-")+1:] }

func batchAsks(operation string, items map[string]json.RawMessage) []asked {
	var out []asked
	for name, raw := range items {
		var gets struct{ Keys []attributes }
		var writes []struct {
			DeleteRequest, PutRequest struct{ Key, Item attributes }
		}
		if operation == "BatchGetItem" && json.Unmarshal(raw, &gets) != nil ||
			operation == "BatchWriteItem" && json.Unmarshal(raw, &writes) != nil {
			return []asked{{action: operation}}
		}
		for _, k := range gets.Keys {
			out = append(out, asked{operation, tableOf(name), k["p"].S})
		}
		for _, w := range writes {
			out = append(out, asked{operation, tableOf(name), w.DeleteRequest.Key["p"].S + w.PutRequest.Item["p"].S})
		}
	}
	return out
}
