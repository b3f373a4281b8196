package pipedrive

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// refusals is what Pipedrive's statuses mean. Refusals of values are told by a text
// alone, which repeats them and is not passed on.
// Source: pipedrive.readme.io/docs/core-api-concepts-http-status-codes.
var refusals = rest.Errors{
	Name: "Pipedrive",
	Statuses: map[int]rest.Meaning{
		http.StatusPaymentRequired: {
			Kind: fault.Denied, Code: connector.CodePermission, Text: "Pipedrive has closed the company, or wants to be paid",
		},
		http.StatusTooManyRequests: {Kind: fault.Throttled, Code: connector.CodeRate, Wait: 2 * time.Second},
	},
	Words: map[string]rest.Meaning{
		"page@": {
			Kind: fault.Throttled, Code: connector.CodeRate, Wait: time.Minute, Guessed: true,
			Text: "Pipedrive keeps us out for too many calls",
		},
		"capping@": {Kind: fault.Invalid, Code: connector.CodeStorage, Text: "the company's plan allows no more records"},
	},
	Read: func(status int, body []byte) []rest.Problem {
		var p struct {
			Error string `json:"error"`
			Code  string `json:"code"`
		}
		switch err := json.Unmarshal(body, &p); {
		case status != http.StatusForbidden:
			return nil
		case err != nil: // the page of the service in front of the API, after too many 429
			return []rest.Problem{{Words: []string{"page@"}}}
		case strings.HasPrefix(p.Code, "feature_capping") || strings.HasPrefix(p.Error, "feature_capping"):
			return []rest.Problem{{Words: []string{"capping@"}}}
		}
		return nil
	},
}
