package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
)

// template is a synthesised template, as far as the tests look into it.
type template struct {
	Resources map[string]resource       `json:"Resources"`
	Outputs   map[string]map[string]any `json:"Outputs"`

	text   string   // all of it
	errors []string // findings of the rule pack
}

type resource struct {
	Type                string         `json:"Type"`
	Properties          map[string]any `json:"Properties"`
	Metadata            map[string]any `json:"Metadata"`
	DependsOn           []string       `json:"DependsOn"`
	DeletionPolicy      string         `json:"DeletionPolicy"`
	UpdateReplacePolicy string         `json:"UpdateReplacePolicy"`
}

// Templates are made once: each takes about a second, and Node.
var (
	dev, prod, full, keysOnly template
	strict                    template // dev, no rule suppressed
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		assets, err := os.MkdirTemp("", "lockstep-assets-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(assets)
		defer jsii.Close()
		if err := os.Unsetenv("CDK_DEFAULT_REGION"); err != nil { // templates here do not depend on who makes them
			panic(err)
		}
		for _, f := range functionSpecs() { // different ones, as functions are
			dir := filepath.Join(assets, f.name)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				panic(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte(f.name), 0o600); err != nil {
				panic(err)
			}
		}
		dev = synthesise(assets, map[string]any{"stage": "dev"})
		prod = synthesise(assets, map[string]any{"stage": "prod"})
		full = synthesise(assets, everyOption)
		keysOnly = synthesise(assets, map[string]any{"stage": "dev", "users": "false"})
		strict = synthesiseWith(assets, map[string]any{"stage": "dev"}, nil)
		return m.Run()
	}())
}

// everyOption is a configuration with all that can be chosen. cfn-lint judges
// the template of it, too.
var everyOption = func() map[string]any {
	text, err := os.ReadFile(filepath.Join("testdata", "every-option.json"))
	if err != nil {
		panic(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		panic(err)
	}
	return out
}()

// synthesise makes the template as the program does, cdk.json included.
func synthesise(assets string, chosen map[string]any) template {
	return synthesiseWith(assets, chosen, suppressions())
}

func synthesiseWith(assets string, chosen map[string]any, suppressed []suppression) template {
	context, err := ReadContext("../..")
	if err != nil {
		panic(err)
	}
	for k, v := range chosen {
		context[k] = v
	}
	context["assets"] = assets
	context["@aws-cdk/core:annotationsInValidationReport"] = false // findings are collected here, not thrown
	app := NewApp(context, "")
	c, err := ReadConfig(app.Node(), "../..")
	if err != nil {
		panic(err)
	}
	s := New(app, c)
	s.check(app, suppressed)
	text, err := json.Marshal(assertions.Template_FromStack(s.stack, nil).ToJSON())
	if err != nil {
		panic(err)
	}
	t := template{text: string(text)}
	if err := json.Unmarshal(text, &t); err != nil {
		panic(err)
	}
	for _, f := range *assertions.Annotations_FromStack(s.stack).FindError(jsii.String("*"), assertions.Match_AnyValue()) {
		t.errors = append(t.errors, fmt.Sprintf("%s: %v", *f.Id,
			f.Entry.Data)) //nolint:staticcheck // the assertions of the CDK return this type, which has no successor in Go
	}
	return t
}

// of returns the resources of a type, by logical ID.
func (t template) of(kind string) map[string]resource {
	out := map[string]resource{}
	for id, r := range t.Resources {
		if r.Type == kind {
			out[id] = r
		}
	}
	return out
}

// named returns the one resource of a type whose property has this value.
func (t template) named(tb testing.TB, kind, property, value string) (string, resource) {
	tb.Helper()
	for id, r := range t.of(kind) {
		if r.Properties[property] == value {
			return id, r
		}
	}
	tb.Fatalf("the template has no %s with %s %q", kind, property, value)
	return "", resource{}
}

func (t template) function(tb testing.TB, name string) (string, resource) {
	tb.Helper()
	stage := "dev"
	if strings.Contains(t.text, "lockstep-prod-") {
		stage = "prod"
	}
	return t.named(tb, "AWS::Lambda::Function", "FunctionName", "lockstep-"+stage+"-"+name)
}

// dig follows names and indexes into a value.
func dig(v any, path ...string) any {
	for _, p := range path {
		switch at := v.(type) {
		case map[string]any:
			v = at[p]
		case []any:
			var i int
			if _, err := fmt.Sscan(p, &i); err != nil || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// list returns a property that the template writes as one value or several.
func list(v any) []any {
	if all, ok := v.([]any); ok {
		return all
	}
	if v == nil {
		return nil
	}
	return []any{v}
}

// each runs a check on every configuration.
func each(t *testing.T, check func(*testing.T, template)) {
	t.Helper()
	for _, c := range []struct {
		name string
		t    template
	}{{"dev", dev}, {"prod", prod}, {"every option", full}, {"keys only", keysOnly}} {
		t.Run(c.name, func(t *testing.T) { check(t, c.t) })
	}
}

func sorted[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// TestEveryOptionIsChosen: an option that is added has to be judged, too.
func TestEveryOptionIsChosen(t *testing.T) {
	asked := map[string]bool{}
	if _, err := newConfig(func(name string) any { asked[name] = true; return nil }, "."); err != nil {
		t.Fatal(err)
	}
	delete(asked, "assets") // a folder of the machine
	for name := range asked {
		if everyOption[name] == nil {
			t.Errorf("%s is not in testdata/every-option.json", name)
		}
	}
	for name := range everyOption {
		if !asked[name] {
			t.Errorf("%s is in testdata/every-option.json and no option", name)
		}
	}
}
