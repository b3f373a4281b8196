package leadsquared

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// hostPattern is an API host of LeadSquared in a text; uniquePattern is the field of a
// unique key, and attributePattern one that a refusal names.
var (
	hostPattern      = regexp.MustCompile(`\bapi[a-z0-9-]{0,20}\.leadsquared\.com\b`)
	uniquePattern    = regexp.MustCompile(`'UQ_Prospect_Base_([A-Za-z0-9_]{1,80})'`)
	attributePattern = regexp.MustCompile(`(?i)\battribute '?([A-Za-z][A-Za-z0-9_]{1,80})\b`)
)

// refusals is what LeadSquared's statuses and exceptions mean. Texts repeat values and
// are not passed on, but for a host and the name of a field.
// Source: apidocs.leadsquared.com/error-handling, github.com/dpaluy/leadsquared.
var refusals = rest.Errors{
	Name: "LeadSquared", Plain: true,
	Statuses: map[int]rest.Meaning{
		http.StatusUnauthorized: {
			Kind: fault.Denied, Code: connector.CodeReauthorize,
			Text: "LeadSquared refuses the keys: enter those of an active admin user",
		},
		http.StatusTooManyRequests: {Kind: fault.Throttled, Code: connector.CodeRate, Wait: 5 * time.Second},
	},
	Words: map[string]rest.Meaning{
		"region@":                              {Kind: fault.Denied, Code: connector.CodeReauthorize},
		"MXDuplicateEntryException":            {Kind: fault.Conflict, Code: connector.CodeExists},
		"MXInvalidEntityException":             {Kind: fault.NotFound},
		"MXMandatoryAttributeMissingException": {Kind: fault.Invalid, Code: connector.CodeRequired},
		"MXInvalidAttributeException":          {Kind: fault.Invalid, Code: connector.CodeField},
		"MXInvalidAttributeValueException":     {Kind: fault.Invalid, Code: connector.CodeValue},
		"MXInvalidInputException":              {Kind: fault.Invalid, Code: connector.CodeRejected},
	},
	Read: func(status int, body []byte) []rest.Problem {
		var e struct {
			Kind string `json:"ExceptionType"`
			Text string `json:"ExceptionMessage"`
		}
		if json.Unmarshal(body, &e) != nil {
			return nil
		}
		if host := hostPattern.FindString(strings.ToLower(e.Text)); host != "" && status == http.StatusUnauthorized {
			return []rest.Problem{
				{Words: []string{"region@"}, Text: "the account is in another region: enter https://" + host + " as its address"},
			}
		}
		p := rest.Problem{Words: []string{e.Kind}}
		for _, pattern := range []*regexp.Regexp{uniquePattern, attributePattern} {
			if m := pattern.FindStringSubmatch(e.Text); m != nil && p.Fields == nil {
				p.Fields = m[1:2]
			}
		}
		return []rest.Problem{p}
	},
}
