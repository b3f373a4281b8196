package stack

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false,
	"rewrite testdata: only for new resources, or with a plan for the data of old ones")

// fixed are, per type that holds data or an address which others know, the
// properties that cannot change without another resource taking its place.
var fixed = map[string][]string{
	"AWS::DynamoDB::Table": {
		"TableName", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "DeletionPolicy", "UpdateReplacePolicy",
	},
	"AWS::KMS::Key":   {"KeySpec", "KeyUsage", "MultiRegion", "DeletionPolicy", "UpdateReplacePolicy"},
	"AWS::KMS::Alias": {"AliasName"},
	"AWS::SQS::Queue": {"QueueName", "FifoQueue", "DeletionPolicy"},
	"AWS::Cognito::UserPool": {
		"UserPoolName", "UsernameAttributes", "AliasAttributes", "Schema", "UsernameConfiguration", "DeletionPolicy",
		"UpdateReplacePolicy",
	},
	"AWS::Cognito::UserPoolClient":  {"GenerateSecret"},
	"AWS::Cognito::UserPoolDomain":  {"Domain"},
	"AWS::ApiGatewayV2::Api":        {"ProtocolType"},
	"AWS::Scheduler::ScheduleGroup": {"Name"},
	"AWS::Logs::LogGroup":           {"LogGroupName", "DeletionPolicy"},
}

// stateful are the fixed properties of every resource of those types.
func stateful(tm template) map[string]map[string]any {
	out := map[string]map[string]any{}
	for id, r := range tm.Resources {
		properties, ok := fixed[r.Type]
		if !ok {
			continue
		}
		out[id] = map[string]any{"Type": r.Type}
		for _, p := range properties {
			var v any
			switch p {
			case "DeletionPolicy":
				v = r.DeletionPolicy
			case "UpdateReplacePolicy":
				v = r.UpdateReplacePolicy
			default:
				v = r.Properties[p]
			}
			if v != nil {
				out[id][p] = v
			}
		}
	}
	return out
}

// replaced says what a stack of the old template would lose by the new one.
// New resources lose nothing.
func replaced(old, now map[string]map[string]any) []string {
	var out []string
	for _, id := range sorted(old) {
		switch {
		case now[id] == nil:
			out = append(out, fmt.Sprintf("%s (%v) is gone, or has another logical ID", id, old[id]["Type"]))
		default:
			names := maps.Clone(old[id])
			maps.Copy(names, now[id])
			for _, p := range sorted(names) {
				if text(old[id][p]) != text(now[id][p]) && !grown(p, old[id][p], now[id][p]) {
					out = append(out, fmt.Sprintf("%s (%v): %s was %s, is %s", id, old[id]["Type"], p, text(old[id][p]),
						text(now[id][p])))
				}
			}
		}
	}
	return out
}

// grown tells whether a property only got more of what it may get more of: a
// user pool takes further attributes, and lets go of none.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cognito-userpool.html
func grown(property string, old, now any) bool {
	if property != "Schema" || old == nil {
		return false
	}
	has := map[string]bool{}
	for _, v := range list(now) {
		has[text(v)] = true
	}
	return !slices.ContainsFunc(list(old), func(v any) bool { return !has[text(v)] })
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestNoStatefulResourceIsReplaced holds the templates against those of the
// release before: CloudFormation takes another resource when a logical ID or
// one of these properties changes, and its data stays behind.
func TestNoStatefulResourceIsReplaced(t *testing.T) {
	for name, tm := range map[string]template{"dev": dev, "prod": prod} {
		t.Run(name, func(t *testing.T) {
			file := "testdata/stateful-" + name + ".json"
			now := stateful(tm)
			if *update {
				b, err := json.MarshalIndent(now, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, append(b, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			old := map[string]map[string]any{}
			if err := json.Unmarshal(src, &old); err != nil {
				t.Fatal(err)
			}
			for _, loss := range replaced(old, now) {
				t.Error(loss)
			}
			for _, id := range sorted(now) {
				if old[id] == nil {
					t.Errorf("%s is new: pin it with go test ./stack -run TestNoStateful -update", id)
				}
			}
		})
	}
}

func TestReplacementsAreSeen(t *testing.T) {
	table := func(change func(map[string]any)) map[string]map[string]any {
		one := map[string]any{"Type": "AWS::DynamoDB::Table", "TableName": "a", "KeySchema": []any{"p"}}
		if change != nil {
			change(one)
		}
		return map[string]map[string]any{"Links": one}
	}
	for name, tc := range map[string]struct {
		now  map[string]map[string]any
		want string
	}{
		"the same": {table(nil), ""},
		"one more": {
			map[string]map[string]any{"Links": table(nil)["Links"], "More": {"Type": "AWS::SQS::Queue"}},
			"",
		},
		"another logical ID": {
			map[string]map[string]any{"Links2": table(nil)["Links"]}, "Links (AWS::DynamoDB::Table) is gone",
		},
		"another name":         {table(func(m map[string]any) { m["TableName"] = "b" }), "TableName was \"a\", is \"b\""},
		"another key":          {table(func(m map[string]any) { m["KeySchema"] = []any{"pk"} }), "KeySchema was"},
		"a property that went": {table(func(m map[string]any) { delete(m, "TableName") }), "is null"},
		"a property that came": {table(func(m map[string]any) { m["DeletionPolicy"] = "Delete" }), "DeletionPolicy was null"},
	} {
		t.Run(name, func(t *testing.T) {
			got := replaced(table(nil), tc.now)
			if tc.want == "" && len(got) != 0 || tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)) {
				t.Errorf("losses %q, want one with %q", got, tc.want)
			}
		})
	}
}

// TestAttributesAreAdded, and neither changed nor taken away.
func TestAttributesAreAdded(t *testing.T) {
	users := func(attributes ...any) map[string]map[string]any {
		return map[string]map[string]any{"Users": {"Type": "AWS::Cognito::UserPool", "Schema": attributes}}
	}
	for name, tc := range map[string]struct {
		now    map[string]map[string]any
		losses int
	}{
		"added": {users("c", "a", "b"), 0}, "changed": {users("a", "x"), 1}, "taken away": {users("a"), 1},
		"all gone": {map[string]map[string]any{"Users": {"Type": "AWS::Cognito::UserPool"}}, 1},
	} {
		if got := replaced(users("a", "b"), tc.now); len(got) != tc.losses {
			t.Errorf("%s: losses %q, want %d", name, got, tc.losses)
		}
	}
}

// TestDevLeavesNothingBehind: what is made for trying out goes with its stack.
func TestDevLeavesNothingBehind(t *testing.T) {
	var kept []string
	for _, id := range sorted(dev.Resources) {
		if p := dev.Resources[id].DeletionPolicy; p == "Retain" || p == "RetainExceptOnCreate" {
			kept = append(kept, id)
		}
	}
	if len(kept) != 0 {
		t.Errorf("dev keeps %v", kept)
	}
	var lost []string
	for _, id := range sorted(prod.Resources) {
		r := prod.Resources[id]
		holds := slices.Contains([]string{"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Cognito::UserPool"}, r.Type) ||
			id == "Changes510ED4B0"
		if holds && r.DeletionPolicy != "Retain" {
			lost = append(lost, id)
		}
	}
	if len(lost) != 0 {
		t.Errorf("prod would delete %v", lost)
	}
}

// TestNothingRunsWhenNothingHappens: nothing in the template costs by the hour
// for being there, but for the key and the alarms.
func TestNothingRunsWhenNothingHappens(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		for id, r := range tm.Resources {
			for _, never := range []string{
				"AWS::EC2::", "AWS::RDS::", "AWS::ECS::", "AWS::ElastiCache::", "AWS::ApplicationAutoScaling::",
				"AWS::Lambda::Version", "AWS::Lambda::Alias",
			} {
				if strings.HasPrefix(r.Type, never) {
					t.Errorf("%s is a %s", id, r.Type)
				}
			}
			for _, p := range []string{
				"ProvisionedThroughput", "ProvisionedConcurrencyConfig", "ProvisionedPollerConfig",
				"VpcConfig", "SnapStart",
			} {
				if r.Properties[p] != nil {
					t.Errorf("%s has %s", id, p)
				}
			}
		}
	})
}
