package api

import (
	"html/template"
	"net/http"
)

var errorPage = template.Must(template.New("errors").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Lockstep error dictionary</title></head><body>
<h1>Error dictionary</h1>
{{range .}}<section id="{{.Code}}"><h2><code>{{.Code}}</code></h2><p>{{.Meaning}}.</p><p>Effect: {{.Effect}}. Remedy: {{.Remedy}}.</p></section>
{{end}}</body></html>
`))

// serveErrorPage is where the type of every problem points.
func (s *server) serveErrorPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = errorPage.Execute(w, Dictionary()) // the client is gone: nobody to tell
}
