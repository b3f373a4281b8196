// Package roles judges what functions ask of DynamoDB and KMS by the table of
// what their roles may do, as IAM would: the stand-ins know no rights.
//
// The table is infra/stack/testdata/rights.txt, against which the policies of
// the template are tested. So a right that a function's code needs and its role
// does not have is found here, before it is missing in an account.
package roles

import (
	"fmt"
	"os"
	"strings"
)

// Table says which function may do what. Make it with Read.
type Table struct {
	functions []string
	rows      []row
}

type row struct {
	kind, table, key string
	may              []string // letters, by function
}

// letters of rights.
var letters = map[string]string{
	"GetItem": "g", "BatchGetItem": "b", "Query": "q", "PutItem": "p", "UpdateItem": "u", "DeleteItem": "d",
	"BatchWriteItem": "w", "ConditionCheckItem": "c", "Decrypt": "o", "GenerateDataKey": "s",
}

// Read reads the table from a file.
func Read(file string) (*Table, error) {
	src, err := os.ReadFile(file) //nolint:gosec // a file of this project
	if err != nil {
		return nil, err
	}
	t := &Table{}
	for line := range strings.Lines(string(src)) {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "# kind") && len(f) > 4:
			t.functions = f[4:]
		case len(f) == 0 || f[0] == "#":
		case len(f) != 3+len(t.functions):
			return nil, fmt.Errorf("%s: %q has %d columns, want %d", file, line, len(f), 3+len(t.functions))
		default:
			t.rows = append(t.rows, row{f[0], f[1], f[2], f[3:]})
		}
	}
	if len(t.rows) == 0 {
		return nil, fmt.Errorf("%s holds no rights", file)
	}
	return t, nil
}

// Kind names what a key of DynamoDB stands for in a table; "" = nothing known.
func (t *Table) Kind(table, key string) string {
	if r := t.find(table, key); r != nil {
		return r.kind
	}
	return ""
}

// Allows reports whether a function may take an action: on a key, "index", or
// for a purpose where the table is "kms".
func (t *Table) Allows(function, action, table, key string) bool {
	r := t.find(table, key)
	if r == nil || letters[action] == "" {
		return false
	}
	for i, f := range t.functions {
		if f == function {
			return strings.Contains(r.may[i], letters[action])
		}
	}
	return false
}

func (t *Table) find(table, key string) *row {
	for i := range t.rows {
		r := &t.rows[i]
		if r.table == table && (r.key == key || sameKind(r.key, key)) {
			return r
		}
	}
	return nil
}

// sameKind reports whether two keys are of one kind: both of a workspace or both
// of none, in the same partition up to its first "#".
func sameKind(a, b string) bool {
	wsA, a, barA := strings.Cut(a, "|")
	at := strings.LastIndex(b, "|")
	if !barA || at < 0 || (wsA == "") != (at == 0) {
		return false
	}
	headA, _, manyA := strings.Cut(a, "#")
	headB, _, manyB := strings.Cut(b[at+1:], "#")
	return headA == headB && manyA == manyB
}
