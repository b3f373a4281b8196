package stack

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// actionOf is what a letter of testdata/rights.txt stands for.
var actionOf = map[rune]string{
	'g': "dynamodb:GetItem", 'b': "dynamodb:BatchGetItem", 'q': "dynamodb:Query", 'p': "dynamodb:PutItem",
	'u': "dynamodb:UpdateItem", 'd': "dynamodb:DeleteItem", 'w': "dynamodb:BatchWriteItem",
	'c': "dynamodb:ConditionCheckItem",
	'o': "kms:Decrypt", 's': "kms:GenerateDataKey",
}

// rightsRow is a line of testdata/rights.txt.
type rightsRow struct {
	kind, table, key string
	may              map[string]string // letters, by function
}

func rightsTable(t *testing.T) []rightsRow {
	t.Helper()
	src, err := os.ReadFile("testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	columns := []string{webhook, pull, sync, api, keeper}
	var rows []rightsRow
	for line := range strings.Lines(string(src)) {
		if strings.HasPrefix(line, "# kind") || strings.HasPrefix(line, "# purpose") {
			if head := strings.Fields(line); !slices.Equal(head[len(head)-len(columns):], columns) {
				t.Fatalf("columns are %v", head)
			}
		}
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		if len(f) != 3+len(columns) {
			t.Fatalf("%q has %d columns", line, len(f))
		}
		row := rightsRow{f[0], f[1], f[2], map[string]string{}}
		for i, c := range columns {
			if row.may[c] = strings.Trim(f[3+i], "-"); strings.Trim(row.may[c], "gbqpudwcos") != "" {
				t.Fatalf("%q: %q is none of the letters", line, row.may[c])
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// request is what IAM judges: one action on one resource, with the values of
// its condition keys.
type request struct {
	action, resource string
	context          map[string][]string
}

// allowed evaluates a role's statements as IAM does: any that allows, none that
// denies. An operator or a form that it does not know ends the test.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
func allowed(t *testing.T, statements []map[string]any, r request) bool {
	t.Helper()
	yes := false
	for _, st := range statements {
		for part := range st {
			if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Condition"}, part) {
				t.Fatalf("%v has a %s, which is not evaluated here", st["Sid"], part)
			}
		}
		if !slices.ContainsFunc(list(st["Action"]), func(a any) bool { return like(a.(string), r.action) }) ||
			!slices.ContainsFunc(list(st["Resource"]), func(x any) bool { return like(resourceName(x), r.resource) }) ||
			!holds(t, st, r) {
			continue
		}
		if st["Effect"] != "Allow" {
			return false
		}
		yes = true
	}
	return yes
}

// like matches IAM's patterns, in which * stands for any text and ? for a character.
func like(pattern, value string) bool {
	p := strings.NewReplacer(`\`, `\\`, "[", `\[`, "/", "\x00").Replace(pattern) // a bar is no border here
	ok, err := path.Match(p, strings.ReplaceAll(value, "/", "\x00"))
	return ok && err == nil
}

// resourceName makes a text of a resource, however the template refers to it.
func resourceName(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if at := list(v["Fn::GetAtt"]); len(at) == 2 {
			return fmt.Sprint(at[0])
		}
		if join := list(v["Fn::Join"]); len(join) == 2 {
			var b strings.Builder
			for _, part := range list(join[1]) {
				b.WriteString(resourceName(part))
			}
			return b.String()
		}
		return fmt.Sprint(v["Ref"])
	}
	return fmt.Sprint(v)
}

// holds evaluates the condition of a statement.
func holds(t *testing.T, st map[string]any, r request) bool {
	t.Helper()
	conditions, _ := st["Condition"].(map[string]any)
	for operator, keys := range conditions {
		for key, wanted := range keys.(map[string]any) {
			values, has := r.context[key]
			matches := func(v string) bool {
				return slices.ContainsFunc(list(wanted), func(w any) bool {
					return operator == "StringEquals" && resourceName(w) == v || operator != "StringEquals" && like(resourceName(w), v)
				})
			}
			switch operator {
			case "StringEquals":
				if !has || len(values) != 1 || !matches(values[0]) {
					return false
				}
			case "ForAllValues:StringLike": // of no values, all are
				if slices.ContainsFunc(values, func(v string) bool { return !matches(v) }) {
					return false
				}
			case "Null":
				if fmt.Sprint(wanted) != strconv.FormatBool(!has) {
					return false
				}
			default:
				t.Fatalf("%v has a condition %s, which is not evaluated here", st["Sid"], operator)
			}
		}
	}
	return true
}

// logicalID is the name that a table has in the template.
func logicalID(t *testing.T, tm template, table string) string {
	t.Helper()
	for id, r := range tm.of("AWS::DynamoDB::Table") {
		if strings.HasSuffix(fmt.Sprint(r.Properties["TableName"]), "-"+table) {
			return id
		}
	}
	t.Fatalf("there is no table %s", table)
	return ""
}

// ask is the request that a row and a letter stand for.
func ask(t *testing.T, tm template, row *rightsRow, letter rune) request {
	t.Helper()
	r := request{action: actionOf[letter], context: map[string][]string{}}
	switch {
	case row.table == "kms":
		for id := range tm.of("AWS::KMS::Key") {
			r.resource = id
		}
		r.context["kms:EncryptionContext:lockstep"] = []string{"secret"}
		r.context["kms:EncryptionContext:purpose"] = []string{row.key}
	case row.kind == "index":
		r.resource = logicalID(t, tm, row.table) + "/index/" + indexName
		r.context["dynamodb:LeadingKeys"] = []string{"acme|failing#con_1#people"}
	default:
		r.resource = logicalID(t, tm, row.table)
		r.context["dynamodb:LeadingKeys"] = []string{row.key}
	}
	return r
}

func letters(row *rightsRow) string {
	if row.table == "kms" {
		return "os"
	}
	return "gbqpudwc"
}

// TestX16_EachFunctionTouchesWhatItNeeds evaluates the policies of the template
// for every function, kind of item and action, and for every purpose of a
// secret, against a table that is written out: what it allows must be allowed,
// and all else refused.
func TestX16_EachFunctionTouchesWhatItNeeds(t *testing.T) {
	rows := rightsTable(t)
	each(t, func(t *testing.T, tm template) {
		n := map[bool]int{}
		for name, role := range rolesOf(t, tm) {
			for i := range rows {
				row := &rows[i]
				for _, letter := range letters(row) {
					want := strings.ContainsRune(row.may[name], letter)
					if n[want]++; allowed(t, statements(role), ask(t, tm, row, letter)) != want {
						t.Errorf("%s, %s (%s %s), %s: allowed is %v, the table says %v", name, row.kind, row.table, row.key,
							actionOf[letter], !want, want)
					}
				}
			}
		}
		if n[true] < 400 || n[false] < 800 {
			t.Errorf("%d rights and %d refusals were looked at, want all of them", n[true], n[false])
		}
	})
}

// TestX16_NoWayRound: requests that name no key, several of which one is not
// allowed, a key that only looks like one that is, a secret that is not ours,
// and actions that no table lists are refused to every function.
func TestX16_NoWayRound(t *testing.T) {
	table := logicalID(t, prod, settings)
	var key string
	for id := range prod.of("AWS::KMS::Key") {
		key = id
	}
	keys := func(keys ...string) map[string][]string { return map[string][]string{"dynamodb:LeadingKeys": keys} }
	for name, r := range map[string]request{
		"no key named":                        {"dynamodb:GetItem", table, nil},
		"a scan":                              {"dynamodb:Scan", table, nil},
		"a scan by key":                       {"dynamodb:Scan", table, keys("acme|workspace")},
		"a statement in PartiQL":              {"dynamodb:PartiQLSelect", table, keys("acme|workspace")},
		"an export":                           {"dynamodb:ExportTableToPointInTime", table, nil},
		"the table's end":                     {"dynamodb:DeleteTable", table, nil},
		"one of two keys":                     {"dynamodb:BatchGetItem", table, keys("acme|workspace", "acme|root_key")},
		"a batch that deletes from the trail": {"dynamodb:BatchWriteItem", table, keys("acme|audit")},
		"a trail of no workspace":             {"dynamodb:UpdateItem", table, keys("|audit")},
		"a trail, named longer":               {"dynamodb:UpdateItem", table, keys("acme|audit#1")},
		"the index of settings":               {"dynamodb:Query", table + "/index/" + indexName, keys("acme|workspace")},
		"hashes under a workspace":            {"dynamodb:PutItem", table, keys("acme|api_key")},
		"a secret of others": {
			"kms:Decrypt", key, map[string][]string{"kms:EncryptionContext:purpose": {"credential"}},
		},
		"a secret for nothing": {
			"kms:Decrypt", key, map[string][]string{"kms:EncryptionContext:lockstep": {"secret"}},
		},
		"another use of the key": {
			"kms:CreateGrant", key, map[string][]string{
				"kms:EncryptionContext:lockstep": {"secret"}, "kms:EncryptionContext:purpose": {"credential"},
			},
		},
	} {
		for function, role := range rolesOf(t, prod) {
			if allowed(t, statements(role), r) {
				t.Errorf("%s: %s is allowed", function, name)
			}
		}
	}
	// A workspace may be named like anything: with a bar in it, its length stands before it.
	for _, ws := range []string{"acme", "credential", "~5~a|key", "~11~x|workspace"} {
		for function, may := range map[string]bool{webhook: false, pull: false, sync: false, keeper: false, api: true} {
			if allowed(t, statements(rolesOf(t, prod)[function]), request{"dynamodb:PutItem", table, keys(ws + "|key")}) != may {
				t.Errorf("%s makes keys of the workspace %s: %v", function, ws, !may)
			}
		}
	}
}

// TestX16_TheTableIsWhole: every kind that is stored has its row, at the place
// where it is stored, and each purpose of a secret, too.
func TestX16_TheTableIsWhole(t *testing.T) {
	stored := map[string]bool{}
	f, err := parser.ParseFile(token.NewFileSet(), "../../internal/store/kinds.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || lit.Type != nil || len(lit.Elts) < 6 { // the kinds of the list, each without its type
			return true
		}
		part := func(i int) string {
			if id, ok := lit.Elts[i].(*ast.Ident); ok {
				return strings.ToLower(id.Name)
			}
			text, err := strconv.Unquote(lit.Elts[i].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		stored[part(0)+" "+part(1)+" "+part(2)] = true
		return true
	})
	purposes := map[string]bool{}
	for name, v := range constants(t, "internal/account/service.go") {
		if strings.HasPrefix(name, "purpose") {
			purposes[v] = true
		}
	}
	purposes[constants(t, "internal/account/erasure.go")["purposeErasure"]] = true
	purposes[constants(t, "internal/alert/webhook.go")["secretPurpose"]] = true
	for _, row := range rightsTable(t) {
		if row.table == "kms" {
			delete(purposes, row.key)
			continue
		}
		_, partition, _ := strings.Cut(row.key, "|")
		head, _, many := strings.Cut(partition, "#")
		if many {
			head += "#"
		}
		if name := row.kind + " " + row.table + " " + head; row.kind != "index" && !stored[name] {
			t.Errorf("nothing is stored as %s", name)
		} else {
			delete(stored, name)
		}
	}
	if len(stored) > 0 || len(purposes) > 0 {
		t.Errorf("not in the table: %v %v", sorted(stored), sorted(purposes))
	}
}

// TestPoliciesFit: the policies of a role have 10,240 characters together,
// blanks not counted, once the references of the template are addresses.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func TestPoliciesFit(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		for name, role := range rolesOf(t, tm) {
			n := 0
			for _, p := range list(role.Properties["Policies"]) {
				n += len(text(resolved(dig(p, "PolicyDocument"))))
			}
			if n > 9200 { // names of regions and partitions are longer elsewhere
				t.Errorf("%s: %d characters of policy", name, n)
			}
		}
	})
}

// resolved has an address of usual length in place of every reference.
func resolved(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = resolved(v[i])
		}
		return out
	case map[string]any:
		switch {
		case v["Fn::GetAtt"] != nil: // an ARN
			return strings.Repeat("x", len("arn:aws:dynamodb:ap-southeast-1:111122223333:table/lockstep-prod-settings"))
		case v["Ref"] != nil: // a region, an account
			return strings.Repeat("x", len("ap-southeast-1"))
		case v["Fn::Join"] != nil:
			var b strings.Builder
			for _, part := range list(list(v["Fn::Join"])[1]) {
				b.WriteString(fmt.Sprint(resolved(part)))
			}
			return b.String()
		}
		out := map[string]any{}
		for k := range v {
			out[k] = resolved(v[k])
		}
		return out
	}
	return v
}
