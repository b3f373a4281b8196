package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// TestX7_StrictBodies sends every kind of bad body and looks for what was stored.
func TestX7_StrictBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	before := w.stored()
	deep := strings.Repeat(`{"all":[`, 20) + strings.Repeat(`]}`, 20)
	for name, c := range map[string]struct {
		body    string
		status  int
		code    string
		pointer string
		options []option
	}{
		"empty":          {"", 400, CodeBodyRequired, "", nil},
		"no JSON":        {"hello", 400, CodeMalformedJSON, "", nil},
		"cut off":        {`{"name":"x","syncs":[1`, 400, CodeMalformedJSON, "/syncs/1", nil},
		"trailing":       {`{"name":"x"} {}`, 400, CodeTrailingData, "", nil},
		"trailing comma": {`{"name":"x",}`, 400, CodeMalformedJSON, "", nil},
		"comment":        {`{"name":"x"/*y*/}`, 400, CodeMalformedJSON, "", nil},
		"NaN":            {`{"name":NaN}`, 400, CodeMalformedJSON, "/name", nil},
		"list":           {`[]`, 400, CodeWrongType, "", nil},
		"null":           {`null`, 400, CodeWrongType, "", nil},
		"duplicate key":  {`{"name":"x","name":"y"}`, 400, CodeDuplicateKey, "/name", nil},
		"duplicate key inside": {
			`{"name":"x","syncs":[{"id":"a"},{"id":"a","id":"b"}]}`, 400, CodeDuplicateKey, "/syncs/1/id", nil,
		},
		"duplicate through escapes": {`{"name":"x","n\u0061me":"y"}`, 400, CodeDuplicateKey, "/name", nil},
		"unknown key": {
			strings.Replace(w.document("x"), `{"name"`, `{"title":1,"name"`, 1), 400, CodeUnknownKey, "/title", nil,
		},
		"unknown key inside": {
			strings.Replace(w.document("x"), `{"id":"email"`, `{"colour":1,"id":"email"`, 1), 400,
			CodeUnknownKey, "/syncs/0/mappings/0/colour", nil,
		},
		"key of another case": {
			strings.Replace(w.document("x"), `{"name"`, `{"Name":"y","name"`, 1), 400, CodeUnknownKey, "/Name", nil,
		},
		"bad UTF-8":               {"{\"name\":\"\xff\"}", 400, CodeBadUTF8, "", nil},
		"half a character":        {`{"name":"\ud800"}`, 400, CodeBadUTF8, "", nil},
		"half a character, other": {`{"name":"\udc00\ud800"}`, 400, CodeBadUTF8, "", nil},
		"too deep": {
			`{"name":"x","syncs":[{"rules":[{"filter":` + deep + `}]}]}`, 400, CodeTooDeep, "",
			nil,
		},
		"wrong type": {
			strings.Replace(w.document("x"), `"name":"x"`, `"name":7`, 1), 400, CodeWrongType,
			"/name", nil,
		},
		"text for a boolean": {
			strings.Replace(w.document("x"), `{"name"`, `{"enabled":"yes","name"`, 1), 400, CodeWrongType, "/enabled", nil,
		},
		"object for a value": {
			strings.Replace(w.document("x"), `1.10`, `{"a":1}`, 1), 400, CodeWrongType, "/syncs/0/mappings/2/default/to_right",
			nil,
		},
		"too large": {`{"name":"` + strings.Repeat("x", 1<<20) + `"}`, 413, CodeBodyTooLarge, "", nil},
		"form": {
			`name=x`, 415, CodeBadMediaType, "", []option{header("Content-Type", "application/x-www-form-urlencoded")},
		},
		"other charset": {
			`{}`, 415, CodeBadMediaType, "", []option{header("Content-Type", "application/json; charset=latin1")},
		},
		"compressed": {`{}`, 415, CodeBadMediaType, "", []option{header("Content-Encoding", "gzip")}},
	} {
		t.Run(name, func(t *testing.T) {
			p := w.must(c.status, "POST", "/v1/connections", c.body, c.options...).problem(t)
			if p.Code != c.code {
				t.Errorf("code %q, want %q: %+v", p.Code, c.code, p)
			}
			if c.status == 400 && (len(p.Errors) == 0 || p.Errors[0].Detail == "") {
				t.Fatalf("no place and remedy: %+v", p)
			}
			if c.pointer != "" && p.Errors[0].Pointer != c.pointer {
				t.Errorf("pointer %q, want %q", p.Errors[0].Pointer, c.pointer)
			}
		})
	}
	if after := w.stored(); after != before {
		t.Errorf("something was stored:\n%s", after)
	}
}

// TestX7_PatchesRemoveOnlyWhatIsKnown: nothing is left of an unknown key that a
// merge patch sets to null, so it is looked for in the patch itself.
func TestX7_PatchesRemoveOnlyWhatIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	target := "/v1/connections/" + id
	before := w.stored()
	p := w.must(400, "PATCH", target, `{"Name":null,"left":{"colour":null},"description":null}`, ifMatch("*")).problem(t)
	var at []string
	for _, e := range p.Errors {
		at = append(at, e.Code+" "+e.Pointer)
	}
	if diff := cmp.Diff([]string{"unknown_key /Name", "unknown_key /left/colour"}, at); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	if w.stored() != before {
		t.Error("something was stored")
	}
	w.must(200, "PATCH", target, `{"description":null,"time_zone":null,"default_country":null}`, ifMatch("*"))
}

// TestX7_ChunkedBodiesAreBounded sends a body without a length.
func TestX7_ChunkedBodiesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := httptest.NewServer(w.handler)
	defer s.Close()
	body := io.MultiReader(strings.NewReader(`{"name":"`), io.LimitReader(endless{}, 8<<20))
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/v1/connections", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+operatorKey)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d, want 413", resp.StatusCode)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestX7_NumbersStayExact sends a number that no float holds.
func TestX7_NumbersStayExact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const exact = "12345678901234567890.12345678901234567890"
	r := w.must(201, "POST", "/v1/connections", strings.Replace(w.document("x"), "1.10", exact, 1))
	id := r.json(t)["id"].(string)
	for _, target := range []string{"", "/export"} {
		if got := w.must(200, "GET", "/v1/connections/"+id+target, "").body; !strings.Contains(string(got), exact) {
			t.Errorf("%s: the number is gone: %s", target, got)
		}
	}
}

func TestHostsAndAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) {
		o.PublicURL, o.AllowHosts = "https://sync.example.com", []string{"lan.example.org"}
	})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "127.0.0.1:1": 200, "[::1]:80": 200, "sync.example.com": 200,
		"SYNC.example.com.": 200, "lan.example.org:9": 200,
		"evil.example.net": 421, "localhost.evil.example.net": 421, "127.0.0.1.evil.example.net:80": 421, "192.168.1.4": 421,
	} {
		if got := w.do("GET", "/v1/health", "", func(r *http.Request) { r.Host = host }); got.status != want {
			t.Errorf("host %q: got %d, want %d", host, got.status, want)
		}
	}
	for target, want := range map[string]int{
		"/v1/none":                                    404,
		"/v1/apps/":                                   404,
		"/v1//apps":                                   404,
		"/v1/../v1/apps":                              404,
		"/v1/apps/%ff":                                400,
		"/v1/apps?limit=%zz":                          400,
		"/v1/apps?nope=1":                             400,
		"/v1/connections?limit=0":                     400,
		"/v1/connections?limit=201":                   400,
		"/v1/connections?limit=x":                     400,
		"/v1/connections?limit=1&limit=2":             400,
		"/v1/connections?cursor=garbage":              400,
		"/v1/keys?cursor=AAAA":                        400,
		"/v1/connections/con_none":                    404,
		"/v1/connections/" + strings.Repeat("x", 300): 404,
		"/v1/accounts/%00":                            400,
	} {
		r := w.do("GET", target, "")
		if r.status != want {
			t.Errorf("%s: got %d, want %d: %s", target, r.status, want, r.body)
		}
		r.problem(t)
	}
	r := w.must(405, "DELETE", "/v1/apps", "")
	if allow := r.header.Get("Allow"); allow != "GET, HEAD" {
		t.Errorf("Allow: %q", allow)
	}
}

// FuzzStrictJSON holds the strict reader against the standard one: what it
// accepts is valid JSON that reads back as the same value, and it never panics.
func FuzzStrictJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":[1,{"b":null}]}`, `{"a":1,"a":2}`, `"\ud83d\ude00"`, `"\ud83d"`, `[[[[]]]]`,
		`1e999`, ` 1 `, `1 2`, `{"a" 1}`, "\xff", `"\\ud800"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, p := strictJSON(b)
		if p != nil {
			if p.Status != 400 || p.Errors == nil {
				t.Fatalf("%+v", p)
			}
			return
		}
		if !json.Valid(b) || !utf8.Valid(b) {
			t.Fatalf("accepted what is no JSON: %q", b)
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		again, p := strictJSON(out)
		if p != nil || fmt.Sprint(again) != fmt.Sprint(v) {
			t.Fatalf("%q does not read back: %v", out, p)
		}
	})
}
