package hubspot

import (
	"encoding/json"
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

// refusals is what HubSpot's statuses and words mean. Where it names no wait, its own
// client library waits ten seconds and one second; a daily limit ends at midnight in
// a time zone we do not know, so that asking once a minute is the way to know.
// Sources: docs/api-reference/error-handling, @hubspot/api-client RetryDecorator.
var refusals = rest.Errors{
	Name: "HubSpot",
	Statuses: map[int]rest.Meaning{
		http.StatusConflict:        {Kind: fault.Conflict, Code: connector.CodeExists},
		http.StatusLocked:          {Kind: fault.Conflict, Code: connector.CodeLocked, Wait: 2 * time.Second},
		http.StatusTooManyRequests: {Kind: fault.Throttled, Code: connector.CodeRate, Wait: 10 * time.Second},
		// between data centres
		477: {Kind: fault.Unavailable, Code: connector.CodeMoving, Wait: time.Minute},
	},
	Words: map[string]rest.Meaning{
		"CONFLICT": {
			Kind: fault.Conflict, Code: connector.CodeExists, Text: "HubSpot has a record with this key already",
		},
		"OBJECT_ALREADY_EXISTS": {
			Kind: fault.Conflict, Code: connector.CodeExists, Text: "HubSpot has one of that name already",
		},
		"OBJECT_NOT_FOUND": {Kind: fault.NotFound, Text: "HubSpot has no such record"},
		"UNKNOWN_TYPE@": {
			Kind: fault.NotFound, Code: connector.CodeObject, Text: "HubSpot has no such object",
		},
		"MISSING_SCOPES": {
			Kind: fault.Denied, Code: connector.CodePermission, Text: "HubSpot wants another scope",
		},
		"DAILY@limit": {
			Kind: fault.Throttled, Code: connector.CodeQuota, Wait: time.Minute, Guessed: true,
		},
		"SECONDLY@limit": {Kind: fault.Throttled, Code: connector.CodeRate, Wait: time.Second},
		"RATE_LIMITS":    {Kind: fault.Throttled, Code: connector.CodeRate, Wait: 10 * time.Second},
		"CONFLICTING_UNIQUE_VALUE": {
			Kind: fault.Conflict, Code: connector.CodeExists, Text: "HubSpot has another record with this unique value",
		},
		"PROPERTY_DOESNT_EXIST":     {Kind: fault.Invalid, Code: connector.CodeField},
		"READ_ONLY_VALUE":           {Kind: fault.Invalid, Code: connector.CodeReadOnly},
		"INVALID_OPTION":            {Kind: fault.Invalid, Code: connector.CodeOption},
		"MISSING_REQUIRED_PROPERTY": {Kind: fault.Invalid, Code: connector.CodeRequired},
		"REQUIRED_FIELD":            {Kind: fault.Invalid, Code: connector.CodeRequired},
		"INVALID_EMAIL":             {Kind: fault.Invalid, Code: connector.CodeValue},
		"INVALID_DATE":              {Kind: fault.Invalid, Code: connector.CodeValue},
		"INVALID_NUMBER":            {Kind: fault.Invalid, Code: connector.CodeValue},
		"INVALID_INTEGER":           {Kind: fault.Invalid, Code: connector.CodeValue},
		"INVALID_PHONE_NUMBER":      {Kind: fault.Invalid, Code: connector.CodeValue},
		"INVALID_LIFECYCLE_STAGE":   {Kind: fault.Invalid, Code: connector.CodeValue},
		"VALIDATION_ERROR@field": {
			Kind: fault.Invalid, Code: connector.CodeValue, Text: "HubSpot refuses the request as not valid",
		},
		"VALIDATION_ERROR": {
			Kind: fault.Invalid, Code: connector.CodeRejected, Text: "HubSpot refuses the request as not valid",
		},
		"MISSING_CONDITIONAL_REQUIRED_PROPERTY": {Kind: fault.Invalid, Code: connector.CodeRequired},
	},
	Read: func(status int, body []byte) []rest.Problem {
		var p problem
		_ = json.Unmarshal(body, &p) // a gateway's page: the status decides
		switch {
		case status == http.StatusForbidden:
			return []rest.Problem{{Text: p.scopes()}}
		case status == http.StatusTooManyRequests:
			return []rest.Problem{{Words: []string{p.limit()}}}
		case status == http.StatusUnauthorized || status < 400 || status >= 500:
			return nil
		}
		return p.problems()
	},
}

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

var (
	scopePattern    = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,79}$`)
	propertyPattern = regexp.MustCompile(`^[a-z0-9_]{1,100}$`)
	existingPattern = regexp.MustCompile(`Existing ID: ([0-9]{1,20})(?:[^0-9]|$)`)
	// valuePattern finds the refusals that HubSpot writes into the message of a row.
	valuePattern = regexp.MustCompile(`"error":"([A-Z_]{1,60})"[^{}]*"name":"([a-z0-9_]{1,100})"`)
)

// problemOf reads the error of a row; of what is no object nothing is known.
func problemOf(raw []byte) (p problem) {
	_ = json.Unmarshal(raw, &p)
	return p
}

// problems lists what the body finds wrong: the category, unless it only says that
// there are details, then each detail, listed or inside the message.
func (p problem) problems() []rest.Problem {
	var out []rest.Problem
	for _, d := range p.Errors {
		one := rest.Problem{Words: []string{d.Code}}
		for _, name := range append(slices.Clone(d.Context["propertyName"]), d.In) {
			if propertyPattern.MatchString(name) {
				one.Fields = append(one.Fields, name)
			}
		}
		if d.Code != "" || one.Fields != nil {
			out = append(out, one)
		}
	}
	for _, m := range valuePattern.FindAllStringSubmatch(p.Message, -1) {
		out = append(out, rest.Problem{Words: m[1:2], Fields: m[2:3]})
	}
	if len(out) == 0 {
		out = append(out, rest.Problem{})
	}
	words := []string{p.Category}
	switch {
	case strings.HasPrefix(p.Message, "Unable to infer object type"):
		words = []string{"UNKNOWN_TYPE@"}
	case p.Category == "RATE_LIMITS":
		words = []string{p.limit(), p.Category}
	case p.Category == "VALIDATION_ERROR":
		words = append(slices.Clone(out[0].Words), p.Category)
		if out[0].Fields != nil {
			words[len(words)-1] += "@field"
		}
	default:
		words = append(words, out[0].Words...)
	}
	out[0].Words = words
	return out
}

// limit tells the limits apart by policyName.
// Source: community.hubspot.com … /m-p/511719.
func (p problem) limit() string {
	switch {
	case p.PolicyName == "DAILY" || strings.Contains(p.Message, "daily limit"):
		return "DAILY@limit"
	case p.PolicyName == "SECONDLY" || strings.Contains(p.Message, "secondly limit.") && !strings.Contains(p.Message,
		"ten_"):
		return "SECONDLY@limit"
	}
	return ""
}

// scopes says which scopes a refusal names.
func (p problem) scopes() string {
	for _, d := range p.Errors {
		for _, name := range []string{"requiredGranularScopes", "requiredScopes", "missingScopes"} {
			known := slices.DeleteFunc(slices.Clone(d.Context[name]), func(s string) bool {
				return !scopePattern.MatchString(s)
			})
			if len(known) > 0 {
				return "HubSpot wants the scope " + strings.Join(known, " or ")
			}
		}
	}
	return ""
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
