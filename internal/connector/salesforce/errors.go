package salesforce

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// refusals is what Salesforce's codes mean; they decide before statuses, which are
// typical but not guaranteed. A 401 that a new token may cure is none of them.
// Source: atlas.en-us.api_rest.meta/api_rest/errorcodes.htm.
var refusals = rest.Errors{
	Name:     "Salesforce",
	Statuses: map[int]rest.Meaning{http.StatusUnauthorized: {Kind: fault.Denied, Code: connector.CodePermission}},
	Words: map[string]rest.Meaning{
		"SERVER_UNAVAILABLE":                      {Kind: fault.Unavailable},
		"UNKNOWN_EXCEPTION":                       {Kind: fault.Unavailable},
		"QUERY_TIMEOUT":                           {Kind: fault.Unavailable, Code: connector.CodeTimeout},
		"INVALID_QUERY_LOCATOR":                   {Kind: fault.Unavailable, Code: connector.CodeMalformed},
		"ALL_OR_NONE_OPERATION_ROLLED_BACK":       {Kind: fault.Unavailable},
		"PROCESSING_HALTED":                       {Kind: fault.Unavailable},
		"API_DISABLED_FOR_ORG":                    {Kind: fault.Denied, Code: connector.CodePermission},
		"API_CURRENTLY_DISABLED":                  {Kind: fault.Denied, Code: connector.CodePermission},
		"FUNCTIONALITY_NOT_ENABLED":               {Kind: fault.Denied, Code: connector.CodePermission},
		"OPERATION_NOT_ALLOWED":                   {Kind: fault.Denied, Code: connector.CodePermission},
		"INVALID_OPERATION_WITH_EXPIRED_PASSWORD": {Kind: fault.Denied, Code: connector.CodeReauthorize},
		"INVALID_FIELD":                           {Kind: fault.Invalid, Code: connector.CodeField},
		"INVALID_FIELD_FOR_INSERT_UPDATE":         {Kind: fault.Invalid, Code: connector.CodeReadOnly},
		"REQUIRED_FIELD_MISSING":                  {Kind: fault.Invalid, Code: connector.CodeRequired},
		"STRING_TOO_LONG":                         {Kind: fault.Invalid, Code: connector.CodeTooLong},
		"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": {Kind: fault.Invalid, Code: connector.CodeOption},
		"FIELD_CUSTOM_VALIDATION_EXCEPTION":       {Kind: fault.Invalid, Code: connector.CodeRule},
		"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":    {Kind: fault.Invalid, Code: connector.CodeRule},
		"FIELD_INTEGRITY_EXCEPTION":               {Kind: fault.Invalid, Code: connector.CodeValue},
		"INVALID_EMAIL_ADDRESS":                   {Kind: fault.Invalid, Code: connector.CodeValue},
		"INVALID_TYPE_ON_FIELD_IN_RECORD":         {Kind: fault.Invalid, Code: connector.CodeValue},
		"NUMBER_OUTSIDE_VALID_RANGE":              {Kind: fault.Invalid, Code: connector.CodeValue},
		"JSON_PARSER_ERROR":                       {Kind: fault.Invalid, Code: connector.CodeValue},
		"MALFORMED_QUERY":                         {Kind: fault.Invalid, Code: connector.CodeRequest},
		"STORAGE_LIMIT_EXCEEDED":                  {Kind: fault.Invalid, Code: connector.CodeStorage},
		"INVALID_TYPE":                            {Kind: fault.NotFound, Code: connector.CodeObject},
		"NOT_FOUND":                               {Kind: fault.NotFound},
		"UNABLE_TO_LOCK_ROW":                      {Kind: fault.Conflict, Code: connector.CodeLocked},
		"DUPLICATES_DETECTED":                     {Kind: fault.Conflict, Code: connector.CodeDuplicate},
		"DUPLICATE_VALUE":                         {Kind: fault.Conflict, Code: connector.CodeExists},
		"DUPLICATE_EXTERNAL_ID":                   {Kind: fault.Conflict, Code: connector.CodeExists},
		"INVALID_REPLICATION_DATE":                {Kind: fault.Invalid, Code: connector.CodeExpired},
		"EXCEEDED_ID_LIMIT":                       {Kind: fault.Invalid, Code: connector.CodeExpired},
		"INVALID_FIELD@quoted":                    {Kind: fault.Invalid, Code: connector.CodeQuoted},
		// the window rolls
		"REQUEST_LIMIT_EXCEEDED": {
			Kind: fault.Throttled, Code: connector.CodeQuota, Wait: time.Minute, Guessed: true,
		},
		"REQUEST_LIMIT_EXCEEDED@concurrent": {Kind: fault.Throttled, Code: connector.CodeRate, Wait: 30 * time.Second},
		"INSUFFICIENT_ACCESS":               {Kind: fault.Denied, Code: connector.CodePermission},
		// Of the record itself, unless a field is named.
		"ENTITY_IS_DELETED":                 {Kind: fault.NotFound},
		"INVALID_CROSS_REFERENCE_KEY":       {Kind: fault.NotFound},
		"MALFORMED_ID":                      {Kind: fault.NotFound},
		"ENTITY_IS_DELETED@field":           {Kind: fault.Invalid, Code: connector.CodeValue},
		"INVALID_CROSS_REFERENCE_KEY@field": {Kind: fault.Invalid, Code: connector.CodeValue},
		"MALFORMED_ID@field":                {Kind: fault.Invalid, Code: connector.CodeValue},
	},
	Read: func(_ int, body []byte) []rest.Problem {
		var problems []problem
		_ = json.Unmarshal(body, &problems) // not an array: the status decides
		return neutral(problems)
	},
}

// problem is one error as Salesforce writes it: with errorCode for a call, with
// statusCode for a row of a collection.
type problem struct {
	ErrorCode  string          `json:"errorCode"`
	StatusCode string          `json:"statusCode"`
	Message    string          `json:"message"`
	Fields     []string        `json:"fields"`
	Duplicates json.RawMessage `json:"duplicateResult"`
}

func (p problem) code() string {
	if p.StatusCode != "" {
		return p.StatusCode
	}
	return p.ErrorCode
}

// neutral tells what is wrong in the kit's words, each case of a code by itself.
func neutral(problems []problem) []rest.Problem {
	out := make([]rest.Problem, 0, len(problems))
	for _, p := range problems {
		code := p.code()
		words := []string{code}
		switch {
		case len(p.Fields) > 0:
			words = []string{code + "@field", code}
		case strings.Contains(p.Message, "should not be enclosed in quotes"):
			words = []string{code + "@quoted", code}
		case strings.Contains(p.Message, "Concurrent"):
			words = []string{code + "@concurrent", code}
		}
		if strings.HasPrefix(code, "INSUFFICIENT_ACCESS") { // there is one for each way to want a right
			words = []string{"INSUFFICIENT_ACCESS"}
		}
		fields := slices.DeleteFunc(slices.Clone(p.Fields), func(f string) bool { return !named(f) })
		if f := p.mentioned(); f != "" { // one that is among them counts once
			fields = append(fields, f)
		}
		out = append(out, rest.Problem{Words: words, Fields: fields})
	}
	return out
}

// fromRow classifies the errors of a collection's row.
func fromRow(op string, w connector.Op, problems []problem) (*fault.Error, crm.RecordID) {
	if len(problems) == 0 {
		return fault.New(op, fault.Unavailable, connector.CodeMalformed, "Salesforce refused a row without saying why"), ""
	}
	e := refusals.Row(op, w, neutral(problems))
	if e.Code != connector.CodeExists && e.Code != connector.CodeDuplicate {
		return e, ""
	}
	return e, existing(problems[0])
}

var (
	columnPattern = regexp.MustCompile(`(?:No such column|column|field) '([A-Za-z][A-Za-z0-9_]{0,79})'`)
	takenPattern  = regexp.MustCompile(`duplicate value found: ([A-Za-z][A-Za-z0-9_]{0,79}) duplicates`)
	holderPattern = regexp.MustCompile(`record with id: ([A-Za-z0-9]{15,18})`)
)

// mentioned is the field that only the message names: "No such column 'Foo' on
// sobject of type Contact", "duplicate value found: Foo duplicates value on record".
func (p problem) mentioned() string {
	pattern := columnPattern
	switch p.code() {
	case "DUPLICATE_VALUE":
		pattern = takenPattern
	case "INVALID_FIELD":
	default:
		return ""
	}
	if m := pattern.FindStringSubmatch(p.Message); m != nil {
		return m[1]
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

// bareWanted reports whether err says that the field's literals carry no quotes.
// The message is Salesforce's "… must be of type double and should not be
// enclosed in quotes"; classify keeps its gist as a code.
func bareWanted(err error, field string) bool {
	var e *fault.Error
	return errors.As(err, &e) && e.Code == connector.CodeQuoted && strings.EqualFold(e.Field, field)
}
