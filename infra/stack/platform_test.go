package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestP1_VisibilityIsSixTimesTheFunction(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		_, f := tm.function(t, sync)
		for id, m := range tm.of("AWS::Lambda::EventSourceMapping") {
			q := tm.Resources[dig(m.Properties, "EventSourceArn", "Fn::GetAtt", "0").(string)]
			window, _ := m.Properties["MaximumBatchingWindowInSeconds"].(float64)
			if has, want := q.Properties["VisibilityTimeout"].(float64), 6*f.Properties["Timeout"].(float64)+window; has < want {
				t.Errorf("%s: visibility %v s, want at least %v s", id, has, want)
			}
		}
	})
}

func TestP2_DeadLettersEverywhereAndLonger(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		dead := map[string]bool{}
		for id, q := range tm.of("AWS::SQS::Queue") {
			target, ok := dig(q.Properties, "RedrivePolicy", "deadLetterTargetArn", "Fn::GetAtt", "0").(string)
			if !ok {
				continue
			}
			dead[target] = true
			if n := dig(q.Properties, "RedrivePolicy", "maxReceiveCount").(float64); n <= 10 {
				t.Errorf("%s: receive cap %v: the engine buries at its tenth receive, the queue must leave it that", id, n)
			}
			if own, its := q.Properties["MessageRetentionPeriod"].(float64),
				tm.Resources[target].Properties["MessageRetentionPeriod"].(float64); own >= its {
				t.Errorf("%s: kept %v s, its dead letters only %v s", id, own, its)
			}
			if q.Properties["FifoQueue"] != tm.Resources[target].Properties["FifoQueue"] {
				t.Errorf("%s and its dead-letter queue differ in kind", id)
			}
		}
		for id, s := range tm.of("AWS::Scheduler::Schedule") {
			target, ok := dig(s.Properties, "Target", "DeadLetterConfig", "Arn", "Fn::GetAtt", "0").(string)
			if !ok {
				t.Errorf("%s has no dead-letter queue", id)
			}
			dead[target] = true
		}
		for id, c := range tm.of("AWS::Lambda::EventInvokeConfig") {
			target, ok := dig(c.Properties, "DestinationConfig", "OnFailure", "Destination", "Fn::GetAtt", "0").(string)
			if !ok {
				t.Errorf("%s has no failure destination", id)
			}
			dead[target] = true
		}
		for id, c := range tm.of("AWS::SNS::Subscription") {
			if dig(c.Properties, "RedrivePolicy", "deadLetterTargetArn") == nil {
				t.Errorf("%s loses what it cannot deliver", id)
			}
		}
		if n := len(tm.of("AWS::Lambda::EventInvokeConfig")); n != 2 {
			t.Errorf("%d functions have a failure destination, want the 2 that schedules fire", n)
		}
		for id, q := range tm.of("AWS::SQS::Queue") {
			_, source := q.Properties["RedrivePolicy"]
			if !source && !dead[id] {
				t.Errorf("%s neither has nor is a dead-letter queue", id)
			}
			if days := q.Properties["MessageRetentionPeriod"].(float64) / 86400; dead[id] && days != 14 {
				t.Errorf("%s keeps dead letters %v days, want 14", id, days)
			}
		}
	})
}

// TestQueuesAreAsTheAdapterMakesThem: what sqsqueue.Create gives its queues in
// tests, so that what was proved there holds here.
func TestQueuesAreAsTheAdapterMakesThem(t *testing.T) {
	for name, days := range map[string]float64{"changes": 4, "dead": 14} {
		_, q := prod.named(t, "AWS::SQS::Queue", "QueueName", "lockstep-prod-"+name+".fifo")
		for property, want := range map[string]any{
			"FifoQueue": true, "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
			"SqsManagedSseEnabled": true,
			"VisibilityTimeout":    1800.0, "MaximumMessageSize": 1048576.0, "MessageRetentionPeriod": days * 86400,
		} {
			if q.Properties[property] != want {
				t.Errorf("%s: %s = %v, want %v", name, property, q.Properties[property], want)
			}
		}
		if _, has := q.Properties["ContentBasedDeduplication"]; has {
			t.Errorf("%s: de-duplication by content would swallow a second hint for the same record", name)
		}
	}
}

func TestP3_PartialBatchAnswers(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		all := tm.of("AWS::Lambda::EventSourceMapping")
		if len(all) != 1 {
			t.Fatalf("%d event sources, want 1", len(all))
		}
		for id, m := range all {
			if got := list(m.Properties["FunctionResponseTypes"]); !slices.Contains(got, any("ReportBatchItemFailures")) {
				t.Errorf("%s answers %v", id, got)
			}
		}
	})
}

func TestP4_ConcurrencyIsCappedAtTheSource(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		for id, m := range tm.of("AWS::Lambda::EventSourceMapping") {
			if n, _ := dig(m.Properties, "ScalingConfig", "MaximumConcurrency").(float64); n < 2 {
				t.Errorf("%s: maximum concurrency %v", id, n)
			}
		}
		for id, f := range tm.of("AWS::Lambda::Function") {
			if n, has := f.Properties["ReservedConcurrentExecutions"]; has {
				t.Errorf("%s reserves %v: the source would be throttled, and throttled deliveries count as receives", id, n)
			}
		}
	})
}

func TestP5_FunctionsBehindHTTPEndInTime(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		for id, in := range tm.of("AWS::ApiGatewayV2::Integration") {
			f := tm.Resources[dig(in.Properties, "IntegrationUri", "Fn::GetAtt", "0").(string)]
			if s := f.Properties["Timeout"].(float64); s > 25 {
				t.Errorf("%s leads to a function of %v s", id, s)
			}
		}
	})
}

func TestFunctionsAreAsTheDesignSays(t *testing.T) {
	want := map[string]float64{webhook: 10, api: 25, pull: 14 * 60, sync: 300, keeper: 5 * 60}
	each(t, func(t *testing.T, tm template) {
		if n := len(tm.of("AWS::Lambda::Function")); n != len(want) {
			t.Errorf("%d functions, want %d", n, len(want))
		}
		for name, seconds := range want {
			_, f := tm.function(t, name)
			p := f.Properties
			if p["Timeout"] != seconds || p["Runtime"] != "provided.al2023" || fmt.Sprint(p["Architectures"]) != "[arm64]" ||
				p["Handler"] != "bootstrap" || p["MemorySize"] == nil {
				t.Errorf("%s: %v s, %v, %v, %v, %v MB", name, p["Timeout"], p["Runtime"], p["Architectures"], p["Handler"],
					p["MemorySize"])
			}
			if dig(p, "TracingConfig", "Mode") != "Active" || dig(p, "LoggingConfig", "LogFormat") != "JSON" {
				t.Errorf("%s: tracing %v, logging %v", name, p["TracingConfig"], p["LoggingConfig"])
			}
		}
	})
}

// statements are the policy statements of a role.
func statements(r resource) []map[string]any {
	var out []map[string]any
	for _, p := range list(r.Properties["Policies"]) {
		for _, st := range list(dig(p, "PolicyDocument", "Statement")) {
			out = append(out, st.(map[string]any))
		}
	}
	return out
}

// rolesOf returns each function's role, by the function's name.
func rolesOf(t *testing.T, tm template) map[string]resource {
	out := map[string]resource{}
	for _, spec := range functionSpecs() {
		_, f := tm.function(t, spec.name)
		out[spec.name] = tm.Resources[dig(f.Properties, "Role", "Fn::GetAtt", "0").(string)]
	}
	return out
}

func TestP6_NobodySendsToItsOwnTrigger(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		for id, m := range tm.of("AWS::Lambda::EventSourceMapping") {
			queue := fmt.Sprint(m.Properties["EventSourceArn"])
			f := tm.Resources[dig(m.Properties, "FunctionName", "Ref").(string)]
			role := tm.Resources[dig(f.Properties, "Role", "Fn::GetAtt", "0").(string)]
			for _, st := range statements(role) {
				for _, r := range list(st["Resource"]) {
					if fmt.Sprint(r) == queue && slices.Contains(list(st["Action"]), any("sqs:SendMessage")) {
						t.Errorf("%s: its function may send to the queue", id)
					}
				}
			}
		}
		for _, name := range []string{webhook, pull, api} { // and those that must can
			sends := slices.ContainsFunc(statements(rolesOf(t, tm)[name]), func(st map[string]any) bool {
				return st["Sid"] == "Send" && slices.Contains(list(st["Action"]), any("sqs:SendMessage"))
			})
			if !sends {
				t.Errorf("%s cannot send to the change queue", name)
			}
		}
	})
}

func TestP7_TablesAreRecoverableSealedAndKept(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		tables := tm.of("AWS::DynamoDB::Table")
		if len(tables) != 3 {
			t.Fatalf("%d tables, want 3", len(tables))
		}
		for id, r := range tables {
			p := r.Properties
			if dig(p, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true {
				t.Errorf("%s has no point-in-time recovery", id)
			}
			if dig(p, "SSESpecification", "SSEType") != "KMS" || dig(p, "SSESpecification", "KMSMasterKeyId") == nil {
				t.Errorf("%s is not sealed with a key of ours", id)
			}
			if p["BillingMode"] != "PAY_PER_REQUEST" {
				t.Errorf("%s is billed %v", id, p["BillingMode"])
			}
			if dig(p, "TimeToLiveSpecification", "AttributeName") != ttlAttribute {
				t.Errorf("%s: expiry is %v", id, p["TimeToLiveSpecification"])
			}
			kept := r.DeletionPolicy == "Retain" && r.UpdateReplacePolicy == "Retain" && p["DeletionProtectionEnabled"] == true
			if strings.Contains(tm.text, "lockstep-prod-") != kept {
				t.Errorf("%s: deletion %s, replacement %s, protected %v", id, r.DeletionPolicy, r.UpdateReplacePolicy,
					p["DeletionProtectionEnabled"])
			}
		}
		for id, k := range tm.of("AWS::KMS::Key") {
			if k.Properties["EnableKeyRotation"] != true {
				t.Errorf("%s does not rotate", id)
			}
		}
	})
}

func TestP8_LogsEndAndAccessLogsAreStructured(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		for id, g := range tm.of("AWS::Logs::LogGroup") {
			if d, _ := g.Properties["RetentionInDays"].(float64); d < 1 {
				t.Errorf("%s has no retention", id)
			}
		}
		for id, f := range tm.of("AWS::Lambda::Function") {
			if tm.Resources[fmt.Sprint(dig(f.Properties, "LoggingConfig", "LogGroup", "Ref"))].Type != "AWS::Logs::LogGroup" {
				t.Errorf("%s logs to a group that is not in the template", id)
			}
		}
		for id, s := range tm.of("AWS::ApiGatewayV2::Stage") {
			format, _ := dig(s.Properties, "AccessLogSettings", "Format").(string)
			fields := map[string]string{}
			if err := json.Unmarshal([]byte(format), &fields); err != nil || len(fields) < 5 {
				t.Errorf("%s: access log %q: %v", id, format, err)
			}
			for name, value := range fields { // X2: the path of a hook holds its token
				if !slices.Contains(harmless, value) {
					t.Errorf("%s: access log field %s = %s is not among those that hold no secret", id, name, value)
				}
			}
			if dig(s.Properties, "AccessLogSettings", "DestinationArn") == nil {
				t.Errorf("%s: access log goes nowhere", id)
			}
		}
	})
}

// harmless are the parts of an access log that hold no token and no field value.
var harmless = []string{
	"$context.requestTime", "$context.requestId", "$context.routeKey", "$context.identity.sourceIp", "$context.status",
	"$context.responseLength",
	"$context.responseLatency", "$context.integrationLatency", "$context.integrationErrorMessage",
	"$context.authorizer.error",
}

func TestP9_EveryRouteIsThrottled(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		settings := map[string]map[string]any{}
		for id, s := range tm.of("AWS::ApiGatewayV2::Stage") {
			settings[fmt.Sprint(dig(s.Properties, "ApiId", "Ref"))], _ = s.Properties["RouteSettings"].(map[string]any)
			if n, _ := dig(s.Properties, "DefaultRouteSettings", "ThrottlingRateLimit").(float64); n <= 0 {
				t.Errorf("%s: routes that come later are not throttled", id)
			}
			for _, r := range sorted(tm.of("AWS::ApiGatewayV2::Route")) {
				same := fmt.Sprint(tm.Resources[r].Properties["ApiId"]) == fmt.Sprint(s.Properties["ApiId"])
				if same && !slices.Contains(s.DependsOn, r) {
					t.Errorf("%s may come before %s, for which it has settings", id, r)
				}
			}
		}
		for id, r := range tm.of("AWS::ApiGatewayV2::Route") {
			own := settings[fmt.Sprint(dig(r.Properties, "ApiId", "Ref"))][fmt.Sprint(r.Properties["RouteKey"])]
			rate, _ := dig(own, "ThrottlingRateLimit").(float64)
			burst, _ := dig(own, "ThrottlingBurstLimit").(float64)
			if rate <= 0 || burst <= 0 {
				t.Errorf("%s (%v): rate %v, burst %v", id, r.Properties["RouteKey"], rate, burst)
			}
		}
	})
}

func TestRoutesAskForALogin(t *testing.T) {
	kinds := func(tm template) map[string]any {
		out := map[string]any{}
		for _, r := range tm.of("AWS::ApiGatewayV2::Route") {
			key := fmt.Sprint(r.Properties["RouteKey"])
			if strings.HasPrefix(fmt.Sprint(dig(r.Properties, "ApiId", "Ref")), "Keys") {
				key = "keys: " + key
			}
			out[key] = r.Properties["AuthorizationType"]
		}
		return out
	}
	open := []string{
		"POST /hooks/{token}", "GET /hooks/{token}", "HEAD /hooks/{token}", "GET /", "GET /docs/{page+}",
		"GET /v1/health", "GET /v1/openapi.json", "GET /v1/app-document-schema", "GET /v1/oauth/begin",
		"GET /v1/oauth/callback",
	}
	for name, tc := range map[string]struct {
		tm    template
		login []string
		open  []string
	}{
		"users":     {prod, []string{"ANY /v1/{call+}"}, append([]string{"keys: ANY /v1/{call+}"}, open...)},
		"keys only": {keysOnly, nil, append([]string{"ANY /v1/{call+}"}, open...)},
	} {
		t.Run(name, func(t *testing.T) {
			got := kinds(tc.tm)
			if len(got) != len(tc.login)+len(tc.open) {
				t.Errorf("routes %v", sorted(got))
			}
			for _, r := range tc.login {
				if got[r] != "JWT" {
					t.Errorf("%s asks for %v, want JWT", r, got[r])
				}
			}
			for _, r := range tc.open {
				if kind, has := got[r]; !has || kind != "NONE" && kind != nil {
					t.Errorf("%s asks for %v, want none", r, kind)
				}
			}
		})
	}
	if n := len(keysOnly.of("AWS::Cognito::UserPool")) + len(keysOnly.of("AWS::ApiGatewayV2::Authorizer")); n != 0 {
		t.Errorf("without users there are %d of them", n)
	}
}

func TestP10_Alarms(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		found := map[string]int{}
		for id, a := range tm.of("AWS::CloudWatch::Alarm") {
			found[fmt.Sprint(a.Properties["Namespace"])+"/"+fmt.Sprint(a.Properties["MetricName"])]++
			if len(list(a.Properties["AlarmActions"])) != 1 || a.Properties["AlarmDescription"] == nil {
				t.Errorf("%s tells nobody, or not what", id)
			}
		}
		for metric, n := range map[string]int{
			"AWS/SQS/ApproximateNumberOfMessagesVisible": 2, "AWS/SQS/ApproximateAgeOfOldestMessage": 1,
			"AWS/Lambda/Errors": 5, "AWS/Lambda/Throttles": 5, "AWS/Lambda/Invocations": 1,
			"Lockstep/SyncsOverdue": 1, "Lockstep/AccountsToAuthorize": 1,
		} {
			if found[metric] != n {
				t.Errorf("%d alarms on %s, want %d", found[metric], metric, n)
			}
		}
		for name, dead := range map[string]string{"DeadLetters": "dead.fifo", "Undelivered": "undelivered"} {
			id, a := tm.alarm(t, name)
			q := tm.Resources[fmt.Sprint(dig(a.Properties, "Dimensions", "0", "Value", "Fn::GetAtt", "0"))]
			if !strings.HasSuffix(fmt.Sprint(q.Properties["QueueName"]), dead) || a.Properties["Threshold"] != 0.0 ||
				a.Properties["ComparisonOperator"] != "GreaterThanThreshold" {
				t.Errorf("%s: %v", id, a.Properties)
			}
		}
		if id, a := tm.alarm(t, "NoTick"); a.Properties["TreatMissingData"] != "breaching" {
			t.Errorf("%s does not fire when nothing happens at all", id)
		}
		if n := len(tm.of("AWS::CloudWatch::Dashboard")); n != 1 {
			t.Errorf("%d dashboards", n)
		}
	})
}

func (t template) alarm(tb testing.TB, name string) (string, resource) {
	tb.Helper()
	for id, r := range t.of("AWS::CloudWatch::Alarm") {
		if strings.HasSuffix(fmt.Sprint(r.Properties["AlarmName"]), "-"+name) {
			return id, r
		}
	}
	tb.Fatalf("there is no alarm %s", name)
	return "", resource{}
}

func TestP11_OneRoleEachWithoutWildcards(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		of := map[string]string{}
		for id, f := range tm.of("AWS::Lambda::Function") {
			role := dig(f.Properties, "Role", "Fn::GetAtt", "0").(string)
			if other := of[role]; other != "" {
				t.Errorf("%s and %s share a role", id, other)
			}
			of[role] = id
		}
		if n := len(tm.of("AWS::IAM::Policy")) + len(tm.of("AWS::IAM::ManagedPolicy")); n != 0 {
			t.Errorf("%d policies stand outside of roles: a grant helper was at work", n)
		}
		wild := map[string]bool{}
		for id, r := range tm.of("AWS::IAM::Role") {
			if r.Properties["ManagedPolicyArns"] != nil {
				t.Errorf("%s takes policies that others change", id)
			}
			for _, st := range statements(r) {
				if st["NotAction"] != nil || st["NotResource"] != nil {
					t.Errorf("%s: %v allows by exclusion", id, st["Sid"])
				}
				for _, a := range list(st["Action"]) {
					if strings.Contains(a.(string), "*") {
						t.Errorf("%s: %v allows %s", id, st["Sid"], a)
					}
				}
				for _, res := range list(st["Resource"]) {
					text, err := json.Marshal(res)
					if err != nil {
						t.Fatal(err)
					}
					if strings.Contains(string(text), "*") {
						wild[fmt.Sprint(st["Sid"])] = true
					}
					if string(text) == `"*"` && st["Sid"] != "Traces" && st["Sid"] != "ListSchedules" {
						t.Errorf("%s: %v is allowed on everything", id, st["Sid"])
					}
				}
			}
		}
		if got, want := sorted(wild), []string{"ListSchedules", "Schedules", "Traces"}; !slices.Equal(got, want) {
			t.Errorf("statements with a wildcard resource: %v, want %v", got, want)
		}
	})
}

// TestP11_WhoMayWhat is the whole of the functions' rights beside those to items,
// which testdata/rights.txt lists, to be read in review: a new right has to be
// written here or there.
func TestP11_WhoMayWhat(t *testing.T) {
	base := map[string]string{
		"Logs": "logs:CreateLogStream PutLogEvents", "Traces": "xray:PutTelemetryRecords PutTraceSegments",
		"TableKey": "kms:Decrypt DescribeKey Encrypt GenerateDataKey ReEncryptFrom ReEncryptTo",
		"Depth":    "sqs:GetQueueAttributes",
	}
	with := func(more map[string]string) map[string]string {
		out := map[string]string{}
		for _, m := range []map[string]string{base, more} {
			for k, v := range m {
				out[k] = v
			}
		}
		return out
	}
	open, seal, send, undelivered := "kms:Decrypt", "kms:GenerateDataKey", "sqs:SendMessage", "sqs:SendMessage"
	schedules, pass := "scheduler:CreateSchedule DeleteSchedule GetSchedule UpdateSchedule", "iam:PassRole"
	want := map[string]map[string]string{
		webhook: with(map[string]string{"Send": send, "OpenSecrets": open}),
		pull:    with(map[string]string{"Send": send, "OpenSecrets": open, "SealSecrets": seal, "Undelivered": undelivered}),
		sync: with(map[string]string{
			"OpenSecrets": open, "SealSecrets": seal,
			"Work": "sqs:ChangeMessageVisibility DeleteMessage GetQueueAttributes ReceiveMessage",
		}),
		api: with(map[string]string{
			"Send": send, "OpenSecrets": open, "SealSecrets": seal, "Schedules": schedules, "PassScheduleRole": pass,
			"AdminKey": "ssm:GetParameter",
		}),
		keeper: with(map[string]string{
			"OpenSecrets": open, "Undelivered": undelivered, "Schedules": schedules, "PassScheduleRole": pass,
			"ListSchedules": "scheduler:ListSchedules",
		}),
	}
	delete(want[sync], "Depth")
	service := regexp.MustCompile(`^[a-z]+:`)
	for name, role := range rolesOf(t, full) {
		got := map[string]string{}
		for _, st := range statements(role) {
			var actions []string
			prefix := ""
			for _, a := range list(st["Action"]) {
				prefix = service.FindString(a.(string))
				actions = append(actions, strings.TrimPrefix(a.(string), prefix))
			}
			if prefix == "dynamodb:" {
				continue
			}
			slices.Sort(actions)
			got[fmt.Sprint(st["Sid"])] = prefix + strings.Join(actions, " ")
		}
		for _, sid := range sorted(with(got)) {
			if got[sid] != want[name][sid] {
				t.Errorf("%s, %s:\n  has  %q\n  want %q", name, sid, got[sid], want[name][sid])
			}
		}
		if len(got) != len(want[name]) {
			t.Errorf("%s: statements %v, want %v", name, sorted(got), sorted(want[name]))
		}
	}
}

// TestP11_TheKeyIsForTablesAndSecretsOnly: a function uses the key through
// DynamoDB, or with the context that every secret of ours has.
func TestP11_TheKeyIsForTablesAndSecretsOnly(t *testing.T) {
	files, err := filepath.Glob("../../internal/secret/kmskey/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("internal/secret/kmskey: %d files, %v", len(files), err)
	}
	bound := slices.ContainsFunc(files, func(file string) bool {
		src, err := os.ReadFile(file)
		return err == nil && !strings.HasSuffix(file, "_test.go") &&
			strings.Contains(string(src), `"lockstep": "`+secretContext+`"`)
	})
	if !bound {
		t.Error("internal/secret/kmskey binds secrets to another context")
	}
	for name, role := range rolesOf(t, prod) {
		for _, st := range statements(role) {
			if !strings.HasPrefix(fmt.Sprint(list(st["Action"])[0]), "kms:") {
				continue
			}
			via := dig(st, "Condition", "StringEquals", "kms:ViaService")
			bound := dig(st, "Condition", "StringEquals", "kms:EncryptionContext:lockstep") == secretContext
			if via == nil && !bound {
				t.Errorf("%s: %v has no condition", name, st["Sid"])
			}
		}
	}
}

func TestP12_NoSecretAnywhere(t *testing.T) {
	looks := regexp.MustCompile(`(?i)(AKIA[0-9A-Z]{16}|-----BEGIN|lsk_[A-Za-z0-9]{8}|pat-[a-z0-9]{2,}-|"[^"]*(password|secret|token|apikey|admin_key)[^"]*":"[^"]{3,}")`)
	each(t, func(t *testing.T, tm template) {
		text := tm.text
		for _, reference := range []string{ // what may look like one
			`"client_secret":"{{resolve:secretsmanager:lockstep/google:SecretString:::}}"`,
			`"client_secret":"{{resolve:secretsmanager:lockstep/facebook:SecretString}}"`,
			`"LOCKSTEP_ADMIN_KEY_PARAMETER":"/lockstep/dev/admin-key"`,
			`"LOCKSTEP_ADMIN_KEY_PARAMETER":"/lockstep/prod/admin-key"`,
			`"AccessToken":"minutes"`, `"IdToken":"minutes"`, `"RefreshToken":"minutes"`,
		} {
			text = strings.ReplaceAll(text, reference, "")
		}
		if found := looks.FindString(text); found != "" {
			t.Errorf("the template holds %s", found)
		}
		for id, c := range tm.of("AWS::Cognito::UserPoolClient") {
			if c.Properties["GenerateSecret"] != false {
				t.Errorf("%s has a secret, which a browser cannot keep", id)
			}
		}
		outputs, err := json.Marshal(tm.Outputs)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(outputs), "resolve:") || tm.Outputs["PublicUrl"] == nil || tm.Outputs["ApiUrl"] == nil {
			t.Errorf("outputs %s", outputs)
		}
	})
	for name, planted := range map[string]string{
		"key of AWS": `{"x":"AKIAABCDEFGHIJKLMNOP"}`, "password": `{"AdminPassword":"hunter22"}`,
		"API key": `{"x":"lsk_0123456789"}`, "client secret": `{"client_secret":"abcdef"}`,
	} {
		if !looks.MatchString(planted) {
			t.Errorf("the check does not see a planted %s", name)
		}
	}
}

func TestP13_RulePacks(t *testing.T) {
	each(t, func(t *testing.T, tm template) {
		for _, e := range tm.errors {
			t.Error(e)
		}
	})
	if len(strict.errors) < 10 {
		t.Errorf("without suppressions there are only %d findings: is the pack asked at all?", len(strict.errors))
	}
	all := suppressions()
	if len(all) > 5 {
		t.Errorf("%d suppressions, want at most 5", len(all))
	}
	seen := map[string]bool{}
	for _, s := range all {
		if len(s.Reason) < 40 || len(s.Where) == 0 || len(s.Rules) == 0 {
			t.Errorf("%v: reason %q, where %v", s.Rules, s.Reason, s.Where)
		}
		for _, r := range s.Rules {
			if seen[r] {
				t.Errorf("%s stands twice", r)
			}
			seen[r] = true
		}
		for _, where := range s.Where {
			if !strings.Contains(full.text, `"aws:cdk:path":"Lockstep/`+strings.TrimSuffix(where, "*")) {
				t.Errorf("%v: there is no %s", s.Rules, where)
			}
		}
	}
}

// TestLogsUnderTheCustomersKey: with encryptLogs every log group is sealed with
// the key, and CloudWatch may use it for these groups and no others.
func TestLogsUnderTheCustomersKey(t *testing.T) {
	for id, g := range dev.of("AWS::Logs::LogGroup") {
		if g.Properties["KmsKeyId"] != nil {
			t.Errorf("%s has the customer's key without being asked to", id)
		}
	}
	if strings.Contains(dev.text, "logs.amazonaws.com") {
		t.Error("CloudWatch may use the key without being asked to")
	}
	keys := full.of("AWS::KMS::Key")
	if len(keys) != 1 {
		t.Fatalf("%d keys", len(keys))
	}
	var forNames []string
	for keyID, k := range keys {
		for id, g := range full.of("AWS::Logs::LogGroup") {
			if dig(g.Properties, "KmsKeyId", "Fn::GetAtt", "0") != keyID {
				t.Errorf("%s is not under the key: %v", id, g.Properties["KmsKeyId"])
			}
		}
		statements, _ := dig(k.Properties, "KeyPolicy", "Statement").([]any)
		for _, s := range statements {
			st, _ := s.(map[string]any)
			if dig(st, "Principal", "Service") != "logs.amazonaws.com" {
				continue
			}
			for _, arn := range dig(st, "Condition", "ArnLike", "kms:EncryptionContext:aws:logs:arn").([]any) {
				joined := dig(arn, "Fn::Join", "1").([]any)
				last, _ := joined[len(joined)-1].(string)
				_, name, _ := strings.Cut(last, ":log-group:")
				forNames = append(forNames, name)
			}
		}
	}
	for id, g := range full.of("AWS::Logs::LogGroup") {
		name, _ := g.Properties["LogGroupName"].(string)
		if !slices.ContainsFunc(forNames, func(pattern string) bool {
			return strings.HasPrefix(name, strings.TrimSuffix(pattern, "*"))
		}) {
			t.Errorf("%s: CloudWatch may not use the key for %s, but for %v", id, name, forNames)
		}
	}
	if len(forNames) != 2 || slices.Contains(forNames, "*") || slices.Contains(forNames, "") {
		t.Errorf("CloudWatch may use the key for %v", forNames)
	}
}

// TestOwnNameClosesTheGatewaysOwn: with a domain there is no second address
// beside it; without one there is no other.
func TestOwnNameClosesTheGatewaysOwn(t *testing.T) {
	closed := func(tm template) (out []string) {
		for _, a := range tm.of("AWS::ApiGatewayV2::Api") {
			if a.Properties["DisableExecuteApiEndpoint"] == true {
				out = append(out, a.Properties["Name"].(string))
			}
		}
		return out
	}
	if got := closed(full); len(got) != 1 || got[0] != "lockstep-prod-web" {
		t.Errorf("with a domain %v is closed", got)
	}
	if got := closed(prod); got != nil {
		t.Errorf("without a domain %v is closed", got)
	}
}
