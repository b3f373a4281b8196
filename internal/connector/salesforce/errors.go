package salesforce

import (
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

// errSession marks the one 401 that a new token cures.
var errSession = errors.New("session expired")

func sessionExpired(err error) bool { return errors.Is(err, errSession) }

// meaning is what one of Salesforce's codes means to us.
type meaning struct {
	kind fault.Kind
	code string
}

// meanings holds the codes whose meaning does not depend on anything else.
// Source: atlas.en-us.api_rest.meta/api_rest/errorcodes.htm; codes decide before
// statuses, which are typical but not guaranteed.
var meanings = map[string]meaning{
	"SERVER_UNAVAILABLE":                      {kind: fault.Unavailable},
	"UNKNOWN_EXCEPTION":                       {kind: fault.Unavailable},
	"QUERY_TIMEOUT":                           {kind: fault.Unavailable, code: connector.CodeTimeout},
	"INVALID_QUERY_LOCATOR":                   {kind: fault.Unavailable, code: connector.CodeMalformed},
	"ALL_OR_NONE_OPERATION_ROLLED_BACK":       {kind: fault.Unavailable},
	"PROCESSING_HALTED":                       {kind: fault.Unavailable},
	"API_DISABLED_FOR_ORG":                    {kind: fault.Denied, code: connector.CodePermission},
	"API_CURRENTLY_DISABLED":                  {kind: fault.Denied, code: connector.CodePermission},
	"FUNCTIONALITY_NOT_ENABLED":               {kind: fault.Denied, code: connector.CodePermission},
	"OPERATION_NOT_ALLOWED":                   {kind: fault.Denied, code: connector.CodePermission},
	"INVALID_OPERATION_WITH_EXPIRED_PASSWORD": {kind: fault.Denied, code: connector.CodeReauthorize},
	"INVALID_FIELD":                           {kind: fault.Invalid, code: connector.CodeField},
	"INVALID_FIELD_FOR_INSERT_UPDATE":         {kind: fault.Invalid, code: connector.CodeReadOnly},
	"REQUIRED_FIELD_MISSING":                  {kind: fault.Invalid, code: connector.CodeRequired},
	"STRING_TOO_LONG":                         {kind: fault.Invalid, code: connector.CodeTooLong},
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": {kind: fault.Invalid, code: connector.CodeOption},
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":       {kind: fault.Invalid, code: connector.CodeRule},
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":    {kind: fault.Invalid, code: connector.CodeRule},
	"FIELD_INTEGRITY_EXCEPTION":               {kind: fault.Invalid, code: connector.CodeValue},
	"INVALID_EMAIL_ADDRESS":                   {kind: fault.Invalid, code: connector.CodeValue},
	"INVALID_TYPE_ON_FIELD_IN_RECORD":         {kind: fault.Invalid, code: connector.CodeValue},
	"NUMBER_OUTSIDE_VALID_RANGE":              {kind: fault.Invalid, code: connector.CodeValue},
	"JSON_PARSER_ERROR":                       {kind: fault.Invalid, code: connector.CodeValue},
	"MALFORMED_QUERY":                         {kind: fault.Invalid, code: connector.CodeRequest},
	"STORAGE_LIMIT_EXCEEDED":                  {kind: fault.Invalid, code: connector.CodeStorage},
	"INVALID_TYPE":                            {kind: fault.NotFound, code: connector.CodeObject},
	"NOT_FOUND":                               {kind: fault.NotFound},
	"UNABLE_TO_LOCK_ROW":                      {kind: fault.Conflict, code: connector.CodeLocked},
	"DUPLICATES_DETECTED":                     {kind: fault.Conflict, code: connector.CodeDuplicate},
	"DUPLICATE_VALUE":                         {kind: fault.Conflict, code: connector.CodeExists},
	"DUPLICATE_EXTERNAL_ID":                   {kind: fault.Conflict, code: connector.CodeExists},
	"INVALID_REPLICATION_DATE":                {kind: fault.Invalid, code: connector.CodeExpired},
	"EXCEEDED_ID_LIMIT":                       {kind: fault.Invalid, code: connector.CodeExpired},
}

// classify turns an answer with status 300 or above into an error. Together
// with fromProblem it is the only place that knows Salesforce's codes.
func classify(r request, status int, h http.Header, body []byte) error {
	var problems []problem
	_ = json.Unmarshal(body, &problems) // not an array: the status decides
	if status == http.StatusUnauthorized && renewable(body) {
		return &fault.Error{Op: r.op, Kind: fault.Denied, Code: connector.CodeReauthorize, Message: "the session has expired", Err: errSession}
	}
	var e *fault.Error
	if len(problems) > 0 {
		e = fromProblem(r.op, problems[0])
	}
	if e == nil || e.Kind == fault.Other {
		e = fromStatus(r.op, status)
	}
	if e.Kind == fault.Throttled {
		if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s >= 0 && s <= 86400 {
			e.RetryAfter, e.Guessed = time.Duration(s)*time.Second, false
		}
	}
	// What a gateway says with 408 or 5xx does not tell whether the write went through.
	e.MayHaveLanded = r.write && (status < 400 || status == http.StatusRequestTimeout || status >= 500)
	return e
}

// renewable reports whether a 401 means an expired session. Some mean that the
// app or user is locked out, and no token helps.
// Source: jsforce src/http-api.ts, isSessionExpired.
func renewable(body []byte) bool {
	for _, s := range []string{
		"Connected app is not attached to Agent",
		"This session is not valid for use with the REST API",
		"BlackTab users cannot perform API operations",
	} {
		if strings.Contains(string(body), s) {
			return false
		}
	}
	return true
}

// fromProblem classifies by code. The kind is Other for a code not known.
// Salesforce's messages repeat field values, so none is passed on.
func fromProblem(op string, p problem) *fault.Error {
	e := &fault.Error{Op: op, Field: fieldOf(p)}
	code := p.code()
	m, ok := meanings[code]
	switch {
	case code == "INVALID_FIELD" && strings.Contains(p.Message, "should not be enclosed in quotes"):
		e.Kind, e.Code = fault.Invalid, connector.CodeQuoted
	case ok:
		e.Kind, e.Code = m.kind, m.code
	case code == "REQUEST_LIMIT_EXCEEDED" && strings.Contains(p.Message, "Concurrent"):
		e.Kind, e.Code, e.RetryAfter = fault.Throttled, connector.CodeRate, 30*time.Second
	case code == "REQUEST_LIMIT_EXCEEDED":
		e.Kind, e.Code, e.RetryAfter, e.Guessed = fault.Throttled, connector.CodeQuota, quotaRest, true
	case strings.HasPrefix(code, "INSUFFICIENT_ACCESS"):
		e.Kind, e.Code = fault.Denied, connector.CodePermission
	case code == "ENTITY_IS_DELETED" || code == "INVALID_CROSS_REFERENCE_KEY" || code == "MALFORMED_ID":
		e.Kind = fault.NotFound // of the record itself, unless a field is named
		if len(p.Fields) > 0 {
			e.Kind, e.Code = fault.Invalid, connector.CodeValue
		}
	default:
		return e
	}
	e.Message = "Salesforce says " + code
	if e.Field != "" {
		e.Message += " about " + e.Field
	}
	return e
}

func fromStatus(op string, status int) *fault.Error {
	e := &fault.Error{Op: op, Message: "Salesforce answered with status " + strconv.Itoa(status)}
	switch {
	case status < 400:
		e.Kind, e.Code = fault.Unavailable, connector.CodeMalformed
	case status == http.StatusUnauthorized:
		e.Kind, e.Code = fault.Denied, connector.CodePermission
	case status == http.StatusForbidden:
		e.Kind, e.Code = fault.Denied, connector.CodePermission
	case status == http.StatusNotFound:
		e.Kind = fault.NotFound
	case status == http.StatusConflict:
		e.Kind = fault.Conflict
	case status == http.StatusTooManyRequests:
		e.Kind, e.Code = fault.Throttled, connector.CodeRate
	case status == http.StatusRequestTimeout || status >= 500:
		e.Kind = fault.Unavailable
	case status == http.StatusGone:
		e.Kind, e.Code = fault.Unsupported, connector.CodeVersion
	default:
		e.Kind, e.Code = fault.Invalid, connector.CodeRejected
	}
	return e
}

// fromRow classifies the first error of a collection's row. op says what was
// written: a record that is to be created cannot be the one that is missing.
func fromRow(op string, w connector.Op, problems []problem) (*fault.Error, crm.RecordID) {
	if len(problems) == 0 {
		return fault.New(op, fault.Unavailable, connector.CodeMalformed, "Salesforce refused a row without saying why"), ""
	}
	p := problems[0]
	e := fromProblem(op, p)
	e.Fields = refusals(problems)
	if e.Kind == fault.Other {
		e.Kind, e.Code, e.Message = fault.Invalid, connector.CodeRejected, "Salesforce refused the record"
		if code := p.code(); codePattern.MatchString(code) {
			e.Message += ": " + code
		}
	}
	if e.Kind == fault.NotFound && (w == connector.Create || w == connector.Upsert) {
		e.Kind, e.Code = fault.Invalid, connector.CodeValue
	}
	if e.Kind != fault.Conflict || e.Code != connector.CodeExists && e.Code != connector.CodeDuplicate {
		return e, ""
	}
	return e, existing(p)
}

var (
	codePattern   = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,79}$`)
	columnPattern = regexp.MustCompile(`(?:No such column|column|field) '([A-Za-z][A-Za-z0-9_]{0,79})'`)
	takenPattern  = regexp.MustCompile(`duplicate value found: ([A-Za-z][A-Za-z0-9_]{0,79}) duplicates`)
	holderPattern = regexp.MustCompile(`record with id: ([A-Za-z0-9]{15,18})`)
)

// refusals returns every field that the errors of a row name, with our code
// for what is wrong with it.
func refusals(problems []problem) []fault.FieldFault {
	var out []fault.FieldFault
	for _, p := range problems {
		code := connector.CodeRejected
		if m, ok := meanings[p.code()]; ok && m.code != "" {
			code = m.code
		} else if len(p.Fields) > 0 && p.code() != "" {
			code = connector.CodeValue
		}
		for _, name := range append(slices.Clone(p.Fields), fieldOf(p)) {
			if named(name) && !slices.ContainsFunc(out, func(f fault.FieldFault) bool { return f.Field == name }) {
				out = append(out, fault.FieldFault{Field: name, Code: code})
			}
		}
	}
	return out
}

// fieldOf names the field at fault, from the list or, for an unknown one, from
// the message "No such column 'Foo' on sobject of type Contact".
func fieldOf(p problem) string {
	if len(p.Fields) > 0 && named(p.Fields[0]) {
		return p.Fields[0]
	}
	switch p.code() {
	case "DUPLICATE_VALUE": // fields[] is empty; the message names the column
		if m := takenPattern.FindStringSubmatch(p.Message); m != nil {
			return m[1]
		}
	case "INVALID_FIELD":
		if m := columnPattern.FindStringSubmatch(p.Message); m != nil {
			return m[1]
		}
	}
	return ""
}

// existing returns the record in the way: the only match of a duplicate rule,
// or the holder of a unique value.
func existing(p problem) crm.RecordID {
	if m := holderPattern.FindStringSubmatch(p.Message); m != nil {
		if id, ok := long(m[1]); ok {
			return id
		}
	}
	var result struct {
		MatchResults []struct {
			MatchRecords []struct {
				Record struct {
					ID string `json:"Id"`
				} `json:"record"`
			} `json:"matchRecords"`
		} `json:"matchResults"`
	}
	if len(p.Duplicates) == 0 || json.Unmarshal(p.Duplicates, &result) != nil {
		return ""
	}
	var only crm.RecordID
	for _, rule := range result.MatchResults {
		for _, m := range rule.MatchRecords {
			id, ok := long(m.Record.ID)
			if !ok || only != "" && only != id {
				return ""
			}
			only = id
		}
	}
	return only
}

// unreachable classifies a call without a complete answer.
func unreachable(ctx context.Context, r request, err error) error {
	e := &fault.Error{Op: r.op, Kind: fault.Unavailable, Message: "no complete answer from Salesforce", MayHaveLanded: r.write}
	// A *url.Error prints the address with its query, which holds personal data.
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

// bareWanted reports whether err says that the field's literals carry no quotes.
// The message is Salesforce's "… must be of type double and should not be
// enclosed in quotes"; classify keeps its gist as a code.
func bareWanted(err error, field string) bool {
	var e *fault.Error
	return errors.As(err, &e) && e.Code == connector.CodeQuoted && strings.EqualFold(e.Field, field)
}
