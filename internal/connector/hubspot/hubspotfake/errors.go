package hubspotfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// apiError is HubSpot's error body (E1, S).
type apiError struct {
	status int

	Status      string              `json:"status"`
	Message     string              `json:"message"`
	Correlation string              `json:"correlationId,omitempty"`
	Category    string              `json:"category,omitempty"`
	SubCategory string              `json:"subCategory,omitempty"`
	ErrorType   string              `json:"errorType,omitempty"`
	PolicyName  string              `json:"policyName,omitempty"`
	Context     map[string][]string `json:"context,omitempty"`
	Errors      []detail            `json:"errors,omitempty"`
	Links       *struct{}           `json:"links,omitempty"`
}

type detail struct {
	Message     string              `json:"message"`
	Code        string              `json:"code,omitempty"`
	In          string              `json:"in,omitempty"`
	SubCategory string              `json:"subCategory,omitempty"`
	Context     map[string][]string `json:"context,omitempty"`
}

// Categories of errors (E1).
const (
	catValidation = "VALIDATION_ERROR"
	catConflict   = "CONFLICT"
	catNotFound   = "OBJECT_NOT_FOUND"
	catScopes     = "MISSING_SCOPES"
	catLimits     = "RATE_LIMITS"
)

func invalid(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, Category: catValidation, Message: fmt.Sprintf(format, args...)}
}

// invalidProperties is the refusal of values; HubSpot lists them in the message as well (E1).
func invalidProperties(ds []detail) *apiError {
	e := invalid("Property values were not valid")
	e.Errors = ds
	return e
}

func notFound() *apiError {
	return &apiError{status: http.StatusNotFound, Category: catNotFound, Message: "resource not found"}
}

// exists is the refusal of a second record with a unique value. The ID in the
// text is undocumented, and in wide use (O).
func exists(o *object, property, value, id string) *apiError {
	e := &apiError{status: http.StatusConflict, Category: catConflict}
	if property == "email" {
		e.Message = "Contact already exists. Existing ID: " + id
		return e
	}
	e.status, e.Category = http.StatusBadRequest, catValidation
	e.Message = fmt.Sprintf("Property values were not valid: a value for the unique property %s is in use by %s %s",
		property, o.singular, id)
	e.Errors = []detail{{
		Message: "the value is already in use", Code: "CONFLICTING_UNIQUE_VALUE", In: property,
		Context: map[string][]string{"propertyName": {property}, "ids": {id}},
	}}
	return e
}

func (f *account) fail(w http.ResponseWriter, e *apiError) {
	e.Status = "error"
	e.Correlation = f.correlate(w)
	f.json(w, e.status, e)
}

// correlate gives an answer an ID.
func (f *account) correlate(w http.ResponseWriter) string {
	f.calls++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", f.calls)
	w.Header().Set(correlation, id)
	return id
}

const correlation = "X-HubSpot-Correlation-Id"

func (f *account) json(w http.ResponseWriter, status int, v any) {
	if w.Header().Get(correlation) == "" {
		f.correlate(w)
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

// Unknown implements fakekit.App.
func (f *account) Unknown(w http.ResponseWriter, _ *http.Request, status int) {
	e := &apiError{status: status, Message: "resource not found"}
	if status == http.StatusMethodNotAllowed {
		e.Message = "HTTP 405 Method Not Allowed"
	}
	f.fail(w, e)
}

// Refuse implements fakekit.App: the body of a status that was injected.
func (f *account) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	e := &apiError{status: status, Message: http.StatusText(status)}
	switch status {
	case http.StatusBadRequest:
		e.Category = catValidation
	case http.StatusUnauthorized:
		e = unauthenticated("Authentication credentials not found.")
	case http.StatusForbidden:
		e = missingScope("crm.objects.contacts.read")
	case http.StatusNotFound:
		e = notFound()
	case http.StatusConflict:
		e.Category = catConflict
	case http.StatusTooManyRequests:
		e = limited(fakekit.LimitBurst)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		// What a gateway in front says is no JSON.
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<html><body><h1>%d %s</h1></body></html>", status, http.StatusText(status))
		return
	}
	f.fail(w, e)
}

func unauthenticated(message string) *apiError {
	return &apiError{status: http.StatusUnauthorized, Category: "INVALID_AUTHENTICATION", Message: message}
}

func missingScope(scopes ...string) *apiError {
	return &apiError{
		status: http.StatusForbidden, Category: catScopes,
		Message: "This app hasn't been granted all required scopes to make this call.",
		Errors: []detail{{
			Message: "One or more of the following scopes are required.",
			Context: map[string][]string{"requiredGranularScopes": scopes},
		}},
	}
}

// limited is the 429 of a limit (U2).
func limited(kind fakekit.LimitKind) *apiError {
	e := &apiError{status: http.StatusTooManyRequests, Category: catLimits, ErrorType: "RATE_LIMIT"}
	switch kind {
	case fakekit.LimitSearch:
		e.Message, e.PolicyName = "You have reached your secondly limit.", "SECONDLY"
	case fakekit.LimitDaily:
		e.Message, e.PolicyName = "You have reached your daily limit.", "DAILY"
	case fakekit.LimitBurst:
		e.Message, e.PolicyName = "You have reached your ten_secondly_rolling limit.", "TEN_SECONDLY_ROLLING"
	}
	return e
}

// Throttle implements fakekit.App. HubSpot documents no Retry-After here (U2):
// the knob may ask for one.
func (f *account) Throttle(w http.ResponseWriter, _ *http.Request, kind fakekit.LimitKind, _ time.Duration) {
	u := f.Usage()
	if s := int(u.Limits.RetryAfter / time.Second); s > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(s))
	}
	f.rateHeaders(w, kind == fakekit.LimitSearch)
	f.fail(w, limited(kind))
}

// rateHeaders tells what is left (U1). Search answers carry none (G3).
func (f *account) rateHeaders(w http.ResponseWriter, search bool) {
	u := f.Usage()
	if search || u.Limits.Calls == 0 {
		return
	}
	h := w.Header()
	h.Set("X-HubSpot-RateLimit-Max", fmt.Sprint(u.Limits.Calls))
	h.Set("X-HubSpot-RateLimit-Remaining", fmt.Sprint(u.Remaining))
	h.Set("X-HubSpot-RateLimit-Interval-Milliseconds", fmt.Sprint(u.Limits.Window.Milliseconds()))
	if u.Limits.Daily > 0 {
		h.Set("X-HubSpot-RateLimit-Daily", fmt.Sprint(u.Limits.Daily))
		h.Set("X-HubSpot-RateLimit-Daily-Remaining", fmt.Sprint(u.DailyRemaining))
	}
}

// scopeAlternatives reads "a|b": either is enough.
func scopeAlternatives(s string) []string { return strings.Split(s, "|") }
