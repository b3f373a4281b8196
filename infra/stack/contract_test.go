package stack

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// constants reads the texts that a file of the programs gives names to. The
// programs are another module, so that the CDK stays out of theirs.
func constants(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, v := range spec.Values {
			if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					out[spec.Names[i].Name] = s
				}
			}
		}
		return true
	})
	return out
}

func TestTablesAreAsTheStoreReadsThem(t *testing.T) {
	its := constants(t, "internal/store/dynamostore/keys.go")
	for name, ours := range map[string]string{
		"PartitionKey": partitionKey, "SortKey": sortKey, "IndexName": indexName,
		"IndexPartitionKey": indexPartitionKey, "IndexSortKey": indexSortKey, "TTLAttribute": ttlAttribute,
	} {
		if its[name] != ours {
			t.Errorf("%s is %q for the store and %q in the template", name, its[name], ours)
		}
	}
	for _, tm := range []template{dev, prod} {
		for id, r := range tm.of("AWS::DynamoDB::Table") {
			got := fmt.Sprint(
				dig(r.Properties, "KeySchema", "0", "AttributeName"), dig(r.Properties, "KeySchema", "1", "AttributeName"),
				dig(r.Properties, "GlobalSecondaryIndexes", "0", "IndexName"),
				dig(r.Properties, "GlobalSecondaryIndexes", "0", "KeySchema", "0", "AttributeName"),
				dig(r.Properties, "GlobalSecondaryIndexes", "0", "KeySchema", "1", "AttributeName"),
				dig(r.Properties, "GlobalSecondaryIndexes", "0", "Projection", "ProjectionType"))
			if got != "psindexijALL" {
				t.Errorf("%s: %s", id, got)
			}
		}
	}
}

// TestEnvironmentIsWhatTheProgramsRead: every variable that they cannot do
// without is set, and none is set that nobody reads.
func TestEnvironmentIsWhatTheProgramsRead(t *testing.T) {
	read := map[string]bool{}
	err := fs.WalkDir(os.DirFS("../.."), "internal", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return err
		}
		for _, v := range constants(t, p) {
			if strings.HasPrefix(v, "LOCKSTEP_") {
				read[v] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	always := []string{
		"LOCKSTEP_SETTINGS_TABLE", "LOCKSTEP_LINKS_TABLE", "LOCKSTEP_LOG_TABLE", "LOCKSTEP_QUEUE_URL",
		"LOCKSTEP_DEAD_QUEUE_URL", "LOCKSTEP_KEY_ID", "LOCKSTEP_STAGE",
		"LOCKSTEP_ALLOW_HOSTS", "LOCKSTEP_APP_DOCUMENTS", // chosen in this template
	}
	schedules := []string{
		"LOCKSTEP_SCHEDULE_GROUP", "LOCKSTEP_SCHEDULE_ROLE_ARN", "LOCKSTEP_PULL_FUNCTION_ARN",
		"LOCKSTEP_UNDELIVERED_QUEUE_ARN",
	}
	must := map[string][]string{
		webhook: {"LOCKSTEP_PUBLIC_URL"}, pull: nil, sync: nil, keeper: schedules,
		api: append([]string{"LOCKSTEP_PUBLIC_URL", "LOCKSTEP_ADMIN_KEY_PARAMETER"}, schedules...),
	}
	for name, more := range must {
		_, f := full.function(t, name)
		set, _ := dig(f.Properties, "Environment", "Variables").(map[string]any)
		if layers, _ := f.Properties["Layers"].([]any); len(layers) != 1 || len(full.of("AWS::Lambda::LayerVersion")) != 1 {
			t.Errorf("%s has the layers %v, want the one with the documents that its environment names", name, layers)
		}
		want := append(slices.Clone(always), more...)
		slices.Sort(want)
		if got := sorted(set); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
		for _, v := range want {
			if !read[v] {
				t.Errorf("%s: nothing in internal reads %s", name, v)
			}
		}
	}
}

// TestClaimsAreAsTheFunctionReadsThem: an attribute that users could write
// would let them choose their workspace and role.
func TestClaimsAreAsTheFunctionReadsThem(t *testing.T) {
	its := constants(t, "internal/access/claims.go")
	prefix := its["customPrefix"]
	src, err := os.ReadFile("../../internal/access/claims.go")
	if err != nil || prefix == "" {
		t.Fatal(err)
	}
	for _, name := range []string{workspaceAttribute, roleAttribute} {
		if !strings.Contains(string(src), `customPrefix + "`+name+`"`) {
			t.Errorf("internal/access/claims.go does not read %s%s", prefix, name)
		}
	}
	for _, tm := range []template{dev, prod, full} {
		for id, client := range tm.of("AWS::Cognito::UserPoolClient") {
			for _, a := range list(client.Properties["WriteAttributes"]) {
				if strings.HasPrefix(fmt.Sprint(a), prefix) {
					t.Errorf("%s: users write %v", id, a)
				}
			}
			for _, name := range []string{workspaceAttribute, roleAttribute} {
				if !slices.Contains(list(client.Properties["ReadAttributes"]), any(prefix+name)) {
					t.Errorf("%s: the ID token lacks %s", id, name)
				}
			}
			if len(list(client.Properties["WriteAttributes"])) == 0 {
				t.Errorf("%s: without a list users write every attribute", id)
			}
		}
	}
}

// TestMetricsAreAsTheFunctionsWriteThem: each is on the dashboard, by the name
// that it is written under.
func TestMetricsAreAsTheFunctionsWriteThem(t *testing.T) {
	its := constants(t, "internal/telemetry/metrics.go")
	if its["Namespace"] != namespace {
		t.Errorf("written to %q, watched in %q", its["Namespace"], namespace)
	}
	shown := ""
	for _, d := range prod.of("AWS::CloudWatch::Dashboard") {
		shown += text(d.Properties)
	}
	n := 0
	for name, metric := range its {
		if strings.HasPrefix(name, "Metric") {
			if n++; !strings.Contains(shown, `\"`+metric+`\"`) {
				t.Errorf("%s is written and not on the dashboard", metric)
			}
		}
	}
	if ours := constantsOf("metric", constants(t, "infra/stack/alarms.go")); n != ours {
		t.Errorf("%d metrics are written, %d watched", n, ours)
	}
}

func constantsOf(prefix string, all map[string]string) (n int) {
	for name := range all {
		if strings.HasPrefix(name, prefix) {
			n++
		}
	}
	return n
}

func TestAssetsAreTheFunctions(t *testing.T) {
	keys := map[string]bool{}
	for _, f := range dev.of("AWS::Lambda::Function") {
		keys[fmt.Sprint(dig(f.Properties, "Code", "S3Key"))] = true
	}
	if len(keys) != 5 {
		t.Errorf("%d different assets for 5 functions", len(keys))
	}
	c := &Config{Assets: t.TempDir()}
	if err := c.CheckAssets(); err == nil || !strings.Contains(err.Error(), "webhook, pull, sync, api, keeper") ||
		!strings.Contains(err.Error(), "make lambda") {
		t.Errorf("of missing functions: %v", err)
	}
	for _, f := range functionSpecs() {
		dir := filepath.Join(c.Assets, f.name)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "bootstrap"), []byte("x"),
			0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for folder, good := range map[string]bool{
		"": true, "../../internal/connector/apps/documents": true, c.Assets: false,
		"/nowhere": false,
	} {
		c.AppDocuments = folder
		if err := c.CheckAssets(); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "appDocuments") {
			t.Errorf("documents in %q: %v", folder, err)
		}
	}
}

func TestTemplateIsTheSameEachTime(t *testing.T) {
	assets := t.TempDir()
	for _, f := range functionSpecs() {
		if err := errors.Join(os.Mkdir(c(assets, f.name), 0o700), os.WriteFile(c(assets, f.name, "bootstrap"), []byte("x"),
			0o600)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := synthesise(assets, everyOption), synthesise(assets, everyOption)
	if a.text != b.text {
		t.Error("two templates of one configuration differ")
	}
}

func c(parts ...string) string { return filepath.Join(parts...) }

func TestConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		context map[string]any
		want    []string // parts of the error; none = accepted
	}{
		"nothing":      {nil, nil},
		"every option": {everyOption, nil},
		"numbers":      {map[string]any{"budgetUsd": 12.5, "syncConcurrency": 2.0, "users": true}, nil},
		"stage":        {map[string]any{"stage": "production"}, []string{"stage"}},
		"all at once": {
			map[string]any{
				"stage": "x", "budgetUsd": "much", "syncConcurrency": "1", "users": "perhaps", "alertEmail": "nobody",
				"domain": "sync.example.com",
			},
			[]string{"stage", "budgetUsd", "syncConcurrency", "users", "alertEmail", "domain and certificateArn"},
		},
		"not a number":           {map[string]any{"budgetUsd": "NaN"}, []string{"budgetUsd"}},
		"a list":                 {map[string]any{"allowHosts": []any{"a"}}, []string{"allowHosts"}},
		"provider without login": {map[string]any{"googleClient": "x", "googleSecret": "y"}, []string{"loginDomain"}},
		"provider without secret": {
			map[string]any{"facebookClient": "x", "loginDomain": "x", "callbackUrls": "https://x"},
			[]string{"facebookClient and facebookSecret"},
		},
		"login without callback": {map[string]any{"loginDomain": "x"}, []string{"callbackUrls"}},
		"local callback in dev":  {map[string]any{"loginDomain": "x", "callbackUrls": "http://localhost:8080/"}, nil},
		"local callback in prod": {
			map[string]any{"stage": "prod", "loginDomain": "x", "callbackUrls": "http://localhost:8080/"}, []string{"not https"},
		},
		"hosts in dev": {map[string]any{"allowHosts": "127.0.0.1:8080, http://10.0.0.1"}, nil},
		"hosts in prod": {
			map[string]any{"stage": "prod", "allowHosts": "crm.example.com,crm.example.org:8443"},
			nil,
		},
		"a bad parameter": {map[string]any{"adminKeyParameter": "key*"}, []string{"adminKeyParameter"}},
		"a prefix with a dot": {
			map[string]any{"loginDomain": "a.b", "callbackUrls": "https://x"}, []string{"loginDomain"},
		},
		"a certificate of no place": {
			map[string]any{"domain": "a.example.com", "certificateArn": "arn:aws:acm"}, []string{"certificateArn"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newConfig(func(n string) any { return tc.context[n] }, "/root")
			if tc.want == nil && err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one about %s", err, want)
				}
			}
		})
	}
}

func TestX4_ProdRefusesItsOwnMachine(t *testing.T) {
	for _, host := range []string{
		"localhost", "localhost:8080", "x.localhost", "127.0.0.1", "127.0.0.1:80", "127.9.9.9",
		"[::1]:8080", "::1", "0.0.0.0", "http://crm.example.com", "LOCALHOST:1",
	} {
		_, err := newConfig(func(n string) any {
			return map[string]any{"stage": "prod", "allowHosts": "crm.example.com," + host}[n]
		}, "/root")
		if err == nil || !strings.Contains(err.Error(), "allowHosts") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestPublicRoutesAskForNoLogin: what the surface shows to anybody is reached by
// a browser that has no token yet; the gateway must not ask for one.
func TestPublicRoutesAskForNoLogin(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", "internal/api/routes.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]bool{}
	for _, r := range webRoutes() {
		if !r.login {
			open[r.path] = true
		}
	}
	seen := 0
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		var path string
		public := false
		for _, e := range lit.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			switch fmt.Sprint(kv.Key) {
			case "path":
				if value, ok := kv.Value.(*ast.BasicLit); ok {
					path, _ = strconv.Unquote(value.Value)
				}
			case "level":
				public = fmt.Sprint(kv.Value) == "public"
			}
		}
		if public {
			if seen++; !open[path] {
				t.Errorf("%s is public, and the gateway asks for a login", path)
			}
		}
		return true
	})
	if seen < 3 {
		t.Errorf("only %d public routes were found", seen)
	}
}
