package salesforcefake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// refusal is an error as Salesforce says it: an array with errorCode for a
// call, an entry with statusCode for a row of a collection.
// Source: atlas.en-us.api_rest.meta/api_rest/errorcodes.htm.
type refusal struct {
	status  int
	code    string
	message string
	fields  []string
	matches []match // of a duplicate rule
}

type match struct{ object, id string }

// Error implements error.
func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(status int, code, format string, args ...any) *refusal {
	return &refusal{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func (r *refusal) about(fields ...string) *refusal {
	r.fields = fields
	return r
}

// call is the body of a refused call.
func (r *refusal) call() any {
	e := map[string]any{"message": r.message, "errorCode": r.code}
	if len(r.fields) > 0 {
		e["fields"] = r.fields
	}
	if len(r.matches) > 0 {
		e["duplicateResult"] = r.duplicates()
	}
	return []any{e}
}

// row is a collection's entry about a refused row.
func (r *refusal) row() any {
	fields := r.fields
	if fields == nil {
		fields = []string{}
	}
	return map[string]any{"success": false, "errors": []any{
		map[string]any{"statusCode": r.code, "message": r.message, "fields": fields},
	}}
}

// duplicates is what a duplicate rule found, in the shape that third-party
// clients test for.
func (r *refusal) duplicates() any {
	object := r.matches[0].object
	records := make([]any, len(r.matches))
	for i, m := range r.matches {
		records[i] = map[string]any{"matchConfidence": 100.0, "record": map[string]any{
			"attributes": map[string]any{"type": m.object, "url": recordURL(m.object, m.id)}, "Id": m.id,
		}}
	}
	return map[string]any{
		"allowSave": r.status == http.StatusBadRequest, "duplicateRule": "Standard_" + object + "_Duplicate_Rule",
		"duplicateRuleEntityType": object, "errorMessage": r.message,
		"matchResults": []any{map[string]any{
			"entityType": object, "matchEngine": "FuzzyMatchEngine", "rule": "Standard_" + object + "_Match_Rule_v1_1",
			"size": len(records), "matchRecords": records,
		}},
	}
}

// write sends the answer to a call, with the header that tells the quota.
func (f *org) write(w http.ResponseWriter, status int, v any) {
	f.limitInfo(w)
	w.Header().Set("Date", f.core.Now().Format(http.TimeFormat)) // by the org's own clock
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

func (f *org) fail(w http.ResponseWriter, r *refusal) { f.write(w, r.status, r.call()) }

// limitInfo tells the calls of the day: guide/headers-api-usage.
func (f *org) limitInfo(w http.ResponseWriter) {
	used, limit := f.usage()
	w.Header().Set("Sforce-Limit-Info", "api-usage="+strconv.Itoa(used)+"/"+strconv.Itoa(limit))
}

// usage is the calls of the day and how many are allowed.
func (f *org) usage() (used, limit int) {
	u := f.core.Usage()
	if u.Limits.Daily == 0 {
		return f.calls, defaultDaily
	}
	return u.Limits.Daily - u.DailyRemaining, u.Limits.Daily
}

// Refuse implements fakekit.App.
func (f *org) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	if strings.HasPrefix(r.URL.Path, "/services/oauth2/") {
		f.oauthError(w, status, "unknown_error", "retry your request")
		return
	}
	codes := map[int][2]string{
		http.StatusUnauthorized:       {"INVALID_SESSION_ID", "Session expired or invalid"},
		http.StatusForbidden:          {"INSUFFICIENT_ACCESS", "insufficient access rights on object id"},
		http.StatusNotFound:           {"NOT_FOUND", "The requested resource does not exist"},
		http.StatusTooManyRequests:    {"REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."},
		http.StatusServiceUnavailable: {"SERVER_UNAVAILABLE", "Server is temporarily unavailable"},
	}
	c, ok := codes[status]
	switch {
	case ok:
	case status >= 500:
		c = [2]string{
			"UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId if you contact support: " +
				"1234567890-12345 (-123456789)",
		}
	default:
		c = [2]string{"INVALID_OPERATION", "The request cannot be carried out"}
	}
	f.fail(w, refuse(status, c[0], "%s", c[1]))
}

// Throttle implements fakekit.App. Salesforce answers 403 without Retry-After.
// Source: salesforce-app-limits-cheatsheet/guide/salesforce-app-limits-platform-api.
func (f *org) Throttle(w http.ResponseWriter, _ *http.Request, kind fakekit.LimitKind, retryAfter time.Duration) {
	if r := f.core.Usage().Limits.RetryAfter; r > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((retryAfter+time.Second-1)/time.Second)))
	}
	message := "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
	if kind == fakekit.LimitDaily {
		message = "TotalRequests Limit exceeded."
	}
	f.fail(w, refuse(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "%s", message))
}

// Unknown implements fakekit.App.
func (f *org) Unknown(w http.ResponseWriter, r *http.Request, status int) {
	if status == http.StatusMethodNotAllowed {
		f.fail(w, refuse(status, "METHOD_NOT_ALLOWED", "HTTP Method '%s' not allowed.", r.Method))
		return
	}
	f.fail(w, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist"))
}
