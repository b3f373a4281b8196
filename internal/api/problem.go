package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// Problem is every refusal and failure, as RFC 9457 wants it.
type Problem struct {
	Type      string        `json:"type" doc:"Address of the page about the code"`
	Title     string        `json:"title"`
	Status    int           `json:"status" minimum:"400" maximum:"599"`
	Detail    string        `json:"detail"`
	Code      string        `json:"code" doc:"A code of GET /v1/codes"`
	Remedy    string        `json:"remedy,omitempty" doc:"What to do about it, as GET /v1/codes says of the code"`
	Errors    []ProblemItem `json:"errors,omitempty" doc:"Every place at fault"`
	RequestID string        `json:"request_id"`

	header http.Header
	cause  error
	long   bool // of a body with a list or object so long that it was not looked into
}

// ProblemItem is one place at fault.
type ProblemItem struct {
	Pointer   string `json:"pointer" doc:"JSON Pointer into the body; empty for the whole body or a parameter"`
	Detail    string `json:"detail" doc:"What is wrong, and what to do"`
	Code      string `json:"code,omitempty"`
	Remedy    string `json:"remedy,omitempty" doc:"What to do about it, as GET /v1/codes says of the code"`
	Parameter string `json:"parameter,omitempty" doc:"Place and name of a parameter at fault, such as query.limit"`
}

// MarshalJSON implements json.Marshaler: no answer names a code without saying
// what to do about it.
func (p Problem) MarshalJSON() ([]byte, error) {
	type plain Problem
	p.Remedy = meanings[p.Code].Remedy
	return json.Marshal(plain(p))
}

// MarshalJSON implements json.Marshaler.
func (i ProblemItem) MarshalJSON() ([]byte, error) {
	type plain ProblemItem
	i.Remedy = meanings[i.Code].Remedy
	return json.Marshal(plain(i))
}

// Error implements error; it says nothing that the client may not read.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// Unwrap returns what went wrong, for the log.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// problem returns a refusal with a code of the dictionary.
func problem(status int, code, detail string, items ...ProblemItem) *Problem {
	if detail == "" {
		detail = meaning(code)
	}
	return &Problem{
		Type: docsPath + "#" + code, Title: http.StatusText(status), Status: status, Detail: detail,
		Code: code, Errors: items,
	}
}

// statusOf is the one table from kinds of errors to HTTP. What is our own
// trouble is never a 4xx.
func statusOf(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unsupported:
		return http.StatusUnprocessableEntity
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Denied:
		return http.StatusForbidden
	case fault.Throttled, fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Other:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// problemOf turns any error into a problem.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	kind, code := fault.KindOf(err), fault.CodeOf(err)
	status := statusOf(kind)
	switch code { // no trouble of an app's: the caller's own
	case CodeShareSpent:
		status = http.StatusTooManyRequests
	case CodeViewerAsks:
		status = http.StatusForbidden
	}
	p := problem(status, code, "")
	p.cause = err
	if f, ok := errors.AsType[*fault.Error](err); ok && kind != fault.Other {
		if f.Message != "" {
			p.Detail = f.Message
		}
		if f.Field != "" {
			p.Errors = []ProblemItem{{Detail: "the app's field " + f.Field, Code: p.Code}}
		}
		if f.RetryAfter > 0 {
			p.retryAfter(f.RetryAfter)
		}
	}
	return p
}

func (p *Problem) retryAfter(d time.Duration) {
	p.setHeader("Retry-After", strconv.Itoa(int(max(1, math.Ceil(d.Seconds())))))
}

func (p *Problem) setHeader(name, value string) {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
}

func (p *Problem) withHeader(name, value string) *Problem {
	p.setHeader(name, value)
	return p
}

// invalidDocument is the refusal of a document that has problems: 422 when all
// it asks for is what this release or an app cannot do, else 400.
func invalidDocument(list []mapping.Problem) *Problem {
	status, code := http.StatusUnprocessableEntity, CodeUnsupportedSetting
	items := make([]ProblemItem, 0, min(len(list), maxItems))
	for _, x := range list {
		switch {
		case x.Code == CodeUnsupportedSetting && status == http.StatusUnprocessableEntity:
		case x.Code == CodeSettingLocked && status == http.StatusUnprocessableEntity:
			code = CodeSettingLocked
		default:
			status, code = http.StatusBadRequest, CodeInvalidDocument
		}
		if len(items) < maxItems {
			items = append(items, ProblemItem{Pointer: x.Pointer, Detail: x.Detail, Code: x.Code})
		}
	}
	return problem(status, code, strconv.Itoa(len(list))+" problem(s) in the document; nothing was stored", items...)
}

// maxItems bounds the errors of one problem.
const maxItems = 100

// humaErrors makes huma speak in problems. Its hooks are package variables, so
// this happens once for the process.
var humaErrors = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return humaProblem(status, msg, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := humaProblem(status, msg, errs)
		if ctx != nil {
			p.RequestID = requestID(ctx.Context())
			refusedWith(ctx.Context(), p.Code)
		}
		return p
	}
})

// humaProblem translates what huma found wrong, which can only be parameters:
// bodies were checked before. Values are not echoed.
func humaProblem(status int, msg string, errs []error) *Problem {
	code := CodeInternal
	switch {
	case status == http.StatusUnprocessableEntity && msg == "validation failed", status == http.StatusBadRequest:
		status, code, msg = http.StatusBadRequest, CodeInvalidParameter, ""
	case status == http.StatusNotAcceptable:
		code = CodeNotAcceptable
	case status < http.StatusInternalServerError && status >= http.StatusBadRequest:
		code = CodeInvalidParameter
	default:
		msg = ""
	}
	p := problem(status, code, msg)
	for _, e := range errs {
		d, ok := e.(huma.ErrorDetailer)
		if !ok || len(p.Errors) == maxItems {
			continue
		}
		detail := d.ErrorDetail()
		if strings.HasPrefix(detail.Location, "path.") && detail.Location != "path.side" {
			return problem(http.StatusNotFound, CodeNotFound, "") // an ID that cannot exist does not
		}
		p.Errors = append(p.Errors, ProblemItem{Parameter: detail.Location, Detail: detail.Message, Code: code})
	}
	return p
}

// parameter is the refusal of one query or path parameter.
func parameter(name, detail string) *Problem {
	return problem(http.StatusBadRequest, CodeInvalidParameter, detail, ProblemItem{
		Parameter: name, Detail: detail, Code: CodeInvalidParameter,
	})
}

type requestIDKey struct{}

func withRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// escape writes one reference token of a JSON Pointer.
func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

var (
	_ huma.StatusError       = (*Problem)(nil)
	_ huma.HeadersError      = (*Problem)(nil)
	_ huma.ContentTypeFilter = (*Problem)(nil)
)
