package intercom

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// problem is one error of an answer. Texts repeat values and are not passed on.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Field   string `json:"field"`
}

func problemsOf(body []byte) []problem {
	var list struct {
		Errors []problem `json:"errors"`
	}
	_ = json.Unmarshal(body, &list) // what is no such list names nothing
	return list.Errors
}

var (
	twinPattern  = regexp.MustCompile(`\bid=([0-9a-f]{24})\b`)
	fieldPattern = regexp.MustCompile(`^[a-z_]{1,40}(\.[A-Za-z0-9_ -]{1,80})?$`)
)

// twin is the record that a conflict names.
func twin(body []byte) crm.RecordID {
	for _, p := range problemsOf(body) {
		if m := twinPattern.FindStringSubmatch(p.Message); m != nil && p.Code == "conflict" {
			return crm.RecordID(m[1])
		}
	}
	return ""
}

// refusals is what Intercom's statuses and codes mean.
// Source: descriptions of intercom/Intercom-OpenAPI, rest-api/errors.
var refusals = rest.Errors{
	Name: "Intercom",
	Words: map[string]rest.Meaning{
		"conflict":            {Kind: fault.Conflict, Code: connector.CodeExists},
		"contact_merged":      {Kind: fault.NotFound},
		"parameter_invalid":   {Kind: fault.Invalid, Code: connector.CodeValue},
		"parameter_not_found": {Kind: fault.Invalid, Code: connector.CodeRequired},
		"rate_limit_exceeded": {Kind: fault.Throttled, Code: connector.CodeRate, Wait: 10 * time.Second},
		"invalid_operator":    {Kind: fault.Invalid, Code: connector.CodeRequest},
		"invalid_field":       {Kind: fault.Invalid, Code: connector.CodeKey},
	},
	Read: func(_ int, body []byte) (out []rest.Problem) {
		for _, p := range problemsOf(body) {
			one := rest.Problem{Words: []string{p.Code}}
			if fieldPattern.MatchString(p.Field) {
				one.Fields = []string{p.Field}
			}
			out = append(out, one)
		}
		return out
	},
}
