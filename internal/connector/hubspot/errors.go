package hubspot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Waits where HubSpot names none: its own client library waits ten seconds and
// one second; a daily limit ends at midnight in a time zone we do not know, so
// that asking once a minute is the way to know. A locked record wants two seconds.
// Sources: docs/api-reference/error-handling, @hubspot/api-client RetryDecorator.
const (
	waitRolling  = 10 * time.Second
	waitSecondly = time.Second
	waitDaily    = time.Minute
	waitLocked   = 2 * time.Second
	waitMoving   = time.Minute
	longestWait  = 24 * time.Hour
)

// statusMoving says that the account moves between data centres.
const statusMoving = 477

// problem is HubSpot's error body, of a call or of a row. Every field may be
// missing. Source: docs/api-reference/error-handling.
type problem struct {
	Message    string          `json:"message"`
	Category   string          `json:"category"`
	PolicyName string          `json:"policyName"`
	Context    problemContext  `json:"context"`
	Errors     []problemDetail `json:"errors"`
}

type problemDetail struct {
	Code    string         `json:"code"`
	In      string         `json:"in"`
	Context problemContext `json:"context"`
}

// problemContext holds lists of texts by name. HubSpot's documents differ in
// its type: what does not fit is left out.
type problemContext map[string][]string

// UnmarshalJSON implements json.Unmarshaler.
func (c *problemContext) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		return nil //nolint:nilerr // another shape carries nothing we need
	}
	*c = problemContext{}
	for k, v := range raw {
		var list []string
		var one string
		switch {
		case json.Unmarshal(v, &list) == nil:
			(*c)[k] = list
		case json.Unmarshal(v, &one) == nil:
			(*c)[k] = []string{one}
		}
	}
	return nil
}

func (c problemContext) first(name string) string {
	if len(c[name]) == 0 {
		return ""
	}
	return c[name][0]
}

// meaning is what one of HubSpot's codes for a value means to us.
var meanings = map[string]string{
	"PROPERTY_DOESNT_EXIST":                 connector.CodeField,
	"READ_ONLY_VALUE":                       connector.CodeReadOnly,
	"INVALID_OPTION":                        connector.CodeOption,
	"MISSING_REQUIRED_PROPERTY":             connector.CodeRequired,
	"MISSING_CONDITIONAL_REQUIRED_PROPERTY": connector.CodeRequired,
	"REQUIRED_FIELD":                        connector.CodeRequired,
	"INVALID_EMAIL":                         connector.CodeValue,
	"INVALID_DATE":                          connector.CodeValue,
	"INVALID_NUMBER":                        connector.CodeValue,
	"INVALID_INTEGER":                       connector.CodeValue,
	"INVALID_PHONE_NUMBER":                  connector.CodeValue,
	"INVALID_LIFECYCLE_STAGE":               connector.CodeValue,
	"CONFLICTING_UNIQUE_VALUE":              connector.CodeExists,
}

// classify turns an answer with status 300 or above into an error. With
// fromProblem it is the only place that knows HubSpot's statuses and words.
// HubSpot's messages repeat field values, so none is passed on.
func classify(r request, a answer) error {
	var p problem
	_ = json.Unmarshal(a.raw, &p) // a gateway's page: the status decides
	e := fromProblem(r.op, p)
	switch {
	case e != nil && a.status >= 400 && a.status < 500 && a.status != http.StatusTooManyRequests &&
		a.status != http.StatusUnauthorized && a.status != http.StatusForbidden:
	default:
		e = fromStatus(r.op, a.status, p)
	}
	e.Guessed = e.Code == connector.CodeQuota && a.retryAfter <= 0
	if a.retryAfter > 0 && (e.Kind == fault.Throttled || e.Kind == fault.Unavailable) {
		e.RetryAfter = a.retryAfter
	}
	// What comes with 408 or 5xx does not tell whether the write went through.
	e.MayHaveLanded = r.write && (a.status < 400 || a.status == http.StatusRequestTimeout || a.status >= 500)
	return e
}

func fromStatus(op string, status int, p problem) *fault.Error {
	e := &fault.Error{Op: op, Message: "HubSpot answered with status " + strconv.Itoa(status)}
	switch {
	case status < 400:
		e.Kind, e.Code = fault.Unavailable, connector.CodeMalformed
	case status == http.StatusUnauthorized:
		e.Kind, e.Code = fault.Denied, connector.CodeReauthorize
	case status == http.StatusForbidden:
		e.Kind, e.Code = fault.Denied, connector.CodePermission
		if scopes := p.scopes(); scopes != "" {
			e.Message = "HubSpot wants the scope " + scopes
		}
	case status == http.StatusNotFound:
		e.Kind = fault.NotFound
	case status == http.StatusConflict:
		e.Kind, e.Code = fault.Conflict, connector.CodeExists
	case status == http.StatusLocked:
		e.Kind, e.Code, e.RetryAfter = fault.Conflict, connector.CodeLocked, waitLocked
	case status == http.StatusTooManyRequests:
		e.Kind, e.Code, e.RetryAfter = throttled(p)
	case status == statusMoving:
		e.Kind, e.Code, e.RetryAfter = fault.Unavailable, connector.CodeMoving, waitMoving
	case status == http.StatusRequestTimeout || status >= 500:
		e.Kind = fault.Unavailable
	default:
		e.Kind, e.Code = fault.Invalid, connector.CodeRejected
	}
	return e
}

// throttled tells the limits apart by policyName.
// Source: community.hubspot.com … /m-p/511719.
func throttled(p problem) (fault.Kind, string, time.Duration) {
	switch {
	case p.PolicyName == "DAILY" || strings.Contains(p.Message, "daily limit"):
		return fault.Throttled, connector.CodeQuota, waitDaily
	case p.PolicyName == "SECONDLY" || strings.Contains(p.Message, "secondly limit.") && !strings.Contains(p.Message, "ten_"):
		return fault.Throttled, connector.CodeRate, waitSecondly
	}
	return fault.Throttled, connector.CodeRate, waitRolling
}

// scopes lists the scopes that a refusal names.
func (p problem) scopes() string {
	for _, d := range p.Errors {
		for _, name := range []string{"requiredGranularScopes", "requiredScopes", "missingScopes"} {
			known := slices.DeleteFunc(slices.Clone(d.Context[name]), func(s string) bool { return !scopePattern.MatchString(s) })
			if len(known) > 0 {
				return strings.Join(known, " or ")
			}
		}
	}
	return ""
}

var (
	scopePattern    = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,79}$`)
	propertyPattern = regexp.MustCompile(`^[a-z0-9_]{1,100}$`)
	existingPattern = regexp.MustCompile(`Existing ID: ([0-9]{1,20})(?:[^0-9]|$)`)
	// valuePattern finds the refusals that HubSpot writes into the message of a row.
	valuePattern = regexp.MustCompile(`"error":"([A-Z_]{1,60})"[^{}]*"name":"([a-z0-9_]{1,100})"`)
)

// fromProblem classifies by the body; nil when it says nothing known.
func fromProblem(op string, p problem) *fault.Error {
	e := &fault.Error{Op: op}
	code, field := p.detail()
	e.Field, e.Fields = field, p.refusals()
	switch {
	case p.Category == "CONFLICT":
		e.Kind, e.Code, e.Message = fault.Conflict, connector.CodeExists, "HubSpot has a record with this key already"
	case p.Category == "OBJECT_ALREADY_EXISTS":
		e.Kind, e.Code, e.Message = fault.Conflict, connector.CodeExists, "HubSpot has one of that name already"
	case p.Category == "OBJECT_NOT_FOUND":
		e.Kind, e.Message = fault.NotFound, "HubSpot has no such record"
	case strings.HasPrefix(p.Message, "Unable to infer object type"):
		e.Kind, e.Code, e.Message = fault.NotFound, connector.CodeObject, "HubSpot has no such object"
	case p.Category == "MISSING_SCOPES":
		e.Kind, e.Code, e.Message = fault.Denied, connector.CodePermission, "HubSpot wants another scope"
	case p.Category == "RATE_LIMITS":
		e.Kind, e.Code, e.RetryAfter = throttled(p)
	case meanings[code] == connector.CodeExists:
		e.Kind, e.Code, e.Message = fault.Conflict, connector.CodeExists, "HubSpot has another record with this unique value"
	case meanings[code] != "":
		e.Kind, e.Code, e.Message = fault.Invalid, meanings[code], "HubSpot says "+code
	case p.Category == "VALIDATION_ERROR":
		e.Kind, e.Code, e.Message = fault.Invalid, connector.CodeRejected, "HubSpot refuses the request as not valid"
		if field != "" {
			e.Code = connector.CodeValue
		}
	default:
		return nil
	}
	if e.Field != "" {
		e.Message += " about " + e.Field
	}
	return e
}

// detail returns the code and the property of the first refusal that names one.
func (p problem) detail() (code, field string) {
	for _, d := range p.Errors {
		field = d.Context.first("propertyName")
		if field == "" {
			field = d.In
		}
		if !propertyPattern.MatchString(field) {
			field = ""
		}
		if d.Code != "" || field != "" {
			return d.Code, field
		}
	}
	if m := valuePattern.FindStringSubmatch(p.Message); m != nil {
		return m[1], m[2]
	}
	return "", ""
}

// refusals returns every property that the body names, with our code for what
// is wrong with it. HubSpot lists all that it refuses of a record, as details or
// inside the message.
func (p problem) refusals() []fault.FieldFault {
	var out []fault.FieldFault
	add := func(field, code string) {
		if propertyPattern.MatchString(field) && !slices.ContainsFunc(out, func(f fault.FieldFault) bool { return f.Field == field }) {
			out = append(out, fault.FieldFault{Field: field, Code: cmp.Or(meanings[code], connector.CodeValue)})
		}
	}
	for _, d := range p.Errors {
		for _, name := range d.Context["propertyName"] {
			add(name, d.Code)
		}
		add(d.In, d.Code)
	}
	for _, m := range valuePattern.FindAllStringSubmatch(p.Message, -1) {
		add(m[2], m[1])
	}
	return out
}

// existing returns the record in the way, where HubSpot tells. The text is
// undocumented but in wide use; without it callers look the key up.
func (p problem) existing() crm.RecordID {
	if m := existingPattern.FindStringSubmatch(p.Message); m != nil {
		return crm.RecordID(m[1])
	}
	for _, d := range p.Errors {
		if id := d.Context.first("ids"); len(d.Context["ids"]) == 1 && recordID(id) {
			return crm.RecordID(id)
		}
	}
	return ""
}

// rowError classifies the refusal of one row. A row that is to be created
// cannot be the one that is missing.
func rowError(op string, kind connector.Op, p problem) (*fault.Error, crm.RecordID) {
	e := fromProblem(op, p)
	if e == nil {
		e = fault.New(op, fault.Invalid, connector.CodeRejected, "HubSpot refuses the record")
	}
	if e.Kind == fault.NotFound && kind == connector.Create {
		e.Kind, e.Code = fault.Invalid, connector.CodeRejected
	}
	if e.Kind != fault.Conflict {
		return e, ""
	}
	return e, p.existing()
}

// unreachable classifies a call without a complete answer.
func unreachable(ctx context.Context, r request, err error) error {
	e := &fault.Error{Op: r.op, Kind: fault.Unavailable, Message: "no complete answer from HubSpot", MayHaveLanded: r.write}
	// A *url.Error prints the address with its query, which may hold personal data.
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		e.MayHaveLanded = false
	}
	e.Err = err
	if ctx.Err() != nil {
		e.Err = ctx.Err()
	}
	return e
}

func malformed(r request, why string) error {
	return &fault.Error{Op: r.op, Kind: fault.Unavailable, Code: connector.CodeMalformed, Message: why, MayHaveLanded: r.write}
}

// retryAfter reads the header: seconds or a date, at most a day.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	s, err := strconv.Atoi(v)
	d := time.Duration(s) * time.Second
	if err != nil {
		at, atErr := http.ParseTime(v)
		now, nowErr := http.ParseTime(h.Get("Date"))
		if atErr != nil || nowErr != nil {
			return 0
		}
		d = at.Sub(now)
	}
	if s > int(longestWait/time.Second) || d > longestWait {
		return longestWait
	}
	return max(d, 0)
}
