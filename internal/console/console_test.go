package console

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// teapot stands for the API.
var teapot = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

func built(t *testing.T) fstest.MapFS {
	t.Helper()
	return fstest.MapFS{
		indexName:          {Data: []byte(`<meta nonce="__NONCE__"><script src="/assets/a-1.js"></script>`)},
		"assets/a-1.js.gz": {Data: packed(t, "let a")},
		"assets/a-1.js.br": {Data: []byte("packed by brotli")},
	}
}

func get(t *testing.T, h http.Handler, method, target string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const browser = "text/html,application/xhtml+xml,*/*;q=0.8"

// TestWhoAnswers: pages go to browsers that open an address, everything else to
// the API as if there were no console.
func TestWhoAnswers(t *testing.T) {
	t.Parallel()
	h := Over(teapot, built(t), false)
	for name, c := range map[string]struct {
		method, target, accept string
		status                 int
	}{
		"the first page":         {"GET", "/", browser, 200},
		"an address inside":      {"GET", "/connections/con_1/records?state=conflict", browser, 200},
		"only whether it is":     {"HEAD", "/", browser, 200},
		"the API in a browser":   {"GET", "/v1/connections", browser, 418},
		"the document":           {"GET", "/v1/openapi.json", browser, 418},
		"an app's delivery":      {"GET", "/hooks/x", browser, 418},
		"what codes mean":        {"GET", "/docs/errors", browser, 418},
		"a program":              {"GET", "/connections", "*/*", 418},
		"a program without wish": {"GET", "/", "", 418},
		"a change":               {"POST", "/", browser, 418},
		"a file":                 {"GET", "/assets/a-1.js", "*/*", 200},
		"a file of another time": {"GET", "/assets/a-0.js", "*/*", 404},
		"a file outside":         {"GET", "/assets/../index.html", "*/*", 404},
		"a folder":               {"GET", "/assets/", "*/*", 404},
	} {
		if got := get(t, h, c.method, c.target, "Accept", c.accept); got.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", name, got.StatusCode, c.status)
		}
	}
}

// TestThePageIsStrict: nothing but our own files runs, no frame shows it, and
// each answer has a nonce of its own.
func TestThePageIsStrict(t *testing.T) {
	t.Parallel()
	h := Over(teapot, built(t), true)
	seen := map[string]bool{}
	for range 3 {
		got := get(t, h, "GET", "/log", "Accept", browser)
		policy := got.Header.Get("Content-Security-Policy")
		m := regexp.MustCompile(`style-src 'self' 'nonce-([A-Za-z0-9+/=]{24})';`).FindStringSubmatch(policy)
		if m == nil || seen[m[1]] {
			t.Fatalf("no fresh nonce in %q", policy)
		}
		seen[m[1]] = true
		if text := body(t, got); !strings.Contains(text, `nonce="`+m[1]+`"`) || strings.Contains(text, nonceMark) {
			t.Errorf("the page does not bear the nonce: %s", text)
		}
		for _, part := range []string{
			"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'",
			"form-action 'none'", "require-trusted-types-for 'script'",
		} {
			if !strings.Contains(policy, part) {
				t.Errorf("the policy lacks %q", part)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
			t.Errorf("the policy lets too much through: %s", policy)
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy":            "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s: %q", name, got.Header.Get(name))
			}
		}
	}
}

// TestFilesAreCompressedAheadAndKept: a client gets the best that it takes.
func TestFilesAreCompressedAheadAndKept(t *testing.T) {
	t.Parallel()
	h := Over(teapot, built(t), false)
	for name, c := range map[string]struct{ accept, encoding, body string }{
		"brotli":           {"gzip, deflate, br", "br", "packed by brotli"},
		"gzip":             {"gzip", "gzip", string(packed(t, "let a"))},
		"neither":          {"", "", "let a"},
		"brotli forbidden": {"br;q=0, gzip", "gzip", string(packed(t, "let a"))},
	} {
		got := get(t, h, "GET", "/assets/a-1.js", "Accept-Encoding", c.accept)
		if got.Header.Get("Content-Encoding") != c.encoding || body(t, got) != c.body {
			t.Errorf("%s: encoded as %q", name, got.Header.Get("Content-Encoding"))
		}
		if got.Header.Get("Cache-Control") != forever || got.Header.Get("Content-Type") != "text/javascript; charset=utf-8" ||
			got.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v", name, got.Header)
		}
	}
}

// TestWithoutNode: a program without pages says what is missing, and serves the API.
func TestWithoutNode(t *testing.T) {
	t.Parallel()
	h := Over(teapot, fstest.MapFS{}, false)
	got := get(t, h, "GET", "/", "Accept", browser)
	if text := body(t, got); got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "make build") ||
		strings.Contains(text, "<script") {
		t.Errorf("%d %s", got.StatusCode, text)
	}
	if got := get(t, h, "GET", "/v1/health", "Accept", browser); got.StatusCode != http.StatusTeapot {
		t.Errorf("the API is not served: %d", got.StatusCode)
	}
}
