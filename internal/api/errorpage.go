package api

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
)

// serveErrorPage is where the type of every problem points.
//
// It writes its few tags itself: html/template finds methods by name while it
// runs, for which the linker keeps every method of every type that a program
// has, and makes the functions half as large again.
func (s *server) serveErrorPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(errorPage(Dictionary())) // the client is gone: nobody to tell
}

func errorPage(codes []Code) []byte {
	var b bytes.Buffer
	b.WriteString(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Lockstep error dictionary</title></head><body>
<h1>Error dictionary</h1>
`)
	for _, c := range codes {
		code := html.EscapeString(c.Code)
		fmt.Fprintf(&b, "<section id=\"%s\"><h2><code>%s</code></h2><p>%s.</p><p>Effect: %s. Remedy: %s.</p></section>\n",
			code, code, html.EscapeString(c.Meaning), html.EscapeString(string(c.Effect)), html.EscapeString(c.Remedy))
	}
	b.WriteString("</body></html>\n")
	return b.Bytes()
}
