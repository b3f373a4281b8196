package console

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed all:static
var static embed.FS

// Built is what vite made; empty when the program was built without Node.
func Built() fs.FS {
	app, err := fs.Sub(static, "static/app")
	if err != nil { // the name is a constant and is well formed
		panic(err)
	}
	return app
}

const (
	indexName = "index.html"
	// nonceMark stands in index.html for the nonce of the answer; see web/vite.config.ts.
	nonceMark = "__NONCE__"
	assets    = "/assets/"
	forever   = "public, max-age=31536000, immutable"
	nonceSize = 18
)

// server serves pages, and sends what is none on.
type server struct {
	app   fs.FS
	index []byte
	next  http.Handler
	https bool
}

// Over returns a handler that serves the console's pages from app, and leaves
// every other request to next. https says that browsers reach us over TLS.
func Over(next http.Handler, app fs.FS, https bool) http.Handler {
	s := &server{app: app, next: next, https: https}
	if index, err := fs.ReadFile(app, indexName); err == nil {
		s.index = index
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case reads && strings.HasPrefix(r.URL.Path, assets):
		s.asset(w, r)
	case reads && isPage(r):
		s.page(w, r)
	default:
		s.next.ServeHTTP(w, r)
	}
}

// others are the beginnings of paths that are not the console's.
var others = []string{"/v1/", "/hooks/", "/docs/", "/metrics/"}

// isPage tells a browser that wants to show a page from whoever asks the API
// for a path that it does not have.
func isPage(r *http.Request) bool {
	for _, other := range others {
		if strings.HasPrefix(r.URL.Path+"/", other) {
			return false
		}
	}
	for _, kind := range strings.Split(r.Header.Get("Accept"), ",") {
		if name, _, _ := mime.ParseMediaType(kind); name == "text/html" {
			return true
		}
	}
	return false
}

// policy lets a page load its own files and talk to its own address. Styles that
// the library makes bear the nonce. What is written into the document passes a
// policy that knows no markup: see web/src/app/trusted.ts.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%s'; img-src 'self' data:; font-src " +
	"'self'; connect-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for " +
	"'script'; trusted-types default"

func (s *server) headers(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	if s.https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// page answers every address of the console with the same page, whose script
// knows what to show.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	s.headers(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	nonce := newNonce()
	h.Set("Content-Security-Policy", fmt.Sprintf(policy, nonce))
	status, body := http.StatusOK, bytes.ReplaceAll(s.index, []byte(nonceMark), []byte(nonce))
	if s.index == nil {
		status, body = http.StatusServiceUnavailable, []byte(missing)
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone: nobody to tell
	}
}

func newNonce() string {
	var b [nonceSize]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	return base64.StdEncoding.EncodeToString(b[:])
}

// asset serves a file whose name says what is in it, as it was compressed when
// the program was built.
func (s *server) asset(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	s.headers(h)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Vary", "Accept-Encoding")
	name := strings.TrimPrefix(r.URL.Path, "/")
	if !fs.ValidPath(name) {
		s.absent(w)
		return
	}
	packed, err := fs.ReadFile(s.app, name+".gz")
	if err != nil {
		s.absent(w)
		return
	}
	body, encoding := packed, "gzip"
	switch {
	case accepts(r, "br"):
		if b, err := fs.ReadFile(s.app, name+".br"); err == nil {
			body, encoding = b, "br"
		}
	case !accepts(r, "gzip"):
		if body, err = unpacked(packed); err != nil {
			s.absent(w)
			return
		}
		encoding = ""
	}
	h.Set("Content-Type", mediaType(name))
	h.Set("Cache-Control", forever)
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) //nolint:gosec // a file that was built in; a client that is gone is not told
	}
}

func (s *server) absent(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "there is no such file: the page is of another version of the program; load it again\n")
}

// mediaTypes are of the files that vite makes; the machine's own list may differ.
var mediaTypes = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
	".png":   "image/png",
	".woff2": "font/woff2", ".ico": "image/x-icon", ".webmanifest": "application/manifest+json",
}

func mediaType(name string) string {
	if t := mediaTypes[path.Ext(name)]; t != "" {
		return t
	}
	return "application/octet-stream"
}

// accepts tells whether a client takes an encoding; "q=0" says that it does not.
func accepts(r *http.Request, encoding string) bool {
	for _, offer := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(offer), ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			q := strings.ReplaceAll(weight, " ", "")
			return q != "q=0" && !strings.HasPrefix(q, "q=0.000") && q != "q=0.0" && q != "q=0.00"
		}
	}
	return false
}

func unpacked(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// missing is the page of a program that was built without Node.
const missing = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Lockstep: the console is not built</title>
<h1>The console is not part of this program</h1>
<p>It was built with Go alone. The console's pages are made with Node 20 or later: install it,
run <code>make build</code>, and start <code>bin/lockstep</code> again.</p>
<p>Everything else works: the API is described at <a href="/v1/openapi.json">/v1/openapi.json</a>.</p>
</html>
`

var _ http.Handler = (*server)(nil)
