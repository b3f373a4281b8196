package api

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

type openAPI struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string
		Security    *[]map[string][]string
		Responses   map[string]struct {
			Content map[string]struct{ Schema json.RawMessage }
		}
	}
	Components struct{ Schemas map[string]json.RawMessage }
}

func (w *world) document31() openAPI {
	w.t.Helper()
	var doc openAPI
	if err := json.Unmarshal(w.must(200, "GET", openAPIPath, "", header("Authorization", "")).body, &doc); err != nil {
		w.t.Fatal(err)
	}
	return doc
}

// TestOpenAPIMatchesTheHandlers walks the published document: every operation
// is a route and the other way round, asks for a key unless it says otherwise,
// and answers nothing that is not in its list.
func TestOpenAPIMatchesTheHandlers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	doc := f.document31()
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q", doc.OpenAPI)
	}
	count := 0
	order := slices.Clone(routes)
	slices.SortStableFunc(order, func(a, b route) int { return strings.Compare(last(a), last(b)) })
	for _, r := range order {
		op, ok := doc.Paths[r.path][strings.ToLower(r.method)]
		if !ok || op.OperationID != r.id {
			t.Errorf("%s %s is not in the document", r.method, r.path)
			continue
		}
		count++
		if open := op.Security != nil && len(*op.Security) == 0; open != (r.level == public) {
			t.Errorf("%s: open in the document: %t, in the matrix: %s", r.id, open, r.level)
		}
		if r.id == "run-events" {
			continue
		}
		for _, try := range []struct {
			body    string
			options []option
		}{
			{f.body(r), []option{header("Authorization", "")}},
			{f.body(r), nil},
			{f.body(r), []option{ifMatch("*"), header("Idempotency-Key", "walk-"+r.id)}},
			{`{"nonsense":true}`, []option{ifMatch("*")}},
			{`{"cut`, []option{ifMatch("*")}},
			{"x", []option{header("Content-Type", "text/plain")}},
			{`{"name":"` + strings.Repeat("x", 1<<20) + `"}`, nil},
		} {
			if r.method == "GET" {
				try.body = ""
			}
			got := f.do(r.method, f.target(r), try.body, try.options...)
			answer, listed := op.Responses[strconv.Itoa(got.status)]
			if !listed {
				t.Errorf("%s answers %d, which is not in the document: %s", r.id, got.status, got.body)
				continue
			}
			media, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
			if _, listed := answer.Content[media]; !listed && len(got.body) > 0 {
				t.Errorf("%s answers %d as %q, which is not in the document", r.id, got.status, media)
			}
		}
	}
	inDocument := 0
	for _, item := range doc.Paths {
		inDocument += len(item)
	}
	if inDocument != count || count != len(routes) {
		t.Errorf("%d operations in the document, %d routes", inDocument, len(routes))
	}
}

// TestOpenAPIReferencesResolve looks up every reference of the document.
func TestOpenAPIReferencesResolve(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doc := w.document31()
	raw := string(w.must(200, "GET", openAPIPath, "").body)
	for _, m := range regexp.MustCompile(`"\$ref":"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(raw, -1) {
		if _, ok := doc.Components.Schemas[m[1]]; !ok {
			t.Errorf("there is no schema %q", m[1])
		}
	}
}

// TestAnswersFitTheirSchemas checks real answers against the published schemas.
func TestAnswersFitTheirSchemas(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	order := slices.Clone(routes)
	slices.SortStableFunc(order, func(a, b route) int { return strings.Compare(last(a), last(b)) })
	checked := 0
	for _, r := range order {
		if r.id == "run-events" {
			continue
		}
		for _, try := range []option{ifMatch("*"), as("none")} {
			got := f.do(r.method, f.target(r), f.body(r), try)
			media, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
			response := f.server.routes[r.method+" "+r.path].op.Responses[strconv.Itoa(got.status)]
			if response == nil || !strings.HasSuffix(media, "json") {
				continue
			}
			value, p := strictJSON(got.body)
			if p != nil {
				t.Fatalf("%s: %v", r.id, p)
			}
			if p := checkBody(f.server.registry(), &f.server.patterns, response.Content[media].Schema, value); p != nil {
				t.Errorf("%s %d: %+v\n%s", r.id, got.status, p.Errors, got.body)
			}
			checked++
		}
	}
	if checked < len(routes) {
		t.Errorf("only %d answers checked", checked)
	}
}

var codeWord = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// TestEveryCodeIsInTheDictionary reads the source of every package and looks
// for constants Code…, fault.New and fault.Error with a code.
func TestEveryCodeIsInTheDictionary(t *testing.T) {
	t.Parallel()
	missing := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasSuffix(d.Name(), "fake") || d.Name() == "testdata" || d.Name() == "fakekit" ||
			slices.Contains([]string{"arch", "sim", "modelapp", "testbed"}, d.Name()) || strings.HasSuffix(d.Name(), "test")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
		if err != nil {
			return nil // being edited; its own package fails
		}
		for _, code := range codesOf(file) {
			if _, ok := meanings[code]; !ok {
				missing[code] = path
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for code, path := range missing {
		t.Errorf("the code %q of %s is not in the dictionary (codes_table.go)", code, path)
	}
}

// codesOf finds the codes that a file gives to errors and problems.
func codesOf(file *ast.File) []string {
	var out []string
	add := func(e ast.Expr) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return
		}
		if s, err := strconv.Unquote(lit.Value); err == nil && codeWord.MatchString(s) {
			out = append(out, s)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.ValueSpec:
			for i, name := range x.Names {
				if (strings.HasPrefix(name.Name, "Code") || strings.HasPrefix(name.Name, "code")) && i < len(x.Values) {
					add(x.Values[i])
				}
			}
		case *ast.CallExpr:
			if sel, ok := x.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "New" && fmt.Sprint(sel.X) == "fault" &&
				len(x.Args) == 4 {
				add(x.Args[2])
			}
			if sel, ok := x.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "decide" && len(x.Args) == 4 {
				add(x.Args[2])
			}
			if sel, ok := x.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "deferFor" && len(x.Args) == 2 {
				add(x.Args[1])
			}
		case *ast.KeyValueExpr:
			if key, ok := x.Key.(*ast.Ident); ok && key.Name == "Code" {
				add(x.Value)
			}
		}
		return true
	})
	return out
}

// TestDictionaryIsComplete wants every entry whole and unique, and the page in
// the docs to be what the table says.
func TestDictionaryIsComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range Dictionary() {
		if c.Meaning == "" || c.Effect == "" || c.Remedy == "" || seen[c.Code] || !codeWord.MatchString(c.Code) {
			t.Errorf("%+v", c)
		}
		seen[c.Code] = true
	}
	path := filepath.Join("..", "..", "docs", "errors.md")
	want := errorsMarkdown()
	if os.Getenv("LOCKSTEP_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/errors.md is not what the table says: run LOCKSTEP_UPDATE=1 go test ./internal/api -run " +
			"TestDictionaryIsComplete")
	}
	w := newWorld(t)
	page := string(w.must(200, "GET", docsPath, "", header("Authorization", "")).body)
	for code := range seen {
		if !strings.Contains(page, `id="`+code+`"`) {
			t.Errorf("the page has no anchor %q", code)
		}
	}
}

func errorsMarkdown() string {
	var b strings.Builder
	b.WriteString("# Error dictionary\n\nEvery problem that the API answers and every entry of the log carries a code. " +
		"`GET /v1/codes` lists them too, and the\n" +
		"running program serves this page at `/docs/errors`, where the `type` of a problem points.\n\n" +
		"Effects: `request_refused` and `not_saved` change nothing; `record_skipped` leaves one record alone; " +
		"`field_skipped` one field;\n" +
		"`retried` waits and goes on by itself; `connection_waits` needs a person; `none` is a statement.\n")
	for _, c := range Dictionary() {
		also := ""
		if c.Also != "" {
			also = " or `" + string(c.Also) + "`"
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n- Effect: `%s`%s\n- Remedy: %s\n", c.Code, upper(c.Meaning), c.Effect, also,
			c.Remedy)
	}
	return b.String()
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// TestOtherSuccessesAreInTheDocument: calls that succeed in two ways say so, and with what.
func TestOtherSuccessesAreInTheDocument(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	target := "/v1/connections/" + f.connection + "/syncs/contacts/records/resolve"
	links := "/v1/connections/" + f.connection + "/syncs/contacts/links"
	for _, try := range []struct {
		status             int
		method, path, body string
		route              string
	}{
		{200, "POST", target, `{"filter":{"state":"conflict"},"choice":"left","dry_run":true}`, "POST /v1/connections/{id}/syncs/{sync}/records/resolve"},
		{200, "POST", links, `{"pairs":[{"left":"1","right":"2"}],"dry_run":true}`, "POST /v1/connections/{id}/syncs/{sync}/links"},
		{202, "POST", links, `{"pairs":[{"left":"1","right":"2"}]}`, "POST /v1/connections/{id}/syncs/{sync}/links"},
		{202, "POST", target, `{"filter":{"state":"duplicate"},"choice":"apart"}`, "POST /v1/connections/{id}/syncs/{sync}/records/resolve"},
	} {
		got := f.do(try.method, try.path, try.body)
		response := f.server.routes[try.route].op.Responses[strconv.Itoa(got.status)]
		if got.status != try.status || response == nil {
			t.Errorf("%s answers %d, in the document: %t; %s", try.route, got.status, response != nil, got.body)
			continue
		}
		value, p := strictJSON(got.body)
		if p != nil {
			t.Fatal(p)
		}
		schema := response.Content["application/json"].Schema
		if p := checkBody(f.server.registry(), &f.server.patterns, schema, value); p != nil {
			t.Errorf("%s %d: %+v\n%s", try.route, got.status, p.Errors, got.body)
		}
	}
}
