package stack

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// adapters are the packages that call a service of AWS, each through a field
// or variable called client. The suites of their ports (storetest, queuetest,
// secrettest, scheduletest) and the tests beside them make every one of these
// calls, against stand-ins that refuse what they do not know.
var adapters = map[string]string{
	"dynamodb":  "internal/store/dynamostore",
	"sqs":       "internal/queue/sqsqueue",
	"kms":       "internal/secret/kmskey",
	"scheduler": "internal/schedule/eventbridge",
	"ssm":       "internal/app/cloud/restapi",
}

// needs are the rights that a call takes where they are not called like it.
var needs = map[string][]string{
	"dynamodb:TransactWriteItems": {
		"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem",
	},
	"sqs:SendMessageBatch":             {"sqs:SendMessage"},
	"sqs:DeleteMessageBatch":           {"sqs:DeleteMessage"},
	"sqs:ChangeMessageVisibilityBatch": {"sqs:ChangeMessageVisibility"},
	"scheduler:CreateSchedule":         {"scheduler:CreateSchedule", "iam:PassRole"},
	"scheduler:UpdateSchedule":         {"scheduler:UpdateSchedule", "iam:PassRole"},
}

// byOthers are the rights that AWS uses on behalf of a function, by statement.
var byOthers = map[string]string{
	"Logs":        "Lambda writes what the function prints",
	"Traces":      "Lambda's X-Ray daemon sends segments",
	"TableKey":    "DynamoDB opens the tables with the caller's right to their key",
	"Undelivered": "Lambda sends what failed for good",
}

// byMapping is what the event source of sync polls with, by the function's role.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
var byMapping = []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}

// calls are the rights that the calls of a package need.
func calls(t *testing.T, service, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(files), err)
	}
	out := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !method.Sel.IsExported() || !isClient(method.X) {
				return true
			}
			operation := service + ":" + method.Sel.Name
			for _, right := range append(slices.Clone(needs[operation]), operation) {
				out[right] = true
			}
			return true
		})
	}
	return out
}

func isClient(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "client"
	case *ast.SelectorExpr:
		return x.Sel.Name == "client"
	}
	return false
}

// linked are the packages of the module that a function is made of.
func linked(t *testing.T, function string) map[string]bool {
	t.Helper()
	const module = "github.com/lockstep-crm/lockstep/"
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "lambda.norpc", "./functions/"+function)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly")
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	out := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), module); ok {
			out[name] = true
		}
	}
	return out
}

// TestP11_EveryRightIsUsed: what a function may do, its code does. A right that
// nothing calls for, or that stays when its last caller goes, is named here.
func TestP11_EveryRightIsUsed(t *testing.T) {
	made := map[string]map[string]bool{}
	for service, dir := range adapters {
		made[service] = calls(t, service, dir)
		if len(made[service]) == 0 {
			t.Errorf("%s makes no call: is its client called otherwise?", dir)
		}
	}
	for name, role := range rolesOf(t, full) {
		parts := linked(t, name)
		uses := map[string]bool{}
		for service, dir := range adapters {
			if parts[dir] {
				for right := range made[service] {
					uses[right] = true
				}
			}
		}
		if name == sync {
			for _, right := range byMapping {
				uses[right] = true
			}
		}
		for _, st := range statements(role) {
			if byOthers[fmt.Sprint(st["Sid"])] != "" {
				continue
			}
			for _, a := range list(st["Action"]) {
				if !uses[a.(string)] {
					t.Errorf("%s, %v: nothing in it needs %v", name, st["Sid"], a)
				}
			}
		}
	}
}

// TestUnusedRightsAreSeen: the reading of the sources finds no call that is not there.
func TestUnusedRightsAreSeen(t *testing.T) {
	for service, absent := range map[string]string{
		"dynamodb": "dynamodb:Scan", "sqs": "sqs:PurgeQueue", "kms": "kms:Sign",
		"scheduler": "scheduler:TagResource", "ssm": "ssm:PutParameter",
	} {
		if calls(t, service, adapters[service])[absent] {
			t.Errorf("%s is called", absent)
		}
	}
	if parts := linked(t, webhook); parts[adapters["scheduler"]] || parts[adapters["ssm"]] ||
		!parts[adapters["dynamodb"]] {
		t.Error("webhook is linked with what it must not have, or without its store")
	}
}
