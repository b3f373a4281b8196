package hubspotfake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// endpoint answers one call: a status and a body, or an error.
type endpoint func(c *call) (int, any, *apiError)

// maxURL is the longest URL that the web server before the API takes; it answers
// for itself: github.com/airbytehq/airbyte/issues/33976, and for its length
// github.com/PostHog/posthog/pull/31617.
const maxURL = 16_000

// call is a call that was let in.
type call struct {
	*http.Request
	o    *object // of {type}; nil elsewhere
	body []byte
}

// decode reads the body strictly.
func (c *call) decode(v any) *apiError {
	dec := json.NewDecoder(bytes.NewReader(c.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return invalid("Invalid input JSON: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return invalid("Invalid input JSON: data after the object")
	}
	return nil
}

// allow refuses query parameters that the endpoint does not have.
func (c *call) allow(names ...string) *apiError {
	for name := range c.URL.Query() {
		if !slices.Contains(names, name) {
			return invalid("unknown query parameter %q", name)
		}
	}
	return nil
}

// flag reads a boolean parameter as the API does: any case of "true", which
// Python's clients write "True", and nothing else, not even 1
// (github.com/HubSpot/hubspot-api-python/issues/64, hubspot-api-php/issues/98).
func (c *call) flag(name string) bool { return strings.EqualFold(c.URL.Query().Get(name), "true") }

// Routes implements fakekit.App.
func (f *account) Routes() []fakekit.Route {
	var out []fakekit.Route
	add := func(r fakekit.Route, scope string, e endpoint) {
		r.Handler = f.guard(scope, r.Search, e)
		out = append(out, r)
	}
	const read, write, schema = "crm.objects.{type}.read", "crm.objects.{type}.write", "crm.schemas.{type}.write"
	for _, base := range []string{"/crm/v3/objects/{type}", "/crm/objects/2026-03/{type}"} {
		add(fakekit.Route{Pattern: "GET " + base}, read, f.list)
		add(fakekit.Route{Pattern: "POST " + base, Write: true}, write, f.createOne)
		add(fakekit.Route{Pattern: "GET " + base + "/{id}"}, read, f.getOne)
		add(fakekit.Route{Pattern: "PATCH " + base + "/{id}", Write: true}, write, f.updateOne)
		add(fakekit.Route{Pattern: "DELETE " + base + "/{id}", Write: true}, write, f.archiveOne)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/read"}, read, f.batchRead)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/create", Write: true}, write, f.batchCreate)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/update", Write: true}, write, f.batchUpdate)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/upsert", Write: true}, write, f.batchUpsert)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/archive", Write: true}, write, f.batchArchive)
		add(fakekit.Route{Pattern: "POST " + base + "/merge", Write: true}, write, f.mergeTwo)
		add(fakekit.Route{Pattern: "POST " + base + "/gdpr-delete", Write: true}, write, f.forget)
		// Search has a limit of its own and none of the others (G3, S).
		add(fakekit.Route{Pattern: "POST " + base + "/search", Search: true}, read, f.search)
	}
	for _, base := range []string{"/crm/v3/properties/{type}", "/crm/properties/2026-03/{type}"} {
		seen := "crm.schemas.{type}.read|crm.objects.{type}.read"
		add(fakekit.Route{Pattern: "GET " + base}, seen, f.listProperties)
		add(fakekit.Route{Pattern: "GET " + base + "/{name}"}, seen, f.getProperty)
		add(fakekit.Route{Pattern: "POST " + base, Write: true}, schema, f.createProperty)
		add(fakekit.Route{Pattern: "DELETE " + base + "/{name}", Write: true}, schema, f.archiveProperty)
	}
	f.schemaRoutes(add)
	f.associationRoutes(add)
	f.pipelineRoutes(add)
	for _, base := range []string{"/crm/v3/owners", "/crm/owners/2026-03"} {
		add(fakekit.Route{Pattern: "GET " + base}, "crm.objects.owners.read", f.listOwners)
		add(fakekit.Route{Pattern: "GET " + base + "/{$}"}, "crm.objects.owners.read", f.listOwners)
		add(fakekit.Route{Pattern: "GET " + base + "/{id}"}, "crm.objects.owners.read", f.getOwner)
	}
	for _, v := range []string{"v3", "2026-03"} {
		add(fakekit.Route{Pattern: "GET /account-info/" + v + "/details"}, "oauth", f.account)
	}
	return append(out, f.oauthRoutes()...)
}

// guard lets a call in: token, scope, object type; then it runs the endpoint.
func (f *account) guard(scope string, search bool, e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.RequestURI()) > maxURL {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusRequestURITooLong)
			_, _ = io.WriteString(w, "<html>\r\n<head><title>414 Request-URI Too Large</title></head>\r\n</html>\r\n")
			return
		}
		c := &call{Request: r}
		c.body, _ = io.ReadAll(r.Body)
		f.rateHeaders(w, search)
		if err := f.admit(c, scope); err != nil {
			f.fail(w, err)
			return
		}
		status, body, err := e(c)
		switch {
		case err != nil:
			f.fail(w, err)
		case body == nil:
			w.WriteHeader(status)
		default:
			f.json(w, status, body)
		}
	}
}

func (f *account) admit(c *call, scope string) *apiError {
	access, ok := fakekit.Bearer(c.Header.Get("Authorization"))
	if !ok {
		return unauthenticated("Authentication credentials not found.")
	}
	tok, state := f.Tokens().Check(access)
	switch state {
	case fakekit.TokenExpired:
		return &apiError{
			status: http.StatusUnauthorized, Category: "EXPIRED_AUTHENTICATION",
			Message: "The OAuth token used to make this call has expired.",
		}
	case fakekit.TokenRevoked, fakekit.TokenUnknown:
		return unauthenticated("The token used to make this call is not valid.")
	case fakekit.TokenValid:
	}
	if name := c.PathValue("type"); name != "" {
		if c.o, ok = f.object(name); !ok {
			return invalid("Unable to infer object type from: %s", name) // O
		}
		scope = strings.ReplaceAll(scope, "{type}", cmp.Or(c.o.scope, c.o.name))
	}
	either := scopeAlternatives(scope)
	if !slices.ContainsFunc(either, func(s string) bool { return tok.Can(s) && !slices.Contains(f.without, s) }) {
		return missingScope(either...)
	}
	if len(c.body) > 0 && !strings.HasPrefix(c.Header.Get("Content-Type"), "application/json") {
		return &apiError{status: http.StatusUnsupportedMediaType, Message: "HTTP 415 Unsupported Media Type"}
	}
	return nil
}
