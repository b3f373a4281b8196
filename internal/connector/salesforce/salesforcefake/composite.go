package salesforcefake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// Most calls in one: atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
// and …/resources_composite_batch.htm.
const (
	maxParts   = 25
	maxQueries = 5 // of them queries and collections, in a composite
)

// part is a call within a composite.
type part struct {
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Reference string            `json:"referenceId"`
	Body      json.RawMessage   `json:"body"`
	Headers   map[string]string `json:"httpHeaders"`
}

// partAnswer is what became of it.
type partAnswer struct {
	Body      any               `json:"body"`
	Headers   map[string]string `json:"httpHeaders"`
	Status    int               `json:"httpStatusCode"`
	Reference string            `json:"referenceId"`
}

// reply keeps the answer of a call within a call.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *reply) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *reply) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }

// value is the answer's JSON; nil for none.
func (r *reply) value() any {
	var v any
	dec := json.NewDecoder(&r.body)
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

// callable reads the address of a call within a call, which is none of these
// calls itself.
func callable(method, target string) (*url.URL, *refusal) {
	u, err := url.ParseRequestURI(target)
	if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, "/services/data/v") {
		return nil, refuse(http.StatusBadRequest, "INVALID_INPUT", "The url of a subrequest is invalid: %s", target)
	}
	if path := strings.TrimSuffix(u.Path, "/"); strings.HasSuffix(path, "/composite") ||
		strings.HasSuffix(path, "/composite/batch") {
		return nil, refuse(http.StatusBadRequest, "INVALID_INPUT", "The url of a subrequest is invalid: %s", target)
	}
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete:
		return u, nil
	}
	return nil, refuse(http.StatusBadRequest, "INVALID_INPUT", "The method of a subrequest is invalid: %s", method)
}

// within makes a call of the data API on behalf of another.
func (f *org) within(
	outer *http.Request, method, target string, body []byte, headers map[string]string,
) (*reply, *refusal) {
	u, bad := callable(method, target)
	if bad != nil {
		return nil, bad
	}
	in := outer.Clone(outer.Context())
	in.Method, in.URL, in.RequestURI = method, u, ""
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	for name, v := range headers {
		in.Header.Set(name, v)
	}
	in.Header.Set("Content-Type", "application/json")
	out := &reply{header: http.Header{}, status: http.StatusOK}
	if _, pattern := f.parts.Handler(in); pattern == "" {
		f.Unknown(out, in, http.StatusNotFound)
		return out, nil
	}
	f.parts.ServeHTTP(out, in)
	return out, nil
}

// partRef is @{name.path} in a later call's address or body.
var partRef = regexp.MustCompile(`@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[[0-9]+\])*)\}`)

var refStep = regexp.MustCompile(`[A-Za-z0-9_]+`)

// refer puts in what earlier answers hold.
func refer(s string, answers map[string]any, escape func(string) string) (string, *refusal) {
	var bad *refusal
	out := partRef.ReplaceAllStringFunc(s, func(ref string) string {
		m := partRef.FindStringSubmatch(ref)
		v, ok := answers[m[1]]
		for _, name := range refStep.FindAllString(m[2], -1) {
			switch at := v.(type) {
			case map[string]any:
				v = at[name]
			case []any:
				var i int
				if _, err := fmt.Sscanf(name, "%d", &i); err != nil || i >= len(at) {
					v = nil
					break
				}
				v = at[i]
			default:
				v = nil
			}
		}
		if !ok || v == nil {
			bad = refuse(http.StatusBadRequest, "PROCESSING_HALTED", "Invalid reference specified. No value for %s found in %s",
				strings.TrimSuffix(ref[2:], "}"), m[1])
			return ref
		}
		return escape(fmt.Sprint(v))
	})
	return out, bad
}

// composite runs up to 25 calls in their order, each able to use the answers of
// those before: resources_composite_composite.htm.
func (f *org) composite(w http.ResponseWriter, r *http.Request) {
	var in struct {
		AllOrNone bool   `json:"allOrNone"`
		Collate   bool   `json:"collateSubrequests"`
		Parts     []part `json:"compositeRequest"`
	}
	bad := decode(r, &in)
	if bad == nil {
		bad = checkParts(in.Parts)
	}
	if bad != nil {
		f.fail(w, bad)
		return
	}
	calls, tx := f.calls, &transaction{}
	if in.AllOrNone {
		f.tx = tx
	}
	answers, values := make([]partAnswer, len(in.Parts)), map[string]any{}
	failed := false
	for i, p := range in.Parts {
		answers[i] = f.runPart(r, p, values)
		if answers[i].Status < 300 {
			values[p.Reference] = answers[i].Body
			continue
		}
		failed = true
		if in.AllOrNone {
			halt(answers, in.Parts, i)
			break
		}
	}
	f.tx, f.calls = nil, calls // the whole counts as one call
	if failed && in.AllOrNone {
		tx.rollBack()
	} else {
		for _, e := range tx.events {
			f.core.Emit(e)
		}
	}
	f.write(w, http.StatusOK, map[string]any{"compositeResponse": answers})
}

// checkParts refuses a composite as a whole.
func checkParts(parts []part) *refusal {
	if len(parts) == 0 || len(parts) > maxParts {
		return refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "A composite holds 1 to %d subrequests", maxParts)
	}
	seen, queries := map[string]bool{}, 0
	for _, p := range parts {
		if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`).MatchString(p.Reference) || seen[p.Reference] {
			return refuse(http.StatusBadRequest, "INVALID_INPUT", "The referenceId is missing, invalid or used twice: %s",
				p.Reference)
		}
		seen[p.Reference] = true
		if strings.Contains(p.URL, "/query") || strings.Contains(p.URL, "/composite/sobjects") {
			queries++
		}
	}
	if queries > maxQueries {
		return refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "A composite holds up to %d queries and collections",
			maxQueries)
	}
	return nil
}

func (f *org) runPart(r *http.Request, p part, values map[string]any) partAnswer {
	out := partAnswer{Headers: map[string]string{}, Reference: p.Reference}
	refused := func(bad *refusal) partAnswer {
		out.Status, out.Body = bad.status, bad.call()
		return out
	}
	target, bad := refer(p.URL, values, url.PathEscape)
	if bad != nil {
		return refused(bad)
	}
	body, bad := refer(string(p.Body), values, func(s string) string {
		quoted, _ := json.Marshal(s) // a text always can be
		return string(quoted[1 : len(quoted)-1])
	})
	if bad != nil {
		return refused(bad)
	}
	got, bad := f.within(r, p.Method, target, []byte(body), p.Headers)
	if bad != nil {
		return refused(bad)
	}
	out.Status, out.Body = got.status, got.value()
	if id, ok := out.Body.(map[string]any); ok && got.status == http.StatusCreated && id["id"] != nil {
		out.Headers["Location"] = strings.TrimSuffix(target, "/") + "/" + fmt.Sprint(id["id"])
	}
	return out
}

// halt tells the calls that were taken back or not made because call n failed.
func halt(answers []partAnswer, parts []part, n int) {
	for i := range parts {
		if i == n {
			continue
		}
		answers[i] = partAnswer{
			Headers: map[string]string{}, Status: http.StatusBadRequest, Reference: parts[i].Reference,
			Body: refuse(http.StatusBadRequest, "PROCESSING_HALTED",
				"The transaction was rolled back since another operation in the same transaction failed.").call(),
		}
	}
}

// batch runs up to 25 calls that know nothing of each other; each counts:
// resources_composite_batch.htm.
func (f *org) batch(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Halt  bool `json:"haltOnError"`
		Parts []struct {
			Method string          `json:"method"`
			URL    string          `json:"url"`
			Body   json.RawMessage `json:"richInput"`
		} `json:"batchRequests"`
	}
	bad := decode(r, &in)
	if bad == nil && (len(in.Parts) == 0 || len(in.Parts) > maxParts) {
		bad = refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "A batch holds 1 to %d subrequests", maxParts)
	}
	for i := range in.Parts { // a wrong address or method refuses the whole, before anything is done
		if p := &in.Parts[i]; bad == nil {
			p.URL = "/services/data/" + strings.TrimPrefix(p.URL, "/services/data/")
			_, bad = callable(p.Method, p.URL)
		}
	}
	if bad != nil {
		f.fail(w, bad)
		return
	}
	type result struct {
		Status int `json:"statusCode"`
		Result any `json:"result"`
	}
	results, failed := make([]result, len(in.Parts)), false
	for i, p := range in.Parts {
		if failed && in.Halt {
			halted := refuse(http.StatusPreconditionFailed, "BATCH_PROCESSING_HALTED", "Batch processing halted per request")
			results[i] = result{halted.status, halted.call()}
			continue
		}
		got, bad := f.within(r, p.Method, p.URL, p.Body, nil)
		if bad != nil {
			results[i] = result{bad.status, bad.call()}
		} else {
			results[i] = result{got.status, got.value()}
		}
		failed = failed || results[i].Status >= 400
	}
	f.write(w, http.StatusOK, map[string]any{"hasErrors": failed, "results": results})
}

// partRoutes is what composites can call: the data API without its composites.
func partRoutes(routes []fakekit.Route) *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.Pattern, r.Handler)
	}
	return mux
}
